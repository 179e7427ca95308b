"""The README continues those that people forked: served as API answers, their papers make their very rows again."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from house import SHARED, Time, make_app

from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.library import FixedAnswers
from newsletter.model import Paper, parse_identifier
from newsletter.publish import publish

REFERENCE = SHARED / "reference"
ROW = re.compile(
    r"\| \*\*\[(?P<title>.*)\]\(http://arxiv\.org/abs/(?P<id>\S+)\)\*\* \| (?P<date>\S+) "
    r"\| <details><summary>Show</summary><p>(?P<abstract>.*?)</p></details> \| (?P<comment>.*) \|"
)
FOLDED = re.compile(r"<details><summary>.*?</summary><p>(.*)</p></details>")

pytestmark = pytest.mark.skipif(not REFERENCE.is_dir(), reason=f"no reference READMEs at {REFERENCE}")


def read_reference(text: str) -> dict[str, list[Paper]]:
    """The papers of a seed README by topic, in its order."""
    papers: dict[str, list[Paper]] = {}
    for section in text.split("\n## ")[1:]:
        name, *lines = section.split("\n")
        rows = [match for line in lines if (match := ROW.fullmatch(line))]
        papers[name] = [to_paper(match) for match in rows]
    return papers


def to_paper(row: re.Match[str]) -> Paper:
    version = parse_identifier(row["id"])
    assert version is not None
    assert version.number is not None
    folded = FOLDED.fullmatch(row["comment"])
    moment = datetime.fromisoformat(row["date"]).replace(tzinfo=UTC)  # only days are recorded: ties keep their order
    return Paper(
        id=version.id,
        version=version.number,
        title=row["title"],
        abstract=row["abstract"],
        authors=("Somebody",),
        categories=("cs.CV",),
        submitted=moment,
        updated=moment,
        comment=folded[1] if folded else row["comment"].strip(),
    )


@pytest.mark.parametrize("form", ["today", "2025-10"])
@pytest.mark.parametrize("name", ["daily-papers-2025-02-28.md", "daily-papers-2025-05-13.md"])
def test_every_section_is_made_again(name: str, form: str, tmp_path: Path) -> None:
    reference = (REFERENCE / name).read_text(encoding="utf-8")
    papers = read_reference(reference)
    assert [len(rows) for rows in papers.values()] == [20, 20, 20, 20]
    day = date.fromisoformat(name[-13:-3])
    with ArxivStandIn(FixedAnswers(papers), form=form) as arxiv:  # type: ignore[arg-type]
        time = Time(datetime(2026, 11, 21, 7, tzinfo=UTC))
        app = make_app(tmp_path, api_url=arxiv.url, topics=list(papers), time=time, archive={"max_papers": 20})
        report = publish(app, day)
    assert report.failures == ()
    assert report.harvest is not None
    assert report.harvest.dropped == 0
    written = (tmp_path / "archive/README.md").read_text(encoding="utf-8")
    wanted = reference.replace("](http://arxiv.org/", "](https://arxiv.org/")
    assert f"Last update: {day}" in written
    ours, theirs = written.split("\n## ")[1:], wanted.split("\n## ")[1:]
    for mine, section in zip(ours, theirs, strict=True):
        for my_line, line in zip(mine.split("\n"), section.split("\n"), strict=True):
            if not needs_escaping(line):
                assert my_line == line


def needs_escaping(line: str) -> bool:
    row = ROW.fullmatch(line.replace("](https://", "](http://"))
    if row is None:
        return False
    paper = to_paper(row)
    return any(sign in text for text in (paper.title, paper.abstract, paper.comment) for sign in ("|", "<", "]("))

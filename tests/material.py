"""Digests to hold against what mail programs and readers ask for: whole messages, made as `newsletter preview` does.

They are of papers invented here (one, a few, hundreds, and such as hold every odd thing a record can), and of recorded
ones, which are not part of the repository.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from house import SHARED, START, Time, bring, day, make_app, make_paper, subscribe
from mailing import recorded

from benchmarks.material import TOPICS
from benchmarks.material import papers as long_papers
from newsletter.model import Paper, Remark, RemarkKind
from newsletter.preview import Mail, preview
from newsletter.settling import settle

RECORDED = SHARED / "data" / "arxiv"
READER = "reader@example.net"
BASE_URL = "https://papers.example.org"
POSTAL = "Daily Papers, 1 Example Street, 00000 Nowhere"

TWELVE = (
    *TOPICS,
    "Causal Inference",
    "Graph Neural Network",
    "Protein Design",
    "Video Anomaly Detection",
)
#: What many of the recorded papers are about.
RECORDED_TOPICS = (
    "Reinforcement Learning",
    "Large Language Model",
    "Diffusion",
    "Humanoid",
    "Manipulation",
    "Gaussian Splatting",
    "Vision-Language-Action",
    "Benchmark",
    "Motion",
    "Policy",
    "Reasoning",
    "Navigation",
)
REMARKS = (
    Remark(RemarkKind.LATE, since=date(2025, 12, 24)),
    Remark(RemarkKind.OUTAGE, since=date(2026, 1, 4), until=date(2026, 1, 5)),
    Remark(RemarkKind.PARTIAL, topics=(1, 2)),
    Remark(RemarkKind.STALE),
    Remark(RemarkKind.FEED_ONLY),
)


def make(
    folder: Path,
    topics: Sequence[str | dict[str, str]],
    papers: Sequence[Paper],
    before: Sequence[Paper] = (),
    remarks: tuple[Remark, ...] = (),
    *,
    welcome: bool = False,
    **newsletter: str,
) -> Mail:
    """The mail of a day that brings `papers`, to a reader who takes all topics; the day before brought `before`."""
    time = Time()
    ours = {"base_url": BASE_URL, "postal_address": POSTAL, **newsletter}
    app = make_app(folder, topics=topics, time=time, newsletter=ours, digest={"backlog": 2000})
    with closing(app):
        subscribe(app, READER)
        bring(app, *before)
        settle(app, day())
        time.now += timedelta(days=1)
        bring(app, *papers)
        settle(app, day(1), remarks)
        return preview(app, READER, None, welcome=welcome)


# ---------------------------------------------------------------- invented


def _small(folder: Path) -> Mail:
    return make(folder, ["Graph Neural Networks"], [_spread(1, ("Graph Neural Networks",))[0]])


def _medium(folder: Path) -> Mail:
    papers = _spread(25, TWELVE[:4])
    first = [replace(paper, abstract=f"{paper.abstract} More.") for paper in papers[:3]]
    later = [replace(paper, version=2, updated=START, comment="Accepted at ICML 2026") for paper in papers[:3]]
    return make(folder, TWELVE[:4], [*later, *papers[3:]], first)


def _large(folder: Path) -> Mail:
    """Of a newsletter that is not on the web: one leaves it by mail, and what has no room is nowhere else."""
    return make(folder, TWELVE, _spread(480, TWELVE), remarks=REMARKS[:1], base_url="")


def _spread(number: int, topics: Sequence[str]) -> list[Paper]:
    """Papers as long as arXiv's, each under one of the topics, and every fifth under two."""

    def title(place: int, paper: Paper) -> str:
        subjects = topics[place % len(topics)], topics[(place + 1) % len(topics)]
        about = " and ".join(subjects if place % 5 == 0 else subjects[:1])
        return f"{paper.title.rpartition(':')[0]}: {about}, in {place + 1} Parts"

    return [replace(paper, title=title(place, paper)) for place, paper in enumerate(long_papers(number))]


def _german(folder: Path) -> Mail:
    """To somebody who has just subscribed, with a title written from the right, and an abstract that goes on."""
    papers = [
        *_spread(12, TWELVE[:4]),
        make_paper(900, _ODD_TITLES[1]),
        make_paper(901, f"{TWELVE[0]}, at Length", abstract=_LONG),
    ]
    first = [replace(paper, abstract=f"{paper.abstract} More.") for paper in papers[:2]]
    later = [replace(paper, version=2, updated=START, comment="Accepted at ICML 2026") for paper in papers[:2]]
    topics = (*TWELVE[:4], {"name": "Moths", "query": "ti:graph"})
    return make(folder, topics, [*later, *papers[2:]], first, REMARKS, welcome=True, language="de")


_ODD_TITLES = (
    r"Learning $\ell_1$-Sparse Gr\"aphs with $O(n \log k)$ \emph{Moths} and 99.1\% of \ours{}~\textbf{Lamps}",
    "تعلم الرسوم البيانية: graph learning عن الفراشات",
    "למידת גרפים ועשים (graph learning)",
    "图神经网络：关于灯与蛾的研究 graph",
    "ランプと蛾のグラフ graph 学習",
    "👩‍🔬🦋 A graph of 🔥 hot moths 🏳️‍🌈",
    "Gra\u0301ph with c\u0327ombining a\u0308\u0323\u0306 and Z̴͇̐a̶͎͝l̷̢̛g̸̱̈́o̵͉͋ marks",
    "Graph" + "verylongwordthatneverends" * 12,
    "https://example.org/" + "a-graph-in-an-address/" * 12,
    "<script>alert('graph')</script> & <b>bold</b> &amp; &lt;i&gt; </td></tr></table>",
    "\"Quoted\" 'graph' “typographic” «French» `code`",
    "Graph $x<y$ and $a>b$ & {braces} % percent # hash _ under ^ hat ~ tilde | bar",
    "0",
    "graph",
    "ΑΝΑΛΥΣΗ ΓΡΑΦΩΝ graph и анализ графов",
    ".a graph that begins with a dot",
)
_LONG = ("We look at graphs of moths, and at 3.5% of their lamps, e.g. those of Fig. 2 (see et al.). " * 40)[:3000]


def _odd_papers() -> Iterator[Paper]:
    for number, title in enumerate(_ODD_TITLES, 1):
        yield make_paper(number, title, abstract=f"{title}. We look at graphs. {title}", comment=title)
    people = tuple(f"Ångström-{number} O'Neill <{number}@example.org>" for number in range(300))
    yield make_paper(30, "A Graph by Three Hundred", authors=people)
    yield make_paper(31, "A Graph by a Collaboration", authors=("The ATLAS & CMS Collaborations",))
    yield make_paper(32, "A Long Graph", abstract=_LONG)
    yield make_paper(33, "A Graph in One Sentence", abstract=_LONG.replace(".", ",")[:3000])
    yield make_paper(34, "A Graph without Blanks", abstract="graph" * 600)
    yield make_paper(35, "A Graph without an Abstract", abstract="", authors=())
    categories = ("cs.LG", "stat.ML", "math.PR", "physics.data-an", "cs.CV", "cs.CL", "cs.NE", "q-bio.NC", "eess.IV")
    yield make_paper(36, "A Graph of Many Categories", categories=categories, doi="10.1000/a<b>&c", journal_ref="J & K")
    yield make_paper(
        37, "A Graph with Code", comment="ICML 2026 (oral); code: https://github.com/example/graph.git, 9 p"
    )


def _odd(folder: Path) -> Mail:
    titles = [f"A Graph That Changes, {number}" for number in range(7)] + ["למידת גרפים"]
    first = [make_paper(39 + version, title, version=version) for version, title in enumerate(titles, 1)]
    later = [
        replace(first[0], version=2, title="A Graph That Changed", comment="Accepted at ICML 2026", updated=START),
        replace(first[1], version=3, abstract="We look at other graphs.", authors=("Else, Somebody",), updated=START),
        replace(first[2], version=4, comment="This paper has been withdrawn by the authors", updated=START),
        *(
            replace(paper, version=paper.version + 1, comment="<b>Typos</b> & more", updated=START)
            for paper in first[5:]
        ),
    ]
    topics = (
        {"name": "Graphs & <Moths>: “Odd” Ünïcode", "query": 'ti:"graph that" OR ti:analysis OR ti:moths'},
        {"name": "תורת הגרפים", "query": "ti:graph"},
        {"name": "AllOfMachineLearningInOneWordThatDoesNotEndWhereALineOfAPhoneDoes", "query": "cat:cs.LG"},
    )
    name = "Käßpapiere & Söhne <7>"
    return make(
        folder, topics, [*later, *_odd_papers()], first, REMARKS, name=name, postal_address="Straße 1 & 2 <Ort>"
    )


# ---------------------------------------------------------------- recorded


def _bulk() -> list[Paper]:
    with (RECORDED / "bulk" / "papers.jsonl").open(encoding="utf-8") as lines:
        return [_of_bulk(number, line) for number, line in enumerate(lines)]


def _of_bulk(number: int, line: str) -> Paper:
    paper, moment = recorded(line), _recent(number)
    return replace(paper, submitted=moment, updated=moment + timedelta(hours=paper.version - 1))


def _odd_records() -> Iterator[Paper]:
    with (RECORDED / "odd" / "odd_records.jsonl").open(encoding="utf-8") as lines:
        records = {record["id"]: record for record in (json.loads(line)["record"] for line in lines)}
    for number, record in enumerate(records.values()):
        categories = record["categories"]
        yield Paper(
            id=record["id"],
            version=1,
            title=_said(record, "title"),
            abstract=_said(record, "abstract", "summary"),
            authors=tuple(map(_name, record["authors"])),
            categories=tuple(categories.split() if isinstance(categories, str) else categories),
            submitted=_recent(number),
            updated=_recent(number),
            comment=_said(record, "comments", "comment"),
            journal_ref=_said(record, "journal_ref"),
            doi=_said(record, "doi"),
        )


def _said(record: dict[str, Any], *names: str) -> str:
    return " ".join(next((record[name] for name in names if record.get(name)), "").split())


def _recent(number: int) -> datetime:
    """A moment within the days that are announced: the recorded ones are long ago."""
    return START - timedelta(days=2) + timedelta(seconds=number)


def _name(author: Any) -> str:
    return author if isinstance(author, str) else " ".join(filter(None, (author.get("forenames"), author["keyname"])))


def _recorded_small(folder: Path) -> Mail:
    return make(folder, RECORDED_TOPICS[:2], _bulk()[:4])


def _recorded_large(folder: Path) -> Mail:
    return make(folder, RECORDED_TOPICS, _bulk()[:600])


def _recorded_odd(folder: Path) -> Mail:
    odd = list(_odd_records())
    queries: dict[str, set[str]] = {}
    for paper in odd:
        archive, dot, _ = paper.categories[0].partition(".")
        queries.setdefault(archive, set()).add(f"cat:{archive}{dot and '.*'}")
    topics = [{"name": f"Of {archive}", "query": " OR ".join(sorted(queries[archive]))} for archive in sorted(queries)]
    return make(folder, topics, odd)


_RECORDED: dict[str, Callable[[Path], Mail]] = {
    "recorded small": _recorded_small,
    "recorded large": _recorded_large,
    "recorded odd": _recorded_odd,
}
_INVENTED: dict[str, Callable[[Path], Mail]] = {
    "small": _small,
    "medium": _medium,
    "large": _large,
    "german": _german,
    "odd": _odd,
}

MAKERS = _INVENTED | (_RECORDED if RECORDED.exists() else {})

#: The names of all digests, to parametrize with; those of papers that are not there are skipped.
DIGESTS = [
    *_INVENTED,
    *(
        pytest.param(name, marks=pytest.mark.skipif(name not in MAKERS, reason=f"{RECORDED} is not there"))
        for name in _RECORDED
    ),
]

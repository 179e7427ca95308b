"""The archive's pages: the rows others read byte for byte, and what GitHub makes of them."""

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath

import cmarkgfm
import pytest
from cmarkgfm.cmark import Options
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsletter.errors import ArchiveError
from newsletter.model import Announcement, Kind, Paper
from newsletter.rendering import readme
from newsletter.rendering.readme import (
    BEGIN,
    DISCLAIMER,
    END,
    THANKS,
    EditionPage,
    EditionSection,
    Section,
    only_date_differs,
    render_archive,
    render_edition,
)


def render_readme(existing: str | None, title: str, day: date, sections: Sequence[Section], max_papers: int) -> str:
    """The README alone."""
    return render_archive(existing, title, day, sections, max_papers)[readme.README]


SHARED = Path(__file__).parents[2] / "shared"
DAY = date(2025, 2, 28)
TELLTALE = re.compile("[|<\\t\r\n\v\f\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|\\]\\(")
HEAD = "| **Title** | **Date** | **Abstract** | **Comment** |\n| --- | --- | --- | --- |"
PAPER = Paper(
    id="0001.00001",
    version=2,
    title="A Title",
    abstract="An abstract.",
    authors=("A. Author", "B. Author"),
    categories=("cs.LG",),
    submitted=datetime(2000, 1, 1, tzinfo=UTC),
    updated=datetime(2000, 1, 2, 23, 30, tzinfo=UTC),
)


def own(text: str) -> str:
    """A paper's own text, as a reader is to see it."""
    spaced = re.sub("[\t\r\n\v\f\x1c-\x1e\x85]", " ", text)
    visible = (character for character in spaced if unicodedata.category(character) not in ("Cc", "Cs"))
    return " ".join(re.sub("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufffe\uffff]", "", "".join(visible)).split())


class Cells(HTMLParser):
    """The texts of a rendered table's cells, row by row, and where its links lead."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.links: list[str | None] = []
        self._inside = False
        self.feed(cmarkgfm.github_flavored_markdown_to_html(markdown, Options.CMARK_OPT_UNSAFE))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag == "td":
            self._inside = True
            self.rows[-1].append("")
        elif tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "td"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.rows[-1][-1] += data


def shown(paper: Paper) -> list[str]:
    """What the README's row of a paper is to show."""
    comment = own(paper.comment)
    start = f"{comment[:5]}..." if len(comment) > 20 else ""
    return [own(paper.title), paper.updated.date().isoformat(), f"Show{own(paper.abstract)}", start + comment]


def page(*papers: Paper, name: str = "Topic", existing: str | None = None) -> str:
    return render_readme(existing, "Daily Papers", DAY, [Section(name, papers)], 100)


def rows(markdown: str) -> list[str]:
    return [line for line in markdown.splitlines() if line.startswith("| **[")]


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("", ""),
        ("x" * 20, "x" * 20),
        ("x" * 21, f"<details><summary>xxxxx...</summary><p>{'x' * 21}</p></details>"),
        ("TMLR 2025, to appear in", "<details><summary>TMLR ...</summary><p>TMLR 2025, to appear in</p></details>"),
        ("a|b*" * 5, r"a\|b\*a\|b\*a\|b\*a\|b\*a\|b\*"),
        ("a*b_c" * 4 + "|", rf"<details><summary>a\*b\_c...</summary><p>{'a' + chr(92) + '*b' + chr(92) + '_c'}"),
    ],
)
def test_a_row_and_its_comment(comment: str, expected: str) -> None:
    [row] = rows(page(replace(PAPER, comment=comment)))
    assert row.startswith(
        "| **[A Title](https://arxiv.org/abs/0001.00001v2)** | 2000-01-02 | "
        f"<details><summary>Show</summary><p>An abstract.</p></details> | {expected}"
    )
    assert row.endswith(" |")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"As it is: \textbf{x} $a_1$ *b* ~c~ [d] & `e` &amp;", r"As it is: \textbf{x} $a_1$ *b* ~c~ [d] & `e` &amp;"),
        (r"a<b & \c `d` *e* _f_ [g] h|i ~j~ $k$ >", r"a&lt;b &amp; \\c \`d\` \*e\* \_f\_ \[g\] h\|i \~j\~ \$k\$ >"),
        ("[a](b)", r"\[a\](b)"),
        ("*a*\n\n*b*", r"\*a\* \*b\*"),
        ("*a\u202e*", r"\*a\*"),
        ("*a\x07*", r"\*a\*"),
        ("<!-- papers:end -->", "&lt;!-- papers:end -->"),
        ("a|b https://example.org/c_d", r"a\|b https\://example.org/c\_d"),
        ("a|b https://example.org/cd", r"a\|b https://example.org/cd"),
    ],
)
def test_escaping(text: str, expected: str) -> None:
    assert readme.cell(text) == expected


TEXTS = st.text(st.one_of(st.characters(), st.sampled_from("\\`*_[]()|~$&<>!#:/.@w \n")))
TROUBLE = (
    *("https://a.b/c_d", "HTTP://A.B/_", "<http://a.b>", "ftp://a.b/_", "www.a.b/~c", "x_y@a.b", "&lt;", "&amp;x=1"),
    *("**", "~~", "](", "![", "[^1]", "`", "$", "|", "\\", "*", "<", "<b>", "</p>", "-->", "a", "é", " ", "\u202e"),
)
PIECES = st.lists(st.sampled_from(TROUBLE)).map("".join)


@settings(deadline=None)
@given(title=TEXTS | PIECES, abstract=TEXTS | PIECES, comment=TEXTS | PIECES)
@example(title="\\|", abstract="a < https://a.b/c_d?e&f", comment="www.a.b/_ |")
@example(title="|\\", abstract="|\\", comment="|\\")
def test_an_escaped_text_is_shown_as_it_is(title: str, abstract: str, comment: str) -> None:
    # Escaping is asked for by a pipe here, so that every text is one that is escaped.
    paper = replace(PAPER, title=f"{title}|", abstract=f"{abstract}|", comment=f"|{comment}")
    cells = Cells(page(paper, PAPER))
    assert cells.rows[1:] == [shown(paper), shown(PAPER)]
    assert cells.links.count(paper.link) == 2


@settings(deadline=None)
@given(title=TEXTS, abstract=TEXTS, comment=TEXTS)
def test_every_paper_is_one_line_of_text(title: str, abstract: str, comment: str) -> None:
    text = page(replace(PAPER, title=title, abstract=abstract, comment=comment))
    assert len(text.splitlines()) == len(page(PAPER).splitlines())
    text.encode()


@settings(deadline=None)
@given(name=TEXTS)
def test_a_topics_name_stays_in_its_heading(name: str) -> None:
    html = cmarkgfm.github_flavored_markdown_to_html(page(PAPER, name=f"|{name}"), Options.CMARK_OPT_UNSAFE)
    assert html.count("<h2>") == 1
    assert html.count("<table>") == 1


def test_the_whole_page() -> None:
    newer = replace(PAPER, id="0001.00002", version=1, updated=PAPER.updated + timedelta(days=1))
    sections = [Section("One", (PAPER, newer)), Section("None yet", ())]
    text = render_readme(None, "Daily Papers", DAY, sections, 100)
    row = (
        "| **[A Title](https://arxiv.org/abs/{})** | {} | "
        "<details><summary>Show</summary><p>An abstract.</p></details> |  |"
    )
    header, rest = text.split("Last update: ")
    assert rest == (
        f"2025-02-28\n\n## One\n{HEAD}\n{row.format('0001.00002v1', '2000-01-03')}\n"
        f"{row.format('0001.00001v2', '2000-01-02')}\n\n## None yet\n{HEAD}\n\n"
    )
    assert header.startswith("# Daily Papers\n")
    assert THANKS in header
    assert DISCLAIMER in header
    assert rows(render_readme(None, "Daily Papers", DAY, sections, 1)) == [row.format("0001.00002v1", "2000-01-03")]


def test_between_markers_only() -> None:
    existing = f"# Mine\r\n\r\nLast update: never\r\n{BEGIN}\r\nold\r\n{END}\r\n\r\nfooter\x0c without end"
    text = page(PAPER, existing=existing)
    before, after = text.split("\nLast update: 2025-02-28\n\n## Topic\n")
    assert before == f"# Mine\r\n\r\nLast update: never\r\n{BEGIN}"
    assert after.endswith(f" |\n\n{END}\r\n\r\nfooter\x0c without end")
    assert "old" not in text
    assert page(PAPER, existing=text) == text


def test_markers_that_are_shown_as_code_mark_nothing() -> None:
    existing = f"# Mine\n\nPaste `{BEGIN}` and `{END}`.\n\n{BEGIN}\n{END}\n"
    assert page(PAPER, existing=existing).startswith(f"# Mine\n\nPaste `{BEGIN}` and `{END}`.\n\n{BEGIN}\nLast update")


@pytest.mark.parametrize("markers", [BEGIN, END, END + BEGIN, BEGIN + END + END, BEGIN + BEGIN + END])
def test_markers_that_are_not_one_pair_are_refused(markers: str) -> None:
    with pytest.raises(ArchiveError, match="once, in this order"):
        page(PAPER, existing=f"# Mine\n{markers}\n")


@pytest.mark.parametrize("existing", [None, "", " \r\n\n", "\ufeff"])
def test_no_readme_yet(existing: str | None) -> None:
    assert page(PAPER, existing=existing) == page(PAPER)


@pytest.mark.parametrize("written", [page(PAPER), render_readme(None, "X", DAY, [], 5)], ids=["papers", "no topic"])
def test_our_own_readme_is_written_anew(written: str) -> None:
    assert page(existing=written) == page()
    assert page(existing=written.replace("\n", "\r\n")) == page()


@pytest.mark.parametrize(
    "existing",
    [
        "# my-repository\n",
        "# Mine\n\nLast update: 2025-01-01\n\nWords of mine.\n",
        "# Mine\n\nLast update: 2025-01-01\n",
        page(PAPER) + "A footer of mine.\n",
        "Mine first\n" + page(PAPER),
        page(PAPER).replace("Last update", "Updated"),
    ],
)
def test_a_readme_that_is_not_ours_is_left_alone(existing: str) -> None:
    with pytest.raises(ArchiveError, match=f"{BEGIN}\n{END}"):
        page(PAPER, existing=existing)


def many(count: int, first: int, size: int = 1000) -> tuple[Paper, ...]:
    return tuple(
        replace(
            PAPER,
            id=f"0001.{first + number:05}",
            abstract="é" * (size // 2),
            updated=PAPER.updated - timedelta(hours=number),
        )
        for number in range(count)
    )


def test_a_page_too_long_for_github_loses_the_oldest_rows_of_its_longest_sections() -> None:
    sections = [
        Section("Short", many(50, 1)),
        Section("Löng/../er", many(400, 1000)),
        Section("longer", many(300, 2000)),
    ]
    pages = render_archive(None, "Daily Papers", DAY, sections, 1000)
    text = pages.pop(PurePosixPath("README.md"))
    assert 500_000 - 2000 < len(text.encode()) <= 500_000
    left = [rows(part) for part in parts(text)]
    assert len(left[0]) == 50
    assert abs(len(left[1]) - len(left[2])) <= 1
    for part, section in zip(left, sections, strict=True):
        assert [row.split("/abs/")[1][:10] for row in part] == [paper.id for paper in section.papers[: len(part)]]
    assert list(pages) == [PurePosixPath("topics/long-er.md"), PurePosixPath("topics/longer.md")]
    assert len(rows(pages[PurePosixPath("topics/long-er.md")])) == 400
    assert {"topics/long-er.md", "topics/longer.md"} <= set(Cells(text).links)
    assert page(existing=text) == page()


def test_what_stands_around_the_markers_counts() -> None:
    around = "x" * 499_000
    pages = render_archive(f"{around}\n{BEGIN}\n{END}\n", "X", DAY, [Section("A", many(3, 1)), Section("B", ())], 9)
    assert rows(pages[PurePosixPath("README.md")]) == []
    assert len(rows(pages[PurePosixPath("topics/a.md")])) == 3


def test_slugs_are_plain_and_unique() -> None:
    names = ["A B", "a-b", "A b 2", "../../etc", "异常检测", "", "x" * 300, "Größe"]
    slugs = readme._slugs(names)
    assert slugs == ["a-b", "a-b-2", "a-b-2-2", "etc", "topic", "topic-2", "x" * 60, "grosse"]


def test_only_the_date_differs() -> None:
    later = page(PAPER).replace("2025-02-28", "2025-03-01")
    assert only_date_differs(page(PAPER), later)
    assert only_date_differs(page(PAPER).replace("\n", "\r\n"), later)
    assert not only_date_differs(page(PAPER), later.replace("2000-01-02", "2000-01-03"))
    assert not only_date_differs(page(PAPER), page())


def test_an_editions_page() -> None:
    announced = (
        Announcement(1, replace(PAPER, title="Old"), Kind.PASSED_OVER),
        Announcement(1, replace(PAPER, title="Gone", comment="Withdrawn <sic>"), Kind.WITHDRAWN),
        Announcement(1, replace(PAPER, title="Better"), Kind.REVISED, ("title", "abstract")),
        Announcement(1, replace(PAPER, title="Fresh", authors=tuple("ABCDEFGHIJKL")), Kind.NEW),
    )
    sections = (EditionSection("Vid|eo", announced), EditionSection("Quiet", announced[:1]))
    assert EditionPage(date(25, 2, 8), sections).path == PurePosixPath("editions/0025/02/08.md")
    text = render_edition("Daily Papers", EditionPage(DAY, sections))
    assert re.findall(r"^#+ .*", text, re.MULTILINE) == [
        "# Daily Papers: 2025-02-28", r"## Vid\|eo", "### New", "### Revised", "### Withdrawn",
    ]  # fmt: skip
    fresh, better, gone = [row for row in Cells(text).rows if row]
    assert fresh == ["Fresh", "A and 11 moreA, B, C, D, E, F, G, H, I, J, K, L", "2000-01-02", "ShowAn abstract.", ""]
    assert better == ["Better", "A. Author, B. Author", "title, abstract", "2000-01-02", "ShowAn abstract.", ""]
    assert gone[-1] == "Withdrawn <sic>"
    assert "Old" not in text
    assert THANKS in text
    assert DISCLAIMER in text


# The two READMEs whose format this is, and real records.


def read(name: str) -> str:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path.read_text(encoding="utf-8")


ROW = re.compile(
    r"\| \*\*\[(?P<title>.*)\]\(http://arxiv\.org/abs/(?P<id>[^ ]+)v(?P<version>\d+)\)\*\* \| (?P<date>[\d-]+) \| "
    r"<details><summary>Show</summary><p>(?P<abstract>.*?)</p></details> \| "
    r"(?:<details><summary>.{5}\.\.\.</summary><p>(?P<folded>.*)</p></details>|(?P<comment>.*)) \|"
)


def reference_paper(row: str) -> Paper:
    found = ROW.fullmatch(row)
    assert found, row
    return replace(
        PAPER,
        id=found["id"],
        version=int(found["version"]),
        title=found["title"],
        abstract=found["abstract"],
        comment=found["folded"] or found["comment"] or "",
        updated=datetime.fromisoformat(f"{found['date']}T12:00:00+00:00"),
    )


def parts(markdown: str) -> list[str]:
    """The sections, each to its last character."""
    return re.split(r"^## ", markdown, flags=re.MULTILINE)[1:]


@pytest.mark.parametrize("name", ["daily-papers-2025-02-28.md", "daily-papers-2025-05-13.md"])
def test_the_references_are_met_byte_for_byte(name: str) -> None:
    text = read(f"reference/{name}")
    sections = [Section(part.partition("\n")[0], tuple(map(reference_paper, rows(part)))) for part in parts(text)]
    assert [len(section.papers) for section in sections] == [20, 20, 20, 20]
    day = date.fromisoformat(name[13:23])
    written = render_readme(text, "Daily Papers", day, sections, 100)
    compared = 0
    for section, part, wanted in zip(sections, parts(written), parts(text), strict=True):
        for paper, row, reference in zip(section.papers, rows(part), rows(wanted), strict=True):
            if needs_escaping(paper):
                assert Cells(f"{HEAD}\n{row}").rows[1] == shown(paper)
            else:
                compared += 1
                assert row == in_https(reference)
        if not any(map(needs_escaping, section.papers)):
            assert part == in_https(wanted)
    assert compared >= 70
    assert re.search(r"^Last update: .*\n\n## ", written, re.MULTILINE)


def needs_escaping(paper: Paper) -> bool:
    return any(TELLTALE.search(field) for field in (paper.title, paper.abstract, paper.comment))


def in_https(text: str) -> str:
    return re.sub(r"^(\| \*\*\[.*?\]\()http://(arxiv\.org/abs/)", r"\1https://\2", text, flags=re.MULTILINE)


def records() -> Iterator[Paper]:
    for line in read("data/arxiv/odd/odd_records.jsonl").splitlines():
        record = json.loads(line)["record"]
        yield real(
            record["title"],
            record.get("abstract") or record["summary"],
            record.get("comments") or record.get("comment"),
        )
    for line in read("data/arxiv/bulk/papers.jsonl").splitlines():
        record = json.loads(line)
        yield real(record["title"], record["summary"], record["comment"])


def real(*fields: str | None) -> Paper:
    title, abstract, comment = (" ".join((field or "").split()) for field in fields)
    return replace(PAPER, title=title, abstract=abstract, comment=comment)


def test_real_records_show_their_own_text_where_they_are_escaped() -> None:
    escaped = 0
    for paper in records():
        [_head, row] = Cells(page(paper)).rows
        for field, cell, expected in zip(
            (paper.title, "", paper.abstract, paper.comment), row, shown(paper), strict=True
        ):
            if TELLTALE.search(field):
                escaped += 1
                assert cell == expected
    assert escaped > 10

"""The reader beside the writer in `readme`: takes the rows of a README of that form apart again.

It reads ours, and those of the programs whose form it is: they write fields as they are, whatever stands in them.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from newsletter.model import Version, parse_identifier
from newsletter.rendering.readme import BEGIN, END, cell
from newsletter.text import INVISIBLE

_ROW = re.compile(
    r"\| \*\*\[(?P<title>.*?)\]\((?P<link>[^\s()]+)\)\*\* \| (?P<day>\d{4}-\d\d-\d\d)"
    r" \| <details><summary>Show</summary><p>(?P<abstract>.*?)</p></details> \| (?P<comment>.*?) ?\|"
)
_FIRST_DAY = date(1991, 8, 14)
_FOLDED = re.compile(r"<details><summary>.*?</summary><p>(?P<comment>.*)</p></details>")
_NO_ROW = re.compile(r"\| \*\*Title\*\* \|.*|[|\s:-]+")
_ESCAPE = re.compile(r"\\([\\`*_\[\]|~$:.])")
_NOT_UTF_8 = re.compile("[\ud800-\udfff]")  # what "surrogateescape" makes of it
# Shown as code, a marker marks nothing.
_BEGIN, _END = (re.compile(rf"(?<!`){marker}(?!`)") for marker in (BEGIN, END))


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a section's table. `version.number` is None where the link has none; `day` is a day in UTC."""

    version: Version
    title: str
    abstract: str
    comment: str
    day: date


@dataclass(frozen=True, slots=True)
class Line:
    """A line that ought to be a row, with its number in the file, from 1, and the heading it stands under."""

    number: int
    section: str
    text: str


def row_lines(readme: str) -> Iterator[Line]:
    """The lines of a README's tables, in order; of one with markers, those between them."""
    section = None
    for number, line in _ours(readme.removeprefix("\ufeff").split("\n")):
        text = line.rstrip()
        if text.startswith("## "):
            section = _plain(text.removeprefix("## "))
        elif section is not None and text.startswith("|") and not _NO_ROW.fullmatch(text):
            yield Line(number, section, text)


def read_row(text: str) -> Row:
    """Read a row.

    Raises:
        ValueError: it is none; the text says why.

    """
    if _NOT_UTF_8.search(text):
        raise ValueError("it is not UTF-8")
    match = _ROW.fullmatch(text)
    if match is None:
        raise ValueError("it has not the form | **[title](link)** | date | abstract, folded | comment |")
    version = parse_identifier(match["link"])
    if version is None:
        raise ValueError(f"{match['link']} is no address of a paper")
    try:
        day = date.fromisoformat(match["day"])
    except ValueError:
        raise ValueError(f"{match['day']} is no date") from None
    if day < _FIRST_DAY:
        raise ValueError(f"{day} is before arXiv began")
    folded = _FOLDED.fullmatch(match["comment"])
    comment = folded["comment"] if folded else match["comment"]
    return Row(version, _plain(match["title"]), _plain(match["abstract"]), _plain(comment), day)


def _ours(lines: Sequence[str]) -> Iterator[tuple[int, str]]:
    marked = any(map(_BEGIN.search, lines)) and any(map(_END.search, lines))
    inside = not marked
    for number, line in enumerate(lines, 1):
        if marked and (_BEGIN.search(line) or _END.search(line)):
            inside = bool(_BEGIN.search(line))
        elif inside:
            yield number, line


def _plain(text: str) -> str:
    """The paper's own text. It was escaped if escaping the outcome makes what stands there; else it was written raw."""
    unescaped = _ESCAPE.sub(r"\1", text).replace("&lt;", "<").replace("&amp;", "&")
    own = unescaped if cell(unescaped) == text else text
    return " ".join(INVISIBLE.sub("", own).split())

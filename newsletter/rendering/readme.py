"""The archive's pages in Markdown: README.md, a page for each edition, a page for each topic that was cut.

Rows and sections of the README are a format others read: they stay as they are, byte for byte. All of it is pure.
"""

import heapq
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from functools import cache
from gettext import gettext as _
from pathlib import PurePosixPath

from jinja2 import Environment

from newsletter.errors import ArchiveError
from newsletter.model import Announcement, Kind, Paper, Remark
from newsletter.rendering.environment import make_environment, render
from newsletter.rendering.fragments import printable
from newsletter.rendering.words import words_of
from newsletter.text import INVISIBLE, LINE_ENDS, normalise

BEGIN, END = "<!-- papers:begin -->", "<!-- papers:end -->"
README = PurePosixPath("README.md")
MAX_BYTES = 500_000  # GitHub shows the first 512,000 bytes of a README

THANKS = "Thank you to arXiv for use of its open access interoperability."
DISCLAIMER = (
    "This product was not reviewed or approved by, nor does it necessarily express or reflect the policies or "
    "opinions of, arXiv."
)

_HEAD = "| **Title** | **Date** | **Abstract** | **Comment** |\n| --- | --- | --- | --- |"
_LONGEST_OPEN_COMMENT, _COMMENT_START = 20, 5
_MAX_OPEN_AUTHORS = 10
_UPDATED = re.compile(r"Last update: \d{4}-\d{2}-\d{2}")
_SECTION_LINE = re.compile(r"|## .*|\|.*\||.*\]\(topics/[a-z0-9-]+\.md\).*")
# Shown as code, as documentation of ours does, a marker marks nothing.
_MARKER = re.compile(rf"(?<!`)(?:{BEGIN}|{END})(?!`)")
_TELLTALE = re.compile("|".join((r"[|<\t\ud800-\udfff]", r"\]\(", LINE_ENDS.pattern, INVISIBLE.pattern)))
# A web address would become a link, and show the backslashes and entities in it: a backslash before it is none.
_SPECIAL = re.compile(r"[\\`*_\[\]|~$]|:(?=//\S*[\\`*_\[\]|~$&])|(?<=www)\.(?=\S*[\\`*_\[\]|~$&])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Section:
    """An operator's topic and its papers: the newest version of each."""

    name: str
    papers: tuple[Paper, ...]


@dataclass(frozen=True, slots=True)
class EditionSection:
    """An operator's topic and what an edition announces under it."""

    name: str
    announcements: tuple[Announcement, ...]


@dataclass(frozen=True, slots=True)
class EditionPage:
    """What the page of one edition holds; topics that announce nothing are left out.

    `topics` are the operator's, by number: a remark on others is not for the archive.
    """

    day: date
    sections: tuple[EditionSection, ...]
    remarks: tuple[Remark, ...] = ()
    topics: Mapping[int, str] = field(default_factory=dict)

    @property
    def path(self) -> PurePosixPath:
        """Where it stands in the archive."""
        return PurePosixPath(f"editions/{self.day.year:04}/{self.day.month:02}/{self.day.day:02}.md")


def render_archive(
    existing: str | None,
    title: str,
    day: date,
    sections: Sequence[Section],
    max_papers: int,
) -> dict[PurePosixPath, str]:
    """The README, and the whole of each topic that was cut in it.

    Raises:
        ArchiveError: `existing` is a README that is not ours to write.

    """
    sections = [_newest(section, max_papers) for section in sections]
    frame = _Frame.around(existing, _page("header.md", title=title, max_papers=max_papers))
    slugs = _slugs(section.name for section in sections)
    body, cut = _body(day, sections, slugs, MAX_BYTES - _size(frame.before + frame.after))
    pages = {README: frame.before + body + frame.after}
    for number in cut:
        pages[_topic_path(slugs[number])] = render_topic(title, sections[number])
    return pages


def render_topic(title: str, section: Section) -> str:
    """The page of one topic, with all its rows. It carries no date, so that it changes only with its papers."""
    table = "\n".join((_HEAD, *map(_row, section.papers)))
    return _page("topic.md", title=title, topic=section.name, table=table, count=len(section.papers))


def render_edition(title: str, edition: EditionPage) -> str:
    """The page of one edition: what is remarked on it, and by topic what is new, revised (what changed), withdrawn."""
    remarks = [said for remark in edition.remarks if (said := words_of("en").remark(remark, edition.topics))]
    sections = [
        {"name": section.name, "tables": _edition_tables(section.announcements)}
        for section in edition.sections
        if any(announcement.kind is not Kind.PASSED_OVER for announcement in section.announcements)
    ]
    return _page("edition.md", title=title, day=edition.day.isoformat(), remarks=remarks, sections=sections)


def only_date_differs(old: str, new: str) -> bool:
    """Whether two READMEs say the same but for the day of their last update."""
    return _undated(old) == _undated(new)


def cell(text: str) -> str:
    """A text of a paper as it is written: as it is, or escaped whole if Markdown would show it otherwise."""
    return _escaped(_own(text)) if _TELLTALE.search(text) else _own(text)


def _own(text: str) -> str:
    return " ".join(printable(LINE_ENDS.sub(" ", text)).split())


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\g<0>", text.replace("&", "&amp;").replace("<", "&lt;"))


def _folded(summary: str, text: str) -> str:
    return f"<details><summary>{summary}</summary><p>{text}</p></details>"


def _comment(comment: str) -> str:
    text = _own(comment)
    if len(text) <= _LONGEST_OPEN_COMMENT:
        return cell(comment)
    start = text[:_COMMENT_START]
    return _folded(f"{_escaped(start) if _TELLTALE.search(comment) else start}...", cell(comment))


def _authors(authors: Sequence[str]) -> str:
    text = cell(", ".join(authors))
    if len(authors) <= _MAX_OPEN_AUTHORS:
        return text
    return _folded(_("{first} and {count} more").format(first=cell(authors[0]), count=len(authors) - 1), text)


def _cells(paper: Paper) -> tuple[str, str, str, str]:
    return (
        f"**[{cell(paper.title)}]({paper.link})**",
        paper.updated.astimezone(UTC).date().isoformat(),
        _folded("Show", cell(paper.abstract)),
        _comment(paper.comment),
    )


def _row(paper: Paper) -> str:
    return f"| {' | '.join(_cells(paper))} |"


def _edition_tables(announcements: Iterable[Announcement]) -> list[tuple[str, str]]:
    tables = []
    headings = {Kind.NEW: _("New"), Kind.REVISED: _("Revised"), Kind.WITHDRAWN: _("Withdrawn")}
    for kind, heading in headings.items():
        chosen = [announcement for announcement in announcements if announcement.kind is kind]
        full = [announcement for announcement in chosen if not announcement.minor]
        table = _edition_table(full, with_changes=kind is Kind.REVISED) if full else ""
        lines = "\n".join(_line(announcement) for announcement in chosen if announcement.minor)
        if chosen:
            tables.append((heading, "\n\n".join(filter(None, (table, lines)))))
    return tables


def _line(announcement: Announcement) -> str:
    """A paper that was told before, and what changed in it."""
    paper, changes = announcement.paper, announcement.changes
    told = [paper.updated.astimezone(UTC).date().isoformat(), _("version {number}").format(number=paper.version)]
    comment = cell(paper.comment) if "comment" in changes else ""
    if changed := [name for name in changes if name != "comment" or not comment]:
        told.append(_("changed: {names}").format(names=cell(", ".join(changed))))
    if comment:
        told.append(_("comment: {comment}").format(comment=comment))
    return f"- [{cell(paper.title)}]({paper.link}) · {' · '.join(told)}"


def _edition_table(announcements: Iterable[Announcement], *, with_changes: bool) -> str:
    changed = (_("Changed"),) if with_changes else ()
    names = (_("Title"), _("Authors"), *changed, _("Date"), _("Abstract"), _("Comment"))
    lines = [f"| {' | '.join(f'**{name}**' for name in names)} |", f"| {' | '.join('---' for _name in names)} |"]
    for announcement in announcements:
        title, day, abstract, comment = _cells(announcement.paper)
        what = (cell(", ".join(announcement.changes)),) if with_changes else ()
        fields = (title, _authors(announcement.paper.authors), *what, day, abstract, comment)
        lines.append(f"| {' | '.join(fields)} |")
    return "\n".join(lines)


def _newest(section: Section, count: int) -> Section:
    return Section(section.name, tuple(sorted(section.papers, key=lambda paper: paper.updated, reverse=True)[:count]))


def _body(day: date, sections: Sequence[Section], slugs: Sequence[str], room: int) -> tuple[str, list[int]]:
    """The "Last update" line and the sections, within `room` bytes if that can be; and which sections were cut."""
    rows = [[_row(paper) for paper in section.papers] for section in sections]
    heads = [f"## {cell(section.name)}\n{_HEAD}" for section in sections]
    notes = [_note(len(kept), len(kept), slug) for kept, slug in zip(rows, slugs, strict=True)]
    update = f"Last update: {day.isoformat()}\n\n"
    room -= _size(update) + sum(_size(head) + 2 for head in heads)
    left = _fitting([[_size(row) + 1 for row in kept] for kept in rows], [_size(note) for note in notes], room)
    parts, cut = [update], []
    for number, count in enumerate(left):
        parts.append("\n".join((heads[number], *rows[number][:count])) + "\n\n")
        if count < len(rows[number]):
            parts.append(_note(count, len(rows[number]), slugs[number]))
            cut.append(number)
    return "".join(parts), cut


def _fitting(sizes: Sequence[Sequence[int]], notes: Sequence[int], room: int) -> list[int]:
    """How many rows each section keeps: the longest loses its last row until all that stays fits."""
    left = [len(rows) for rows in sizes]
    total = sum(map(sum, sizes))
    longest = [(-count, number) for number, count in enumerate(left) if count]
    heapq.heapify(longest)
    while total > room and longest:
        number = heapq.heappop(longest)[1]
        if left[number] == len(sizes[number]):
            total += notes[number]
        left[number] -= 1
        total -= sizes[number][left[number]]
        if left[number]:
            heapq.heappush(longest, (-left[number], number))
    return left


def _note(count: int, of: int, slug: str) -> str:
    text = _("The newest {count} of {of} papers stand here; [all of them]({path}) have a page of their own.")
    return text.format(count=count, of=of, path=_topic_path(slug)) + "\n\n"


def _topic_path(slug: str) -> PurePosixPath:
    return PurePosixPath("topics", f"{slug}.md")


def _slugs(names: Iterable[str]) -> list[str]:
    slugs: list[str] = []
    for name in names:
        stem = re.sub(r"[^a-z0-9]+", "-", normalise(name)).strip("-")[:60].strip("-") or "topic"
        slug, number = stem, 1
        while slug in slugs:
            number += 1
            slug = f"{stem}-{number}"
        slugs.append(slug)
    return slugs


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _undated(text: str) -> list[str]:
    return ["Last update" if _UPDATED.fullmatch(line) else line for line in text.splitlines()]


@dataclass(frozen=True, slots=True)
class _Frame:
    """What stands before and after the part of the README that is written."""

    before: str
    after: str

    @classmethod
    def around(cls, existing: str | None, header: str) -> "_Frame":
        existing = existing or ""
        markers = list(_MARKER.finditer(existing))
        if [marker.group() for marker in markers] == [BEGIN, END]:
            return cls(existing[: markers[0].end()] + "\n", existing[markers[1].start() :])
        if markers:
            raise ArchiveError(f"README.md: each of these lines must stand in it once, in this order:\n{BEGIN}\n{END}")
        if existing.strip("\ufeff \t\r\n") and not _has_our_form(existing):
            raise ArchiveError(
                "README.md is not ours, and is left as it is; to have the papers in it, paste these two lines where "
                f"they shall stand:\n{BEGIN}\n{END}"
            )
        return cls(header, "")


def _has_our_form(readme: str) -> bool:
    """Whether a README without markers is one we, or a program with the same format, wrote: nothing but sections."""
    lines = readme.removeprefix("\ufeff").splitlines()
    dated = next((number for number, line in enumerate(lines) if _UPDATED.fullmatch(line.rstrip())), None)
    if dated is None or not lines[0].startswith("# "):
        return False
    known = _HEAD.splitlines()[0] in map(str.rstrip, lines) or any(THANKS in line for line in lines[:dated])
    return known and all(_SECTION_LINE.fullmatch(line.rstrip()) for line in lines[dated + 1 :])


@cache
def _environment() -> Environment:
    environment = make_environment()
    environment.filters["cell"] = cell
    environment.globals.update(thanks=THANKS, disclaimer=DISCLAIMER)
    return environment


def _page(template: str, **values: object) -> str:
    return render(_environment(), f"archive/{template}", **values)

"""Take over the README that another program kept, so that moving here sends nothing of it again.

What it shows is settled as passed over, under each of its topics that it matches: nobody is told, and the archive goes
on with it. A README tells neither authors nor categories, so its papers are provisional.
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path

from newsletter.app import App
from newsletter.errors import ArchiveError, UsageError
from newsletter.git import Git, clean_environment
from newsletter.model import Paper, Topic
from newsletter.query import parse, terms
from newsletter.rendering.readme_reading import Line, Row, read_row, row_lines
from newsletter.storage.editions import UNLISTED
from newsletter.storage.matching import Matcher

FULL = 10  # rows; a section that holds as many was cut at some maximum, as far as one can tell
_BATCH = 500  # papers in one transaction
_AT_ONCE = 20  # READMEs that are held at once
_NAME = "README.md"
_ROOM = 10_000  # places for the rows of one README
_TOLD = {"ti", "abs", "co", "id"}  # fields that a README tells
_OBJECT = re.compile(rb"[0-9a-f]+ (?P<kind>[a-z]+) (?P<size>\d+)")  # git cat-file --batch, before each content
_FIRST_YEAR = 91  # arXiv began in 1991; identifiers tell two digits


Place = tuple[str, int, int]  # of a version among papers of one moment


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken over under one topic. Versions submitted before `horizon` count as shown; None: no others do."""

    topic: str
    versions: int
    horizon: datetime | None


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it: `strangers` are headings that are no topic, with their rows, `bad` rows that were not read."""

    readmes: int
    topics: tuple[Taken, ...]
    strangers: Mapping[str, int]
    bad: int


def import_readme(
    app: App,
    path: Path,
    *,
    complain: Callable[[str], None] = lambda _: None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Imported:
    """Take over a README, or, of a folder, its README and all that git remembers of it. Again, it changes nothing.

    The newest comes first: what it says of a version holds, and a run that is cut off has had what counts most.
    `complain` is called with each row that cannot be read.

    Raises:
        UsageError: nothing of that form is there.
        ArchiveError: git cannot read the history.

    """
    commits = _History.of(path) if path.is_dir() else None
    taking = _Taking(app, complain)
    total = 1 + (len(commits.names) if commits else 0)
    for done, (name, text) in enumerate(_readmes(path, commits)):
        progress(done, total)
        taking.take(name, text)
    taking.end()
    progress(total, total)
    if not taking.readmes:
        raise UsageError(f"{path}: no README with tables of papers is there")
    return taking.outcome()


def _readmes(path: Path, history: "_History | None") -> Iterator[tuple[str, str]]:
    file = path / _NAME if history else path
    if not history or file.exists():
        try:
            yield str(file), _text(file.read_bytes())
        except OSError as error:
            raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    if history:
        yield from history


# ---------------------------------------------------------------- what git remembers


@dataclass(frozen=True, slots=True)
class _History:
    """The commits that changed the README of a folder, newest first, and what stood in it then."""

    git: Git
    page: str
    names: Sequence[str]

    @classmethod
    def of(cls, folder: Path) -> "_History":
        git = Git(folder, clean_environment(os.environ))
        found = git.ask("rev-parse", "--show-prefix")
        if found.status and "not a git repository" not in found.errors:
            raise ArchiveError(f"{folder}: git cannot read it: {found.reason}")
        if found.status or git.find("rev-parse", "-q", "--verify", "HEAD^{commit}") is None:
            return cls(git, "", ())
        commits = git("rev-list", "--full-history", "HEAD", "--", _NAME)
        return cls(git, found.text + _NAME, commits.split())

    def __iter__(self) -> Iterator[tuple[str, str]]:
        for start in range(0, len(self.names), _AT_ONCE):
            yield from self._some(self.names[start : start + _AT_ONCE])

    def _some(self, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        wanted = "".join(f"{name}:{self.page}\n" for name in names).encode("utf-8", "surrogateescape")
        answer = self.git.ask("cat-file", "--batch", given=wanted)
        if answer.status:
            raise ArchiveError(f"git cat-file failed in {self.git.folder}: {answer.reason}")
        rest = memoryview(answer.output)
        for name in names:
            head, _, _ = bytes(rest[:4_096]).partition(b"\n")
            rest = rest[len(head) + 1 :]
            match = _OBJECT.fullmatch(head)
            if match is None:
                continue  # this commit took it away
            size = int(match["size"])
            if match["kind"] == b"blob":
                yield f"{_NAME} in commit {name[:12]}", _text(bytes(rest[:size]))
            rest = rest[size + 1 :]


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")


# ---------------------------------------------------------------- what is taken over


@dataclass
class _Taking:
    """READMEs on their way into the history, newest first."""

    app: App
    complain: Callable[[str], None]
    readmes: int = 0
    bad: int = 0
    _topics: dict[str, Topic | None] = field(default_factory=dict)  # by heading
    _versions: dict[Topic, int] = field(default_factory=dict)  # newly settled
    _days: dict[Topic, list[date]] = field(default_factory=dict)  # of the rows in a topic's newest README
    _newest: dict[Topic, str] = field(default_factory=dict)  # the latest identifier in that README
    _strangers: Counter[str] = field(default_factory=Counter)
    _before: frozenset[tuple[str, str]] = frozenset()  # the lines of the README before
    _waiting: list[tuple[Topic, Row, int]] = field(default_factory=list)

    def take(self, name: str, text: str) -> None:
        """Take what the README before did not hold; the days of topics that none held before tell their horizon."""
        lines = list(row_lines(text))
        first_seen: dict[Topic, list[date]] = {}
        newest = ""
        for place, line in enumerate(lines, self.readmes * _ROOM):
            topic = self._topic(line.section)
            if (line.section, line.text) in self._before:
                continue
            if topic is None:
                self._strangers[line.section] += 1
            elif row := self._read(name, line):
                self._waiting.append((topic, row, place))
                newest = max(newest, "" if "/" in row.version.id else row.version.id)
                if topic not in self._days:
                    first_seen.setdefault(topic, []).append(row.day)
        self._days |= first_seen
        self._newest |= dict.fromkeys(first_seen, newest)
        self._before = frozenset((line.section, line.text) for line in lines)
        self.readmes += bool(lines)
        if len(self._waiting) >= _BATCH:
            self._store()

    def end(self) -> None:
        """Store what waits. The topics have begun from then on."""
        self._store()
        if self._days:
            with self.app.storage.write():
                for topic, days in self._days.items():
                    newest = self._newest[topic]
                    self.app.storage.topics.take_over(topic.id, self._horizon(days), newest, self.app.now())

    def outcome(self) -> Imported:
        """What came of it all."""
        taken = (
            Taken(topic.name, self._versions.get(topic, 0), self._horizon(days)) for topic, days in self._days.items()
        )
        return Imported(self.readmes, tuple(taken), self._strangers, self.bad)

    def _topic(self, heading: str) -> Topic | None:
        if heading not in self._topics:
            try:
                topic = self.app.storage.topics.named(heading)
                self._topics[heading] = None if topic.sleeping else topic
            except UsageError:
                self._topics[heading] = None
        return self._topics[heading]

    def _read(self, name: str, line: Line) -> Row | None:
        try:
            return read_row(line.text)
        except ValueError as error:
            self.bad += 1
            self.complain(f"{name}: line {line.number}: {error}")
            return None

    def _store(self) -> None:
        storage, now = self.app.storage, self.app.now()
        for start in range(0, len(self._waiting), _BATCH):
            batch = self._waiting[start : start + _BATCH]
            papers = _papers([row for _, row, _ in batch], storage.backfills.newest_versions)
            places: dict[Topic, list[Place]] = {}
            for (topic, _, place), paper in zip(batch, papers, strict=True):
                places.setdefault(topic, []).append((*paper.key, place))
            also = _matching(self._days, papers)
            with storage.write():
                storage.papers.add(papers, now)
                for topic, shown in places.items():
                    self._versions[topic] = self._versions.get(topic, 0) + storage.backfills.pass_over(topic.id, shown)
                for topic, others in also.items():
                    storage.backfills.pass_over(topic.id, others)
        self._waiting.clear()

    @staticmethod
    def _horizon(days: Sequence[date]) -> datetime | None:
        return _midnight(min(days)) if len(days) >= FULL else None


def _matching(topics: Iterable[Topic], papers: Sequence[Paper]) -> dict[Topic, list[Place]]:
    """What matches each topic, wherever it stood: who read the README has seen it. Queries that need more are left."""
    trees = {topic: parse(topic.query) for topic in topics}
    with closing(Matcher(papers)) as matcher:
        return {
            topic: [(*paper.key, UNLISTED) for paper in matcher.matching(tree)]
            for topic, tree in trees.items()
            if {term.field for term in terms(tree)} <= _TOLD
        }


def _papers(rows: Sequence[Row], held: Callable[[Sequence[str]], Mapping[str, int]]) -> list[Paper]:
    """The papers of rows. A link without a version means the newest that another row or the history knows, else 1."""
    newest = dict(held([row.version.id for row in rows if row.version.number is None]))
    for row in rows:
        newest[row.version.id] = max(newest.get(row.version.id, 1), row.version.number or 1)
    return [_paper(row, row.version.number or newest[row.version.id]) for row in rows]


def _paper(row: Row, version: int) -> Paper:
    """The paper of a row: when version 1 was submitted, its identifier tells to the month."""
    updated = _midnight(row.day)
    return Paper(
        id=row.version.id,
        version=version,
        title=row.title,
        abstract=row.abstract,
        authors=(),
        categories=(),
        submitted=updated if version == 1 else min(_month(row.version.id), updated),
        updated=updated,
        comment=row.comment,
        provisional=True,
    )


def _month(paper_id: str) -> datetime:
    digits = paper_id.rpartition("/")[2]
    year, month = int(digits[:2]), int(digits[2:4])
    return datetime(year + (1900 if year >= _FIRST_YEAR else 2000), month, 1, tzinfo=UTC)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)

"""Plays recorded answers of arXiv through `publish`, date by date, and counts what comes out otherwise than it should.

    python replay.py FOLDER [MAX_PAPERS]

FOLDER holds runs.jsonl and papers.jsonl. `observe` publishes, and looks at the pages that were committed and the mails
that were filed; `Judge` works out from the recording and the rules alone what should stand there, and asks nothing that
made them.
"""

import email
import json
import mailbox
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email.policy import default
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from house import Time, make_app, subscribe

from newsletter.app import App
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.library import FixedAnswers, Question
from newsletter.model import Paper, parse_identifier
from newsletter.publish import publish
from newsletter.query import name_query, write_search_query
from newsletter.rendering.readme import cell
from newsletter.storage.matching import Matcher
from newsletter.withdrawal import is_withdrawn

ALL, ONE = "all@example.org", "one@example.org"  # a reader of all topics, and one of the first
MAX_PAPERS = 100
BACKLOG = 20  # papers that are announced when a topic begins
YOUNG = timedelta(days=60)

Key = tuple[str, int]

_ROW = re.compile(
    r"(?:\| \*\*|- )\[.*?\]\(https://arxiv\.org/abs/(\S+?)\)"
    r"(?:\*\* \|.*? (\d{4}-\d\d-\d\d) \| <details><summary>Show<| · (\d{4}-\d\d-\d\d) · version )"
)
_NUMBERED = re.compile(r"\d+\. ")
_LINK = re.compile(r"https://arxiv\.org/abs/(\S+)")
_WHOLE = re.compile(r"^The newest .*\]\((topics/[a-z0-9-]+\.md)\)", re.MULTILINE)


# ---------------------------------------------------------------- the recording


@dataclass(frozen=True, slots=True)
class Run:
    """A date, the moment it was asked at, and what was listed under each topic, in the order of the answer."""

    day: date
    moment: datetime
    listed: Mapping[str, tuple[Key, ...]]

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics asked for."""
        return tuple(self.listed)

    @property
    def versions(self) -> tuple[Key, ...]:
        """What was listed under any topic, once each."""
        return tuple(dict.fromkeys(key for listing in self.listed.values() for key in listing))


@dataclass(frozen=True, slots=True)
class Recording:
    """All runs, oldest first, and the papers they list."""

    runs: tuple[Run, ...]
    papers: Mapping[Key, Paper]

    @property
    def topics(self) -> tuple[str, ...]:
        """Every topic that was ever asked for."""
        return tuple(dict.fromkeys(topic for run in self.runs for topic in run.topics))


def read(folder: Path) -> Recording:
    """Read runs.jsonl and papers.jsonl."""
    records = {_key(record["id"]): record for record in _lines(folder / "papers.jsonl")}
    days = {key: datetime.fromisoformat(record["date"]).replace(tzinfo=UTC) for key, record in records.items()}
    papers = {key: _paper(key, record, days) for key, record in records.items()}
    runs = [
        Run(
            date.fromisoformat(run["updated"]),
            datetime.fromisoformat(run["committed"]).astimezone(UTC),
            {topic: tuple(map(_key, listing)) for topic, listing in run["topics"].items()},
        )
        for run in _lines(folder / "runs.jsonl")
    ]
    return Recording(tuple(sorted(runs, key=lambda run: (run.day, run.moment))), papers)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def _key(identifier: str) -> Key:
    version = parse_identifier(identifier)
    if version is None or version.number is None:
        raise ValueError(f"{identifier!r} names no version of a paper")
    return version.id, version.number


def _paper(key: Key, record: Mapping[str, Any], days: Mapping[Key, datetime]) -> Paper:
    """A recorded paper: of its moment only the day is known, of its authors and categories nothing.

    Where version 1 is not in the recording, it is taken to be of the month that its identifier tells: more cannot be
    known. On this hangs whether a later version is called new or revised, never whether it is announced.
    """
    name, number = key
    return Paper(
        id=name,
        version=number,
        title=record["title"],
        abstract=record["abstract"],
        authors=("Somebody",),
        categories=("cs.CV",),
        submitted=min(days.get((name, 1)) or _month(name), days[key]),
        updated=days[key],
        comment=record["comment"],
    )


def _month(name: str) -> datetime:
    digits = name.rpartition("/")[2]
    year = int(digits[:2])
    return datetime(year + (1900 if year >= 91 else 2000), int(digits[2:4]), 1, tzinfo=UTC)  # arXiv began in 1991


# ---------------------------------------------------------------- what comes out


class Row(NamedTuple):
    """A version in a table, and the date that stands beside it."""

    key: Key
    day: date


@dataclass(frozen=True, slots=True)
class Seen:
    """What there was to see after a run: in the page of its date and in the README by heading, in new mails by reader.

    `whole` holds the page of its own of a topic that was cut in the README, lest that become too large to be shown.
    """

    announced: Mapping[str, Sequence[Row]]
    shown: Mapping[str, Sequence[Row]]
    whole: Mapping[str, Sequence[Row]]
    told: Mapping[str, Sequence[Key]]
    failures: Sequence[str] = ()


def observe(recording: Recording, folder: Path, max_papers: int = MAX_PAPERS) -> Iterator[Seen]:
    """Publish in `folder` on each date what was recorded for it, and tell what there is to see then.

    Where the topics differ from those of the run before, the operator has changed the configuration.
    """
    time = Time(recording.runs[0].moment)
    answers, outbox = _Answers(recording, time), _Outbox(folder / "outbox")
    with ArxivStandIn(answers) as arxiv:
        for topics, runs in groupby(recording.runs, key=lambda run: run.topics):
            with closing(_app(folder, arxiv.url, topics, time, max_papers)) as app:
                for run in runs:
                    time.now = run.moment
                    answers.take(run)
                    report = publish(app, run.day)
                    yield _seen(run, folder / "archive", outbox.told(), [str(failure) for failure in report.failures])


class _Answers:
    """What the stand-in answers: other listings each run."""

    def __init__(self, recording: Recording, time: Time) -> None:
        self._papers, self.now = recording.papers, time.clock
        self.take(recording.runs[0])

    def take(self, run: Run) -> None:
        listings = {
            write_search_query(name_query(topic)): [self._papers[key] for key in listing]
            for topic, listing in run.listed.items()
        }
        self._fixed = FixedAnswers(listings, clock=self.now)

    def search(self, question: Question) -> Sequence[Paper]:
        return self._fixed.search(question)


class _Outbox:
    """The Maildir, and what of it was read before."""

    def __init__(self, folder: Path) -> None:
        self._box = mailbox.Maildir(folder)
        self._read: set[str] = set()

    def told(self) -> dict[str, list[Key]]:
        """The versions that new mails tell of, by reader."""
        told: dict[str, list[Key]] = {}
        for name in set(self._box.keys()) - self._read:
            self._read.add(name)
            message = email.message_from_bytes(self._box.get_bytes(name), policy=default)
            text = message.get_body(("plain",))
            told.setdefault(str(message["To"]), []).extend(
                _cards(str(text and text.get_content()).replace("\r\n", "\n"))
            )
        return told


def _cards(text: str) -> Iterator[Key]:
    """The version of each card: the first line that is a link, behind a number and a title."""
    begun = False
    for line in text.split("\n"):
        begun = begun or bool(_NUMBERED.match(line))
        if begun and (link := _LINK.fullmatch(line)):
            begun = False
            yield _key(link[1])


def _app(folder: Path, url: str, topics: Sequence[str], time: Time, max_papers: int) -> App:
    sections = {"archive": {"max_papers": max_papers}, "digest": {"backlog": BACKLOG}}
    app = make_app(folder, api_url=url, topics=topics, time=time, **sections)
    if app.storage.subscribers.find(ALL) is None:
        subscribe(app, ALL)
        subscribe(app, ONE, topics=topics[:1])
    return app


def _seen(run: Run, archive: Path, told: Mapping[str, Sequence[Key]], failures: Sequence[str]) -> Seen:
    readme = _sections(_committed(archive, "README.md"))
    edition = _sections(_committed(archive, f"editions/{run.day:%Y/%m/%d}.md"))
    pages = {heading: page[1] for heading, text in readme.items() if (page := _WHOLE.search(text))}
    return Seen(
        announced={heading: _rows(text) for heading, text in edition.items()},
        shown={heading: _rows(text) for heading, text in readme.items()},
        whole={heading: _rows(_committed(archive, page)) for heading, page in pages.items()},
        told=told,
        failures=failures,
    )


def _committed(archive: Path, page: str) -> str:
    """A page in the last commit, which is what others see; empty if it is not there."""
    if not archive.exists():
        return ""
    return subprocess.run(["git", "show", f"HEAD:{page}"], cwd=archive, capture_output=True).stdout.decode()


def _sections(page: str) -> dict[str, str]:
    parts = (part.partition("\n") for part in page.split("\n## ")[1:])
    return {heading: text for heading, _, text in parts}


def _rows(text: str) -> list[Row]:
    rows = filter(None, map(_ROW.match, text.split("\n")))
    return [Row(_key(row[1]), date.fromisoformat(row[2] or row[3])) for row in rows]


# ---------------------------------------------------------------- what should come out


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that came out otherwise than it should, in a topic or in the mail of a reader; `paper` may be empty."""

    day: date
    where: str
    paper: str
    what: str

    def __str__(self) -> str:
        return f"{self.day} {self.where}: {self.paper} {self.what}".replace(":  ", ": ")


@dataclass(slots=True)
class Account:
    """What was counted over all runs; but for `listed`, a version counts under each of its topics."""

    runs: int = 0
    topics: int = 0
    listed: int = 0
    announced: int = 0
    told: Counter[str] = field(default_factory=Counter)
    passed_over: Counter[str] = field(default_factory=Counter)  # by the rule that says so
    pushed_out: int = 0  # of the README, by `max_papers` newer ones: on each day that such a version was listed
    on_own_page: int = 0  # as the README had become too large: likewise
    differences: list[Difference] = field(default_factory=list)

    def __str__(self) -> str:
        told = ", ".join(f"{number:,} told to {reader}" for reader, number in sorted(self.told.items()))
        reasons = ", ".join(f"{number:,} {reason}" for reason, number in sorted(self.passed_over.items()))
        return (
            f"{self.runs} days, {self.topics} topics, {self.listed:,} versions listed: {self.announced:,} announced, "
            f"{told or 'none told'}; {self.passed_over.total():,} passed over by the rules ({reasons or 'none'}); "
            f"README: {self.pushed_out:,} pushed out, {self.on_own_page:,} on the topic's own page; "
            f"{len(self.differences):,} differences"
        )


BEYOND_BACKLOG = "beyond a first edition's backlog"
STEPPED_BACK = "older than a version known before"
OLD = "older than 60 days"
OVERTAKEN = "with a newer version in the same mail"
UNASKED = "listed when the date had its edition"


class Judge:
    """Holds what was seen after each run against what should be, and keeps the account."""

    def __init__(self, recording: Recording, max_papers: int = MAX_PAPERS) -> None:
        self.account = Account(topics=len(recording.topics))
        self._papers, self._max_papers = recording.papers, max_papers
        self._matching = _matching(recording)
        self._topics = {cell(topic): topic for topic in recording.topics}
        self._chosen = {ALL: recording.topics, ONE: recording.topics[:1]}
        self._listed: set[Key] = set()
        self._begun: set[str] = set()
        self._known: dict[str, dict[str, set[int]]] = {topic: {} for topic in recording.topics}
        self._editions: dict[date, dict[str, set[Key]]] = {}
        self._told: dict[str, set[Key]] = {}

    def take(self, run: Run, seen: Seen) -> None:
        """Judge one run; they come in their order."""
        self._listed.update(run.versions)
        self.account.runs += 1
        self.account.listed = len(self._listed)
        for failure in seen.failures:
            self._differs(run, "publish", "", failure)
        if run.day in self._editions:
            run = self._unasked(run)
        news = self._news(run)
        self._judge_edition(run, news, seen.announced)
        self._judge_mails(run, news, seen.told)
        if self._editions:
            for heading, topic in self._topics.items():
                if topic in run.topics:
                    self._judge_readme(run, topic, seen.shown.get(heading, ()), seen.whole.get(heading, ()))

    def _unasked(self, run: Run) -> Run:
        """The run as it is for a date that has its edition: nothing is asked for."""
        for topic in run.topics:
            self.account.passed_over.update([UNASKED] * len(self._unknown(run, topic)))
        return replace(run, listed=dict.fromkeys(run.topics, ()))

    def _news(self, run: Run) -> dict[str, set[Key]]:
        """What is to be announced under each topic after this run."""
        self._begun &= set(run.topics)
        if run.day in self._editions:
            return {}
        news = {topic: self._news_of(run, topic) for topic in run.topics}
        self._begun.update(run.topics)
        if any(news.values()):
            self._editions[run.day] = news
        return news

    def _news_of(self, run: Run, topic: str) -> set[Key]:
        places = _places(run, topic)
        unknown = self._unknown(run, topic)
        unknown.sort(key=lambda key: (-self._papers[key].updated.timestamp(), places.get(key, len(places))))
        news: set[Key] = set()
        for number, key in enumerate(unknown):
            begins = topic not in self._begun
            reason = BEYOND_BACKLOG if begins and number >= BACKLOG else self._reason(run, topic, key)
            if reason:
                self.account.passed_over[reason] += 1
            else:
                news.add(key)
        for name, version in unknown:
            self._known[topic].setdefault(name, set()).add(version)
        return news

    def _reason(self, run: Run, topic: str, key: Key) -> str:
        """The rule by which a version is not announced; none is the rule."""
        paper, known = self._papers[key], self._known[topic].get(key[0], set())
        if any(version > paper.version for version in known):
            return STEPPED_BACK
        midnight = datetime(run.day.year, run.day.month, run.day.day, tzinfo=UTC)
        young = paper.updated >= min(run.moment, midnight) - YOUNG
        # A first edition asks for no age, of a paper known before every version is told, and every withdrawal.
        return "" if young or known or topic not in self._begun or is_withdrawn(paper) else OLD

    def _judge_edition(self, run: Run, news: Mapping[str, set[Key]], announced: Mapping[str, Sequence[Row]]) -> None:
        edition = self._editions.get(run.day, {})
        for heading in sorted(announced.keys() - self._topics.keys()):
            self._differs(run, heading, "", "is a heading of the edition, though no topic")
        for heading, topic in self._topics.items():
            keys = [row.key for row in announced.get(heading, ())]
            self._compare(run, topic, "announced", edition.get(topic, set()), keys)
            self.account.announced += len(keys) if news else 0

    def _judge_mails(self, run: Run, news: Mapping[str, set[Key]], told: Mapping[str, Sequence[Key]]) -> None:
        for reader in sorted(self._chosen.keys() | told.keys()):
            before = self._told.setdefault(reader, set())
            due = {key for topic in self._chosen.get(reader, ()) for key in news.get(topic, ())} - before
            newest = set(dict(sorted(due)).items())  # a mail tells a paper once
            self.account.passed_over.update([OVERTAKEN] * len(due - newest))
            keys = told.get(reader, ())
            for key in sorted(before.intersection(keys)):
                self._differs(run, reader, key, "is told again")
            self._compare(run, reader, "told", newest, [key for key in keys if key not in before])
            self.account.told[reader] += len(keys)
            before |= due | set(keys)

    def _compare(self, run: Run, where: str, verb: str, wanted: set[Key], found: Sequence[Key]) -> None:
        counted = Counter(found)
        for key in sorted(wanted - counted.keys()):
            self._differs(run, where, key, f"is not {verb}")
        for key, number in counted.items():
            if key not in wanted:
                listed = "listed" if key in run.versions else "not listed"
                self._differs(run, where, key, f"is {verb} that should not be; it is {listed} that day")
            if number > 1:
                self._differs(run, where, key, f"is {verb} {number} times")

    def _judge_readme(self, run: Run, topic: str, shown: Sequence[Row], whole: Sequence[Row]) -> None:
        current = {name: (name, max(versions)) for name, versions in self._known[topic].items()}
        for table in (shown, whole):
            self._judge_table(run, topic, set(current.values()), table)
        if len(whole or shown) != min(self._max_papers, len(current)):
            self._differs(run, topic, "", f"has {len(whole or shown)} rows, and {len(current)} papers that match")
        in_readme, on_page = {row.key for row in shown}, {row.key for row in whole}
        for key in dict.fromkeys(current[name] for name, _ in self._matches(run, topic)):
            if key in in_readme:
                continue
            if key in on_page:
                self.account.on_own_page += 1
            elif self._newer(run, topic, key, current.values()) >= self._max_papers:
                self.account.pushed_out += 1
            else:
                self._differs(run, topic, key, "is listed, but does not stand in the README")

    def _judge_table(self, run: Run, topic: str, current: set[Key], rows: Sequence[Row]) -> None:
        for key, number in Counter(row.key for row in rows).items():
            if key not in current:
                self._differs(run, topic, key, "stands in the README that should not")
            elif number > 1:
                self._differs(run, topic, key, f"stands in the README {number} times")
        for row in rows:
            if row.key in current and row.day != self._papers[row.key].updated.date():
                self._differs(run, topic, row.key, f"stands in the README with the date {row.day}")
        for one, next_one in pairwise(rows):
            if one.day < next_one.day:
                self._differs(run, topic, next_one.key, "stands in the README below an older one")

    def _newer(self, run: Run, topic: str, key: Key, others: Iterable[Key]) -> int:
        """How many are newer than a version that is listed.

        As no more than days are recorded, the answer says which of one day is newer. Where the topic's does not hold
        one of the two, because it was listed under another topic (one request asks for several) or came back as an
        older version, it may be.
        """
        places, moment = _places(run, topic), self._papers[key].updated

        def is_newer(other: Key) -> bool:
            if other == key or self._papers[other].updated != moment:
                return self._papers[other].updated > moment
            return key not in places or other not in places or places[other] < places[key]

        return sum(map(is_newer, others))

    def _matches(self, run: Run, topic: str) -> list[Key]:
        return [key for key in run.versions if key in self._matching[topic]]

    def _unknown(self, run: Run, topic: str) -> list[Key]:
        known = self._known[topic]
        return [key for key in self._matches(run, topic) if key[1] not in known.get(key[0], ())]

    def _differs(self, run: Run, where: str, key: Key | str, what: str) -> None:
        paper = key if isinstance(key, str) else f"{key[0]}v{key[1]}"
        self.account.differences.append(Difference(run.day, where, paper, what))


def _matching(recording: Recording) -> dict[str, set[Key]]:
    """By topic what matches it here."""
    with closing(Matcher(list(recording.papers.values()))) as matcher:
        return {topic: {paper.key for paper in matcher.matching(name_query(topic))} for topic in recording.topics}


def _places(run: Run, topic: str) -> dict[Key, int]:
    return {key: place for place, key in enumerate(dict.fromkeys(run.listed[topic]))}


# ---------------------------------------------------------------- the whole of it


def play(recording: Recording, folder: Path, max_papers: int = MAX_PAPERS) -> Account:
    """Publish every run in `folder`, an empty one, and judge it."""
    judge = Judge(recording, max_papers)
    for run, seen in zip(recording.runs, observe(recording, folder, max_papers), strict=True):
        judge.take(run, seen)
    return judge.account


def tell(account: Account) -> int:
    """Write an account, each difference on a line, and give the exit status."""
    sys.stdout.writelines(f"{line}\n" for line in (*account.differences, account))
    return 1 if account.differences else 0


def main(source: str, max_papers: str = str(MAX_PAPERS)) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return tell(play(read(Path(source)), Path(folder), int(max_papers)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

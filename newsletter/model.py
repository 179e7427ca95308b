"""The values everything else is said in: frozen, without I/O, without a clock.

All times are aware and in UTC. An *edition* is known by its date, a label in the newsletter's time zone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

_NEW_ID = re.compile(r"(\d{2})(0[1-9]|1[0-2])\.(\d{4,5})(?:v([1-9]\d{0,3}))?")
_OLD_ID = re.compile(r"([a-z]+(?:-[a-z]+)?)(?:\.[A-Za-z-]{2,})?/(\d{2})(0[1-9]|1[0-2])(\d{3})(?:v([1-9]\d{0,3}))?")


class Version(NamedTuple):
    """One version of one paper: the key of everything. `number` is None where none was given."""

    id: str
    number: int | None


def parse_identifier(text: str) -> Version | None:
    """Read an arXiv identifier in any of its forms: bare, ``arXiv:``, ``oai:arXiv.org:``, abs, pdf or html address.

    Returns None for anything else. Old identifiers lose their subject class (``math.GT/0309136`` is
    ``math/0309136``), as arXiv's "Understanding the arXiv identifier" has it.
    """
    bare = re.sub(
        r"^(?:https?://(?:[\w-]+\.)*arxiv\.org/(?:abs|pdf|html)/|oai:arxiv\.org:|arxiv:)", "", text.strip(), flags=re.I
    )
    bare = bare.removesuffix(".pdf")
    if match := _NEW_ID.fullmatch(bare):
        year, month, number, version = match.groups()
        return Version(f"{year}{month}.{number}", int(version) if version else None)
    if match := _OLD_ID.fullmatch(bare):
        archive, year, month, number, version = match.groups()
        return Version(f"{archive}/{year}{month}{number}", int(version) if version else None)
    return None


@dataclass(frozen=True, slots=True)
class Paper:
    """One version of one arXiv record. Texts are as arXiv has them (TeX kept), white space collapsed."""

    id: str
    version: int
    title: str
    abstract: str
    authors: tuple[str, ...]
    categories: tuple[str, ...]  # primary first
    submitted: datetime  # of version 1
    updated: datetime  # of this version
    comment: str = ""
    journal_ref: str = ""
    doi: str = ""
    report_no: str = ""  # the query API never tells it
    provisional: bool = False  # from a feed, which has no comment and no exact times; the details follow

    @property
    def key(self) -> tuple[str, int]:
        """What this paper version is known by: (id, version)."""
        return self.id, self.version

    @property
    def link(self) -> str:
        """The abstract page of this version, in https."""
        return f"https://arxiv.org/abs/{self.id}v{self.version}"


@dataclass(frozen=True, slots=True)
class Topic:
    """What people subscribe to: an operator's topic (its name is its identity) or a reader's query (no name).

    `query` is the text in our query language. A sleeping topic is gone from the configuration.
    """

    id: int
    name: str
    query: str
    personal: bool = False
    sleeping: bool = False
    begun: bool = False  # its first edition has been settled
    horizon: datetime | None = None  # versions submitted before are passed over; see `is_history`
    newest: str = ""  # the latest identifier there was when the topic began, in the new form

    @property
    def label(self) -> str:
        """What it is called: an operator's topic by its name, a reader's query by itself."""
        return self.name or self.query

    def is_history(self, paper: Paper) -> bool:
        """Whether a version was there before this topic was: identifiers are given in the order of announcement."""
        if self.horizon is None or paper.updated >= self.horizon:
            return False
        held_back = self.newest and paper.version == 1 and "/" not in paper.id and paper.id > self.newest
        return not held_back


class Kind(StrEnum):
    """What an announcement says of a paper version under a topic."""

    NEW = "new"
    REVISED = "revised"
    WITHDRAWN = "withdrawn"
    PASSED_OVER = "passed over"  # settled without telling anybody


@dataclass(frozen=True, slots=True)
class Announcement:
    """A paper version under a topic. `changes` names what a revision changed, if the version before is held.

    `minor` is one of many versions of a paper that was told before: a line says enough. `words` are those of the paper
    that answered the topic's query, as they stand in it; they are kept with what is told only.
    """

    topic_id: int
    paper: Paper
    kind: Kind
    changes: tuple[str, ...] = ()
    edition: date | None = None  # None: passed over, or not yet settled
    minor: bool = False
    words: tuple[str, ...] = ()


class RemarkKind(StrEnum):
    """What a reader of an edition would wonder about."""

    LATE = "late"  # it also holds what was announced since a date, and could not be had before
    OUTAGE = "outage"  # arXiv did not answer on some dates; what was announced then is in it
    PARTIAL = "partial"  # some topics could not be asked in full; what is missing follows in a later one
    STALE = "stale"  # arXiv itself had not brought all its categories up to date
    FEED_ONLY = "feed only"  # details such as comments are missing, as arXiv's search refused; they are filled in later


@dataclass(frozen=True, slots=True)
class Remark:
    """What is said in the head of an edition, and of a digest that takes it up."""

    kind: RemarkKind
    since: date | None = None
    until: date | None = None
    topics: tuple[int, ...] = ()  # those that are partial


@dataclass(frozen=True, slots=True)
class Selected:
    """What selection made of a topic's candidates, once: `settled` counts those it had decided on before."""

    topic_id: int
    candidates: int
    settled: int = 0
    new: int = 0
    revised: int = 0
    withdrawn: int = 0
    passed_over: int = 0

    @property
    def difference(self) -> int:
        """Candidates that nobody accounts for; always 0, or the accounting is wrong."""
        return self.candidates - self.settled - self.new - self.revised - self.withdrawn - self.passed_over


class HarvestState(StrEnum):
    """What became of one fetch, and why nothing came if nothing did; a failed one is never "nothing new"."""

    FRESH = "fresh"  # versions we did not hold
    NO_MATCH = "no match"  # arXiv has announced, and nothing of it is for our topics
    SAME = "same"  # a batch is due, and arXiv still shows the one before
    QUIET = "quiet"  # arXiv has announced nothing since: a weekend, a holiday
    STALE = "stale"  # some categories are still those of the batch before; what was found counts
    PARTIAL = "partial"  # something failed, the rest is usable
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Account:
    """What one question to arXiv came to: a query of one or more topics, a category's feed, a set.

    `matched` is arXiv's own count. What was received is all accounted for: see `difference`.
    """

    source: str
    asked: str = ""  # the category or set; empty for queries, which may be a reader's own
    topic_ids: tuple[int, ...] = ()  # whose queries were asked; empty: everybody's
    matched: int = 0
    received: int = 0
    unreadable: int = 0
    repeated: int = 0  # came before, on an earlier page or under another question
    outside: int = 0  # not in the configured categories
    dropped: int = 0  # do not match here
    known: int = 0
    news: int = 0
    requests: int = 0
    error: str = ""

    @property
    def difference(self) -> int:
        """Entries that nobody accounts for; always 0, or the accounting is wrong."""
        accounted = self.unreadable + self.repeated + self.outside + self.dropped + self.known + self.news
        return self.received - accounted


@dataclass(frozen=True, slots=True)
class Sight:
    """What arXiv showed in one place: a category's feed by its name, or the query API's index.

    `signature` stands for the versions shown, so that the same batch is known again whatever its dates say.
    """

    name: str
    entries: int
    signature: str
    newest: datetime | None = None  # the latest submission shown


@dataclass(frozen=True, slots=True)
class Harvest:
    """What one fetch came to. The papers themselves went through the sieve, page by page."""

    accounts: tuple[Account, ...] = ()
    sights: tuple[Sight, ...] = ()
    remarks: tuple[str, ...] = ()  # what an operator should know, such as that another source stepped in
    failures: Mapping[int, str] = field(default_factory=dict)  # topics of which not all came, with the reason

    @property
    def requests(self) -> int:
        """How often arXiv was asked."""
        return sum(account.requests for account in self.accounts)


@dataclass(frozen=True, slots=True)
class Attempt:
    """The last try at a date's edition. `ended` is None while it runs, and if it was killed; `again` is when it is to
    be tried again, None if nothing is left to do; `reason` says what was wrong."""

    day: date
    number: int  # of tries at that date so far
    began: datetime
    ended: datetime | None = None
    again: datetime | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """What the program does again and again, and how that went last. `ended` is None while it is at work, and if it was
    killed; `failures` counts those in a row, the first of them at `ill_since`."""

    name: str
    pid: int
    began: datetime
    seen: datetime  # the last sign of life
    ended: datetime | None = None
    failure: str = ""
    failures: int = 0
    ill_since: datetime | None = None


class Status(StrEnum):
    """A subscriber's."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    PAUSED = "paused"
    UNSUBSCRIBED = "unsubscribed"


class Frequency(StrEnum):
    """How often a subscriber gets a digest."""

    DAILY = "daily"
    WEEKLY = "weekly"


#: Days of the week by name, as they stand in config.toml, on the command line and in CSV files; Monday is 0.
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Late(StrEnum):
    """What becomes of an edition that is brought out after a reader's hour."""

    WAIT = "wait"  # it comes at their next hour
    GO = "go"  # it comes at once


class Detail(StrEnum):
    """How much is said of each paper at most."""

    FULL = "full"
    BRIEF = "brief"  # no abstracts


class Format(StrEnum):
    """Which parts a mail has."""

    HTML = "html"  # and plain text
    TEXT = "text"  # plain text alone


@dataclass(frozen=True, slots=True)
class Rhythm:
    """When a reader's digests come."""

    frequency: Frequency = Frequency.DAILY
    weekday: int | None = None  # of weekly digests, Monday is 0; None: the newsletter's
    hour: int | None = None  # 0 to 23, of their clock; None: as soon as the edition is out
    zone: str = ""  # of that clock, as IANA names it; empty: the newsletter's
    late: Late = Late.WAIT


@dataclass(frozen=True, slots=True)
class Look:
    """What a reader's mail looks like. Without a language it is in the newsletter's."""

    detail: Detail = Detail.FULL
    format: Format = Format.HTML
    language: str = ""


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a reader chose besides topics and queries."""

    rhythm: Rhythm = Rhythm()
    look: Look = Look()
    revised: bool = True  # whether they are told of revised papers


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody wants. No topics and no queries: all operator topics, future ones too."""

    topics: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    preferences: Preferences = Preferences()


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An address with what it wants.

    `covered` is the last edition taken up in a digest of theirs (None: none existed when they joined). `paused_until`
    is the date on which a pause ends by itself. Links to their preferences made before `links_since` do nothing.
    `confirmed` is when they first were a reader, `suppressed` why the address is not mailed, whatever the status.
    """

    id: int
    email: str
    status: Status
    topics: tuple[str, ...]
    queries: tuple[str, ...]
    preferences: Preferences
    covered: date | None
    created: datetime
    paused_until: date | None = None
    links_since: datetime | None = None
    confirmed: datetime | None = None
    suppressed: "Suppression | None" = None

    @property
    def choice(self) -> Choice:
        """What they want."""
        return Choice(self.topics, self.queries, self.preferences)


class DeliveryStatus(StrEnum):
    """Where a delivery is on its way."""

    QUEUED = "queued"
    SENDING = "sending"
    SENT = "sent"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"


class Suppression(StrEnum):
    """Why an address is not to be mailed."""

    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    MANUAL = "manual"


@dataclass(frozen=True, slots=True)
class Delivery:
    """A digest on its way to one reader: the editions after `after`, up to and including `upto`."""

    id: int
    subscriber_id: int
    email: str
    message_id: str  # without angle brackets
    after: date | None
    upto: date
    status: DeliveryStatus
    attempts: int
    queued: datetime
    expires: datetime
    due: datetime
    reply: str = ""  # the last answer, or why it ended


@dataclass(frozen=True, slots=True)
class Item:
    """A paper as it stands in one reader's digest: once, with all its topics (theirs only)."""

    paper: Paper
    kind: Kind
    changes: tuple[str, ...]
    topic_ids: tuple[int, ...]  # in the reader's order; the first is the section it stands in
    minor: bool = False
    words: tuple[tuple[str, ...], ...] = ()  # what answered each topic, in the order of `topic_ids`


@dataclass(frozen=True, slots=True)
class Digest:
    """What one reader gets at once: of the editions from `first`, the earliest that holds some of it, to `upto`."""

    first: date
    upto: date
    items: tuple[Item, ...]
    remarks: tuple[Remark, ...] = ()  # oldest edition first

"""The values everything else is said in: frozen, without I/O, without a clock.

All times are aware and in UTC. An *edition* is known by its date, a label in the newsletter's time zone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

_NEW_ID = re.compile(r"(\d{2})(0[1-9]|1[0-2])\.(\d{4,5})(?:v([1-9]\d*))?")
_OLD_ID = re.compile(r"([a-z]+(?:-[a-z]+)?)(?:\.[A-Za-z-]{2,})?/(\d{2})(0[1-9]|1[0-2])(\d{3})(?:v([1-9]\d*))?")


class Version(NamedTuple):
    """One version of one paper: the key of everything. `number` is None where none was given."""

    id: str
    number: int | None


def parse_identifier(text: str) -> Version | None:
    """Read an arXiv identifier in any of its forms: bare, ``arXiv:``, ``oai:arXiv.org:``, abs or pdf address.

    Returns None for anything else. Old identifiers lose their subject class (``math.GT/0309136`` is
    ``math/0309136``), as arXiv's "Understanding the arXiv identifier" has it.
    """
    bare = re.sub(
        r"^(?:https?://(?:[\w-]+\.)*arxiv\.org/(?:abs|pdf)/|oai:arxiv\.org:|arxiv:)", "", text.strip(), flags=re.I
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


class Kind(StrEnum):
    """What an announcement says of a paper version under a topic."""

    NEW = "new"
    REVISED = "revised"
    WITHDRAWN = "withdrawn"
    PASSED_OVER = "passed over"  # settled without telling anybody


@dataclass(frozen=True, slots=True)
class Announcement:
    """A paper version under a topic. `changes` names what a revision changed, if the version before is held."""

    topic_id: int
    paper: Paper
    kind: Kind
    changes: tuple[str, ...] = ()
    edition: date | None = None  # None: passed over, or not yet settled


class HarvestState(StrEnum):
    """What became of one fetch; a failed one is never "nothing new"."""

    FRESH = "fresh"  # versions we did not hold
    SAME = "same"  # an answer, and nothing in it that we did not hold
    PARTIAL = "partial"  # some topics failed, the others are usable
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TopicAccount:
    """What the source said for one topic: `matched` by its count, `received` by us, `error` if it failed."""

    matched: int = 0
    received: int = 0
    requests: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Harvest:
    """What one fetch brought, with its account per topic id. `listed` keeps each topic's answer in arXiv's order."""

    papers: tuple[Paper, ...]
    listed: Mapping[int, tuple[tuple[str, int], ...]] = field(default_factory=dict)
    accounts: Mapping[int, TopicAccount] = field(default_factory=dict)

    @property
    def failures(self) -> dict[int, str]:
        """The topics that failed, each with the reason."""
        return {topic: account.error for topic, account in self.accounts.items() if account.error}


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


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An address with what it wants. No topics and no queries: all operator topics, future ones too.

    `covered` is the last edition taken up in a digest of theirs (None: none existed when they joined).
    """

    id: int
    email: str
    status: Status
    topics: tuple[str, ...]
    queries: tuple[str, ...]
    frequency: Frequency
    covered: date | None
    created: datetime


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


@dataclass(frozen=True, slots=True)
class Digest:
    """What one reader gets at once."""

    after: date | None
    upto: date
    items: tuple[Item, ...]

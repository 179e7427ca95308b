"""The account of each date: what arXiv answered, what was announced of it, or why there is no edition."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

from newsletter.app import App
from newsletter.model import Account, DeliveryStatus, HarvestState, Kind
from newsletter.storage.harvests import HarvestRecord

READERS_QUERY = "a reader's query"  # what they ask for is theirs
_GAPS = 366  # dates at most that are filled in where nothing ran


@dataclass(frozen=True, slots=True)
class Day:
    """A date in the list of editions: what it announced, or why it has none."""

    date: date
    counts: dict[Kind, int]
    topics: int
    reason: str


@dataclass(frozen=True, slots=True)
class Asked:
    """What one question to arXiv came to: `difference` is what nobody accounts for, always 0."""

    source: str
    asked: str  # topics, a category, a set; never a reader's query
    matched: int
    received: int
    unreadable: int
    repeated: int
    outside: int
    dropped: int
    known: int
    news: int
    requests: int
    difference: int
    error: str


@dataclass(frozen=True, slots=True)
class Fetch:
    """A fetch with its account."""

    record: HarvestRecord
    accounts: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What became of a topic's candidates."""

    topic: str
    candidates: int
    settled: int
    new: int
    revised: int
    withdrawn: int
    passed_over: int


@dataclass(frozen=True, slots=True)
class Told:
    """An announcement under an operator's topic."""

    topic: str
    kind: Kind
    paper: str
    title: str


@dataclass(frozen=True, slots=True)
class EditionAccount:
    """A date's edition from arXiv's answers to the digests; `reason` says why there is none, if there is none."""

    date: date
    exists: bool
    reason: str
    fetches: tuple[Fetch, ...]
    topics: tuple[Chosen, ...]
    announced: tuple[Told, ...]
    deliveries: dict[DeliveryStatus, int]


def days(app: App, limit: int) -> list[Day]:
    """The newest dates, newest first: what each announced; where it has no edition, why."""
    found = {
        record.date: Day(record.date, dict(record.counts), record.topics, "")
        for record in app.storage.editions.records(limit)
    }
    for harvest in app.storage.harvests.by_date(limit):
        if harvest.date not in found:
            found[harvest.date] = Day(harvest.date, {}, 0, explain(harvest))
        elif harvest.state in (HarvestState.PARTIAL, HarvestState.STALE):
            found[harvest.date] = replace(found[harvest.date], reason=f"{harvest.state}: {harvest.reason}")
    newest, oldest = max(found, default=None), min(found, default=None)
    if newest is not None and oldest is not None:
        for number in range(min((newest - oldest).days, _GAPS)):
            day = newest - timedelta(days=number)
            found.setdefault(day, Day(day, {}, 0, "nothing ran on this date"))
    return sorted(found.values(), key=lambda day: day.date, reverse=True)[:limit]


def edition(app: App, day: date) -> EditionAccount:
    """The account of a date; readers' own queries stand in it as such."""
    storage = app.storage
    names = {topic.id: topic.name or READERS_QUERY for topic in storage.topics.all()}
    personal = {topic.id for topic in storage.topics.all() if topic.personal}
    harvests = storage.harvests.of_date(day)
    exists = storage.editions.exists(day)
    return EditionAccount(
        day,
        exists,
        explain(harvests[-1]) if harvests and not exists else "",
        tuple(
            Fetch(record, tuple(_asked(account, names) for account in storage.harvests.accounts(record.id)))
            for record in harvests
        ),
        tuple(
            Chosen(
                names[one.topic_id], one.candidates, one.settled, one.new, one.revised, one.withdrawn, one.passed_over
            )
            for one in storage.selections.of(day)
        ),
        tuple(
            Told(names[a.topic_id], a.kind, f"{a.paper.id}v{a.paper.version}", a.paper.title)
            for a in storage.editions.of(day)
            if a.topic_id not in personal
        ),
        storage.deliveries.of_edition(day),
    )


def _asked(account: Account, names: Mapping[int, str]) -> Asked:
    topics = ", ".join(dict.fromkeys(names.get(topic_id, "a topic that is gone") for topic_id in account.topic_ids))
    private = READERS_QUERY in topics and account.error
    return Asked(
        account.source,
        account.asked or topics,
        account.matched,
        account.received,
        account.unreadable,
        account.repeated,
        account.outside,
        account.dropped,
        account.known,
        account.news,
        account.requests,
        account.difference,
        account.error.partition(": arXiv says")[0] if private else account.error,
    )


def explain(harvest: HarvestRecord) -> str:
    """Why a fetch made no edition, in words for a person."""
    if harvest.state is HarvestState.FAILED:
        return f"the fetch failed: {harvest.reason}"
    if not harvest.settled:
        return f"fetched, and nothing decided yet: {harvest.reason}"
    words = {
        HarvestState.FRESH: "fetched, but nothing to announce",
        HarvestState.NO_MATCH: "no match",
        HarvestState.SAME: "same batch again",
        HarvestState.QUIET: "no announcement",
        HarvestState.STALE: "stale",
        HarvestState.PARTIAL: "part of the fetch failed, and the rest held nothing to announce",
    }
    return f"{words[harvest.state]}: {harvest.reason}"

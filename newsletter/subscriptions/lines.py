"""A subscriber as a line of CSV: written, and read again."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

from newsletter.addresses import check_address
from newsletter.csvfile import Record, csv_line
from newsletter.errors import QueryError, UsageError
from newsletter.model import Preferences, Status, Subscriber, Suppression
from newsletter.query import normal_form, parse, tidy
from newsletter.storage import Storage
from newsletter.subscriptions.wishes import NAMES, read_preferences, write_preferences

#: What is chosen, and what became of it. Of the latter others have columns too, named alike and meaning something else.
CHOSEN = ("email", "status", "topics", "queries", *NAMES)
COLUMNS = (*CHOSEN, "paused_until", "suppressed", "created", "confirmed")
_KEPT = 10_000  # texts whose reading is remembered
_PLAIN = re.compile(r"[a-z0-9]+(?:[._+-][a-z0-9]+)*")
_SEPARATOR = re.compile(r"(?<!\\);")
_Kind = TypeVar("_Kind", bound=StrEnum)
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Line:
    """A line that was found good. `agreed`: it has no status of its own, and who imports it says that they agreed."""

    email: str
    status: Status
    topic_ids: tuple[int, ...]
    queries: tuple[str, ...]
    preferences: Preferences
    paused_until: date | None
    suppressed: Suppression | None
    created: datetime | None
    confirmed: datetime | None
    agreed: bool


def write_line(subscriber: Subscriber) -> str:
    """The line that `LineReader` reads this subscriber from."""
    return csv_line(
        (
            subscriber.email,
            subscriber.status,
            ";".join(subscriber.topics),
            _joined(subscriber.queries),
            *_preferred(subscriber.preferences),
            str(subscriber.paused_until or ""),
            subscriber.suppressed or "",
            _written(subscriber.created),
            _written(subscriber.confirmed),
        )
    )


class LineReader:
    """Turns a record into a `Line`, or says what is wrong with it; `agreed` is for those without a status."""

    def __init__(
        self, storage: Storage, local_domains: Sequence[str], max_queries: int | None, *, agreed: bool
    ) -> None:
        self._storage, self._max_queries, self._agreed = storage, max_queries, agreed
        self._addresses = _Addresses(local_domains)
        self._topic_ids: dict[str, int] = {}
        self._good_queries: dict[str, None] = {}
        self._preferences: dict[tuple[str | None, ...], Preferences] = {}
        asked = storage.topics.asked() if max_queries is not None else ()
        self._normal = {normal_form(parse(topic.query)) for topic in asked if topic.personal}

    def __call__(self, record: Record) -> Line:
        """Raises `UsageError`."""
        if record.trouble:
            raise UsageError(record.trouble)
        cells = record.cells
        own = _one_of(Status, "status", cells)
        status = own or (Status.CONFIRMED if self._agreed else Status.PENDING)
        return Line(
            email=self._addresses.check(cells.get("email", "")),
            status=status,
            topic_ids=tuple(map(self._topic, _parts(cells.get("topics", "")))),
            queries=tuple(map(self._query, map(tidy, _parts(cells.get("queries", ""))))),
            preferences=self._preferred(cells),
            paused_until=_until(cells, status),
            suppressed=_one_of(Suppression, "suppressed", cells),
            created=_moment("created", cells),
            confirmed=None if status is Status.PENDING else _moment("confirmed", cells),
            agreed=self._agreed and own is None,
        )

    def _topic(self, name: str) -> int:
        if name not in self._topic_ids:
            self._topic_ids[name] = self._storage.topics.named(name).id
        return self._topic_ids[name]

    def _query(self, query: str) -> str:
        if query in self._good_queries:
            return query
        try:
            normal = normal_form(parse(query))
        except QueryError as error:
            raise UsageError(f"queries: {query!r} {error}") from error
        if self._max_queries is not None and normal not in self._normal:
            if len(self._normal) >= self._max_queries:
                raise UsageError(too_many(self._max_queries))
            self._normal.add(normal)
        _remember(self._good_queries, query, None)
        return query

    def _preferred(self, cells: Mapping[str, str]) -> Preferences:
        texts = tuple(map(cells.get, NAMES))
        if texts not in self._preferences:
            _remember(self._preferences, texts, read_preferences(cells))
        return self._preferences[texts]


class _Addresses:
    """`check_address` for many: a domain is looked at once, and a local part such as most are needs no looking at."""

    def __init__(self, local_domains: Sequence[str]) -> None:
        self._local_domains = local_domains
        self._domains: dict[str, str] = {}

    def check(self, text: str) -> str:
        """An address in its normal form. Raises `AddressError`."""
        local, _, domain = text.strip().rpartition("@")
        short = len(local) <= 64 and len(domain) <= 180 and domain.isascii()  # together not too long for anything
        if not (short and _PLAIN.fullmatch(local)):
            return check_address(text, self._local_domains)
        if domain not in self._domains:
            checked = check_address(f"a@{domain}", self._local_domains)
            _remember(self._domains, domain, checked.removeprefix("a@"))
        return f"{local}@{self._domains[domain]}"


def too_many(max_queries: int) -> str:
    """Why no more queries are taken."""
    return (
        f"readers have {max_queries} queries already, and no more are asked of arXiv's search ([arxiv] max_queries);"
        ' with [arxiv] source = "feed" there is no such limit'
    )


def _remember(kept: dict[_Key, _Value], key: _Key, value: _Value) -> None:
    if len(kept) >= _KEPT:
        kept.clear()
    kept[key] = value


# A semicolon that parts nothing has a backslash before it. One that parts has none: lest a query that ends with one
# give it away, a blank comes between.


def _joined(queries: Sequence[str]) -> str:
    escaped = (query.replace(";", "\\;") for query in queries)
    return ";".join(f"{query} " if query.endswith("\\") else query for query in escaped)


def _parts(text: str) -> list[str]:
    if ";" not in text:
        return [text.strip()] if text.strip() else []
    return [part.strip().replace("\\;", ";") for part in _SEPARATOR.split(text) if part.strip()]


def _one_of(kind: type[_Kind], name: str, cells: Mapping[str, str]) -> _Kind | None:
    if not (text := cells.get(name, "").strip()):
        return None
    try:
        return kind(text.casefold())
    except ValueError as error:
        raise UsageError(f"{name}: {text!r} is not allowed (allowed: {', '.join(kind)})") from error


def _until(cells: Mapping[str, str], status: Status) -> date | None:
    if not (text := cells.get("paused_until", "").strip()):
        return None
    if status is not Status.PAUSED:
        raise UsageError(f"paused_until: {text!r} stands beside the status {status} (allowed: beside paused)")
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"paused_until: {text!r} is no date (allowed: such as 2026-12-24)") from error


def _moment(name: str, cells: Mapping[str, str]) -> datetime | None:
    """A moment; without a zone it is UTC."""
    if not (text := cells.get(name, "").strip()):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{name}: {text!r} is no moment (allowed: such as 2026-12-24T07:00:00Z)") from error


def _written(moment: datetime | None) -> str:
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z" if moment else ""


@lru_cache(_KEPT)
def _preferred(preferences: Preferences) -> tuple[str, ...]:
    return tuple(write_preferences(preferences).values())

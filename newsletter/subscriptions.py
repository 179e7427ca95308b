"""What can be done for a subscriber; the fronts map each `Outcome` to words of their own."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import TypeVar

from newsletter.addresses import check_address
from newsletter.csvfile import Record, csv_line, records
from newsletter.errors import QueryError, UsageError
from newsletter.model import Frequency, Status, Subscriber, Suppression
from newsletter.query import normal_form, parse
from newsletter.storage import Storage
from newsletter.storage.subscribers import NewSubscriber

COLUMNS = ("email", "status", "frequency", "topics", "queries")
_BATCH = 2_000  # lines written in one transaction
_Choice = TypeVar("_Choice", Status, Frequency)


class Outcome(Enum):
    """What became of a request."""

    DONE = "done"
    ALREADY = "already"  # it was so before
    UNKNOWN = "unknown"  # there is no such subscriber
    SUPPRESSED = "suppressed"  # done, but the address is not mailed


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of a CSV file that was not taken; the header is line 1."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one line: `bad` if it was refused, `added` if the address was new."""

    added: int
    known: int
    bad: BadLine | None = None


class Subscriptions:
    """Every verb on subscribers. `today` is the date in the newsletter's zone, `now` the moment, aware."""

    def __init__(self, storage: Storage, local_domains: Sequence[str], max_queries: int | None) -> None:
        self._storage, self._local_domains, self._max_queries = storage, local_domains, max_queries

    def subscribe(
        self,
        email: str,
        topics: Sequence[str],
        queries: Sequence[str],
        frequency: Frequency,
        *,
        confirmed: bool,
        today: date,
        now: datetime,
    ) -> Outcome:
        """Add a subscriber; no topics and no queries means all operator topics, future ones too.

        Raises:
            UsageError: a bad address, a topic that is not there, a query that does not parse.

        """
        address = check_address(email, self._local_domains)
        status = Status.CONFIRMED if confirmed else Status.PENDING
        with self._storage.write():
            if self._storage.subscribers.find(address):
                return Outcome.ALREADY
            new = NewSubscriber(address, status, frequency, self._topic_ids(topics, queries))
            self._storage.subscribers.add([new], self._storage.editions.newest(), today, now)
            self._check_queries()
        return Outcome.SUPPRESSED if self._storage.subscribers.suppression(address) else Outcome.DONE

    def find(self, email: str) -> Subscriber | None:
        """The subscriber of an address."""
        return self._storage.subscribers.find(email)

    def change(
        self,
        email: str,
        topics: Sequence[str] | None,
        queries: Sequence[str] | None,
        frequency: Frequency | None,
        *,
        today: date,
    ) -> Outcome:
        """Change what a subscriber chose; None leaves a part as it is. Raises as `subscribe` does."""
        with self._storage.write():
            subscriber = self._storage.subscribers.find(email)
            if subscriber is None:
                return Outcome.UNKNOWN
            if topics is not None or queries is not None:
                names = subscriber.topics if topics is None else topics
                wanted = subscriber.queries if queries is None else queries
                ids = self._topic_ids(names, wanted)
                self._storage.subscribers.choose(subscriber.id, ids)
                self._check_queries()
            if frequency is not None and frequency is not subscriber.frequency:
                self._storage.subscribers.set_frequency(subscriber.id, frequency, today)
        return Outcome.DONE

    def confirm(self, email: str, *, today: date, now: datetime) -> Outcome:
        """Make a pending subscriber, or one who left, a reader from now on."""
        return self._become(email, Status.CONFIRMED, today, now, skip=True)

    def pause(self, email: str, *, today: date, now: datetime) -> Outcome:
        """Send nothing until `resume`. Raises `UsageError` for one who is not a reader now."""
        return self._become(email, Status.PAUSED, today, now, only_from=Status.CONFIRMED)

    def resume(self, email: str, *, today: date, now: datetime) -> Outcome:
        """Send again, from the next edition on: what passed during the pause is skipped.

        Raises:
            UsageError: they are pending, or left; that needs their consent, hence `confirm`.

        """
        return self._become(email, Status.CONFIRMED, today, now, only_from=Status.PAUSED, skip=True)

    def unsubscribe(self, email: str, *, today: date, now: datetime) -> Outcome:
        """Send nothing any more; the address stays known as one that left."""
        return self._become(email, Status.UNSUBSCRIBED, today, now)

    def remove(self, email: str, *, now: datetime) -> Outcome:
        """Forget a subscriber."""
        with self._storage.write():
            subscriber = self._storage.subscribers.find(email)
            if subscriber is None:
                return Outcome.UNKNOWN
            self._storage.deliveries.forget(subscriber.id, now)
            self._storage.subscribers.remove(subscriber.id)
        return Outcome.DONE

    def suppress(self, email: str, reason: Suppression, *, now: datetime) -> Outcome:
        """Never mail an address, whether it subscribes or not. Raises `AddressError`."""
        address = check_address(email, self._local_domains)
        with self._storage.write():
            new = self._storage.subscribers.suppress(address, reason, "", now)
        return Outcome.DONE if new else Outcome.ALREADY

    def unsuppress(self, email: str, *, today: date) -> Outcome:
        """Mail an address again; what passed meanwhile is skipped, as after a pause."""
        with self._storage.write():
            if not self._storage.subscribers.unsuppress(email):
                return Outcome.ALREADY
            if subscriber := self._storage.subscribers.find(email):
                self._storage.subscribers.skip_to(subscriber.id, self._storage.editions.newest(), today)
        return Outcome.DONE

    def import_csv(self, file: Iterable[str], *, confirmed: bool, today: date, now: datetime) -> Iterator[Imported]:
        """Add the subscribers of a CSV file with a header line; yields as it goes.

        `email` is the one column that must be there; `status`, `frequency`, `topics` and `queries` are understood,
        others left alone. `confirmed` is what a line without a status gets to be, instead of pending. A bad line is
        yielded with its number and the rest goes in.

        Raises:
            UsageError: there is no header with `email`; nothing was taken.

        """
        batch: list[_Line] = []
        default = Status.CONFIRMED if confirmed else Status.PENDING
        read = _LineReader(self._storage, self._local_domains, self._max_queries, default)
        for record in records(file, COLUMNS):
            try:
                batch.append(read(record))
            except UsageError as error:
                yield Imported(0, 0, BadLine(record.number, f"{error}{record.extent}"))
            if len(batch) >= _BATCH:
                yield self._take(batch, today, now)
                batch = []
        if batch:
            yield self._take(batch, today, now)

    def export_csv(self) -> Iterator[str]:
        """All subscribers as CSV, a line at a time; `import_csv` reads it back."""
        yield csv_line(COLUMNS)
        for subscriber in self._storage.subscribers.all():
            # In a query a semicolon means no more than a blank.
            queries = ";".join(query.replace(";", " ") for query in subscriber.queries)
            yield csv_line(
                (subscriber.email, subscriber.status, subscriber.frequency, ";".join(subscriber.topics), queries)
            )

    def _topic_ids(self, names: Iterable[str], queries: Iterable[str]) -> tuple[int, ...]:
        named = [self._storage.topics.named(name).id for name in names]
        return tuple(dict.fromkeys((*named, *(self._storage.topics.query(query).id for query in queries))))

    def _check_queries(self) -> None:
        """Undo, by raising inside the transaction, what would be more queries than are fetched."""
        if self._max_queries is None:
            return
        if sum(topic.personal for topic in self._storage.topics.asked()) > self._max_queries:
            raise UsageError(_too_many(self._max_queries))

    def _become(
        self,
        email: str,
        status: Status,
        today: date,
        now: datetime,
        *,
        only_from: Status | None = None,
        skip: bool = False,
    ) -> Outcome:
        with self._storage.write():
            subscriber = self._storage.subscribers.find(email)
            if subscriber is None:
                return Outcome.UNKNOWN
            if subscriber.status is status:
                return Outcome.ALREADY
            if only_from and subscriber.status is not only_from:
                raise UsageError(f"{subscriber.email} is {subscriber.status}, not {only_from}")
            self._storage.subscribers.set_status(subscriber.id, status, now)
            if status is not Status.CONFIRMED:
                self._storage.deliveries.drop(subscriber.id, status, now)
            if skip:
                self._storage.subscribers.skip_to(subscriber.id, self._storage.editions.newest(), today)
            suppressed = self._storage.subscribers.suppression(subscriber.email)
        return Outcome.SUPPRESSED if suppressed else Outcome.DONE

    def _take(self, batch: Sequence["_Line"], today: date, now: datetime) -> Imported:
        with self._storage.write():
            queries = {query: self._storage.topics.query(query).id for line in batch for query in line.queries}
            new = (
                NewSubscriber(
                    line.email,
                    line.status,
                    line.frequency,
                    tuple(dict.fromkeys((*line.topic_ids, *(queries[query] for query in line.queries)))),
                )
                for line in batch
            )
            added = self._storage.subscribers.add(new, self._storage.editions.newest(), today, now)
        return Imported(added, len(batch) - added)


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that was found good."""

    email: str
    status: Status
    frequency: Frequency
    topic_ids: tuple[int, ...]
    queries: tuple[str, ...]


class _LineReader:
    """Turns a record into a `_Line`, or says what is wrong with it."""

    def __init__(
        self, storage: Storage, local_domains: Sequence[str], max_queries: int | None, default: Status
    ) -> None:
        self._storage, self._local_domains, self._default = storage, local_domains, default
        self._max_queries = max_queries
        self._topic_ids: dict[str, int] = {}
        self._good_queries: set[str] = set()
        self._normal = {normal_form(parse(topic.query)) for topic in storage.topics.asked() if topic.personal}

    def __call__(self, record: Record) -> _Line:
        """Raises `UsageError`."""
        if record.trouble:
            raise UsageError(record.trouble)
        email, status, frequency, topics, queries = (record.cells.get(column, "") for column in COLUMNS)
        return _Line(
            email=check_address(email, self._local_domains),
            status=_one_of(Status, status, self._default, "status"),
            frequency=_one_of(Frequency, frequency, Frequency.DAILY, "frequency"),
            topic_ids=tuple(map(self._topic, _several(topics))),
            queries=tuple(map(self._query, _several(queries))),
        )

    def _topic(self, name: str) -> int:
        if name not in self._topic_ids:
            self._topic_ids[name] = self._storage.topics.named(name).id
        return self._topic_ids[name]

    def _query(self, query: str) -> str:
        if query not in self._good_queries:
            try:
                normal = self._normal | {normal_form(parse(query))}
            except QueryError as error:
                raise UsageError(f"queries: {query!r} {error}") from error
            if self._max_queries is not None and len(normal) > max(self._max_queries, len(self._normal)):
                raise UsageError(_too_many(self._max_queries))
            self._normal = normal
            self._good_queries.add(query)
        return query


def _too_many(max_queries: int) -> str:
    return (
        f"readers have {max_queries} queries already, and no more are asked of arXiv's search ([arxiv] max_queries);"
        ' with [arxiv] source = "feed" there is no such limit'
    )


def _several(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _one_of(kind: type[_Choice], value: str, default: _Choice, column: str) -> _Choice:
    if not value.strip():
        return default
    try:
        return kind(value.strip().casefold())
    except ValueError as error:
        raise UsageError(f"{column}: {value!r} is not allowed (allowed: {', '.join(kind)})") from error

"""What can be done for a subscriber; the fronts map each `Outcome` to words of their own."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import Enum
from typing import TypeVar

from newsletter.addresses import check_address
from newsletter.errors import QueryError, UsageError
from newsletter.model import Frequency, Status, Subscriber, Suppression
from newsletter.query import parse
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

    def __init__(self, storage: Storage, local_domains: Sequence[str]) -> None:
        self._storage, self._local_domains = storage, local_domains

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
        names = [self._storage.topics.named(name).id for name in topics]
        with self._storage.write():
            ids = (*names, *(self._storage.topics.query(query).id for query in queries))
            new = NewSubscriber(address, status, frequency, tuple(dict.fromkeys(ids)))
            if not self._storage.subscribers.add([new], self._storage.editions.newest(), today, now):
                return Outcome.ALREADY
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
        subscriber = self._storage.subscribers.find(email)
        if subscriber is None:
            return Outcome.UNKNOWN
        names = [self._storage.topics.named(name).id for name in (subscriber.topics if topics is None else topics)]
        with self._storage.write():
            if topics is not None or queries is not None:
                wanted = subscriber.queries if queries is None else queries
                ids = dict.fromkeys((*names, *(self._storage.topics.query(query).id for query in wanted)))
                self._storage.subscribers.choose(subscriber.id, tuple(ids), self._storage.editions.newest())
            if frequency is not None and frequency is not subscriber.frequency:
                self._storage.subscribers.set_frequency(subscriber.id, frequency, today)
        return Outcome.DONE

    def confirm(self, email: str, *, today: date, now: datetime) -> Outcome:
        """Make a pending subscriber, or one who left, a reader from now on."""
        return self._become(email, Status.CONFIRMED, today, now, skip=True)

    def pause(self, email: str, *, today: date, now: datetime) -> Outcome:
        """Send nothing until `resume`."""
        return self._become(email, Status.PAUSED, today, now)

    def resume(self, email: str, *, today: date, now: datetime) -> Outcome:
        """Send again, from the next edition on: what passed during the pause is skipped."""
        subscriber = self._storage.subscribers.find(email)
        if subscriber is not None and subscriber.status is not Status.PAUSED:
            raise UsageError(f"{subscriber.email} is {subscriber.status}, not paused")
        return self._become(email, Status.CONFIRMED, today, now, skip=True)

    def unsubscribe(self, email: str, *, today: date, now: datetime) -> Outcome:
        """Send nothing any more; the address stays known as one that left."""
        return self._become(email, Status.UNSUBSCRIBED, today, now)

    def remove(self, email: str) -> Outcome:
        """Forget a subscriber."""
        subscriber = self._storage.subscribers.find(email)
        if subscriber is None:
            return Outcome.UNKNOWN
        with self._storage.write():
            self._storage.subscribers.remove(subscriber.id)
        return Outcome.DONE

    def suppress(self, email: str, reason: Suppression, *, now: datetime) -> Outcome:
        """Never mail an address, whether it subscribes or not."""
        address = check_address(email, self._local_domains)
        if self._storage.subscribers.suppression(address):
            return Outcome.ALREADY
        with self._storage.write():
            self._storage.subscribers.suppress(address, reason, "", now)
        return Outcome.DONE

    def unsuppress(self, email: str) -> Outcome:
        """Mail an address again."""
        with self._storage.write():
            return Outcome.DONE if self._storage.subscribers.unsuppress(email) else Outcome.ALREADY

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
        read = _LineReader(self._storage, self._local_domains, default)
        for number, row in _rows(file):
            try:
                batch.append(read(row))
            except UsageError as error:
                yield Imported(0, 0, BadLine(number, str(error)))
            if len(batch) >= _BATCH:
                yield self._take(batch, today, now)
                batch = []
        if batch:
            yield self._take(batch, today, now)

    def export_csv(self) -> Iterator[str]:
        """All subscribers as CSV, a line at a time; `import_csv` reads it back."""
        yield _csv_line(COLUMNS)
        for subscriber in self._storage.subscribers.all():
            # In a query a semicolon means no more than a blank.
            queries = ";".join(query.replace(";", " ") for query in subscriber.queries)
            yield _csv_line(
                (subscriber.email, subscriber.status, subscriber.frequency, ";".join(subscriber.topics), queries)
            )

    def _become(self, email: str, status: Status, today: date, now: datetime, *, skip: bool = False) -> Outcome:
        subscriber = self._storage.subscribers.find(email)
        if subscriber is None:
            return Outcome.UNKNOWN
        if subscriber.status is status:
            return Outcome.ALREADY
        with self._storage.write():
            self._storage.subscribers.set_status(subscriber.id, status, now)
            if skip:
                self._storage.subscribers.skip_to(subscriber.id, self._storage.editions.newest(), today)
        return Outcome.SUPPRESSED if self._storage.subscribers.suppression(email) else Outcome.DONE

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
    """Turns a row into a `_Line`, or says what is wrong with it."""

    def __init__(self, storage: Storage, local_domains: Sequence[str], default: Status) -> None:
        self._storage, self._local_domains, self._default = storage, local_domains, default
        self._topic_ids: dict[str, int] = {}
        self._good_queries: set[str] = set()

    def __call__(self, row: dict[str, str]) -> _Line:
        """Raises `UsageError`."""
        return _Line(
            email=check_address(row.get("email", ""), self._local_domains),
            status=_one_of(Status, row.get("status", ""), self._default, "status"),
            frequency=_one_of(Frequency, row.get("frequency", ""), Frequency.DAILY, "frequency"),
            topic_ids=tuple(map(self._topic, _several(row.get("topics", "")))),
            queries=tuple(map(self._query, _several(row.get("queries", "")))),
        )

    def _topic(self, name: str) -> int:
        if name not in self._topic_ids:
            self._topic_ids[name] = self._storage.topics.named(name).id
        return self._topic_ids[name]

    def _query(self, query: str) -> str:
        if query not in self._good_queries:
            try:
                parse(query)
            except QueryError as error:
                raise UsageError(f"queries: {query!r} {error}") from error
            self._good_queries.add(query)
        return query


def _rows(file: Iterable[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file by column name, each with the number of its first line; empty lines are left out."""
    reader = csv.reader(file)
    header = [name.strip().lstrip("\ufeff").casefold() for name in next(reader, ())]
    if "email" not in header:
        raise UsageError("line 1: the header has no column named email")
    number = reader.line_num + 1
    for row in reader:
        if any(cell.strip() for cell in row):
            yield number, dict(zip(header, row, strict=False))
        number = reader.line_num + 1


def _several(text: str) -> list[str]:
    return [part.strip() for part in text.split(";") if part.strip()]


def _one_of(kind: type[_Choice], value: str, default: _Choice, column: str) -> _Choice:
    if not value.strip():
        return default
    try:
        return kind(value.strip().casefold())
    except ValueError as error:
        raise UsageError(f"{column}: {value!r} is not allowed (allowed: {', '.join(kind)})") from error


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()

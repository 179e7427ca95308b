"""Subscribers as CSV: read line by line, so that one that is bad costs one line, and written so that it reads back."""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from newsletter.addresses import same_address
from newsletter.csvfile import CsvFile, Record, csv_line
from newsletter.errors import UsageError
from newsletter.model import Rhythm, Status
from newsletter.storage import Storage
from newsletter.storage.consents import Consent
from newsletter.storage.subscribers import NewSubscriber
from newsletter.subscriptions import foreign
from newsletter.subscriptions.lines import CHOSEN, COLUMNS, Line, LineReader, write_line

_BATCH = 2_000  # lines written in one transaction
_ADDRESS = re.compile(r"(?:[^<>]*<)?[^\s<>,;]+@[^\s<>,;]+>?")  # or a name and an address


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line of a CSV file that was not taken; the header is line 1."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of some lines. Of those `added` some are `pending` and some `suppressed`; `agreed` were known and
    pending until now; `bad` is one that was refused. The `remark` says what kind of file it is."""

    added: int = 0
    known: int = 0
    agreed: int = 0
    pending: int = 0
    suppressed: int = 0
    bad: BadLine | None = None
    remark: str = ""


class Table:
    """Imports and exports; the arguments are those of `Subscriptions`."""

    def __init__(
        self,
        storage: Storage,
        local_domains: Sequence[str],
        max_queries: int | None,
        next_hour: Callable[[Rhythm, datetime], datetime | None],
    ) -> None:
        self._storage, self._local_domains, self._max_queries = storage, local_domains, max_queries
        self._next_hour = next_hour

    def read(self, file: Iterable[str], *, confirmed: bool, today: date, now: datetime) -> Iterator[Imported]:
        """Add the subscribers of a CSV file with a header line, ours or another program's, or of a list of addresses;
        yields as it goes.

        Of ours `email` is the one column that must be there; `COLUMNS` are understood, others left alone. `confirmed`
        says that whose line has no status has agreed, also if they are known and pending; else they are pending. A bad
        line is yielded with its number and the rest goes in. Who is known stays as they are.

        Raises:
            UsageError: there is no such header; nothing was taken.

        """
        remark, records = _opened(file)
        if remark:
            yield Imported(remark=remark)
        batch: list[Line] = []
        read = LineReader(self._storage, self._local_domains, self._max_queries, agreed=confirmed)
        for record in records:
            try:
                batch.append(read(record))
            except UsageError as error:
                yield Imported(bad=BadLine(record.number, f"{error}{record.extent}"))
            if len(batch) >= _BATCH:
                yield self._take(batch, today, now)
                batch = []
        if batch:
            yield self._take(batch, today, now)

    def write(self) -> Iterator[str]:
        """All subscribers as CSV, a line at a time; `read` reads it back."""
        yield csv_line(COLUMNS)
        yield from map(write_line, self._storage.subscribers.all())

    def _take(self, batch: Sequence[Line], today: date, now: datetime) -> Imported:
        subscribers, editions = self._storage.subscribers, self._storage.editions
        with self._storage.write():
            newest = editions.newest()
            new, agreed = self._told_apart(batch)
            for number in agreed.values():
                subscribers.set_status(number, Status.CONFIRMED, now)
                subscribers.skip_to(number, newest, today)
            for line in new:
                if line.suppressed:
                    subscribers.suppress(line.email, line.suppressed, "imported", now)
            added = subscribers.add(self._new(new, now), newest, today, now)
            suppressed = subscribers.suppressed_among(line.email for line in new)
            agreed_now = [*agreed, *(line.email for line in new if line.agreed)]
            self._storage.consents.add_for(agreed_now, Consent(now, "csv", "", ""))
        pending = sum(line.status is Status.PENDING for line in new)
        return Imported(added, len(batch) - added - len(agreed), len(agreed), pending, suppressed)

    def _told_apart(self, batch: Sequence[Line]) -> tuple[list[Line], dict[str, int]]:
        """The first line of each address that is new; and addresses, with numbers, of who is pending and has agreed."""
        known = self._storage.subscribers.known(line.email for line in batch)
        new: dict[str, Line] = {}
        agreed: dict[str, int] = {}
        for line in batch:
            folded = same_address(line.email)
            number, status = known.get(folded, (0, None))
            if status is None:
                new.setdefault(folded, line)
            elif line.agreed and status is Status.PENDING:
                agreed[folded] = number
        return list(new.values()), agreed

    def _new(self, batch: Sequence[Line], now: datetime) -> Iterator[NewSubscriber]:
        texts = dict.fromkeys(query for line in batch for query in line.queries)
        queries = {query: self._storage.topics.query(query).id for query in texts}
        hours = {rhythm: self._next_hour(rhythm, now) for rhythm in {line.preferences.rhythm for line in batch}}
        for line in batch:
            topic_ids = dict.fromkeys((*line.topic_ids, *(queries[query] for query in line.queries)))
            yield NewSubscriber(
                line.email,
                line.status,
                tuple(topic_ids),
                line.preferences,
                hours[line.preferences.rhythm],
                line.paused_until,
                line.created,
                line.confirmed,
            )


def _opened(file: Iterable[str]) -> tuple[str, Iterator[Record]]:
    """What kind of file it is, in words, and its records in our columns. Raises `UsageError`."""
    csv_file = CsvFile(file, lambda names: COLUMNS[0] in names or foreign.recognise(names) is not None)
    if not csv_file.header:
        if not _ADDRESS.fullmatch(csv_file.first.strip()):
            raise UsageError(
                f"line 1: the header has no column named {COLUMNS[0]}"
                " (allowed: a header line; or no header, and an address on each line)"
            )
        return "a list of addresses", _addresses(csv_file)
    export = foreign.recognise(csv_file.header)
    _check_header(csv_file.header, export.taken if export else COLUMNS, () if export else CHOSEN)
    rest = ", ".join(name for name in csv_file.header if name and name not in (export.taken if export else COLUMNS))
    if export is None:
        return (f"columns left alone: {rest}" if rest else ""), csv_file.records()
    remark = f"an export of {export.name}" + (f"; not taken over: {rest}" if rest else "")
    return remark, (_translated(record, export) for record in csv_file.records())


def _check_header(names: Sequence[str], known: Iterable[str], near_to: Sequence[str]) -> None:
    if twice := [name for name in known if names.count(name) > 1]:
        raise UsageError(f"line 1: the header has two columns named {twice[0]}")
    for name in names:
        near = difflib.get_close_matches(name, near_to, 1, 0.8)
        if name not in known and near and near[0] not in names:
            raise UsageError(f"line 1: the header has a column named {name}; did you mean {near[0]}?")


def _translated(record: Record, export: foreign.Export) -> Record:
    if record.trouble:
        return record
    try:
        return replace(record, cells=export.read(record.cells))
    except (UsageError, KeyError) as error:
        return replace(record, trouble=str(error) if isinstance(error, UsageError) else f"it has no cell {error}")


def _addresses(csv_file: CsvFile) -> Iterator[Record]:
    for number, text in csv_file.lines():
        trouble = "it is not UTF-8" if "\ufffd" in text or "\x00" in text else ""
        yield Record(number, 1, foreign.from_mailbox(text), trouble)

"""A queue that is furnished once and sent as often as it is measured: each time a copy, by a process of its own."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import house
from benchmarks.measure import Cost, alone, aside, measure
from newsletter.model import DeliveryStatus, Format, Look
from newsletter.sending import deliver

_FURNISHED = 1_000  # readers that are furnished one by one; more are copies of these


@dataclass(frozen=True, slots=True)
class Queue:
    """So many digests, of so many bytes on average, that wait in the database of a folder."""

    folder: Path
    mails: int
    length: int

    def sent(
        self, port: int, connections: int = house.CONNECTIONS, *, signed: bool = False, place: Path | None = None
    ) -> float:
        """Send all of it, ledger and all: mails a second. `place` is where the ledger is, if not on the usual disk."""
        return self.mails / alone(_send, self, port, connections, signed, place).seconds

    def cost(self, port: int, connections: int) -> Cost:
        """Send all of it: what that took."""
        return alone(_send, self, port, connections)


@contextmanager
def queue(mails: int, *, small: bool = False) -> Iterator[Queue]:
    """An edition's digests for so many readers, whose mails have about 40 KB; small ones are of one paper, as text."""
    with house.temporary() as folder:
        yield furnish(folder, mails, small=small)


def furnish(folder: Path, mails: int, *, small: bool = False) -> Queue:
    """Furnish a folder with such a queue, and with a key to sign with."""
    readers = min(mails, _FURNISHED)
    if small:
        length = aside(house.fill_queue, folder, house.one_choice, readers, 1, Look(format=Format.TEXT))
    else:
        length = aside(house.fill_queue, folder, house.few_topics, readers, house.FEW)
    house.make_signing_key(folder)
    if mails > readers:
        _multiply(folder / "subscribers.db", mails)
    return Queue(folder, mails, length)


def _send(queue: Queue, port: int, connections: int, signed: bool = False, place: Path | None = None) -> Cost:
    with house.temporary(place) as folder:
        shutil.copytree(queue.folder, folder, dirs_exist_ok=True)
        with house.opened(folder, smtp_port=port, connections=connections, signed=signed) as app:
            cost, tally = measure(lambda: deliver(app))
    assert tally[DeliveryStatus.SENT] == queue.mails, tally
    return cost


# ---------------------------------------------------------------- many


_COPIED = {
    "subscribers": {"id": "id + n * :span", "email": "n || '.' || email", "folded": "n || '.' || folded"},
    "subscriptions": {"subscriber_id": "subscriber_id + n * :span"},
    "deliveries": {
        "id": "id + n * :span",
        "subscriber_id": "subscriber_id + n * :span",
        "message_id": "n || '.' || message_id",
    },
}


def _multiply(database: Path, readers: int) -> None:
    """Copy all readers and their deliveries until there are so many."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        ((span, furnished),) = connection.execute("SELECT max(id), count(*) FROM subscribers")
        for table, changed in _COPIED.items():
            columns = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")]
            values = ", ".join(changed.get(name, name) for name in columns)
            connection.execute(
                "WITH RECURSIVE copies (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < :copies)"  # noqa: S608
                f" INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM copies, {table}"
                f" WHERE {'subscriber_id' if 'subscriber_id' in columns else 'id'} + n * :span <= :last",
                {"span": span, "copies": -(-readers // furnished) - 1, "last": _last(readers, span, furnished)},
            )
        connection.commit()


def _last(readers: int, span: int, furnished: int) -> int:
    """The number of the last reader, where each copy of `furnished` takes up `span` numbers."""
    whole, rest = divmod(readers, furnished)
    return whole * span + rest

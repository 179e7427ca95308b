"""Readers: subscribers as selection needs them, and whose turn it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from newsletter.storage.database import Database, Row, from_date, to_date

_BATCH = 5_000  # looked at in one query


@dataclass(frozen=True, slots=True)
class Reader:
    """A subscriber as selection needs them. `chosen` holds topics by id; empty: all of the operator's."""

    id: int
    covered: date | None
    weekly: bool
    chosen: frozenset[int]
    waits: bool = False  # a digest of theirs that ends at `covered` has not been sent yet


class Readers:
    """Subscribers who get digests."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def due(self, newest: date | None, turn: date) -> Iterator[list[Reader]]:
        """Confirmed readers whose turn it is: daily ones who do not have the `newest` edition, weekly ones who did not
        have the weekly day `turn`. In batches, so that a million cost no memory."""
        last = 0
        while True:
            rows = self._db.rows(
                _READERS_DUE, {"last": last, "newest": from_date(newest), "turn": turn.isoformat(), "batch": _BATCH}
            )
            if not rows:
                return
            last = rows[-1]["reader_id"]
            yield [to_reader(row, row["covered"], waits=bool(row["waits"])) for row in rows]

    def one(self, subscriber_id: int, covered: date | None) -> Reader:
        """One reader, as if they had everything up to `covered`."""
        row = self._db.row(
            f"SELECT s.id AS reader_id, {_CHOICE} FROM subscribers AS s WHERE s.id = ?", (subscriber_id,)
        )
        assert row is not None  # noqa: S101 - the caller has just found them
        return to_reader(row, from_date(covered))

    def cover(self, readers: Sequence[Reader], upto: date | None, turn: date) -> None:
        """Move `covered` of readers whose turn it was; inside the transaction that queues their digests."""
        self._db.executemany(
            "UPDATE subscribers SET covered = max(covered, ?), turned = max(turned, ?) WHERE id = ?",
            ((from_date(upto), turn.isoformat(), reader.id) for reader in readers),
        )


_CHOICE = """s.frequency,
    (SELECT group_concat(c.topic_id) FROM subscriptions AS c WHERE c.subscriber_id = s.id) AS chosen"""
_READERS_DUE = f"""
SELECT s.id AS reader_id, s.covered, {_CHOICE},
    EXISTS (SELECT 1 FROM deliveries AS d WHERE d.subscriber_id = s.id AND d.upto = s.covered
        AND d.kind = 'digest' AND d.status IN ('queued', 'deferred')) AS waits
FROM subscribers AS s
WHERE s.id > :last AND s.status = 'confirmed' AND NOT EXISTS (SELECT 1 FROM suppressions AS x WHERE x.folded = s.folded)
    AND ((s.frequency = 'daily' AND s.covered < :newest) OR (s.frequency = 'weekly' AND s.turned < :turn))
ORDER BY s.id LIMIT :batch
"""


def to_ids(text: str | None) -> frozenset[int]:
    """Topics by id, as a delivery and a choice are read."""
    return frozenset(map(int, text.split(","))) if text else frozenset()


def to_reader(row: Row, covered: str, *, waits: bool = False) -> Reader:
    """The reader of a row, as if they had everything up to `covered`."""
    return Reader(row["reader_id"], to_date(covered), row["frequency"] == "weekly", to_ids(row["chosen"]), waits)

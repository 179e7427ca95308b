"""Readers: subscribers as selection needs them, and whose turn it is."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import NamedTuple

from newsletter.model import Frequency, Late, Look, Rhythm
from newsletter.storage.database import Database, Row, from_date, to_date, to_text
from newsletter.storage.subscribers import to_look, to_rhythm

_BATCH = {"batch": 5_000}  # looked at in one query

When = tuple[str, int | None, int | None, str, str]


@dataclass(frozen=True, slots=True)
class Reader:
    """A subscriber as selection needs them. `chosen` holds topics by id; empty: all of the operator's."""

    id: int
    covered: date | None
    chosen: frozenset[int]
    rhythm: Rhythm = Rhythm()
    look: Look = Look()
    revised: bool = True

    @property
    def weekly(self) -> bool:
        """Whether their digests are of a week."""
        return self.rhythm.frequency is Frequency.WEEKLY


class Due(NamedTuple):
    """A reader whose turn it may be, with what the ledger needs of them, as it is stored: they may be a million, so
    nothing is made of it."""

    id: int
    covered: str
    chosen: str  # topics by number, ascending; '': all of the operator's
    revised: int
    waits: int  # a digest of theirs that ends at `covered` has not been sent yet
    folded: str  # their address
    frequency: str
    weekday: int | None
    hour: int | None
    zone: str
    late: str

    @property
    def when(self) -> When:
        """What `rhythm` is made from; most readers share it with many."""
        return self[6:]

    @property
    def rhythm(self) -> Rhythm:
        """When their digests come."""
        return Rhythm(Frequency(self.frequency), self.weekday, self.hour, self.zone, Late(self.late))


class Readers:
    """Subscribers who get digests."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def due(self, newest: date | None, turns: Mapping[int | None, date]) -> Iterator[list[Due]]:
        """Confirmed readers whose turn it may be when an edition is out: those who do not have the `newest` one, and
        weekly ones without an hour who did not have their weekly day in `turns` (by their weekday; None: the
        newsletter's). In batches, so that a million cost no memory.

        Who has an hour is among them only if they are daily readers; whether it comes at once is the caller's to say.
        """
        values = {f"turn{'' if day is None else day}": turn.isoformat() for day, turn in turns.items()}
        last = 0
        while rows := self._db.rows(_READERS_DUE, {**values, "newest": from_date(newest), "last": last, **_BATCH}):
            last = rows[-1]["id"]
            yield list(map(Due._make, rows))

    def due_by_hour(self, now: datetime) -> Iterator[list[Due]]:
        """Confirmed readers whose hour has come, in batches; each is to be covered before the next is asked for."""
        behind = {"next": "", "last": 0}
        while rows := self._db.rows(_READERS_OF_AN_HOUR, {**behind, "now": to_text(now), **_BATCH}):
            behind = {"next": rows[-1]["next"], "last": rows[-1]["id"]}
            yield [Due._make(row[:-1]) for row in rows]

    def is_due_by_hour(self, now: datetime) -> bool:
        """Whether anybody's hour has come."""
        return self._db.row(f"SELECT 1 {_OF_AN_HOUR} LIMIT 1", {"now": to_text(now)}) is not None

    def one(self, subscriber_id: int, covered: date | None) -> Reader:
        """One reader, as if they had everything up to `covered`."""
        row = self._db.row(
            f"SELECT {WISHES}, {_CHOSEN} AS chosen FROM subscribers AS s WHERE s.id = ?", (subscriber_id,)
        )
        assert row is not None  # noqa: S101 - the caller has just found them
        return to_reader(row, from_date(covered))

    def newcomer(self, subscriber_id: int, covered: date) -> Due:
        """One reader, as if their turn were now and they had everything up to `covered`."""
        values = {"id": subscriber_id, "covered": covered.isoformat()}
        (row,) = self._db.rows(
            f"SELECT {_COLUMNS.format(':covered', '0')} FROM subscribers AS s WHERE s.id = :id", values
        )
        return Due._make(row)

    def cover(self, ids: Sequence[int], upto: date | None, turned: date, next_hour: datetime | None) -> None:
        """Move `covered` of readers whose turn it was, say which weekly day they had, and when their hour comes next if
        they have one; inside the transaction that queues their digests."""
        values = {"upto": from_date(upto), "turned": turned.isoformat(), "ids": json.dumps(ids)}
        self._db.execute(_COVER.format(""), values)
        if next_hour is not None:
            self._db.execute(_COVER.format(", next = :next"), {**values, "next": to_text(next_hour)})


#: What a reader is made from, of a subscriber's row `s`; but for `chosen`, which a delivery has of its own.
WISHES = "s.id AS reader_id, s.frequency, s.weekday, s.hour, s.zone, s.late, s.detail, s.format, s.language, s.revised"
_CHOSEN = """coalesce((SELECT group_concat(topic_id) FROM
    (SELECT c.topic_id FROM subscriptions AS c WHERE c.subscriber_id = s.id ORDER BY c.topic_id)), '')"""
_WANT_MAIL = """s.status = 'confirmed' AND NOT EXISTS (SELECT 1 FROM suppressions AS x WHERE x.folded = s.folded)"""
_WAITS = """EXISTS (SELECT 1 FROM deliveries AS d WHERE d.subscriber_id = s.id AND d.upto = s.covered
    AND d.kind = 'digest' AND d.status IN ('queued', 'deferred'))"""
_COLUMNS = f"s.id, {{}}, {_CHOSEN}, s.revised, {{}}, s.folded, s.frequency, s.weekday, s.hour, s.zone, s.late"
_DUE = f"SELECT {_COLUMNS.format('s.covered', _WAITS)}"
_TURN = " ".join(("CASE s.weekday", *(f"WHEN {day} THEN :turn{day}" for day in range(7)), "ELSE :turn END"))
# By number, for nearly all are due: an index would have each batch sort all that are left.
_READERS_DUE = f"""{_DUE} FROM subscribers AS s NOT INDEXED WHERE {_WANT_MAIL} AND s.id > :last
    AND ((s.frequency = 'daily' AND s.covered < :newest)
        OR (s.frequency = 'weekly' AND s.hour IS NULL AND s.turned < {_TURN}))
ORDER BY s.id LIMIT :batch
"""
_OF_AN_HOUR = (
    f"FROM subscribers AS s INDEXED BY subscribers_next WHERE {_WANT_MAIL} AND s.next <> '' AND s.next <= :now"
)
_READERS_OF_AN_HOUR = (
    f"{_DUE}, s.next {_OF_AN_HOUR} AND (s.next, s.id) > (:next, :last) ORDER BY s.next, s.id LIMIT :batch"
)
_COVER = """
UPDATE subscribers SET covered = max(covered, :upto), turned = max(turned, :turned){}
WHERE id IN (SELECT value FROM json_each(:ids))
"""


@lru_cache(1_024)  # most readers chose what others chose too
def to_ids(text: str | None) -> frozenset[int]:
    """Topics by id, as a delivery and a choice are read."""
    return frozenset(map(int, text.split(","))) if text else frozenset()


def to_reader(row: Row, covered: str) -> Reader:
    """The reader of a row, as if they had everything up to `covered`."""
    return Reader(
        row["reader_id"],
        to_date(covered),
        to_ids(row["chosen"]),
        to_rhythm(row),
        to_look(row),
        bool(row["revised"]),
    )

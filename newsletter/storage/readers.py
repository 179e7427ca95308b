"""Readers: subscribers as selection needs them, and whose turn it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from newsletter.model import Frequency, Look, Rhythm
from newsletter.storage.database import Database, Row, from_date, to_date, to_text
from newsletter.storage.subscribers import to_look, to_rhythm

_BATCH = {"batch": 5_000}  # looked at in one query


@dataclass(frozen=True, slots=True)
class Reader:
    """A subscriber as selection needs them. `chosen` holds topics by id; empty: all of the operator's."""

    id: int
    covered: date | None
    chosen: frozenset[int]
    rhythm: Rhythm = Rhythm()
    look: Look = Look()
    revised: bool = True
    waits: bool = False  # a digest of theirs that ends at `covered` has not been sent yet

    @property
    def weekly(self) -> bool:
        """Whether their digests are of a week."""
        return self.rhythm.frequency is Frequency.WEEKLY


class Readers:
    """Subscribers who get digests."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def due(self, newest: date | None, turns: Mapping[int | None, date]) -> Iterator[list[Reader]]:
        """Confirmed readers whose turn it may be when an edition is out: those who do not have the `newest` one, and
        weekly ones without an hour who did not have their weekly day in `turns` (by their weekday; None: the
        newsletter's). In batches, so that a million cost no memory.

        Who has an hour is among them only if they are daily readers; whether it comes at once is the caller's to say.
        """
        values = {f"turn{'' if day is None else day}": turn.isoformat() for day, turn in turns.items()}
        last = 0
        while rows := self._db.rows(_READERS_DUE, {**values, "newest": from_date(newest), "last": last, **_BATCH}):
            last = rows[-1]["reader_id"]
            yield _to_readers(rows)

    def due_by_hour(self, now: datetime) -> list[Reader]:
        """Confirmed readers whose hour has come: some, if they are many. Once covered, they are none."""
        return _to_readers(self._db.rows(_READERS_OF_AN_HOUR, {"now": to_text(now), **_BATCH}))

    def is_due_by_hour(self, now: datetime) -> bool:
        """Whether anybody's hour has come."""
        return self._db.row(f"SELECT 1 {_WANT_MAIL} {_HOUR_HAS_COME} LIMIT 1", {"now": to_text(now)}) is not None

    def one(self, subscriber_id: int, covered: date | None) -> Reader:
        """One reader, as if they had everything up to `covered`."""
        row = self._db.row(f"SELECT {_CHOICE} FROM subscribers AS s WHERE s.id = ?", (subscriber_id,))
        assert row is not None  # noqa: S101 - the caller has just found them
        return to_reader(row, from_date(covered))

    def cover(
        self,
        readers: Sequence[Reader],
        upto: date | None,
        turns: Mapping[int | None, date],
        next_hour: Callable[[Rhythm], datetime | None],
    ) -> None:
        """Move `covered` of readers whose turn it was, and say when their hour comes next; inside the transaction that
        queues their digests."""
        days, upto_text = {weekday: turn.isoformat() for weekday, turn in turns.items()}, from_date(upto)
        self._db.executemany(
            "UPDATE subscribers SET covered = max(covered, ?), turned = max(turned, ?) WHERE id = ?",
            ((upto_text, days[reader.rhythm.weekday], reader.id) for reader in readers),
        )
        self._db.executemany(
            "UPDATE subscribers SET next = ? WHERE id = ?",
            ((to_text(moment), reader.id) for reader in readers if (moment := next_hour(reader.rhythm))),
        )


#: What a reader is made from, of a subscriber's row `s`; but for `chosen`, which a delivery has of its own.
WISHES = "s.id AS reader_id, s.frequency, s.weekday, s.hour, s.zone, s.late, s.detail, s.format, s.language, s.revised"
_CHOICE = f"{WISHES}, (SELECT group_concat(c.topic_id) FROM subscriptions AS c WHERE c.subscriber_id = s.id) AS chosen"
_WANT_MAIL = """FROM subscribers AS s WHERE s.status = 'confirmed'
    AND NOT EXISTS (SELECT 1 FROM suppressions AS x WHERE x.folded = s.folded)"""
_HOUR_HAS_COME = "AND s.next <> '' AND s.next <= :now"
_DUE = f"""
SELECT s.covered, {_CHOICE},
    EXISTS (SELECT 1 FROM deliveries AS d WHERE d.subscriber_id = s.id AND d.upto = s.covered
        AND d.kind = 'digest' AND d.status IN ('queued', 'deferred')) AS waits
{_WANT_MAIL}
"""
_TURN = " ".join(("CASE s.weekday", *(f"WHEN {day} THEN :turn{day}" for day in range(7)), "ELSE :turn END"))
_READERS_DUE = f"""{_DUE} AND s.id > :last
    AND ((s.frequency = 'daily' AND s.covered < :newest)
        OR (s.frequency = 'weekly' AND s.hour IS NULL AND s.turned < {_TURN}))
ORDER BY s.id LIMIT :batch
"""
_READERS_OF_AN_HOUR = f"{_DUE} {_HOUR_HAS_COME} ORDER BY s.id LIMIT :batch"


def to_ids(text: str | None) -> frozenset[int]:
    """Topics by id, as a delivery and a choice are read."""
    return frozenset(map(int, text.split(","))) if text else frozenset()


def _to_readers(rows: Sequence[Row]) -> list[Reader]:
    return [to_reader(row, row["covered"], waits=bool(row["waits"])) for row in rows]


def to_reader(row: Row, covered: str, *, waits: bool = False) -> Reader:
    """The reader of a row, as if they had everything up to `covered`."""
    return Reader(
        row["reader_id"],
        to_date(covered),
        to_ids(row["chosen"]),
        to_rhythm(row),
        to_look(row),
        bool(row["revised"]),
        waits,
    )

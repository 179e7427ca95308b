"""What each fetch brought, and what selection has still to decide on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from newsletter.model import Harvest, HarvestState, Paper
from newsletter.storage.database import Database, Row, to_moment, to_text
from newsletter.storage.papers import COLUMNS, to_paper

_DEEPEST = 10_000  # places in an answer


@dataclass(frozen=True, slots=True)
class HarvestRecord:
    """A fetch as it was recorded, with its account summed over the topics."""

    id: int
    date: date
    ended: datetime
    source: str
    state: HarvestState
    reason: str
    requests: int
    matched: int
    received: int
    outside: int
    dropped: int
    settled: bool = False  # selection has decided on it


@dataclass(frozen=True, slots=True)
class Undecided:
    """What selection has to decide on.

    `places` says where a candidate stood in its topic's answer; `answered` are the topics of which all came when they
    were last asked for.
    """

    harvest_ids: tuple[int, ...]
    papers: tuple[Paper, ...]
    places: Mapping[tuple[int, tuple[str, int]], int]
    answered: frozenset[int]


class Harvests:
    """The tables of fetches and their proposals."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, record: HarvestRecord, started: datetime, harvest: Harvest) -> int:
        """Record a fetch and propose its papers, which must be stored already; inside a write transaction."""
        cursor = self._db.execute(
            "INSERT INTO harvests"
            " (date, started, ended, source, state, reason, requests, matched, received, outside, dropped)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                record.date.isoformat(),
                to_text(started),
                to_text(record.ended),
                record.source,
                record.state,
                record.reason,
                record.requests,
                record.matched,
                record.received,
                record.outside,
                record.dropped,
            ),
        )
        harvest_id = cursor.lastrowid or 0
        self._db.executemany(
            "INSERT INTO proposals (harvest_id, topic_id, place, paper_key)"
            " SELECT ?, ?, ?, key FROM papers WHERE id = ? AND version = ?",
            (
                (harvest_id, topic_id, place, *key)
                for topic_id, keys in harvest.listed.items()
                for place, key in enumerate(keys)
            ),
        )
        self._db.executemany(
            "INSERT INTO asked (harvest_id, topic_id, error) VALUES (?, ?, ?)",
            ((harvest_id, topic_id, account.error) for topic_id, account in harvest.accounts.items()),
        )
        return harvest_id

    def undecided(self) -> Undecided:
        """Everything proposed since selection last decided; a later answer's order counts."""
        ids = tuple(row[0] for row in self._db.rows("SELECT id FROM harvests WHERE settled IS NULL ORDER BY id"))
        rows = self._db.execute(
            f"SELECT h.harvest_id, h.topic_id, h.place, {COLUMNS} FROM proposals AS h"
            " JOIN papers AS p ON p.key = h.paper_key JOIN harvests ON harvests.id = h.harvest_id"
            " WHERE harvests.settled IS NULL"
            " ORDER BY h.harvest_id, h.topic_id, h.place"
        )
        papers: dict[tuple[str, int], Paper] = {}
        places: dict[tuple[int, tuple[str, int]], int] = {}
        for row in rows:
            key = (row["id"], row["version"])
            papers.setdefault(key, to_paper(row))
            # What a later answer lists comes before what it no longer does; no answer is deeper than that.
            places[row["topic_id"], key] = row["place"] - row["harvest_id"] * _DEEPEST
        asked = self._db.rows(
            "SELECT topic_id, error, max(harvest_id) FROM asked JOIN harvests ON harvests.id = harvest_id"
            " WHERE settled IS NULL GROUP BY topic_id"
        )
        answered = frozenset(row["topic_id"] for row in asked if not row["error"])
        return Undecided(ids, tuple(papers.values()), places, answered)

    def settle(self, harvest_ids: tuple[int, ...], now: datetime) -> None:
        """Record that selection has decided on these; their proposals have served. Inside a write transaction."""
        for harvest_id in harvest_ids:
            self._db.execute("UPDATE harvests SET settled = ? WHERE id = ?", (to_text(now), harvest_id))
            self._db.execute("DELETE FROM proposals WHERE harvest_id = ?", (harvest_id,))

    def newest(self) -> HarvestRecord | None:
        """The last fetch."""
        row = self._db.row("SELECT * FROM harvests ORDER BY id DESC LIMIT 1")
        return _to_record(row) if row else None

    def newest_good(self) -> HarvestRecord | None:
        """The last fetch that did not fail."""
        row = self._db.row("SELECT * FROM harvests WHERE state <> 'failed' ORDER BY id DESC LIMIT 1")
        return _to_record(row) if row else None

    def by_date(self, limit: int) -> Iterator[HarvestRecord]:
        """The last fetch of each date, newest date first."""
        rows = self._db.execute("SELECT *, max(id) FROM harvests GROUP BY date ORDER BY date DESC LIMIT ?", (limit,))
        return map(_to_record, rows)

    def of_date(self, day: date) -> list[HarvestRecord]:
        """All fetches made for a date, oldest first."""
        return [
            _to_record(row)
            for row in self._db.rows("SELECT * FROM harvests WHERE date = ? ORDER BY id", (day.isoformat(),))
        ]


def _to_record(row: Row) -> HarvestRecord:
    return HarvestRecord(
        id=row["id"],
        date=date.fromisoformat(row["date"]),
        ended=to_moment(row["ended"]),
        source=row["source"],
        state=HarvestState(row["state"]),
        reason=row["reason"],
        requests=row["requests"],
        matched=row["matched"],
        received=row["received"],
        outside=row["outside"],
        dropped=row["dropped"],
        settled=row["settled"] is not None,
    )

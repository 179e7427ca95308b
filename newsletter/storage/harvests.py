"""What each fetch brought, and what selection has still to decide on."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from newsletter.model import Account, HarvestState, Paper, Sight
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
    started: datetime | None = None  # once it is stored
    overlap: datetime | None = None  # versions submitted since were asked for
    due: bool = False  # a batch should have come, and arXiv still showed the one before
    remarks: tuple[str, ...] = ()


#: Versions by topic id, in the order of the source's answer.
Listed = Mapping[int, Collection[tuple[str, int]]]


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

    def add(
        self,
        record: HarvestRecord,
        started: datetime,
        listed: Listed,
        asked: Mapping[int, str],
        accounts: Sequence[Account] = (),
    ) -> int:
        """Record a fetch and propose what it listed, which must be stored already; inside a write transaction.

        `asked` are the topics that were asked for, with the reason if not all of it came.
        """
        cursor = self._db.execute(
            "INSERT INTO harvests (date, started, ended, source, state, reason, requests, matched, received, outside,"
            " dropped, overlap, due, remarks) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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
                to_text(record.overlap) if record.overlap else "",
                int(record.due),
                json.dumps(record.remarks),
            ),
        )
        harvest_id = cursor.lastrowid or 0
        self._propose(harvest_id, listed)
        self._ask(harvest_id, asked)
        self._account(harvest_id, accounts)
        return harvest_id

    def _propose(self, harvest_id: int, listed: Listed) -> None:
        self._db.executemany(
            "INSERT INTO proposals (harvest_id, topic_id, place, paper_key)"
            " SELECT ?, ?, ?, key FROM papers WHERE id = ? AND version = ?",
            (
                (harvest_id, topic_id, place, *key)
                for topic_id, keys in listed.items()
                for place, key in enumerate(keys)
            ),
        )

    def _ask(self, harvest_id: int, asked: Mapping[int, str]) -> None:
        self._db.executemany(
            "INSERT INTO asked (harvest_id, topic_id, error) VALUES (?, ?, ?)",
            ((harvest_id, topic_id, error) for topic_id, error in asked.items()),
        )

    def _account(self, harvest_id: int, accounts: Sequence[Account]) -> None:
        self._db.executemany(
            f"INSERT INTO accounts (harvest_id, number, {', '.join(_ACCOUNT)}, topics)"
            f" VALUES ({', '.join('?' * (len(_ACCOUNT) + 3))})",
            (
                (harvest_id, number, *(getattr(account, name) for name in _ACCOUNT), json.dumps(account.topic_ids))
                for number, account in enumerate(accounts)
            ),
        )

    def accounts(self, harvest_id: int) -> list[Account]:
        """What each question of a fetch came to, in the order they were asked."""
        rows = self._db.rows("SELECT * FROM accounts WHERE harvest_id = ? ORDER BY number", (harvest_id,))
        return [
            Account(topic_ids=tuple(json.loads(row["topics"])), **{name: row[name] for name in _ACCOUNT})
            for row in rows
        ]

    def see(self, source: str, sights: Sequence[Sight], now: datetime) -> None:
        """Remember what arXiv shows; `since` moves on only where it differs from before. Inside a write transaction."""
        self._db.executemany(
            "INSERT INTO sights (source, name, entries, signature, newest, since, seen)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (source, name) DO UPDATE SET"
            " since = iif(signature = ?4, since, ?6), entries = ?3, signature = ?4, newest = ?5, seen = ?6",
            (
                (source, sight.name, sight.entries, sight.signature, to_text(sight.newest) if sight.newest else None,
                 to_text(now))
                for sight in sights
            ),
        )  # fmt: skip

    def sights(self, source: str) -> dict[str, tuple[Sight, datetime]]:
        """What arXiv showed last in each place, and since when just that."""
        rows = self._db.rows("SELECT * FROM sights WHERE source = ?", (source,))
        return {row["name"]: (_to_sight(row), to_moment(row["since"])) for row in rows}

    def has_undecided(self) -> bool:
        """Whether anything was proposed that selection has not decided on."""
        return bool(self._db.value(f"SELECT EXISTS (SELECT 1 FROM {_PROPOSED})"))

    def is_provisional(self) -> bool:
        """Whether any of that is held without its details."""
        lacking = f"SELECT 1 FROM {_PROPOSED} JOIN papers AS p ON p.key = h.paper_key WHERE p.provisional > 0"
        return bool(self._db.value(f"SELECT EXISTS ({lacking})"))

    def undecided(self) -> Undecided:
        """Everything proposed since selection last decided; a later answer's order counts."""
        ids = tuple(row[0] for row in self._db.rows("SELECT id FROM harvests WHERE settled IS NULL ORDER BY id"))
        rows = self._db.execute(
            f"SELECT h.harvest_id, h.topic_id, h.place, {COLUMNS} FROM {_PROPOSED}"
            " JOIN papers AS p ON p.key = h.paper_key"
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
            f"SELECT topic_id, error, max(harvest_id) FROM {_UNDECIDED} CROSS JOIN asked ON harvest_id = undecided.id"
            " GROUP BY topic_id"
        )
        answered = frozenset(row["topic_id"] for row in asked if not row["error"])
        return Undecided(ids, tuple(papers.values()), places, answered)

    def settle(self, harvest_ids: tuple[int, ...], now: datetime) -> None:
        """Record that selection has decided on these; their proposals have served, and that a topic was answered too.

        Inside a write transaction.
        """
        for harvest_id in harvest_ids:
            self._db.execute("UPDATE harvests SET settled = ? WHERE id = ?", (to_text(now), harvest_id))
            self._db.execute("DELETE FROM proposals WHERE harvest_id = ?", (harvest_id,))
            self._db.execute("DELETE FROM asked WHERE harvest_id = ? AND error = ''", (harvest_id,))

    def newest(self) -> HarvestRecord | None:
        """The last fetch."""
        row = self._db.row("SELECT * FROM harvests ORDER BY id DESC LIMIT 1")
        return _to_record(row) if row else None

    def newest_good(self) -> HarvestRecord | None:
        """The last fetch that did not fail."""
        row = self._db.row("SELECT * FROM harvests WHERE state <> 'failed' ORDER BY id DESC LIMIT 1")
        return _to_record(row) if row else None

    def newest_complete(self) -> HarvestRecord | None:
        """The last fetch after which nothing was missing."""
        row = self._db.row(f"SELECT * FROM harvests WHERE {_IS_COMPLETE} ORDER BY id DESC LIMIT 1")
        return _to_record(row) if row else None

    def newest_settled(self) -> HarvestRecord | None:
        """The last such fetch that selection has decided on."""
        complete = f"{_IS_COMPLETE} AND settled IS NOT NULL"
        row = self._db.row(f"SELECT * FROM harvests WHERE {complete} ORDER BY id DESC LIMIT 1")
        return _to_record(row) if row else None

    def since(self, harvest_id: int) -> list[HarvestRecord]:
        """The fetches after one, oldest first."""
        return list(map(_to_record, self._db.rows("SELECT * FROM harvests WHERE id > ? ORDER BY id", (harvest_id,))))

    def failures(self, harvest_id: int) -> dict[int, str]:
        """The topics of which a fetch did not bring all, with the reason."""
        rows = self._db.rows("SELECT topic_id, error FROM asked WHERE harvest_id = ? AND error <> ''", (harvest_id,))
        return {row["topic_id"]: row["error"] for row in rows}

    def reached_back(self, ended_after: datetime) -> datetime | None:
        """How far back the complete fetches since a moment asked, that which went furthest; None if there are none."""
        oldest = self._db.value(
            f"SELECT min(overlap) FROM harvests WHERE {_IS_COMPLETE} AND ended > ? AND overlap <> ''",
            (to_text(ended_after),),
        )
        return to_moment(oldest) if oldest else None

    def oldest(self) -> HarvestRecord | None:
        """The first fetch of all."""
        row = self._db.row("SELECT * FROM harvests ORDER BY id LIMIT 1")
        return _to_record(row) if row else None

    def by_date(self, limit: int) -> Iterator[HarvestRecord]:
        """The last fetch of each date, newest date first."""
        rows = self._db.execute("SELECT *, max(id) FROM harvests GROUP BY date ORDER BY date DESC LIMIT ?", (limit,))
        return map(_to_record, rows)

    def states(self, days: int) -> dict[date, list[HarvestState]]:
        """What became of the fetches of the newest dates that had any: by date, newest first, in order.

        One that found the same batch again when no other was due says nothing, and is left out.
        """
        rows = self._db.rows(
            "SELECT date, state FROM harvests WHERE date IN"
            " (SELECT DISTINCT date FROM harvests ORDER BY date DESC LIMIT ?) AND (due = 1 OR state <> 'same')"
            " ORDER BY date DESC, id",
            (days,),
        )
        found: dict[date, list[HarvestState]] = {}
        for row in rows:
            found.setdefault(date.fromisoformat(row["date"]), []).append(HarvestState(row["state"]))
        return found

    def of_date(self, day: date) -> list[HarvestRecord]:
        """All fetches made for a date, oldest first."""
        return [
            _to_record(row)
            for row in self._db.rows("SELECT * FROM harvests WHERE date = ? ORDER BY id", (day.isoformat(),))
        ]


# The few of them come first: SQLite joins CROSS JOIN as it is written.
_UNDECIDED = "(SELECT id FROM harvests WHERE settled IS NULL) AS undecided"
_PROPOSED = f"{_UNDECIDED} CROSS JOIN proposals AS h ON h.harvest_id = undecided.id"
_ACCOUNT = (
    "source", "asked", "matched", "received", "unreadable", "repeated", "outside", "dropped", "known", "news",
    "requests", "error",
)  # fmt: skip
_COMPLETE = (HarvestState.FRESH, HarvestState.NO_MATCH, HarvestState.SAME, HarvestState.QUIET)
# A topic that cannot begin lacks nothing that another fetch would have to reach back for.
_IS_COMPLETE = (
    f"due = 0 AND (state IN ({', '.join(repr(str(state)) for state in _COMPLETE)}) OR state = 'partial' AND NOT EXISTS"
    " (SELECT 1 FROM asked JOIN topics ON topics.id = asked.topic_id"
    " WHERE harvest_id = harvests.id AND error <> '' AND topics.begun IS NOT NULL))"
)


def _to_sight(row: Row) -> Sight:
    newest = to_moment(row["newest"]) if row["newest"] else None
    return Sight(row["name"], row["entries"], row["signature"], newest)


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
        started=to_moment(row["started"]),
        overlap=to_moment(row["overlap"]) if row["overlap"] else None,
        due=bool(row["due"]),
        remarks=tuple(json.loads(row["remarks"])),
    )

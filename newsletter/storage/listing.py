"""The ledger as an operator looks at it: which deliveries there are, one delivery's story, and trying some again."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from newsletter.model import DeliveryStatus
from newsletter.storage.database import Database, Row, to_date, to_moment, to_text
from newsletter.storage.readers import to_ids

WAITING = (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED)


@dataclass(frozen=True, slots=True)
class Which:
    """Which deliveries are meant; what is not said is not asked for. An `edition` is held by digests and repeats;
    `domain` is folded."""

    ids: tuple[int, ...] = ()
    status: DeliveryStatus | None = None
    kind: str = ""
    edition: date | None = None
    subscriber_id: int | None = None
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """All that the ledger holds of one delivery. `reply` is the last answer, or why it ended."""

    id: int
    kind: str
    status: DeliveryStatus
    subscriber_id: int | None
    email: str
    domain: str
    message_id: str
    after: date | None
    upto: date
    attempts: int
    unknowns: int  # attempts without an answer
    queued: datetime
    due: datetime
    expires: datetime
    tried: datetime | None
    ended: datetime | None
    reply: str


@dataclass(frozen=True, slots=True)
class CameBack:
    """A report on a delivery that came back."""

    at: datetime
    kind: str
    proof: str
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """One delivery, and what stands elsewhere about it."""

    entry: Entry
    template: str  # of a single: what it says
    editions: tuple[date, ...]  # that it holds
    topics: tuple[str, ...]  # that were chosen when it was queued; none: all of the operator's
    came_back: tuple[CameBack, ...]
    others: tuple[Entry, ...]  # of the same reader, that hold some of the same editions


@dataclass(frozen=True, slots=True)
class Retried:
    """How many became due, how many were already, how many of all these have expired, and to which domains they go."""

    number: int
    already: int
    too_old: int
    domains: tuple[str, ...]


class Listing:
    """Deliveries, looked at."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self, which: Which, limit: int) -> Iterator[Entry]:
        """Those that are meant, newest first."""
        sql, values = listing_query(which)
        return map(_to_entry, self._db.execute(sql, {**values, "limit": limit}))

    def counts(self, which: Which) -> dict[DeliveryStatus, int]:
        """How many of them there are of each status."""
        source, condition, values = _chosen(which)
        rows = self._db.rows(f"SELECT d.status, count(*) FROM {source} WHERE {condition} GROUP BY 1", values)
        return {DeliveryStatus(row[0]): row[1] for row in rows}

    def story(self, delivery_id: int) -> Story | None:
        """Everything about one; None if there is none of this number."""
        sql, values = listing_query(Which(ids=(delivery_id,)))
        row = self._db.row(sql, {**values, "limit": 1})
        if row is None:
            return None
        entry = _to_entry(row)
        holds = entry.kind != "single"
        return Story(
            entry,
            row["template"] or "",
            tuple(self._editions(row)) if holds else (),
            tuple(self._labels(row["chosen"])),
            tuple(self._came_back(delivery_id)),
            tuple(self._others(row)) if holds else (),
        )

    def retry(self, which: Which, now: datetime) -> Retried:
        """Make due at once what waits for a later moment, of those that are meant; inside a write transaction."""
        source, condition, values = _chosen(which, waiting=True)
        values["now"] = to_text(now)
        by_domain = self._db.rows(
            "SELECT d.domain, sum(d.due > :now) AS number, sum(d.due <= :now) AS already,"
            f" sum(d.expires <= :now) AS too_old FROM {source} WHERE {condition} GROUP BY 1",
            values,
        )
        self._db.execute(f"UPDATE {source} SET due = :now WHERE {condition} AND d.due > :now", values)
        number, already, too_old = (sum(row[name] for row in by_domain) for name in ("number", "already", "too_old"))
        return Retried(number, already, too_old, tuple(row["domain"] for row in by_domain))

    def _editions(self, row: Row) -> Iterator[date]:
        dates = self._db.rows(
            "SELECT date FROM editions WHERE date > ? AND date <= ? ORDER BY date", (row["after"], row["upto"])
        )
        return (date.fromisoformat(one["date"]) for one in dates)

    def _labels(self, chosen: str) -> Iterator[str]:
        rows = self._db.rows(
            "SELECT coalesce(nullif(name, ''), nullif(query, ''), 'a query that is gone') AS label FROM topics"
            " WHERE id IN (SELECT value FROM json_each(?)) ORDER BY position, id",
            (json.dumps(sorted(to_ids(chosen))),),
        )
        return (row["label"] for row in rows)

    def _came_back(self, delivery_id: int) -> Iterator[CameBack]:
        rows = self._db.rows(
            "SELECT at, kind, proof, status, text FROM bounces WHERE delivery_id = ? ORDER BY at, id", (delivery_id,)
        )
        return (CameBack(to_moment(row["at"]), *(row[name] for name in row.keys()[1:])) for row in rows)

    def _others(self, row: Row) -> Iterator[Entry]:
        """The index leads from the reader to what ends after this one begins."""
        rows = self._db.rows(
            f"SELECT {_COLUMNS} FROM deliveries AS d INDEXED BY deliveries_subscriber {_ADDRESSED}"
            " WHERE d.subscriber_id = ? AND d.upto > ? AND d.after < ? AND d.id <> ? AND d.kind <> 'single'"
            " ORDER BY d.id",
            (row["subscriber_id"], row["after"], row["upto"], row["id"]),
        )
        return map(_to_entry, rows)


# A single may go to an address of its own, whether it has a subscriber or none.
_COLUMNS = """d.*, coalesce(json_extract(d.payload, '$.to'), s.email, '') AS email,
    json_extract(d.payload, '$.template') AS template"""
_ADDRESSED = "LEFT JOIN subscribers AS s ON s.id = d.subscriber_id"


def listing_query(which: Which) -> tuple[str, dict[str, str | int]]:
    """The query that lists them, newest first, with all its parameters but `limit`."""
    source, condition, values = _chosen(which)
    return (
        f"SELECT {_COLUMNS} FROM {source} {_ADDRESSED} WHERE {condition} ORDER BY d.id DESC LIMIT :limit",
        values,
    )


def _chosen(which: Which, *, waiting: bool = False) -> tuple[str, str, dict[str, str | int]]:
    """Where to look for those that are meant, by which condition, and its parameters; `waiting` ones only, or all.

    The index is said, for SQLite does not know how many there are of each status: of a reader's dozen it would rather
    look through a million that were sent. Without one it goes from the newest back, and stops at the limit.
    """
    among_waiting = waiting or which.status in WAITING
    values: dict[str, str | int] = {}
    conditions = ["d.status IN ('queued', 'deferred')"] if among_waiting else []
    for name, condition, value in (
        ("ids", "d.id IN (SELECT value FROM json_each(:ids))", json.dumps(which.ids) if which.ids else None),
        ("status", "d.status = :status", which.status),
        ("kind", "d.kind = :kind", which.kind or None),
        ("edition", "d.after < :edition AND d.upto >= :edition AND d.kind <> 'single'", _text(which.edition)),
        ("subscriber", "d.subscriber_id = :subscriber", which.subscriber_id),
        ("domain", "d.domain = :domain", which.domain or None),
    ):
        if value is not None:
            conditions.append(condition)
            values[name] = value
    return f"deliveries AS d {_index(which, among_waiting=among_waiting)}", " AND ".join(conditions) or "true", values


def _index(which: Which, *, among_waiting: bool) -> str:
    if which.ids:
        return "NOT INDEXED"  # by their numbers
    if which.subscriber_id is not None:
        return "INDEXED BY deliveries_subscriber"
    if which.domain and among_waiting:
        return "INDEXED BY deliveries_domain"
    if which.status:
        return "INDEXED BY deliveries_status"
    return "INDEXED BY deliveries_due" if among_waiting else "NOT INDEXED"


def _text(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _to_entry(row: Row) -> Entry:
    return Entry(
        id=row["id"],
        kind=row["kind"],
        status=DeliveryStatus(row["status"]),
        subscriber_id=row["subscriber_id"],
        email=row["email"],
        domain=row["domain"],
        message_id=row["message_id"],
        after=to_date(row["after"]),
        upto=date.fromisoformat(row["upto"]),
        attempts=row["attempts"],
        unknowns=row["unknowns"],
        queued=to_moment(row["queued"]),
        due=to_moment(row["due"]),
        expires=to_moment(row["expires"]),
        tried=to_moment(row["tried"]) if row["tried"] else None,
        ended=to_moment(row["ended"]) if row["ended"] else None,
        reply=row["reply"],
    )

"""Readers: their addresses, what they chose, and who is not to be mailed."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from newsletter.addresses import same_address
from newsletter.model import Frequency, Status, Subscriber, Suppression
from newsletter.storage.database import Database, Row, from_date, to_date, to_moment, to_text

_SELECT = """
SELECT s.*,
    (SELECT json_group_array(name) FROM (SELECT t.name FROM subscriptions AS c JOIN topics AS t ON t.id = c.topic_id
        WHERE c.subscriber_id = s.id AND t.personal = 0 ORDER BY t.position, t.id)) AS topics,
    (SELECT json_group_array(query) FROM (SELECT t.query FROM subscriptions AS c JOIN topics AS t ON t.id = c.topic_id
        WHERE c.subscriber_id = s.id AND t.personal = 1 ORDER BY t.normal)) AS queries
FROM subscribers AS s
"""


@dataclass(frozen=True, slots=True)
class NewSubscriber:
    """What is needed to add one; `topic_ids` holds operator's topics and queries alike."""

    email: str
    status: Status
    frequency: Frequency
    topic_ids: tuple[int, ...]


class Subscribers:
    """The tables of subscribers, their choices, and suppressions."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, new: Iterable[NewSubscriber], covered: date | None, today: date, now: datetime) -> int:
        """Add those whose address is not there yet, inside a write transaction; returns how many were.

        They start at `covered`, the newest edition; for weekly ones the turn of `today`'s week counts as had.
        """
        added = 0
        start, moment, day = from_date(covered), to_text(now), today.isoformat()
        for subscriber in new:
            cursor = self._db.execute(
                "INSERT INTO subscribers (email, folded, status, frequency, covered, turned, created, confirmed)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (folded) DO NOTHING",
                (
                    subscriber.email,
                    same_address(subscriber.email),
                    subscriber.status,
                    subscriber.frequency,
                    start,
                    day,
                    moment,
                    moment if subscriber.status is Status.CONFIRMED else None,
                ),
            )
            if cursor.rowcount:
                added += 1
                self._choose(cursor.lastrowid or 0, subscriber.topic_ids)
        return added

    def find(self, email: str) -> Subscriber | None:
        """The subscriber of this address, whatever its case."""
        row = self._db.row(_SELECT + " WHERE s.folded = ?", (same_address(email),))
        return _to_subscriber(row) if row else None

    def all(self, status: Status | None = None) -> Iterator[Subscriber]:
        """Every subscriber, or those of one status, by address."""
        where, parameters = (" WHERE s.status = ?", (status,)) if status else ("", ())
        return map(_to_subscriber, self._db.execute(f"{_SELECT}{where} ORDER BY s.folded", parameters))

    def counts(self) -> dict[Status, int]:
        """How many there are of each status."""
        return {
            Status(row[0]): row[1] for row in self._db.rows("SELECT status, count(*) FROM subscribers GROUP BY status")
        }

    def set_status(self, subscriber_id: int, status: Status, now: datetime) -> None:
        """Change a status; inside a write transaction."""
        confirmed = ", confirmed = coalesce(confirmed, :now)" if status is Status.CONFIRMED else ""
        self._db.execute(
            f"UPDATE subscribers SET status = :status{confirmed} WHERE id = :id",
            {"status": status, "id": subscriber_id, "now": to_text(now)},
        )

    def set_frequency(self, subscriber_id: int, frequency: Frequency, today: date) -> None:
        """Change how often; a new weekly reader waits for the next weekly day. Inside a write transaction."""
        self._db.execute(
            "UPDATE subscribers SET frequency = ?, turned = ? WHERE id = ?",
            (frequency, today.isoformat(), subscriber_id),
        )

    def choose(self, subscriber_id: int, topic_ids: Collection[int]) -> None:
        """Replace what a reader chose; inside a write transaction.

        A query that they drop stays known, so that taking it again repeats nothing; it goes when they are removed.
        """
        self._db.execute("DELETE FROM subscriptions WHERE subscriber_id = ?", (subscriber_id,))
        self._choose(subscriber_id, topic_ids)

    def skip_to(self, subscriber_id: int, covered: date | None, today: date) -> None:
        """Take up everything until now without telling: what passed during a pause. Inside a write transaction."""
        self._db.execute(
            "UPDATE subscribers SET covered = max(covered, ?), turned = ? WHERE id = ?",
            (from_date(covered), today.isoformat(), subscriber_id),
        )

    def remove(self, subscriber_id: int) -> None:
        """Forget a reader, and queries that nobody has; inside a write transaction, after `Deliveries.forget`."""
        self._db.execute("DELETE FROM subscribers WHERE id = ?", (subscriber_id,))
        self._forget_queries()

    def suppress(self, email: str, reason: Suppression, note: str, now: datetime) -> bool:
        """Never mail this address, subscriber or not; inside a write transaction.

        False: it was so before, and the first reason stays.
        """
        cursor = self._db.execute(
            "INSERT INTO suppressions (folded, reason, note, made) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (same_address(email), reason, note, to_text(now)),
        )
        return bool(cursor.rowcount)

    def unsuppress(self, email: str) -> bool:
        """Mail this address again; inside a write transaction. False: it was not suppressed."""
        return bool(self._db.execute("DELETE FROM suppressions WHERE folded = ?", (same_address(email),)).rowcount)

    def suppression(self, email: str) -> Suppression | None:
        """Why an address is not to be mailed."""
        reason = self._db.value("SELECT reason FROM suppressions WHERE folded = ?", (same_address(email),))
        return Suppression(reason) if reason else None

    def suppressed(self) -> int:
        """How many addresses are not to be mailed."""
        return int(self._db.value("SELECT count(*) FROM suppressions"))

    def _forget_queries(self) -> None:
        # A query is personal data: what nobody has any more is not kept. Its row stays, for a fetch may be under way.
        self._db.execute(
            "UPDATE topics SET query = '', normal = 'forgotten ' || id WHERE personal = 1 AND query <> ''"
            " AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE topic_id = topics.id)"
        )

    def _choose(self, subscriber_id: int, topic_ids: Iterable[int]) -> None:
        self._db.executemany(
            "INSERT INTO subscriptions (subscriber_id, topic_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
            ((subscriber_id, topic_id) for topic_id in topic_ids),
        )


def _to_subscriber(row: Row) -> Subscriber:
    return Subscriber(
        id=row["id"],
        email=row["email"],
        status=Status(row["status"]),
        topics=tuple(json.loads(row["topics"])),
        queries=tuple(json.loads(row["queries"])),
        frequency=Frequency(row["frequency"]),
        covered=to_date(row["covered"]),
        created=to_moment(row["created"]),
    )

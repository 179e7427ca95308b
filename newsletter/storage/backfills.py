"""What was taken over into the history without telling anybody, and how far that got."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from newsletter.model import Kind
from newsletter.storage.database import Database, to_moment, to_text


@dataclass(frozen=True, slots=True)
class Course:
    """A topic's way: what was first submitted from `since` until `reached` is held; it ends at `upto`."""

    topic_id: int
    since: datetime
    upto: datetime
    reached: datetime


class Backfills:
    """The table of backfills, and announcements that are passed over without ever being proposed."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def of(self, topic_id: int, since: datetime) -> Course | None:
        """How far a topic's backfill from a moment on got; None if it was never begun."""
        row = self._db.row("SELECT * FROM backfills WHERE topic_id = ? AND since = ?", (topic_id, to_text(since)))
        return Course(topic_id, since, to_moment(row["upto"]), to_moment(row["reached"])) if row else None

    def keep(self, course: Course) -> None:
        """Record how far one got; inside a write transaction."""
        self._db.execute(
            "INSERT INTO backfills (topic_id, since, upto, reached) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (topic_id, since) DO UPDATE SET upto = ?3, reached = ?4",
            (course.topic_id, to_text(course.since), to_text(course.upto), to_text(course.reached)),
        )

    def pass_over(self, topic_id: int, places: Sequence[tuple[str, int, int]]) -> int:
        """Settle versions under a topic as passed over; returns how many were not settled there before.

        Each comes as id, version and place among papers of one moment, and must be stored already. What selection has
        still to decide on is left to it. Inside a write transaction.
        """
        cursor = self._db.execute(
            "INSERT INTO announcements (topic_id, paper_key, kind, changes, edition, place)"
            " SELECT ?, p.key, ?, '', NULL, k.value ->> 2 FROM json_each(?) AS k"
            " JOIN papers AS p ON p.id = k.value ->> 0 AND p.version = k.value ->> 1"
            " WHERE p.key NOT IN (SELECT paper_key FROM proposals) ON CONFLICT DO NOTHING",
            (topic_id, Kind.PASSED_OVER, json.dumps(places)),
        )
        return cursor.rowcount

    def newest_versions(self, paper_ids: Sequence[str]) -> dict[str, int]:
        """The newest version that we hold of each of some papers; those we do not know are left out."""
        rows = self._db.rows(
            "SELECT p.id, max(p.version) FROM json_each(?) AS k JOIN papers AS p ON p.id = k.value GROUP BY p.id",
            (json.dumps(paper_ids),),
        )
        return {row[0]: row[1] for row in rows}

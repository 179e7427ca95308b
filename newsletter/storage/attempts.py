"""The tries at each date's edition: what the daemon goes by after a restart."""

from datetime import date, datetime

from newsletter.model import Attempt
from newsletter.storage.database import Database, Row, to_moment, to_text


class Attempts:
    """The table of attempts, a row a date."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(self, day: date, now: datetime) -> int:
        """Record that a date's edition is tried; inside a write transaction. Returns how many tries that makes."""
        row = self._db.row(
            "INSERT INTO attempts (date, number, began, reason) VALUES (?1, 1, ?2, '') ON CONFLICT (date)"
            " DO UPDATE SET number = number + 1, began = ?2, ended = NULL, again = NULL, reason = '' RETURNING number",
            (day.isoformat(), to_text(now)),
        )
        return int(row["number"]) if row else 0

    def end(self, day: date, now: datetime, again: datetime | None, reason: str) -> None:
        """Record how it ended, and when it is to be tried again; inside a write transaction."""
        self._db.execute(
            "UPDATE attempts SET ended = ?, again = ?, reason = ? WHERE date = ?",
            (to_text(now), to_text(again) if again else None, reason, day.isoformat()),
        )

    def of(self, day: date) -> Attempt | None:
        """The last try at a date's edition."""
        row = self._db.row("SELECT * FROM attempts WHERE date = ?", (day.isoformat(),))
        return _to_attempt(row) if row else None


def _to_attempt(row: Row) -> Attempt:
    return Attempt(
        day=date.fromisoformat(row["date"]),
        number=row["number"],
        began=to_moment(row["began"]),
        ended=to_moment(row["ended"]) if row["ended"] else None,
        again=to_moment(row["again"]) if row["again"] else None,
        reason=row["reason"],
    )

"""What the operator was told of, so that each illness is told once, whatever is started again."""

from dataclasses import dataclass
from datetime import datetime

from newsletter.storage.database import Database, to_moment, to_text


@dataclass(frozen=True, slots=True)
class Told:
    """An illness that was told and is not over: since when it lasts, and when it was told last."""

    since: datetime
    told: datetime


class Warnings:
    """The table of warnings, a row an illness."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self) -> dict[str, Told]:
        """What was told and is not over, by the illness's name."""
        rows = self._db.rows("SELECT name, since, told FROM warnings")
        return {row["name"]: Told(to_moment(row["since"]), to_moment(row["told"])) for row in rows}

    def tell(self, name: str, since: datetime, now: datetime) -> None:
        """Record that it is told; inside the write transaction that queues the mail."""
        self._db.execute(
            "INSERT INTO warnings (name, since, told) VALUES (?1, ?2, ?3)"
            " ON CONFLICT (name) DO UPDATE SET since = ?2, told = ?3",
            (name, to_text(since), to_text(now)),
        )

    def forget(self, name: str) -> None:
        """Record that it is over; inside a write transaction."""
        self._db.execute("DELETE FROM warnings WHERE name = ?", (name,))

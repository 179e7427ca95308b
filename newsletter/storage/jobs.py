"""What the program does again and again, and how it went: for the operator, and for who watches over it."""

from datetime import datetime

from newsletter.model import Job
from newsletter.storage.database import Database, Row, to_moment, to_text


class Jobs:
    """The table of jobs, a row a name."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def begin(self, name: str, pid: int, now: datetime) -> None:
        """Record that a job is at work; how it failed before stays until it goes well. Inside a write transaction."""
        self._db.execute(f"{_INSERT} pid = ?2, began = ?3, seen = ?3, ended = NULL", (name, pid, to_text(now), ""))

    def see(self, name: str, pid: int, now: datetime) -> None:
        """Record a sign of life; inside a write transaction."""
        self._db.execute(f"{_INSERT} pid = ?2, seen = ?3", (name, pid, to_text(now), ""))

    def tell(self, name: str, pid: int, now: datetime, failure: str = "") -> None:
        """Record how a job goes, well without a `failure`; inside a write transaction."""
        self._db.execute(
            f"{_INSERT} seen = ?3, failure = ?4, failures = iif(?4 = '', 0, failures + 1),"
            " ill_since = iif(?4 = '', NULL, coalesce(ill_since, ?3))",
            (name, pid, to_text(now), failure),
        )

    def end(self, name: str, pid: int, now: datetime, failure: str = "") -> None:
        """Record how a job ended, well without a `failure`; inside a write transaction."""
        self.tell(name, pid, now, failure)
        self._db.execute("UPDATE jobs SET ended = seen WHERE name = ?", (name,))

    def all(self) -> dict[str, Job]:
        """Every job that ever ran, by name."""
        return {row["name"]: _to_job(row) for row in self._db.rows("SELECT * FROM jobs ORDER BY name")}

    def of(self, name: str) -> Job | None:
        """One job; None if it never ran."""
        row = self._db.row("SELECT * FROM jobs WHERE name = ?", (name,))
        return _to_job(row) if row else None


# The row may be missing: what a job wrote first may not have got through.
_INSERT = """
INSERT INTO jobs (name, pid, began, seen, failure, failures, ill_since)
VALUES (?1, ?2, ?3, ?3, ?4, iif(?4 = '', 0, 1), iif(?4 = '', NULL, ?3)) ON CONFLICT (name) DO UPDATE SET
"""


def _to_job(row: Row) -> Job:
    return Job(
        name=row["name"],
        pid=row["pid"],
        began=to_moment(row["began"]),
        seen=to_moment(row["seen"]),
        ended=to_moment(row["ended"]) if row["ended"] else None,
        failure=row["failure"],
        failures=row["failures"],
        ill_since=to_moment(row["ill_since"]) if row["ill_since"] else None,
    )

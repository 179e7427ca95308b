"""The SQLite file: opened, migrated, and written through one door."""

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlite_utils

from newsletter.errors import StorageError
from newsletter.storage.schema import migrations

BUSY_TIMEOUT = 10.0  # seconds another writer is waited for

Row = sqlite3.Row


def to_text(moment: datetime) -> str:
    """A moment as it is stored: UTC, whole seconds, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_moment(text: str) -> datetime:
    """The inverse of `to_text`."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def to_date(text: str | None) -> date | None:
    """An edition's date as it is stored; the empty text stands for "before all editions"."""
    return date.fromisoformat(text) if text else None


def from_date(day: date | None) -> str:
    """The inverse of `to_date`."""
    return day.isoformat() if day else ""


class Database:
    """One connection to subscribers.db; belongs to the thread that opened it.

    WAL, foreign keys on, mode 0600. `write` is the only way to change anything.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, making it on first use and migrating an older one.

        Raises:
            StorageError: it cannot be opened, is no database of ours, or is newer than this program.

        """
        self.path = path
        with self._translated():
            try:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            except OSError as error:
                raise StorageError(f"{path}: cannot be opened: {error.strerror}") from error
            self._connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
            self._connection.row_factory = sqlite3.Row
            self.tables = sqlite_utils.Database(self._connection)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            self._migrate()

    def close(self) -> None:
        """Close the connection; the write-ahead log is folded in if nobody else reads."""
        self._connection.close()

    @contextmanager
    def write(self) -> Iterator[None]:
        """One write transaction, begun IMMEDIATE so that it waits for another writer instead of failing half-way.

        Raises:
            StorageError: busy for longer than `BUSY_TIMEOUT`, disk full, read-only. Nothing was written.

        """
        with self._translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        """Run one statement, inside `write` if it changes anything."""
        with self._translated():
            return self._connection.execute(sql, parameters)

    def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
        """Run one statement for each row, inside `write`."""
        with self._translated():
            return self._connection.executemany(sql, rows)

    def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """All rows of a query that has few."""
        with self._translated():
            return self._connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Row | None:
        """The first row, or None."""
        with self._translated():
            found: Row | None = self._connection.execute(sql, parameters).fetchone()
            return found

    def value(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Any:
        """The first value of the first row, or None."""
        found = self.row(sql, parameters)
        return None if found is None else found[0]

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(f"{self.path}: {_explain(error)}") from error

    def _migrate(self) -> None:
        if self.tables.table_names() and not self.tables["_sqlite_migrations"].exists():
            raise StorageError(f"{self.path}: it is a database of something else")
        known = {migration.name for migration in migrations.pending(sqlite_utils.Database(memory=True))}
        applied = {migration.name for migration in migrations.applied(self.tables)}
        if unknown := applied - known:
            raise StorageError(f"{self.path}: made by a newer version of this program ({', '.join(sorted(unknown))})")
        if known - applied:
            self._connection.execute("BEGIN IMMEDIATE")  # two processes may start at once: one migrates, one waits
            try:
                migrations.apply(self.tables)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def copy_database(source: Path, target: Path) -> None:
    """Make a consistent copy, whoever else has the database open. Raises `StorageError`."""
    try:
        with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
            original.backup(copy)
    except sqlite3.Error as error:
        raise StorageError(f"{source}: {_explain(error)}") from error


def _explain(error: sqlite3.Error) -> str:
    reasons = {
        "SQLITE_BUSY": f"locked by another process for more than {BUSY_TIMEOUT:g} s",
        "SQLITE_FULL": "the disk is full",
        "SQLITE_READONLY": "it is read-only",
        "SQLITE_NOTADB": "it is not a database",
        "SQLITE_CORRUPT": "it is damaged; restore a backup",
    }
    name = getattr(error, "sqlite_errorname", "")
    return next((reason for code, reason in reasons.items() if name.startswith(code)), str(error))

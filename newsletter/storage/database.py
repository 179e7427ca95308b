"""The SQLite file: opened, migrated, and written through one door."""

import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlite_utils

from newsletter.errors import StorageError
from newsletter.storage.schema import migrations

BUSY_TIMEOUT = 10.0  # seconds another writer is waited for
_RESERVE = 2**20  # bytes; the answers of a hundred connections take less

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


class _Rows(sqlite3.Cursor):
    """Rows that are read one by one; what goes wrong on the way is said as it is at the first."""

    path: Path

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except sqlite3.Error as error:
            raise StorageError(f"{self.path}: {_explain(error)}") from error


class Database:
    """One connection to subscribers.db; belongs to the thread that opened it.

    WAL, foreign keys on, mode 0600. `write` is the only way to change anything.
    """

    def __init__(self, path: Path, patience: float = BUSY_TIMEOUT) -> None:
        """Open the file, making it on first use and migrating an older one; `patience` is how many seconds another
        writer is waited for.

        Raises:
            StorageError: it cannot be opened, is no database of ours, or is newer than this program.

        """
        self.path, self._patience = path, patience
        with self._translated():
            try:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            except OSError as error:
                raise StorageError(f"{path}: cannot be opened: {error.strerror}") from error
            self._connection = sqlite3.connect(path, timeout=patience, isolation_level=None)
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
            StorageError: busy for longer than our patience, disk full, read-only. Nothing was written.

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

    @contextmanager
    def reserve(self) -> Iterator[Callable[[], None]]:
        """Keep some room on the disk aside, for what must be written though the disk became full; yields what frees it.

        Raises:
            StorageError: there is no room.

        """
        with ExitStack() as stack:
            try:
                room = stack.enter_context(tempfile.TemporaryFile(dir=self.path.parent, buffering=0))
                if room.write(bytes(_RESERVE)) < _RESERVE:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError as error:
                reason = f"{_RESERVE >> 20} MiB cannot be kept free beside it: {error.strerror}"
                raise StorageError(f"{self.path}: {reason}") from error
            yield room.close

    def execute(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> sqlite3.Cursor:
        """Run one statement, inside `write` if it changes anything."""
        with self._translated():
            rows = self._connection.cursor(_Rows)
            rows.path = self.path
            return rows.execute(sql, parameters)

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
            raise StorageError(f"{self.path}: {_explain(error, self._patience)}") from error

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
    """Make a consistent copy, whoever else has the database open: one private file, found to be sound.

    In one step, so that writers do not make it begin again; they are not kept waiting, and it costs no memory.

    Raises:
        StorageError: it cannot be read or written, or is damaged. What there is of `target` is nothing then.

    """
    os.close(os.open(target, os.O_CREAT | os.O_RDWR, 0o600))
    try:
        with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # nobody relies on it before it is done
            original.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # no second file is needed to read it
            (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.Error as error:
        raise StorageError(f"{target}: {source} cannot be copied: {_explain(error)}") from error
    if verdict != "ok":
        raise StorageError(f"{source}: it is damaged, and was not copied: {verdict}")


def count_subscribers(path: Path) -> int:
    """How many subscribers a file holds that nobody has open. Raises `StorageError` if it is no database of ours."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as database:
            if database.execute("SELECT 1 FROM _sqlite_migrations WHERE migration_set = 'newsletter'").fetchone():
                return int(database.execute("SELECT count(*) FROM subscribers").fetchone()[0])
    except sqlite3.Error as error:
        raise StorageError(f"{path}: {_explain(error)}") from error
    raise StorageError(f"{path}: it is a database of something else")


def put_in_place(new: Path, path: Path) -> None:
    """Rename a file that was written, over an older one; should the power fail, there is the one or the other."""
    _sync(new)
    new.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _explain(error: sqlite3.Error, patience: float = BUSY_TIMEOUT) -> str:
    reasons = {
        "SQLITE_BUSY": f"locked by another process for more than {patience:g} s",
        "SQLITE_FULL": "the disk is full",
        "SQLITE_IOERR_SHMSIZE": "the disk is full",
        "SQLITE_READONLY": "it is read-only",
        "SQLITE_CANTOPEN": "it cannot be opened, or files beside it cannot be made",
        "SQLITE_NOTADB": "it is not a database",
        "SQLITE_CORRUPT": "it is damaged; restore a backup",
    }
    name = getattr(error, "sqlite_errorname", "")
    return next((reason for code, reason in reasons.items() if name.startswith(code)), str(error))

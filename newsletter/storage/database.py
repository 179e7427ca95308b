"""The SQLite file: opened, migrated, and written through one door."""

import errno
import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import sqlite_utils

from newsletter.errors import LockedError, StorageError
from newsletter.storage.schema import migrations

BUSY_TIMEOUT = 10.0  # seconds another writer is waited for
_FOLDING = 1.0  # seconds others are waited for until the write-ahead log may be emptied
_RESERVE = 2**20  # bytes; the answers of a hundred connections take less
# How a write transaction begins, ends and is undone; and one inside another.
_WHOLE = "BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",)
_PART = "SAVEPOINT part", "RELEASE part", ("ROLLBACK TO part", "RELEASE part")

Row = sqlite3.Row


@lru_cache(256)  # all rows of a transaction have the same moments
def to_text(moment: datetime) -> str:
    """A moment as it is stored: UTC, whole seconds, so that text order is time order."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@lru_cache(256)
def to_moment(text: str) -> datetime:
    """The inverse of `to_text`."""
    return datetime.fromisoformat(text)


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
            raise StorageError(f"{self.path}: {explain(error)}") from error


class Database:
    """One connection to subscribers.db; belongs to the thread that opened it.

    WAL, foreign keys on, mode 0600. `write` is the only way to change anything. `exists` is False where there is no
    file: who only looks finds an empty database then, which is nowhere but in memory.
    """

    def __init__(self, path: Path, patience: float = BUSY_TIMEOUT, *, looking: bool = False) -> None:
        """Open the file, making it on first use and migrating an older one; `patience` is how many seconds another
        writer is waited for. Only `looking`, nothing is made, migrated or written.

        Raises:
            StorageError: it cannot be opened, is no database of ours, or is newer than this program; only looking,
                also if it is older.

        """
        self.path, self._patience, self._looking = path, patience, looking
        self.exists = not looking or _is_there(path)
        with self._translated():
            if not looking:
                self._open()
            elif self.exists:
                self._look()
            else:
                self._connect(":memory:", uri=False)
                self._migrate()
                self._connection.execute("PRAGMA query_only = ON")

    def _open(self) -> None:
        try:
            _make(self.path)
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be opened: {error.strerror}") from error
        self._connect(str(self.path), uri=False)
        self._use_wal()
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA secure_delete = ON")  # what is erased is, however SQLite was built
        self._migrate()

    def _use_wal(self) -> None:
        """Switch to the write-ahead log. Of two processes that do it at once, in a new database or a restored backup,
        SQLite refuses one without waiting; so that one waits for the other here, and looks again."""
        for last in (False, False, False, True):
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if last or not error.sqlite_errorname.startswith("SQLITE_BUSY"):
                    raise
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("ROLLBACK")

    def _look(self, tries: int = 5) -> None:
        self._connect(_address_to_look_at(self.path), uri=True)
        try:
            older = self._pending()
        except sqlite3.OperationalError as error:
            self._connection.close()
            if tries and error.sqlite_errorname.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
                self._look(tries - 1)  # the files beside it come and go with who writes
                return
            raise
        if older:
            self._connection.close()
            raise StorageError(f"{self.path}: older than this program; the next command that writes migrates it")

    def _connect(self, address: str, *, uri: bool) -> None:
        self._connection = sqlite3.connect(address, timeout=self._patience, isolation_level=None, uri=uri)
        self._connection.row_factory = sqlite3.Row
        self.tables = sqlite_utils.Database(self._connection)

    def close(self) -> None:
        """Close the connection; the write-ahead log is folded in if nobody else reads."""
        self._connection.close()

    @contextmanager
    def write(self, patience: float | None = None) -> Iterator[None]:
        """One write transaction, begun IMMEDIATE so that it waits for another writer instead of failing half-way:
        for `patience` seconds, or as many as the database was opened with.

        Inside another one it is a part of that, and is undone by itself if it fails.

        Raises:
            StorageError: busy for longer than our patience, disk full, read-only. Nothing was written.
            RuntimeError: it was opened for looking only; the mistake is the program's.

        """
        if self._looking:
            raise RuntimeError(f"{self.path} was opened for looking only")
        part = self._connection.in_transaction
        begin, end, undo = _PART if part else _WHOLE
        with self._translated():
            with self._waiting(patience):
                self._connection.execute(begin)
            try:
                yield
                self._connection.execute(end)
            except BaseException:
                if self._connection.in_transaction:
                    for statement in undo:
                        self._connection.execute(statement)
                raise

    @contextmanager
    def _waiting(self, patience: float | None) -> Iterator[None]:
        """Let SQLite wait for so many seconds, in this block."""
        if patience is None:
            yield
            return
        self._connection.execute(f"PRAGMA busy_timeout = {1000 * patience:.0f}")
        try:
            yield
        finally:
            self._connection.execute(f"PRAGMA busy_timeout = {1000 * self._patience:.0f}")

    def fold_in(self) -> None:
        """Empty the write-ahead log into the file, lest what was erased stand in it for long. Inside a
        transaction, and while somebody else reads, it is left for another time."""
        if self._connection.in_transaction:
            return
        with self._translated(), self._waiting(_FOLDING):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

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
            locked = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
            kind = LockedError if locked else StorageError
            raise kind(f"{self.path}: {explain(error, self._patience)}") from error

    def _pending(self) -> bool:
        """Whether it is older than this program. Raises `StorageError` if it is newer, or none of ours."""
        if self.tables.table_names() and not self.tables["_sqlite_migrations"].exists():
            raise StorageError(f"{self.path}: it is a database of something else")
        known = {migration.name for migration in migrations.pending(sqlite_utils.Database(memory=True))}
        applied = {migration.name for migration in migrations.applied(self.tables)}
        if unknown := applied - known:
            raise StorageError(f"{self.path}: made by a newer version of this program ({', '.join(sorted(unknown))})")
        return bool(known - applied)

    def _migrate(self) -> None:
        if self._pending():
            self._connection.execute("BEGIN IMMEDIATE")  # two processes may start at once: one migrates, one waits
            try:
                migrations.apply(self.tables)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _make(path: Path) -> None:
    """Make the file if there is none, for nobody but its owner.

    One that is there is not opened, only asked about: to close it again would end the locks that other connections of
    this process hold on it (POSIX), and another process would clear away the log they write to.
    """
    with suppress(FileExistsError):
        os.close(os.open(path.resolve(), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        return
    if not os.access(path, os.R_OK | os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _is_there(path: Path) -> bool:
    """Whether there is a file. A folder that is not there either is as wrong as it is for who writes."""
    try:
        with suppress(FileNotFoundError):
            path.stat()
            return True
        path.parent.stat()
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened: {error.strerror}") from error
    return False


def _address_to_look_at(path: Path) -> str:
    """How SQLite is told to open a file that is not to be changed.

    Of a database in WAL mode a reader too needs the files `-wal` and `-shm`, and makes them. Made by somebody who may
    not write the database they could keep its owner out, and in a folder that is read-only they cannot be made. There
    a database without them, which nobody has open, is read as it lies.
    """
    real = path.resolve()
    in_use = any(real.with_name(f"{real.name}{end}").exists() for end in ("-wal", "-journal"))
    ours = os.access(real, os.W_OK) and os.access(real.parent, os.W_OK)
    return f"{real.as_uri()}?mode=ro" if in_use or ours else f"{real.as_uri()}?mode=ro&immutable=1"


def explain(error: sqlite3.Error, patience: float = BUSY_TIMEOUT) -> str:
    """What is wrong, in words for a person."""
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

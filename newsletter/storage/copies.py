"""Copies of the database, whole and consistent, and files that come into their place in one step."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from newsletter.errors import StorageError
from newsletter.storage.database import explain


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
        raise StorageError(f"{target}: {source} cannot be copied: {explain(error)}") from error
    if verdict != "ok":
        raise StorageError(f"{source}: it is damaged, and was not copied: {verdict}")


def count_subscribers(path: Path) -> int:
    """How many subscribers a file holds that nobody has open. Raises `StorageError` if it is no database of ours."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as database:
            if database.execute("SELECT 1 FROM _sqlite_migrations WHERE migration_set = 'newsletter'").fetchone():
                return int(database.execute("SELECT count(*) FROM subscribers").fetchone()[0])
    except sqlite3.Error as error:
        raise StorageError(f"{path}: {explain(error)}") from error
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

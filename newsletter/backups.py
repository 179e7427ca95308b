"""Backups: whole and consistent copies of the database, made while everything runs."""

import tempfile
from pathlib import Path

from newsletter.app import App
from newsletter.errors import StorageError
from newsletter.storage.copies import copy_database, count_subscribers, put_in_place

_ITS_OWN = ("", "-wal", "-shm", "-journal", ".instance", ".publish", ".sender", ".run")  # the database's
_IN_USE = ("-wal", "-journal", ".instance")  # beside a database that is more than a backup


def why_no_backup(database: Path, target: Path) -> str:
    """What speaks against writing a backup of a database there; empty if nothing does."""
    if target in (_beside(database.resolve(), end) for end in _ITS_OWN):
        return "it belongs to the database itself"
    if not target.parent.is_dir():
        return "there is no such folder"
    for end in _IN_USE:
        if (other := _beside(target, end)).exists():
            return f"{other.name} lies beside it, so that is a database in use"
    try:
        if target.exists():
            count_subscribers(target)
    except StorageError:
        return "there is something that is no backup of a newsletter"
    return ""


def write_backup(app: App, target: Path) -> int:
    """Make the copy beside its place, and put it there once it is whole; returns how many subscribers it holds.

    Raises:
        StorageError: it cannot be written there, or the database is damaged; an older backup stays as it was.

    """
    source = app.storage.database.path  # opened first: the copy of a database without an id would send
    try:
        with tempfile.TemporaryDirectory(prefix=f"{target.name}.", dir=target.parent) as folder:
            new = Path(folder) / target.name
            copy_database(source, new)
            subscribers = count_subscribers(new)
            put_in_place(new, target)
    except OSError as error:
        raise StorageError(f"{target}: cannot be written: {error.strerror}") from error
    return subscribers


def _beside(path: Path, end: str) -> Path:
    return path.with_name(f"{path.name}{end}")

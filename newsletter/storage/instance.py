"""Which database is the one that mail is sent from; a copy of it does not send.

An id, and how many deliveries were ever claimed, stand in the database and in a file beside it, which copies of the
database do not take along. The file hears of a claim after the database and before its mail goes out. So where it knows
of more claims than the database, that is a restored backup; where it is missing or has another id, a copy.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass

from newsletter.errors import StorageError
from newsletter.storage.copies import put_in_place
from newsletter.storage.database import Database

_RECORD = re.compile(rb"([0-9A-Za-z]+) (\d{19})\n")
_ADVICE = "Make sure that this newsletter is not sent from elsewhere too, then say `newsletter adopt`"


@dataclass(frozen=True, slots=True)
class _Record:
    """What stands in the file. Always as long, so that a number is written over another at once."""

    id: str
    claims: int

    def encode(self) -> bytes:
        return f"{self.id} {self.claims:019}\n".encode("ascii")


class Instance:
    """The file beside the database, and its counterpart in the settings."""

    def __init__(self, database: Database, make_id: Callable[[], str]) -> None:
        self._db, self._make_id = database, make_id
        self.path = database.path.with_name(f"{database.path.name}.instance")
        self._record = _Record("", 0)
        self._handle = -1

    def begin(self) -> None:
        """Give a database that has none its id: a new one, or one of version 0.1.0.

        The file is written first. After a kill in between the id is taken from there, and from then on a file that is
        missing means something.

        Raises:
            StorageError: the file cannot be written.

        """
        if self._setting("instance"):
            return
        with self._db.write():  # of two processes that open a new database one waits here for the other
            record = self._read() or self._put(_Record(self._make_id(), 0))
            self._db.execute(
                "INSERT INTO settings (name, value) VALUES ('instance', ?), ('claims', '0') ON CONFLICT DO NOTHING",
                (record.id or self._make_id(),),  # of a file that is none of ours, another one: `check` refuses it
            )

    def check(self) -> None:
        """Raise `StorageError` unless this database may send: the reason, and what to do."""
        self.begin()
        if doubt := self._doubt():
            raise StorageError(f"{self.path}: {doubt}. {_ADVICE}")
        self.close()
        self._record = _Record(self._setting("instance"), 0)
        try:
            self._handle = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            raise self._unusable("opened", error) from error

    def count(self, claims: int) -> None:
        """Count deliveries that are claimed, in the write transaction in which they are."""
        ((number,),) = self._db.rows(
            "INSERT INTO settings (name, value) VALUES ('claims', ?1)"
            " ON CONFLICT (name) DO UPDATE SET value = value + ?1 RETURNING value",
            (claims,),
        )
        self._record = _Record(self._record.id, int(number))

    def follow(self) -> None:
        """Write into the file what was counted: after the commit, and before anything of it is sent.

        After `check`. It is not synced: a file that knows of less than the database is in order.

        Raises:
            StorageError: it cannot be written; then nothing may be sent.

        """
        try:
            os.pwrite(self._handle, self._record.encode(), 0)
        except OSError as error:
            raise self._unusable("written", error) from error

    def adopt(self) -> bool:
        """Make this database the one that is sent from, under a new id; False: it is so already.

        The caller holds the locks of publisher and sender. Killed half-way, it goes on being refused.

        Raises:
            StorageError: the file cannot be written.

        """
        self.begin()
        if not self._doubt():
            return False
        with self._db.write():
            record = self._put(_Record(self._make_id(), int(self._setting("claims"))))
            self._db.execute("UPDATE settings SET value = ? WHERE name = 'instance'", (record.id,))
        return True

    def close(self) -> None:
        """Close the file."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _doubt(self) -> str:
        """What makes this look like a copy; empty if nothing does."""
        record = self._read()  # before the database: a sender may be at work, and the file follows
        name, claims = self._db.path.name, int(self._setting("claims"))
        if record is None:
            return f"it is missing, so {name} may be a copy"
        if record.id != self._setting("instance"):
            return f"it belongs to another database than {name}, which may be a copy"
        if record.claims > claims:
            return (
                f"it counts {record.claims} deliveries taken up, {name} only {claims}, so that may be an older backup"
            )
        return ""

    def _read(self) -> _Record | None:
        """What stands in the file, with no id if that is nothing of ours; None if there is no file."""
        try:
            found = _RECORD.fullmatch(self.path.read_bytes())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable("read", error) from error
        return _Record(found[1].decode("ascii"), int(found[2])) if found else _Record("", 0)

    def _put(self, record: _Record) -> _Record:
        """Write the file anew, all of it or nothing; it is on disk before any transaction that relies on it."""
        new = self.path.with_name(f"{self.path.name}.new")
        try:
            with open(new, "wb", opener=_private) as file:
                file.write(record.encode())
            put_in_place(new, self.path)
        except OSError as error:
            raise self._unusable("written", error) from error
        return record

    def _unusable(self, what: str, error: OSError) -> StorageError:
        return StorageError(f"{self.path}: cannot be {what}: {error.strerror}; without it nothing is sent")

    def _setting(self, name: str) -> str:
        return self._db.value("SELECT value FROM settings WHERE name = ?", (name,)) or ""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)

"""The mails of the bounce mailbox that were read and are still there, so that none is read twice."""

from collections.abc import Iterable

from newsletter.storage.database import Database


class Collected:
    """The table of mails, each known by its mailbox and the name that it keeps there."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self, box: str) -> dict[str, bool]:
        """Those of a mailbox by name: whether they are to stay there."""
        rows = self._db.rows("SELECT mail, kept FROM collected WHERE box = ?", (box,))
        return {row["mail"]: bool(row["kept"]) for row in rows}

    def add(self, box: str, mail: str, *, kept: bool) -> None:
        """Record that a mail was read, in the write transaction that records what it said."""
        self._db.execute("INSERT INTO collected (box, mail, kept) VALUES (?, ?, ?)", (box, mail, int(kept)))

    def forget(self, box: str, mails: Iterable[str]) -> None:
        """Forget mails that are not there any more, and mailboxes that are not read any more; inside a write
        transaction."""
        self._db.executemany("DELETE FROM collected WHERE box = ? AND mail = ?", [(box, mail) for mail in mails])
        self._db.execute("DELETE FROM collected WHERE box <> ?", (box,))

    def kept(self) -> int:
        """How many stay in the mailbox for a person to read."""
        return int(self._db.value("SELECT count(*) FROM collected WHERE kept"))

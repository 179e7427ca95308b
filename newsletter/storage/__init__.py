"""The only place that knows SQL: one file a noun, joined in `Storage`."""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from newsletter.errors import StorageError
from newsletter.storage.attempts import Attempts
from newsletter.storage.backfills import Backfills
from newsletter.storage.database import BUSY_TIMEOUT, Database
from newsletter.storage.deliveries import Deliveries
from newsletter.storage.editions import Editions
from newsletter.storage.fragments import Fragments
from newsletter.storage.harvests import Harvests
from newsletter.storage.instance import Instance
from newsletter.storage.jobs import Jobs
from newsletter.storage.papers import Papers
from newsletter.storage.readers import Readers
from newsletter.storage.selections import Selections
from newsletter.storage.subscribers import Subscribers
from newsletter.storage.topics import Topics
from newsletter.storage.warnings import Warnings


class Storage:
    """subscribers.db, opened. Everything that changes it happens inside ``with storage.write():``."""

    def __init__(
        self,
        path: Path,
        patience: float = BUSY_TIMEOUT,
        *,
        looking: bool = False,
        make_id: Callable[[], str] = lambda: secrets.token_hex(16),
    ) -> None:
        """Open or make the file; `patience` and `looking` as for `Database`. Raises `StorageError`."""
        self.database = Database(path, patience, looking=looking)
        self.instance = Instance(self.database, make_id)
        self.papers = Papers(self.database)
        self.topics = Topics(self.database)
        self.harvests = Harvests(self.database)
        self.editions = Editions(self.database)
        self.selections = Selections(self.database)
        self.fragments = Fragments(self.database)
        self.subscribers = Subscribers(self.database)
        self.readers = Readers(self.database)
        self.deliveries = Deliveries(self.database, self.instance)
        self.attempts = Attempts(self.database)
        self.jobs = Jobs(self.database)
        self.backfills = Backfills(self.database)
        self.warnings = Warnings(self.database)
        if not looking:
            with suppress(StorageError):  # who only reads need not hear of it; `check` tries again, and tells
                self.instance.begin()

    def write(self) -> AbstractContextManager[None]:
        """One write transaction; see `Database.write`."""
        return self.database.write()

    def reserve(self) -> AbstractContextManager[Callable[[], None]]:
        """Room on the disk, kept aside; see `Database.reserve`."""
        return self.database.reserve()

    def state(self) -> int:
        """A number that changes when another connection has changed the database."""
        return int(self.database.value("PRAGMA data_version"))

    def close(self) -> None:
        """Close the connection."""
        self.instance.close()
        self.database.close()

    def secret(self, name: str, make: Callable[[], str]) -> str:
        """A secret of this instance (a key for tokens), made on first use."""
        value = self.database.value("SELECT value FROM settings WHERE name = ?", (name,))
        if value is None:
            with self.write():
                self.database.execute(
                    "INSERT INTO settings (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, make())
                )
            value = self.database.value("SELECT value FROM settings WHERE name = ?", (name,))
        return str(value)

"""The only place that knows SQL: one file a noun, joined in `Storage`."""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from newsletter.errors import StorageError
from newsletter.storage.attempts import Attempts
from newsletter.storage.auditing import Auditing
from newsletter.storage.backfills import Backfills
from newsletter.storage.bounces import Bounces
from newsletter.storage.collected import Collected
from newsletter.storage.consents import Consents
from newsletter.storage.database import BUSY_TIMEOUT, Database
from newsletter.storage.deliveries import Deliveries
from newsletter.storage.editions import Editions
from newsletter.storage.fragments import Fragments
from newsletter.storage.harvests import Harvests
from newsletter.storage.holdings import Holdings
from newsletter.storage.instance import Instance
from newsletter.storage.jobs import Jobs
from newsletter.storage.keys import Keys
from newsletter.storage.listing import Listing
from newsletter.storage.pace import Pace
from newsletter.storage.papers import Papers
from newsletter.storage.readers import Readers
from newsletter.storage.repeats import Repeats
from newsletter.storage.requests import Requests
from newsletter.storage.search import Search
from newsletter.storage.selections import Selections
from newsletter.storage.standing import Standings
from newsletter.storage.subscribers import Subscribers
from newsletter.storage.topics import Topics
from newsletter.storage.warnings import Warnings

_OPERATORS_TOPICS = "SELECT id, name, query, sleeping, position FROM topics WHERE folded IS NOT NULL ORDER BY id"
_NEWEST = (
    "SELECT (SELECT max(id) FROM topics), count(*), max(made),"
    " (SELECT group_concat(name) FROM settings WHERE name GLOB 'token_key*') FROM editions"
)


class Storage:
    """subscribers.db, opened. Everything that changes it happens inside ``with storage.write():``."""

    def __init__(
        self,
        path: Path,
        patience: float = BUSY_TIMEOUT,
        *,
        looking: bool = False,
        make_id: Callable[[], str] = lambda: secrets.token_hex(16),
        make_key: Callable[[], str] = lambda: secrets.token_hex(32),
    ) -> None:
        """Open or make the file; `patience` and `looking` as for `Database`. Raises `StorageError`."""
        self.database = Database(path, patience, looking=looking)
        self.instance = Instance(self.database, make_id)
        self.keys = Keys(self.database, make_key)
        self.papers = Papers(self.database)
        self.topics = Topics(self.database)
        self.harvests = Harvests(self.database)
        self.editions = Editions(self.database)
        self.selections = Selections(self.database)
        self.search = Search(self.database)
        self.fragments = Fragments(self.database)
        self.subscribers = Subscribers(self.database, self.keys)
        self.readers = Readers(self.database)
        self.requests = Requests(self.database, self.keys)
        self.consents = Consents(self.database)
        self.deliveries = Deliveries(self.database, self.instance)
        self.listing = Listing(self.database)
        self.repeats = Repeats(self.database)
        self.auditing = Auditing(self.database)
        self.bounces = Bounces(self.database, self.subscribers, self.deliveries)
        self.collected = Collected(self.database)
        self.holdings = Holdings(self.database, self.keys)
        self.attempts = Attempts(self.database)
        self.jobs = Jobs(self.database)
        self.standing = Standings(self.database)
        self.backfills = Backfills(self.database)
        self.warnings = Warnings(self.database)
        self.pace = Pace(self.database)
        self._seen: tuple[int, tuple[object, ...]] | None = None  # the version of the database, and its state then
        if not looking:
            self.keys.begin()
            with suppress(StorageError):  # who only reads need not hear of it; `check` tries again, and tells
                self.instance.begin()

    def write(self, patience: float | None = None) -> AbstractContextManager[None]:
        """One write transaction; see `Database.write`."""
        return self.database.write(patience)

    def fold_in(self) -> None:
        """Leave nothing of what was erased beside the database; see `Database.fold_in`."""
        self.database.fold_in()

    def reserve(self) -> AbstractContextManager[Callable[[], None]]:
        """Room on the disk, kept aside; see `Database.reserve`."""
        return self.database.reserve()

    def state(self) -> tuple[object, ...]:
        """What is another one once another connection has changed what digests are made from: topics, keys, editions,
        which come with all that they announce. Readers who leave, hundreds a second, change nothing of it.
        """
        version = self.database.value("PRAGMA data_version")
        if self._seen is None or self._seen[0] != version:
            found = (*self.database.rows(_NEWEST), *self.database.rows(_OPERATORS_TOPICS))
            self._seen = version, tuple(map(tuple, found))
        return self._seen[1]

    def close(self) -> None:
        """Close the connection."""
        self.instance.close()
        self.database.close()

"""How the sender's run goes: one row, which the sender writes and others read."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from typing import Any

from newsletter.model import DeliveryStatus
from newsletter.storage.database import Database, Row, to_moment, to_text
from newsletter.storage.deliveries import KINDS

_YEAR = timedelta(days=365).total_seconds()


@dataclass(frozen=True, slots=True)
class Standing:
    """A run of the sender, the present or the last one. `ended` is None while it goes on, and if it was killed: only
    the sender's lock tells which."""

    pid: int
    began: datetime
    seen: datetime  # when it stood so
    connections: int = 0  # open
    under_way: int = 0  # handed over, and not answered yet
    sent: int = 0
    deferred: int = 0  # times; one mail may be deferred more than once
    bounced: int = 0
    expired: int = 0
    suppressed: int = 0
    digests: int = 0  # of all these, those that were no singles
    rate: float = 0.0  # mails a second, lately
    left: int | None = None  # that were due and have not been tried; None: not counted
    held_back: str = ""  # why what is due is not sent, if it is not
    held_until: datetime | None = None  # it gives way by itself
    ended: datetime | None = None
    deferrals: int = 0  # of digests, in all runs up to now

    @property
    def done(self) -> int:
        """Of how many mails something became."""
        return self.sent + self.deferred + self.bounced + self.expired + self.suppressed

    @property
    def time_left(self) -> timedelta | None:
        """How long the rest takes if it goes on so; None if it does not go on, is held back, or takes over a year."""
        if self.held_back:
            return None
        if self.left == 0:
            return timedelta()
        if self.left is None or self.left > self.rate * _YEAR:
            return None
        return timedelta(seconds=self.left / self.rate)


class Standings:
    """The row of the sender's run, and how many deliveries there are, fast however long the ledger is."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def write(self, standing: Standing) -> None:
        """Write down how the run goes; inside a write transaction. Nobody but the holder of the sender's lock may."""
        self._db.execute(_WRITE, _to_row(standing))

    def last(self) -> Standing | None:
        """The run that goes on or went last, as it was written down last; None if none ever was."""
        row = self._db.row(f"SELECT {_COLUMNS} FROM standing")
        return _to_standing(row) if row else None

    def counts(self) -> tuple[dict[DeliveryStatus, int], dict[DeliveryStatus, int]]:
        """How many deliveries there are of each status: of all kinds, and without singles.

        Each number of *sent* only ever grows.
        """
        everything, singles = Counter[str](), Counter[str]()
        for single, status, number in self._db.rows(_COUNTS):  # one statement, so that they belong together
            (singles if single else everything)[status] += number
        found = {status: everything[status] for status in DeliveryStatus}
        return found, {status: number - singles[status] for status, number in found.items()}

    def waits(self, kind: str, due: datetime, besides: Collection[str] = ()) -> bool:
        """Whether anything of a kind that was due then waits, for other domains than some: fast, however much waits for
        those."""
        ends = sorted(besides)
        gaps = zip(["", *(f"{domain} " for domain in ends)], [*ends, _BEHIND_ALL], strict=True)  # no domain has a blank
        return any(self._db.row(_WAITS, (begin, end, kind, to_text(due))) is not None for begin, end in gaps)

    def last_tried(self) -> datetime | None:
        """When a mail was tried last; None if none ever was."""
        tried = self._db.value("SELECT max(tried) FROM deliveries WHERE tried IS NOT NULL")
        return to_moment(tried) if tried else None

    def due_digests(self, now: datetime, counts: Mapping[DeliveryStatus, int]) -> int:
        """How many digests are due, of those that `counts` has."""
        later = int(self._db.value(_LATER, (to_text(now),)))
        return max(counts[DeliveryStatus.QUEUED] + counts[DeliveryStatus.DEFERRED] - later, 0)

    def next_due(self, kinds: Iterable[str] = KINDS) -> datetime | None:
        """When the next delivery of some kinds wants to be tried; past or future. Fast however many there are."""
        first = [self._db.value(_FIRST, (kind,)) for kind in kinds]
        return min((to_moment(due) for due in first if due), default=None)


DIGESTS = ("repeat", "digest")  # the kinds that are no singles

_NAMES = [field.name for field in fields(Standing)]
_TIMES = ("began", "seen", "held_until", "ended")
_COLUMNS = ", ".join("remaining" if name == "left" else name for name in _NAMES)  # a word of SQL
_WRITE = f"INSERT OR REPLACE INTO standing (id, {_COLUMNS}) VALUES (1, {', '.join(f':{name}' for name in _NAMES)})"
# In time most are sent. To count everything takes SQLite 5 ms for a million, as long as nothing is asked about them; so
# those that are sent are what is left of everything, and only the others are gone through: 36 ms for a million, each
# status by itself, which is twice as fast as all at once.
_OTHERS = [status for status in DeliveryStatus if status is not DeliveryStatus.SENT]
_COUNTS = f"""
WITH others (status, number) AS (
    {" UNION ALL ".join(f"SELECT '{one}', (SELECT count(*) FROM deliveries WHERE status = '{one}')" for one in _OTHERS)}
)
SELECT 0, status, number FROM others
UNION ALL SELECT 0, 'sent', (SELECT count(*) FROM deliveries INDEXED BY deliveries_status) - sum(number) FROM others
UNION ALL SELECT 1, status, count(*) FROM deliveries INDEXED BY deliveries_single WHERE kind = 'single' GROUP BY status
"""
_FIRST = "SELECT min(due) FROM deliveries WHERE status IN ('queued', 'deferred') AND kind = ?"
_LATER = (
    "SELECT count(*) FROM deliveries INDEXED BY deliveries_due WHERE status IN ('queued', 'deferred')"
    f" AND kind IN {DIGESTS} AND due > ?"
)
_WAITS = (
    "SELECT 1 FROM deliveries INDEXED BY deliveries_domain WHERE status IN ('queued', 'deferred')"
    " AND domain >= ? AND domain < ? AND kind = ? AND due <= ? LIMIT 1"
)
_BEHIND_ALL = "\U0010ffff"


def _to_row(standing: Standing) -> dict[str, Any]:
    values = asdict(standing)
    return values | {name: to_text(values[name]) for name in _TIMES if values[name] is not None}


def _to_standing(row: Row) -> Standing:
    values = dict(zip(_NAMES, row, strict=True))
    return Standing(**values | {name: to_moment(values[name]) for name in _TIMES if values[name] is not None})

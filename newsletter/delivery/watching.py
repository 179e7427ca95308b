"""What is seen of a run while it goes on: by who sits before it, in the log, and from other processes.

::

    watch.begin(now, due)                 what is due was counted
    with storage.write():                 each turn of the sender's loop …
        ...                               records and claims
        watch.write(now)                  a row, at most once a second
    watch.add(status, number, now)        what became of mails, once that is committed
    watch.connections(open, under_way)
    watch.look(now)                       a bar, a line in the log, another count of what is due: each when it is time
    watch.rest(now)                       each time that the queue is found empty
    watch.end(now)
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from newsletter.delivery.rates import Rate
from newsletter.errors import StorageError
from newsletter.model import DeliveryStatus
from newsletter.storage import Storage
from newsletter.storage.standing import Standing

log = logging.getLogger(__name__)

_BETWEEN_SHOWN = timedelta(seconds=0.2)
_BETWEEN_WRITTEN = timedelta(seconds=1)
_UNWRITTEN = timedelta(seconds=2)  # while there is no transaction to write it in
_BETWEEN_COUNTED = timedelta(seconds=30)  # to count a million that are due takes a tenth of a second
_BETWEEN_LOGGED = timedelta(minutes=1)
_PATIENCE = 1.0  # seconds that another writer is waited for
_TRIED = (DeliveryStatus.SENT, DeliveryStatus.DEFERRED, DeliveryStatus.BOUNCED)
_ENDED = (*_TRIED, DeliveryStatus.EXPIRED, DeliveryStatus.SUPPRESSED)


class Watch:
    """Keeps count of a run. Its numbers are of the mails since the queue was empty last, or since the run began: of an
    edition, mostly. The caller holds the sender's lock, and knows the time.
    """

    def __init__(self, storage: Storage, pid: int, show: Callable[[Standing], None] = lambda _standing: None) -> None:
        """Watch the run of process `pid`; `show` is called with how it stands up to five times a second."""
        self._storage, self._pid, self._show = storage, pid, show
        self._counts: Counter[DeliveryStatus] = Counter()
        self._open = self._under_way = self._left = self._digests = self._deferrals = 0
        self._held_back: tuple[str, datetime | None] = "", None
        self._resting = self._changed = self._moved = False
        self._shown: datetime | None = None
        self._written: datetime | None = None
        self._counted: datetime | None = None
        self._logged: datetime | None = None

    def begin(self, now: datetime, due: int) -> None:
        """The run begins, with so many due. Not inside of a transaction."""
        last = self._storage.standing.last()
        self._deferrals = last.deferrals if last is not None else 0
        self._left, self._counted = due, now
        self._start(now)

    def _start(self, now: datetime) -> None:
        self._began, self._rate = now, Rate(now)
        self._counts.clear()
        self._digests = 0
        self._resting, self._changed, self._moved, self._logged = False, True, False, now

    def add(self, status: DeliveryStatus, number: int, now: datetime, *, single: bool = False) -> None:
        """Count what became of mails; of `single` ones strangers must learn nothing. What was only queued again does
        not count."""
        if status not in _ENDED:
            return
        if self._resting:
            self._start(now)
        self._changed = self._moved = True
        self._held_back = "", None
        self._counts[status] += number
        self._left = max(self._left - number, 0)
        if status in _TRIED:
            self._rate.add(number, now)
        if not single:
            self._digests += number
            self._deferrals += number * (status is DeliveryStatus.DEFERRED)

    def connections(self, open_: int, under_way: int) -> None:
        """How many connections are open, and how many mails were handed over and are not answered yet."""
        if (open_, under_way) != (self._open, self._under_way):
            self._open, self._under_way, self._changed = open_, under_way, True

    def hold_back(self, reason: str, until: datetime | None = None) -> None:
        """Why what is due is not sent, if it is not, and when that gives way by itself."""
        if (reason, until) != self._held_back:
            self._held_back, self._changed = (reason, until), True

    def rate(self, now: datetime) -> float:
        """How many mails a second are tried, over the last half minute."""
        return self._rate.at(now)

    def standing(self, now: datetime, ended: datetime | None = None) -> Standing:
        """How it stands."""
        return Standing(
            pid=self._pid,
            began=self._began,
            seen=now,
            connections=self._open,
            under_way=self._under_way,
            sent=self._counts[DeliveryStatus.SENT],
            deferred=self._counts[DeliveryStatus.DEFERRED],
            bounced=self._counts[DeliveryStatus.BOUNCED],
            expired=self._counts[DeliveryStatus.EXPIRED],
            suppressed=self._counts[DeliveryStatus.SUPPRESSED],
            digests=self._digests,
            rate=self.rate(now),
            left=self._left,
            held_back=self._held_back[0],
            held_until=self._held_back[1],
            ended=ended,
            deferrals=self._deferrals,
        )

    def write(self, now: datetime) -> None:
        """Write it down for others if anything changed, at most once a second; inside a write transaction."""
        if self._changed and _is_time(self._written, now, _BETWEEN_WRITTEN):
            self._storage.standing.write(self.standing(now))
            self._written, self._changed = now, False

    def look(self, now: datetime) -> None:
        """Show it, log it, count again what is due: each when it is time. Call it as often as you like, but not inside
        of a transaction."""
        if _is_time(self._shown, now, _BETWEEN_SHOWN):
            self._shown = now
            self._show(self.standing(now))
        if self._changed and _is_time(self._written, now, _UNWRITTEN):
            self._put_down(self.standing(now), patience=0.0)
        if self._resting:
            return
        # More has come than was counted if it goes on with nothing left.
        if _is_time(self._counted, now, _BETWEEN_COUNTED if self._left else _BETWEEN_WRITTEN):
            left, self._counted = self._storage.deliveries.number_due(now) + self._under_way, now
            self._left, self._changed = left, self._changed or left != self._left
        if self._moved and _is_time(self._logged, now, _BETWEEN_LOGGED):
            self._log("delivering", self.standing(now))

    def rest(self, now: datetime) -> None:
        """Nothing can be done now: the queue is empty, or all that is left is held back, as was said before. Call it
        each time that it is so, not inside of a transaction."""
        if not self._resting and not self._held_back[0]:
            self._left = 0
            self._show(self.standing(now))
            self._sum_up(now)
            self._put_down(self.standing(now))
            self._resting = True
        elif self._changed:
            self._put_down(self.standing(now))

    def end(self, now: datetime) -> None:
        """The run ends. Not inside of a transaction."""
        self._open = self._under_way = 0
        if not self._resting:
            self._show(self.standing(now))
            self._sum_up(now)
        self._put_down(self.standing(now, ended=now))

    def _sum_up(self, now: datetime) -> None:
        """Log what it came to, with the rate over all of it."""
        if self._counts:
            tried = sum(self._counts[status] for status in _TRIED)
            seconds = max((now - self._began).total_seconds(), 1.0)
            self._log("delivered", replace(self.standing(now), rate=tried / seconds))
        self._rate = Rate(now)

    def _put_down(self, standing: Standing, *, patience: float = _PATIENCE) -> None:
        """Write it down now. No mail may be lost for what only tells of it."""
        self._written, self._changed = standing.seen, False
        try:
            with self._storage.write(patience):
                self._storage.standing.write(standing)
        except StorageError as error:
            self._changed = True
            log.log(logging.WARNING if patience else logging.DEBUG, "how it stands cannot be written down: %s", error)

    def _log(self, event: str, standing: Standing) -> None:
        self._logged, self._moved = standing.seen, False
        due = self._storage.standing.next_due()
        log.info("%s %s", event, in_a_line(standing, standing.seen - due if due else timedelta()))


def in_a_line(standing: Standing, oldest: timedelta) -> str:
    """How it stands, for the log; `oldest` is for how long the first that waits has been due."""
    counts = {status: getattr(standing, status) for status in _ENDED}
    shown = {status: number for status, number in counts.items() if number or status in _TRIED}
    words = [f"{status}={number}" for status, number in shown.items()]
    words += [f"rate={standing.rate:.1f}/s", f"left={standing.left}", f"connections={standing.connections}"]
    return " ".join([*words, f"oldest={max(oldest.total_seconds(), 0):.0f}s"])


def _is_time(last: datetime | None, now: datetime, pause: timedelta) -> bool:
    """Whether the last time is so long ago, or lies ahead since the clock was set back."""
    return last is None or not timedelta() <= now - last < pause

"""Drain the queue: claim, send, record, again.

A message goes out only after *sending* was committed, and every answer is committed before its connection is used
again. So at most one message a connection is ever without a recorded answer, and one whose answer was recorded is never
sent twice.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from newsletter.errors import NewsletterError, TransportError
from newsletter.mail.transports import Answer, Transport, Verdict
from newsletter.model import DeliveryStatus
from newsletter.storage import Storage
from newsletter.storage.deliveries import Claim, Ending

log = logging.getLogger(__name__)

MAX_UNKNOWNS = 5  # attempts without an answer, then a pause
PAUSE_AFTER_UNKNOWNS = timedelta(hours=1)
FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=4)
STOP_PATIENCE = 8.0  # seconds that answers are awaited after we were told to stop
IDLE_POLL = 5.0  # seconds between two looks at an empty queue

_ADDRESS = re.compile(r"<?[^\s<>]+@[^\s<>]+>?")  # servers like to repeat whom they refuse; logs hold no addresses


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast: None is no limit. Hours and days are counted in the ledger, so a restart does not forget them."""

    per_second: float | None = None
    per_hour: int | None = None
    per_day: int | None = None


@dataclass(slots=True)
class Tally:
    """What a run came to."""

    counts: dict[DeliveryStatus, int] = field(default_factory=dict)
    held_back: str = ""  # the limit that ended the run, if one did

    def add(self, status: DeliveryStatus, number: int = 1) -> None:
        """Count endings."""
        self.counts[status] = self.counts.get(status, 0) + number

    def __getitem__(self, status: DeliveryStatus) -> int:
        return self.counts.get(status, 0)


@dataclass(frozen=True, slots=True)
class Work:
    """What a run needs from outside. `compose` returns None if nothing is left to read."""

    connect: Callable[[], Transport]
    compose: Callable[[Claim], bytes | None]
    sender: str
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    chance: Callable[[], float]  # in [0, 1): spreads retries
    connections: int = 1
    pace: Pace = Pace()
    stop: threading.Event = field(default_factory=threading.Event)
    progress: Callable[[int], None] = lambda _done: None


class Run:
    """One drain of the queue. The caller holds the sender's lock."""

    def __init__(self, storage: Storage, work: Work) -> None:
        self._storage, self._work = storage, work
        self._flying: dict[Future[Answer], tuple[Transport, Claim]] = {}
        self._idle: list[Transport] = []
        self._trouble: TransportError | None = None
        self.tally = Tally()

    def drain(self, *, stay: bool = False) -> Tally:
        """Send what is due; with `stay`, wait for what becomes due until told to stop.

        Raises:
            TransportError: nothing can be handed over. What was under way is queued again, nobody is marked.

        """
        with self._storage.write():
            self._storage.deliveries.take_up_lost(self._work.clock())
        lines = [self._work.connect() for _ in range(self._work.connections)]
        self._idle = list(lines)
        with ThreadPoolExecutor(len(lines), thread_name_prefix="smtp") as pool:
            try:
                while self._pass(pool):
                    self._pause(stay=stay)
                    if not stay and not self._flying and self._nothing_to_do():
                        break
            finally:
                self._land(lines)
        if self._trouble is not None:
            raise self._trouble
        return self.tally

    def _pass(self, pool: ThreadPoolExecutor) -> bool:
        """Record what was answered and claim as much again; False when it is over."""
        done = [future for future in self._flying if future.done()]
        claims = self._record_and_claim(done)
        for number, claim in enumerate(claims):
            try:
                message = self._work.compose(claim)
            except NewsletterError:
                self._put_back(claims[number:])
                raise
            if message is None:
                self._record([_ending(claim, DeliveryStatus.EXPIRED, self._work.clock(), "nothing left to read")])
                continue
            line = self._idle.pop()
            self._flying[pool.submit(line.send, self._work.sender, claim.delivery.email, message)] = (line, claim)
        return bool(self._flying) or not self._over()

    def _record_and_claim(self, done: Sequence[Future[Answer]]) -> list[Claim]:
        endings = [ending for future in done if (ending := self._ending(future)) is not None]
        now = self._work.clock()
        allowed = 0 if self._over() else self._allowance(now)
        if not endings and not allowed:
            return []
        with self._storage.write():
            self._storage.deliveries.record(endings, now)
            claims, ended = self._storage.deliveries.claim(now, allowed)
        self._count(endings)
        for status, number in ended.items():
            self.tally.add(status, number)
        return claims

    def _allowance(self, now: datetime) -> int:
        """How many may be claimed: a free connection each, within the limits."""
        pace, allowed = self._work.pace, len(self._idle)
        if pace.per_second is not None:
            allowed = min(allowed, 1)
        for limit, hours, name in ((pace.per_hour, 1, "per_hour"), (pace.per_day, 24, "per_day")):
            if limit is not None and allowed:
                left = limit - self._storage.deliveries.tried_since(now - timedelta(hours=hours))
                self.tally.held_back = "" if left > 0 else name
                allowed = min(allowed, max(left, 0))
        return allowed

    def _pause(self, *, stay: bool) -> None:
        if self._flying:
            wait(self._flying, timeout=1.0, return_when=FIRST_COMPLETED)
            if self._work.pace.per_second is not None:
                self._work.sleep(1.0 / self._work.pace.per_second)
        elif stay and self._nothing_to_do():
            self._work.sleep(IDLE_POLL)

    def _nothing_to_do(self) -> bool:
        return bool(self.tally.held_back) or not self._storage.deliveries.number_due(self._work.clock())

    def _over(self) -> bool:
        return self._trouble is not None or self._work.stop.is_set()

    def _ending(self, future: Future[Answer]) -> Ending | None:
        line, claim = self._flying.pop(future)
        self._idle.append(line)
        now = self._work.clock()
        try:
            answer = future.result()
        except TransportError as error:
            self._trouble = self._trouble or error
            return _ending(claim, DeliveryStatus.DEFERRED, now, str(error))
        return self._judge(claim, answer, now)

    def _judge(self, claim: Claim, answer: Answer, now: datetime) -> Ending:
        match answer.verdict:
            case Verdict.ACCEPTED:
                return _ending(claim, DeliveryStatus.SENT, now, str(answer))
            case Verdict.REFUSED:
                return _ending(claim, DeliveryStatus.BOUNCED, now, str(answer))
            case Verdict.DEFERRED:
                return _ending(claim, DeliveryStatus.DEFERRED, now + self._retry_pause(claim), str(answer))
            case Verdict.UNKNOWN:
                tired = (claim.unknowns + 1) % MAX_UNKNOWNS == 0
                status = DeliveryStatus.DEFERRED if tired else DeliveryStatus.QUEUED
                due = now + PAUSE_AFTER_UNKNOWNS if tired else now
                return Ending(claim.delivery.id, status, due, str(answer), unknown=True)

    def _retry_pause(self, claim: Claim) -> timedelta:
        growing = FIRST_PAUSE * (1 << min(claim.delivery.attempts, 10))
        return min(growing, LONGEST_PAUSE) * (0.75 + self._work.chance() / 2)

    def _put_back(self, claims: Iterable[Claim]) -> None:
        now = self._work.clock()
        self._record([_ending(claim, DeliveryStatus.QUEUED, now, "could not be composed") for claim in claims])

    def _record(self, endings: list[Ending]) -> None:
        with self._storage.write():
            self._storage.deliveries.record(endings, self._work.clock())
        self._count(endings)

    def _count(self, endings: Iterable[Ending]) -> None:
        for ending in endings:
            self.tally.add(ending.status)
            log.info(
                "delivery=%d status=%s reply=%s", ending.delivery_id, ending.status, _ADDRESS.sub("…", ending.reply)
            )
            if ending.status in (DeliveryStatus.SENT, DeliveryStatus.BOUNCED, DeliveryStatus.DEFERRED):
                self._work.progress(1)

    def _land(self, lines: Sequence[Transport]) -> None:
        """Await and record what is under way; after a while break it off, which is recorded too."""
        if self._flying:
            wait(self._flying, timeout=STOP_PATIENCE if self._work.stop.is_set() else None)
            for line, _ in self._flying.values():
                line.abort()
            wait(self._flying)
            endings = [ending for future in list(self._flying) if (ending := self._ending(future)) is not None]
            self._record(endings)
        for line in lines:
            line.close()


def _ending(claim: Claim, status: DeliveryStatus, due: datetime, reply: str) -> Ending:
    return Ending(claim.delivery.id, status, due, reply)

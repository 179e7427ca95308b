"""Drain the queue: claim, send, record, again.

A message goes out only after *sending* was committed, and every answer is committed before its connection is used
again. So at most one message a connection is ever without a recorded answer, and one whose answer was recorded is never
sent twice.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from newsletter.errors import AddressError, LockedError, NewsletterError, StorageError, TransportError
from newsletter.mail.transports import Answer, Transport, Verdict
from newsletter.model import DeliveryStatus
from newsletter.storage import Storage
from newsletter.storage.deliveries import Claim, Ending
from newsletter.storage.singles import Single
from newsletter.text import without_addresses

log = logging.getLogger(__name__)

MAX_UNKNOWNS = 5  # attempts without an answer, then a pause
PAUSE_AFTER_UNKNOWNS = timedelta(hours=1)
FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=4)
SPREAD = 0.25  # pauses are by as much longer or shorter
CLOCK_SLACK = timedelta(minutes=1)  # clocks are corrected by less all the time
STOP_PATIENCE = 8.0  # seconds that answers are awaited after we were told to stop
RECORD_PAUSES = (0.0, 1.0, 5.0, 15.0, 30.0, 60.0, 60.0)  # seconds between tries to record the last answers
IDLE_POLL = 5.0  # seconds between two looks at an empty queue


class Stop(Protocol):
    """Tells whether we were told to stop."""

    def is_set(self) -> bool:
        """Whether we were."""


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
    held_back: str = ""  # why the run ended with something left, if it did

    def add(self, status: DeliveryStatus, number: int = 1) -> None:
        """Count endings."""
        self.counts[status] = self.counts.get(status, 0) + number

    def number(self) -> int:
        """How many endings there were."""
        return sum(self.counts.values())

    def __getitem__(self, status: DeliveryStatus) -> int:
        return self.counts.get(status, 0)


@dataclass(frozen=True, slots=True)
class Work:
    """What a run needs from outside. `compose` returns None if nothing is left to read."""

    connect: Callable[[], Transport]
    compose: Callable[[Claim], bytes | None]
    sender: Callable[[Claim], str]
    clock: Callable[[], datetime]
    sleep: Callable[[float], None]
    chance: Callable[[], float]  # in [0, 1): spreads retries
    envelope_id: Callable[[Claim], str] = lambda _claim: ""
    heard: Callable[[Sequence[Ending]], None] = lambda _endings: None  # called in the transaction that records them
    connections: int = 1
    pace: Pace = Pace()
    patience: float = STOP_PATIENCE
    stop: Stop = field(default_factory=threading.Event)
    progress: Callable[[int], None] = lambda _done: None
    pulse: Callable[[], None] = lambda: None  # called again and again while the run goes on, outside of transactions
    well: Callable[[], None] = lambda: None  # called when a server answered, or nothing is left to send


class Run:
    """One drain of the queue. The caller holds the sender's lock."""

    def __init__(self, storage: Storage, work: Work) -> None:
        self._storage, self._work = storage, work
        self._flying: dict[Future[Answer], tuple[Transport, Claim]] = {}
        self._idle: list[Transport] = []
        self._unrecorded: list[Ending] = []  # answers that are not committed yet
        self._trouble: TransportError | None = None
        self._free_room: Callable[[], None] = lambda: None
        self._seen: datetime | None = None  # the clock, when it was last looked at
        self._stretch: Counter[DeliveryStatus] = Counter()  # endings since the queue was empty
        self.tally = Tally()

    def drain(self, *, stay: bool = False) -> Tally:
        """Send what is due; with `stay`, wait for what becomes due until told to stop.

        Raises:
            StorageError: this is a copy of a database, which does not send; or it cannot be written.
            TransportError: nothing can be handed over. What was under way is queued again, nobody is marked.

        """
        self._storage.instance.check()
        with self._storage.write():
            self._storage.deliveries.take_up_lost(self._work.clock())
        lines = [self._work.connect() for _ in range(self._work.connections)]
        self._idle = list(lines)
        # Room is kept for the answers: one that cannot be recorded on a full disk is a mail that goes out twice.
        with (
            self._storage.reserve() as self._free_room,
            ThreadPoolExecutor(len(lines), thread_name_prefix="smtp") as pool,
        ):
            try:
                while not self._over():
                    self._work.pulse()
                    try:
                        idle = not self._send_some(pool) and not self._flying
                    except LockedError as error:
                        if not stay:
                            raise
                        log.warning("waits reason=%s", error)  # a large edition is one long transaction
                        self._rest(IDLE_POLL)
                        continue
                    if idle:
                        self._rest_from_work()
                        if not stay:
                            break
                        self._rest(IDLE_POLL)
                    self._await_one()
            finally:
                self._land(lines)
        if self._trouble is not None and not self._work.stop.is_set():
            raise self._trouble
        return self.tally

    def _rest_from_work(self) -> None:
        """The queue is empty: say what the stretch of work came to."""
        if self._stretch:
            log.info("delivered %s", " ".join(f"{status}={number}" for status, number in self._stretch.items()))
            self._stretch.clear()
        self._work.well()

    def _send_some(self, pool: ThreadPoolExecutor) -> bool:
        """Record what was answered, claim as much again and hand it over; False if there was nothing to do."""
        ended = self.tally.number()
        claims = self._record_and_claim()
        for number, claim in enumerate(claims):
            try:
                message = self._work.compose(claim)
            except AddressError as error:  # no checked address; nobody else's mail is about it
                self._unrecorded.append(_ending(claim, DeliveryStatus.BOUNCED, self._work.clock(), str(error)))
                continue
            except NewsletterError as error:
                if isinstance(claim.made_from, Single):  # a mail of its own must not keep back all others
                    self._put_off(claim, f"could not be composed: {error}")
                    continue
                self._give_back(claims[number:], "could not be composed")
                raise
            if message is None:
                now = self._work.clock()
                self._unrecorded.append(_ending(claim, DeliveryStatus.EXPIRED, now, "nothing left to read"))
                continue
            line = self._idle.pop()
            envelope = (self._work.sender(claim), claim.delivery.email, message, self._work.envelope_id(claim))
            self._flying[pool.submit(line.send, *envelope)] = (line, claim)
        if claims and self._work.pace.per_second is not None:
            self._rest(1.0 / self._work.pace.per_second)
        return bool(claims or self._unrecorded) or self.tally.number() > ended

    def _record_and_claim(self) -> list[Claim]:
        self._collect()
        now = self._work.clock()
        self._mind_the_clock(now)
        allowed = 0 if self._over() else self._allowance(now)
        if not self._unrecorded and not (allowed and self._storage.deliveries.is_due(now)):
            return []
        with self._storage.write():
            self._record(now)
            claims, ended = self._storage.deliveries.claim(now, allowed)
        self._count()
        for status, number in ended.items():
            self.tally.add(status, number)
        if claims:
            self._tell_instance(claims)
        return claims

    def _record(self, now: datetime) -> None:
        self._storage.deliveries.record(self._unrecorded, now)
        self._work.heard(self._unrecorded)

    def _mind_the_clock(self, now: datetime) -> None:
        """After the clock was set back, lest what waits does so for as long again."""
        if self._seen is None or now < self._seen:
            deferred_by = now + LONGEST_PAUSE * (1 + SPREAD) + CLOCK_SLACK
            number = self._storage.deliveries.redate(now, now + CLOCK_SLACK, deferred_by)
            if number:
                log.warning("the clock was set back: deliveries=%d waited for a time to come and are due now", number)
        self._seen = now

    def _tell_instance(self, claims: Sequence[Claim]) -> None:
        try:
            self._storage.instance.follow()
        except NewsletterError:
            self._give_back(claims, "the database could not be marked as the one that sends")
            raise

    def _give_back(self, claims: Sequence[Claim], reason: str) -> None:
        """Queue again what was claimed and not handed over."""
        now = self._work.clock()
        self._unrecorded += [_ending(claim, DeliveryStatus.QUEUED, now, reason) for claim in claims]

    def _put_off(self, claim: Claim, reason: str) -> None:
        """Defer what was claimed and cannot be handed over."""
        due = self._work.clock() + self._retry_pause(claim)
        self._unrecorded.append(_ending(claim, DeliveryStatus.DEFERRED, due, reason))

    def _allowance(self, now: datetime) -> int:
        """How many may be claimed: a free connection each, within the limits."""
        pace, allowed = self._work.pace, len(self._idle)
        if pace.per_second is not None:
            allowed = min(allowed, 1)
        self.tally.held_back = ""
        for limit, hours, name in ((pace.per_hour, 1, "per_hour"), (pace.per_day, 24, "per_day")):
            if limit is not None and allowed:
                left = limit - self._storage.deliveries.tried_since(now - timedelta(hours=hours))
                if left <= 0 and self._storage.deliveries.is_due(now):
                    self.tally.held_back = f"[smtp] {name} is reached"
                allowed = min(allowed, max(left, 0))
        return allowed

    def _await_one(self) -> None:
        if self._flying and not (self._idle and self._work.pace.per_second is not None):
            wait(self._flying, timeout=0.5, return_when=FIRST_COMPLETED)

    def _rest(self, seconds: float) -> None:
        """Sleep in short pieces, so that being told to stop is heard."""
        while seconds > 0 and not self._work.stop.is_set():
            self._work.sleep(min(seconds, 0.5))
            seconds -= 0.5

    def _over(self) -> bool:
        return self._trouble is not None or self._work.stop.is_set()

    def _collect(self) -> None:
        """Turn answers that have come into endings."""
        for future in [future for future in self._flying if future.done()]:
            line, claim = self._flying.pop(future)
            self._unrecorded.append(self._heard(future, line, claim))

    def _heard(self, future: Future[Answer], line: Transport, claim: Claim) -> Ending:
        now = self._work.clock()
        try:
            answer = future.result()
        except TransportError as error:
            # The line is given up. A server may allow fewer than we want; without any line the trouble is everybody's.
            if not self._idle and not self._flying:
                self._trouble = error
            log.warning("a connection is given up: %s", error)
            return _ending(claim, DeliveryStatus.DEFERRED, now, str(error))
        except Exception:  # a message that breaks the transport must not keep the others from being sent
            log.exception("delivery=%d broke the transport", claim.delivery.id)
            answer = Answer(Verdict.UNKNOWN, text="it broke the transport")
        self._idle.append(line)
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
        return min(growing, LONGEST_PAUSE) * (1 + SPREAD * (2 * self._work.chance() - 1))

    def _count(self) -> None:
        """Count and log what has just been committed."""
        if any(ending.status in (DeliveryStatus.SENT, DeliveryStatus.BOUNCED) for ending in self._unrecorded):
            self._work.well()
        for ending in self._unrecorded:
            if ending.status is not DeliveryStatus.QUEUED:  # which has not ended
                self.tally.add(ending.status)
            reply = without_addresses(ending.reply)
            level = logging.DEBUG if ending.status is DeliveryStatus.SENT else logging.INFO
            log.log(level, "delivery=%d status=%s reply=%s", ending.delivery_id, ending.status, reply)
            self._stretch[ending.status] += 1
            if ending.status in (DeliveryStatus.SENT, DeliveryStatus.BOUNCED, DeliveryStatus.DEFERRED):
                self._work.progress(1)
        self._unrecorded.clear()

    def _land(self, lines: Sequence[Transport]) -> None:
        """Await and record what is under way; told to stop, break it off after a while, which is recorded too."""
        try:
            patience = self._work.patience
            while self._flying and patience > 0:
                wait(self._flying, timeout=0.5)
                self._collect()
                if self._work.stop.is_set():
                    patience -= 0.5
            for line, _ in self._flying.values():
                line.abort()
            wait(self._flying)
            self._collect()
            self._record_last()
        finally:
            for line in lines:
                line.close()

    def _record_last(self) -> None:
        """Record what is left, again and again: an answer that is lost is a mail that goes out twice."""
        for number, pause in enumerate((*RECORD_PAUSES, None)):
            if not self._unrecorded:
                return
            try:
                with self._storage.write():
                    self._record(self._work.clock())
                self._count()
            except StorageError as error:
                if pause is None or (number and self._work.stop.is_set()):  # told to stop, it tries once more
                    raise
                log.warning("not recorded yet: answers=%d reason=%s", len(self._unrecorded), error)
                self._free_room()
                self._rest(pause)


def _ending(claim: Claim, status: DeliveryStatus, due: datetime, reply: str) -> Ending:
    return Ending(claim.delivery.id, status, due, reply)

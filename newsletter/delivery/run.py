"""The loop of the sender: a turn of the carrier, one transaction for what it brought and what goes next, and so on."""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta

from newsletter.delivery.claiming import Claimer
from newsletter.delivery.judging import (
    LONGEST_PAUSE,
    MAX_UNKNOWNS,
    PAUSE_AFTER_UNKNOWNS,
    SPREAD,
    give_back,
    judge,
    put_off,
)
from newsletter.delivery.pacing import Pacer
from newsletter.delivery.recording import Recorder
from newsletter.delivery.watching import Watch
from newsletter.delivery.work import Tally, Work
from newsletter.errors import AddressError, LockedError, NewsletterError, TransportError, describe
from newsletter.mail.transports import Carrier, Outcome, Parcel, Verdict
from newsletter.model import DeliveryStatus
from newsletter.storage import Storage
from newsletter.storage.deliveries import Claim, Ending
from newsletter.storage.singles import Single

log = logging.getLogger(__name__)

CLOCK_SLACK = timedelta(minutes=1)  # clocks are corrected by less all the time
IDLE_POLL = 5.0  # seconds between two looks at an empty queue
_TURN = 0.5  # seconds that a turn waits at most
_WAITED_FOR = timedelta(seconds=60)  # a limit that opens by then is waited for


class Run:
    """One drain of the queue. The caller holds the sender's lock."""

    def __init__(self, storage: Storage, work: Work) -> None:
        self._storage, self._work = storage, work
        self._pacer = Pacer(storage, work.limits, work.chance)
        self._claimer = Claimer(storage.deliveries, self._pacer)
        self._flying: dict[int, Claim] = {}
        self._free_room: Callable[[], None] = lambda: None
        self._ended_some = False  # in the last pass, what was not to be sent any more
        self._seen: datetime | None = None  # the clock, when it was last looked at
        self._watch = Watch(storage, work.pid, work.show)
        self._recorder = Recorder(storage, work, self._pacer, self._watch)
        self.tally = self._recorder.tally

    def drain(self, *, stay: bool = False) -> Tally:
        """Send what is due; with `stay`, wait for what becomes due until told to stop.

        Raises:
            StorageError: this is a copy of a database, which does not send; or it cannot be written.
            TransportError: nothing can be handed over. What was under way is queued again, nobody is marked.

        """
        self._storage.instance.check()
        now = self._work.clock()
        with self._storage.write():
            self._storage.deliveries.take_up_lost(now, MAX_UNKNOWNS, PAUSE_AFTER_UNKNOWNS)
        self._pacer.begin(now)
        self._watch.begin(now, self._storage.deliveries.number_due(now))
        self._carrier: Carrier = self._work.connect()
        # Room is kept for the answers: one that cannot be recorded on a full disk is a mail that goes out twice.
        with self._storage.reserve() as self._free_room:
            try:
                self._go_on(stay=stay)
            finally:
                self._land()
                self._recorder.sum_up(self._work.clock(), last=True)
                self._watch.end(self._work.clock())
        if self._work.stop.is_set():
            if self._storage.deliveries.is_due(self._work.clock()):
                self.tally.held_back = self.tally.held_back or "it was told to stop"
        elif self._trouble is not None:
            raise self._trouble
        return self.tally

    @property
    def _trouble(self) -> TransportError | None:
        return self._carrier.trouble or self._pacer.stopped

    def _go_on(self, *, stay: bool) -> None:
        while not self._over():
            self._work.pulse()
            try:
                busy = self._pass()
            except LockedError as error:
                if not stay:
                    raise
                log.warning("waits reason=%s", error)  # a large edition is one long transaction
                self._rest(IDLE_POLL)
                continue
            self._look()
            if busy:
                self._take_outcomes(self._carrier.turn(self._patience()))
            elif not self._wait_for_limit():
                self._rest_from_work()
                if not stay:
                    return
                self._rest(IDLE_POLL)

    def _pass(self) -> bool:
        """Record what was answered, claim as much again and hand it over; False if there is nothing to do."""
        claims = self._record_and_claim()
        handed_over = 0
        try:
            if claims:
                self._watch.hold_back("")
                self._work.renew()
            for claim in claims:
                self._hand_over(claim)
                handed_over += 1
        except BaseException:
            self._give_back(claims[handed_over:], "it could not be composed")
            raise
        return self._ended_some or bool(claims or self._flying or self._recorder)

    def _hand_over(self, claim: Claim) -> None:
        """Compose and hand over, or end what cannot be.

        Raises:
            NewsletterError: a digest cannot be composed, as probably none can.

        """
        try:
            message = self._work.compose(claim)
            if message is None:
                reason = "nothing left to read"
                self._end(claim, Ending(claim.delivery.id, DeliveryStatus.EXPIRED, self._work.clock(), reason))
                return
            parcel = Parcel(
                claim.delivery.id,
                self._work.sender(claim),
                claim.delivery.email,
                message,
                self._work.envelope_id(claim),
            )
            self._carrier.take(parcel)
        except AddressError as error:  # no checked address; nobody else's mail is about it
            self._end(claim, Ending(claim.delivery.id, DeliveryStatus.BOUNCED, self._work.clock(), str(error)))
        except NewsletterError as error:
            if not isinstance(claim.made_from, Single):
                raise
            self._put_off(claim, str(error))  # a mail of its own must not keep back all others
        except Exception as error:  # nor must one that nobody thought of
            log.exception("delivery=%d cannot be composed", claim.delivery.id)
            self._put_off(claim, describe(error))
        else:
            self._flying[claim.delivery.id] = claim

    def _put_off(self, claim: Claim, reason: str) -> None:
        ending = put_off(claim, f"could not be composed: {reason}", self._work.clock(), self._work.chance())
        self._end(claim, ending)

    def _record_and_claim(self) -> list[Claim]:
        now = self._work.clock()
        self._mind_the_clock(now)
        room = 0 if self._over() else self._carrier.room()
        self._ended_some = False
        if not self._recorder and not (room and self._storage.deliveries.is_due(now)):
            return []
        try:
            with self._storage.write():
                self._recorder.write(now)
                claims, ended = self._claimer.claim(now, room)
                self._pacer.write(now)
                self._watch.write(now)
        except BaseException:
            self._claimer.undo(now)
            self._pacer.write_again()
            raise
        self._claimer.committed()
        self._recorder.written(now)
        self._ended_some = bool(ended)
        for status, number in ended.items():
            self.tally.add(status, number)
            self._watch.add(status, number, now)
        if claims:
            self._tell_instance(claims)
        return claims

    def _mind_the_clock(self, now: datetime) -> None:
        """After the clock was set back, lest what waits does so for as long again."""
        if self._seen is None or now < self._seen:
            deferred_by = now + LONGEST_PAUSE * (1 + SPREAD) + CLOCK_SLACK
            number = self._storage.deliveries.redate(now, now + CLOCK_SLACK, deferred_by)
            if number:
                log.warning("the clock was set back: deliveries=%d waited for a time to come and are due now", number)
            if self._seen is not None:
                self._pacer.begin(now)
            self._claimer.look_from_the_front()
        self._seen = now

    def _tell_instance(self, claims: Sequence[Claim]) -> None:
        try:
            self._storage.instance.follow()
        except NewsletterError:
            self._give_back(claims, "the database could not be marked as the one that sends")
            raise

    # ---------------------------------------------------------------- answers

    def _take_outcomes(self, outcomes: Iterable[Outcome]) -> None:
        """Turn answers that have come into endings."""
        now = self._work.clock()
        for outcome in outcomes:
            claim = self._flying.pop(outcome.id)
            if outcome.answer.verdict is Verdict.RETURNED:
                self._give_back([claim], str(outcome.answer))
                continue
            pause = self._pacer.hear(claim.domain, outcome.answer, now)
            if pause is not None:
                log.warning("%s", pause)
            self._recorder.add(claim, judge(claim, outcome.answer, now, self._work.chance()))

    def _end(self, claim: Claim, ending: Ending) -> None:
        """End what was claimed and not handed over."""
        self._pacer.give_back(claim.kind, claim.domain, self._work.clock())
        self._recorder.add(claim, ending)

    def _give_back(self, claims: Sequence[Claim], reason: str) -> None:
        """Queue again what was claimed and not handed over."""
        for claim in claims:
            self._end(claim, give_back(claim, reason))

    def _look(self) -> None:
        """Let be seen how it goes."""
        now = self._work.clock()
        self._watch.connections(self._carrier.connections, self._carrier.under_way)
        self._watch.look(now)
        self._recorder.sum_up(now)

    # ---------------------------------------------------------------- waiting

    def _patience(self) -> float:
        """Seconds that a turn may wait: no longer than a limit keeps from claiming what there is room for."""
        opens = self._pacer.opens(self._work.clock()) if self._carrier.room() else None
        if opens is None:
            return _TURN
        return min(max((opens - self._work.clock()).total_seconds(), 0.0), _TURN)

    def _wait_for_limit(self) -> bool:
        """With mail that is due, and nothing under way: wait until a limit lets it go, if that is soon."""
        now = self._work.clock()
        reason = self._pacer.held_back(now) if self._storage.deliveries.is_due(now) else ""
        opens = self._pacer.opens(now) if reason else None
        self._watch.hold_back(reason, opens)
        soon = opens is not None and opens - now <= _WAITED_FOR
        if reason and not soon and reason != self.tally.held_back:
            log.info("held back until=%s reason=%s", f"{opens:%Y-%m-%dT%H:%M:%SZ}" if opens else "?", reason)
        self.tally.held_back, self.tally.held_until = reason, opens
        if opens is None or not soon:
            return False
        self._rest(min(max((opens - now).total_seconds(), 0.001), IDLE_POLL))  # something else may come meanwhile
        return True

    def _rest_from_work(self) -> None:
        """Nothing may go now."""
        self._carrier.rest()
        self._watch.rest(self._work.clock())
        self._work.well()

    def _rest(self, seconds: float) -> None:
        """Sleep in short pieces, so that being told to stop is heard."""
        while seconds > 0 and not self._work.stop.is_set():
            self._work.sleep(min(seconds, 0.5))
            seconds -= 0.5

    def _over(self) -> bool:
        return self._trouble is not None or self._work.stop.is_set()

    # ---------------------------------------------------------------- the end

    def _land(self) -> None:
        """Await and record what is under way; told to stop, break it off after a while, which is recorded too."""
        self._carrier.wind_down()
        until = self._work.monotonic() + self._work.patience
        while self._carrier.under_way and not (self._work.stop.is_set() and self._work.monotonic() >= until):
            self._take_outcomes(self._carrier.turn(_TURN))
            self._recorder.try_to_write()
        self._take_outcomes(self._carrier.close())
        self._recorder.write_last(self._rest, self._free_room)

"""How fast mail may go: what the limits leave room for, and what receivers ask of us.

Nothing here looks at a clock or waits. Who sends asks what there is room for, and claims no more; the rest goes on. A
limit counts attempts: a mail that is tried twice counts twice.
"""

from collections.abc import Callable
from datetime import datetime

from newsletter.delivery.pacing_answers import meaning
from newsletter.delivery.pacing_domains import Domains
from newsletter.delivery.pacing_limits import DAY, HOUR, Limits, Scope, from_micros, to_micros
from newsletter.delivery.pacing_pauses import Pauses, why
from newsletter.errors import TransportError
from newsletter.mail.transports import Answer, Verdict
from newsletter.storage import Storage
from newsletter.storage.pace import ALL, Cause, Pause
from newsletter.text import without_addresses

__all__ = ["Limits", "Pacer"]

_SHOWN = 200  # characters of an answer


class Pacer:
    """Of one sender; who holds the sender's lock has it. Kinds are those of deliveries; domains are folded."""

    def __init__(self, storage: Storage, limits: Limits, chance: Callable[[], float]) -> None:
        self._storage = storage
        self._pauses = Pauses(chance)
        self._over_all, self._domains = Scope(limits.over_all), Domains(limits, self._pauses)
        self._touched: set[str] = set()  # scopes that may have something to write down
        self._told: set[str] = set()  # those that were written down last
        self._now = self._swept = 0
        self._stopped: TransportError | None = None
        self._begun = False

    def begin(self, now: datetime) -> None:
        """Take over what an earlier run left: what was sent lately, and the pauses.

        Writes, in a transaction of its own, only what is old, or to be put right since the clock was set back.

        Raises:
            StorageError: it cannot be read, or written.

        """
        if self._begun:  # what was read then is known better here by now
            self._see(now)
            return
        self._begun = True
        self._now = self._swept = to_micros(now)
        self._domains.see(self._now, now)
        old, late = self._load_counts()
        self._pauses.load(self._storage.pace, now)
        self._look_again()
        if old:
            self._swept -= HOUR
        if old or late or self._pauses.changed:
            with self._storage.write():
                self.write(now)

    def _load_counts(self) -> tuple[bool, bool]:
        """Whether any are too old to count, and whether any are of a time to come."""
        old = late = False
        for name, second, number in self._storage.pace.counts():
            scope, moment = self._scope(name), to_micros(second)
            old |= moment <= self._now - DAY
            if scope is not None:
                scope.load(moment, number, self._now)
                late |= scope.changed
        return old, late

    @property
    def stopped(self) -> TransportError | None:
        """Why the run is to stop: several domains will have none of our mail."""
        return self._stopped

    # ---------------------------------------------------------------- what may be claimed

    def room(self, kind: str, now: datetime) -> int:
        """How many of a kind the limits over all leave room for."""
        moment, single = self._see(now), kind == "single"
        if self._pauses.resting(ALL, now, single=single):
            return 0
        return self._over_all.room(moment, single=single)

    def closed(self, kind: str, now: datetime) -> frozenset[str]:
        """The domains that can take none of a kind now."""
        self._see(now)
        return self._domains.closed(single=kind == "single")

    def allows(self, kind: str, domain: str, now: datetime) -> bool:
        """Whether a domain can take one more of a kind."""
        self._see(now)
        return self._domains.allows(domain, single=kind == "single")

    def claim(self, _kind: str, domain: str, now: datetime) -> None:
        """One is claimed: it counts, and is under way until it is given back or its answer is heard."""
        self._over_all.add(self._see(now))
        self._domains.claim(domain)
        self._touched |= {ALL, domain}

    def give_back(self, _kind: str, domain: str, now: datetime) -> None:
        """One that was claimed was not handed over: it does not count. Also for those of a transaction that failed."""
        self._see(now)
        moment = self._domains.give_back(domain)
        if moment is not None:
            self._over_all.take_back(moment)
            self._touched |= {ALL, domain}

    def hear(self, domain: str, answer: Answer, now: datetime) -> Pause | None:
        """Learn from what came back of one under way; returns the pause that it causes, if any.

        What was returned unsent is given back.
        """
        if answer.verdict is Verdict.RETURNED:
            self.give_back("", domain, now)
            return None
        self._see(now)
        self._domains.answer(domain)
        reply = without_addresses(str(answer))[:_SHOWN]
        pause = self._pauses.hear(domain, meaning(answer), reply, now)
        if pause is not None:
            self._domains.look_at(domain)
            if pause.domain == ALL and pause.cause is Cause.POLICY:
                self._stopped = TransportError(why(pause, now))
        return pause

    # ---------------------------------------------------------------- what is told

    def held_back(self, now: datetime) -> str:
        """Why no digest may be claimed now, to one domain at least; empty if each may."""
        moment = self._see(now)
        if pause := self._pauses.resting(ALL, now, single=False):
            return why(pause, now)
        if name := self._over_all.reached(moment, single=False):
            return f"[smtp] {name} is reached"
        reasons = sorted(self._domains.reasons())
        others = f" (and {len(reasons) - 1} more)" if len(reasons) > 1 else ""
        return reasons[0][1] + others if reasons else ""

    def opens(self, now: datetime) -> datetime | None:
        """When the first of what holds digests back now gives way by itself; None if nothing does."""
        moment = self._see(now)
        pause = self._pauses.resting(ALL, now, single=False)
        all_shut = [to_micros(pause.until)] if pause else []
        all_shut += filter(None, [self._over_all.opens(moment, single=False)])
        first = max(all_shut) if all_shut else self._domains.opens()
        return from_micros(first) if first is not None else None

    # ---------------------------------------------------------------- what is written down

    def write(self, now: datetime) -> None:
        """Write down what changed; inside the write transaction that records claims and answers."""
        moment = self._see(now)
        for name in self._touched:
            scope = self._scope(name)
            if scope is not None and (changes := scope.changes(moment)):
                numbers, oldest, newest = changes
                seconds = [(from_micros(second), number) for second, number in numbers.items()]
                self._storage.pace.count(name, seconds, from_micros(oldest), from_micros(newest))
        self._touched, self._told = set(), self._touched
        if moment - self._swept >= HOUR:
            self._sweep(moment, now)
        self._pauses.write(self._storage.pace)

    def write_again(self) -> None:
        """The transaction of the last `write` failed: the next one writes all of it again."""
        self._touched |= self._told
        for name in self._told:
            scope = self._scope(name)
            if scope is not None:
                scope.tell_again()
        self._pauses.write_again()

    def _sweep(self, moment: int, now: datetime) -> None:
        self._swept = moment
        self._domains.look_at("")
        self._pauses.forget_old(now)
        self._storage.pace.forget_counts(from_micros(moment - DAY))
        self._domains.forget_old()

    def _scope(self, name: str) -> Scope | None:
        return self._over_all if name == ALL else self._domains.scope(name)

    # ---------------------------------------------------------------- the clock

    def _see(self, now: datetime) -> int:
        moment, before = to_micros(now), self._now
        self._now = moment
        self._domains.see(moment, now)
        if moment < before:
            self._over_all.set_back(moment)
            self._pauses.set_back(now)
            self._swept = min(self._swept, moment)
            self._look_again()
        return moment

    def _look_again(self) -> None:
        self._touched |= {ALL, *self._domains.scopes()}
        self._domains.look_at("")

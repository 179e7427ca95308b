"""What receivers ask of us is minded: mail to a domain rests for a while, then goes slowly, then as before.

Too fast: the domain rests for a minute, doubled with each time in a row up to an hour. Where nothing but that is heard,
of several domains, it is said by the server that hands our mail on, and everything rests. Not wanted: the domain's
digests rest for an hour, doubled up to a day; refused by several domains, all digests do. What is for one reader alone,
and was asked for, goes on then: it also carries the news of it to the operator. Pure but for what is read and written.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from newsletter.delivery.pacing_answers import Meaning, Watch
from newsletter.storage.pace import ALL, Cause, Pace, Pause

FREE = 64  # mails under way: from here on they are not counted any more
_FIRST = {Cause.RATE: timedelta(minutes=1), Cause.POLICY: timedelta(hours=1)}
_LONGEST = {Cause.RATE: timedelta(hours=1), Cause.POLICY: timedelta(days=1)}
_SPREAD = 0.25  # pauses for a rate are by as much longer or shorter, lest all who were told so come back at once
_REMEMBERED = {Cause.RATE: timedelta(days=1), Cause.POLICY: timedelta(days=7)}  # though nothing more is heard
_MOST_STEPS = 10
_SEVERAL = 3  # domains that find us too fast, and nobody took anything meanwhile
_SECOND, _MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)


class Pauses:
    """The pauses of all domains, and what leads to them."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._pauses: dict[str, dict[Cause, Pause]] = {}
        self._watches: dict[str, Watch] = {}
        self._accepted: dict[str, int] = {}  # of the mails that may be under way since it goes slowly
        self._slowed: set[str] = set()  # domains that found us too fast since anything was accepted
        self._changed: set[tuple[str, Cause]] = set()
        self._heard: set[str] = set()  # watches that are to be written down
        self._told: tuple[set[tuple[str, Cause]], set[str]] = set(), set()  # what was written last

    def load(self, pace: Pace, now: datetime) -> None:
        """Take over what was written down."""
        for pause in pace.pauses():
            self._pauses.setdefault(pause.domain, {})[pause.cause] = pause
        for domain, watched in pace.watches().items():
            self._watches[domain] = Watch(watched.heard, several=domain == ALL, watched=watched)
        self.set_back(now)
        self.forget_old(now)

    def set_back(self, now: datetime) -> None:
        """The clock may have been set back: no pause is longer for that."""
        for pause in list(self._all()):
            shorter = pause.begun_by(_begin_of(now))
            if shorter is not pause:
                self._put(shorter)

    def forget_old(self, now: datetime) -> None:
        """Forget what was not heard of again for long."""
        for pause in list(self._all()):
            if now - pause.until > _REMEMBERED[pause.cause]:
                self._drop(pause)
        for domain, watch in list(self._watches.items()):
            if now - watch.heard > _REMEMBERED[Cause.POLICY]:
                del self._watches[domain]
                self._heard.add(domain)

    def write(self, pace: Pace) -> None:
        """Write down what changed; inside a write transaction."""
        for domain, cause in self._changed:
            pause = self._pauses.get(domain, {}).get(cause)
            if pause is not None:
                pace.keep(pause)
            else:
                pace.forget(domain, cause)
        for domain in self._heard:
            if domain in self._watches:
                pace.watch(domain, self._watches[domain].written())
            else:
                pace.unwatch(domain)
        self._told = self._changed, self._heard
        self._changed, self._heard = set(), set()

    def write_again(self) -> None:
        """The transaction of the last `write` failed."""
        self._changed |= self._told[0]
        self._heard |= self._told[1]

    @property
    def changed(self) -> bool:
        """Whether anything is to be written down."""
        return bool(self._changed or self._heard)

    def domains(self) -> Iterable[str]:
        """Those that have a pause, or go slowly after one."""
        return self._pauses.keys() - {ALL}

    def any_of(self, domain: str) -> bool:
        """Whether a domain has a pause, or goes slowly after one."""
        return domain in self._pauses

    def resting(self, domain: str, now: datetime, *, single: bool) -> Pause | None:
        """The pause that keeps mail from a domain, or from all; the one that ends last."""
        found = [
            pause
            for pause in self._pauses.get(domain, {}).values()
            if now < pause.until and not (single and pause.cause is Cause.POLICY)
        ]
        return max(found, key=lambda pause: pause.until, default=None)

    def width(self, domain: str) -> int:
        """How many mails to a domain may be under way at once, after its pauses; 0: as many as you like."""
        return min((pause.width for pause in self._pauses.get(domain, {}).values() if pause.width), default=0)

    # ---------------------------------------------------------------- hear

    def hear(self, domain: str, said: Meaning, reply: str, now: datetime) -> Pause | None:
        """Learn from an answer; returns the pause that it causes, if any: of two the one over all."""
        match said:
            case Meaning.WELCOME:
                self._slowed.clear()
                self._answered(domain)
                self._widen(domain, now)
                self._recover(ALL, now)
            case Meaning.OTHER:
                self._answered(domain)
            case Meaning.SLOWER:
                return self._slow_down(domain, reply, now)
            case Meaning.UNWANTED:
                own = self._refused(domain, domain, reply, now) if domain else None
                return self._refused(ALL, domain, reply, now) or own
        return None

    def _slow_down(self, domain: str, reply: str, now: datetime) -> Pause | None:
        own = self._pause(domain, Cause.RATE, reply, now) if domain else None
        self._slowed.add(domain)
        if len(self._slowed) < _SEVERAL:
            return own
        self._slowed.clear()
        return self._pause(ALL, Cause.RATE, reply, now) or own

    def _answered(self, domain: str) -> None:
        for name in {domain, ALL} if self._watches else ():
            watch = self._watches.get(name)
            if watch is not None and watch.answer():
                self._heard.add(name)
                if watch.over:
                    del self._watches[name]

    def _refused(self, name: str, domain: str, reply: str, now: datetime) -> Pause | None:
        if name not in self._watches:
            self._watches[name] = Watch(now, several=name == ALL)
        watch = self._watches[name]
        watch.refuse(domain, now)
        self._heard.add(name)
        pause = self._pause(name, Cause.POLICY, reply, now) if watch.ill else None
        if pause is not None:
            watch.begin_anew()
        return pause

    def _pause(self, domain: str, cause: Cause, reply: str, now: datetime) -> Pause | None:
        before = self._pauses.get(domain, {}).get(cause)
        if before is not None and now < before.until:
            return None  # it was under way when the pause began
        steps = before.steps + 1 if before is not None else 1
        length = min(_FIRST[cause] * 2 ** min(steps - 1, _MOST_STEPS), _LONGEST[cause])
        if cause is Cause.RATE:
            length *= 1 + _SPREAD * (2 * self._chance() - 1)
        began = _begin_of(now)
        since = before.since if before is not None else began
        until = _begin_of(now + length + _SECOND - _MICROSECOND)
        pause = Pause(domain, cause, since, began, until, steps, reply, int(domain != ALL))
        self._put(pause)
        self._accepted.pop(domain, None)
        return pause

    def _widen(self, domain: str, now: datetime) -> None:
        """One was accepted: of as many as may be under way, then twice as many may be."""
        width = self.width(domain)
        if width and not self.resting(domain, now, single=False):
            self._accepted[domain] = self._accepted.get(domain, 0) + 1
            if self._accepted[domain] >= width:
                del self._accepted[domain]
                for pause in list(self._pauses[domain].values()):
                    self._put(replace(pause, width=2 * width if 2 * width < FREE else 0))
        self._recover(domain, now)

    def _recover(self, domain: str, now: datetime) -> None:
        """One was accepted: too fast is forgotten once it goes as before, a policy after as long again."""
        for pause in list(self._pauses.get(domain, {}).values()):
            fast_again, long_over = now >= pause.until and not pause.width, now >= pause.until + pause.length
            if fast_again if pause.cause is Cause.RATE else long_over:
                self._drop(pause)

    # ---------------------------------------------------------------- keep

    def _all(self) -> Iterator[Pause]:
        for pauses in self._pauses.values():
            yield from pauses.values()

    def _put(self, pause: Pause) -> None:
        self._pauses.setdefault(pause.domain, {})[pause.cause] = pause
        self._changed.add((pause.domain, pause.cause))

    def _drop(self, pause: Pause) -> None:
        pauses = self._pauses[pause.domain]
        del pauses[pause.cause]
        if not pauses:
            del self._pauses[pause.domain]
        self._changed.add((pause.domain, pause.cause))


def why(pause: Pause, now: datetime) -> str:
    """Why mail rests, in words."""
    until, today = pause.until.astimezone(UTC), now.astimezone(UTC).date()
    when = until.strftime("%H:%M UTC" if until.date() == today else "%Y-%m-%d %H:%M UTC")
    if pause.domain == ALL and pause.cause is Cause.POLICY:
        return f"several domains refuse our mail, digests rest until {when}: {pause.reply}"
    verb = "is slowed down" if pause.cause is Cause.RATE else "is refused and rests"
    return f"mail to {pause.domain or 'all domains'} {verb} until {when}: {pause.reply}"


def _begin_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)

"""How much mail may go in a second, an hour, a day: over all, and to each domain. Pure.

A limit holds in every stretch of its length, wherever that begins: not only in each hour of the clock. Moments are
whole microseconds since 1970.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from newsletter.config import Config

SECOND = 1_000_000  # microseconds
HOUR, DAY = 3_600 * SECOND, 86_400 * SECOND
PLENTY = 1_000_000  # mails; what there is room for without a limit
_FOR_SINGLES = 20  # one in so many of an hour and of a day is kept for them
_PARTS = 20  # of what may come in a second; as many may come at once
_FINENESS = 100  # grains of a short window
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def to_micros(moment: datetime) -> int:
    """A moment in microseconds."""
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(moment: int) -> datetime:
    """The inverse of `to_micros`."""
    return _EPOCH + moment * _MICROSECOND


@dataclass(frozen=True, slots=True)
class Rates:
    """What is allowed: mails under way at once, and in a time. None is no limit."""

    connections: int | None = None
    per_second: float | None = None
    per_hour: int | None = None
    per_day: int | None = None

    @property
    def timed(self) -> bool:
        """Whether there is a limit that has to do with time."""
        return (self.per_second, self.per_hour, self.per_day) != (None, None, None)


@dataclass(frozen=True, slots=True)
class Limits:
    """Those over all, and those of domains, which are folded; "*" stands for each that is not named."""

    over_all: Rates = Rates()
    per_domain: Mapping[str, Rates] = field(default_factory=dict)

    @classmethod
    def of(cls, config: "Config") -> "Limits":
        """Those of a configuration. What is filed in a folder has none."""
        if config.delivery.transport != "smtp":
            return cls()
        smtp = config.smtp
        return cls(
            Rates(None, smtp.per_second, smtp.per_hour, smtp.per_day),
            {
                domain: Rates(rates.connections, rates.per_second, rates.per_hour, rates.per_day)
                for domain, rates in smtp.per_domain.items()
            },
        )

    def of_domain(self, domain: str) -> Rates | None:
        """Those of a domain; None if it has none."""
        return (self.per_domain.get(domain) or self.per_domain.get("*")) if domain and self.per_domain else None


class Window:
    """How many there were in the last `span`, counted in grains.

    Each is counted as if it had come at the end of its grain: so a limit is never passed, and opens a grain too late at
    most. There are no more numbers than grains in the span.
    """

    def __init__(self, name: str, limit: int, span: int, grain: int, *, kept: int = 0) -> None:
        """`kept` of the limit are for singles alone."""
        self.name, self.span, self._grain = name, span, grain
        self._limit, self._kept = limit, kept
        self._moments: deque[int] = deque()
        self._numbers: deque[int] = deque()
        self._total = 0

    def room(self, now: int, *, single: bool) -> int:
        """How many more may come."""
        self._forget(now)
        return max(self._limit - (0 if single else self._kept) - self._total, 0)

    def opens(self, now: int, *, single: bool) -> int:
        """From when on there is room, if no more come."""
        self._forget(now)
        surplus = self._total - (self._limit - (0 if single else self._kept))
        for moment, number in zip(self._moments, self._numbers, strict=True):
            if surplus < 0:
                break
            surplus -= number
            if surplus < 0:
                return moment + self.span
        return now

    def add(self, moment: int, number: int = 1) -> None:
        """Count some that come now, or came after all others."""
        grain = self._grain_of(moment)
        if self._moments and self._moments[-1] >= grain:
            self._numbers[-1] += number
        else:
            self._moments.append(grain)
            self._numbers.append(number)
        self._total += number

    def take_back(self, moment: int) -> None:
        """Uncount one that came then."""
        at = self._find(self._grain_of(moment))
        if at is not None and self._numbers[at]:
            self._numbers[at] -= 1
            self._total -= 1

    def number_at(self, moment: int) -> int:
        """How many came in a grain, by its end."""
        at = self._find(moment)
        return 0 if at is None else self._numbers[at]

    def set_back(self, now: int) -> bool:
        """The clock was set back: what came at a time to come is taken to come now. False: there was nothing."""
        grain, number = self._grain_of(now), 0
        while self._moments and self._moments[-1] > grain:
            self._moments.pop()
            number += self._numbers.pop()
        if number:
            self._total -= number
            self.add(now, number)
        return bool(number)

    def is_empty(self, now: int) -> bool:
        """Whether none came in the span."""
        self._forget(now)
        return not self._moments

    def _grain_of(self, moment: int) -> int:
        return -(-moment // self._grain) * self._grain

    def _find(self, grain: int) -> int | None:
        for at in range(len(self._moments) - 1, -1, -1):  # it is one of the last
            if self._moments[at] <= grain:
                return at if self._moments[at] == grain else None
        return None

    def _forget(self, now: int) -> None:
        while self._moments and self._moments[0] + self.span <= now:
            self._moments.popleft()
            self._total -= self._numbers.popleft()


class Scope:
    """What is limited in time: all mail, or a domain's."""

    def __init__(self, rates: Rates) -> None:
        self._windows = list(_windows(rates))
        spans = [window.span for window in self._windows]
        whole = [window for window in self._windows if window.name != "per_second" and window.span == max(spans)]
        #: What is written down: by the second, and for as long as any limit looks back.
        self._log = whole[0] if whole else Window("", 0, max([SECOND, *spans]), SECOND)
        self._counted = self._windows if whole or not spans else [*self._windows, self._log]
        self._changed: set[int] = set()
        self._told: set[int] = set()  # by the last `changes`

    def room(self, now: int, *, single: bool) -> int:
        """How many more may come."""
        return min((window.room(now, single=single) for window in self._windows), default=PLENTY)

    def opens(self, now: int, *, single: bool) -> int | None:
        """From when on there is room, if there is none now."""
        return max((at for at, _ in self._shut(now, single=single)), default=None)

    def reached(self, now: int, *, single: bool) -> str:
        """The limit that is reached, if any; of several the one that holds longest."""
        return max(self._shut(now, single=single), default=(0, ""))[1]

    def add(self, moment: int, number: int = 1) -> None:
        """Count some."""
        for window in self._counted:
            window.add(moment, number)
        if self._counted:
            self._changed.add(_second_of(moment))

    def load(self, moment: int, number: int, now: int) -> None:
        """Count some that were written down; those of a time to come as if they had come now."""
        late = moment > _second_of(now)
        for window in self._counted:
            window.add(now if late else moment, number)
        if late:
            self._changed.add(_second_of(now))

    def take_back(self, moment: int) -> None:
        """Uncount one that came then."""
        for window in self._counted:
            window.take_back(moment)
        if self._counted:
            self._changed.add(_second_of(moment))

    def set_back(self, now: int) -> None:
        """The clock was set back."""
        moved = [window.set_back(now) for window in self._counted]
        if any(moved):
            self._changed.add(_second_of(now))

    def is_empty(self, now: int) -> bool:
        """Whether nothing is left of it that counts or is to be written down."""
        return not self._changed and all(window.is_empty(now) for window in self._counted)

    @property
    def changed(self) -> bool:
        """Whether anything is to be written down."""
        return bool(self._changed)

    def changes(self, now: int) -> tuple[dict[int, int], int, int] | None:
        """Seconds with their numbers that are not written down yet, and up to when and from when on nothing counts;
        None if nothing changed since the last time."""
        if not self._changed:
            return None
        oldest, newest = now - self._log.span, _second_of(now)
        seconds = (second for second in self._changed if oldest < second <= newest)
        numbers = {second: self._log.number_at(second) for second in seconds}
        self._changed, self._told = set(), self._changed
        return numbers, oldest, newest

    def tell_again(self) -> None:
        """What the last `changes` told was not written down after all."""
        self._changed |= self._told

    def _shut(self, now: int, *, single: bool) -> Iterator[tuple[int, str]]:
        for window in self._windows:
            if not window.room(now, single=single):
                yield window.opens(now, single=single), window.name


def _windows(rates: Rates) -> Iterator[Window]:
    if rates.per_second is not None:
        whole = -int(-rates.per_second // 1)  # 2.5 a second are 3 in 1.2 seconds
        for number in {whole, -(-whole // _PARTS)}:  # not all of them at once
            span = -int(-number * SECOND // rates.per_second)
            yield Window("per_second", number, span, max(span // _FINENESS, 1))
    for name, limit, span in (("per_hour", rates.per_hour, HOUR), ("per_day", rates.per_day, DAY)):
        if limit is not None:
            yield Window(name, limit, span, SECOND, kept=limit // _FOR_SINGLES)


def _second_of(moment: int) -> int:
    return -(-moment // SECOND) * SECOND

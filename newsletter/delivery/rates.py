"""How fast mail goes out, in as little memory however long it takes."""

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(seconds=30)  # over which a rate is taken
_SECOND = timedelta(seconds=1)


@dataclass(slots=True)
class _Stretch:
    """A second, or a little more, and how many mails were tried in it."""

    began: datetime
    number: int


class Rate:
    """How many a second, lately: what was tried in each second of the last half minute."""

    def __init__(self, began: datetime) -> None:
        self._seconds = deque([_Stretch(began, 0)])

    def add(self, number: int, now: datetime) -> None:
        """Count what was tried just now."""
        if self._seconds and now < self._seconds[-1].began:  # the clock was set back
            self._seconds.clear()
        if not self._seconds or now - self._seconds[-1].began >= _SECOND:
            self._forget(now)
            self._seconds.append(_Stretch(now, 0))
        self._seconds[-1].number += number

    def at(self, now: datetime) -> float:
        """A second, over the time from the first that is remembered, but over a second at least."""
        self._forget(now)
        if not self._seconds:
            return 0.0
        return sum(second.number for second in self._seconds) / max((now - self._seconds[0].began).total_seconds(), 1.0)

    def _forget(self, now: datetime) -> None:
        while self._seconds and now - self._seconds[0].began > WINDOW:
            self._seconds.popleft()

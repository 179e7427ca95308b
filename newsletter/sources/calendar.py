"""When arXiv announces papers, and why it does not: evenings in New York, holidays, and when each interface shows them.

Pure: moments come in and go out aware and in UTC. An *evening* is a date in New York. The schedule is that of arXiv's
page "Availability of submissions": 20:00 on the evenings of Sunday to Thursday, holidays excepted. An announcement
may be hours late; that it was due is all that is known here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import Literal
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
MAX_BATCHES = 400  # that `Calendar.between` lists: more than a year's

# Minutes after the time arXiv names, when it is worth asking.
API_MARGIN = 60  # after 20:00: the search index follows the announcement; now and then a day later
FEED_MARGIN = 10  # after midnight: the feed is made when first asked for then, and clocks may differ
OAI_MARGIN = 60  # after 22:30, which is "typically around": asked too early, "no records" stays cached until 00:00 UTC

_ANNOUNCED, _CLOSED, _MIDNIGHT, _OAI = time(20), time(14), time(0), time(22, 30)
_DAY = timedelta(days=1)
_WEEKEND = (4, 5)  # Friday and Saturday, as date.weekday() has it
_KEPT = {  # as (month, day): the holidays that arXiv has published
    2025: ((1, 1), (1, 20), (6, 19), (7, 6), (9, 1), (11, 27), (12, 25), (12, 30)),
    2026: ((1, 1), (1, 19), (6, 19), (7, 3), (9, 7), (11, 26), (12, 25), (12, 29), (12, 31)),
}


@dataclass(frozen=True, slots=True)
class Batch:
    """One announcement: what was submitted from `opens` until before `closes`, moderation permitting."""

    evening: date
    announced: datetime
    opens: datetime
    closes: datetime


class Quiet(StrEnum):
    """Why nothing was announced."""

    WEEKEND = "weekend"
    HOLIDAY = "holiday"  # or several, a weekend beside it or not
    EARLY = "early"  # no evening had come


@dataclass(frozen=True, slots=True)
class Silence:
    """A stretch without an announcement: the evenings that passed in it, and the batch that ends it."""

    kind: Quiet
    evenings: tuple[date, ...]
    next: Batch

    def words(self) -> str:
        """The reason in plain words, for operators."""
        holidays = [_day_words(evening) for evening in self.evenings if evening.weekday() not in _WEEKEND]
        reasons = [f"arXiv's holiday of {' and '.join(holidays)}"] if holidays else []
        if len(holidays) < len(self.evenings):
            reasons.append("arXiv announces nothing on Friday and Saturday evenings")
        reasons = reasons or ["no announcement was due yet"]
        evening, moment = self.next.evening, self.next.announced
        near = not self.evenings or evening - self.evenings[0] < 7 * _DAY
        when = f"{evening:%A}" if near else _day_words(evening)
        return "; ".join((*reasons, f"the next batch comes {when} 20:00 in New York ({moment:%A %H:%M} UTC)"))


@dataclass(frozen=True, slots=True)
class Calendar:
    """arXiv's evenings. `holidays` are those besides the known ones: arXiv defers announcements ad hoc, too."""

    holidays: frozenset[date] = frozenset()

    def announces(self, evening: date) -> bool:
        """Whether arXiv announces on this evening."""
        holiday = evening in self.holidays or evening in known_holidays(evening.year)
        return evening.weekday() not in _WEEKEND and not holiday

    def latest(self, now: datetime) -> Batch:
        """The newest batch announced at or before `now`."""
        evening = now.astimezone(NEW_YORK).date()
        if not self.announces(evening) or _moment(evening, _ANNOUNCED) > now:
            evening = self._step(evening, -_DAY)
        return self._batch(evening)

    def next(self, now: datetime) -> Batch:
        """The first batch announced after `now`."""
        return self._batch(self._step(self.latest(now).evening, _DAY))

    def between(self, after: datetime, upto: datetime) -> list[Batch]:
        """The batches announced after `after` and at or before `upto`, oldest first; of many the newest MAX_BATCHES."""
        batches: list[Batch] = []
        batch = self.latest(upto)
        while batch.announced > after and len(batches) < MAX_BATCHES:
            batches.append(batch)
            batch = self._batch(self._step(batch.evening, -_DAY))
        return batches[::-1]

    def silence(self, after: datetime, upto: datetime) -> Silence | None:
        """Why nothing was announced after `after` and at or before `upto`; None if something was."""
        latest, following = self.latest(upto), self.next(upto)
        if latest.announced > after:
            return None
        days = _days(latest.evening + _DAY, following.evening)
        evenings = tuple(day for day in days if after < _moment(day, _ANNOUNCED) <= upto)
        kind = Quiet.WEEKEND if evenings else Quiet.EARLY
        if any(evening.weekday() not in _WEEKEND for evening in evenings):
            kind = Quiet.HOLIDAY
        return Silence(kind, evenings, following)

    def _step(self, evening: date, step: timedelta) -> date:
        evening += step
        while not self.announces(evening):
            evening += step
        return evening

    def _batch(self, evening: date) -> Batch:
        before = self._step(evening, -_DAY)
        return Batch(evening, _moment(evening, _ANNOUNCED), _deadline(before), _deadline(evening))


def visible(batch: Batch, interface: Literal["api", "feed", "oai"]) -> datetime:
    """From when on an interface can be expected to show a batch, a margin included."""
    match interface:
        case "api":
            return batch.announced + timedelta(minutes=API_MARGIN)
        case "feed":  # which is made anew each midnight, and then holds the evening before and nothing else
            return _moment(batch.evening + _DAY, _MIDNIGHT) + timedelta(minutes=FEED_MARGIN)
        case "oai":
            return _moment(batch.evening, _OAI) + timedelta(minutes=OAI_MARGIN)


@cache
def known_holidays(year: int) -> frozenset[date]:
    """The holidays of a year, as far as they are known; some fall on evenings without an announcement anyway.

    For 2025 and 2026 as arXiv published them. For other years those that follow a rule and were kept in both: New
    Year's Day, Martin Luther King Day, Juneteenth, Labor Day, Thanksgiving and Christmas; the rest follows none.
    """
    if year in _KEPT:
        return frozenset(date(year, month, day) for month, day in _KEPT[year])
    fixed = {date(year, month, day) for month, day in ((1, 1), (6, 19), (12, 25))}
    return frozenset(fixed | {_nth(3, 0, year, 1), _nth(1, 0, year, 9), _nth(4, 3, year, 11)})


def _nth(number: int, weekday: int, year: int, month: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (number - 1))


def _moment(day: date, clock: time) -> datetime:
    return datetime.combine(day, clock, NEW_YORK).astimezone(UTC)


def _deadline(evening: date) -> datetime:
    """When the window of an evening's batch closes: that afternoon; for a Sunday's, on Friday."""
    return _moment(evening - 2 * _DAY if evening.weekday() == 6 else evening, _CLOSED)


def _days(first: date, end: date) -> Iterator[date]:
    while first < end:
        yield first
        first += _DAY


def _day_words(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B}"

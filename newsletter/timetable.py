"""When an edition is due: the newsletter's days as moments, and what follows from how the last try ended.

Pure: the clock comes in. A date is a label in the newsletter's zone; every moment is in UTC.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from newsletter.model import Attempt, Frequency, Late, Rhythm

FIRST_PAUSE = timedelta(minutes=10)
LONGEST_PAUSE = timedelta(hours=1)
SPREAD = 0.1  # pauses are by as much longer or shorter
_AT_ONCE = 3  # tries of a date that are taken up at once after they were interrupted


@dataclass(frozen=True, slots=True)
class Hours:
    """From when until when an edition may be begun, each day, in a zone."""

    zone: ZoneInfo
    opens: time
    closes: time

    def today(self, now: datetime) -> date:
        """The date of a moment."""
        return now.astimezone(self.zone).date()

    def of(self, day: date) -> tuple[datetime, datetime]:
        """The two moments of a date.

        In the night that skips an hour a time that does not exist is as much later as the clock was put on; in the one
        that repeats an hour the first of two is meant. The stretch between them is never shorter than on other days.
        """
        opens, closes = (datetime.combine(day, clock, self.zone).astimezone(UTC) for clock in (self.opens, self.closes))
        length = datetime.combine(day, self.closes) - datetime.combine(day, self.opens)
        return opens, max(closes, opens + length)


@dataclass(frozen=True, slots=True)
class Turn:
    """What is next: the edition of `day`, at a moment that may have passed, and why then."""

    day: date
    at: datetime
    why: str


def next_hour(rhythm: Rhythm, ours: ZoneInfo, weekday: int, now: datetime) -> datetime | None:
    """When a reader's hour comes next, after `now`; None if they have none. `ours` and `weekday` are the newsletter's.

    In the night that skips it, it comes as much later; in the one that repeats it, the first time.
    """
    if rhythm.hour is None:
        return None
    zone = _zone(rhythm, ours)
    day = now.astimezone(zone).date()
    if rhythm.frequency is Frequency.WEEKLY:
        day += timedelta(days=((weekday if rhythm.weekday is None else rhythm.weekday) - day.weekday()) % 7)
    step = timedelta(days=7 if rhythm.frequency is Frequency.WEEKLY else 1)
    while (moment := datetime.combine(day, time(rhythm.hour), zone).astimezone(UTC)) <= now:
        day += step
    return moment


def comes_at_once(rhythm: Rhythm, ours: ZoneInfo, now: datetime) -> bool:
    """Whether an edition brought out now goes to a daily reader at once: within their hour, or after it if they like.

    Those without an hour get each as soon as it is out; weekly digests wait for their day.
    """
    if rhythm.hour is None:
        return True
    hour = now.astimezone(_zone(rhythm, ours)).hour
    late = hour > rhythm.hour and rhythm.late is Late.GO
    return rhythm.frequency is Frequency.DAILY and (late or hour == rhythm.hour)


def _zone(rhythm: Rhythm, ours: ZoneInfo) -> ZoneInfo:
    return ZoneInfo(rhythm.zone) if rhythm.zone else ours


def next_turn(hours: Hours, now: datetime, newest: date | None, last: Attempt | None) -> Turn:
    """When the daemon is to publish next, and for which date; `newest` is the date of the newest edition.

    A date has its turn once its hours have begun, also late, after downtime. Without an edition it is tried again until
    they are over; what comes later goes into the next date's edition. What a kill interrupted goes on at once, and an
    edition that is there is finished whenever that can be.
    """
    today = hours.today(now)
    if newest is None or newest <= today:
        tried = last if last is not None and last.day == today else None
        if turn := _finish(today, now, tried) if newest == today else _begin(hours, today, now, tried):
            return turn
    done = newest is not None and newest >= today
    day = max(newest or today, today) + timedelta(days=1)
    return Turn(day, hours.of(day)[0], f"{newest} has its edition" if done else f"the hours of {today} are over")


def _begin(hours: Hours, today: date, now: datetime, tried: Attempt | None) -> Turn | None:
    """The turn of a date that has no edition; None once its hours are over."""
    opens, closes = hours.of(today)
    turn = Turn(today, opens, "its hours have begun" if now >= opens else "its hours begin then")
    if tried is not None and (again := _finish(today, now, tried)):
        turn = Turn(today, max(again.at, opens), again.why)
    return turn if max(now, turn.at) < closes else None


def _finish(today: date, now: datetime, tried: Attempt | None) -> Turn | None:
    """The turn of what a try has left to do; None if that is nothing."""
    if tried is None:
        return None
    if tried.ended is None:  # the first times at once; what kills its process each time must not spin
        wait = pause(tried.number, 0.5) if tried.number > _AT_ONCE else timedelta()
        return Turn(today, min(tried.began, now) + wait, "the last try was interrupted")
    if tried.again is None:
        return None
    latest = now + LONGEST_PAUSE * (1 + SPREAD)  # later only if the clock was set back since
    return Turn(today, tried.again if tried.again <= latest else now, f"again, since {tried.reason}")


def pause(number: int, chance: float) -> timedelta:
    """How long to wait after so many tries: longer each time up to an hour, and spread by `chance` in [0, 1)."""
    growing = FIRST_PAUSE * (1 << min(max(number - 1, 0), 10))
    return min(growing, LONGEST_PAUSE) * (1 + SPREAD * (2 * chance - 1))

"""Why a date has no edition, and when the next one comes, in plain words for anybody. Pure.

What a fetch recorded is for an operator: it may name servers, and is in English.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from newsletter.model import HarvestState
from newsletter.rendering.words import _
from newsletter.sources.calendar import Calendar, Quiet
from newsletter.storage.harvests import HarvestRecord
from newsletter.timetable import Hours

_DAY = timedelta(days=1)
_FARTHEST = 14  # days; arXiv is silent for four at most


@dataclass(frozen=True, slots=True)
class Reason:
    """Why there is nothing: in a word or two for a list, and in a sentence. Both are yet to be translated."""

    short: str
    long: str


BEFORE = Reason(_("before the first edition"), _("This newsletter had not begun yet."))
TO_COME = Reason(_("to come"), _("This date is still to come."))
NOT_YET = Reason(_("not yet"), _("The edition of this date has not come out yet."))
NOTHING = Reason(_("no edition"), _("Nothing was brought out on this date."))
WEEKEND = Reason(_("weekend"), _("arXiv announces nothing on Friday and Saturday evenings."))
HOLIDAY = Reason(_("arXiv’s holiday"), _("arXiv kept a holiday, and announced nothing."))
SILENT = Reason(_("no announcement"), _("arXiv had announced nothing new."))
NO_MATCH = Reason(_("nothing on our topics"), _("Nothing that arXiv had announced was on our topics."))
UNFINISHED = Reason(_("not finished"), _("What arXiv announced was fetched, and the edition is not finished yet."))
LATE = Reason(_("arXiv was late"), _("arXiv still showed what it had announced the day before; the rest comes later."))
PARTIAL = Reason(_("answered in part"), _("arXiv answered only in part; what was missing comes later."))
FAILED = Reason(_("arXiv did not answer"), _("arXiv did not answer; what it had announced comes later."))

_BY_STATE = {
    HarvestState.FRESH: NO_MATCH,
    HarvestState.NO_MATCH: NO_MATCH,
    HarvestState.STALE: PARTIAL,
    HarvestState.PARTIAL: PARTIAL,
    HarvestState.FAILED: FAILED,
}


@dataclass(frozen=True, slots=True)
class Days:
    """What is known of a newsletter's dates at a moment; `first` is the first date of which anything is."""

    now: datetime
    hours: Hours
    calendar: Calendar
    first: date | None

    @property
    def today(self) -> date:
        """The date, in the newsletter's zone."""
        return self.hours.today(self.now)

    def why_none(self, day: date, fetched: HarvestRecord | None) -> Reason:
        """Why a date has no edition; `fetched` is its last fetch."""
        if day > self.today:
            return TO_COME
        if day < (self.first or self.today):
            return BEFORE
        if fetched is not None:
            return self._of(fetched)
        return self._silence(self.hours.of(day)[0]) or (NOT_YET if day == self.today else NOTHING)

    def next_edition(self, newest: date | None) -> datetime | None:
        """When the next edition can be expected, by arXiv's calendar; `newest` is the last one. A moment that has
        passed: it is late."""
        start = max(newest + _DAY if newest is not None else self.today, self.today)
        days = (start + number * _DAY for number in range(_FARTHEST))
        moments = (self.hours.of(day) for day in days)
        return next((opens for opens, closes in moments if closes > self.now and not self._silence(opens)), None)

    def _of(self, fetched: HarvestRecord) -> Reason:
        if not fetched.settled and fetched.state is HarvestState.FRESH:
            return UNFINISHED
        if fetched.state in _BY_STATE:
            return _BY_STATE[fetched.state]
        return LATE if fetched.due else self._silence(fetched.ended) or SILENT

    def _silence(self, upto: datetime) -> Reason | None:
        """Why arXiv had announced nothing for a day; None if it had."""
        silence = self.calendar.silence(upto - _DAY, upto)
        return None if silence is None else {Quiet.WEEKEND: WEEKEND, Quiet.HOLIDAY: HOLIDAY}.get(silence.kind, SILENT)

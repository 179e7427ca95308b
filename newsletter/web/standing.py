"""How the newsletter stands, in sentences for anybody: today, what comes next, whether mail goes out."""

from datetime import date, datetime

from newsletter.model import DeliveryStatus
from newsletter.rendering.words import _
from newsletter.status import Report
from newsletter.web.language import weekday
from newsletter.web.pages import choice, say, words
from newsletter.web.reasons import Days
from newsletter.web.shelf import why_none

_WAITING = (DeliveryStatus.QUEUED, DeliveryStatus.SENDING)


def of_today(days: Days, newest: date | None) -> str:
    """Whether today has an edition, and why not."""
    if newest == days.today:
        return say(_("Today’s edition is out."))
    reason = why_none(days, days.today)
    return say(_("{weekday}: {reason}"), weekday=weekday(days.today, choice().language), reason=say(reason.long))


def of_the_next(days: Days, newest: date | None) -> str:
    """When the next edition can be expected."""
    coming = days.next_edition(newest)
    if coming is None:
        return ""
    if coming <= days.now:
        _opens, closes = days.hours.of(days.today)
        return say(_("It is looked for until {time}."), time=_clock(closes, days))
    day = words().long_date(days.hours.today(coming))
    return say(_("The next edition is expected on {date} at {time}."), date=day, time=_clock(coming, days))


def of_mail(report: Report) -> str:
    """Whether digests go out, and how far; of other mails, and of how many readers there are, strangers must not
    learn."""
    numbers = report.digests
    if report.part_sent:
        share = f"{min(100 * report.part_sent, 99):.0f}\N{NO-BREAK SPACE}%"
        return say(_("Mail is going out just now; {share} of it is out."), share=share)
    if any(numbers.get(status) for status in _WAITING):
        return say(_("Mail is going out just now.")) if report.going else say(_("Mail is waiting to go out."))
    if numbers.get(DeliveryStatus.DEFERRED):
        return say(_("Mail has gone out; what was not taken is tried again."))
    return say(_("All mail has gone out.")) if numbers else say(_("No mail has been sent yet."))


def of_all(report: Report) -> str:
    """Whether all is well."""
    return say(_("Something is late, and needs the operator.")) if report.overdue else say(_("All is in order."))


def _clock(moment: datetime, days: Days) -> str:
    zone = days.hours.zone
    return f"{moment.astimezone(zone):%H:%M} ({zone.key})"

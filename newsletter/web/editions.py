"""The first page, the list of editions, and the editions themselves, for anybody to read."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import chain, groupby

from flask import Blueprint, Response, abort, request

from newsletter.rendering.words import _
from newsletter.storage.published import Listed
from newsletter.web.arranging import arrange
from newsletter.web.pages import kept, looking, page, say, words
from newsletter.web.reasons import Days, Reason
from newsletter.web.shelf import (
    FRESH,
    SETTLED,
    editions_feed,
    known_days,
    published,
    read_date,
    sentences,
    topic_path,
    why_none,
)
from newsletter.web.standing import of_the_next, of_today

blueprint = Blueprint("editions", __name__)

LONGEST_SPAN = 62  # days that one page shows
MOST = 5_000  # papers of one page
_DAY = timedelta(days=1)
_ALL_DATES = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """A date in the list: its edition, or why it has none."""

    date: date
    edition: Listed | None
    reason: Reason | None


@blueprint.get("/")
@kept()
def home() -> Response:
    """What this newsletter is, and its newest edition."""
    shelf, days = published(), known_days()
    newest = shelf.newest()
    return page(
        "web/home.html",
        title=looking().config.newsletter.name,
        keep=FRESH,
        canonical="/",
        feeds=[editions_feed()],
        topics=[(topic, topic_path(topic)) for topic in shelf.topics() if not topic.sleeping],
        edition=next(iter(shelf.listed(newest, newest)), None) if newest else None,
        standing=[of_today(days, newest), of_the_next(days, newest)],
    )


@blueprint.get("/editions")
@kept("year")
def editions() -> Response:
    """The editions of the last twelve months or of a year, month by month, and why other days have none."""
    days = known_days()
    last = max(published().newest() or days.today, days.today)
    first = days.first or last
    years, asked = range(last.year, first.year - 1, -1), request.args.get("year", "")
    year = int(asked) if re.fullmatch(r"\d{4}", asked, re.ASCII) else None
    if year is None:
        since = max(first, (last - 365 * _DAY).replace(day=1))
    elif year in years:
        since, last = max(first, date(year, 1, 1)), min(last, date(year, 12, 31))
    else:
        abort(404, say(_("There are no editions of that year.")))
    lines = _lines(days, since, last)
    return page(
        "web/editions.html",
        title=say(_("Editions")),
        keep=FRESH,
        canonical=f"/editions?year={year}" if year else "/editions",
        feeds=[editions_feed()],
        year=year,
        years=years,
        months=[(first, list(found)) for first, found in groupby(lines, lambda line: line.date.replace(day=1))],
    )


@blueprint.get("/editions/today")
@kept()
def newest_edition() -> Response:
    """The newest edition."""
    newest = published().newest()
    if newest is None:
        abort(404, say(_("There is no edition yet.")))
    return _page(newest, newest, FRESH)


@blueprint.get("/editions/<day>")
@kept()
def edition(day: str) -> Response:
    """The edition of a date, as it is mailed to who takes all topics."""
    asked = _date(day)
    return _page(asked, asked, SETTLED)


@blueprint.get("/editions/<first>/<last>")
@kept()
def span(first: str, last: str) -> Response:
    """The editions from one date to another, joined as in a weekly digest."""
    since, until = _date(first), _date(last)
    if not timedelta() <= until - since < LONGEST_SPAN * _DAY:
        abort(404, say(_("The earlier date comes first, and a page holds {days} days at most."), days=LONGEST_SPAN))
    return _page(since, until, SETTLED)


def _page(first: date, last: date, keep: int) -> Response:
    """The page of the editions from one date to another."""
    shelf = published()
    told, topics = shelf.announced(first, last, MOST), shelf.topics()
    earlier, later = shelf.around(first, last)
    if not told:
        return page(
            "web/none.html",
            title=words().long_span(first, last),
            status=404,
            reason=say(why_none(known_days(), last).long) if first == last else "",
            earlier=earlier,
            later=later,
        )
    remarked = looking().storage.editions.remarks(first - _DAY, last) if first > date.min else {}
    arranged = arrange(told, topics, chain.from_iterable(remarked.values()), last)
    return page(
        "web/edition.html",
        title=words().long_span(first, last),
        keep=keep,
        canonical=f"/editions/{last}" if first == last else f"/editions/{first}/{last}",
        feeds=[editions_feed()],
        sections=[(section, topic_path(section.topic)) for section in arranged.sections],
        summary=words().summary(arranged.counts, len(arranged.sections)),
        remarks=sentences(arranged.remarks, topics),
        days=[listed.date for listed in shelf.listed(first, last)] if first != last else [],
        cut=len(told) == MOST,
        earlier=earlier,
        later=later,
    )


def _lines(days: Days, first: date, last: date) -> Sequence[Line]:
    """Every date of a span, newest first."""
    found = {listed.date: listed for listed in published().listed(first, last)}
    fetched = {record.date: record for record in looking().storage.harvests.by_date(_ALL_DATES)}
    return [
        Line(day, found.get(day), None if day in found else days.why_none(day, fetched.get(day)))
        for day in (last - number * _DAY for number in range((last - first).days + 1))
    ]


def _date(text: str) -> date:
    return read_date(text) or abort(404, say(_("That is no date: one is written as in 2026-01-31.")))

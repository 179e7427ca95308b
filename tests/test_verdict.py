"""Why nothing came: every state, around the moments when arXiv's batches become visible, with its reason in words."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model import Account, Harvest, HarvestState, Sight
from newsletter.sources.calendar import Calendar, visible
from newsletter.sources.verdict import Interface, Seen, Verdict, judge

NEW_YORK = ZoneInfo("America/New_York")
ARXIV = Calendar()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STATE = HarvestState


def utc(month: int, day: int, hour: int = 7, minute: int = 0, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


def sight(name: str, entries: int = 9, batch: str = "one", newest: datetime | None = None) -> Sight:
    return Sight(name, entries, f"{batch} {name}", newest)


def came(
    *sights: Sight, source: str = "api", news: int = 0, failures: Sequence[int] = (), answered: int = 1
) -> Harvest:
    accounts = [Account(source, news=news)] * answered + [Account(source, error="HTTP 503")] * bool(failures)
    return Harvest(tuple(accounts), sights, failures=dict.fromkeys(failures, "HTTP 503"))


def judged(
    harvest: Harvest,
    now: datetime,
    last: datetime | None = None,
    *,
    interface: Interface = "api",
    before: Sequence[Seen] = (),
    calendar: Calendar = ARXIV,
    asked: int = 2,
) -> Verdict:
    seen = {one.sight.name: one for one in before}
    return judge(harvest, asked, interface=interface, calendar=calendar, last=last, before=seen, now=now)


# ---------------------------------------------------------------- failures come first


@pytest.mark.parametrize("interface", ["api", "feed"])
def test_nothing_that_failed_is_quiet(interface: Interface) -> None:
    saturday = utc(1, 10)
    every, some = came(failures=[1, 2], answered=0), came(failures=[2], news=5)
    assert judged(every, saturday, utc(1, 9), interface=interface).state is STATE.FAILED
    assert judged(some, saturday, utc(1, 9), interface=interface).state is STATE.PARTIAL


def test_where_a_part_of_what_all_draw_on_failed_the_rest_is_usable() -> None:
    """One feed of forty did not come: every topic may lack something, and none has nothing."""
    feeds = came(sight("cs.LG"), source="feed", failures=[1, 2], answered=39)
    assert judged(feeds, utc(1, 9), interface="feed").state is STATE.PARTIAL


def test_without_topics_nothing_is_due() -> None:
    assert judged(Harvest(), utc(1, 8), utc(1, 7), asked=0) == Verdict(STATE.NO_MATCH, "no topic is fetched")


# ---------------------------------------------------------------- the query API

# In January 20:00 in New York is 01:00 UTC; a batch is to be in the search an hour later.
THURSDAY, FRIDAY, SATURDAY, SUNDAY, MONDAY = (utc(1, day) for day in (8, 9, 10, 11, 12))
INDEX = {"Wednesday's": utc(1, 7, 18), "Thursday's": utc(1, 8, 18, 59)}


@pytest.mark.parametrize(
    ("now", "last", "newest", "expected"),
    [
        (
            FRIDAY,
            THURSDAY,
            INDEX["Thursday's"],
            Verdict(STATE.NO_MATCH, "arXiv has announced, and nothing of it matches"),
        ),
        (
            FRIDAY,
            THURSDAY,
            INDEX["Wednesday's"],
            Verdict(
                STATE.SAME,
                "arXiv still shows the batch before: its newest paper was submitted Wednesday 2026-01-07 18:00 UTC;"
                " by its calendar it announced Friday 2026-01-09 01:00 UTC",
                due=True,
            ),
        ),
        (
            FRIDAY,
            THURSDAY,
            None,
            Verdict(
                STATE.SAME,
                "nothing is new, and arXiv does not show how far its search is; by its calendar it announced"
                " Friday 2026-01-09 01:00 UTC",
                due=True,
            ),
        ),
        (
            FRIDAY + HOUR,
            FRIDAY,
            INDEX["Thursday's"],
            Verdict(STATE.SAME, "the same batch as before; the next is due Monday 2026-01-12 02:00 UTC"),
        ),
        (
            FRIDAY.replace(hour=1, minute=59),  # announced, and not yet to be expected
            THURSDAY,
            INDEX["Wednesday's"],
            Verdict(STATE.SAME, "the same batch as before; the next is due Friday 2026-01-09 02:00 UTC"),
        ),
        (
            SATURDAY,
            FRIDAY,
            INDEX["Thursday's"],
            Verdict(
                STATE.QUIET,
                "arXiv announces nothing on Friday and Saturday evenings; the next batch comes Sunday 20:00 in New York"
                " (Monday 01:00 UTC)",
            ),
        ),
        (SUNDAY, FRIDAY, None, Verdict(STATE.QUIET, Calendar().silence(FRIDAY, SUNDAY).words())),  # type: ignore[union-attr]
        (
            SATURDAY,  # nothing was fetched on Friday: there was a batch
            THURSDAY,
            INDEX["Thursday's"],
            Verdict(STATE.NO_MATCH, "arXiv has announced, and nothing of it matches"),
        ),
    ],
)
def test_the_search(now: datetime, last: datetime, newest: datetime | None, expected: Verdict) -> None:
    shown = [sight("", newest=newest)] if newest else []
    assert judged(came(*shown), now, last) == expected
    assert judged(came(*shown, news=1), now, last) == Verdict(STATE.FRESH, "")


def test_the_first_fetch_of_all() -> None:
    assert judged(came(sight("", newest=INDEX["Thursday's"])), FRIDAY).state is STATE.NO_MATCH
    assert judged(came(), FRIDAY).due


def test_thanksgiving_and_an_evening_arxiv_left_out() -> None:
    friday, wednesday = utc(11, 27), utc(11, 26)
    verdict = judged(came(), friday, wednesday)
    assert verdict.state is STATE.QUIET
    assert verdict.why.startswith("arXiv's holiday of Thursday 26 November; the next batch comes Sunday 20:00")
    deferred = Calendar(frozenset([date(2026, 3, 17)]))
    assert judged(came(), utc(3, 18), utc(3, 17), calendar=deferred).state is STATE.QUIET
    assert judged(came(), utc(3, 18), utc(3, 17)).due


@pytest.mark.parametrize("before_change", [True, False])
def test_summer_time(before_change: bool) -> None:
    """From 8 March 2026 on 20:00 in New York is 00:00 UTC, and 21:00 is 01:00."""
    last, evening = (utc(3, 5), utc(3, 6, 1)) if before_change else (utc(3, 9), utc(3, 10, 0))
    assert not judged(came(), evening + 59 * HOUR / 60, last).due
    assert judged(came(), evening + HOUR, last).due


def test_who_stepped_in_lists_all_that_was_announced() -> None:
    listed = came(source="oai")
    assert judged(listed, FRIDAY, THURSDAY) == Verdict(STATE.NO_MATCH, "nothing that arXiv has announced since matches")
    # OAI-PMH is brought up to date at 22:30 in New York, later than the search.
    assert judged(listed, utc(1, 9, 4), THURSDAY).due
    assert not judged(listed, utc(1, 9, 5), THURSDAY).due


# ---------------------------------------------------------------- feeds

# They are made anew at midnight in New York, 05:00 UTC in January.
YESTERDAY = [Seen(sight("cs.CV"), THURSDAY), Seen(sight("cs.LG"), THURSDAY)]


def feeds(*batches: str, news: int = 0) -> Harvest:
    shown = [sight(name, 9 if batch else 0, batch) for name, batch in zip(("cs.CV", "cs.LG"), batches, strict=True)]
    return came(*shown, source="feed", news=news)


EXPECTED = "by its calendar it announced Friday 2026-01-09 01:00 UTC"


@pytest.mark.parametrize(
    ("harvest", "expected"),
    [
        (feeds("two", "two", news=3), Verdict(STATE.FRESH, "")),
        (feeds("two", "two"), Verdict(STATE.NO_MATCH, "arXiv has announced, and nothing of it matches")),
        (
            feeds("one", "two"),
            Verdict(STATE.STALE, f"arXiv still shows the batch before for cs.CV; {EXPECTED}", due=True),
        ),
        (
            feeds("one", "two", news=3),
            Verdict(STATE.STALE, f"arXiv still shows the batch before for cs.CV; {EXPECTED}", due=True),
        ),
        (feeds("one", "one"), Verdict(STATE.SAME, f"arXiv still shows the batch before; {EXPECTED}", due=True)),
        # What is new came from elsewhere; the batch has not, and would be gone tomorrow.
        (
            feeds("one", "one", news=3),
            Verdict(STATE.STALE, f"arXiv still shows the batch before; {EXPECTED}", due=True),
        ),
        (feeds("", ""), Verdict(STATE.QUIET, f"arXiv's feeds are empty; {EXPECTED}", due=True)),
        (feeds("", "two"), Verdict(STATE.NO_MATCH, "arXiv has announced, and nothing of it matches")),
    ],
)
def test_feeds(harvest: Harvest, expected: Verdict) -> None:
    assert judged(harvest, FRIDAY, THURSDAY, interface="feed", before=YESTERDAY) == expected


def test_a_feed_is_stale_from_its_hour_on() -> None:
    same = feeds("one", "one")
    shown = [Seen(sight(name), utc(1, 8, 8)) for name in ("cs.CV", "cs.LG")]
    before = judged(same, utc(1, 9, 5, 9), THURSDAY, interface="feed", before=shown)
    assert before == Verdict(STATE.SAME, "the same batch as before; the next is due Friday 2026-01-09 05:10 UTC")
    assert judged(same, utc(1, 9, 5, 10), THURSDAY, interface="feed", before=shown).due


def test_a_feed_seen_again_on_its_day_is_not_stale() -> None:
    shown = [Seen(sight("cs.CV", batch="two"), FRIDAY), Seen(sight("cs.LG", batch="two"), FRIDAY)]
    verdict = judged(feeds("two", "two"), FRIDAY + HOUR, FRIDAY, interface="feed", before=shown)
    assert verdict == Verdict(STATE.SAME, "the same batch as before; the next is due Monday 2026-01-12 05:10 UTC")


def test_empty_feeds_of_a_weekend() -> None:
    verdict = judged(feeds("", ""), SATURDAY, FRIDAY, interface="feed", before=YESTERDAY)
    assert (verdict.state, verdict.due) == (STATE.QUIET, False)
    first = judged(feeds("", ""), SATURDAY, None, interface="feed")
    assert first == verdict


def test_days_that_were_missed_and_brought_by_another() -> None:
    missed = Harvest((Account("feed"), Account("oai")), feeds("", "").sights)
    verdict = judged(missed, SATURDAY, THURSDAY, interface="feed", before=YESTERDAY)
    assert verdict == Verdict(STATE.NO_MATCH, "nothing that arXiv has announced since matches")


# ---------------------------------------------------------------- always

MOMENTS = st.datetimes(datetime(2025, 12, 1), datetime(2027, 1, 31), timezones=st.just(UTC))
CALENDARS = st.builds(Calendar, st.frozensets(st.dates(date(2025, 12, 1), date(2027, 2, 1)), max_size=20))
SIGHTS = st.builds(
    Sight, st.sampled_from(["", "cs.CV", "cs.LG"]), st.integers(0, 3), st.sampled_from("abc"), st.none() | MOMENTS
)
ACCOUNTS = st.builds(
    Account,
    st.sampled_from(["api", "feed", "oai"]),
    news=st.integers(0, 2),
    error=st.sampled_from(["", "", "HTTP 500"]),
)
HARVESTS = st.builds(
    Harvest,
    st.lists(ACCOUNTS, max_size=3).map(tuple),
    st.lists(SIGHTS, max_size=3, unique_by=lambda one: one.name).map(tuple),
    st.just(()),
    st.dictionaries(st.integers(1, 2), st.just("HTTP 500"), max_size=2),
)


@given(
    HARVESTS,
    st.sampled_from(["api", "feed"]),
    CALENDARS,
    st.none() | MOMENTS,
    st.dictionaries(st.sampled_from(["", "cs.CV", "cs.LG"]), st.builds(Seen, SIGHTS, MOMENTS)),
    MOMENTS,
    st.integers(0, 3 * 24 * 60),
)
def test_what_holds_for_every_verdict(
    harvest: Harvest,
    interface: Literal["api", "feed"],
    calendar: Calendar,
    last: datetime | None,
    before: dict[str, Seen],
    now: datetime,
    near: int,
) -> None:
    if last is not None:
        last = now - timedelta(minutes=near)  # most often the last fetch is not long ago
    verdict = judge(harvest, 2, interface=interface, calendar=calendar, last=last, before=before, now=now)
    shown = [
        moment
        for batch in calendar.between(now - 40 * DAY, now)
        if (moment := visible(batch, interface)) <= now and (last is None or moment > last)
    ]
    news = any(account.news for account in harvest.accounts)
    if harvest.failures:
        assert verdict.state in (STATE.PARTIAL, STATE.FAILED)
        return
    assert verdict.state not in (STATE.PARTIAL, STATE.FAILED)
    assert bool(verdict.why) == (verdict.state is not STATE.FRESH)
    if news:
        assert verdict.state in (STATE.FRESH, STATE.STALE)
    if last is not None and shown and verdict.state is STATE.QUIET:
        assert verdict.due  # a batch was visible, so it is not as it should be
    if verdict.due and verdict.state is not STATE.STALE:
        assert shown or interface == "feed"
    if not shown and interface == "api":
        assert not verdict.due
        assert verdict.state in (STATE.FRESH, STATE.SAME, STATE.QUIET)
    if verdict.state is STATE.SAME and not verdict.due:
        assert not shown

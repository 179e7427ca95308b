"""arXiv's evenings: what is announced when, why nothing is, and when it can be seen."""

from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
from house import SHARED
from hypothesis import given
from hypothesis import strategies as st

from newsletter.config import load
from newsletter.errors import ConfigError
from newsletter.sources.calendar import MAX_BATCHES, Batch, Calendar, Quiet, known_holidays, visible

NEW_YORK = ZoneInfo("America/New_York")
ARXIV = Calendar()
EMPTY_FEED = SHARED / "data/arxiv/rss/empty_physics_2025-12-31.rss.xml"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)

MOMENTS = st.datetimes(datetime(1991, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC))
NEAR = st.datetimes(datetime(2024, 12, 1), datetime(2027, 2, 1), timezones=st.just(UTC))
CALENDARS = st.builds(Calendar, st.frozensets(st.dates(date(2024, 12, 1), date(2027, 2, 1)), max_size=40))


def ny(month: int, day: int, hour: int = 20, minute: int = 0, year: int = 2026) -> datetime:
    """A moment by the clocks of New York."""
    return datetime(year, month, day, hour, minute, tzinfo=NEW_YORK).astimezone(UTC)


def clock(moment: datetime) -> str:
    return f"{moment.astimezone(NEW_YORK):%a %d %b %H:%M}"


def evenings(after: datetime, upto: datetime, calendar: Calendar = ARXIV) -> list[str]:
    return [f"{batch.evening:%a %d}" for batch in calendar.between(after, upto)]


# ---------------------------------------------------------------- batches


@pytest.mark.parametrize(
    ("evening", "opens", "closes", "utc"),
    [
        (date(2026, 1, 13), "Mon 12 Jan 14:00", "Tue 13 Jan 14:00", "Wed 01:00"),
        (date(2026, 1, 14), "Tue 13 Jan 14:00", "Wed 14 Jan 14:00", "Thu 01:00"),
        (date(2026, 1, 15), "Wed 14 Jan 14:00", "Thu 15 Jan 14:00", "Fri 01:00"),
        (date(2026, 1, 18), "Thu 15 Jan 14:00", "Fri 16 Jan 14:00", "Mon 01:00"),
        (date(2026, 7, 13), "Fri 10 Jul 14:00", "Mon 13 Jul 14:00", "Tue 00:00"),
        # holidays
        (date(2026, 1, 20), "Fri 16 Jan 14:00", "Tue 20 Jan 14:00", "Wed 01:00"),  # a Monday
        (date(2025, 7, 7), "Thu 03 Jul 14:00", "Mon 07 Jul 14:00", "Tue 00:00"),  # a Sunday
        (date(2026, 11, 29), "Wed 25 Nov 14:00", "Fri 27 Nov 14:00", "Mon 01:00"),  # Thanksgiving
        (date(2026, 12, 27), "Thu 24 Dec 14:00", "Fri 25 Dec 14:00", "Mon 01:00"),  # Christmas, on a Friday
        (date(2026, 12, 30), "Mon 28 Dec 14:00", "Wed 30 Dec 14:00", "Thu 01:00"),  # Tuesday 29 December
        (date(2027, 1, 3), "Wed 30 Dec 14:00", "Fri 01 Jan 14:00", "Mon 01:00"),  # Thursday 31 December
        (date(2025, 12, 31), "Mon 29 Dec 14:00", "Wed 31 Dec 14:00", "Thu 01:00"),  # Tuesday 30 December
        # the clocks of New York change
        (date(2026, 3, 8), "Thu 05 Mar 14:00", "Fri 06 Mar 14:00", "Mon 00:00"),
        (date(2026, 3, 5), "Wed 04 Mar 14:00", "Thu 05 Mar 14:00", "Fri 01:00"),
        (date(2026, 11, 1), "Thu 29 Oct 14:00", "Fri 30 Oct 14:00", "Mon 01:00"),
        (date(2026, 10, 29), "Wed 28 Oct 14:00", "Thu 29 Oct 14:00", "Fri 00:00"),
    ],
)
def test_what_an_evening_announces(evening: date, opens: str, closes: str, utc: str) -> None:
    announced = ny(evening.month, evening.day, year=evening.year)
    batch = ARXIV.latest(announced)
    assert (batch.evening, batch.announced) == (evening, announced)
    assert (clock(batch.opens), clock(batch.closes)) == (opens, closes)
    assert f"{batch.announced:%a %H:%M}" == utc
    assert batch.announced.tzinfo is batch.opens.tzinfo is batch.closes.tzinfo is UTC


@pytest.mark.parametrize(
    "day",
    [
        (2025, 1, 1), (2025, 1, 20), (2025, 6, 19), (2025, 7, 6), (2025, 9, 1), (2025, 11, 27), (2025, 12, 25),
        (2025, 12, 30), (2026, 1, 1), (2026, 1, 19), (2026, 9, 7), (2026, 11, 26), (2026, 12, 29), (2026, 12, 31),
        (2027, 1, 18), (2027, 9, 6), (2027, 11, 25), (2023, 1, 16), (2023, 6, 19), (2023, 9, 4), (2023, 11, 23),
        (2023, 12, 25), (2028, 1, 17), (2028, 6, 19), (2028, 9, 4), (2028, 11, 23), (2028, 12, 25),
    ],
)  # fmt: skip
def test_on_holidays_nothing_is_announced(day: tuple[int, int, int]) -> None:
    evening = date(*day)
    begins = datetime(*day, tzinfo=NEW_YORK).astimezone(UTC)
    assert not ARXIV.announces(evening)
    assert ARXIV.between(begins, begins + DAY) == []
    silence = ARXIV.silence(begins, begins + DAY)
    assert silence is not None
    assert (silence.kind, silence.evenings) == (Quiet.HOLIDAY, (evening,))


def test_the_feed_of_a_holidays_morrow_was_empty() -> None:
    if not EMPTY_FEED.exists():
        pytest.skip(f"recorded answers of arXiv are not there: {EMPTY_FEED}")
    channel = ElementTree.parse(EMPTY_FEED).getroot().find("channel")  # noqa: S314 - a file of ours
    assert channel is not None
    assert channel.find("item") is None
    made = parsedate_to_datetime(channel.findtext("pubDate", ""))
    assert made == ny(12, 31, 0, year=2025)
    silence = ARXIV.silence(made - DAY, made)
    assert silence is not None
    assert (silence.kind, silence.evenings) == (Quiet.HOLIDAY, (date(2025, 12, 30),))


@given(MOMENTS)
def test_now_lies_between_two_announcements(now: datetime) -> None:
    latest, following = ARXIV.latest(now), ARXIV.next(now)
    assert latest.announced <= now < following.announced
    assert latest.closes == following.opens
    for batch in (latest, following):
        assert clock(batch.announced).endswith("20:00")
        assert batch.announced.astimezone(NEW_YORK).date() == batch.evening
        assert f"{batch.evening:%a}" not in ("Fri", "Sat")
        assert batch.evening not in known_holidays(batch.evening.year)


@given(CALENDARS, NEAR, st.timedeltas(timedelta(), timedelta(days=90)))
def test_windows_follow_upon_one_another_without_gap_or_overlap(
    calendar: Calendar, now: datetime, ahead: timedelta
) -> None:
    batches = calendar.between(now, now + ahead)
    assert all(one.closes == other.opens and one.announced < other.announced for one, other in pairwise(batches))
    assert all(one.opens < one.closes < one.announced for one in batches)
    assert all(clock(moment).endswith("14:00") for one in batches for moment in (one.opens, one.closes))
    assert not any(clock(moment)[:3] in ("Sat", "Sun") for one in batches for moment in (one.opens, one.closes))


@given(CALENDARS, NEAR, st.timedeltas(timedelta(), timedelta(days=90)))
def test_every_evening_is_announced_or_has_its_reason(calendar: Calendar, now: datetime, ahead: timedelta) -> None:
    announced = {batch.evening for batch in calendar.between(now, now + ahead)}
    begins = now.astimezone(NEW_YORK).date()
    for number in range(ahead.days + 3):
        evening = begins + number * DAY
        if now < ny(evening.month, evening.day, year=evening.year) <= now + ahead:
            weekend = f"{evening:%a}" in ("Fri", "Sat")
            holiday = evening in calendar.holidays or evening in known_holidays(evening.year)
            assert (evening in announced) is not (weekend or holiday)


def test_batches_between_two_moments() -> None:
    assert evenings(ny(1, 13), ny(1, 20)) == ["Wed 14", "Thu 15", "Sun 18", "Tue 20"]
    assert evenings(ny(1, 13, 19, 59), ny(1, 14, 19, 59)) == ["Tue 13"]
    assert evenings(ny(1, 14), ny(1, 13)) == []
    assert evenings(ny(1, 13), ny(1, 14), Calendar(frozenset({date(2026, 1, 14)}))) == []


def test_of_many_batches_the_newest_are_listed() -> None:
    batches = ARXIV.between(datetime.min.replace(tzinfo=UTC), ny(1, 13))
    assert len(batches) == MAX_BATCHES
    assert batches[-1] == ARXIV.latest(ny(1, 13))
    assert ny(1, 13) - batches[0].announced > 365 * DAY


# ---------------------------------------------------------------- silence


@pytest.mark.parametrize(
    ("after", "upto", "kind", "words"),
    [
        (
            ny(11, 19, 21), ny(11, 22, 7), Quiet.WEEKEND,
            "arXiv announces nothing on Friday and Saturday evenings; "
            "the next batch comes Sunday 20:00 in New York (Monday 01:00 UTC)",
        ),
        (
            ny(11, 25, 21), ny(11, 27, 7), Quiet.HOLIDAY,
            "arXiv's holiday of Thursday 26 November; "
            "the next batch comes Sunday 20:00 in New York (Monday 01:00 UTC)",
        ),
        (
            ny(11, 25, 21), ny(11, 29, 7), Quiet.HOLIDAY,
            "arXiv's holiday of Thursday 26 November; arXiv announces nothing on Friday and Saturday evenings; "
            "the next batch comes Sunday 20:00 in New York (Monday 01:00 UTC)",
        ),
        (
            ny(6, 2, 21), ny(6, 3, 19), Quiet.EARLY,
            "no announcement was due yet; the next batch comes Wednesday 20:00 in New York (Thursday 00:00 UTC)",
        ),
        (
            ny(6, 3, 19), ny(6, 3, 18), Quiet.EARLY,
            "no announcement was due yet; the next batch comes Wednesday 20:00 in New York (Thursday 00:00 UTC)",
        ),
    ],
)  # fmt: skip
def test_why_there_is_nothing(after: datetime, upto: datetime, kind: Quiet, words: str) -> None:
    silence = ARXIV.silence(after, upto)
    assert silence is not None
    assert silence.kind is kind
    assert silence.next == ARXIV.next(upto)
    assert silence.words() == words


def test_a_silence_begins_after_one_moment_and_holds_the_other() -> None:
    friday, saturday = ny(11, 20), ny(11, 21)
    silence = ARXIV.silence(friday, saturday)
    assert silence is not None
    assert silence.evenings == (date(2026, 11, 21),)
    thursday = ny(11, 19)
    assert ARXIV.silence(thursday, thursday + HOUR) is not None
    assert ARXIV.silence(thursday - HOUR, thursday) is None


def test_holidays_ad_hoc() -> None:
    calendar = Calendar(frozenset({date(2026, 12, day) for day in range(20, 29)}))
    silence = calendar.silence(ny(12, 20, 12), ny(12, 21, 22))
    assert silence is not None
    assert silence.evenings == (date(2026, 12, 20), date(2026, 12, 21))
    assert silence.words() == (
        "arXiv's holiday of Sunday 20 December and Monday 21 December; "
        "the next batch comes Wednesday 30 December 20:00 in New York (Thursday 01:00 UTC)"
    )


@given(CALENDARS, NEAR, st.timedeltas(timedelta(), timedelta(days=6)))
def test_there_is_a_reason_exactly_when_there_is_no_batch(calendar: Calendar, now: datetime, ahead: timedelta) -> None:
    silence = calendar.silence(now, now + ahead)
    assert (silence is None) == bool(calendar.between(now, now + ahead))
    if silence is not None:
        assert not any(calendar.announces(evening) for evening in silence.evenings)
        assert all(now < ny(one.month, one.day, year=one.year) <= now + ahead for one in silence.evenings)
        assert (silence.kind is Quiet.EARLY) == (not silence.evenings)
        assert silence.words().endswith("UTC)")


# ---------------------------------------------------------------- configuration


def configured(folder: Path, holidays: str) -> tuple[date, ...]:
    file = folder / "config.toml"
    file.write_text(f"[newsletter]\nsender = 'papers@example.org'\n[arxiv]\nholidays = {holidays}\n")
    return load(file).arxiv.holidays


def test_holidays_are_configured_as_dates_or_text(tmp_path: Path) -> None:
    assert configured(tmp_path, "['2026-12-24', 2027-01-04]") == (date(2026, 12, 24), date(2027, 1, 4))
    assert configured(tmp_path, "[]") == ()


@pytest.mark.parametrize(
    "one", ["'2026-02-30'", "'20261224'", "'24 December'", "2026-12-24T20:00:00", "20261224", "[]"]
)
def test_what_is_no_date_is_refused(tmp_path: Path, one: str) -> None:
    with pytest.raises(ConfigError, match=r"arxiv\.holidays\[2\]: .* is not a date \(allowed: such as 2026-12-24\)"):
        configured(tmp_path, f"[2026-12-24, {one}]")


# ---------------------------------------------------------------- interfaces


@pytest.mark.parametrize(
    ("evening", "interface", "from_on"),
    [
        ((1, 13), "api", "Tue 13 Jan 21:00"),
        ((1, 13), "feed", "Wed 14 Jan 00:10"),
        ((1, 13), "oai", "Tue 13 Jan 23:30"),
        ((1, 18), "feed", "Mon 19 Jan 00:10"),
        ((3, 8), "feed", "Mon 09 Mar 00:10"),  # the day the clocks were put on
        ((11, 1), "oai", "Sun 01 Nov 23:30"),
    ],
)
def test_when_an_interface_shows_it(
    evening: tuple[int, int], interface: Literal["api", "feed", "oai"], from_on: str
) -> None:
    assert clock(visible(ARXIV.latest(ny(*evening)), interface)) == from_on


@given(NEAR)
def test_it_shows_after_its_announcement_and_before_the_next(now: datetime) -> None:
    batch: Batch = ARXIV.latest(now)
    shown = [visible(batch, "api"), visible(batch, "oai"), visible(batch, "feed")]
    assert batch.announced < shown[0] < shown[1] < shown[2] < ARXIV.next(now).announced
    assert shown[2] - batch.announced < 5 * HOUR

"""When an edition is due: hours in zones with summer time, tries, downtime, clocks that are set."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model import Attempt
from newsletter.timetable import LONGEST_PAUSE, Hours, next_turn, pause

BERLIN = ZoneInfo("Europe/Berlin")
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)  # 02:00 becomes 03:00; 03:00 becomes 02:00
DAY = date(2026, 1, 6)
HOURS = Hours(ZoneInfo("UTC"), time(7), time(20))


def at(hour: int, minute: int = 0, day: date = DAY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


def tried(number: int = 1, *, again: datetime | None = None, ended: bool = True, day: date = DAY) -> Attempt:
    return Attempt(day, number, at(7, day=day), at(7, 1, day=day) if ended else None, again, "nothing new")


# ---------------------------------------------------------------- hours


@pytest.mark.parametrize(
    ("day", "opens", "utc"),
    [
        (SPRING, time(1, 59), "00:59"),
        (SPRING, time(2, 0), "01:00"),  # does not exist: 03:00 summer time
        (SPRING, time(2, 30), "01:30"),  # does not exist: 03:30 summer time
        (SPRING, time(3, 0), "01:00"),
        (SPRING, time(7, 0), "05:00"),
        (AUTUMN, time(1, 59), "23:59"),
        (AUTUMN, time(2, 30), "00:30"),  # the first of two
        (AUTUMN, time(3, 0), "02:00"),
        (AUTUMN, time(7, 0), "06:00"),
    ],
)
def test_hours_in_the_nights_of_the_change(day: date, opens: time, utc: str) -> None:
    assert f"{Hours(BERLIN, opens, time(23)).of(day)[0]:%H:%M}" == utc


def test_hours_that_the_change_would_swallow_keep_their_length() -> None:
    opens, closes = Hours(BERLIN, time(2, 30), time(3, 10)).of(SPRING)
    assert closes - opens == timedelta(minutes=40)


@given(
    st.sampled_from(sorted(available_timezones())),
    st.dates(date(1995, 1, 1), date(2036, 12, 31)),
    st.lists(st.times(), min_size=2, max_size=2, unique=True),
)
def test_hours_never_end_before_they_begin(zone: str, day: date, times: list[time]) -> None:
    opens, closes = (clock.replace(second=0, microsecond=0, tzinfo=None) for clock in sorted(times))
    begins, ends = Hours(ZoneInfo(zone), opens, closes).of(day)
    assert ends - begins >= datetime.combine(day, closes) - datetime.combine(day, opens)


# ---------------------------------------------------------------- turns


def test_before_its_hours_a_date_waits() -> None:
    turn = next_turn(HOURS, at(6), DAY - timedelta(days=1), None)
    assert (turn.day, turn.at) == (DAY, at(7))


@pytest.mark.parametrize("now", [at(7), at(15), at(19, 59)])
def test_in_its_hours_a_date_is_due_however_late_we_come(now: datetime) -> None:
    turn = next_turn(HOURS, now, DAY - timedelta(days=3), None)
    assert turn.day == DAY
    assert turn.at <= now


@pytest.mark.parametrize("last", [None, tried(5, again=at(20, 5)), tried(5, ended=False)])
def test_after_its_hours_the_next_date_has_its_turn(last: Attempt | None) -> None:
    turn = next_turn(HOURS, at(20), DAY - timedelta(days=1), last)
    assert (turn.day, turn.at) == (DAY + timedelta(days=1), at(7, day=DAY + timedelta(days=1)))


def test_without_an_edition_it_is_tried_again_after_the_pause() -> None:
    turn = next_turn(HOURS, at(7, 5), DAY - timedelta(days=1), tried(again=at(7, 10)))
    assert (turn.day, turn.at) == (DAY, at(7, 10))
    assert "nothing new" in turn.why


def test_what_was_left_of_an_edition_is_tried_again() -> None:
    assert next_turn(HOURS, at(8), DAY, tried(again=at(7, 10))).at == at(7, 10)


@pytest.mark.parametrize("newest", [None, DAY])
def test_what_was_interrupted_goes_on_at_once(newest: date | None) -> None:
    turn = next_turn(HOURS, at(7, 1), newest, tried(ended=False))
    assert turn.day == DAY
    assert turn.at <= at(7, 1)


def test_what_is_interrupted_again_and_again_does_not_spin() -> None:
    begun = Attempt(DAY, 4, at(7, 30))
    assert next_turn(HOURS, at(7, 31), None, begun).at == at(8, 30)


@pytest.mark.parametrize("last", [Attempt(DAY, 1, at(5), at(5, 1), at(5, 10), "so"), Attempt(DAY, 1, at(5))])
def test_a_try_by_hand_before_its_hours_does_not_begin_them(last: Attempt) -> None:
    assert next_turn(HOURS, at(5, 20), None, last).at == at(7)


def test_after_the_clock_was_set_back_no_pause_is_longer_than_it_was() -> None:
    assert next_turn(HOURS, at(9), None, Attempt(DAY, 5, at(18), at(18, 1), at(19), "so")).at <= at(9)
    assert next_turn(HOURS, at(9), None, Attempt(DAY, 1, at(18))).at <= at(9)


def test_an_edition_that_was_interrupted_is_finished_even_after_its_hours() -> None:
    assert next_turn(HOURS, at(22), DAY, tried(ended=False)).day == DAY


@pytest.mark.parametrize("last", [None, tried(), tried(3)])
def test_a_date_that_has_its_edition_is_done(last: Attempt | None) -> None:
    assert next_turn(HOURS, at(8), DAY, last).day == DAY + timedelta(days=1)


def test_the_hour_that_is_repeated_brings_no_second_edition() -> None:
    hours = Hours(BERLIN, time(2, 30), time(20))
    again = datetime(2026, 10, 25, 1, 30, tzinfo=UTC)  # the second 02:30
    assert next_turn(hours, again, AUTUMN, tried(day=AUTUMN)).day == AUTUMN + timedelta(days=1)


@pytest.mark.parametrize("last", [None, tried(), tried(ended=False), tried(again=at(7, 10))])
def test_a_clock_set_back_over_midnight_waits_for_the_date_after_the_newest_edition(last: Attempt | None) -> None:
    turn = next_turn(HOURS, at(23, 30), DAY + timedelta(days=1), last)
    assert turn.day == DAY + timedelta(days=2)


def test_pauses_grow_up_to_an_hour() -> None:
    minutes = [pause(number, 0.5) / timedelta(minutes=1) for number in range(1, 7)]
    assert minutes == [10, 20, 40, 60, 60, 60]
    assert pause(100, 0.999) <= LONGEST_PAUSE * 1.1


@given(
    st.sampled_from(
        ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata"]
    ),
    st.sampled_from([SPRING, AUTUMN, DAY, date(2026, 11, 1), date(2026, 3, 8)]),
    st.sampled_from([(time(0), time(23, 59)), (time(2, 30), time(3, 10)), (time(1, 30), time(20)), (time(7), time(9))]),
    st.data(),
)
def test_any_week_tries_each_date_in_its_hours_and_ends_with_one_edition_at_most(
    zone: str, first: date, clocks: tuple[time, time], data: st.DataObject
) -> None:
    """A daemon that looks now and then (downtime), tries that fail, succeed or are killed."""
    hours = Hours(ZoneInfo(zone), *clocks)
    now = datetime(first.year, first.month, first.day, tzinfo=UTC) - timedelta(days=2)
    attempts: dict[date, Attempt] = {}
    editions: list[date] = []
    end = now + timedelta(days=5)
    while now < end:
        newest = editions[-1] if editions else None
        if data.draw(st.integers(0, 9)) == 9:  # somebody tries by hand, at any hour
            today = hours.today(now)
            attempts[today] = Attempt(today, 1, now, now, now + pause(1, 0.5), "so")
        turn = next_turn(hours, now, newest, attempts.get(hours.today(now)))
        opens, closes = hours.of(turn.day)
        if turn.at > now:
            assert turn.at >= opens
            now = max(turn.at, now + timedelta(minutes=1)) + data.draw(
                st.sampled_from([timedelta(), timedelta(), timedelta(hours=5), timedelta(hours=30)])
            )
            continue
        assert turn.day == hours.today(now)
        assert opens <= now
        assert now < closes or turn.day in editions
        last = attempts.get(turn.day)
        number = last.number + 1 if last else 1
        outcome = data.draw(st.sampled_from(["edition", "nothing", "killed", "half"]))
        if outcome in ("edition", "half") and turn.day not in editions:
            assert newest is None or turn.day > newest
            editions.append(turn.day)
        ended = None if outcome == "killed" else now
        again = (
            None
            if outcome == "edition" or (outcome == "nothing" and turn.day in editions)
            else now + pause(number, 0.5)
        )
        attempts[turn.day] = Attempt(turn.day, number, now, ended, again if ended else None, "so")
        now += timedelta(minutes=1)
    assert len(editions) == len(set(editions))

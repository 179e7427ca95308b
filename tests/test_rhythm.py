"""When a reader's digests come: at their own hour, on their own day, in their own zone."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from announcing import a_paper_each, batches, library, morning, newsletter
from house import START, Time, bring, day, make_app, make_paper
from hypothesis import given
from hypothesis import strategies as st

from newsletter.app import App
from newsletter.daemon.heartbeat import Heartbeat
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.errors import UsageError
from newsletter.model import Choice, Frequency, Late, Preferences, Rhythm, Status
from newsletter.publish import publish
from newsletter.queueing import queue_by_hour, queue_welcome
from newsletter.sending import deliver
from newsletter.settling import settle
from newsletter.subscriptions import Outcome
from newsletter.timetable import comes_at_once, next_hour

OURS = ZoneInfo("UTC")
BERLIN = "Europe/Berlin"
ANN = "ann@example.org"


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ---------------------------------------------------------------- when an hour comes


@pytest.mark.parametrize(
    ("rhythm", "now", "expected"),
    [
        (Rhythm(hour=7), "2026-01-06 06:59", "2026-01-06 07:00"),
        (Rhythm(hour=7), "2026-01-06 07:00", "2026-01-07 07:00"),
        (Rhythm(hour=0), "2026-12-31 12:00", "2027-01-01 00:00"),
        (Rhythm(hour=7, zone=BERLIN), "2026-01-06 06:30", "2026-01-07 06:00"),
        (Rhythm(hour=7, zone=BERLIN), "2026-07-06 04:00", "2026-07-06 05:00"),  # summer time
        (Rhythm(hour=7, zone="Asia/Tokyo"), "2026-01-06 07:00", "2026-01-06 22:00"),
        (Rhythm(hour=7, zone="America/New_York"), "2026-01-06 07:00", "2026-01-06 12:00"),
        (Rhythm(hour=2, zone=BERLIN), "2026-03-28 12:00", "2026-03-29 01:00"),  # there is no 02:00: it is 03:00
        (Rhythm(hour=2, zone=BERLIN), "2026-10-24 12:00", "2026-10-25 00:00"),  # the first of two
        (Rhythm(hour=2, zone=BERLIN), "2026-10-25 00:00", "2026-10-26 01:00"),  # not the second, too
        (Rhythm(Frequency.WEEKLY, hour=7), "2026-01-06 07:00", "2026-01-12 07:00"),  # the newsletter's Monday
        (Rhythm(Frequency.WEEKLY, weekday=1, hour=7), "2026-01-06 06:00", "2026-01-06 07:00"),
        (Rhythm(Frequency.WEEKLY, weekday=1, hour=7), "2026-01-06 07:00", "2026-01-13 07:00"),
        (Rhythm(Frequency.WEEKLY, weekday=6, hour=23, zone="Pacific/Auckland"), "2026-01-06 07:00", "2026-01-11 10:00"),
    ],
)
def test_an_hour_comes_by_the_readers_clock(rhythm: Rhythm, now: str, expected: str) -> None:
    assert next_hour(rhythm, OURS, 0, moment(now)) == moment(expected)


def test_without_an_hour_none_comes() -> None:
    assert next_hour(Rhythm(zone=BERLIN), OURS, 0, START) is None


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),
    st.integers(0, 23),
    st.sampled_from([BERLIN, "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia", "Australia/Lord_Howe", ""]),
    st.sampled_from([None, *range(7)]),
    st.sampled_from(Frequency),
)
def test_each_day_or_week_has_one_turn(
    now: datetime, hour: int, zone: str, weekday: int | None, frequency: Frequency
) -> None:
    rhythm = Rhythm(frequency, weekday, hour, zone)
    turns, last = [], now.replace(tzinfo=UTC)
    for _ in range(20):
        found = next_hour(rhythm, OURS, 0, last)
        assert found is not None
        assert found > last
        turns.append(found)
        last = found
    local = ZoneInfo(zone) if zone else OURS
    days = [turn.astimezone(local).date() for turn in turns]
    step = timedelta(days=7 if frequency is Frequency.WEEKLY else 1)
    assert days == [days[0] + number * step for number in range(20)]
    if frequency is Frequency.WEEKLY:
        assert {found.weekday() for found in days} == {weekday or 0}


@pytest.mark.parametrize(
    ("rhythm", "at", "goes"),
    [
        (Rhythm(), "07:00", True),
        (Rhythm(zone=BERLIN), "07:00", True),
        (Rhythm(hour=7), "06:59", False),
        (Rhythm(hour=7), "07:00", True),
        (Rhythm(hour=7), "07:59", True),  # within their hour
        (Rhythm(hour=7), "08:00", False),
        (Rhythm(hour=7, late=Late.GO), "08:00", True),
        (Rhythm(hour=7, late=Late.GO), "06:00", False),
        (Rhythm(hour=7, zone="Asia/Tokyo", late=Late.GO), "07:00", True),  # 16:00 there
        (Rhythm(hour=7, zone="Asia/Tokyo"), "07:00", False),
        (Rhythm(hour=8, zone=BERLIN), "07:30", True),
        (Rhythm(Frequency.WEEKLY, hour=7, late=Late.GO), "08:00", False),  # one digest a week
    ],
)
def test_an_edition_goes_at_once_or_waits(rhythm: Rhythm, at: str, goes: bool) -> None:
    assert comes_at_once(rhythm, OURS, moment(f"2026-01-06 {at}")) is goes


# ---------------------------------------------------------------- queueing


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def app(tmp_path: Path, time: Time) -> App:
    return make_app(tmp_path, time=time)


def join(app: App, rhythm: Rhythm, email: str = ANN, *, revised: bool = True) -> None:
    choice = Choice(preferences=Preferences(rhythm, revised=revised))
    app.subscriptions.subscribe(email, choice, confirmed=True, today=app.today(), now=app.now())


def edition(app: App, number: int, at: datetime, time: Time) -> int:
    """Bring out an edition of one paper; how many digests were queued."""
    time.now = at
    bring(app, make_paper(number))
    return settle(app, app.today()).queued


def windows(app: App) -> list[tuple[date | None, date]]:
    """The editions of each digest that was queued, oldest first."""
    return [(one.after, one.upto) for one in app.storage.deliveries.all(None, 100)][::-1]


def test_a_digest_waits_for_its_readers_hour(app: App, time: Time) -> None:
    join(app, Rhythm(hour=7, zone="America/New_York"))
    assert edition(app, 1, START, time) == 0
    time.now = moment("2026-01-06 11:59")
    assert queue_by_hour(app) == 0
    time.now = moment("2026-01-06 12:00")
    assert queue_by_hour(app) == 1
    assert queue_by_hour(app) == 0
    assert windows(app) == [(None, day())]
    deliver(app)
    assert edition(app, 2, START + timedelta(days=1), time) == 0
    time.now = moment("2026-01-07 12:00")
    assert queue_by_hour(app) == 1
    assert windows(app)[-1] == (day(), day(1))


def test_downtime_costs_one_turn_and_no_edition(app: App, time: Time) -> None:
    join(app, Rhythm(hour=9))
    for number in range(3):
        edition(app, number + 1, START + timedelta(days=number), time)
    time.now = START + timedelta(days=2, hours=20)
    assert queue_by_hour(app) == 1
    assert windows(app) == [(None, day(2))]


def test_an_hour_without_an_edition_queues_nothing(app: App, time: Time) -> None:
    join(app, Rhythm(hour=9))
    time.now = START + timedelta(hours=3)
    assert queue_by_hour(app) == 0
    assert edition(app, 1, START + timedelta(hours=4), time) == 0  # at 11: it waits for the next 9
    time.now = START + timedelta(hours=26)
    assert queue_by_hour(app) == 1


def test_a_late_edition_goes_to_who_wants_it_so(app: App, time: Time) -> None:
    join(app, Rhythm(hour=9, late=Late.GO))
    time.now = START + timedelta(hours=3)
    assert queue_by_hour(app) == 0
    assert edition(app, 1, START + timedelta(hours=4), time) == 1
    deliver(app)
    time.now = START + timedelta(days=1, hours=2)
    assert queue_by_hour(app) == 0  # nothing came since


def test_weekly_digests_hold_the_weeks_editions(app: App, time: Time) -> None:
    """START is a Tuesday."""
    join(app, Rhythm(Frequency.WEEKLY, weekday=4, hour=18, zone=BERLIN))
    join(app, Rhythm(Frequency.WEEKLY, weekday=3), "bob@example.org")
    queued = [edition(app, number + 1, START + timedelta(days=number), time) for number in range(4)]
    assert queued == [0, 0, 1, 0]  # Bob's Thursday
    time.now = moment("2026-01-09 17:00")
    assert queue_by_hour(app) == 1
    assert windows(app) == [(None, day(2)), (None, day(3))]


def test_the_heartbeat_serves_readers_after_todays_edition(tmp_path: Path, time: Time) -> None:
    """Their hour is the one at which we publish: it is today's edition they get, not yesterday's."""
    monday = date(2026, 2, 2)
    time.now = morning(monday)
    with ArxivStandIn(library(a_paper_each(batches(monday - timedelta(days=3), monday)), time)) as arxiv:
        app = newsletter(tmp_path, arxiv, time, "api", topics=("Graph Neural Networks",))
        join(app, Rhythm(hour=7))
        time.now = datetime.combine(monday, app.hours.opens, UTC)
        Heartbeat(app, lambda _: True).beat()
        assert [one.upto for one in app.storage.deliveries.all(None, 9)] == [monday]
        app.close()


def test_publishing_by_hand_serves_readers_whose_hour_has_come(app: App, time: Time) -> None:
    join(app, Rhythm(hour=5))
    edition(app, 1, START, time)
    time.now = START + timedelta(days=1)
    publish(app, app.today(), sending=False)
    assert windows(app) == [(None, day())]


def test_a_change_of_zone_counts_from_the_next_hour_on(app: App, time: Time) -> None:
    join(app, Rhythm(hour=7))
    preferences = Preferences(Rhythm(hour=7, zone="Asia/Tokyo"))
    app.subscriptions.change(ANN, preferences=preferences, today=app.today(), now=app.now())
    edition(app, 1, START, time)
    time.now = moment("2026-01-06 22:00")
    assert queue_by_hour(app) == 1


def test_who_does_not_want_revisions_gets_none(app: App, time: Time) -> None:
    join(app, Rhythm(), revised=False)
    join(app, Rhythm(), "bob@example.org")
    edition(app, 1, START, time)
    deliver(app)
    time.now = START + timedelta(days=1)
    bring(app, make_paper(1, version=2))
    assert settle(app, app.today()).queued == 1
    assert {one.email for one in app.storage.deliveries.all(None, 1)} == {"bob@example.org"}
    deliver(app)
    assert edition(app, 2, START + timedelta(days=2), time) == 2


# ---------------------------------------------------------------- pauses and welcomes


def test_a_pause_ends_on_its_date_and_skips_what_passed(app: App, time: Time) -> None:
    join(app, Rhythm(hour=9))
    app.subscriptions.pause(ANN, until=day(2), today=app.today(), now=app.now())
    edition(app, 1, START, time)
    time.now = START + timedelta(days=1, hours=4)
    assert app.subscriptions.resume_rested(today=app.today(), now=app.now()) == 0
    assert queue_by_hour(app) == 0
    time.now = START + timedelta(days=2)
    assert app.subscriptions.resume_rested(today=app.today(), now=app.now()) == 1
    resumed = app.subscriptions.find(ANN)
    assert resumed is not None
    assert (resumed.status, resumed.paused_until) == (Status.CONFIRMED, None)
    assert queue_by_hour(app) == 0
    edition(app, 2, START + timedelta(days=2, hours=1), time)
    time.now = START + timedelta(days=2, hours=2)
    assert queue_by_hour(app) == 1
    assert windows(app) == [(day(), day(2))]


def test_a_pause_is_until_a_date_to_come(app: App) -> None:
    join(app, Rhythm())
    with pytest.raises(UsageError, match="allowed: a date after"):
        app.subscriptions.pause(ANN, until=day(), today=app.today(), now=app.now())


def test_who_leaves_during_a_pause_is_not_resumed(app: App) -> None:
    join(app, Rhythm())
    app.subscriptions.pause(ANN, until=day(1), today=app.today(), now=app.now())
    app.subscriptions.unsubscribe(ANN, today=app.today(), now=app.now())
    assert app.subscriptions.resume_rested(today=day(5), now=app.now()) == 0


def test_a_new_reader_gets_the_newest_edition_once(app: App, time: Time) -> None:
    edition(app, 1, START, time)
    edition(app, 2, START + timedelta(days=1), time)
    join(app, Rhythm(hour=9))
    reader = app.subscriptions.find(ANN)
    assert reader is not None
    with app.storage.write():
        assert queue_welcome(app, reader.id)
    assert windows(app) == [(day(), day(1))]
    time.now = START + timedelta(days=1, hours=5)
    assert queue_by_hour(app) == 0
    with app.storage.write():
        assert not queue_welcome(app, reader.id)  # who came back had it
    assert app.storage.deliveries.overlapping() == []


def test_there_is_no_welcome_without_an_edition(app: App) -> None:
    join(app, Rhythm())
    reader = app.subscriptions.find(ANN)
    assert reader is not None
    with app.storage.write():
        assert not queue_welcome(app, reader.id)


# ---------------------------------------------------------------- numbers and addresses


def test_numbers_are_never_used_again(app: App) -> None:
    """Links in old mails name them."""
    join(app, Rhythm())
    first = app.subscriptions.find(ANN)
    app.subscriptions.remove(ANN, now=app.now())
    join(app, Rhythm(), "bob@example.org")
    second = app.subscriptions.find("bob@example.org")
    assert first is not None
    assert second is not None
    assert second.id > first.id


def test_an_erased_address_leaves_a_keyed_hash_only(app: App) -> None:
    join(app, Rhythm())
    assert app.subscriptions.erase(ANN, now=app.now()) is Outcome.DONE
    dump = "\n".join(app.storage.database._connection.iterdump())
    assert "ann" not in dump.casefold().replace("announce", "")
    assert app.storage.subscribers.suppression("Ann@Example.org")
    join(app, Rhythm())  # an operator's doing
    assert edition_queues_nothing(app)
    assert app.subscriptions.unsuppress(ANN, today=app.today()) is Outcome.DONE
    assert app.storage.subscribers.suppression(ANN) is None


def edition_queues_nothing(app: App) -> bool:
    bring(app, make_paper(1))
    return settle(app, app.today()).queued == 0


def test_a_new_address_keeps_what_was_chosen_and_had(app: App, time: Time) -> None:
    join(app, Rhythm(hour=9))
    join(app, Rhythm(), "bob@example.org")
    before = app.subscriptions.find(ANN)
    time.now += timedelta(hours=1)
    assert app.subscriptions.move(ANN, "new@example.org", now=app.now()) is Outcome.DONE
    after = app.subscriptions.find("new@example.org")
    assert before is not None
    assert after is not None
    assert (after.id, after.choice, after.links_since) == (before.id, before.choice, app.now())
    assert app.subscriptions.find(ANN) is None
    with pytest.raises(UsageError, match="known already"):
        app.subscriptions.move("new@example.org", "BOB@example.org", now=app.now())
    assert app.subscriptions.move("nobody@example.org", "x@example.org", now=app.now()) is Outcome.UNKNOWN
    assert app.subscriptions.move("new@example.org", "New@example.org", now=app.now()) is Outcome.DONE  # its case

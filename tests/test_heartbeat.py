"""The heartbeat on real parts, but for time: what it begins when, and what becomes of a beat that fails."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from announcing import a_paper_each, assert_adds_up, batches, mails, morning, newsletter
from announcing import library as announced
from carrying import Courier
from house import Library, Time, make_app, make_paper, subscribe

from newsletter.accounts import days
from newsletter.app import App
from newsletter.daemon.heartbeat import BEAT, Heartbeat
from newsletter.demo import faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.journal import DELIVER, HEARTBEAT, RUN, Journal, note
from newsletter.locks import hold
from newsletter.mail.transports import Answer, Verdict
from newsletter.model import DeliveryStatus
from newsletter.publish import publishing
from newsletter.sending import deliver
from newsletter.status import report

GRAPHS = "Graph Neural Networks"
MIDNIGHT = datetime(2026, 1, 6, tzinfo=UTC)


class House:
    """A newsletter whose clock a test moves, and whose arXiv it fills."""

    def __init__(self, folder: Path, url: str, library: Library, time: Time, **sections: Any) -> None:
        self.time, self.library = time, library
        self.app: App = make_app(folder, api_url=url, topics=(GRAPHS,), time=time, **sections)
        self.heart = Heartbeat(self.app, told_to_stop_within=lambda _seconds: True)

    def live(self, hours: float, every: timedelta = timedelta(minutes=5)) -> list[str]:
        """Beat through some hours; returns the moments, in UTC, at which something was begun."""
        began = []
        until = self.time.now + timedelta(hours=hours)
        while self.time.now < until:
            before = self.app.storage.attempts.of(self.app.today())
            self.heart.beat()
            after = self.app.storage.attempts.of(self.app.today())
            if after is not None and (before is None or after.number > before.number):
                began.append(f"{self.time.now:%d %H:%M}")
            self.time.now += every
        return began


@pytest.fixture
def time() -> Time:
    return Time(MIDNIGHT)


@pytest.fixture
def library(time: Time) -> Library:
    library = Library(time)
    library.answers = {GRAPHS: [make_paper(1)]}
    return library


@pytest.fixture
def arxiv(library: Library) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(library) as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, arxiv: ArxivStandIn, library: Library, time: Time) -> Iterator[House]:
    house = House(tmp_path, arxiv.url, library, time)
    yield house
    house.app.close()


def test_a_day_is_begun_once_when_its_hours_begin_and_sent_by_the_other_process(house: House) -> None:
    subscribe(house.app, "reader@example.org")
    assert house.live(24) == ["06 07:00"]
    assert house.app.storage.editions.dates() == [MIDNIGHT.date()]
    assert house.app.storage.deliveries.counts() == {DeliveryStatus.QUEUED: 1}
    house.time.now = MIDNIGHT + timedelta(hours=8)
    deliver(house.app)
    assert house.app.storage.deliveries.counts() == {DeliveryStatus.SENT: 1}


def test_without_news_it_asks_again_until_the_hours_are_over_and_begins_anew_the_day_after(house: House) -> None:
    house.live(24)
    began = house.live(24)
    assert began[:4] == ["07 07:00", "07 07:10", "07 07:30", "07 08:10"]
    assert len(began) == 15
    assert began[-1] < "07 20:00"
    assert len(house.app.storage.editions.dates()) == 1
    assert house.live(8) == ["08 07:00", "08 07:10", "08 07:30"]


def test_a_late_batch_goes_out_on_the_same_day(house: House) -> None:
    house.live(24 + 12)
    house.library.answers[GRAPHS] = [make_paper(2), make_paper(1)]
    house.live(3)
    assert [f"{day}" for day in house.app.storage.editions.dates()] == ["2026-01-06", "2026-01-07"]


def test_a_batch_that_comes_after_the_hours_stands_in_the_next_edition(house: House) -> None:
    house.live(24 + 21)
    house.library.answers[GRAPHS] = [make_paper(2), make_paper(1)]
    house.live(24)
    assert [f"{day}" for day in house.app.storage.editions.dates()] == ["2026-01-06", "2026-01-08"]


def test_after_an_outage_it_catches_up(house: House, arxiv: ArxivStandIn) -> None:
    arxiv.script(lambda _: faults.unavailable())
    house.live(9)
    assert house.app.storage.editions.dates() == []
    assert "HTTP 503" in house.app.storage.attempts.of(MIDNIGHT.date()).reason  # type: ignore[union-attr]
    arxiv.script(())
    house.live(2)
    assert house.app.storage.editions.dates() == [MIDNIGHT.date()]


def test_after_days_of_downtime_nothing_is_lost_and_one_edition_holds_it(house: House, tmp_path: Path) -> None:
    house.live(8)
    house.time.now = MIDNIGHT + timedelta(days=20, hours=15)
    news = [
        make_paper(1000 + n, updated=MIDNIGHT + timedelta(days=n), submitted=MIDNIGHT + timedelta(days=n))
        for n in range(20)
    ]
    house.library.answers[GRAPHS] = [*reversed(news), make_paper(1)]
    assert house.live(1) == ["26 15:00"]
    newest = house.app.storage.editions.newest()
    assert newest is not None
    assert {a.paper.id for a in house.app.storage.editions.of(newest)} == {paper.id for paper in news}


@pytest.mark.parametrize(
    ("midnight", "publish_at", "began"),
    [
        (datetime(2026, 3, 28, 23, tzinfo=UTC), "02:30", ["29 01:30"]),  # the hour that is skipped
        (datetime(2026, 10, 24, 22, tzinfo=UTC), "02:30", ["25 00:30"]),  # the hour that is repeated
        (datetime(2026, 3, 28, 23, tzinfo=UTC), "07:00", ["29 05:00"]),
        (datetime(2026, 10, 24, 22, tzinfo=UTC), "07:00", ["25 06:00"]),
    ],
)
def test_the_nights_of_the_change(
    midnight: datetime, publish_at: str, began: list[str], tmp_path: Path, arxiv: ArxivStandIn,
    library: Library, time: Time,
) -> None:  # fmt: skip
    section = {"timezone": "Europe/Berlin", "publish_at": publish_at}
    house = House(tmp_path, arxiv.url, library, time, newsletter=section)
    time.now = midnight
    assert house.live(22) == began
    assert len(house.app.storage.editions.dates()) == 1
    house.app.close()


def test_a_clock_that_goes_back_repeats_nothing(house: House) -> None:
    house.live(7.5)
    house.time.now -= timedelta(hours=1)
    assert house.live(3) == []
    house.time.now -= timedelta(hours=24)
    assert house.live(24) == []
    assert len(house.app.storage.editions.dates()) == 1


def test_a_beat_that_breaks_is_logged_with_its_trace_and_does_not_spin(
    tmp_path: Path, arxiv: ArxivStandIn, library: Library, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [True]

    def token() -> str:
        if broken:
            raise RuntimeError("no chance")  # a kind of error that nobody expects
        return "t1"

    house = House(tmp_path, arxiv.url, library, time, outside={"token": token})
    subscribe(house.app, "reader@example.org")
    assert house.live(9, every=timedelta(seconds=BEAT)) == ["06 07:00", "06 07:10", "06 07:30", "06 08:10"]
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 4
    assert "RuntimeError: no chance" in errors[0].getMessage()
    assert errors[0].exc_info is not None
    assert house.app.storage.editions.dates() == []
    broken.clear()
    house.live(1)
    assert house.app.storage.deliveries.counts() == {DeliveryStatus.QUEUED: 1}
    house.app.close()


def test_beats_that_fail_leave_out_more_and_more(
    house: House, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    house.live(1)
    house.app.storage.database.tables.conn.execute("ALTER TABLE attempts RENAME TO gone")
    for _ in range(4 * 60):  # an hour
        house.heart.beat()
        house.time.now += timedelta(seconds=BEAT)
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 10
    house.app.storage.database.tables.conn.execute("ALTER TABLE gone RENAME TO attempts")
    assert len(house.live(12)) == 1


def test_a_busy_publisher_is_waited_for(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    house.time.now += timedelta(hours=7)
    with publishing(house.app):
        house.live(0.5)
    assert sum("is publishing just now" in record.getMessage() for record in caplog.records) == 1
    assert "begun" not in caplog.text
    assert house.live(0.5) == ["06 07:30"]


def test_the_heart_beats_at_once_and_says_so(house: House) -> None:
    house.time.now += timedelta(hours=7)
    house.heart.run()
    job = house.app.storage.jobs.of("heartbeat")
    assert job is not None
    assert job.ended == house.time.now
    assert house.app.storage.editions.dates() == [MIDNIGHT.date()]


def test_an_hour_that_is_repeated_is_no_hour_without_a_beat(house: House) -> None:
    """`schedule` goes by the machine's local time: when that is set back, its next beat is an hour away."""
    rests: list[float] = []

    def told_to_stop_within(seconds: float) -> bool:
        rests.append(seconds)
        for job in heart.scheduler.jobs:
            if len(rests) == 1 and job.next_run is not None:
                job.next_run += timedelta(hours=1)
        return len(rests) == 3

    heart = Heartbeat(house.app, told_to_stop_within)
    heart.run()
    assert max(rests) <= BEAT
    assert all((job.next_run - datetime.now()).seconds <= BEAT for job in heart.scheduler.jobs if job.next_run)


def test_status_tells_of_the_tries(house: House, arxiv: ArxivStandIn) -> None:
    arxiv.script(lambda _: faults.unavailable())
    house.live(13)
    standing = report(house.app)
    assert standing.attempt is not None
    assert standing.attempt.number > 3
    assert any("HTTP 503" in remark for remark in standing.remarks)
    assert standing.overdue == ()
    house.live(8)
    assert any("nothing could be fetched" in line for line in report(house.app).overdue)


def test_status_sees_a_heart_that_hangs_and_a_daemon_that_is_gone(house: House) -> None:
    app = house.app
    with hold(app.lock_file("run"), "running"), Journal(app, RUN), Journal(app, HEARTBEAT):
        house.heart.beat()
        house.time.now += timedelta(minutes=19)
        assert report(app).overdue == ()
        house.time.now += timedelta(minutes=2)
        assert report(app).overdue == ("the daemon has not beaten since 2026-01-06 00:00 UTC; it hangs",)
    assert report(app).overdue == ()
    note(app, lambda storage, now: storage.jobs.begin(RUN, 1, now))
    assert [line.partition(" and is ")[2] for line in report(app).overdue] == [
        "gone without having been stopped; `newsletter run`"
    ]


def test_status_tells_what_fails_and_when_that_has_gone_on_for_too_long(house: House, tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("in the way")
    house.live(7.5)
    standing = report(house.app)
    assert standing.overdue == ()
    assert any(remark.startswith("archive failed 2") for remark in standing.remarks)
    house.live(1)
    assert any(
        line.startswith("archive failed 4 times in a row since 2026-01-06 07:00") for line in report(house.app).overdue
    )
    (tmp_path / "archive").unlink()
    house.live(1)
    assert report(house.app).overdue == report(house.app).remarks == ()


def test_status_doubts_a_clock_that_made_an_edition_in_the_future(house: House) -> None:
    house.time.now += timedelta(days=400, hours=8)
    house.live(0.5)
    house.time.now -= timedelta(days=400)
    assert any("is the clock right" in line for line in report(house.app).overdue)


def test_dates_on_which_nothing_ran_are_told_too(house: House) -> None:
    house.live(8)
    house.time.now += timedelta(days=3)
    house.live(8)
    assert [(f"{day.date:%d}", day.reason.partition(":")[0]) for day in days(house.app, 10)] == [
        ("09", "same batch again"),
        ("08", "nothing ran on this date"),
        ("07", "nothing ran on this date"),
        ("06", ""),
    ]


def test_a_job_that_was_killed_is_well_again_when_it_beats(house: House) -> None:
    note(house.app, lambda storage, now: storage.jobs.end(HEARTBEAT, 0, now, "the process was ended by signal 9"))
    house.live(2)
    assert report(house.app).remarks == report(house.app).overdue == ()


def test_a_sender_is_well_again_when_it_has_looked_or_a_server_has_answered(house: House) -> None:
    note(house.app, lambda storage, now: storage.jobs.end(DELIVER, 0, now, "mail server away"))
    house.time.now += timedelta(hours=2)
    assert any("mail server away" in line for line in report(house.app).overdue)
    stop = threading.Event()
    deliver(house.app, stay=True, work=lambda work: replace(work, stop=stop, sleep=lambda _seconds: stop.set()))
    assert report(house.app).overdue == ()


REFUSED = Answer(Verdict.REFUSED, 550, "5.1.1 <reader@example.org> unknown")
DEFERRED = Answer(Verdict.DEFERRED, 451, "4.7.1 later")


@pytest.mark.parametrize("answer", [REFUSED, DEFERRED])
def test_days_on_which_nothing_gets_through_are_overdue(house: House, answer: Answer) -> None:
    subscribe(house.app, "reader@example.org")
    for day in range(3):
        house.library.answers[GRAPHS].insert(0, make_paper(10 + day))
        house.live(7.1)
        for _ in range(33):
            deliver(house.app, work=lambda work: replace(work, connect=lambda: Courier(lambda _: answer)))
            house.time.now += timedelta(minutes=30)
            late = [line for line in report(house.app).overdue if line.startswith("no digest of")]
            waited = house.time.now - MIDNIGHT - timedelta(days=day, hours=7)
            assert bool(late) == (timedelta(hours=1) < waited), waited
        assert answer.text.split()[-1] in late[0]
        assert "@" not in late[0]
        house.time.now = MIDNIGHT + timedelta(days=day + 1)


def test_a_large_edition_on_its_way_is_not_overdue(house: House) -> None:
    subscribe(house.app, "one@example.org", "two@example.org", "three@example.org")
    house.live(7.1)
    stop = threading.Event()
    deliver(house.app, work=lambda work: replace(work, stop=stop, well=stop.set))
    house.time.now += timedelta(minutes=59)
    assert report(house.app).overdue == ()
    house.time.now += timedelta(minutes=10)
    assert [line.partition(" ")[2] for line in report(house.app).overdue] == [
        "deliveries wait since 2026-01-06 07:00 UTC, and none is tried"
    ]


def test_an_outage_is_overdue_by_day_too(house: House, arxiv: ArxivStandIn) -> None:
    house.live(8)
    arxiv.script(lambda _: faults.unavailable())
    house.live(24 * 2)
    for _ in range(24):
        house.live(1)
        assert any("nothing could be fetched since 2026-01-06" in line for line in report(house.app).overdue)
    arxiv.script(())
    house.live(24)
    assert report(house.app).overdue == ()


def test_weeks_without_news_are_remarked_on(house: House) -> None:
    house.live(24 * 9, every=timedelta(hours=1))
    assert any("nothing new since 2026-01-06, though arXiv answers" in remark for remark in report(house.app).remarks)


# ---------------------------------------------------------------- an arXiv that announces


SUNDAY = date(2026, 1, 4)


class Daily:
    """A newsletter over all interfaces, that has published Monday's edition; more announcements may be added."""

    def __init__(self, folder: Path, source: str, until: date, **sections: Any) -> None:
        self.time = Time(morning(SUNDAY + timedelta(days=1), 0))
        self.releases = a_paper_each(batches(SUNDAY, until))
        self.arxiv = ArxivStandIn(announced(self.releases, self.time)).__enter__()
        self.app = newsletter(folder, self.arxiv, self.time, source, topics=(GRAPHS,), **sections)
        self.heart = Heartbeat(self.app, told_to_stop_within=lambda _seconds: True)

    def live(self, until: datetime, every: timedelta = timedelta(minutes=15)) -> dict[str, int]:
        """Beat until a moment; returns when editions were made, in UTC, and how many papers each announces."""
        made: dict[str, int] = {}
        while self.time.now < until:
            before = self.app.storage.editions.newest()
            self.heart.beat()
            newest = self.app.storage.editions.newest()
            if newest is not None and newest != before:
                made[f"{self.time.now:%d %H:%M}"] = len(self.app.storage.editions.of(newest))
            self.time.now += every
        assert_adds_up(self.app)
        return made

    def announce_late(self, evening: date, moment: datetime) -> None:
        (batch,) = batches(evening, evening)
        (release,) = a_paper_each([batch])
        late = replace(release.paper, id=f"2601.9{evening.day:04}")
        self.releases.append(replace(release, paper=late, moment=moment))


@pytest.fixture
def daily(tmp_path: Path) -> Iterator[Callable[..., Daily]]:
    made: list[Daily] = []

    def make(source: str, until: date, **sections: Any) -> Daily:
        made.append(Daily(tmp_path, source, until, **sections))
        return made[-1]

    yield make
    for one in made:
        one.app.close()
        one.arxiv.__exit__(None, None, None)


@pytest.mark.parametrize("source", ["api", "feed"])
def test_a_week_of_announcements(daily: Callable[..., Daily], source: str) -> None:
    """An edition each morning after an announcement, and not much asked on other days."""
    one = daily(source, SUNDAY + timedelta(days=7))
    made = one.live(morning(SUNDAY + timedelta(days=9), 0), every=timedelta(minutes=30))
    assert made == {f"{day:02} 07:00": 1 for day in (5, 6, 7, 8, 9, 12)}
    asked = [attempt.number for day in (10, 11) if (attempt := one.app.storage.attempts.of(date(2026, 1, day)))]
    assert max(asked) <= 15
    assert len(one.arxiv.requests) < 200


def test_it_asks_when_a_batch_is_due_to_be_seen(daily: Callable[..., Daily]) -> None:
    """In an evening paper, from an index that lags: what would be tried at ten past nine is tried at nine."""
    hours = {"timezone": "America/New_York", "publish_at": "17:00", "publish_until": "23:30"}
    one = daily("api", SUNDAY + timedelta(days=4), newsletter=hours)
    one.arxiv.script(lambda _: faults.stale(timedelta(minutes=55)))
    made = one.live(morning(SUNDAY + timedelta(days=2), 12), every=timedelta(minutes=2))
    assert made == {"05 02:00": 1, "06 02:00": 1}  # 20:00 and an hour for the index


@pytest.mark.parametrize("source", ["api", "feed"])
def test_a_batch_that_is_hours_late_goes_out_on_the_same_day(daily: Callable[..., Daily], source: str) -> None:
    one = daily(source, SUNDAY)
    one.announce_late(SUNDAY + timedelta(days=1), morning(SUNDAY + timedelta(days=2), 10))
    made = one.live(morning(SUNDAY + timedelta(days=3), 0))
    assert list(made.values()) == [1, 1]
    assert "06 10:00" <= list(made)[1] <= "06 11:15"


@pytest.mark.parametrize("source", ["api", "feed"])
def test_a_batch_that_is_later_than_that_goes_into_the_next(daily: Callable[..., Daily], source: str) -> None:
    """Monday's comes on Tuesday after hours, and Tuesday's in time: feeds hold only one of them on Wednesday."""
    one = daily(source, SUNDAY)
    one.announce_late(SUNDAY + timedelta(days=1), morning(SUNDAY + timedelta(days=2), 21))
    one.announce_late(SUNDAY + timedelta(days=2), morning(SUNDAY + timedelta(days=3), 1))
    assert one.live(morning(SUNDAY + timedelta(days=4), 0)) == {"05 07:00": 1, "07 07:00": 2}


def test_the_rest_of_a_batch_goes_into_the_next(daily: Callable[..., Daily]) -> None:
    """An edition was made; what was announced later that day waits, and is not lost. (Feeds are made at midnight.)"""
    one = daily("api", SUNDAY + timedelta(days=3))
    one.announce_late(SUNDAY + timedelta(days=1), morning(SUNDAY + timedelta(days=2), 9))
    made = one.live(morning(SUNDAY + timedelta(days=4), 0))
    assert (sum(made.values()), list(made)) == (4, ["05 07:00", "06 07:00", "07 07:00"])


def test_after_two_bad_days_the_operator_is_told_once(daily: Callable[..., Daily], tmp_path: Path) -> None:
    one = daily("api", SUNDAY + timedelta(days=11), newsletter={"operator": "olga@example.net"})
    one.live(morning(SUNDAY + timedelta(days=1), 12))
    one.arxiv.script(lambda _: faults.internal_error())
    one.live(morning(SUNDAY + timedelta(days=5), 12), every=timedelta(hours=1))
    assert one.app.storage.deliveries.counts() == {DeliveryStatus.QUEUED: 1}
    deliver(one.app)
    (message,) = mails(tmp_path)
    assert "HTTP 500" in message
    assert "since Tuesday, 6 January 2026" in message
    assert "Wednesday, 7 January 2026: " in message
    one.arxiv.script(())
    made = one.live(morning(SUNDAY + timedelta(days=6), 0))
    assert list(made.values()) == [4]
    deliver(one.app)
    assert len(mails(tmp_path)) == 2  # and that it is over

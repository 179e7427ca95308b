"""What is kept count of while mail goes out: rates, what is left, the row that others read, lines in the log."""

import logging
import pickle
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from house import START, make_app, queue
from hypothesis import given
from hypothesis import strategies as st

from newsletter.app import App
from newsletter.delivery.answers import Answers
from newsletter.delivery.rates import WINDOW, Rate
from newsletter.delivery.watching import Watch, in_a_line
from newsletter.model import DeliveryStatus
from newsletter.storage import Storage
from newsletter.storage.database import to_text
from newsletter.storage.deliveries import KINDS
from newsletter.storage.standing import Standing

SENT, DEFERRED, BOUNCED, EXPIRED = (
    DeliveryStatus.SENT,
    DeliveryStatus.DEFERRED,
    DeliveryStatus.BOUNCED,
    DeliveryStatus.EXPIRED,
)
PID = 4711


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


# ---------------------------------------------------------------- rates


@pytest.mark.parametrize(
    ("tried", "asked", "rate"),
    [
        ([], 0, 0),
        ([], 100, 0),
        ([(0, 40)], 0, 40),  # less than a second counts as one
        ([(0.2, 40), (0.9, 40)], 1, 80),
        ([(1, 100), (2, 100), (3, 100)], 4, 75),
        ([(second, 100) for second in range(100)], 100, 100),
        ([(second, 100 if second < 60 else 10) for second in range(100)], 100, 10),
        ([(0, 3000)], 20, 150),
        ([(0, 3000)], 31, 0),
        ([(100, 50), (0, 7)], 1, 7),  # the clock was set back by 100 s
        ([(100, 50)], 0, 50),
    ],
)
def test_a_rate_is_of_the_last_half_minute(tried: list[tuple[float, int]], asked: float, rate: float) -> None:
    found = Rate(START)
    for moment, number in tried:
        found.add(number, START + after(moment))
    assert found.at(START + after(asked)) == pytest.approx(rate, rel=0.05)


@given(st.lists(st.tuples(st.floats(0, 5), st.integers(1, 500)), min_size=1, max_size=300))
def test_a_rate_tells_what_was_tried_and_remembers_no_more_than_it_needs(tried: list[tuple[float, int]]) -> None:
    now, rate, moments = START, Rate(START), []
    for pause, number in tried:
        now += after(pause)
        rate.add(number, now)
        moments.append((now, number))
    lately = sum(number for moment, number in moments if now - moment <= WINDOW - after(1))
    at_most = sum(number for moment, number in moments if now - moment <= WINDOW + after(1))
    span = max((now - START).total_seconds(), 1.0)
    assert lately / min(span, WINDOW.total_seconds()) <= rate.at(now) + 1e-9
    assert rate.at(now) <= at_most
    assert rate.at(now + WINDOW + after(1)) == 0
    assert len(pickle.dumps(rate)) < 5_000


@pytest.mark.parametrize(
    ("left", "rate", "needed"),
    [
        (100, 10.0, after(10)),
        (0, 0.0, after(0)),
        (0, 5.0, after(0)),
        (5, 0.0, None),
        (None, 5.0, None),
        (9, 1e-9, None),
    ],
)
def test_how_long_the_rest_takes(left: int | None, rate: float, needed: timedelta | None) -> None:
    assert Standing(PID, START, START, left=left, rate=rate).time_left == needed


# ---------------------------------------------------------------- a run


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    made = make_app(tmp_path)
    yield made
    made.close()


def begun(app: App, due: int = 0) -> Watch:
    watch = Watch(app.storage, PID)
    watch.begin(START, due)
    return watch


def write(app: App, watch: Watch, seconds: float) -> Standing | None:
    """Write it down if it is time, and read it as others do."""
    with app.storage.write():
        watch.write(START + after(seconds))
    return app.storage.standing.last()


def test_others_see_how_a_run_goes(app: App) -> None:
    assert app.storage.standing.last() is None
    watch = begun(app, due=100)
    watch.connections(4, 3)
    for status, number in ((SENT, 40), (DEFERRED, 3), (BOUNCED, 2), (EXPIRED, 1), (DeliveryStatus.QUEUED, 9)):
        watch.add(status, number, START)
    watch.hold_back("[smtp] per_hour is reached", START + after(99))
    assert write(app, watch, 9) == Standing(
        pid=PID,
        began=START,
        seen=START + after(9),
        connections=4,
        under_way=3,
        sent=40,
        deferred=3,
        bounced=2,
        expired=1,
        digests=46,
        rate=5.0,
        left=54,
        held_back="[smtp] per_hour is reached",
        held_until=START + after(99),
        deferrals=3,
    )
    assert watch.standing(START + after(9)).time_left is None
    watch.hold_back("")
    assert watch.standing(START + after(9)).time_left == after(54 / 5)
    watch.end(START + after(10))
    ended = app.storage.standing.last()
    assert ended is not None
    assert (ended.ended, ended.connections, ended.under_way, ended.left) == (START + after(10), 0, 0, 54)


def test_it_is_written_down_once_a_second_and_only_if_something_changed(app: App) -> None:
    watch = begun(app)
    seen = []
    for tenth in range(40):
        if tenth < 25:
            watch.add(SENT, 1, START + after(tenth / 10))
        row = write(app, watch, tenth / 10)
        assert row is not None
        seen.append((row.seen, row.sent))
    assert list(dict.fromkeys(seen)) == [
        (START + after(second), 10 * second + 1 - (second == 3) * 6) for second in range(4)
    ]
    watch.add(SENT, 1, START - after(3600))  # the clock was set back
    row = write(app, watch, -3600)
    assert row is not None
    assert (row.seen, row.sent) == (START - after(3600), 26)


def test_where_nothing_else_is_written_it_is_two_seconds_old_at_most(app: App) -> None:
    watch = begun(app, due=2)
    watch.add(SENT, 1, START)
    write(app, watch, 0)
    watch.add(SENT, 1, START)  # and now the server takes its time
    seen = []
    for second in range(10):
        watch.look(START + after(second))
        row = app.storage.standing.last()
        assert row is not None
        seen.append((row.sent, row.seen))
    assert seen == [(1, START)] * 2 + [(2, START + after(2))] * 8


def test_what_is_left_is_counted_again_now_and_then(app: App) -> None:
    watch = begun(app, due=2)
    queue(app, *(f"reader{number}@example.org" for number in range(7)))
    for seconds, left in ((0, 2), (29, 2), (30, 7)):
        watch.look(START + after(seconds))
        assert watch.standing(START).left == left
    watch.connections(2, 2)  # which are not due any more, but not answered either
    watch.look(START + after(61))
    assert watch.standing(START).left == 9
    watch.add(SENT, 9, START + after(61))
    assert watch.standing(START).left == 0
    watch.look(START + after(62))  # it goes on with nothing left, so more has come
    assert watch.standing(START).left == 9


def test_each_stretch_of_work_counts_from_its_beginning(app: App) -> None:
    watch = begun(app, due=3)
    watch.add(SENT, 3, START)
    watch.connections(2, 0)
    watch.rest(START + after(5))
    first = app.storage.standing.last()
    assert first is not None
    assert (first.began, first.sent, first.left, first.rate, first.connections) == (START, 3, 0, 0.0, 2)
    watch.rest(START + after(10))
    assert app.storage.standing.last() == first
    watch.add(SENT, 1, START + after(3600))
    second = write(app, watch, 3600)
    assert second is not None
    assert (second.began, second.sent) == (START + after(3600), 1)


def test_what_is_held_back_is_left_and_its_stretch_is_not_over(app: App) -> None:
    watch = begun(app, due=5)
    watch.add(SENT, 2, START)
    watch.hold_back("[smtp] per_hour is reached", START + after(3600))
    watch.rest(START + after(1))
    held = app.storage.standing.last()
    assert held is not None
    assert (held.left, held.held_back, held.held_until) == (3, "[smtp] per_hour is reached", START + after(3600))
    watch.rest(START + after(6))  # nothing changed
    assert app.storage.standing.last() == held
    watch.add(SENT, 3, START + after(3600))
    on = write(app, watch, 3600)
    assert on is not None
    assert (on.began, on.sent, on.left, on.held_back, on.held_until) == (START, 5, 0, "", None)


def test_deferrals_of_digests_are_counted_over_all_runs(app: App) -> None:
    for single, total in ((False, 2), (True, 2), (False, 4)):
        watch = begun(app, due=2)
        watch.add(DEFERRED, 2, START, single=single)
        watch.end(START)
        last = app.storage.standing.last()
        assert last is not None
        assert (last.deferred, last.digests, last.deferrals) == (2, 0 if single else 2, total)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """No database: one that is nowhere but in memory."""
    storage = Storage(tmp_path_factory.mktemp("empty") / "none.db", looking=True)
    yield storage
    storage.close()


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    storage = Storage(tmp_path_factory.mktemp("counting") / "subscribers.db")
    yield storage
    storage.close()


@given(st.lists(st.tuples(st.sampled_from(DeliveryStatus), st.integers(1, 50), st.floats(-5, 5))), st.integers(0, 200))
def test_whatever_happens_the_numbers_add_up(
    empty: Storage, happened: list[tuple[DeliveryStatus, int, float]], due: int
) -> None:
    watch, now = Watch(empty, PID), START
    watch.begin(now, due)
    for status, number, pause in happened:
        now += after(pause)
        watch.add(status, number, now)
    counted = [
        number for status, number, _ in happened if status not in (DeliveryStatus.QUEUED, DeliveryStatus.SENDING)
    ]
    found = watch.standing(now)
    assert found.sent + found.deferred + found.bounced + found.expired + found.suppressed == sum(counted)
    assert found.left == max(due - sum(counted), 0)
    assert found.rate >= 0


def test_it_is_shown_five_times_a_second_at_most(app: App) -> None:
    shown: list[Standing] = []
    watch = Watch(app.storage, PID, shown.append)
    watch.begin(START, 3000)
    for number in range(3000):
        now = START + after(number / 3000)
        watch.add(SENT, 1, now)
        watch.look(now)
    assert 5 <= len(shown) <= 6
    watch.end(START + after(1))
    assert shown[-1].sent == 3000


def test_a_run_goes_on_though_how_it_stands_cannot_be_written_down(app: App, caplog: pytest.LogCaptureFixture) -> None:
    watch = begun(app, due=1)
    app.storage.database.execute("PRAGMA query_only = ON")
    watch.rest(START)
    watch.end(START)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]


# ---------------------------------------------------------------- how many there are


@given(st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from(DeliveryStatus), st.integers(-2, 2)), max_size=30))
def test_what_is_counted_fast_is_counted_right(counting: Storage, rows: list[tuple[str, DeliveryStatus, int]]) -> None:
    due = [
        (kind, status, to_text(START + after(minutes)), number) for number, (kind, status, minutes) in enumerate(rows)
    ]
    with counting.write():
        counting.database.execute("DELETE FROM deliveries")
        counting.database.executemany(
            "INSERT INTO deliveries (kind, status, due, message_id, chosen, after, upto, queued, expires, domain)"
            " VALUES (?1, ?2, ?3, ?4, '', '', '2026-01-06', '', '', ?4 % 4)",
            due,
        )
    everything, digests = counting.standing.counts()
    assert everything == {one: sum(status is one for _, status, _ in rows) for one in DeliveryStatus}
    assert digests == {
        one: sum(status is one and kind != "single" for kind, status, _ in rows) for one in DeliveryStatus
    }
    waits = [
        (kind, minutes, number % 4)
        for number, (kind, status, minutes) in enumerate(rows)
        if status in (DeliveryStatus.QUEUED, DEFERRED)
    ]
    assert counting.standing.due_digests(START, digests) == sum(m <= 0 and kind != "single" for kind, m, _ in waits)
    assert counting.standing.next_due() == min((START + after(minutes) for _, minutes, _ in waits), default=None)
    for kind in KINDS:
        for besides in ((), ("1",), ("0", "2", "3"), ("0", "1", "2", "3")):
            there = any(of == kind and m <= 0 and str(domain) not in besides for of, m, domain in waits)
            assert counting.standing.waits(kind, START, besides) is there


# ---------------------------------------------------------------- the log


def test_a_line_a_minute_and_one_at_the_end(app: App, caplog: pytest.LogCaptureFixture) -> None:
    queue(app, "reader@example.org")
    caplog.set_level(logging.INFO, "newsletter.delivery.watching")
    watch = begun(app, due=300)
    watch.connections(4, 4)
    for second in range(125):
        watch.add(SENT, 2, START + after(second))
        watch.look(START + after(second))
    watch.add(DEFERRED, 1, START + after(125))
    watch.end(START + after(125))
    assert [record.getMessage() for record in caplog.records] == [
        "delivering sent=122 deferred=0 bounced=0 rate=2.1/s left=5 connections=4 oldest=60s",
        "delivering sent=242 deferred=0 bounced=0 rate=2.1/s left=5 connections=4 oldest=120s",
        "delivered sent=250 deferred=1 bounced=0 rate=2.0/s left=2 connections=0 oldest=125s",
    ]


def test_a_run_with_nothing_to_do_says_nothing(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watch = begun(app)
    for second in range(0, 600, 5):
        watch.rest(START + after(second))
        watch.look(START + after(second))
    watch.end(START + after(600))
    assert not caplog.records


def test_while_nothing_moves_nothing_is_said(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watch = begun(app, due=5)
    watch.add(SENT, 2, START)
    watch.hold_back("[smtp] per_hour is reached")
    for second in range(0, 600, 5):
        watch.rest(START + after(second))
        watch.look(START + after(second))
    assert [record.getMessage().partition(" rate")[0] for record in caplog.records] == [
        "delivering sent=2 deferred=0 bounced=0"
    ]


def test_what_is_rare_is_told_in_the_line_where_it_happened() -> None:
    standing = Standing(PID, START, START, sent=1, expired=2, suppressed=3, left=0)
    told = in_a_line(standing, after(-3600))  # the clock was set back
    assert told == "sent=1 deferred=0 bounced=0 expired=2 suppressed=3 rate=0.0/s left=0 connections=0 oldest=0s"


def test_a_thousand_answers_of_one_sort_are_two_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answers = Answers()
    for number in range(1000):
        now = START + after(number / 20)
        answers.tell(number, DEFERRED, f"450 4.7.1 <r{number}@example.org>: greylisted, back in {2000 - number} s", now)
        answers.sum_up(now)
    answers.tell(1000, DEFERRED, "452 4.2.2 mailbox full", START + after(50))
    answers.tell(1001, SENT, "250 2.0.0 Ok: queued as 4XyZ", START + after(50))
    answers.sum_up(START + after(59))
    assert len(caplog.records) == 2
    answers.sum_up(START + after(60))
    answers.sum_up(START + after(120), last=True)
    first, other, more = (record.getMessage() for record in caplog.records)
    assert first.startswith("delivery=0 status=deferred reply=450 4.7.1 ")
    assert other == "delivery=1000 status=deferred reply=452 4.2.2 mailbox full"
    assert more.startswith("deliveries=999 more status=deferred reply=450 4.7.1 ")
    assert "@" not in first + more


def test_the_next_minute_begins_anew(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answers = Answers()
    for minute in range(3):
        answers.tell(minute, BOUNCED, "550 5.1.1 no such user", START + after(60 * minute))
        answers.sum_up(START + after(60 * minute + 60))
    assert [record.getMessage()[:10] for record in caplog.records] == ["delivery=0", "delivery=1", "delivery=2"]


def test_answers_that_all_differ_are_not_all_kept(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answers = Answers()
    names = [a + b + c for a in "abcdefgh" for b in "abcdefgh" for c in "abcdefgh"]
    for number, name in enumerate(names):
        answers.tell(number, DEFERRED, f"451 4.3.0 {name}", START)
    answers.sum_up(START, last=True)
    assert len(caplog.records) == 101
    assert caplog.records[-1].getMessage() == "deliveries=412 more status=deferred reply=others"


def test_with_debug_each_mail_has_its_line(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answers = Answers()
    for number in range(3):
        answers.tell(number, SENT, "250 ok", START)
    assert [record.levelname for record in caplog.records] == ["DEBUG"] * 3

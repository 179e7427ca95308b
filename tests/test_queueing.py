"""Queueing: the same digests as a plain reference would queue, whoever the readers are; and what a million need."""

import random
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from house import START, Time, bring, crowd, make_app, make_paper, queue

from newsletter.addresses import domain_of
from newsletter.app import App
from newsletter.digests import Digests, Outlines
from newsletter.model import Choice, Frequency, Late, Paper, Preferences, Rhythm, Status, Suppression
from newsletter.queueing import queue_by_hour
from newsletter.selection import lifetime, weekly_turn
from newsletter.settling import settle
from newsletter.storage.database import Row, from_date, to_date, to_text
from newsletter.storage.readers import Reader, to_ids
from newsletter.timetable import comes_at_once, next_hour

TOPICS = ["Graph Neural Networks", "Video Anomaly Detection", "Speech Models"]
QUERIES = ["ti:alpha", "ti:beta", "ti:gamma", "all:alpha", "all:beta", "abs:graphs", "au:example", "ti:graph"]
ZONES = ["", "Europe/Berlin", "Asia/Tokyo"]
DOMAINS = ["example.org", "EXAMPLE.org", "bücher.example"]
OURS = ZoneInfo("UTC")


class Expected(NamedTuple):
    """What is to stand in the ledger, and in the rows of readers: covered, turned, next."""

    queued: set[tuple[Any, ...]]
    taken_back: set[int]
    readers: dict[int, tuple[str, str, str]]


class Story:
    """Readers of all kinds, and days of all kinds."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance, self.time = random.Random(seed), Time()
        self.app = make_app(folder, time=self.time, topics=TOPICS)
        self.people = [f"reader{number}@{self.chance.choice(DOMAINS)}" for number in range(20)]
        self.papers: list[Paper] = []
        for email in self.people:
            self.app.subscriptions.subscribe(email, self.choice(), confirmed=True, **self.when)

    @property
    def when(self) -> dict[str, Any]:
        return {"today": self.app.today(), "now": self.app.now()}

    def rows(self, sql: str) -> list[Row]:
        return self.app.storage.database.rows(sql)

    def choice(self) -> Choice:
        pick, some = self.chance.choice, self.chance.sample
        rhythm = Rhythm(
            pick(list(Frequency)),
            pick([None, *range(7)]),
            pick([None, None, *range(6, 12)]),
            pick(ZONES),
            pick(list(Late)),
        )
        topics, queries = some(TOPICS, pick([0, 0, 1, 2])), some(QUERIES, pick([0, 0, 0, 1]))
        return Choice(tuple(topics), tuple(queries), Preferences(rhythm, revised=pick([True, False])))

    def announce(self) -> None:
        """New papers and versions, or nothing; and some that were there before, which are news to a new query."""
        found = self.chance.sample(self.papers, min(len(self.papers), 4))
        for _ in range(self.chance.randrange(3)):
            known = self.papers and self.chance.random() < 0.5
            number = self.chance.randrange(len(self.papers)) + 1 if known else len(self.papers) + 1
            words = self.chance.sample([*TOPICS, "alpha", "beta", "gamma"], self.chance.randrange(1, 4))
            paper = make_paper(number, " and ".join(words), version=self.chance.choice([2, 3]) if known else 1)
            self.papers += [] if known else [paper]
            found.append(paper)
        bring(self.app, *{paper.key: paper for paper in found}.values())

    def change(self) -> None:
        """A reader has other wishes, leaves, comes back, or is not to be mailed."""
        email, wishes = self.chance.choice(self.people), self.choice()
        subscriptions = self.app.subscriptions
        match self.chance.randrange(6):
            case 0 | 1:
                topics, queries = wishes.topics, wishes.queries
                subscriptions.change(email, topics=topics, queries=queries, preferences=wishes.preferences, **self.when)
            case 2 | 3:
                reader = subscriptions.find(email)
                assert reader is not None
                leave = reader.status is Status.CONFIRMED
                (subscriptions.unsubscribe if leave else subscriptions.confirm)(email, **self.when)
            case 4:
                subscriptions.suppress(email, Suppression.BOUNCE, now=self.time.now)
            case _:
                subscriptions.unsuppress(email, today=self.app.today())

    def send(self) -> None:
        """What becomes of what waits: some are sent, some deferred."""
        with self.app.storage.write():
            for row in self.rows("SELECT id FROM deliveries WHERE status IN ('queued', 'deferred')"):
                status = self.chance.choice(["sent", "sent", "sending", "deferred", "queued", "suppressed"])
                self.app.storage.database.execute("UPDATE deliveries SET status = ? WHERE id = ?", (status, row["id"]))

    def check(self, work: Callable[[], object], is_due: Callable[[Row, Rhythm], bool]) -> int:
        """Do something that queues, and compare what it did; returns how many digests that were."""
        readers, ledger = self.rows("SELECT * FROM subscribers"), self.rows("SELECT * FROM deliveries ORDER BY id")
        suppressed = {row["folded"] for row in self.rows("SELECT folded FROM suppressions")}
        work()
        due = [row for row in readers if row["status"] == "confirmed" and row["folded"] not in suppressed]
        expected = self.expect([row for row in due if is_due(row, rhythm_of(row))], ledger)
        last = ledger[-1]["id"] if ledger else 0
        new = self.rows(f"SELECT * FROM deliveries WHERE id > {last}")
        assert {(*row,)[1:3] for row in new} <= {(row["id"], "digest") for row in readers}
        assert {tuple(row[name] for name in COLUMNS) for row in new} == expected.queued
        assert len({row["message_id"] for row in new}) == len(new) == len(expected.queued)
        assert all(
            re.fullmatch(rf"{row['upto']:.4}\d{{4}}\.[0-9a-f]{{20}}@example\.org", row["message_id"]) for row in new
        )
        expired = {
            row["id"] for row in self.rows(f"SELECT id FROM deliveries WHERE status = 'expired' AND id <= {last}")
        }
        assert expired - {row["id"] for row in ledger if row["status"] == "expired"} == expected.taken_back
        after = {
            row["id"]: (row["covered"], row["turned"], row["next"]) for row in self.rows("SELECT * FROM subscribers")
        }
        assert after == {row["id"]: (row["covered"], row["turned"], row["next"]) for row in readers} | expected.readers
        return len(new)

    def chosen(self, reader: int) -> str:
        rows = self.rows(f"SELECT topic_id FROM subscriptions WHERE subscriber_id = {reader} ORDER BY topic_id")
        return ",".join(str(row["topic_id"]) for row in rows)

    def expect(self, due: list[Row], ledger: list[Row]) -> Expected:
        """The plain reference: one reader after the other."""
        expected, newest = Expected(set(), set(), {}), self.app.storage.editions.newest()
        digests, now = Digests(self.app.storage), self.time.now
        for row in due:
            rhythm, chosen = rhythm_of(row), self.chosen(row["id"])
            turned = weekly_turn(self.app.today(), 0 if rhythm.weekday is None else rhythm.weekday)
            moment = next_hour(rhythm, OURS, 0, now)
            expected.readers[row["id"]] = (
                max(row["covered"], from_date(newest)),
                max(row["turned"], turned.isoformat()),
                to_text(moment) if moment else row["next"],
            )
            if newest is None or row["covered"] == newest.isoformat():
                continue
            start = row["covered"]
            while waiting := [one for one in ledger if waits(one, row["id"], start)]:
                expected.taken_back.update(one["id"] for one in waiting)
                start = waiting[0]["after"]
            reader = Reader(row["id"], to_date(start), to_ids(chosen), revised=bool(row["revised"]))
            if digests.of(reader, newest).items:
                expires = to_text(now + lifetime(rhythm.frequency))
                shared = newest.isoformat(), to_text(now), expires, to_text(now)
                expected.queued.add((row["id"], "queued", chosen, start, *shared, domain_of(row["email"]), 0))
        return expected


COLUMNS = ("subscriber_id", "status", "chosen", "after", "upto", "queued", "expires", "due", "domain", "welcome")


def rhythm_of(row: Row) -> Rhythm:
    return Rhythm(Frequency(row["frequency"]), row["weekday"], row["hour"], row["zone"], Late(row["late"]))


def waits(row: Row, reader: int, upto: str) -> bool:
    theirs = row["subscriber_id"] == reader and row["upto"] == upto and row["kind"] == "digest"
    return theirs and row["status"] in ("queued", "deferred")


@pytest.mark.parametrize("seed", range(10))
def test_the_same_digests_as_one_reader_after_the_other(tmp_path: Path, seed: int) -> None:
    story = Story(tmp_path, seed)
    queued = 0

    def publishes(row: Row, rhythm: Rhythm) -> bool:
        newest = from_date(story.app.storage.editions.newest())
        turn = weekly_turn(story.app.today(), 0 if rhythm.weekday is None else rhythm.weekday)
        if rhythm.frequency is Frequency.WEEKLY:
            return rhythm.hour is None and bool(row["turned"] < turn.isoformat())
        return bool(row["covered"] < newest) and comes_at_once(rhythm, OURS, story.time.now)

    def has_its_hour(row: Row, _: Rhythm) -> bool:
        return bool(row["next"]) and bool(row["next"] <= to_text(story.time.now))

    for _ in range(15):
        story.time.now += timedelta(hours=story.chance.choice([3, 12, 24]))
        story.announce()
        queued += story.check(lambda: settle(story.app, story.app.today()), publishes)
        story.change()
        queued += story.check(lambda: queue_by_hour(story.app), has_its_hour)
        story.send()
        story.change()
    assert queued > 20
    story.app.close()


# ---------------------------------------------------------------- what digests hold


@pytest.mark.parametrize("seed", range(5))
def test_an_outline_tells_what_a_digest_would_hold(tmp_path: Path, seed: int) -> None:
    """For whatever window and choice, also of what was told before."""
    story = Story(tmp_path, seed)
    for number in range(12):
        story.time.now = START + timedelta(days=number)
        story.announce()
        if number == 6:  # all that was told is news to a new query
            story.app.subscriptions.confirm(story.people[0], **story.when)
            story.app.subscriptions.change(story.people[0], queries=["abs:look"], **story.when)
            bring(story.app, *story.papers)
        settle(story.app, story.app.today())
        for _ in range(4):
            story.change()
    storage, dates = story.app.storage, [None, *story.app.storage.editions.dates()]
    digests, outlines, found = Digests(storage), Outlines(storage), set()
    topics = [topic.id for topic in storage.topics.all()]
    assert any(storage.editions.told_before(one, story.app.today()) for one in dates[1:-1])
    for _ in range(300):
        chosen = sorted(story.chance.sample(topics, story.chance.randrange(3)))
        after, revised = story.chance.choice(dates[:-1]), story.chance.random() < 0.5
        upto = story.chance.choice([one for one in dates if one is not None and (after is None or one > after)])
        reader = Reader(story.chance.randrange(1, 21), after, frozenset(chosen), revised=revised)
        held = bool(digests.of(reader, upto).items)
        text = ",".join(map(str, chosen))
        assert outlines.holds(reader.id, from_date(after), upto, text, revised=revised) is held
        assert to_ids(text) == reader.chosen
        found.add(held)
    assert found == {True, False}
    story.app.close()


# ---------------------------------------------------------------- for a million


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    app = make_app(tmp_path, time=time)
    yield app
    app.close()


def plans(app: App, work: Callable[[], object]) -> list[str]:
    """What SQLite does for each statement on readers and deliveries."""
    statements: list[str] = []
    connection = app.storage.database.tables.conn
    connection.set_trace_callback(statements.append)
    work()
    connection.set_trace_callback(None)
    asked = [
        one for one in statements if re.match(r"\s*(SELECT|UPDATE)\b.*\b(subscribers|deliveries)\b", one, re.DOTALL)
    ]
    return [step["detail"] for one in asked for step in app.storage.database.rows(f"EXPLAIN QUERY PLAN {one}")]


def test_no_batch_sorts_or_goes_through_those_before(app: App) -> None:
    crowd(app, 20)
    bring(app, make_paper(1))
    steps = plans(app, lambda: settle(app, app.today()))
    assert "SEARCH s USING INTEGER PRIMARY KEY (rowid>?)" in steps
    assert not [
        step for step in steps if "B-TREE FOR ORDER BY" in step or step in ("SCAN s", "SCAN d", "SCAN deliveries")
    ]
    with app.storage.write():
        app.storage.database.execute("UPDATE subscribers SET hour = 7, next = '2026-01-06T07:00:00Z' WHERE id = 3")
    steps = plans(app, lambda: queue_by_hour(app))
    assert any(step.startswith("SEARCH s USING INDEX subscribers_next (next>") for step in steps)
    assert not [
        step for step in steps if "B-TREE FOR ORDER BY" in step or step in ("SCAN s", "SCAN d", "SCAN deliveries")
    ]


def test_more_readers_than_a_batch(app: App) -> None:
    """More than one of them by the hour, too, and some who want no mail between them."""
    crowd(app, 10_400)
    with app.storage.write():
        app.storage.database.execute("UPDATE subscribers SET status = 'paused' WHERE id % 40 = 0")
        app.storage.database.execute("UPDATE subscribers SET hour = 9, next = '2026-01-06T09:00:00Z' WHERE id % 2 = 0")
    bring(app, make_paper(1))
    assert settle(app, app.today()).queued == 5_200
    assert settle(app, app.today()).queued == 0
    with app.storage.write():
        app.storage.database.execute(
            "UPDATE subscribers SET next = '2026-01-06T07:00:00Z' WHERE hour = 9 AND id % 3 > 0"
        )
        app.storage.database.execute(
            "UPDATE subscribers SET next = '2026-01-06T06:00:00Z' WHERE hour = 9 AND id % 3 = 0"
        )
    assert queue_by_hour(app) == 5_200 - 260
    assert queue_by_hour(app) == 0
    assert app.storage.deliveries.overlapping() == []
    assert len(set(app.storage.database.rows("SELECT message_id FROM deliveries"))) == 10_400 - 260


def test_what_waits_is_taken_back_to_where_it_begins(app: App, time: Time) -> None:
    """Three days on which nothing was sent are one digest, and what was sent stays."""
    queue(app, "ann@example.org", "ben@example.org")
    for number in (2, 3):
        time.now += timedelta(days=1)
        bring(app, make_paper(number))
        settle(app, app.today())
        with app.storage.write():
            app.storage.database.execute(
                "UPDATE deliveries SET status = 'sent' WHERE subscriber_id = 2 AND status = 'queued'"
            )
    rows = app.storage.database.rows("SELECT subscriber_id, status, after, upto FROM deliveries ORDER BY id")
    assert [tuple(row) for row in rows] == [
        (1, "expired", "", "2026-01-06"),
        (2, "expired", "", "2026-01-06"),
        (1, "expired", "", "2026-01-07"),
        (2, "sent", "", "2026-01-07"),
        (1, "queued", "", "2026-01-08"),
        (2, "sent", "2026-01-07", "2026-01-08"),
    ]

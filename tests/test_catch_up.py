"""What was announced while nobody asked, or nobody was answered: it comes in one edition, marked, once."""

import gc
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from announcing import a_paper_each, batches, bring_out, library, mails, morning, newsletter, paper, told, told_at_all
from house import Time, subscribe

from newsletter.app import App
from newsletter.demo import faults
from newsletter.demo.announcements import Release, evening
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.model import Paper, Remark, RemarkKind
from newsletter.publish import publish
from newsletter.sources.calendar import Batch

SUNDAY = date(2026, 2, 1)
MONDAY = SUNDAY + timedelta(days=1)
GRAPHS = "Graph Neural Networks"
WAYS = ("api", "feed", "oai")  # the last: the query API is dead, and OAI-PMH steps in


@contextmanager
def a_newsletter(
    folder: Path, releases: list[Release], way: str, **sections: Any
) -> Iterator[tuple[App, ArxivStandIn, Time]]:
    """It has had its first edition, on a Monday."""
    time = Time(morning(MONDAY))
    with ArxivStandIn(library(releases, time)) as arxiv:
        app = newsletter(folder, arxiv, time, "feed" if way == "feed" else "api", topics=(GRAPHS,), **sections)
        subscribe(app, "reader@example.org")
        bring_out(app)
        weather(arxiv, way)
        yield app, arxiv, time
        app.close()


def weather(arxiv: ArxivStandIn, way: str) -> None:
    arxiv.script(faults.at_path("/api", lambda _: faults.unavailable()) if way == "oai" else ())


def numbers(app: App, day: date) -> list[int]:
    return sorted(int(row[1][-5:]) for row in told(app, day))


def named_in(mail: str) -> list[int]:
    """The papers of a mail, in its order."""
    return [int(number) for number in dict.fromkeys(re.findall(r"abs/\d{4}\.(\d{5})v1", mail))]


@pytest.mark.parametrize("way", WAYS)
def test_two_weeks_of_downtime(tmp_path: Path, way: str) -> None:
    """Then one run: one edition, one mail, in order; and nothing of it again the day after."""
    evenings = batches(SUNDAY, SUNDAY + timedelta(days=18))
    back = MONDAY + timedelta(days=15)  # a Tuesday
    with a_newsletter(tmp_path, a_paper_each(evenings), way) as (app, _, time):
        time.now = morning(back)
        assert not bring_out(app).failures
        missed = [number for number, batch in enumerate(evenings, 1) if MONDAY <= batch.evening < back]
        assert len(missed) == 11
        assert numbers(app, back) == missed
        assert app.storage.editions.remarks(None, back) == {back: (Remark(RemarkKind.LATE, since=date(2026, 2, 3)),)}
        first, late = mails(tmp_path)
        assert "What was announced since 3 Feb 2026 is in here too" in late
        assert "is in here too" not in first
        assert named_in(late) == missed[::-1]

        time.now += timedelta(days=1)
        bring_out(app)
        assert numbers(app, app.today()) == [missed[-1] + 1]
        assert "is in here too" not in mails(tmp_path)[-1]
        assert set(Counter(told_at_all(app)).values()) == {1}


@pytest.mark.parametrize("way", WAYS)
def test_days_on_which_nobody_answered(tmp_path: Path, way: str) -> None:
    evenings = batches(SUNDAY, SUNDAY + timedelta(days=11))
    with a_newsletter(tmp_path, a_paper_each(evenings), way) as (app, arxiv, time):
        arxiv.script(lambda _: faults.internal_error())
        for _ in range(3):
            time.now += timedelta(days=1)
            assert bring_out(app).failures
        weather(arxiv, way)
        time.now += timedelta(days=1)
        assert not bring_out(app).failures
        assert numbers(app, app.today()) == [2, 3, 4, 5]
        outage = Remark(RemarkKind.OUTAGE, since=date(2026, 2, 3), until=date(2026, 2, 5))
        assert app.storage.editions.remarks(None, app.today()) == {app.today(): (outage,)}
        said = "arXiv did not answer from 3 Feb 2026 to 5 Feb 2026; what was announced then is in here."
        assert said in mails(tmp_path)[-1]
        assert named_in(mails(tmp_path)[-1]) == [5, 4, 3, 2]
        time.now = morning(SUNDAY + timedelta(days=8))
        bring_out(app)
        assert numbers(app, app.today()) == [6]
        assert "did not answer" not in mails(tmp_path)[-1]


@pytest.mark.parametrize("way", WAYS)
def test_a_weekend_is_nothing_to_speak_of(tmp_path: Path, way: str) -> None:
    evenings = batches(SUNDAY, SUNDAY + timedelta(days=11))
    with a_newsletter(tmp_path, a_paper_each(evenings), way) as (app, _, time):
        for number in range(1, 8):
            time.now = morning(MONDAY + timedelta(days=number))
            bring_out(app)
        assert app.storage.editions.remarks(None, app.today()) == {}
        assert Counter(told_at_all(app)).total() == len([one for one in evenings if one.announced < time.now])


@pytest.mark.parametrize("way", WAYS)
def test_a_failure_on_the_same_morning_is_nothing_to_speak_of(tmp_path: Path, way: str) -> None:
    with a_newsletter(tmp_path, a_paper_each(batches(SUNDAY, SUNDAY + timedelta(days=4))), way) as (app, arxiv, time):
        time.now += timedelta(days=1)
        arxiv.script(lambda _: faults.internal_error())
        bring_out(app)
        weather(arxiv, way)
        time.now += timedelta(minutes=10)
        bring_out(app)
        assert numbers(app, app.today()) == [2]
        assert app.storage.editions.remarks(None, app.today()) == {}


def test_a_failure_now_does_not_hold_back_what_came_before(tmp_path: Path) -> None:
    from newsletter.fetching import fetch

    with a_newsletter(tmp_path, a_paper_each(batches(SUNDAY, SUNDAY + timedelta(days=4))), "api") as (app, arxiv, time):
        time.now += timedelta(days=1)
        fetch(app, app.today())
        arxiv.script(lambda _: faults.internal_error())
        time.now += timedelta(minutes=10)
        report = bring_out(app)
        assert report.failures
        assert numbers(app, app.today()) == [2]
        assert named_in(mails(tmp_path)[-1]) == [2]


# ---------------------------------------------------------------- the weekly pass


@pytest.mark.parametrize("way", WAYS)
def test_what_moderation_held_for_forty_days(tmp_path: Path, way: str) -> None:
    """Feeds and OAI-PMH tell of it at once; the query API lists it where nobody looks but once a week."""
    evenings = batches(SUNDAY, SUNDAY + timedelta(days=18))
    held = Release(paper("2602.99999", evening(SUNDAY) - timedelta(days=40)), evening(SUNDAY + timedelta(days=3)))
    # The page that the daily look ends with must not reach so far back.
    before = a_paper_each(batches(SUNDAY - timedelta(days=120), SUNDAY - timedelta(days=1)))
    releases = [*before, *a_paper_each(evenings), held]
    section = {"max_results": 10}
    with a_newsletter(tmp_path, releases, way, arxiv_section=section, archive={"max_papers": 10}) as (app, arxiv, time):
        announced, asked = SUNDAY + timedelta(days=4), {}
        for number in (1, 2, 3, 4, 7, 8):
            time.now = morning(MONDAY + timedelta(days=number))
            before_it = len(arxiv.requests)
            bring_out(app)
            asked[app.today()] = len(arxiv.requests) - before_it
        came = [day for day in app.storage.editions.dates() if 99999 in numbers(app, day)]
        weekly = MONDAY + timedelta(days=7)
        assert came == [announced if way != "api" else weekly]
        found = Counter(told_at_all(app))
        assert set(found.values()) == {1}
        assert not {row[1] for row in found} & {one.paper.id for one in before[:-30]}  # history is not told as new
        if way == "api":
            deep = [day for day, requests in asked.items() if requests > 4]
            assert deep == [weekly]
            assert max(asked.values()) <= 1 + 75 // 10 + 1  # 90 days hold 75 papers or less


def test_a_topic_that_began_with_the_feed_alone_is_not_told_its_history(tmp_path: Path) -> None:
    """But for the 8 days that every fetch reaches back."""
    evenings = batches(SUNDAY - timedelta(days=40), SUNDAY + timedelta(days=10))
    oldest = sum(batch.opens < morning(MONDAY) - timedelta(days=8) for batch in evenings)
    time = Time(morning(MONDAY))
    with ArxivStandIn(library(a_paper_each(evenings), time)) as arxiv:
        app = newsletter(tmp_path, arxiv, time, "feed", topics=(GRAPHS,))
        for number in (0, 1, 2, 3, 4, 7, 8):
            arxiv.script(faults.at_path("/api", lambda _: faults.internal_error()) if number == 0 else ())
            time.now = morning(MONDAY + timedelta(days=number))
            bring_out(app)
        visible = sum(batch.announced < time.now for batch in evenings)
        assert sorted(int(row[1][-5:]) for row in told_at_all(app)) == list(range(oldest + 1, visible + 1))
        app.close()


def test_details_that_come_a_day_late_still_count(tmp_path: Path) -> None:
    """The query API may know nothing yet of what a feed shows; a query on comments waits for it."""
    evenings = batches(SUNDAY, SUNDAY + timedelta(days=4))
    fields = {"title": "On Lattices", "comment": "Accepted at a conference"}
    with a_newsletter(tmp_path, a_paper_each(evenings, **fields), "feed") as (app, arxiv, time):
        subscribe(app, "other@example.org", queries=("co:accepted",))
        bring_out(app)
        time.now += timedelta(days=1)
        bring_out(app)
        time.now += timedelta(days=1)
        none = faults.Fault(found=lambda _: ())
        arxiv.script(lambda request: none if "id_list" in request.params else None)
        for _ in range(2):  # it is tried again
            bring_out(app)
            time.now += timedelta(minutes=10)
        assert 3 not in numbers(app, app.today())
        arxiv.script(())
        time.now += timedelta(days=1)
        bring_out(app)
        assert {3, 4} <= set(numbers(app, app.today()))


def test_memory_does_not_grow_with_what_is_read(tmp_path: Path) -> None:
    """The weekly pass over thousands of papers that are known holds a few pages of them."""
    evenings = batches(SUNDAY - timedelta(days=80), SUNDAY + timedelta(days=10))
    releases = [one for batch in evenings for one in many(batch, 15)]
    alive: list[int] = []

    def count(_done: int, _all: int) -> None:
        alive.append(sum(isinstance(thing, Paper) for thing in gc.get_objects()))

    section = {"archive": {"max_papers": 3000}, "digest": {"backlog": 5}}
    with a_newsletter(tmp_path, releases, "api", **section) as (app, arxiv, time):
        time.now = morning(MONDAY + timedelta(days=7))
        base = sum(isinstance(thing, Paper) for thing in gc.get_objects())
        asked = len(arxiv.requests)
        publish(app, app.today(), fetched=count)
        record = app.storage.harvests.newest()
        assert record is not None
        assert record.received > 800
        assert len(arxiv.requests) - asked == -(-record.received // 100) < len(alive)
        news = len(told(app, app.today()))
        assert max(alive) - base <= news + 2 * 100


def many(batch: Batch, number: int) -> list[Release]:
    step = (batch.closes - batch.opens) / number
    names = (f"{batch.announced:%y%m}.{batch.announced.day:02}{n:03}" for n in range(number))
    return [Release(paper(name, batch.opens + step * n), batch.announced) for n, name in enumerate(names)]

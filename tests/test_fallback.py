"""What one interface does not answer, another is asked for: all three at one invented arXiv, under two names."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from asking import Keeper
from house import START, Time, make_app, make_paper, subscribe

from newsletter import fetching
from newsletter.app import App
from newsletter.demo import faults
from newsletter.demo.announcements import Announced, Release, evening
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.model import Harvest, HarvestState, Paper
from newsletter.query import parse, write_search_query
from newsletter.sources import Want, Window
from newsletter.sources.client import BUDGET

DAY = timedelta(days=1)
QUERY = write_search_query(parse("Graph Neural Networks"))
WEDNESDAY = START + DAY  # 7 January, 07:00 UTC: the feed holds Tuesday evening's batch


def paper(number: int, day: int) -> Release:
    """A paper announced on the evening of a day of January, submitted the day before."""
    submitted = evening(date(2026, 1, day)) - timedelta(hours=30 - number)
    return Release(make_paper(number, submitted=submitted, updated=submitted), evening(date(2026, 1, day)))


BATCHES = [paper(number, day) for number, day in enumerate((4, 5, 6, 14, 15), 1)]  # 4 January is a Sunday


@pytest.fixture
def arxiv(time: Time) -> Iterator[ArxivStandIn]:
    time.now = WEDNESDAY
    with ArxivStandIn(Announced(BATCHES, time.clock)) as server:
        yield server


def wired(folder: Path, arxiv: ArxivStandIn, time: Time, source: str, **others: Any) -> App:
    """The product's own wiring; the search goes by another name, so that each host can be left alone."""
    section: dict[str, Any] = {
        "source": source,
        "feed_url": arxiv.feed_url,
        "oai_url": arxiv.oai_url,
        "categories": ["cs.LG"],
        **others,
    }
    api_url = arxiv.url.replace("127.0.0.1", "localhost")
    return make_app(folder, api_url=api_url, time=time, arxiv=section)


def fetch(app: App, keeper: Keeper, *wants: Want, announced: datetime = START, deep: bool = False) -> Harvest:
    window = Window(app.now(), app.now() - (90 if deep else 8) * DAY, announced, deep)
    harvest = app.source.fetch(wants, window, keeper)
    assert [account.difference for account in harvest.accounts] == [0] * len(harvest.accounts)
    app.close()
    return harvest


def numbers(papers: list[Paper]) -> list[int]:
    return sorted(int(paper.id[-5:]) for paper in papers)


def ill(*paths: str, fault: faults.Fault | None = None) -> faults.Script:
    return faults.together(*(faults.at_path(path, lambda _: fault or faults.internal_error()) for path in paths))


def asked(arxiv: ArxivStandIn) -> list[str]:
    """Which interfaces were asked, each time another one was."""
    names = [request.path.strip("/").partition("/")[0] for request in arxiv.requests]
    return [name for number, name in enumerate(names) if number == 0 or names[number - 1] != name]


KNOWN = frozenset(make_paper(number).id for number in range(100))
OLD, OTHER = Want(1, QUERY, expected=KNOWN), Want(2, 'ti:"something else"', expected=KNOWN)
NEW = Want(3, QUERY, begun=False, enough=100)


# ---------------------------------------------------------------- the search first


def test_while_the_search_answers_nobody_else_is_asked(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    harvest = fetch(wired(tmp_path, arxiv, time, "api"), Keeper(), OLD, NEW)
    assert (harvest.failures, harvest.remarks) == ({}, ())
    assert asked(arxiv) == ["api"]


def test_what_it_does_not_answer_is_asked_of_oai(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    arxiv.script(ill("/api", fault=faults.rate_exceeded("3600")))
    keeper = Keeper()
    harvest = fetch(wired(tmp_path, arxiv, time, "api"), keeper, OLD, OTHER)
    assert numbers(keeper.papers) == [1, 2, 3]  # all that was changed since the day before the last fetch, in UTC
    assert harvest.failures == {}
    assert asked(arxiv) == ["api", "oai"]
    assert len(arxiv.requests) == 2
    (remark,) = harvest.remarks
    assert remark.startswith(
        "api did not bring all for 2 topics, oai did: localhost is left alone until 2026-01-07 08:"
    )
    assert remark.endswith("UTC (HTTP 429: Rate exceeded.)")


def test_a_topic_that_is_refused_is_cured_alone(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    arxiv.script(lambda r: faults.answered(400) if "something" in r.params.get("search_query", "") else None)
    harvest = fetch(wired(tmp_path, arxiv, time, "api"), Keeper(), OLD, OTHER)
    assert harvest.failures == {}
    assert harvest.remarks == ("api did not bring all for 1 topic, oai did: HTTP 400",)
    assert [account.topic_ids for account in harvest.accounts] == [(1, 2), (1,), (2,), ()]


def test_where_neither_answers_both_say_why(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    arxiv.script(faults.together(ill("/api"), ill("/oai", fault=faults.web_page())))
    harvest = fetch(wired(tmp_path, arxiv, time, "api"), Keeper(), OLD, OTHER)
    assert set(harvest.failures) == {1, 2}
    for reason in harvest.failures.values():
        assert reason.startswith("HTTP 500: <html>")
        assert "; oai: cs:cs:LG: " in reason
    assert harvest.remarks == ()


def test_oai_is_too_little_for_a_topic_that_begins(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    arxiv.script(ill("/api"))
    harvest = fetch(wired(tmp_path, arxiv, time, "api"), Keeper(), OLD, NEW)
    assert list(harvest.failures) == [3]
    assert "; oai: OAI-PMH lists what was changed of late" in harvest.failures[3]


# ---------------------------------------------------------------- the feed first


def test_the_feed_alone_does_for_a_day(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    keeper = Keeper()
    harvest = fetch(wired(tmp_path, arxiv, time, "feed"), keeper, OLD, OTHER)
    assert numbers(keeper.papers) == [3]
    assert (harvest.failures, harvest.remarks) == ({}, ())
    assert asked(arxiv) == ["rss", "api"]  # the details
    assert "id_list" in arxiv.requests[-1].params


@pytest.mark.parametrize(
    ("announced", "missed"),
    [
        (START, False),  # 02:00 in New York, the day before
        (START - timedelta(hours=1, minutes=50), False),  # 00:10, when the feed of that day could be seen
        (START - timedelta(hours=1, minutes=51), True),
        (START - DAY, True),
        (START - 30 * DAY, True),
    ],
)
def test_days_that_were_missed_come_from_oai(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, announced: datetime, missed: bool
) -> None:
    keeper = Keeper()
    harvest = fetch(wired(tmp_path, arxiv, time, "feed"), keeper, OLD, announced=announced)
    assert ("oai" in asked(arxiv)) == missed
    assert harvest.failures == {}
    assert set(numbers(keeper.papers)) >= ({2, 3} if missed else {3})
    if missed:
        gone = f"the days since {announced:%Y-%m-%d} are no longer in it"
        assert harvest.remarks == (f"feed did not bring all for 1 topic, oai did: {gone}",)


@pytest.mark.parametrize("minute", range(0, 30, 5))
def test_no_batch_falls_between_the_last_minute_of_a_feed_and_its_margin(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, minute: int
) -> None:
    """Tuesday evening's batch is in the feed of Wednesday, and gone when it is made anew at midnight."""
    time.now = datetime(2026, 1, 8, 5, minute, tzinfo=START.tzinfo)  # 00:00 in New York
    keeper = Keeper()
    fetch(wired(tmp_path, arxiv, time, "feed"), keeper, OLD, announced=START)
    assert 3 in numbers(keeper.papers)


def test_missed_days_that_do_not_come_leave_the_feed_usable(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    arxiv.script(ill("/oai"))
    keeper = Keeper()
    harvest = fetch(wired(tmp_path, arxiv, time, "feed"), keeper, OLD, announced=START - 5 * DAY)
    assert numbers(keeper.papers) == [3]
    assert harvest.failures[1].startswith("the days since 2026-01-01 are no longer in it; oai: cs:cs:LG: HTTP 500")
    assert sum(request.path == "/oai" for request in arxiv.requests) == 4  # it is not asked twice over


def test_a_feed_that_does_not_come_is_made_up_for_by_oai(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    arxiv.script(ill("/rss", fault=faults.rate_exceeded()))
    keeper = Keeper()
    harvest = fetch(wired(tmp_path, arxiv, time, "feed"), keeper, OLD, announced=START - 5 * DAY)
    assert numbers(keeper.papers) == [1, 2, 3]
    assert harvest.failures == {}
    assert harvest.remarks == ("feed did not bring all for 1 topic, oai did: cs.LG: HTTP 429: Rate exceeded.",)
    assert len([account for account in harvest.accounts if account.source == "oai"]) == 1


def test_topics_that_begin_are_asked_of_the_search(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    keeper = Keeper()
    harvest = fetch(wired(tmp_path, arxiv, time, "feed"), keeper, OLD, NEW)
    assert set(numbers(keeper.papers)) == {1, 2, 3}
    assert (harvest.failures, harvest.remarks) == ({}, ())
    assert [account.source for account in harvest.accounts] == ["feed", "api"]
    assert harvest.accounts[1].topic_ids == (3,)
    assert [sight.name for sight in harvest.sights] == ["cs.LG"]


@pytest.mark.parametrize("announced", [START, START - 5 * DAY])
def test_where_that_is_refused_they_begin_with_the_feed(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, announced: datetime
) -> None:
    arxiv.script(ill("/api", fault=faults.forbidden()))
    keeper = Keeper()
    harvest = fetch(wired(tmp_path, arxiv, time, "feed"), keeper, OLD, NEW, announced=announced)
    assert 3 in numbers(keeper.papers)
    assert harvest.failures == {}
    assert any(remark.startswith("api did not bring all for 1 topic: HTTP 403") for remark in harvest.remarks)
    assert harvest.remarks[0].startswith("papers are as the feed has them, without details: HTTP 403")


def test_a_topic_that_begins_is_cured_by_the_search(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    arxiv.script(ill("/rss"))
    harvest = fetch(wired(tmp_path, arxiv, time, "feed"), Keeper(), OLD, NEW)
    assert harvest.failures == {}
    assert [remark.partition(":")[0] for remark in harvest.remarks] == [
        "feed did not bring all for 1 topic, api did",
        "feed did not bring all for 1 topic, oai did",
    ]


def test_once_a_week_the_search_is_asked_for_what_came_late(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    unasked = Want(4, "")  # a reader's own, of thousands
    harvest = fetch(wired(tmp_path, arxiv, time, "feed"), Keeper(), OLD, unasked, deep=True)
    assert [account.topic_ids for account in harvest.accounts] == [(), (1,)]
    arxiv.script(ill("/api"))
    harvest = fetch(wired(tmp_path, arxiv, time, "feed"), Keeper(), OLD, unasked, deep=True)
    assert harvest.failures == {}
    assert harvest.remarks[-1].startswith("api did not bring all for 1 topic: HTTP 500")


def test_without_wants_nothing_is_asked(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    for source in ("api", "feed"):
        assert fetch(wired(tmp_path, arxiv, time, source), Keeper()) == Harvest()
    assert arxiv.requests == []


# ---------------------------------------------------------------- signs of life, and patience


@pytest.mark.parametrize("source", ["api", "feed"])
@pytest.mark.parametrize("down", [(), ("/api",), ("/rss", "/oai"), ("/",)])
def test_no_request_is_made_in_silence(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, source: str, down: tuple[str, ...]
) -> None:
    """Whichever source makes it, whether it is answered, and that of the details too."""
    arxiv.script(ill(*down))
    app = wired(tmp_path, arxiv, time, source)
    with app.storage.write():
        app.storage.papers.add([make_paper(90, provisional=True)], time.now)
    told: list[tuple[int, int]] = []
    for days in (0, 9):
        time.now += days * DAY
        told.clear()
        arxiv.requests.clear()
        fetching.fetch(app, app.today(), lambda done, _all: told.append((done, len(arxiv.requests))))
        assert {requests for _, requests in told} >= set(range(len(arxiv.requests)))
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert told[-1][0] == 1
        assert len(arxiv.requests) >= 2
    app.close()


@pytest.mark.parametrize("source", ["api", "feed"])
def test_all_sources_share_the_time_that_one_fetch_may_wait(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, source: str
) -> None:
    arxiv.script(ill("/"))
    app = wired(tmp_path, arxiv, time, source, interval=3)
    moments = [time.now]
    fetching.fetch(app, app.today(), lambda _done, _all: moments.append(time.now))
    assert BUDGET / 2 < sum(time.slept) <= BUDGET + 3 * len(arxiv.requests)
    assert max(after - before for before, after in pairwise([*moments, time.now])) <= timedelta(seconds=BUDGET)
    app.close()


# ---------------------------------------------------------------- as it is recorded


def test_a_deep_pass_that_the_search_refused_is_not_done(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    app = wired(tmp_path, arxiv, time, "feed")
    fetching.fetch(app, app.today())
    with app.storage.write():
        app.storage.topics.begin([topic.id for topic in app.storage.topics.asked()], time.now)
    time.now += 8 * DAY
    arxiv.script(ill("/api"))
    refused = fetching.fetch(app, app.today())
    complete = app.storage.harvests.newest_complete()
    assert complete is not None
    assert complete.ended == refused.ended
    assert refused.overlap is not None
    assert time.now - refused.overlap < 20 * DAY
    time.now += DAY
    arxiv.script([])
    arxiv.requests.clear()
    done = fetching.fetch(app, app.today())
    assert done.overlap == time.now - 90 * DAY
    assert any("search_query" in request.params for request in arxiv.requests)
    time.now += DAY
    arxiv.requests.clear()
    fetching.fetch(app, app.today())
    assert not any("search_query" in request.params for request in arxiv.requests)
    app.close()


def test_a_reason_that_thousands_share_is_said_once(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    arxiv.script(ill("/"))
    app = wired(tmp_path, arxiv, time, "feed")
    subscribe(app, "ada@example.org", queries=[f"secret{number}" for number in range(300)])
    subscribe(app, "bob@example.org", queries=["another secret"])
    record = fetching.fetch(app, app.today())
    assert record.state is HarvestState.FAILED
    assert record.reason.count("HTTP 500") <= 8
    assert "Graph Neural Networks" in record.reason
    assert "301 readers' queries: cs.LG: HTTP 500" in record.reason
    assert "secret" not in record.reason
    assert len(record.reason) < 2_000
    app.close()

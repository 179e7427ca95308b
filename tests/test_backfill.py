"""Filling history and archive without mailing: each stretch asked once, whatever comes between, and nothing stolen."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from house import START, Library, Time, day, make_app, make_paper, subscribe

from newsletter.app import App
from newsletter.backfilling import SLICE, Filled, fill, plan, slices
from newsletter.cli import newsletter
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.faults import unavailable
from newsletter.errors import BusyError, NewsletterError, SourceError, UsageError
from newsletter.fetching import fetch
from newsletter.locks import hold
from newsletter.model import Kind, Paper
from newsletter.publish import publish
from newsletter.query import name_query, write_search_query

GRAPHS, SERIES = "Graph Neural Networks", "Time Series"
SINCE = date(2025, 1, 1)
WEEK = timedelta(days=8)


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def library(time: Time) -> Library:
    return Library(time)


@pytest.fixture
def arxiv(library: Library) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(library) as arxiv:
        yield arxiv


def aged(number: int, days: float, title: str = "On Graph Neural Networks", **fields: Any) -> Paper:
    """A paper submitted some days before `START`."""
    moment = START - timedelta(days=days)
    return make_paper(number, title, submitted=moment, updated=fields.pop("updated", moment), **fields)


def show(library: Library, papers: Sequence[Paper], topic: str = GRAPHS) -> None:
    listed = sorted(papers, key=lambda paper: paper.updated, reverse=True)
    library.answers[write_search_query(name_query(topic))] = listed


def backfill(app: App, since: date = SINCE, *names: str, progress: Any = lambda: None) -> list[Filled]:
    return [fill(app, topic, course, progress) for topic, course in plan(app, since, names)]


def kinds(app: App, topic_id: int = 1) -> dict[str, Kind]:
    """What was settled under a topic."""
    ids = {paper.id for paper in app.storage.papers.newest(topic_id, 10_000)}
    held = app.storage.editions.held(ids).items()
    return {
        f"{paper}v{version}": kind
        for (topic, paper), versions in held
        for version, kind in versions.items()
        if topic == topic_id
    }


def told(app: App, topic_id: int = 1) -> set[str]:
    return {version for version, kind in kinds(app, topic_id).items() if kind is not Kind.PASSED_OVER}


def ranges(arxiv: ArxivStandIn) -> list[tuple[str, str]]:
    """The stretches that were asked for, in order."""
    queries = (request.params.get("search_query", "") for request in arxiv.requests)
    return [match.groups() for query in queries if (match := re.search(r"\[(\d+) TO (\d+)\]$", query))]  # type: ignore[misc]


# ---------------------------------------------------------------- what comes in


def test_history_is_filled_and_nobody_is_told(
    tmp_path: Path, time: Time, library: Library, arxiv: ArxivStandIn
) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, time=time, arxiv={"categories": ["cs.*"]})
    subscribe(app, "ann@example.org")
    inside = [aged(number, days) for number, days in enumerate((9, 40, 41, 100, 364), 1)]
    others = [aged(20, 50, "Of something else"), aged(21, 51, categories=("math.CO",)), aged(22, 5), aged(23, 380)]
    show(library, [*inside, *others])
    (filled,) = backfill(app)
    assert (filled.received, filled.kept, filled.known, filled.dropped, filled.left, filled.error) == (
        7,
        5,
        0,
        2,
        0,
        "",
    )
    assert kinds(app) == {f"{paper.id}v1": Kind.PASSED_OVER for paper in inside}
    assert [paper.id for paper in app.storage.papers.newest(1, 9)] == [paper.id for paper in inside]
    assert list(app.storage.papers.newest(1, 1)) == inside[:1]  # in full
    assert app.storage.editions.newest() is None
    assert app.storage.deliveries.counts() == {}
    asked = ranges(arxiv)
    assert len(asked) == filled.requests == len(arxiv.requests) == 13
    assert asked[0] == ("202501010000", "202501310000")
    assert asked[-1][1] == (START - WEEK).strftime("%Y%m%d%H%M")
    assert [end for _, end in asked[:-1]] == [begin for begin, _ in asked[1:]]
    publish(app, day())
    assert told(app) == {f"{aged(22, 5).id}v1"}
    app.close()


def test_a_version_is_known_by_id_and_number(tmp_path: Path, time: Time, library: Library, arxiv: ArxivStandIn) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, time=time)
    first = aged(1, 100)
    show(library, [first, aged(2, 90)])
    backfill(app)
    again = replace(first, version=2, updated=START - timedelta(days=50))
    show(library, [again, aged(2, 90)])
    (filled,) = backfill(app, SINCE - timedelta(days=1))
    assert (filled.received, filled.kept, filled.known) == (2, 1, 1)
    assert kinds(app).keys() == {f"{first.id}v1", f"{first.id}v2", f"{aged(2, 90).id}v1"}
    app.close()


def test_all_topics_or_those_that_are_named(tmp_path: Path, time: Time, library: Library, arxiv: ArxivStandIn) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, time=time, topics=(GRAPHS, SERIES))
    show(library, [aged(1, 100)])
    show(library, [aged(2, 90, "A Time Series")], SERIES)
    assert [(filled.topic, filled.kept) for filled in backfill(app, SINCE, "time series", SERIES)] == [(SERIES, 1)]
    assert [(filled.topic, filled.kept, filled.requests) for filled in backfill(app)] == [
        (GRAPHS, 1, 13),
        (SERIES, 0, 0),
    ]
    app.storage.topics.follow([(GRAPHS, name_text(GRAPHS))])
    with pytest.raises(UsageError, match="'Time Series' sleeps"):
        plan(app, SINCE, [SERIES])
    with pytest.raises(UsageError, match="did you mean"):
        plan(app, SINCE, ["Graph Neural Network"])
    app.close()


def name_text(name: str) -> str:
    return f'ti:"{name}" OR abs:"{name}"'


# ---------------------------------------------------------------- what is the daily fetch's


def test_what_waits_to_be_told_is_told(tmp_path: Path, time: Time, library: Library, arxiv: ArxivStandIn) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, time=time)
    old, first = aged(1, 200), aged(2, 1)
    show(library, [first])
    publish(app, day())
    time.now += timedelta(days=1)
    fresh, week, late = aged(3, -0.5), aged(4, 7), aged(5, 20)  # announced this morning, days after submission
    revised = replace(aged(6, 300), version=2, updated=time.now - timedelta(hours=1))
    show(library, [fresh, first, week, late, revised])
    fetch(app, day(1))
    show(library, [fresh, first, week, late, revised, old])
    (filled,) = backfill(app)
    assert (filled.received, filled.kept, filled.known, filled.left) == (3, 1, 1, 1)
    publish(app, day(1))
    assert told(app) == {"0001.00002v1", "0001.00003v1", "0001.00004v1", "0001.00005v1", "0001.00006v2"}
    app.close()


def test_what_was_submitted_before_a_fetch_that_is_to_come_is_told(
    tmp_path: Path, time: Time, library: Library, arxiv: ArxivStandIn
) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, time=time)
    show(library, [aged(1, 1)])
    publish(app, day())
    time.now += timedelta(days=1)
    fresh, week = aged(3, -0.5), aged(4, 7)
    show(library, [fresh, aged(1, 1), week])
    assert backfill(app)[0].received == 0
    publish(app, day(1))
    assert told(app) == {"0001.00001v1", "0001.00003v1", "0001.00004v1"}
    app.close()


def test_after_a_pause_the_next_fetch_still_finds_what_a_new_topic_shares(
    tmp_path: Path, time: Time, library: Library, arxiv: ArxivStandIn
) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, time=time, topics=(GRAPHS,))
    show(library, [aged(1, 1)])
    publish(app, day())
    app.close()
    time.now += timedelta(days=30)
    app = make_app(tmp_path, api_url=arxiv.url, time=time, topics=(GRAPHS, SERIES))
    shared = aged(2, -5, "Graph Neural Networks for Time Series")
    show(library, [shared, aged(1, 1)])
    show(library, [shared, aged(3, 60, "A Time Series")], SERIES)
    assert [(filled.topic, filled.kept) for filled in backfill(app)] == [(GRAPHS, 0), (SERIES, 1)]
    publish(app, day(30))
    assert told(app) == {"0001.00001v1", "0001.00002v1"}
    app.close()


def test_a_topic_that_began_meanwhile_is_filled_up_to_there(
    tmp_path: Path, time: Time, library: Library, arxiv: ArxivStandIn
) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, time=time)
    show(library, [aged(1, 100)])
    backfill(app)
    time.now += timedelta(days=50)
    publish(app, day(50))
    ((_, course),) = plan(app, SINCE)
    assert (course.reached, course.upto) == (START - WEEK, START + timedelta(days=42))
    assert slices(course) == 2
    app.close()


# ---------------------------------------------------------------- interrupted


def test_a_kill_costs_a_stretch_at_most(tmp_path: Path, time: Time, library: Library, arxiv: ArxivStandIn) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, time=time)
    papers = [aged(number, number * 12) for number in range(1, 30)]
    show(library, papers)
    steps = 0

    def interrupt() -> None:
        nonlocal steps
        steps += 1
        if steps == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backfill(app, progress=interrupt)
    app.close()
    time.now += timedelta(hours=5)
    app = make_app(tmp_path, api_url=arxiv.url, time=time)
    some = set(kinds(app))
    assert 0 < len(some) < 29
    (filled,) = backfill(app, progress=interrupt)
    assert set(kinds(app)) == {f"{paper.id}v1" for paper in papers}
    assert (filled.kept, filled.known) == (29 - len(some), 0)
    assert len(set(ranges(arxiv))) == len(ranges(arxiv)) == 13
    assert slices(plan(app, SINCE)[0][1]) == 0
    assert backfill(app)[0].requests == 0
    app.close()


def test_a_stretch_that_fails_is_asked_for_again(
    tmp_path: Path, time: Time, library: Library, arxiv: ArxivStandIn
) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, time=time)
    papers = [aged(number, number * 12) for number in range(1, 30)]
    show(library, papers)
    arxiv.script(lambda request: unavailable() if "TO 20250501" in request.params["search_query"] else None)
    (filled,) = backfill(app)
    assert "503" in filled.error
    assert filled.course.reached == datetime(2025, 1, 1, tzinfo=UTC) + 3 * SLICE
    before, asked = set(kinds(app)), ranges(arxiv)
    arxiv.script(())
    (filled,) = backfill(app)
    assert (filled.error, filled.kept) == ("", 29 - len(before))
    assert set(kinds(app)) == {f"{paper.id}v1" for paper in papers}
    assert set(asked) & set(ranges(arxiv)[len(asked) :]) == {asked[-1]}
    app.close()


def test_another_query_begins_anew(tmp_path: Path, time: Time, library: Library, arxiv: ArxivStandIn) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, time=time, topics=(GRAPHS, SERIES))
    backfill(app)
    app.storage.topics.follow([(GRAPHS, "ti:graph"), (SERIES, name_text(SERIES))])
    assert [slices(course) for _, course in plan(app, SINCE)] == [13, 0]
    app.storage.topics.merge(SERIES, GRAPHS)
    assert app.storage.backfills.of(2, datetime(2025, 1, 1, tzinfo=UTC)) is None
    app.close()


# ---------------------------------------------------------------- the command


@pytest.fixture
def folder(tmp_path: Path, arxiv: ArxivStandIn) -> Path:
    (tmp_path / "config.toml").write_text(
        f"""
[newsletter]
sender = "Daily Papers <papers@example.org>"
[[topics]]
name = "{GRAPHS}"
[[topics]]
name = "{SERIES}"
[arxiv]
api_url = "{arxiv.url}"
feed_url = "{arxiv.url}"
oai_url = "{arxiv.url}"
interval = 0
gate = "gate"
categories = []
"""
    )
    return tmp_path


def run(folder: Path, *arguments: str) -> tuple[list[str], list[str], BaseException | None]:
    command = ["--config", str(folder / "config.toml"), "backfill", *arguments]
    result = CliRunner().invoke(newsletter, command, standalone_mode=False)
    assert isinstance(result.exception, NewsletterError | click.ClickException | None), result.exception
    return result.stdout.splitlines(), result.stderr.splitlines(), result.exception


def test_the_command_fills_and_says_when_it_is_complete(folder: Path, library: Library, arxiv: ArxivStandIn) -> None:
    now = datetime.now(UTC)
    since = (now - timedelta(days=100)).date()
    upto = (now - WEEK).date()
    moments = [now - timedelta(days=days) for days in (20, 50, 5)]
    papers = [make_paper(number, submitted=moment, updated=moment) for number, moment in enumerate(moments, 1)]
    show(library, papers)
    output, errors, error = run(folder, "--since", str(since))
    assert (errors, error) == ([], None)
    assert output[:2] == [
        f"{GRAPHS}: {since} to {upto}: 2 received, 2 kept, 0 held already, 0 dropped; 4 requests.",
        f"{SERIES}: {since} to {upto}: 0 received, 0 kept, 0 held already, 0 dropped; 4 requests.",
    ]
    assert re.fullmatch(r"Archive: commit [0-9a-f]{12}\.", output[2])
    readme = (folder / "archive/README.md").read_text(encoding="utf-8")
    assert [number for number in range(1, 4) if f"abs/0001.{number:05}v1" in readme] == [1, 2]
    asked = len(arxiv.requests)
    output, _, error = run(folder, "--since", str(since), "--topic", GRAPHS)
    assert output == [f"{GRAPHS}: complete from {since} to {upto}; nothing was asked.", "Archive: unchanged."]
    assert error is None
    output, _, _ = run(folder, "--since", str(now.date()), "--topic", SERIES)
    assert output[0] == f"{SERIES}: nothing to fill; what was submitted after {upto} comes with the daily fetch."
    assert len(arxiv.requests) == asked


def test_the_command_says_what_failed_and_keeps_what_was_done(
    folder: Path, library: Library, arxiv: ArxivStandIn
) -> None:
    now = datetime.now(UTC)
    since = (now - timedelta(days=100)).date()
    moment = now - timedelta(days=90)
    show(library, [make_paper(1, submitted=moment, updated=moment)])
    arxiv.script(lambda _: unavailable() if len(arxiv.requests) > 2 else None)
    output, errors, error = run(folder, "--since", str(since))
    reached = since + timedelta(days=60)
    assert output[0].startswith(f"{GRAPHS}: {since} to {reached}: 1 received, 1 kept")
    assert not [line for line in output if line.startswith(SERIES)]
    assert output[1].startswith("Archive: commit")
    assert not [line for line in errors if " WARNING " not in line]
    assert isinstance(error, SourceError)
    assert str(error).startswith(f"{GRAPHS}: from {reached} on nothing came: HTTP 503")
    (folder / "archive/README.md").write_text("not ours")
    output, errors, error = run(folder, "--since", str(since))
    assert isinstance(error, SourceError)
    assert any(line.startswith("newsletter: README.md is not ours") for line in errors)


@pytest.mark.parametrize("since", ["1990-01-01", "2999-01-01"])
def test_a_date_that_makes_no_sense_is_refused(folder: Path, since: str) -> None:
    assert isinstance(run(folder, "--since", since)[2], UsageError)


def test_one_at_a_time(folder: Path) -> None:
    with hold(folder / "subscribers.db.backfill", "backfilling"):
        assert isinstance(run(folder, "--since", "2026-01-01")[2], BusyError)


def test_a_publish_may_go_on_meanwhile(folder: Path) -> None:
    with hold(folder / "subscribers.db.publish", "publishing"):
        output, errors, error = run(folder, "--since", "2026-01-01")
    assert (errors, error) == ([], None)
    assert output[-1].startswith("Archive: left to the next edition, since another process")

"""The account of each date adds up, is shown, and tells nobody what a reader asked for."""

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from announcing import TOPICS, batches, bring_out, library, morning, newsletter, shown, told, weeks
from house import Time, subscribe

from newsletter.app import App
from newsletter.cli.editions import editions
from newsletter.cli.status import status
from newsletter.demo import faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.atom import error_feed
from newsletter.demo.exchange import Reply, Request
from newsletter.errors import UsageError
from newsletter.model import Harvest, Kind
from newsletter.publish import publish
from newsletter.sources import Progress, Sieve, Source, Want, Window

SUNDAY = date(2026, 1, 4)
MONDAY, TUESDAY = SUNDAY + timedelta(days=1), SUNDAY + timedelta(days=2)
SECRET = 'ti:"zebra finches" OR au:Borel'  # what a reader asks for


@contextmanager
def a_newsletter(folder: Path, source: str = "api", **sections: Any) -> Iterator[tuple[App, ArxivStandIn, Time]]:
    time = Time(morning(MONDAY))
    releases = weeks(7, batches(SUNDAY, SUNDAY + timedelta(days=4)), each=20)
    with ArxivStandIn(library(releases, time)) as arxiv:
        app = newsletter(folder, arxiv, time, source, **sections)
        try:
            yield app, arxiv, time
        finally:
            app.close()


def account(app: App, day: date) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shown(app, editions, "show", str(day), "--json"))
    return found


def said_anywhere(app: App, day: date) -> str:
    """All that the ledger says, in words and as JSON."""
    commands: tuple[tuple[click.Command, list[str]], ...] = (
        (editions, ["list"]),
        (editions, ["show", str(day)]),
        (status, []),
    )
    forms: tuple[list[str], ...] = ([], ["--json"])
    return "\n".join(shown(app, command, *rest, *form) for command, rest in commands for form in forms)


@pytest.mark.parametrize("source", ["api", "feed"])
def test_what_arxiv_answered_and_what_became_of_it(tmp_path: Path, source: str) -> None:
    with a_newsletter(tmp_path, source) as (app, _, time):
        bring_out(app)
        time.now += timedelta(days=1)
        bring_out(app)
        found = account(app, TUESDAY)
        (fetch,) = found["fetches"]
        assert len(fetch["accounts"]) == {"api": 1, "feed": 3}[source]
        for one in fetch["accounts"]:
            parts = ("unreadable", "repeated", "outside", "dropped", "known", "news")
            assert one["received"] == sum(one[part] for part in parts)
            assert (one["difference"], one["error"]) == (0, "")
        asked = {one["asked"] for one in fetch["accounts"]}
        names = ", ".join(topic["name"] for topic in TOPICS)
        assert asked == ({names} if source == "api" else {"cs", "stat.ML", "math.NA"})
        news = sum(one["news"] for one in fetch["accounts"])
        assert f"{news} versions not held before" in fetch["record"]["reason"]
        assert sum(one["received"] for one in fetch["accounts"]) == fetch["record"]["received"]

        announced = told(app, TUESDAY)
        assert {(row["topic"], row["paper"], row["kind"]) for row in found["announced"]} == {
            (topic, f"{name}v{version}", kind) for topic, name, version, kind in announced
        }
        assert [one["topic"] for one in found["topics"]] == [topic["name"] for topic in TOPICS]
        for one in found["topics"]:
            rows = [row for row in announced if row[0] == one["topic"]]
            for kind in (Kind.NEW, Kind.REVISED, Kind.WITHDRAWN):
                assert one[str(kind)] == sum(row[3] == kind for row in rows)
            counted = ("settled", "new", "revised", "withdrawn", "passed_over")
            assert one["candidates"] == sum(one[name] for name in counted)


def test_the_words_of_it(tmp_path: Path) -> None:
    """Every number of the account stands in the tables, under its name."""
    with a_newsletter(tmp_path) as (app, _, time):
        subscribe(app, "reader@example.org")
        bring_out(app)
        time.now += timedelta(days=1)
        bring_out(app)
        text, found = shown(app, editions, "show", str(TUESDAY)), account(app, TUESDAY)
        asked, topics, papers = text.split("\n\n")[1:]
        (one,) = found["fetches"][0]["accounts"]
        row = dict(zip(asked.splitlines()[0].split(), asked.splitlines()[1].split(), strict=False))
        assert {name: row[name.upper()] for name in ("matched", "received", "dropped", "known", "news")} == {
            name: str(one[name]) for name in ("matched", "received", "dropped", "known", "news")
        }
        header, *rows = topics.splitlines()
        columns = ["CANDIDATES", "SETTLED BEFORE", "NEW", "REVISED", "WITHDRAWN", "PASSED OVER"]
        assert all(column in header for column in columns)
        for line, topic in zip(rows, found["topics"], strict=True):
            counted = ("candidates", "settled", "new", "revised", "withdrawn", "passed_over")
            assert line.removeprefix(topic["topic"]).split() == [str(topic[name]) for name in counted]
        assert len(papers.splitlines()) == 1 + len(found["announced"])
        assert "digests      1 sent" in text


# ---------------------------------------------------------------- what readers ask for


@pytest.mark.parametrize("source", ["api", "feed"])
def test_a_readers_query_is_shown_to_nobody(tmp_path: Path, source: str, caplog: pytest.LogCaptureFixture) -> None:
    with a_newsletter(tmp_path, source) as (app, arxiv, time):
        subscribe(app, "reader@example.org", queries=[SECRET])
        bring_out(app)
        for weather in ((), lambda _: faults.unavailable(), ()):
            time.now += timedelta(days=1)
            arxiv.script(weather)
            bring_out(app)
            said = said_anywhere(app, app.today()).casefold()
            for secret in ("zebra", "finches", "au:borel"):
                assert secret not in said
                assert secret not in caplog.text.casefold()
        found = account(app, TUESDAY)
        own = [one for one in found["announced"] if one["topic"] not in [topic["name"] for topic in TOPICS]]
        assert own == []
        if source == "api":
            assert "a reader's query" in found["fetches"][0]["accounts"][0]["asked"]


def test_a_refusal_that_repeats_the_query_is_cut_short(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """arXiv's own message names the query it does not understand."""
    with a_newsletter(tmp_path) as (app, arxiv, time):
        subscribe(app, "reader@example.org", queries=[SECRET])
        bring_out(app)
        time.now += timedelta(days=1)

        def refusal(request: Request) -> Reply:
            return Reply(400, error_feed(f"Invalid query string: '{request.params['search_query']}'", time.now))

        down = faults.at_path("/api", lambda _: faults.Fault(instead=refusal))
        arxiv.script(faults.together(down, lambda _: faults.unavailable()))
        bring_out(app)
        assert "HTTP 400" in app.storage.harvests.newest().reason  # type: ignore[union-attr]
        for secret in ("zebra", "finches"):
            assert secret not in said_anywhere(app, app.today())
            assert secret not in caplog.text


def test_queries_beyond_the_limit_are_refused_with_a_way_out(tmp_path: Path) -> None:
    with a_newsletter(tmp_path, arxiv_section={"max_queries": 2}) as (app, _, _):
        subscribe(app, "one@example.org", queries=["ti:lattices", "ti:bounds"])
        subscribe(app, "two@example.org", queries=["ti:bounds"])  # shared
        with pytest.raises(UsageError, match='source = "feed"'):
            subscribe(app, "three@example.org", queries=["ti:zebra"])
        assert app.storage.subscribers.find("three@example.org") is None
        bring_out(app)


def test_with_the_feed_there_is_no_limit(tmp_path: Path) -> None:
    """Three hundred queries of readers, matched here; arXiv is asked for categories and nothing else."""
    with a_newsletter(tmp_path, "feed") as (app, arxiv, time):
        for number in range(30):
            queries = [f"ti:transport AND ti:{30 * n + number}" for n in range(10)]
            subscribe(app, f"reader{number}@example.org", queries=queries)
        bring_out(app)
        asked = len(arxiv.requests)
        time.now += timedelta(days=1)
        bring_out(app)
        requests = arxiv.requests[asked:]
        assert len(requests) < 10
        assert not any("search_query" in request.params for request in requests)
        personal = {topic.id for topic in app.storage.topics.all() if topic.personal}
        assert len(personal) == 300
        found = [one for one in app.storage.editions.of(TUESDAY) if one.topic_id in personal]
        assert found
        assert all(one.paper.title.startswith(("Optimal Transport", "Survey of Transport")) for one in found)


# ---------------------------------------------------------------- what does not add up


class Careless:
    """A source that loses count."""

    def __init__(self, source: Source) -> None:
        self._source, self.name = source, source.name

    def fetch(
        self, wants: Sequence[Want], window: Window, sieve: Sieve, progress: Progress = lambda _done: None
    ) -> Harvest:
        harvest = self._source.fetch(wants, window, sieve, progress)
        first, *others = harvest.accounts
        return replace(harvest, accounts=(replace(first, received=first.received + 3), *others))


def test_an_account_that_does_not_add_up_is_an_error_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with a_newsletter(tmp_path) as (app, _, _):
        app.source = Careless(app.source)
        publish(app, MONDAY)
        errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert len(errors) == 1
        assert errors[0].startswith("the account does not add up: source=api asked=queries received=")
        assert errors[0].endswith("difference=3")
        assert account(app, MONDAY)["fetches"][0]["accounts"][0]["difference"] == 3
        assert told(app, MONDAY)  # it goes out nevertheless


def test_an_edition_that_announces_more_than_was_selected_is_an_error_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with a_newsletter(tmp_path) as (app, _, _):
        app.storage.database.tables.conn.executescript(
            "CREATE TRIGGER lost AFTER INSERT ON announcements WHEN NEW.topic_id = 1"
            " BEGIN UPDATE announcements SET kind = 'passed over', edition = NULL"
            " WHERE topic_id = NEW.topic_id AND paper_key = NEW.paper_key; END"
        )
        publish(app, MONDAY)
        errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        assert errors == [f"the account does not add up: date={MONDAY} topic=1"]
        assert app.storage.selections.differences(MONDAY) == [1]

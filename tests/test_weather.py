"""Whatever arXiv does, an edition is whole, or it is known that it is not; and the next run makes it good."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from announcing import (
    a_paper_each,
    batches,
    bring_out,
    library,
    mails,
    morning,
    newsletter,
    paper,
    shown,
    told,
    told_at_all,
)
from house import Time, subscribe

from newsletter.app import App
from newsletter.cli.editions import editions
from newsletter.cli.status import status
from newsletter.demo import bodies, faults
from newsletter.demo.announcements import Release
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.exchange import Request, Script
from newsletter.model import HarvestState
from newsletter.publish import Report
from newsletter.sources.calendar import Calendar
from newsletter.storage.harvests import HarvestRecord

SUNDAY = date(2026, 1, 4)
MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY = (SUNDAY + timedelta(days=n) for n in range(1, 7))
GRAPHS = "Graph Neural Networks"
SOURCES = {"api": "/api", "feed": "/rss"}  # and where they are asked
DOWN = {
    "429": faults.rate_exceeded(),
    "429 for a minute": faults.rate_exceeded("60"),
    "429 for hours": faults.rate_exceeded("9000"),
    "503": faults.unavailable(),
    "503 for hours": faults.unavailable("9000"),
    "500": faults.internal_error(),
    "403": faults.forbidden(),
    "406": faults.not_acceptable(),
    "a web page": faults.web_page(),
    "plain text": faults.plain_text(),
    "nothing at all": faults.empty_body(),
    "redirects": faults.moved(),
    "redirects in a circle": faults.going_round(),
    "a reset": faults.connection_reset(),
    "a reset within": faults.reset_within(),
    "a slow drip": faults.slow_drip(20, 0.001),
    "cut off": faults.truncated(),
    "billion laughs": bodies.billion_laughs(),
    "an external entity": bodies.external_entity("file:///etc/passwd"),
    "rubbish": bodies.rubbish(),
    "a bomb": bodies.gzip_bomb(),
}
HARMLESS = {
    "another charset": bodies.declared("iso-8859-1"),
    "the PDF first": bodies.pdf_first(),
    "short pages": faults.short_page(1),
    "the wrong order": faults.wrong_order(),
    "no order": faults.sort_ignored(),
}


@dataclass
class Sky:
    """A newsletter, and its arXiv."""

    app: App
    arxiv: ArxivStandIn
    time: Time

    def publish(self, day: date, script: Script = ()) -> Report:
        self.time.now = morning(day)
        self.arxiv.script(script)
        return bring_out(self.app)

    @property
    def record(self) -> HarvestRecord:
        newest = self.app.storage.harvests.newest()
        assert newest is not None
        return newest

    def names(self, day: date) -> list[str]:
        """Which papers the edition of a date announces."""
        return sorted(row[1].rpartition(".")[2] for row in told(self.app, day))

    def reasons(self) -> dict[str, str]:
        """Each date's reason as it is listed."""
        found = json.loads(shown(self.app, editions, "list", "--json"))
        return {day["date"]: day["reason"] for day in found}


Make = Callable[..., Sky]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A newsletter on graphs; on each evening arXiv announces a paper."""
    time, open_ones = Time(morning(SUNDAY)), []

    def make(source: str, releases: Sequence[Release] = (), **sections: Any) -> Sky:
        ticks = count()
        found = list(releases) or a_paper_each(batches(SUNDAY, SATURDAY))
        arxiv = ArxivStandIn(library(found, time)).__enter__()
        app = newsletter(
            tmp_path,
            arxiv,
            time,
            source,
            topics=sections.pop("topics", (GRAPHS,)),
            # Other hosts, as at arXiv: one that wants to be left alone does not silence all.
            arxiv_section={"oai_url": arxiv.oai_url.replace("127.0.0.1", "localhost"), **sections.pop("arxiv", {})},
            outside={"monotonic": lambda: float(next(ticks)) * 8},  # an answer that drips takes minutes
            **sections,
        )
        open_ones.append((app, arxiv))
        return Sky(app, arxiv, time)

    yield make
    for app, arxiv in open_ones:
        app.close()
        arxiv.__exit__(None, None, None)


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize(
    ("name", "source"),
    # What asks for a pause is the same for every interface.
    [(name, source) for source in SOURCES for name in DOWN if source == "api" or " for " not in name],
)
def test_whatever_is_down_nothing_is_lost_and_nothing_is_called_quiet(make: Make, source: str, name: str) -> None:
    sky, fault = make(source), DOWN[name]
    assert not sky.publish(MONDAY).failures

    # It passes: the same source answers, at once or when it is asked again.
    assert not sky.publish(TUESDAY, [fault]).failures
    assert (sky.names(TUESDAY), sky.record.state) == (["00002"], HarvestState.FRESH)

    # It stays: another source steps in, and that is remarked on.
    assert not sky.publish(WEDNESDAY, faults.at_path(SOURCES[source], lambda _: fault)).failures
    assert (sky.names(WEDNESDAY), sky.record.state) == (["00003"], HarvestState.FRESH)
    if name != "redirects":  # which are followed
        assert any(f"{source} did not bring all for 1 topic, oai did" in remark for remark in sky.record.remarks)
        assert "oai did" in shown(sky.app, editions, "show", str(WEDNESDAY))
        assert "oai did" in shown(sky.app, status)

    # It is everywhere.
    report = sky.publish(THURSDAY, lambda _: fault)
    assert (sky.names(THURSDAY), sky.record.state) == ([], HarvestState.FAILED)
    assert "nothing was fetched" in str(report.failures[0])
    assert sky.reasons()[str(THURSDAY)] == f"the fetch failed: {sky.record.reason}"
    assert sky.record.reason.startswith(f"{GRAPHS}: ")
    for said in (shown(sky.app, editions, "show", str(THURSDAY)), shown(sky.app, status)):
        assert sky.record.reason in said

    assert not sky.publish(FRIDAY).failures
    assert sky.names(FRIDAY) == ["00004", "00005"]
    assert Counter(row[1] for row in told_at_all(sky.app)) == {f"2601.{number:05}": 1 for number in range(1, 6)}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("name", HARMLESS)
def test_what_does_no_harm(make: Make, source: str, name: str) -> None:
    sky = make(source)
    sky.publish(MONDAY)
    assert not sky.publish(TUESDAY, lambda _: HARMLESS[name]).failures
    assert (sky.names(TUESDAY), sky.record.state, sky.record.remarks) == (["00002"], HarvestState.FRESH, ())


@pytest.mark.parametrize("source", SOURCES)
def test_a_wrong_encoding(make: Make, source: str) -> None:
    sky = make(source)
    sky.publish(MONDAY)
    sky.publish(TUESDAY, lambda _: bodies.latin_1())
    assert sky.record.state in (HarvestState.FRESH, HarvestState.PARTIAL, HarvestState.FAILED)
    sky.publish(WEDNESDAY)
    assert [*sky.names(TUESDAY), *sky.names(WEDNESDAY)] == ["00002", "00003"]


def test_an_index_that_lags_shows_the_same_batch_again(make: Make) -> None:
    sky = make("api")
    sky.publish(MONDAY)
    sky.publish(TUESDAY, lambda _: faults.stale(timedelta(days=1)))
    assert (sky.names(TUESDAY), sky.record.state, sky.record.due) == ([], HarvestState.SAME, True)
    assert sky.reasons()[str(TUESDAY)].startswith("same batch again: arXiv still shows the batch before: its newest")
    sky.publish(WEDNESDAY)
    assert (sky.names(WEDNESDAY), sky.record.state) == (["00002", "00003"], HarvestState.FRESH)


def test_feeds_that_are_not_renewed_show_the_same_batch_again(make: Make) -> None:
    sky = make("feed")
    sky.publish(MONDAY)
    sky.publish(TUESDAY, faults.at_path("/rss", lambda _: faults.stale(timedelta(days=1))))
    assert (sky.names(TUESDAY), sky.record.state, sky.record.due) == ([], HarvestState.SAME, True)
    sky.publish(WEDNESDAY)
    assert sky.names(WEDNESDAY) == ["00002", "00003"]


@pytest.mark.parametrize("source", SOURCES)
def test_the_newest_are_missing_for_a_day(make: Make, source: str) -> None:
    sky = make(source)
    sky.publish(MONDAY)
    sky.publish(TUESDAY, lambda _: faults.missing_newest(1))
    assert sky.names(TUESDAY) == []
    assert sky.record.due
    sky.publish(WEDNESDAY)
    assert sky.names(WEDNESDAY) == ["00002", "00003"]


def test_feeds_that_are_empty_though_a_batch_was_due(make: Make) -> None:
    """It may be a holiday that nobody told us of, or a batch that comes late, when nobody looks."""
    sky = make("feed")
    sky.publish(MONDAY)
    sky.publish(TUESDAY, faults.at_path("/rss", lambda _: faults.empty_page()))
    assert (sky.names(TUESDAY), sky.record.state, sky.record.due) == ([], HarvestState.QUIET, True)
    assert "arXiv's feeds are empty" in sky.reasons()[str(TUESDAY)]
    sky.publish(WEDNESDAY)
    assert sky.names(WEDNESDAY) == ["00002", "00003"]


def test_first_pages_that_are_empty_for_minutes(make: Make) -> None:
    sky = make("api", arxiv={"interval": 3})
    sky.publish(MONDAY)
    end = morning(TUESDAY) + timedelta(minutes=1)
    sky.publish(TUESDAY, faults.first_page_empty(end, sky.time.clock))
    assert (sky.names(TUESDAY), sky.record.remarks) == (["00002"], ())
    assert end < sky.time.now < end + timedelta(minutes=3)
    sky.publish(WEDNESDAY, faults.first_page_empty(morning(THURSDAY), sky.time.clock))
    assert sky.names(WEDNESDAY) == ["00003"]
    assert any("oai did: an empty page at 0, though 3 match" in remark for remark in sky.record.remarks)


def test_quotes_that_are_ignored_are_counted_and_flagged(make: Make) -> None:
    evenings = batches(SUNDAY, WEDNESDAY)
    loose = a_paper_each(evenings, title="On Lattices", abstract="Neural graph, and networks.")
    releases = [replace(one, paper=replace(one.paper, id=f"2601.1{one.paper.id[-4:]}")) for one in loose]
    sky = make("api", [*a_paper_each(evenings), *releases])
    sky.publish(MONDAY)
    assert sky.record.dropped == 0
    sky.publish(TUESDAY, lambda _: faults.quotes_ignored())
    assert (sky.names(TUESDAY), sky.record.dropped) == (["00002"], 2)
    (remark,) = sky.record.remarks
    assert remark == "2 of 4 papers that arXiv's search answered do not match here; it may be ill"
    assert remark in shown(sky.app, status)
    assert remark in shown(sky.app, editions, "show", str(TUESDAY))
    sky.publish(WEDNESDAY)
    assert (sky.names(WEDNESDAY), sky.record.remarks) == (["00003"], ())


# ---------------------------------------------------------------- why nothing came


OTHERS = {"title": "Lattices", "abstract": "We prove a bound."}


def of_category(category: str, number: int, **fields: Any) -> list[Release]:
    """Other papers on the same evenings."""
    releases = a_paper_each(batches(SUNDAY, SATURDAY), categories=(category,), **fields)
    return [
        replace(one, paper=replace(one.paper, id=f"{one.paper.id[:5]}{number}{one.paper.id[-4:]}")) for one in releases
    ]


def without(evening: date) -> list[Release]:
    return a_paper_each(batches(SUNDAY, SATURDAY, Calendar(frozenset({evening}))))


def down_for(what: str) -> Script:
    """The interfaces fail for what concerns one topic or category."""

    def step(request: Request) -> faults.Fault | None:
        concerned = what.casefold() in request.params.get("search_query", "").casefold() or what in request.path
        return faults.unavailable() if concerned or request.path == "/oai" else None

    return step


def assert_told(sky: Sky, day: date, state: HarvestState, said: str) -> None:
    """The reason is stored with the fetch, and shown wherever one looks."""
    assert sky.record.state is state
    assert sky.app.storage.harvests.of_date(day)[-1].state is state
    assert sky.reasons()[str(day)].startswith(said)
    assert sky.reasons()[str(day)] in shown(sky.app, editions, "list")
    found = json.loads(shown(sky.app, status, "--json"))["last_fetch"]
    assert (found["state"], found["reason"]) == (str(state), sky.record.reason)
    assert sky.record.reason in shown(sky.app, status)
    assert json.loads(shown(sky.app, editions, "show", str(day), "--json"))["reason"].startswith(said)


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_of_a_batch_matches(make: Make, source: str) -> None:
    releases = a_paper_each(batches(SUNDAY, SUNDAY))
    sky = make(source, [*releases, *of_category("cs.CV", 9, **OTHERS)])
    sky.publish(MONDAY)
    sky.publish(TUESDAY)
    assert_told(sky, TUESDAY, HarvestState.NO_MATCH, "no match: arXiv has announced, and nothing of it matches")


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_is_announced_on_a_weekend(make: Make, source: str) -> None:
    sky = make(source)
    sky.publish(FRIDAY)
    for day in (SATURDAY, SATURDAY + timedelta(days=1)):
        sky.publish(day)
        assert_told(sky, day, HarvestState.QUIET, "no announcement: arXiv announces nothing on Friday and Saturday")


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_is_announced_on_holidays(make: Make, source: str) -> None:
    """On Martin Luther King Day, and on one that only the operator knows of."""
    monday = date(2026, 1, 19)
    known = a_paper_each(batches(date(2026, 1, 15), date(2026, 1, 20), Calendar(frozenset({date(2026, 1, 20)}))))
    sky = make(source, known, arxiv={"holidays": ["2026-01-20"]})
    sky.publish(monday)
    sky.publish(monday + timedelta(days=1))
    assert_told(
        sky, monday + timedelta(days=1), HarvestState.QUIET, "no announcement: arXiv's holiday of Monday 19 January"
    )
    sky.publish(monday + timedelta(days=2))
    assert_told(
        sky,
        monday + timedelta(days=2),
        HarvestState.QUIET,
        "no announcement: arXiv's holiday of Tuesday 20 January",
    )


@pytest.mark.parametrize("source", SOURCES)
def test_a_holiday_that_nobody_knows_of(make: Make, source: str) -> None:
    """It is not told apart from a batch that is late; but feeds were empty, and their readers have missed nothing."""
    sky = make(source, without(MONDAY))
    subscribe(sky.app, "reader@example.org")
    sky.publish(MONDAY)
    sky.publish(TUESDAY)
    state, said = {
        "api": (HarvestState.SAME, "same batch again: arXiv still shows the batch before"),
        "feed": (HarvestState.QUIET, "no announcement: arXiv's feeds are empty; by its calendar it announced Tuesday"),
    }[source]
    assert_told(sky, TUESDAY, state, said)
    assert sky.record.due
    sky.publish(WEDNESDAY)
    assert sky.names(WEDNESDAY) == ["00002"]
    assert bool(sky.app.storage.editions.remarks(MONDAY, WEDNESDAY)) == (source == "api")


def test_a_category_that_is_stale_while_others_are_fresh(make: Make) -> None:
    sky = make("feed", [*a_paper_each(batches(SUNDAY, SATURDAY)), *of_category("stat.ML", 9)])
    subscribe(sky.app, "reader@example.org")
    sky.publish(MONDAY)
    sky.publish(TUESDAY, faults.at_path("/rss", lambda _: faults.stale(timedelta(days=1), {"stat.ML"})))
    assert (sky.names(TUESDAY), sky.record.state) == (["00002"], HarvestState.STALE)
    assert "arXiv still shows the batch before for stat.ML" in sky.record.reason
    assert "arXiv had not brought all of its categories up to date" in mails(sky.app.config.path.parent)[-1]
    sky.publish(WEDNESDAY)
    assert sky.names(WEDNESDAY) == ["00003", "90002", "90003"]


def test_only_a_stale_category_and_nothing_else(make: Make) -> None:
    sky = make("feed", [*of_category("cs.CV", 8, **OTHERS), *of_category("stat.ML", 9)])
    sky.publish(MONDAY)
    sky.publish(TUESDAY, faults.at_path("/rss", lambda _: faults.stale(timedelta(days=1), {"stat.ML"})))
    assert_told(sky, TUESDAY, HarvestState.STALE, "stale: arXiv still shows the batch before for stat.ML")


@pytest.mark.parametrize("source", SOURCES)
def test_a_part_that_fails(make: Make, source: str) -> None:
    releases = [*a_paper_each(batches(SUNDAY, SATURDAY)), *of_category("stat.ML", 9, title="Lattices by Borel")]
    sky = make(source, releases, topics=(GRAPHS, "Lattices by Borel"))
    subscribe(sky.app, "reader@example.org")
    sky.publish(MONDAY)
    assert sky.publish(TUESDAY, down_for({"api": "Borel", "feed": "stat.ML"}[source])).failed is None
    assert (sky.names(TUESDAY), sky.record.state) == (["00002"], HarvestState.PARTIAL)
    assert "HTTP 503" in sky.record.reason
    assert sky.record.reason in shown(sky.app, editions, "show", str(TUESDAY))
    (head,) = [mail for mail in mails(sky.app.config.path.parent) if "arXiv could not be asked in full for" in mail]
    assert "Lattices by Borel; what is missing follows" in head
    sky.publish(WEDNESDAY)
    assert sky.names(WEDNESDAY) == ["00003", "90002", "90003"]
    assert "nothing was fetched" not in mails(sky.app.config.path.parent)[-1]  # for an edition came out in between


@pytest.mark.parametrize("source", SOURCES)
def test_a_part_that_fails_while_the_rest_has_nothing(make: Make, source: str) -> None:
    """Nothing came, and that is arXiv's fault: it is told as one."""
    sky = make(source, of_category("stat.ML", 9, title="Lattices by Borel"), topics=(GRAPHS, "Lattices by Borel"))
    sky.publish(MONDAY)
    report = sky.publish(TUESDAY, down_for({"api": "Borel", "feed": "stat.ML"}[source]))
    assert_told(sky, TUESDAY, HarvestState.PARTIAL, "part of the fetch failed, and the rest held nothing to announce")
    assert "only a part was fetched, and it holds nothing to announce" in str(report.failed)
    assert sky.publish(WEDNESDAY).failed is None
    assert sky.names(WEDNESDAY) == ["90002", "90003"]


@pytest.mark.parametrize("weather", ["fine", "all down", "nothing there"])
@pytest.mark.parametrize("source", SOURCES)
def test_begun_on_a_saturday(make: Make, source: str, weather: str) -> None:
    late = [Release(paper("2602.00001", morning(FRIDAY)), morning(SUNDAY + timedelta(days=30)))]
    sky = make(source, late if weather == "nothing there" else ())
    report = sky.publish(SATURDAY, (lambda _: faults.unavailable()) if weather == "all down" else ())
    said = {day: reason for day, reason in sky.reasons().items() if reason}
    assert bool(report.failures) == (weather == "all down")
    if weather == "fine":
        assert (len(sky.names(SATURDAY)), said) == (5, {})
        assert bool(sky.app.storage.editions.remarks(None, SATURDAY)) is False
    else:
        assert list(said) == [str(SATURDAY)]
        assert sky.record.reason in shown(sky.app, status)

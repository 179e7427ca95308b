"""Whatever way papers come, the same are new on the same day, none is lost and none is told twice."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from datetime import time as clock
from pathlib import Path

from announcing import (
    CATEGORIES,
    TOPICS,
    a_paper_each,
    batches,
    bring_out,
    library,
    mails,
    morning,
    newsletter,
    paper,
    told,
    told_at_all,
    weeks,
)
from house import Time, subscribe

from newsletter.demo import faults
from newsletter.demo.announcements import Release, evening
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.library import answers
from newsletter.model import Kind, Remark, RemarkKind
from newsletter.query import name_query, parse
from newsletter.storage.matching import in_categories

FIRST, LAST = date(2026, 11, 15), date(2026, 12, 3)  # Sunday to Thursday, with Thanksgiving on 26 November
LATE = date(2026, 11, 18)  # the announcement is hours late
UNTIL = date(2026, 12, 6)  # three weeks after the first fetch: the weekly pass has seen everything
GRAPHS = "Graph Neural Networks"
HELD, MOVED = "2611.90001", "2610.90002"
Told = tuple[str, str, int]


def world() -> list[Release]:
    """Three weeks; besides, a paper that moderation held for 12 days, and one of October that comes into cs.LG."""
    evenings = [
        replace(batch, announced=evening(LATE, clock(23, 30))) if batch.evening == LATE else batch
        for batch in batches(FIRST, LAST)
    ]
    held = paper(HELD, evening(date(2026, 11, 12)))
    before = paper(MOVED, evening(date(2026, 10, 20)), categories=("physics.optics",))
    return [
        *weeks(4, evenings),
        Release(held, evening(date(2026, 11, 24))),
        Release(before, evening(date(2026, 10, 21))),
        Release(replace(before, categories=("physics.optics", "cs.LG")), evening(date(2026, 11, 24)), "cross"),
    ]


def to_be_told(releases: Sequence[Release], first: datetime) -> set[Told]:
    """Every version that was announced and answers a topic, by the stand-in's own reading of the queries."""
    queries = {topic["name"]: topic.get("query", "") for topic in TOPICS}
    trees = {name: parse(query) if query else name_query(name) for name, query in queries.items()}
    return {
        (name, release.paper.id, release.paper.version)
        for release in releases
        if release.moment >= first and in_categories(release.paper.categories, CATEGORIES)
        for name, tree in trees.items()
        if answers(release.paper, tree)
    }


def test_the_sources_agree_day_by_day_and_lose_nothing(tmp_path: Path) -> None:
    releases, time = world(), Time(morning(FIRST))
    arxiv, without_api = ArxivStandIn(library(releases, time)), ArxivStandIn(library(releases, time))
    with arxiv, without_api:
        apps = {
            "api": newsletter(tmp_path / "api", arxiv, time),
            "feed": newsletter(tmp_path / "feed", arxiv, time, "feed"),
            "oai": newsletter(tmp_path / "oai", without_api, time),
        }
        days = [FIRST + timedelta(days=number) for number in range((UNTIL - FIRST).days + 1)]
        for day in days:
            time.now = morning(day)
            for app in apps.values():
                assert not bring_out(app).failures
            # A topic's first edition needs the query API; from then on this one's is dead.
            if day > FIRST:
                without_api.script(faults.at_path("/api", lambda _: faults.internal_error()))
    news = {name: [told(app, day, Kind.NEW) for day in days] for name, app in apps.items()}
    everything = {name: list(told_at_all(app)) for name, app in apps.items()}

    # Feeds do not tell of a version 6 or later; that of a paper we were not told of comes with the weekly pass. And the
    # query API lists by submission: what was submitted long before it was announced comes with the weekly pass there.
    assert _without(news["feed"], sixth=True) == _without(news["api"], sixth=True)
    assert _without(news["oai"]) == _without(news["api"])
    for identifier in (HELD, MOVED):
        came = {
            name: [day for day in days if identifier in _names(found[days.index(day)])] for name, found in news.items()
        }
        assert came["feed"] == came["oai"] == [date(2026, 11, 25)]
        assert len(came["api"]) == 1
        assert came["api"][0] <= date(2026, 11, 29)

    wanted = to_be_told(releases, evening(FIRST))
    assert len(wanted) > 200
    newest = {identifier: version for _, identifier, version in sorted(wanted, key=lambda row: row[2])}
    overtaken = {row for row in wanted if 6 <= row[2] < newest[row[1]]}  # before the weekly pass
    for name, found in everything.items():
        expected = wanted - overtaken if name == "feed" else wanted
        assert Counter((topic, name, version) for topic, name, version, _ in found) == dict.fromkeys(expected, 1)
    assert sorted(everything["oai"]) == sorted(everything["api"])
    assert {row for row in everything["api"] if row[:3] not in overtaken} == set(everything["feed"])
    assert {kind for *_, kind in everything["api"]} == {"new", "revised", "withdrawn"}
    no_edition = {day for day, found in zip(days, news["api"], strict=True) if not found}
    assert no_edition >= {date(2026, 11, 21), date(2026, 11, 22), date(2026, 11, 27), date(2026, 11, 28)}


def _without(days: Sequence[set[tuple[str, str, int, str]]], *, sixth: bool = False) -> list[object]:
    return [{row for row in rows if row[1] not in (HELD, MOVED) and not (sixth and row[2] >= 6)} for rows in days]


def _names(rows: set[tuple[str, str, int, str]]) -> set[str]:
    return {row[1] for row in rows}


def test_a_day_on_which_the_api_refuses_the_feed(tmp_path: Path) -> None:
    """The edition is of the feed alone, and says so; what only a comment tells comes when it can be asked for."""
    releases = a_paper_each(batches(FIRST, date(2026, 11, 18)), comment="Accepted at a conference")
    third = releases[2]
    releases.append(replace(third, paper=replace(third.paper, id="2611.00009", title="Lattices")))
    time = Time(morning(FIRST))
    with ArxivStandIn(library(releases, time)) as arxiv:
        app = newsletter(tmp_path, arxiv, time, "feed")
        subscribe(app, "reader@example.org")
        for number in range(1, 4):
            time.now = morning(FIRST + timedelta(days=number))
            arxiv.script(faults.at_path("/api", lambda _: faults.unavailable()) if number == 3 else ())
            bring_out(app)
        alone = app.today()
        assert told(app, alone) == {(GRAPHS, "2611.00003", 1, "new")}
        assert app.storage.editions.remarks(None, alone) == {alone: (Remark(RemarkKind.FEED_ONLY),)}
        assert rows_of(tmp_path, "2611.00003") == {GRAPHS: ""}
        assert "Details such as comments are missing" in mails(tmp_path)[-1]

        arxiv.script(())
        time.now += timedelta(days=1)
        bring_out(app)
        assert told(app, app.today()) == {
            (GRAPHS, "2611.00004", 1, "new"),
            *(("Accepted", f"2611.0000{number}", 1, "new") for number in (3, 4, 9)),
        }
        assert app.storage.editions.remarks(alone, app.today()) == {}
        accepted = "Accepted at a conference"
        assert rows_of(tmp_path, "2611.00003") == {GRAPHS: accepted, "Accepted": accepted}
        newest = mails(tmp_path)[-1]
        assert "2611.00009v1" in newest
        assert "2611.00003v1" not in newest  # they know it from the day before
        asked = len(arxiv.requests)
        time.now += timedelta(days=1)
        bring_out(app)
        assert not any("2611.00009" in request.target for request in arxiv.requests[asked:])  # nothing is missing
        app.close()


def rows_of(folder: Path, identifier: str) -> dict[str, str]:
    """A paper's comment in the README, under each topic."""
    found, topic = {}, ""
    for line in (folder / "archive/README.md").read_text().splitlines():
        topic = line.removeprefix("## ") if line.startswith("## ") else topic
        if identifier in line:
            cell = line.rstrip("| ").rpartition("| ")[2]
            found[topic] = cell.rpartition("<p>")[2].removesuffix("</p></details>") if "<p>" in cell else ""
            found[topic] = "" if line.endswith("|  |") else found[topic]
    return found

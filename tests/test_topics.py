"""Topics under a new name: what was told stays told, and what was not is not told all at once."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from announcing import batches, bring_out, library, morning, newsletter, paper, told
from house import START, Time, bring, day, make_app, make_paper

from newsletter import fetching
from newsletter.app import App
from newsletter.demo.announcements import Release
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.model import HarvestState, Kind, Paper, Topic
from newsletter.publish import publish
from newsletter.settling import settle
from newsletter.storage.harvests import HarvestRecord

SUNDAY = date(2026, 2, 1)
OLD, GRAPHS = "Sparse Systems", "Graph Neural Networks"
SAME = ({"name": OLD, "query": "ti:graph"}, {"name": GRAPHS, "query": "ti:graph"})  # under either name
DAY = timedelta(days=1)


def renamed(app: App, old: str, new: str) -> Topic:
    """As the command does it."""
    app.storage.topics.merge(old, new)
    return app.storage.topics.named(new)


def decide(app: App, time: Time, *papers: Paper) -> None:
    """A day's papers, and its edition."""
    time.now += DAY
    bring(app, *papers)
    settle(app, app.today())


def propose(app: App, *papers: Paper, under: Sequence[int] = (), failed: Sequence[int] = ()) -> None:
    """A fetch that lists the same papers under some topics; nothing of it is decided on."""
    asked = {topic_id: "it did not answer" if topic_id in failed else "" for topic_id in {*under, *failed}}
    listed = {topic_id: [paper.key for paper in papers] for topic_id in under}
    record = HarvestRecord(0, app.today(), app.now(), "test", HarvestState.FRESH, "", 1, 1, 1, 0, 0)
    with app.storage.write():
        fetching.store(app, fetching.Gathered(record, app.now(), papers, listed, asked))


# ---------------------------------------------------------------- where it goes on


@pytest.mark.parametrize("began", [False, True], ids=["at once", "after its own first edition"])
def test_another_name_with_another_query_floods_nobody(tmp_path: Path, began: bool) -> None:
    evenings = batches(date(2025, 11, 20), SUNDAY + 15 * DAY)
    releases = [
        Release(paper(f"{batch.evening:%y%m}.{5 * number + n:05}", batch.opens + timedelta(hours=n)), batch.announced)
        for number, batch in enumerate(evenings)
        for n in range(5)
    ]
    time = Time(morning(SUNDAY + DAY))
    section: dict[str, Any] = {"arxiv_section": {"max_results": 100}}
    with ArxivStandIn(library(releases, time)) as arxiv:
        app = newsletter(tmp_path, arxiv, time, topics=(OLD,), **section)
        bring_out(app)
        app.close()
        time.now += DAY
        app = newsletter(tmp_path, arxiv, time, topics=(GRAPHS,), **section)
        if began:
            bring_out(app)
            time.now += DAY
        renamed(app, OLD, GRAPHS)
        numbers = []
        for _ in range(9):
            bring_out(app)
            numbers.append(len(told(app, app.today())))
            time.now += DAY
        assert numbers[0] == (5 if began else 20)
        assert max(numbers[1:]) == 5
        app.close()


def test_the_same_query_under_another_name_goes_on(tmp_path: Path, time: Time) -> None:
    app = make_app(tmp_path, topics=SAME[:1], time=time)
    decide(app, time, make_paper(1, "A Graph"))
    with app.storage.write():
        app.storage.topics.begin([1], app.now())
    before = app.storage.topics.named(OLD)
    app.close()
    app = make_app(tmp_path, topics=SAME[1:], time=time)
    after = renamed(app, OLD, GRAPHS)
    assert after == replace(before, name=GRAPHS)
    decide(app, time, *(make_paper(number, "A Graph") for number in range(100, 130)))
    assert len(app.storage.editions.of(app.today())) == 30
    app.close()


def test_it_begins_again_if_it_slept_meanwhile(tmp_path: Path, time: Time) -> None:
    app = make_app(tmp_path, topics=SAME[:1], time=time)
    decide(app, time, make_paper(1, "A Graph"))
    app.close()
    app = make_app(tmp_path, topics=("Speech Models",), time=time)
    decide(app, time, make_paper(2, "Speech Models"))
    app.close()
    app = make_app(tmp_path, topics=SAME[1:], time=time)
    assert not renamed(app, OLD, GRAPHS).begun
    decide(app, time, make_paper(1, "A Graph"), *(make_paper(number, "A Graph") for number in range(100, 130)))
    assert len(app.storage.editions.of(app.today())) == 20
    app.close()


def test_what_the_old_query_answered_does_not_begin_the_new_one(tmp_path: Path, time: Time) -> None:
    app = make_app(tmp_path, topics=(OLD,), time=time)
    propose(app, make_paper(1), under=[1])
    app.close()
    app = make_app(tmp_path, topics=(GRAPHS,), time=time)
    renamed(app, OLD, GRAPHS)
    assert app.storage.harvests.undecided().answered == frozenset()
    settle(app, app.today())
    assert not app.storage.topics.named(GRAPHS).begun
    app.close()


def test_what_the_new_query_did_not_answer_is_not_taken_for_all(tmp_path: Path, time: Time) -> None:
    app = make_app(tmp_path, topics=SAME, time=time)
    propose(app, make_paper(1), under=[1], failed=[2])
    renamed(app, OLD, GRAPHS)
    assert app.storage.harvests.undecided().answered == frozenset()
    app.close()


# ---------------------------------------------------------------- what it takes along


def test_the_account_adds_up_on_the_same_day(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    releases = [
        Release(paper(f"2601.{n:05}", one.opens), one.announced) for n, one in enumerate(batches(SUNDAY, SUNDAY))
    ]
    time = Time(morning(SUNDAY + DAY))
    with ArxivStandIn(library(releases, time)) as arxiv:
        app = newsletter(tmp_path, arxiv, time, topics=(OLD, GRAPHS))
        bring_out(app)
        app.close()
        app = newsletter(tmp_path, arxiv, time, topics=(GRAPHS,))
        renamed(app, OLD, GRAPHS)
        with caplog.at_level(logging.ERROR):
            publish(app, app.today())
        assert caplog.messages == []
        assert [one.new for one in app.storage.selections.of(app.today())] == [1]
        app.close()


def test_what_both_settled_was_told_when_it_was_told_first(tmp_path: Path, time: Time) -> None:
    """And if only one told it, then; the accounts of the editions say so."""
    app = make_app(tmp_path, topics=SAME[:1], time=time, digest={"backlog": 2})
    decide(app, time, make_paper(1, "A Graph"), make_paper(2, "A Graph"), make_paper(3, "A Graph"))  # 1 is passed over
    first = app.today()
    app.close()
    app = make_app(tmp_path, topics=SAME[1:], time=time, digest={"backlog": 9})
    decide(app, time, *(make_paper(number, "A Graph") for number in range(1, 5)))
    assert len(app.storage.editions.of(app.today())) == 4
    renamed(app, OLD, GRAPHS)
    editions = {when: {one.paper.id for one in app.storage.editions.of(when)} for when in (first, app.today())}
    assert editions == {first: {"0001.00002", "0001.00003"}, app.today(): {"0001.00001", "0001.00004"}}
    (selected,) = app.storage.selections.of(app.today())
    assert (selected.candidates, selected.settled, selected.new) == (4, 2, 2)
    assert [app.storage.selections.differences(when) for when in editions] == [[], []]
    app.close()


def test_what_waits_for_a_decision_is_kept(tmp_path: Path, time: Time) -> None:
    """Though both have it in the same place."""
    app = make_app(tmp_path, topics=SAME, time=time)
    papers = [make_paper(number, "A Graph") for number in range(1, 4)]
    propose(app, *papers, under=[1, 2])
    own = app.storage.database.value("SELECT count(*) FROM proposals WHERE topic_id = 1")
    with app.storage.write():
        app.storage.papers.add([make_paper(9, "A Graph")], START)
        app.storage.database.execute(
            "UPDATE proposals SET paper_key = (SELECT max(key) FROM papers) WHERE topic_id = 2 AND place = 1"
        )
    renamed(app, OLD, GRAPHS)
    assert {one.id for one in app.storage.harvests.undecided().papers} == {*(one.id for one in papers), "0001.00009"}
    assert app.storage.database.value("SELECT count(*) FROM proposals WHERE topic_id = 1") == own + 3
    settle(app, day())
    assert len([one for one in app.storage.editions.of(day()) if one.kind is Kind.NEW]) == 4
    app.close()

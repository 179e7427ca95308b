"""The invented world of papers, and what is found in it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
from standins import ask, ids

from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.library import FixedAnswers, Question, answers, search
from newsletter.demo.world import TOPICS, World
from newsletter.model import Paper
from newsletter.query import name_query, parse, write_search_query
from newsletter.storage.matching import Matcher


@pytest.fixture
def world() -> World:
    return World(date(2026, 1, 5))


def test_day_one_and_day_two_are_as_told(world: World) -> None:
    before = {paper.key: paper for paper in world.visible(world.day_one)}
    news = [paper for paper in world.visible(world.day_two) if paper.key not in before]
    assert len(before) == 32
    assert len([paper for paper in news if paper.version == 1]) == 8
    revised, withdrawn = [paper for paper in news if paper.version > 1]
    assert all((paper.id, 1) in before for paper in (revised, withdrawn))
    assert revised.comment.startswith("Accepted at")
    assert revised.abstract != before[revised.id, 1].abstract
    assert withdrawn.comment == "This paper has been withdrawn by the authors due to an error in Lemma 2."


def test_nothing_is_seen_before_its_moment(world: World) -> None:
    assert not world.visible(world.day_one - timedelta(days=365))
    almost = world.visible(world.day_two - timedelta(seconds=1))
    assert almost == world.visible(world.day_one)
    assert all(paper.updated < world.day_two for paper in world.versions(world.day_two))


def test_the_clock_decides_what_is_now() -> None:
    moment = datetime(2026, 1, 5, 7, tzinfo=UTC)
    world = World(date(2026, 1, 5), lambda: moment)
    assert len(world.visible()) == 32
    moment += timedelta(days=1)
    assert len(world.visible()) == 40


@pytest.mark.parametrize("topic", TOPICS)
def test_both_opinions_on_a_topic_agree(world: World, topic: str) -> None:
    papers, query = world.visible(world.day_two), name_query(topic)
    found = [paper for paper in papers if answers(paper, query)]
    assert found == Matcher(papers).matching(query)
    old = {paper.key for paper in world.visible(world.day_one)}
    assert sum(paper.key in old for paper in found) >= 6
    assert any(paper.key not in old and paper.version == 1 for paper in found)


def test_texts_are_believable(world: World) -> None:
    papers = world.versions(world.day_two)
    assert all(50 <= len(paper.abstract.split()) <= 150 for paper in papers)
    assert len({paper.id for paper in papers}) == 40
    titles = " ".join(paper.title for paper in papers)
    assert all(sign in titles for sign in ("|", "<SEG>", "$\\ell_1$"))
    assert max(len(paper.authors) for paper in papers) == 26


QUERIES = [
    'au:"Erdos"',
    'all:"Erdős–Rényi"',
    "cat:cs.* ANDNOT cat:cs.LG",
    "cat:physics.optics",
    'ti:"networks" AND abs:"edge"',
    '(ti:"anomaly" OR co:"code") ANDNOT au:"Lo"',
    "id:0001.00012",
    'abs:"graph neural network" AND abs:"protein"',
]


@pytest.mark.parametrize("query", QUERIES)
def test_both_opinions_on_a_query_agree(world: World, query: str) -> None:
    papers, tree = world.visible(world.day_two), parse(query)
    assert [paper for paper in papers if answers(paper, tree)] == Matcher(papers).matching(tree)


def test_relevance_prefers_titles(world: World) -> None:
    found = search(Question(parse('all:"anomaly"')), world.visible(), world.versions())
    assert "anomaly" in found[0].title.lower()


def test_fixed_answers_keep_their_order(world: World) -> None:
    papers = world.visible()
    fixed: dict[str, Sequence[Paper]] = {'ti:"speech" OR abs:"speech"': papers[5:2:-1], "Time Series": papers[:2]}
    with ArxivStandIn(FixedAnswers(fixed, world.now)) as arxiv:
        asked = write_search_query(parse("Speech"))
        expected = [f"{paper.id}v{paper.version}" for paper in papers[5:2:-1]]
        assert ids(ask(arxiv, search_query=asked, sortBy="lastUpdatedDate")) == expected
        assert ids(ask(arxiv, search_query=f"({asked}) AND (cat:cs.* OR cat:stat.*)", max_results=2)) == expected[:2]
        assert len(ids(ask(arxiv, search_query=write_search_query(parse("time series"))))) == 2
        assert ids(ask(arxiv, search_query="ti:nothing")) == []
        assert ids(ask(arxiv, id_list=f"{papers[0].id},{papers[9].id}")) == [f"{papers[0].id}v{papers[0].version}"]

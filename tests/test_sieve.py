"""What comes is sifted: kept, listed under topics, or only counted."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest
from house import START, Time, bring, day, make_app, make_paper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.app import App
from newsletter.model import Paper
from newsletter.settling import settle
from newsletter.sieve import Basket
from newsletter.sources import Sifted

GRAPHS, ANOMALY, CODE = "Graph Neural Networks", "Video Anomaly Detection", "Code on GitHub"
DAY = timedelta(days=1)


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    app = make_app(tmp_path, topics=[GRAPHS, ANOMALY, {"name": CODE, "query": "co:github"}], time=time)
    yield app
    app.close()


def basket(app: App, categories: Sequence[str] = ()) -> Basket:
    return Basket(app.storage, app.storage.topics.asked(), categories, START - 8 * DAY)


def hold(app: App, *papers: Paper) -> None:
    with app.storage.write():
        app.storage.papers.add(papers, START)


def about(number: int, *names: str, **fields: object) -> Paper:
    return replace(make_paper(number, " and ".join(names) or "Something else"), **fields)  # type: ignore[arg-type]


def keys(*papers: Paper) -> list[tuple[str, int]]:
    return [paper.key for paper in papers]


def listed(found: Basket) -> dict[int, list[tuple[str, int]]]:
    return {topic: list(papers) for topic, papers in found.listed.items() if papers}


# ---------------------------------------------------------------- what is kept


def test_what_matches_is_kept_and_the_rest_is_counted(app: App) -> None:
    held = about(1, GRAPHS)
    hold(app, held)
    news, other = about(2, GRAPHS), about(3)
    elsewhere = about(4, GRAPHS, categories=("math.AG",))
    found = basket(app, ["cs.*"])
    assert found.take([held, news, other, elsewhere]) == Sifted(outside=1, dropped=1, known=1, news=1)
    assert list(found.papers) == keys(news)
    assert found.news == 1


def test_what_comes_for_two_topics_is_news_once(app: App) -> None:
    both = about(1, GRAPHS, ANOMALY)
    found = basket(app)
    assert found.take([both], (1,)) == Sifted(news=1)
    assert found.take([both], (2,)) == Sifted(known=1)
    assert found.news == 1
    assert listed(found) == {1: keys(both), 2: keys(both)}


def test_known_papers_are_not_kept_in_memory(app: App) -> None:
    papers = [about(number, GRAPHS) for number in range(500)]
    hold(app, *papers)
    found = basket(app)
    assert found.take(papers).known == 500
    assert found.papers == {}


def test_what_is_told_later_of_a_known_version_is_recorded(app: App) -> None:
    hold(app, about(1, GRAPHS), about(2, GRAPHS, doi="10.1/x"))
    published = about(1, GRAPHS, journal_ref="J. Graphs 1 (2026)", doi="10.1/y")
    found = basket(app)
    assert found.take([published, about(2, GRAPHS, doi="10.1/x")]) == Sifted(known=2)
    assert list(found.papers) == [published.key]
    hold(app, *found.papers.values())
    assert not basket(app).take([published]).news
    assert app.storage.papers.outdated([published]) == set()
    (shown, *_) = (paper for paper in app.storage.papers.before([replace(published, version=2)]).values())
    assert (shown.journal_ref, shown.doi) == ("J. Graphs 1 (2026)", "10.1/y")


def test_a_new_version_is_news(app: App) -> None:
    hold(app, about(1, GRAPHS))
    found = basket(app)
    assert found.take([about(1, GRAPHS, version=2)]) == Sifted(news=1)


def test_what_is_held_provisionally_is_kept_in_full(app: App) -> None:
    short = about(1, GRAPHS, provisional=True)
    hold(app, short)
    full = replace(short, comment="12 pages", provisional=False)
    found = basket(app)
    assert found.take([full]) == Sifted(known=1)
    assert found.papers == {full.key: full}
    hold(app, *found.papers.values())
    assert basket(app).take([replace(full, comment="")]) == Sifted(known=1)
    assert app.storage.papers.held(keys(full)) == {full.key: True}


def test_what_came_provisionally_gives_way_to_what_comes_in_full(app: App) -> None:
    short, full = about(1, GRAPHS, provisional=True), about(1, GRAPHS)
    found = basket(app)
    assert found.take([short]) == Sifted(news=1)
    assert found.take([full], (1,)) == Sifted(known=1)
    assert found.take([short]) == Sifted(known=1)
    assert found.papers == {full.key: full}
    assert found.news == 1


# ---------------------------------------------------------------- what is listed


def test_a_feed_lists_under_every_topic_a_query_under_its_own(app: App) -> None:
    one, two = about(1, GRAPHS, ANOMALY), about(2, ANOMALY)
    found = basket(app)
    found.take([two, one])
    assert listed(found) == {1: keys(one), 2: keys(two, one)}
    found = basket(app)
    found.take([two, one], (2,))
    assert listed(found) == {2: keys(two, one)}


def test_what_matches_another_topic_only_is_proposed_all_the_same(app: App) -> None:
    """Selection matches whatever is proposed to every topic."""
    stray = about(1, GRAPHS)
    found = basket(app)
    assert found.take([stray], (2, 3)) == Sifted(news=1)
    assert [key for papers in found.listed.values() for key in papers] == keys(stray)


def test_what_was_settled_long_ago_is_not_listed_again(app: App, time: Time) -> None:
    long_ago = START - 20 * DAY
    old = about(1, GRAPHS, updated=long_ago, submitted=long_ago)
    late = about(2, GRAPHS, updated=long_ago, submitted=long_ago)
    recent = about(3, GRAPHS)
    bring(app, old, recent)
    settle(app, day())
    found = basket(app)
    found.take([recent, late, old])
    assert listed(found) == {1: keys(recent, late)}


def test_for_a_topic_that_begins_it_is(app: App) -> None:
    """What is held under one topic may be new under another."""
    long_ago = START - 20 * DAY
    old = about(1, GRAPHS, ANOMALY, updated=long_ago, submitted=long_ago)
    hold(app, old)
    found = basket(app)
    assert found.take([old], (2,)) == Sifted(known=1)
    assert listed(found) == {2: keys(old)}


def test_how_far_back_a_topic_was_read_only_its_own_query_tells(app: App) -> None:
    """Other sources tell of old papers too, and of a few only."""
    ours, others = (about(n, GRAPHS, ANOMALY, updated=START - n * DAY, submitted=START - n * DAY) for n in (20, 400))
    found = basket(app)
    found.take([others])
    found.take([others], (2,))
    assert found.reached == {2: others.updated}
    found.take([ours, about(1, GRAPHS)], (1,))
    found.take([replace(others, id="0001.00401", title="On Video Anomaly Detection")], (1, 3))
    assert found.reached == {1: ours.updated, 2: others.updated}


# ---------------------------------------------------------------- what a feed leaves out


def test_candidates_are_those_that_may_match_once_all_of_them_is_known(app: App) -> None:
    sure, perhaps = about(1, GRAPHS, provisional=True), about(2, provisional=True)
    elsewhere = about(3, categories=("math.AG",), provisional=True)
    found = basket(app, ["cs.*"])
    assert found.candidates([sure, perhaps, elsewhere]) == [sure, perhaps]
    hold(app, replace(perhaps, provisional=False))
    assert found.candidates([sure, perhaps, elsewhere]) == [sure]
    hold(app, sure)
    assert found.candidates([sure]) == [sure]


def test_what_may_match_later_is_kept_and_news_once_it_does(app: App) -> None:
    short = about(1, provisional=True)
    found = basket(app)
    assert found.take([short]) == Sifted(dropped=1)
    assert (found.news, listed(found), list(found.papers)) == (0, {}, keys(short))
    full = replace(short, comment="on GitHub", provisional=False)
    assert found.take([full], (3,)) == Sifted(news=1)
    assert found.take([full], (3,)) == Sifted(known=1)
    assert (found.news, listed(found), found.papers) == (1, {3: keys(full)}, {full.key: full})


def test_without_a_query_on_comments_only_those_that_match_are(tmp_path: Path) -> None:
    app = make_app(tmp_path, topics=[GRAPHS])
    sure, never = about(1, GRAPHS, provisional=True), about(2, provisional=True)
    assert basket(app).candidates([sure, never]) == [sure]
    app.close()


# ---------------------------------------------------------------- always


PAPERS = st.builds(
    lambda number, names, category, version, provisional: about(
        number, *names, categories=(category,), version=version, provisional=provisional
    ),
    st.integers(1, 12),
    st.lists(st.sampled_from([GRAPHS, ANOMALY]), max_size=2, unique=True),
    st.sampled_from(["cs.LG", "cs.CV", "math.AG"]),
    st.integers(1, 2),
    st.booleans(),
)
PAGES = st.lists(PAPERS, max_size=8, unique_by=lambda paper: paper.key)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.lists(st.tuples(PAGES, st.sets(st.integers(1, 3), max_size=3)), max_size=5))
def test_every_paper_is_counted_once(app: App, pages: list[tuple[list[Paper], set[int]]]) -> None:
    found = basket(app, ["cs.*"])
    news = 0
    matching = set()
    for papers, topics in pages:
        sifted = found.take(papers, tuple(topics))
        assert sum(asdict(sifted).values()) == len(papers)
        news += sifted.news
        matching |= {p.key for p in papers if p.title != "Something else" and p.categories != ("math.AG",)}
    assert news == found.news == len(matching)
    assert {key for listed in found.listed.values() for key in listed} == matching
    assert {paper.key for paper in found.papers.values() if not paper.provisional} <= matching

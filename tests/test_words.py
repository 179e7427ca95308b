"""The words that answered a query: the paper's own, few and short, kept with what is told, and each under its topic."""

import time as clock
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from house import Library, Time, bring, day, make_app, make_paper, subscribe
from hypothesis import given, settings
from hypothesis import strategies as st
from queries import Case, cases, needs_recordings, recorded_papers, recorded_terms, recorded_trees, terms, trees

from newsletter.app import App
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.digests import Digests
from newsletter.model import Announcement, Kind, Paper
from newsletter.publish import rehearse
from newsletter.query import And, Node, Not, Or, as_words, parse
from newsletter.selection import LONGEST_WORDS, MOST_WORDS, brief_words, make_digest
from newsletter.settling import settle
from newsletter.storage.matching import Matcher
from newsletter.storage.readers import Reader
from newsletter.text import readable

GRAPHS, VIDEO = "Graph Neural Networks", "Video Anomaly Detection"


def words(query: str | Node, *papers: Paper) -> list[tuple[str, ...]]:
    """Of each paper that answers, the words that do."""
    tree = parse(query) if isinstance(query, str) else query
    with closing(Matcher(papers)) as matcher:
        return matcher.words(tree, matcher.matching(tree))


@cache
def recorded_matcher() -> Matcher:
    return Matcher(recorded_papers())


# ---------------------------------------------------------------- of one paper

PAPER = make_paper(
    1,
    r"Finding Video Anomalies with $\ell_1$-Norms: Erd\H{o}s--R\'enyi Graphs and the Gödel–Graph Zoo",
    abstract="An anomaly in a video is rare. Graph neural networks learn ½ of it; graphs of H$_2$O do not.",
    authors=("Klaus-Robert Müller", "van Gogh, Vincent", "Cathy O'Neil", "Ada Ben-Ari"),
    categories=("cs.CV", "cs.SY"),
    comment="9 pages, code at GitHub",
    journal_ref="J. Moths 1 (2026)",
    report_no="CERN-TH-7, Fermilab-8",
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("graph neural network", ("Graph neural networks",)),
        ("video anomaly", ("Video Anomalies",)),
        ("ti:anomaly", ("Anomalies",)),
        ("abs:anomalies", ("anomaly",)),
        ("ti:anomalous OR ti:anomaly", ("Anomalies",)),
        ("graph", ("Graphs",)),  # however often, and with whatever endings
        ("gödel graph", ("Gödel–Graph",)),
        ("erdos renyi", ("Erdős–Rényi",)),
        ("ti:l1", ("ℓ₁",)),
        ("h2o", ("H₂O",)),
        ("abs:1", ("½",)),
        ("co:code AND co:github", ("code", "GitHub")),
        ("jr:moth", ("Moths",)),
        ("au:Muller_K", ("Klaus-Robert Müller",)),
        ("au:robert", ("Klaus-Robert",)),
        ('au:"Vincent van Gogh"', ("van Gogh, Vincent",)),
        ("au:oneil OR au:neil", ("O'Neil",)),
        ('au:"ari, ada ben"', ("Ada Ben-Ari",)),
        ("rn:cern-th", ("CERN-TH",)),
        ("cat:eess.SY", ("cs.SY",)),
        ("cat:cs.*", ("cs.CV", "cs.SY")),
        ("id:0001.00001v1", ("0001.00001v1",)),
        ("all:cs.CV", ("cs.CV",)),
        ("all:fermilab-8", ("Fermilab-8",)),
        ("all:7 OR ti:zoo", ("Zoo",)),  # a part of a report number is no answer to `all`
        ("cat:cs.CV AND co:code AND au:neil AND ti:zoo", ("Zoo", "code", "O'Neil", "cs.CV")),
        ("ti:graph OR abs:network OR abs:desert", ("Graphs", "networks")),
        ("ti:graph ANDNOT abs:desert", ("Graphs",)),
        ("(ti:graph ANDNOT ti:anomaly) OR ti:zoo", ("Zoo",)),  # what one branch excludes is nothing of the other
        ("(ti:graph AND abs:desert) OR co:code", ("code",)),
        ("ti:zoo ANDNOT (ti:desert ANDNOT ti:graph)", ("Graphs", "Zoo")),
        ('ti:graph OR abs:"graph neural networks"', ("Graph neural networks",)),  # the longer one says it all
        ('ti:"video anomaly" OR ti:"finding video"', ("Finding Video Anomalies",)),  # they overlap
    ],
)
def test_the_words_of_a_paper(query: str, found: tuple[str, ...]) -> None:
    other = make_paper(2, "On Moths", abstract="Nothing.", categories=("stat.ML",))
    assert words(query, other, PAPER) == [found]


def test_of_several_papers_each_has_its_own() -> None:
    papers = [PAPER, make_paper(2, "On Moths"), make_paper(3, "A Video", comment="Code"), make_paper(4, "VIDEOS")]
    assert words("ti:video OR co:code", *papers) == [("Video", "code"), ("Video", "Code"), ("VIDEOS",)]


def test_a_paper_that_does_not_answer_has_none() -> None:
    with closing(Matcher([PAPER])) as matcher:
        assert matcher.words(parse("ti:desert OR (ti:zoo AND co:desert)"), [PAPER]) == [()]


@given(cases, trees, st.one_of(terms, st.lists(terms, min_size=2, max_size=3).map(lambda some: Or(tuple(some)))))
@settings(max_examples=300)
def test_what_is_excluded_or_does_not_hold_is_never_shown(case: Case, tree: Node, other: Node) -> None:
    with closing(Matcher([case.paper])) as matcher:
        alone = matcher.words(tree, [case.paper])
        if matcher.bitmap(tree) and not matcher.bitmap(other):
            assert matcher.words(And((tree, Not(other))), [case.paper]) == alone
            assert matcher.words(Or((other, tree)), [case.paper]) == alone
        assert bool(matcher.words(other, [case.paper])[0]) == bool(matcher.bitmap(other))


def shown(paper: Paper) -> list[str]:
    """All that may be shown of a paper."""
    texts = (paper.title, paper.abstract, paper.comment, paper.journal_ref, paper.report_no, *paper.authors)
    composed = [unicodedata.normalize("NFC", readable(text)) for text in texts]
    return [*composed, *paper.categories, paper.id, f"{paper.id}v{paper.version}"]


def check(paper: Paper, found: Sequence[str]) -> None:
    told = brief_words(found)
    assert len(told) <= MOST_WORDS
    for word in (*found, *told):
        assert any(word.removesuffix("…") in text for text in shown(paper)), word
        assert word == " ".join(word.split())
    assert all(len(word) <= LONGEST_WORDS for word in told)
    plain = [f" {as_words(word)} " for word in found]
    assert not [one for one in plain for other in plain if one is not other and one in other]


@given(st.lists(cases, max_size=6, unique_by=lambda case: case.paper.key), st.lists(trees, min_size=1, max_size=5))
@settings(max_examples=300)
def test_every_word_stands_in_the_paper(papers: list[Case], queries: list[Node]) -> None:
    with closing(Matcher([case.paper for case in papers])) as matcher:
        for tree in queries:
            matched = matcher.matching(tree)
            for paper, found in zip(matched, matcher.words(tree, matched), strict=True):
                check(paper, found)


@needs_recordings
def test_every_word_stands_in_the_recorded_paper_and_every_answer_has_one() -> None:
    papers = recorded_papers()
    with closing(Matcher(papers)) as matcher:
        for number, paper in enumerate(papers):
            for term in recorded_terms(number):
                (found,) = matcher.words(term, [paper])
                assert bool(found) == bool(matcher.bitmap(term) >> number & 1), (term, paper.id)
                check(paper, found)


@needs_recordings
@given(st.data())
@settings(max_examples=200)
def test_every_word_of_a_longer_query_stands_in_the_recorded_paper(data: st.DataObject) -> None:
    tree = data.draw(recorded_trees())
    matched = recorded_matcher().matching(tree)
    for paper, found in zip(matched, recorded_matcher().words(tree, matched), strict=True):
        check(paper, found)


def test_a_hundred_terms_cost_no_more_than_a_dozen() -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    paper = make_paper(1, " ".join(f"{one}{other}" for one in letters for other in letters))
    ((*found,),) = words(" OR ".join(f"ti:{one}{one}" for one in letters), paper)
    assert found == [f"{one}{one}" for one in letters[:12]]


@needs_recordings
def test_fifty_thousand_answers_over_a_large_day() -> None:
    papers = [replace(paper, version=version) for paper in recorded_papers() for version in range(1, 7)]
    queries = list(dict.fromkeys(f"abs:{word}" for paper in papers for word in as_words(paper.title).split()))
    with closing(Matcher(papers)) as matcher:
        answers = [(tree, matcher.matching(tree)) for tree in map(parse, queries)]
        began = clock.process_time()
        found = [matcher.words(tree, matched) for tree, matched in answers]
        assert clock.process_time() - began < 15  # about 1.5 s on a laptop
    assert sum(map(len, found)) > 50_000
    assert all(map(all, found))


# ---------------------------------------------------------------- what is told


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ((), ()),
        (("one", "two", "three", "four", "cs.CV"), ("one", "two", "three", "four")),
        (("x" * 60,), ("x" * 60,)),
        (("x" * 61,), (f"{'x' * 59}…",)),
        ((f"{'x' * 58} yz",), (f"{'x' * 58}…",)),
    ],
)
def test_few_words_are_told_and_short_ones(found: tuple[str, ...], told: tuple[str, ...]) -> None:
    assert brief_words(found) == told


@pytest.fixture
def arxiv(library: Library) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(library) as server:
        yield server


@pytest.fixture
def app(tmp_path: Path, arxiv: ArxivStandIn, time: Time) -> Iterator[App]:
    app = make_app(tmp_path, api_url=arxiv.url, topics=(GRAPHS, VIDEO), time=time, digest={"backlog": 2})
    yield app
    app.close()


BOTH = make_paper(5, "Graph-Neural Networks for Video Anomalies", abstract="Video anomaly detection.", comment="Lamps")


def told(app: App, *announcements: Announcement) -> dict[tuple[str, str], tuple[str, ...]]:
    """By paper and topic its words."""
    topics = {topic.id: topic.name or topic.query for topic in app.storage.topics.all()}
    return {(one.paper.id, topics[one.topic_id]): one.words for one in announcements}


def test_they_are_decided_with_the_edition_and_kept(app: App) -> None:
    query = "co:lamp ANDNOT ti:moth"
    subscribe(app, "curious@example.org", queries=[query])
    bring(app, make_paper(1), make_paper(2), make_paper(3), BOTH)
    decision = settle(app, day())
    expected = {
        (BOTH.id, GRAPHS): ("Graph-Neural Networks",),
        (BOTH.id, VIDEO): ("Video anomaly detection",),
        (BOTH.id, query): ("Lamps",),
        ("0001.00003", GRAPHS): ("Graph Neural Networks",),
    }
    assert told(app, *decision.told) == expected
    assert told(app, *app.storage.editions.of(day())) == expected
    passed_over = [one for one in decision.announcements if one.kind is Kind.PASSED_OVER]
    assert [one.paper.id for one in passed_over] == ["0001.00002", "0001.00001"]
    assert [one.words for one in passed_over] == [(), ()]
    assert app.storage.database.value("SELECT count(*) FROM announcements WHERE words = '[]'") == 2


def test_words_of_any_letters_are_kept(app: App) -> None:
    subscribe(app, "curious@example.org", queries=['ti:"erdős" OR ti:"quoted"'])
    bring(app, make_paper(1, 'On "Quoted" Erd\\H{o}s \\emph{and} 中文'))
    settle(app, day())
    assert [one.words for one in app.storage.editions.of(day())] == [("Quoted", "Erdős")]


def test_equal_words_are_held_once(app: App) -> None:
    bring(app, make_paper(1), make_paper(2))
    settle(app, day())
    one, other = app.storage.editions.of(day())
    assert one.words is other.words


def test_a_rehearsal_decides_on_them_too(app: App, library: Library) -> None:
    library.answers = {GRAPHS: [BOTH], VIDEO: [BOTH]}
    decision = rehearse(app.config, app.outside, app.today()).decision
    assert told(app, *decision.told) == {
        (BOTH.id, GRAPHS): ("Graph-Neural Networks",),
        (BOTH.id, VIDEO): ("Video anomaly detection",),
    }


# ---------------------------------------------------------------- in a digest


def test_a_reader_gets_those_of_their_topics_in_their_order(app: App) -> None:
    subscribe(app, "curious@example.org", queries=["co:lamps"])
    bring(app, BOTH)
    settle(app, day())
    (query,) = (topic.id for topic in app.storage.topics.all() if topic.personal)
    (video,) = (topic.id for topic in app.storage.topics.all() if topic.name == VIDEO)
    reader = Reader(id=0, covered=None, chosen=frozenset((query, video)))
    (item,) = Digests(app.storage).of(reader, day()).items
    assert dict(zip(item.topic_ids, item.words, strict=True)) == {
        video: ("Video anomaly detection",),
        query: ("Lamps",),
    }


def announced(topic: int, version: int, *found: str) -> Announcement:
    return Announcement(topic, replace(BOTH, version=version), Kind.NEW, (), day(version), words=found)


def test_of_several_versions_the_newest_of_each_topic_counts() -> None:
    found = [announced(1, 1, "one"), announced(2, 2, "two"), announced(1, 3, "three"), announced(3, 1, "other")]
    for order in (found, found[::-1]):
        (item,) = make_digest(order, [2, 1], (), upto=day(3)).items
        assert (item.paper.version, item.topic_ids, item.words) == (3, (2, 1), (("two",), ("three",)))


def test_what_was_told_before_does_not_count() -> None:
    found = [announced(1, 1, "one"), announced(1, 2, "two")]
    (item,) = make_digest(found, [1], {(BOTH.id, 2)}, upto=day(3)).items
    assert item.words == (("one",),)


def test_a_line_has_words_too(app: App, time: Time) -> None:
    bring(app, make_paper(1))
    settle(app, day())
    time.now += timedelta(days=1)
    bring(app, make_paper(1, version=6))
    (line,) = settle(app, day(1)).told
    assert (line.minor, line.words) == (True, ("Graph Neural Networks",))

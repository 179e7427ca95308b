"""Matching: what FTS5 and bitmaps find is what somebody would find by looking, and no query can break it."""

import json
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from house import SHARED
from hypothesis import given, settings
from hypothesis import strategies as st
from queries import (
    Case,
    answers,
    cases,
    looks_answered,
    needs_recordings,
    recorded_papers,
    recorded_terms,
    recorded_trees,
    trees,
)

from newsletter.errors import QueryError
from newsletter.model import Paper
from newsletter.query import Node, as_words, parse, positive_terms, write
from newsletter.storage.matching import Matcher, in_categories, positions
from newsletter.text import readable

MOMENT = datetime(2025, 2, 3, tzinfo=UTC)


def paper(
    title: str = "",
    abstract: str = "",
    authors: Sequence[str] = (),
    categories: Sequence[str] = ("cs.CV",),
    identifier: str = "2502.18863",
    report_no: str = "",
) -> Paper:
    return Paper(identifier, 1, title, abstract, tuple(authors), tuple(categories), MOMENT, MOMENT, report_no=report_no)


def matches(query: str, one: Paper) -> bool:
    matcher = Matcher([one])
    found = matcher.matching(parse(query)) == [one]
    matcher.close()
    return found


def wants_something(tree: Node) -> bool:
    return next(positive_terms(tree), None) is not None


@given(st.lists(cases, max_size=6), st.lists(trees.filter(wants_something), min_size=1, max_size=10))
@settings(max_examples=400)
def test_what_is_found_is_what_looking_finds(papers: list[Case], queries: list[Node]) -> None:
    with closing(Matcher([case.paper for case in papers])) as matcher:
        for tree in queries:
            expected = [case.paper for case in papers if answers(case, tree)]
            assert matcher.matching(parse(write(tree))) == expected
            assert matcher.matching(tree) == expected


@cache
def recorded_matcher() -> Matcher:
    return Matcher(recorded_papers())


@needs_recordings
@given(st.data())
@settings(max_examples=300)
def test_what_is_found_among_recorded_papers_is_what_looking_finds(data: st.DataObject) -> None:
    tree = data.draw(recorded_trees())
    expected = [paper for paper in recorded_papers() if looks_answered(paper, tree)]
    assert recorded_matcher().matching(tree) == expected


@needs_recordings
def test_knowing_neighbours_changes_nothing() -> None:
    # Once many phrases were asked for, most are known to stand nowhere without asking again.
    trees = [term for number in range(len(recorded_papers())) for term in recorded_terms(number)]
    with closing(Matcher(recorded_papers())) as matcher:
        late = [matcher.bitmap(tree) for tree in trees]
    assert len(trees) > 3_000
    for at in range(0, len(trees), 300):
        with closing(Matcher(recorded_papers())) as matcher:
            assert [matcher.bitmap(tree) for tree in trees[at : at + 100]] == late[at : at + 100]


UNKNOWN = st.frozensets(st.sampled_from(("ti", "co", "jr", "rn", "au", "cat")), max_size=3)
_BLANK: dict[str, dict[str, Any]] = {
    "ti": {"title": ""},
    "co": {"comment": ""},
    "jr": {"journal_ref": ""},
    "rn": {"report_no": ""},
    "au": {"authors": ()},
    "cat": {"categories": ()},
}


def blanked(paper: Paper, unknown: frozenset[str]) -> Paper:
    for field in unknown:
        paper = replace(paper, **_BLANK[field])
    return paper


@given(st.lists(cases, max_size=6), st.lists(trees, min_size=1, max_size=10), UNKNOWN)
@settings(max_examples=300)
def test_what_is_possible_is_never_less_than_what_is_true(
    papers: list[Case], queries: list[Node], unknown: frozenset[str]
) -> None:
    whole = [case.paper for case in papers]
    blank = [blanked(paper, unknown) for paper in whole]
    with closing(Matcher(whole)) as now, closing(Matcher(blank)) as before:
        for tree in queries:
            assert now.bitmap(tree) & ~before.possible(tree, unknown) == 0
            assert before.possible(tree, frozenset()) == before.bitmap(tree)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("co:code", True),
        ("all:code", True),
        ("ti:graph ANDNOT co:code", True),
        ("ti:graph ANDNOT all:code", True),
        ("ti:tree AND co:code", False),
        ("ti:tree ANDNOT co:code", False),
        ("cat:cs.CV AND rn:7", True),
    ],
)
def test_what_is_possible_before_comments_are_known(query: str, found: bool) -> None:
    with closing(Matcher([paper("Graphs")])) as matcher:
        assert matcher.possible(parse(query), frozenset(("co", "jr", "rn"))) == found


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("vision language model", "Vision-Language Models in practice"),
        ("vision-language model", "vision language\u2013modelling? No: vision language model"),
        ("time series", "Time\nSeries"),
        ("Erdos Renyi", r"Erd\H{o}s--R\'enyi graphs"),
        ("erdős–rényi", "Erdos-Renyi"),
        ("strasse", "Die Straße"),
        (r"$\alpha$ stable", "α-stable"),
        ("k-means", "$k$-means"),
        ("multi", r"\textbf{M}ulti"),
        ("ti:l1", r"$\ell_1$-regularisation"),
        ("ti:ℓ1", r"$\ell_1$-regularisation"),
        (r"$\ell_1$ regularisation", r"$\ell_1$-regularisation"),
        ("l 1 regularisation", r"$\ell_1$-regularisation"),
        ("l1 regularisation", "ℓ₁-regularisation"),
        ("h2o", "Ice of H$_2$O"),
        ("L2 norm", "The $L^2$ norm"),
        ("CO2 capture", r"$\mathrm{CO}_{2}$ capture"),
        ("gpt 3.5", "GPT-3.5"),
        ("newton's method", "Newton\u2019s method"),
        ("survey", "SURVEYS"),
        ("0", "0"),
        ("ti:0", "0"),
        ("ti:forecasting", "Forecasts"),
        ('all:"cs cv"', "no word of it"),
        ("all:cs.CV", "no word of it"),
        ("all:2502.18863", "no word of it"),
        ("all:forecast", "forecast"),
    ],
)
def test_text_and_query_pass_one_normaliser(query: str, title: str) -> None:
    assert matches(query, paper(title))


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("vision language", "vision and language"),
        ("language vision", "vision language"),
        ("abs:vision", "vision"),
        ("vision ANDNOT ti:survey", "A survey of vision"),
        ("all:cs.CL", "cs.CV"),
    ],
)
def test_what_does_not_match(query: str, title: str) -> None:
    assert not matches(query, paper(title))


def test_a_phrase_does_not_reach_from_title_into_abstract() -> None:
    assert not matches("deep graph", paper("On deep", "graph models"))
    assert not matches('all:"deep graph"', paper("On deep", "graph models"))


@pytest.mark.parametrize(
    ("query", "author"),
    [
        ("au:Müller", "Klaus-Robert Muller"),
        ("au:muller", "K.-R. Müller"),
        ("au:muller_k", "Klaus-Robert Müller"),
        ('au:"K.-R. Müller"', "K.-R. Müller"),
        ('au:"Klaus Robert Muller"', "Klaus-Robert Müller"),
        ('au:"Müller, Klaus-Robert"', "Klaus-Robert Müller"),
        ('au:"Müller, K.-R."', "K.-R. Müller"),
        ('au:"Müller K"', "Klaus-Robert Müller"),
        ('au:"K. Muller"', "Klaus-R. Müller"),
        ('au:"van Gogh"', "Vincent van Gogh"),
        ('au:"van Gogh, Vincent"', "Vincent van Gogh"),
        ('au:"Gogh, Vincent van"', "Vincent van Gogh"),
        ('au:"V. van Gogh"', "Vincent van Gogh"),
        ('au:"van Gogh V"', "Vincent van Gogh"),
        ('au:"J. Smith"', "John Q. Smith"),
        ('au:"John Smith"', "Smith, John"),
        ("au:orsted", "H. C. Ørsted"),
        ("au:lukasz", "Łukasz Kaiser"),
        (r"au:erdos", r"P\'al Erd\H{o}s"),
        ("au:o'neil", "Cathy O\u2019Neil"),
        ("au:d'Alembert", "Jean d'Alembert"),
        ('au:"al-khwarizmi"', "Muhammad Al Khwarizmi"),
        ("au:Wei", "Wei"),
        ('au:"van der Maaten"', "Laurens van der Maaten"),
        ('au:"van der Maaten, L."', "Laurens van der Maaten"),
        ('au:"L. van der Maaten"', "Laurens van der Maaten"),
        ('au:"de Freitas"', "Nando de Freitas"),
        ("au:O'Neil", "Cathy O'Neil"),
        ('au:"O Neil"', "Cathy O'Neil"),
        (r'au:"Erd\H{o}s"', "Paul Erdős"),
        ("au:erdos", "Paul Erdős"),
        ("au:PEREZ", "José Pérez-García"),
        ('au:"\'t Hooft"', "Gerard 't Hooft"),
        ('au:"K.R. Müller"', "K.-R. Müller"),
        ("au:Smith_J", "John Smith"),
    ],
)
def test_names_with_initials_particles_and_accents(query: str, author: str) -> None:
    assert matches(query, paper(authors=[author]))


@pytest.mark.parametrize(
    ("query", "authors"),
    [
        ('au:"li wei"', ["Ada Li", "Wei Chen"]),
        ('au:"chen ada"', ["Wei Chen", "Ada Li"]),
        ('au:"ada chen"', ["Ada Li", "Wei Chen"]),
        ('au:"ada wei"', ["Ada Li", "Wei Chen"]),
        ('au:"ada w"', ["Ada Li", "Wei Chen"]),
        ('au:"li w"', ["Ada Li", "Wei Chen"]),
        ('au:"w li"', ["Ada Li", "Wei Chen"]),
        ("au:smith", ["John Smithson"]),
        ("au:j", ["John Smithson"]),
        ("au:chens", ["Wei Chen"]),
    ],
)
def test_an_author_phrase_stays_within_one_name(query: str, authors: list[str]) -> None:
    assert not matches(query, paper(authors=authors))


@pytest.mark.parametrize(
    ("query", "categories", "found"),
    [
        ("cat:cs.CV", ["stat.ML", "cs.CV"], True),
        ("cat:CS.cv", ["cs.CV"], True),
        ("cat:cs.*", ["cs.CV"], True),
        ("cat:cs.*", ["stat.ML"], False),
        ("cat:cs.C*", ["cs.CV"], True),
        ("cat:math.*", ["math-ph"], True),  # math.MP by its other name
        ("cat:math.*", ["cs.NA"], True),
        ("cat:math.NA", ["cs.NA"], True),
        ("cat:cs.NA", ["math.NA"], True),
        ("cat:eess.SY", ["cs.SY"], True),
        ("cat:q-fin.EC", ["econ.GN"], True),
        ("cat:math.MP", ["math-ph"], True),
        ("cat:stat.TH", ["math.ST"], True),
        ("cat:math.IT", ["cs.IT"], True),
        ("cat:cs.SY", ["eess.SY"], True),
        ("cat:hep-th", ["hep-th"], True),
        ("cat:hep-*", ["hep-th"], True),
        ("cat:cs.C", ["cs.CV"], False),
        ("cat:cs.CV", ["cs.CVX"], False),
    ],
)
def test_categories(query: str, categories: list[str], found: bool) -> None:
    assert matches(query, paper(categories=categories)) is found


@pytest.mark.parametrize(
    ("patterns", "categories", "inside"),
    [((), ["hep-th"], True), (("cs.*", "stat.*"), ["hep-th", "stat.ML"], True), (("cs.*",), ["hep-th"], False),
     (("CS.cv",), ["cs.CV"], True), (("stat.*",), ["math.ST"], True)],
)  # fmt: skip
def test_the_categories_of_candidates(patterns: tuple[str, ...], categories: list[str], inside: bool) -> None:
    assert in_categories(categories, patterns) is inside


@pytest.mark.parametrize(
    ("query", "identifier", "found"),
    [
        ("id:2502.18863", "2502.18863", True),
        ("id:2502.18863v1", "2502.18863", True),
        ("id:2502.18863v2", "2502.18863", False),
        ("id:2502.1886", "2502.18863", False),
        ("id:2502.18864", "2502.18863", False),
        ("id:https://arxiv.org/abs/2502.18863v1", "2502.18863", True),
        ('id:"https://arxiv.org/abs/2502.18863v1"', "2502.18863", True),
        ("id:math.GT/0309136", "math/0309136", True),
        ("id:math/0309136v1", "math/0309136", True),
    ],
)
def test_identifiers(query: str, identifier: str, found: bool) -> None:
    assert matches(query, paper(identifier=identifier)) is found


@pytest.mark.parametrize(
    ("query", "found"),
    [("rn:CERN-TH-2003", True), ("rn:cern-th-2003-12", True), ("rn:FERMILAB-7", True), ("rn:CERN-TH-20", False)],
)
def test_report_numbers(query: str, found: bool) -> None:
    assert matches(query, paper(report_no="CERN-TH-2003-12, Fermilab-7")) is found


ODD = st.text(st.sampled_from('"*^:(){}+-~/\\\x00\u0301\ue000\ufeff') | st.characters(), min_size=1, max_size=12)


@given(
    st.lists(ODD | st.sampled_from(["NEAR", "NEAR(a b, 2)", "title", "AND", "rank", "'", ";", "--"]), max_size=4),
    st.sampled_from(("", "ti:", "au:", "abs:", "all:", "co:", "jr:", "rn:", "cat:", "id:")),
)
def test_no_query_can_break_the_search(words: list[str], field: str) -> None:
    try:
        tree = parse(f'{field}"{" ".join(words).replace(chr(34), "")}"')
    except QueryError:
        return
    assert isinstance(MATCHER.bitmap(tree), int)


MATCHER = Matcher([paper("Graph NEAR title", "rank AND NOT", ["Ada \ue000 Li"]), paper()])


def test_no_candidates() -> None:
    matcher = Matcher([])
    assert matcher.matching(parse("a OR (ANDNOT cat:cs.CV)")) == []
    matcher.close()


def test_positions_of_a_bitmap() -> None:
    assert list(positions(0b1011)) == [0, 1, 3]
    assert list(positions(0)) == []
    assert list(positions(1 << 64)) == [64]


def test_reading_a_bitmap_is_linear() -> None:
    # Quadratic, a bitmap of this many papers takes a quarter of an hour.
    began = time.process_time()
    assert sum(1 for _ in positions((1 << 2_000_000) - 1)) == 2_000_000
    assert time.process_time() - began < 10


@needs_recordings
def test_ten_thousand_queries_over_a_large_day() -> None:
    lines = (SHARED / "data/arxiv/bulk/papers.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    pairs = (pair for record in records for pair in pairwise(record["summary"].split()))
    queries = list(dict.fromkeys(f'"{one} {other}"' for one, other in pairs if one.isalpha() and other.isalpha()))
    papers = [paper(record["title"], record["summary"], record["authors"]) for record in (records + records)[:2_000]]
    parsed = list(map(parse, queries[:10_000]))
    began = time.process_time()
    matcher = Matcher(papers)
    found = [matcher.bitmap(tree) for tree in parsed]
    matcher.close()
    assert len(parsed) == 10_000
    assert all(found)  # each was taken from one of them
    assert time.process_time() - began < 10  # about 2 s on a laptop


# ---------------------------------------------------------------- what matched


@pytest.mark.parametrize(
    ("query", "title", "words"),
    [
        ("ti:forecast", "On [Forecasts], and [forecasting]", ["Forecasts"]),
        ("graph neural", "[Graph-Neural] networks: [GRAPH NEURAL]", ["Graph-Neural"]),
        ("ti:graph OR ti:trees", "A [tree] is a [graph]", ["tree", "graph"]),
        ('ti:"deep graph" OR ti:"graph net"', "A [deep graph net]", ["deep graph net"]),
        ("ti:graph ANDNOT ti:tree", "A [graph]", ["graph"]),
        ("erdos renyi", r"[Erd\H{o}s--R\'enyi] graphs", ["Erdős–Rényi"]),
        ("ti:l1", r"On $[\ell_1]$-norms", ["ℓ₁"]),
        (r"$\ell_1$", r"On $[\ell_1]$-norms", ["ℓ₁"]),
        ("newton's method", "[Newton’s method]", ["Newton’s method"]),
        ("0", "[0]", ["0"]),
        ("cat:eess.SY", "Nothing", ["cs.SY"]),
        ("cat:cs.*", "Nothing", ["cs.CV", "cs.SY"]),
        ("id:2502.18863", "Nothing", ["2502.18863"]),
        ("rn:cern", "Nothing", ["CERN"]),
        ("au:Müller", "Nothing", ["Müller"]),
        ('au:"K. Müller" OR au:neil', "Nothing", ["Klaus-Robert Müller", "O'Neil"]),
        ('au:"van Gogh, V."', "Nothing", ["Vincent van Gogh"]),
        ("all:cs.CV", "Nothing", ["cs.CV"]),
        ("all:gogh", "Nothing", ["Gogh"]),
        ("ti:graph OR abs:forest OR co:code", "A [graph]", ["graph", "forests", "Code"]),
        ("ti:graph OR (abs:deserts AND ti:graph)", "A [graph]", ["graph"]),
    ],
)
def test_what_matched_is_marked(query: str, title: str, words: list[str]) -> None:
    authors = ["Klaus-Robert Müller", "Vincent van Gogh", "Cathy O'Neil"]
    plain = paper(
        title.replace("[", "").replace("]", ""), "Of forests.", authors, ["cs.CV", "cs.SY"], report_no="CERN-7"
    )
    with closing(Matcher([paper("Another"), replace(plain, comment="Code at GitHub")])) as matcher:
        marks = matcher.marked(1, parse(query))
    assert list(marks.words) == words
    shown = "".join(f"[{text}]" if marked else text for text, marked in marks.title)
    assert shown == readable(title.replace("$[", "[$").replace("]$", "$]"))


@needs_recordings
def test_marks_tell_which_words_matched_and_leave_the_title_as_it_is() -> None:
    matcher = recorded_matcher()
    for number, one in enumerate(recorded_papers()):
        for term in recorded_terms(number):
            if term.field == "ti" and not matcher.bitmap(term) >> number & 1:
                continue
            marks = matcher.marked(number, term)
            assert "".join(text for text, _ in marks.title) == readable(one.title)
            if term.field == "ti":
                marked = [text for text, is_marked in marks.title if is_marked]
                assert as_words(term.words) in [as_words(text) for text in marked]

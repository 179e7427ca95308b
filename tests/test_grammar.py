"""arXiv's own grammar: how it repairs and reads a query, and that it never makes less of what is written for it."""

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any, get_args

import pytest
from house import make_paper
from hypothesis import given, settings
from hypothesis import strategies as st
from queries import (
    Case,
    calls,
    cases,
    needs_recordings,
    recorded_papers,
    recorded_terms,
    recorded_trees,
    trees,
)

from newsletter.demo.grammar import And, Grouping, Not, Or, Term, Tree, answers, parse
from newsletter.demo.library import FixedAnswers, Question, parse_search_query
from newsletter.demo.stems import stem
from newsletter.model import Paper
from newsletter.query import Node, name_query, positive_terms, write_search_query
from newsletter.query import parse as read
from newsletter.storage.matching import Matcher, positions

A, B, C = (Term("ti", word) for word in "abc")


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("ti:a", A),
        ("a", Term("all", "a")),
        ('"a b"', Term("all", "a b")),
        ('ti:"a b"', Term("ti", "a b")),
        ('ti:"a', A),
        ("title:a", A),
        ("a b", Or((Term("all", "a"), Term("all", "b")))),
        ("ti:a ti:b", Or((A, B))),
        ("ti:a (ti:b)", Or((A, B))),
        ("ti:a AND ti:b", And((A, B))),
        ("ti:a and ti:b", Or((A, Term("all", "and"), B))),
        ("ti:a NOT ti:b", And((A, Not(B)))),
        ("ti:a AND NOT ti:b", And((A, Not(B)))),
        ("ti:a AND OR ti:b", Or((A, B))),
        ("ANDNOT ti:a", Not(A)),
        ("ti:(a b)", Or((A, B))),
        ("ti:(a AND (b OR c))", And((A, Or((B, C))))),
        ("ti:(a AND abs:b) OR c", Or((And((A, Term("abs", "b"))), Term("all", "c")))),
        ("au:del_maestro", Term("au", "del maestro")),
        ("cat:cs.*", Term("cat", "cs.*")),
        ("foo:a", Term("all", "foo:a")),
        ("doi:10.1038/418838a", Term("doi", "10.1038/418838a")),
        ("submittedDate:[2026 TO 202601060000]", Term("submittedDate", "2026 TO 202601060000")),
        ("lastUpdatedDate:[2026 TO 2027]", Term("submittedDate", "2026 TO 2027")),
    ],
)
def test_queries_mean(query: str, tree: Tree) -> None:
    assert parse(query) == tree


@pytest.mark.parametrize(
    "query",
    ["", "AND ti:a", "ti:a AND", "ti:a AND au:", "(ti:a", "ti:a)", "ti:()", "*", "ti:*a", "all:?b"]
    + [f"submittedDate:[{dates}]" for dates in ("2026", "202613 TO 2027", "20260101 TO *", "20261 TO 2027")],
)
def test_what_arxiv_answers_400_to(query: str) -> None:
    assert parse(query) is None


def test_without_precedence_a_chain_hangs_on_how_it_is_grouped() -> None:
    chain = "ti:a AND ti:b OR ti:c"
    assert parse(chain, "left") == Or((And((A, B)), C))
    assert parse(chain, "right") == And((A, Or((B, C))))
    assert parse("ANDNOT ti:a AND ti:b", "left") == And((Not(A), B))
    assert parse("ANDNOT ti:a AND ti:b", "right") == Not(And((A, B)))


def test_long_chains_are_read() -> None:
    for grouping in get_args(Grouping):
        tree = parse(" OR ".join(["ti:a", "ti:b"] * 2_000), grouping)
        assert isinstance(tree, Or)
        assert len(tree.items) == 4_000


@given(
    st.lists(st.sampled_from(("ti:", "au:", "AND", "OR", "NOT", "ANDNOT", "(", ")", '"', "a", "b_c", "*")), max_size=12)
)
def test_any_text_is_read_or_not_understood(pieces: list[str]) -> None:
    tree = parse(" ".join(pieces))
    assert tree is None or answers(make_paper(1), tree) in (True, False)


# ---------------------------------------------------------------- answering

PAPER = Paper(
    "2601.00001",
    2,
    r"Erd\H{o}s graphs: Newton's method for GPT-3.5",
    "We train state-of-the-art models.",
    ("Fei-Fei Li", "K.R. Müller", "Cathy O'Neil"),
    ("cs.LG", "stat.ML"),
    datetime(2026, 1, 5, 23, 59, 30, tzinfo=UTC),
    datetime(2026, 1, 9, tzinfo=UTC),
    comment="12 pages",
    doi="10.1000/X1",
)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('ti:"erdos graph"', True),
        ('ti:"graph erdos"', False),
        ('ti:"newton method"', True),
        ("ti:newton", True),
        ('ti:"gpt 3.5"', True),
        ('ti:"gpt 3 5"', False),
        ('abs:"state of the art"', True),
        ("abs:model", True),
        ("all:pages", True),
        ("co:12", True),
        ('au:"Li Fei-Fei"', True),
        ('au:"F Li"', True),
        ("au:fei*", True),
        ("au:fei", False),
        ("au:muller", True),
        ('au:"KR Muller"', True),
        ("au:O'Neil", True),
        ("au:neil", False),
        ("cat:cs.LG", True),
        ("cat:cs.*", True),
        ("cat:stat.ml", True),
        ("cat:cs", False),
        ("id:2601.00001", True),
        ("id:2601.00001v2", True),
        ("id:2601.00001v1", False),
        ("doi:10.1000/x1", True),
        ("submittedDate:[20260105 TO 20260106]", True),
        ("submittedDate:[202601052359 TO 202601060000]", True),
        ("submittedDate:[2025 TO 202601]", True),
        ("submittedDate:[2026010600 TO 2027]", False),
        ("submittedDate:[2025 TO 20260105235959]", False),  # seconds are cut off
        ("ti:graphs AND submittedDate:[2026 TO 2026]", True),
    ],
)
def test_a_paper_answers(query: str, found: bool) -> None:
    tree = parse(query)
    assert tree is not None
    assert answers(PAPER, tree) is found


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("caresses", "caress"), ("ponies", "poni"), ("agreed", "agre"), ("motoring", "motor"), ("hopping", "hop"),
        ("filing", "file"), ("happy", "happi"), ("relational", "relat"), ("generalizations", "gener"), ("sky", "sky"),
        ("controlling", "control"), ("probabilities", "probabl"), ("adoption", "adopt"), ("as", "as"),
    ],
)  # fmt: skip
def test_stems(word: str, expected: str) -> None:
    assert stem(word) == expected


# ---------------------------------------------------------------- what is written is never narrower


def understood(tree: Node) -> list[Tree]:
    """What arXiv makes of a query of ours, grouped from either side."""
    written = write_search_query(tree)
    assert written.isprintable()
    assert not re.search(r"(?:^|\()ANDNOT \(", written)  # which it fails on
    trees = [parse(written, "left"), parse(written, "right")]
    return [tree for tree in trees if tree is not None] if None not in trees else pytest.fail(written)


def wants(tree: Node) -> bool:
    return next(positive_terms(tree), None) is not None


@given(st.lists(cases, max_size=6), st.lists(trees.filter(wants), min_size=1, max_size=8))
@settings(max_examples=300)
def test_arxiv_finds_what_we_find(papers: list[Case], queries: list[Node]) -> None:
    held = [case.paper for case in papers]
    with closing(Matcher(held)) as matcher:
        for tree in queries:
            found = matcher.matching(tree)
            for theirs in understood(tree):
                assert [paper for paper in found if not answers(paper, theirs)] == []


@given(st.lists(cases, max_size=6), trees.filter(wants))
def test_nothing_hangs_on_how_arxiv_groups(papers: list[Case], tree: Node) -> None:
    left, right = understood(tree)
    assert [answers(case.paper, left) for case in papers] == [answers(case.paper, right) for case in papers]


@cache
def recorded_matcher() -> Matcher:
    return Matcher([_without_parts(paper) for paper in recorded_papers()])


def _without_parts(paper: Paper) -> Paper:
    """Without addresses of pages and names with hyphens: a part of these is found here, not there."""
    names = ("title", "abstract", "comment")
    texts: dict[str, Any] = {name: re.sub(r"\S*[^\W\d]\.[^\W\d]\S*", "", getattr(paper, name)) for name in names}
    return replace(paper, **texts, authors=tuple(name for name in paper.authors if "-" not in name))


@needs_recordings
@given(st.data())
@settings(max_examples=300)
def test_arxiv_finds_what_we_find_among_recorded_papers(data: st.DataObject) -> None:
    tree = data.draw(recorded_trees().filter(wants))
    for theirs in understood(tree):
        missed = [paper for paper in recorded_matcher().matching(tree) if not answers(paper, theirs)]
        assert missed == []


@needs_recordings
def test_arxiv_finds_recorded_authors_with_hyphens() -> None:
    papers = [replace(one, authors=(name,)) for one in recorded_papers() for name in one.authors if "-" in name]
    with closing(Matcher(papers)) as matcher:
        for place, paper in enumerate(papers):
            for call in calls(paper.authors[0]):
                blanks = [call.replace("-", " ")] if "-" in call and " " in call else []
                for written in (call, *blanks):
                    tree = read(f'au:"{written}"')
                    assert not matcher.bitmap(tree) >> place & 1 or answers(paper, understood(tree)[0]), written
    assert len(papers) > 50


@needs_recordings
def test_what_is_written_is_hardly_wider_than_what_we_find_or_what_was_typed() -> None:
    papers = recorded_matcher().papers[:120]
    with closing(Matcher(papers)) as matcher:
        needed = asked = 0
        for number in range(0, len(papers), 4):
            for term in recorded_terms(number):
                typed, (theirs, _) = Term(term.field, term.spelled), understood(term)
                ours = set(positions(matcher.bitmap(term)))
                found = {place for place, paper in enumerate(papers) if answers(paper, theirs)}
                assert ours <= found
                needed += len(ours | {place for place, paper in enumerate(papers) if answers(paper, typed)})
                asked += len(found)
    assert needed > 5_000
    assert asked < 1.02 * needed


# ---------------------------------------------------------------- fixed answers

GRAPHS, SPEECH = "Graph Neural Networks", "Speech"
LATE, EARLY, OTHER, LAST = (make_paper(number, "Nothing of the kind") for number in (40, 30, 20, 10))
FIXED = FixedAnswers({GRAPHS: [EARLY, LATE], SPEECH: [OTHER, LATE, LAST]})


def asked(query: str) -> Sequence[Paper]:
    tree = parse_search_query(query)
    assert tree is not None
    return FIXED.search(Question(tree, (), "lastUpdatedDate"))


def written(name: str) -> str:
    return write_search_query(name_query(name))


def joined(*names: str) -> str:
    return " OR ".join(f"({written(name)})" for name in names)


def test_a_given_query_has_its_given_list() -> None:
    assert asked(written(GRAPHS)) == (EARLY, LATE)
    assert asked(f"({written(GRAPHS)}) AND cat:cs.*") == (EARLY, LATE)
    assert asked("ti:nothing") == [LATE, EARLY, OTHER, LAST]


@pytest.mark.parametrize(
    "query", [joined(GRAPHS, SPEECH), joined(SPEECH, GRAPHS), f"({joined(GRAPHS, SPEECH)}) AND cat:*.*"]
)
def test_given_queries_joined_have_their_lists_merged(query: str) -> None:
    found = asked(query)
    assert list(found) == [EARLY, LATE, OTHER, LAST]
    for own in ([EARLY, LATE], [OTHER, LAST]):
        assert [paper for paper in found if paper in own] == own


def test_of_joined_queries_those_not_given_are_evaluated() -> None:
    assert list(asked(f"({written(SPEECH)}) OR ti:kind")) == [LATE, EARLY, OTHER, LAST]
    assert list(asked(f"({written(SPEECH)}) OR id:{EARLY.id}")) == [EARLY, OTHER, LATE, LAST]


def test_dates_narrow_what_was_given() -> None:
    days = [replace(LATE, submitted=datetime(2026, 1, 5, 12, tzinfo=UTC)), EARLY]
    days[1] = replace(EARLY, submitted=days[0].submitted - timedelta(days=3))
    fixed = FixedAnswers({GRAPHS: days, SPEECH: [OTHER]})
    wanted = "submittedDate:[202601050000 TO 202601052359]"
    for query in (written(GRAPHS), joined(GRAPHS, SPEECH)):
        tree = parse_search_query(f"({query}) AND {wanted}")
        assert tree is not None
        found = list(fixed.search(Question(tree)))
        assert days[0] in found
        assert days[1] not in found


def test_a_long_request_for_many_given_queries() -> None:
    names = [f"Topic {number}" for number in range(60)]
    papers = [make_paper(number) for number in range(60)]
    fixed = FixedAnswers({name: [paper] for name, paper in zip(names, papers, strict=True)})
    found = fixed.search(Question(parse_search_query(joined(*names))))
    assert all(one.updated >= other.updated for one, other in pairwise(found))
    assert sorted(paper.id for paper in found) == sorted(paper.id for paper in papers)

"""The query language: what parses, what is refused and where, and the two forms it is written in."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from queries import spell, trees

from newsletter.errors import QueryError
from newsletter.query import (
    FIELDS,
    MAX_LENGTH,
    MAX_NESTING,
    And,
    Node,
    Not,
    Or,
    Term,
    name_query,
    normal_form,
    parse,
    positive_terms,
    terms,
    write,
    write_search_query,
)

A, B, C, D = (Term("ti", word) for word in "abcd")


def phrase(words: str) -> Or:
    return Or((Term("ti", words), Term("abs", words)))


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("Video Anomaly Detection", phrase("video anomaly detection")),
        ('"video anomaly"', phrase("video anomaly")),
        ("“video anomaly”", phrase("video anomaly")),
        ("ti:a", A),
        ("TI:A", A),
        ("ti: a", A),
        ('ti:"a"', A),
        ("ti:a AND ti:b", And((A, B))),
        ("ti:a ANDNOT ti:b", And((A, Not(B)))),
        ("ANDNOT ti:b AND ti:a", And((A, Not(B)))),
        ("ti:a OR ti:b OR ti:c", Or((A, B, C))),
        ("ti:a AND (ti:b OR ti:c)", And((A, Or((B, C))))),
        ("(ti:a AND ti:b) AND ti:c", And((A, B, C))),
        ("ti:(a OR b)", Or((A, B))),
        ("ti:(a b)", Term("ti", "a b")),
        ("ti:a ANDNOT (ANDNOT ti:b)", And((A, B))),
        ("ti:a AND ti:A", A),
        ("ti:a OR (ANDNOT ti:b)", Or((A, Not(B)))),
        ("deep learning AND cat:cs.CV", And((phrase("deep learning"), Term("cat", "cs.cv")))),
        ("au:del_maestro", Term("au", "del maestro")),
        ('au:"Müller, K.-R."', Term("au", "muller k r")),
        ("cat:CS.*", Term("cat", "cs.*")),
        ("id:arXiv:2502.18863v2", Term("id", "2502.18863v2")),
        ("id:math.GT/0309136", Term("id", "math/0309136")),
        ("rn:CERN-TH/2003", Term("rn", "cern th 2003")),
        ("and or not", phrase("and or not")),
        ('"NOT" OR ti:a', Or((Term("ti", "not"), Term("abs", "not"), A))),
        ("What is attention?", phrase("what is attention")),
        ("d'Alembert", phrase("d alembert")),
        (r"$\alpha$-stable", phrase("α stable")),
    ],
)
def test_queries_mean(query: str, tree: Node) -> None:
    assert parse(query) == tree


@pytest.mark.parametrize(
    ("query", "position", "reason"),
    [
        ("", 0, "empty"),
        ("   ", 0, "empty"),
        ("ti:", 3, "after ti:"),
        ("ti:()", 4, "expected a word"),
        ("(ti:a", 0, "not closed"),
        ("ti:a)", 4, "closes nothing"),
        ('ti:a AND "b', 9, "not closed"),
        ("foo:bar", 0, "there is no field foo:"),
        ("see https://a.b", 4, "there is no field https:"),
        ("ti:a b", 5, "expected AND, OR or ANDNOT"),
        ("ti:a ti:b", 5, "expected AND, OR or ANDNOT"),
        ("ti:a AND", 8, "expected a word"),
        ("AND ti:a", 0, "expected a word"),
        ("ti:a AND OR ti:b", 9, "expected a word"),
        ("ti:a NOT ti:b", 5, "ANDNOT"),
        ("ti:a and ti:b", 5, "capitals: AND"),
        ("ti:(a or b)", 6, "or is a word here"),
        ("ti:a AND deep and wide", 14, "and is a word here"),
        ("ti:a -b", 5, "ANDNOT excludes"),
        ("graphs -trees", 7, "ANDNOT excludes"),
        ("ti:a && ti:b", 5, "is written AND"),
        ("title:a", 0, "ti: is meant"),
        ("ti:(abs:a)", 4, "inside ti:( )"),
        ("ti:a AND b*", 10, "in cat: only"),
        ("A  b* c", 4, "in cat: only"),
        ("te?t", 2, "in cat: only"),
        ("ti:a AND ???", 9, "a letter or a digit"),
        ("cat:c++", 4, "a category"),
        ("cat:cs", 4, "no paper is in cs alone"),
        ("id:12", 3, "an arXiv identifier"),
        ("ANDNOT ti:a", 0, "everything is excluded"),
        ("(ANDNOT ti:a) AND (ANDNOT ti:b)", 0, "everything is excluded"),
        ("ti:a OR ti:b AND ti:c", 13, "AND beside OR"),
        ("ti:a AND ti:b OR ti:c", 14, "OR beside AND"),
        ("ti:a OR ti:b ANDNOT ti:c", 13, "ANDNOT beside OR"),
        ("ANDNOT ti:a OR ti:b", 12, "OR beside ANDNOT"),
        ("x" * (MAX_LENGTH + 1), MAX_LENGTH, f"at most {MAX_LENGTH}"),
        ("(" * (MAX_NESTING + 1) + "a" + ")" * (MAX_NESTING + 1), MAX_NESTING, f"at most {MAX_NESTING}"),
    ],
)
def test_what_is_refused_and_where(query: str, position: int, reason: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse(query)
    assert reason in caught.value.reason
    assert caught.value.position == position


def test_a_mixture_is_shown_in_both_readings() -> None:
    with pytest.raises(QueryError) as caught:
        parse('"a b" AND c OR d')
    assert '("a b" AND c) OR … or "a b" AND (c OR …)' in str(caught.value)


def test_the_caret_stands_under_the_character() -> None:
    with pytest.raises(QueryError) as caught:
        parse("ti:a XOR: b")
    assert caught.value.pointing().splitlines()[:2] == ["ti:a XOR: b", "     ^"]


def test_the_deepest_nesting_parses() -> None:
    assert parse("(" * MAX_NESTING + "ti:a" + ")" * MAX_NESTING) == A


def test_a_name_is_one_phrase_whatever_it_holds() -> None:
    assert name_query("AND: Logic (gates)") == phrase("and logic gates")
    assert name_query("A* Search, why?") == phrase("a search why")


@pytest.mark.parametrize(
    ("query", "search_query"),
    [
        ("Vision-Language Model", 'ti:"Vision Language Model" OR abs:"Vision Language Model"'),
        ("ti:Müller–Łuk", 'ti:"Muller Luk" OR ti:"Müller Łuk"'),
        ("ti:α-stable", 'ti:"α stable" OR ti:"alpha stable"'),
        ("ti:GPT-3.5", 'ti:"GPT 3.5" OR ti:"GPT 3 5"'),
        ('ti:"newton\'s method"', 'ti:"newton\'s method" OR ti:"newton s method"'),
        ('ti:"Why NOT: this (AND that)"', 'ti:"Why not this and that"'),
        ('au:"Fei-Fei Li"', 'au:"Fei-Fei Li" OR au:"Fei Fei Li" OR au:"Fei Fei-Li" OR au:"Fei-Fei-Li"'),
        ("au:O'Neil", 'au:"O\'Neil" OR au:"O Neil" OR au:"O* Neil"'),
        ('au:"J. Smith"', 'au:"J Smith" OR au:"J* Smith"'),
        ('au:"Smith, J."', 'au:"Smith J" OR au:"Smith J*"'),
        ("au:del_maestro", 'au:"del maestro"'),
        ("ti:a AND ti:b ANDNOT ti:c ANDNOT ti:d", '(ti:"a" AND ti:"b") ANDNOT (ti:"c" OR ti:"d")'),
        ("ti:a ANDNOT (ti:b OR ti:c)", 'ti:"a" ANDNOT (ti:"b" OR ti:"c")'),
        ("cat:CS.cv AND cat:hep-*", "cat:cs.CV AND cat:hep-*"),
        ("cat:cs.NA", "cat:cs.NA OR cat:math.NA"),
        ("cat:eess.* ANDNOT cat:eess.SY", "(cat:eess.* OR cat:cs.SY) ANDNOT cat:eess.SY"),
        ("ti:a OR (ANDNOT (ti:b OR ti:c))", 'ti:"a" OR ((ANDNOT ti:"b") AND (ANDNOT ti:"c"))'),
        ('ti:a ANDNOT ti:"b c" ANDNOT all:d', 'ti:"a"'),
        ('ti:a AND (ti:b OR (ANDNOT ti:"c d"))', 'ti:"a"'),
        ('ti:a OR (ANDNOT ti:"b c")', "ANDNOT id:0000.00000"),
        ("cat:COND-MAT.mes-hall", "cat:cond-mat.mes-hall"),
        ("id:2502.18863", "id:2502.18863"),
    ],
)
def test_the_form_for_arxiv(query: str, search_query: str) -> None:
    assert write_search_query(parse(query)) == search_query


def test_the_terms_that_make_a_paper_match() -> None:
    tree = parse("ti:a AND (ti:b OR (ANDNOT ti:c)) ANDNOT (ti:d ANDNOT ti:a)")
    assert list(terms(tree)) == [A, B, C, D, A]
    assert list(positive_terms(tree)) == [A, B, A]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ti:a AND abs:b", "ABS:B AND (TI:a) AND ti:A"),
        ("(ti:a OR ti:b) AND (ti:b OR ti:a)", "ti:a OR ti:b"),
        ("ti:a OR (ti:b OR ti:a)", "ti:b OR ti:a"),
        ("Erdős–Rényi graph", "erdos renyi GRAPH"),
        (r"Andr\'e", "André"),
        ("cat:CS.CV", "cat:cs.cv"),
        ("ti:a ANDNOT ti:b ANDNOT ti:c", "(ANDNOT ti:c) AND ti:a ANDNOT ti:b"),
    ],
)
def test_queries_that_are_one(one: str, other: str) -> None:
    assert normal_form(parse(one)) == normal_form(parse(other))


@pytest.mark.parametrize(("one", "other"), [("ti:a", "abs:a"), ("a b", "b a"), ("ti:a AND ti:b", "ti:a OR ti:b")])
def test_queries_that_are_two(one: str, other: str) -> None:
    assert normal_form(parse(one)) != normal_form(parse(other))


POSITIVE = trees.filter(lambda tree: next(positive_terms(tree), None) is not None)


@given(POSITIVE)
@settings(max_examples=1_000)
def test_what_was_parsed_is_read_back_equal(tree: Node) -> None:
    parsed = parse(write(tree))
    assert parse(write(parsed)) == parsed
    assert normal_form(parse(normal_form(parsed))) == normal_form(parsed)


@given(POSITIVE, st.randoms(use_true_random=False), st.randoms(use_true_random=False))
def test_the_normal_form_knows_no_case_accents_order_or_repetition(
    tree: Node, one: random.Random, other: random.Random
) -> None:
    assert normal_form(parse(spell(tree, one))) == normal_form(parse(spell(tree, other)))


PIECES = st.sampled_from(
    (*(f"{field}:" for field in FIELDS), "AND", "OR", "ANDNOT", "NOT", "(", ")", '"', "*", "^", "a")
)
TEXTS = st.text(max_size=40) | st.lists(PIECES | st.text(max_size=5), max_size=12).map(" ".join)


@given(TEXTS)
def test_any_text_parses_or_is_refused_at_one_of_its_characters(text: str) -> None:
    match attempt(text):
        case QueryError() as error:
            assert 0 <= error.position <= len(text)
            assert error.reason
        case tree:
            assert parse(write(tree)) == tree


def attempt(text: str) -> Node | QueryError:
    try:
        return parse(text)
    except QueryError as error:
        return error

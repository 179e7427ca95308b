"""Queries and papers, generated and recorded, and evaluators that look for themselves, without FTS5."""

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import pytest
from house import SHARED
from hypothesis import strategies as st

from newsletter.demo.stems import stem
from newsletter.errors import QueryError
from newsletter.model import Paper
from newsletter.query import And, Node, Not, Or, Term, category_matches, parse
from newsletter.query import terms as terms_of
from newsletter.text import normalise, readable

_CALLS = (
    "obrecht", "ada obrecht", "diaz", "van stein", "li", "obrecht ada", "a obrecht", "j obrecht", "k obrecht",
    "stein l", "l van stein", "li w", "w li", "o neil", "mary jo li",
)  # fmt: skip
WORDS = ("graph", "video", "kernel", "depth", "prior", "neural", "2d")
NAMES = (
    "Ada Obrecht", "José Ramón Díaz", "Ludwig van Stein", "J. K. Obrecht", "Ørsted, Anna", "Wei Li", "Mary-Jo Li",
    "Cathy O'Neil",
)  # fmt: skip
CATEGORIES = ("cs.CV", "cs.NA", "math.NA", "stat.ML", "hep-th")
_ACCENTS = str.maketrans("eaou", "éàöü")
_MOMENT = datetime(2025, 2, 3, tzinfo=UTC)

_phrases = st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join)
terms: st.SearchStrategy[Node] = st.one_of(
    st.builds(Term, st.sampled_from(("ti", "abs", "co", "jr", "all")), _phrases),
    st.builds(Term, st.just("au"), st.sampled_from(_CALLS)),
    st.builds(Term, st.just("cat"), st.sampled_from(("cs.cv", "cs.*", "math.na", "hep-th", "stat.*"))),
    st.builds(Term, st.just("id"), st.sampled_from(("2502.00001", "2502.00002v1", "2502.00002v2"))),
)  # fmt: skip


def _inner(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(children, min_size=2, max_size=4).map(tuple)
    return st.one_of(st.builds(And, several), st.builds(Or, several), st.builds(Not, children))


#: Trees of any shape, also such as no parser makes: the same twice, an Or in an Or.
trees = st.recursive(terms, _inner, max_leaves=10)


def spell(tree: Node, chance: random.Random) -> str:
    """Write a query as somebody might: any order, repetition, case, accents, hyphens, and parentheses to spare."""
    match tree:
        case Term(field, words) if field in ("cat", "id"):
            text = f"{field}:{words.upper() if field == 'cat' and chance.random() < 0.5 else words}"
        case Term(field, words):
            text = f'{field}:"{_disguise(words, chance)}"'
        case Not(item):
            text = f"ANDNOT ({spell(item, chance)})"
        case And(items) | Or(items):
            spelled = [f"({spell(item, chance)})" for item in (*items, chance.choice(items))]
            chance.shuffle(spelled)
            text = (" AND " if isinstance(tree, And) else " OR ").join(spelled)
    return f"({text})" if chance.random() < 0.2 else text


def _disguise(words: str, chance: random.Random) -> str:
    forms = (str, str.upper, str.title, lambda text: text.translate(_ACCENTS))
    return chance.choice((" ", "-", " \u2013 ")).join(chance.choice(forms)(word) for word in words.split())


@dataclass(frozen=True)
class Case:
    """A paper, and the words its texts were made of."""

    paper: Paper
    said: dict[str, Sequence[str]]


def _case(number: int, texts: Sequence[list[str]], authors: list[str], categories: list[str], seed: int) -> Case:
    chance = random.Random(seed)
    said: dict[str, Sequence[str]] = dict(zip(("ti", "abs", "co", "jr"), texts, strict=True))
    title, abstract, comment, journal = (_disguise(" ".join(words), chance) for words in texts)
    paper = Paper(
        id=f"2502.0000{number % 4}",
        version=1 + number // 4 % 2,
        title=title,
        abstract=abstract,
        authors=tuple(authors),
        categories=tuple(categories),
        submitted=_MOMENT,
        updated=_MOMENT,
        comment=comment,
        journal_ref=journal,
    )
    return Case(paper, said)


_texts = st.tuples(*[st.lists(st.sampled_from(WORDS), max_size=5)] * 4)
_names = st.lists(st.sampled_from(NAMES), max_size=3, unique=True)
_categories = st.lists(st.sampled_from(CATEGORIES), min_size=1, max_size=2, unique=True)
cases = st.builds(_case, st.integers(0, 7), _texts, _names, _categories, st.integers(0, 99))


def answers(case: Case, tree: Node) -> bool:
    """Whether a paper answers a query, by looking."""
    match tree:
        case Term(field, words):
            return _says(case, field, words)
        case Not(item):
            return not answers(case, item)
        case And(items):
            return all(answers(case, item) for item in items)
        case Or(items):
            return any(answers(case, item) for item in items)


# What each name may be called, written out by hand.
_CALLED = {
    "Ada Obrecht": {"ada", "obrecht", "ada obrecht", "obrecht ada", "a obrecht"},
    "José Ramón Díaz": {"jose", "ramon", "diaz"},
    "Ludwig van Stein": {"ludwig", "van", "stein", "van stein", "l van stein", "stein l"},
    "J. K. Obrecht": {"j", "k", "obrecht", "j obrecht", "k obrecht"},
    "Ørsted, Anna": {"orsted", "anna"},
    "Wei Li": {"wei", "li", "li w", "w li"},
    "Mary-Jo Li": {"mary", "jo", "li", "mary jo li"},
    "Cathy O'Neil": {"cathy", "o", "neil", "o neil"},
}
_TWO_NAMES = {"cs.NA": ("cs.na", "math.na"), "math.NA": ("cs.na", "math.na")}


def _says(case: Case, field: str, words: str) -> bool:
    match field:
        case "id":
            return words in (case.paper.id, f"{case.paper.id}v{case.paper.version}")
        case "cat":
            names = [name for one in case.paper.categories for name in _TWO_NAMES.get(one, (one.lower(),))]
            return any(name.startswith(words[:-1]) if words.endswith("*") else name == words for name in names)
        case "au":
            return any(words in _CALLED[name] for name in case.paper.authors)
        case "all":
            return any(_says(case, one, words) for one in case.said)
        case _:
            return f" {words} " in f" {' '.join(case.said[field])} "


# ---------------------------------------------------------------- recorded papers

_BULK = SHARED / "data" / "arxiv" / "bulk" / "papers.jsonl"
_TEXTS = ("ti", "abs", "co")
_TEX = re.compile(r"[$\\\\{}]")

needs_recordings = pytest.mark.skipif(not _BULK.exists(), reason=f"the recordings are not in {_BULK.parent}")


@cache
def recorded_papers() -> tuple[Paper, ...]:
    """One in four of the recorded papers, so that looking into each takes no minutes."""
    lines = _BULK.read_text(encoding="utf-8").splitlines()[::4]
    return tuple(map(_recorded, range(len(lines)), map(json.loads, lines)))


def _recorded(number: int, record: dict[str, object]) -> Paper:
    texts = {name: " ".join(str(record[name] or "").split()) for name in ("title", "summary", "comment")}
    authors, categories = record["authors"], record["categories"]
    assert isinstance(authors, list)
    assert isinstance(categories, list)
    identifier = f"2510.{number:05}"
    return Paper(
        identifier, 1, texts["title"], texts["summary"], tuple(authors), tuple(categories), _MOMENT, _MOMENT,
        comment=texts["comment"],
    )  # fmt: skip


@cache
def recorded_terms(number: int) -> tuple[Term, ...]:
    """Terms that a recorded paper may answer: taken from its own words, as they are written there."""
    paper, chance = recorded_papers()[number], random.Random(number)
    found = [f"cat:{chance.choice(paper.categories)}", f"cat:{paper.categories[0].partition('.')[0]}.*"]
    for field in (*_TEXTS, "all"):
        words = said(paper, field).split()
        for length in (1, 2, 3) if words else ():
            at = chance.randrange(len(words))
            found.append(f'{field}:"{" ".join(words[at : at + length])}"')
    found += [
        f'au:"{call}"' for name in chance.sample(paper.authors, min(2, len(paper.authors))) for call in calls(name)
    ]
    return tuple(term for text in found for term in _parsed(text))


def calls(name: str) -> list[str]:
    """What the bearer of a name may be asked for as, where it is clear which word is the surname."""
    *first, last = name.split()
    if not first:
        return [name]
    return [name, last, f"{first[0][0]}. {last}", f"{last} {first[0][0]}", f"{last}, {' '.join(first)}"]


def _parsed(text: str) -> list[Term]:
    if _TEX.search(text):  # a part of a formula is not read as it is in the whole
        return []
    try:
        return [term for term in terms_of(parse(text)) if not term.words.isdigit()]
    except QueryError:  # nothing but signs, or a wildcard
        return []


@st.composite
def recorded_trees(draw: st.DrawFn) -> Node:
    """A query of terms that one paper says, and of some that another does."""
    number = st.integers(0, len(recorded_papers()) - 1)
    several = st.sampled_from(recorded_terms(draw(number)) + recorded_terms(draw(number))[:4])
    tree: Node = draw(st.recursive(several, _inner, max_leaves=6))
    return tree


def said(paper: Paper, field: str) -> str:
    """A text of a paper; of `all`, the one that comes first."""
    return {"ti": paper.title, "abs": paper.abstract, "co": paper.comment}.get(field, paper.title)


def looks_answered(paper: Paper, tree: Node) -> bool:
    """Whether a recorded paper answers a query, by looking for stems in its texts."""
    match tree:
        case Term():
            return _looks_said(paper, tree.field, tree.words)
        case Not(item):
            return not looks_answered(paper, item)
        case And(items):
            return all(looks_answered(paper, item) for item in items)
        case Or(items):
            return any(looks_answered(paper, item) for item in items)


def _looks_said(paper: Paper, field: str, words: str) -> bool:
    match field:
        case "cat":
            return any(category_matches(name, words) for name in paper.categories)
        case "au":
            return any(_called(tuple(_words(name)), words.split()) for name in paper.authors)
        case "all":
            parts = (paper.id, f"{paper.id}v1", *paper.categories)
            return any(_looks_said(paper, one, words) for one in (*_TEXTS, "au")) or words in map(_plain, parts)
        case _:
            wanted = f" {' '.join(map(stem, words.split()))} "
            return any(wanted in text for text in _stemmed(said(paper, field)))


def _called(name: tuple[str, ...], words: list[str]) -> bool:
    """Whether a name holds some words, begun from any of its own; an initial at an end may stand for a name."""
    round_about = [*name, *name[:-1]]
    starts = range(len(round_about) - len(words) + 1)

    def held(wanted: list[str], *, last_begins: bool = False) -> bool:
        cuts = (round_about[at : at + len(wanted)] for at in starts)
        return any(
            cut[:-1] == wanted[:-1] and (cut[-1].startswith(wanted[-1]) if last_begins else cut[-1] == wanted[-1])
            for cut in cuts
        )

    if len(words) > 1 and len(words[-1]) == 1:
        return held(words, last_begins=True)
    return held(words) or (len(words) > 1 and len(words[0]) == 1 and held([*words[1:], words[0]], last_begins=True))


def _words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+", normalise(text))


def _plain(text: str) -> str:
    return " ".join(_words(text))


@cache
def _stemmed(text: str) -> tuple[str, ...]:
    joined = re.sub(r"(?<=\w)[_^]\{?(?=\w)", "", readable(text))
    return tuple(f" {' '.join(map(stem, _words(form)))} " for form in (text, joined))

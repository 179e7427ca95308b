"""Generated queries and papers, and an evaluator that knows nothing of FTS5, of stems or of our normaliser."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hypothesis import strategies as st

from newsletter.model import Paper
from newsletter.query import And, Node, Not, Or, Term

_CALLS = ("obrecht", "ada obrecht", "diaz", "van stein", "li", "obrecht ada")
WORDS = ("graph", "video", "kernel", "depth", "prior", "neural", "2d")
NAMES = ("Ada Obrecht", "José Ramón Díaz", "Ludwig van Stein", "J. K. Obrecht", "Ørsted, Anna", "Wei Li")
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
    "Ada Obrecht": {"ada", "obrecht", "ada obrecht", "obrecht ada"},
    "José Ramón Díaz": {"jose", "ramon", "diaz"},
    "Ludwig van Stein": {"ludwig", "van", "stein", "van stein"},
    "J. K. Obrecht": {"j", "k", "obrecht"},
    "Ørsted, Anna": {"orsted", "anna"},
    "Wei Li": {"wei", "li"},
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

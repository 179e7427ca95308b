"""What an invented arXiv can be asked, and an evaluator of its own that answers.

The evaluator compares words as people would, without the full-text search the newsletter matches with, so that the two
are independent opinions on the same query.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Protocol

from newsletter.errors import QueryError
from newsletter.model import Paper, Version
from newsletter.query import And, Node, Not, Or, Term, normal_form, parse, positive_terms
from newsletter.text import normalise

Clock = Callable[[], datetime]

_WORDS = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Question:
    """What one request asks for: a query, identifiers, or the identifiers that answer the query."""

    tree: Node | None
    versions: tuple[Version, ...] = ()
    sort_by: str = "relevance"  # or lastUpdatedDate, submittedDate
    descending: bool = True


class Library(Protocol):
    """Where the papers behind a stand-in come from."""

    def now(self) -> datetime:
        """The moment that the answers are of."""

    def search(self, question: Question) -> Sequence[Paper]:
        """All papers that answer, in the order asked for; paging is the server's."""


class FixedAnswers:
    """A library that answers given queries with given papers in their given order, whatever sort is asked for.

    A request is for a given query if it demands all that the query demands; it may add more, such as categories.
    Other queries are evaluated over all papers given.
    """

    def __init__(self, answers: Mapping[str, Sequence[Paper]], clock: Clock = lambda: datetime.now(UTC)) -> None:
        self._answers = [(_demands(parse(query)), tuple(papers)) for query, papers in answers.items()]
        self._papers = tuple({paper.key: paper for papers in answers.values() for paper in papers}.values())
        self.now = clock

    def search(self, question: Question) -> Sequence[Paper]:
        """Give the papers that belong to a given query, else those that answer."""
        if question.tree is not None and not question.versions:
            asked = _demands(question.tree)
            for demands, papers in self._answers:
                if demands <= asked:
                    return papers
        return search(question, newest(self._papers), self._papers)


def search(question: Question, current: Sequence[Paper], every: Sequence[Paper]) -> list[Paper]:
    """Answer from texts: queries see the current versions only, identifiers may name any version there is."""
    found = _identified(question.versions, current, every) if question.versions else list(current)
    if question.tree is not None:
        tree = question.tree
        found = [paper for paper in found if answers(paper, tree)]
    return found if question.versions else _sorted(found, question)


def newest(papers: Sequence[Paper]) -> list[Paper]:
    """Keep the newest version of each paper."""
    kept: dict[str, Paper] = {}
    for paper in sorted(papers, key=lambda paper: paper.version):
        kept[paper.id] = paper
    return list(kept.values())


def answers(paper: Paper, tree: Node) -> bool:
    """Whether a paper answers a query."""
    match tree:
        case Term():
            return _weight(paper, tree) > 0
        case Not(item):
            return not answers(paper, item)
        case And(items):
            return all(answers(paper, item) for item in items)
        case Or(items):
            return any(answers(paper, item) for item in items)


def without_phrases(tree: Node) -> Node:
    """Loosen every phrase into all of its words anywhere, as arXiv's search took them for four weeks of 2025."""
    match tree:
        case Term(field, words, _) if " " in words:
            return And(tuple(Term(field, word, word) for word in dict.fromkeys(words.split())))
        case Term():
            return tree
        case Not(item):
            return Not(without_phrases(item))
        case And(items):
            return And(tuple(map(without_phrases, items)))
        case Or(items):
            return Or(tuple(map(without_phrases, items)))


def parse_search_query(text: str) -> Node | None:
    """Read a search_query; None if it cannot be understood."""
    try:
        return parse(text)
    except QueryError:
        return None


def _identified(versions: Sequence[Version], current: Sequence[Paper], every: Sequence[Paper]) -> list[Paper]:
    by_id = {paper.id: paper for paper in current}
    by_key = {paper.key: paper for paper in every}
    found = (by_key.get((name, number)) if number else by_id.get(name) for name, number in dict.fromkeys(versions))
    return [paper for paper in found if paper is not None]


def _sorted(papers: list[Paper], question: Question) -> list[Paper]:
    def rank(paper: Paper) -> float:
        match question.sort_by:
            case "submittedDate":
                return paper.submitted.timestamp()
            case "lastUpdatedDate":
                return paper.updated.timestamp()
            case _:
                tree = question.tree
                return sum(_weight(paper, term) for term in positive_terms(tree)) if tree is not None else 0

    return sorted(papers, key=rank, reverse=question.descending)


def _demands(tree: Node) -> frozenset[str]:
    items = tree.items if isinstance(tree, And) else (tree,)
    return frozenset(map(normal_form, items))


def _weight(paper: Paper, term: Term) -> int:
    # How often a paper says a term; what stands in the title counts twice.
    match term.field:
        case "cat":
            return sum(_category_is(name.lower(), term.words) for name in paper.categories)
        case "id":
            return int(term.words in (paper.id, f"{paper.id}v{paper.version}"))
        case "rn":
            return int(term.words in paper.report_no.casefold().split())
        case "all":
            fields = ("ti", "abs", "co", "jr", "au")
            return sum(_weight(paper, Term(field, term.words, term.spelled)) for field in fields)
        case "au":
            return sum(_count(_tokens(author), term.words.split()) for author in paper.authors)
        case field:
            wanted = [_singular(word) for word in term.words.split()]
            return _count(_singulars(_text(paper, field)), wanted) * (2 if field == "ti" else 1)


def _text(paper: Paper, field: str) -> str:
    return {"ti": paper.title, "abs": paper.abstract, "co": paper.comment, "jr": paper.journal_ref}[field]


def _category_is(name: str, pattern: str) -> bool:
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _count(words: Sequence[str], wanted: Sequence[str]) -> int:
    length = len(wanted)
    return sum(list(words[at : at + length]) == list(wanted) for at in range(len(words) - length + 1))


@cache
def _tokens(text: str) -> tuple[str, ...]:
    return tuple(_WORDS.findall(normalise(text)))


@cache
def _singulars(text: str) -> tuple[str, ...]:
    return tuple(map(_singular, _tokens(text)))


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    if word.endswith(("sses", "xes", "zes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word

"""What an invented arXiv can be asked, and how it answers: by arXiv's own grammar, over texts, without FTS5."""

import heapq
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from newsletter.demo import grammar
from newsletter.demo.grammar import And, Not, Or, Term, Tree
from newsletter.demo.words import text_words
from newsletter.model import Paper, Version
from newsletter.query import Node, parse, write_search_query

Clock = Callable[[], datetime]

_TEXTS = ("ti", "abs", "co", "jr", "rn", "all")


@dataclass(frozen=True, slots=True)
class Question:
    """What one request asks for: a query, identifiers, or the identifiers that answer the query.

    The query is as arXiv understood it, or one of the newsletter's own, which is asked as it is written for arXiv.
    """

    tree: Tree | Node | None
    versions: tuple[Version, ...] = ()
    sort_by: str = "relevance"  # or lastUpdatedDate, submittedDate
    descending: bool = True


class Library(Protocol):
    """Where the papers behind a stand-in come from."""

    def now(self) -> datetime:
        """The moment that the answers are of."""

    def search(self, question: Question) -> Sequence[Paper]:
        """All papers that answer, in the order asked for; paging is the server's."""


@dataclass(frozen=True, slots=True)
class _Given:
    demands: frozenset[Hashable]  # joined with AND
    parts: frozenset[Hashable]  # joined with OR
    papers: tuple[Paper, ...]

    @classmethod
    def of(cls, tree: Tree, papers: Sequence[Paper]) -> "_Given":
        demands, parts = (frozenset(map(_normal, _items(tree, kind))) for kind in (And, Or))
        return cls(demands, parts, tuple(papers))


class FixedAnswers:
    """A library that answers given queries with given papers in their given order, whatever sort is asked for.

    A request is for a given query if it demands all that the query demands; it may add more, such as categories, of
    which only `submittedDate` is heeded. It may join several given queries with OR: then their lists are merged by
    `updated`, newest first, none of them reordered. Other queries are evaluated over all papers given.
    """

    def __init__(self, answers: Mapping[str, Sequence[Paper]], clock: Clock = lambda: datetime.now(UTC)) -> None:
        self._given = [_Given.of(as_asked(parse(query)), papers) for query, papers in answers.items()]
        self._papers = tuple({paper.key: paper for papers in answers.values() for paper in papers}.values())
        self.now = clock

    def search(self, question: Question) -> Sequence[Paper]:
        """Give the papers that belong to the given queries, else those that answer."""
        if question.tree is not None and not question.versions:
            listed = self._listed(as_asked(question.tree))
            if listed is not None:
                return listed
        return search(question, newest(self._papers), self._papers)

    def _listed(self, tree: Tree) -> Sequence[Paper] | None:
        """What is given for a request; None if nothing is."""
        demands = _items(tree, And)
        dates = [demand for demand in demands if isinstance(demand, Term) and demand.field == "submittedDate"]
        papers = self._given_for(demands)
        if papers is None or not dates:
            return papers
        return [paper for paper in papers if all(grammar.answers(paper, date) for date in dates)]

    def _given_for(self, demands: Sequence[Tree]) -> Sequence[Paper] | None:
        asked = set(map(_normal, demands))
        for given in self._given:
            if given.demands <= asked:
                return given.papers
        for demand in demands:
            if isinstance(demand, Or) and (lists := self._lists(demand)):
                return _merged(lists)
        return None

    def _lists(self, joined: Or) -> list[Sequence[Paper]]:
        """What is given for each of several queries joined with OR, if it is for any."""
        asked = {_normal(item): item for item in joined.items}
        rest = dict(asked)
        lists: list[Sequence[Paper]] = []
        for given in self._given:
            if given.parts <= asked.keys():
                lists.append(given.papers)
                rest = {normal: item for normal, item in rest.items() if normal not in given.parts}
        for item in rest.values():
            listed = self._listed(item)
            if listed is not None:
                lists.append(listed)
            elif lists:
                lists.append(search(Question(item, (), "lastUpdatedDate"), newest(self._papers), self._papers))
        return lists


def search(question: Question, current: Sequence[Paper], every: Sequence[Paper]) -> list[Paper]:
    """Answer from texts: queries see the current versions only, identifiers may name any version there is."""
    found = _identified(question.versions, current, every) if question.versions else list(current)
    if question.tree is not None:
        tree = as_asked(question.tree)
        found = [paper for paper in found if grammar.answers(paper, tree)]
    return found if question.versions else _sorted(found, question)


def newest(papers: Sequence[Paper]) -> list[Paper]:
    """Keep the newest version of each paper."""
    kept: dict[str, Paper] = {}
    for paper in sorted(papers, key=lambda paper: paper.version):
        kept[paper.id] = paper
    return list(kept.values())


def answers(paper: Paper, tree: Tree | Node) -> bool:
    """Whether a paper answers a query."""
    return grammar.answers(paper, as_asked(tree))


def without_phrases(tree: Tree | Node) -> Tree:
    """Loosen every phrase into all of its words anywhere, as arXiv's search took them for four weeks of 2025."""
    match as_asked(tree):
        case Term(field, value) if field in (*_TEXTS, "au") and " " in value:
            return And(tuple(Term(field, word) for word in dict.fromkeys(value.split())))
        case Not(item):
            return Not(without_phrases(item))
        case And(items):
            return And(tuple(map(without_phrases, items)))
        case Or(items):
            return Or(tuple(map(without_phrases, items)))
        case term:
            return term


def parse_search_query(text: str) -> Tree | None:
    """Read a search_query as arXiv does; None if it cannot be understood."""
    return grammar.parse(text)


def as_asked(query: Tree | Node) -> Tree:
    """A query as arXiv understands it.

    Raises:
        ValueError: what was written for arXiv is not understood there, which must not be.

    """
    if isinstance(query, Term | Not | And | Or):
        return query
    tree = grammar.parse(write_search_query(query))
    if tree is None:
        raise ValueError(f"arXiv does not understand {write_search_query(query)}")
    return tree


def _items(tree: Tree, kind: type[And] | type[Or]) -> tuple[Tree, ...]:
    return tree.items if isinstance(tree, kind) else (tree,)


def _normal(tree: Tree) -> Hashable:
    """Equal for trees that ask for the same, whatever their case and order."""
    match tree:
        case Term(field, value):
            return field, text_words(value)[0] if field in _TEXTS else value.casefold()
        case Not(item):
            return Not, _normal(item)
        case And(items) | Or(items):
            return type(tree), frozenset(map(_normal, items))


def _merged(lists: Iterable[Sequence[Paper]]) -> list[Paper]:
    newest_first = heapq.merge(*lists, key=lambda paper: -paper.updated.timestamp())
    return list({paper.key: paper for paper in newest_first}.values())


def _identified(versions: Sequence[Version], current: Sequence[Paper], every: Sequence[Paper]) -> list[Paper]:
    by_id = {paper.id: paper for paper in current}
    by_key = {paper.key: paper for paper in every}
    found = (by_key.get((name, number)) if number else by_id.get(name) for name, number in dict.fromkeys(versions))
    return [paper for paper in found if paper is not None]


def _sorted(papers: list[Paper], question: Question) -> list[Paper]:
    wanted = list(_wanted(as_asked(question.tree))) if question.tree is not None else []

    def rank(paper: Paper) -> float:
        match question.sort_by:
            case "submittedDate":
                return paper.submitted.timestamp()
            case "lastUpdatedDate":
                return paper.updated.timestamp()
            case _:
                return sum(grammar.weight(paper, term) for term in wanted)

    return sorted(papers, key=rank, reverse=question.descending)


def _wanted(tree: Tree) -> Iterator[Term]:
    """The terms of a tree that are not behind ANDNOT."""
    match tree:
        case Term():
            yield tree
        case And(items) | Or(items):
            for item in items:
                yield from _wanted(item)

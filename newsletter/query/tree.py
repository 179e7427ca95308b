"""What a query is once it is read: terms, and how they are joined."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Term:
    """One thing asked: `words` (normalised) in `field`. `spelled` is how the user wrote it, folded."""

    field: str
    words: str
    spelled: str = dataclasses.field(compare=False, default="")


@dataclass(frozen=True, slots=True)
class Not:
    """All but `item`."""

    item: "Node"


@dataclass(frozen=True, slots=True)
class And:
    """All of `items`; two or more, none of them an And."""

    items: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of `items`; two or more, none of them an Or."""

    items: tuple["Node", ...]


Node = Term | Not | And | Or


def terms(tree: Node) -> Iterator[Term]:
    """All terms of a tree, left to right."""
    match tree:
        case Term():
            yield tree
        case Not(item):
            yield from terms(item)
        case And(items) | Or(items):
            for item in items:
                yield from terms(item)


def positive_terms(tree: Node, *, positive: bool = True) -> Iterator[Term]:
    """The terms that make a paper match, not those that keep it out."""
    match tree:
        case Term():
            if positive:
                yield tree
        case Not(item):
            yield from positive_terms(item, positive=not positive)
        case And(items) | Or(items):
            for item in items:
                yield from positive_terms(item, positive=positive)


def evaluate(tree: Node, answer: Callable[[Term], int], everything: int) -> int:
    """Run AND, OR and ANDNOT over bitmaps: bit n says whether candidate n answers a term."""
    return _evaluate(tree, lambda term, _: answer(term), everything, wanted=True)


def possible(tree: Node, answer: Callable[[Term], int], everything: int, unknown: frozenset[str]) -> int:
    """The candidates that answer a query, or may once the fields that are unknown now are known.

    Never fewer than `evaluate` will find then: a term on an unknown field (`all` is one, if any is) is taken to be
    answered where it is wanted, and not to be where it is excluded.
    """
    open_fields = unknown | {"all"} if unknown else unknown

    def at_best(term: Term, wanted: bool) -> int:
        if term.field not in open_fields:
            return answer(term)
        return everything if wanted else 0

    return _evaluate(tree, at_best, everything, wanted=True)


def _evaluate(tree: Node, answer: Callable[[Term, bool], int], everything: int, *, wanted: bool) -> int:
    match tree:
        case Term():
            return answer(tree, wanted)
        case Not(item):
            return everything & ~_evaluate(item, answer, everything, wanted=not wanted)
        case And(items):
            result = everything
            for item in items:
                result &= _evaluate(item, answer, everything, wanted=wanted)
            return result
        case Or(items):
            result = 0
            for item in items:
                result |= _evaluate(item, answer, everything, wanted=wanted)
            return result


def combine(kind: type[And] | type[Or], nodes: Iterable[Node]) -> Node:
    """Join nodes flat, each once; one alone stays itself."""
    flat: dict[Node, None] = {}
    for node in nodes:
        flat.update(dict.fromkeys(node.items if isinstance(node, kind) else (node,)))
    items = list(flat)
    if kind is And:  # what is wanted stands before what is excluded, as it is written
        items.sort(key=lambda node: isinstance(node, Not))
    return kind(tuple(items)) if len(items) > 1 else items[0]


def negate(node: Node) -> Node:
    """All but a node; excluded twice is wanted."""
    return node.item if isinstance(node, Not) else Not(node)

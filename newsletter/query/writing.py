"""From tree to text: in our language, and in its normal form."""

from collections.abc import Callable

from newsletter.query.tree import And, Node, Not, Or, Term, combine, negate


def write(tree: Node) -> str:
    """Write a tree in our language; `parse` reads it back to an equal tree."""
    return layout(tree, _write_term, _exclude)


def normal_form(tree: Node) -> str:
    """One text for all queries that differ in case, accents, TeX, hyphens, repetition or order only."""
    return write(_sorted(tree))


def layout(tree: Node, write_term: Callable[[Term], str], exclude: Callable[[list[str], list[str]], str]) -> str:
    """Write a tree with parentheses wherever grouping could matter, terms and what is excluded as told."""

    def inner(node: Node) -> str:
        text = outer(node)
        return text if isinstance(node, Term) else f"({text})"

    def outer(node: Node) -> str:
        match node:
            case Term():
                return write_term(node)
            case Not(item):
                return f"ANDNOT {inner(item)}"
            case Or(items):
                return " OR ".join(map(inner, items))
            case And(items):
                wanted = [inner(item) for item in items if not isinstance(item, Not)]
                return exclude(wanted, [inner(item.item) for item in items if isinstance(item, Not)])

    return outer(tree)


def _exclude(wanted: list[str], unwanted: list[str]) -> str:
    return " ".join([" AND ".join(wanted), *(f"ANDNOT {item}" for item in unwanted)]).strip()


def _write_term(term: Term) -> str:
    return f"{term.field}:{term.words}" if term.field in ("cat", "id") else f'{term.field}:"{term.words}"'


def _sorted(tree: Node) -> Node:
    match tree:
        case Term():
            return tree
        case Not(item):
            return negate(_sorted(item))
        case And(items) | Or(items):
            node = combine(type(tree), map(_sorted, items))
            if isinstance(node, And | Or):
                return type(node)(tuple(sorted(node.items, key=lambda item: (isinstance(item, Not), write(item)))))
            return node

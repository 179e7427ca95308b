"""From tree to text: in our language, in its normal form, and as arXiv is asked."""

from collections.abc import Callable

from newsletter.query.tree import And, Node, Not, Or, Term, combine, negate


def write(tree: Node) -> str:
    """Write a tree in our language; `parse` reads it back to an equal tree."""
    return _write(tree, _write_term, _exclude)


def normal_form(tree: Node) -> str:
    """One text for all queries that differ in case, accents, TeX, hyphens, repetition or order only."""
    return write(_sorted(tree))


def write_search_query(tree: Node) -> str:
    """Write a tree as arXiv's ``search_query``, before URL encoding; parenthesised wherever grouping could matter."""
    return _write(tree, _write_arxiv_term, _exclude_for_arxiv)


def _write(tree: Node, write_term: Callable[[Term], str], exclude: Callable[[list[str], list[str]], str]) -> str:
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


def _exclude_for_arxiv(wanted: list[str], unwanted: list[str]) -> str:
    # One ANDNOT between two operands: then nothing hangs on how arXiv groups them.
    if unwanted and len(wanted) > 1:
        wanted = [f"({' AND '.join(wanted)})"]
    return _exclude(wanted, [f"({' OR '.join(unwanted)})"] if len(unwanted) > 1 else unwanted)


def _write_term(term: Term) -> str:
    return f"{term.field}:{term.words}" if term.field in ("cat", "id") else f'{term.field}:"{term.words}"'


def _write_arxiv_term(term: Term) -> str:
    spelled = term.spelled or term.words
    return f"{term.field}:{spelled}" if term.field in ("cat", "id") else f'{term.field}:"{spelled}"'


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

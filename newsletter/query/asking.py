"""From tree to text as arXiv is asked: never narrower than what is matched here, and hardly ever wider.

What arXiv's search makes of a query differs from what is matched here; the facts are from its source, arxiv-search
(domain/classic_api, services/index, mappings). Where it would find less, more is asked for:

- A category is asked for under both of its names.
- Its index of texts keeps "3.5", "10,000", "newton's" and "u.s" as one word each, its index of authors "fei-fei",
  "o'neil" and, for "K.R.", "kr": each likely spelling is asked for. Not reached: a part of a hyphenated name, and other
  words with a point in them ("node.js"), unless they were written so.
- An initial stands for every name that begins with it; there, for first names only.
- It folds accents in names, not in texts: what was written with accents is asked for with and without. Greek letters
  stand there as TeX, whose commands are their names.
- It takes a phrase for all of its words, anywhere; `all:` sees more there, and a report number is not told us. So what
  is excluded by these is excluded here only.
- AND, OR and NOT are operators for it inside quotes too, and ANDNOT before parentheses fails there unless something
  stands before it.
"""

import re

from newsletter.query.spelling import VERSION, spellings
from newsletter.query.tree import And, Node, Not, Or, Term, combine, negate, positive_terms
from newsletter.query.writing import layout

_OPERATORS = re.compile(r"\b(?:AND|OR|NOT|ANDNOT|TO)\b")
# For a query such as `ti:a OR (ANDNOT ti:"b c")`, which hardly a paper does not match.
_EVERYTHING = Not(Term("id", "0000.00000"))


def write_search_query(tree: Node) -> str:
    """Write a tree as arXiv's ``search_query``, before URL encoding; parenthesised wherever grouping could matter."""
    return layout(_push_down(_at_most(tree) or _EVERYTHING), _write_term, _exclude)


def excludes_here_only(tree: Node) -> bool:
    """Whether part of what a tree excludes is not excluded by arXiv, which then answers more than matches here."""
    return not all(map(_can_be_excluded, positive_terms(tree, positive=False)))


def _at_most(tree: Node) -> Node | None:
    """What finds no less there than a tree does here; None if only everything would."""
    match tree:
        case Term():
            return combine(Or, [Term(tree.field, spelling) for spelling in spellings(tree)])
        case Not(item):
            least = _at_least(item)
            return None if least is None else negate(least)
        case And(items):
            found = [node for node in map(_at_most, items) if node is not None]
            return combine(And, found) if found else None
        case Or(items):
            found = [node for node in map(_at_most, items) if node is not None]
            return combine(Or, found) if len(found) == len(items) else None


def _at_least(tree: Node) -> Node | None:
    """What finds no more there than a tree does here; None if only nothing would."""
    match tree:
        case Term():
            return Term(tree.field, spellings(tree)[0]) if _can_be_excluded(tree) else None
        case Not(item):
            most = _at_most(item)
            return None if most is None else negate(most)
        case And(items):
            found = [node for node in map(_at_least, items) if node is not None]
            return combine(And, found) if len(found) == len(items) else None
        case Or(items):
            found = [node for node in map(_at_least, items) if node is not None]
            return combine(Or, found) if found else None


def _can_be_excluded(term: Term) -> bool:
    match term.field:
        case "cat":
            return True
        case "id":
            return not VERSION.search(term.words)
        case "all" | "rn":
            return False
        case "au":
            return " " not in term.words and len(term.words) > 1  # there, an initial is a word of its own
        case _:
            return " " not in term.words


def _push_down(tree: Node) -> Node:
    """Let no ANDNOT stand before parentheses with nothing before it: not (a or b) is not a, and not b."""
    match tree:
        case Term():
            return tree
        case Not(And(items)):
            return _push_down(combine(Or, map(negate, items)))
        case Not(Or(items)):
            return _push_down(combine(And, map(negate, items)))
        case Not():
            return tree
        case Or(items):
            return combine(Or, map(_push_down, items))
        case And(items):
            wanted = [item for item in items if not isinstance(item, Not)]
            if not wanted:
                return combine(And, map(_push_down, items))
            unwanted = [negate(_push_down(item.item)) for item in items if isinstance(item, Not)]
            return combine(And, [*map(_push_down, wanted), *unwanted])


def _write_term(term: Term) -> str:
    if term.field in ("cat", "id"):
        return f"{term.field}:{term.words}"
    return f'{term.field}:"{_OPERATORS.sub(lambda match: match[0].lower(), term.words)}"'


def _exclude(wanted: list[str], unwanted: list[str]) -> str:
    # One ANDNOT between two operands: then nothing hangs on how arXiv groups them.
    if not unwanted:
        return " AND ".join(wanted)
    if not wanted:
        return " AND ".join(f"(ANDNOT {item})" for item in unwanted)
    left = f"({' AND '.join(wanted)})" if len(wanted) > 1 else wanted[0]
    right = f"({' OR '.join(unwanted)})" if len(unwanted) > 1 else unwanted[0]
    return f"{left} ANDNOT {right}"

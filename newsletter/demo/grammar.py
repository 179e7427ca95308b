"""What arXiv makes of a ``search_query``: an opinion that owes nothing to the newsletter's own parser.

The facts are from arXiv's source, arxiv-search. What comes in is repaired (repair.py), then parsed by a grammar
(domain/classic_api/query_parser.py) ::

    expression := term | ( expression ) | ANDNOT expression | expression (AND | OR | ANDNOT) expression
    term       := field : (word | "phrase")

No precedence is declared. Whether a chain is grouped from its left or from its right can be chosen, so that a test can
show that nothing hangs on it; from its right is what the parser generator does.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import reduce
from typing import Literal

from newsletter.demo.repair import Token, repaired, tokens
from newsletter.demo.words import author_words, count, name_words, text_words
from newsletter.model import Paper

Grouping = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Term:
    """What is looked for in a field, without its quotes."""

    field: str
    value: str


@dataclass(frozen=True, slots=True)
class Not:
    """All but `item`."""

    item: "Tree"


@dataclass(frozen=True, slots=True)
class And:
    """All of `items`."""

    items: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of `items`."""

    items: tuple["Tree", ...]


Tree = Term | Not | And | Or

_TEXTS: dict[str, Callable[[Paper], str]] = {
    "ti": lambda paper: paper.title,
    "abs": lambda paper: paper.abstract,
    "co": lambda paper: paper.comment,
    "jr": lambda paper: paper.journal_ref,
    "rn": lambda paper: paper.report_no,
}


class _Unreadable(Exception):  # noqa: N818 - it is an answer
    """What arXiv answers 400 to."""


# ---------------------------------------------------------------- reading


def parse(search_query: str, grouping: Grouping = "right") -> Tree | None:
    """Read a search_query as arXiv does; None if it answers 400."""
    try:
        return _Reader(repaired(tokens(search_query)), grouping).read()
    except _Unreadable:
        return None


class _Reader:
    def __init__(self, tokens: Sequence[Token], grouping: Grouping) -> None:
        self._tokens = [*tokens, Token("", "")]
        self._grouping = grouping
        self._at = 0

    def read(self) -> Tree:
        tree = self._expression()
        if self._tokens[self._at].kind:
            raise _Unreadable
        return tree

    def _next(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _expression(self) -> Tree:
        excluded = self._tokens[self._at] == ("operator", "ANDNOT")
        self._at += excluded
        operands, operators = [self._operand()], []
        if excluded and self._grouping == "left":
            operands = [Not(operands[0])]
        while self._tokens[self._at].kind == "operator":
            operators.append(self._next().text)
            operands.append(self._operand())
        tree = self._grouped(operands, operators)
        return Not(tree) if excluded and self._grouping == "right" else tree

    def _grouped(self, operands: Sequence[Tree], operators: Sequence[str]) -> Tree:
        if self._grouping == "left":
            return reduce(lambda left, pair: _join(left, *pair), zip(operators, operands[1:], strict=True), operands[0])
        pairs = zip(operators[::-1], operands[-2::-1], strict=True)
        return reduce(lambda right, pair: _join(pair[1], pair[0], right), pairs, operands[-1])

    def _operand(self) -> Tree:
        token = self._next()
        if token == ("sign", "("):
            tree = self._expression()
            if self._next() != ("sign", ")"):
                raise _Unreadable
            return tree
        if token.kind != "field":
            raise _Unreadable
        return _term(token.text, self._next().text.strip())


def _join(left: Tree, operator: str, right: Tree) -> Tree:
    if operator == "ANDNOT":
        operator, right = "AND", Not(right)
    kind = And if operator == "AND" else Or
    # Flat, as far as that changes nothing: a chain may be longer than Python recurses deep.
    items = [item for node in (left, right) for item in (node.items if isinstance(node, kind) else (node,))]
    return kind(tuple(items))


def _term(field: str, value: str) -> Term:
    if field != "cat" and value.startswith(("*", "?")):
        raise _Unreadable
    if field == "submittedDate":
        submitted_range(value)
    return Term(field, value)


def submitted_range(value: str) -> tuple[datetime, datetime]:
    """The moments (UTC) between which ``A TO B`` lies, both included; arXiv cuts off seconds."""
    first, to, last = value.partition(" TO ")
    try:
        if not to or len(first) % 2 or len(last) % 2:
            raise ValueError
        return _moment(first, "01010000"), _moment(last, _last_of(last))
    except ValueError:
        raise _Unreadable from None


def _moment(digits: str, rest: str) -> datetime:
    missing = 12 - len(digits)
    return datetime.strptime(digits[:12] + (rest[-missing:] if missing > 0 else ""), "%Y%m%d%H%M").replace(tzinfo=UTC)


def _last_of(digits: str) -> str:
    if len(digits) != len("YYYYMM"):
        return "12312359"
    month = int(digits[4:]) % 12 + 1
    year = int(digits[:4]) + (month == 1)
    last = (datetime(year, month, 1, tzinfo=UTC) - datetime.resolution).day
    return f"12{last}2359"


# ---------------------------------------------------------------- answering


def answers(paper: Paper, tree: Tree) -> bool:
    """Whether a paper answers a query."""
    match tree:
        case Term():
            return weight(paper, tree) > 0
        case Not(item):
            return not answers(paper, item)
        case And(items):
            return all(answers(paper, item) for item in items)
        case Or(items):
            return any(answers(paper, item) for item in items)


def weight(paper: Paper, term: Term) -> int:
    """How often a paper says a term; what stands in the title counts twice. An empty term is everywhere."""
    if not term.value:
        return 1
    match term.field:
        case "cat":
            return sum(fnmatchcase(name.lower(), term.value.lower()) for name in paper.categories)
        case "id":
            return int(term.value in (paper.id, f"{paper.id}v{paper.version}"))
        case "doi":
            return int(paper.doi.lower() == term.value.lower())
        case "submittedDate":
            first, last = submitted_range(term.value)
            return int(first <= paper.submitted <= last)
        case "au":
            return _named(paper, term.value)
        case "all":
            fields = ("ti", "abs", "co", "jr", "rn", "au", "cat", "id", "doi")
            return sum(weight(paper, Term(field, term.value)) for field in fields)
        case field:
            wanted = text_words(term.value)[0]
            most = max(count(words, wanted) for words in text_words(_TEXTS[field](paper))) if wanted else 0
            return most * (2 if field == "ti" else 1)


def _named(paper: Paper, value: str) -> int:
    held = author_words(paper.authors)
    wanted = name_words(value)
    found = all(any(fnmatchcase(word, one) for word in held) if "*" in one else one in held for one in wanted)
    return int(bool(wanted) and found)

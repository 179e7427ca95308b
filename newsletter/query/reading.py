"""From text to tree; what does not parse is refused at its character."""

import re
from collections.abc import Sequence

from newsletter.errors import QueryError
from newsletter.model import parse_identifier
from newsletter.query.categories import read_category
from newsletter.query.scanning import Token, scan
from newsletter.query.tree import And, Node, Or, Term, combine, negate, positive_terms
from newsletter.query.words import as_spelled, as_words
from newsletter.text import INVISIBLE

MAX_NESTING = 50
MAX_LENGTH = 4_000  # characters; longer ones do not fit in a request line

_WILDCARD = re.compile(r"\*|\?(?=\w)")
_PLAIN_NAME = re.compile(r"(?:(?!(?:AND|OR|ANDNOT|NOT)(?: |$))[A-Za-z0-9]+(?: |$))+")
_SMALL_OPERATOR = re.compile(r"(?:^|(?<=\s))(?:and|or|not|andnot)(?=\s|$)", re.IGNORECASE)


def tidy(query: str) -> str:
    """A query as it is kept: on one line, without characters that nobody sees. It may not mean what it meant with them,
    so this comes before it is parsed."""
    return " ".join(INVISIBLE.sub("", " ".join(query.split())).split())


def parse(query: str) -> Node:
    """Parse a query.

    Raises:
        QueryError: naming the character and what was expected there.

    """
    if len(query) > MAX_LENGTH:
        raise QueryError(query, MAX_LENGTH, f"a query has at most {MAX_LENGTH} characters")
    if not query.strip():
        raise QueryError(query, 0, "the query is empty")
    if _PLAIN_NAME.fullmatch(query):  # most queries; the same, faster
        return name_query(query)
    tree = _Parser(query).parse()
    if next(positive_terms(tree), None) is None:
        raise QueryError(query, 0, "everything is excluded: a query needs one term that is not behind ANDNOT")
    return tree


def name_query(name: str) -> Node:
    """The query that a bare name stands for: the name as one phrase, in title or abstract.

    Raises:
        QueryError: the name has no letter and no digit.

    """
    # In a name such as "A* Search" the sign is none of the language's.
    return _phrase(_WILDCARD.sub(" ", name), "", name, 0)


class _Parser:
    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = scan(query)
        self._is_name = all(token.kind in ("word", "end") for token in self._tokens)
        self._at = 0

    def parse(self) -> Node:
        tree = self._level("", 0)
        token = self._peek()
        if token.kind != "end":
            raise self._error(token, "this ) closes nothing")
        return tree

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _error(self, token: Token, reason: str) -> QueryError:
        return QueryError(self._query, token.start if token.kind == "phrase" else token.position, reason)

    def _level(self, inherited: str, depth: int) -> Node:
        first = self._peek()
        operators = [self._next().text if first.text == "ANDNOT" and first.kind == "operator" else ""]
        operands: list[Node] = []
        spans: list[str] = []
        while True:
            start = self._peek().start
            operands.append(self._operand(inherited, depth))
            token = self._peek()
            if token.kind in ("end", "close"):
                break
            spans.append(self._query[start : self._tokens[self._at - 1].end].strip())
            if token.kind != "operator":
                raise self._error(token, self._expected(token))
            self._refuse_mixture(operators, spans, token)
            operators.append(self._next().text)
        return _join(operators, operands)

    def _expected(self, token: Token) -> str:
        if token.kind == "word" and token.text.upper() in ("AND", "OR", "ANDNOT"):
            return f"operators are written in capitals: {token.text.upper()}"
        return "expected AND, OR or ANDNOT here, or quotes around a phrase"

    def _refuse_mixture(self, operators: list[str], spans: list[str], token: Token) -> None:
        known = {op for op in operators if op}
        if known and ("OR" in known) != (token.text == "OR"):
            so_far = _spell(operators, spans)
            last = spans[-1]
            before = so_far.removesuffix(last)
            either, other = f"({so_far}) {token.text} …", f"{before}({last} {token.text} …)"
            readings = f"{token.text} beside {operators[-1]} can be read in two ways: {either} or {other}"
            raise self._error(token, f"{readings}; say which with parentheses")

    def _operand(self, inherited: str, depth: int) -> Node:
        token = self._next()
        match token.kind:
            case "word":
                return self._words(token, inherited)
            case "phrase":
                return self._term(token, inherited)
            case "field":
                if inherited:
                    raise self._error(token, f"a field inside {inherited}:( )")
                return self._fielded(token.text, depth)
            case "open":
                return self._group(token, inherited, depth)
        raise self._error(token, "expected a word, a phrase, a field or (")

    def _fielded(self, field: str, depth: int) -> Node:
        following = self._next()
        if following.kind in ("word", "phrase"):
            return self._term(following, field)
        if following.kind == "open":
            return self._group(following, field, depth)
        raise self._error(following, f"expected a word, a phrase or ( after {field}:")

    def _words(self, first: Token, inherited: str) -> Node:
        last = first
        while self._peek().kind == "word":
            last = self._next()
        text = self._query[first.position : last.end]
        if not self._is_name and (small := _SMALL_OPERATOR.search(text)):
            reason = f"{small[0]} is a word here: operators are written in capitals, phrases in quotes"
            raise QueryError(self._query, first.position + small.start(), reason)
        return self._term(Token("word", text, first.position), inherited)

    def _group(self, opening: Token, inherited: str, depth: int) -> Node:
        if depth >= MAX_NESTING:
            raise self._error(opening, f"parentheses nest at most {MAX_NESTING} deep")
        tree = self._level(inherited, depth + 1)
        if self._next().kind != "close":
            raise self._error(opening, "this ( is not closed")
        return tree

    def _term(self, token: Token, field_name: str) -> Node:
        return _phrase(token.text, field_name, self._query, token.position)


def _phrase(text: str, field: str, query: str, position: int) -> Node:
    if field in ("cat", "id"):
        return _exact_term(text, field, query, position)
    if ("*" in text or "?" in text) and (wildcard := _WILDCARD.search(text)):
        raise QueryError(query, position + wildcard.start(), "* and ? are understood in cat: only")
    words, spelled = as_words(text), as_spelled(text)
    if not words:
        raise QueryError(query, position, "expected a letter or a digit")
    if field:
        return Term(field, words, spelled)
    return Or((Term("ti", words, spelled), Term("abs", words, spelled)))


def _exact_term(text: str, field: str, query: str, position: int) -> Term:
    if field == "cat":
        try:
            category = read_category(text.strip())
        except ValueError as error:
            raise QueryError(query, position, str(error)) from error
        return Term(field, category.lower(), category)
    version = parse_identifier(text)
    if version is None:
        raise QueryError(query, position, "expected an arXiv identifier such as 2502.18863 or math/0309136")
    identifier = version.id + (f"v{version.number}" if version.number else "")
    return Term(field, identifier, identifier)


def _join(operators: Sequence[str], operands: Sequence[Node]) -> Node:
    if len(operands) == 1 and not operators[0]:
        return operands[0]
    nodes = [negate(node) if op == "ANDNOT" else node for op, node in zip(operators, operands, strict=True)]
    return combine(Or if "OR" in operators else And, nodes)


def _spell(operators: Sequence[str], spans: Sequence[str]) -> str:
    return " ".join(f"{op} {span}".strip() for op, span in zip(operators, spans, strict=True))

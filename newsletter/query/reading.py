"""From text to tree; what does not parse is refused at its character."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from newsletter.errors import QueryError
from newsletter.model import parse_identifier
from newsletter.query.tree import And, Node, Or, Term, combine, negate, positive_terms
from newsletter.text import fold, normalise

FIELDS = ("ti", "au", "abs", "co", "jr", "cat", "rn", "id", "all")
MAX_NESTING = 50
MAX_LENGTH = 4_000  # characters; longer ones do not fit in a request line

_TOKENS = re.compile(r'\s*(?:(?P<open>\()|(?P<close>\))|["“”](?P<phrase>[^"“”]*)(?P<end>["“”]?)|(?P<word>[^\s()"“”]+))')
_PREFIX = re.compile(r"([A-Za-z_]+):(.*)", re.S)
_OPERATORS = ("AND", "OR", "ANDNOT")
_WILDCARD = re.compile(r"\*|\?(?=\w)")
_NOT_WORDS = re.compile(r"[\W_]+")
_CATEGORY = re.compile(r"([a-z]+(?:-[a-z]+)?)(?:\.([a-z]+(?:-[a-z]+)*))?([.-]?\*)?", re.I)
# Archives whose papers all stand in one of their subject classes: alone, these match nothing (category taxonomy).
_DIVIDED = frozenset(("cs", "econ", "eess", "math", "nlin", "physics", "q-bio", "q-fin", "stat"))


def parse(query: str) -> Node:
    """Parse a query.

    Raises:
        QueryError: naming the character and what was expected there.

    """
    if len(query) > MAX_LENGTH:
        raise QueryError(query, MAX_LENGTH, f"a query has at most {MAX_LENGTH} characters")
    if not query.strip():
        raise QueryError(query, 0, "the query is empty")
    tree = _Parser(query).parse()
    if not _has_positive(tree, positive=True):
        raise QueryError(query, 0, "everything is excluded: a query needs one term that is not behind ANDNOT")
    return tree


def name_query(name: str) -> Node:
    """The query that a bare name stands for: the name as one phrase, in title or abstract.

    Raises:
        QueryError: the name has no letter and no digit.

    """
    # In a name such as "A* Search" the sign is none of the language's.
    return _phrase(_WILDCARD.sub(" ", name), "", name, 0)


def read_category(text: str) -> str:
    """Read a category such as ``cs.CV``, or a pattern such as ``cs.*``, whatever its case, as arXiv writes it.

    Raises:
        ValueError: it can be none; says what is expected.

    """
    match = _CATEGORY.fullmatch(text)
    if match is None:
        raise ValueError("expected a category such as cs.CV, or cs.* for all of an archive")
    archive, subject, wildcard = match.groups()
    archive = archive.lower()
    if archive in _DIVIDED and not subject and not wildcard:
        raise ValueError(f"no paper is in {archive} alone; expected {archive}.* for all of it")
    subject = subject and (subject.upper() if len(subject) <= 2 else subject.lower())
    return archive + (f".{subject}" if subject else "") + (wildcard or "")


def as_words(text: str) -> str:
    """Normalise a text down to its words, parted by single blanks: how a term's words are written."""
    return _NOT_WORDS.sub(" ", normalise(text)).strip()


def _has_positive(tree: Node, *, positive: bool) -> bool:
    return next(positive_terms(tree, positive=positive), None) is not None


class _Token(NamedTuple):
    kind: str  # open, close, word, phrase, field, operator, end
    text: str
    position: int


class _Parser:
    def __init__(self, query: str) -> None:
        self._query = query
        self._tokens = list(self._scan())
        self._at = 0

    def parse(self) -> Node:
        tree = self._level("", 0)
        token = self._peek()
        if token.kind != "end":
            raise self._error(token, "this ) closes nothing")
        return tree

    def _scan(self) -> Iterator[_Token]:
        for match in _TOKENS.finditer(self._query.rstrip()):
            kind = match.lastgroup or ""
            if kind in ("open", "close"):
                yield _Token(kind, match[kind], match.start(kind))
            elif kind == "word":
                yield from self._scan_word(match["word"], match.start("word"))
            else:
                start = match.start("phrase")
                if not match["end"]:
                    raise QueryError(self._query, start - 1, 'this " is not closed')
                yield _Token("phrase", match["phrase"], start)
        yield _Token("end", "", len(self._query))

    def _scan_word(self, word: str, position: int) -> Iterator[_Token]:
        if word in _OPERATORS:
            yield _Token("operator", word, position)
        elif word == "NOT":
            raise QueryError(self._query, position, 'NOT is written ANDNOT here ("NOT" in quotes is the word)')
        elif match := _PREFIX.fullmatch(word):
            prefix, rest = match.groups()
            if prefix.lower() not in FIELDS:
                reason = f"there is no field {prefix}: (there are {' '.join(FIELDS)}; quotes make it a word)"
                raise QueryError(self._query, position, reason)
            yield _Token("field", prefix.lower(), position)
            if rest:
                yield _Token("word", rest, position + len(prefix) + 1)
        else:
            yield _Token("word", word, position)

    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _error(self, token: _Token, reason: str) -> QueryError:
        return QueryError(self._query, token.position, reason)

    def _level(self, inherited: str, depth: int) -> Node:
        operators = [self._next().text if self._peek().text == "ANDNOT" and self._peek().kind == "operator" else ""]
        operands: list[Node] = []
        spans: list[str] = []
        while True:
            start = self._start_of(self._peek())
            operands.append(self._operand(inherited, depth))
            spans.append(self._query[start : self._end_of(self._tokens[self._at - 1])].strip())
            token = self._peek()
            if token.kind in ("end", "close"):
                break
            if token.kind != "operator":
                raise self._error(token, "expected AND, OR or ANDNOT here, or quotes around a phrase")
            self._refuse_mixture(operators, spans, token)
            operators.append(self._next().text)
        return _join(operators, operands)

    def _start_of(self, token: _Token) -> int:
        return token.position - (token.kind == "phrase")  # the quotation mark

    def _end_of(self, token: _Token) -> int:
        return token.position + len(token.text) + (token.kind == "phrase")

    def _refuse_mixture(self, operators: list[str], spans: list[str], token: _Token) -> None:
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
        if token.kind == "field":
            if inherited:
                raise self._error(token, f"a field inside {inherited}:( )")
            following = self._next()
            if following.kind in ("word", "phrase"):
                return self._term(following, token.text)
            if following.kind == "open":
                return self._group(following, token.text, depth)
            raise self._error(following, f"expected a word, a phrase or ( after {token.text}:")
        if token.kind == "open":
            return self._group(token, inherited, depth)
        if token.kind == "phrase":
            return self._term(token, inherited)
        if token.kind == "word":
            last = token
            while self._peek().kind == "word":
                last = self._next()
            text = self._query[token.position : self._end_of(last)]
            return self._term(_Token("word", text, token.position), inherited)
        raise self._error(token, "expected a word, a phrase, a field or (")

    def _group(self, opening: _Token, inherited: str, depth: int) -> Node:
        if depth >= MAX_NESTING:
            raise self._error(opening, f"parentheses nest at most {MAX_NESTING} deep")
        tree = self._level(inherited, depth + 1)
        if self._next().kind != "close":
            raise self._error(opening, "this ( is not closed")
        return tree

    def _term(self, token: _Token, field_name: str) -> Node:
        return _phrase(token.text, field_name, self._query, token.position)


def _phrase(text: str, field: str, query: str, position: int) -> Node:
    if field in ("cat", "id"):
        return _exact_term(text, field, query, position)
    if wildcard := _WILDCARD.search(text):
        raise QueryError(query, position + wildcard.start(), "* and ? are understood in cat: only")
    spelled = _NOT_WORDS.sub(" ", fold(text)).strip()
    words = as_words(spelled)
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
    nodes = [negate(node) if op == "ANDNOT" else node for op, node in zip(operators, operands, strict=True)]
    return combine(Or if "OR" in operators else And, nodes)


def _spell(operators: Sequence[str], spans: Sequence[str]) -> str:
    return " ".join(f"{op} {span}".strip() for op, span in zip(operators, spans, strict=True))

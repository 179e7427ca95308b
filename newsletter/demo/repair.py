"""How arXiv repairs a ``search_query`` before it is parsed.

From arxiv-search, domain/classic_api/classic_search_query.py.
"""

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

_FIELDS = ("abs", "all", "au", "cat", "co", "doi", "id", "jr", "rn", "submittedDate", "ti", "title")
_TOKENS = re.compile(
    rf'"(?P<phrase>[^"]*)"|(?P<sign>[()])|\b(?P<operator>ANDNOT|AND|NOT|OR)\b(?=[()\s]|$)'
    rf'|(?P<field>{"|".join(sorted(_FIELDS, key=len, reverse=True))}):|(?P<word>[^"()\s]+)'
)
_RANGE = re.compile(r"submittedDate:\[(\d{4,14}) TO (\d{4,14})\]")


class Token(NamedTuple):
    """A piece of a query. `kind` is one of: field, operator, sign, text (a word, or a phrase without its quotes)."""

    kind: str
    text: str


def tokens(text: str) -> list[Token]:
    """Cut a query as arXiv does; a quotation mark that is not closed gets lost."""
    text = text.replace("lastUpdatedDate:", "submittedDate:")
    text = _RANGE.sub(r'submittedDate:"\1 TO \2"', text)
    found = []
    for match in _TOKENS.finditer(text):
        kind = match.lastgroup or ""
        found.append(Token("text" if kind in ("word", "phrase") else kind, match[kind]))
    return found


def repaired(tokens: Sequence[Token]) -> list[Token]:
    """Mend what is missing or doubled: fields, operators."""
    for repair in (_with_fields, _without_doubled_operators, _with_operators, _without_empty_fields):
        tokens = repair(tokens)
    return list(tokens)


def _with_fields(tokens: Sequence[Token]) -> list[Token]:
    """Give each text a field: the one before it, that of the parentheses it stands in, or all."""
    found: list[Token] = []
    spread, depth = "", 0  # the field of `ti:( )`, and how many parentheses are open since
    for number, token in enumerate(tokens):
        before = found[-1] if found else Token("", "")
        if token == ("sign", "("):
            if before.kind == "field" and not spread:
                spread = found.pop().text
            depth += bool(spread)
        elif token == ("sign", ")") and spread:
            depth -= 1
            spread = spread if depth else ""
        elif token.kind == "text" and before.kind != "field":
            found.append(Token("field", spread or "all"))
        if token.kind == "text" and found[-1].text == "au":
            token = tokens[number]._replace(text=token.text.replace("_", " "))
        found.append(token)
    return found


def _without_doubled_operators(tokens: Sequence[Token]) -> list[Token]:
    """Keep the last of several operators; NOT is ANDNOT."""
    found: list[Token] = []
    for token in tokens:
        if token.kind == "operator":
            if found and found[-1].kind == "operator":
                found.pop()
            token = Token("operator", "ANDNOT" if token.text == "NOT" else token.text)
        found.append(token)
    return found


def _with_operators(tokens: Sequence[Token]) -> list[Token]:
    """Put OR where an operator is missing."""
    found: list[Token] = []
    for token in tokens:
        kind = found[-1].kind if found else ""
        ended = kind == "text" or (bool(found) and found[-1] == ("sign", ")"))
        if (token.kind == "field" and (ended or kind == "field")) or (ended and token == ("sign", "(")):
            found.append(Token("operator", "OR"))
        found.append(token)
    return found


def _without_empty_fields(tokens: Sequence[Token]) -> list[Token]:
    return [
        token._replace(text="ti" if token == ("field", "title") else token.text)
        for token, after in pairwise((*tokens, Token("", "")))
        if token.kind != "field" or after.kind == "text"
    ]

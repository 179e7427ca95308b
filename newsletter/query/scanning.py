"""From text to tokens: what stands between blanks, quotes and parentheses, and where."""

import re
from typing import NamedTuple

from newsletter.errors import QueryError

FIELDS = ("ti", "au", "abs", "co", "jr", "cat", "rn", "id", "all")

# The last group of an alternative names the kind of token.
_TOKENS = re.compile(
    r"""\s*(?:
        (?P<open>\() | (?P<close>\))
        | ["“”] (?P<phrase>[^"“”]*) (?P<ended>["“”]?)
        | (?P<operator>(?:ANDNOT|AND|OR)(?![^\s()"“”]))
        | (?P<prefix>[A-Za-z_]+) : (?P<field>[^\s()"“”]*)
        | (?P<word>[^\s()"“”]+)
    )""",
    re.VERBOSE,
)
_OTHERWISE = {
    "NOT": 'NOT is written ANDNOT here ("NOT" in quotes is the word)',
    "&&": "&& is written AND here",
    "||": "|| is written OR here",
}
_SIGNED = re.compile(r"[-+!]\w")
_MEANT = {
    "title": "ti",
    "author": "au",
    "abstract": "abs",
    "comment": "co",
    "journal": "jr",
    "category": "cat",
    "report": "rn",
}


class Token(NamedTuple):
    """A piece of a query. `kind` is one of: open, close, word, phrase, field, operator, end."""

    kind: str
    text: str
    position: int

    @property
    def start(self) -> int:
        """Where it begins; a phrase at its quotation mark."""
        return self.position - (self.kind == "phrase")

    @property
    def end(self) -> int:
        """Behind its last character."""
        return self.position + len(self.text) + (self.kind == "phrase")


def scan(query: str) -> list[Token]:
    """Cut a query into tokens; the last is of kind end.

    Raises:
        QueryError: a quotation mark is not closed, a word before a colon is no field, or it is another language's sign.

    """
    tokens: list[Token] = []
    for match in _TOKENS.finditer(query.rstrip()):
        kind = match.lastgroup or ""
        if kind == "ended":
            start = match.start("phrase")
            if not match[kind]:
                raise QueryError(query, start - 1, 'this " is not closed')
            tokens.append(Token("phrase", match["phrase"], start))
            continue
        text, position = match[kind], match.start(kind)
        if kind == "field":
            tokens.append(_field(query, match["prefix"], match.start("prefix")))
            if text:
                tokens.append(Token("word", text, position))
            continue
        if kind == "word":
            _refuse_other_languages(query, text, position)
        tokens.append(Token(kind, text, position))
    tokens.append(Token("end", "", len(query)))
    return tokens


def _field(query: str, prefix: str, position: int) -> Token:
    name = prefix.lower()
    if name not in FIELDS:
        meant = f"{_MEANT[name]}: is meant, or quotes make it a word" if name in _MEANT else "quotes make it a word"
        raise QueryError(query, position, f"there is no field {prefix}: (there are {' '.join(FIELDS)}; {meant})")
    return Token("field", name, position)


def _refuse_other_languages(query: str, word: str, position: int) -> None:
    if word in _OTHERWISE:
        raise QueryError(query, position, _OTHERWISE[word])
    if word.startswith(":"):
        raise QueryError(query, position, "a colon follows its field at once, as in ti:word; quotes keep it")
    if _SIGNED.match(word):
        raise QueryError(
            query, position, f"{word[0]} before a word means nothing here: ANDNOT excludes, quotes keep it"
        )

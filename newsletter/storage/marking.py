"""How a paper's texts are written for FTS5, and where in them stands what it found."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from newsletter.query import as_words
from newsletter.text import readable

#: What FTS5's highlight() puts before and behind what matched; no word holds them.
OPEN, CLOSE = "\ue001", "\ue002"

# A token of its own between names and readings (U+E000 counts as a letter to FTS5): no phrase reaches across.
_BETWEEN = " \ue000 "
_SCRIPTS = re.compile(r"(?<=\w)[_^]\{?(?=\w)")  # of a formula: below or above the line
_WORDS = re.compile(r"[^\W_]+")
_JOINED_WORDS = re.compile(r"[^\W_]+(?:[_^]\{?[^\W_]+)*")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Marks:
    """What of a paper answered a query: the readable title in pieces, each marked or not, and all that was marked.

    `words` are words and phrases as they stand in the readable texts, each once: from the title first, then abstract,
    comment, journal reference, names, categories and numbers.
    """

    title: tuple[tuple[str, bool], ...]
    words: tuple[str, ...]


def indexed_text(text: str) -> str:
    r"""A text's words, as FTS5 gets them: "$\ell_1$" is read as "l 1" and, behind a gap, as "l1"; people write both."""
    words = as_words(text)
    if "_" not in text and "^" not in text:
        return words
    joined = as_words(_SCRIPTS.sub("", readable(text)))
    return words if joined == words else f"{words}{_BETWEEN}{joined}"


def indexed_names(authors: Iterable[str]) -> str:
    """Names, as FTS5 gets them.

    Each goes round once, so that it is found from any of its words on: "Vincent van Gogh Vincent van" holds "van Gogh
    Vincent", as catalogues write it.
    """
    names = (as_words(author).split() for author in authors)
    return _BETWEEN.join(" ".join([*name, *name[:-1]]) for name in names)


def mark(
    texts: Sequence[str],
    in_texts: Sequence[Sequence[str]],
    authors: Sequence[str],
    in_names: Sequence[str],
    exact: Sequence[str],
) -> Marks:
    """Mark what was highlighted in texts, of which the first is the title, and in names, both as they were indexed."""
    title, *others = (_cut(text, [row[column] for row in in_texts]) for column, text in enumerate(texts))
    found = [piece for pieces in (title, *others) for piece, is_marked in pieces if is_marked]
    found += [name for row in in_names for name in _marked_names(authors, row)]
    distinct: dict[str, str] = {}
    for word in (*found, *exact):
        distinct.setdefault(as_words(word), word)
    return Marks(title, tuple(distinct.values()))


def _cut(text: str, highlighted: Iterable[str]) -> tuple[tuple[str, bool], ...]:
    """A text as it is shown, in pieces, each marked or not."""
    shown = unicodedata.normalize("NFC", readable(text))
    pieces: list[tuple[str, bool]] = []
    at = 0
    for start, end in _merged(span for row in highlighted for span in _spans(shown, row)):
        pieces += [(shown[at:start], False), (shown[start:end], True)]
        at = end
    pieces.append((shown[at:], False))
    return tuple(piece for piece in pieces if piece[0])


def _spans(shown: str, highlighted: str) -> Iterator[Span]:
    for pattern, part in zip((_WORDS, _JOINED_WORDS), highlighted.split(_BETWEEN), strict=False):
        words = ((match.span(), as_words(_SCRIPTS.sub("", match[0]))) for match in pattern.finditer(shown))
        places = [span for span, indexed in words for _ in indexed.split()]
        if len(places) == len(part.split()):  # else it cannot be told which is which
            yield from ((places[first][0], places[last][1]) for first, last in _runs(part))


def _marked_names(authors: Sequence[str], highlighted: str) -> Iterator[str]:
    """The highlighted words of each author's name, in the order of the name."""
    for author, part in zip(authors, highlighted.split(_BETWEEN), strict=True):
        words = readable(author).split()
        places = [number for number, word in enumerate(words) for _ in as_words(word).split()]
        chosen = {places[at % len(places)] for first, last in _runs(part) for at in range(first, last + 1)}
        if chosen:
            yield " ".join(words[number].strip(",") for number in sorted(chosen))


def _runs(highlighted: str) -> Iterator[tuple[int, int]]:
    """The numbers of the first and last word of each highlighted stretch."""
    first = 0
    for number, word in enumerate(highlighted.split()):
        if word.startswith(OPEN):
            first = number
        if word.endswith(CLOSE):
            yield first, number


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged

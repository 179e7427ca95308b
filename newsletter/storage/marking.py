"""How a paper's texts are written for FTS5, and where in them, as they are shown, stands what was asked for."""

import re
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

from newsletter.query import as_words
from newsletter.storage.stems import Stems
from newsletter.text import readable, scripts_apart, scripts_joined

#: The fields of which FTS5 knows stems, and what they are called in a paper.
STEMMED = {"ti": "title", "abs": "abstract", "co": "comment", "jr": "journal_ref"}

# A token of its own between names and readings (U+E000 counts as a letter to FTS5): no phrase reaches across.
_GAP = "\ue000"
_BETWEEN = f" {_GAP} "
_WORDS = re.compile(r"([^\W_]+)")
_JOINED_WORDS = re.compile(r"([^\W_]+(?:[_^][^\W_]+)*)")
_NAME_WORDS = re.compile(r"([^\s,]+)")

Span = tuple[int, int]
Placed = tuple[list[str], list[int]]  # words as they are indexed; where each begins and ends in what is shown


@dataclass(frozen=True, slots=True)
class Marks:
    """What of a paper answered a query: the readable title in pieces, each marked or not, and the words that did.

    `words` are words and phrases as they stand in the paper: see `Words.of`.
    """

    title: tuple[tuple[str, bool], ...]
    words: tuple[str, ...]


class Text:
    """A text as it is shown, and where in it the words stand that are looked for; it takes some 4 kB."""

    __slots__ = ("_bounds", "_words", "shown")

    def __init__(self, shown: str, *readings: Placed) -> None:
        self.shown = shown
        words, bounds = [_GAP], [0, 0]
        for placed in readings:
            words += [*placed[0], _GAP]
            bounds += [*placed[1], 0, 0]
        self._words = f" {' '.join(words)} "
        self._bounds = array("I", bounds)

    def first(self, phrase: str) -> Span | None:
        """Where a phrase stands first: words parted and begun by a blank; without one behind, the last may go on."""
        at = self._words.find(phrase)
        return self._span(at, phrase) if at >= 0 else None

    def everywhere(self, phrase: str) -> Iterator[Span]:
        """Wherever a phrase stands."""
        at = self._words.find(phrase)
        while at >= 0:
            yield self._span(at, phrase)
            at = self._words.find(phrase, at + 1)

    def _span(self, at: int, phrase: str) -> Span:
        first = self._words.count(" ", 0, at)
        bounds = self._bounds[2 * first : 2 * (first + len(phrase.split()))]
        return min(bounds), max(bounds)


# ---------------------------------------------------------------- texts


def indexed_text(text: str) -> str:
    r"""A text's words, as FTS5 gets them: "$\ell_1$" is read as "l 1" and, behind a gap, as "l1"; people write both."""
    if _has_one_reading(text):
        return as_words(text)
    shown = readable(text)
    apart, joined = as_words(scripts_apart(shown)), as_words(scripts_joined(shown))
    return apart if joined == apart else f"{apart}{_BETWEEN}{joined}"


def _has_one_reading(text: str) -> bool:
    return text.isascii() and not any(sign in text for sign in "_^\\")


def stemmed_text(text: str, stems: Stems) -> Text:
    """A text, to look for stems in it, in both its readings."""
    shown = _shown(text)
    if _has_one_reading(text):
        return Text(shown, _placed(_WORDS, shown, stems.of))
    apart = _placed(_WORDS, shown, lambda words: stems.of(map(scripts_apart, words)))
    joined = _placed(_JOINED_WORDS, shown, lambda words: stems.of(map(scripts_joined, words)))
    return Text(shown, apart, joined)


def plain_text(text: str) -> Text:
    """A text, to look for words in it."""
    shown = _shown(text)
    return Text(shown, _placed(_WORDS, shown, _as_words))


# ---------------------------------------------------------------- names


def indexed_names(authors: Iterable[str]) -> str:
    """Names, as FTS5 gets them.

    Each goes round once, so that it is found from any of its words on: "Vincent van Gogh Vincent van" holds "van Gogh
    Vincent", as catalogues write it.
    """
    return _BETWEEN.join(" ".join(_round(as_words(author).split())) for author in authors)


def called(words: str) -> list[tuple[str, bool]]:
    """What a name may stand as, and whether its last word only begins so."""
    # An initial at either end ("J Smith", "Smith J") stands for every name that begins with it. FTS5 takes a prefix
    # at the end only; names go round, so a first initial may stand there too. It may be no initial: "d Alembert".
    first, *others = words.split()
    if others and len(others[-1]) == 1:
        return [(words, True)]
    if others and len(first) == 1:
        return [(words, False), (" ".join([*others, first]), True)]
    return [(words, False)]


def names_text(authors: Iterable[str]) -> Text:
    """Names, to look for words in each; they go round as they do where they are indexed."""
    shown, readings = "", []
    for name in map(_shown, authors):
        words, bounds = _placed(_NAME_WORDS, name, _as_words)
        words, bounds = _round(words), [len(shown) + bound for bound in (*bounds, *bounds[:-2])]
        readings.append((words, bounds))
        shown += f"{name}\n"
    return Text(shown, *readings)


def _round(name: list[str]) -> list[str]:
    return [*name, *name[:-1]]


# ---------------------------------------------------------------- what is shown


def merged(spans: Iterable[Span]) -> list[Span]:
    """Spans in order; those that overlap are one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def cut(shown: str, spans: Iterable[Span]) -> tuple[tuple[str, bool], ...]:
    """A text in pieces, each marked or not."""
    pieces: list[tuple[str, bool]] = []
    at = 0
    for start, end in merged(spans):
        pieces += [(shown[at:start], False), (shown[start:end], True)]
        at = end
    pieces.append((shown[at:], False))
    return tuple(piece for piece in pieces if piece[0])


def distinct(words: Iterable[str], stems: Stems) -> tuple[str, ...]:
    """Words and phrases without those that another one holds, endings aside."""
    by_stems: dict[str, str] = {}
    for word in words:
        by_stems.setdefault(f" {' '.join(stems.of(_WORDS.findall(word)))} ", word)
    return tuple(
        word for own, word in by_stems.items() if not any(own in other for other in by_stems if other is not own)
    )


def _shown(text: str) -> str:
    return unicodedata.normalize("NFC", readable(text))


def _as_words(words: Iterable[str]) -> list[str]:
    return list(map(as_words, words))


def _placed(pattern: re.Pattern[str], shown: str, indexed: Callable[[Iterable[str]], list[str]]) -> Placed:
    pieces = pattern.split(shown)  # a word is every second one, and so begins and ends where two pieces end
    words, bounds = indexed(pieces[1::2]), list(accumulate(map(len, pieces[:-1])))
    if all(words) and " " not in "".join(words):
        return words, bounds
    several = [(word, 2 * place) for place, many in enumerate(words) for word in many.split()]
    return [word for word, _ in several], [bound for _, at in several for bound in bounds[at : at + 2]]

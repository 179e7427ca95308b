"""What arXiv's search index makes of the texts and names of papers.

Texts are cut by the rules of Unicode's annex 29: a hyphen parts words; an apostrophe or a point between letters, a
point or a comma between digits do not. A possessive 's falls away, the rest is stemmed. Names are cut at blanks only,
and to each belongs its short form, "J Smith" (arxiv-search, mappings and process/transform.py).

TeX and accents are read as the newsletter reads them, since nobody has seen what the index makes of them.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from newsletter.demo.stems import stem
from newsletter.text import fold, readable, scripts_apart, scripts_joined

_TEXT = re.compile(r"[^\W_]+(?:(?:(?<=[^\W\d_])['.](?=[^\W\d_])|(?<=\d)[.,](?=\d))[^\W_]+)*")
_HYPHENS = re.compile("[-‐‑‒–]")


@lru_cache(maxsize=1 << 16)
def text_words(text: str) -> tuple[tuple[str, ...], ...]:
    """The stems of a text, in order; of a text with formulas those with "$x_1$" read as "x 1", and as "x1"."""
    plain = readable(text)
    forms = (scripts_apart(plain), scripts_joined(plain))
    return tuple(dict.fromkeys(tuple(map(_stem, _TEXT.findall(_lower(form)))) for form in forms))


@lru_cache(maxsize=1 << 16)
def name_words(name: str) -> tuple[str, ...]:
    """The words of one author's name; hyphens and apostrophes stay in them, points and commas fall away."""
    words = (re.sub("[.,;]", "", word) for word in readable(name).split())
    return tuple("-".join(_lower(part) for part in _HYPHENS.split(word)) for word in words if word)


def author_words(names: Iterable[str]) -> frozenset[str]:
    """The words of all authors and the initials of their short forms: arXiv looks for a name in any of them."""
    words = [name_words(name) for name in names]
    return frozenset(word for name in words for word in (*name, *(part[0] for part in name[:-1] if part)))


def count(words: Sequence[str], wanted: Sequence[str]) -> int:
    """How often words stand in a text one behind the other."""
    first, length = wanted[0], len(wanted)
    places = (at for at, word in enumerate(words) if word == first) if first in words else ()
    return sum(tuple(words[at : at + length]) == tuple(wanted) for at in places)


def _lower(text: str) -> str:
    return fold(fold(text).casefold())


def _stem(word: str) -> str:
    return stem(word.removesuffix("'s"))

"""Down to the words: how the words of a term are written, whatever stands between them."""

import re

from newsletter.text import fold, normalise, readable

_NOT_WORDS = re.compile(r"[\W_]+")
_PLAIN_WORDS = re.compile(r"[a-z0-9]+")


def as_words(text: str) -> str:
    """Normalise a text down to its words, parted by single blanks: how a term's words are written."""
    if _is_plain(text):  # most texts of most queries; the same, faster
        return " ".join(_PLAIN_WORDS.findall(text.lower()))
    return _NOT_WORDS.sub(" ", normalise(text)).strip()


def as_spelled(text: str) -> str:
    """What a user wrote, TeX read, on one line: from this it is written for arXiv."""
    return " ".join(text.split()) if _is_plain(text) else readable(text)


def folded_words(text: str) -> list[str]:
    """The words of a text without accents, in the case they are written in."""
    return _NOT_WORDS.sub(" ", fold(text)).split()


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and "\\" not in text and "$" not in text

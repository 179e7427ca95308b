"""How a term may be spelled in arXiv's index, where that is one word and here it is two, or the other way round."""

import re
import unicodedata
from collections.abc import Callable, Sequence
from itertools import pairwise, product
from math import prod

from newsletter.query.categories import other_names
from newsletter.query.tree import Term
from newsletter.query.words import folded_words
from newsletter.text import fold

_MOST = 8  # spellings by all combinations; of more, each place is varied by itself
_TEXT_WORDS = re.compile(r"[^\W_]+(?:(?:['.]|(?<=\d),(?=\d))[^\W_]+)*")
_NAME_WORDS = re.compile(r"(?:(?<!\S)')?[^\W_]+(?:(?:'|\.?-|\.)[^\W_]+)*")
VERSION = re.compile(r"v\d+$")
_HYPHENS = re.compile("[-‐‑‒–]")
# What stands before an apostrophe ("d'Alembert", "O'Neil", "N'Diaye"), and behind one ("Newton's").
_BEFORE, _BEHIND = frozenset("dlomnt"), frozenset(("s", "t", "d", "m", "ll", "re", "ve"))
_GREEK = re.compile(r"GREEK (?:SMALL|CAPITAL) LETTER (\w+)")


def spellings(term: Term) -> list[str]:
    """All that a term is asked for as: first as the user wrote it."""
    written = term.spelled or term.words
    match term.field:
        case "cat":
            found = [written, *other_names(term.words)]
        case "id":
            found = [VERSION.sub("", term.words)]  # there, only newest versions are found
        case "au":
            found = _spell_name(written)
        case _:
            found = _spell_text(written)
    distinct: dict[str, str] = {}
    for spelling in found:
        distinct.setdefault(spelling.casefold(), spelling)
    return list(distinct.values())


def _spell_text(written: str) -> list[str]:
    words = folded_words(written)
    found = [" ".join(_TEXT_WORDS.findall(fold(written))), *_joined(words, _between_words)]
    if not written.isascii():
        found.append(" ".join(_TEXT_WORDS.findall(unicodedata.normalize("NFC", written))))
        found.append(" ".join("".join(map(_letter_name, word)) for word in words))
    return found


def _spell_name(written: str) -> list[str]:
    words = folded_words(written)
    hyphenated = " ".join("-".join(map(fold, _HYPHENS.split(word))) for word in written.split())
    found = [" ".join(_NAME_WORDS.findall(hyphenated)), *_joined(words, _between_names if words[2:] else _between_two)]
    for end in {0, len(words) - 1} if len(words) > 1 else ():
        if len(words[end]) == 1:
            found.append(" ".join([*words[:end], f"{words[end]}*", *words[end + 1 :]]))
    return found


def _joined(words: Sequence[str], between: Callable[[str, str], str]) -> list[str]:
    choices = [between(left, right) for left, right in pairwise(words)]
    if prod(map(len, choices)) <= _MOST:
        chosen = list(product(*choices))
    else:
        blanks = (" ",) * len(choices)
        chosen = [(*blanks[:at], sign, *blanks[at + 1 :]) for at, signs in enumerate(choices) for sign in signs]
    return ["".join(map("".join, zip(words, (*signs, ""), strict=True))) for signs in chosen]


def _between_words(left: str, right: str) -> str:
    """What may stand between two words that are one there; a blank first."""
    if left[-1].isdigit() and right[0].isdigit():
        return " .," if len(right) == 3 and right.isdigit() else " ."
    if len(left) == len(right) == 1:
        return " '." if right.lower() in _BEHIND else " ."
    return " '" if left.lower() in _BEFORE or right.lower() in _BEHIND else " "


def _between_two(left: str, right: str) -> str:
    if len(left) == len(right) == 1:
        return " .-"
    return " '" if left.lower() in _BEFORE else " "


def _between_names(left: str, right: str) -> str:
    return f"{_between_two(left, right).replace('-', '')}-"


def _letter_name(letter: str) -> str:
    if letter == "ℓ":
        return "ell"
    match = _GREEK.fullmatch(unicodedata.name(letter, ""))
    return match[1].lower() if match else letter

"""Stems of English words, by the rules of M. F. Porter, "An algorithm for suffix stripping", Program 14(3), 1980.

With the two departures that its author made later, and that Lucene and SQLite follow: -bli becomes -ble, -logi -log.
"""

import re
from functools import lru_cache

_C = "(?:[^aeiouy]|(?<![^aeiou])y|^y)"  # a consonant; y is one at the beginning and after a vowel
_V = "(?:[aeiou]|(?<=[^aeiou])y)"
_SEQUENCES = re.compile(f"{_V}+{_C}+")
_HAS_VOWEL = re.compile(_V)
_ENDS_DOUBLE = re.compile(r"([^aeiouy])\1$")
_ENDS_SHORT = re.compile(f"{_C}{_V}(?:[^aeiouwxy])$")

_STEP_2 = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize", "bli": "ble", "alli": "al",
    "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize", "ation": "ate", "ator": "ate", "alism": "al",
    "iveness": "ive", "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble", "logi": "log",
}  # fmt: skip
_STEP_3 = {"icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": ""}
_STEP_4 = (
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou", "ism", "ate", "iti",
    "ous", "ive", "ize",
)  # fmt: skip
_SHORTEST = 3  # letters; shorter words are their own stems


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The stem of a word in lower case."""
    if len(word) < _SHORTEST:
        return word
    for step in (_plural, _past, _y_to_i, _long_suffix, _suffix, _last_suffix, _tidy):
        word = step(word)
    return word


def _measure(part: str) -> int:
    return len(_SEQUENCES.findall(part))


def _plural(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _past(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for suffix in ("ed", "ing"):
        rest = word.removesuffix(suffix)
        if rest != word:
            return _mended(rest) if _HAS_VOWEL.search(rest) else word
    return word


def _mended(rest: str) -> str:
    if rest.endswith(("at", "bl", "iz")):
        return f"{rest}e"
    if _ENDS_DOUBLE.search(rest) and not rest.endswith(("l", "s", "z")):
        return rest[:-1]
    return f"{rest}e" if _measure(rest) == 1 and _ENDS_SHORT.search(rest) else rest


def _y_to_i(word: str) -> str:
    return f"{word[:-1]}i" if word.endswith("y") and _HAS_VOWEL.search(word[:-1]) else word


def _replaced(word: str, suffixes: dict[str, str]) -> str:
    for suffix in sorted(suffixes, key=len, reverse=True):
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            return rest + suffixes[suffix] if _measure(rest) > 0 else word
    return word


def _long_suffix(word: str) -> str:
    return _replaced(word, _STEP_2)


def _suffix(word: str) -> str:
    return _replaced(word, _STEP_3)


def _last_suffix(word: str) -> str:
    for suffix in sorted(_STEP_4, key=len, reverse=True):
        if word.endswith(suffix):
            rest = word[: -len(suffix)]
            kept = _measure(rest) <= 1 or (suffix == "ion" and not rest.endswith(("s", "t")))
            return word if kept else rest
    return word


def _tidy(word: str) -> str:
    if word.endswith("e"):
        rest = word[:-1]
        if _measure(rest) > 1 or (_measure(rest) == 1 and not _ENDS_SHORT.search(rest)):
            word = rest
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word

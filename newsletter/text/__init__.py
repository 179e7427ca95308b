"""TeX to readable text, and the one normaliser that texts and queries both pass before they are compared."""

import re
import unicodedata

from newsletter.text.formulas import SMALL
from newsletter.text.tex import read_tex
from newsletter.text.typography import typeset

_SCRIPT = re.compile(r"(?<=\w)[_^](?=\w)")
# Letters that NFKD leaves whole, the dashes that mean a hyphen, and what only says where a line may end.
_FOLDS = str.maketrans(
    {
        "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE",
        "œ": "oe", "Œ": "OE", "ı": "i", "þ": "th", "Þ": "Th", "ð": "d", "Ð": "D", "’": "'", "ʼ": "'", "‘": "'",
        **dict.fromkeys("-‐‑‒–—―−_\\$\u200b", " "),
        **dict.fromkeys("\u00ad\u200c\u200d\u2060\ufeff"),
    }
)  # fmt: skip
#: C0 and C1 controls, and the characters that reorder what stands around them (UAX #9).
INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
LINE_ENDS = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")
# Anything with an @ in it counts, but for git@HOST, which is nobody's.
_LOCAL_PART = r"""(?:"[^"\r\n]{1,64}"|(?<![^\s<>(\[{"',;:=])[^\s<>(\[{"',;:=]+)"""
_ADDRESS = re.compile(rf"""<?(?!git@){_LOCAL_PART}@[^\s<>)\]}}"',;]+>?""")


def readable(tex: str) -> str:
    r"""Turn arXiv's TeX into readable text: ``$\ell_1$`` becomes ``ℓ₁``; plain text passes as it is.

    White space is collapsed, control and direction characters are dropped. TeX that does not parse keeps its words.
    """
    text = _tidy(tex)
    if any(sign in text for sign in ("\\", "$", "_{", "^{")):
        text = _tidy(read_tex(text))
    return typeset(text)


def _tidy(text: str) -> str:
    text = " ".join(text.split())
    return text if text.isprintable() else " ".join(INVISIBLE.sub("", text).split())


def scripts_joined(text: str) -> str:
    """A readable text, each index and exponent one word with its base: "x₁" and "x_1" become "x1"."""
    return _SCRIPT.sub("", unicodedata.normalize("NFKC", text))


def scripts_apart(text: str) -> str:
    """A readable text, each index and exponent a word of its own: "x₁" becomes "x ₁"."""
    return SMALL.sub(r" \g<0>", text)


def without_addresses(text: str) -> str:
    """The text with e-mail addresses left out: servers, git and errors repeat what they were given, logs hold none."""
    return _ADDRESS.sub("…", text)


def fold(text: str) -> str:
    """Fold accents and hyphens away and keep the case: ``Erdős–Rényi`` becomes ``Erdos Renyi``."""
    text = unicodedata.normalize("NFKC", readable(text)).translate(_FOLDS)
    if not text.isascii():
        marks = unicodedata.normalize("NFD", text)
        text = "".join(character for character in marks if not unicodedata.combining(character))
    return " ".join(text.split())


def normalise(text: str) -> str:
    """What is compared: `fold`, in lower case. Idempotent."""
    return fold(fold(text).casefold())

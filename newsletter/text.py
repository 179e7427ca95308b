"""TeX to readable text, and the one normaliser that texts and queries both pass before they are compared."""

import re
import unicodedata
from functools import cache
from typing import Any

_TEX = re.compile(r"[\\$]")
_COMMENT_SIGNS = re.compile(r"(?<!\\)([%#&])")
_COMMAND = re.compile(r"\\([a-zA-Z]+)\*?\s*")
# Letters that NFKD leaves whole, and the dashes that mean a hyphen.
_FOLDS = str.maketrans(
    {
        "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE",
        "œ": "oe", "Œ": "OE", "ı": "i", "þ": "th", "Þ": "Th", "ð": "d", "Ð": "D", "’": "'", "ʼ": "'", "‘": "'",
        **dict.fromkeys("-‐‑‒–—―−\u00ad_", " "),
    }
)  # fmt: skip
#: C0 and C1 controls, and the characters that reorder what stands around them (UAX #9).
INVISIBLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
LINE_ENDS = re.compile(r"[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")


@cache
def _converter() -> Any:
    # pylatexenc is slow to import, and most texts hold no TeX.
    from pylatexenc.latex2text import LatexNodes2Text

    return LatexNodes2Text(math_mode="text", keep_comments=True)


def readable(tex: str) -> str:
    r"""Turn arXiv's TeX into readable text: ``$\alpha$-stable`` becomes ``α-stable``; plain text passes as it is.

    White space is collapsed, control and direction characters are dropped. TeX that does not parse keeps its words.
    """
    text = " ".join(INVISIBLE.sub("", LINE_ENDS.sub(" ", tex)).split())
    if not _TEX.search(text):
        return text
    try:
        # To TeX a bare % begins a comment; to arXiv's authors it is a per cent sign.
        text = _converter().latex_to_text(_COMMENT_SIGNS.sub(r"\\\1", text))
    except Exception:  # noqa: BLE001 - the parser fails in many ways on what authors write; the words must survive
        text = _COMMAND.sub("", text).translate(str.maketrans("", "", "{}$\\"))
    return " ".join(text.split())


def fold(text: str) -> str:
    """Fold accents and hyphens away and keep the case: ``Erdős–Rényi`` becomes ``Erdos Renyi``."""
    text = unicodedata.normalize("NFKC", readable(text)).translate(_FOLDS)
    if text.isascii():
        return " ".join(text.split())
    marks = unicodedata.normalize("NFD", text)
    return " ".join("".join(c for c in marks if not unicodedata.combining(c)).split())


def normalise(text: str) -> str:
    """What is compared: `fold`, in lower case. Idempotent."""
    return fold(fold(text).casefold())

"""TeX to readable text, and the one normaliser that texts and queries both pass before they are compared."""

import re
import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Any

_TEX = re.compile(r"[\\$]")
# To TeX these begin a comment, a parameter, a column; to arXiv's authors they are signs like any other.
_PLAIN_SIGNS = re.compile(r"(?<!\\)([%#&])")
# A price, not the beginning of a formula: a digit follows, and the next dollar, if any, begins a price too.
_PRICE = re.compile(r"(?<!\\)\$(?=\d[^$]*(?:\s\$\d|$))")
_COMMAND = re.compile(r"\\([a-zA-Z]+)\*?\s*")
_REFERENCES = ("cite", "citet", "citep", "ref", "autoref", "cref", "Cref", "eqref")
_HEADINGS = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph", "subparagraph")
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


@cache
def _converter() -> Callable[[str], str]:
    # pylatexenc is slow to import, and most texts hold no TeX. Its tables are slow to build: once for all texts.
    from pylatexenc import latex2text, latexwalker
    from pylatexenc.macrospec import std_macro

    reading = latexwalker.get_default_latex_context_db()
    reading.add_context_category("ours", [std_macro("href", False, 2), std_macro("texttt", False, 1)], prepend=True)
    writing = latex2text.get_default_latex_context_db()
    spec = latex2text.MacroTextSpec
    ours = [
        spec("href", _link),
        spec("url", "%s"),
        spec("texttt", discard=False),
        spec("verb", _verbatim),
        spec("item", " "),
        *(spec(name, name) for name in ("TeX", "LaTeX", "LaTeXe", "BibTeX")),
        *(spec(name, lambda node, texts: f"[{_last_argument(node, texts)}]") for name in _REFERENCES),
        *(spec(name, _last_argument) for name in _HEADINGS),
        *(spec(name, "") for name in ("includegraphics", "label")),
    ]
    writing.add_context_category("ours", ours, prepend=True)
    writing.set_unknown_macro_spec(spec("", _unknown))
    texts = latex2text.LatexNodes2Text(writing, math_mode="text", keep_comments=True)

    def convert(tex: str) -> str:
        nodes, _, _ = latexwalker.LatexWalker(tex, latex_context=reading, tolerant_parsing=True).get_latex_nodes()
        return str(texts.nodelist_to_text(nodes))

    return convert


def _last_argument(node: Any, l2tobj: Any) -> str:
    arguments = node.nodeargd.argnlist if node.nodeargd else ()
    return str(texts.nodelist_to_text(arguments[-1:] or []))


def _link(node: Any, l2tobj: Any) -> str:
    address, words = (texts.nodelist_to_text([argument]).strip() for argument in node.nodeargd.argnlist)
    return words if words in ("", address) or not address else f"{words} <{address}>"


def _verbatim(node: Any, l2tobj: Any) -> str:
    return str(node.nodeargd.verbatim_text)


def _unknown(node: Any, l2tobj: Any) -> str:
    # \ours is most often the name of what the authors made; \emphasise{words} is something done to words.
    following = node.parsing_state.s[node.pos + node.len :]
    return "" if following.startswith(("{", "[")) or not node.macroname.isalpha() else node.macroname


def readable(tex: str) -> str:
    r"""Turn arXiv's TeX into readable text: ``$\alpha$-stable`` becomes ``α-stable``; plain text passes as it is.

    White space is collapsed, control and direction characters are dropped. TeX that does not parse keeps its words.
    """
    text = " ".join(INVISIBLE.sub("", LINE_ENDS.sub(" ", tex)).split())
    if not _TEX.search(text):
        return text
    try:
        text = _converter()(_PRICE.sub(r"\\$", _PLAIN_SIGNS.sub(r"\\\1", text)))
    except Exception:  # noqa: BLE001 - the parser fails in many ways on what authors write; the words must survive
        text = _COMMAND.sub(r"\1 ", text).translate(str.maketrans("", "", "{}$\\"))
    return " ".join(INVISIBLE.sub("", text).split())


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

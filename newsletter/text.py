"""TeX to readable text, and the one normaliser that texts and queries both pass before they are compared."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

_TEX = re.compile(r"[\\$]")
_TEX_WORD = re.compile(r"[\\${}~]|``|''|--")
_OPENS_OR_CLOSES = re.compile(r"\\(?:[a-zA-Z]+|.)|[{}$]")
_ENDS_IN_COMMAND = re.compile(r"\\(?:[a-zA-Z]+|[^a-zA-Z\s\\{}$%&#_,;:!()\[\]])$")  # which takes up what follows
# To TeX these begin a comment, a parameter, a column; to arXiv's authors they are signs like any other.
_PLAIN_SIGNS = re.compile(r"(?<!\\)([%#&])")
# A price, not the beginning of a formula, which would end before a blank.
_PRICE = re.compile(r"(?:(?<=[\s(])|^)\$(?=\d[^$\\^_{]*(?:\s\$|$))")
_COMMAND = re.compile(r"\\([a-zA-Z]+)\*?\s*")
_REFERENCES = ("cite", "citet", "citep", "ref", "autoref", "cref", "Cref", "eqref")
_HEADINGS = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph", "subparagraph")
_SILENT = (
    "includegraphics",
    "label",
    "xspace",
    "tt",
    "it",
    "bf",
    "em",
    "rm",
    "sc",
    "sl",
    "sf",
    "cal",
    "displaystyle",
    "footnotesize",
    "small",
)
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


@cache
def _converter() -> Callable[[str], str]:
    # pylatexenc is slow to import, and most texts hold no TeX. Its tables are slow to build: once for all texts.
    from pylatexenc import latex2text, latexwalker
    from pylatexenc.macrospec import std_macro

    reading = latexwalker.get_default_latex_context_db()
    arguments = [std_macro("href", False, 2), std_macro("texttt", False, 1), std_macro("unicode", False, 1)]
    reading.add_context_category("ours", arguments, prepend=True)
    writing = latex2text.get_default_latex_context_db()
    spec = latex2text.MacroTextSpec
    ours = [
        spec("href", _link),
        spec("url", "%s"),
        spec("texttt", discard=False),
        spec("verb", _verbatim),
        spec("item", " "),
        spec("unicode", _code_point),
        *(spec(name, _reference) for name in _REFERENCES),
        *(spec(name, _last_argument) for name in _HEADINGS),
        *(spec(name, "") for name in _SILENT),
    ]
    writing.add_context_category("ours", ours, prepend=True)
    writing.set_unknown_macro_spec(spec("", _unknown))
    texts = latex2text.LatexNodes2Text(writing, math_mode="text", keep_comments=True)

    def convert(tex: str) -> str:
        nodes, _, _ = latexwalker.LatexWalker(tex, latex_context=reading, tolerant_parsing=True).get_latex_nodes()
        return str(texts.nodelist_to_text(nodes))

    return convert


# pylatexenc finds out by its name whether a function wants `l2tobj`, the converter.


def _last_argument(node: Any, l2tobj: Any) -> str:
    arguments = node.nodeargd.argnlist if node.nodeargd else ()
    return str(l2tobj.nodelist_to_text(list(arguments[-1:])))


def _reference(node: Any, l2tobj: Any) -> str:
    return f"[{_last_argument(node, l2tobj)}]"


def _link(node: Any, l2tobj: Any) -> str:
    address, words = (l2tobj.nodelist_to_text([argument]).strip() for argument in node.nodeargd.argnlist)
    return f"{words} <{address}>" if address and words not in ("", address) else words or address


def _verbatim(node: Any) -> str:
    return str(node.nodeargd.verbatim_text)


def _code_point(node: Any, l2tobj: Any) -> str:
    return chr(int("0" + _last_argument(node, l2tobj), 0))  # MathJax's \unicode{x2014}


def _unknown(node: Any) -> str:
    # \ours is most often the name of what the authors made; \emphasise{words} is something done to words.
    following = node.parsing_state.s[node.pos + node.len :]
    done_to_words = following.startswith(("{", "[")) and not following.startswith("{}")
    return "" if done_to_words or not node.macroname.isalpha() else node.macroname + node.macro_post_space


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """Cut at blanks into stretches that are TeX and stretches that are not; a group or formula is never cut."""
    plain: list[str] = []
    piece: list[str] = []
    depth, formula = 0, False
    for word in text.split():
        if not piece and not _TEX_WORD.search(word):
            plain.append(word)
            continue
        piece.append(word)
        for sign in _OPENS_OR_CLOSES.findall(word):
            depth = max(0, depth + (sign in ("{", r"\begin")) - (sign in ("}", r"\end")))
            formula = not formula if sign == "$" else (formula or sign in (r"\(", r"\[")) and sign not in (r"\)", r"\]")
        if not depth and not formula and not _ENDS_IN_COMMAND.search(word):
            yield False, " ".join(plain)
            yield True, " ".join(piece)
            plain, piece = [], []
    yield False, " ".join(plain)
    yield True, " ".join(piece)


def _read_piece(tex: str) -> str:
    try:
        return _converter()(_PLAIN_SIGNS.sub(r"\\\1", tex))
    except Exception:  # noqa: BLE001 - the parser fails in many ways on what authors write; the words must survive
        return _COMMAND.sub(r"\1 ", tex).translate(str.maketrans("", "", "{}$\\"))


def readable(tex: str) -> str:
    r"""Turn arXiv's TeX into readable text: ``$\alpha$-stable`` becomes ``α-stable``; plain text passes as it is.

    White space is collapsed, control and direction characters are dropped. TeX that does not parse keeps its words.
    """
    text = " ".join(INVISIBLE.sub("", LINE_ENDS.sub(" ", tex)).split())
    if not _TEX.search(text):
        return text
    # The parser takes a step for each character: it reads the words that hold TeX, and nothing else.
    read = (_read_piece(piece) if is_tex else piece for is_tex, piece in _pieces(_PRICE.sub(r"\\$", text)))
    return " ".join(INVISIBLE.sub("", " ".join(read)).split())


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

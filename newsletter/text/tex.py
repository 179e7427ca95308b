"""What TeX in titles, abstracts and names says, written as one would write it where there is no TeX.

pylatexenc knows the names of signs; the reading is done here. Its parser takes a step for each character, stops at what
it does not expect, as abstracts often hold, and does not tell of the blanks that decide what may touch.
"""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from newsletter.text.commands import (
    ACCENTS,
    AROUND,
    BLANKS,
    DOUBLE_STRUCK,
    FORMULA_ACCENTS,
    GIVEN_NO_TEXT,
    IN_WORDS,
    LETTERS,
    OF_WORDS,
    SILENT,
    STYLES,
    symbols,
)
from newsletter.text.formulas import GAP, LOOSE, accented, fraction, root, script, settle, without_gap
from newsletter.text.reading import Reader

_FORMULAS = re.compile(r"(?:equation|align|gather|multline|eqnarray|math|displaymath|split|array|cases|\w*matrix)\*?")
_ACCENTED = re.compile(r" ?(?:[^\W\d_]|\{|\\[a-zA-Z])")
_CUT_NAME = re.compile(r"\{([a-z]+)\}")
_QUOTED = re.compile(r'[^"\\{}$]{1,200}\\"(?!\w)')
_WITH_WORDS = re.compile(r"[a-zA-Z]{2,}\{")
_ESCAPED = re.compile(r"\\([_%#&~$])")
_CODE_POINT = re.compile(r"0?x([0-9a-fA-F]{1,5})|([0-9]{1,6})")
_GROUP_BEGINS = re.compile(r" ?\{")
_POINT = re.compile(r" ?\.")
_VERBATIM = re.compile(r"(.)((?:(?!\1).)*)\1?")
_END, _DISPLAY_END = r"\end", r"\]"
_LENGTH = re.compile(r"\s*-?[\d.]+\s*[a-z]{2}")


def read_tex(tex: str) -> str:
    """Write what TeX says. It stands on one line, without control characters. Whatever comes in, its words come out."""
    return settle(_Tex(tex).read().replace(LOOSE, " "))


class _Tex(Reader):
    def command(self, name: str, blank: str, *, math: bool) -> str:
        own = math and len(name) == 1  # what LaTeX calls \o or \c stands in no formula
        if rule := _RULES.get(name):
            return rule(self, math)
        if name in FORMULA_ACCENTS:
            return accented(self.argument(math=math), FORMULA_ACCENTS[name])
        if name in ACCENTS and not own:
            return self._accent(name)
        if name in AROUND:
            self.option()
            return AROUND[name].format(*(self.argument(math=math) for _ in range(AROUND[name].count("{}"))))
        if name in GIVEN_NO_TEXT:
            self.option()
            for _ in range(GIVEN_NO_TEXT[name]):
                self.source()
            return ""
        if name in IN_WORDS and not math:
            return IN_WORDS[name] + blank
        if name in SILENT:
            return "" if math else blank
        if name in BLANKS:
            return " "
        if name in symbols() and not own:
            return self._symbol(name, blank, math=math)
        if name.startswith(("math", "text")) or name in STYLES:
            return self.argument(math=math and not (name.startswith("text") or name in OF_WORDS))
        return self._unknown(name, blank, math=math)

    def _symbol(self, name: str, blank: str, *, math: bool) -> str:
        symbol = symbols()[name]
        if len(symbol) > 1 and symbol.isascii():  # the name of a function
            return f"{GAP}{symbol}{GAP}{blank}"
        if math:
            return symbol + LOOSE * len(blank)
        return symbol if name in LETTERS else symbol + blank

    def _unknown(self, name: str, blank: str, *, math: bool) -> str:
        r"""Read \ours, which is most often a name, or \emphasise{words}, something done to words."""
        if not self._follows("{") or self._follows("{}"):
            return f"{GAP}{name}{GAP if math else ''}{blank}"
        done_to = []
        while self._follows("{"):
            done_to.append(self.argument(math=math))
        return GAP.join(done_to)

    def sign(self, sign: str, *, math: bool) -> str:
        if sign in ACCENTS:
            return sign if math else self._accent(sign)
        match sign:
            case "(":
                return self.formula(r"\)")
            case "[":
                return f" {self.formula(_DISPLAY_END)} "
            case "," | ";" | ":" | ">" | " ":
                return " "
            case "!" | "/" | "-" | "@" | ")" | "]":
                return ""
            case "|":
                return "‖" if math else "|"
            case "\\":
                return self._line_end()
        return sign

    def _line_end(self) -> str:
        # Some escape twice: 5\\%, \\textbf{words}.
        if self._follows("%", "&", "#", "_"):
            return ""
        self._at -= bool(self.matches(_WITH_WORDS))
        return " "

    def _accent(self, name: str) -> str:
        literal = "" if name.isalpha() else name
        if name == '"' and (self._follows(" ") or (not self._behind_word() and self.matches(_QUOTED))):
            return literal
        cut = self.matches(_CUT_NAME)
        if cut and name + cut[1] in symbols():  # what arXiv makes of \beta outside of formulas: \b{eta}
            self._at = cut.end()
            return symbols()[name + cut[1]]
        if not self.matches(_ACCENTED):
            return literal
        base = self.argument(math=False).strip()
        if not base[:1].isalpha():
            return literal + base
        dotted = {"ı": "i", "ȷ": "j"}.get(base[0], base[0])
        return unicodedata.normalize("NFC", dotted + ACCENTS[name] + base[1:])

    def _behind_word(self) -> bool:
        return self._at > 2 and self._tex[self._at - 3].isalnum()


# ---------------------------------------------------------------- commands with rules of their own


def _begin(tex: _Tex, _: bool) -> str:
    name = tex.source()
    if name.startswith(("tab", "array")):
        tex.source()
    return f" {tex.inside(_END, math=True)} " if _FORMULAS.fullmatch(name) else " "


def _end(tex: _Tex, _: bool) -> str:
    tex.source()
    return " "


def _item(tex: _Tex, _: bool) -> str:
    return f" • {tex.option()} "


def _cite(tex: _Tex, _: bool) -> str:
    remarks = [tex.option(), tex.option()]
    cited = ", ".join(filter(None, [tex.source(), *remarks]))
    return f"[{cited}]" if cited else ""


def _url(tex: _Tex, _: bool) -> str:
    return _ESCAPED.sub(r"\1", tex.source())


def _href(tex: _Tex, math: bool) -> str:
    address = _url(tex, math)
    words = tex.argument(math=False).strip() if tex.matches(_GROUP_BEGINS) else ""
    return f"{words} <{address}>" if address and words not in ("", address) else words or address


def _verb(tex: _Tex, _: bool) -> str:
    verbatim = tex.matches(_VERBATIM)
    tex.skip(verbatim)
    return verbatim[2] if verbatim else ""


def _unicode(tex: _Tex, _: bool) -> str:
    source = tex.source()
    number = _CODE_POINT.fullmatch(source)
    character = chr(int(number[1] or number[2], 16 if number[1] else 10)) if number else ""
    return character if character.isprintable() and character else source


def _length(tex: _Tex, _: bool) -> str:
    tex.skip(tex.matches(_LENGTH))
    return ""


def _delimiter(tex: _Tex, _: bool) -> str:
    tex.skip(tex.matches(_POINT))  # the invisible one
    return ""


def _fraction(tex: _Tex, math: bool) -> str:
    return fraction(tex.argument(math=math), tex.argument(math=math))


def _root(tex: _Tex, math: bool) -> str:
    return root(tex.option(), tex.argument(math=math))


def _not(tex: _Tex, math: bool) -> str:
    sign = tex.argument(math=math)
    return unicodedata.normalize("NFC", f"{sign[:1]}\u0338{sign[1:]}") if sign else "¬"


def _over(tex: _Tex, math: bool) -> str:
    return _beside("^", tex, math)


def _under(tex: _Tex, math: bool) -> str:
    return _beside("_", tex, math)


def _beside(sign: str, tex: _Tex, math: bool) -> str:
    small = script(sign, tex.argument(math=math))
    base, gap = without_gap(tex.argument(math=math))
    return base + small + gap


def _arrow(tex: _Tex, math: bool) -> str:
    tex.option()
    return f" →{script('^', tex.argument(math=math))} "


_RULES: Final[Mapping[str, Callable[[_Tex, bool], str]]] = {
    "begin": _begin,
    "end": _end,
    "item": _item,
    "href": _href,
    "verb": _verb,
    "unicode": _unicode,
    "sqrt": _root,
    "not": _not,
    "underset": _under,
    "xrightarrow": _arrow,
    "ensuremath": lambda tex, _: tex.argument(math=True),
    "textsuperscript": lambda tex, math: script("^", tex.argument(math=math)),
    "textsubscript": lambda tex, math: script("_", tex.argument(math=math)),
    **dict.fromkeys(("url", "nolinkurl", "path"), _url),
    **dict.fromkeys(("cite", "citet", "citep", "citealt", "citealp", "parencite", "textcite"), _cite),
    **dict.fromkeys(("mkern", "kern", "mskip", "hskip", "vskip"), _length),
    **dict.fromkeys(("left", "right", "middle"), _delimiter),
    **dict.fromkeys(("frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac", "textfrac"), _fraction),
    **dict.fromkeys(("overset", "stackrel"), _over),
    **dict.fromkeys(("operatorname", "mathop"), lambda tex, math: f"{GAP}{tex.argument(math=math).strip()}{GAP}"),
    **dict.fromkeys(
        ("mathbb", "Bbb", "mathbbm", "mathds"), lambda tex, math: tex.argument(math=math).translate(DOUBLE_STRUCK)
    ),
}

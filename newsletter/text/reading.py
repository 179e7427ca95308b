"""Reading TeX from the left: groups, formulas, arguments. What commands mean is added by `tex`."""

import re
from abc import ABC, abstractmethod
from typing import cast

from newsletter.text.formulas import GAP, LOOSE, even, script, without_gap

_DEEPEST = 16  # groups in groups; what is deeper is read as if its braces were not there
_TOKEN = re.compile(
    r"\\(?P<name>[a-zA-Z]+)(?:\*(?=\s*\{))?(?P<blank>\s*)|\\(?P<sign>.)|(?P<plain>[^\\${}_^~&]+)|(?P<other>.)"
)
_COMMAND = re.compile(r"\\[a-zA-Z]")
_PLAIN_GROUP = re.compile(r"\{([^{}\\$]*)\}")
_GROUP = re.compile(r"\s*\{([^{}]*(?:\{[^{}]*\}[^{}]*)*)\}")
_OPTION = re.compile(r"\s*\[([^][{}$]*(?:\{[^{}]*\}[^][{}$]*)*)\]")
_TO_DOLLAR = re.compile(r"[^$\\]*(?:\\.[^$\\]*)*\$")
_HOME = re.compile(r"\\sim *\$")
_PRICE = re.compile(r"\d[^$\\^_{}]*")
_ENDS_BEFORE_PRICE = re.compile(r"(?:[\s(/–-]|\s[A-Z]{1,3})$")
_GOES_ON_AS_WORDS = re.compile(r"\s+[a-z]{2}|[.,;)]|\s*$")


class Reader(ABC):
    """A place in a text on one line, and the reading of what comes next there. Takes time in proportion to the text."""

    def __init__(self, tex: str) -> None:
        self._tex = tex
        self._at = 0
        self._depth = 0
        self._formula_end: tuple[str, ...] = ()

    @abstractmethod
    def command(self, name: str, blank: str, *, math: bool) -> str:
        """Read what a command that has been read is given, and write what it means. `blank` ended its name."""

    @abstractmethod
    def sign(self, sign: str, *, math: bool) -> str:
        """The same, for a backslash and a sign."""

    def read(self, ends: tuple[str, ...] = (), *, math: bool = False) -> str:
        """Read up to one of `ends`, or to the end."""
        parts: list[str] = []
        while self._at < len(self._tex) and not self._follows(*ends):
            if part := self._next(parts, math=math):
                parts.append(part)
        return even("".join(parts)) if math else "".join(parts)

    def _next(self, parts: list[str], *, math: bool) -> str:
        token = cast("re.Match[str]", self.matches(_TOKEN))  # any character is one
        self.skip(token)
        match token.lastgroup:
            case "blank":
                return self.command(token["name"], token["blank"], math=math)
            case "sign":
                return self.sign(token["sign"], math=math)
            case "plain":
                return token[0].replace("''", "″") if math else token[0]
        return self._special(token[0], parts, math=math)

    def _special(self, sign: str, parts: list[str], *, math: bool) -> str:
        match sign:
            case "{" if not math and (meant := self._set()):
                return meant
            case "{":
                return self._group(math=math)
            case "$" if not math:
                return self._formula()
            case "_" | "^" if math or self._follows("{") or _COMMAND.match(self._tex, self._at):
                return self._script(sign, parts, math=math)
            case "~" if math or self._behind("$", "}") or self._follows("\\", "$"):
                return " "
            case "&" if math:
                return " "
            case "$" | "}" | "\\":
                return ""
        return sign

    def _follows(self, *signs: str) -> bool:
        return self._tex.startswith(signs, self._at)

    def _behind(self, *signs: str) -> bool:
        """Whether one of these stands before the sign that has been read last."""
        return self._at > 1 and self._tex[self._at - 2] in signs

    # ------------------------------------------------------------ groups and arguments

    def inside(self, end: str, *, math: bool) -> str:
        """Read up to `end`, or to where the formula ends that this is a part of."""
        if self._depth >= _DEEPEST:
            return ""
        self._depth += 1
        text = self.read((end, *self._formula_end), math=math)
        self._depth -= 1
        return text

    def _group(self, *, math: bool) -> str:
        starts_with_command = self._follows("\\")
        text = self.inside("}", math=math)
        self._at += self._follows("}")
        return text.lstrip(" ") if starts_with_command else text

    def _set(self) -> str:
        """A pair of braces that is meant, as in {0,1}; empty if it is none."""
        group = _PLAIN_GROUP.match(self._tex, self._at - 1)
        if not group or "," not in group[1]:
            return ""
        self._at = group.end()
        return group[0]

    def argument(self, *, math: bool) -> str:
        """Read what a command is given: a group, a command with what that is given, or one character."""
        self._at += self._follows(" ")
        if self._follows("{"):
            self._at += 1
            return self._group(math=math)
        if self._at >= len(self._tex) or self._follows("}", "$") or self._depth >= _DEEPEST:
            return ""
        if self._follows("\\"):
            self._depth += 1
            text = self._next([], math=math).strip(f" {LOOSE}")
            self._depth -= 1
            return text
        self._at += 1
        return self._tex[self._at - 1]

    def option(self) -> str:
        """Read an argument in brackets, if there is one."""
        option = self.matches(_OPTION)
        self.skip(option)
        return type(self)(option[1]).read().strip() if option else ""

    def source(self) -> str:
        """Pass over a group: what it is written as. One that has no end is no group, and nothing is passed over."""
        group = self.matches(_GROUP)
        self.skip(group)
        return group[1] if group else ""

    def matches(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """What follows, if it is of this form."""
        return pattern.match(self._tex, self._at)

    def skip(self, match: re.Match[str] | None) -> str:
        """Pass over what matched."""
        self._at = match.end() if match else self._at
        return match[0] if match else ""

    # ------------------------------------------------------------ formulas

    def formula(self, end: str) -> str:
        """Read a formula up to its end, and pass that."""
        outer, self._formula_end = self._formula_end, ()
        text = self.inside(end, math=True)
        self._formula_end = outer
        self._at += len(end) * self._follows(end)
        return text

    def _formula(self) -> str:
        """Read a formula behind its dollar, unless the dollar is one of money, or alone."""
        if self._behind("/") and (home := self.matches(_HOME)):  # of an address: http://example.org/$\sim$ada
            self.skip(home)
            return "~"
        if self._is_money():
            return "$"
        if not self.matches(_TO_DOLLAR):  # half of a formula, or the sign itself
            return "$" if self.matches(_PRICE) or (self._behind(" ") and self._follows(" ")) else ""
        if self._follows("$"):
            self._at += 1
            text = self.formula("$").strip()
            self._at += self._follows("$")
            return f" {text} "
        text = self.formula("$")
        tight = text.strip(" ")
        return text if tight == text else f"{GAP}{tight}{GAP}"

    def _is_money(self) -> bool:
        """Whether a dollar begins or ends a price. A formula would end before a blank."""
        price = self.matches(_PRICE)
        if not price:
            return self._behind(*"0123456789") and bool(self.matches(_GOES_ON_AS_WORDS))
        next_dollar = self._tex[price.end() : price.end() + 2]
        if not next_dollar.startswith("$"):
            return not next_dollar
        is_price_too = next_dollar[1:].isdigit() or re.search("[a-z]{2}", price[0])
        return bool(_ENDS_BEFORE_PRICE.search(price[0]) and is_price_too)

    def _script(self, sign: str, parts: list[str], *, math: bool) -> str:
        text = script(sign, self.argument(math=True)) + LOOSE * (self._tex[self._at - 1] == " ")
        if not math or not parts:
            return text
        parts[-1], gap = without_gap(parts[-1])
        return text + gap

"""Quotes, dashes and ties as they are typed for TeX, also where nothing else is TeX."""

import re

_SIGNS = re.compile(
    r"(?P<address>(?:https?://|www\.)[^\s'`\"“”<>]+)|(?P<quote>``|''|\")|(?P<dash>--+)|(?P<tie>~)",
)


def typeset(text: str) -> str:
    """Write “ and ” for `` and '', – and — for -- and ---, and a blank for ~ where it ties words."""
    typed = any(sign in text for sign in ("``", "''", "--", "~"))
    return _SIGNS.sub(_Typesetter(), text) if typed else text


class _Typesetter:
    def __init__(self) -> None:
        self._is_open = False

    def __call__(self, match: re.Match[str]) -> str:
        sign, text = match[0], match.string
        before = text[max(0, match.start() - 2) : match.start()]
        behind = text[match.end() : match.end() + 1]
        match match.lastgroup:
            case "quote":
                return self._quote(sign, before[-1:], behind)
            case "dash" if _is_dash(sign, before[-1:], behind):
                return "–" if len(sign) == 2 else "—"
            case "tie" if _is_tie(before, behind):
                return "" if before[-1:].isspace() or behind.isspace() else " "
        return sign

    def _quote(self, sign: str, before: str, behind: str) -> str:
        if sign != "``" and self._is_open:
            self._is_open = False
            return "”"
        if sign == '"' or (sign == "''" and before.isdigit()):  # as in 5'' wide
            return sign
        self._is_open = sign == "``" or (behind.isalnum() and not before.isalnum())
        return "“" if self._is_open else "”"


def _is_dash(sign: str, before: str, behind: str) -> bool:
    """Whether two or three hyphens are a dash, and not of an option, an arrow or C--."""
    if len(sign) > 3:
        return False
    if before.isspace() or behind.isspace():
        return before.isspace() and behind.isspace()
    return before not in ("", *"<([{/=`“") and behind not in ("", *">)]}/=,.;:")


def _is_tie(before: str, behind: str) -> bool:
    """Whether a tilde ties words, and does not say about ("~5"), up to ("1~2"), distributed as ("x~N") or home."""
    last = before[-1:]
    if not behind or behind in "~/=" or last in ("", *"~/=([{"):
        return False
    if last.isspace() or behind.isspace():
        return behind.isalpha() or not last.isspace()
    if last.isdigit() or last == "%":
        return behind.isalpha() or behind in "(["
    return not last.isalpha() or before[:-1].isalnum()

"""The ways in which mail programs show one mail, made by changing a copy of its HTML."""

import re
from collections.abc import Callable
from enum import StrEnum

_STYLE = re.compile(r"(<style\b[^>]*>)(.*?)(</style\s*>)", re.S | re.I)
_MEDIA = re.compile(r"@media\b([^{]*)\{", re.I)
_SCHEME = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.I)
_HEAD = re.compile(r"<head\b[^>]*>", re.I)
_ALWAYS, _NEVER = "(min-width: 0px)", "(max-width: -1px)"  # what can stand beside other features, as `all` cannot


class View(StrEnum):
    """How a mail is looked at. `BARE` is without its stylesheet, as Gmail shows it to addresses of others."""

    LIGHT = "light"
    DARK = "dark"
    BARE = "bare"
    TEXT = "text"
    HEADERS = "headers"

    @property
    def framed(self) -> bool:
        """Whether it shows the HTML part."""
        return self in (View.LIGHT, View.DARK, View.BARE)


def shown(html: str, view: View) -> str:
    """A copy of the HTML part that looks as in this view, whatever the browser is set to; links open apart."""
    dark = view is View.DARK
    change = (lambda _: "") if view is View.BARE else _coloured(dark=dark)
    scheme = "dark" if dark else "light"
    head = f'<base target="_blank"><style>:root {{ color-scheme: {scheme} !important; }}</style>'
    return _HEAD.sub(lambda found: found[0] + head, _STYLE.sub(change, html), count=1)


def _coloured(*, dark: bool) -> Callable[[re.Match[str]], str]:
    """Decide every question about the colour scheme in a style element."""

    def asked_for(question: re.Match[str]) -> bool:
        return (question[1].lower() == "dark") == dark

    def decide(query: re.Match[str]) -> str:
        if whole := _SCHEME.fullmatch(query[1].strip()):
            return f"@media {'all' if asked_for(whole) else 'not all'} {{"
        decided = _SCHEME.sub(lambda question: _ALWAYS if asked_for(question) else _NEVER, query[1])
        return f"@media{decided}{{"

    return lambda style: style[1] + _MEDIA.sub(decide, style[2]) + style[3]

"""Rules on the styles of a mail, which no checker has: what may stand in them, and how colours stand to each other.

What is written into the elements must be enough, in Word too; the style sheet only adds to it.
"""

import colorsys
import re
from collections.abc import Iterator
from typing import NamedTuple

import lxml.etree
from markup import in_word, tree

_PX = r"(?:0|\d+px)"
_COLOUR = r"#[0-9a-f]{6}"
_BORDER = rf"(?:0|none|[1-8]px solid {_COLOUR})"  # Word draws none over 8px
_FONTS = "Georgia|Times|'Times New Roman'|Helvetica|Arial|Verdana|'Courier New'|Courier|serif|sans-serif|monospace"
_CELLS, _BLOCKS = ("td",), ("p", "h1", "h2", "h3", "ul", "ol", "li", "blockquote")


class Allowed(NamedTuple):
    """The values of a property, as a pattern, and the elements it may stand on."""

    values: str
    elements: tuple[str, ...] = ()  # none: on any


#: What may be written into elements. Not the shorthands font and background, which Word reads in part; no units but px;
#: no colours but in hex: Gmail drops a whole style for others; nothing that floats, stands aside or is computed.
INLINED = {
    "background-color": Allowed(_COLOUR),
    "border": Allowed(_BORDER, ("table", "td")),  # "unreliable on <p> and <div>" in Word
    **{f"border-{side}": Allowed(_BORDER, ("table", "td")) for side in ("top", "right", "bottom", "left")},
    "border-collapse": Allowed("collapse|separate", ("table",)),
    "color": Allowed(_COLOUR),
    "font-family": Allowed(f"(?:{_FONTS})(?:, ?(?:{_FONTS}))*"),
    "font-size": Allowed(r"(?:1[4-9]|[2-9]\d)px"),
    "font-style": Allowed("normal|italic"),
    "font-weight": Allowed("normal|bold|400|[6-7]00"),  # Word shows what is below 600 as normal
    "height": Allowed(_PX, _CELLS),
    "letter-spacing": Allowed(r"normal|[\d.]+px"),
    "line-height": Allowed(r"\d+px"),
    "mso-line-height-rule": Allowed("exactly"),
    "margin": Allowed(rf"{_PX}(?: {_PX}){{0,3}}", _BLOCKS),  # no auto, nothing negative
    **{f"margin-{side}": Allowed(_PX, _BLOCKS) for side in ("top", "right", "bottom", "left")},
    "max-width": Allowed(r"\d+px", ("table",)),
    "padding": Allowed(rf"{_PX}(?: {_PX}){{0,3}}", _CELLS),  # Word knows it on cells only
    **{f"padding-{side}": Allowed(_PX, _CELLS) for side in ("top", "right", "bottom", "left")},
    "text-align": Allowed("left|right|center"),
    "text-decoration": Allowed("underline"),
    "vertical-align": Allowed("top|middle|bottom|baseline"),
    "width": Allowed(r"\d+(?:px|%)", ("table", "td")),
}

#: What adds to the look and leaves nothing behind where it is not carried.
ENHANCEMENTS = {
    "border-radius": "corners are square in Outlook for Windows",
    "color-scheme": "says that there is a dark design, to who asks",
    "supported-color-schemes": "the older name of color-scheme, in Apple Mail",
    "text-decoration-color": "the line below a link has the colour of its text",
    "text-underline-offset": "the line below a link is where it always is",
    "word-break": "a long word makes the page wider in Yahoo, and is broken by Word itself",
}
_VALUES = {
    "border-radius": r"\d+px",
    "color-scheme": "light dark",
    "supported-color-schemes": "light dark",
    "text-decoration-color": _COLOUR,
    "text-underline-offset": r"\d+px",
    "word-break": "break-word",
    "border-color": _COLOUR,
    "border-top-color": _COLOUR,
    "border-bottom-color": _COLOUR,
}
#: Where the style sheet may add: to phones, to dark screens, to Outlook's own dark mode.
_CONDITION = re.compile(r"@media (?:only screen and )?\((?:max-width: \d+px|prefers-color-scheme: dark)\)")
_SELECTOR = re.compile(r"(?::root|(?:\[data-ogs[cb]\] )?(?:[a-z]\w*|(?:[a-z]\w*)?\.[\w-]+)(?: [a-z]\w*| \.[\w-]+)*)")
_SHEET = 16_000  # bytes of style sheets that Gmail reads


def inlined(html: str) -> Iterator[str]:
    """What in the elements' own styles some mail program does not carry."""
    for element in tree(in_word(html)).iter(lxml.etree.Element):
        for name, value in _declarations(element.get("style", "")):
            elements = (
                INLINED[name].elements if name in INLINED and value != "0" else ()
            )  # zero is what Word has anyway
            if not _is_allowed(name, value) or (elements and element.tag not in elements):
                yield f"<{element.tag} class={element.get('class')}> {name}: {value}"


def _is_allowed(name: str, value: str) -> bool:
    pattern = INLINED[name].values if name in INLINED else _VALUES.get(name)
    return pattern is not None and re.fullmatch(pattern, value) is not None


def sheets(html: str) -> Iterator[str]:
    """What in the style sheets is more than an enhancement, or is written as some mail program does not read it."""
    styles = [element.text or "" for element in tree(html).iter("style")]
    if sum(len(style.encode()) for style in styles) > _SHEET:
        yield f"more than {_SHEET:,} bytes of style sheets"
    for style in styles:
        for condition, selector, declarations in _rules(style):
            if condition and not _CONDITION.fullmatch(condition):
                yield condition
            yield from (one for one in re.split(r",\s*", selector) if not _SELECTOR.fullmatch(one))
            yield from _sheet_values(selector, declarations)


def _sheet_values(selector: str, declarations: str) -> Iterator[str]:
    for name, value in _declarations(declarations):
        plain = value.removesuffix(" !important")  # Word wants the blank before it
        if "!" in plain or not _is_allowed(name, plain):
            yield f"{selector} {name}: {value}"


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    for declaration in filter(str.strip, style.split(";")):
        name, _, value = declaration.partition(":")
        yield name.strip(), value.strip()


def _rules(sheet: str) -> Iterator[tuple[str, str, str]]:
    """Condition, selector and declarations of each rule."""
    condition = ""
    for match in re.finditer(r"\s*(?:([^{}]+)\{([^{}]*)\}|(@[^{}]+)\{|(\}))", re.sub(r"(?s)/\*.*?\*/", "", sheet)):
        selector, declarations, opened, closed = match.groups()
        if selector is not None:
            yield condition, selector.strip(), declarations
        condition = (opened or "").strip() if opened or closed else condition


# ---------------------------------------------------------------- colours

Colour = tuple[float, float, float]  # red, green and blue, 0 to 1


def colour(text: str) -> Colour:
    """Read ``rgb(1, 2, 3)``, as a browser tells it. Raises `ValueError` for what is not opaque."""
    match = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", text)
    if match is None:
        raise ValueError(f"{text} is no opaque colour")
    red, green, blue = (int(part) / 255 for part in match.groups())
    return red, green, blue


def contrast(one: Colour, other: Colour) -> float:
    """The ratio of two colours (WCAG 2.2, 1.4.3), 1 to 21."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(shade: Colour) -> float:
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in shade)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def turned(shade: Colour) -> Colour:
    """Dark for light and light for dark, in the same hue: what Gmail's apps make of a light mail at night."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*shade)
    return colorsys.hls_to_rgb(hue, 1 - lightness, saturation)


def negative(shade: Colour) -> Colour:
    """The opposite of a colour, as a screen's own inversion has it."""
    red, green, blue = shade
    return 1 - red, 1 - green, 1 - blue

"""Rules on the markup of a mail, which no checker has: what may stand in it, and what makes it accessible.

Each takes HTML and yields what is wrong with it, in words.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import lxml.html

_EVERYWHERE = frozenset({"class", "style", "lang", "dir"})
_CELL = frozenset({"align", "bgcolor", "height", "valign", "width"})
_TEXT = ("b", "blockquote", "br", "code", "div", "em", "h1", "h2", "h3", "hr", "i", "li", "ol", "p", "span", "strong")

#: The elements that may stand in a mail, with their attributes: Gmail, Outlook, Apple Mail and Yahoo carry these. Not
#: among them is what some strip (header, main, section), show otherwise (details), refuse (form, svg) or fetch (img).
ELEMENTS: dict[str, frozenset[str]] = {
    "html": frozenset({"lang", "dir"}),
    "head": frozenset(),
    "title": frozenset(),
    "meta": frozenset({"name", "content", "http-equiv", "charset"}),
    "style": frozenset(),
    "body": _EVERYWHERE | {"bgcolor"},
    "table": _EVERYWHERE | {"align", "bgcolor", "border", "cellpadding", "cellspacing", "role", "width"},
    "tr": _EVERYWHERE,
    "td": _EVERYWHERE | _CELL,
    "a": _EVERYWHERE | {"href"},
    **dict.fromkeys((*_TEXT, "sub", "sup", "ul"), _EVERYWHERE),
}

#: What says nothing once it stands alone, in a list of a page's links.
_EMPTY_WORDS = {
    "abs", "abstract", "abstract page", "arxiv", "click here", "code", "details", "here", "html", "link", "more",
    "online", "pdf", "read", "read more", "read on", "see more", "show", "source", "this", "view", "web",
}  # fmt: skip
_PICTURES = re.compile("[\u2190-\u21ff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\ufe0f\U0001f000-\U0001faff]")
_CONDITIONAL = re.compile(r"<!--\[if [^\]]*\]>(.*?)<!\[endif\]-->", re.DOTALL)
_OF_WORD = re.compile(r"(?:</?(?:table|tr|td)(?: [a-z]+=\"[^\"]*\")*>|<style>[^<]*</style>|\s)*")


def tree(html: str) -> Any:
    """The document as lxml reads it."""
    return lxml.html.document_fromstring(html.encode(), parser=lxml.html.HTMLParser(encoding="utf-8"))


def in_word(html: str) -> str:
    """The document as Word reads it: what is a comment to others is markup."""
    return _CONDITIONAL.sub(r"\1", html)


def strangers(html: str) -> Iterator[str]:
    """Elements and attributes that are not among those allowed."""
    for element in tree(in_word(html)).iter(lxml.etree.Element):
        known = ELEMENTS.get(element.tag)
        if known is None:
            yield f"<{element.tag}>"
            continue
        yield from (f"<{element.tag} {name}>" for name in element.attrib if name not in known)


def comments(html: str) -> Iterator[str]:
    """Comments other than Word's, and in those what is no table and no style."""
    bare = _CONDITIONAL.sub("", html)
    yield from re.findall(r"<!--.{0,60}", bare)
    yield from (markup for markup in _CONDITIONAL.findall(html) if not _OF_WORD.fullmatch(markup))


def remote(html: str) -> Iterator[str]:
    """Whatever would be fetched, and links that lead to no page and no mailbox."""
    yield from re.findall(r"(?i)@import.{0,40}|url\(.{0,40}|expression\(.{0,40}|image-set\(.{0,40}", in_word(html))
    for element in tree(in_word(html)).iter(lxml.etree.Element):
        for name, value in element.attrib.items():
            if name in ("src", "srcset", "background", "poster", "data", "action", "cite", "longdesc", "xlink:href"):
                yield f"<{element.tag} {name}={value!r}>"
            if name == "href" and not (element.tag == "a" and re.match(r"https://\w|mailto:\w", value)):
                yield f"<{element.tag} href={value!r}>"


def outline(html: str) -> Iterator[str]:
    """What is missing of language, direction, title, roles and headings."""
    page = tree(in_word(html))
    body = page.find("body")
    for element in (page, body[0]):
        if not element.get("lang") or element.get("dir") not in ("ltr", "rtl"):
            yield f"<{element.tag}> without lang and dir"
    if len(body) > 1 or (body.text or "").strip():
        yield "something stands in the body beside its first child, which has language and direction"
    if not (page.findtext("head/title") or "").strip():
        yield "no title"
    yield from (f"<table {dict(table.attrib)}>" for table in page.iter("table") if table.get("role") != "presentation")
    yield from (f"<{element.tag}> in a table of layout" for element in page.iter("th", "caption", "thead", "tfoot"))
    yield from _headings(page)


def _headings(page: Any) -> Iterator[str]:
    headings = [(int(element.tag[1]), element) for element in page.iter("h1", "h2", "h3", "h4", "h5", "h6")]
    if [level for level, _ in headings].count(1) != 1:
        yield "not exactly one h1"
    before = 0
    for level, element in headings:
        words = " ".join(element.text_content().split())
        if level > before + 1:
            yield f"h{level} behind h{before}: {words}"
        if not words:
            yield f"an empty h{level}"
        before = level


def ambiguous_links(html: str) -> Iterator[str]:
    """Links that say nothing alone, and one text for several addresses."""
    places = defaultdict(set)
    for link in tree(html).iter("a"):
        words = " ".join(link.text_content().split())
        places[words].add(link.get("href"))
        if not words or words.strip(" .:·…→»").casefold() in _EMPTY_WORDS:
            yield f"{words!r} → {link.get('href')}"
    yield from (f"{words!r} → {sorted(found)}" for words, found in places.items() if len(found) > 1)


def pictures(html: str) -> Iterator[str]:
    """Emoji, arrows, stars: what is read out strangely, or not at all."""
    yield from _PICTURES.findall(tree(html).text_content())

"""What is thrown at a newsletter, and what must not come of it: shared by the tests of its security."""

import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import lxml.html
from house import bring, make_paper
from letters import Letter, letters
from markup import tree
from webfront import WebFront
from werkzeug.test import TestResponse

from newsletter.joining import handle_requests
from newsletter.model import Paper
from newsletter.settling import settle

# ---------------------------------------------------------------- material

#: What ends a line somewhere: in a header, in SMTP, in a CSV file, in Python.
LINE_ENDS = ("\r\n", "\r", "\n", "\0", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029")
ENCODED_WORDS = ("=?utf-8?q?=0D=0ABcc=3A=20evil=40evil.example?=", "=?utf-8?b?DQpCY2M6IGV2aWxAZXZpbC5leGFtcGxl?=")
#: The element and the attribute of these are ours to find: no page and no mail has such.
SCRIPTS = (
    "<script>alert(1)</script>",
    "<x-evil onload=alert(1)>",
    '"><x-evil onmouseover="alert(1)">',
    "'><x-evil onmouseover='alert(1)'>",
    '" onfocus="alert(1)" autofocus="',
    "' onfocus='alert(1)' autofocus='",
    "</title></textarea></code><x-evil>",
    "--><x-evil><!--",
    "]]><x-evil/>",
    "<svg/onload=alert(1)>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "javascript:alert(1)",
    "&lt;x-evil&gt;",
    "&#60;x-evil&#62;",
    "\ufe64x-evil\ufe65 \uff1cx-evil\uff1e",  # which NFKC makes angle brackets of
    "$<$x-evil$>$ \\textless x-evil\\textgreater",  # which TeX does
    "{{ 7 + 7 }}{% raw %}<x-evil>",
    "%(newsletter)s {newsletter} __slot_email__",
)
SQL = (
    "' OR '1'='1",
    "'; DROP TABLE subscribers; --",
    '"; DELETE FROM subscribers; --',
    "') UNION SELECT email FROM subscribers --",
    "1 OR 1=1",
    "\\' OR 1=1 --",
    "%",
    "_%",
    "*",
    "[a-z]*",
    "?1",
    ":id",
    "@id",
    "0x41",
    "NULL",
)
#: FTS5's own language (https://sqlite.org/fts5.html#full_text_query_syntax).
FTS5 = (
    "graph*",
    '"graph',
    'graph" OR "neural',
    "^graph",
    "title : graph",
    "{title abstract} : graph",
    "- title : graph",
    "NEAR(graph networks, 2)",
    "graph NOT neural",
    "graph + neural",
    "rowid : 1",
    "search_texts",
)
FORMULAS = (
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "=cmd|'/c calc'!A1",
    '=HYPERLINK("https://evil.example")',
    "\t=1",
    "＝1+1",
)
PATHS = (
    "/style.css/../../config.toml",
    "/../config.toml",
    "/..%2fconfig.toml",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/%2e%2e%2fsubscribers.db",
    "/static/../../subscribers.db",
    "/static/config.toml",
    "/templates/web/base.html",
    "/style.css%00.html",
    "/%00",
    "//etc/passwd",
    "/\\..\\..\\config.toml",
    "/etc/passwd",
    "/editions/..%2f..%2fconfig.toml",
    "/topics/1-..%2f..%2fconfig.toml",
    "/feeds/topics/..%2f1.atom",
    "/file:///etc/passwd",
    "/subscribers.db",
    "/.git/config",
)
OWN_HOST = "https://papers.example.org"

# ---------------------------------------------------------------- ways of a reader


def ripe(front: WebFront) -> str:
    """What a form carries that was opened a minute ago."""
    return front.app.keyring.make("form", 0, front.time.now - timedelta(minutes=1))


def post(front: WebFront, path: str, network: str = "192.0.2.1", **fields: Any) -> TestResponse:
    """Post a form from an address of the internet."""
    return front.client.post(path, data=fields, environ_overrides={"REMOTE_ADDR": network})


def ask(front: WebFront, email: str, path: str = "/subscribe", **fields: Any) -> TestResponse:
    """Send the form to subscribe, or another that asks for mail, and have it handled."""
    answer = post(front, path, email=email, opened=ripe(front), **fields)
    handle_requests(front.app)
    return answer


def last_letter(front: WebFront) -> Letter:
    """The last mail that holds a link."""
    return letters(front.app)[-1]


def say_yes(front: WebFront, letter: Letter) -> TestResponse:
    """Press the button behind a link to confirm."""
    (shown,) = tree(front.page(letter.link)).xpath("//input[@name='shown']/@value") or [""]
    return post(front, letter.link, shown=shown)


def join(front: WebFront, email: str, **fields: Any) -> int:
    """Join by mail; returns the new reader's number."""
    assert ask(front, email, **fields).status_code == 200
    assert say_yes(front, last_letter(front)).status_code == 200
    reader = front.app.subscriptions.find(email)
    assert reader is not None
    return reader.id


def token(front: WebFront, purpose: str, number: int) -> str:
    """A token made just now."""
    return front.app.keyring.make(purpose, number, None if purpose == "unsubscribe" else front.time.now)


def bring_out_hostile(front: WebFront) -> None:
    """Editions of papers that are nothing but script: new ones, and the same revised and withdrawn."""
    first = [_hostile(front, number, text) for number, text in enumerate(SCRIPTS, 1)]
    _bring_out(front, first)
    later = [replace(paper, version=2, comment=f"Accepted at {paper.comment} 2026") for paper in first]
    gone = replace(first[0], version=2, comment=f"This paper has been withdrawn {SCRIPTS[0]}")
    front.pass_days()
    _bring_out(front, [gone, *(replace(paper, updated=front.time.now) for paper in later[1:])])


def _bring_out(front: WebFront, papers: list[Paper]) -> None:
    bring(front.app, *papers)
    settle(front.app, front.app.today())
    while front.app.storage.search.follow():
        pass


def _hostile(front: WebFront, number: int, text: str) -> Paper:
    return make_paper(
        number,
        f"Graph Neural Networks {text}",
        abstract=f"{text} graph neural networks {text}",
        authors=(text, f"Evil {text}"),
        categories=("cs.LG", text),
        comment=f"{text} code: https://github.com/evil/{text}",
        journal_ref=text,
        doi=text,
        report_no=text,
        submitted=front.time.now,
        updated=front.time.now,
    )


# ---------------------------------------------------------------- over the wire


def connect(url: str, **options: int) -> socket.socket:
    """A connection to a server; `options` are the socket's, by name."""
    host = urlsplit(url)
    connection = socket.socket()
    for name, value in options.items():
        connection.setsockopt(socket.SOL_SOCKET, getattr(socket, name), value)
    connection.settimeout(20)
    connection.connect((host.hostname, host.port))
    return connection


def converse(url: str, *parts: bytes) -> bytes:
    """Send bytes to a server, and return all that it says until it hangs up."""
    said = b""
    with connect(url) as connection, suppress(ConnectionError):
        for part in parts:
            connection.sendall(part)
        while some := connection.recv(65_536):
            said += some
    return said


def exchange(url: str, path: str, headers: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """A whole answer, head and body, to a request as any browser makes it."""
    lines = [f"{name}: {value}" for name, value in ({"Host": urlsplit(url).netloc} | dict(headers)).items()]
    return converse(url, "\r\n".join((f"GET {path} HTTP/1.1", *lines, "Connection: close", "", "")).encode())


# ---------------------------------------------------------------- what a page may hold

_ANY = frozenset({"class", "dir", "hreflang", "id", "lang", "role"})
_NAMED = frozenset({"aria-describedby", "aria-invalid", "autocapitalize", "data-live", "data-live-into", "id", "name"})
_TYPED = frozenset({"autocomplete", "maxlength", "required", "spellcheck", "tabindex", "type", "value"})
_TEXT = "article b body br code dd div dl dt fieldset footer h1 h2 h3 head header html label legend li main mark nav"
#: Every element of our pages, with its attributes.
_PAGE: dict[str, frozenset[str]] = {
    **dict.fromkeys((*_TEXT.split(), "ol", "p", "q", "section", "span", "title", "ul"), _ANY),
    "a": _ANY | {"href", "aria-current", "rel"},
    "button": frozenset({"class", "formaction", "formnovalidate", "name", "type", "value"}),
    "fieldset": _ANY | {"aria-describedby", "aria-invalid"},
    "form": frozenset({"action", "method", "role"}),
    "input": _NAMED | _TYPED | {"checked", "inputmode"},
    "label": frozenset({"for"}),
    "link": frozenset({"href", "rel", "title", "type"}),
    "main": frozenset({"id", "tabindex"}),
    "meta": frozenset({"charset", "content", "name"}),
    "nav": _ANY | {"aria-label"},
    "optgroup": frozenset({"label"}),
    "option": frozenset({"selected", "value"}),
    "script": frozenset({"defer", "src"}),
    "section": _ANY | {"aria-labelledby"},
    "select": _NAMED,
    "textarea": _NAMED | {"rows", "spellcheck"},
}
_ADDRESSES = ("href", "src", "action", "formaction", "data-live")
_OF_OTHERS = re.compile(r"https://(?:arxiv\.org/(?:abs|pdf|html)/|github\.com/)[^\s\"'<>]*")


def strangers(html: str) -> Iterator[str]:
    """What stands in a page of ours that we did not put there: elements, attributes, comments, links elsewhere."""
    for node in tree(html).iter():
        if not isinstance(node.tag, str):
            yield f"{node}"
            continue
        known = _PAGE.get(node.tag)
        if known is None:
            yield f"<{node.tag}>"
            continue
        yield from (f"<{node.tag} {name}={value!r}>" for name, value in node.attrib.items() if name not in known)
        yield from (
            f"<{node.tag} {name}={node.get(name)!r}>"
            for name in _ADDRESSES
            if name in node.attrib and not _ours(node, name)
        )
        if node.tag == "script" and (node.get("src") != "/live.js" or node.text):
            yield lxml.html.tostring(node, encoding="unicode")


def _ours(node: Any, name: str) -> bool:
    """Whether an address leads to a page of ours, or to where papers and their code are."""
    address = node.get(name)
    if node.tag == "a" and _OF_OTHERS.fullmatch(address):
        return True
    path = address.removeprefix(OWN_HOST) if node.tag == "link" else address
    return re.fullmatch(r"(?:/(?![/\\])|[?#])[!-~]*", path) is not None and "\\" not in path


def skeleton(html: str) -> list[tuple[str, tuple[str, ...]]]:
    """The elements of a page in order, with the names of their attributes."""
    return [(str(node.tag), tuple(sorted(node.attrib))) for node in tree(html).iter()]


def whole_database(front: WebFront) -> list[str]:
    """All that is stored."""
    return list(front.app.storage.database.tables.conn.iterdump())

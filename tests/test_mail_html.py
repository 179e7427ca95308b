"""The HTML of the mail is valid, holds nothing that mail programs strip, and keeps within its size."""

import re

import pytest
from checking import Answer
from defects import GOOD
from markup import comments, pictures, remote, strangers
from material import DIGESTS

from newsletter.preview import Mail

LARGEST = 90_000  # bytes of the encoded part: Gmail cuts at about 102,000


def encoded(mail: Mail) -> bytes:
    """The HTML part as it stands in the message."""
    head, _, part = mail.message.rpartition(b"Content-Type: text/html")
    boundary = re.search(rb'boundary="([^"]+)"', head)
    assert boundary
    return part.partition(b"\r\n\r\n")[2].partition(b"--" + boundary[1])[0]


# ---------------------------------------------------------------- digests


@pytest.mark.parametrize("name", DIGESTS)
def test_html_is_valid(answers: dict[str, Answer], name: str) -> None:
    found = answers[name].validity
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("name", DIGESTS)
def test_nothing_stands_in_it_that_is_stripped(digests: dict[str, Mail], name: str) -> None:
    html = digests[name].html.decode()
    assert not set(strangers(html))
    assert not set(comments(html))


@pytest.mark.parametrize("name", DIGESTS)
def test_nothing_is_fetched(digests: dict[str, Mail], name: str) -> None:
    assert not list(remote(digests[name].html.decode()))


@pytest.mark.parametrize("name", ["small", "medium", "large"])
def test_no_meaning_is_in_pictures(digests: dict[str, Mail], name: str) -> None:
    """The papers of these hold none, so whatever stands there is ours."""
    assert not list(pictures(digests[name].html.decode()))


@pytest.mark.parametrize("name", DIGESTS)
def test_size_and_lines(digests: dict[str, Mail], name: str) -> None:
    part = encoded(digests[name])
    assert len(part) <= LARGEST
    assert part.isascii()
    lines = digests[name].message.partition(b"\r\n\r\n")[2].split(b"\r\n")
    assert max(map(len, lines)) <= 76
    assert not [line for line in lines if b"\n" in line or b"\r" in line]


# ---------------------------------------------------------------- faults


def test_what_is_good_is_found_good(answers: dict[str, Answer]) -> None:
    assert not answers["good"].validity
    assert not [*strangers(GOOD), *comments(GOOD), *remote(GOOD), *pictures(GOOD)]


@pytest.mark.parametrize(
    ("fault", "rule"),
    [
        ("wrong nesting", "close-order"),
        ("no doctype", "missing-doctype"),
        ("no such element", "element-name"),
        ("table of Word left open", "close-order"),
    ],
)
def test_what_is_not_valid_is_found(answers: dict[str, Answer], fault: str, rule: str) -> None:
    assert rule in {found["rule"] for found in answers[fault].validity}


@pytest.mark.parametrize(
    ("markup", "found"),
    [
        ("<details><summary>Show</summary><p>It flies.</p></details>", ["<details>", "<summary>"]),
        ("<main><p>It flies.</p></main>", ["<main>"]),
        ('<form><input type="checkbox"></form>', ["<form>", "<input>"]),
        ('<p onclick="fly()" id="moth">It flies.</p>', ["<p onclick>", "<p id>"]),
        ("<svg></svg>", ["<svg>"]),
        ('<!--[if mso]><v:rect href="x"></v:rect><![endif]-->', ["<v:rect>"]),
    ],
)
def test_what_is_stripped_is_found(markup: str, found: list[str]) -> None:
    assert set(found) <= set(strangers(GOOD.replace("</h3>", f"</h3>{markup}")))


@pytest.mark.parametrize("comment", ["<!-- a moth -->", "<!--[if mso]><p>Only Word says this</p><![endif]-->", "<!--"])
def test_comments_are_found(comment: str) -> None:
    assert list(comments(GOOD.replace("</h3>", f"</h3>{comment}")))


@pytest.mark.parametrize(
    "markup",
    [
        '<img src="https://example.org/moth.png" alt="">',
        '<link rel="stylesheet" href="https://example.org/moth.css">',
        "<style>@import 'https://example.org/moth.css';</style>",
        '<p style="background: url(https://example.org/moth.png)">It flies.</p>',
        '<table role="presentation" background="https://example.org/moth.png"><tr><td></td></tr></table>',
        '<a href="http://example.org/">no TLS</a>',
        '<a href="javascript:fly()">a script</a>',
        '<a href="#below">a place in the page</a>',
    ],
)
def test_what_would_be_fetched_is_found(markup: str) -> None:
    assert list(remote(GOOD.replace("</h3>", f"</h3>{markup}")))


def test_pictures_are_found() -> None:
    assert list(pictures(GOOD.replace("A moth", "🦋 A moth → here ★")))

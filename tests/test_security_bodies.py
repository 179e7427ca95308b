"""Requests that are too large, too many-parted, too deep, or no requests at all are refused, and cost little."""

import io
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from attacks import post, ripe, token
from house import make_paper, subscribe
from webfront import WebFront, web_front
from werkzeug.test import TestResponse

from newsletter.query import MAX_LENGTH, MAX_NESTING
from newsletter.web.answering import HEADERS, LARGEST_BODY

SOON = 8.0  # seconds of this process, on a busy machine; what it is held against takes minutes
URLENCODED = "application/x-www-form-urlencoded"
POSTS = ("/subscribe", "/p", "/try", "/u/{u}", "/p/{p}", "/p/{p}/erase", "/c/x", "/m/x", "/r/x")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("front"), digest={"backlog": 1_000}) as made:
        subscribe(made.app, "ann@example.org")
        made.bring_out(
            *(make_paper(number, abstract="We look at graphs, and graphs. " * 40) for number in range(1, 200))
        )
        while made.app.storage.search.follow():
            pass
        yield made


def send(front: WebFront, path: str, body: bytes, content_type: str = URLENCODED, **options: Any) -> TestResponse:
    """Post bytes as they are."""
    filled = path.format(p=token(front, "manage", 1), u=token(front, "unsubscribe", 99))
    return front.client.post(
        filled, input_stream=io.BytesIO(body), content_type=content_type, content_length=len(body), **options
    )


def guarded(answer: TestResponse) -> bool:
    return all(answer.headers.get(name) == value for name, value in HEADERS.items())


@pytest.mark.parametrize("path", POSTS)
def test_a_body_has_a_limit(front: WebFront, path: str) -> None:
    for content_type in (URLENCODED, "multipart/form-data; boundary=x", "text/plain", "application/json", ""):
        answer = send(front, path, b"a" * (LARGEST_BODY + 1), content_type)
        assert answer.status_code == 413
        assert guarded(answer)
    for length in (str(10**12), str(10**30)):
        answer = front.client.post(path, environ_overrides={"CONTENT_LENGTH": length})
        assert answer.status_code == 413


BODIES = {
    "many fields": b"&".join(b"f%d=x" % number for number in range(8_000)),
    "many of one name": b"&".join([b"topic=1"] * 8_000),
    "names without values": b"&" * 60_000,
    "signs alone": b"=" * 60_000,
    "percents": b"email=" + b"%" * 60_000,
    "no UTF-8": b"email=%ff%fe%ed%a0%80%c0%80@example.org&queries=\xff\xfe\x80",
    "zeros": b"\0" * 60_000,
    "a long address": b"email=a@" + b"a." * 30_000 + b"example.org",
    "a long domain beyond ASCII": b"email=a@" + quote("ä" * 9_000).encode() + b".example.org",
    "a long local part": b"email=" + b"a" * 60_000 + b"@example.org",
    "many at signs": b"email=" + b"@" * 60_000,
    "many quotes": b"email=" + b'"' * 60_000 + b"@example.org",
    "many lines": b"queries=" + b"%0a" * 20_000,
    "many queries": b"queries=" + b"ti:a%0a" * 8_000,
    "deep queries": b"queries=" + b"(" * 30_000 + b"a" + b")" * 30_000,
    "open quotes": b"queries=" + b'"a ' * 20_000,
    "a long zone": b"do=save&zone=" + b"Europe/Berlim" * 4_000,
    "a long hour": b"do=save&hour=" + b"9" * 60_000,
    "a long date": b"do=pause&until=" + b"9" * 60_000,
    "a date beyond all": b"do=pause&until=9999-12-31",
    "marks": b"do=save&queries=" + quote("a\u0300" * 5_000).encode(),
    "TeX": b"do=save&queries=" + quote("\\frac{" * 6_000).encode(),
}


@pytest.mark.parametrize("name", BODIES)
def test_what_fits_is_read_in_time(front: WebFront, name: str) -> None:
    body = BODIES[name]
    assert len(body) <= LARGEST_BODY
    for path in POSTS:
        begin = time.process_time()
        answer = send(front, path, body)
        assert time.process_time() - begin < SOON, path
        assert answer.status_code < 500, path
        assert len(answer.data) < 50 * LARGEST_BODY
        assert guarded(answer)


FORM = "multipart/form-data; boundary=x"
PARTS = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\nv\r\n'
MULTIPART = {
    "no boundary": ("multipart/form-data", b"--x\r\n\r\n"),
    "an empty boundary": ("multipart/form-data; boundary=", b"--\r\n\r\n"),
    "a long boundary": (f"multipart/form-data; boundary={'x' * 5_000}", b"--x"),
    "an odd boundary": ("multipart/form-data; boundary=\"\xff\x00\"", b"--x"),
    "no end": (FORM, PARTS % b"email"),
    "many parts": (FORM, b"".join(PARTS % (b"f%d" % number) for number in range(1_000)) + b"--x--"),
    "no headers": (FORM, b"--x\r\n\r\n\r\n--x--"),
    "no name": (FORM, b"--x\r\nContent-Disposition: form-data\r\n\r\nv\r\n--x--"),
    "many headers": (FORM, b"--x\r\n" + b"a: b\r\n" * 9_000 + b"\r\nv\r\n--x--"),
    "a file": (FORM, PARTS.replace(b"%b\"", b"email\"; filename=\"../../x\"") + b"--x--"),
    "another charset": (
        FORM,
        (PARTS % b"email").replace(b"\r\nv", b"Content-Type: text/plain; charset=utf-7\r\n\r\n+ADw-script+AD4-")
        + b"--x--",
    ),
    "line ends": (FORM, b"\r" * 60_000),
    "almost boundaries": (FORM, b"\r\n--" * 15_000),
    "JSON": ("application/json", b'{"email": "ann@example.org"}'),
    "deep JSON": ("application/json", b"[" * 60_000),
    "XML": ("text/xml", b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'),
    "no type": ("", b"email=ann@example.org"),
    "no such type": ("\xff/\x00; charset=\"", b"email=ann@example.org"),
    "another encoding": ("application/x-www-form-urlencoded; charset=utf-16", "email=ann@example.org".encode("utf-16")),
}  # fmt: skip


@pytest.mark.parametrize("name", MULTIPART)
def test_what_is_no_form_is_refused_in_time(front: WebFront, name: str) -> None:
    content_type, body = MULTIPART[name]
    for path in POSTS:
        begin = time.process_time()
        answer = send(front, path, body[:LARGEST_BODY], content_type)
        assert time.process_time() - begin < SOON, path
        assert answer.status_code < 500, path
        assert guarded(answer)
        assert b"<script" not in answer.data.replace(b'<script src="/live.js" defer></script>', b"")


def test_nothing_was_taken_of_all_that(front: WebFront) -> None:
    """Of files in forms neither; and nothing is written to the disk for them."""
    answer = send(front, "/subscribe", MULTIPART["a file"][1], FORM)
    assert answer.status_code == 422
    assert 'value="v"' not in answer.text


# ---------------------------------------------------------------- what is asked for


LONG = {
    "nesting": "(" * (MAX_NESTING + 10) + "a" + ")" * (MAX_NESTING + 10),
    "most nesting": "(" * MAX_NESTING + "graph" + ")" * MAX_NESTING,
    "no end of nesting": "(" * MAX_LENGTH,
    "many terms": " OR ".join(f"ti:{number}" for number in range(400)),
    "many terms of all": " OR ".join(f"all:a{number}" for number in range(300)),
    "many names": " OR ".join(f"au:a{number}" for number in range(400)),
    "many categories": " OR ".join(["cat:*"] * 400),
    "many exclusions": "graph " + "ANDNOT ti:graphs " * 200,
    "a long phrase": '"' + "graph " * 600 + '"',
    "too long": "a" * (MAX_LENGTH + 1),
    "longest": "a" * MAX_LENGTH,
    "wildcards": "cat:" + "*" * 3_000,
    "operators": "AND OR ANDNOT " * 250,
    "quotes": '"' * 3_000,
    "identifiers": " OR ".join(["id:2502.18863v9"] * 200),
    "a version beyond all": "id:2502.18863v" + "9" * 3_000,
    "TeX": "ti:" + "\\frac{" * 600,
    "dollars": "ti:" + "$" * 3_900,
    "marks": "ti:a" + "\u0300" * 3_000,
    "wide": "ti:" + "\ufdfa" * 3_000,  # each is eighteen letters to NFKC
}


@pytest.mark.parametrize("name", LONG)
def test_queries_are_answered_in_time(front: WebFront, name: str) -> None:
    for path in ("/search?q=", "/feeds/search.atom?q=", "/try?query=", "/subscribe?query="):
        begin = time.process_time()
        answer = front.get(path + quote(LONG[name], safe=""))
        assert time.process_time() - begin < SOON, path
        assert answer.status_code in (200, 400), path
        assert guarded(answer)


PATHS = (
    "/" + "a" * 60_000,
    "/" + "a/" * 30_000,
    "/editions/" + "1" * 60_000,
    "/topics/" + "9" * 60_000,
    f"/feeds/topics/{'9' * 60_000}.atom",
    "/u/" + "A" * 60_000,
    "/?" + "a=b&" * 15_000,
    "/?" + "%" * 60_000,
    "/editions?year=" + "1" * 60_000,
    f"/search?page={'9' * 60_000}&q=graph",
    "/search?" + "q=graph&" * 7_000,
    "/search?q=" + "%F0%9F%92%A9" * 5_000,
    "/subscribe?" + "topic=1&" * 7_000,
    "/topics/1?before=" + "2" * 60_000,
    "/%ff%fe%ed%a0%80",
    "/editions/%00/%00",
)


@pytest.mark.parametrize("number", range(len(PATHS)))
def test_long_addresses_are_answered_in_time(front: WebFront, number: int) -> None:
    begin = time.process_time()
    answer = front.get(PATHS[number])
    assert time.process_time() - begin < SOON
    assert answer.status_code in (200, 400, 404)
    assert guarded(answer)
    assert len(answer.data) < 1_000_000


FIELDS = ("Accept-Language", "Cookie", "If-None-Match", "If-Modified-Since", "Range", "Accept", "Accept-Encoding",
          "Cache-Control", "Expect", "Content-Length", "Transfer-Encoding")  # fmt: skip
VALUES = (
    "a," * 7_000,
    "en;q=0.5," * 1_700,
    '"' * 15_000,
    "bytes=" + "0-," * 4_000,
    "\xff" * 9_000,
    "-1",
    "1e9",
    "x" * 15_000,
)


@pytest.mark.parametrize("name", FIELDS)
def test_long_headers_are_read_in_time(front: WebFront, name: str) -> None:
    for value in VALUES:
        begin = time.process_time()
        answer = front.get("/", headers={name: value})
        assert time.process_time() - begin < SOON
        assert answer.status_code < 500
        assert guarded(answer)


def test_methods_that_nobody_knows(front: WebFront) -> None:
    for method in ("TRACE", "CONNECT", "PUT", "DELETE", "PATCH", "PROPFIND", "BREW", "G" * 5_000, "<script>"):
        for path in ("/", "/subscribe", f"/u/{token(front, 'unsubscribe', 1)}"):
            answer = front.client.open(path, method=method)
            assert answer.status_code in (404, 405), (method, path)
            assert guarded(answer)


def test_who_asks_much_has_to_ask_as_a_reader(front: WebFront) -> None:
    """A form of a reader's own is read within the same limits."""
    answer = post(front, "/subscribe", email="x@example.org", opened=ripe(front), topic=["1"] * 5_000, which="some")
    assert answer.status_code == 200

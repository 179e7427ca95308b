"""The real server and those who speak HTTP badly: too slowly, too much, two ways at once."""

import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from attacks import connect, converse, exchange, ripe
from house import make_paper, subscribe
from processes import until
from webfront import WebFront, web_front

from newsletter.config.web import WebSection
from newsletter.web.answering import HEADERS, LARGEST_BODY
from newsletter.web.listening import Patience, Server, listen

SHORT = Patience(idle=0.6, asking=0.6, taking=0.6, look=0.1)
LONG = Patience()


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("front"), digest={"backlog": 1_000}) as made:
        subscribe(made.app, "ann@example.org")
        made.bring_out(*(make_paper(number, abstract="We look at graphs. " * 60) for number in range(1, 301)))
        yield made


@contextmanager
def serving(front: WebFront, patience: Patience = LONG, **web: object) -> Iterator[str]:
    """The site at an address, with so much patience."""
    section = WebSection(**{"threads": 2, **web})  # type: ignore[arg-type]
    with (
        listen("127.0.0.1", 0) as listener,
        Server(front.site, listener, section, at_the_end=front.pool.close, patience=patience) as server,
    ):
        yield f"http://127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def url(front: WebFront) -> Iterator[str]:
    with serving(front) as url:
        yield url


def heads(answer: bytes) -> list[tuple[int, dict[str, str]]]:
    """The heads of the answers in what came, and their status codes."""
    found = []
    for match in re.finditer(rb"HTTP/1\.[01] (\d{3}) [^\r]*\r\n((?:[^\r]+\r\n)*)\r\n", answer):
        lines = (line.partition(": ") for line in match[2].decode("latin-1").split("\r\n") if line)
        found.append((int(match[1]), {name: value for name, _, value in lines}))
    return found


def guarded(head: dict[str, str]) -> bool:
    return all(head.get(name) == value for name, value in HEADERS.items()) and "Set-Cookie" not in head


# ---------------------------------------------------------------- too slow


def drip(url: str, first: bytes, drop: bytes, stop: threading.Event, dropped: threading.Event) -> None:
    """Send a request drop by drop, until the server hangs up."""
    with connect(url) as connection:
        try:
            connection.sendall(first)
            connection.settimeout(0.05)
            while not stop.is_set():
                connection.sendall(drop)
                try:
                    if connection.recv(1_024) == b"":
                        break
                except TimeoutError:
                    pass
        except OSError:
            pass
        if not stop.is_set():
            dropped.set()


HEAD_UNENDED = b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "
POST = b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
BODY_UNENDED = POST + b"Content-Length: 60000\r\n\r\n"
CHUNKS_UNENDED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("first", "drop"), [(HEAD_UNENDED, b"a"), (BODY_UNENDED, b"a"), (CHUNKS_UNENDED, b"1\r\na\r\n"), (b"", b"\r\n")]
)
def test_who_drips_is_dropped_and_holds_up_nobody(front: WebFront, first: bytes, drop: bytes) -> None:
    """Of more such clients than there are threads."""
    stop, dropped = threading.Event(), [threading.Event() for _ in range(12)]
    with serving(front, SHORT) as url:
        clients = [threading.Thread(target=drip, args=(url, first, drop, stop, one)) for one in dropped]
        for client in clients:
            client.start()
        try:
            for _ in range(5):
                begin = time.monotonic()
                assert exchange(url, "/health").startswith(b"HTTP/1.1 200 ")
                assert time.monotonic() - begin < 5
            until(lambda: all(one.is_set() for one in dropped))
        finally:
            stop.set()
            for client in clients:
                client.join()


@pytest.mark.parametrize("first", [b"", b"GET", HEAD_UNENDED, BODY_UNENDED])
def test_who_says_nothing_more_is_dropped(front: WebFront, first: bytes) -> None:
    with serving(front, SHORT) as url, connect(url) as connection:
        connection.sendall(first)
        while connection.recv(65_536):
            pass
        assert exchange(url, "/health").startswith(b"HTTP/1.1 200 ")


LARGE = b"GET /editions/today HTTP/1.1\r\nHost: x\r\n\r\n"


def test_who_takes_no_answer_is_dropped(front: WebFront) -> None:
    with serving(front, SHORT) as url, connect(url, SO_RCVBUF=4_096) as connection:
        connection.sendall(LARGE * 4)
        until(lambda: not takes(connection))
        assert exchange(url, "/health").startswith(b"HTTP/1.1 200 ")


def takes(connection: socket.socket) -> bool:
    """Whether the other side still holds a connection; what is sent means nothing."""
    try:
        connection.sendall(b"\r\n")
    except ConnectionError:
        return False
    return True


def test_who_asks_for_much_and_takes_nothing_holds_up_nobody(front: WebFront) -> None:
    """However much patience there is: what would be written to them must not fill the memory, or keep threads."""
    with serving(front) as url, ExitStack() as stack:
        crowd = [stack.enter_context(connect(url, SO_RCVBUF=4_096)) for _ in range(6)]
        for connection in crowd:
            connection.sendall(LARGE * 150)

        def is_answered_until_they_are_gone() -> bool:
            assert exchange(url, "/health").startswith(b"HTTP/1.1 200 ")
            return not any(map(takes, crowd))

        until(is_answered_until_they_are_gone)


def test_a_crowd_that_says_nothing_keeps_nobody_out_for_long(front: WebFront) -> None:
    with serving(front, SHORT) as url, ExitStack() as stack:
        for _ in range(520):  # more than there may be
            stack.enter_context(closing(connect(url)))
        assert exchange(url, "/health").startswith(b"HTTP/1.1 200 ")


# ---------------------------------------------------------------- too much


def test_heads_have_a_limit(url: str) -> None:
    for head in (
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: a\r\n" * 5_000 + b"\r\n",
    ):
        for status, found in heads(converse(url, head)):  # which may be lost when the connection is
            assert status in (400, 414, 431)
            assert guarded(found)


def test_bodies_have_a_limit(url: str) -> None:
    head = POST + b"Connection: close\r\n"
    sized = head + b"Content-Length: %d\r\n\r\n" % (LARGEST_BODY + 1) + b"a" * (LARGEST_BODY + 1)
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n10000\r\n" + b"a" * 65_536 + b"\r\n1\r\na\r\n0\r\n\r\n"
    announced = head + b"Content-Length: 99999999999\r\n\r\n"
    for request in (sized, chunked, announced):
        (status, found), *_ = heads(converse(url, request))
        assert status == 413
        assert guarded(found)


def test_a_body_that_never_ends_is_cut_off(url: str) -> None:
    with connect(url) as connection:
        connection.sendall(CHUNKS_UNENDED)
        with pytest.raises(OSError):  # noqa: PT012 - it may take some before
            for _ in range(2_000):
                connection.sendall(b"4000\r\n" + b"a" * 16_384 + b"\r\n")


# ---------------------------------------------------------------- no HTTP


@pytest.mark.parametrize(
    "request_",
    [
        b"\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/1.1\r\n: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \x00\r\n\r\n",
        b"GET / HTTP/1.1\nHost: x\n\n",
        b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET //evil.example HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,  # TLS
        b"EHLO evil.example\r\nMAIL FROM:<a@b>\r\n\r\n",
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n\r\na",
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 0x1\r\n\r\na",
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        b"POST /subscribe HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na",
    ],
)  # fmt: skip
def test_what_is_no_request_is_answered_or_dropped(url: str, request_: bytes) -> None:
    with connect(url) as connection:
        connection.sendall(request_)
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as file:
            answer = file.read()
    for status, head in heads(answer):
        assert status in (100, 200, 400, 404, 405, 413, 422, 501, 505), answer[:100]
        assert status == 100 or guarded(head)
        assert "Location" not in head
        assert "Server" not in head
    assert b"evil" not in answer
    assert b"Traceback" not in answer
    assert exchange(url, "/health").startswith(b"HTTP/1.1 200 ")


def test_old_clients_are_answered(url: str) -> None:
    ((status, head),) = heads(converse(url, b"GET / HTTP/1.0\r\n\r\n"))
    assert status == 200
    assert guarded(head)


def test_requests_one_behind_the_other_are_answered_one_by_one(front: WebFront, url: str) -> None:
    body = f"email=who@example.org&opened={ripe(front)}".encode()
    form = POST.replace(b"subscribe", b"p") + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    requests = (b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n", form, b"GET / HTTP/1.0\r\n\r\n")
    answer = converse(url, b"".join(requests))
    assert [status for status, _ in heads(answer)] == [404, 200, 200]
    assert all(guarded(head) for _, head in heads(answer))


@pytest.mark.parametrize(
    "fields",
    [
        b"Content-Length: 6\r\nTransfer-Encoding: chunked",
        b"Transfer-Encoding: chunked\r\nContent-Length: 6",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        b"Transfer-Encoding: identity, chunked",
        b"Transfer-Encoding: \x0bchunked",
        b"Transfer-Encoding : chunked",
        b"X: y\nTransfer-Encoding: chunked",
        b"Content-Length: 0\r\nContent-Length: 44",
        b"Content-Length: 0, 44",
    ],
)  # fmt: skip
def test_nobody_behind_a_proxy_is_given_anothers_answer(url: str, fields: bytes) -> None:
    """What two programs could read in two ways must not be read as two requests (RFC 9112 §6.3)."""
    hidden = b"0\r\n\r\nGET /style.css HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    for version in (b"1.1", b"1.0"):
        head = b"POST /u/x HTTP/" + version + b"\r\nHost: x\r\n" + fields + b"\r\n\r\n"
        with connect(url) as connection:
            connection.sendall(head + hidden)
            connection.shutdown(socket.SHUT_WR)
            with connection.makefile("rb") as file:
                answer = file.read()
        ((status, _),) = heads(answer)
        assert status in (400, 404, 501)
        assert b"text/css" not in answer


def test_a_header_that_goes_out_cannot_be_split(url: str) -> None:
    for path in (
        "/%0d%0aX-Evil: 1",
        "/?language=%0d%0aX-Evil:%201",
        "/search?q=%0d%0aX-Evil:%201",
        "/editions?year=%0aX-Evil:1",
    ):
        for _, head in heads(exchange(url, path.replace(" ", "%20"))):
            assert "X-Evil" not in head


def test_the_page_of_an_error_tells_nothing_of_us(tmp_path: Path) -> None:
    with web_front(tmp_path) as broken, serving(broken) as url:
        (tmp_path / "subscribers.db").rename(tmp_path / "elsewhere.db")
        for path in ("/", "/editions", "/health", "/p/x"):
            answer = exchange(url, path)
            assert answer.startswith(b"HTTP/1.1 503 ")
            for told in (b"Traceback", b"sqlite", str(tmp_path).encode(), b"subscribers.db", b"waitress", b"Python"):
                assert told not in answer
        (tmp_path / "elsewhere.db").rename(tmp_path / "subscribers.db")

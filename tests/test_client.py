"""Asking arXiv over real HTTP in any weather: what is asked again, how long is waited, and what is said of failures."""

import gzip
import itertools
import logging
import re
import resource
import socket
import threading
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from asking import ask_all, make_client
from certificates import self_signed
from house import START, Time, make_paper
from hypothesis import given
from hypothesis import strategies as st

from newsletter.demo import bodies, faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.atom import error_feed
from newsletter.demo.library import FixedAnswers
from newsletter.errors import SourceError
from newsletter.sources.atom import Answer, parse_answer
from newsletter.sources.client import BUDGET, LONGEST_ANSWER, MAX_BYTES, Client, Params, RefusedError, _retry_after
from newsletter.sources.gate import LONGEST_PAUSE, CoolingError, GateError

SECRET = 'au:"Zyxwell" AND ti:"quibbling sprockets"'
PARAMS: Params = {"search_query": SECRET, "max_results": 10}


@pytest.fixture
def arxiv(time: Time) -> Iterator[ArxivStandIn]:
    papers = [make_paper(number) for number in range(5)]
    with ArxivStandIn(FixedAnswers({SECRET: papers}, clock=time.clock)) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def ask(client: Client, arxiv: ArxivStandIn) -> Answer:
    return client.get(arxiv.url, PARAMS, parse_answer)


def failure(client: Client, arxiv: ArxivStandIn, url: str = "") -> SourceError:
    with pytest.raises(SourceError) as raised:
        client.get(url or arxiv.url, PARAMS, parse_answer)
    assert not any(word in str(raised.value) for word in ("Zyxwell", "quibbling", "sprockets"))
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return raised.value


# ---------------------------------------------------------------- weather


def test_a_long_question_is_posted(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    question = " OR ".join(f'ti:"a phrase of number {number}"' for number in range(200))
    client = make_client(folder, time)
    for _ in range(2):
        client.get(arxiv.url, {"search_query": question, "start": 0}, parse_answer)
        arxiv.script([faults.moved(307)])
    assert [request.method for request in arxiv.requests] == ["POST", "POST", "POST"]
    assert all(request.params["search_query"] == question for request in arxiv.requests)


def test_how_arxiv_is_asked(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    assert len(ask(make_client(folder, time), arxiv).papers) == 5
    (request,) = arxiv.requests
    assert request.params == {"search_query": SECRET, "max_results": "10"}
    assert request.headers["User-Agent"] == "DailyPapers/1 (+mailto:papers@example.org)"
    assert request.headers["Accept"].startswith("application/atom+xml, application/rss+xml")


WEATHER = [
    (faults.rate_exceeded(), "127.0.0.1 is left alone until 2026-01-06 07:"),
    (faults.forbidden(), "HTTP 403: <html><head><title>403 Forbidden"),
    (faults.not_acceptable(), "HTTP 406: Not Acceptable"),
    (faults.internal_error(), "HTTP 500: <html>"),
    (faults.unavailable(), "HTTP 503: <html><head><title>503 Backend fetch failed"),
    (faults.unavailable("20"), "127.0.0.1 is left alone until 2026-01-06 07:0"),
    (faults.no_answer(), "no answer in time: http://127.0.0.1"),
    (faults.connection_reset(), "no connection: http://127.0.0.1"),
    (faults.reset_within(0.5), "no connection: http://127.0.0.1"),
    (faults.truncated(0.5), "the answer is damaged"),
    (faults.truncated(0.01), 'no answer of the API: it begins "<?xml version'),
    (faults.web_page(), "no answer of the API: it begins '<!DOCTYPE html>"),
    (faults.plain_text(), "no answer of the API: it begins 'upstream connect error"),
    (faults.empty_body(), "no answer of the API: it begins ''"),
    (faults.answered(200, b"<feed xmlns='http://www.w3.org/2005/Atom'></feed>"), "no answer of the API"),
    (faults.answered(200, "<feed/>".encode("utf-16")), "the answer is not in UTF-8"),
    (faults.answered(200, b"\x1f\x8b rubbish", {"Content-Encoding": "gzip"}), "DecodeError: http://127.0.0.1"),
    (faults.answered(200, gzip.compress(b"<feed>" * 1000)[:40], {"Content-Encoding": "gzip"}), "no answer of the API"),
    (faults.answered(200, error_feed("start must be non-negative", START)), "arXiv says: start must be non-negative"),
    (bodies.billion_laughs(), "the answer declares entities of its own"),
    (bodies.external_entity("file:///etc/passwd"), "the answer declares entities of its own"),
    (bodies.rubbish(50), f"the answer is longer than {MAX_BYTES} bytes"),
    (bodies.gzip_bomb(50), f"the answer is longer than {MAX_BYTES} bytes"),
    (faults.answered(304), "HTTP 304"),
    (faults.answered(418, "\x1b[31mI am\u202e a teapot\r\nand more"), "HTTP 418: [31mI am a teapot"),
    (faults.answered(302, headers={"Location": "http://[::1"}), "a redirect to what is no address"),
    (faults.answered(302, headers={"Location": "http://"}), "more than 5 redirects"),
    (faults.answered(302, headers={"Location": "file:///etc/passwd"}), "a redirect that is not followed: to 'file:"),
    (faults.answered(302), "a redirect that is not followed: to "),
    (faults.going_round(), "more than 5 redirects"),
    (faults.moved(), "more than 5 redirects"),
]


@pytest.mark.parametrize(("fault", "reason"), WEATHER, ids=[reason[:40] for _, reason in WEATHER])
@pytest.mark.parametrize("interval", [0, 3])
def test_weather(
    folder: Path, time: Time, arxiv: ArxivStandIn, fault: faults.Fault, reason: str, interval: float
) -> None:
    """What passes is asked again; what stays is a failure with its reason in words."""
    client = make_client(folder, time, interval, timeouts=(5.0, 0.3))
    arxiv.script([fault])
    assert len(ask(client, arxiv).papers) == 5
    arxiv.script(lambda _: fault)
    client.begin()
    text = str(failure(client, arxiv))
    if interval or "left alone" not in reason:
        assert reason in text
    assert text.isprintable()
    assert len(text) <= 300
    assert sum(time.slept) < 2 * BUDGET + 3 * len(arxiv.requests)
    if not interval:
        assert set(time.slept) <= {0, 20}  # what Retry-After asks for


def test_a_wrong_encoding_costs_no_more_than_letters(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    client = make_client(folder, time)
    arxiv.script([bodies.declared("latin-1")])
    assert ask(client, arxiv).papers[0].title == "On Graph Neural Networks"
    arxiv.script(lambda _: bodies.latin_1())
    try:
        assert ask(client, arxiv).total == 5
    except SourceError as error:
        assert "damaged" in str(error)  # noqa: PT017 - either will do


def test_rubbish_and_bombs_stay_small(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    faulty = [bodies.rubbish(50), bodies.gzip_bomb(500), _moved_with_much(60)]
    arxiv.script(faulty)
    client = make_client(folder, time, 0)
    bodies.gzip_bomb(500)
    tracemalloc.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert ask(client, arxiv).total == 5
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * MAX_BYTES
    assert grown < 4 * MAX_BYTES / 1024


def _moved_with_much(megabytes: int) -> faults.Fault:
    reply = faults.Reply(302, b"x" * 2**20, {"Location": "/elsewhere"}, megabytes)
    return faults.Fault(instead=lambda _: reply)


def test_a_slow_drip_has_an_end(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    ticks = itertools.count(0, LONGEST_ANSWER / 3)
    client = make_client(folder, time, 0, monotonic=lambda: next(ticks))
    arxiv.script(lambda _: faults.slow_drip(50, 0.01))
    assert "the answer takes longer than 120 s" in str(failure(client, arxiv))
    assert len(arxiv.requests) == 2  # what was waited for in vain is taken from the budget
    assert client.spent


def test_a_slow_answer_is_awaited(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    arxiv.script([faults.slow_drip(2_000, 0.02)])
    assert len(ask(make_client(folder, time), arxiv).papers) == 5
    assert len(arxiv.requests) == 1


def test_compressed_answers_that_drip_are_read_whole(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    def compressed(reply: faults.Reply) -> faults.Reply:
        return faults.Reply(200, gzip.compress(reply.body), {**reply.headers, "Content-Encoding": "gzip"})

    arxiv.script([faults.Fault(reply=compressed, drip=(7, 0.001))])
    assert len(ask(make_client(folder, time), arxiv).papers) == 5
    assert len(arxiv.requests) == 1


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n5\r\nhello\r\n%s"


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (CHUNKED % b"6\r\n world\r\n0\r\n\r\n", b"hello world"),
        (CHUNKED % b"6\r\n wor", "no connection"),
        (CHUNKED % b"", "no connection"),
        (CHUNKED % b"zz\r\n", "no connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello", "no connection"),
        (b"HTTP/1.1 200 OK\r\n", b""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no connection"),
        (b"HTTP/1.1 302 Found\r\nLocation: /\xff\xfe?%zz\r\nContent-Length: 0\r\n\r\n", "more than 5 redirects"),
        (b"HTTP/1.1 429 Slow\r\nRetry-After: \xb2\r\nContent-Length: 0\r\n\r\n", "left alone"),
        (b"HTTP/1.1 429 Slow\r\nRetry-After: " + b"9" * 5000 + b"\r\nContent-Length: 0\r\n\r\n", "left alone"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Much: more\r\n" * 200 + b"\r\n", "no connection"),
    ],
    ids=lambda one: repr(one[:90]),
)
def test_broken_http(folder: Path, time: Time, answer: bytes, result: bytes | str) -> None:
    with speaking(answer) as address:
        client = make_client(folder, time)
        if isinstance(result, bytes):
            assert client.get(address, {}, bytes) == result
        else:
            with pytest.raises(SourceError, match=result):
                client.get(address, {}, bytes)


@pytest.mark.parametrize(
    "begins",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Long: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
    ],
    ids=["status", "header", "chunk", "body", "to the end"],
)
def test_a_line_that_drips_is_cut_wherever_it_is(folder: Path, begins: bytes) -> None:
    """Each byte comes in time."""
    moments, limit = Time(), 0.2
    with speaking(begins, forever=True) as address:
        client = make_client(folder, moments, 0, timeouts=(5.0, 5.0), longest=limit)
        began = monotonic()
        with pytest.raises(SourceError, match=r"^the answer takes longer than 0\.2 s$"):
            client.get(address, {}, bytes)
        assert 4 * limit <= monotonic() - began < 4 * limit + 2
    assert client.requests == 4


def test_an_answer_in_time_is_not_cut_by_those_before(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    client = make_client(folder, time, 0, longest=5.0)
    threads = threading.active_count()
    for _ in range(20):
        ask(client, arxiv)
    assert threading.active_count() <= threads + 2  # the server's own


@contextmanager
def speaking(answer: bytes, *, forever: bool = False) -> Iterator[str]:
    """A server that says one thing to everybody, and hangs up, or goes on `forever` with a byte at a time."""
    told_to_end = threading.Event()

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, suppress(OSError):
                connection.recv(2**16)
                connection.sendall(answer)
                while forever and not told_to_end.wait(0.02):
                    connection.sendall(b"a")

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        finally:
            told_to_end.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_nobody_there(folder: Path, time: Time) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(SourceError, match=rf"^no connection: http://127.0.0.1:{port}/$"):
        make_client(folder, time).get(f"http://127.0.0.1:{port}/", PARAMS, bytes)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize("status", [400, 404, 410, 413, 414])
def test_a_question_that_is_refused_is_not_asked_again(
    folder: Path, time: Time, arxiv: ArxivStandIn, status: int
) -> None:
    arxiv.script(lambda _: faults.answered(status, error_feed("incorrect id format for abc", START)))
    refusal = failure(make_client(folder, time), arxiv)
    assert isinstance(refusal, RefusedError)
    assert str(refusal) == f"HTTP {status}: arXiv says: incorrect id format for abc"
    assert len(arxiv.requests) == 1
    assert time.slept == []


def test_a_gate_that_cannot_be_used_is_not_tried_again(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    (folder / "gate").mkdir()
    with pytest.raises(GateError, match=r"\[arxiv\] gate"):
        ask(make_client(folder, time), arxiv)
    assert arxiv.requests == []
    assert time.slept == []


# ---------------------------------------------------------------- patience


def test_pauses_grow(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    arxiv.script(lambda _: faults.internal_error())
    failure(make_client(folder, time), arxiv)
    assert time.slept == [12, 36, 108]  # the gate's three seconds have passed by then


def test_chance_spreads_them(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    arxiv.script(lambda _: faults.internal_error())
    failure(make_client(folder, time, chance=lambda: 1.0), arxiv)
    assert time.slept == [15, 45, 135]


@pytest.mark.parametrize("chance", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("fault", [faults.internal_error(), faults.rate_exceeded(), faults.rate_exceeded("40")])
def test_one_fetch_waits_no_longer_than_its_budget(
    folder: Path, time: Time, arxiv: ArxivStandIn, chance: float, fault: faults.Fault
) -> None:
    client = make_client(folder, time, chance=lambda: chance)
    arxiv.script(lambda _: fault)
    for _ in range(5):
        failure(client, arxiv)
    assert sum(time.slept) <= BUDGET + 3 * len(arxiv.requests)
    spent = sum(time.slept)
    time.now += timedelta(days=2)
    client.begin()
    arxiv.script([faults.internal_error()])
    ask(client, arxiv)
    assert sum(time.slept) >= spent + 12


def test_what_several_sources_ask_for_one_fetch_has_one_budget(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    client, one, other = make_client(folder, time), object(), object()
    arxiv.script(lambda _: faults.internal_error())
    for _ in range(4):
        client.begin(one)
        failure(client, arxiv)
    assert sum(time.slept) <= BUDGET + 3 * len(arxiv.requests)
    spent = sum(time.slept)
    client.begin(other)
    failure(client, arxiv)
    assert sum(time.slept) >= spent + 12 + 36 + 108


def test_each_attempt_and_each_pause_is_a_sign_of_life(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    client = make_client(folder, time)
    signs: list[tuple[int, int]] = []
    client.begin(pulse=lambda: signs.append((len(arxiv.requests), len(time.slept))))
    arxiv.script([faults.internal_error(), faults.moved(307)])
    ask(client, arxiv)
    assert signs == [(0, 0), (1, 0), (1, 1), (2, 1)]  # a request, a pause, and a request with its redirect
    client.begin()
    ask(client, arxiv)
    assert len(signs) == 4


def test_who_says_too_much_is_left_alone_ever_longer(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    """Over fetches and restarts, until an answer comes."""
    arxiv.script(lambda _: faults.rate_exceeded())
    pauses = []
    for _ in range(7):
        pauses.append(_once(folder, time, arxiv))
        time.now += timedelta(seconds=pauses[-1])
    assert pauses == [60, 240, 960, 3600, 3600, 3600, 3600]
    arxiv.script([])
    ask(make_client(folder, time), arxiv)
    arxiv.script([faults.rate_exceeded()])
    assert _once(folder, time, arxiv) == 60


def _once(folder: Path, time: Time, arxiv: ArxivStandIn) -> float:
    """Ask without a budget for any pause; returns how long the host is left alone."""
    with pytest.raises(CoolingError) as cooling:
        ask(make_client(folder, time, chance=lambda: BUDGET), arxiv)
    return cooling.value.seconds


@pytest.mark.parametrize("interval", [0, 3])
@pytest.mark.parametrize("as_date", [False, True])
@pytest.mark.parametrize("fault", [faults.rate_exceeded, faults.unavailable])
def test_retry_after_is_obeyed_to_the_second(
    folder: Path, time: Time, arxiv: ArxivStandIn, interval: float, as_date: bool, fault: Any
) -> None:
    arxiv.script([fault(time.now + timedelta(seconds=200) if as_date else "200")])
    ask(make_client(folder, time, interval), arxiv)
    assert time.slept == [200]


def test_what_is_longer_than_the_budget_is_left_to_the_next_fetch(
    folder: Path, time: Time, arxiv: ArxivStandIn
) -> None:
    arxiv.script([faults.unavailable("7200")])
    assert isinstance(failure(make_client(folder, time), arxiv), CoolingError)
    assert isinstance(failure(make_client(folder, time), arxiv), CoolingError)
    assert len(arxiv.requests) == 1
    assert time.slept == []
    time.now += timedelta(seconds=7_199)
    assert len(ask(make_client(folder, time), arxiv).papers) == 5
    assert time.slept == pytest.approx([1])
    assert len(arxiv.requests) == 2


@pytest.mark.parametrize(
    "text", ["-5", "0", "soon", "1.5", "", "Mon, 05 Jan 2026 07:00:00 GMT", "Mon, 99 Foo 2026 07:00:00 GMT", "0x10"]
)
def test_a_retry_after_that_says_nothing_is_one_of_ours(
    folder: Path, time: Time, arxiv: ArxivStandIn, text: str
) -> None:
    arxiv.script([faults.answered(429, "Rate exceeded.", {"Retry-After": text})])
    ask(make_client(folder, time), arxiv)
    assert time.slept == [60]


@pytest.mark.parametrize("text", ["1000000000", "9" * 30, "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_a_retry_after_that_lies_is_a_day_at_most(folder: Path, time: Time, arxiv: ArxivStandIn, text: str) -> None:
    arxiv.script([faults.answered(503, "", {"Retry-After": text})])
    assert "is left alone until 2026-01-07 07:00:00 UTC" in str(failure(make_client(folder, time), arxiv))
    time.now += timedelta(days=1)
    ask(make_client(folder, time), arxiv)


DATES = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(lambda moment: format_datetime(moment))


@given(st.one_of(st.text(), st.from_regex(r"[0-9+\-.eE]{0,40}"), DATES, st.characters().map(lambda one: one * 3)))
def test_any_retry_after(text: str) -> None:
    assert 0 <= _retry_after(text, START.timestamp()) <= LONGEST_PAUSE


# ---------------------------------------------------------------- redirects


def test_each_hop_waits_for_its_turn(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    arxiv.script([faults.moved(301), *map(faults.going_round, (302, 307, 308))])
    client = make_client(folder, time)
    assert len(ask(client, arxiv).papers) == 5
    assert time.slept == pytest.approx([3, 3, 3, 3])
    assert client.requests == len(arxiv.requests) == 5
    assert arxiv.requests[-1].params["search_query"] == SECRET


def test_another_host_may_be_named(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    elsewhere = arxiv.url.removesuffix("/api/query").replace("127.0.0.1", "localhost")
    arxiv.script([faults.moved(302, elsewhere)])
    assert len(ask(make_client(folder, time), arxiv).papers) == 5


def test_from_https_nothing_leads_to_http(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    certificate = self_signed(folder)
    trusting = {"REQUESTS_CA_BUNDLE": str(certificate.path)}
    with ArxivStandIn(FixedAnswers({}), tls=certificate.server_context()) as secure:
        secure.script(lambda _: faults.answered(301, headers={"Location": arxiv.url}))
        said = ask_all(folder / "gate", 0, secure.url, environment=trusting).communicate(timeout=60)[0]
        assert "a redirect that is not followed: to 'http://127.0.0.1" in said
        assert arxiv.requests == []
        assert "no secure connection: https://127.0.0.1" in str(failure(make_client(folder, time, 0), secure))


# ---------------------------------------------------------------- whose query it was

ECHOES = [
    faults.answered(200, error_feed(f"Invalid query string: '{SECRET}'", START)),
    faults.answered(400, error_feed(f"Invalid query string: '{SECRET}'", START)),
    faults.answered(500, f"cannot answer {SECRET}"),
    faults.answered(429, f"too often: {SECRET}"),
    faults.answered(200, f"Nothing for {SECRET}"),
    faults.Fault(instead=lambda request: faults.Reply(500, request.target.encode(), {})),
    faults.Fault(instead=lambda request: faults.Reply(302, b"", {"Location": f"ftp://x{request.target}"})),
    faults.connection_reset(),
    faults.no_answer(),
    faults.moved(),
]


@pytest.mark.parametrize("fault", ECHOES)
def test_a_query_stands_in_no_line_and_no_error(
    folder: Path, time: Time, arxiv: ArxivStandIn, fault: faults.Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    arxiv.script(lambda _: fault)
    error = failure(make_client(folder, time, timeouts=(5.0, 0.3)), arxiv)
    assert str(error)
    assert "no answer attempt=1" in caplog.text or isinstance(error, RefusedError)
    assert not any(word in caplog.text for word in ("Zyxwell", "quibbling", "sprockets"))


def test_what_arxiv_says_is_told_as_far_as_that(folder: Path, time: Time, arxiv: ArxivStandIn) -> None:
    arxiv.script([ECHOES[1]])
    assert str(failure(make_client(folder, time), arxiv)) == "HTTP 400: arXiv says: Invalid query string"


@pytest.mark.parametrize("query", ['au:"Xu Yi"', 'ti:"气候"', "all:x"])
@pytest.mark.parametrize("form", ["arXiv says: cannot parse {}", "{}", "it begins '{}'", "no field for {:.10}"])
def test_short_words_are_words_too(
    folder: Path, time: Time, arxiv: ArxivStandIn, query: str, form: str, caplog: pytest.LogCaptureFixture
) -> None:
    said = query.partition(":")[2]
    arxiv.script(lambda _: faults.answered(500, form.format(said).encode()))
    with pytest.raises(SourceError) as raised:
        make_client(folder, time).get(arxiv.url, {"search_query": query}, parse_answer)
    assert str(raised.value).startswith("HTTP 500")
    told = set(re.findall(r"\w+", f"{raised.value} {caplog.text}"))
    assert told.isdisjoint(re.findall(r"\w+", said))


@pytest.mark.parametrize("said", ["by Zyxwell", "by Zyxw", "by &quot;Zyxwell&quot;", "by %5AYXWELL"])
def test_a_name_that_is_cut_or_masked_is_still_one(folder: Path, time: Time, arxiv: ArxivStandIn, said: str) -> None:
    arxiv.script(lambda _: faults.answered(500, f"nothing: {said}"))
    assert str(failure(make_client(folder, time), arxiv)) == "HTTP 500: nothing"

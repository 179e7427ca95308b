"""Connections and bodies that fail: what the invented arXiv sends when it does not send an answer."""

import socket
import time
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Iterator
from datetime import date

import pytest
import requests
from standins import ATOM, NAMES, addresses, ask, fetch, first_title, ids, parsed

from newsletter.demo import bodies, faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.world import World


@pytest.fixture
def world() -> World:
    return World(date(2026, 1, 5))


@pytest.fixture
def arxiv(world: World) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(world) as server:
        yield server


ANY = {"search_query": "cat:cs.CV", "max_results": "5"}


# ---------------------------------------------------------------- connections


def test_a_reset_connection(world: World) -> None:
    with ArxivStandIn(world, faults=[faults.connection_reset()]) as arxiv:
        address = arxiv.url.removeprefix("http://").partition("/")[0].split(":")
        with socket.create_connection((address[0], int(address[1])), timeout=5) as raw:
            raw.sendall(b"GET /api/query?id_list=0001.00001 HTTP/1.1\r\nHost: x\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                raw.recv(1)


def test_a_drip_is_whole_in_the_end_and_ends_with_the_server(world: World) -> None:
    with ArxivStandIn(world, faults=[faults.slow_drip(4_000, 0.01), faults.slow_drip(10, 60)]) as arxiv:
        assert len(ids(ask(arxiv, **ANY))) == 5
        with pytest.raises((requests.Timeout, requests.ConnectionError)):
            requests.get(arxiv.url, params=ANY, timeout=0.1)
        begun = time.monotonic()
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("name", NAMES)
def test_no_answer(world: World, name: str) -> None:
    with ArxivStandIn(world, faults=[faults.no_answer()]) as arxiv:
        with pytest.raises(requests.Timeout):
            requests.get(addresses(arxiv)[name], timeout=0.1)
        assert fetch(arxiv, name).status_code == 200
        begun = time.monotonic()
    assert time.monotonic() - begun < 5


def test_who_gives_up_is_no_longer_under_way(arxiv: ArxivStandIn) -> None:
    arxiv.script([faults.no_answer()])
    with pytest.raises(requests.Timeout):
        requests.get(arxiv.url, timeout=0.1)
    ended = time.monotonic() + 5
    while fetch(arxiv, "api").ok and arxiv.requests[-1].concurrent > 1 and time.monotonic() < ended:
        pass
    assert arxiv.requests[-1].concurrent == 1


@pytest.mark.parametrize("name", NAMES)
def test_a_reset_in_the_middle(arxiv: ArxivStandIn, name: str) -> None:
    whole = fetch(arxiv, name).content
    arxiv.script([faults.reset_within(0.5)])
    answer = fetch(arxiv, name, stream=True)
    received: list[bytes] = []
    with answer, pytest.raises(requests.RequestException):
        received.extend(answer.iter_content(100))
    assert sum(map(len, received)) < len(whole)


# ---------------------------------------------------------------- bodies


def test_bodies_that_do_not_parse(world: World) -> None:
    with ArxivStandIn(world, faults=[faults.truncated(0.6)]) as arxiv, pytest.raises(ET.ParseError):
        ask(arxiv, **ANY)


def test_rubbish_is_sent_piece_by_piece(arxiv: ArxivStandIn) -> None:
    arxiv.script([bodies.rubbish(50)])
    with fetch(arxiv, "feed", stream=True) as answer:
        received = sum(map(len, answer.iter_content(1 << 16)))
    assert received == 50 << 20 == int(answer.headers["Content-Length"])


def test_who_leaves_before_the_end_of_the_rubbish_may(arxiv: ArxivStandIn) -> None:
    arxiv.script([bodies.rubbish(50)])
    with fetch(arxiv, "feed", stream=True) as answer:
        assert next(answer.iter_content(100))
    assert fetch(arxiv, "feed").status_code == 200


def test_a_gzip_bomb(arxiv: ArxivStandIn) -> None:
    arxiv.script([bodies.gzip_bomb(50)])
    with fetch(arxiv, "api", stream=True) as answer:
        packed = answer.raw.read()
    assert len(packed) < 1 << 17
    unpacker, size = zlib.decompressobj(31), 0
    while packed:
        size += len(unpacker.decompress(packed, 1 << 20))
        packed = unpacker.unconsumed_tail
    assert size > 50 << 20


@pytest.mark.parametrize("name", NAMES)
def test_wrong_encodings(arxiv: ArxivStandIn, name: str) -> None:
    arxiv.script([bodies.latin_1(), bodies.declared("iso-8859-1")])
    wrong = fetch(arxiv, name)
    with pytest.raises(UnicodeDecodeError):
        wrong.content.decode()
    assert "Café" in wrong.content.decode("latin-1")
    assert fetch(arxiv, name).headers["Content-Type"].endswith("; charset=iso-8859-1")


@pytest.mark.parametrize("name", NAMES)
def test_entities(arxiv: ArxivStandIn, name: str) -> None:
    arxiv.script([bodies.external_entity("file:///etc/hostname"), bodies.billion_laughs()])
    with pytest.raises(ET.ParseError, match="undefined entity"):  # declared, and not read by this parser
        parsed(fetch(arxiv, name).content)
    body = fetch(arxiv, name).content.decode()
    assert body.index("<!DOCTYPE") < body.index("<!ENTITY lol9") < body.index("title>&lol9;</")
    assert len(body) < 100_000
    fewer = body.replace("&lol9;", "&lol2;")
    assert first_title(parsed(fewer.encode())) == "lol" * 100  # the document is sound, but for its size


def test_the_pdf_may_come_first(arxiv: ArxivStandIn) -> None:
    arxiv.script([None, bodies.pdf_first()])
    right, wrong = (ask(arxiv, **ANY) for _ in range(2))
    kinds = [[link.get("title") for link in root.iter(f"{ATOM}link")][1:] for root in (right, wrong)]
    assert kinds == [[None, "pdf"] * 5, ["pdf", None] * 5]
    assert ids(right) == ids(wrong)

"""What others could make a reader's browser do: nothing. No cookies, no redirects, no frames, nothing by a mere GET."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from attacks import ask, bring_out_hostile, exchange, join, last_letter, post, ripe, token, whole_database
from house import day, subscribe
from letters import letters
from markup import tree
from webfront import BASE_URL, WebFront, served, web_front
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from newsletter.joining import handle_requests
from newsletter.model import Status
from newsletter.web import make_site

READER = "ann@example.org"
DOORS = {"c": "confirm", "p": "manage", "m": "move", "r": "resume", "u": "unsubscribe"}
#: What a proxy, a framework or a cache believes somewhere.
BELIEVED = {
    "Host": "evil.example",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "http",
    "X-Forwarded-Prefix": "/evil",
    "X-Forwarded-Server": "evil.example",
    "X-Host": "evil.example",
    "X-Original-URL": "/metrics",
    "X-Rewrite-URL": "/metrics",
    "X-HTTP-Method-Override": "DELETE",
    "Forwarded": "host=evil.example;proto=http",
    "Origin": "https://evil.example",
    "Referer": "https://evil.example/",
    "Cookie": "session=evil; language=de",
    "Authorization": "Basic ZXZpbDpldmls",
}
ELSEWHERE = (
    "//evil.example",
    "https://evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "javascript:alert(1)",
    "%0d%0aLocation: https://evil.example",
    "https:evil.example",
    "///evil.example/%2f..",
)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("front")) as made:
        subscribe(made.app, READER, "bob@example.org")
        bring_out_hostile(made)
        yield made


def links(front: WebFront) -> dict[str, str]:
    """A path behind each door, which works."""
    ask(front, "new@example.org")
    confirm = last_letter(front).link
    reader = token(front, "manage", 1)
    assert post(front, f"/p/{reader}", do="move", email="moved@example.org").status_code == 200
    handle_requests(front.app)
    move = last_letter(front).link
    return {
        "c": confirm,
        "m": move,
        "p": f"/p/{reader}",
        "r": f"/r/{token(front, 'resume', 1)}",
        "u": f"/u/{token(front, 'unsubscribe', 1)}",
    }


def paths(front: WebFront, filled: dict[str, str]) -> Iterator[tuple[Rule, str]]:
    """A path for every rule; where there is a token, one that works."""
    values = {"day": str(day()), "first": str(day()), "last": str(day(1)), "name": "1", "number": "1"}
    for rule in front.site.url_map.iter_rules():
        door = rule.rule[1:2]
        path = rule.rule.replace("<int:number>", "1").replace("/" + door + "/<token>", filled.get(door, ""))
        yield rule, re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values[found[1]], path)


def everything(front: WebFront) -> Iterator[tuple[str, str, TestResponse]]:
    """What is answered to every path by every method, as far as it changes nothing for good."""
    filled = links(front)
    for rule, path in paths(front, filled):
        for method in ("GET", "HEAD", "OPTIONS"):
            yield method, path, front.client.open(path, method=method)
        if "POST" in (rule.methods or ()):
            yield "POST", path, post(front, path, opened=ripe(front), email="who@example.org", do="pause", until="x")
        yield "TRACE", path, front.client.open(path, method="TRACE")


def test_every_answer_forbids_frames_and_sets_no_cookie(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        subscribe(front.app, READER)
        front.bring_out()
        bring_out_hostile(front)
        seen = set()
        for method, path, answer in everything(front):
            seen.add(answer.status_code)
            assert "Set-Cookie" not in answer.headers, (method, path)
            assert "Location" not in answer.headers, (method, path)
            assert "Refresh" not in answer.headers, (method, path)
            assert not 300 <= answer.status_code < 304, (method, path)
            assert answer.headers["X-Frame-Options"] == "DENY"
            policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
            assert policy["frame-ancestors"] == policy["default-src"] == policy["base-uri"] == "'none'"
            assert policy["form-action"] == policy["script-src"] == policy["style-src"] == "'self'"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Access-Control-Allow-Origin" not in answer.headers
        assert seen >= {200, 404, 405}


# ---------------------------------------------------------------- who may change something


def test_looking_changes_nothing(tmp_path: Path) -> None:
    """Mail scanners and previews open every link."""
    with web_front(tmp_path) as front:
        subscribe(front.app, READER)
        bring_out_hostile(front)
        filled = links(front)
        before = whole_database(front)
        for _, path in paths(front, filled):
            for method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"):
                for query in ("", "?do=leave&email=who@example.org&shown=x", "?_method=POST"):
                    assert front.client.open(path + query, method=method).status_code in (200, 400, 404, 405), (
                        method,
                        path,
                    )
        assert whole_database(front) == before


def test_posting_without_a_token_changes_nothing_but_the_inbox(front: WebFront) -> None:
    """As a page of somebody else's could have a browser do it: all that it may come to is one mail that asks."""
    before = [line for line in whole_database(front) if "requests" not in line]
    guessed = {door: f"/{door}/{'A' * 24}" for door in DOORS}
    for rule, path in paths(front, guessed):
        if "POST" in (rule.methods or ()):
            for do in ("save", "pause", "resume", "move", "leave", "join"):
                post(front, path, do=do, email="cem@example.org", opened=ripe(front), network="198.51.100.7")
    assert [line for line in whole_database(front) if "requests" not in line] == before
    handle_requests(front.app)
    cem = front.app.subscriptions.find("cem@example.org")
    assert cem is not None
    assert cem.status is Status.PENDING
    assert [(one.to, one.template) for one in letters(front.app)][-1:] == [("cem@example.org", "confirm")]


def test_a_form_without_its_time_is_not_taken(front: WebFront) -> None:
    """So that one who makes others' browsers send forms has at least to fetch one for each day."""
    ring, now = front.app.keyring, front.time.now
    for opened in (
        "",
        "x",
        ring.make("manage", 0, now),
        ring.make("unsubscribe", 0),
        ring.make("form", 0, now.replace(year=2020)),
    ):
        for path in ("/subscribe", "/p"):
            assert post(front, path, email="dan@example.org", opened=opened).status_code == 422


# ---------------------------------------------------------------- where links lead


@pytest.mark.parametrize("proxy", ["", "127.0.0.1"])
def test_no_header_says_where_we_are(front: WebFront, proxy: str) -> None:
    """Not through the real server either, with a proxy and without one."""
    path_to_leave = f"/u/{token(front, 'unsubscribe', 1)}"
    paths = ("/", "/subscribe", "/feeds/editions.atom", "/robots.txt", path_to_leave, "/nowhere")
    usual = {path: said_over_the_wire(front, proxy, path) for path in paths}
    for name, value in BELIEVED.items():
        for path in paths:
            assert said_over_the_wire(front, proxy, path, {name: value}) == usual[path], (name, path)


def said_over_the_wire(
    front: WebFront, proxy: str, path: str, headers: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    """What a front that has just begun answers, and gives out again to others."""
    anew = replace(front, site=make_site(front.pool))
    with served(anew, proxy=proxy) as url:
        first, second = exchange(url, path, headers), exchange(url, path)
    assert without_marks(first) == without_marks(second), "what one asks for with headers, others are given"
    return without_marks(first)


def without_marks(answer: bytes) -> bytes:
    """Without what differs from one answer to the next."""
    return re.sub(rb'\r\nDate: [^\r]*|name="opened" value="[^"]*"', b"", answer)


def test_links_in_mails_are_ours_whoever_asked_for_them(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        headers = {name: value for name, value in BELIEVED.items() if name != "Cookie"}
        fields = {"email": READER, "opened": ripe(front), "queries": "ti:zebra", "which": "some"}
        for path in ("/subscribe", "/p"):
            answer = front.client.post(path, data=fields, headers=headers, base_url="http://evil.example")
            assert answer.status_code == 200
            assert "evil" not in answer.text
        handle_requests(front.app)
        asked = {"headers": headers, "base_url": "http://evil.example"}
        (shown,) = tree(front.page(last_letter(front).link)).xpath("//input[@name='shown']/@value")
        assert "evil" not in front.client.post(last_letter(front).link, data={"shown": shown}, **asked).text
        payloads = [str(row[0]) for row in front.app.storage.database.rows("SELECT payload FROM deliveries")]
        assert len(payloads) == 2
        assert all(BASE_URL in payload and "evil" not in payload for payload in payloads)


@pytest.mark.parametrize("place", ELSEWHERE)
def test_nothing_leads_elsewhere(front: WebFront, place: str) -> None:
    reader = token(front, "manage", 1)
    asked = "&".join(
        f"{name}={place}" for name in ("next", "url", "return", "redirect", "to", "language", "back", "continue")
    )
    for path in ("/", "/subscribe", "/p", f"/p/{reader}", "/editions", "/search"):
        for answer in (front.get(f"{path}?{asked}"), post(front, f"{path}?{asked}", next=place, do="resume")):
            assert "Location" not in answer.headers
            links_elsewhere = re.findall(r'(?:href|src|action)="([^"]*)"', answer.text)
            assert not [
                link for link in links_elsewhere if link.startswith(("//", "\\", "/\\", "https://evil", "javascript"))
            ]
    answer = raw_path(front, place)
    assert answer.status_code == 404
    assert "Location" not in answer.headers


def raw_path(front: WebFront, path: str) -> TestResponse:
    """Ask for a path as it is written."""
    return front.client.open("/", environ_overrides={"PATH_INFO": path, "REQUEST_URI": path, "RAW_URI": path})


def test_a_slash_too_many_is_no_redirect(front: WebFront) -> None:
    for path in ("/editions/", "//editions", "/topics//1", "/p/", "/subscribe/", "/./editions", "/editions/."):
        answer = raw_path(front, path)
        assert answer.status_code in (200, 404)
        assert "Location" not in answer.headers


def test_joining_needs_the_mailbox(tmp_path: Path) -> None:
    """And is done by what was mailed there alone."""
    with web_front(tmp_path) as front:
        ask(front, READER)
        for text in ("", "x", "1", token(front, "manage", 1)[:-1], token(front, "unsubscribe", 1)):
            assert post(front, f"/c/{text}", shown="x").status_code == 404
        found = front.app.subscriptions.find(READER)
        assert found is not None
        assert found.status is Status.PENDING
        front.time.now = front.time.now.replace(day=front.time.now.day + 1)
        join(front, READER)

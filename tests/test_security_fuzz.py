"""Whatever is asked of the web front, by whatever method, with whatever in it: it answers, in its own way, and soon.

Requests are made from what the site's own rules say, of values that are right, almost right and mad.
"""

import io
import string
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from attacks import FORMULAS, FTS5, LINE_ENDS, PATHS, SCRIPTS, SQL, bring_out_hostile, ripe, strangers, token
from house import make_paper, subscribe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from webfront import WebFront, web_front
from werkzeug.routing import Rule

from newsletter.web.answering import HEADERS

SOON = 10.0  # seconds of this process
LARGEST = 2_000_000  # bytes of an answer
METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "BREW")
ARGUMENTS = ("q", "query", "queries", "page", "part", "year", "before", "topic", "language", "which")
PREFERENCES = ("frequency", "weekday", "hour", "zone", "late", "revised", "detail", "format")
FIELDS = (*ARGUMENTS, *PREFERENCES, "email", "opened", "until", "do", "shown", "subject")
SENT = (
    *(
        "Accept",
        "Accept-Language",
        "Authorization",
        "Content-Encoding",
        "Content-Type",
        "Cookie",
        "Expect",
        "If-None-Match",
    ),
    *("If-Modified-Since", "Range", "Referer", "Upgrade", "User-Agent", "X-Forwarded-For", "X-Forwarded-Host"),
)
RIGHT = (
    *(
        "1",
        "2",
        "0",
        "-1",
        "7",
        "2026",
        "99999999999999999999",
        "some",
        "all",
        "daily",
        "weekly",
        "monday",
        "wait",
        "go",
    ),
    *("yes", "no", "full", "brief", "html", "text", "de", "en", "save", "pause", "resume", "move", "leave", "join"),
    *(
        "2026-01-06",
        "2026-01-07",
        "2026-02-30",
        "2026-13-01",
        "9999-12-31",
        "0001-01-01",
        "Europe/Berlin",
        "ann@example.org",
        "who@example.org",
    ),
    *("ti:graph", 'ti:"graph neural" AND cat:cs.LG', "au:smith ANDNOT ti:x", "id:2502.18863v1"),
)
ODD = (
    *(*SCRIPTS, *SQL, *FTS5, *FORMULAS, *LINE_ENDS, *PATHS),
    *("", "x" * 3_000, "\ud7ff", "\U0001f98b", "%", "%00", "é", "ΑΒΓ", "١٢٣", "²", "٣٠"),
)
DATES = ("2026-01-06", "2026-01-07", "2026-02-30", "2026-13-01", "2025-02-29", "0001-01-01", "9999-12-31", "2026-1-6")
IN_HEADERS = ("en;q=2", "*", "de,en", "bytes=0-1", '"x"', "W/", "chunked", "gzip", "text/html;q=x")
READERS = 100

values = st.sampled_from(RIGHT) | st.sampled_from(ODD) | st.text(st.characters(codec="utf-8"), max_size=30)
ascii_values = st.sampled_from(IN_HEADERS) | st.text(string.printable.translate({10: None, 13: None}), max_size=60)
mappings = st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), values, max_size=8)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("front")) as made:
        subscribe(made.app, *(f"reader{number}@example.org" for number in range(READERS)), queries=["ti:graph"])
        bring_out_hostile(made)
        yield made


@pytest.fixture(scope="module")
def chooser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("chooser")) as made:
        subscribe(made.app, "ann@example.org")
        yield made


@st.composite
def requests_of(draw: st.DrawFn) -> dict[str, Any]:
    """What is drawn before it is known what tokens there are: they are put in later."""
    return {
        "rule": draw(st.integers(0, 999)),
        "right_method": draw(st.booleans()),
        "method": draw(st.sampled_from(METHODS)),
        "reader": draw(st.integers(0, READERS)),
        "parts": draw(st.lists(values, min_size=3, max_size=3)),
        "tail": draw(st.sampled_from(("", "", "", "/", "/x", ".", "%00", "//"))),
        "query": draw(st.dictionaries(st.sampled_from(ARGUMENTS) | st.text(max_size=5), values, max_size=4)),
        "almost": draw(st.booleans()),
        "dates": draw(st.lists(st.sampled_from(DATES), min_size=3, max_size=3)),
        "form": draw(mappings),
        "opened": draw(st.booleans()),
        "body": draw(st.none() | st.binary(max_size=200)),
        "headers": draw(st.dictionaries(st.sampled_from(SENT), ascii_values, max_size=4)),
    }


def path_of(front: WebFront, rule: Rule, asked: dict[str, Any]) -> str:
    """A path by a rule: with a token that is good, dates and numbers that there are, or with anything."""
    purposes = {"/c": "confirm", "/p": "manage", "/m": "move", "/r": "resume", "/u": "unsubscribe"}
    path, parts = rule.rule, iter(asked["parts"])
    for argument in sorted(rule.arguments):
        value = next(parts)
        if argument == "token" and asked["reader"]:
            value = token(front, purposes[rule.rule[:2]], asked["reader"])
        if argument == "number" and not value.isdigit():
            value = "1"
        if asked["almost"]:
            value = {"day": asked["dates"][0], "first": asked["dates"][1], "last": asked["dates"][2], "name": "1"}.get(
                argument, value
            )
        path = path.replace(f"<int:{argument}>", value).replace(f"<{argument}>", quote(value, safe=""))
    return f"{path}{asked['tail']}"


#: What some pages are asked for; these are drawn more often.
OWN_ARGUMENTS = {
    "/search": ("q", "page"),
    "/feeds/search.atom": ("q",),
    "/try": ("query", "part"),
    "/editions": ("year",),
    "/topics/<name>": ("before",),
    "/subscribe": ("query", "topic"),
}


@given(requests_of())
@settings(max_examples=800, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_no_request_breaks_anything(front: WebFront, asked: dict[str, Any]) -> None:
    rules = sorted(front.site.url_map.iter_rules(), key=str)
    rules += [rule for rule in rules if rule.rule in OWN_ARGUMENTS] * 3
    rule = rules[asked["rule"] % len(rules)]
    query = asked["query"] | dict(zip(OWN_ARGUMENTS.get(rule.rule, ()), asked["parts"][1:], strict=False))
    if asked["almost"]:
        query |= {"q": "ti:graph", "query": "ti:graph", "before": asked["dates"][0]}
    front.time.now += timedelta(minutes=10)
    method = (
        next(iter(sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}))) if asked["right_method"] else asked["method"]
    )
    form = asked["form"] | ({"opened": ripe(front)} if asked["opened"] else {})
    content = {"data": asked["body"]} if asked["body"] is not None else {"data": form}
    begin = time.process_time()
    answer = front.client.open(
        path_of(front, rule, asked), method=method, query_string=query, headers=asked["headers"], **content
    )
    assert time.process_time() - begin < SOON
    assert answer.status_code < 500 or (rule.rule, answer.status_code) == ("/health", 503), answer.text
    assert answer.status_code // 100 != 3 or answer.status_code == 304
    assert all(answer.headers[name] == value for name, value in HEADERS.items())
    assert "Set-Cookie" not in answer.headers
    assert "Location" not in answer.headers
    assert answer.headers["Cache-Control"]
    assert len(answer.data) < LARGEST
    if (answer.content_type or "").startswith("text/html") and answer.data:
        assert list(strangers(answer.text)) == []


@given(mappings, st.sampled_from(("save", "pause", "resume", "move", "leave", "join")))
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
def test_no_choice_of_a_reader_breaks_their_page(chooser: WebFront, chosen: dict[str, str], do: str) -> None:
    """What was taken is shown again, exported, and read back."""
    chooser.time.now += timedelta(minutes=10)
    path = f"/p/{token(chooser, 'manage', 1)}"
    answer = chooser.client.post(path, data=chosen | {"do": do})
    assert answer.status_code in (200, 422)
    assert list(strangers(answer.text)) == []
    assert list(strangers(chooser.page(path))) == []
    chooser.page(f"{path}/export")
    chooser.app.subscriptions.confirm(1, today=chooser.app.today(), now=chooser.time.now)
    table = "".join(chooser.app.subscriptions.export_csv())
    today, now = chooser.app.today(), chooser.time.now
    steps = chooser.app.subscriptions.import_csv(io.StringIO(table, newline=""), confirmed=False, today=today, now=now)
    assert [step.bad for step in steps] == [None]


def test_the_editions_still_come_out(front: WebFront, chooser: WebFront) -> None:
    """After all that; which is why this stands last."""
    for made in (front, chooser):
        made.time.now += timedelta(days=40)
        made.bring_out(make_paper(900, submitted=made.time.now, updated=made.time.now))
        assert made.app.storage.editions.newest() == made.app.today()
        assert made.app.storage.deliveries.overlapping() == []

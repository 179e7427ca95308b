"""The weather at the invented arXiv: each fault once, over real HTTP, on the interfaces it may befall."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
import requests
from standins import (
    ATOM,
    NAMES,
    addresses,
    announced,
    ask,
    count,
    feed,
    fetch,
    get,
    harvest,
    headers,
    ids,
    oai_error,
    parsed,
    total,
)

from newsletter.demo import faults
from newsletter.demo.announcements import Announced, Release, evening
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.atom import error_feed
from newsletter.demo.oai import refusal
from newsletter.demo.world import World
from newsletter.model import Paper
from newsletter.query import name_query, write_search_query


@pytest.fixture
def world() -> World:
    return World(date(2026, 1, 5))


@pytest.fixture
def arxiv(world: World) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(world) as server:
        yield server


ANY = {"search_query": "cat:cs.CV", "max_results": "5"}


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (faults.rate_exceeded("30"), 429, b"Rate exceeded."),
        (faults.unavailable(), 503, b"<html>"),
        (faults.internal_error(), 500, b"<html>"),
        (faults.forbidden(), 403, b"<html>"),
        (faults.not_acceptable(), 406, b"Not Acceptable"),
        (faults.web_page(), 200, b"<!DOCTYPE html>"),
        (faults.plain_text(), 200, b"upstream"),
        (faults.empty_body(), 200, b""),
        (faults.answered(302, headers={"Location": "http://127.0.0.1:9/"}), 302, b""),
    ],
)
def test_other_answers(world: World, fault: faults.Fault, status: int, body: bytes) -> None:
    with ArxivStandIn(world, faults=[fault]) as arxiv:
        answer = requests.get(arxiv.url, params=ANY, timeout=5, allow_redirects=False)
        assert answer.status_code == status
        assert answer.content.startswith(body)
        assert bool(answer.content) == bool(body)
        assert answer.headers.get("Retry-After") == ("30" if status == 429 else None)
        assert len(ids(ask(arxiv, **ANY))) == 5  # the script is over


def test_pages_that_lie(world: World) -> None:
    script = [None, faults.empty_page(), faults.short_page(2), faults.wrong_order(), faults.sort_ignored()]
    with ArxivStandIn(world, faults=script) as arxiv:
        right, empty, short, order, unsorted = (ask(arxiv, **ANY, sortBy="lastUpdatedDate") for _ in script)
    assert ids(empty) == []
    assert {total(root) for root in (right, empty, short, order, unsorted)} == {total(right)}
    assert ids(short) == ids(right)[:2]
    assert ids(order) == ids(right)[::-1]
    assert ids(unsorted) != ids(right)


def test_ignored_quotes_find_too_much(world: World) -> None:
    query = write_search_query(name_query("Video Anomaly Detection"))
    with ArxivStandIn(world, faults=[None, faults.quotes_ignored()]) as arxiv:
        right, wrong = (ids(ask(arxiv, search_query=query, max_results=100)) for _ in range(2))
    assert set(right) < set(wrong)
    assert "0001.00008v1" in set(wrong) - set(right)


def test_an_error_may_come_with_200(world: World) -> None:
    body = error_feed("Invalid query string", world.now())
    with ArxivStandIn(world, faults=[faults.answered(200, body)]) as arxiv:
        assert ids(ask(arxiv, **ANY)) == ["errors#Invalid_query_string"]


def test_a_script_may_look_at_the_request(arxiv: ArxivStandIn) -> None:
    arxiv.script(lambda request: faults.rate_exceeded() if request.params.get("start") == "5" else None)
    assert get(arxiv, **ANY).status_code == 200
    assert get(arxiv, **ANY, start=5).status_code == 429


# ---------------------------------------------------------------- on all interfaces


@pytest.mark.parametrize("name", NAMES)
def test_statuses_befall_every_interface(arxiv: ArxivStandIn, name: str) -> None:
    later = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
    arxiv.script([faults.rate_exceeded(later), faults.rate_exceeded(), faults.unavailable("120")])
    answers = [fetch(arxiv, name) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 429, 503, 200]
    after = [answer.headers.get("Retry-After") for answer in answers]
    assert after == ["Mon, 05 Jan 2026 12:30:00 GMT", None, "120", None]


@pytest.mark.parametrize("name", NAMES)
def test_entries_may_be_missing_or_out_of_order_everywhere(arxiv: ArxivStandIn, name: str) -> None:
    arxiv.script([None, faults.empty_page(), faults.short_page(2), faults.missing_newest(1), faults.wrong_order()])
    right, empty, short, lacking, order = (parsed(fetch(arxiv, name).content) for _ in range(5))
    assert (count(empty), count(short), count(order)) == (0, 2, count(right))
    assert texts(lacking) != texts(right)
    assert sorted(texts(order)) == sorted(texts(right))


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter() if element.tag.endswith("title")]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_followed_to_an_answer_and_logged(arxiv: ArxivStandIn, name: str, status: int) -> None:
    right = fetch(arxiv, name)
    arxiv.script([faults.moved(status)])
    answer = fetch(arxiv, name)
    assert [hop.status_code for hop in answer.history] == [status]
    assert answer.content == right.content
    asked, hop = arxiv.requests[1:]
    assert (hop.path, hop.params) == (f"/moved{asked.path}", asked.params)


def test_redirects_may_lead_to_another_server_or_nowhere(world: World, arxiv: ArxivStandIn) -> None:
    with ArxivStandIn(world) as other:
        arxiv.script([faults.moved(302, other.url.removesuffix("/api/query"))])
        assert fetch(arxiv, "api").status_code == 200
        assert [request.path for request in other.requests] == ["/moved/api/query"]
    for fault in (faults.moved(), faults.going_round()):
        arxiv.script([fault] * 100)
        with pytest.raises(requests.TooManyRedirects):
            fetch(arxiv, "feed")
    assert len(arxiv.requests) == 1 + 31 + 31
    assert arxiv.requests[5].path.startswith("/moved/moved/moved/")


def test_from_https_to_http(world: World, tmp_path_factory: pytest.TempPathFactory) -> None:
    pytest.importorskip("cryptography", reason="certificates are made with cryptography")
    from certificates import self_signed

    certificate = self_signed(tmp_path_factory.mktemp("certificate"))
    with ArxivStandIn(world) as plain, ArxivStandIn(world, tls=certificate.server_context()) as secure:
        secure.script([None, faults.moved(301, plain.url.removesuffix("/api/query"))])
        assert fetch(secure, "api", verify=str(certificate.path)).url.startswith("https://127.0.0.1")
        assert fetch(secure, "api", verify=str(certificate.path)).url.startswith("http://127.0.0.1")


# ---------------------------------------------------------------- answers of earlier


def days() -> list[Release]:
    sunday, monday = (evening(date(2026, 1, day)) for day in (4, 5))
    moment = datetime(2026, 1, 2, tzinfo=UTC)
    names = ((1, "cs.CV", sunday), (2, "cs.LG", sunday), (3, "cs.CV", monday), (4, "cs.LG", monday))
    return [
        Release(Paper(f"2601.{n:05}", 1, "T", "A", ("Ada",), (category,), moment, moment), evening_of)
        for n, category, evening_of in names
    ]


@pytest.fixture
def tuesday() -> Iterator[ArxivStandIn]:
    with ArxivStandIn(Announced(days(), lambda: datetime(2026, 1, 6, 12, tzinfo=UTC))) as server:
        yield server


def test_an_index_may_be_yesterday_s(tuesday: ArxivStandIn) -> None:
    tuesday.script(lambda _: faults.stale(timedelta(days=1)))
    root = ask(tuesday, search_query="cat:cs.*")
    assert ids(root) == ["2601.00001v1", "2601.00002v1"]
    assert root.findtext(f"{ATOM}updated") == "2026-01-06T12:00:00Z"
    fed = feed(tuesday, "cs")
    assert fed.findtext("channel/lastBuildDate") == "Tue, 06 Jan 2026 12:00:00 +0000"
    assert announced(fed) == {"2601.00001v1": "new", "2601.00002v1": "new"}
    assert dict(headers(harvest(tuesday))) == {"2601.00001": "2026-01-05", "2601.00002": "2026-01-05"}


def test_one_category_may_be_yesterday_s(tuesday: ArxivStandIn) -> None:
    tuesday.script(lambda _: faults.stale(timedelta(days=1), ["cs.CV"]))
    assert list(announced(feed(tuesday, "cs.CV"))) == ["2601.00001v1"]
    assert list(announced(feed(tuesday, "cs.LG"))) == ["2601.00004v1"]
    assert list(announced(feed(tuesday, "cs"))) == ["2601.00001v1", "2601.00004v1"]


def test_an_index_may_lack_the_newest(world: World) -> None:
    query = {"search_query": "cat:cs.CV", "sortBy": "lastUpdatedDate", "max_results": 50}
    with ArxivStandIn(world, faults=[None, faults.missing_newest(2)]) as arxiv:
        right, lacking = (ask(arxiv, **query) for _ in range(2))
    assert ids(lacking) == ids(right)[2:]
    assert total(lacking) == total(right) - 2


def test_the_first_page_may_be_empty_for_some_minutes(world: World) -> None:
    now = world.now()
    script = faults.first_page_empty(now + timedelta(minutes=5), lambda: now)
    with ArxivStandIn(world, faults=script) as arxiv:
        first, second = ask(arxiv, **ANY), ask(arxiv, **ANY, start=5)
        assert (ids(first), total(first)) == ([], total(second))
        assert len(ids(second)) == total(second) - 5
        assert announced(feed(arxiv, "cs"))
        now += timedelta(minutes=5)
        assert len(ids(ask(arxiv, **ANY))) == 5


def test_tokens_may_be_refused_in_the_middle(world: World) -> None:
    gone = faults.answered(200, refusal("badResumptionToken", world.now()), {"Content-Type": "application/xml"})
    with ArxivStandIn(world, page_sizes=(10, 10)) as arxiv:
        arxiv.script(lambda request: gone if "resumptionToken" in request.params else None)
        first, second = harvest(arxiv)
    assert oai_error(first) is None
    assert oai_error(second) == "badResumptionToken"


# ---------------------------------------------------------------- scripts, manners, the log


def test_scripts_for_one_interface_are_not_used_up_by_others(arxiv: ArxivStandIn) -> None:
    end = datetime(2026, 1, 5, tzinfo=UTC)
    arxiv.script(
        faults.together(
            faults.at_path("/oai", [faults.forbidden()]),
            faults.at_path("/rss", [None, faults.unavailable()]),
            faults.until(end, lambda: end, faults.internal_error()),
        )
    )
    asked = [fetch(arxiv, name).status_code for name in ("api", "feed", "oai", "feed", "oai")]
    assert asked == [200, 200, 403, 503, 200]


@pytest.mark.parametrize("name", NAMES)
def test_a_strict_one_wants_accept_and_a_name(world: World, name: str) -> None:
    with ArxivStandIn(world, strict=True) as arxiv:
        ours = {"User-Agent": "daily-papers (ada@example.org)", "Accept": "*/*"}
        asked = [{}, {**ours, "User-Agent": "Python-urllib/3.11"}, {**ours, "Accept": None}, ours]
        assert [fetch(arxiv, name, headers=sent).status_code for sent in asked] == [403, 403, 406, 200]


def test_the_log_is_of_all_three_and_of_hops(world: World) -> None:
    ticks = iter(range(0, 100, 3))
    with ArxivStandIn(world, clock=lambda: float(next(ticks)), faults=[None, faults.moved()]) as arxiv:
        with requests.Session() as session:
            for name in NAMES:
                session.get(addresses(arxiv)[name], timeout=5)
        log = arxiv.requests
    assert [request.path for request in log] == ["/api/query", "/rss/cs", "/moved/rss/cs", "/oai"]
    assert [after.time - before.time for before, after in pairwise(log)] == [3.0] * 3
    assert {request.concurrent for request in log} == {1}
    assert len({request.connection for request in log}) == 1

"""The invented arXiv's query API: its form is that of the recordings, its manners those of arXiv."""

import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
import requests
from standins import ARXIV, ATOM, RECORDINGS, ask, get, ids, needs_recordings, parsed, total

from newsletter.demo import faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.atom import Form, Page, error_feed, feed
from newsletter.demo.world import World
from newsletter.model import Paper

RECORDED_PAGES = RECORDINGS / "atom"


@pytest.fixture
def world() -> World:
    return World(date(2026, 1, 5))


@pytest.fixture
def arxiv(world: World) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(world) as server:
        yield server


# ---------------------------------------------------------------- the API's form


def paper_of(entry: ET.Element) -> Paper:
    def text(name: str) -> str:
        return entry.findtext(name, "")

    def moment(name: str) -> datetime:
        return datetime.fromisoformat(text(name))

    id_, version = text(f"{ATOM}id").removeprefix("http://arxiv.org/abs/").rsplit("v", 1)
    return Paper(
        id_,
        int(version),
        text(f"{ATOM}title"),
        text(f"{ATOM}summary"),
        tuple(name.text or "" for name in entry.iter(f"{ATOM}name")),
        tuple(category.attrib["term"] for category in entry.iter(f"{ATOM}category")),
        moment(f"{ATOM}published"),
        moment(f"{ATOM}updated"),
        text(f"{ARXIV}comment"),
        text(f"{ARXIV}journal_ref"),
        text(f"{ARXIV}doi"),
    )


def page_of(root: ET.Element) -> Page:
    asked = root.findtext(f"{ATOM}title", "").partition("search_query=")[2]
    query, _, rest = asked.partition("&id_list=")
    id_list, start, size = (part.rpartition("=")[2] for part in rest.split("&"))
    papers = [paper_of(entry) for entry in root.iter(f"{ATOM}entry")]
    moment = datetime.fromisoformat(root.findtext(f"{ATOM}updated", ""))
    return Page(query, id_list, int(start), int(size), total(root), papers, moment)


def canonical(root: ET.Element) -> str:
    """A feed without what no stand-in can know: its hash, and affiliations, which papers here do not have."""
    root.find(f"{ATOM}id").text = ""  # type: ignore[union-attr]
    for author in root.iter(f"{ATOM}author"):
        for affiliation in author.findall(f"{ARXIV}affiliation"):
            author.remove(affiliation)
    for element in root.iter():
        element.text = " ".join((element.text or "").split())
    return ET.canonicalize(ET.tostring(root), strip_text=True)


RECORDED = sorted(path.name for path in RECORDED_PAGES.glob("*.http200.xml")) if RECORDINGS.is_dir() else ["none"]


@needs_recordings
@pytest.mark.parametrize("name", RECORDED)
def test_pages_equal_the_recordings(name: str) -> None:
    recording = (RECORDED_PAGES / name).read_bytes()
    written = feed(page_of(parsed(recording)))
    assert canonical(parsed(written)) == canonical(parsed(recording))
    assert written.partition(b"<id>")[0] == recording.partition(b"<id>")[0]  # declares the namespaces alike


@needs_recordings
def test_errors_equal_the_recording() -> None:
    recording = (RECORDED_PAGES / "id_abc_s0_m100_b79c8dcf6bc3.http400.xml").read_bytes()
    moment = datetime.fromisoformat(parsed(recording).findtext(f"{ATOM}updated", ""))
    assert error_feed("incorrect id format for abc", moment).strip() == recording.strip()


@needs_recordings
def test_the_form_until_2025_equals_the_recording() -> None:
    recording = (RECORDED_PAGES / "old-service_2025-10-17.xml").read_bytes()
    papers = [paper_of(entry) for entry in parsed(recording).iter(f"{ATOM}entry")]
    page = page_of(parsed(recording))
    flat = [
        replace(p, title=flatten(p.title), abstract=flatten(p.abstract), comment=flatten(p.comment)) for p in papers
    ]
    written = feed(replace(page, papers=flat), "2025-10")
    ours, theirs = (lines_but_the_hash(body) for body in (written, recording))
    assert ours == theirs


def flatten(text: str) -> str:
    return " ".join(text.split())


def lines_but_the_hash(body: bytes) -> list[bytes]:
    return [line for line in body.splitlines() if b"/api/" not in line or b"<id>" not in line]


@pytest.mark.parametrize("form", ["today", "2025-10"])
def test_awkward_texts_survive(form: Form) -> None:
    moment = datetime(2026, 1, 5, tzinfo=UTC)
    text = 'A <b>&amp;</b> "q" ]]> \x01$x<y$ | \U0001d4aa'
    paper = Paper("0001.00001", 1, text, text, (text,), ("cs.CV",), moment, moment, text, text, "10.1/<a&b>")
    root = parsed(feed(Page(text, "", 0, 10, 1, [paper], moment), form))
    entry = next(root.iter(f"{ATOM}entry"))
    expected = text.replace("\x01", "")
    for name in (f"{ATOM}title", f"{ATOM}summary", f"{ARXIV}comment", f"{ARXIV}journal_ref"):
        assert (entry.findtext(name) or "").strip() == expected
    assert expected in root.findtext(f"{ATOM}title", "")


# ---------------------------------------------------------------- the API's manners


def test_ids_name_any_version_there_is(world: World) -> None:
    with ArxivStandIn(World(date(2026, 1, 5), lambda: world.day_two)) as arxiv:
        root = ask(arxiv, id_list="0001.00007,0001.00007v1,0000.0000,0001.00007v9,cs/0001001", max_results=50)
    assert ids(root) == ["0001.00007v2", "0001.00007v1"]


def test_one_malformed_id_fails_them_all(arxiv: ArxivStandIn) -> None:
    refused = get(arxiv, id_list="0001.00007,abc")
    assert refused.status_code == 400
    entry = next(parsed(refused.content).iter(f"{ATOM}entry"))
    assert entry.findtext(f"{ATOM}id") == "https://arxiv.org/api/errors#incorrect_id_format_for_abc"


def test_query_and_ids_give_the_ids_that_answer(arxiv: ArxivStandIn) -> None:
    assert ids(ask(arxiv, id_list="0001.00001,0001.00022", search_query="cat:cs.CV")) == ["0001.00001v1"]


def test_paging_is_complete(arxiv: ArxivStandIn) -> None:
    query = {"search_query": "cat:cs.* OR cat:stat.*", "sortBy": "submittedDate"}
    whole = ask(arxiv, **query, max_results=100)
    pages = [ids(ask(arxiv, **query, start=start, max_results=7)) for start in range(0, total(whole), 7)]
    assert [name for page in pages for name in page] == ids(whole)
    assert len(pages[-1]) == total(whole) % 7
    assert len(ids(ask(arxiv, **query))) == 10
    assert ids(ask(arxiv, **query, start=500)) == []


@pytest.mark.parametrize(("sort_by", "element"), [("submittedDate", "published"), ("lastUpdatedDate", "updated")])
def test_sorting(arxiv: ArxivStandIn, sort_by: str, element: str) -> None:
    def dates(order: str) -> list[str]:
        root = ask(arxiv, search_query="cat:cs.*", max_results=100, sortBy=sort_by, sortOrder=order)
        return [entry.findtext(f"{ATOM}{element}", "") for entry in root.iter(f"{ATOM}entry")]

    assert dates("descending") == sorted(dates("ascending"), reverse=True)
    assert dates("ascending") == sorted(dates("ascending"))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "Either a search_query or id_list must be specified for the classic API."),
        ({"search_query": "cat:cs.CV", "max_results": "many"}, "max_results must be an integer"),
        ({"search_query": "cat:cs.CV", "start": "-1"}, "start must be non-negative"),
        (
            {"search_query": "cat:cs.CV", "sortBy": "date"},
            "sortBy must be in: relevance, lastUpdatedDate, submittedDate",
        ),
        ({"search_query": "(ti:graph"}, "Invalid query string: '(ti:graph'"),
    ],
)
def test_wrong_parameters(arxiv: ArxivStandIn, params: dict[str, str], message: str) -> None:
    answer = get(arxiv, **params)
    assert answer.status_code == 400
    assert next(parsed(answer.content).iter(f"{ATOM}summary")).text == message


def test_depths_that_break_it(arxiv: ArxivStandIn) -> None:
    assert get(arxiv, search_query="cat:cs.CV", start=9_995).status_code == 500
    assert get(arxiv, search_query="cat:cs.CV", max_results=0).status_code == 500


def test_the_service_before_found_nothing_for_what_it_did_not_understand(world: World) -> None:
    with ArxivStandIn(world, form="2025-10") as arxiv:
        answer = get(arxiv, search_query="(ti:graph")
        assert (answer.status_code, total(parsed(answer.content))) == (200, 0)


def test_forms_are_read_as_addresses_are(arxiv: ArxivStandIn) -> None:
    params = {"search_query": 'ti:"graph neural networks"', "max_results": "100"}
    posted = requests.post(arxiv.url, data=params, timeout=5)
    assert ids(parsed(posted.content)) == ids(ask(arxiv, **params))
    assert [request.method for request in arxiv.requests] == ["POST", "GET"]
    assert arxiv.requests[0].params == arxiv.requests[1].params == params


def test_the_log(world: World) -> None:
    ticks = iter(range(100))
    with ArxivStandIn(world, clock=lambda: float(next(ticks))) as arxiv, requests.Session() as session:
        for _ in range(3):
            session.get(arxiv.url, params={"id_list": "0001.00001"}, headers={"User-Agent": "us"}, timeout=5)
        get(arxiv, id_list="0001.00001")
    log = arxiv.requests
    assert [request.time for request in log] == [0.0, 1.0, 2.0, 3.0]
    assert log[0].headers["User-Agent"] == "us"
    assert len({request.connection for request in log}) == 2
    assert {request.concurrent for request in log} == {1}


def test_the_log_shows_who_asks_at_once(world: World) -> None:
    with ArxivStandIn(world, faults=[faults.slow_drip(5_000, 0.1)] * 2) as arxiv:
        threads = [threading.Thread(target=ask, args=(arxiv,), kwargs={"search_query": "cat:cs.CV"}) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(request.concurrent for request in arxiv.requests) == [1, 2]

"""The invented arXiv and the mail server: what they are not faithful in, no test that uses them can see."""

import base64
import mailbox
import smtplib
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from newsletter.demo import faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.atom import Form, Page, error_feed, feed
from newsletter.demo.library import FixedAnswers, Question, answers, search
from newsletter.demo.smtp import DROP, SmtpStandIn, drop_after, drop_at, say_at
from newsletter.demo.world import TOPICS, World
from newsletter.model import Paper
from newsletter.query import name_query, parse, write_search_query
from newsletter.storage.matching import Matcher

if TYPE_CHECKING:
    from certificates import Certificate

RECORDINGS = Path(__file__).parents[2] / "shared/data/arxiv/atom"
ATOM, ARXIV, SEARCH = (
    "{http://www.w3.org/2005/Atom}",
    "{http://arxiv.org/schemas/atom}",
    "{http://a9.com/-/spec/opensearch/1.1/}",
)
MESSAGE = b"Subject: Papers\r\n\r\n..two dots\r\nEnd.\r\n"

needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings of arXiv at {RECORDINGS}")


@pytest.fixture
def world() -> World:
    return World(date(2026, 1, 5))


@pytest.fixture
def arxiv(world: World) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(world) as server:
        yield server


def parsed(body: bytes) -> ET.Element:
    return ET.fromstring(body)  # noqa: S314 - our own, or a recording


def ask(arxiv: ArxivStandIn, **params: object) -> ET.Element:
    return parsed(get(arxiv, **params).content)


def get(arxiv: ArxivStandIn, **params: object) -> requests.Response:
    return requests.get(arxiv.url, params={name: str(value) for name, value in params.items()}, timeout=5)


def ids(root: ET.Element) -> list[str]:
    return [entry.findtext(f"{ATOM}id", "").rpartition("/")[2] for entry in root.iter(f"{ATOM}entry")]


def total(root: ET.Element) -> int:
    return int(root.findtext(f"{SEARCH}totalResults", ""))


# ---------------------------------------------------------------- the world


def test_day_one_and_day_two_are_as_told(world: World) -> None:
    before = {paper.key: paper for paper in world.visible(world.day_one)}
    news = [paper for paper in world.visible(world.day_two) if paper.key not in before]
    assert len(before) == 32
    assert len([paper for paper in news if paper.version == 1]) == 8
    revised, withdrawn = [paper for paper in news if paper.version > 1]
    assert all((paper.id, 1) in before for paper in (revised, withdrawn))
    assert revised.comment.startswith("Accepted at")
    assert revised.abstract != before[revised.id, 1].abstract
    assert withdrawn.comment == "This paper has been withdrawn by the authors due to an error in Lemma 2."


def test_nothing_is_seen_before_its_moment(world: World) -> None:
    assert not world.visible(world.day_one - timedelta(days=365))
    almost = world.visible(world.day_two - timedelta(seconds=1))
    assert almost == world.visible(world.day_one)
    assert all(paper.updated < world.day_two for paper in world.versions(world.day_two))


def test_the_clock_decides_what_is_now() -> None:
    moment = datetime(2026, 1, 5, 7, tzinfo=UTC)
    world = World(date(2026, 1, 5), lambda: moment)
    assert len(world.visible()) == 32
    moment += timedelta(days=1)
    assert len(world.visible()) == 40


@pytest.mark.parametrize("topic", TOPICS)
def test_both_opinions_on_a_topic_agree(world: World, topic: str) -> None:
    papers, query = world.visible(world.day_two), name_query(topic)
    found = [paper for paper in papers if answers(paper, query)]
    assert found == Matcher(papers).matching(query)
    old = {paper.key for paper in world.visible(world.day_one)}
    assert sum(paper.key in old for paper in found) >= 6
    assert any(paper.key not in old and paper.version == 1 for paper in found)


def test_texts_are_believable(world: World) -> None:
    papers = world.versions(world.day_two)
    assert all(50 <= len(paper.abstract.split()) <= 150 for paper in papers)
    assert len({paper.id for paper in papers}) == 40
    titles = " ".join(paper.title for paper in papers)
    assert all(sign in titles for sign in ("|", "<SEG>", "$\\ell_1$"))
    assert max(len(paper.authors) for paper in papers) == 26


QUERIES = [
    'au:"Erdos"',
    'all:"Erdős–Rényi"',
    "cat:cs.* ANDNOT cat:cs.LG",
    "cat:physics.optics",
    'ti:"networks" AND abs:"edge"',
    '(ti:"anomaly" OR co:"code") ANDNOT au:"Lo"',
    "id:0001.00012",
    'abs:"graph neural network" AND abs:"protein"',
]


@pytest.mark.parametrize("query", QUERIES)
def test_both_opinions_on_a_query_agree(world: World, query: str) -> None:
    papers, tree = world.visible(world.day_two), parse(query)
    assert [paper for paper in papers if answers(paper, tree)] == Matcher(papers).matching(tree)


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


RECORDED = sorted(path.name for path in RECORDINGS.glob("*.http200.xml")) if RECORDINGS.is_dir() else ["none"]


@needs_recordings
@pytest.mark.parametrize("name", RECORDED)
def test_pages_equal_the_recordings(name: str) -> None:
    recording = (RECORDINGS / name).read_bytes()
    written = feed(page_of(parsed(recording)))
    assert canonical(parsed(written)) == canonical(parsed(recording))
    assert written.partition(b"<id>")[0] == recording.partition(b"<id>")[0]  # declares the namespaces alike


@needs_recordings
def test_errors_equal_the_recording() -> None:
    recording = (RECORDINGS / "id_abc_s0_m100_b79c8dcf6bc3.http400.xml").read_bytes()
    moment = datetime.fromisoformat(parsed(recording).findtext(f"{ATOM}updated", ""))
    assert error_feed("incorrect id format for abc", moment).strip() == recording.strip()


@needs_recordings
def test_the_form_until_2025_equals_the_recording() -> None:
    recording = (RECORDINGS / "old-service_2025-10-17.xml").read_bytes()
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


# ---------------------------------------------------------------- fixed answers


def test_fixed_answers_keep_their_order(world: World) -> None:
    papers = world.visible()
    fixed: dict[str, Sequence[Paper]] = {'ti:"speech" OR abs:"speech"': papers[5:2:-1], "Time Series": papers[:2]}
    with ArxivStandIn(FixedAnswers(fixed, world.now)) as arxiv:
        asked = write_search_query(parse("Speech"))
        expected = [f"{paper.id}v{paper.version}" for paper in papers[5:2:-1]]
        assert ids(ask(arxiv, search_query=asked, sortBy="lastUpdatedDate")) == expected
        assert ids(ask(arxiv, search_query=f"({asked}) AND (cat:cs.* OR cat:stat.*)", max_results=2)) == expected[:2]
        assert len(ids(ask(arxiv, search_query=write_search_query(parse("time series"))))) == 2
        assert ids(ask(arxiv, search_query="ti:nothing")) == []
        assert ids(ask(arxiv, id_list=f"{papers[0].id},{papers[9].id}")) == [f"{papers[0].id}v{papers[0].version}"]


# ---------------------------------------------------------------- faults


ANY = {"search_query": "cat:cs.CV", "max_results": "5"}


@pytest.mark.parametrize(
    ("fault", "status", "body"),
    [
        (faults.rate_exceeded("30"), 429, b"Rate exceeded."),
        (faults.unavailable(), 503, b"<html>"),
        (faults.web_page(), 200, b"<!DOCTYPE html>"),
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


def test_bodies_that_do_not_parse(world: World) -> None:
    with ArxivStandIn(world, faults=[faults.truncated(0.6)]) as arxiv, pytest.raises(ET.ParseError):
        ask(arxiv, **ANY)


def test_an_error_may_come_with_200(world: World) -> None:
    body = error_feed("Invalid query string", world.now())
    with ArxivStandIn(world, faults=[faults.answered(200, body)]) as arxiv:
        assert ids(ask(arxiv, **ANY)) == ["errors#Invalid_query_string"]


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


def test_a_script_may_look_at_the_request(arxiv: ArxivStandIn) -> None:
    arxiv.script(lambda request: faults.rate_exceeded() if request.params.get("start") == "5" else None)
    assert get(arxiv, **ANY).status_code == 200
    assert get(arxiv, **ANY, start=5).status_code == 429


def test_relevance_prefers_titles(world: World) -> None:
    found = search(Question(parse('all:"anomaly"')), world.visible(), world.versions())
    assert "anomaly" in found[0].title.lower()


# ---------------------------------------------------------------- mail


def send(server: SmtpStandIn, to: str = "ada@example.org", client: smtplib.SMTP | None = None) -> Any:
    if client is not None:
        return client.sendmail("papers@example.org", to, MESSAGE)
    with smtplib.SMTP(server.host, server.port, timeout=5) as own:
        return own.sendmail("papers@example.org", to, MESSAGE)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> "Certificate":
    pytest.importorskip("cryptography", reason="certificates are made with cryptography")
    from certificates import self_signed

    return self_signed(tmp_path_factory.mktemp("certificate"))


def test_mail_is_filed_as_it_came(tmp_path: Path) -> None:
    with SmtpStandIn(tmp_path / "mail") as server:
        send(server)
        send(server, "bob@example.org")
    envelope, content = server.received[0]
    assert content == MESSAGE
    assert (envelope.sender, envelope.recipients) == ("papers@example.org", ("ada@example.org",))
    assert not envelope.tls
    assert envelope.login is None
    filed = mailbox.Maildir(tmp_path / "mail", create=False)
    assert {message["Delivered-To"] for message in filed} == {"ada@example.org", "bob@example.org"}
    assert {message["Return-Path"] for message in filed} == {"<papers@example.org>"}
    assert server.connections == 2


def test_starttls(certificate: "Certificate") -> None:
    context = certificate.server_context()
    with SmtpStandIn(security="starttls-required", tls_context=context) as server:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            send(server)
        assert refused.value.smtp_code == 530
        with smtplib.SMTP(server.host, server.port, timeout=5) as client:
            client.starttls(context=certificate.client_context())
            send(server, client=client)
    assert server.received[0].envelope.tls
    assert server.connections == 2


def test_starttls_may_be_left_or_missing(certificate: "Certificate") -> None:
    with SmtpStandIn(security="starttls", tls_context=certificate.server_context()) as server:
        send(server)
    assert not server.received[0].envelope.tls
    with SmtpStandIn() as stripped, smtplib.SMTP(stripped.host, stripped.port, timeout=5) as client:
        with pytest.raises(smtplib.SMTPNotSupportedError):
            client.starttls()
        assert client.docmd("STARTTLS")[0] == 454


def test_tls_with_login(certificate: "Certificate") -> None:
    context, login = certificate.server_context(), ("papers", "s3crét")
    with (
        SmtpStandIn(security="tls", tls_context=context, login=login) as server,
        smtplib.SMTP_SSL(server.host, server.port, timeout=5, context=certificate.client_context()) as client,
    ):
        with pytest.raises(smtplib.SMTPSenderRefused):
            send(server, client=client)
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login("papers", "wrong")
        assert refused.value.smtp_code == 535
        secret = base64.b64encode("\0papers\0s3crét".encode()).decode()  # smtplib sends ASCII only
        assert client.docmd("AUTH", f"PLAIN {secret}")[0] == 235
        send(server, client=client)
    assert server.received[0].envelope.login == "papers"
    assert server.received[0].envelope.tls


def test_login_in_the_clear() -> None:
    with SmtpStandIn(login=("papers", "secret")) as server, smtplib.SMTP(server.host, server.port, timeout=5) as client:
        client.login("papers", "secret")
        send(server, client=client)
    assert server.received[0].envelope.login == "papers"


def test_refusals() -> None:
    replies = {"gone@example.org": "550 5.1.1 no such user", "busy@example.org": "451 4.3.0 later"}
    with SmtpStandIn(refusals=replies) as server, smtplib.SMTP(server.host, server.port, timeout=5) as client:
        for address, reply in replies.items():
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                send(server, address, client)
            code, text = refused.value.recipients[address]
            assert f"{code} {text.decode()}" == reply
        send(server, client=client)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("stage", "error"),
    [("connect", smtplib.SMTPConnectError), ("MAIL", smtplib.SMTPSenderRefused), ("dot", smtplib.SMTPDataError)],
)
def test_replies_by_script(stage: Any, error: type[smtplib.SMTPResponseException]) -> None:
    with SmtpStandIn(script=say_at(stage, "421 4.3.2 later", "554 5.7.1 no")) as server:
        for code in (421, 554):
            with pytest.raises(error) as refused:
                send(server)
            assert refused.value.smtp_code == code
        send(server)
    assert len(server.received) == 1


@pytest.mark.parametrize(("stage", "filed"), [("connect", 0), ("MAIL", 0), ("DATA", 0), ("dot", 0), ("filed", 1)])
def test_dropped_connections(stage: Any, filed: int) -> None:
    with SmtpStandIn(script=drop_at(stage)) as server:
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            send(server)
        assert len(server.received) == filed
        send(server)
        assert len(server.received) == filed + 1


def test_a_connection_lost_within_a_long_message() -> None:
    body = b"Subject: long\r\n\r\n" + b"x" * 70 + b"\r\n"
    with SmtpStandIn(script=drop_at("content")) as server:
        client = smtplib.SMTP(server.host, server.port, timeout=5)
        with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
            client.sendmail("papers@example.org", "ada@example.org", body + body[-72:] * 200_000)
        client.close()
    assert not server.received


def test_a_connection_may_carry_so_many_messages() -> None:
    with SmtpStandIn(script=drop_after(2)) as server:
        client = smtplib.SMTP(server.host, server.port, timeout=5)
        send(server, client=client)
        send(server, client=client)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(server, client=client)
        client.close()
        send(server)
    assert [received.envelope.connection for received in server.received] == [1, 1, 2]


def test_connections_at_once_are_counted() -> None:
    with SmtpStandIn() as server:
        clients = [smtplib.SMTP(server.host, server.port, timeout=5) for _ in range(3)]
        for client in clients:
            client.quit()
        send(server)
    assert (server.connections, server.most_at_once) == (4, 3)


def test_the_server_ends_though_clients_stay() -> None:
    with SmtpStandIn() as server:
        client = smtplib.SMTP(server.host, server.port, timeout=5)
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    client.close()


def test_latency_is_kept() -> None:
    with SmtpStandIn(latency=0.05) as server:
        begun = time.monotonic()
        send(server)
        assert time.monotonic() - begun >= 0.05


def test_a_missing_extra_is_named() -> None:
    program = (
        "import sys; sys.modules['aiosmtpd'] = None; from newsletter.demo.smtp import *; SmtpStandIn().__enter__()"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].endswith(
        "UsageError: the local mail server needs aiosmtpd: pip install 'daily-papers[demo]'"
    )


def test_scripts_can_be_changed_meanwhile() -> None:
    with SmtpStandIn() as server:
        server.script = lambda step: DROP if step.stage == "RCPT" and step.address.startswith("x") else None
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(server, "xenia@example.org")
        send(server)
    assert len(server.received) == 1

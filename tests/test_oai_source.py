"""OAI-PMH, as it is read and as it misbehaves."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from asking import make_client
from gathering import WANTS, WINDOW, Sieve, announce, differences, library, make
from house import START, Time
from hypothesis import given
from hypothesis import strategies as st
from standins import RECORDINGS, needs_recordings

from newsletter.demo import faults
from newsletter.demo.announcements import Release, evening
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.faults import Fault, Request
from newsletter.demo.oai import refusal
from newsletter.errors import SourceError
from newsletter.model import Harvest
from newsletter.sources import Want
from newsletter.sources.client import RefusedError
from newsletter.sources.oai import OaiSource
from newsletter.sources.oaipmh import ExpiredError, Records, parse_records

SUNDAY = date(2026, 1, 4)

# ---------------------------------------------------------------- what answers say

PAGE = """<?xml version="1.0" encoding="UTF-8"?>
<!-- a comment -->
<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/">
  <responseDate>2026-01-06T07:00:00Z</responseDate>
  <request verb="ListRecords">http://oaipmh.arxiv.org/oai</request>
  <ListRecords>
    <record>
      <header><identifier>oai:arXiv.org:2601.00001</identifier><datestamp>2026-01-06</datestamp></header>
      <metadata>
        <arXivRaw xmlns="http://arxiv.org/OAI/arXivRaw/">
          <id>2601.00001</id><submitter>Ada Example</submitter>
          <version version="v1"><date>Fri, 02 Jan 2026 12:00:00 GMT</date><size>1kb</size></version>
          <version version="v10"><date>Mon, 05 Jan 2026 13:14:15 GMT</date><size>2kb</size></version>
          <version version="v2"><date>Sat, 03 Jan 2026 12:00:00 GMT</date><size>2kb</size></version>
          <title>On $\\alpha$-stable
            Graphs &#39;n&#39; Trees</title>
          <authors>Ada Example (Here, There) and \\'Emile Borel</authors>
          <categories>cs.LG math.GT stat.ML</categories>
          <comments>5 pages</comments><report-no>R-1</report-no><journal-ref>J. 1</journal-ref><doi>10.1/x</doi>
          <msc-class>05C10</msc-class><license>http://example.org</license>
          <abstract>  We look
            closely. </abstract>
        </arXivRaw>
      </metadata>
    </record>
    <record>
      <header status="deleted"><identifier>oai:arXiv.org:2601.00002</identifier></header>
    </record>
    <resumptionToken expirationDate='2026-01-07T00:00:00Z'>verb%3DListRecords%26skip%3D2&amp;x</resumptionToken>
  </ListRecords>
</OAI-PMH>
"""


def test_what_a_record_tells() -> None:
    records = parse_records(PAGE.encode())
    (paper,) = records.papers
    assert paper == make(
        1,
        "cs.LG",
        "math.GT",
        "stat.ML",
        version=10,
        title=r"On $\alpha$-stable Graphs 'n' Trees",
        abstract="We look closely.",
        report_no="R-1",
        journal_ref="J. 1",
        doi="10.1/x",
        submitted=datetime(2026, 1, 2, 12, tzinfo=UTC),
        updated=datetime(2026, 1, 5, 13, 14, 15, tzinfo=UTC),
    )
    assert (records.deleted, records.unreadable) == (1, ())
    assert records.token == "verb%3DListRecords%26skip%3D2&x"


@pytest.mark.parametrize(
    ("what", "instead", "reason"),
    [
        ("<id>2601.00001</id>", "<id>x</id>", "no identifier of arXiv: 'x'"),
        ("<id>2601.00001</id>", "", "no identifier of arXiv: ''"),
        ("Fri, 02 Jan", "Someday", "oai:arXiv.org:2601.00001: "),
        ('version="v1"', "", "oai:arXiv.org:2601.00001: "),
        ("http://arxiv.org/OAI/arXivRaw/", "http://arxiv.org/OAI/arXiv/", "no metadata in arXivRaw"),
        ("title>", "name>", "no title"),
    ],
)
def test_a_record_that_is_no_paper_of_ours(what: str, instead: str, reason: str) -> None:
    records = parse_records(PAGE.replace(what, instead).encode())
    assert (records.papers, records.deleted) == ((), 1)
    assert reason in records.unreadable[0]


def test_that_nothing_matches_is_an_answer() -> None:
    assert parse_records(refusal("noRecordsMatch", START)) == Records()
    assert parse_records(refusal("noRecordsMatch", START)).empty
    assert not parse_records(PAGE.encode()).empty


def test_refusals() -> None:
    with pytest.raises(ExpiredError, match="must begin again"):
        parse_records(refusal("badResumptionToken", START))
    with pytest.raises(RefusedError, match="arXiv says: badArgument: The request has"):
        parse_records(refusal("badArgument", START))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "the answer is damaged"),
        (b"upstream connect error", "the answer is damaged"),
        (b"<!DOCTYPE html><html><body><p>Back soon</body></html>", "begins '<!DOCTYPE html>"),
        (b"<html><body><p>Back soon</p></body></html>", "no list of OAI-PMH: it begins '<html>"),
        (b"<OAI-PMH><ListRecords/></OAI-PMH>", "no list of OAI-PMH"),
        (b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><Identify/></OAI-PMH>', "no list of OAI-PMH"),
        *(
            (PAGE.encode()[:length], "the answer is damaged")
            for length in (60, 400, 1000, len(PAGE) - 100, len(PAGE) - 12)
        ),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_what_is_no_list(body: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=re.escape(reason)):
        parse_records(body)


def test_entities_are_left_alone(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("told")
    declared = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>\n<!-- a comment -->'
    body = PAGE.replace("<!-- a comment -->", declared).replace("5 pages", "&e;")
    assert "told" not in repr(parse_records(body.encode()))


@needs_recordings
def test_recordings() -> None:
    (paper,) = parse_records((RECORDINGS / "oai/arxivraw_1810.09584.xml").read_bytes()).papers
    assert paper.key == ("1810.09584", 2)
    assert paper.authors == ("Raphael Chetrite", "Shamik Gupta", "Izaak Neri", "Édgar Roldán")
    assert (paper.submitted.year, paper.updated) == (2018, datetime(2019, 1, 13, 11, 17, 9, tzinfo=UTC))
    assert paper.abstract.startswith(
        "The housekeeping heat is the energy exchanged between a system and its environment"
    )
    (other,) = (RECORDINGS / "oai").glob("ListRecords_arXiv_*.xml")
    assert all("no metadata in arXivRaw" in reason for reason in parse_records(other.read_bytes()).unreadable)


# ---------------------------------------------------------------- the source


@pytest.fixture
def releases() -> list[Release]:
    return [
        *announce(make(1, "cs.LG"), make(2, "cs.CV", "cs.LG"), make(3, "cs.CV"), make(4, "cs.RO"), on=SUNDAY),
        *announce(make(5, "math.GT"), make(1, "cs.LG", version=2), make(6, "cs.CV")),
    ]


@pytest.fixture
def arxiv(releases: list[Release], time: Time) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(library(releases, time), strict=True, page_sizes=(2, 10), pinned_refusals=True) as server:
        yield server


@pytest.fixture
def sieve() -> Sieve:
    return Sieve()


def source(arxiv: ArxivStandIn, time: Time, folder: Path, *categories: str) -> OaiSource:
    return OaiSource(make_client(folder, time), arxiv.oai_url, categories)


def in_order(harvest: Harvest) -> None:
    assert not any(differences(harvest))
    assert not harvest.failures


def on_page(number: int, fault: Fault) -> faults.Script:
    """A fault for the requests with a token, from the so manieth on."""
    count = 0

    def step(request: Request) -> Fault | None:
        nonlocal count
        count += "resumptionToken" in request.params
        return fault if count == number and "resumptionToken" in request.params else None

    return step


def test_page_after_page_into_the_sieve(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve) -> None:
    done: list[int] = []
    harvest = source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, sieve, done.append)
    in_order(harvest)
    assert sieve.names == ["2601.00001v2", *(f"2601.0000{number}v1" for number in range(2, 7))]
    assert sieve.held["2601.00006", 1] == make(6, "cs.CV")
    assert sieve.largest == 2
    (account,) = harvest.accounts
    assert (account.source, account.asked, account.received, account.news, account.requests) == ("oai", "", 6, 6, 3)
    first, *others = (request.params for request in arxiv.requests)
    assert first == {"verb": "ListRecords", "metadataPrefix": "arXivRaw", "from": "2026-01-04"}
    assert all(set(params) == {"verb", "resumptionToken"} for params in others)
    assert done[-1] == len(WANTS)


def test_one_list_a_set(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve) -> None:
    harvest = source(arxiv, time, tmp_path, "cs.LG", "cs.CV").fetch(WANTS, WINDOW, sieve)
    in_order(harvest)
    learning, vision = harvest.accounts
    assert [learning.asked, vision.asked] == ["cs:cs:LG", "cs:cs:CV"]
    assert (learning.received, learning.repeated, vision.received, vision.repeated) == (2, 0, 3, 1)
    assert sieve.names == ["2601.00001v2", "2601.00002v1", "2601.00003v1", "2601.00006v1"]
    assert harvest.requests == len(arxiv.requests) == 3


def test_a_first_edition_is_beyond_it(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve) -> None:
    wants = (Want(1, "ti:graph"), Want(2, "ti:tree", begun=False))
    harvest = source(arxiv, time, tmp_path, "cs.LG").fetch(wants, WINDOW, sieve)
    assert list(harvest.failures) == [2]
    assert "too little for a first edition" in harvest.failures[2]
    arxiv.requests.clear()
    assert list(source(arxiv, time, tmp_path, "cs.LG").fetch(wants[1:], WINDOW, sieve).failures) == [2]
    assert not arxiv.requests


def test_deleted_records_are_passed_over(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve, releases: list[Release]
) -> None:
    releases.append(Release(make(3, "cs.CV"), START - timedelta(hours=1), "deleted"))
    in_order(source(arxiv, time, tmp_path, "cs.CV").fetch(WANTS, WINDOW, sieve))
    assert sieve.names == ["2601.00002v1", "2601.00006v1"]


def test_a_refusal_that_is_kept_is_asked_around(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve, releases: list[Release]
) -> None:
    """Asked before anything was there, "nothing matches" is given again until midnight, but for that question only."""
    later = releases.copy()
    releases.clear()
    oai = source(arxiv, time, tmp_path, "cs.LG")
    early = oai.fetch(WANTS, WINDOW, sieve)
    in_order(early)
    assert [request.params["from"] for request in arxiv.requests] == ["2026-01-04", "2026-01-03"]
    releases += later
    arxiv.requests.clear()
    time.now += timedelta(days=1)
    time.now = time.now.replace(hour=1)
    arxiv.script([faults.answered(200, refusal("noRecordsMatch", time.now))])
    in_order(oai.fetch(WANTS, WINDOW, sieve))
    assert [request.params["from"] for request in arxiv.requests] == ["2026-01-04", "2026-01-03"]
    assert sieve.names == ["2601.00001v2", "2601.00002v1"]


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.web_page(), "begins '<!DOCTYPE html>"),
        (faults.empty_body(), "the answer is damaged"),
        (faults.truncated(), "the answer is damaged"),
        (faults.unavailable(), "HTTP 503"),
        (faults.connection_reset(), "no connection"),
        (faults.reset_within(), "no connection"),
    ],
    ids=["page", "nothing", "truncated", "503", "reset", "reset within"],
)
def test_weather(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve, fault: Fault, reason: str) -> None:
    """What passes is asked again; a list that ends in the middle fails all topics, and keeps what came."""
    arxiv.script([None, fault, fault])
    in_order(source(arxiv, time, tmp_path, "cs.*").fetch(WANTS, WINDOW, sieve))
    assert len(sieve.held) == 5
    sieve.held.clear()
    arxiv.script(lambda request: fault if "resumptionToken" in request.params else None)
    harvest = source(arxiv, time, tmp_path, "cs.CV", "hep-th", "cs.LG").fetch(WANTS, WINDOW, sieve)
    assert not any(differences(harvest))
    assert sieve.names == ["2601.00001v2", "2601.00002v1", "2601.00003v1"]
    assert [bool(account.error) for account in harvest.accounts] == [True, False, False]
    assert set(harvest.failures) == {1, 2}
    assert harvest.failures[1].startswith("cs:cs:CV: ")
    assert reason in harvest.failures[1]


def test_a_list_whose_token_has_expired_is_begun_again(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve
) -> None:
    expired = faults.answered(200, refusal("badResumptionToken", START))
    arxiv.script(on_page(2, expired))
    harvest = source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, sieve)
    in_order(harvest)
    assert len(sieve.held) == 6
    (account,) = harvest.accounts
    assert (account.received, account.repeated, account.news) == (10, 4, 6)
    assert harvest.remarks == ("the list of everything was begun again: its token had expired",)
    arxiv.requests.clear()
    arxiv.script(lambda request: expired if "resumptionToken" in request.params else None)
    harvest = source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, sieve)
    assert "must begin again" in harvest.failures[1]
    assert len(arxiv.requests) == 4  # begun twice


def test_a_list_without_an_end(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve) -> None:
    arxiv.script(lambda _: faults.answered(200, PAGE))
    harvest = source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, sieve)
    assert harvest.failures[1] == "everything: the list does not end"
    assert not any(differences(harvest))


def test_a_set_that_does_not_exist(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve) -> None:
    harvest = source(arxiv, time, tmp_path, "cs.XX", "cs.LG").fetch(WANTS, WINDOW, sieve)
    assert harvest.accounts[0].error.startswith("arXiv says: badArgument: ")
    assert harvest.accounts[0].requests == 1
    assert len(sieve.held) == 2


# ---------------------------------------------------------------- accounting


@given(
    papers=st.lists(st.tuples(st.integers(1, 8), st.sampled_from(["cs.LG", "math.GT"])), min_size=1, max_size=12),
    spoiled=st.sets(st.integers(1, 8)),
    deleted=st.sets(st.integers(1, 8)),
    known=st.sets(st.integers(1, 8)),
)
def test_whatever_comes_is_accounted_for(
    papers: list[tuple[int, str]],
    spoiled: set[int],
    deleted: set[int],
    known: set[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Records that repeat, lie outside, are known, are deleted, cannot be read, in any mixture."""
    time = Time()
    releases = announce(*{number: make(number, category) for number, category in papers}.values())
    releases += [Release(make(number), evening(SUNDAY) + timedelta(days=1, hours=1), "deleted") for number in deleted]
    spoil = faults.rewritten(
        lambda body: re.sub(b"|".join(b"<id>2601.%05d</id>" % number for number in spoiled) or b"(?!)", b"", body)
    )
    sieve = Sieve({make(number).key: make(number) for number in known}, outside=("math.GT",))
    with ArxivStandIn(library(releases, time), page_sizes=(3, 10), faults=lambda _: spoil) as arxiv:
        harvest = source(arxiv, time, tmp_path_factory.mktemp("gate"), "cs.LG", "math.GT", "cs.*").fetch(
            WANTS, WINDOW, sieve
        )
    in_order(harvest)
    numbers = {number for number, _ in papers} - deleted
    fresh = sum(account.received - account.repeated - account.unreadable for account in harvest.accounts)
    assert fresh == len(numbers - spoiled)

"""The invented arXiv's OAI-PMH: written as the recordings are, with the present host's tokens, refusals and traps."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest
import requests
from standins import OAI, RECORDINGS, harvest, headers, needs_recordings, oai, oai_error, parsed

from newsletter.demo.announcements import Announced, Release, evening
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.authors import raw
from newsletter.demo.oai import written
from newsletter.demo.records import Record, record_lines
from newsletter.model import Paper

RAW, PLAIN = "{http://arxiv.org/OAI/arXivRaw/}", "{http://arxiv.org/OAI/arXiv/}"
NOW = datetime(2026, 1, 8, 12, tzinfo=UTC)


def make(number: int, *categories: str, version: int = 1, hours: float = 0, **fields: Any) -> Paper:
    moment = datetime(2026, 1, 2, 12, 0, 5, tzinfo=UTC)
    return Paper(
        f"2601.{number:05}",
        version,
        "On 'Graphs' & <Trees>",
        "We look.",
        ("André Søgaard", "Noor van der Berg", "Deepti"),
        categories or ("cs.LG",),
        moment,
        moment + timedelta(hours=hours),
        **fields,
    )


def releases() -> Iterator[Release]:
    monday, tuesday = evening(date(2026, 1, 5)), evening(date(2026, 1, 6))
    yield Release(make(1, "cs.LG", "stat.ML"), monday)
    yield Release(make(2, "hep-th", "math.NA"), monday)
    yield Release(make(3, "astro-ph.EP"), monday)
    yield Release(make(1, "cs.LG", "stat.ML", version=2, hours=80, comment="Now in colour"), tuesday)
    yield Release(make(4), tuesday)
    yield Release(make(5, report_no="X-1", doi="10.1/x", journal_ref="J. 1"), tuesday)
    yield Release(make(3, "astro-ph.EP"), tuesday, "deleted")


@pytest.fixture
def arxiv() -> Iterator[ArxivStandIn]:
    with ArxivStandIn(Announced(list(releases()), lambda: NOW), page_sizes=(2, 3)) as server:
        yield server


# ---------------------------------------------------------------- the form


def paper_of(metadata: ET.Element, namespace: str) -> Paper:
    texts = {child.tag.removeprefix(namespace): child.text or "" for child in metadata}
    authors = (
        " ".join(name for tag in ("forenames", "keyname") if (name := author.findtext(f"{namespace}{tag}")))
        for author in metadata.iter(f"{namespace}author")
    )
    created = datetime.fromisoformat(f"{texts['created']}T00:00:00+00:00")
    return Paper(
        texts["id"],
        1,
        texts["title"],
        texts["abstract"],
        tuple(authors),
        tuple(texts["categories"].split()),
        created,
        created,
        texts.get("comments", ""),
        texts.get("journal-ref", ""),
        texts.get("doi", ""),
    )


def record_of(record: ET.Element) -> Record:
    day = datetime.fromisoformat(f"{record.findtext(f'{OAI}header/{OAI}datestamp')}T00:00:00+00:00")
    metadata = record.find(f"{OAI}metadata/{PLAIN}arXiv")
    assert metadata is not None
    paper = paper_of(metadata, PLAIN)
    return Record(Release(paper, day, license=metadata.findtext(f"{PLAIN}license", "")), (day,), touched=True)


@needs_recordings
def test_records_equal_the_recording() -> None:
    recording = (RECORDINGS / "oai/ListRecords_arXiv_physics.plasm-ph_2026-01-05.xml").read_bytes()
    root = parsed(recording)
    request = root.find(f"{OAI}request")
    assert request is not None
    moment = datetime.fromisoformat(root.findtext(f"{OAI}responseDate", ""))
    lines = [line for record in root.iter(f"{OAI}record") for line in record_lines(record_of(record), "arXiv")]
    ours = written(moment, request.attrib, ("<ListRecords>", *lines, "</ListRecords>"))
    assert canonical(parsed(ours)) == canonical(root)


def canonical(root: ET.Element) -> str:
    return ET.canonicalize(ET.tostring(root), strip_text=True)


@needs_recordings
def test_raw_records_have_the_recording_s_elements(arxiv: ArxivStandIn) -> None:
    recorded = parsed((RECORDINGS / "oai/arxivraw_1810.09584.xml").read_bytes()).find(f".//{RAW}arXivRaw")
    asked = {"verb": "GetRecord", "identifier": "oai:arXiv.org:2601.00005", "metadataPrefix": "arXivRaw"}
    ours = oai(arxiv, **asked).find(f".//{RAW}arXivRaw")
    assert recorded is not None
    assert ours is not None
    theirs = list(dict.fromkeys(child.tag for child in recorded if child.tag != f"{RAW}comments"))
    assert [child.tag for child in ours if child.tag != f"{RAW}report-no"] == theirs
    assert [child.tag for child in next(ours.iter(f"{RAW}version"))] == [
        child.tag for child in next(recorded.iter(f"{RAW}version"))
    ]


# ---------------------------------------------------------------- the records


def test_raw_tells_every_version_and_plain_only_the_last(arxiv: ArxivStandIn) -> None:
    asked = {"verb": "GetRecord", "identifier": "oai:arXiv.org:2601.00001"}
    raw_record = oai(arxiv, **asked, metadataPrefix="arXivRaw").find(f".//{RAW}arXivRaw")
    plain = oai(arxiv, **asked, metadataPrefix="arXiv").find(f".//{PLAIN}arXiv")
    assert raw_record is not None
    assert plain is not None
    versions = {v.attrib["version"]: v.findtext(f"{RAW}date") for v in raw_record.iter(f"{RAW}version")}
    assert versions == {"v1": "Fri, 02 Jan 2026 12:00:05 GMT", "v2": "Mon, 05 Jan 2026 20:00:05 GMT"}
    assert raw_record.findtext(f"{RAW}authors") == "Andr\\'e S{\\o}gaard, Noor van der Berg and Deepti"
    assert raw_record.findtext(f"{RAW}categories") == "cs.LG stat.ML"
    assert plain.findtext(f"{PLAIN}created") == "2026-01-05"  # of version 2, whatever the schema says
    assert plain.findtext(f"{PLAIN}updated") == "2026-01-07"
    keys = [author.findtext(f"{PLAIN}keyname") for author in plain.iter(f"{PLAIN}author")]
    assert keys == ["Søgaard", "van der Berg", "Deepti"]


def test_what_is_withdrawn_has_no_source() -> None:
    comment = "This paper has been withdrawn by the authors"
    both = [Release(make(1), evening(date(2026, 1, 5))), Release(make(1, version=2, comment=comment), NOW)]
    with ArxivStandIn(Announced(both, lambda: NOW)) as arxiv:
        (page,) = harvest(arxiv)
    versions = [(v.findtext(f"{RAW}size"), v.findtext(f"{RAW}source_type")) for v in page.iter(f"{RAW}version")]
    assert versions == [("8kb", "D"), ("0kb", "I")]


def test_deleted_records_have_a_header_only(arxiv: ArxivStandIn) -> None:
    asked = {"verb": "GetRecord", "identifier": "oai:arXiv.org:2601.00003", "metadataPrefix": "arXiv"}
    root = oai(arxiv, **asked)
    header = root.find(f".//{OAI}header")
    assert header is not None
    assert header.attrib == {"status": "deleted"}
    assert root.find(f".//{OAI}metadata") is None


def test_dublin_core(arxiv: ArxivStandIn) -> None:
    root = oai(arxiv, verb="GetRecord", identifier="oai:arXiv.org:2601.00001", metadataPrefix="oai_dc")
    texts = [(element.tag.partition("}")[2], element.text) for element in root.iter() if "/dc/" in element.tag]
    assert ("creator", "van der Berg, Noor") in texts
    assert [text for name, text in texts if name == "date"] == ["2026-01-02", "2026-01-05"]


def test_one_author_or_none() -> None:
    assert [raw(Paper("a", 1, "", "", names, (), NOW, NOW), {}) for names in ((), ("Ada B",))] == ["", "Ada B"]


# ---------------------------------------------------------------- lists


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"from": "2026-01-06", "until": "2026-01-06"}, [2]),
        ({"from": "2026-01-07"}, [1, 3, 4, 5]),
        ({"until": "2026-01-07"}, [2, 1, 3, 4, 5]),
        ({"set": "cs"}, [2, 1, 4, 5]),  # math.NA is cs.NA
        ({"set": "cs:cs"}, [2, 1, 4, 5]),
        ({"set": "cs:cs:LG"}, [1, 4, 5]),
        ({"set": "cs:cs:NA"}, [2]),
        ({"set": "math:math:NA"}, [2]),
        ({"set": "physics"}, [2, 3]),
        ({"set": "physics:hep-th"}, [2]),
        ({"set": "physics:astro-ph:EP"}, [3]),
        ({"set": "stat", "from": "2026-01-07"}, [1]),
    ],
)
@pytest.mark.parametrize("verb", ["ListRecords", "ListIdentifiers"])
def test_lists(arxiv: ArxivStandIn, verb: str, params: dict[str, str], found: list[int]) -> None:
    names = [name for name, _ in headers(harvest(arxiv, verb, **params))]
    assert names == [f"2601.{number:05}" for number in found]


def test_tokens_are_those_of_the_present_host(arxiv: ArxivStandIn) -> None:
    pages = harvest(arxiv, set="cs")
    tokens = [page.find(f".//{OAI}resumptionToken") for page in pages]
    assert len(pages) == 2
    first, last = tokens
    assert first is not None
    assert first.attrib == {"expirationDate": "2026-01-09T00:00:00Z"}
    read = parse_qs(unquote(first.text or ""))
    asked = {"verb": ["ListRecords"], "metadataPrefix": ["arXivRaw"], "set": ["cs"]}
    assert read == {**asked, "from": ["2026-01-07"], "skip": ["1"]}  # on from the day of the first one left out
    assert last is not None
    assert (last.text, last.attrib) == (None, {})


def test_tokens_go_on_in_the_middle_of_a_day_and_of_many() -> None:
    every = [Release(make(n), evening(date(2025, 12, 1) + timedelta(days=n // 4))) for n in range(1, 60)]
    with ArxivStandIn(Announced(every, lambda: NOW), page_sizes=(5, 7)) as arxiv:
        for verb in ("ListRecords", "ListIdentifiers"):
            names = [name for name, _ in headers(harvest(arxiv, verb, prefix="arXiv"))]
            assert names == [release.paper.id for release in every]


def test_a_list_of_one_page_has_no_token(arxiv: ArxivStandIn) -> None:
    (page,) = harvest(arxiv, set="stat")
    assert page.find(f".//{OAI}resumptionToken") is None


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "badVerb"),
        ({"verb": "Listrecords"}, "badVerb"),
        ({"verb": "Identify", "set": "cs"}, "badArgument"),
        ({"verb": "ListRecords"}, "badArgument"),
        ({"verb": "ListRecords", "metadataPrefix": "marc"}, "cannotDisseminateFormat"),
        ({"verb": "ListRecords", "metadataPrefix": "arXiv", "page": "2"}, "badArgument"),
        ({"verb": "ListRecords", "metadataPrefix": "arXiv", "from": "yesterday"}, "badArgument"),
        ({"verb": "ListRecords", "metadataPrefix": "arXiv", "from": "2026-13-01"}, "badArgument"),
        ({"verb": "ListRecords", "metadataPrefix": "arXiv", "from": "2004-01-01"}, "badArgument"),
        (
            {"verb": "ListRecords", "metadataPrefix": "arXiv", "from": "2026-01-10", "until": "2026-01-11"},
            "badArgument",
        ),
        (
            {"verb": "ListRecords", "metadataPrefix": "arXiv", "from": "2026-01-07", "until": "2026-01-06"},
            "badArgument",
        ),
        ({"verb": "ListRecords", "metadataPrefix": "arXiv", "set": "cs:CV"}, "badArgument"),
        ({"verb": "ListRecords", "metadataPrefix": "arXiv", "from": "2026-01-08"}, "noRecordsMatch"),
        ({"verb": "ListRecords", "metadataPrefix": "arXiv", "set": "econ"}, "noRecordsMatch"),
        ({"verb": "ListRecords", "resumptionToken": "1122234|1001"}, "badResumptionToken"),
        ({"verb": "ListRecords", "resumptionToken": "verb%3DListIdentifiers%26skip%3D2"}, "badResumptionToken"),
        ({"verb": "ListRecords", "resumptionToken": "skip%3D2", "metadataPrefix": "arXiv"}, "badArgument"),
        ({"verb": "GetRecord", "metadataPrefix": "arXiv", "identifier": "2601.00001"}, "badArgument"),
        ({"verb": "GetRecord", "metadataPrefix": "arXiv", "identifier": "oai:arXiv.org:2601.99999"}, "idDoesNotExist"),
    ],
)
def test_errors_come_with_200(arxiv: ArxivStandIn, params: dict[str, str], code: str) -> None:
    assert oai_error(oai(arxiv, **params)) == code


def test_arguments_given_twice(arxiv: ArxivStandIn) -> None:
    answer = requests.get(f"{arxiv.oai_url}?verb=Identify&verb=Identify", timeout=5)
    assert oai_error(parsed(answer.content)) == "badArgument"


def test_what_the_repository_says_of_itself(arxiv: ArxivStandIn) -> None:
    assert oai(arxiv, verb="Identify").findtext(f".//{OAI}granularity") == "YYYY-MM-DD"
    prefixes = [found.text for found in oai(arxiv, verb="ListMetadataFormats").iter(f"{OAI}metadataPrefix")]
    assert prefixes == ["oai_dc", "arXiv", "arXivRaw"]
    specs = {found.text for found in oai(arxiv, verb="ListSets").iter(f"{OAI}setSpec")}
    assert {"cs", "physics", "physics:hep-th", "cs:cs:CV", "physics:physics:plasm-ph"} <= specs
    posted = requests.post(arxiv.oai_url, data={"verb": "Identify"}, timeout=5)
    assert parsed(posted.content).find(f"{OAI}Identify") is not None


def test_a_refusal_may_stay_until_midnight() -> None:
    now = datetime(2026, 1, 7, 0, 30, tzinfo=UTC)
    early = [Release(make(1), datetime(2026, 1, 7, 1, tzinfo=UTC))]
    window = {"from": "2026-01-07", "until": "2026-01-07"}
    with ArxivStandIn(Announced(early, lambda: now), pinned_refusals=True) as arxiv:
        assert [oai_error(page) for page in harvest(arxiv, **window)] == ["noRecordsMatch"]
        now += timedelta(hours=5)
        assert [oai_error(page) for page in harvest(arxiv, **window)] == ["noRecordsMatch"]
        assert list(headers(harvest(arxiv, **{"from": "2026-01-07"}))) == [("2601.00001", "2026-01-07")]
        now += timedelta(hours=20)
        assert list(headers(harvest(arxiv, **window))) == [("2601.00001", "2026-01-07")]

"""What the tests of the invented arXiv share: asking it, and reading what it says."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from newsletter.demo.arxiv import ArxivStandIn

RECORDINGS = Path(__file__).parents[2] / "shared/data/arxiv"
ATOM, ARXIV, SEARCH, OAI, DC = (
    "{http://www.w3.org/2005/Atom}",
    "{http://arxiv.org/schemas/atom}",
    "{http://a9.com/-/spec/opensearch/1.1/}",
    "{http://www.openarchives.org/OAI/2.0/}",
    "{http://purl.org/dc/elements/1.1/}",
)

needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings of arXiv at {RECORDINGS}")


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


def feed(arxiv: ArxivStandIn, query: str, kind: str = "rss") -> ET.Element:
    address = f"{arxiv.feed_url.removesuffix('rss')}{kind}/{query}"
    return parsed(requests.get(address, timeout=5).content)


def announced(rss: ET.Element) -> dict[str, str]:
    """What an RSS feed holds, in its order: each version with its type."""
    items = ((item.findtext("guid", ""), item.findtext(f"{ARXIV}announce_type", "")) for item in rss.iter("item"))
    return {name.removeprefix("oai:arXiv.org:"): kind for name, kind in items}


def harvest(
    arxiv: ArxivStandIn, verb: str = "ListRecords", prefix: str = "arXivRaw", **params: str
) -> list[ET.Element]:
    """All pages of a list."""
    asked = {"verb": verb, "metadataPrefix": prefix, **params}
    pages = [oai(arxiv, **asked)]
    while token := pages[-1].findtext(f".//{OAI}resumptionToken"):
        pages.append(oai(arxiv, verb=verb, resumptionToken=token))
    return pages


def oai(arxiv: ArxivStandIn, **params: str) -> ET.Element:
    answer = requests.get(arxiv.oai_url, params=params, timeout=5)
    assert answer.status_code == 200
    return parsed(answer.content)


def oai_error(root: ET.Element) -> str | None:
    error = root.find(f"{OAI}error")
    return None if error is None else error.attrib["code"]


def headers(pages: list[ET.Element]) -> Iterator[tuple[str, str]]:
    """Each record's identifier and datestamp."""
    for page in pages:
        for header in page.iter(f"{OAI}header"):
            name = header.findtext(f"{OAI}identifier", "").removeprefix("oai:arXiv.org:")
            yield name, header.findtext(f"{OAI}datestamp", "")


# ---------------------------------------------------------------- one request of each interface


NAMES = ("api", "feed", "oai")


def addresses(arxiv: ArxivStandIn) -> dict[str, str]:
    return {
        "api": f"{arxiv.url}?search_query=cat:cs.CV&max_results=5&sortBy=lastUpdatedDate",
        "feed": f"{arxiv.feed_url}/cs",
        "oai": f"{arxiv.oai_url}?verb=ListRecords&metadataPrefix=arXivRaw&from=2026-01-05",
    }


def fetch(arxiv: ArxivStandIn, name: str, **others: object) -> requests.Response:
    return requests.get(addresses(arxiv)[name], timeout=5, **others)  # type: ignore[arg-type]


def count(root: ET.Element) -> int:
    return sum(element.tag in (f"{ATOM}entry", "item", f"{OAI}record") for element in root.iter())


def first_title(root: ET.Element) -> str:
    return next(element.text or "" for element in root.iter() if element.tag.endswith("title"))

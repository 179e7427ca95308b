"""Read what arXiv's interfaces answer: what feedparser, and lxml, cost. The documents are the stand-in's."""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence

from benchmarks import material
from benchmarks.measure import aside, measure, seconds
from benchmarks.table import Row
from newsletter.demo import atom, oai, rss
from newsletter.demo.announcements import Release
from newsletter.demo.listing import Item
from newsletter.demo.records import Record, record_lines
from newsletter.model import Paper
from newsletter.sources.atom import parse_answer
from newsletter.sources.oaipmh import parse_records
from newsletter.sources.rss import parse_feed

_ENOUGH = 2_000  # papers, to be read in as many runs as that takes, three at least


def page(papers: int) -> Row:
    """Read a page of the query API."""
    step = f"read a page of the API, {papers:,} entries"
    return _row(step, papers, aside(_page, papers), lambda body: parse_answer(body).papers)


def feed(papers: int) -> Row:
    """Read a feed."""
    step = f"read a feed, {papers:,} items"
    return _row(step, papers, aside(_feed, papers), lambda body: parse_feed(body).entries)


def records(papers: int) -> Row:
    """Read a page of OAI-PMH."""
    step = f"read a page of OAI-PMH, {papers:,} records"
    return _row(step, papers, aside(_records, papers), lambda body: parse_records(body).papers)


def _row(step: str, papers: int, body: bytes, read: Callable[[bytes], Sequence[object]]) -> Row:
    times = max(3, _ENOUGH // papers)
    cost, found = measure(lambda: len(read(body)), times=times)
    reference = seconds(lambda: ET.fromstring(body), times=times)  # noqa: S314 - our own
    assert found == papers
    return Row(f"{step}, {len(body) / 1e6:.1f} MB", papers, "papers", cost, reference, "ElementTree alone")


def _page(number: int) -> bytes:
    papers = material.papers(number)
    return atom.feed(atom.Page("all:x", "", 0, number, number, papers, material.NOW))


def _feed(number: int) -> bytes:
    items = [Item(Release(paper, material.NOW), "new") for paper in material.papers(number)]
    return rss.written("rss", rss.channel(["cs"], material.NOW), items)


def _records(number: int) -> bytes:
    papers = material.papers(number)
    lines = [line for paper in papers for line in record_lines(_record(paper), "arXivRaw")]
    parameters = {"verb": "ListRecords", "metadataPrefix": "arXivRaw"}
    return oai.written(material.NOW, parameters, ("<ListRecords>", *lines, "</ListRecords>"))


def _record(paper: Paper) -> Record:
    return Record(Release(paper, material.NOW), (paper.submitted,), touched=False)

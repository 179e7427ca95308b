"""Fetch and parse: the real source over real HTTP, against an invented arXiv in another process."""

import xml.etree.ElementTree as ET

import requests

from benchmarks import house, material
from benchmarks.arxiv import arxiv
from benchmarks.measure import measure, seconds
from benchmarks.table import Row
from newsletter.fetching import OVERLAP
from newsletter.query import name_query, write_search_query
from newsletter.sources import Want

_TOPIC = material.TOPICS[0]
_QUERY = write_search_query(name_query(_TOPIC))
_PAGE = 100  # papers; the configuration's default


def fetching(papers: int) -> Row:
    """Read all papers as one topic's."""
    want = Want(1, _QUERY, news=len)
    with house.temporary() as folder, arxiv(papers, [_TOPIC]) as url, house.opened(folder, api_url=url) as app:
        _read_plainly(url, papers)  # the stand-in's first answers are slower
        cost, harvest = measure(lambda: app.source.fetch([want], material.NOW - OVERLAP), times=3)
        reference = seconds(lambda: _read_plainly(url, papers))
    assert len(harvest.papers) == papers
    step = f"fetch and parse {papers:,} papers"
    return Row(step, papers, "papers", cost, reference, "requests and ElementTree alone")


def _read_plainly(url: str, papers: int) -> None:
    order = {"sortBy": "lastUpdatedDate", "sortOrder": "descending"}
    with requests.Session() as session:
        for start in range(0, papers, _PAGE):
            page = {"search_query": _QUERY, "start": str(start), "max_results": str(_PAGE), **order}
            ET.fromstring(session.get(url, params=page, timeout=60).content)  # noqa: S314 - our own

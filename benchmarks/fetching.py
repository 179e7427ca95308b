"""Fetch and parse: the real source over real HTTP, against an invented arXiv in another process."""

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager

import requests

from benchmarks import house, material
from benchmarks.arxiv import arxiv
from benchmarks.measure import Cost, aside, measure, seconds
from benchmarks.table import Row
from newsletter.app import App
from newsletter.fetching import OVERLAP
from newsletter.model import Topic
from newsletter.query import name_query, write_search_query
from newsletter.sieve import Basket
from newsletter.sources import Want, Window

_TOPICS = [Topic(number, name, f'"{name}"', begun=True) for number, name in enumerate(material.TOPICS, 1)]
_ASKED = _TOPICS[0]  # its answer is all papers; sifted here, each is under one topic or two
_QUERY = write_search_query(name_query(_ASKED.name))
_WINDOW = Window(material.NOW, material.NOW - OVERLAP, material.NOW)
_PAGE = 100  # papers; the configuration's default
_ENOUGH = 2_000  # papers of the reference; what it takes for more is reckoned


def fetching(papers: int) -> Row:
    """Read all papers as one topic's, and sift them."""
    with _opened(papers) as (app, url):
        _read_plainly(url, papers)  # the stand-in's first answers are slower
        cost, basket = measure(lambda: _read(app), times=3)
        reference = seconds(lambda: _read_plainly(url, papers))
    assert len(basket.papers) == papers
    return _row(f"fetch, parse and sift {papers:,} papers", papers, cost, reference)


def fetching_held(papers: int) -> Row:
    """Read all papers and find that they are held; none of them is to be kept in memory."""
    with _opened(papers, held=True) as (app, url):
        cost, basket = measure(lambda: _read(app))
        reference = _reckoned(url, papers)
    assert not basket.papers
    return _row(f"fetch {papers:,} papers that are held", papers, cost, reference)


def reading_history(papers: int) -> Row:
    """Read all papers as a backfill does, which takes the range apart where more match than arXiv lists."""
    with _opened(papers) as (app, url):
        keys: set[tuple[str, int]] = set()
        cost, account = measure(
            lambda: app.query_api.history(
                _QUERY, _WINDOW.overlap, _WINDOW.now, lambda page: keys.update(paper.key for paper in page)
            )
        )
        reference = _reckoned(url, papers)
    assert len(keys) == papers, account
    return _row(f"read {papers:,} papers of history", papers, cost, reference)


@contextmanager
def _opened(papers: int, *, held: bool = False) -> Iterator[tuple[App, str]]:
    """A newsletter and its arXiv, whose papers it may hold already."""
    with house.temporary() as folder, arxiv(papers, [_ASKED.name]) as url:
        if held:
            aside(house.hold, folder, papers)
        with house.opened(folder, api_url=url) as app:
            yield app, url


def _read(app: App) -> Basket:
    basket = Basket(app.storage, _TOPICS, (), _WINDOW.overlap)
    app.query_api.fetch([Want(_ASKED.id, _QUERY)], _WINDOW, basket)
    return basket


def _reckoned(url: str, papers: int) -> float:
    few = min(papers, _ENOUGH)
    return seconds(lambda: _read_plainly(url, few), times=1) * papers / few


def _read_plainly(url: str, papers: int) -> None:
    order = {"sortBy": "lastUpdatedDate", "sortOrder": "descending"}
    with requests.Session() as session:
        for start in range(0, papers, _PAGE):
            page = {"search_query": _QUERY, "start": str(start), "max_results": str(_PAGE), **order}
            ET.fromstring(session.get(url, params=page, timeout=60).content)  # noqa: S314 - our own


def _row(step: str, papers: int, cost: Cost, reference: float) -> Row:
    return Row(step, papers, "papers", cost, reference, "requests and ElementTree alone")

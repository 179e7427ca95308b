"""A web front over editions of invented papers: its pages through Flask's client, and served over real HTTP."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from house import START, Time, bring, make_app, make_paper, subscribe
from werkzeug.test import TestResponse

from newsletter.app import App
from newsletter.config.web import WebSection
from newsletter.model import Paper, Remark
from newsletter.settling import settle
from newsletter.web import Pool, make_site
from newsletter.web.listening import Patience, Server, listen

BASE_URL = "https://papers.example.org"
TOPICS: Sequence[str | dict[str, str]] = (
    "Graph Neural Networks",
    {"name": "Moths & Lamps", "query": "ti:moths AND abs:lamp"},
)


@dataclass
class WebFront:
    """A newsletter with its web front; `time` moves its clock, and that by which pages are kept."""

    app: App
    time: Time
    pool: Pool
    site: Flask

    @property
    def client(self) -> FlaskClient:
        """Asks for pages, as a browser that speaks English."""
        return self.site.test_client()

    def get(self, path: str, **options: Any) -> TestResponse:
        """Ask for a page."""
        return self.client.get(path, **options)

    def page(self, path: str, status: int = 200, **options: Any) -> str:
        """The text of a page that has to be there."""
        answer = self.get(path, **options)
        assert answer.status_code == status, answer.text
        return answer.text

    def bring_out(self, *papers: Paper, remarks: tuple[Remark, ...] = ()) -> None:
        """Today's edition."""
        bring(self.app, *papers)
        settle(self.app, self.app.today(), remarks)

    def pass_days(self, number: int = 1) -> None:
        """Let days go by."""
        self.time.now += timedelta(days=number)


def open_front(
    folder: Path,
    *,
    topics: Sequence[str | dict[str, str]] = TOPICS,
    outside: dict[str, Any] | None = None,
    **sections: Any,
) -> WebFront:
    """A newsletter with nothing in it yet; `sections` adds to the tables of config.toml."""
    clock = Time()
    sections["newsletter"] = {"base_url": BASE_URL, **sections.get("newsletter", {})}
    steady = {"monotonic": lambda: (clock.now - START).total_seconds(), **(outside or {})}
    app = make_app(folder, topics=topics, time=clock, outside=steady, **sections)
    _ = app.storage
    pool = Pool(app.config, app.outside)
    return WebFront(app, clock, pool, make_site(pool))


@contextmanager
def web_front(folder: Path, **options: Any) -> Iterator[WebFront]:
    """A newsletter with its web front, closed at the end."""
    found = open_front(folder, **options)
    with closing(found.app):
        yield found
        found.pool.close()


def tell_of_two_weeks(front: WebFront) -> None:
    """Editions of two working weeks, with all that a page can show: revisions, remarks, a paper under two topics."""
    subscribe(front.app, "reader@example.org", queries=["ti:secret"])
    for number in range(14):
        if front.app.today().weekday() < 5:
            papers = [
                replace(paper, updated=front.time.now, submitted=front.time.now) for paper in _papers(10 * number)
            ]
            front.bring_out(*papers)
        front.pass_days()
    first = _papers(0)[0]
    revised = replace(first, version=2, abstract="We look at other graphs.", comment="Accepted at ICML 2026")
    front.bring_out(replace(revised, submitted=START, updated=front.time.now))


def _papers(first: int) -> list[Paper]:
    return [
        make_paper(
            first + 1, f"On Graph Neural Networks, Part {first}", comment="12 pages; https://github.com/example/graphs"
        ),
        make_paper(first + 2, f"Moths in Graph Neural Networks, Part {first}", abstract="A lamp is a graph. " * 30),
        make_paper(first + 3, f"Moths <script>alert({first})</script> & $\\ell_1$", abstract="Under a lamp."),
        make_paper(first + 4, "A Secret of Graphs", abstract="Nothing else."),
    ]


@contextmanager
def serving(
    front: WebFront, *, prefix: str = "", patience: Patience | None = None, host: str = "127.0.0.1", **web: Any
) -> Iterator[Server]:
    """A server of it at a port that is free; `web` are keys of ``[web]``."""
    options: dict[str, Any] = {"prefix": prefix, "patience": patience, "at_the_end": front.pool.close}
    with listen(host, 0) as listener, Server(front.site, listener, WebSection(**web), **options) as server:
        yield server


@contextmanager
def served(front: WebFront, **options: Any) -> Iterator[str]:
    """The same; yields the address of its first page, without a slash."""
    with serving(front, **options) as server:
        yield f"http://127.0.0.1:{server.port}"


def standalone(front: WebFront, path: str, **options: Any) -> str:
    """A page with its style sheet in it, for checkers that have no network."""
    style = front.page("/style.css")
    html = front.get(path, **options).text
    return re.sub(r'<link rel="stylesheet"[^>]*>', lambda _: f"<style>\n{style}\n</style>", html, count=1)

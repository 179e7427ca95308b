"""Atom feeds (RFC 4287): what stands in one, of papers or of editions."""

from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

import jinja2

from newsletter.model import Announcement
from newsletter.rendering.environment import render
from newsletter.rendering.fragments import one_line
from newsletter.text import readable

MOST = 50  # entries
_AUTHORS = 30  # of a paper; some have thousands
_LONGEST = 5_000  # characters of an abstract; arXiv's are shorter
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """A paper or an edition. Its `id` is never another one's, and stays; `updated` is when it was announced here."""

    id: str
    title: str
    address: str
    updated: datetime
    summary: str
    language: str
    authors: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Feed:
    """A feed: `own` is its address, `page` that of the page which shows the same."""

    id: str
    title: str
    author: str
    language: str
    own: str
    page: str
    entries: tuple[Entry, ...]

    @property
    def updated(self) -> datetime:
        """When something came in last."""
        return max((entry.updated for entry in self.entries), default=_NEVER)


def tag(domain: str, day: str, *parts: str) -> str:
    """A name that nobody else gives, and that tells nobody where to look (RFC 4151); `domain` was ours on that day."""
    return f"tag:{domain},{day}:{'/'.join(quote(part, safe='') for part in parts)}"


def paper_entry(id_: str, title: str, told: Announcement, updated: datetime) -> Entry:
    """The entry of a paper that was announced; its title may say more than the paper's own."""
    paper = told.paper
    authors = (one_line(readable(author)) for author in paper.authors[:_AUTHORS])
    return Entry(
        id=id_,
        title=one_line(title),
        address=paper.link,
        updated=updated,
        summary=one_line(readable(paper.abstract))[:_LONGEST],
        language="en",
        authors=tuple(filter(None, authors)),
        categories=tuple(filter(None, map(one_line, paper.categories))),
    )


def write_feed(environment: jinja2.Environment, feed: Feed) -> str:
    """A feed as XML. Raises `TemplateError`."""
    return render(environment, "web/feed.xml", feed=feed)

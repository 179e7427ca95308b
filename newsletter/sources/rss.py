"""arXiv's daily feeds, in RSS 2.0 and in Atom, as provisional papers (arXiv, "RSS feeds" and its specifications).

A feed tells neither comments nor when a version was submitted. It is made at midnight in New York and holds what was
announced the evening before; the times of its papers are estimates from that.
"""

import calendar
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import struct_time
from typing import Any

from newsletter.errors import SourceError
from newsletter.model import Paper, Version, parse_identifier
from newsletter.sources.atom import categories, flat, read_feed, refuse_damaged, tags
from newsletter.sources.client import RefusedError
from newsletter.sources.names import split_authors

_HEAD = re.compile(r"\s*arXiv:(?P<id>\S+)\s+Announce Type:\s*(?P<announce>[\w-]+)\s*(?:Abstract:)?", re.I)
_YEAR_AND_MONTH = re.compile(r"(?:^|/)(\d{2})(\d{2})")
_TITLE = "updates on arxiv.org"
_ERROR = "feed error"
_WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """A paper in a feed; `announce` is ``new``, ``cross``, ``replace`` or ``replace-cross``."""

    paper: Paper
    announce: str


@dataclass(frozen=True, slots=True)
class Feed:
    """One feed: `published` is the midnight it is of, `unreadable` tells of items that are no paper of ours."""

    entries: tuple[FeedEntry, ...]
    unreadable: tuple[str, ...] = ()
    published: datetime | None = None

    @property
    def items(self) -> int:
        """How many there are, readable or not."""
        return len(self.entries) + len(self.unreadable)


def parse_feed(body: bytes) -> Feed:
    """Read a feed; one without items is in order.

    Raises:
        RefusedError: it tells of an error (then the text is arXiv's).
        SourceError: it is damaged, or no feed of arXiv at all.

    """
    parsed = read_feed(body)
    title = flat(parsed.feed.get("title", "")).lower()
    is_feed = parsed.get("version", "").startswith(("rss", "atom"))
    if is_feed and title.startswith(_ERROR):
        raise RefusedError(f"arXiv says: {flat(parsed.feed.get('subtitle', ''))}", body)
    if not is_feed or _TITLE not in title:
        raise SourceError(f"no feed of arXiv: it begins {body[:60].decode('utf-8', 'replace')!r}")
    refuse_damaged(parsed)
    # An Atom channel tells only when it was rendered.
    days = (_moment(element.get("published_parsed")) for element in (parsed.feed, *parsed.entries))
    published = next(filter(None, days), None)
    entries, unreadable = [], []
    for entry in parsed.entries:
        try:
            entries.append(_entry(entry, _moment(entry.get("published_parsed")) or published))
        except (KeyError, ValueError) as error:
            unreadable.append(f"{entry.get('id', 'an item without guid')}: {error}")
    return Feed(tuple(entries), tuple(unreadable), published)


def _entry(entry: Mapping[str, Any], day: datetime | None) -> FeedEntry:
    description = entry.get("summary", "")
    head = _HEAD.match(description)
    version = _version(entry.get("id", ""), head["id"] if head else "", entry.get("link", ""))
    if day is None:
        raise ValueError("nothing says of which day it is")
    announce = entry.get("arxiv_announce_type", "") or (head["announce"] if head else "")
    number = version.number or 1
    paper = Paper(
        id=version.id,
        version=number,
        title=flat(entry["title"]),
        abstract=flat(description[head.end() :] if head else description),
        authors=split_authors(entry.get("author", "")),
        categories=categories(tags(entry)),
        journal_ref=flat(entry.get("arxiv_journal_reference", "")),
        doi=flat(entry.get("arxiv_doi", "")),
        submitted=_submitted(version.id, number, day),
        updated=day,
        provisional=True,
    )
    return FeedEntry(paper, flat(announce).lower())


def _version(*places: str) -> Version:
    for place in places:
        version = parse_identifier(place)
        if version is not None and version.number is not None:
            return version
    raise ValueError("nothing says which version of which paper it is")


def _submitted(identifier: str, version: int, day: datetime) -> datetime:
    """About when version 1 was: by the feed's day if this is it and its identifier is young, else by the identifier.

    An old paper's only version is in the feed when it is listed in another category.
    """
    month = _month(identifier)
    fresh = month is None or (month.year, month.month) >= ((day - _WEEK).year, (day - _WEEK).month)
    return day if month is None or (version == 1 and fresh) else min(month, day)


def _month(identifier: str) -> datetime | None:
    match = _YEAR_AND_MONTH.search(identifier)
    if match is None:
        return None
    year, month = int(match[1]), int(match[2])
    return datetime(year + (1900 if year > 90 else 2000), month, 1, tzinfo=UTC)


def _moment(parsed: struct_time | None) -> datetime | None:
    return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None

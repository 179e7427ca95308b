"""The query API's Atom answer, in its present form and in that until November 2025, as papers."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import feedparser

from newsletter.errors import SourceError
from newsletter.model import Paper, parse_identifier
from newsletter.text import INVISIBLE

_CATEGORY = re.compile(r"[a-z]+(-[a-z]+)?(\.[A-Za-z-]+)?")


@dataclass(frozen=True, slots=True)
class Answer:
    """One page: `total` is what arXiv says matched, `unreadable` tells of entries that are no paper of ours."""

    total: int
    papers: tuple[Paper, ...]
    unreadable: tuple[str, ...] = ()

    @property
    def entries(self) -> int:
        """How far this page goes: readable or not, each entry counts for `start`."""
        return len(self.papers) + len(self.unreadable)


def parse_answer(body: bytes) -> Answer:
    """Read one page.

    Raises:
        SourceError: it is arXiv's error entry (then the text is arXiv's), or no answer of the API at all.

    """
    # Nothing of the feed is shown as HTML, and relative links do not occur: the two passes would only cost time.
    parsed = feedparser.parse(body, sanitize_html=False, resolve_relative_uris=False)
    total = parsed.feed.get("opensearch_totalresults")
    for entry in parsed.entries:
        if "/api/errors" in entry.get("id", ""):
            raise SourceError(f"arXiv says: {_flat(entry.get('summary', ''))}")
    # feedparser takes any HTML for an empty feed; only this element says that the API has spoken.
    if total is None or not str(total).strip().isdigit():
        raise SourceError(f"no answer of the API: it begins {body[:60].decode('utf-8', 'replace')!r}")
    if parsed.bozo and not isinstance(parsed.bozo_exception, feedparser.exceptions.CharacterEncodingOverride):
        raise SourceError(f"the answer is damaged: {parsed.bozo_exception}")
    papers, unreadable = [], []
    for entry in parsed.entries:
        try:
            papers.append(_paper(entry))
        except (KeyError, ValueError) as error:
            unreadable.append(f"{entry.get('id', 'an entry without id')}: {error}")
    return Answer(int(total), tuple(papers), tuple(unreadable))


def _paper(entry: Mapping[str, Any]) -> Paper:
    version = parse_identifier(entry["id"])
    if version is None or version.number is None:
        raise ValueError("the id is not that of a paper version")
    return Paper(
        id=version.id,
        version=version.number,
        title=_flat(entry["title"]),
        abstract=_flat(entry.get("summary", "")),
        authors=tuple(name for author in entry.get("authors", ()) if (name := _flat(author.get("name", "")))),
        categories=_categories(entry),
        comment=_flat(entry.get("arxiv_comment", "")),
        journal_ref=_flat(entry.get("arxiv_journal_ref", "")),
        doi=_flat(entry.get("arxiv_doi", "")),
        submitted=_moment(entry["published"]),
        updated=_moment(entry["updated"]),
    )


def _categories(entry: Mapping[str, Any]) -> tuple[str, ...]:
    # The old service listed MSC and ACM classes among the categories.
    terms = [
        entry.get("arxiv_primary_category", {}).get("term", ""),
        *(tag.get("term") or "" for tag in entry.get("tags", ())),
    ]
    return tuple(dict.fromkeys(term for term in terms if _CATEGORY.fullmatch(term)))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def _flat(text: str) -> str:
    return " ".join(INVISIBLE.sub("", text).split())

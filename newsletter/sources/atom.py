"""The query API's Atom answer, in its present form and in that until November 2025, as papers."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
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
    parsed = read_feed(body)
    total = parsed.feed.get("opensearch_totalresults")
    for entry in parsed.entries:
        if "/api/errors" in entry.get("id", ""):
            raise SourceError(f"arXiv says: {flat(entry.get('summary', ''))}")
    # feedparser takes any HTML for an empty feed; only this element says that the API has spoken.
    if total is None or not str(total).strip().isdigit():
        raise SourceError(f"no answer of the API: it begins {body[:60].decode('utf-8', 'replace')!r}")
    refuse_damaged(parsed)
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
        title=flat(entry["title"]),
        abstract=flat(entry.get("summary", "")),
        authors=tuple(filter(_is_name, (flat(author.get("name", "")) for author in entry.get("authors", ())))),
        categories=categories([_primary(entry), *tags(entry)]),
        comment=flat(entry.get("arxiv_comment", "")),
        journal_ref=flat(entry.get("arxiv_journal_ref", "")),
        doi=flat(entry.get("arxiv_doi", "")),
        submitted=_moment(entry["published"]),
        updated=_moment(entry["updated"]),
    )


def _is_name(text: str) -> bool:
    return any(map(str.isalnum, text))  # of "NVIDIA: A. Author" the colon is an author, too


def read_feed(body: bytes) -> Any:
    """Have feedparser read an Atom or RSS document; of what is none it makes an empty feed, or raises `SourceError`."""
    try:
        # As a file, since bytes may be taken for a file's name. Nothing of it is shown as HTML, and relative links do
        # not occur: the two passes would only cost time.
        return feedparser.parse(BytesIO(body), sanitize_html=False, resolve_relative_uris=False)
    except Exception as error:  # it takes most damage, and fails in many ways on the rest
        raise SourceError(f"the answer is damaged: {error}") from error


def refuse_damaged(parsed: Any) -> None:
    """Raise `SourceError` if the document was cut short, or is otherwise not well-formed."""
    if parsed.bozo and not isinstance(parsed.bozo_exception, feedparser.exceptions.CharacterEncodingOverride):
        raise SourceError(f"the answer is damaged: {parsed.bozo_exception}")


def _primary(entry: Mapping[str, Any]) -> str:
    return entry.get("arxiv_primary_category", {}).get("term") or ""


def tags(entry: Mapping[str, Any]) -> list[str]:
    """The terms of an entry's category elements."""
    return [tag.get("term") or "" for tag in entry.get("tags", ())]


def categories(terms: Iterable[str]) -> tuple[str, ...]:
    """Those of the terms that have the form of arXiv's categories, once each: MSC and ACM classes stood among them."""
    return tuple(dict.fromkeys(term for term in terms if _CATEGORY.fullmatch(term)))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)


def flat(text: str) -> str:
    """Collapse white space; control and direction characters are dropped."""
    return " ".join(INVISIBLE.sub("", text).split())

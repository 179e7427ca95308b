"""Atom feeds as arXiv's query API writes them: today, and until November 2025."""

import base64
import hashlib
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import quote
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from newsletter.model import Paper

#: "2025-10": the service that was replaced in November 2025.
Form = Literal["today", "2025-10"]

ATOM = "http://www.w3.org/2005/Atom"
ARXIV = "http://arxiv.org/schemas/atom"
_OPENSEARCH = "http://a9.com/-/spec/opensearch/1.1/"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Page:
    """One page of an answer, with what was asked as it was asked."""

    search_query: str
    id_list: str
    start: int
    max_results: int
    total: int
    papers: Sequence[Paper]
    moment: datetime


def feed(page: Page, form: Form = "today") -> bytes:
    """Write a page."""
    lines = _old_feed(page) if form == "2025-10" else _feed(page)
    return document(lines)


def error_feed(message: str, moment: datetime) -> bytes:
    """Write an error as the API does: a feed whose only entry is the error."""
    link = f"https://arxiv.org/api/errors#{quote(message.replace(' ', '_'))}"
    return document(_error_feed(message, link, _time(moment)))


def document(lines: Iterator[str]) -> bytes:
    """Put lines of XML together, without what XML cannot hold."""
    return _NOT_XML.sub("", "\n".join(lines)).encode() + b"\n"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def attribute(text: str) -> str:
    """Quote the value of an attribute."""
    return f'"{escape(text, {chr(34): "&quot;"})}"'


def _hash(page: Page) -> str:
    asked = f"{page.search_query} {page.id_list} {page.start} {page.max_results}"
    digest = hashlib.sha1(asked.encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode().rstrip("=")


def _feed(page: Page) -> Iterator[str]:
    asked = f"search_query={page.search_query}&id_list={page.id_list}&start={page.start}&max_results={page.max_results}"
    query = f"search_query={quote(page.search_query, safe=':/,')}&start={page.start}&max_results={page.max_results}"
    address = f"https://arxiv.org/api/query?{query}&id_list={quote(page.id_list, safe='/,')}"
    yield from _opening()
    yield f"  <id>https://arxiv.org/api/{_hash(page)}</id>"
    yield f"  <title>arXiv Query: {escape(asked)}</title>"
    yield f"  <updated>{_time(page.moment)}</updated>"
    yield f'  <link href={attribute(address)} type="application/atom+xml"/>'
    yield from _counts(page.max_results, page.total, page.start)
    for paper in page.papers:
        yield from _entry(paper)
    yield "</feed>"


def _opening() -> Iterator[str]:
    yield "<?xml version='1.0' encoding='UTF-8'?>"
    yield f'<feed xmlns:opensearch="{_OPENSEARCH}" xmlns:arxiv="{ARXIV}" xmlns="{ATOM}">'


def _counts(size: int, total: int, start: int) -> Iterator[str]:
    yield f"  <opensearch:itemsPerPage>{size}</opensearch:itemsPerPage>"
    yield f"  <opensearch:totalResults>{total}</opensearch:totalResults>"
    yield f"  <opensearch:startIndex>{start}</opensearch:startIndex>"


def _entry(paper: Paper) -> Iterator[str]:
    name = f"{paper.id}v{paper.version}"
    yield "  <entry>"
    yield f"    <id>http://arxiv.org/abs/{name}</id>"
    yield f"    <title>{escape(paper.title)}</title>"
    yield f"    <updated>{_time(paper.updated)}</updated>"
    yield f'    <link href="https://arxiv.org/abs/{name}" rel="alternate" type="text/html"/>'
    yield f'    <link href="https://arxiv.org/pdf/{name}" rel="related" type="application/pdf" title="pdf"/>'
    yield f"    <summary>{escape(paper.abstract)}</summary>"
    for category in paper.categories:
        yield f'    <category term={attribute(category)} scheme="{ARXIV}"/>'
    yield f"    <published>{_time(paper.submitted)}</published>"
    if paper.comment:
        yield f"    <arxiv:comment>{escape(paper.comment)}</arxiv:comment>"
    yield f"    <arxiv:primary_category term={attribute(paper.categories[0])}/>"
    if paper.journal_ref:
        yield f"    <arxiv:journal_ref>{escape(paper.journal_ref)}</arxiv:journal_ref>"
    yield from _authors(paper)
    if paper.doi:
        yield f"    <arxiv:doi>{escape(paper.doi)}</arxiv:doi>"
        yield f'    <link rel="related" href={attribute(f"https://doi.org/{paper.doi}")} title="doi"/>'
    yield "  </entry>"


def _authors(paper: Paper) -> Iterator[str]:
    for author in paper.authors:
        yield "    <author>"
        yield f"      <name>{escape(author)}</name>"
        yield "    </author>"


def _error_feed(message: str, link: str, moment: str) -> Iterator[str]:
    yield from _opening()
    yield "  <id>https://arxiv.org/</id>"
    yield "  <title>arXiv Search Results</title>"
    yield f"  <updated>{moment}</updated>"
    yield from _counts(1, 1, 0)
    yield "  <entry>"
    yield f"    <id>{escape(link)}</id>"
    yield "    <title>Error</title>"
    yield f"    <updated>{moment}</updated>"
    yield f'    <link href={attribute(link)} rel="alternate" type="text/html"/>'
    yield f"    <summary>{escape(message)}</summary>"
    yield "    <author>"
    yield "      <name>arXiv api core</name>"
    yield "    </author>"
    yield "  </entry>"
    yield "</feed>"


# ---------------------------------------------------------------- until November 2025


def _old_feed(page: Page) -> Iterator[str]:
    asked = f"search_query={page.search_query}&id_list={page.id_list}&start={page.start}&max_results={page.max_results}"
    midnight = page.moment.astimezone(ZoneInfo("America/New_York")).replace(hour=0, minute=0, second=0, microsecond=0)
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<feed xmlns="{ATOM}">'
    yield f'  <link href="http://arxiv.org/api/query?{quote(asked, safe="")}" rel="self" type="application/atom+xml"/>'
    yield f'  <title type="html">ArXiv Query: {escape(asked)}</title>'
    yield f"  <id>http://arxiv.org/api/{_hash(page)}</id>"
    yield f"  <updated>{midnight.isoformat()}</updated>"
    for name, number in (("totalResults", page.total), ("startIndex", page.start), ("itemsPerPage", page.max_results)):
        yield f'  <opensearch:{name} xmlns:opensearch="{_OPENSEARCH}">{number}</opensearch:{name}>'
    for paper in page.papers:
        yield from _old_entry(paper)
    yield "</feed>"


def _old_entry(paper: Paper) -> Iterator[str]:
    name, namespace = f"{paper.id}v{paper.version}", f'xmlns:arxiv="{ARXIV}"'
    yield "  <entry>"
    yield f"    <id>http://arxiv.org/abs/{name}</id>"
    yield f"    <updated>{_time(paper.updated)}</updated>"
    yield f"    <published>{_time(paper.submitted)}</published>"
    yield f"    <title>{escape(_folded(paper.title, 'Title'))}</title>"
    yield f"    <summary>{escape(_old_abstract(paper.abstract))}</summary>"
    yield from _authors(paper)
    if paper.doi:
        yield f"    <arxiv:doi {namespace}>{escape(paper.doi)}</arxiv:doi>"
        yield f'    <link title="doi" href={attribute(f"http://dx.doi.org/{paper.doi}")} rel="related"/>'
    if paper.comment:
        yield f"    <arxiv:comment {namespace}>{escape(_folded(paper.comment, 'Comments'))}</arxiv:comment>"
    if paper.journal_ref:
        reference = escape(_folded(paper.journal_ref, "Journal-ref"))
        yield f"    <arxiv:journal_ref {namespace}>{reference}</arxiv:journal_ref>"
    yield f'    <link href="http://arxiv.org/abs/{name}" rel="alternate" type="text/html"/>'
    yield f'    <link title="pdf" href="http://arxiv.org/pdf/{name}" rel="related" type="application/pdf"/>'
    yield f'    <arxiv:primary_category {namespace} term={attribute(paper.categories[0])} scheme="{ARXIV}"/>'
    for category in paper.categories:
        yield f'    <category term={attribute(category)} scheme="{ARXIV}"/>'
    yield "  </entry>"


def _old_abstract(text: str) -> str:
    lines = textwrap.wrap(text, 79, initial_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines) + "\n"


def _folded(text: str, label: str) -> str:
    # It folded what was announced by mail, label and all, and then left the label out.
    labelled = f"{label}: {text}"
    lines = textwrap.wrap(labelled, 79, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines).removeprefix(f"{label}:").lstrip()

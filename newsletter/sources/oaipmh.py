"""OAI-PMH answers with metadata in arXivRaw, as papers (protocol version 2.0; arXiv, "Open Archives Initiative").

Pages are large: 2,500 records are 10 MB. lxml's `iterparse` hands them out one by one, each is dropped once read, and
it can be told to leave entities and the network alone; the standard library's cannot.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from io import BytesIO
from typing import Any

from lxml import etree

from newsletter.errors import SourceError
from newsletter.model import Paper, parse_identifier
from newsletter.sources.atom import categories, flat
from newsletter.sources.client import RefusedError
from newsletter.sources.names import split_authors

_OAI = "{http://www.openarchives.org/OAI/2.0/}"
_RAW = "{http://arxiv.org/OAI/arXivRaw/}"
_TAGS = tuple(f"{_OAI}{name}" for name in ("record", "resumptionToken", "error", "ListRecords", "GetRecord", "OAI-PMH"))


class ExpiredError(RefusedError):
    """The resumption token is not, or no longer, valid: the list must begin again."""


@dataclass(frozen=True, slots=True)
class Records:
    """One page of a list; `token` asks for the next, and is empty on the last."""

    papers: tuple[Paper, ...] = ()
    deleted: int = 0
    unreadable: tuple[str, ...] = ()
    token: str = ""

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it at all."""
        return not (self.papers or self.deleted or self.unreadable or self.token)


def parse_records(body: bytes) -> Records:
    """Read one page; that no records match is an empty one.

    Raises:
        ExpiredError: the list must begin again.
        RefusedError: any other error (then the text is arXiv's).
        SourceError: it is damaged, or no list of records at all.

    """
    papers, unreadable = [], []
    deleted, token, listed = 0, "", False
    try:
        for element in _elements(body):
            name = etree.QName(element).localname
            if name == "error":
                return _refused(element, body)
            listed = listed or name in ("ListRecords", "GetRecord")
            if name == "resumptionToken":
                token = (element.text or "").strip()
            elif name == "record" and _is_deleted(element):
                deleted += 1
            elif name == "record":
                try:
                    papers.append(_paper(element))
                except (LookupError, ValueError) as error:
                    unreadable.append(f"{element.findtext(f'.//{_OAI}identifier') or 'a record without id'}: {error}")
    except etree.XMLSyntaxError as error:
        raise SourceError(f"the answer is damaged: {error}; it begins {_beginning(body)}") from error
    if not listed:
        raise SourceError(f"no list of OAI-PMH: it begins {_beginning(body)}")
    return Records(tuple(papers), deleted, tuple(unreadable), token)


def _elements(body: bytes) -> Iterator[Any]:
    """The elements that matter, once they are complete; each is dropped when the next is asked for."""
    for _, element in etree.iterparse(BytesIO(body), tag=_TAGS, resolve_entities=False, no_network=True):
        yield element
        parent = element.getparent()
        if parent is not None:
            del parent[: parent.index(element)]
        element.clear()


def _refused(error: Any, body: bytes) -> Records:
    code, said = error.get("code", ""), flat(error.text or "")
    if code == "noRecordsMatch":
        return Records()
    if code == "badResumptionToken":
        raise ExpiredError("arXiv says that its list must begin again (badResumptionToken)", body)
    raise RefusedError(f"arXiv says: {code}: {said}", body)


def _is_deleted(record: Any) -> bool:
    header = record.find(f"{_OAI}header")
    return header is not None and header.get("status") == "deleted"


def _paper(record: Any) -> Paper:
    raw = record.find(f"{_OAI}metadata/{_RAW}arXivRaw")
    if raw is None:
        raise ValueError("no metadata in arXivRaw")

    def text(name: str) -> str:
        return flat(raw.findtext(f"{_RAW}{name}") or "")

    identifier = parse_identifier(text("id"))
    if identifier is None:
        raise ValueError(f"no identifier of arXiv: {text('id')!r}")
    versions = _versions(raw)
    newest = max(versions)
    if not text("title"):
        raise ValueError("no title")
    return Paper(
        id=identifier.id,
        version=newest,
        title=text("title"),
        abstract=text("abstract"),
        authors=split_authors(text("authors")),
        categories=categories(text("categories").split()),
        comment=text("comments"),
        journal_ref=text("journal-ref"),
        doi=text("doi"),
        report_no=text("report-no"),
        submitted=versions[min(versions)],
        updated=versions[newest],
    )


def _versions(raw: Any) -> dict[int, datetime]:
    found = {}
    for version in raw.iterfind(f"{_RAW}version"):
        moment = parsedate_to_datetime(flat(version.findtext(f"{_RAW}date") or ""))
        found[int(version.get("version", "").removeprefix("v"))] = moment.replace(tzinfo=moment.tzinfo or UTC)
    if not found or min(found) < 1:
        raise ValueError("no versions")
    return found


def _beginning(body: bytes) -> str:
    return repr(body[:60].decode("utf-8", "replace"))

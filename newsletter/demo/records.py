"""OAI-PMH records as oaipmh.arxiv.org writes them: headers, and the formats arXiv, arXivRaw and oai_dc."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from xml.sax.saxutils import escape

from newsletter.demo.announcements import Release, until
from newsletter.demo.authors import cut, raw
from newsletter.demo.taxonomy import set_spec, with_aliases
from newsletter.model import Paper

_XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_DC = "http://www.openarchives.org/OAI/2.0/oai_dc"
_WITHDRAWN = re.compile(r"\bwithdrawn\b", re.I)

#: Prefix, schema, namespace.
FORMATS = (
    ("oai_dc", f"{_DC}.xsd", f"{_DC}/"),
    ("arXiv", "https://oaipmh.arxiv.org/OAI/arXiv.xsd", "http://arxiv.org/OAI/arXiv/"),
    ("arXivRaw", "https://oaipmh.arxiv.org/OAI/arXivRaw.xsd", "http://arxiv.org/OAI/arXivRaw/"),
)


@dataclass(frozen=True, slots=True)
class Record:
    """A paper as it stands, with the submission of each of its versions, and whether more than v1 was done to it."""

    release: Release
    versions: tuple[datetime, ...]
    touched: bool

    @property
    def paper(self) -> Paper:
        """The newest version."""
        return self.release.paper

    @property
    def datestamp(self) -> date:
        """The day (UTC) on which something was last done to it."""
        return self.release.moment.astimezone(UTC).date()

    @property
    def sets(self) -> tuple[str, ...]:
        """The sets it is in: one for each category, and for each that is the same under another name."""
        own = self.paper.categories
        return tuple(map(set_spec, (*own, *sorted(with_aliases(own) - set(own)))))

    def belongs(self, spec: str) -> bool:
        """Whether it is in a set: a group, an archive or a category."""
        return any(own == spec or own.startswith(f"{spec}:") for own in self.sets)


def records(releases: Sequence[Release], moment: datetime) -> list[Record]:
    """The records at a moment, in the order in which they were changed."""
    done: dict[str, list[Release]] = {}
    for release in until(releases, moment):
        done.setdefault(release.paper.id, []).append(release)
    found = [Record(history[-1], _versions(history), len(history) > 1) for history in done.values()]
    return sorted(found, key=lambda record: (record.release.moment, record.paper.id))


def _versions(history: Sequence[Release]) -> tuple[datetime, ...]:
    # What came before the library begins is taken for submitted with the version before it.
    newest = history[-1].paper
    known = {1: newest.submitted} | {release.paper.version: release.paper.updated for release in history}
    moments = [known[1]]
    for number in range(2, newest.version + 1):
        moments.append(known.get(number, moments[-1]))
    return tuple(moments)


def header(record: Record) -> Iterator[str]:
    """Write a record's header."""
    yield '<header status="deleted">' if record.release.action == "deleted" else "<header>"
    yield f"  <identifier>oai:arXiv.org:{record.paper.id}</identifier>"
    yield f"  <datestamp>{record.datestamp}</datestamp>"
    for spec in record.sets:
        yield f"  <setSpec>{spec}</setSpec>"
    yield "</header>"


def record_lines(record: Record, prefix: str) -> Iterator[str]:
    """Write a record; what is deleted has no metadata."""
    yield "<record>"
    yield from header(record)
    if record.release.action != "deleted":
        write = {"arXiv": _arxiv, "arXivRaw": _arxiv_raw, "oai_dc": _dublin_core}[prefix]
        yield from ("<metadata>", *write(record), "</metadata>")
    yield "</record>"


def quoted(text: str) -> str:
    """Write text with quotation marks as character references, as arXiv's templates do."""
    return escape(text, {"'": "&#39;", '"': "&#34;"})


def _arxiv(record: Record) -> Iterator[str]:
    # `created` is the current version's day, though the schema says the first one's.
    paper = record.paper
    yield from _opening("arXiv")
    yield f"<id>{paper.id}</id>"
    yield f"<created>{paper.updated.astimezone(UTC).date()}</created>"
    if record.touched:
        yield f"<updated>{record.datestamp}</updated>"
    yield "<authors>"
    for author in paper.authors:
        parts = zip(("keyname", "forenames", "suffix"), cut(author), strict=True)
        yield from ("<author>", *(f"<{name}>{quoted(text)}</{name}>" for name, text in parts if text), "</author>")
    yield "</authors>"
    yield f"<title>{quoted(paper.title)}</title>"
    yield from _rest(record)
    yield "</arXiv>"


def _arxiv_raw(record: Record) -> Iterator[str]:
    paper, affiliations = record.paper, record.release.affiliations
    yield from _opening("arXivRaw")
    yield f"<id>{paper.id}</id>"
    yield f"<submitter>{quoted(paper.authors[0] if paper.authors else '')}</submitter>"
    for number, moment in enumerate(record.versions, 1):
        gone = number == paper.version and _WITHDRAWN.search(paper.comment)
        yield f'<version version="v{number}">'
        yield f"<date>{moment.astimezone(UTC):%a, %d %b %Y %H:%M:%S} GMT</date>"
        yield f"<size>{0 if gone else len(paper.abstract)}kb</size>"
        yield f"<source_type>{'I' if gone else 'D'}</source_type>"
        yield "</version>"
    yield f"<title>{quoted(paper.title)}</title>"
    yield f"<authors>{quoted(raw(paper, affiliations))}</authors>"
    yield from _rest(record)
    yield "</arXivRaw>"


def _opening(prefix: str) -> Iterator[str]:
    schema, namespace = next((schema, namespace) for name, schema, namespace in FORMATS if name == prefix)
    yield f'<{prefix} xmlns="{namespace}" {_XSI} xsi:schemaLocation="{namespace} {schema}">'


def _rest(record: Record) -> Iterator[str]:
    paper = record.paper
    texts = {
        "categories": " ".join(paper.categories),
        "comments": paper.comment,
        "report-no": paper.report_no,
        "journal-ref": paper.journal_ref,
        "doi": paper.doi,
        "license": record.release.license,
        "abstract": paper.abstract,
    }
    for name, text in texts.items():
        if text:
            yield f"<{name}>{quoted(text)}</{name}>"


def _dublin_core(record: Record) -> Iterator[str]:
    paper = record.paper
    yield f'<oai_dc:dc xmlns:oai_dc="{_DC}/" xmlns:dc="http://purl.org/dc/elements/1.1/" {_XSI}>'
    yield f"<dc:title>{quoted(paper.title)}</dc:title>"
    for author in paper.authors:
        key, forenames, suffix = cut(author)
        name = f"{key} {suffix}".rstrip()
        yield f"<dc:creator>{quoted(f'{name}, {forenames}' if forenames else name)}</dc:creator>"
    for category in paper.categories:
        yield f"<dc:subject>{category}</dc:subject>"
    for text in filter(None, (paper.abstract, paper.comment)):
        yield f"<dc:description>{quoted(text)}</dc:description>"
    for day in dict.fromkeys(moment.astimezone(UTC).date() for moment in (record.versions[0], record.versions[-1])):
        yield f"<dc:date>{day}</dc:date>"
    yield "<dc:type>text</dc:type>"
    names = (f"http://arxiv.org/abs/{paper.id}", paper.journal_ref, paper.doi and f"doi:{paper.doi}")
    for text in filter(None, names):
        yield f"<dc:identifier>{quoted(text)}</dc:identifier>"
    yield "</oai_dc:dc>"

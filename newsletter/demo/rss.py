"""Feeds as rss.arxiv.org writes them: RSS 2.0 and Atom."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal
from xml.sax.saxutils import escape

from newsletter.demo.announcements import NEW_YORK
from newsletter.demo.atom import ARXIV, ATOM, attribute, document
from newsletter.demo.authors import creators
from newsletter.demo.listing import Item

Kind = Literal["rss", "atom"]

_HOST = "http://rss.arxiv.org"  # it names itself by http
_DC = "http://purl.org/dc/elements/1.1/"
_CONTENT = "http://purl.org/rss/1.0/modules/content/"


@dataclass(frozen=True, slots=True)
class Channel:
    """A feed without its items: what it is called, and when it was rendered."""

    query: str
    title: str
    description: str
    built: datetime
    failed: bool = False

    def address(self, kind: Kind) -> str:
        """Where arXiv has it."""
        return f"{_HOST}/{kind}/{self.query}"


def channel(names: Sequence[str], built: datetime) -> Channel:
    """The feed of some archives and categories."""
    listed = ", ".join(names)
    return Channel(
        "+".join(names), f"{listed} updates on arXiv.org", f"{listed} updates on the arXiv.org e-print archive.", built
    )


def failed_channel(query: str, message: str, kind: Kind, built: datetime) -> Channel:
    """The feed that tells why there is none."""
    return Channel(query, f"Feed error for query: {_HOST}/{kind}/{query}", message, built, failed=True)


def written(kind: Kind, head: Channel, items: Sequence[Item] = ()) -> bytes:
    """Write a feed."""
    return document(_rss(head, items) if kind == "rss" else _atom(head, items))


def midnight(moment: datetime) -> datetime:
    """The midnight in New York before a moment: the time a feed gives to itself and its items."""
    return moment.astimezone(NEW_YORK).replace(hour=0, minute=0, second=0, microsecond=0)


def _rss(head: Channel, items: Sequence[Item]) -> Iterator[str]:
    address, day = head.address("rss"), format_datetime(midnight(head.built))
    yield "<?xml version='1.0' encoding='UTF-8'?>"
    yield f'<rss xmlns:arxiv="{ARXIV}" xmlns:dc="{_DC}" xmlns:atom="{ATOM}" xmlns:content="{_CONTENT}" version="2.0">'
    yield "  <channel>"
    yield f"    <title>{escape(head.title)}</title>"
    yield f"    <link>{escape(address)}</link>"
    yield f"    <description>{escape(head.description)}</description>"
    yield f'    <atom:link href={attribute(address)} rel="self" type="application/rss+xml"/>'
    yield "    <docs>http://www.rssboard.org/rss-specification</docs>"
    yield "    <language>en-us</language>"
    yield f"    <lastBuildDate>{format_datetime(head.built.astimezone(UTC))}</lastBuildDate>"
    yield f"    <managingEditor>rss-help{'.' if head.failed else '@'}arxiv.org</managingEditor>"
    yield f"    <pubDate>{day}</pubDate>"
    if not head.failed:
        yield from ("    <skipDays>", "      <day>Saturday</day>", "      <day>Sunday</day>", "    </skipDays>")
    for item in items:
        yield from _rss_item(item, day)
    yield "  </channel>"
    yield "</rss>"


def _rss_item(item: Item, day: str) -> Iterator[str]:
    paper = item.paper
    yield "    <item>"
    yield f"      <title>{escape(paper.title)}</title>"
    yield f"      <link>https://arxiv.org/abs/{paper.id}</link>"
    yield f"      <description>{_described(item)}</description>"
    yield f'      <guid isPermaLink="false">{_name(item)}</guid>'
    for category in paper.categories:
        yield f"      <category>{escape(category)}</category>"
    yield f"      <pubDate>{day}</pubDate>"
    yield f"      <arxiv:announce_type>{item.announce_type}</arxiv:announce_type>"
    yield f"      <dc:rights>{escape(item.release.license)}</dc:rights>"
    if paper.doi:
        yield f"      <arxiv:DOI>{escape(paper.doi)}</arxiv:DOI>"
    if paper.journal_ref:
        yield f"      <arxiv:journal_reference>{escape(paper.journal_ref)}</arxiv:journal_reference>"
    yield f"      <dc:creator>{_creators(item)}</dc:creator>"
    yield "    </item>"


def _atom(head: Channel, items: Sequence[Item]) -> Iterator[str]:
    address, built = head.address("atom"), head.built.astimezone(UTC).isoformat(timespec="microseconds")
    yield "<?xml version='1.0' encoding='UTF-8'?>"
    yield f'<feed xmlns:arxiv="{ARXIV}" xmlns:dc="{_DC}" xmlns="{ATOM}" xml:lang="en-us">'
    yield f"  <id>{escape(address)}</id>"
    yield f"  <title>{escape(head.title)}</title>"
    yield f"  <updated>{built}</updated>"
    yield f'  <link href={attribute(address)} rel="self" type="application/atom+xml"/>'
    yield f"  <subtitle>{escape(head.description)}</subtitle>"
    for item in items:
        yield from _atom_entry(item, built, midnight(head.built).isoformat())
    yield "</feed>"


def _atom_entry(item: Item, built: str, day: str) -> Iterator[str]:
    paper = item.paper
    yield "  <entry>"
    yield f"    <id>{_name(item)}</id>"
    yield f"    <title>{escape(paper.title)}</title>"
    yield f"    <updated>{built}</updated>"
    yield f'    <link href="https://arxiv.org/abs/{paper.id}" rel="alternate" type="text/html"/>'
    yield f"    <summary>{_described(item)}</summary>"
    for category in paper.categories:
        yield f"    <category term={attribute(category)}/>"
    yield f"    <published>{day}</published>"
    yield f"    <arxiv:announce_type>{item.announce_type}</arxiv:announce_type>"
    yield f"    <dc:rights>{escape(item.release.license)}</dc:rights>"
    if paper.journal_ref:
        yield f"    <arxiv:journal_reference>{escape(paper.journal_ref)}</arxiv:journal_reference>"
    if paper.doi:
        yield f"    <arxiv:DOI>{escape(paper.doi)}</arxiv:DOI>"
    yield f"    <dc:creator>{_creators(item)}</dc:creator>"
    yield "  </entry>"


def _name(item: Item) -> str:
    return f"oai:arXiv.org:{item.paper.id}v{item.paper.version}"


def _described(item: Item) -> str:
    number = f"{item.paper.id}v{item.paper.version}"
    return escape(f"arXiv:{number} Announce Type: {item.announce_type} \nAbstract: {item.paper.abstract}")


def _creators(item: Item) -> str:
    return escape(creators(item.paper, item.release.affiliations))

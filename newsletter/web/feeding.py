"""Atom feeds: of all editions, of a topic, and of any search."""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from urllib.parse import quote

from flask import Blueprint, Response, abort, request

from newsletter.addresses import list_id
from newsletter.errors import QueryError
from newsletter.model import Announcement, Kind
from newsletter.query import normal_form, parse
from newsletter.rendering.feeds import MOST, Entry, Feed, paper_entry, tag, write_feed
from newsletter.rendering.words import _
from newsletter.text import readable
from newsletter.web.finding import patience
from newsletter.web.pages import choice, front, kept, link, looking, say, words
from newsletter.web.shelf import published, topic_path

blueprint = Blueprint("feeding", __name__)

_KEEP = 900  # seconds
_SPAN = timedelta(days=100)  # in which a newsletter that comes out on working days has as many editions as a feed shows
_FEEDS = "2025"  # of the names of feeds, which are older than any edition


@blueprint.get("/feeds/editions.atom")
@kept()
def editions() -> Response:
    """The newest editions, each with how much it holds."""
    shelf = published()
    newest = shelf.newest()
    listed = shelf.listed(newest - _SPAN, newest)[:MOST] if newest else []
    made = looking().storage.search.made(edition.date for edition in listed)
    entries = [
        Entry(
            id=_name(edition.date.isoformat(), "edition"),
            title=words().long_date(edition.date),
            address=_address(f"/editions/{edition.date}"),
            updated=made[edition.date],
            summary=words().summary(edition.counts, edition.topics),
            language=choice().language,
        )
        for edition in listed
    ]
    return _feed("editions", "", "/feeds/editions.atom", "/editions", entries)


@blueprint.get("/feeds/topics/<int:number>.atom")
@kept()
def topic(number: int) -> Response:
    """What was announced last under a topic."""
    shelf = published()
    found = next((topic for topic in shelf.topics() if topic.id == number), None)
    if found is None:
        abort(404, say(_("There is no such topic.")))
    entries = _papers(shelf.of_topic(found.id, None, MOST, MOST))
    return _feed(
        f"topics/{number}", words().topic(found.name), f"/feeds/topics/{number}.atom", topic_path(found), entries
    )


@blueprint.get("/feeds/search.atom")
def search() -> Response:
    """What was announced last of what a query finds."""
    asked = request.args.get("q", "").strip()
    try:
        tree = parse(asked)
    except QueryError as error:
        abort(400, say(_("This is no query: {reason}"), reason=error))
    index, quoted = looking().storage.search, quote(asked, safe="")
    found = index.find(tree, MOST, is_late=patience())
    if not found.whole:
        abort(503, say(_("Looking took too long. A simpler query may do.")))
    entries = _papers(index.announcements(found.places))
    response = _feed(
        f"search/{hashlib.sha256(normal_form(tree).encode()).hexdigest()[:16]}",
        say(_("Search: {query}"), query=words().topic(asked)),
        f"/feeds/search.atom?q={quoted}",
        f"/search?q={quoted}",
        entries,
    )
    response.add_etag()
    response.make_conditional(request)
    return response


def _feed(name: str, title: str, path: str, page: str, entries: Sequence[Entry]) -> Response:
    newsletter = looking().config.newsletter
    feed = Feed(
        id=_name(_FEEDS, *name.split("/", 1)),
        title=f"{title} – {newsletter.name}" if title else newsletter.name,
        author=newsletter.name,
        language=choice().language,
        own=_address(path),
        page=_address(page),
        entries=tuple(entries),
    )
    response = Response(
        write_feed(front().environment(choice().language), feed), content_type="application/atom+xml; charset=utf-8"
    )
    response.headers["Cache-Control"] = f"public, max-age={_KEEP}"
    response.last_modified = feed.updated
    return response


def _papers(announcements: Sequence[Announcement]) -> list[Entry]:
    made = looking().storage.search.made({one.edition for one in announcements if one.edition})
    return [_paper(one, made[one.edition]) for one in announcements if one.edition]


def _paper(told: Announcement, made: datetime) -> Entry:
    paper, title = told.paper, readable(told.paper.title) or told.paper.id
    if told.kind is Kind.REVISED:
        title = say(_("{title} (revised, version {number})"), title=title, number=paper.version)
    elif told.kind is Kind.WITHDRAWN:
        title = say(_("{title} (withdrawn)"), title=title)
    return paper_entry(_name(str(told.edition), f"{paper.id}v{paper.version}"), title, told, made)


def _name(day: str, *parts: str) -> str:
    """A name within this newsletter; there may be others at its domain."""
    newsletter = looking().config.newsletter
    return tag(newsletter.domain, day, list_id(newsletter.sender_address), *parts)


def _address(path: str) -> str:
    """The address of a page in full; without a base_url it is where the feed is."""
    base = looking().config.newsletter.base_url
    return base + link(path).removeprefix(request.script_root) if base else link(path)

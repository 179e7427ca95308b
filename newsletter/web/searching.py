"""The search over all that was announced here, and what a query of one's own would have found."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, request

from newsletter.errors import QueryError
from newsletter.query import MAX_LENGTH, Node, parse, tidy
from newsletter.rendering.environment import render
from newsletter.rendering.words import _
from newsletter.storage.search import Found
from newsletter.web import feeding
from newsletter.web.finding import Hit, hits, patience
from newsletter.web.pages import Feed, front, looking, page, say, words

blueprint = Blueprint("searching", __name__)
blueprint.register_blueprint(feeding.blueprint)

EXAMPLES = ("graph neural network", 'ti:"language model" AND cat:cs.CL', 'au:"Smith J" ANDNOT abs:survey')
MOST = 1_000  # papers that are found of more
_PAGE, _NEWEST = 20, 5
_DAYS = 30
_MOST_QUERIES = 5  # that are tried at once
_KEEP, _DAY = 3_600, 86_400  # seconds


@dataclass(frozen=True, slots=True)
class Results:
    """What a query found: how many papers, `more` if there are more than are counted, and some of them. It is not
    `whole` if looking took too long."""

    number: int
    more: bool
    whole: bool
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class Tried:
    """A query of one's own, and what it would have found, or what is wrong with it."""

    query: str
    results: Results | None
    error: QueryError | None


@blueprint.get("/search")
def search() -> Response:
    """A form, and what was announced here of what a query finds, newest first."""
    asked = _one_line(request.args.get("q", ""))
    if not asked:
        return _page("", say(_("Search")), keep=_KEEP, canonical="/search")
    try:
        tree = parse(asked)
    except QueryError as error:
        return _page(asked, say(_("Search")), status=400, error=error)
    index, quoted = looking().storage.search, quote(asked, safe="")
    found = index.find(tree, MOST + 1, is_late=patience())
    pages = max(1, -(-min(len(found.places), MOST) // _PAGE))
    current = min(_page_number(), pages)
    return _page(
        asked,
        say(_("Search: {query}"), query=words().topic(asked)),
        feeds=[Feed(f"/feeds/search.atom?q={quoted}", say(_("This search")))],
        results=_results(found, tree, slice((current - 1) * _PAGE, current * _PAGE)),
        path_of_search=f"/search?q={quoted}",
        path_to_subscribe=f"/subscribe?query={quoted}",
        current=current,
        pages=pages,
        complete=index.complete(),
    )


def _page(asked: str, title: str, **values: Any) -> Response:
    shown = {"results": None, "error": None, "examples": EXAMPLES} | values
    return page("web/search.html", title=title, asked=asked, **shown)


@blueprint.route("/try", methods=["GET", "POST"])
def try_() -> Response:
    """What queries of one's own would have found in the last weeks; with ``part``, only that, for the script.

    It may be posted too, so that what readers ask for stands in no address.
    """
    lines = [_one_line(line) for name in ("query", "queries") for line in request.values.get(name, "").splitlines()]
    asked = list(dict.fromkeys(filter(None, lines)))[:_MOST_QUERIES]
    index, since = looking().storage.search, looking().today() - timedelta(days=_DAYS)
    is_late, part = patience(), bool(request.values.get("part"))
    tried = [_try(query, since, is_late) for query in asked]
    return page(
        "web/tried.html" if part else "web/try.html",
        title=say(_("Try a query")),
        status=400 if any(one.error for one in tried) and not part else 200,  # half a query is no mistake yet
        asked=asked[0] if asked else "",
        tried=tried,
        days=_DAYS,
        holds_something=index.holds_something(since),
        complete=index.complete(),
    )


def _try(query: str, since: date, is_late: Callable[[], bool]) -> Tried:
    try:
        tree = parse(query)
    except QueryError as error:
        return Tried(query, None, error)
    found = looking().storage.search.find(tree, MOST + 1, since=since, is_late=is_late)
    return Tried(query, _results(found, tree, slice(_NEWEST)), None)


def _results(found: Found, tree: Node, shown: slice) -> Results:
    places = found.places[:MOST]
    return Results(len(places), len(found.places) > MOST, found.whole, tuple(hits(places[shown], tree)))


@blueprint.get("/live.js")
def live() -> Response:
    """The script that shows what a query finds while one types it."""
    script = render(front().environment(front().pool.config.newsletter.language), "web/live.js")
    response = Response(script, content_type="text/javascript; charset=utf-8")
    response.headers["Cache-Control"] = f"public, max-age={_DAY}"
    response.add_etag()
    response.make_conditional(request)
    return response


def _one_line(text: str) -> str:
    """A query as it was typed, on one line; of one that is too long enough to say so."""
    return tidy(text)[: MAX_LENGTH + 1]


def _page_number() -> int:
    asked = request.args.get("page", "")
    return max(1, int(asked)) if re.fullmatch(r"\d{1,4}", asked, re.ASCII) else 1

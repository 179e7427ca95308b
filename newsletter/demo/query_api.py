"""arXiv's query API as it reads requests: parameters, their limits, and what it says to wrong ones."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus

from newsletter.demo.announcements import Announced, Announcing
from newsletter.demo.atom import Form, Page
from newsletter.demo.exchange import Fault
from newsletter.demo.library import Library, Question, parse_search_query
from newsletter.model import Paper, Version

_IDENTIFIER = re.compile(r"(?:(\d{4}\.\d{4,5})|([a-z]+(?:-[a-z]+)?)(?:\.[A-Za-z-]{2,})?(/\d{7}))(?:v([1-9]\d*))?")
_LARGEST_PAGE = 2_000
_DEEPEST = 10_000  # entries; what lies behind answers 500
_LARGEST_MAX_RESULTS = 30_000
_SORTS = ("relevance", "lastUpdatedDate", "submittedDate")
_ORDERS = ("ascending", "descending")


class Refused(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """A request that is answered with an error feed."""

    def __init__(self, message: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        self.status = status
        super().__init__(message)


def answer(library: Library, params: Mapping[str, str], fault: Fault, form: Form) -> Page:
    """Answer a request.

    Raises:
        Refused: with the message and the status.

    """
    start, size = _number(params, "start", 0), _number(params, "max_results", 10)
    if size > _LARGEST_MAX_RESULTS:
        raise Refused("max_results must be at most 30000")
    if size == 0 or start + size > _DEEPEST:
        raise Refused("internal server error", HTTPStatus.INTERNAL_SERVER_ERROR)
    question = _question(params)
    if params.get("search_query") and question.tree is None:
        if form == "today":
            raise Refused(f"Invalid query string: '{params['search_query']}'")
        found: Sequence[Paper] = ()  # the service before took it for a query that nothing answers
    else:
        found = fault.found(_search(library, fault.question(question), fault.moment(library.now(), "")))
    papers = tuple(fault.entries(found[start : start + min(size, _LARGEST_PAGE)]))
    texts = params.get("search_query", ""), params.get("id_list", "")
    return fault.page(Page(*texts, start, size, len(found), papers, library.now()))


def _search(library: Library, question: Question, moment: datetime) -> Sequence[Paper]:
    if moment == library.now():
        return library.search(question)
    if isinstance(library, Announcing):
        return Announced(library.releases(), lambda: moment).search(question)
    return [paper for paper in library.search(question) if paper.updated <= moment]


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name) or str(default)
    try:
        number = int(text)
    except ValueError:
        raise Refused(f"{name} must be an integer") from None
    if number < 0:
        raise Refused(f"{name} must be non-negative")
    return number


def _question(params: Mapping[str, str]) -> Question:
    sort_by, order = params.get("sortBy") or _SORTS[0], params.get("sortOrder") or _ORDERS[1]
    for name, value, known in (("sortBy", sort_by, _SORTS), ("sortOrder", order, _ORDERS)):
        if value not in known:
            raise Refused(f"{name} must be in: {', '.join(known)}")
    query, ids = params.get("search_query", ""), params.get("id_list", "")
    if not query and not ids:
        raise Refused("Either a search_query or id_list must be specified for the classic API.")
    tree = parse_search_query(query) if query else None
    versions = tuple(_version(text.strip()) for text in ids.split(",")) if ids else ()
    return Question(tree, versions, sort_by, order == "descending")


def _version(text: str) -> Version:
    match = _IDENTIFIER.fullmatch(text)
    if match is None:
        raise Refused(f"incorrect id format for {text}")
    new, archive, number, version = match.groups()
    return Version(new or archive + number, int(version) if version else None)

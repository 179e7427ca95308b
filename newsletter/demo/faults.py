"""What can go wrong at arXiv, to be scripted request by request: each was seen there, or is told of in its threads.

A fault may befall any of the three interfaces, where it makes sense there. What is done to bodies stands in bodies.py.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any

from newsletter.demo.exchange import MOVED, Headers
from newsletter.demo.exchange import Fault as Fault
from newsletter.demo.exchange import Reply as Reply
from newsletter.demo.exchange import Request as Request
from newsletter.demo.exchange import Script as Script
from newsletter.demo.exchange import at_path as at_path
from newsletter.demo.exchange import together as together
from newsletter.demo.exchange import until as until
from newsletter.demo.library import Question, without_phrases
from newsletter.model import Paper


def first_page_empty(end: datetime, clock: Callable[[], datetime]) -> Script:
    """Until a moment, give no entries on the query API's first pages; the pages after them are in order."""

    def step(request: Request) -> Fault | None:
        return empty_page() if clock() < end and request.params.get("start", "0") == "0" else None

    return at_path("/api", step)


# ---------------------------------------------------------------- other answers


def answered(status: int, body: bytes | str = b"", headers: Headers | None = None) -> Fault:
    """Answer anything at all."""
    content = body.encode() if isinstance(body, str) else body
    reply = Reply(status, content, {"Content-Type": "text/plain; charset=utf-8"} | dict(headers or {}))
    return Fault(reply=lambda _: reply)


def rate_exceeded(retry_after: str | datetime | None = None) -> Fault:
    """Refuse with 429; Retry-After in seconds or as a date. arXiv itself has not been seen to send it."""
    return answered(429, "Rate exceeded.", _retry_after(retry_after))


def unavailable(retry_after: str | datetime | None = None) -> Fault:
    """Refuse with 503, as a content delivery network does."""
    headers = {"Content-Type": "text/html"} | _retry_after(retry_after)
    return answered(503, "<html><head><title>503 Backend fetch failed</title></head></html>", headers)


def _retry_after(moment: str | datetime | None) -> dict[str, str]:
    if moment is None or moment == "":
        return {}
    return {"Retry-After": format_datetime(moment, usegmt=True) if isinstance(moment, datetime) else moment}


def internal_error() -> Fault:
    """Fail with 500, as the query API does at depths it does not reach."""
    return answered(500, "<html><head><title>500 Internal Server Error</title></head></html>", _HTML)


def forbidden() -> Fault:
    """Refuse with 403, as arXiv does where it takes a client for a robot."""
    return answered(403, "<html><head><title>403 Forbidden</title></head></html>", _HTML)


def not_acceptable() -> Fault:
    """Refuse with 406."""
    return answered(406, "Not Acceptable")


def web_page() -> Fault:
    """Answer 200 with a page for people."""
    page = "<!DOCTYPE html><html><head><title>Down for maintenance</title></head><body><p>Back soon</body></html>"
    return answered(200, page, _HTML)


def plain_text() -> Fault:
    """Answer 200 with a sentence."""
    return answered(200, "upstream connect error or disconnect/reset before headers")


def empty_body() -> Fault:
    """Answer 200 with nothing."""
    return answered(200)


_HTML = {"Content-Type": "text/html; charset=utf-8"}


# ---------------------------------------------------------------- redirects


def moved(status: int = 301, base: str = "") -> Fault:
    """Redirect to the same request at another path, which answers; `base` is another server's address.

    Scripted for every request, it redirects without end, each time to another address.
    """
    return Fault(instead=lambda request: _redirect(status, f"{base}{MOVED}{request.target}"))


def going_round(status: int = 302) -> Fault:
    """Redirect to the very same address."""
    return Fault(instead=lambda request: _redirect(status, request.target))


def _redirect(status: int, address: str) -> Reply:
    return Reply(status, b"", {"Location": address})


# ---------------------------------------------------------------- answers that lie


def empty_page() -> Fault:
    """Give no entries, though the total says there are some."""
    return Fault(entries=lambda _: ())


def short_page(entries: int) -> Fault:
    """Give fewer entries than were asked for."""
    return Fault(entries=lambda found: found[:entries])


def wrong_order() -> Fault:
    """Give the page's entries oldest update first."""
    return Fault(entries=lambda found: sorted(found, key=lambda entry: _paper(entry).updated))


def missing_newest(entries: int) -> Fault:
    """Answer from an index that lacks the newest updates."""

    def without(found: Sequence[Any]) -> Sequence[Any]:
        newest = sorted((_paper(entry) for entry in found), key=lambda paper: paper.updated, reverse=True)[:entries]
        keys = {paper.key for paper in newest}
        return [entry for entry in found if _paper(entry).key not in keys]

    return Fault(found=without)


def _paper(entry: Any) -> Paper:
    paper: Paper = entry if isinstance(entry, Paper) else entry.paper
    return paper


def stale(by: timedelta, categories: Collection[str] = ()) -> Fault:
    """Answer as of earlier, with the time of now; a feed only in these categories, if there are any."""

    def moment(now: datetime, category: str) -> datetime:
        return now - by if not categories or category in categories else now

    return Fault(moment=moment)


def sort_ignored() -> Fault:
    """Order by relevance, whatever was asked for."""
    return Fault(question=lambda question: replace(question, sort_by="relevance", descending=True))


def quotes_ignored() -> Fault:
    """Take a phrase for all of its words, anywhere."""

    def loosened(question: Question) -> Question:
        return replace(question, tree=without_phrases(question.tree) if question.tree else None)

    return Fault(question=loosened)


# ---------------------------------------------------------------- the connection


def connection_reset() -> Fault:
    """Reset the connection."""
    return Fault(reset=True)


def reset_within(share: float = 0.5) -> Fault:
    """Reset the connection after a share of the body."""
    return Fault(sent=share)


def no_answer() -> Fault:
    """Take the request and say nothing."""
    return Fault(silent=True)


def slow_drip(size: int, pause: float) -> Fault:
    """Send a few bytes at a time, with a pause (in seconds) before each next."""
    return Fault(drip=(size, pause))


def truncated(share: float = 0.5) -> Fault:
    """Cut the body off, with headers that do not show it."""
    return rewritten(lambda body: body[: int(len(body) * share)])


def rewritten(change: Callable[[bytes], bytes]) -> Fault:
    """Change the body."""
    return Fault(reply=lambda reply: replace(reply, body=change(reply.body)))

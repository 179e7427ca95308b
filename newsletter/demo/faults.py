"""What can go wrong at arXiv, to be scripted request by request: each was seen there, or is told of in its threads."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from newsletter.demo.atom import Page
from newsletter.demo.library import Question, without_phrases
from newsletter.model import Paper

Headers = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came; `concurrent` counts the requests under way at that moment, itself included."""

    time: float
    method: str
    path: str
    params: Mapping[str, str]
    headers: Headers
    concurrent: int
    connection: int  # the client's port: equal for requests over one connection


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer on its way out."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=lambda: {"Content-Type": "application/atom+xml; charset=utf-8"})


def _same_question(question: Question) -> Question:
    return question


def _same_page(page: Page) -> Page:
    return page


def _same_reply(reply: Reply) -> Reply:
    return reply


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request instead: to the question, the page, the reply, or the connection."""

    question: Callable[[Question], Question] = _same_question
    page: Callable[[Page], Page] = _same_page
    reply: Callable[[Reply], Reply] = _same_reply
    reset: bool = False  # the connection is reset before any answer
    drip: tuple[int, float] | None = None  # so many bytes at a time, with so many seconds between


#: Consulted once for each request: in order, then none; or a function of the request.
Script = Iterable[Fault | None] | Callable[[Request], Fault | None]


def answered(status: int, body: bytes | str = b"", headers: Headers | None = None) -> Fault:
    """Answer anything at all."""
    content = body.encode() if isinstance(body, str) else body
    reply = Reply(status, content, {"Content-Type": "text/plain; charset=utf-8"} | dict(headers or {}))
    return Fault(reply=lambda _: reply)


def rate_exceeded(retry_after: str | None = None) -> Fault:
    """Refuse with 429; arXiv itself has not been seen to send Retry-After."""
    return answered(429, "Rate exceeded.", {"Retry-After": retry_after} if retry_after else None)


def unavailable(retry_after: str | None = None) -> Fault:
    """Refuse with 503, as a content delivery network does."""
    headers = {"Content-Type": "text/html"} | ({"Retry-After": retry_after} if retry_after else {})
    return answered(503, "<html><head><title>503 Backend fetch failed</title></head></html>", headers)


def web_page() -> Fault:
    """Answer 200 with a page for people."""
    page = "<!DOCTYPE html><html><head><title>Down for maintenance</title></head><body><p>Back soon</body></html>"
    return answered(200, page, {"Content-Type": "text/html; charset=utf-8"})


def empty_body() -> Fault:
    """Answer 200 with nothing."""
    return answered(200)


def empty_page() -> Fault:
    """Give no entries, though the total says there are some."""
    return Fault(page=lambda page: replace(page, papers=()))


def short_page(entries: int) -> Fault:
    """Give fewer entries than were asked for."""
    return Fault(page=lambda page: replace(page, papers=page.papers[:entries]))


def wrong_order() -> Fault:
    """Give the page's entries oldest update first."""

    def shuffled(page: Page) -> Page:
        def updated(paper: Paper) -> float:
            return paper.updated.timestamp()

        return replace(page, papers=sorted(page.papers, key=updated))

    return Fault(page=shuffled)


def sort_ignored() -> Fault:
    """Order by relevance, whatever was asked for."""
    return Fault(question=lambda question: replace(question, sort_by="relevance", descending=True))


def quotes_ignored() -> Fault:
    """Take a phrase for all of its words, anywhere."""

    def loosened(question: Question) -> Question:
        return replace(question, tree=without_phrases(question.tree) if question.tree else None)

    return Fault(question=loosened)


def truncated(share: float = 0.5) -> Fault:
    """Cut the body off, with headers that do not show it."""
    return rewritten(lambda body: body[: int(len(body) * share)])


def rewritten(change: Callable[[bytes], bytes]) -> Fault:
    """Change the body."""
    return Fault(reply=lambda reply: replace(reply, body=change(reply.body)))


def connection_reset() -> Fault:
    """Reset the connection."""
    return Fault(reset=True)


def slow_drip(size: int, pause: float) -> Fault:
    """Send a few bytes at a time, with a pause (in seconds) before each next."""
    return Fault(drip=(size, pause))

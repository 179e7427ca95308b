"""A request to the invented arXiv, its reply, and the fault that may come between: what scripts are made of."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from newsletter.demo.atom import Page
from newsletter.demo.library import Question

Headers = Mapping[str, str]

#: A path that redirects lead to; what stands behind it is answered as if it were not there.
MOVED = "/moved"


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
    target: str = ""  # path and query as they came

    @property
    def repeated(self) -> bool:
        """Whether a parameter came twice in the address."""
        names = [name for name, _ in parse_qsl(urlsplit(self.target).query, keep_blank_values=True)]
        return len(names) > len(set(names))


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer on its way out; its body is sent `repeat` times."""

    status: int
    body: bytes
    headers: Headers = field(default_factory=lambda: {"Content-Type": "application/atom+xml; charset=utf-8"})
    repeat: int = 1

    @property
    def length(self) -> int:
        """The length of all that is sent, in bytes."""
        return len(self.body) * self.repeat


def _same(thing: Any) -> Any:
    return thing


def _now(moment: datetime, _category: str) -> datetime:
    return moment


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one request instead: to the question, the page, the reply, or the connection."""

    question: Callable[[Question], Question] = _same
    moment: Callable[[datetime, str], datetime] = _now  # of what the answer is; in feeds for each category
    found: Callable[[Sequence[Any]], Sequence[Any]] = _same  # papers, items, records: all that is found
    entries: Callable[[Sequence[Any]], Sequence[Any]] = _same  # the same, of this page or feed
    page: Callable[[Page], Page] = _same  # of the query API
    reply: Callable[[Reply], Reply] = _same
    instead: Callable[[Request], Reply] | None = None  # of any answer
    silent: bool = False  # no answer comes until the client or the server ends
    reset: bool = False  # the connection is reset before any answer
    sent: float = 1  # the share of the body after which the connection is reset
    drip: tuple[int, float] | None = None  # so many bytes at a time, with so many seconds between


#: Consulted once for each request: in order, then none; or a function of the request.
Script = Iterable[Fault | None] | Callable[[Request], Fault | None]


def stepwise(script: Script) -> Callable[[Request], Fault | None]:
    """Read a script request by request."""
    if callable(script):
        return script
    rest: Iterator[Fault | None] = iter(script)
    return lambda _: next(rest, None)


def at_path(beginning: str, script: Script) -> Script:
    """A script for the requests whose path begins so; others do not use it up."""
    step = stepwise(script)
    return lambda request: step(request) if request.path.startswith(beginning) else None


def together(*scripts: Script) -> Script:
    """Several scripts: the first that wants something for a request has it."""
    steps = [stepwise(script) for script in scripts]
    return lambda request: next((fault for step in steps if (fault := step(request)) is not None), None)


def until(end: datetime, clock: Callable[[], datetime], fault: Fault) -> Script:
    """A fault for all requests before a moment."""
    return lambda _: fault if clock() < end else None

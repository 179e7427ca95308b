"""Asking arXiv over HTTP, politely and patiently: every request of every source goes through here.

What passes is asked again after growing pauses, counted in the interval of the politeness rule; who says "too much" is
left alone, by all processes, for as long as it says. A fetch has a budget for all its pauses; what would take longer is
a failure, and the next fetch's concern.
"""

import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from html import unescape
from typing import TypeVar
from urllib.parse import unquote_plus, urljoin, urlsplit

import requests
import urllib3

from newsletter.errors import SourceError
from newsletter.sources.exchange import CuttingAdapter, Exchange
from newsletter.sources.gate import LONGEST_PAUSE, CoolingError, Gate, GateError, Turn
from newsletter.text import INVISIBLE

log = logging.getLogger(__name__)

TIMEOUTS = (10.0, 30.0)  # seconds to connect, and between two bytes
LONGEST_ANSWER = 120.0  # seconds from the request to the last byte
LONGEST_ADDRESS = 4_000  # characters; what is longer is posted as a form (API User's Manual, §3.1)
MAX_BYTES = 32 * 2**20  # of one answer; 2,000 entries are about 5 MB
ATTEMPTS = 4
BUDGET = 300.0  # seconds that one fetch may spend waiting: for another try, and for answers that came to nothing
_FIRST_PAUSE, _GROWTH = 4, 3  # intervals after the first failure, and how much longer each next
_FIRST_COOLING, _COOLING_GROWTH, _LONGEST_COOLING = 20, 4, 1_200  # intervals a host is left alone
_SPREAD = 0.25  # pauses are by as much longer
_HOPS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_TOO_MUCH = (403, 406, 429)  # arXiv's edge throttles with each of them
_ABOUT_THE_QUESTION = (400, 404, 410, 413, 414)
_LONGEST_REASON = 300  # characters
_WORDS = re.compile(r"\w+")
_DIGITS = re.compile(r"[0-9]+")

Params = Mapping[str, str | int]
#: The parameters of a request, or what they are at each attempt.
Question = Params | Callable[[int], Params]
_Result = TypeVar("_Result")
_Error = TypeVar("_Error", bound=SourceError)


class RefusedError(SourceError):
    """The question itself is refused: asking it again will not help, other questions may be answered.

    `body` is the answer.
    """

    def __init__(self, reason: str, body: bytes) -> None:
        self.body = body
        super().__init__(reason)


class _Session(requests.Session):
    """A session that leaves redirects alone: to find the next address it would read a redirect's body, however long."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        del resp
        return None


class Client:
    """One connection to arXiv's hosts.

    `monotonic` times answers, which may take `longest` seconds each; `chance` spreads pauses.
    """

    def __init__(
        self,
        gate: Gate,
        user_agent: str,
        *,
        sleep: Callable[[float], None],
        chance: Callable[[], float],
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        timeouts: tuple[float, float] = TIMEOUTS,
        longest: float = LONGEST_ANSWER,
    ) -> None:
        self._gate, self._sleep, self._chance, self._wall, self._monotonic = gate, sleep, chance, wall, monotonic
        self._timeouts, self._longest = timeouts, longest
        self.requests = 0
        self._fetch: object = None
        self._session = _Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, CuttingAdapter())
        # Without Accept the service may answer 406, with a library's User-Agent 403.
        accepted = "application/atom+xml, application/rss+xml, application/xml, text/xml, */*;q=0.1"
        self._session.headers.update({"User-Agent": user_agent, "Accept": accepted})
        self.begin()

    def begin(self, fetch: object = None, pulse: Callable[[], None] = lambda: None) -> None:
        """Begin a fetch, with the whole budget for pauses; or, if `fetch` is the very one that went before, a part of
        it with what is left.

        From now on `pulse` is called before each request and each pause: a fetch that gets nothing for long is alive.
        """
        if fetch is None or fetch is not self._fetch:
            self._fetch, self._budget = fetch, BUDGET
        self._pulse = pulse

    @property
    def spent(self) -> bool:
        """Whether the budget is; what is asked yet is asked once."""
        return self._budget <= 0

    def get(self, url: str, question: Question, read: Callable[[bytes], _Result]) -> _Result:
        """Ask, and read the answer; `read` raises `SourceError` for what is none, and that is asked again too.

        No reason repeats the question, which may be a reader's own.

        Raises:
            RefusedError: the question is refused; with what the answer says, if `read` finds that in it.
            SourceError: no answer within attempts and budget; `CoolingError` if the host asked for a longer pause.

        """
        attempt = 0
        while True:
            params = question(attempt) if callable(question) else question
            began = self._monotonic()
            try:
                return read(self._ask(url, params))
            except GateError:
                raise
            except RefusedError as error:
                raise _discreet(_said(error, read), params) from None
            except SourceError as error:
                failure, attempt = _discreet(error, params), attempt + 1
                self._budget -= self._monotonic() - began
                log.warning("no answer attempt=%d reason=%s", attempt, failure)
            if attempt == ATTEMPTS or not self._wait(failure, attempt):
                raise failure

    def _wait(self, failure: SourceError, attempt: int) -> bool:
        """Wait before asking again; False if that would be longer than we may."""
        if isinstance(failure, CoolingError):
            pause = failure.seconds
        else:
            pause = self._gate.interval * _FIRST_PAUSE * _GROWTH ** (attempt - 1)
        pause *= 1 + _SPREAD * self._chance()
        if self.spent or pause > self._budget:
            return False
        self._budget -= pause
        self._pulse()
        self._sleep(pause)
        return True

    def _ask(self, url: str, params: Params) -> bytes:
        """One question, with the redirects it takes; each is a request with a turn of its own."""
        target, form = requests.Request("GET", url, params=dict(params)).prepare().url or url, None
        if len(target) > LONGEST_ADDRESS:
            target, form = url, dict(params)
        for _ in range(_HOPS):
            host = urlsplit(target).hostname or ""
            self._pulse()
            with self._gate.turn(host) as turn:
                self.requests += 1
                status, headers, body = self._send(target, form)
                pause = self._remember(turn, status, headers)
            if status not in _REDIRECTS:
                return self._checked(status, body, pause, host)
            target = _redirected(target, headers.get("Location", ""))
        raise SourceError(f"more than {_HOPS} redirects")

    def _send(self, target: str, form: Params | None) -> tuple[int, Mapping[str, str], bytes]:
        method = "GET" if form is None else "POST"
        with Exchange(self._longest) as exchange:
            try:
                with self._session.request(
                    method, target, data=form, timeout=self._timeouts, stream=True, allow_redirects=False
                ) as response:
                    answer = response.status_code, response.headers, self._read(response)
            except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
                # Their texts hold the query.
                if not exchange.over:
                    raise SourceError(f"{_explain(error)}: {target.partition('?')[0]}") from None
        if exchange.over:
            raise self._too_long()
        return answer

    def _read(self, response: requests.Response) -> bytes:
        body, began = bytearray(), self._monotonic()
        while chunk := response.raw.read1(2**16, decode_content=True):
            body += chunk
            if len(body) > MAX_BYTES:
                raise SourceError(f"the answer is longer than {MAX_BYTES} bytes")
            if self._monotonic() - began > self._longest:
                raise self._too_long()
        return bytes(body)

    def _too_long(self) -> SourceError:
        return SourceError(f"the answer takes longer than {self._longest:g} s")

    def _remember(self, turn: Turn, status: int, headers: Mapping[str, str]) -> float:
        """Let the gate know how the host feels; returns how many seconds it wants to be left alone."""
        wanted = _retry_after(headers.get("Retry-After", ""), self._wall()) if status >= 400 else 0.0
        if not wanted and status in _TOO_MUCH:  # a time that has passed may come from clocks that differ
            growing = _FIRST_COOLING * _COOLING_GROWTH**turn.refusals
            wanted = self._gate.interval * min(growing, _LONGEST_COOLING)
        if wanted:
            turn.refused(wanted, f"HTTP {status}")
        elif status < 500:
            turn.answered()
        return wanted

    def _checked(self, status: int, body: bytes, pause: float, host: str) -> bytes:
        if status == requests.codes.ok:
            return _harmless(body)
        reason = f"HTTP {status}: {_first_line(body)}".strip(": ")
        if status in _ABOUT_THE_QUESTION:
            raise RefusedError(reason, body)
        if pause:
            raise CoolingError(host, pause, self._wall() + pause, reason)
        raise SourceError(reason)


def _said(error: RefusedError, read: Callable[[bytes], object]) -> RefusedError:
    """A refusal with what arXiv says in its answer, which is more than the status says."""
    status, _, _ = str(error).partition(": ")
    if status.startswith("HTTP"):
        try:
            read(error.body)
        except SourceError as said:
            if str(said).startswith("arXiv says"):
                error.args = (f"{status}: {said}",)
    return error


def _discreet(error: _Error, params: Params) -> _Error:
    """The error, its text cut before it repeats a word of the query; apart from it, for the same reason, what it came
    from, and the frames it went through, which hold whole answers."""
    text = str(error)[:_LONGEST_REASON]
    words = _words(str(params.get("search_query", "")))
    ours, colon, rest = text.partition(": ")
    rest = unescape(unquote_plus(rest))
    repeated = (match.start() for match in _WORDS.finditer(rest) if _tells(match, words))
    if (start := next(repeated, None)) is not None:
        text = (ours + colon + rest[:start]).rpartition(": ")[0]
    error.args = (text,)
    error.__context__ = error.__traceback__ = None
    return error


def _words(text: str) -> set[str]:
    return {word.casefold() for word in _WORDS.findall(text)}


def _tells(match: re.Match[str], words: set[str]) -> bool:
    """Whether a word of an answer is one of a query; of the last one there may be a part only."""
    word = match[0].casefold()
    return word in words or (match.end() == len(match.string) and any(one.startswith(word) for one in words))


def _harmless(body: bytes) -> bytes:
    """An answer without what could blow up a parser: arXiv declares no entities, and writes UTF-8."""
    if b"<!ENTITY" in body:
        raise SourceError("the answer declares entities of its own")
    if b"\0" in body[:256]:
        raise SourceError("the answer is not in UTF-8")
    return body


def _first_line(body: bytes) -> str:
    first, *_ = [*body[:80].decode("utf-8", "replace").strip().splitlines(), ""]
    return " ".join(INVISIBLE.sub("", first).split())


def _redirected(target: str, location: str) -> str:
    try:
        address = urljoin(target, location)
        before, after = urlsplit(target).scheme, urlsplit(address).scheme
    except ValueError:
        raise SourceError("a redirect to what is no address") from None
    if not location or after not in ("http", "https") or (before, after) == ("https", "http"):
        raise SourceError(f"a redirect that is not followed: to {address.partition('?')[0]!r}")
    return address


def _retry_after(text: str, now: float) -> float:
    """Seconds that a Retry-After asks for (RFC 9110, §10.2.3): a number, or a date. 0 if it is neither, or past."""
    text = text.strip()
    try:
        seconds = float(text) if _DIGITS.fullmatch(text) else _moment(text) - now
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), LONGEST_PAUSE)


def _moment(text: str) -> float:
    moment = parsedate_to_datetime(text)
    return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()


def _explain(error: Exception) -> str:
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "no secure connection"
    if isinstance(error, requests.ConnectionError | urllib3.exceptions.ProtocolError):
        return "no connection"
    return type(error).__name__

"""arXiv's query API: one query a topic, page after page (API User's Manual, §3)."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

import requests

from newsletter.errors import SourceError
from newsletter.model import Harvest, Paper, TopicAccount
from newsletter.sources import Want
from newsletter.sources.atom import Answer, parse_answer
from newsletter.sources.gate import Gate, GateError

log = logging.getLogger(__name__)

TIMEOUTS = (10.0, 60.0)  # seconds to connect, and between two bytes
MAX_BYTES = 32 * 2**20  # of one answer; 2,000 entries are about 5 MB
MAX_DEPTH = 10_000  # entries; beyond, the service answers 500
ATTEMPTS = 3


class ApiSource:
    """The query API as a source. `sleep` waits between attempts; the gate keeps the interval."""

    name = "api"

    def __init__(self, url: str, gate: Gate, user_agent: str, page_size: int, sleep: Callable[[float], None]) -> None:
        self._url, self._gate, self._page_size, self._sleep = url, gate, page_size, sleep
        self._asked = 0
        self._session = requests.Session()
        # Without Accept the service may answer 406, with a library's User-Agent 403.
        self._session.headers.update({"User-Agent": user_agent, "Accept": "application/atom+xml"})
        self._session.max_redirects = 5

    def fetch(
        self, wants: Sequence[Want], since: datetime, progress: Callable[[int], None] = lambda _done: None
    ) -> Harvest:
        """Ask for every want; see `Source.fetch`."""
        papers: dict[tuple[str, int], Paper] = {}
        listed, accounts = {}, {}
        for done, want in enumerate(wants):
            found, account = self._fetch_one(want, since, partial(progress, done))
            papers.update((paper.key, paper) for paper in found)
            listed[want.topic_id] = tuple(paper.key for paper in found)
            accounts[want.topic_id] = account
            progress(done + 1)
        return Harvest(tuple(papers.values()), listed, accounts)

    def _fetch_one(
        self, want: Want, since: datetime, page_read: Callable[[], None]
    ) -> tuple[list[Paper], TopicAccount]:
        found: dict[tuple[str, int], Paper] = {}
        start = total = 0
        asked = self._asked
        error = ""
        while True:
            try:
                answer = self._page(want.search_query, start, known_total=total)
            except SourceError as failure:
                error = str(failure)
                break
            start, total = start + answer.entries, answer.total
            page_read()
            found.update((paper.key, paper) for paper in answer.papers)
            if start >= min(total, MAX_DEPTH) or self._reached_the_known(want, answer, since, len(found)):
                break
        return list(found.values()), TopicAccount(
            matched=total, received=start, requests=self._asked - asked, error=error
        )

    def _reached_the_known(self, want: Want, answer: Answer, since: datetime, received: int) -> bool:
        covered = bool(answer.papers) and min(paper.updated for paper in answer.papers) < since
        if not want.begun:
            return covered and received >= want.enough
        return covered and want.news(answer.papers) == 0

    def _page(self, search_query: str, start: int, known_total: int) -> Answer:
        """One page, asked again a few times: first pages have been empty for minutes, and answers cut short."""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._sleep(self._gate.interval * 2**attempt)
            try:
                answer = parse_answer(self._get(search_query, start))
                if not answer.entries and max(answer.total, known_total) > start:
                    raise SourceError(f"an empty page at {start}, though {answer.total} match")
            except GateError:
                raise
            except SourceError as error:
                # What arXiv says of a query may repeat it, and it may be a reader's own.
                reason = str(error).partition(": arXiv says")[0]
                log.warning("asking again: start=%d attempt=%d reason=%s", start, attempt + 1, reason)
                failure = error
            else:
                for reason in answer.unreadable:
                    log.warning("left out an entry: %s", reason)
                return answer
        raise failure

    def _get(self, search_query: str, start: int) -> bytes:
        parameters: dict[str, str | int] = {
            "search_query": search_query,
            "start": start,
            "max_results": min(self._page_size, MAX_DEPTH - start),
            "sortBy": "lastUpdatedDate",
            "sortOrder": "descending",
        }
        self._asked += 1
        try:
            with (
                self._gate.turn(),
                self._session.get(self._url, params=parameters, timeout=TIMEOUTS, stream=True) as response,
            ):
                body = _read(response)
        except requests.RequestException as error:
            raise SourceError(f"{_explain(error)}: {self._url}") from error
        if response.status_code != requests.codes.ok:
            raise _refusal(response.status_code, body)
        return body


def _read(response: requests.Response) -> bytes:
    body = bytearray()
    for chunk in response.iter_content(2**16):
        body += chunk
        if len(body) > MAX_BYTES:
            raise SourceError(f"the answer is longer than {MAX_BYTES} bytes")
    return bytes(body)


def _refusal(status: int, body: bytes) -> SourceError:
    """What a status other than 200 means; a refused query comes as an error entry, whose text is better than ours."""
    try:
        parse_answer(body)
    except SourceError as error:
        if str(error).startswith("arXiv says"):
            return SourceError(f"HTTP {status}: {error}")
    first_line = body[:80].decode("utf-8", "replace").strip().partition("\n")[0]
    return SourceError(f"HTTP {status}: {first_line}")


def _explain(error: requests.RequestException) -> str:
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__  # its text may hold the query, which may be a reader's own

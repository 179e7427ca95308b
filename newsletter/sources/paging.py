"""Reading what answers one query of the query API, page after page, whatever the pages are like."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from newsletter.errors import SourceError
from newsletter.model import Paper
from newsletter.sources.atom import Answer, parse_answer
from newsletter.sources.client import Client, Params
from newsletter.sources.tally import Keys, NothingError, Tally

MAX_DEPTH = 10_000  # entries; beyond, the service answers 500
BEGINNING = datetime(1991, 8, 14, tzinfo=UTC)  # arXiv's first day
_SHORTEST_RANGE = timedelta(minutes=10)
_SLACK = timedelta(days=1)  # that a paper may lie outside of the range asked for
_ASKED_AGAIN = 2  # times that nothing is said to match, and asked again
_A_MINUTE = timedelta(minutes=1)

Range = tuple[datetime, datetime]


class Reading:
    """What was read for one question so far: it may take several queries, if one lists more than can be paged."""

    def __init__(
        self, client: Client, url: str, page_size: int, tally: Tally, *, newest_first: bool = True, depth: int
    ) -> None:
        self._client, self._url, self._page_size, self._depth = client, url, page_size, depth
        self._newest_first = newest_first
        self.tally = tally
        self.ordered = True  # so far
        self.ended = False  # the last query was read to its end

    @property
    def identifiers(self) -> set[str]:
        """What has come."""
        return {identifier for identifier, _ in self.tally.seen}

    def pages(
        self, query: str, submitted: Range | None = None, *, known: int = 0, whole: bool = False
    ) -> Iterator[tuple[Sequence[Paper], datetime | None]]:
        """The papers of each page that did not come before, and the time of the page's oldest version.

        `submitted` asks for those whose version 1 was submitted in a range only; `known` is how many are known to
        answer: that nothing does is believed once it was said again and again. Ends with the answer (then `ended`), or
        at the depth the service has; if it is to be had `whole`, before the first page is handed out if more match than
        that.

        Raises:
            SourceError: a page did not come, or not what was asked for.

        """
        query = f"({query}) AND {submitted_in(submitted)}" if submitted else query
        start, total = 0, 0
        last: datetime | None = None
        here: Keys = set()
        self.ended = False
        while not self.ended and start < self._depth:
            answer = self._page(query, start, total, here, known)
            if submitted:
                _refuse_others(answer.papers, submitted)
            if start == 0:
                self.tally.matched = max(self.tally.matched or 0, answer.total)
                if whole and answer.total > self._depth:
                    return
            start, total = start + answer.entries, answer.total
            times = [paper.updated for paper in answer.papers]
            self._look_at_order(last, times)
            last = times[-1] if times else last
            self.ended = start >= total
            yield self.tally.receive(answer.papers, len(answer.unreadable)), min(times, default=None)
        if self.ended and not self.ordered and not submitted and (missing := self.tally.missing) > 0:
            raise SourceError(f"{missing} of {self.tally.matched} papers did not come: the order changed between pages")

    def whole(self, query: str, submitted: Range) -> Iterator[Sequence[Paper]]:
        """Everything whose version 1 was submitted in a range; where more match than can be paged, it is halved."""
        for papers, _ in self.pages(query, submitted, whole=True):
            yield self.tally.hand_on(papers)
        if not self.ended:
            for part in halves(submitted):
                yield from self.whole(query, part)

    def _look_at_order(self, last: datetime | None, times: Sequence[datetime]) -> None:
        if self._newest_first and any(after > before for before, after in pairwise([last, *times] if last else times)):
            self.ordered = False

    def _page(self, query: str, start: int, total: int, before: Keys, known: int) -> Answer:
        highest, nothing = total, 0  # of all that was said, and how often nothing was

        def parameters(attempt: int) -> Params:
            # Some pairs of start and size have failed for days while their neighbours worked.
            size = max(min(self._page_size, self._depth - start) - attempt // 2, 1)
            return search(query, start, size, newest_first=self._newest_first)

        def read(body: bytes) -> Answer:
            nonlocal highest, nothing
            answer = parse_answer(body)
            highest = max(highest, answer.total)
            _refuse_empty(answer, start, highest)
            # Its only paper of the week may have another title by now; but an index has been empty for minutes.
            if known and not answer.entries and (nothing := nothing + 1) <= _ASKED_AGAIN:
                raise NothingError(f"nothing matches, though {known} did")
            keys = {paper.key for paper in answer.papers}
            if len(keys) > 1 and keys <= before:  # one may have been pushed down by one that came meanwhile
                raise SourceError(f"the page at {start} repeats those before")
            before.update(keys)
            return answer

        return self._client.get(self._url, parameters, read)


def search(query: str, start: int, size: int, *, newest_first: bool = True) -> Params:
    """The parameters of one request: by last update, or by first submission from the oldest on."""
    order = ("lastUpdatedDate", "descending") if newest_first else ("submittedDate", "ascending")
    return {
        "search_query": query,
        "start": start,
        "max_results": size,
        "sortBy": order[0],
        "sortOrder": order[1],
    }


def read_page(body: bytes) -> Answer:
    """A first page. Raises `SourceError`."""
    answer = parse_answer(body)
    _refuse_empty(answer, 0, answer.total)
    return answer


def _refuse_empty(answer: Answer, start: int, total: int) -> None:
    """Raise if there is to be more: first pages have been empty for minutes though the total said otherwise."""
    if not answer.entries and total > start:
        raise SourceError(f"an empty page at {start}, though {total} match")


def submitted_in(submitted: Range) -> str:
    """What asks for a range of first submissions; both ends count, to the minute in GMT, so the last is rounded up."""
    first, last = submitted[0], submitted[1] + _A_MINUTE - timedelta(microseconds=1)
    return f"submittedDate:[{_minute(first)} TO {_minute(last)}]"


def _minute(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y%m%d%H%M")


def halves(submitted: Range) -> tuple[Range, Range]:
    """A range in two. They share a minute: nothing is lost between them, and what comes twice is known again.

    Raises:
        SourceError: it is too short to be halved.

    """
    first, last = submitted
    if last - first < _SHORTEST_RANGE:
        raise SourceError(f"more papers match in {_SHORTEST_RANGE} than any query lists")
    middle = first + (last - first) / 2
    return (first, middle), (middle, last)


def _refuse_others(papers: Sequence[Paper], submitted: Range) -> None:
    """Raise if the range was ignored: it would be halved again and again."""
    first, last = submitted[0] - _SLACK, submitted[1] + _SLACK
    if any(not first <= paper.submitted <= last for paper in papers):
        raise SourceError("the dates asked for are ignored")

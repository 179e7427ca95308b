"""arXiv's query API as a source (API User's Manual, §3).

Queries of topics that have begun are asked several in one request, joined with OR. An answer without any of the papers
that are known to answer a topic is not believed: that topic is asked alone.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from newsletter.errors import SourceError
from newsletter.model import Account, Harvest, Paper, Sight
from newsletter.sources import Progress, Sieve, Upward, Want, Window
from newsletter.sources.client import Client
from newsletter.sources.paging import (
    BEGINNING,
    MAX_DEPTH,
    Range,
    Reading,
    halves,
    read_page,
    search,
    submitted_in,
)
from newsletter.sources.tally import Books, Tally, signature

log = logging.getLogger(__name__)

MAX_UNORDERED = 2_000  # entries that are read on when the order is not the one asked for
MAX_FIRST = 2_000  # entries that are read for a topic that begins, once the overlap is covered, if fewer do not do
MAX_JOINED = 1_500  # characters of queries joined into one; request lines have an end
_OR = " OR "
_FUTURE = timedelta(days=1)  # a range that ends today has come back empty
_LOOK = timedelta(days=8)  # no stretch without an announcement is longer
_PROBE = 10  # entries that show how far the index has come


class ApiSource:
    """The query API as a source, and as a history to be read from a date on."""

    name = "api"

    def __init__(
        self, client: Client, url: str, page_size: int, categories: Sequence[str] = (), depth: int = MAX_DEPTH
    ) -> None:
        self._client, self._url, self._page_size, self._depth = client, url, page_size, depth
        self._categories = categories

    def fetch(
        self, wants: Sequence[Want], window: Window, sieve: Sieve, progress: Progress = lambda _done: None
    ) -> Harvest:
        """Ask for every want; see `Source.fetch`. Where nothing is new, a look at the index shows how far it is."""
        upward = Upward(progress)
        self._client.begin(window, upward.again)
        books = Books(self.name, self._client)
        asking = _Asking(self._reading, books, window, sieve, upward)
        for group in _groups(wants):
            asking.ask(group)
        nothing = not asking.failures and not any(account.news for account in books.accounts)
        sights = self._look(window.now) if nothing and wants else ()
        return Harvest(tuple(books.accounts), sights, failures=asking.failures)

    def history(
        self, search_query: str, first: datetime, last: datetime, page: Callable[[Sequence[Paper]], None]
    ) -> Account:
        """Hand out everything whose version 1 was submitted from `first` to `last`, a page at a time, oldest first.

        Where more match than the service lists, the range is halved. What failed stands in the account's `error`.
        """
        self._client.begin()
        reading, error = self._reading(newest_first=False), ""
        try:
            for papers in reading.whole(search_query, (first, last)):
                page(papers)
        except SourceError as failure:
            error = str(failure)
        return reading.tally.account(error)

    def number_submitted(self, first: datetime, last: datetime) -> int | None:
        """How many papers of our categories were submitted in a range; None if arXiv does not tell."""
        query = submitted_in((first, last))
        if self._categories:
            query = f"({_any_of(self._categories)}) AND {query}"
        try:
            return self._client.get(self._url, search(query, 0, 1), read_page).total
        except SourceError as error:
            log.info("not counted reason=%s", error)
            return None

    def _reading(self, topic_ids: tuple[int, ...] = (), *, newest_first: bool = True) -> Reading:
        # What came for one topic is read again for another.
        tally = Tally(self.name, "", self._client, set(), topic_ids)
        return Reading(self._client, self._url, self._page_size, tally, newest_first=newest_first, depth=self._depth)

    def _look(self, now: datetime) -> tuple[Sight, ...]:
        """The newest papers, whatever they are about: a small category may have none for days. Nothing if that is
        not answered."""
        query = submitted_in((now - _LOOK, now + _FUTURE))
        try:
            answer = self._client.get(self._url, search(query, 0, _PROBE), read_page)
        except SourceError as error:
            log.info("no look at the index reason=%s", error)
            return ()
        newest = max((paper.updated for paper in answer.papers), default=None)
        return (Sight("", answer.entries, signature(answer.papers), newest),)


@dataclass
class _Asking:
    """One fetch: what was asked so far, and what came of it."""

    begin: Callable[[tuple[int, ...]], Reading]
    books: Books
    window: Window
    sieve: Sieve
    progress: Progress
    failures: dict[int, str] = field(default_factory=dict)
    _done: int = 0

    def ask(self, group: Sequence[Want]) -> None:
        """Ask for some wants in one; for those that it did not answer alone."""
        missed = self._question(group)
        if missed and len(group) > 1 and not self.books.given_up:
            log.info("a joined query is asked again in parts topics=%d", len(missed))
            self._done += len(group) - len(missed)
            for want in missed:
                self.ask([want])
            return
        self.failures |= {want.topic_id: self.books.accounts[-1].error for want in missed}
        self._done += len(group)
        self.progress(self._done)

    def _question(self, group: Sequence[Want]) -> list[Want]:
        """Ask once; returns the wants that are not answered."""
        reading = self.begin(tuple(want.topic_id for want in group))
        try:
            if self.books.given_up:
                raise SourceError(self.books.accounts[-1].error)
            self._read(reading, group)
        except SourceError as error:
            self.books.fail(reading.tally, error)
            return list(group)
        self.books.close(reading.tally)
        found = reading.identifiers
        return [want for want in group if len(group) > 1 and want.expected.isdisjoint(found)]

    def _read(self, reading: Reading, group: Sequence[Want], submitted: Range | None = None) -> None:
        """Read until all is known and the overlap is covered; by dates where there is more than can be paged."""
        begun, enough = group[0].begun, max(want.enough for want in group)
        most = max(MAX_FIRST, enough)  # of many that match there few may match here
        known = 0 if submitted else max(len(want.expected) for want in group)
        for papers, oldest in reading.pages(_joined(group), submitted, known=known):
            sifted = reading.tally.sift(papers, self.sieve)
            self.progress(self._done)
            covered = reading.ordered and oldest is not None and oldest < self.window.overlap
            tally = reading.tally
            if covered and (not sifted.news if begun else tally.kept >= enough or tally.received >= most):
                return
            if not reading.ordered and not reading.ended and reading.tally.received >= MAX_UNORDERED:
                raise SourceError("the answers are not in the order asked for")
        if not reading.ended:
            recent = (self.window.overlap, self.window.now + _FUTURE)
            for part in halves(submitted) if submitted else ((BEGINNING, self.window.overlap), recent):
                self._read(reading, group, part)


def _joined(group: Sequence[Want]) -> str:
    return _OR.join(f"({want.search_query})" for want in group) if len(group) > 1 else group[0].search_query


def _any_of(categories: Sequence[str]) -> str:
    return _OR.join(f"cat:{category}" for category in categories)


def _groups(wants: Sequence[Want]) -> Iterator[list[Want]]:
    """What is asked in one request: as many as fit of the topics that have begun and of which we expect something.

    The others alone: those that begin read further, and where nothing is expected nothing shows that it was understood.
    """
    group: list[Want] = []
    for want in wants:
        if not want.begun or not want.expected:
            yield [want]
        elif group and len(_joined([*group, want])) > MAX_JOINED:
            yield group
            group = [want]
        else:
            group.append(want)
    if group:
        yield group

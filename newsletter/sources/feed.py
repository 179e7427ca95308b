"""arXiv's daily feeds as a source: one request a category, the details of what may match from the query API."""

from collections import deque
from collections.abc import Sequence

from newsletter.errors import SourceError
from newsletter.model import Harvest, Sight
from newsletter.sources import Progress, Sieve, Upward, Want, Window
from newsletter.sources.client import Client
from newsletter.sources.details import Details
from newsletter.sources.rss import Feed, parse_feed
from newsletter.sources.tally import Books, Tally, signature
from newsletter.sources.taxonomy import feed_names, subdivide

LIMIT = 2_000  # items; of more it is the new papers that are left out


class FeedSource:
    """The feeds of some categories, `feed_url` without them; `api_url` is asked for details.

    It answers every want alike, with all that the categories hold: one that cannot be had fails them all.
    """

    name = "feed"

    def __init__(self, client: Client, feed_url: str, api_url: str, categories: Sequence[str]) -> None:
        self._client, self._url, self._api_url = client, feed_url.rstrip("/"), api_url
        self._names = feed_names(categories)

    def fetch(
        self, wants: Sequence[Want], window: Window, sieve: Sieve, progress: Progress = lambda _done: None
    ) -> Harvest:
        """Ask for every category; see `Source.fetch`. A feed holds one batch, whatever the window."""
        upward = Upward(progress)
        self._client.begin(window, upward.again)
        fetching = _Fetch(self.name, self._client, self._url, Details(self._client, self._api_url), sieve)
        names = deque(self._names if wants else ())
        while names:
            names.extendleft(reversed(fetching.ask(names.popleft())))
            done = len(fetching.books.accounts)
            upward(len(wants) * done // (done + len(names)))
        return fetching.harvest(wants)


class _Fetch:
    """One fetch: what was asked so far, and what came of it."""

    def __init__(self, source: str, client: Client, url: str, details: Details, sieve: Sieve) -> None:
        self._client, self._url, self._details, self._sieve = client, url, details, sieve
        self.books = Books(source, client)
        self._sights: list[Sight] = []
        self._remarks: list[str] = []

    def ask(self, name: str) -> tuple[str, ...]:
        """Ask for a feed; returns those to be asked besides, if it is cut."""
        tally = self.books.open(name)
        if self.books.given_up:
            self.books.fail(tally, SourceError("not asked any more"))
            return ()
        try:
            feed = self._client.get(f"{self._url}/{name}", {}, parse_feed)
        except SourceError as error:
            self.books.fail(tally, error)
            return ()
        self._take(feed, name, tally)
        parts = subdivide(name) if feed.items >= LIMIT else ()
        if parts:  # which then tell what it shows
            self._remarks.append(f"the feed of {name} is cut at {feed.items:,} items: its categories were asked for")
        else:
            self._sights.append(Sight(name, feed.items, signature(entry.paper for entry in feed.entries)))
        cut = feed.items >= LIMIT and not parts
        self.books.close(tally, f"cut at {feed.items:,} items" if cut else "")
        return parts

    def _take(self, feed: Feed, name: str, tally: Tally) -> None:
        if feed.unreadable:
            self._remarks.append(f"{len(feed.unreadable)} unreadable in the feed of {name}: {feed.unreadable[0]}")
        papers = tally.receive([entry.paper for entry in feed.entries], len(feed.unreadable))
        told = self._details.fill_in(self._sieve.candidates(papers))
        in_full = {paper.key: paper for paper in told}
        tally.sift([in_full.get(paper.key, paper) for paper in papers], self._sieve)

    def harvest(self, wants: Sequence[Want]) -> Harvest:
        """What it came to."""
        remarks = self._remarks
        if self._details.reason:
            remarks = [*remarks, f"papers are as the feed has them, without details: {self._details.reason}"]
        return Harvest(tuple(self.books.accounts), tuple(self._sights), tuple(remarks), self.books.failures(wants))

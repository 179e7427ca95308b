"""Where papers come from. A source proposes; what is new is decided elsewhere."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from newsletter.model import Harvest, Paper

Progress = Callable[[int], None]


class Upward:
    """Progress that is never told backwards, whoever of several tells it."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._done = progress, 0

    def __call__(self, done: int) -> None:
        """So many are done, unless it was more before."""
        self._done = max(self._done, done)
        self._progress(self._done)

    def again(self) -> None:
        """Nothing has changed: a sign of life."""
        self._progress(self._done)


@dataclass(frozen=True, slots=True)
class Want:
    """What is asked for one topic.

    `search_query` is in arXiv's form. A topic that was never settled (`begun` false) has no "known" to page down to:
    `enough` papers, and the days since the window's `overlap`, will do. `expected` are identifiers of papers that we
    know to answer, submitted within the overlap: an answer without any of them is not an answer to this query.
    """

    topic_id: int
    search_query: str
    begun: bool = True
    enough: int = 0
    expected: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Window:
    """What a fetch has to cover: versions submitted since `overlap`, and whatever was announced since `announced`.

    The two differ because a version is announced days after it is submitted: the query API lists by submission, feeds
    and OAI-PMH by announcement.
    """

    now: datetime
    overlap: datetime
    announced: datetime
    deep: bool = False  # the overlap is that of the weekly pass


@dataclass(frozen=True, slots=True)
class Sifted:
    """What became of some papers: each is one of these."""

    outside: int = 0
    dropped: int = 0
    known: int = 0
    news: int = 0


class Sieve(Protocol):
    """Takes papers in as they come, so that a source need not hold them."""

    def take(self, papers: Sequence[Paper], topic_ids: Collection[int] = ()) -> Sifted:
        """Keep what matches; `topic_ids` are those whose queries brought it, none for everybody's."""
        ...

    def candidates(self, papers: Sequence[Paper]) -> list[Paper]:
        """Those of some provisional papers that may match once their details are known, and are not held in full."""
        ...


class Source(Protocol):
    """One way to arXiv."""

    name: str

    def fetch(
        self, wants: Sequence[Want], window: Window, sieve: Sieve, progress: Progress = lambda _done: None
    ) -> Harvest:
        """Ask for every want. One that fails is named in the harvest; it does not stop the others.

        `progress` is called with the number of wants done, after each page; also, lest silence be taken for death,
        before each request and each pause. Sources that are asked for the same fetch get the same window.
        """
        ...

"""Where papers come from. A source proposes; what is new is decided elsewhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from newsletter.model import Harvest, Paper


@dataclass(frozen=True, slots=True)
class Want:
    """What is asked for one topic.

    `search_query` is in arXiv's form. `news` tells how many papers of a page we would keep and do not hold; while there
    are some, there is reason to turn the page. A topic that was never settled (`begun` false) has no "known" to page
    down to: `enough` papers, and the days since `Source.fetch`'s `since`, will do.
    """

    topic_id: int
    search_query: str
    news: Callable[[Sequence[Paper]], int]
    begun: bool = True
    enough: int = 0


class Source(Protocol):
    """One way to arXiv."""

    name: str

    def fetch(self, wants: Sequence[Want], since: datetime, progress: Callable[[int], None] = ...) -> Harvest:
        """Ask for every want, covering at least the versions submitted after `since`.

        A want that fails is named in the harvest's accounts; it does not stop the others. `progress` is called
        with the number of wants done, after each page.
        """
        ...

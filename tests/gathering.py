"""What the tests of feeds and OAI-PMH share: papers, an arXiv that announced them, and a sieve to gather them in."""

from collections.abc import Collection, Sequence
from datetime import date, timedelta
from typing import Any

from house import START, Time, day, make_paper

from newsletter.demo.announcements import Announced, Release, evening
from newsletter.model import Harvest, Paper
from newsletter.sources import Sifted, Want, Window

WANTS = (Want(1, "ti:graph"), Want(2, "ti:tree"))
WINDOW = Window(START, overlap=START - timedelta(days=8), announced=START - timedelta(days=1))


class Sieve:
    """Keeps every paper that is in none of the categories `outside`; what is in `held` is known."""

    def __init__(self, held: dict[tuple[str, int], Paper] | None = None, outside: Collection[str] = ()) -> None:
        self.held = {} if held is None else held
        self.largest = 0  # papers that came at once
        self._outside = frozenset(outside)

    @property
    def names(self) -> list[str]:
        """What is held, sorted."""
        return sorted(f"{identifier}v{version}" for identifier, version in self.held)

    def take(self, papers: Sequence[Paper], topic_ids: Collection[int] = ()) -> Sifted:
        assert not topic_ids  # a feed or a set is everybody's
        self.largest = max(self.largest, len(papers))
        inside = self._inside(papers)
        new = {paper.key: paper for paper in inside if paper.key not in self.held}
        self.held |= new | {paper.key: paper for paper in self._wanting(inside)}
        return Sifted(outside=len(papers) - len(inside), known=len(inside) - len(new), news=len(new))

    def candidates(self, papers: Sequence[Paper]) -> list[Paper]:
        return self._wanting(self._inside(papers))

    def _inside(self, papers: Sequence[Paper]) -> list[Paper]:
        return [paper for paper in papers if self._outside.isdisjoint(paper.categories)]

    def _wanting(self, papers: Sequence[Paper]) -> list[Paper]:
        """Those that are not held in full."""
        return [paper for paper in papers if paper.key not in self.held or self.held[paper.key].provisional]


def make(number: int, *categories: str, version: int = 1, **fields: Any) -> Paper:
    """A paper of January 2026, submitted on the Friday before `START`, in time for Sunday's announcement."""
    submitted = START - timedelta(days=4) + timedelta(seconds=number)
    ours = {
        "id": f"2601.{number:05}",
        "title": "On Graphs",
        "abstract": "We look.",
        "authors": ("Ada Example", "Émile Borel"),
        "categories": categories or ("cs.LG",),
        "comment": "5 pages",
        "submitted": submitted,
        "updated": submitted + timedelta(hours=version - 1),
    }
    return make_paper(number, version=version, **{**ours, **fields})


def announce(*papers: Paper, on: date = day(-1)) -> list[Release]:  # noqa: B008 - a date does not change
    """Papers as they are announced on the evening of a date: by default the last before `START`."""
    return [Release(paper, evening(on)) for paper in papers]


def library(releases: Sequence[Release], time: Time) -> Announced:
    """An arXiv of these; what is put among them later is announced too."""
    return Announced(releases, time.clock)


def differences(harvest: Harvest) -> list[int]:
    """Of each account, the entries that nobody accounts for."""
    return [account.difference for account in harvest.accounts]

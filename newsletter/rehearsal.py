"""What a query would have matched, before anybody subscribes to it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from newsletter.app import App
from newsletter.errors import SourceError
from newsletter.model import Paper
from newsletter.query import parse, write_search_query
from newsletter.sources import Sifted, Want, Window
from newsletter.storage.matching import Matcher, in_categories


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a query would have matched: newest first. `everything` is how many papers there were at all, if known."""

    papers: tuple[Paper, ...]
    days: int
    everything: int | None


class _Matching:
    """A sieve that keeps the recent papers that match one query, whether we hold them or not."""

    def __init__(self, app: App, query: str, since: datetime) -> None:
        self._tree, self._categories, self._since = parse(query), app.config.arxiv.categories, since
        self.papers: list[Paper] = []

    def take(self, papers: Sequence[Paper], topic_ids: object = ()) -> Sifted:
        del topic_ids
        inside = [paper for paper in papers if in_categories(paper.categories, self._categories)]
        matcher = Matcher(inside)
        matched = matcher.matching(self._tree)
        matcher.close()
        self.papers += [paper for paper in matched if paper.updated >= self._since]
        return Sifted(len(papers) - len(inside), len(inside) - len(matched), 0, len(matched))

    def candidates(self, papers: Sequence[Paper]) -> list[Paper]:
        return list(papers)


def rehearse_query(app: App, query: str, days: int) -> Rehearsal:
    """What a query would have matched in the last `days`, asked of the query API now; nothing is stored.

    Raises:
        QueryError: it does not parse.
        SourceError: arXiv did not answer.

    """
    now = app.now()
    since = now - timedelta(days=days)
    sieve = _Matching(app, query, since)
    want = Want(0, write_search_query(parse(query)), begun=False)
    harvest = app.query_api.fetch([want], Window(now, since, since), sieve)
    if failure := harvest.failures.get(0):
        raise SourceError(failure)
    papers = sorted(sieve.papers, key=lambda paper: paper.updated, reverse=True)
    return Rehearsal(tuple(papers), days, app.query_api.number_submitted(since, now))

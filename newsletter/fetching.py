"""Fetch: ask the source for every topic, keep what matches here, and account for the rest."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from newsletter.app import App
from newsletter.errors import SourceError
from newsletter.model import Harvest, HarvestState, Paper, Topic
from newsletter.query import Node, parse, write_search_query
from newsletter.sources import Want
from newsletter.storage.harvests import HarvestRecord
from newsletter.storage.matching import Matcher, in_categories

log = logging.getLogger(__name__)

OVERLAP = timedelta(days=8)  # 98.7 % of papers appear in the API within 7 days of their submission


@dataclass(frozen=True, slots=True)
class Gathered:
    """A fetch that is not written down yet."""

    record: HarvestRecord
    started: datetime
    harvest: Harvest


def gather(app: App, day: date, progress: Callable[[int, int], None] = lambda _done, _all: None) -> Gathered:
    """Ask the source for every topic and account for the answer; writes nothing."""
    started = app.now()
    topics = app.storage.topics.asked()
    trees = {topic.id: parse(topic.query) for topic in topics}
    wants = [_want(app, topic, trees[topic.id]) for topic in topics]
    harvest = app.source.fetch(wants, started - OVERLAP, lambda done: progress(done, len(wants)))
    inside = [paper for paper in harvest.papers if in_categories(paper.categories, app.config.arxiv.categories)]
    kept = _matching(inside, list(trees.values()))
    keys = {paper.key for paper in kept}
    unknown = keys - app.storage.papers.known(list(keys))
    record = HarvestRecord(
        id=0,
        date=day,
        ended=app.now(),
        source=app.source.name,
        state=_state(harvest, unknown),
        reason=_reason(harvest, len(unknown), {topic.id: topic.name for topic in topics}),
        requests=sum(account.requests for account in harvest.accounts.values()),
        matched=sum(account.matched for account in harvest.accounts.values()),
        received=len(harvest.papers),
        outside=len(harvest.papers) - len(inside),
        dropped=len(inside) - len(kept),
    )
    listed = {topic: tuple(key for key in listing if key in keys) for topic, listing in harvest.listed.items()}
    return Gathered(record, started, replace(harvest, papers=tuple(kept), listed=listed))


def store(app: App, gathered: Gathered) -> None:
    """Write a fetch down, inside a write transaction."""
    app.storage.papers.add(gathered.harvest.papers, gathered.record.ended)
    app.storage.harvests.add(gathered.record, gathered.started, gathered.harvest)


def fetch(app: App, day: date, progress: Callable[[int, int], None] = lambda _done, _all: None) -> HarvestRecord:
    """Gather and store."""
    gathered = gather(app, day, progress)
    with app.storage.write():
        store(app, gathered)
    record = gathered.record
    level = logging.INFO if record.state in (HarvestState.FRESH, HarvestState.SAME) else logging.WARNING
    counts = f"requests={record.requests} received={record.received} dropped={record.dropped}"
    log.log(level, "fetched source=%s state=%s %s reason=%s", record.source, record.state, counts, record.reason)
    return record


def _want(app: App, topic: Topic, tree: Node) -> Want:
    def news(papers: Sequence[Paper]) -> int:
        inside = [paper for paper in papers if in_categories(paper.categories, app.config.arxiv.categories)]
        keys = [paper.key for paper in _matching(inside, [tree])]
        return len(set(keys) - app.storage.papers.known(keys))

    enough = max(app.config.digest.backlog, app.config.archive.max_papers)
    return Want(topic.id, write_search_query(tree), news, topic.begun, enough)


def _matching(papers: Sequence[Paper], trees: Sequence[Node]) -> list[Paper]:
    matcher = Matcher(papers)
    found = 0
    for tree in trees:
        found |= matcher.bitmap(tree)
    matcher.close()
    return [paper for position, paper in enumerate(papers) if found >> position & 1]


def _state(harvest: Harvest, unknown: set[tuple[str, int]]) -> HarvestState:
    if harvest.accounts and len(harvest.failures) == len(harvest.accounts):
        return HarvestState.FAILED
    if harvest.failures:
        return HarvestState.PARTIAL
    return HarvestState.FRESH if unknown else HarvestState.SAME


def _reason(harvest: Harvest, unknown: int, names: Mapping[int, str]) -> str:
    if not harvest.accounts:
        return "there are no topics to fetch"
    news = f"{unknown} versions not held before" if unknown else "nothing that was not held before"
    account = f"{len(harvest.papers)} received, {news}"
    failures = "; ".join(_failure(names[topic], reason) for topic, reason in harvest.failures.items())
    return f"{failures} ({account})" if failures else account


def _failure(name: str, reason: str) -> str:
    # A reader's query is personal, and arXiv's message may repeat it.
    return f"{name}: {reason}" if name else f"a reader's query: {reason.partition(': ')[0]}"


def rehearse_query(app: App, query: str, days: int) -> list[Paper]:
    """What a query would have matched in the last `days`, asked of the source now; newest first, nothing is stored.

    Raises:
        QueryError: it does not parse.
        SourceError: the source did not answer.

    """
    tree = parse(query)
    since = app.now() - timedelta(days=days)
    harvest = app.source.fetch([Want(0, write_search_query(tree), news=len, begun=False)], since, lambda _done: None)
    if failure := harvest.failures.get(0):
        raise SourceError(failure)
    recent = [paper for paper in harvest.papers if paper.updated >= since]
    inside = [paper for paper in recent if in_categories(paper.categories, app.config.arxiv.categories)]
    return sorted(_matching(inside, [tree]), key=lambda paper: paper.updated, reverse=True)

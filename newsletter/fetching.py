"""Fetch: ask the source for every topic, keep what matches here, account for the rest, and say why nothing came."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime, timedelta

from newsletter.app import App
from newsletter.model import Account, Harvest, HarvestState, Paper, Sight, Topic
from newsletter.query import excludes_here_only, parse, write_search_query
from newsletter.sieve import Basket
from newsletter.sources import Want, Window
from newsletter.sources.verdict import Seen, Verdict, judge
from newsletter.storage.harvests import HarvestRecord, Listed

log = logging.getLogger(__name__)

OVERLAP = timedelta(days=8)  # 98.7 % of papers appear in the API within 7 days of their submission
DEEP_OVERLAP, DEEP_EVERY = timedelta(days=90), timedelta(days=7)  # what moderation held back for longer
_FIRST_REACH = timedelta(days=2)  # before the first fetch nothing was missed
_FILLED_IN = 200  # papers a fetch, whose details did not come before
_NAMED = 5  # topics that share a reason
_WRONG = 20  # one paper in so many may not match here; more, and arXiv's search is ill

Progress = Callable[[int, int], None]


def _no_progress(_done: int, _all: int) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Gathered:
    """A fetch that is not written down yet. `asked` are its topics, with the reason if not all of one came.

    `in_vain` are versions that arXiv was asked for and does not tell of; `horizons` are of the topics that begin with
    it: what was submitted before was not read, and is history.
    """

    record: HarvestRecord
    started: datetime
    papers: tuple[Paper, ...]
    listed: Listed
    asked: Mapping[int, str]
    accounts: tuple[Account, ...] = ()
    sights: tuple[Sight, ...] = ()
    in_vain: tuple[tuple[str, int], ...] = ()
    horizons: Mapping[int, datetime] = field(default_factory=dict)


def gather(app: App, day: date, progress: Progress = _no_progress) -> Gathered:
    """Ask the source for every topic and account for the answer; writes nothing."""
    started = app.now()
    window = _window(app, started)
    topics = app.storage.topics.asked()
    wants = _wants(app, topics, window)
    basket = Basket(app.storage, topics, app.config.arxiv.categories, started - OVERLAP)
    harvest = app.source.fetch(wants, window, basket, lambda done: progress(done, len(wants)))
    harvest, in_vain = _fill_in(app, harvest, basket)
    for problem in _differences(harvest):
        log.error("%s", problem)
    return Gathered(
        _record(app, day, topics, harvest, window, basket.news),
        started,
        tuple(basket.papers.values()),
        basket.listed,
        {topic.id: harvest.failures.get(topic.id, "") for topic in topics},
        harvest.accounts,
        harvest.sights,
        in_vain,
        dict(_horizons(topics, harvest, basket, started - OVERLAP)),
    )


def _horizons(
    topics: Sequence[Topic], harvest: Harvest, basket: Basket, overlap: datetime
) -> Iterator[tuple[int, datetime]]:
    """Of the topics that begin, how far back they were read, if that is not all there is.

    Otherwise a later fetch, which may look further back, would tell as new what nobody had read.
    """
    searched = [account for account in harvest.accounts if account.source == "api" and not account.error]
    read = [account for account in searched if account.matched <= account.received - account.repeated]
    whole = {topic for account in read for topic in account.topic_ids}
    for topic in topics:
        if not topic.begun and topic.id not in whole and topic.id not in harvest.failures:
            yield topic.id, min(overlap, basket.reached.get(topic.id, overlap))


def store(app: App, gathered: Gathered) -> None:
    """Write a fetch down, inside a write transaction."""
    record = gathered.record
    app.storage.papers.add(gathered.papers, record.ended)
    app.storage.papers.asked_in_vain(gathered.in_vain, record.ended)
    app.storage.harvests.add(record, gathered.started, gathered.listed, gathered.asked, gathered.accounts)
    app.storage.harvests.see(record.source, gathered.sights, record.ended)
    for topic_id, horizon in gathered.horizons.items():
        app.storage.topics.bound(topic_id, horizon, but_for_later=True)


def fetch(app: App, day: date, progress: Progress = _no_progress) -> HarvestRecord:
    """Gather and store."""
    gathered = gather(app, day, progress)
    with app.storage.write():
        store(app, gathered)
    record = gathered.record
    level = logging.WARNING if record.state in _ILL else logging.INFO
    counts = f"requests={record.requests} received={record.received} dropped={record.dropped}"
    log.log(level, "fetched source=%s state=%s %s reason=%s", record.source, record.state, counts, record.reason)
    for remark in record.remarks:
        log.warning("%s", remark)
    return record


_ILL = (HarvestState.FAILED, HarvestState.PARTIAL, HarvestState.STALE)


# ---------------------------------------------------------------- what is asked


def _window(app: App, now: datetime) -> Window:
    """How far back a fetch reaches: over all that was missed, and once a week over what came late."""
    harvests = app.storage.harvests
    last, first = harvests.newest_complete(), harvests.oldest()
    # What was renewed while the last one was under way, it may not have seen.
    announced = min(last.started or last.ended, now) if last is not None else now - _FIRST_REACH
    deep = first is not None and now - first.ended >= DEEP_EVERY
    if deep and (reached := harvests.reached_back(now - DEEP_EVERY)) is not None:
        deep = now - reached < DEEP_OVERLAP
    overlap = min(now, announced if last is not None else now) - OVERLAP
    return Window(now, min(overlap, now - DEEP_OVERLAP) if deep else overlap, announced, deep)


def _wants(app: App, topics: Sequence[Topic], window: Window) -> list[Want]:
    expected = app.storage.editions.settled_since(window.now - OVERLAP)
    enough = max(app.config.digest.backlog, app.config.archive.max_papers)
    searched = app.config.arxiv.source == "api"
    return [
        Want(
            topic.id,
            # Readers' queries may be thousands where the feed is the source: they are not asked of arXiv's search.
            write_search_query(parse(topic.query)) if searched or not topic.personal else "",
            topic.begun,
            enough,
            expected.get(topic.id, frozenset()),
        )
        for topic in topics
    ]


def _fill_in(app: App, harvest: Harvest, basket: Basket) -> tuple[Harvest, tuple[tuple[str, int], ...]]:
    """Ask for the details of papers that came from a feed or a README; they are not pressing. Also returns the versions
    that arXiv does not tell of."""
    waiting = app.storage.papers.provisional(_FILLED_IN)
    searched = [account for account in harvest.accounts if account.source == "api"]
    ill = searched and all(account.error for account in searched)  # one query that is refused says nothing of it
    if not waiting or ill:
        return harvest, ()
    papers, account = app.fill_in(waiting)
    full = [paper for paper in papers if not paper.provisional]
    in_vain = () if account.error else tuple(paper.key for paper in papers if paper.provisional)
    sifted = basket.take(full)  # they may match more than what was known of them
    basket.papers |= {paper.key: paper for paper in full}  # or nothing at all, and need not be asked for again
    return replace(harvest, accounts=(*harvest.accounts, replace(account, **asdict(sifted)))), in_vain


# ---------------------------------------------------------------- what it came to


def _record(app: App, day: date, topics: Sequence[Topic], harvest: Harvest, window: Window, news: int) -> HarvestRecord:
    verdict = _verdict(app, topics, harvest, window)
    accounts = harvest.accounts
    remarks = [*harvest.remarks, *_doubts(accounts, topics), *_outside(accounts)]
    return HarvestRecord(
        id=0,
        date=day,
        ended=app.now(),
        source=app.source.name,
        state=verdict.state,
        reason=_reason(harvest, verdict, topics, news),
        requests=harvest.requests,
        matched=sum(account.matched for account in accounts),
        received=sum(account.received for account in accounts),
        outside=sum(account.outside for account in accounts),
        dropped=sum(account.dropped for account in accounts),
        overlap=_reached(window, accounts),
        due=verdict.due,
        remarks=tuple(remarks),
    )


def _reached(window: Window, accounts: Sequence[Account]) -> datetime:
    """How far back was asked: only arXiv's search can do what a deep pass is for."""
    searched = any(account.source == "api" and not account.error for account in accounts)
    return window.overlap if searched or not window.deep else window.announced - OVERLAP


def _verdict(app: App, topics: Sequence[Topic], harvest: Harvest, window: Window) -> Verdict:
    complete = app.storage.harvests.newest_complete()
    before = app.storage.harvests.sights(app.source.name)
    return judge(
        harvest,
        len(topics),
        interface=app.config.arxiv.source,
        calendar=app.calendar,
        last=complete.started if complete is not None else None,
        before={name: Seen(sight, since) for name, (sight, since) in before.items()},
        now=window.now,
    )


def _reason(harvest: Harvest, verdict: Verdict, topics: Sequence[Topic], news: int) -> str:
    if not topics:
        return "there are no topics to fetch"
    received = sum(account.received for account in harvest.accounts)
    account = f"{received} received, {f'{news} versions' if news else 'nothing that was'} not held before"
    names = {topic.id: topic.name for topic in topics}
    failed: dict[str, list[str]] = {}
    for topic, reason in harvest.failures.items():
        failed.setdefault(reason, []).append(names[topic])
    failures = "; ".join(f"{_those(who)}: {reason}" for reason, who in failed.items())
    why = failures or verdict.why
    return f"{why} ({account})" if why else account


def _those(names: Sequence[str]) -> str:
    """Who shares a reason; of thousands not each by name, and of readers' queries none."""
    named = list(filter(None, names))
    queries = len(names) - len(named)
    told = named[:_NAMED]
    if len(named) > _NAMED:
        told.append(f"{len(named) - _NAMED} more topics")
    if queries:
        told.append("a reader's query" if queries == 1 else f"{queries} readers' queries")
    return ", ".join(told)


def _doubts(accounts: Sequence[Account], topics: Sequence[Topic]) -> list[str]:
    """What makes arXiv's search doubtful: of what it answers, hardly anything should not match here.

    Unless it was asked for more than matches, since it cannot exclude what we exclude.
    """
    wider = {topic.id for topic in topics if excludes_here_only(parse(topic.query))}
    searched = [one for one in accounts if one.source == "api" and one.topic_ids and wider.isdisjoint(one.topic_ids)]
    dropped, received = sum(one.dropped for one in searched), sum(one.received for one in searched)
    if dropped * _WRONG <= received:
        return []
    return [f"{dropped} of {received} papers that arXiv's search answered do not match here; it may be ill"]


def _outside(accounts: Sequence[Account]) -> list[str]:
    """Whether the configured categories let anything pass."""
    received = sum(one.received - one.unreadable - one.repeated for one in accounts)
    if not received or sum(one.outside for one in accounts) < received:
        return []
    return [f"none of the {received} papers that came is in [arxiv] categories; are they spelled as arXiv does?"]


def _differences(harvest: Harvest) -> list[str]:
    return [
        f"the account does not add up: source={one.source} asked={one.asked or 'queries'} received={one.received}"
        f" difference={one.difference}"
        for one in harvest.accounts
        if one.difference
    ]

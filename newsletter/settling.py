"""Select and queue: what is new becomes the date's edition, and a digest for each reader whose turn it is."""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from newsletter import selection
from newsletter.app import App
from newsletter.errors import StorageError
from newsletter.model import Announcement, Kind, Paper, Remark, Selected, Topic
from newsletter.query import Node, parse
from newsletter.queueing import queue_at_publishing
from newsletter.rendering.fragments import Fragment
from newsletter.storage.editions import UNLISTED
from newsletter.storage.harvests import Undecided
from newsletter.storage.matching import Matcher
from newsletter.withdrawal import is_withdrawn

log = logging.getLogger(__name__)

_KEEP_FRAGMENTS = timedelta(days=15)  # a weekly digest may be sent a week after its last edition


@dataclass(frozen=True, slots=True)
class Decision:
    """What selection came to: the edition's date if there is one, and how many digests were queued."""

    edition: date | None
    announcements: tuple[Announcement, ...]
    queued: int

    @property
    def told(self) -> tuple[Announcement, ...]:
        """What readers are told."""
        return tuple(announcement for announcement in self.announcements if announcement.kind is not Kind.PASSED_OVER)

    @property
    def counts(self) -> dict[Kind, int]:
        """How many papers readers are told of, by kind; one under two topics counts once."""
        papers = {(announcement.kind, announcement.paper.key) for announcement in self.told}
        return {kind: number for kind in Kind if (number := sum(kind is told for told, _ in papers))}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be written down: the announcements, the fragments made for them, and what is remarked on them."""

    day: date
    undecided: Undecided
    announcements: tuple[Announcement, ...]
    fragments: Mapping[str, Sequence[Fragment]]  # by language
    remarks: tuple[Remark, ...] = ()
    selected: tuple[Selected, ...] = ()

    @property
    def told(self) -> bool:
        """Whether there is anything to tell, and so an edition."""
        return any(announcement.kind is not Kind.PASSED_OVER for announcement in self.announcements)


def settle(app: App, day: date, remarks: tuple[Remark, ...] = ()) -> Decision:
    """Decide on everything undecided, make the date's edition if it holds something, and queue whose turn it is.

    One transaction: edition, announcements, cards and digests are there together or not at all. If the date has an
    edition already, what is undecided waits for the next one.

    Raises:
        TemplateError: a card cannot be made; nothing was written, and the papers wait.

    """
    plan = make_plan(app, day, remarks)
    with app.storage.write():
        decision = write_down(app, plan)
    _make_findable(app)
    passed_over = len(decision.announcements) - len(decision.told)
    log.info(
        "settled date=%s announced=%d passed_over=%d queued=%d", day, len(decision.told), passed_over, decision.queued
    )
    return decision


def _make_findable(app: App) -> None:
    """Take up in the search what was announced. That may fail: the edition is out, and the heartbeat tries again."""
    try:
        while app.storage.search.follow():
            pass
    except StorageError as error:
        log.warning("the search lags behind reason=%s", error)


def no_plan(day: date) -> Plan:
    """Nothing to decide; writing it down queues the digests of those whose turn it is, edition or not."""
    return Plan(day, Undecided((), (), {}, frozenset()), (), {})


def queue_only(app: App, day: date) -> Decision:
    """Queue without deciding: after a failed fetch, readers get what earlier editions hold for them."""
    with app.storage.write():
        return write_down(app, no_plan(day))


def make_plan(app: App, day: date, remarks: tuple[Remark, ...] = ()) -> Plan:
    """Decide, and make the cards; writes nothing. An edition that is there already keeps its own remarks."""
    if app.storage.editions.exists(day):
        return no_plan(day)
    undecided = app.storage.harvests.undecided()
    announcements, selected = _decide(app, undecided, day)
    cards = app.composer.prepare(announcements, app.storage.fragments.languages())
    return Plan(day, undecided, tuple(announcements), cards, remarks, tuple(selected))


def write_down(app: App, plan: Plan) -> Decision:
    """Write down what was planned and queue the digests, inside a write transaction."""
    storage, now = app.storage, app.now()
    if plan.told:
        storage.editions.add(plan.day, now, plan.remarks)
        app.composer.store(plan.fragments, plan.day)
        storage.fragments.forget(plan.day - _KEEP_FRAGMENTS)
    storage.editions.settle(plan.announcements, plan.undecided.places)
    storage.selections.add(plan.day, plan.selected)
    for topic_id in storage.selections.differences(plan.day):
        log.error("the account does not add up: date=%s topic=%d", plan.day, topic_id)
    storage.harvests.settle(plan.undecided.harvest_ids, now)
    if plan.undecided.harvest_ids:
        storage.topics.begin(plan.undecided.answered, now)
    return Decision(plan.day if plan.told else None, plan.announcements, queue_at_publishing(app, plan.day))


def _decide(app: App, undecided: Undecided, day: date) -> tuple[list[Announcement], list[Selected]]:
    matcher = Matcher(undecided.papers)
    settled = app.storage.editions.held({paper.id for paper in undecided.papers})
    held: dict[int, dict[str, dict[int, Kind]]] = {}
    for (topic_id, paper_id), versions in settled.items():
        held.setdefault(topic_id, {})[paper_id] = versions
    told = _told(settled, {topic.id for topic in app.storage.topics.all() if topic.personal})
    before = app.storage.papers.before(undecided.papers)
    withdrawn = {paper.key for paper in undecided.papers if is_withdrawn(paper)}
    announcements: list[Announcement] = []
    selected = []
    for topic in app.storage.topics.asked():
        if not topic.begun and topic.id not in undecided.answered:
            continue  # its first edition must see all it matches
        tree = parse(topic.query)
        matches = _newest_first(matcher.matching(tree), topic, undecided)
        known = held.get(topic.id, {})
        decided = selection.announce(
            topic,
            matches,
            known,
            before,
            told,
            withdrawn,
            day=day,
            now=app.now(),
            backlog=app.config.digest.backlog,
            revised=app.config.digest.revised,
        )
        announcements += _with_words(decided, matcher, tree)
        if not topic.personal:
            selected.append(selection.count(topic, matches, known, decided))
    matcher.close()
    return announcements, selected


def _newest_first(papers: list[Paper], topic: Topic, undecided: Undecided) -> list[Paper]:
    listed = sorted(papers, key=lambda paper: undecided.places.get((topic.id, paper.key), UNLISTED))
    return sorted(listed, key=lambda paper: paper.updated, reverse=True)


def _with_words(decided: Sequence[Announcement], matcher: Matcher, tree: Node) -> Iterator[Announcement]:
    """What was decided on the matches of a query; what is told has the words that answered it."""
    told = [announcement.paper for announcement in decided if announcement.kind is not Kind.PASSED_OVER]
    found = iter(matcher.words(tree, told))
    for announcement in decided:
        if announcement.kind is Kind.PASSED_OVER:
            yield announcement
        else:
            yield replace(announcement, words=selection.brief_words(next(found)))


def _told(settled: Mapping[tuple[int, str], Mapping[int, Kind]], personal: Collection[int]) -> dict[str, int]:
    """Of each paper the first version that was told under an operator's topic.

    What readers' own queries found stays theirs: no edition may show, by a card's form, that somebody asked for it.
    """
    found = (
        (paper_id, version)
        for (topic_id, paper_id), versions in settled.items()
        for version, kind in versions.items()
        if topic_id not in personal and kind is not Kind.PASSED_OVER
    )
    return dict(sorted(found, reverse=True))  # of each paper the first version comes last, and stays

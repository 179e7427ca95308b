"""Backfill: history and archive for the time before a topic began, without mailing.

arXiv's query API is asked for one stretch of submissions after the other. Each is one transaction, so a kill costs one
stretch, and the same command goes on from there.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

from newsletter.app import App
from newsletter.errors import UsageError
from newsletter.fetching import OVERLAP
from newsletter.model import Paper, Topic
from newsletter.query import Node, parse, write_search_query
from newsletter.storage.backfills import Course
from newsletter.storage.editions import UNLISTED
from newsletter.storage.matching import Matcher, in_categories

SLICE = timedelta(days=30)  # of submissions, asked for and stored at once


@dataclass(frozen=True, slots=True)
class Filled:
    """What one topic's backfill came to. Every paper received is one of the others; `error` says what stopped it."""

    topic: str
    course: Course
    received: int = 0
    kept: int = 0  # not settled under the topic before
    known: int = 0
    dropped: int = 0  # do not match here, or are in no wanted category
    left: int = 0  # to the daily fetch: revised since
    requests: int = 0
    error: str = ""


def plan(app: App, since: date, names: Sequence[str] = ()) -> list[tuple[Topic, Course]]:
    """Where each of the operator's topics, or of those named, has to go on; writes nothing.

    What was submitted in the 8 days before a topic began, or later, is the daily fetch's: papers are announced days
    after they are submitted, and passed over here they would never be mailed.

    Raises:
        UsageError: a topic is not there, or sleeps.

    """
    topics = [app.storage.topics.named(name) for name in names] or app.storage.topics.operators()
    if asleep := [topic.name for topic in topics if topic.sleeping]:
        raise UsageError(f"the topic {asleep[0]!r} sleeps: it is no longer in the configuration")
    return [(topic, _course(app, topic, datetime.combine(since, time(), UTC))) for topic in dict.fromkeys(topics)]


def _course(app: App, topic: Topic, since: datetime) -> Course:
    began, fetched = app.storage.topics.began(topic.id), app.storage.harvests.newest_complete()
    # After a pause the next fetch looks further back.
    upto = (min(began or app.now(), fetched.ended if fetched else app.now()) - OVERLAP).replace(microsecond=0)
    course = app.storage.backfills.of(topic.id, since)
    if course is None:
        return Course(topic.id, since, upto, since)
    # Begun since then: what lies between was nobody's.
    return replace(course, upto=max(course.upto, upto)) if began else course


def slices(course: Course) -> int:
    """How many stretches are still to be asked for."""
    return max(math.ceil((course.upto - course.reached) / SLICE), 0)


def fill(app: App, topic: Topic, course: Course, progress: Callable[[], None] = lambda: None) -> Filled:
    """Go on with one topic to its end, or to the first stretch that does not come; what was done by then is kept."""
    filled, tree = Filled(topic.name, course), parse(topic.query)
    while course.reached < course.upto:
        course = replace(course, reached=min(course.reached + SLICE, course.upto))
        sieve = _Sieve(tree, app.config.arxiv.categories, course.upto)
        account = app.query_api.history(write_search_query(tree), filled.course.reached, course.reached, sieve.take)
        filled = replace(filled, requests=filled.requests + account.requests)
        if account.error:
            return replace(filled, error=account.error)
        filled = _store(app, replace(filled, course=course), sieve)
        progress()
    return filled


def _store(app: App, filled: Filled, sieve: "_Sieve") -> Filled:
    """Write one stretch down. One transaction: its papers are there, and it is done, or neither."""
    places = [(*key, UNLISTED) for key in sieve.matching]
    with app.storage.write():
        app.storage.papers.add(sieve.matching.values(), app.now())
        kept = app.storage.backfills.pass_over(filled.course.topic_id, places)
        app.storage.backfills.keep(filled.course)
        # Or the first edition would announce what is older, in the place of what is passed over here.
        app.storage.topics.bound(filled.course.topic_id, filled.course.since)
    return replace(
        filled,
        received=filled.received + sieve.received,
        kept=filled.kept + kept,
        known=filled.known + len(places) - kept,
        dropped=filled.dropped + sieve.received - len(places) - sieve.left,
        left=filled.left + sieve.left,
    )


@dataclass
class _Sieve:
    """Keeps, of pages of papers, what matches a query in some categories, and was not revised from `upto` on."""

    tree: Node
    categories: Sequence[str]
    upto: datetime

    def __post_init__(self) -> None:
        self.matching: dict[tuple[str, int], Paper] = {}
        self.received = self.left = 0

    def take(self, papers: Sequence[Paper]) -> None:
        """Take a page; none of its papers came before."""
        self.received += len(papers)
        matcher = Matcher([paper for paper in papers if in_categories(paper.categories, self.categories)])
        for paper in matcher.matching(self.tree):
            if paper.updated < self.upto:
                self.matching[paper.key] = paper
            else:
                self.left += 1
        matcher.close()

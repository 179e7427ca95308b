"""Pure decisions: what is new, what an edition announces, what stands in a reader's digest."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta

from newsletter.model import Announcement, Digest, Frequency, Item, Kind, Paper, Topic
from newsletter.text import normalise

NEW_FOR = timedelta(days=60)  # after its first submission a paper can be new under a topic
_WORK = r"(?:paper|article|submission|manuscript|work|preprint|draft|version|note|report|thesis)"
_WITHDRAWN_COMMENT = re.compile(
    r"^\W*withdrawn\b(?! from (?!arxiv))"
    rf"|\b{_WORK}\b[^.;]{{0,40}}\bwithdrawn\b(?! from (?!arxiv))"
    r"|\bwithdrawn (?:by|due to|because)\b",
    re.IGNORECASE,
)
_WITHDRAWN_ABSTRACT = re.compile(rf"^\W*(?:this|the) {_WORK} (?:has been|have been|is|was|is being) withdrawn\b", re.I)


def is_withdrawn(paper: Paper) -> bool:
    """Whether a version says of itself that it was withdrawn; arXiv has no other sign (help/withdraw)."""
    return bool(_WITHDRAWN_COMMENT.search(paper.comment) or _WITHDRAWN_ABSTRACT.search(paper.abstract))


def changes_between(before: Paper, after: Paper) -> tuple[str, ...]:
    """The names of the fields in which a version differs from an older one, TeX and accents aside."""
    texts = tuple(
        name
        for name in ("title", "abstract", "comment")
        if normalise(getattr(before, name)) != normalise(getattr(after, name))
    )
    lists = tuple(name for name in ("authors", "categories") if set(getattr(before, name)) != set(getattr(after, name)))
    return texts + lists


def announce(
    topic: Topic,
    matches: Sequence[Paper],
    held: Mapping[str, Mapping[int, Kind]],
    before: Mapping[tuple[str, int], Paper],
    *,
    day: date,
    now: datetime,
    backlog: int,
    revised: bool,
) -> list[Announcement]:
    """Settle what one topic matched and has not settled yet.

    `matches` come newest first; `held` says by paper id what was settled under this topic, `before` by key the version
    we hold before one. A topic that was not begun has its first edition: the newest `backlog` papers are announced, the
    rest passed over. Later, a version is *new* if none was announced and version 1 is not older than 60 days (at `day`,
    or at `now` if that is earlier), *revised* if it is another version from 2 on, and either of a paper settled before
    or not older than that itself.
    """
    oldest_new = min(now, datetime(day.year, day.month, day.day, tzinfo=now.tzinfo)) - NEW_FOR
    settled: list[Announcement] = []
    for paper in matches:
        versions = held.get(paper.id, {})
        if paper.version in versions:
            continue
        if topic.begun:
            kind = _kind(paper, versions, oldest_new)
        else:
            kind = _first_kind(paper, versions, oldest_new) if len(settled) < backlog else Kind.PASSED_OVER
        if kind is Kind.REVISED and not revised:
            kind = Kind.PASSED_OVER
        changes = changes_between(before[paper.key], paper) if kind is Kind.REVISED and paper.key in before else ()
        settled.append(Announcement(topic.id, paper, kind, changes, None if kind is Kind.PASSED_OVER else day))
    return settled


def _kind(paper: Paper, versions: Mapping[int, Kind], oldest_new: datetime) -> Kind:
    if any(version > paper.version for version in versions):
        return Kind.PASSED_OVER  # arXiv's answers sometimes step back; an older version is no news
    if is_withdrawn(paper):
        return Kind.WITHDRAWN
    if paper.submitted >= oldest_new and all(kind is Kind.PASSED_OVER for kind in versions.values()):
        return Kind.NEW
    if paper.version >= 2 and (versions or paper.updated >= oldest_new):
        return Kind.REVISED
    return Kind.PASSED_OVER


def _first_kind(paper: Paper, versions: Mapping[int, Kind], oldest_new: datetime) -> Kind:
    """In a first edition age is no reason to pass over."""
    kind = _kind(paper, versions, oldest_new)
    if kind is not Kind.PASSED_OVER or any(version > paper.version for version in versions):
        return kind
    return Kind.NEW if paper.version == 1 else Kind.REVISED


def make_digest(
    announcements: Iterable[Announcement],
    topic_ids: Sequence[int],
    told: Collection[tuple[str, int]],
    *,
    after: date | None,
    upto: date,
) -> Digest:
    """One reader's digest: what the editions of the window announce on their topics, each paper once.

    A paper with several versions in the window stands in its newest, as *new* if any of them was. Versions in `told`
    are left out. Items keep the order of `announcements` within the order of `topic_ids`.
    """
    order = {topic_id: number for number, topic_id in enumerate(topic_ids)}
    by_paper: dict[str, list[Announcement]] = {}
    for announcement in announcements:
        if announcement.topic_id in order and announcement.paper.key not in told:
            by_paper.setdefault(announcement.paper.id, []).append(announcement)
    items = [_item(found, order) for found in by_paper.values()]
    items.sort(key=lambda item: order[item.topic_ids[0]])
    return Digest(after=after, upto=upto, items=tuple(items))


def _item(found: Sequence[Announcement], order: Mapping[int, int]) -> Item:
    newest = max(found, key=lambda announcement: announcement.paper.version)
    kinds = {announcement.kind for announcement in found}
    kind = newest.kind if newest.kind is Kind.WITHDRAWN or Kind.NEW not in kinds else Kind.NEW
    topics = sorted({announcement.topic_id for announcement in found}, key=lambda topic_id: order[topic_id])
    return Item(newest.paper, kind, newest.changes if kind is Kind.REVISED else (), tuple(topics))


def weekly_turn(day: date, weekday: int) -> date:
    """The last day up to `day` on which weekly readers had their turn; `weekday` counts from Monday, 0."""
    return day - timedelta(days=(day.weekday() - weekday) % 7)


def lifetime(frequency: Frequency) -> timedelta:
    """How long after it was queued a digest is worth sending."""
    return timedelta(days=7) if frequency is Frequency.WEEKLY else timedelta(hours=24)

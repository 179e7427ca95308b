"""Pure decisions: what is new, what an edition announces, what stands in a reader's digest."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from newsletter.model import Announcement, Digest, Frequency, Item, Kind, Paper, Remark, RemarkKind, Selected, Topic
from newsletter.text import normalise

NEW_FOR = timedelta(days=60)  # after its first submission a paper can be new under a topic
MOST_WORDS, LONGEST_WORDS = 4, 60  # that are told of what answered a query: phrases, and characters of each
MINOR_FROM = 6  # the version from which on a paper that was told before gets a line; arXiv's feeds leave these out


def changes_between(before: Paper, after: Paper) -> tuple[str, ...]:
    """The names of the fields in which a version differs from an older one; TeX, accents and case aside.

    The order of categories is arXiv's, but for the first one. What a provisional version does not tell is not compared.
    """
    differing = {
        "title": normalise(before.title) != normalise(after.title),
        "abstract": normalise(before.abstract) != normalise(after.abstract),
        "authors": [*map(normalise, before.authors)] != [*map(normalise, after.authors)],
        "comment": normalise(before.comment) != normalise(after.comment),
        "categories": _categories(before) != _categories(after),
    }
    untold = {name for paper in (before, after) if paper.provisional for name in differing if not getattr(paper, name)}
    return tuple(name for name, differs in differing.items() if differs and name not in untold)


def _told_changes(before: Paper | None, after: Paper) -> tuple[str, ...]:
    """What a revision changed as far as it is known: at least the text, for that is what makes a version."""
    if before is None or before.provisional or after.provisional:
        return changes_between(before, after) if before else ()
    return changes_between(before, after) or ("text",)


def _categories(paper: Paper) -> tuple[list[str], frozenset[str]]:
    folded = [category.casefold() for category in paper.categories]
    return folded[:1], frozenset(folded)


def announce(
    topic: Topic,
    matches: Sequence[Paper],
    held: Mapping[str, Mapping[int, Kind]],
    before: Mapping[tuple[str, int], Paper],
    told: Mapping[str, int],
    withdrawn: Collection[tuple[str, int]],
    *,
    day: date,
    now: datetime,
    backlog: int,
    revised: bool,
) -> list[Announcement]:
    """Settle what one topic matched and has not settled yet.

    `matches` come newest first; `held` says by paper id what was settled under this topic, `before` by key the version
    we hold before one, `told` by paper id the first version that stood under an operator's topic, `withdrawn` the keys
    of those that say so of themselves. A topic that was not begun has its first edition: the newest `backlog` papers
    are announced, the rest passed over. Later, a version is *new* if none was announced and version 1 is not older than
    60 days (at `day`, or at `now` if that is earlier), *revised* if it is another version from 2 on, and either of a
    paper settled before or not older than that itself. What is history to the topic is passed over.
    """
    oldest_new = min(now, datetime(day.year, day.month, day.day, tzinfo=now.tzinfo)) - NEW_FOR
    settled: list[Announcement] = []
    for paper in matches:
        versions = held.get(paper.id, {})
        if paper.version in versions:
            continue
        if topic.begun:
            kind = _kind(paper, versions, oldest_new, withdrawn)
        else:
            kind = _first_kind(paper, versions, oldest_new, withdrawn) if len(settled) < backlog else Kind.PASSED_OVER
        if (kind is Kind.REVISED and not revised) or topic.is_history(paper):
            kind = Kind.PASSED_OVER
        changes = _told_changes(before.get(paper.key), paper) if kind is Kind.REVISED else ()
        edition = None if kind is Kind.PASSED_OVER else day
        minor = kind is Kind.REVISED and _is_minor(paper, versions, told)
        settled.append(Announcement(topic.id, paper, kind, changes, edition, minor))
    return settled


def count(
    topic: Topic, matches: Sequence[Paper], held: Mapping[str, Mapping[int, Kind]], decided: Iterable[Announcement]
) -> Selected:
    """The account of what `announce` made of a topic's matches."""
    kinds = Counter(announcement.kind for announcement in decided)
    settled = sum(paper.version in held.get(paper.id, {}) for paper in matches)
    told = (kinds[Kind.NEW], kinds[Kind.REVISED], kinds[Kind.WITHDRAWN])
    return Selected(topic.id, len(matches), settled, *told, kinds[Kind.PASSED_OVER])


def _kind(
    paper: Paper, versions: Mapping[int, Kind], oldest_new: datetime, withdrawn: Collection[tuple[str, int]]
) -> Kind:
    if any(version > paper.version for version in versions):
        return Kind.PASSED_OVER  # arXiv's answers sometimes step back; an older version is no news
    if paper.key in withdrawn:
        return Kind.WITHDRAWN
    if paper.submitted >= oldest_new and all(kind is Kind.PASSED_OVER for kind in versions.values()):
        return Kind.NEW
    if paper.version >= 2 and (versions or paper.updated >= oldest_new):
        return Kind.REVISED
    return Kind.PASSED_OVER


def _first_kind(
    paper: Paper, versions: Mapping[int, Kind], oldest_new: datetime, withdrawn: Collection[tuple[str, int]]
) -> Kind:
    """In a first edition age is no reason to pass over."""
    kind = _kind(paper, versions, oldest_new, withdrawn)
    if kind is not Kind.PASSED_OVER or any(version > paper.version for version in versions):
        return kind
    return Kind.NEW if paper.version == 1 else Kind.REVISED


def _is_minor(paper: Paper, versions: Mapping[int, Kind], told: Mapping[str, int]) -> bool:
    """Whether a revision gets a line: one of many, of a paper that was told here, or where everybody could read it."""
    told_here = any(kind is not Kind.PASSED_OVER for kind in versions.values())
    return paper.version >= MINOR_FROM and (told_here or told.get(paper.id, paper.version) < paper.version)


def brief_words(words: Sequence[str]) -> tuple[str, ...]:
    """What is told of the words that answered a query: the first ones, and only the beginning of a long one."""
    return tuple([_brief(word) for word in words[:MOST_WORDS]])


def _brief(word: str) -> str:
    return word if len(word) <= LONGEST_WORDS else f"{word[: LONGEST_WORDS - 1].rstrip()}…"


def make_digest(
    announcements: Iterable[Announcement],
    topic_ids: Sequence[int],
    told: Collection[tuple[str, int]],
    remarks: Iterable[Remark] = (),
    *,
    upto: date,
) -> Digest:
    """One reader's digest: what the editions up to `upto` announce on their topics, each paper once.

    A paper with several versions in the window stands in its newest, as *new* if any of them was. Versions in `told`
    are left out. Items keep the order of `announcements` within the order of `topic_ids`. A remark is made once, and
    one on topics only if it is on theirs.
    """
    order = {topic_id: number for number, topic_id in enumerate(topic_ids)}
    by_paper: dict[str, list[Announcement]] = {}
    for announcement in announcements:
        if announcement.topic_id in order and announcement.paper.key not in told:
            by_paper.setdefault(announcement.paper.id, []).append(announcement)
    editions = (announcement.edition for found in by_paper.values() for announcement in found)
    first = min((edition for edition in editions if edition), default=upto)
    items = [_item(found, order) for found in by_paper.values()]
    items.sort(key=lambda item: order[item.topic_ids[0]])
    return Digest(first, upto, tuple(items), tuple(_remarks(remarks, topic_ids)))


def _remarks(remarks: Iterable[Remark], topic_ids: Sequence[int]) -> dict[Remark, None]:
    own = (replace(remark, topics=tuple(topic for topic in topic_ids if topic in remark.topics)) for remark in remarks)
    return dict.fromkeys(remark for remark in own if remark.topics or remark.kind is not RemarkKind.PARTIAL)


def _item(found: Sequence[Announcement], order: Mapping[int, int]) -> Item:
    if len(found) == 1:  # as nearly always
        (only,) = found
        changes = only.changes if only.kind is Kind.REVISED else ()
        return Item(only.paper, only.kind, changes, (only.topic_id,), only.minor, (only.words,))
    newest = max(found, key=lambda announcement: announcement.paper.version)
    kinds = {announcement.kind for announcement in found}
    kind = newest.kind if newest.kind is Kind.WITHDRAWN or Kind.NEW not in kinds else Kind.NEW
    newest_there = {one.topic_id: one for one in sorted(found, key=lambda one: one.paper.version)}
    topics = sorted(newest_there, key=order.__getitem__)
    words = tuple(newest_there[topic_id].words for topic_id in topics)
    minor = all(announcement.minor for announcement in found)  # not if the window holds its first card too
    return Item(newest.paper, kind, newest.changes if kind is Kind.REVISED else (), tuple(topics), minor, words)


def weekly_turn(day: date, weekday: int) -> date:
    """The last day up to `day` on which weekly readers had their turn; `weekday` counts from Monday, 0."""
    return day - timedelta(days=(day.weekday() - weekday) % 7)


def lifetime(frequency: Frequency) -> timedelta:
    """How long after it was queued a digest is worth sending."""
    return timedelta(days=7) if frequency is Frequency.WEEKLY else timedelta(hours=24)

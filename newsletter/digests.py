"""Which digest a reader gets: what storage holds, put before `selection`; readers who are alike share the answer."""

import heapq
import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache, cached_property, lru_cache, partial
from operator import itemgetter

from newsletter.model import Announcement, Digest, Kind, Topic
from newsletter.selection import make_digest
from newsletter.storage import Storage
from newsletter.storage.database import from_date, to_date
from newsletter.storage.readers import Reader

_KEPT_WINDOWS = 4  # windows of editions whose announcements are kept; readers are served in the order they were queued
_KEPT_DIGESTS = 500
_KEPT_OUTLINES = 8  # they are smaller

#: Of paper versions, the topics and dates under which they were announced before.
_ToldBefore = Mapping[tuple[str, int], Sequence[tuple[int, date]]]
_Titled = tuple[Digest, Mapping[int, Topic]]


class _Window:
    """What the editions of one window announce, what of it had been announced before, and what is remarked on them."""

    def __init__(self, storage: Storage, after: date | None, upto: date) -> None:
        self._by_topic = defaultdict[int, list[tuple[int, Announcement]]](list)  # each with its place in the whole
        self._again = defaultdict[int, list[tuple[str, int]]](list)  # what some readers were told before
        self._told_before = storage.editions.told_before(after, upto)
        for place, announcement in enumerate(storage.editions.announced(after, upto)):
            self._by_topic[announcement.topic_id].append((place, announcement))
            if announcement.paper.key in self._told_before:
                self._again[announcement.topic_id].append(announcement.paper.key)
        self.remarks = tuple(itertools.chain.from_iterable(storage.editions.remarks(after, upto).values()))
        self.digests: dict[tuple[frozenset[int], frozenset[tuple[str, int]], bool], _Titled] = {}

    def announcements(self, topic_ids: Iterable[int], *, revised: bool) -> Iterator[Announcement]:
        """What is announced under these topics, in the order of the whole; all other topics cost nothing."""
        found = (self._by_topic.get(topic_id, ()) for topic_id in topic_ids)
        merged = (announcement for _, announcement in heapq.merge(*found, key=itemgetter(0)))
        return (announcement for announcement in merged if revised or announcement.kind is not Kind.REVISED)

    def again(self, topic_ids: Iterable[int]) -> _ToldBefore:
        """What is announced under these topics and stood in an earlier edition."""
        found = itertools.chain.from_iterable(self._again.get(topic_id, ()) for topic_id in topic_ids)
        return {key: self._told_before[key] for key in found}


class Digests:
    """Digests for readers, made once for all who chose the same and were told the same."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._window = lru_cache(_KEPT_WINDOWS)(partial(_Window, storage))
        self.topics: dict[int, Topic] = {topic.id: topic for topic in storage.topics.all()}
        self._places = {topic_id: place for place, topic_id in enumerate(self.topics)}
        self._everything = tuple(topic.id for topic in self.topics.values() if not topic.personal)

    def of(self, reader: Reader, upto: date) -> Digest:
        """The digest of the editions after the reader's `covered`, up to and including `upto`."""
        return self.with_topics(reader, upto)[0]

    def with_topics(self, reader: Reader, upto: date) -> tuple[Digest, Mapping[int, Topic]]:
        """The same, and its topics, in order."""
        window = self._window(reader.covered, upto)
        again = window.again(reader.chosen or self._everything)
        told = told_to(self._storage, reader.id, again, self._everything) if again else frozenset()
        key = reader.chosen, told, reader.revised
        if key not in window.digests:
            if len(window.digests) >= _KEPT_DIGESTS:
                window.digests.pop(next(iter(window.digests)))
            chosen = self._chosen(reader)
            announced = window.announcements(chosen, revised=reader.revised)
            digest = make_digest(announced, chosen, told, window.remarks, upto=upto)
            window.digests[key] = digest, self.topics_of(digest)
        return window.digests[key]

    def holds_something(self, reader: Reader, upto: date) -> bool:
        """Whether the digest of a reader would hold anything; cheaper than making it."""
        chosen = ",".join(map(str, reader.chosen))
        return self._outlines.holds(reader.id, from_date(reader.covered), upto, chosen, revised=reader.revised)

    @cached_property
    def _outlines(self) -> "Outlines":
        return Outlines(self._storage)

    def topics_of(self, digest: Digest) -> dict[int, Topic]:
        """The topics of a digest, in order."""
        told = (*(item.topic_ids for item in digest.items), *(remark.topics for remark in digest.remarks))
        used = set(itertools.chain.from_iterable(told))
        return {topic_id: self.topics[topic_id] for topic_id in self._in_order(used)}

    def _chosen(self, reader: Reader) -> tuple[int, ...]:
        if not reader.chosen:
            return self._everything
        return self._in_order(reader.chosen)

    def _in_order(self, topic_ids: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted(self._places.keys() & topic_ids, key=self._places.__getitem__))


class _Outline:
    """What tells whether a digest of one window would hold anything. Topics are texts, as readers' choices are read."""

    def __init__(self, storage: Storage, after: date | None, upto: date) -> None:
        self.news: dict[bool, set[str]] = {True: set(), False: set()}  # by whether revisions count
        self._again = defaultdict[str, list[tuple[bool, tuple[str, int]]]](list)  # what some readers were told before
        for topic_id, is_revision, key in storage.editions.outline(after, upto):
            if key is not None:
                self._again[str(topic_id)].append((is_revision, key))
                continue
            self.news[True].add(str(topic_id))
            if not is_revision:
                self.news[False].add(str(topic_id))
        self._told_before = storage.editions.told_before(after, upto) if self._again else {}

    def again(self, topics: Iterable[str], *, revised: bool) -> _ToldBefore:
        """What is announced under these topics and stood in an earlier edition."""
        found = itertools.chain.from_iterable(self._again.get(topic, ()) for topic in topics)
        return {key: self._told_before[key] for is_revision, key in found if revised or not is_revision}


class Outlines:
    """Whether digests hold anything; much less work and memory than making them."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._operators = tuple(topic.id for topic in storage.topics.all() if not topic.personal)
        self._everything = list(map(str, self._operators))
        self._outline = lru_cache(_KEPT_OUTLINES)(lambda after, upto: _Outline(storage, to_date(after), upto))

    def holds(self, subscriber_id: int, after: str, upto: date, chosen: str, *, revised: bool) -> bool:
        """Whether the digest of the editions after `after`, up to `upto`, would hold anything for a reader; `after` and
        `chosen` as they are stored."""
        outline = self._outline(after, upto)
        topics = chosen.split(",") if chosen else self._everything
        if not outline.news[revised].isdisjoint(topics):
            return True
        again = outline.again(topics, revised=revised)
        return bool(again) and again.keys() > told_to(self._storage, subscriber_id, again, self._operators)


def told_to(
    storage: Storage, subscriber_id: int, before: _ToldBefore, operators: Collection[int]
) -> frozenset[tuple[str, int]]:
    """Of paper versions that were announced before, those that a digest of this reader held."""
    chosen_on = cache(partial(storage.deliveries.chosen_on, subscriber_id))

    def was_told(topic_id: int, day: date) -> bool:
        chosen = chosen_on(day)
        return chosen is not None and topic_id in (chosen or operators)

    return frozenset(key for key, places in before.items() if any(itertools.starmap(was_told, places)))

"""Which digest a reader gets: what storage holds, put before `selection`; readers who are alike share the answer."""

import heapq
import itertools
from collections.abc import Iterable, Iterator
from datetime import date
from operator import itemgetter

from newsletter.model import Announcement, Digest, Kind, Topic
from newsletter.selection import make_digest
from newsletter.storage import Storage
from newsletter.storage.readers import Reader

_KEPT_WINDOWS = 4  # windows of editions whose announcements are kept; readers are served in the order they were queued
_KEPT_DIGESTS = 1_000


class _Window:
    """What the editions of one window announce, what of it had been announced before, and what is remarked on them."""

    def __init__(self, storage: Storage, after: date | None, upto: date) -> None:
        self._by_topic: dict[int, list[tuple[int, Announcement]]] = {}  # each with its place in the whole
        for place, announcement in enumerate(storage.editions.announced(after, upto)):
            self._by_topic.setdefault(announcement.topic_id, []).append((place, announcement))
        self.topic_ids = self._by_topic.keys()
        self.told_before = storage.editions.told_before(after, upto)
        self.remarks = tuple(itertools.chain.from_iterable(storage.editions.remarks(after, upto).values()))
        self.digests: dict[tuple[tuple[int, ...], frozenset[tuple[str, int]], bool], Digest] = {}

    def announcements(self, topic_ids: Iterable[int], *, revised: bool) -> Iterator[Announcement]:
        """What is announced under these topics, in the order of the whole; all other topics cost nothing."""
        found = (self._by_topic.get(topic_id, ()) for topic_id in topic_ids)
        merged = (announcement for _, announcement in heapq.merge(*found, key=itemgetter(0)))
        return (announcement for announcement in merged if revised or announcement.kind is not Kind.REVISED)


class Digests:
    """Digests for readers, made once for all who chose the same and were told the same."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._windows: dict[tuple[date | None, date], _Window] = {}
        self.topics: dict[int, Topic] = {topic.id: topic for topic in storage.topics.all()}
        self._places = {topic_id: place for place, topic_id in enumerate(self.topics)}
        self._everything = tuple(topic.id for topic in self.topics.values() if not topic.personal)

    def of(self, reader: Reader, upto: date) -> Digest:
        """The digest of the editions after the reader's `covered`, up to and including `upto`."""
        window = self._window(reader.covered, upto)
        chosen = self._chosen(reader)
        told = self._told(reader, window) if window.told_before else frozenset()
        key = chosen, told, reader.revised
        if key not in window.digests:
            if len(window.digests) >= _KEPT_DIGESTS:
                window.digests.clear()
            announced = window.announcements(chosen, revised=reader.revised)
            window.digests[key] = make_digest(announced, chosen, told, window.remarks, upto=upto)
        return window.digests[key]

    def holds_something(self, reader: Reader, upto: date) -> bool:
        """Whether the digest of a reader would hold anything; cheaper than making it."""
        window = self._window(reader.covered, upto)
        if window.told_before or not reader.revised:
            return bool(self.of(reader, upto).items)
        return not window.topic_ids.isdisjoint(reader.chosen or self._everything)

    def topics_of(self, digest: Digest) -> dict[int, Topic]:
        """The topics of a digest, in order."""
        told = (*(item.topic_ids for item in digest.items), *(remark.topics for remark in digest.remarks))
        used = set(itertools.chain.from_iterable(told))
        return {topic_id: self.topics[topic_id] for topic_id in self._in_order(used)}

    def _window(self, after: date | None, upto: date) -> _Window:
        if (after, upto) not in self._windows:
            while len(self._windows) >= _KEPT_WINDOWS:
                self._windows.pop(next(iter(self._windows)))
            self._windows[after, upto] = _Window(self._storage, after, upto)
        return self._windows[after, upto]

    def _chosen(self, reader: Reader) -> tuple[int, ...]:
        if not reader.chosen:
            return self._everything
        return self._in_order(reader.chosen)

    def _in_order(self, topic_ids: Iterable[int]) -> tuple[int, ...]:
        return tuple(sorted(self._places.keys() & topic_ids, key=self._places.__getitem__))

    def _told(self, reader: Reader, window: _Window) -> frozenset[tuple[str, int]]:
        return frozenset(
            key
            for key, places in window.told_before.items()
            if any(self._was_told(reader, topic_id, day) for topic_id, day in places)
        )

    def _was_told(self, reader: Reader, topic_id: int, day: date) -> bool:
        chosen = self._storage.deliveries.chosen_on(reader.id, day)
        return chosen is not None and topic_id in (chosen or self._everything)

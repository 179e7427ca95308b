"""What comes from a source, sifted page by page: what matches a topic here is kept, the rest is counted."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from newsletter.model import Paper, Topic
from newsletter.query import Node, parse
from newsletter.sources import Sifted
from newsletter.storage import Storage
from newsletter.storage.matching import Matcher, in_categories, positions

UNTOLD = frozenset(("co", "jr", "rn"))  # fields that a feed leaves out


class Basket:
    """Keeps what we do not hold of what matches; sources fill it, see `sources.Sieve`.

    `listed` are the versions that a fetch proposes, by topic, in the order they came. Those settled under a topic
    and submitted before `proposed_since` are left out: nothing hangs on their order any more. So is what is
    history to it. `reached` is the oldest that its own query brought of each topic that begins.
    """

    def __init__(
        self, storage: Storage, topics: Sequence[Topic], categories: Sequence[str], proposed_since: datetime
    ) -> None:
        self._storage, self._categories, self._since = storage, categories, proposed_since
        self._trees: Mapping[int, Node] = {topic.id: parse(topic.query) for topic in topics}
        self._begins = frozenset(topic.id for topic in topics if not topic.begun)
        self._bounded = {topic.id: topic for topic in topics if topic.begun and topic.horizon is not None}
        self.reached: dict[int, datetime] = {}
        self.papers: dict[tuple[str, int], Paper] = {}
        self._awaited: set[tuple[str, int]] = set()  # of these, what does not match as it is
        self.listed: dict[int, dict[tuple[str, int], None]] = {}
        self.news = 0

    def take(self, papers: Sequence[Paper], topic_ids: Collection[int] = ()) -> Sifted:
        """Keep what matches any topic; list it under those of `topic_ids` that it matches, without any under all."""
        inside = [paper for paper in papers if in_categories(paper.categories, self._categories)]
        matcher = Matcher(inside)
        found = {topic_id: matcher.bitmap(tree) for topic_id, tree in self._trees.items()}
        possible = self._possible(matcher) if any(paper.provisional for paper in inside) else 0
        matcher.close()
        answering = matched = listed = 0
        for topic_id, bitmap in found.items():
            answering |= bitmap
            found[topic_id] = within = self._without_history(topic_id, bitmap, inside)
            matched |= within
            listed |= within if topic_id in topic_ids or not topic_ids else 0
        kept = [inside[position] for position in positions(matched)]
        news = self._keep(kept)
        settled = self._storage.editions.held({paper.id for paper in kept if paper.updated < self._since})
        for topic_id in topic_ids or found:
            self._list(topic_id, (inside[position] for position in positions(found.get(topic_id, 0))), settled)
        for topic_id in self._begins.intersection(topic_ids):
            oldest = min((inside[position].updated for position in positions(found[topic_id])), default=None)
            if oldest is not None:
                self.reached[topic_id] = min(oldest, self.reached.get(topic_id, oldest))
        for topic_id in list(topic_ids)[:1]:  # what was asked for one topic may match another only
            self._list(topic_id, (inside[position] for position in positions(matched & ~listed)), settled)
        self._await([inside[position] for position in positions(possible & ~answering)])
        answered = answering.bit_count()
        return Sifted(len(papers) - len(inside), len(inside) - answered, answered - len(news), len(news))

    def _without_history(self, topic_id: int, bitmap: int, papers: Sequence[Paper]) -> int:
        topic = self._bounded.get(topic_id)
        if topic is None or not bitmap:
            return bitmap
        return sum(1 << position for position in positions(bitmap) if not topic.is_history(papers[position]))

    def _keep(self, papers: Sequence[Paper]) -> set[tuple[str, int]]:
        """Keep what is not held, or only provisionally; returns what was not held in any way."""
        held = self._storage.papers.held([paper.key for paper in papers])
        outdated = self._storage.papers.outdated(papers)
        news = {paper.key for paper in papers} - held.keys() - (self.papers.keys() - self._awaited)
        self._awaited -= news
        for paper in papers:
            kept = self.papers.get(paper.key)
            wanted = not held.get(paper.key, False) or paper.key in outdated
            if wanted and (kept is None or kept.provisional):
                self.papers[paper.key] = paper
        self.news += len(news)
        return news

    def _await(self, papers: Sequence[Paper]) -> None:
        """Keep what may match once its details are known: they may come when its feed has long gone."""
        awaited = {paper.key: paper for paper in papers if paper.provisional}
        for key in awaited.keys() - self._storage.papers.held(list(awaited)).keys() - self.papers.keys():
            self.papers[key] = awaited[key]
            self._awaited.add(key)

    def _possible(self, matcher: Matcher) -> int:
        found = 0
        for tree in self._trees.values():
            found |= matcher.possible(tree, UNTOLD)
        return found

    def _list(self, topic_id: int, papers: Iterable[Paper], settled: Mapping[tuple[int, str], Collection[int]]) -> None:
        listed = self.listed.setdefault(topic_id, {})
        for paper in papers:
            if paper.updated >= self._since or paper.version not in settled.get((topic_id, paper.id), ()):
                listed.setdefault(paper.key)

    def candidates(self, papers: Sequence[Paper]) -> list[Paper]:
        """Those that may match once their comment is known, and that we do not hold in full."""
        inside = [paper for paper in papers if in_categories(paper.categories, self._categories)]
        matcher = Matcher(inside)
        possible = self._possible(matcher)
        matcher.close()
        found = [inside[position] for position in positions(possible)]
        held = self._storage.papers.held([paper.key for paper in found])
        return [paper for paper in found if not held.get(paper.key, False)]

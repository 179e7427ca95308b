"""Announcements as a page shows them: by topic, each paper once in full. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from newsletter.model import Announcement, Item, Kind, Remark, Topic
from newsletter.rendering.cards import Card
from newsletter.rendering.fragments import Form
from newsletter.selection import make_digest

IN_FULL = 300  # papers of a page that have their abstracts; of the others a heading tells


@dataclass(frozen=True, slots=True)
class Entry:
    """A paper in a section. Where it stands for the first time it has its card, further down a line that leads there.

    `topics` are all of the operator's that it stands under, each with the words of the paper that answered it.
    """

    card: Card
    topics: tuple[tuple[str, tuple[str, ...]], ...]
    again: bool

    @property
    def anchor(self) -> str:
        """What its card is called in its page."""
        return f"p-{re.sub('[^a-z0-9]', '-', self.card.name, flags=re.I)}"


@dataclass(frozen=True, slots=True)
class Section:
    """A topic with its papers."""

    topic: Topic
    entries: tuple[Entry, ...]

    @property
    def anchor(self) -> str:
        """What it is called in its page."""
        return f"topic-{self.topic.id}"

    @property
    def counts(self) -> Mapping[Kind, int]:
        """How many papers of each kind there are."""
        return Counter(entry.card.kind for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Arranged:
    """The papers of one edition or some, as a mail to who takes all topics would hold them."""

    sections: tuple[Section, ...]
    counts: Mapping[Kind, int]
    remarks: tuple[Remark, ...]


def arrange(
    announcements: Iterable[Announcement], topics: Sequence[Topic], remarks: Iterable[Remark], last: date
) -> Arranged:
    """Arrange what the editions up to `last` announce under some topics, in their order; a paper with several versions
    stands in its newest."""
    order = [topic.id for topic in topics]
    digest = make_digest(announcements, order, frozenset(), remarks, upto=last)
    names = {topic.id: topic.name for topic in topics}
    entries: dict[int, list[Entry]] = {topic_id: [] for topic_id in order}
    for number, item in enumerate(digest.items):
        card = Card(item.paper, item.kind, item.changes, _form(item, number))
        why = tuple((names[topic_id], words) for topic_id, words in zip(item.topic_ids, item.words, strict=True))
        for place, topic_id in enumerate(item.topic_ids):
            entries[topic_id].append(Entry(card, why, again=place > 0))
    sections = tuple(
        Section(topic, tuple(sorted(entries[topic.id], key=lambda entry: entry.again)))
        for topic in topics
        if entries[topic.id]
    )
    return Arranged(sections, Counter(item.kind for item in digest.items), digest.remarks)


def _form(item: Item, number: int) -> Form:
    if item.minor:
        return Form.LINE
    return Form.FULL if number < IN_FULL else Form.BRIEF

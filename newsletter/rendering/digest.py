"""A digest becomes a mail by joining what was made before: nothing is rendered, parsed or inlined here.

So a sender loads none of the libraries that make the pieces.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import lru_cache
from itertools import count
from typing import Protocol

from newsletter.model import Digest, Item, Kind, Topic
from newsletter.places import Places
from newsletter.rendering.fitting import LIMIT, OUT, Room, fit
from newsletter.rendering.fragments import NUMBER, Form, Fragment, Parts, card_name, forms_of
from newsletter.rendering.pieces import Frame, Piece, finish, merge
from newsletter.rendering.words import words_of

_RANK = {Kind.NEW: 0, Kind.REVISED: 1, Kind.WITHDRAWN: 2}
_LINK = re.compile(r"(?:https://|mailto:)[!-~]+")
_A_BREAK = timedelta(days=4)  # a weekend with a holiday
_TALLIED = range(2, 21)  # sections that are listed at the top: one needs no list, and a longer one is no overview
_REMEMBERED = 8_192  # why lines


@dataclass(frozen=True, slots=True)
class Brand:
    """Whose newsletter it is."""

    name: str
    postal_address: str = ""
    language: str = "en"
    places: Places = field(default_factory=Places)


@dataclass(frozen=True, slots=True)
class Links:
    """What differs from reader to reader: how to leave, and the address that is subscribed.

    Raises:
        ValueError: `unsubscribe` is no https: or mailto: address in ASCII.

    """

    unsubscribe: str
    email: str

    def __post_init__(self) -> None:
        if not _LINK.fullmatch(self.unsubscribe):
            raise ValueError(f"{self.unsubscribe!r} is no https: or mailto: address")

    @property
    def values(self) -> dict[str, str]:
        """By the names of their slots."""
        return {"unsubscribe": self.unsubscribe, "email": self.email}


@dataclass(frozen=True, slots=True)
class Body:
    """A subject of one line, and the two parts, quoted-printable, ready for the wire."""

    subject: str
    text: bytes
    html: bytes


@dataclass(frozen=True, slots=True)
class Shared:
    """A mail but for what is one reader's own: all readers of the same digest and topics share it."""

    subject: str
    text: tuple[bytes | Parts, ...]
    html: tuple[bytes | Parts, ...]

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return sum(len(piece) for piece in (*self.text, *self.html) if isinstance(piece, bytes))

    def body(self, links: Links) -> Body:
        """The mail of one reader."""
        values = links.values
        return Body(self.subject, finish(self.text, values, escape=False), finish(self.html, values, escape=True))


class Stock(Protocol):
    """Where fragments are."""

    def fragment(self, name: str) -> Fragment:
        """The fragment of a name; raises what it likes if there is none."""
        ...

    def sizes(self, item: Item) -> Sequence[int]:
        """How many bytes of HTML the card of a paper has in each of its forms."""
        ...


@dataclass(frozen=True, slots=True)
class _Row:
    """A paper in a section, with what stands below its card."""

    item: Item
    why: Piece
    also: Piece | None  # below the shortest form: other topics only

    def below(self, form: Form) -> Piece | None:
        return self.also if form is Form.LINE else self.why


@dataclass(frozen=True, slots=True)
class _Section:
    topic: Topic
    heading: Piece
    tally: Piece | None
    rows: Sequence[_Row]


class Assembler:
    """Joins mails for one newsletter; holds the frame, read once.

    `widest` is as long as any reader's links are, so that what all readers of a digest share has room for theirs.
    """

    def __init__(self, brand: Brand, stock: Stock, widest: Links) -> None:
        self._stock, self._places, self._widest = stock, brand.places, widest
        self._brand = {"newsletter": brand.name, "postal": brand.postal_address}
        self._words = words_of(brand.language)
        self._frame = Frame(stock.fragment)
        self._why = lru_cache(_REMEMBERED)(self._make_why)

    def shared(self, digest: Digest, topics: Mapping[int, Topic], first: date | None = None) -> Shared:
        """Join what all readers of this digest under these topics (by id, in their order) have in common.

        `first` is the digest's earliest edition; without it a digest that reaches back further than a break does is
        dated from the day after `digest.after`.
        """
        span = (first or _first(digest), digest.upto)
        sections = list(self._sections(digest.items, topics))
        numbers = Counter(item.kind for item in digest.items)
        head = self._brand | {
            "summary": self._words.summary(numbers, len(sections)),
            "online": self._places.edition(*span),
        }
        values = head | {"date": self._words.long_span(*span)}
        opening, closing = (self._frame.piece(name, values) for name in ("opening", "closing"))
        names = {topic.id: topic.label for topic in topics.values()}
        said = (self._words.remark(remark, names) for remark in digest.remarks)
        remarks = [self._frame.piece("remark", values | {"remark": sentence}) for sentence in said if sentence]
        taken = sum(piece.size(self._widest.values) for piece in (opening, *remarks, closing))
        tallies, told = self._fitted(sections, span, LIMIT - taken)
        pieces = (opening, *tallies, *remarks, *told, closing)
        return Shared(
            self._frame.subject(head | {"date": self._words.short_span(*span)}),
            tuple(merge(part for piece in pieces for part in piece.text)),
            tuple(merge(part for piece in pieces for part in piece.html)),
        )

    def body(self, digest: Digest, topics: Mapping[int, Topic], links: Links) -> Body:
        """The mail of one reader, when it shares nothing with others."""
        return self.shared(digest, topics).body(links)

    def _sections(self, items: Sequence[Item], topics: Mapping[int, Topic]) -> Iterator[_Section]:
        by_topic: dict[int, list[Item]] = {}
        for item in items:
            by_topic.setdefault(item.topic_ids[0], []).append(item)
        tallied = len(by_topic) in _TALLIED
        for topic in topics.values():
            if topic.id not in by_topic:
                continue
            mine = sorted(by_topic[topic.id], key=_newest_first)
            counts = self._words.counts(Counter(item.kind for item in mine))
            values = {"topic": self._words.topic(topic.label), "count": counts}
            heading = self._frame.piece("section", values)
            tally = self._frame.piece("tally", values) if tallied else None
            yield _Section(topic, heading, tally, [self._row(item, topics) for item in mine])

    def _row(self, item: Item, topics: Mapping[int, Topic]) -> _Row:
        names = tuple(topics[topic_id].label for topic_id in item.topic_ids)
        words = item.words or ((),) * len(names)
        also = self._why(names, ((),) * len(names)) if len(names) > 1 else None
        return _Row(item, self._why(names, words), also)

    def _make_why(self, names: tuple[str, ...], words: tuple[tuple[str, ...], ...]) -> Piece:
        return self._frame.piece("why", {"why": self._words.why(list(zip(names, words, strict=True)))})

    def _fitted(
        self, sections: Sequence[_Section], span: tuple[date, date], room: int
    ) -> tuple[list[Piece], list[Piece]]:
        """The rows of the overview, and the sections: as much as there is room for."""
        rest = self._rest(sections, span)
        levels = fit([self._room(section, span) for section in sections], room, rest.size())
        shown = [(section, own) for section, own in zip(sections, levels, strict=True) if {*own} != {OUT}]
        hidden = [section for section, own in zip(sections, levels, strict=True) if {*own} == {OUT}]
        numbers = count(1)
        told = [piece for section, own in shown for piece in self._told(section, own, span, numbers)]
        tallies = [section.tally for section, _ in shown if section.tally]
        return tallies, [*told, self._rest(hidden, span)] if hidden else told

    def _told(
        self, section: _Section, levels: Sequence[int], span: tuple[date, date], numbers: Iterator[int]
    ) -> Iterator[Piece]:
        yield section.heading
        for row, level in zip(section.rows, levels, strict=True):
            if level == OUT:
                continue
            form = forms_of(row.item)[level]
            card = self._stock.fragment(card_name(row.item, form))
            yield Piece((card.html,), (card.text.replace(NUMBER, b"%d" % next(numbers), 1),))
            if below := row.below(form):
                yield below
        if left := levels.count(OUT):
            yield self._more(section, left, span)

    def _room(self, section: _Section, span: tuple[date, date]) -> Room:
        heading = section.heading.size() + (section.tally.size() if section.tally else 0)
        return Room(heading, self._more(section, len(section.rows), span).size(), [*map(self._sizes, section.rows)])

    def _sizes(self, row: _Row) -> list[int]:
        sizes = zip(forms_of(row.item), self._stock.sizes(row.item), strict=True)
        return [size + (below.size() if (below := row.below(form)) else 0) for form, size in sizes]

    def _more(self, section: _Section, number: int, span: tuple[date, date]) -> Piece:
        """What is said of a section's papers that there is no room for. No page but a search shows a reader's query."""
        topic = section.topic
        where = self._places.search(topic.query) if topic.personal else self._places.edition(*span)
        return self._left_out(self._words.more(number, topic.label), where)

    def _rest(self, sections: Sequence[_Section], span: tuple[date, date]) -> Piece:
        """What is said of sections that there is no room for."""
        papers = sum(len(section.rows) for section in sections)
        return self._left_out(self._words.rest(papers, len(sections)), self._places.edition(*span))

    def _left_out(self, more: str, where: str) -> Piece:
        return self._frame.piece("more" if where else "left", {"more": more, "where": where})


def _first(digest: Digest) -> date:
    """The day a digest reaches back to; a weekend or a holiday before a single edition does not count."""
    if digest.after is None or digest.upto - digest.after <= _A_BREAK:
        return digest.upto
    return digest.after + timedelta(days=1)


def _newest_first(item: Item) -> tuple[int, float, str]:
    return _RANK[item.kind], -item.paper.updated.timestamp(), item.paper.id

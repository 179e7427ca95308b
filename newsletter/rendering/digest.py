"""A digest becomes a mail by joining what was made before: nothing is rendered, parsed or inlined here.

So a sender loads none of the libraries that make the pieces.
"""

import html
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from itertools import count
from typing import Protocol

from newsletter.model import Detail, Digest, Item, Kind, RemarkKind, Topic
from newsletter.places import Places
from newsletter.rendering.fitting import LIMIT, OUT, Room, fit, least
from newsletter.rendering.fragments import NUMBER, Form, Fragment, one_line
from newsletter.rendering.pieces import Frame, Piece, finish, merge, own_lines
from newsletter.rendering.words import words_of

_RANK = {Kind.NEW: 0, Kind.REVISED: 1, Kind.WITHDRAWN: 2}
_LINK = re.compile(r"(?:https://|mailto:)[!-~]+")
_TALLIED = range(2, 21)  # sections that are listed at the top: one needs no list, and a longer one is no overview
_REMEMBERED = 2_048  # why lines
#: How much is said of a paper, from step to step: a line, a line with its topics, and so on. See `fitting.fit`.
_STEPS = (Form.LINE, Form.LINE, Form.BRIEF, Form.FULL)
_RICHEST = {Detail.BRIEF: 2, Detail.FULL: 3}  # how many of a card's forms come into question


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

    def plain_and_escaped(self) -> tuple[dict[str, str], dict[str, str]]:
        """The values, each one line: for text, and for HTML."""
        plain = {"unsubscribe": self.unsubscribe, "email": one_line(self.email)}
        return plain, {name: html.escape(value) for name, value in plain.items()}


@dataclass(frozen=True, slots=True)
class Body:
    """A subject of one line, and the two parts, quoted-printable, ready for the wire."""

    subject: str
    text: bytes
    html: bytes


@dataclass(frozen=True, slots=True)
class Shared:
    """A mail but for what is one reader's own: all readers of the same digest and topics share it.

    Either part is bytes of the wire and patterns of lines in turn; it begins and ends with bytes.
    """

    subject: str
    text: tuple[bytes | str, ...]
    html: tuple[bytes | str, ...]

    @property
    def size(self) -> int:
        """About how many bytes it holds."""
        return sum(len(piece) for piece in (*self.text, *self.html) if isinstance(piece, bytes))

    @property
    def ready(self) -> tuple[list[bytes], list[bytes]]:
        """The bytes of the text, and of the HTML."""
        text, html = ([piece for piece in part if isinstance(piece, bytes)] for part in (self.text, self.html))
        return text, html

    def body(self, links: Links, *, html: bool = True) -> Body:
        """The mail of one reader; without `html` that part is empty."""
        plain, escaped = links.plain_and_escaped()
        return Body(self.subject, finish(self.text, plain), finish(self.html, escaped) if html else b"")

    def own(self, links: Links, *, html: bool = True) -> list[bytes]:
        """The lines of one reader, in both parts or in the text alone."""
        plain, escaped = links.plain_and_escaped()
        return own_lines(self.text, plain) + (own_lines(self.html, escaped) if html else [])


class Stock(Protocol):
    """Where what was made for an edition is. It raises what it likes where there is none."""

    def frame(self, name: str) -> Fragment:
        """A piece of the frame."""
        ...

    def card(self, item: Item, form: Form) -> Fragment:
        """The card of a paper in one of its forms."""
        ...

    def sizes(self, item: Item) -> Sequence[int]:
        """How many bytes of HTML the card of a paper has in each of its forms, the poorest first."""
        ...


@dataclass(frozen=True, slots=True)
class _Section:
    topic: Topic
    items: Sequence[Item]
    heading: Piece
    tally: Piece | None

    @property
    def size(self) -> int:
        """Bytes of HTML that it takes before its first card."""
        return self.heading.size() + (self.tally.size() if self.tally else 0)


class Assembler:
    """Joins mails for one newsletter; holds the frame, read once.

    `widest` is as long as any reader's links are, so that what all readers of a digest share has room for theirs.
    `detail` is how much is said of each paper at most.
    """

    def __init__(self, brand: Brand, stock: Stock, widest: Links, detail: Detail = Detail.FULL) -> None:
        self._stock, self._places, self._widest = stock, brand.places, widest
        self._richest = _RICHEST[detail]
        preferences = brand.places.preferences()
        self._brand = {"newsletter": brand.name, "postal": brand.postal_address, "preferences": preferences}
        self._words = words_of(brand.language)
        self._frame = Frame(stock.frame)
        self._why = lru_cache(_REMEMBERED)(self._make_why)

    def shared(self, digest: Digest, topics: Mapping[int, Topic], *, welcome: bool = False) -> Shared:
        """Join what all readers of this digest under these topics (by id, in their order) have in common.

        With `welcome` it greets those who have just subscribed.
        """
        names = {topic.id: topic.label for topic in topics.values()}
        sections = list(self._sections(digest.items, topics))
        values = self._values(digest, sections)
        opening, greeting, closing = (self._frame.piece(name, values) for name in ("opening", "welcome", "closing"))
        head = (opening, greeting) if welcome else (opening,)
        said = (self._words.remark(remark, names) for remark in digest.remarks)
        remarks = [self._frame.piece("remark", values | {"remark": sentence}) for sentence in said if sentence]
        taken = sum(piece.size(self._widest.values) for piece in (*head, *remarks, closing))
        tallies, told = self._fitted(digest, sections, names, LIMIT - taken)
        pieces = (*head, *tallies, *remarks, *told, closing)
        when = self._words.short_span(_reaches_back_to(digest), digest.upto)
        return Shared(
            self._frame.subject(values | {"date": when}, "greeting" if welcome else "subject"),
            tuple(merge(part for piece in pieces for part in piece.text)),
            tuple(merge(part for piece in pieces for part in piece.html)),
        )

    def body(self, digest: Digest, topics: Mapping[int, Topic], links: Links) -> Body:
        """The mail of one reader, when it shares nothing with others."""
        return self.shared(digest, topics).body(links)

    def _values(self, digest: Digest, sections: Sequence[_Section]) -> dict[str, str]:
        """What the frame tells of a digest. Of readers' own queries no page tells but a search."""
        numbers = Counter(item.kind for item in digest.items)
        on_a_page = not all(section.topic.personal for section in sections)
        return self._brand | {
            "date": self._words.long_span(_reaches_back_to(digest), digest.upto),
            "summary": self._words.summary(numbers, len(sections)),
            "online": self._places.edition(digest.first, digest.upto) if on_a_page else self._places.editions(),
        }

    def _sections(self, items: Sequence[Item], topics: Mapping[int, Topic]) -> Iterator[_Section]:
        by_topic: dict[int, list[Item]] = {}
        for item in items:
            by_topic.setdefault(item.topic_ids[0], []).append(item)
        for topic in (topic for topic in topics.values() if topic.id in by_topic):
            mine = sorted(by_topic[topic.id], key=_newest_first)
            counts = self._words.counts(Counter(item.kind for item in mine))
            values = {"topic": self._words.topic(topic.label), "count": counts}
            tally = self._frame.piece("tally", values) if len(by_topic) in _TALLIED else None
            yield _Section(topic, mine, self._frame.piece("section", values), tally)

    def _fitted(
        self, digest: Digest, sections: Sequence[_Section], names: Mapping[int, str], room: int
    ) -> tuple[list[Piece], list[Piece]]:
        """What stands at the top, and the sections: as much as there is room for."""
        levels = self._levels(digest, sections, names, room)
        numbers = count(1)
        tallies: list[Piece] = []
        told: list[Piece] = []
        hidden: list[_Section] = []
        for section, chosen in zip(sections, levels, strict=True):
            if {*chosen} == {OUT}:
                hidden.append(section)
                continue
            if section.tally:
                tallies.append(section.tally)
            told += self._told(digest, section, chosen, names, numbers)
        if left := sum(chosen.count(OUT) for chosen in levels):
            tallies.append(self._cut(left))
        return tallies, [*told, self._rest(digest, hidden)] if hidden else told

    def _levels(
        self, digest: Digest, sections: Sequence[_Section], names: Mapping[int, str], room: int
    ) -> list[list[int]]:
        lines = [Room(each.size, 0, [self._stock.sizes(item)[:1] for item in each.items]) for each in sections]
        if least(lines) > room:  # then nothing else comes into question, and the words for what is left out
            more = (self._more(digest, section, len(section.items)).size() for section in sections)
            lines = [replace(line, more=size) for line, size in zip(lines, more, strict=True)]
            cut = self._cut(sum(len(section.items) for section in sections))
            return fit(lines, room - cut.size(), self._rest(digest, sections).size())
        return fit([Room(each.size, 0, [self._sizes(item, names) for item in each.items]) for each in sections], room)

    def _told(
        self, digest: Digest, section: _Section, levels: Sequence[int], names: Mapping[int, str], numbers: Iterator[int]
    ) -> Iterator[Piece]:
        yield section.heading
        for item, level in zip(section.items, levels, strict=True):
            if level == OUT:
                continue
            card = self._stock.card(item, _STEPS[level])
            yield Piece((card.html,), (card.text.replace(NUMBER, b"%d" % next(numbers), 1),))
            if below := self._below(item, level, names):
                yield below
        if left := levels.count(OUT):
            yield self._more(digest, section, left)

    def _sizes(self, item: Item, names: Mapping[int, str]) -> list[int]:
        """Bytes of HTML of each step."""
        line, *richer = self._stock.sizes(item)[: self._richest]
        topics = self._other_topics(item, names)
        why = self._reasons(item, names).size() if richer else 0
        return [line, line + (topics.size() if topics else 0), *(size + why for size in richer)]

    def _below(self, item: Item, level: int, names: Mapping[int, str]) -> Piece | None:
        """What stands below the card of a paper."""
        if _STEPS[level] is Form.LINE:
            return self._other_topics(item, names) if level else None
        return self._reasons(item, names)

    def _other_topics(self, item: Item, names: Mapping[int, str]) -> Piece | None:
        """All topics that a paper stands under, if it stands under several."""
        mine = tuple(names[topic_id] for topic_id in item.topic_ids)
        return self._why(mine, ((),) * len(mine)) if len(mine) > 1 else None

    def _reasons(self, item: Item, names: Mapping[int, str]) -> Piece:
        """The topics that a paper stands under, each with the words that answered it, as far as they are known."""
        mine = tuple(names[topic_id] for topic_id in item.topic_ids)
        return self._why(mine, item.words or ((),) * len(mine))

    def _make_why(self, names: tuple[str, ...], words: tuple[tuple[str, ...], ...]) -> Piece:
        return self._frame.piece("why", {"why": self._words.why(list(zip(names, words, strict=True)))})

    def _cut(self, papers: int) -> Piece:
        """What is said at the top of a mail that has no room for some papers."""
        return self._frame.piece("remark", {"remark": self._words.cut(papers)})

    def _more(self, digest: Digest, section: _Section, number: int) -> Piece:
        """What is said of a section's papers that there is no room for."""
        topic, edition = section.topic, self._places.edition(digest.first, digest.upto)
        where = self._places.search(topic.query) if topic.personal else edition
        return self._left_out(self._words.more(number, topic.label), where)

    def _rest(self, digest: Digest, sections: Sequence[_Section]) -> Piece:
        """What is said of sections that there is no room for."""
        papers = sum(len(section.items) for section in sections)
        on_a_page = not any(section.topic.personal for section in sections)
        where = self._places.edition(digest.first, digest.upto) if on_a_page else ""
        return self._left_out(self._words.rest(papers, len(sections)), where)

    def _left_out(self, more: str, where: str) -> Piece:
        return self._frame.piece("more" if where else "left", {"more": more, "where": where})


def _reaches_back_to(digest: Digest) -> date:
    """The day from which on things were announced that it tells; editions that are late reach back further."""
    late = (remark.since for remark in digest.remarks if remark.kind is RemarkKind.LATE and remark.since)
    return min((digest.first, *late))


def _newest_first(item: Item) -> tuple[int, float, str]:
    return _RANK[item.kind], -item.paper.updated.timestamp(), item.paper.id

"""A digest becomes a mail by joining what was made before: nothing is rendered, parsed or inlined here.

So a sender loads none of the libraries that make the pieces.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from newsletter.model import Digest, Item, Kind
from newsletter.rendering.fragments import Fragment, Parts, card_name, encode, fill, one_line, parse, settle
from newsletter.rendering.words import words_of

_RANK = {Kind.NEW: 0, Kind.REVISED: 1, Kind.WITHDRAWN: 2}
_LINK = re.compile(r"(?:https://|mailto:)[!-~]+")
_A_BREAK = timedelta(days=4)  # a weekend with a holiday
_Part = Literal["html", "text"]


@dataclass(frozen=True, slots=True)
class Brand:
    """Whose newsletter it is."""

    name: str
    postal_address: str = ""
    language: str = "en"


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
        values = {"unsubscribe": links.unsubscribe, "email": links.email}
        return Body(self.subject, _finish(self.text, values, escape=False), _finish(self.html, values, escape=True))


@dataclass(frozen=True, slots=True)
class _Section:
    topic: str
    count: str
    rows: list[tuple[Fragment, str]]  # the card, and the names of the other topics it stands under


class Assembler:
    """Joins mails for one newsletter; holds the frame, read once.

    `fragments` gives a fragment by its name, and raises what it likes if there is none.
    """

    def __init__(self, brand: Brand, fragments: Callable[[str], Fragment]) -> None:
        self._fragments = fragments
        self._words = words_of(brand.language)
        self._brand = {"newsletter": brand.name, "postal": brand.postal_address}
        self._subject = parse(fragments("frame/subject").text)
        self._frame: dict[tuple[str, _Part], Parts] = {}
        for name in ("opening", "remark", "section", "also", "closing"):
            fragment = fragments(f"frame/{name}")
            self._frame[name, "html"], self._frame[name, "text"] = parse(fragment.html), parse(fragment.text)

    def shared(self, digest: Digest, topics: Mapping[int, str], first: date | None = None) -> Shared:
        """Join what all readers of this digest under these topics (names by id, in their order) have in common.

        `first` is the digest's earliest edition; without it a digest that reaches back further than a break does is
        dated from the day after `digest.after`.
        """
        sections = list(self._sections(digest.items, topics))
        remarks = [sentence for remark in digest.remarks if (sentence := self._words.remark(remark, topics))]
        numbers = Counter(item.kind for item in digest.items)
        span = (first or _first(digest), digest.upto)
        head = self._brand | {"summary": self._words.summary(numbers, len(sections))}
        values = head | {"date": self._words.long_span(*span)}
        subject = fill(self._subject, head | {"date": self._words.short_span(*span)}, escape=False)
        return Shared(
            one_line("".join(map(str, subject))),
            tuple(_merged(self._pieces("text", remarks, sections, values))),
            tuple(_merged(self._pieces("html", remarks, sections, values))),
        )

    def body(self, digest: Digest, topics: Mapping[int, str], links: Links) -> Body:
        """The mail of one reader, when it shares nothing with others."""
        return self.shared(digest, topics).body(links)

    def _sections(self, items: Iterable[Item], topics: Mapping[int, str]) -> Iterator[_Section]:
        for topic, name in topics.items():
            mine = sorted((item for item in items if item.topic_ids[0] == topic), key=_newest_first)
            if mine:
                count = self._words.counts(Counter(item.kind for item in mine))
                yield _Section(name, count, [self._row(item, topics) for item in mine])

    def _row(self, item: Item, topics: Mapping[int, str]) -> tuple[Fragment, str]:
        also = self._words.listed(topics[topic] for topic in item.topic_ids[1:])
        return self._fragments(card_name(item)), also

    def _pieces(
        self, part: _Part, remarks: Iterable[str], sections: Iterable[_Section], values: dict[str, str]
    ) -> Iterator[bytes | Parts]:
        yield from self._framed("opening", part, values)
        for remark in remarks:
            yield from self._framed("remark", part, values | {"remark": remark})
        for section in sections:
            yield from self._framed("section", part, values | {"topic": section.topic, "count": section.count})
            for card, also in section.rows:
                yield card.html if part == "html" else card.text
                if also:
                    yield from self._framed("also", part, values | {"also": also})
        yield from self._framed("closing", part, values)

    def _framed(self, name: str, part: _Part, values: dict[str, str]) -> Iterator[bytes | Parts]:
        return settle(fill(self._frame[name, part], values, escape=part == "html"))


def _first(digest: Digest) -> date:
    """The day a digest reaches back to; a weekend or a holiday before a single edition does not count."""
    if digest.after is None or digest.upto - digest.after <= _A_BREAK:
        return digest.upto
    return digest.after + timedelta(days=1)


def _newest_first(item: Item) -> tuple[int, float, str]:
    return _RANK[item.kind], -item.paper.updated.timestamp(), item.paper.id


def _merged(pieces: Iterable[bytes | Parts]) -> Iterator[bytes | Parts]:
    ready: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            ready.append(piece)
            continue
        yield b"".join(ready)
        yield piece
        ready = []
    yield b"".join(ready)


def _finish(pieces: Iterable[bytes | Parts], values: Mapping[str, str], *, escape: bool) -> bytes:
    return b"".join(
        piece if isinstance(piece, bytes) else encode("".join(map(str, fill(piece, values, escape=escape))))
        for piece in pieces
    )

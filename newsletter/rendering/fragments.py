"""The pieces mail is joined from: ready for the wire, or with slots that are filled at sending time."""

import binascii
import html
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from newsletter.model import Announcement, Item
from newsletter.text import INVISIBLE

_TOKEN = re.compile(r"__slot_([a-z]+)__")
_NOT_TEXT = re.compile("[\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of both parts of a mail: of a card the bytes of the wire, of the frame plain UTF-8 with slots."""

    name: str
    html: bytes
    text: bytes


def card_name(told: Announcement | Item) -> str:
    """The name of a card's fragment: ``card/2502.18863v1/new/full``, or ``…/brief``."""
    form = "brief" if told.brief else "full"
    return f"card/{told.paper.id}v{told.paper.version}/{told.kind}/{form}"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the frame that waits for its value."""

    name: str

    @property
    def token(self) -> str:
        """How it is written in a template's output: in ASCII, for libxml2 escapes anything else in an address."""
        return f"__slot_{self.name}__"


#: A piece of the frame, read: literal text and slots in turn.
Parts = tuple[str | Slot, ...]


def encode(text: str) -> bytes:
    """Encode for the wire: UTF-8 in quoted-printable, CRLF, lines of at most 76 characters.

    The result begins and ends on a line, so results joined are the result of the texts joined. Blanks at line ends
    are dropped first: they mean nothing in our parts, and are what encoders and relays disagree on.
    """
    lines = [line.rstrip(" \t") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    if lines[-1]:
        lines.append("")
    # b2a_qp breaks lines as the first line end of its input does, so that one must be CRLF already.
    return binascii.b2a_qp("\r\n".join(lines).encode("utf-8", "replace"))


def printable(text: str) -> str:
    """Drop what no part may hold: controls, direction characters, halves of surrogate pairs."""
    return _NOT_TEXT.sub("", INVISIBLE.sub("", text))


def one_line(text: str) -> str:
    """One line of printable text, white space collapsed."""
    return " ".join(printable(" ".join(text.split())).split())  # some line ends are controls too


def parse(piece: bytes) -> Parts:
    """Find the slots of a piece. Values come in after this, so no value can hold a slot."""
    literals = _TOKEN.split(piece.decode())
    return tuple(Slot(part) if number % 2 else part for number, part in enumerate(literals) if part)


def fill(parts: Parts, values: Mapping[str, str], *, escape: bool) -> Parts:
    """Put values into their slots, as one line each, escaped for HTML if asked; other slots stay."""

    def value(part: str | Slot) -> str | Slot:
        if isinstance(part, str) or part.name not in values:
            return part
        text = one_line(values[part.name])
        return html.escape(text) if escape else text

    return tuple(map(value, parts))


def settle(parts: Parts) -> Iterator[bytes | Parts]:
    """Encode the lines that hold no slot, and keep those that hold one as they are, in order."""
    for waits, lines in itertools.groupby(_lines(parts), key=lambda line: any(isinstance(part, Slot) for part in line)):
        run = tuple(itertools.chain.from_iterable(lines))
        yield run if waits else encode("".join(map(str, run)))


def _lines(parts: Parts) -> Iterator[Parts]:
    line: list[str | Slot] = []
    for part in parts:
        if isinstance(part, Slot):
            line.append(part)
            continue
        *whole, rest = part.split("\n")
        for text in whole:
            yield (*line, text + "\n")
            line = []
        line += [rest] if rest else []
    if line:
        yield tuple(line)

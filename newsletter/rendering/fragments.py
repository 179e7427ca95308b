"""The pieces mail is joined from: ready for the wire, or with slots that are filled at sending time."""

import binascii
import html
import itertools
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

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


class Form(StrEnum):
    """How much is said of a paper. A digest takes the richest forms that fit."""

    LINE = "line"  # title and kind
    BRIEF = "brief"  # and who, where, what it is
    FULL = "full"  # and the abstract


def forms_of(told: Announcement | Item) -> tuple[Form, ...]:
    """The forms there are of a paper's card, the poorest first: of a minor version a line says enough."""
    return (Form.LINE,) if told.minor else (Form.LINE, Form.BRIEF, Form.FULL)


def card_name(told: Announcement | Item, form: Form) -> str:
    """The name of a card's fragment: ``card/2502.18863v1/new/full``."""
    return f"card/{told.paper.id}v{told.paper.version}/{told.kind}/{form}"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the frame that waits for its value."""

    name: str

    @property
    def token(self) -> str:
        """How it is written in a template's output: in ASCII, for libxml2 escapes anything else in an address."""
        return f"__slot_{self.name}__"


#: In the text of a card: where its number in the digest goes. It is not filled like other slots, since cards are
#: wire-ready before it is known; numbers are shorter, so that lines stay short enough.
NUMBER = Slot("number").token.encode()

#: A piece of the frame, read: literal text and slots in turn.
Parts = tuple[str | Slot, ...]

#: The slots whose values are each reader's own; what else waits after a digest's values are in waits for ever.
OWN = frozenset({"unsubscribe", "email"})


_LONGEST = 76  # characters of a line of quoted-printable
_LINE = re.compile(rb"(?:[^\r\n]*=\r\n)*[^\r\n]*\r\n")


def encode(text: str) -> bytes:
    """Encode for the wire: UTF-8 in quoted-printable, CRLF, lines of at most 76 characters.

    The result begins and ends on a line, so results joined are the result of the texts joined. Blanks at line ends
    are dropped first: they mean nothing in our parts, and are what encoders and relays disagree on.
    """
    return encode_lines(whole_lines(text))


def whole_lines(text: str) -> str:
    """A text as `encode_lines` takes it: without blanks at line ends, which are CRLF, as is the end of the text."""
    lines = [line.rstrip(" \t") for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    if lines[-1]:
        lines.append("")
    return "\r\n".join(lines)


def encode_lines(text: str) -> bytes:
    """The latter half of `encode`, for what is filled in for each reader."""
    # b2a_qp breaks lines as the first line end of its input does, so that one must be CRLF already.
    encoded = binascii.b2a_qp(text.encode("utf-8", "replace"))
    # A dot that begins a line would have to be doubled on the wire, in every reader's mail again (RFC 5321 §4.5.2).
    return _LINE.sub(_without_dot_first, encoded) if b"\n." in encoded or encoded.startswith(b".") else encoded


def _without_dot_first(found: re.Match[bytes]) -> bytes:
    """A line of text, on as many lines of quoted-printable (RFC 2045 §6.7) as it takes, none of which begins with a dot
    unless it is of nothing else."""
    line = found[0]
    if b"\n." not in line and not line.startswith(b"."):
        return line
    line = line.replace(b"=\r\n", b"")
    if line.startswith(b"."):
        line = b"=2E" + line[1:]
    pieces = []
    while len(line) > _LONGEST + len(b"\r\n"):
        end = _LONGEST - 1
        while end > 1 and (line[end : end + 1] == b"." or b"=" in line[end - 2 : end]):
            end -= 1
        end = end if end > 1 else _LONGEST - 1
        pieces.append(line[:end] + b"=\r\n")
        line = line[end:]
    return b"".join((*pieces, line))


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


def pattern(parts: Parts) -> str:
    """Lines that wait, as the left side of a ``%`` that makes `whole_lines`; a reader's own values are on its right."""
    return whole_lines(
        "".join(
            f"%({part.name})s" if isinstance(part, Slot) and part.name in OWN else str(part).replace("%", "%%")
            for part in parts
        )
    )


def settle(parts: Parts, width: int | None = None) -> Iterator[bytes | Parts]:
    """Encode the lines that hold no slot, wrapped at `width`, and keep those that hold one as they are, in order."""
    if not _waits(parts):  # most: no need to look at each line
        yield _settled(parts, width)
        return
    for waits, lines in itertools.groupby(_lines(parts), key=_waits):
        run = tuple(itertools.chain.from_iterable(lines))
        yield run if waits else _settled(run, width)


def _settled(parts: Parts, width: int | None) -> bytes:
    text = "".join(map(str, parts))
    return encode(text if width is None else wrap_lines(text, width))


def _waits(parts: Parts) -> bool:
    return any(isinstance(part, Slot) for part in parts)


def wrap(text: str, width: int = 72, indent: str = "") -> str:
    """Break text into lines of at most `width`; words, such as addresses, stay whole."""
    return textwrap.fill(text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def wrap_lines(text: str, width: int) -> str:
    """Break those lines of a text that are longer than `width`."""
    return "\n".join(wrap(line, width) if len(line) > width else line for line in text.split("\n"))


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

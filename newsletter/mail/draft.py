"""A message that is ready for the wire but for its signatures: header fields, and a body that it mostly shares."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from newsletter.mail.relaxed import relaxed_lines, without_empty_end

_NEXT_FIELD = re.compile(rb"\r\n(?![ \t])")


class Boilerplate:
    """What the bodies of several messages have in common: pieces, between each two of which stand a message's own.

    Every piece begins on a line and ends on a line end.
    """

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = pieces

    @cached_property
    def relaxed(self) -> tuple[bytes, ...]:
        """The pieces as DKIM signs them; most are the same bytes, and take no room twice."""
        return tuple(map(relaxed_lines, self.pieces))

    @property
    def size(self) -> int:
        """How many bytes it holds."""
        return sum(map(len, self.pieces))


@dataclass(frozen=True, slots=True)
class Draft:
    """One message. Its `own` pieces are one fewer than those of the boilerplate."""

    fields: tuple[bytes, ...]  # without the CRLF behind them
    boilerplate: Boilerplate
    own: Sequence[bytes] = ()

    @classmethod
    def read(cls, message: bytes) -> Self:
        """A message that is whole already."""
        head, _, body = message.partition(b"\r\n\r\n")
        return cls(tuple(_NEXT_FIELD.split(head)), Boilerplate(body))

    def __bytes__(self) -> bytes:
        return self.behind(())

    def behind(self, fields: Iterable[bytes]) -> bytes:
        """The message, with other header fields before its own."""
        head = b"\r\n".join((*fields, *self.fields, b"\r\n"))
        return b"".join((head, *_woven(self.boilerplate.pieces, self.own)))

    @property
    def relaxed_body(self) -> list[bytes]:
        """The body as DKIM signs it (RFC 6376 §3.4.4), in pieces."""
        lines = b"".join(self.own)
        own = self.own if relaxed_lines(lines) == lines else list(map(relaxed_lines, self.own))
        pieces = _woven(self.boilerplate.relaxed, own)
        last = b""
        while pieces and not last:
            last = without_empty_end(pieces.pop())
        return [*pieces, last]


def _woven(shared: Sequence[bytes], own: Sequence[bytes]) -> list[bytes]:
    """Pieces in turn. Raises ValueError if there are too few or too many."""
    woven = [b""] * (2 * len(shared) - 1)
    woven[::2], woven[1::2] = shared, own
    return woven

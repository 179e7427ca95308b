"""The frame of a mail: pieces with slots, filled with the values of a digest, then of a reader."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from newsletter.rendering.fragments import Fragment, Parts, encode, encode_lines, fill, one_line, parse, pattern, settle

_WIDTH = 72  # characters of a line of text
_NAMES = ("opening", "welcome", "tally", "remark", "section", "why", "more", "left", "closing")


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of both parts: bytes of the wire, and between them lines that wait for a reader's own values."""

    html: tuple[bytes | Parts, ...]
    text: tuple[bytes | Parts, ...]

    def size(self, values: Mapping[str, str] | None = None) -> int:
        """How many bytes of HTML it has, with a reader's own values."""
        return sum(len(part if isinstance(part, bytes) else _encoded(part, values or {})) for part in self.html)


class Frame:
    """What stands around the cards. `fragment` gives a stored piece by its name."""

    def __init__(self, fragment: Callable[[str], Fragment]) -> None:
        self._subjects = {name: parse(fragment(f"frame/{name}").text) for name in ("subject", "greeting")}
        stored = {name: fragment(f"frame/{name}") for name in _NAMES}
        # Most lines hold no value at all, and are encoded here once.
        self._pieces = {
            name: Piece(tuple(settle(parse(found.html))), tuple(settle(parse(found.text), _WIDTH)))
            for name, found in stored.items()
        }

    def piece(self, name: str, values: Mapping[str, str]) -> Piece:
        """Fill one; long lines of its text are wrapped."""
        piece = self._pieces[name]
        return Piece(
            tuple(_filled(piece.html, values, escape=True)), tuple(_filled(piece.text, values, _WIDTH, escape=False))
        )

    def subject(self, values: Mapping[str, str], name: str = "subject") -> str:
        """The subject, or the "greeting" that is one to a new reader: one line."""
        return one_line("".join(map(str, fill(self._subjects[name], values, escape=False))))


def _filled(
    parts: Iterable[bytes | Parts], values: Mapping[str, str], width: int | None = None, *, escape: bool
) -> Iterator[bytes | Parts]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
        else:
            yield from settle(fill(part, values, escape=escape), width)


def _encoded(part: Parts, values: Mapping[str, str]) -> bytes:
    return encode("".join(map(str, fill(part, values, escape=True))))


def merge(pieces: Iterable[bytes | Parts]) -> Iterator[bytes | str]:
    """Join what is ready, up to what waits, which becomes a pattern: bytes and patterns in turn, bytes at both ends."""
    ready: list[bytes] = []
    for piece in pieces:
        if isinstance(piece, bytes):
            ready.append(piece)
            continue
        yield b"".join(ready)
        yield pattern(piece)
        ready = []
    yield b"".join(ready)


def own_lines(pieces: Iterable[bytes | str], values: Mapping[str, str]) -> list[bytes]:
    """What waits, filled with a reader's values, each of one line, and escaped if need be."""
    return [encode_lines(piece % values) for piece in pieces if isinstance(piece, str)]


def finish(pieces: Iterable[bytes | str], values: Mapping[str, str]) -> bytes:
    """Fill what waits as `own_lines` does, and join everything."""
    return b"".join(piece if isinstance(piece, bytes) else encode_lines(piece % values) for piece in pieces)

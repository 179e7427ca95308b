"""What a server says (RFC 5321 §4.2), read as it comes, and what it means for a recipient."""

from collections.abc import Iterator
from dataclasses import dataclass

from newsletter.bouncing import Kind, status_in, weigh
from newsletter.mail.transports import Verdict
from newsletter.text import INVISIBLE

_LONGEST = 8_192  # bytes of a reply, all its lines; RFC 5321 §4.5.3.1.5 has 512 for each
_SHOWN = 500  # characters of a reply
CONFUSED = (500, 502, 503)  # no such command; not now


class GarbledError(Exception):
    """What came is no reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply; of several lines, all of them."""

    code: int
    raw: bytes

    @property
    def text(self) -> str:
        """Its words, on one line."""
        return readable(self.raw)


class Replies:
    """Parts a stream into replies."""

    def __init__(self) -> None:
        self._rest = b""
        self._lines: list[bytes] = []  # of a reply that goes on

    def feed(self, data: bytes) -> Iterator[Reply]:
        """The replies that are complete with this. Raises `GarbledError`."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            code, more = line[:3], line[3:4]
            if not (code.isdigit() and b"200" <= code <= b"599" and more.strip(b"\r") in (b"", b" ", b"-")):
                raise GarbledError(f"{readable(line)[:80]!r} is no reply of SMTP")
            self._lines.append(line[4:])
            if more != b"-":
                whole, self._lines = b"\n".join(self._lines), []
                yield Reply(int(code), whole)
        if len(self._rest) + sum(map(len, self._lines)) > _LONGEST:
            raise GarbledError("a reply without end")


def readable(raw: bytes) -> str:
    """What a server says, as it can be shown and logged."""
    return INVISIBLE.sub("", " ".join(raw.decode("utf-8", "replace").split()))[:_SHOWN]


def judge(code: int, text: str) -> Verdict:
    """What a refusal of a recipient or of a message means for its recipient (RFC 5321 §4.2, RFC 3463).

    A full mailbox is no bounce, whatever its class; a policy is more often about us than about them, and a command that
    was not understood always is.
    """
    status = status_in(text)
    confused = code in CONFUSED or status[1:4] == ".5."
    passes = confused or weigh(code, status, text) in (Kind.SOFT, Kind.POLICY)
    return Verdict.DEFERRED if code < 500 or passes else Verdict.REFUSED

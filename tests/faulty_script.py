"""What a mail server of ours is to do wrong, as values: they can be written down, drawn by chance, and shown."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

ALWAYS = 1_000_000  # times: more than any test can use up


class Stage(StrEnum):
    """Where in a session a fault may befall it, in this order; it befalls it instead of the server's own reply."""

    GREETING = "greeting"
    EHLO = "EHLO"  # HELO as well
    STARTTLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"  # instead of 354
    BODY = "body"  # 354 was said, and the first of the body has come
    DOT = "dot"  # all was received; nothing is filed
    FILED = "filed"  # the message is filed, and not answered yet
    RSET = "RSET"
    QUIT = "QUIT"


@dataclass(frozen=True, slots=True)
class Say:
    """Another reply; "\\n" parts its lines. With 421 the connection ends, and where `then` says how.

    A 2xx at `Stage.DOT` is a lie: nothing was filed. In the middle of a body, the rest of it is thrown away.
    """

    text: str
    then: Literal["", "fin", "rst"] = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """Drop the connection: close it, or reset it."""

    how: Literal["fin", "rst"] = "fin"


@dataclass(frozen=True, slots=True)
class Hold:
    """Say nothing until the client has lost its patience and hung up; then the server's own reply, to nobody."""


@dataclass(frozen=True, slots=True)
class Late:
    """The server's own reply, later by so many seconds."""

    seconds: float = 0.05


@dataclass(frozen=True, slots=True)
class Drip:
    """The server's own reply, a byte at a time."""


@dataclass(frozen=True, slots=True)
class Flood:
    """This again and again, until the client hangs up: a line without end, or a reply of lines without end."""

    data: bytes
    pause: float = 0.0  # seconds


@dataclass(frozen=True, slots=True)
class Raw:
    """These bytes instead of a reply."""

    data: bytes


@dataclass(frozen=True, slots=True)
class HalfClose:
    """Close the server's direction, before its reply or after it, and go on reading."""

    said: bool = False


@dataclass(frozen=True, slots=True)
class Slow:
    """Read the body in small pieces, with a pause (in seconds) before each."""

    size: int = 2_048
    pause: float = 0.002


@dataclass(frozen=True, slots=True)
class Early:
    """Say 354 and, with it, that the message was taken; `files` tells whether it is, once it has come."""

    files: bool = True


Act = Say | Cut | Hold | Late | Drip | Flood | Raw | HalfClose | Slow | Early


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong at a stage, so many times. `message` counts the MAILs of a connection; None is any."""

    stage: Stage
    act: Act
    times: int = 1
    connection: int | None = None  # counted from 1
    message: int | None = None  # counted from 1
    recipient: str = ""  # at RCPT and later; empty: any


#: What becomes of commands sent together: "kept" as RFC 2920 has it, "none" does not offer it. The others offer it and
#: throw away what came before their reply, answer it with 503, or drop the connection over it.
Pipelining = Literal["none", "kept", "discards", "refuses", "drops"]


@dataclass(frozen=True, slots=True)
class Manners:
    """How a server behaves from its start to its end."""

    pipelining: Pipelining = "none"
    broken_behind: bool = False  # the first commands sent together are understood, but none behind a body
    replies: Literal["grouped", "single", "bytes"] = "grouped"  # of commands that came together: how they are written
    eager: bool = False  # 354 even if every recipient was refused
    smtputf8: bool = True
    size: int | None = None  # bytes of the largest message
    at_once: int | None = None  # connections; the next is greeted with 421
    per_connection: int | None = None  # mails, and how it parts from who begins another
    parting: Literal["421", "fin", "rst"] = "421"
    login: tuple[str, str] | None = None  # user and password without which no mail is taken
    starttls: bool = False  # offered
    injected: bytes = b""  # plain text right behind the go-ahead of STARTTLS
    tls: ssl.SSLContext | None = field(default=None, compare=False, repr=False)  # with starttls: once asked for


@dataclass(frozen=True, slots=True)
class Script:
    """A server's manners, and what goes wrong until it is used up."""

    manners: Manners = Manners()
    faults: tuple[Fault, ...] = ()

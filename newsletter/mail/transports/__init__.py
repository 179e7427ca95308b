"""Ways to hand a message over. A transport answers for one recipient, or raises about itself."""

from dataclasses import dataclass
from enum import Enum
from typing import Protocol, Self


class Verdict(Enum):
    """What an answer means for one recipient."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"  # try again: 4xx, or the connection was lost before the final dot
    REFUSED = "refused"  # for good, and about this recipient
    UNKNOWN = "unknown"  # lost after the final dot: nobody can know (RFC 1047)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one attempt. `code` is the SMTP reply's, 0 if there was none."""

    verdict: Verdict
    code: int = 0
    text: str = ""

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip() if self.code else self.text


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a server is waited for. RFC 5321 §4.5.3.2 would wait longer, but the queue can."""

    opening: float = 30.0  # to connect, greet, agree on TLS and log in, all of it
    reply: float = 300.0  # to a command, and to take a message
    dot: float = 600.0  # after the final dot: who hangs up earlier sends twice
    first: float = 30.0  # to the first commands that are sent together, which some cannot understand (RFC 2920)
    pause: float = 2.0  # after a connection could not be opened; each time in a row twice as long


class Transport(Protocol):
    """One connection; used by one thread at a time."""

    def send(self, sender: str, recipient: str, message: bytes, envelope_id: str = "") -> Answer:
        """Hand over one message; opens the connection on first use, and again after it was lost.

        With an `envelope_id`, a report that it failed is asked for, and is to name that (RFC 3461).

        Raises:
            TransportError: nothing can be handed over: the fault is ours or the server's, no recipient's.

        """
        ...

    def close(self) -> None:
        """End the session; never raises."""
        ...

    def abort(self) -> None:
        """Break off, from another thread, whatever `send` is waiting for; never raises."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

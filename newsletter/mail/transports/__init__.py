"""Ways to hand mail over. A carrier answers for each mail, or says what keeps it from carrying any."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Protocol

from newsletter.errors import TransportError


class Verdict(Enum):
    """What an answer means for one recipient."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"  # try again: 4xx, or the connection was lost before the final dot
    REFUSED = "refused"  # for good, and about this recipient
    UNKNOWN = "unknown"  # lost after the final dot: nobody can know (RFC 1047)
    RETURNED = "returned"  # it never got its turn: nothing is held against it


class Stage(StrEnum):
    """What was answered. An answer to RCPT or to the dot is about a recipient; others are about us, or the server."""

    NONE = ""  # nothing: the connection was lost, or there was none
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    DOT = "dot"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one attempt. `code` is the SMTP reply's, 0 if there was none."""

    verdict: Verdict
    code: int = 0
    text: str = ""
    stage: Stage = Stage.NONE

    def __str__(self) -> str:
        return f"{self.code} {self.text}".strip() if self.code else self.text

    @property
    def personal(self) -> bool:
        """Whether it is about the recipient, as far as anything is."""
        return self.stage in (Stage.RCPT, Stage.DOT)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A mail with its envelope. With an `envelope_id`, a report that it failed is asked for, and is to name that
    (RFC 3461). `id` is the caller's; no two parcels that are under way share one."""

    id: int
    sender: str
    recipient: str
    message: bytes
    envelope_id: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a parcel."""

    id: int
    answer: Answer


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a server is waited for. RFC 5321 §4.5.3.2 would wait longer, but the queue can."""

    opening: float = 30.0  # to connect, greet, agree on TLS and log in, all of it
    reply: float = 300.0  # to a command, and to take a message
    dot: float = 600.0  # after the final dot: who hangs up earlier sends twice
    first: float = 30.0  # to the first commands that are sent together, which some cannot understand (RFC 2920)
    pause: float = 2.0  # after a connection could not be opened; each time in a row twice as long


class Carrier(Protocol):
    """Carries parcels, some at a time. What is taken comes back as an outcome of a later turn, whatever happens.

    Nothing is read or written but in `turn`. So who records the outcomes of one turn before the next knows of every
    answer before anything else goes out: on each connection at most one mail is without a recorded answer.
    """

    @property
    def trouble(self) -> TransportError | None:
        """What keeps it from carrying anything: the fault is ours or the server's, no recipient's."""
        ...

    @property
    def under_way(self) -> int:
        """How many parcels were taken and have no outcome yet."""
        ...

    @property
    def connections(self) -> int:
        """How many are open."""
        ...

    def room(self) -> int:
        """How many parcels it would take now."""
        ...

    def take(self, parcel: Parcel) -> None:
        """Take one up; nothing is written before the next turn."""
        ...

    def turn(self, seconds: float) -> Iterable[Outcome]:
        """Write what there is to write, wait for answers, for so long at most, and read them; never raises."""
        ...

    def rest(self) -> None:
        """End the sessions that are open, for nothing is to be sent for a while. Nothing may be under way."""
        ...

    def wind_down(self) -> None:
        """Begin no message any more: those that were not begun are returned, the others' answers awaited."""
        ...

    def close(self) -> Iterable[Outcome]:
        """Break off all that is under way, and end; what is known of it. Never raises."""
        ...


def hand_over(carrier: Carrier, parcel: Parcel) -> Answer:
    """Hand over one mail by a carrier of its own, and close it.

    Raises:
        TransportError: nothing can be handed over.

    """
    carrier.take(parcel)
    outcomes: list[Outcome] = []
    while not outcomes:
        outcomes += carrier.turn(1.0)
    carrier.close()
    if carrier.trouble is not None:
        raise carrier.trouble
    return outcomes[0].answer

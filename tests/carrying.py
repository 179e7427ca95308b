"""A carrier that answers by a function: for tests of what comes before and after the wire."""

from collections.abc import Callable

from newsletter.errors import TransportError
from newsletter.mail.transports import Answer, Outcome, Parcel, Verdict, hand_over
from newsletter.mail.transports.smtp import SmtpCarrier, SmtpServer

ACCEPTED = Answer(Verdict.ACCEPTED, 250, "ok")


class Courier:
    """Carries one parcel at a time."""

    connections = 1
    trouble: TransportError | None = None

    def __init__(self, answer: Callable[[Parcel], Answer] = lambda _parcel: ACCEPTED) -> None:
        self.answer = answer
        self.taken: list[Parcel] = []

    @property
    def under_way(self) -> int:
        return len(self.taken)

    def room(self) -> int:
        return 1 - len(self.taken)

    def take(self, parcel: Parcel) -> None:
        self.taken.append(parcel)

    def turn(self, seconds: float) -> list[Outcome]:
        del seconds
        taken, self.taken = self.taken, []
        return [Outcome(parcel.id, self.answer(parcel)) for parcel in taken]

    def rest(self) -> None: ...

    def wind_down(self) -> None: ...

    def close(self) -> list[Outcome]:
        return []


def to_server(host: str, port: int) -> SmtpCarrier:
    """A carrier to a server on this machine, with one connection."""
    return SmtpCarrier(SmtpServer(host, port, "none"), 1, clock=lambda: 0.0)


def send(host: str, port: int, sender: str, recipient: str, message: bytes) -> Answer:
    """Hand one mail over."""
    return hand_over(to_server(host, port), Parcel(0, sender, recipient, message))

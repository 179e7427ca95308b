"""One open connection: its socket, which never blocks, and the conversation on it."""

import socket
import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

from newsletter.mail.transports import Answer, Outcome, Parcel, Patience, Verdict
from newsletter.mail.transports.smtp.dialogue import Dialogue, Pipelining
from newsletter.mail.transports.smtp.opening import Session
from newsletter.mail.transports.smtp.replies import GarbledError, Replies

_CHUNK = 65_536  # bytes read at once
_PIECES = 16  # written at once
_RECORD = 16_384  # bytes of TLS (RFC 8446 §5.1)
_NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Line:
    """What a carrier has several of. It is `lost` as soon as it cannot be used any more, for a reason.

    `mails` is how many it may carry before it is closed; moments are seconds of one monotonic clock.
    """

    def __init__(
        self, session: Session, host: str, pipelining: Pipelining, patience: Patience, mails: int | None
    ) -> None:
        self.socket, self._patience, self._mails = session.socket, patience, mails
        with suppress(OSError):
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is written is a whole group
        self.dialogue = Dialogue(host, session.extensions, pipelining)
        self._replies = Replies()
        self._unwritten: deque[memoryview] = deque()
        self._written = 0
        self._pending = False
        self._taken = 0
        self._moved = 0.0  # when something was last written, or understood
        self.watched = 0  # the events that a selector watches for
        self.lost = ""

    @property
    def room(self) -> int:
        """How many parcels it takes now."""
        left = self._mails - self._taken if self._mails is not None else 2
        return 0 if self.lost else max(min(self.dialogue.room, left), 0)

    @property
    def offered(self) -> int:
        """How many parcels it was given."""
        return self._taken

    @property
    def spent(self) -> bool:
        """Whether it carries nothing any more, and is to be closed."""
        return self.dialogue.idle and (
            self.dialogue.closing or (self._mails is not None and self._taken >= self._mails)
        )

    @property
    def deadline(self) -> float:
        """When patience ends with what is awaited."""
        if not self.dialogue.waits:
            return float("inf")
        if self._unwritten:
            return self._moved + self._patience.reply
        if self.dialogue.waits_for_dot:
            return self._moved + self._patience.dot
        doubtful = self.dialogue.doubtful
        return self._moved + (min(self._patience.first, self._patience.reply) if doubtful else self._patience.reply)

    @property
    def wants_to_write(self) -> bool:
        """Whether something could not be written yet."""
        return bool(self._unwritten)

    def offer(self, parcel: Parcel, now: float) -> Answer | None:
        """Take a parcel; the answer, if it cannot be announced."""
        if not self.dialogue.waits:
            self._moved = now
        self._taken += 1
        return self.dialogue.offer(parcel)

    def write(self, now: float) -> None:
        """Write as much as goes."""
        said = self.dialogue.take_said()
        if said and not self._unwritten:
            self._moved = now
        self._unwritten += map(memoryview, said)
        try:
            while self._unwritten and not self.lost:
                self._count(self._send(), now)
        except _NOT_NOW:
            pass
        except OSError as error:
            self.lost = _reason(error)

    def read(self, now: float) -> Iterator[Outcome]:
        """What came, as far as it tells what became of parcels."""
        try:
            while data := self.socket.recv(_CHUNK):
                for reply in self._replies.feed(data):
                    self._moved = now
                    outcome = self.dialogue.hear(reply, self._written)
                    if outcome is not None:
                        yield outcome
                if len(data) < _CHUNK and not isinstance(self.socket, ssl.SSLSocket):
                    return
            self.lost = self.lost or "closed by the server"
        except _NOT_NOW:
            pass
        except GarbledError as error:
            self.lost = str(error)
        except OSError as error:
            self.lost = _reason(error)

    def look_at_clock(self, now: float) -> None:
        """Give up what is awaited for too long."""
        if not self.lost and now >= self.deadline:
            self.lost = "no answer in time"

    def give_up(self, *, spare: bool = False) -> Iterator[tuple[Parcel, Answer | None]]:
        """What becomes of the parcels, now that it is lost; see `Dialogue.lose`."""
        return self.dialogue.lose(self.lost, self._written, spare=spare)

    def break_off(self) -> Iterator[tuple[Parcel, Answer | None]]:
        """The same, by a will of our own: what was not sent to its end is not held against anybody."""
        self.lost = self.lost or "we were told to stop"
        for parcel, answer in self.give_up():
            unsent = answer is None or answer.verdict is Verdict.DEFERRED
            yield parcel, Answer(Verdict.RETURNED) if unsent else answer

    def hang_up(self) -> None:
        """Say QUIT, if that can be understood, and close the socket."""
        with suppress(OSError):
            if not self.lost and self.dialogue.idle and not self.dialogue.closing:
                self.socket.send(b"QUIT\r\n")
        with suppress(OSError):
            self.socket.close()

    def _send(self) -> int:
        if isinstance(self.socket, ssl.SSLSocket):
            return self._send_record(self.socket)
        pieces = [self._unwritten[number] for number in range(min(len(self._unwritten), _PIECES))]
        return self.socket.sendmsg(pieces)

    def _send_record(self, connected: ssl.SSLSocket) -> int:
        """TLS has no way to write several pieces. Small ones are joined, to no more than a record, which goes whole:
        so no message goes out together with what follows it, and is taken for one that has not."""
        joined = b""
        while self._unwritten and (
            not joined or (len(joined) + len(self._unwritten[0]) <= _RECORD and not self._pending)
        ):
            joined += self._unwritten.popleft()
        self._unwritten.appendleft(memoryview(joined))
        self._pending = True  # what was tried is tried again as it was
        written = connected.send(joined)
        self._pending = False
        return written

    def _count(self, written: int, now: float) -> None:
        self._written += written
        while written:
            piece = self._unwritten.popleft()
            if len(piece) > written:
                self._unwritten.appendleft(piece[written:])
            written -= min(len(piece), written)
        if not self._unwritten:  # and not before: who takes a byte a minute has a message to take, and so long for it
            self._moved = now


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__

"""Many mails at once, by one thread: connections that are opened as they are needed, and parcels dealt out to them."""

import selectors
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cached_property
from time import monotonic

from newsletter.errors import TransportError
from newsletter.mail.transports import Answer, Outcome, Parcel, Patience, Verdict
from newsletter.mail.transports.smtp.dialogue import Pipelining
from newsletter.mail.transports.smtp.envelope import addressed
from newsletter.mail.transports.smtp.line import Line
from newsletter.mail.transports.smtp.opening import Failure, Opening, Session, SmtpServer

TRIES = 3  # to open a first connection, before the run is given up
MISSES = 10  # mails in a row that the server did not come to judge: lost, or refused before their recipient was named
_LINGER = 2.0  # seconds that openings may take to be broken off; one that looks up a name goes on behind us
_FULL_FOR = 60.0  # seconds until a server that allows no more connections is asked for more again


class SmtpCarrier:
    """Up to so many `connections` to one server; `mails` is how many each may carry (None: any number).

    `context` overrides the system's certificates, for tests and private CAs; `clock` is monotonic, in seconds.
    """

    def __init__(
        self,
        server: SmtpServer,
        connections: int,
        *,
        clock: Callable[[], float],
        context: ssl.SSLContext | None = None,
        patience: Patience | None = None,
        mails: int | None = None,
    ) -> None:
        self._server, self._most, self._mails = server, connections, mails
        self._clock, self._given_context, self._patience = clock, context, patience or Patience()
        self._pipelining = Pipelining()
        self._lines: list[Line] = []
        self._openings: list[Opening] = []
        self._waiting: deque[Parcel] = deque()
        self._ready: list[Outcome] = []
        self._failures = self._misses = 0  # in a row
        self._no_opening_before = self._full_until = 0.0
        self._winding_down = False
        self._selector = selectors.DefaultSelector()
        self._bell, self._rope = socket.socketpair()  # rung by openings that are done
        self._bell.setblocking(False)
        self._selector.register(self._bell, selectors.EVENT_READ, None)
        self.trouble: TransportError | None = None

    @property
    def connections(self) -> int:
        """See `Carrier`."""
        return len(self._lines)

    @property
    def under_way(self) -> int:
        """See `Carrier`."""
        return len(self._waiting) + len(self._ready) + sum(line.dialogue.parcels for line in self._lines)

    def room(self) -> int:
        """See `Carrier`. Until one connection works, there is room for one parcel."""
        if self.trouble is not None or self._winding_down:
            return 0
        return max(sum(line.room for line in self._lines) + self._openable(self._clock()) - len(self._waiting), 0)

    def take(self, parcel: Parcel) -> None:
        """See `Carrier`. Raises `AddressError` if what is to be said to the server is no address: nothing but one ever
        gets into a command."""
        self._waiting.append(addressed(parcel))

    def turn(self, seconds: float) -> list[Outcome]:
        """See `Carrier`."""
        now = self._clock()
        self._deal(now)
        self._open_more(now)
        for line in self._lines:
            line.write(now)
            self._watch(line)
        if not self._ready:
            self._listen(max(min(seconds, self._next_deadline() - now), 0.0))
        self._tidy(self._clock())
        outcomes, self._ready = self._ready, []
        for outcome in outcomes:
            self._learn(outcome.answer)
        return outcomes

    def rest(self) -> None:
        """See `Carrier`. A server that is confused by PIPELINING today may be another one tomorrow."""
        for line in list(self._lines):
            self._drop(line)
        self._give_up_openings()
        self._pipelining = Pipelining()

    def wind_down(self) -> None:
        """See `Carrier`."""
        self._winding_down = True
        self._give_back(self._waiting)
        for line in self._lines:
            self._give_back(line.dialogue.withdraw())

    def close(self) -> list[Outcome]:
        """See `Carrier`."""
        self.wind_down()
        for line in list(self._lines):
            if line.dialogue.parcels:
                self._ready += (Outcome(parcel.id, _known(answer)) for parcel, answer in line.break_off())
            self._drop(line)
        openings = self._give_up_openings()
        until = monotonic() + _LINGER
        for opening in openings:
            opening.join(max(until - monotonic(), 0.0))
        self._selector.close()
        self._bell.close()
        self._rope.close()
        outcomes, self._ready = self._ready, []
        return outcomes

    def _give_up_openings(self) -> list[Opening]:
        openings, self._openings = self._openings, []
        for opening in openings:
            opening.abort()
        return openings

    # ---------------------------------------------------------------- parcels

    def _deal(self, now: float) -> None:
        """Give what waits to lines, idle ones first: a mail behind another waits for two."""
        for parcels in (0, 1):
            for line in self._lines:
                if not self._waiting:
                    return
                if not parcels and line.dialogue.idle:  # it may have been closed while it rested
                    self._ready += line.read(now)
                if line.room and line.dialogue.parcels == parcels:
                    self._offer(line, self._waiting.popleft(), now)

    def _offer(self, line: Line, parcel: Parcel, now: float) -> None:
        answer = line.offer(parcel, now)
        if answer is not None:
            self._ready.append(Outcome(parcel.id, answer))
        self._mind_trouble(line)

    def _carry_again(self, parcel: Parcel) -> None:
        """One that was only announced, on a connection that is gone. Each of these had carried something, or taught us
        something, so this comes to an end."""
        if self.trouble is not None or self._winding_down:
            self._give_back([parcel], str(self.trouble or ""))
        else:
            self._waiting.appendleft(parcel)

    def _give_back(self, parcels: Iterable[Parcel], reason: str = "") -> None:
        self._ready += [Outcome(parcel.id, Answer(Verdict.RETURNED, text=reason)) for parcel in parcels]
        if parcels is self._waiting:
            self._waiting.clear()

    # ---------------------------------------------------------------- lines

    def _listen(self, seconds: float) -> None:
        """Wait for whatever comes first, and read it."""
        for key, events in self._selector.select(seconds):
            line: Line | None = key.data
            if line is None:
                with suppress(BlockingIOError):
                    self._bell.recv(64)
            elif events & selectors.EVENT_READ:
                self._ready += line.read(self._clock())
                self._mind_trouble(line)

    def _next_deadline(self) -> float:
        moments = [line.deadline for line in self._lines]
        moments += [opening.began + self._patience.opening for opening in self._openings if not opening.aborted]
        if self._waiting and self._clock() < self._no_opening_before:
            moments.append(self._no_opening_before)
        return min(moments, default=float("inf"))

    def _tidy(self, now: float) -> None:
        """Take up openings that are done, and drop lines that are lost or spent."""
        for line in list(self._lines):
            line.look_at_clock(now)
            if line.lost:
                spare = self._is_spare(line)
                if spare:  # it may allow fewer than we want, and say so late
                    self._full_until = now + _FULL_FOR
                for parcel, answer in line.give_up(spare=spare):
                    if answer is None:
                        self._carry_again(parcel)
                    else:
                        self._ready.append(Outcome(parcel.id, answer))
                self._drop(line)
                if not line.offered:  # it was closed before it was of any use
                    failure = TransportError(f"{self._server.host}: no connection: {line.lost}")
                    self._take_up(Failure(failure, final=False), now, now)
            elif line.spent or (line.dialogue.closing and not line.dialogue.waits_for_dot):
                for parcel in line.dialogue.withdraw():
                    self._carry_again(parcel)
                self._drop(line)
        for opening in list(self._openings):
            if opening.result is not None:
                self._openings.remove(opening)
                self._take_up(opening.result, opening.began, now)
            elif not opening.aborted and now - opening.began >= self._patience.opening:
                opening.abort()
        if self.trouble is not None:
            self._give_back(self._waiting, str(self.trouble))

    def _is_spare(self, line: Line) -> bool:
        """Whether it never carried anything, and there are others."""
        return not line.dialogue.answered and any(other is not line and not other.lost for other in self._lines)

    def _watch(self, line: Line) -> None:
        """Listen to a line, and for when it can be written to, if it could not."""
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if line.wants_to_write and not line.lost else 0)
        if wanted != line.watched and not line.lost:
            (self._selector.modify if line.watched else self._selector.register)(line.socket, wanted, line)
            line.watched = wanted

    def _drop(self, line: Line) -> None:
        if line.watched:
            self._selector.unregister(line.socket)
        line.hang_up()
        self._lines.remove(line)

    # ---------------------------------------------------------------- openings

    def _open_more(self, now: float) -> None:
        """Open a connection for what waits, one until the first works."""
        if self.trouble is not None or now < self._no_opening_before:
            return
        for _ in range(min(len(self._waiting), self._openable(now)) - len(self._openings)):
            opening = Opening(self._server, lambda: self._context, self._patience.opening, now, self._ring)
            try:
                opening.start()
            except RuntimeError as error:  # no more threads
                failure = Failure(TransportError(f"{self._server.host}: no connection: {error}"), final=False)
                self._take_up(failure, now, now)
                return
            self._openings.append(opening)

    def _openable(self, now: float) -> int:
        """How many more connections may be tried: one until the first works, and none while the server has enough."""
        if not self._lines:
            return 1
        return self._most - len(self._lines) if now >= self._full_until else 0

    def _take_up(self, result: Session | Failure, began: float, now: float) -> None:
        if isinstance(result, Session):
            line = Line(result, self._server.host, self._pipelining, self._patience, self._mails)
            self._lines.append(line)
            self._watch(line)
            return
        if self._lines and not result.final:  # it may allow fewer than we want
            self._full_until = now + _FULL_FOR
            return
        if began < self._no_opening_before and not result.final:
            return  # it was begun beside one that failed, and is no further try
        self._failures += 1
        self._no_opening_before = now + self._patience.pause * 2 ** (self._failures - 1)
        if result.final or self._failures >= TRIES:
            self.trouble = self.trouble or result.error

    def _ring(self) -> None:
        with suppress(OSError):
            self._rope.send(b"!")

    @cached_property
    def _context(self) -> ssl.SSLContext:
        # Reading the system's certificates takes as long as two hundred messages: only who speaks TLS does it.
        return self._given_context or ssl.create_default_context()

    # ---------------------------------------------------------------- trouble

    def _mind_trouble(self, line: Line) -> None:
        if line.dialogue.trouble is not None:
            self.trouble = self.trouble or line.dialogue.trouble

    def _learn(self, answer: Answer) -> None:
        """See whether it is mails that are not taken, or the server that takes none."""
        if answer.verdict is Verdict.RETURNED:
            return
        if answer.code:
            self._failures = 0
        judged = answer.personal or answer.verdict is Verdict.REFUSED
        self._misses = 0 if judged else self._misses + 1
        if self._misses >= MISSES and self.trouble is None:
            place = f"{self._server.host}:{self._server.port}"
            self.trouble = TransportError(f"{place}: {self._misses} mails in a row were not taken; the last: {answer}")


def _known(answer: Answer | None) -> Answer:
    return answer or Answer(Verdict.RETURNED)

"""A small, fast SMTP server that remembers every message it filed, and whether it could say so."""

import asyncio
import random
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Self

_MESSAGE_ID = re.compile(rb"^message-id:\s*<([^>]*)>", re.IGNORECASE | re.MULTILINE)
_RECIPIENT = re.compile(r"TO:<([^>]*)>", re.IGNORECASE)
STAGES = ("MAIL", "DATA", "filed", "answered")  # what can be armed
_NEVER = "550 5.1.1 nobody of that name"


@dataclass(slots=True)
class Filed:
    """A message the server took, and whether its 250 could be written."""

    recipient: str
    message_id: str
    answered: bool = False
    lost: bool = False  # by the server's own doing nobody was told


@dataclass(frozen=True, slots=True)
class Manners:
    """What a server offers, and the chances that a message is refused or its connection dropped."""

    pipelining: bool = True
    later: float = 0.0  # a 4xx, at any step; 421 among them
    replies: tuple[str, ...] = ("450 4.2.0 not just now", "451 4.3.0 try again later", "421 4.3.2 closing")  # which
    never: float = 0.0  # a 5xx about the recipient
    drops: float = 0.0  # the connection is gone, at any step


class Session(asyncio.Protocol):
    """One connection."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._buffer, self._read = bytearray(), 0
        self._replies: list[str] = []
        self._filed: list[Filed] = []
        self._in_body = False
        self._has_sender, self._recipient, self._fault = False, "", ("", "")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.enter(self)
        self._transport.write(b"220 torture ESMTP\r\n")

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.leave(self)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while not self._transport.is_closing() and (self._body() if self._in_body else self._line()):
            pass
        self._answer()

    def _answer(self) -> None:
        """Write what there is to say, and remember which messages were answered by it."""
        if self._transport.is_closing():
            return
        self._transport.write("".join(f"{reply}\r\n" for reply in self._replies).encode())
        self._replies.clear()
        for filed in self._filed:
            filed.answered = True
            self._server.passed("answered")
        self._filed.clear()

    def _line(self) -> bool:
        line, end, rest = self._buffer.partition(b"\r\n")
        if not end:
            return False
        self._buffer = rest
        verb, _, words = line.decode("ascii").partition(" ")
        verb = verb.upper()
        if rest and not (self._server.manners.pipelining and verb in ("MAIL", "RCPT", "RSET")):
            self._server.complaints.append(f"more was sent with {verb}")
        getattr(self, f"_on_{verb.lower()}", self._on_other)(words)
        return True

    def _body(self) -> bool:
        end = self._buffer.find(b"\r\n.\r\n", max(0, self._read - 4))
        self._read = len(self._buffer)
        if self._fails("body"):
            return False
        if end < 0:
            return False
        found = _MESSAGE_ID.search(self._buffer, 0, end)
        message_id = found[1].decode() if found else ""
        del self._buffer[: end + 5]
        self._in_body, self._has_sender, self._read = False, False, 0
        if self._buffer and not self._server.manners.pipelining:
            self._server.complaints.append("more was sent with a message")
        if self._fails("dot"):
            return not self._transport.is_closing()
        self._file(message_id)
        return not self._transport.is_closing()

    def _file(self, message_id: str) -> None:
        filed = Filed(self._recipient, message_id, lost=self._fault[0] == "filed")
        self._server.file(filed)
        if self._fails("filed"):
            return
        self._filed.append(filed)
        self._replies.append("250 2.0.0 filed")

    def _fails(self, stage: str) -> bool:
        """Whether the message's fault is here; then it is done."""
        if self._fault[0] != stage:
            return False
        reply, self._fault = self._fault[1], ("", "")
        if reply:
            self._replies.append(reply)
        if reply.startswith("550"):
            self._server.refused[self._recipient] += 1
        if reply.startswith("421"):
            self._answer()
            self._transport.close()
        elif not reply:
            for filed in self._filed:
                filed.lost = True
            self._transport.abort()
        return True

    def _on_ehlo(self, _words: str) -> None:
        offers = ["torture", *(["PIPELINING"] if self._server.manners.pipelining else []), "ENHANCEDSTATUSCODES"]
        self._replies += [f"250-{offer}" for offer in offers[:-1]] + [f"250 {offers[-1]}"]

    def _on_mail(self, _words: str) -> None:
        self._server.passed("MAIL")
        self._recipient, self._fault = "", self._server.fault()
        self._has_sender = not self._fails("MAIL")
        if self._has_sender:
            self._replies.append("250 2.1.0 fine")

    def _on_rcpt(self, words: str) -> None:
        found = _RECIPIENT.match(words)
        assert found is not None, words
        if not self._has_sender:
            self._replies.append("503 5.5.1 from nobody")
            return
        self._recipient = found[1]
        if self._fails("RCPT"):
            self._recipient = ""
        else:
            self._replies.append("250 2.1.5 fine")

    def _on_data(self, _words: str) -> None:
        self._server.passed("DATA")
        if not self._recipient:
            self._replies.append("503 5.5.1 nobody to send it to")
        elif not self._fails("DATA"):
            self._in_body = True
            self._replies.append("354 go on")

    def _on_rset(self, _words: str) -> None:
        self._has_sender, self._recipient = False, ""
        self._replies.append("250 2.0.0 forgotten")

    def _on_quit(self, _words: str) -> None:
        self._replies.append("221 2.0.0 bye")
        self._answer()
        self._transport.close()

    def _on_other(self, words: str) -> None:
        self._server.complaints.append(f"unheard of: {words}")
        self._replies.append("500 5.5.2 unheard of")

    def abort(self) -> None:
        self._transport.abort()


class Server:
    """The server, in a thread of its own. `filed` and `refused` grow there; read them when it is `settled`."""

    def __init__(self, manners: Manners | None = None, seed: int = 0) -> None:
        self.manners, self._chance = manners or Manners(), random.Random(seed)
        self.filed: list[Filed] = []
        self.refused: Counter[str] = Counter()  # by recipient, for good
        self.complaints: list[str] = []  # of what no client may do
        self._sessions: set[Session] = set()
        self._idle = threading.Event()
        self._armed: tuple[str, int, Callable[[], object]] | None = None
        self._loop = asyncio.new_event_loop()

    def __enter__(self) -> Self:
        ready: Future[int] = Future()
        self._thread = threading.Thread(target=self._serve, args=(ready,), name="torture")
        self._thread.start()
        self.port = ready.result(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def _serve(self, ready: "Future[int]") -> None:
        async def serve() -> None:
            self._end = asyncio.Event()
            server = await self._loop.create_server(lambda: Session(self), "127.0.0.1", 0, backlog=200)
            ready.set_result(server.sockets[0].getsockname()[1])
            await self._end.wait()
            server.close()
            for session in list(self._sessions):
                session.abort()
            await asyncio.sleep(0)

        self._loop.run_until_complete(serve())
        self._loop.close()

    def arm(self, stage: str, number: int, act: Callable[[], object]) -> None:
        """Call `act` in the server's thread, once, when a stage is passed for the `number`-th time from now."""
        self._armed = (stage, number, act)

    def disarm(self) -> bool:
        """Forget it; returns whether it had come to that."""
        armed, self._armed = self._armed, None
        return armed is None

    def settle(self) -> None:
        """Wait until what clients that are gone had sent has been read: their connections came before this one."""
        with socket.create_connection(("127.0.0.1", self.port), 30) as last:
            last.recv(1)
        assert self._idle.wait(30), "a connection stays"

    # What sessions say, in the server's thread.

    def enter(self, session: Session) -> None:
        self._sessions.add(session)
        self._idle.clear()

    def leave(self, session: Session) -> None:
        self._sessions.discard(session)
        if not self._sessions:
            self._idle.set()

    def passed(self, stage: str) -> None:
        if self._armed is None or self._armed[0] != stage:
            return
        _, number, act = self._armed
        self._armed = (stage, number - 1, act) if number > 1 else None
        if number == 1:
            try:
                act()
            except Exception as error:  # noqa: BLE001 - nobody else would hear of it
                self.complaints.append(repr(error))

    def file(self, filed: Filed) -> None:
        self.filed.append(filed)
        self.passed("filed")

    def fault(self) -> tuple[str, str]:
        """What happens to the next message: at which stage, and the reply; an empty one is none at all."""
        dice, manners = self._chance.random(), self.manners
        if dice < manners.later:
            return self._chance.choice(("MAIL", "RCPT", "DATA", "dot")), self._chance.choice(manners.replies)
        if dice < manners.later + manners.never:
            return self._chance.choice(("RCPT", "dot")), _NEVER
        if dice < manners.later + manners.never + manners.drops:
            return self._chance.choice(("MAIL", "RCPT", "DATA", "body", "dot", "filed")), ""
        return "", ""

"""A mail server on this machine: real SMTP, filing what it gets in a Maildir, with refusals and losses by script."""

import asyncio
import mailbox
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from newsletter.errors import UsageError

if TYPE_CHECKING:
    from newsletter.demo.smtpd import Protocol

HOST = "127.0.0.1"
#: What a script returns to drop the connection instead of answering.
DROP = "drop"

#: "none" is also what a stripped STARTTLS looks like; "starttls" offers it, "starttls-required" insists on it.
Security = Literal["none", "starttls", "starttls-required", "tls"]

#: Where in a session a script is asked, in this order. What it returns is said instead of the server's own reply.
#: connect: instead of the greeting. MAIL, RCPT: instead of 250. DATA: instead of 354. content: after 354 and the first
#: line; only DROP has a meaning. dot: all was received; with any answer nothing is filed. filed: the mail is filed, and
#: DROP loses the answer (RFC 1047).
Stage = Literal["connect", "MAIL", "RCPT", "DATA", "content", "dot", "filed"]


@dataclass(frozen=True, slots=True)
class Step:
    """Where a session stands when the script is asked."""

    stage: Stage
    address: str  # of the sender at MAIL, of the recipient at RCPT, of the first recipient later
    connection: int  # counted from 1
    messages: int  # taken on this connection so far, refused ones not counted


Script = Callable[[Step], str | None]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a message came in."""

    sender: str
    recipients: tuple[str, ...]
    options: tuple[str, ...]  # of MAIL: SMTPUTF8, SIZE=…, BODY=8BITMIME
    tls: bool
    login: str | None
    connection: int


class Received(NamedTuple):
    """A message as it came over the wire, its transparency dots removed."""

    envelope: Envelope
    content: bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """How a stand-in behaves; see `SmtpStandIn`."""

    security: Security = "none"
    tls_context: ssl.SSLContext | None = None
    login: tuple[str, str] | None = None
    refusals: Mapping[str, str] = field(default_factory=dict)
    latency: float = 0.0
    smtputf8: bool = True


class SmtpStandIn:
    """The server, from `with` to its end: `host` and `port` to send to, `received` for what came.

    `script` may be replaced while it runs. `connections` and `most_at_once` count what clients opened.
    """

    def __init__(
        self,
        maildir: Path | None = None,
        *,
        port: int = 0,
        security: Security = "none",
        tls_context: ssl.SSLContext | None = None,
        login: tuple[str, str] | None = None,
        refusals: Mapping[str, str] | None = None,
        script: Script | None = None,
        latency: float = 0.0,
        smtputf8: bool = True,
    ) -> None:
        """Prepare it.

        Args:
            maildir: where mail is filed; None keeps it in `received` only.
            port: 0 for any that is free.
            security: needs `tls_context`, unless "none".
            tls_context: a server's, with its certificate.
            login: user and password without which no mail is taken.
            refusals: recipients and the replies that refuse them, such as ``550 5.1.1 no such user``.
            script: asked at every `Stage`.
            latency: seconds before the answer to a message.
            smtputf8: whether addresses outside ASCII are taken.

        """
        if security != "none" and tls_context is None:
            raise ValueError(f"security {security!r} needs a tls_context")
        self.settings = Settings(security, tls_context, login, dict(refusals or {}), latency, smtputf8)
        self.script: Script = script or (lambda _: None)
        self.host, self.port = HOST, port
        self.received: list[Received] = []
        self.connections = self.most_at_once = 0
        self.open: set[Protocol] = set()
        if maildir is not None:
            maildir.parent.mkdir(parents=True, exist_ok=True)
        self._maildir = mailbox.Maildir(maildir, factory=None) if maildir else None
        self._ready = threading.Event()
        self._failure: Exception | None = None

    def __enter__(self) -> Self:
        _demand_aiosmtpd()
        self._thread = threading.Thread(target=self._run, name="smtp-stand-in")
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    def file(self, received: Received) -> None:
        """Keep a message, and put it into the Maildir under its envelope's addresses."""
        self.received.append(received)
        if self._maildir is not None:
            envelope = received.envelope
            lines = [f"Return-Path: <{envelope.sender}>", *(f"Delivered-To: {to}" for to in envelope.recipients)]
            self._maildir.add("".join(f"{line}\r\n" for line in lines).encode() + received.content)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits for us
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        from newsletter.demo.smtpd import Protocol

        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        context = self.settings.tls_context if self.settings.security == "tls" else None
        server = await self._loop.create_server(lambda: Protocol(self), self.host, self.port, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for protocol in list(self.open):
            protocol.abort()
        await server.wait_closed()
        await asyncio.sleep(0)  # the connections learn of their end


def drop_after(messages: int) -> Script:
    """Drop a connection that has sent so many messages and begins another."""
    return lambda step: DROP if step.stage == "MAIL" and step.messages >= messages else None


def drop_at(stage: Stage, times: int = 1) -> Script:
    """Drop the connection at a stage, so many times in all."""
    left = iter(range(times))
    return lambda step: DROP if step.stage == stage and next(left, None) is not None else None


def say_at(stage: Stage, *replies: str) -> Script:
    """Give these replies at a stage, one each time, then the server's own."""
    left = iter(replies)
    return lambda step: next(left, None) if step.stage == stage else None


def _demand_aiosmtpd() -> None:
    try:
        import aiosmtpd  # noqa: F401 - only whether it is there
    except ModuleNotFoundError as error:
        raise UsageError("the local mail server needs aiosmtpd: pip install 'daily-papers[demo]'") from error

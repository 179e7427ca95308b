"""The protocol of the mail server: aiosmtpd's, asking a script at every step. Imported only once it is needed."""

import asyncio
import hmac
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword, Session
from aiosmtpd.smtp import Envelope as Collected

from newsletter.demo.smtp import DROP, Envelope, Received, SmtpStandIn, Stage, Step

_NAME = "mail.example.org"


class Protocol(SMTP):
    """One connection."""

    def __init__(self, stand_in: SmtpStandIn) -> None:
        self.stand_in, settings = stand_in, stand_in.settings
        self.number = self.messages = 0
        offered = settings.security.startswith("starttls")
        super().__init__(
            _Hooks(),
            hostname=_NAME,
            ident="stand-in",
            enable_SMTPUTF8=settings.smtputf8,
            tls_context=settings.tls_context if offered else None,
            require_starttls=settings.security == "starttls-required",
            auth_require_tls=offered,
            authenticator=_authenticate,
            loop=asyncio.get_running_loop(),
        )

    def abort(self) -> None:
        """Drop the connection, without a word."""
        transports: tuple[Any, ...] = (self.transport, self._original_transport)
        for transport in transports:
            if transport is not None:
                transport.abort()

    def ask(self, stage: Stage, address: str = "") -> str | None:
        """Ask the script what to say, or obey it and drop the connection."""
        reply = self.stand_in.script(Step(stage, address, self.number, self.messages))
        if reply == DROP:
            self.drop()
        return reply

    def drop(self) -> None:
        """Drop the connection and end its task: nothing more is to be read."""
        self.abort()
        raise asyncio.CancelledError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count a connection, but not the second beginning that STARTTLS is."""
        if not self.number:
            self.stand_in.connections += 1
            self.number = self.stand_in.connections
            self.stand_in.open.add(self)
            self.stand_in.most_at_once = max(self.stand_in.most_at_once, len(self.stand_in.open))
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it out."""
        self.stand_in.open.discard(self)
        super().connection_lost(error)

    async def _handle_client(self) -> None:
        reply = self.ask("connect")
        if reply is None:
            await super()._handle_client()
        else:
            await self.push(reply)
            self._writer.close()

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 - aiosmtpd's name, as are the hooks'
        """Take a message, unless the script will not."""
        if self.envelope is not None and self.envelope.rcpt_tos:
            recipient = self.envelope.rcpt_tos[0]
            if reply := self.ask("DATA", recipient):
                await self.push(reply)
                return
            if self.stand_in.script(Step("content", recipient, self.number, self.messages)) == DROP:
                await self.push("354 End data with <CR><LF>.<CR><LF>")
                await self._reader.readline()
                self.drop()
        await super().smtp_DATA(arg)


class _Hooks:
    async def handle_EHLO(  # noqa: N802
        self, server: Protocol, session: Session, envelope: Collected, hostname: str, responses: list[str]
    ) -> list[str]:
        """Offer AUTH only where there is a login."""
        del envelope
        session.host_name = hostname
        return [line for line in responses if server.stand_in.settings.login or not line.startswith("250-AUTH")]

    async def handle_MAIL(  # noqa: N802
        self, server: Protocol, session: Session, envelope: Collected, address: str, options: list[str]
    ) -> str:
        """Begin a message."""
        if server.stand_in.settings.login and not session.authenticated:
            return "530 5.7.0 Authentication required"
        if reply := server.ask("MAIL", address):
            return reply
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: Protocol, session: Session, envelope: Collected, address: str, options: list[str]
    ) -> str:
        """Take a recipient, or refuse one."""
        del session, options
        reply = server.ask("RCPT", address) or server.stand_in.settings.refusals.get(address)
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: Protocol, session: Session, envelope: Collected) -> str:  # noqa: N802
        """File a message."""
        recipient = envelope.rcpt_tos[0]
        await asyncio.sleep(server.stand_in.settings.latency)
        if reply := server.ask("dot", recipient):
            return reply
        content = envelope.original_content or b""
        server.stand_in.file(Received(_envelope(server, session, envelope), content))
        server.messages += 1
        return server.ask("filed", recipient) or "250 2.0.0 filed"


def _envelope(server: Protocol, session: Session, collected: Collected) -> Envelope:
    login = session.auth_data.login.decode() if isinstance(session.auth_data, LoginPassword) else None
    tls = server.transport is not None and server.transport.get_extra_info("sslcontext") is not None
    recipients, options = tuple(collected.rcpt_tos), tuple(collected.mail_options)
    return Envelope(collected.mail_from or "", recipients, options, tls, login, server.number)


def _authenticate(server: SMTP, session: Session, envelope: Collected, mechanism: str, data: Any) -> AuthResult:
    del session, envelope, mechanism
    login = server.stand_in.settings.login if isinstance(server, Protocol) else None
    if login is None or not isinstance(data, LoginPassword):
        return AuthResult(success=False, handled=False)
    user, password = (part.encode() for part in login)
    right = hmac.compare_digest(data.login, user) and hmac.compare_digest(data.password, password)
    return AuthResult(success=right, handled=False, auth_data=data)

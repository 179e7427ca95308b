"""SMTP (RFC 5321): one connection, kept open, and each answer told apart by whom it is about."""

import smtplib
import socket
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Self

from newsletter.addresses import wire_address
from newsletter.bouncing import Kind, status_in, weigh
from newsletter.errors import TransportError
from newsletter.mail.transports import Answer, Patience, Verdict
from newsletter.text import INVISIBLE


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Which server, and how it is spoken to. `security` is what is required; there is no falling back."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    username: str = ""
    password: str = ""
    ehlo_name: str = ""

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port}, {self.security})"


class _LostError(Exception):
    """The connection was lost before the final dot: the message has not been taken."""


class SmtpTransport:
    """One connection to a server. `context` overrides the system's certificates, for tests and private CAs."""

    def __init__(
        self, server: SmtpServer, context: ssl.SSLContext | None = None, patience: Patience | None = None
    ) -> None:
        self._patience = patience or Patience()
        self._server = server
        self._given_context = context
        self._smtp: smtplib.SMTP | None = None
        self._aborted = False

    def send(self, sender: str, recipient: str, message: bytes, envelope_id: str = "") -> Answer:
        """Hand over one message; see `Transport.send`.

        A server may close a connection that it kept open for the message before; that costs a new one, no deferral.
        """
        kept = self._smtp is not None
        try:
            return self._send(sender, recipient, message, envelope_id)
        except _LostError as error:
            self.close()
            if not kept or self._aborted:
                return Answer(Verdict.DEFERRED, text=f"connection lost: {error}")
        try:
            return self._send(sender, recipient, message, envelope_id)
        except _LostError as error:
            self.close()
            return Answer(Verdict.DEFERRED, text=f"connection lost: {error}")

    def close(self) -> None:
        """Say QUIT if somebody still listens, and hang up."""
        smtp, self._smtp = self._smtp, None
        if smtp is not None:
            with suppress(OSError, smtplib.SMTPException):
                if smtp.sock is not None:
                    smtp.sock.settimeout(2.0)
                smtp.quit()
            smtp.close()

    def abort(self) -> None:
        """Break a conversation off from another thread, for good; the thread in it gets an error at once."""
        self._aborted = True
        smtp = self._smtp
        if smtp is not None and smtp.sock is not None:
            with suppress(OSError):
                smtp.sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _send(self, sender: str, recipient: str, message: bytes, envelope_id: str) -> Answer:
        smtp = self._smtp or self._connect()
        sender, recipient = wire_address(sender), wire_address(recipient)
        options: tuple[str, ...] = ()
        if not (sender.isascii() and recipient.isascii() and message.isascii()):
            if not smtp.has_extn("smtputf8"):
                return self._without_utf8(sender, recipient)
            options = ("SMTPUTF8", "BODY=8BITMIME")  # RFC 6531 §3.4, §3.6: it covers the headers, too
            smtp.command_encoding = "utf-8"
        of_envelope, of_recipient = _report_asked_for(smtp, recipient, envelope_id)
        code, text = self._command(smtp, "MAIL", f"FROM:<{sender}>", *options, *of_envelope)
        if code >= 500:
            self._reset(smtp)
            if sender.isascii() and not recipient.isascii() and _is_about_utf8(code, text):
                return Answer(Verdict.REFUSED, code, text)
            raise TransportError(f"{self._server.host} refuses the sender: {code} {text}")
        if code >= 400:
            self._reset(smtp)
            return Answer(Verdict.DEFERRED, code, text)
        code, text = self._command(smtp, "RCPT", f"TO:<{recipient}>", *of_recipient)
        if code >= 400:
            self._reset(smtp)
            return Answer(judge(code, text), code, text)
        code, text = self._command(smtp, "DATA")
        if code != 354:
            self._reset(smtp)
            return Answer(Verdict.DEFERRED, code, text)
        return self._body(smtp, message)

    def _without_utf8(self, sender: str, recipient: str) -> Answer:
        """Whom it is about that the server takes ASCII only; what our own addresses need, all our mail needs."""
        if sender.isascii() and not recipient.isascii():
            return Answer(Verdict.REFUSED, text="the server takes no addresses beyond ASCII (SMTPUTF8)")
        key = "reply_to" if sender.isascii() else "sender"  # no other address stands in a header as it is
        raise TransportError(
            f"{self._server.host} takes no addresses beyond ASCII (SMTPUTF8), and [newsletter] {key} is one"
        )

    def _body(self, smtp: smtplib.SMTP, message: bytes) -> Answer:
        stuffed = message.replace(b"\r\n.", b"\r\n..")
        try:
            smtp.send((b"." if stuffed.startswith(b".") else b"") + stuffed + b".\r\n")
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            raise _LostError(str(error)) from error
        try:
            if smtp.sock is not None:
                smtp.sock.settimeout(self._patience.dot)
            code, raw = smtp.getreply()
            if smtp.sock is not None:
                smtp.sock.settimeout(self._patience.reply)
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            return Answer(Verdict.UNKNOWN, text=f"no answer after the message: {error}")
        text = _text(raw)
        if code == 421:
            self.close()
        return Answer(Verdict.ACCEPTED if code < 300 else judge(code, text), code, text)

    def _command(self, smtp: smtplib.SMTP, *words: str) -> tuple[int, str]:
        try:
            code, raw = smtp.docmd(" ".join(words))
        except (OSError, smtplib.SMTPException) as error:
            raise _LostError(str(error)) from error
        if code == 421 or code < 0:
            raise _LostError(f"{code} {_text(raw)}")
        return code, _text(raw)

    def _reset(self, smtp: smtplib.SMTP) -> None:
        try:
            smtp.rset()
        except (OSError, smtplib.SMTPException):
            self.close()

    def _connect(self) -> smtplib.SMTP:
        server = self._server
        place = f"{server.host}:{server.port}"
        smtp = self._smtp = self._session()
        try:
            self._open(smtp)
        except BaseException as error:
            self._smtp = None
            smtp.close()
            raise self._explained(error, place) from error
        return smtp

    def _without_secret(self, text: str) -> str:
        """What a server says, lest it repeats our password, as it came or in base64."""
        password = self._server.password
        for secret in (password, b64encode(password.encode()).decode("ascii")) if password else ():
            text = text.replace(secret, "…")
        return text

    def _session(self) -> smtplib.SMTP:
        """A session that is not connected yet, so that `abort` can reach it while it is."""
        server, name = self._server, self._server.ehlo_name or None
        if server.security == "tls":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                local_hostname=name, timeout=self._patience.opening, context=self._context
            )
        else:
            smtp = smtplib.SMTP(local_hostname=name, timeout=self._patience.opening)
        smtp._host = server.host  # type: ignore[attr-defined]  # TLS checks the name by it, and connect() does not set it
        return smtp

    @cached_property
    def _context(self) -> ssl.SSLContext:
        # Reading the system's certificates takes as long as two hundred messages: only who speaks TLS does it.
        return self._given_context or ssl.create_default_context()

    def _open(self, smtp: smtplib.SMTP) -> None:
        server = self._server
        code, greeting = smtp.connect(server.host, server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, greeting)
        smtp.ehlo_or_helo_if_needed()
        if server.security == "starttls":
            smtp.starttls(context=self._context)
            smtp.ehlo()
        if server.username:
            smtp.login(server.username, server.password)
        if smtp.sock is not None:
            smtp.sock.settimeout(self._patience.reply)

    def _explained(self, error: BaseException, place: str) -> BaseException:
        server = self._server
        match error:
            case smtplib.SMTPAuthenticationError():
                answer = f"{error.smtp_code} {self._without_secret(_text(error.smtp_error))}"
                return TransportError(f"{server.host} refuses the login of {server.username}: {answer}")
            case smtplib.SMTPNotSupportedError():
                return TransportError(f"{place}: {error} ([smtp] security and login are never given up)")
            case smtplib.SMTPResponseException():
                return TransportError(f"{place}: no connection: {error.smtp_code} {_text(error.smtp_error)}")
            case ssl.SSLError():
                return TransportError(f"{place}: TLS failed: {error}")
        return TransportError(f"{place}: no connection: {error}")


def judge(code: int, text: str) -> Verdict:
    """What a refusal of a recipient or of a message means for its recipient (RFC 5321 §4.2, RFC 3463).

    A full mailbox is no bounce, whatever its class; a policy is more often about us than about them.
    """
    passes = weigh(code, status_in(text), text) in (Kind.SOFT, Kind.POLICY)
    return Verdict.DEFERRED if code < 500 or passes else Verdict.REFUSED


def _report_asked_for(smtp: smtplib.SMTP, recipient: str, envelope_id: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What to say at MAIL and at RCPT, lest a report says too little, or is made of a delay (RFC 3461 §4)."""
    if not envelope_id or not smtp.has_extn("dsn"):
        return (), ()
    original = (f"ORCPT=rfc822;{_xtext(recipient)}",) if recipient.isascii() else ()
    return ("RET=HDRS", f"ENVID={_xtext(envelope_id)}"), ("NOTIFY=FAILURE", *original)


def _xtext(text: str) -> str:
    """RFC 3461 §4."""
    return "".join(sign if sign not in "+=" else f"+{ord(sign):02X}" for sign in text)


def _is_about_utf8(code: int, text: str) -> bool:
    """Whether a server that offers SMTPUTF8 will not have it here (RFC 5321 §4.2.3, RFC 6531 §3.5)."""
    return code == 555 or status_in(text)[1:4] == ".6."


def _text(raw: bytes | str) -> str:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return INVISIBLE.sub("", " ".join(text.split()))[:500]

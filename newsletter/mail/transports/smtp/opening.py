"""Connect, greet, agree on TLS and log in: by smtplib, which knows how, and in a thread, since that may take long."""

import smtplib
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Literal

from newsletter.errors import TransportError
from newsletter.mail.transports.smtp.replies import readable

_MOST_SAID = 1 << 20  # bytes
_ADDRESSES = 3  # that one name has, as far as it is waited for each


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


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no session. `final`: trying again at once would not help, and may do harm."""

    error: TransportError
    final: bool


@dataclass(frozen=True, slots=True)
class Session:
    """A session that takes mail, and what its server says it can; names are in small letters."""

    socket: socket.socket
    extensions: Mapping[str, str]


class Opening(threading.Thread):
    """Opens one session. `result` is set when it is done, and `done` called, in this thread."""

    def __init__(
        self,
        server: SmtpServer,
        context: Callable[[], ssl.SSLContext],
        patience: float,
        began: float,
        done: Callable[[], None],
    ) -> None:
        super().__init__(name="smtp-opening", daemon=True)
        self.began, self.aborted = began, False
        self._server, self._context, self._patience, self._done = server, context, patience, done
        self._smtp: smtplib.SMTP | None = None
        self.result: Session | Failure | None = None

    def run(self) -> None:
        """Open it."""
        try:
            self._smtp = smtp = self._session()
            self._open(smtp)
            self.result = Session(self._living(smtp.sock), smtp.esmtp_features)
        except Exception as error:  # noqa: BLE001 - whatever it is, who waits for us is told
            if self._smtp is not None:
                self._smtp.close()
            self.result = self._explained(error)
        if self.aborted:
            self._close()
        self._done()

    def abort(self) -> None:
        """Break it off, from another thread: what it waits for fails at once."""
        self.aborted = True
        smtp = self._smtp
        if smtp is not None and smtp.sock is not None:
            with suppress(OSError):
                smtp.sock.shutdown(socket.SHUT_RDWR)
        self._close()

    def _close(self) -> None:
        """Close a session that nobody wants any more; this thread or the other does it, whoever comes last."""
        if isinstance(self.result, Session):
            self.result.socket.close()

    def _session(self) -> smtplib.SMTP:
        """A session that is not connected yet, so that `abort` can reach it while it is."""
        server, name = self._server, self._server.ehlo_name or None
        if server.security == "tls":
            smtp: smtplib.SMTP = _SmtpOverTls(local_hostname=name, timeout=self._patience, context=self._context())
        else:
            smtp = _Smtp(local_hostname=name, timeout=self._patience)
        smtp._host = server.host  # type: ignore[attr-defined]  # TLS checks the name by it, and connect() does not set it
        return smtp

    def _open(self, smtp: smtplib.SMTP) -> None:
        server = self._server
        code, greeting = smtp.connect(server.host, server.port)
        if code != 220:
            raise smtplib.SMTPConnectError(code, greeting)
        self._mind_abort()  # which has not reached a socket that was only being made
        _say_hello(smtp)
        if server.security == "starttls":
            smtp.starttls(context=self._context())
            self._mind_abort()
            _say_hello(smtp)
        if server.username:
            smtp.login(server.username, server.password)

    def _mind_abort(self) -> None:
        if self.aborted:
            raise TimeoutError("no session in time")

    def _living(self, connected: socket.socket | None) -> socket.socket:
        """The socket, unless it was closed: smtplib takes a line that was cut for a reply."""
        self._mind_abort()
        assert connected is not None  # noqa: S101 - it was connected
        connected.setblocking(False)
        with suppress(BlockingIOError):
            if not isinstance(connected, ssl.SSLSocket) and not connected.recv(1, socket.MSG_PEEK):
                raise smtplib.SMTPServerDisconnected("closed by the server")
        return connected

    def _explained(self, error: Exception) -> Failure:
        server = self._server
        place = f"{server.host}:{server.port}"
        match error:
            case smtplib.SMTPAuthenticationError():
                answer = f"{error.smtp_code} {self._without_secret(readable(_raw(error.smtp_error)))}"
                text = f"{server.host} refuses the login of {server.username}: {answer}"
                return Failure(TransportError(text), final=error.smtp_code >= 500)
            case smtplib.SMTPNotSupportedError():
                text = f"{place}: {error} ([smtp] security and login are never given up)"
                return Failure(TransportError(text), final=True)
            case smtplib.SMTPResponseException():
                text = f"{place}: no connection: {error.smtp_code} {readable(_raw(error.smtp_error))}"
                return Failure(TransportError(text), final=False)
            case ssl.SSLError():
                return Failure(
                    TransportError(f"{place}: TLS failed: {error}"), final=not isinstance(error, ssl.SSLEOFError)
                )
        return Failure(TransportError(f"{place}: no connection: {error}"), final=False)

    def _without_secret(self, text: str) -> str:
        """What a server says, lest it repeats our password, as it came or in base64."""
        password = self._server.password
        for secret in (password, b64encode(password.encode()).decode("ascii")) if password else ():
            text = text.replace(secret, "…")
        return text


class _Bounded:
    """What a server says, of which there is never much before the first mail."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, _MOST_SAID

    def readline(self, size: int = -1) -> bytes:
        """A line."""
        line = self._file.readline(size)
        self._left -= len(line)
        if self._left < 0:
            raise OSError("the server does not stop talking")
        return line

    def close(self) -> None:
        """Close it."""
        self._file.close()


class _Smtp(smtplib.SMTP):
    """smtplib's session; it would collect a reply without end."""

    def _get_socket(self, host: str, port: int, timeout: float) -> Any:
        """Connect. A name may have several addresses, of which one leads nowhere: none may take all the time."""
        connected = super()._get_socket(host, port, timeout / _ADDRESSES)  # type: ignore[misc]  # smtplib's own
        connected.settimeout(timeout)
        return connected

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = _Bounded(self.sock.makefile("rb"))
        return super().getreply()


class _SmtpOverTls(_Smtp, smtplib.SMTP_SSL):
    """The same with TLS from the first byte."""


def _say_hello(smtp: smtplib.SMTP) -> None:
    """EHLO, or HELO to a server that is as old. Raises `smtplib.SMTPHeloError`."""
    code, answer = smtp.ehlo()
    if code != 250:
        code, answer = smtp.helo()
    if code != 250:
        raise smtplib.SMTPHeloError(code, answer)


def _raw(said: bytes | str) -> bytes:
    return said if isinstance(said, bytes) else said.encode("utf-8", "replace")

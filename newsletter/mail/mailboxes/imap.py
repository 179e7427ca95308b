"""A folder on an IMAP server (RFC 3501, UIDPLUS of RFC 4315)."""

import imaplib
import itertools
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Self, TypeVar

from newsletter.errors import MailboxError
from newsletter.mail.reports.parsing import MOST_BYTES

_Result = TypeVar("_Result")
_SPAN = 20_000  # mails whose names are asked for by one command
_BATCH = 100  # mails that are removed by one command


@dataclass(frozen=True, slots=True)
class ImapAccount:
    """Which server, which folder, and how it is spoken to. With `starttls` nothing is said before that."""

    host: str
    port: int
    security: Literal["none", "starttls", "tls"]
    username: str
    password: str
    folder: str = "INBOX"

    def __repr__(self) -> str:
        return f"ImapAccount({self.host}:{self.port}, {self.security}, {self.folder})"


_Begun = Callable[[imaplib.IMAP4], None]


class _Plain(imaplib.IMAP4):
    """A session that tells of itself before it talks, so that it can be cut off from the beginning."""

    def __init__(self, begun: _Begun, *where: Any, **how: Any) -> None:
        begun(self)
        super().__init__(*where, **how)


class _Encrypted(imaplib.IMAP4_SSL):
    """The same, with TLS from the beginning."""

    def __init__(self, begun: _Begun, *where: Any, **how: Any) -> None:
        begun(self)
        super().__init__(*where, **how)


class ImapMailbox:
    """A session that has one folder open.

    The server may take `timeout` seconds for an answer, and `patience` seconds for all of them together.
    """

    def __init__(
        self, account: ImapAccount, timeout: float, patience: float, context: ssl.SSLContext | None = None
    ) -> None:
        """Connect, log in, open the folder. Raises `MailboxError`."""
        self._account, self._place = account, f"{account.host}:{account.port}"
        self._session: imaplib.IMAP4 | None = None
        self._over = False
        self._timer = threading.Timer(patience, self._cut)
        self._timer.daemon = True
        self._timer.start()
        try:
            self._translated(lambda: self._connect(timeout, context))
            self._translated(self._open)
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """What tells it from others; the server changes UIDVALIDITY when it gives old names to new mails."""
        account = self._account
        return f"imap {account.username}@{self._place}/{account.folder} {self._validity}"

    def names(self) -> list[str]:
        """All mails by their UIDs, which grow. Asked for in spans: imaplib reads no line above a million bytes."""
        spans = (f"{first}:{min(first + _SPAN - 1, self._number)}" for first in range(1, self._number + 1, _SPAN))
        answers = itertools.chain.from_iterable(self._done("SEARCH", span) for span in spans)
        return [uid.decode("ascii", "replace") for answer in answers for uid in (answer or b"").split()]

    def read(self, name: str) -> bytes | None:
        """How a mail begins; it is not marked as read."""
        found = self._done("FETCH", name, f"(BODY.PEEK[]<0.{MOST_BYTES}>)")
        return next((part[1][:MOST_BYTES] for part in found if isinstance(part, tuple)), None)

    def remove(self, names: Sequence[str]) -> None:
        """Remove mails; without UIDPLUS also what others have marked as deleted."""
        for start in range(0, len(names), _BATCH):
            batch = ",".join(names[start : start + _BATCH])
            self._done("STORE", batch, "+FLAGS.SILENT", r"(\Deleted)")
            if self._uidplus:
                self._done("EXPUNGE", batch)
        if names and not self._uidplus:
            self._translated(lambda: self._alive.expunge())

    def close(self) -> None:
        """Say LOGOUT if somebody still listens, and hang up."""
        self._timer.cancel()
        session, self._session = self._session, None
        if session is not None:
            with suppress(OSError, AttributeError, imaplib.IMAP4.error):
                session.sock.settimeout(2.0)
                session.logout()
            with suppress(OSError, AttributeError, imaplib.IMAP4.error):
                session.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def _alive(self) -> imaplib.IMAP4:
        if self._session is None or self._over:
            raise MailboxError(f"{self._place}: it takes too long")
        return self._session

    def _connect(self, timeout: float, context: ssl.SSLContext | None) -> None:
        account, begun = self._account, self._begin
        if account.security == "none":
            _Plain(begun, account.host, account.port, timeout=timeout)
            return
        trusted = context or ssl.create_default_context()
        if account.security == "tls":
            _Encrypted(begun, account.host, account.port, ssl_context=trusted, timeout=timeout)
        else:
            _Plain(begun, account.host, account.port, timeout=timeout).starttls(trusted)

    def _begin(self, session: imaplib.IMAP4) -> None:
        self._session = session

    def _open(self) -> None:
        account, session = self._account, self._alive
        if "AUTH=PLAIN" in session.capabilities:  # LOGIN has no word for letters beyond ASCII
            secret = f"\0{account.username}\0{account.password}".encode()
            session.authenticate("PLAIN", lambda _: secret)
        else:
            session.login(account.username, account.password)
        _, offered = session.capability()
        self._uidplus = b"UIDPLUS" in b" ".join(offered or ()).upper().split()
        quoted = account.folder.replace("\\", "\\\\").replace('"', '\\"')
        answer, said = session.select(f'"{quoted}"')
        if answer != "OK":
            raise imaplib.IMAP4.error(f"{account.folder}: {_text(said)}")
        self._number = int(_text(said) or 0)
        self._validity = _text(session.response("UIDVALIDITY")[1])

    def _done(self, *command: str) -> list[Any]:
        def ask() -> list[Any]:
            answer, data = self._alive.uid(*command)
            if answer != "OK":
                raise imaplib.IMAP4.error(f"{command[0]}: {_text(data)}")
            return list(data or ())

        return self._translated(ask)

    def _translated(self, ask: Callable[[], _Result]) -> _Result:
        try:
            return ask()
        except (OSError, imaplib.IMAP4.error, UnicodeError) as error:
            raise MailboxError(f"{self._place}: {self._explained(error)}") from error

    def _explained(self, error: Exception) -> str:
        text = " ".join(_text([*error.args[-1:]]).split())[:300]
        secret = self._account.password
        for word in (secret, b64encode(secret.encode()).decode("ascii")) if secret else ():
            text = text.replace(word, "…")
        return f"TLS failed: {text}" if isinstance(error, ssl.SSLError) else text or type(error).__name__

    def _cut(self) -> None:
        """Patience is over: whatever is waited for ends at once."""
        self._over, session = True, self._session
        if session is not None:
            with suppress(OSError, AttributeError):  # there may be no socket yet
                session.sock.shutdown(socket.SHUT_RDWR)


def _text(parts: Sequence[object] | None) -> str:
    return " ".join(
        part.decode("utf-8", "replace") if isinstance(part, bytes) else str(part) for part in parts or () if part
    )

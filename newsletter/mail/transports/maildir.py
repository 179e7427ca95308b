"""Mail as files: a Maildir instead of a server, for trying out."""

import mailbox
from pathlib import Path
from typing import Self

from newsletter.errors import TransportError
from newsletter.mail.transports import Answer, Verdict


class MaildirTransport:
    """Files every message in a Maildir; the envelope's recipient goes into Delivered-To, as an MTA does it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._box: mailbox.Maildir | None = None

    def send(self, sender: str, recipient: str, message: bytes) -> Answer:
        """Write one file. Raises `TransportError` if the folder cannot be written."""
        try:
            if self._box is None:
                # Not left to the library: it takes a folder that it was killed in the middle of making for whole.
                for part in ("tmp", "new", "cur"):
                    (self._path / part).mkdir(mode=0o700, parents=True, exist_ok=True)
                self._box = mailbox.Maildir(self._path, create=False)
            envelope = f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n".encode()
            # The library turns CRLF into the platform's line ends.
            key = self._box.add(envelope + message)
        except OSError as error:
            raise TransportError(f"{self._path}: cannot be written: {error.strerror}") from error
        return Answer(Verdict.ACCEPTED, 250, f"filed as {key}")

    def close(self) -> None:
        """Nothing to end."""

    def abort(self) -> None:
        """Nothing to break off: a file is written at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

"""Mail as files: a Maildir instead of a server, for trying out."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Self

from newsletter.errors import TransportError
from newsletter.mail.transports import Answer, Verdict


class MaildirTransport:
    """Files every message in a Maildir; the envelope's recipient goes into Delivered-To, as an MTA does it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def send(self, sender: str, recipient: str, message: bytes, envelope_id: str = "") -> Answer:
        """Write one file. Raises `TransportError` if the folder cannot be written."""
        del envelope_id  # nothing comes back from a folder
        envelope = f"Return-Path: <{sender}>\r\nDelivered-To: {recipient}\r\n".encode()
        try:
            for part in ("tmp", "new", "cur"):
                (self._path / part).mkdir(mode=0o700, parents=True, exist_ok=True)
            name = self._file((envelope + message).replace(b"\r\n", os.linesep.encode()))
        except OSError as error:
            raise TransportError(f"{self._path}: cannot be written: {error.strerror}") from error
        return Answer(Verdict.ACCEPTED, 250, f"filed as {name}")

    def _file(self, content: bytes) -> str:
        """Write to tmp, then rename into new; returns the name.

        Not left to Python's mailbox: on a full disk it leaves half a mail behind, and the disk is fuller still.
        """
        handle, name = tempfile.mkstemp(dir=self._path / "tmp", prefix=f"{secrets.token_hex(16)}.")
        written = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            written.rename(self._path / "new" / written.name)
        except BaseException:
            with suppress(OSError):
                written.unlink()
            raise
        return written.name

    def close(self) -> None:
        """Nothing to end."""

    def abort(self) -> None:
        """Nothing to break off: a file is written at once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

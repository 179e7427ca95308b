"""Mail as files: a Maildir instead of a server, for trying out."""

import os
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from newsletter.errors import TransportError
from newsletter.mail.transports import Answer, Outcome, Parcel, Verdict


class MaildirCarrier:
    """Files every mail in a Maildir, one a turn; the envelope's recipient goes into Delivered-To, as an MTA does it."""

    connections = 1

    def __init__(self, path: Path) -> None:
        self._path = path
        self._taken: Parcel | None = None
        self.trouble: TransportError | None = None

    @property
    def under_way(self) -> int:
        """See `Carrier`."""
        return int(self._taken is not None)

    def room(self) -> int:
        """See `Carrier`."""
        return int(self._taken is None and self.trouble is None)

    def take(self, parcel: Parcel) -> None:
        """See `Carrier`."""
        self._taken = parcel

    def turn(self, seconds: float) -> list[Outcome]:
        """Write one file; never waits."""
        del seconds
        parcel, self._taken = self._taken, None
        if parcel is None:
            return []
        try:
            return [Outcome(parcel.id, Answer(Verdict.ACCEPTED, 250, f"filed as {self._file(parcel)}"))]
        except OSError as error:
            self.trouble = TransportError(f"{self._path}: cannot be written: {error.strerror}")
            return [Outcome(parcel.id, Answer(Verdict.RETURNED, text=str(self.trouble)))]

    def rest(self) -> None:
        """Nothing is open."""

    def wind_down(self) -> None:
        """Nothing is to be awaited."""

    def close(self) -> list[Outcome]:
        """Nothing was begun."""
        parcel, self._taken = self._taken, None
        return [Outcome(parcel.id, Answer(Verdict.RETURNED, text="not begun"))] if parcel is not None else []

    def _file(self, parcel: Parcel) -> str:
        """Write to tmp, then rename into new; returns the name.

        Not left to Python's mailbox: on a full disk it leaves half a mail behind, and the disk is fuller still.
        """
        for part in ("tmp", "new", "cur"):
            (self._path / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        envelope = f"Return-Path: <{parcel.sender}>\r\nDelivered-To: {parcel.recipient}\r\n".encode()
        handle, name = tempfile.mkstemp(dir=self._path / "tmp", prefix=f"{secrets.token_hex(16)}.")
        written = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write((envelope + parcel.message).replace(b"\r\n", os.linesep.encode()))
                file.flush()
                os.fsync(file.fileno())
            written.rename(self._path / "new" / written.name)
        except BaseException:
            with suppress(OSError):
                written.unlink()
            raise
        return written.name

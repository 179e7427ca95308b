"""A Maildir that a mail server files into and others may read; the server's and our users may differ."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from newsletter.errors import MailboxError
from newsletter.mail.reports.parsing import MOST_BYTES


class MaildirMailbox:
    """The mails in ``new`` and ``cur``; a mail program may move them there, and change their flags, at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files: dict[str, Path] = {}

    @property
    def name(self) -> str:
        """What tells it from others."""
        return f"maildir {self._path}"

    def names(self) -> list[str]:
        """All mails. One that nothing was filed in yet need not be there: servers make it with the first mail."""
        self._files = {}
        if not self._path.exists():
            return []
        for part in ("new", "cur"):
            try:
                with os.scandir(self._path / part) as found:
                    entries = [Path(entry) for entry in found if not entry.name.startswith(".")]
            except OSError as error:
                raise MailboxError(f"{self._path}: no Maildir that can be read: {part}: {error.strerror}") from error
            self._files |= {path.name.partition(":")[0]: path for path in entries}
        return sorted(self._files)

    def read(self, name: str) -> bytes | None:
        """How a mail begins; None if it is gone, or is no file."""
        for _ in range(2):
            path = self._files.get(name)
            try:
                return _begin_of(path) if path is not None else None
            except FileNotFoundError:
                self.names()  # it may have been moved, or flagged
            except OSError as error:
                raise MailboxError(f"{path}: cannot be read: {error.strerror}") from error
        return None

    def remove(self, names: Sequence[str]) -> None:
        """Remove mails."""
        for name in names:
            for _ in range(2):
                if (path := self._files.get(name)) is None:
                    break
                try:
                    path.unlink()
                    break
                except FileNotFoundError:
                    self.names()
                except OSError as error:
                    raise MailboxError(f"{path}: cannot be removed: {error.strerror}") from error

    def close(self) -> None:
        """Nothing to end."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _begin_of(path: Path) -> bytes | None:
    """How a file begins. What is none (a link, a pipe) is not followed or waited for."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        return file.read(MOST_BYTES)

"""Mailboxes that are read by us: a Maildir, or a folder on an IMAP server."""

from collections.abc import Sequence
from typing import Protocol, Self


class Mailbox(Protocol):
    """A folder of mails. Each has a name that it keeps for as long as it is there, and that no other gets.

    All of it raises `MailboxError`.
    """

    @property
    def name(self) -> str:
        """What tells this mailbox from all others, whose mails may have the same names."""
        ...

    def names(self) -> list[str]:
        """All mails, the oldest first as far as that is known."""
        ...

    def read(self, name: str) -> bytes | None:
        """A mail, or how it begins; None if it is not there any more."""
        ...

    def remove(self, names: Sequence[str]) -> None:
        """Remove mails, as far as they are there."""
        ...

    def close(self) -> None:
        """End the session; never raises."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

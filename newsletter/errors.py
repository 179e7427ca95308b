"""The errors of this package, one tree.

::

    NewsletterError             whatever we raise on purpose; its text is for a person
    ├── UsageError              wrong use or configuration: exit status 2
    │   ├── ConfigError         config.toml: names file and key
    │   ├── QueryError          a query that does not parse: knows the character
    │   └── AddressError        not an e-mail address
    └── RunError                failed at run time: exit status 1
        ├── SourceError         arXiv's answer is no answer
        ├── StorageError        the database cannot be used
        │   └── LockedError     another process is writing
        ├── TemplateError       a template does not load or render
        ├── TransportError      mail cannot be handed over at all; about us, not about a recipient
        ├── MailboxError        the mailbox of what came back cannot be read
        ├── ArchiveError        README or git
        └── BusyError           another process does this just now
"""

from pathlib import Path


class NewsletterError(Exception):
    """The root: anything this package raises on purpose."""


class UsageError(NewsletterError):
    """The command or the configuration is wrong; running it again changes nothing."""


class ConfigError(UsageError):
    """A configuration that cannot be used. ``str`` is one line: file, key, what is allowed."""

    def __init__(self, path: Path, key: str, reason: str) -> None:
        self.path, self.key, self.reason = path, key, reason
        super().__init__(f"{path}: {key}: {reason}" if key else f"{path}: {reason}")


class QueryError(UsageError):
    """A query that does not parse; `position` is the 0-based character the reason is about."""

    def __init__(self, query: str, position: int, reason: str) -> None:
        self.query, self.position, self.reason = query, position, reason
        super().__init__(f"at character {position + 1}: {reason}")

    def pointing(self) -> str:
        """The query with a caret under the character, then the reason: three lines for a terminal."""
        return f"{self.query}\n{' ' * self.position}^\n{self}"


class AddressError(UsageError):
    """Text that is no e-mail address we can send to."""

    def __init__(self, address: str, reason: str) -> None:
        self.address, self.reason = address, reason
        super().__init__(f"{address!r} is not an e-mail address: {reason}")


class RunError(NewsletterError):
    """Something failed while running; running again later may help."""


class SourceError(RunError):
    """A source did not answer, or answered what cannot be papers."""


class StorageError(RunError):
    """The database cannot be opened, read or written."""


class TemplateError(RunError):
    """A template or stylesheet is missing or broken; names the file."""


class TransportError(RunError):
    """Mail cannot be handed over: the server is away, refuses our login, or TLS fails. No recipient's fault."""


class MailboxError(RunError):
    """The mailbox of what came back cannot be read: its server is away, refuses our login, or a folder is closed."""


class ArchiveError(RunError):
    """README or repository cannot be written; nothing that was committed is lost."""


class LockedError(StorageError):
    """Another process is writing, for longer than we wait; trying again helps."""


class BusyError(RunError):
    """Another process holds the lock for what was asked."""


def describe(error: Exception) -> str:
    """An error in one line; one that was not raised here on purpose with its kind."""
    text = " ".join(str(error).split())
    return text if isinstance(error, NewsletterError) else f"{type(error).__name__}: {text}"

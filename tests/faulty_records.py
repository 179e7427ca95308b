"""What a faulty server has seen of its clients."""

import re
from collections import Counter
from dataclasses import dataclass, field

_MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.I | re.M)


@dataclass(slots=True)
class Copy:
    """A message that came to its end, or was said to have been taken."""

    connection: int
    sender: str
    recipients: tuple[str, ...]
    tls: bool = False
    content: bytes = b""  # its transparency dots removed
    filed: bool = False
    told: bool = False  # the server said in full, to a client that was there, that it took it

    @property
    def message_id(self) -> str:
        """What the message is known by; empty if it has none."""
        found = _MESSAGE_ID.search(self.content)
        return found[1].decode() if found else ""

    @property
    def lied(self) -> bool:
        """Whether the server said that it took what it did not take."""
        return self.told and not self.filed

    def tell(self) -> None:
        """Note that the client can have read that it was taken."""
        self.told = True


@dataclass(slots=True)
class Heard:
    """What clients did."""

    copies: list[Copy] = field(default_factory=list)
    commands: list[tuple[int, str]] = field(default_factory=list)  # by connection
    wrongs: list[str] = field(default_factory=list)  # against RFC 5321, 2920 or 6531
    connections: int = 0
    most_at_once: int = 0

    def verbs(self, connection: int | None = None) -> list[str]:
        """The commands' first words, of one connection or all."""
        return [line.partition(" ")[0] for number, line in self.commands if connection in (None, number)]

    def filed(self) -> Counter[str]:
        """How many copies each recipient has."""
        return Counter(address for copy in self.copies if copy.filed for address in copy.recipients)

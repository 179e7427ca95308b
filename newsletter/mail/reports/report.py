"""What a mail to the return path says, before anybody has looked whether it is true."""

from dataclasses import dataclass
from enum import StrEnum

from newsletter.bouncing import Kind


class Sort(StrEnum):
    """What sort of a mail it is."""

    FAILED = "failed"
    DELAYED = "delayed"
    DELIVERED = "delivered"
    COMPLAINT = "complaint"
    LEAVE = "leave"  # somebody wants no more mail
    AUTO_REPLY = "auto-reply"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Report:
    """A mail, read. All that it says about itself may be invented; `kind` is what a failure is, as far as it says."""

    sort: Sort
    kind: Kind | None = None
    status: str = ""
    text: str = ""
    addresses: tuple[str, ...] = ()  # of recipients, as they are named
    tokens: tuple[str, ...] = ()  # that may be of our return paths, likeliest first
    message_ids: tuple[str, ...] = ()  # that may be of our mails, without angle brackets
    leave: tuple[str, ...] = ()  # tokens with which somebody may leave

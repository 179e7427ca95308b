"""A message as bytes: headers around parts that are ready for the wire. It is ASCII but for local parts beyond it."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256

from newsletter.addresses import mailto, wire_address
from newsletter.mail.headers import LINE_END, list_id, mailbox, unstructured, uris, words

# Our own; and the local part becomes the boundary, of at most 70 characters (RFC 2046 §5.1.1).
_MESSAGE_ID = re.compile(r"[A-Za-z0-9.-]{1,64}@[A-Za-z0-9.-]{1,255}")
_NOT_IN_IDENTIFIERS = re.compile(r"[^A-Za-z0-9._-]+")
_PART = "Content-Type: text/{}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
_PLAIN, _HTML = _PART.format("plain"), _PART.format("html")
# RFC 3834 §5, and Exchange's own (MS-OXCMAIL §2.1.3.2.20); its "All" would suppress reports of failure, too.
_AUTOMATIC = ("Auto-Submitted: auto-generated", "X-Auto-Response-Suppress: DR, RN, NRN, OOF, AutoReply")


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What all messages of a newsletter share."""

    name: str
    sender_name: str
    sender_address: str
    list_id: str  # in ASCII, stable for ever; see `addresses.list_id`
    reply_to: tuple[str, str] = ("", "")  # name and address; by default the sender's
    owner: str = ""  # an address; by default the sender's
    archive: str = ""  # a web address where editions are listed
    leave: str = ""  # an address that wishes to leave are mailed to; by default the sender's


@dataclass(frozen=True, slots=True)
class Address:
    """One message's own: whom it goes to, what it is known by, how to leave, and what it is, for statistics.

    Raises:
        ValueError: `message_id` is not of our making.

    """

    recipient: str
    message_id: str  # without angle brackets
    moment: datetime  # aware; the message's Date
    unsubscribe: tuple[str, ...] = ()  # URIs in order of preference
    edition: date | None = None  # without one it is the day of `moment`
    kind: str = "digest"

    def __post_init__(self) -> None:
        if not _MESSAGE_ID.fullmatch(self.message_id):
            raise ValueError(f"{self.message_id!r} is no Message-ID of ours")


def compose(letterhead: Letterhead, address: Address, subject: str, text: bytes, html: bytes) -> bytes:
    """Join a multipart/alternative message, text first; one of plain text if `html` is empty.

    `text` and `html` are quoted-printable and end on CRLF.

    Raises:
        AddressError: one of the addresses is none.

    """
    head = (
        *_envelope(letterhead, address, subject),
        _of_list(letterhead),
        *_unsubscribe(address.unsubscribe),
        _feedback(letterhead, address.edition or address.moment.date(), address.kind),
        "MIME-Version: 1.0",
    )
    if not html:
        return LINE_END.join((*head, _PLAIN)).encode() + text
    # Quoted-printable never holds "=_" (RFC 2045 §6.7), so no part can hold the boundary.
    boundary = f"=_{address.message_id.partition('@')[0]}"
    head = (
        *head,
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
        "",
        f"--{boundary}",
        _PLAIN,
    )
    between, end = f"--{boundary}{LINE_END}{_HTML}", f"--{boundary}--{LINE_END}"
    return b"".join((LINE_END.join(head).encode(), text, between.encode(), html, end.encode()))


def compose_plain(letterhead: Letterhead, address: Address, subject: str, text: bytes) -> bytes:
    """A message of plain text that is no list's: it goes to one person, about a thing of theirs.

    `text` is quoted-printable and ends on CRLF. Raises as `compose` does.
    """
    head = (
        *_envelope(letterhead, address, subject),
        *_AUTOMATIC,
        _feedback(letterhead, address.edition or address.moment.date(), address.kind),
        "MIME-Version: 1.0",
        _PLAIN,
    )
    return LINE_END.join(head).encode() + text


def _envelope(letterhead: Letterhead, address: Address, subject: str) -> tuple[str, ...]:
    return (
        _from(letterhead),
        words("To", [wire_address(address.recipient)]),
        unstructured("Subject", subject),
        f"Date: {format_datetime(address.moment.astimezone(UTC))}",
        words("Message-ID", [f"<{address.message_id}>"]),
    )


def _unsubscribe(found: tuple[str, ...]) -> tuple[str, ...]:
    """How to leave (RFC 2369 §3.2); with one click where there is an https address (RFC 8058 §3.1)."""
    if not found:
        return ()
    field = uris("List-Unsubscribe", *found)
    if any(uri.startswith("https:") for uri in found):
        return field, "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    return (field,)


@lru_cache(16)
def _from(letterhead: Letterhead) -> str:
    name, address = letterhead.sender_name, letterhead.sender_address
    reply_name, reply_address = letterhead.reply_to if letterhead.reply_to[1] else (name, address)
    return LINE_END.join((mailbox("From", name, address), mailbox("Reply-To", reply_name, reply_address)))


@lru_cache(16)
def _of_list(letterhead: Letterhead) -> str:
    sender, reply_address = letterhead.sender_address, letterhead.reply_to[1]
    fields = (
        list_id(letterhead.name, letterhead.list_id),
        uris("List-Help", mailto(reply_address or sender, "help")),
        uris("List-Owner", mailto(letterhead.owner or sender)),
        *((uris("List-Archive", letterhead.archive),) if letterhead.archive else ()),
        "List-Post: NO",
        *_AUTOMATIC,
        "Precedence: bulk",
    )
    return LINE_END.join(fields)


@lru_cache(64)
def _feedback(letterhead: Letterhead, day: date, kind: str) -> str:
    """Feedback-ID as Gmail's feedback loop reads it: the narrowest identifier first, the sender's own last.

    No identifier may stand in two places, or tell of a person; the last has 5 to 15 characters.
    """
    sender = sha256(letterhead.list_id.encode()).hexdigest()[:12]
    identifiers = (str(day), kind, letterhead.list_id, sender)
    return words("Feedback-ID", [":".join(_NOT_IN_IDENTIFIERS.sub("-", found) for found in identifiers)])

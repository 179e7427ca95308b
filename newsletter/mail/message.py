"""A message as bytes: headers of ours around parts that are ready for the wire.

Headers are folded by us, not by the email package: with its policies a List-Unsubscribe of 76 characters or more is
turned into encoded words, and one-click unsubscribing ends without a sign.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.utils import format_datetime

from newsletter.addresses import wire_address
from newsletter.text import INVISIBLE, LINE_ENDS

CRLF = b"\r\n"
_SPECIALS = frozenset('()<>[]:;@\\,."')


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What all messages of a newsletter share."""

    name: str
    sender_name: str
    sender_address: str
    list_id: str  # label.domain, stable for ever (RFC 2919)
    reply_to: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """One message's own: whom it goes to, what it is known by, and how to leave."""

    recipient: str
    message_id: str
    date: datetime
    unsubscribe: tuple[str, ...]  # URIs in order of preference


def compose(letterhead: Letterhead, address: Address, subject: str, text: bytes, html: bytes) -> bytes:
    """Join a multipart/alternative message, text first. `text` and `html` are quoted-printable and end on CRLF."""
    boundary = f"=_{address.message_id.partition('@')[0]}"
    lines = [
        *_headers(letterhead, address, subject),
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
        "",
        "",
    ]
    opening = (
        f"--{boundary}\r\nContent-Type: text/{{}}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    return b"".join(
        (
            "\r\n".join(lines).encode(),
            opening.format("plain").encode("ascii"),
            text,
            opening.format("html").encode("ascii"),
            html,
            f"--{boundary}--\r\n".encode("ascii"),
        )
    )


def _headers(letterhead: Letterhead, address: Address, subject: str) -> Iterable[str]:
    yield f"From: {mailbox(letterhead.sender_name, letterhead.sender_address)}"
    yield f"To: {wire_address(address.recipient)}"
    if letterhead.reply_to:
        yield f"Reply-To: {letterhead.reply_to}"
    yield f"Subject: {unstructured(subject, len('Subject: '))}"
    yield f"Date: {format_datetime(address.date)}"
    yield f"Message-ID: <{address.message_id}>"
    yield f"List-Id: {_phrase(letterhead.name)} <{letterhead.list_id}>"
    if address.unsubscribe:
        yield "List-Unsubscribe: " + ",\r\n ".join(f"<{uri}>" for uri in address.unsubscribe)
        if address.unsubscribe[0].startswith("https:"):
            yield "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    if letterhead.owner:
        yield f"List-Owner: <mailto:{letterhead.owner}>"
    yield "List-Post: NO"
    yield "Auto-Submitted: auto-generated"
    yield "Precedence: bulk"
    yield "MIME-Version: 1.0"


def mailbox(name: str, address: str) -> str:
    """``Name <address>`` as it stands in a header (RFC 5322, RFC 2047)."""
    return f"{_phrase(name)} <{wire_address(address)}>" if name else wire_address(address)


def unstructured(text: str, used: int) -> str:
    """A header's free text on folded lines; what is not ASCII becomes encoded words. `used` characters stand before it."""
    clean = " ".join(INVISIBLE.sub("", LINE_ENDS.sub(" ", text)).split())
    charset = "us-ascii" if clean.isascii() and "=?" not in clean else "utf-8"
    return Header(clean, charset, maxlinelen=76, header_name=" " * max(used - 2, 1)).encode(linesep="\r\n")


def _phrase(text: str) -> str:
    if not text.isascii() or "=?" in text:
        return unstructured(text, 16)
    clean = " ".join(INVISIBLE.sub("", LINE_ENDS.sub(" ", text)).split())
    if not _SPECIALS & set(clean):
        return clean
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

"""A message as bytes: headers of ours around parts that are ready for the wire.

Headers are folded by us, not by the email package: with its policies a List-Unsubscribe of 76 characters or more is
turned into encoded words, and one-click unsubscribing ends without a sign.
"""

import textwrap
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from functools import lru_cache
from urllib.parse import quote

from newsletter.addresses import wire_address
from newsletter.text import INVISIBLE, LINE_ENDS

FOLD = "\r\n "
_LINE = 76  # characters a header line holds, unless one word is longer
_ENCODED = "=?utf-8?b?{}?="
_SPECIALS = frozenset('()<>[]:;@\\,."')


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What all messages of a newsletter share."""

    name: str
    sender_name: str
    sender_address: str
    list_id: str  # label.domain, stable for ever (RFC 2919)
    reply_to: tuple[str, str] = ("", "")  # name and address
    owner: str = ""  # an address


@dataclass(frozen=True, slots=True)
class Address:
    """One message's own: whom it goes to, what it is known by, and how to leave."""

    recipient: str
    message_id: str
    date: datetime
    unsubscribe: tuple[str, ...] = ()  # URIs in order of preference


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


def compose_plain(
    sender: tuple[str, str], address: Address, subject: str, text: bytes, reply_to: tuple[str, str] = ("", "")
) -> bytes:
    """A message of plain text that is no list's: it goes to one person, about a thing of theirs.

    `sender` and `reply_to` are name and address, `text` is quoted-printable and ends on CRLF.
    """
    lines = [
        *_envelope(sender, reply_to, address, subject),
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + text


def _envelope(sender: tuple[str, str], reply_to: tuple[str, str], address: Address, subject: str) -> Iterable[str]:
    name, mailbox = sender
    yield f"From: {_mailbox(name, wire_address(mailbox), len('From: '))}"
    yield f"To: {wire_address(address.recipient)}"
    reply_name, reply_address = reply_to
    if reply_address:
        yield f"Reply-To: {_mailbox(reply_name, wire_address(reply_address), len('Reply-To: '))}"
    yield f"Subject: {unstructured(subject, len('Subject: '))}"
    yield f"Date: {format_datetime(address.date)}"
    yield f"Message-ID: <{address.message_id}>"


def _headers(letterhead: Letterhead, address: Address, subject: str) -> Iterable[str]:
    sender = (letterhead.sender_name, letterhead.sender_address)
    yield from _envelope(sender, letterhead.reply_to, address, subject)
    yield f"List-Id: {_mailbox(letterhead.name, letterhead.list_id, len('List-Id: '))}"
    if address.unsubscribe:
        yield "List-Unsubscribe: " + f",{FOLD}".join(f"<{uri}>" for uri in address.unsubscribe)
        if address.unsubscribe[0].startswith("https:"):
            yield "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    if letterhead.owner:
        yield f"List-Owner: <mailto:{quote(wire_address(letterhead.owner), safe='@+')}>"
    yield "List-Post: NO"
    yield "Auto-Submitted: auto-generated"
    yield "Precedence: bulk"
    yield "MIME-Version: 1.0"


@lru_cache(64)
def _mailbox(name: str, address: str, used: int) -> str:
    phrase = _phrase(name, used)
    # An encoded word fills its line, so that most names need only one: some readers see a blank between two.
    return f"{phrase}{FOLD if phrase.startswith('=?') else ' '}<{address}>".strip()


@lru_cache(1_024)  # all readers of a digest have one subject
def unstructured(text: str, used: int) -> str:
    """A header's free text on folded lines, after `used` characters; what is not ASCII becomes encoded words."""
    clean = " ".join(INVISIBLE.sub("", LINE_ENDS.sub(" ", text)).split())
    if clean.isascii() and "=?" not in clean:
        lines = textwrap.wrap(
            " " * used + clean, _LINE, break_long_words=False, break_on_hyphens=False, drop_whitespace=False
        )
        return FOLD.join(line.strip() for line in lines)
    return FOLD.join(_encoded_words(clean, used))


def _encoded_words(text: str, used: int) -> Iterator[str]:
    """RFC 2047: words of at most 75 characters, each of whole characters, one a line."""
    chunk, room = b"", _LINE - used
    for character in text:
        encoded = character.encode("utf-8", "replace")
        if chunk and len(_ENCODED.format("")) + 4 * ((len(chunk + encoded) + 2) // 3) > min(room, 75):
            yield _ENCODED.format(b64encode(chunk).decode("ascii"))
            chunk, room = b"", _LINE
        chunk += encoded
    yield _ENCODED.format(b64encode(chunk).decode("ascii"))


def _phrase(text: str, used: int) -> str:
    clean = " ".join(INVISIBLE.sub("", LINE_ENDS.sub(" ", text)).split())
    if not clean.isascii() or "=?" in clean:
        return unstructured(clean, used)
    if not _SPECIALS & set(clean):
        return clean
    escaped = clean.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

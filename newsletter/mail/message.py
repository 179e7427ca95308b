"""A message as bytes: header fields around parts ready for the wire. It is ASCII but for local parts beyond it.

What many readers get alike is put together once; then there is little to do for each of them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime
from functools import lru_cache
from hashlib import sha256

from newsletter.addresses import mailto, wire_address
from newsletter.mail.draft import Boilerplate, Draft
from newsletter.mail.headers import LINE_END, list_id, mailbox, unstructured, uris, words

_MESSAGE_ID = re.compile(r"[A-Za-z0-9.-]{1,64}@[A-Za-z0-9.-]{1,255}")  # our own
_NOT_IN_IDENTIFIERS = re.compile(r"[^A-Za-z0-9._-]+")
_ENCODING = "Content-Transfer-Encoding: quoted-printable"
_PLAIN = ("Content-Type: text/plain; charset=utf-8", _ENCODING)
_HTML = ("Content-Type: text/html; charset=utf-8", _ENCODING)
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
    """One message's own: whom it goes to, what it is known by, and how to leave.

    Raises:
        ValueError: `message_id` is not of our making.

    """

    recipient: str
    message_id: str  # without angle brackets
    moment: datetime  # aware; the message's Date
    unsubscribe: tuple[str, ...] = ()  # URIs in order of preference

    def __post_init__(self) -> None:
        if not _MESSAGE_ID.fullmatch(self.message_id):
            raise ValueError(f"{self.message_id!r} is no Message-ID of ours")


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to many: the header fields they share, between which stand each one's own, and the body."""

    sender: tuple[bytes, ...]
    subject: tuple[bytes, ...]
    nature: tuple[bytes, ...]  # which list it is of, that no person wrote it
    content: tuple[bytes, ...]
    body: Boilerplate

    def to(self, address: Address, own: Sequence[bytes] = ()) -> Draft:
        """One of the messages, with its own pieces of the body.

        Raises:
            AddressError: the recipient's is none.

        """
        to = words("To", [wire_address(address.recipient)])
        known_by = _date(int(address.moment.timestamp())), words("Message-ID", [f"<{address.message_id}>"])
        fields = (
            *self.sender,
            to.encode(),
            *self.subject,
            *_wired(*known_by),
            *self.nature,
            *_wired(*_unsubscribe(address.unsubscribe)),
            *self.content,
        )
        return Draft(fields, self.body, own)


def make_letter(
    letterhead: Letterhead, edition: date, subject: str, text: Sequence[bytes], html: Sequence[bytes] = ()
) -> Letter:
    """A digest: multipart/alternative, text first; plain text if there is no `html`.

    Both are quoted-printable, in pieces that begin on a line and end on CRLF. Between each two pieces of a part stands
    one that is a message's own.

    Raises:
        AddressError: one of the letterhead's addresses is none.

    """
    content, body = _alternatives(text, html) if html else (_PLAIN, Boilerplate(*text))
    feedback = _feedback(letterhead, edition, "digest")
    return Letter(
        _wired(*_from(letterhead)),
        _wired(unstructured("Subject", subject)),
        _wired(*_of_list(letterhead)),
        _wired(feedback, "MIME-Version: 1.0", *content),
        body,
    )


def compose_plain(letterhead: Letterhead, address: Address, kind: str, subject: str, text: bytes) -> Draft:
    """A message of plain text that is no list's: it goes to one person, about a thing of theirs.

    `text` is quoted-printable and ends on CRLF. `kind` says what it is, for statistics.

    Raises:
        AddressError: one of the addresses is none.

    """
    feedback = _feedback(letterhead, address.moment.date(), kind)
    letter = Letter(
        _wired(*_from(letterhead)),
        _wired(unstructured("Subject", subject)),
        _wired(*_AUTOMATIC),
        _wired(feedback, "MIME-Version: 1.0", *_PLAIN),
        Boilerplate(text),
    )
    return letter.to(address)


def _alternatives(text: Sequence[bytes], html: Sequence[bytes]) -> tuple[tuple[str, ...], Boilerplate]:
    """Both parts, and the field that says where each begins."""
    # Quoted-printable never holds "=_" (RFC 2045 §6.7), so no part can hold the boundary.
    boundary = f"=_{sha256(b''.join((*text, *html))).hexdigest()[:24]}"
    before_text, before_html = (LINE_END.join((f"--{boundary}", *kind, "", "")).encode() for kind in (_PLAIN, _HTML))
    pieces = [*text[:-1], text[-1] + before_html + html[0], *html[1:]]
    pieces[0] = before_text + pieces[0]
    pieces[-1] += f"--{boundary}--{LINE_END}".encode()
    return (f'Content-Type: multipart/alternative; boundary="{boundary}"',), Boilerplate(*pieces)


def _wired(*fields: str) -> tuple[bytes, ...]:
    return tuple([field.encode() for field in fields])


@lru_cache(4)
def _date(seconds: int) -> str:
    return f"Date: {format_datetime(datetime.fromtimestamp(seconds, UTC))}"


def _unsubscribe(found: tuple[str, ...]) -> tuple[str, ...]:
    """How to leave (RFC 2369 §3.2); with one click where there is an https address (RFC 8058 §3.1)."""
    if not found:
        return ()
    field = uris("List-Unsubscribe", *found)
    if any(uri.startswith("https:") for uri in found):
        return field, "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    return (field,)


@lru_cache(16)
def _from(letterhead: Letterhead) -> tuple[str, ...]:
    name, address = letterhead.sender_name, letterhead.sender_address
    reply_name, reply_address = letterhead.reply_to if letterhead.reply_to[1] else (name, address)
    return mailbox("From", name, address), mailbox("Reply-To", reply_name, reply_address)


@lru_cache(16)
def _of_list(letterhead: Letterhead) -> tuple[str, ...]:
    sender, reply_address = letterhead.sender_address, letterhead.reply_to[1]
    return (
        list_id(letterhead.name, letterhead.list_id),
        uris("List-Help", mailto(reply_address or sender, "help")),
        uris("List-Owner", mailto(letterhead.owner or sender)),
        *((uris("List-Archive", letterhead.archive),) if letterhead.archive else ()),
        "List-Post: NO",
        *_AUTOMATIC,
        "Precedence: bulk",
    )


@lru_cache(64)
def _feedback(letterhead: Letterhead, day: date, kind: str) -> str:
    """Feedback-ID as Gmail's feedback loop reads it: the narrowest identifier first, the sender's own last.

    No identifier may stand in two places, or tell of a person; the last has 5 to 15 characters.
    """
    sender = sha256(letterhead.list_id.encode()).hexdigest()[:12]
    identifiers = (str(day), kind, letterhead.list_id, sender)
    return words("Feedback-ID", [":".join(_NOT_IN_IDENTIFIERS.sub("-", found) for found in identifiers)])

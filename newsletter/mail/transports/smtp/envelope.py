"""A parcel as it is said to a server: the commands of its envelope, and its message with the dots doubled."""

import re
from collections.abc import Container
from dataclasses import dataclass
from functools import lru_cache

from newsletter.addresses import wire_address
from newsletter.errors import TransportError
from newsletter.mail.transports import Answer, Parcel, Verdict

_DOT_FIRST = re.compile(rb"\n\.")


@dataclass(frozen=True, slots=True)
class Commands:
    """MAIL and RCPT, with their line ends."""

    mail: bytes
    rcpt: bytes


def addressed(parcel: Parcel) -> Parcel:
    """The parcel with its addresses as they are said. Raises `AddressError` if one of them is none."""
    sender, recipient = _wire_sender(parcel.sender), wire_address(parcel.recipient)
    return Parcel(parcel.id, sender, recipient, parcel.message, parcel.envelope_id)


_wire_sender = lru_cache(16)(wire_address)  # where nothing comes back to, all mails have the same


def commands(parcel: Parcel, extensions: Container[str], host: str) -> Commands | Answer:
    """How to announce an addressed parcel to a server that has these extensions; the answer, if that cannot be.

    Raises:
        TransportError: none of our mail can: our own addresses need an extension that the server has not.

    """
    sender, recipient = parcel.sender, parcel.recipient
    options = ""
    if not (sender.isascii() and recipient.isascii() and parcel.message.isascii()):
        if "smtputf8" not in extensions:
            return _without_utf8(sender, recipient, host)
        options = " SMTPUTF8 BODY=8BITMIME"  # RFC 6531 §3.4, §3.6: it covers the headers, too
    asked = ""
    if parcel.envelope_id and "dsn" in extensions:  # lest a report says too little, or is made of a delay (RFC 3461 §4)
        options += f" RET=HDRS ENVID={_xtext(parcel.envelope_id)}"
        original = f" ORCPT=rfc822;{_xtext(recipient)}" if recipient.isascii() else ""
        asked = f" NOTIFY=FAILURE{original}"
    return Commands(f"MAIL FROM:<{sender}>{options}\r\n".encode(), f"RCPT TO:<{recipient}>{asked}\r\n".encode())


def stuffed(message: bytes) -> bytes:
    """A message as it follows DATA, and its end (RFC 5321 §4.5.2). It ends on a line end already."""
    if _DOT_FIRST.search(message):  # ours have none; to look so takes a third of the time that `in` takes
        message = message.replace(b"\r\n.", b"\r\n..")
    return b"%b%b.\r\n" % (b"." if message.startswith(b".") else b"", message)


def _without_utf8(sender: str, recipient: str, host: str) -> Answer:
    """Whom it is about that the server takes ASCII only; what our own addresses need, all our mail needs."""
    if sender.isascii() and not recipient.isascii():
        return Answer(Verdict.REFUSED, text="the server takes no addresses beyond ASCII (SMTPUTF8)")
    key = "reply_to" if sender.isascii() else "sender"  # no other address stands in a header as it is
    raise TransportError(f"{host} takes no addresses beyond ASCII (SMTPUTF8), and [newsletter] {key} is one")


def _xtext(text: str) -> str:
    """RFC 3461 §4."""
    return text.replace("+", "+2B").replace("=", "+3D")

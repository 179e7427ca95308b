"""Mail from anybody, taken apart: however broken or hostile it is, within bounds."""

import email
from collections.abc import Iterable, Iterator
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message

MOST_BYTES = 256 * 1024
_MOST_LINES = 4_000  # of reports and the mails in them; a returned digest's own headers come first
_LONGEST_LINE = 998  # bytes (RFC 5322 §2.1.1); what is looked for with regular expressions is no longer
_MOST_FOLDED = 30  # lines of one header, since parsing parameters takes the square of that


def parse(raw: bytes) -> Message:
    """The message. Raises `RecursionError` if it is nested too deep."""
    return email.message_from_bytes(tame(raw))


def tame(raw: bytes) -> bytes:
    """As much of a mail as is read: no more bytes, lines, and bytes a line than a report needs."""
    kept, folded = [], 0
    for line in raw[:MOST_BYTES].splitlines()[:_MOST_LINES]:
        folded = folded + 1 if line[:1] in (b" ", b"\t") else 0
        if folded <= _MOST_FOLDED:
            kept.append(line[:_LONGEST_LINE])
    return b"\n".join(kept) + b"\n"


def header(message: Message, name: str) -> str:
    """A field's value, decoded, in one line; empty if it is not there."""
    return next(headers(message, name), "")


def headers(message: Message, *names: str) -> Iterator[str]:
    """The values of all fields of these names, decoded, each in one line."""
    for name in names:
        for value in message.get_all(name, ()):
            yield " ".join(_decoded(value).split())


def _decoded(value: object) -> str:
    text = str(value)
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (LookupError, ValueError, MessageError):
        return text


def parts(message: Message, *types: str) -> Iterator[Message]:
    """The parts of these content types, wherever they are, but not those of a message that is enclosed."""
    if message.get_content_type() in types:
        yield message
    elif message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in _inside(message):
            yield from parts(part, *types)


def _inside(message: Message) -> Iterable[Message]:
    payload = message.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def text_of(part: Message) -> str:
    """The text of a part without parts, transfer encoding undone."""
    payload = part.get_payload(decode=True)
    return payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""


def undo_encoding(message: Message) -> list[str]:
    """Write the texts that were encoded as they read; returns them."""
    texts = []
    for part in parts(message, "text/plain", "text/html"):
        if header(part, "Content-Transfer-Encoding").lower() in ("base64", "quoted-printable"):
            texts.append(tame(text_of(part).encode("utf-8", "replace")).decode("utf-8", "replace"))
            del part["Content-Transfer-Encoding"]
            part.set_payload(texts[-1])
    return texts


def blocks(part: Message) -> Iterator[Message]:
    """The groups of fields in a part of such (RFC 3464 §2.1), however far the parser has come with it."""
    for inner in _inside(part) or [email.message_from_string(text_of(part))]:
        yield inner
        rest = inner.get_payload()
        for group in rest.split("\n\n") if isinstance(rest, str) else ():
            if group.strip():
                yield email.message_from_string(group.lstrip("\n"))


def enclosed(message: Message) -> Iterator[Message]:
    """The messages, or heads of messages, that are enclosed (RFC 6522 §3, RFC 6533 §4)."""
    heads = ("text/rfc822-headers", "message/rfc822-headers", "message/global-headers")
    for part in parts(message, "message/rfc822", "message/global", *heads):
        yield from list(_inside(part))[:1] or [email.message_from_string(text_of(part))]

"""Header fields and bodies in the form in which DKIM signs them, "relaxed" (RFC 6376 §3.4). Lines end on CRLF.

Most of what we send is its own relaxed form, and comes back as the very same bytes.
"""

import re

_RUN = re.compile(rb"  +")


def relaxed_field(field: bytes) -> tuple[bytes, bytes]:
    """A header field, folded as it may be, as name and value (§3.4.2)."""
    name, _, value = relaxed_lines(field.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")).partition(b":")
    return name.rstrip(b" ").lower(), value.strip(b" ")


def relaxed_body(body: bytes) -> bytes:
    """A whole body (§3.4.4)."""
    return without_empty_end(relaxed_lines(body))


def relaxed_lines(lines: bytes) -> bytes:
    """Some lines of a body, but for those that are empty at its end: runs of blanks are one, and none end a line."""
    lines = lines.replace(b"\t", b" ")
    if b"  " in lines:
        lines = _RUN.sub(b" ", lines)
    return lines.replace(b" \r\n", b"\r\n")


def without_empty_end(body: bytes) -> bytes:
    """A body of relaxed lines without those that are empty at its end."""
    if not body.endswith(b"\r\n"):
        body = body.removesuffix(b" ")
        body += b"\r\n" if body and not body.endswith(b"\r\n") else b""
    end = len(body)
    while body.endswith(b"\r\n\r\n", 0, end):
        end -= 2
    return body[:end] if body[:end] != b"\r\n" else b""

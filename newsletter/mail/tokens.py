"""Short tokens that only we can make: who, for what, keyed with HMAC.

A token is base64url of a version byte, the subscriber's number and 12 bytes of HMAC-SHA256 over purpose and number:
24 to 32 characters, so that a header holding it stays under 76.
"""

import base64
import binascii
import hashlib
import hmac

_VERSION = b"\x01"
_MAC_BYTES = 12


def make_token(key: bytes, purpose: str, number: int) -> str:
    """A token that says `number` for `purpose` and nothing else."""
    body = _VERSION + number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    return base64.urlsafe_b64encode(body + _mac(key, purpose, body)).rstrip(b"=").decode("ascii")


def read_token(key: bytes, purpose: str, token: str) -> int | None:
    """The number in a token; None if it was not made with this key for this purpose. Compares in constant time."""
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        return None
    body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
    if len(body) < 2 or body[:1] != _VERSION or not hmac.compare_digest(mac, _mac(key, purpose, body)):
        return None
    return int.from_bytes(body[1:], "big")


def _mac(key: bytes, purpose: str, body: bytes) -> bytes:
    return hmac.new(key, purpose.encode() + b"\0" + body, hashlib.sha256).digest()[:_MAC_BYTES]

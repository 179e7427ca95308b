"""Short tokens that only we can make: who, for what, since when, keyed with HMAC.

A token is base64url of the key's version (a byte), the moment it was made (4 bytes, where its purpose has one), a
number (of a subscriber, of a delivery) and 12 bytes of HMAC-SHA256 over purpose and all that: 19 to 32 characters for
any number below 2^40, so that a header holding it stays under 76.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

_MAC_BYTES = 12
_MOMENT_BYTES = 4  # seconds since 1970, until 2106


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says. `made` is None where its purpose knows no time."""

    number: int
    made: datetime | None = None


class Keyring:
    """The keys of one newsletter by version, 1 to 255. The newest makes tokens, all of them read them.

    For reading it looks up `keys` each time, which may be a view of what is stored; it goes on making with the key that
    was newest at first, or when it was refreshed. A purpose is timed or it is not: one that is read the other way is
    none.
    """

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        self._keys = keys
        self.refresh()

    def refresh(self) -> None:
        """Make tokens with the key that is newest now."""
        self.version = max(self._keys, default=0)
        self._key = self._keys.get(self.version, b"")

    def make(self, purpose: str, number: int, made: datetime | None = None) -> str:
        """A token that says `number` for `purpose` and nothing else; with `made` (aware), also when."""
        moment = int(made.timestamp()).to_bytes(_MOMENT_BYTES, "big") if made else b""
        body = bytes([self.version]) + moment + number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
        mac = _mac(self._key, purpose, body, timed=made is not None)
        return base64.urlsafe_b64encode(body + mac).rstrip(b"=").decode()

    def read(self, purpose: str, token: str, *, timed: bool = False) -> Token | None:
        """What a token says; None if none of our keys made it for this purpose. Compares in constant time."""
        raw = _decode(token)
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        key = self._keys.get(body[0]) if body else None
        if key is None or not hmac.compare_digest(mac, _mac(key, purpose, body, timed=timed)):
            return None
        moment, number = (body[1 : 1 + _MOMENT_BYTES], body[1 + _MOMENT_BYTES :]) if timed else (b"", body[1:])
        if not number:
            return None
        made = datetime.fromtimestamp(int.from_bytes(moment, "big"), UTC) if timed else None
        return Token(int.from_bytes(number, "big"), made)


def _decode(token: str) -> bytes:
    """The bytes of a token, if this is the one way of writing them."""
    try:
        raw = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except (ValueError, binascii.Error):
        return b""
    return raw if base64.urlsafe_b64encode(raw).rstrip(b"=") == token.encode("ascii") else b""


def _mac(key: bytes, purpose: str, body: bytes, *, timed: bool) -> bytes:
    return hmac.new(key, purpose.encode() + (b"\1" if timed else b"\0") + body, hashlib.sha256).digest()[:_MAC_BYTES]

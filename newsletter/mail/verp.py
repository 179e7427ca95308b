"""Return paths that only we can make: each mail has its own, so that what comes back says which it was (VERP).

The token of a delivery stands behind a plus in the local part, in lower case letters and digits: servers may fold the
case of a local part, and base64 would not survive that. It has 34 characters at most, so that 29 are left for the
address before it (RFC 5321 §4.5.3.1.1). As an envelope identifier it goes out a second time (RFC 3461 §4.4).
"""

import re
from base64 import b32decode, b32encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from functools import lru_cache

from newsletter.addresses import wire_address
from newsletter.mail.tokens import Keyring

PURPOSE = "bounce"
_TOKEN = "[a-z2-7]{23,34}"  # noqa: S105 - how one looks
_IN_ADDRESS = re.compile(rf"\+({_TOKEN})@", re.I)
_ALONE = re.compile(_TOKEN, re.I)
_MOST = 20  # tokens that are looked at; a mail of ours has one


class ReturnPath:
    """The envelope senders of all mails. `address` is where mailboxes collect what comes back."""

    def __init__(self, address: str, keyring: Keyring) -> None:
        self._local, _, self._domain = wire_address(address).rpartition("@")
        self._keyring = keyring
        # A mail's is asked for twice running.
        self._token = lru_cache(1)(lambda _version, delivery_id: _folded(keyring.make(PURPOSE, delivery_id)))

    def token(self, delivery_id: int) -> str:
        """What a delivery's mail is known by when it comes back."""
        return self._token(self._keyring.version, delivery_id)

    def of(self, delivery_id: int) -> str:
        """The envelope sender of a delivery's mail."""
        return f"{self._local}+{self.token(delivery_id)}@{self._domain}"


def read_token(keyring: Keyring, token: str) -> int | None:
    """The number of the delivery that a token was made for, whatever its case; None if we made none such."""
    found = keyring.read(PURPOSE, _unfolded(token))
    return found.number if found else None


def tokens_in(texts: Iterable[str]) -> tuple[str, ...]:
    """What may be our tokens in addresses that mail was sent to or came from."""
    found = (match[1].lower() for text in texts for match in _IN_ADDRESS.finditer(text))
    return tuple(dict.fromkeys(token for _, token in zip(range(_MOST), found, strict=False)))


def token_alone(text: str) -> str:
    """What may be our token, where an envelope identifier stands; else empty."""
    return text.strip().lower() if _ALONE.fullmatch(text.strip()) else ""


def _folded(token: str) -> str:
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    return b32encode(raw).decode("ascii").rstrip("=").lower()


def _unfolded(token: str) -> str:
    """The inverse of `_folded`; empty if it is not the one way of writing it."""
    try:
        raw = b32decode(token.upper() + "=" * (-len(token) % 8))
    except ValueError:
        return ""
    made = urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
    return made if _folded(made) == token.lower() else ""

"""DKIM: signatures over the very bytes that go out (RFC 6376, 8301, 8463), relaxed/relaxed and without l=.

Lines end on CRLF, and what carries a signed message must not change it.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from newsletter.mail.draft import Draft
from newsletter.mail.relaxed import relaxed_field

Kind = Literal["rsa", "ed25519"]
RSA_BITS = 2048  # of a new key

_FOLD = b"\r\n "
_LINE = 76  # characters a line holds, unless a domain is longer
_STRING = 255  # characters of a string in a TXT record (RFC 1035 §3.3)

#: Named once more than they are there, so that none can be added to a signed message either (RFC 6376 §8.15).
_SEALED = (
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"message-id",
    b"reply-to",
    b"mime-version",
    b"content-type",
    b"content-transfer-encoding",
    b"sender",
    b"list-id",
    b"list-unsubscribe",
    b"list-unsubscribe-post",
)
#: Named where they are there, as are all that begin with List-.
_SIGNED = frozenset(
    {
        b"auto-submitted",
        b"precedence",
        b"feedback-id",
        b"x-auto-response-suppress",
        b"archived-at",
    }
)


@dataclass(frozen=True)
class SigningKey:
    """A private key, and the domain (in ASCII) and selector under which its public half stands in the DNS."""

    domain: str
    selector: str
    private: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    @property
    def kind(self) -> Kind:
        """Which of the two it is."""
        return "rsa" if isinstance(self.private, RSAPrivateKey) else "ed25519"

    @property
    def name(self) -> str:
        """The name of its DNS record."""
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def record(self) -> str:
        """The value of its DNS record, which is of type TXT."""
        public = self.private.public_key()
        if isinstance(self.private, RSAPrivateKey):
            encoded = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            encoded = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        return f"v=DKIM1; k={self.kind}; p={b64encode(encoded).decode('ascii')}"

    @property
    def pem(self) -> bytes:
        """The private key for its file, as PKCS#8."""
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @cached_property
    def tags(self) -> tuple[bytes, ...]:
        """What each of its signatures begins with; a line may be folded before each."""
        tags = f"v=1; a={self.kind}-sha256; c=relaxed/relaxed; d={self.domain}; s={self.selector};"
        return tuple(b" " + tag for tag in tags.encode("ascii").split())

    def sign(self, data: bytes) -> bytes:
        """The signature of some bytes, in base64."""
        if isinstance(self.private, RSAPrivateKey):  # for as long as that takes, other threads go on
            return b64encode(self.private.sign(data, PKCS1v15(), hashes.SHA256()))
        return b64encode(self.private.sign(sha256(data).digest()))  # RFC 8463 §3: Ed25519 of the hash


def make_key(kind: Kind) -> RSAPrivateKey | Ed25519PrivateKey:
    """A new private key."""
    return generate_private_key(65537, RSA_BITS) if kind == "rsa" else Ed25519PrivateKey.generate()


def record_strings(value: str) -> Iterator[str]:
    """The value of a TXT record in strings as short as they must be."""
    return (value[start : start + _STRING] for start in range(0, len(value), _STRING))


class Signer:
    """Signs with each of its keys; who verifies takes what they understand."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._keys = keys

    def sign(self, message: bytes | Draft, moment: datetime) -> bytes:
        """The message with a signature of each key before it. `moment` is when that was."""
        draft = Draft.read(message) if isinstance(message, bytes) else message
        fields = [_relaxed(field) for field in draft.fields]
        names, places = _plan(tuple([name for name, _ in fields]))
        block = b"".join([fields[place][1] for place in places])
        body_hash, seconds = _hash(draft.relaxed_body), int(moment.timestamp())
        return draft.behind(_signature(key, seconds, names, body_hash, block) for key in self._keys)


def _hash(body: Iterable[bytes]) -> bytes:
    hashed = sha256()
    for piece in body:
        hashed.update(piece)
    return b64encode(hashed.digest())


@lru_cache(256)  # most are the same in all mails of an edition
def _relaxed(field: bytes) -> tuple[bytes, bytes]:
    """The name of a header field, and what is signed of it."""
    name, value = relaxed_field(field)
    return name, b"%b:%b\r\n" % (name, value)


def _signature(key: SigningKey, seconds: int, names: tuple[bytes, ...], body_hash: bytes, block: bytes) -> bytes:
    """One header field; it signs `block` and itself, as if nothing stood behind its b=."""
    opening, relaxed = _opening(key.tags, seconds, names)
    signature = key.sign(b"%bdkim-signature:%b bh=%b; b=" % (block, relaxed, body_hash))
    lines = (signature[start : start + _LINE - 4] for start in range(0, len(signature), _LINE - 4))
    return b"DKIM-Signature:%b\r\n bh=%b;\r\n b=%b" % (opening, body_hash, _FOLD.join(lines))


@lru_cache(64)  # most mails of a second differ in their hashes alone
def _opening(tags: tuple[bytes, ...], seconds: int, names: tuple[bytes, ...]) -> tuple[bytes, bytes]:
    """The tags before bh=, on folded lines, and relaxed."""
    listed = (b" h=" + names[0], *(b":" + name for name in names[1:]), b";")
    lines, room = [b""], _LINE - len("DKIM-Signature:")
    for piece in (*tags, b" t=%d;" % seconds, *listed):
        if len(lines[-1]) + len(piece) > room:
            lines.append(b"")
            room = _LINE
        lines[-1] += piece if lines[-1] else piece.removeprefix(b" ")
    lines[0] = b" " + lines[0]
    return _FOLD.join(lines), b" ".join(lines).removeprefix(b" ")


@lru_cache(64)
def _plan(present: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """The names to sign, each as often as it has to be named; and where the headers stand that this takes in."""
    others = (name for name in dict.fromkeys(present) if name not in _SEALED)
    names: list[bytes] = []
    places: list[int] = []
    for name in (*_SEALED, *(name for name in others if name in _SIGNED or name.startswith(b"list-"))):
        found = [place for place, other in enumerate(present) if other == name]
        names += [name] * (len(found) + (name in _SEALED))
        places += reversed(found)  # RFC 6376 §5.4.2: of several, from the last on
    return tuple(names), tuple(places)

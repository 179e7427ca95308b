"""Keys to sign with, and dkimpy to verify what they signed."""

from functools import cache
from pathlib import Path

import dkim

from newsletter.mail.dkim import Kind, SigningKey, make_key


@cache
def key(kind: Kind) -> SigningKey:
    """The same key all day: making one of rsa takes a while."""
    return SigningKey("example.org", f"papers-{kind}", make_key(kind))


def put_key(path: Path, kind: Kind = "ed25519") -> SigningKey:
    """Write that key as it has to be."""
    path.write_bytes(key(kind).pem)
    path.chmod(0o600)
    return key(kind)


def verdicts(message: bytes, *keys: SigningKey) -> list[bool]:
    """What dkimpy says of each signature, the first first, if the records of these keys stand in the DNS."""
    records = {f"{key.name}.": key.record for key in keys}

    def look_up(name: bytes, timeout: float) -> bytes:
        return records.get(name.decode(), "").encode()

    found = [number for number, (name, _) in enumerate(dkim.DKIM(message).headers) if name == b"DKIM-Signature"]
    return [_holds(dkim.DKIM(message), number, look_up) for number in range(len(found))]


def _holds(message: dkim.DKIM, number: int, look_up: object) -> bool:
    try:
        return bool(message.verify(number, dnsfunc=look_up))
    except dkim.ValidationError:
        return False

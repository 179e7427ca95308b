"""Sign mails with DKIM, beside what the cryptography alone takes, and beside dkimpy."""

from base64 import b64encode
from collections.abc import Callable, Iterable

import dkim
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from benchmarks import house, material
from benchmarks.measure import aside, measure, seconds
from benchmarks.table import Row
from newsletter.digests import Digests
from newsletter.mail.dkim import Kind, Signer, SigningKey, make_key

LENGTH = 40_000  # bytes of a mail; longer ones are cut
_MOST = 100  # mails of dkimpy; what it takes for more is reckoned
_NAMES: dict[Kind, str] = {"rsa": "RSA-2048", "ed25519": "Ed25519"}


def signing(kind: Kind, mails: int) -> list[Row]:
    """Sign digests with one key; a row for each reference."""
    key, messages = SigningKey("example.org", "bench", make_key(kind)), _messages(mails)
    signer = Signer([key])
    cost, _ = measure(lambda: _each(lambda message: signer.sign(message, material.NOW), messages), times=3)
    sample = messages[:_MOST]
    references = {
        f"{_NAMES[kind]} alone": seconds(lambda: _each(lambda _: _operate(key), messages)),
        "dkimpy": seconds(lambda: _each(lambda message: _sign_plainly(key, message), sample)) * mails / len(sample),
    }
    kilobytes = sum(map(len, messages)) / mails / 1000
    step = f"sign {mails:,} mails of {kilobytes:.0f} KB, {_NAMES[kind]}"
    return [Row(step, mails, "mails", cost, taken, reference) for reference, taken in references.items()]


def _messages(number: int) -> list[bytes]:
    """Digests as they go out, each another reader's, cut at the end of a line."""
    with house.temporary() as folder:
        aside(house.fill_queue, folder, house.few_topics, number, material.NEWS * 2)
        with house.opened(folder) as app:
            digests = Digests(app.storage)
            mails = (app.compose(claim, digests) or b"" for claim in house.claims(app))
            return [mail[: mail.rindex(b"\r\n", 0, LENGTH) + 2] for mail in mails]


def _each(work: Callable[[bytes], bytes], messages: Iterable[bytes]) -> None:
    for message in messages:
        work(message)


def _operate(key: SigningKey) -> bytes:
    if isinstance(key.private, RSAPrivateKey):
        return key.private.sign(b"", PKCS1v15(), hashes.SHA256())
    return key.private.sign(b"")


def _sign_plainly(key: SigningKey, message: bytes) -> bytes:
    private = key.pem if isinstance(key.private, RSAPrivateKey) else b64encode(key.private.private_bytes_raw())
    algorithm = f"{key.kind}-sha256".encode()
    selector, domain, relaxed = key.selector.encode(), key.domain.encode(), (b"relaxed", b"relaxed")
    made: bytes = dkim.sign(message, selector, domain, private, canonicalize=relaxed, signature_algorithm=algorithm)
    return made

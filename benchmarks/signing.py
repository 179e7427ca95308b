"""Sign mails with DKIM, beside what the cryptography alone takes, and beside dkimpy."""

from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import replace

import dkim
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from benchmarks import house, material
from benchmarks.measure import aside, measure, seconds
from benchmarks.table import Row
from newsletter.digests import Digests
from newsletter.mail.dkim import Kind, Signer, SigningKey, make_key
from newsletter.mail.draft import Boilerplate, Draft
from newsletter.storage.readers import Reader

LENGTH = 40_000  # bytes of a mail, about: they are longer, and cut
_MOST = 100  # mails of dkimpy; what it takes for more is reckoned
_NAMES: dict[Kind, str] = {"rsa": "RSA-2048", "ed25519": "Ed25519"}


def signing(kind: Kind, mails: int) -> list[Row]:
    """Sign digests with one key; a row for each reference."""
    key, drafts = SigningKey("example.org", "bench", make_key(kind)), _drafts(mails)
    signer = Signer([key])
    cost, _ = measure(lambda: _each(lambda draft: signer.sign(draft, material.NOW), drafts), times=3)
    sample = drafts[:_MOST]
    references = {
        f"{_NAMES[kind]} alone": seconds(lambda: _each(lambda _: _operate(key), drafts)),
        "dkimpy": seconds(lambda: _each(lambda draft: _sign_plainly(key, bytes(draft)), sample)) * mails / len(sample),
    }
    kilobytes = sum(len(bytes(draft)) for draft in drafts) / mails / 1000
    step = f"sign {mails:,} mails of {kilobytes:.0f} KB, {_NAMES[kind]}"
    return [Row(step, mails, "mails", cost, taken, reference) for reference, taken in references.items()]


def _drafts(number: int) -> list[Draft]:
    """Digests as they are before they are signed, each another reader's; most of it many share."""
    with house.temporary() as folder:
        aside(house.fill_queue, folder, house.few_topics, number, material.NEWS * 2)
        with house.opened(folder) as app:
            digests, cut = Digests(app.storage), dict[Boilerplate, Boilerplate]()
            drafts = []
            for claim in house.claims(app):
                delivery, reader = claim.delivery, claim.made_from
                assert isinstance(reader, Reader)
                digest, topics = digests.with_topics(reader, delivery.upto)
                draft = app.composer.message(digest, topics, reader.id, delivery.email, delivery.message_id)
                if draft.boilerplate not in cut:
                    cut[draft.boilerplate] = _cut(draft)
                drafts.append(replace(draft, boilerplate=cut[draft.boilerplate]))
            return drafts


def _cut(draft: Draft) -> Boilerplate:
    """Every piece that readers share, shortened in proportion, at the end of a line."""
    shared = draft.boilerplate.size
    part = (LENGTH - len(bytes(draft)) + shared) / shared
    pieces = draft.boilerplate.pieces
    return Boilerplate(*(piece[: piece.rfind(b"\r\n", 0, int(len(piece) * part)) + 2] for piece in pieces))


def _each(work: Callable[[Draft], object], drafts: Iterable[Draft]) -> None:
    for draft in drafts:
        work(draft)


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

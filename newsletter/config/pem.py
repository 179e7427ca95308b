"""A private key to sign with, from its PEM file. The library that reads it is loaded only where there is one."""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    PrivateKey: TypeAlias = RSAPrivateKey | Ed25519PrivateKey

_RSA_BITS = range(2048, 4097)
_MOST = 64 * 2**10  # bytes of a file that may be a key
_ALLOWED = "(allowed: rsa of 2048 to 4096 bits or ed25519, as PEM without a passphrase)"


def read_private_key(path: Path) -> "PrivateKey":
    """Read a key of rsa or ed25519, in PKCS#8 or as OpenSSL wrote it formerly.

    Raises:
        ValueError: there is none, or others may read it, or nobody should sign with it. The key is not quoted.

    """
    try:
        status = path.stat()
        pem = path.read_bytes() if stat.S_ISREG(status.st_mode) and status.st_size < _MOST else b""
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    # One that belongs to somebody else, as a container may be given it, can only be read by us through its group.
    others = 0o077 if status.st_uid == os.geteuid() else 0o027
    if status.st_mode & others:
        mode = stat.S_IMODE(status.st_mode)
        raise ValueError(f"{path} is for its owner alone, and others get at it (mode {mode:04o}): chmod 600 it")
    return _parsed(path, pem)


def _parsed(path: Path, pem: bytes) -> "PrivateKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        # To prove that the numbers of a key are primes takes up to a second, and what signs well is good enough.
        key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        raise ValueError(f"{path} has a passphrase {_ALLOWED}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError(f"{path} holds no private key that can be read {_ALLOWED}") from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if not isinstance(key, RSAPrivateKey):
        raise ValueError(f"{path} holds a key of another kind {_ALLOWED}")
    if key.key_size < _RSA_BITS.start:
        raise ValueError(f"{path} holds an rsa key of {key.key_size} bits, which is too weak {_ALLOWED}")
    if key.key_size not in _RSA_BITS:
        reason = "more than verifiers need to take (RFC 8301)"
        raise ValueError(f"{path} holds an rsa key of {key.key_size} bits, {reason} {_ALLOWED}")
    if not _signs(key):
        raise ValueError(f"{path} holds an rsa key that is damaged: its own public half does not match what it signs")
    return key


def _signs(key: "RSAPrivateKey") -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.public_key().verify(key.sign(b"", PKCS1v15(), SHA256()), b"", PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True

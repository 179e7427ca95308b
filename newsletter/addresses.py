"""E-mail addresses: checked once, where they come in; and how they and others are written on the wire."""

import hashlib
import hmac
import re
import unicodedata
from collections.abc import Collection
from contextlib import suppress
from email.utils import getaddresses
from urllib.parse import quote, urlsplit, urlunsplit

import idna
from email_validator import EmailNotValidError, validate_email

from newsletter.errors import AddressError
from newsletter.text import INVISIBLE

_DOT_ATOMS = re.compile(r"""[^\s\x00-\x20\x7f-\xa0\ud800-\udfff()<>\[\]:;@\\,"]+@[a-z0-9.-]+""")  # RFC 5322 §3.4.1
_NOT_QUOTED = "!#$%&'()*+,/:;=?@[]~"  # besides letters, digits and _.- (RFC 3986 §2)
_LONGEST_LIST_ID = 255  # characters (RFC 2919)


def check_address(address: str, local_domains: Collection[str] = ()) -> str:
    """Return an address in its normal form (domain in lower case and Unicode, NFC).

    Names are not looked up. Special-use domains such as ``.local`` (RFC 6761) are refused unless in `local_domains`,
    which are in lower case.

    Raises:
        AddressError: it is none; the reason is email-validator's.

    """
    text = address.strip()
    local, _, domain = text.rpartition("@")
    try:
        if domain.lower() in local_domains:  # email-validator has no word for these: it sees another domain
            return f"{_validated(f'{local}@example.org').rpartition('@')[0]}@{domain.lower()}"
        return _validated(text)
    except EmailNotValidError as error:
        raise AddressError(text, str(error)) from error


def _validated(address: str) -> str:
    return validate_email(address, check_deliverability=False, strict=True).normalized


def split_mailbox(text: str, local_domains: Collection[str] = ()) -> tuple[str, str]:
    """Split ``Name <address>`` into name and checked address; a bare address has no name.

    Raises:
        AddressError: there is no address, or a bad one, or more than one.

    """
    found = getaddresses([text])
    if len(found) != 1 or not found[0][1] or any(ord(character) < 32 for character in text):
        raise AddressError(text, "expected one address, or Name <address>; a name with a comma stands in quotes")
    name, address = found[0]
    return name, check_address(address, local_domains)


def same_address(address: str) -> str:
    """The form under which two spellings are one subscriber: folded case, the domain in Unicode.

    RFC 5321 lets local parts differ by case; nobody's do.
    """
    local, _, domain = unicodedata.normalize("NFC", address.strip()).casefold().rpartition("@")
    if "xn--" in domain:
        with suppress(idna.IDNAError):  # then it was never let in
            domain = idna.decode(domain)
    return f"{local}@{domain}"


def domain_of(address: str) -> str:
    """The domain of an address, the same for all spellings of it."""
    return same_address(address).rpartition("@")[2]


def keyed(key: bytes, address: str) -> str:
    """What stands for an address where it may not be kept: 32 hexadecimal digits, the same for all its spellings, that
    nobody can turn back without the key."""
    return hmac.new(key, same_address(address).encode(), hashlib.sha256).hexdigest()[:32]


def wire_domain(domain: str) -> str:
    """A domain in ASCII (RFC 5891), as it stands in headers and on the wire."""
    return domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")


def wire_address(address: str) -> str:
    """An address with its domain in ASCII; a local part beyond ASCII stays and needs SMTPUTF8 (RFC 6531).

    Raises:
        AddressError: it is none that was checked, and could be taken for more than an address.

    """
    local, _, domain = address.rpartition("@")
    try:
        wire = f"{local}@{wire_domain(domain)}"
    except ValueError as error:  # idna's too
        raise AddressError(address, str(error)) from error
    if not _DOT_ATOMS.fullmatch(wire) or INVISIBLE.search(wire):
        raise AddressError(address, "it holds what no address may hold unquoted")
    return wire


def mailto(address: str, subject: str = "") -> str:
    """A mailto: address in ASCII, a local part beyond it percent-encoded (RFC 6068). Raises as `wire_address` does."""
    query = f"?subject={quote(subject, safe='')}" if subject else ""
    return f"mailto:{quote(wire_address(address), safe='@+')}{query}"


def quoted_uri(uri: str) -> str:
    """A URI with what may not stand in one percent-encoded (RFC 3986 §2.1)."""
    return quote(uri, safe=_NOT_QUOTED, errors="replace")


def wire_url(url: str) -> str:
    """A web address in ASCII (RFC 3987 §3.1): its domain as `wire_domain` has it, the rest percent-encoded.

    Raises:
        ValueError: it has no such domain.

    """
    parts = urlsplit(url)
    if not parts.netloc.isascii():
        host, *port = parts.netloc.split(":")
        parts = parts._replace(netloc=":".join((wire_domain(host), *port)))
    return quoted_uri(urlunsplit(parts))


def list_id(sender: str) -> str:
    """The identifier of the list whose mail an address sends (RFC 2919): local part, dot, domain, all in ASCII.

    It is the same as long as the address is: readers' filters go by it.
    """
    local, _, domain = wire_address(sender).rpartition("@")
    label = ".".join(atom if atom.isascii() else f"xn--{_punycode(atom)}" for atom in local.split("."))
    return f"{label[: _LONGEST_LIST_ID - 1 - len(domain)].rstrip('.')}.{domain}"


def _punycode(text: str) -> str:
    return text.encode("punycode").decode("ascii")

"""E-mail addresses: checked once, where they come in."""

import unicodedata
from collections.abc import Collection
from contextlib import suppress
from email.utils import getaddresses

import idna
from email_validator import EmailNotValidError, validate_email

from newsletter.errors import AddressError


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
    return validate_email(address, check_deliverability=False).normalized


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


def wire_domain(domain: str) -> str:
    """A domain in ASCII (RFC 5891), as it stands in headers and on the wire."""
    return domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")


def wire_address(address: str) -> str:
    """An address with its domain in ASCII; a local part beyond ASCII stays and needs SMTPUTF8 (RFC 6531)."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{wire_domain(domain)}"

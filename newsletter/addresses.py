"""E-mail addresses: checked once, where they come in."""

from collections.abc import Sequence
from email.utils import parseaddr

import idna
from email_validator import EmailNotValidError, validate_email

from newsletter.errors import AddressError


def check_address(address: str, local_domains: Sequence[str] = ()) -> str:
    """Return an address in its normal form (domain in lower case and Unicode, NFC).

    Names are not looked up. Special-use domains such as ``.local`` (RFC 6761) are refused unless in `local_domains`.

    Raises:
        AddressError: it is none; the reason is email-validator's.

    """
    text = address.strip()
    try:
        domain = text.rpartition("@")[2].lower()
        special = domain in {local.lower() for local in local_domains}
        checked = validate_email(text, check_deliverability=False, globally_deliverable=not special)
    except EmailNotValidError as error:
        raise AddressError(text, str(error)) from error
    return checked.normalized


def split_mailbox(text: str, local_domains: Sequence[str] = ()) -> tuple[str, str]:
    """Split ``Name <address>`` into name and checked address; a bare address has no name.

    Raises:
        AddressError: there is no address, or a bad one.

    """
    name, address = parseaddr(text)
    if any(ord(character) < 32 for character in text) or not address:
        raise AddressError(text, "expected an address, or Name <address>")
    return name, check_address(address, local_domains)


def same_address(address: str) -> str:
    """The form under which two spellings are one subscriber: folded case. RFC 5321 lets local parts differ by case; nobody's do."""
    return address.strip().casefold()


def wire_domain(domain: str) -> str:
    """A domain in ASCII (RFC 5891), as it stands in headers and on the wire."""
    return domain.lower() if domain.isascii() else idna.encode(domain, uts46=True).decode("ascii")


def wire_address(address: str) -> str:
    """An address with its domain in ASCII; a local part beyond ASCII stays and needs SMTPUTF8 (RFC 6531)."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{wire_domain(domain)}"

"""``[bounces]``: where mail comes back to, and where it is read."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, TypeAdapter, model_validator

from newsletter.addresses import check_address
from newsletter.config.fields import FilePath, Line, Password, Section, WireDomain, at
from newsletter.errors import AddressError

LOCAL = ("localhost", "127.0.0.1", "::1")
PORTS = {"imap": 143, "imaps": 993}
LONGEST_LOCAL_PART = 29  # characters, of 64 (RFC 5321 §4.5.3.1.1): mail/verp.py adds a plus and up to 34

_DOMAIN = TypeAdapter(WireDomain)


class BouncesSection(Section):
    """``[bounces]``: the return path, and the mailbox behind it, by IMAP or as a Maildir."""

    address: Line = ""
    maildir: FilePath | None = None
    imap: Line = ""
    username: Line = ""
    password: Password = None
    folder: Annotated[Line, Field(min_length=1)] = "INBOX"
    suspend_at: Annotated[float, Field(ge=0.5, le=1000, allow_inf_nan=False)] = 3.0
    _secret: SecretStr | None = PrivateAttr(default=None)

    @property
    def secret(self) -> SecretStr | None:
        """The password, read when the configuration was; None without IMAP."""
        return self._secret

    @property
    def server(self) -> tuple[str, int, Literal["none", "starttls", "tls"]]:
        """The IMAP server's host and port, and how it is spoken to: all that leaves this machine is encrypted."""
        parts = urlsplit(self.imap)
        host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        if parts.scheme == "imaps":
            return host, port, "tls"
        return host, port, "none" if host in LOCAL else "starttls"

    @model_validator(mode="after")
    def _complete(self) -> Self:
        mailboxes = [key for key in ("maildir", "imap") if getattr(self, key)]
        if len(mailboxes) > 1:
            raise at("imap", "maildir is set, too (allowed: one of both)")
        if self.address and not mailboxes:
            raise at("address", "somebody has to read what comes there (needed with it: maildir or imap)")
        if mailboxes and not self.address:
            raise at("address", f"needed with {mailboxes[0]} (allowed: such as bounces@example.org)")
        return self

    @model_validator(mode="after")
    def _sound_address(self) -> Self:
        if not self.address:
            return self
        local, _, domain = self.address.rpartition("@")
        try:
            check_address(f"{local}@example.org")  # the domain may be one that only this machine knows
            _DOMAIN.validate_python(domain, strict=True)
        except (AddressError, ValueError) as error:
            raise at("address", f"{self.address!r} is no address (allowed: such as bounces@example.org)") from error
        if not domain or not local.isascii() or len(local) > LONGEST_LOCAL_PART:
            reason = "a token goes behind it, and then there is room for"
            raise at("address", f"{self.address!r} cannot be used: {reason} {LONGEST_LOCAL_PART} characters of ASCII")
        return self

    @model_validator(mode="after")
    def _login(self) -> Self:
        if not self.imap:
            return self
        try:
            parts = urlsplit(self.imap)
            sound = parts.scheme in PORTS and parts.hostname and parts.port != 0 and parts.path in ("", "/")
        except ValueError:
            sound = False
        if not sound or "@" in parts.netloc or parts.query or parts.fragment:
            raise at("imap", "it is not an address (allowed: imaps://HOST or imap://HOST, and a port)")
        if not self.folder.isascii():  # IMAP has a spelling of its own for the others
            raise at("folder", f"{self.folder!r} is not in ASCII")
        if not self.username:
            raise at("username", "needed with imap")
        if self.password is None:
            raise at("password", 'needed with imap (allowed: { env = "NAME" } or { file = "PATH" })')
        try:
            self._secret = self.password.read()
        except ValueError as error:
            raise at("password", str(error)) from error
        return self

"""The sections of config.toml as frozen values, with their defaults."""

import re
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, PrivateAttr, SecretStr, model_validator

from newsletter.addresses import split_mailbox, wire_domain
from newsletter.config.bounces import BouncesSection
from newsletter.config.fields import (
    Category,
    Clock,
    Domain,
    FilePath,
    Line,
    Page,
    Password,
    Section,
    Selector,
    TopicName,
    Url,
    UrlOrNone,
    WireDomain,
    Zone,
    at,
    host_of,
)
from newsletter.config.pace import PerDomain, PerSecond
from newsletter.config.pem import read_private_key
from newsletter.config.web import WebSection
from newsletter.errors import AddressError
from newsletter.query import Node, name_query, parse, write

if TYPE_CHECKING:
    from newsletter.config.pem import PrivateKey

MIN_ARXIV_INTERVAL = 3.0  # seconds; arXiv API Terms of Use


def _evening(value: Any) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            return date.fromisoformat(value)
    except ValueError:
        pass  # such as 30 February
    raise ValueError(f"{str(value)!r} is not a date (allowed: such as 2026-12-24)")


def _as_list(value: Any) -> Any:
    return value if isinstance(value, tuple) else (value,)


_mailbox = lru_cache(16)(split_mailbox)  # asked for with every mail


class NewsletterSection(Section):
    """``[newsletter]``: who we are, where the database lies, when we publish."""

    name: Annotated[Line, Field(min_length=1, max_length=100)] = "Daily Papers"
    sender: Line
    base_url: Annotated[UrlOrNone, Field(max_length=900)] = ""  # a header line holds 998 characters (RFC 5322)
    timezone: Zone = ZoneInfo("UTC")
    database: FilePath = Path("subscribers.db")
    publish_at: Clock = time(7)
    publish_until: Clock = time(20)
    reply_to: Line = ""
    operator: Line = ""
    bad_days: Annotated[int, Field(ge=1)] = 2
    postal_address: Annotated[Line, Field(max_length=500)] = ""
    language: Literal["en", "de"] = "en"  # those of rendering/words.py
    local_domains: tuple[Domain, ...] = ()

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        for key in ("sender", "reply_to", "operator"):
            if value := getattr(self, key):
                try:
                    split_mailbox(value, self.local_domains)
                except AddressError as error:
                    raise at(key, str(error)) from error
            elif key == "sender":
                raise at(key, f"an address is needed {_MAILBOX}")
        if self.base_url and not self.base_url.startswith("https://"):
            raise at("base_url", f"{self.base_url!r} is not https (allowed: https://…, or empty)")
        if self.publish_until <= self.publish_at:
            raise at("publish_until", "it must be later than publish_at")
        return self

    @property
    def sender_name(self) -> str:
        """The name readers see; the newsletter's if the sender has none."""
        return _mailbox(self.sender, self.local_domains)[0] or self.name

    @property
    def sender_address(self) -> str:
        """The address mail comes from."""
        return _mailbox(self.sender, self.local_domains)[1]

    @property
    def domain(self) -> str:
        """The sender's domain in ASCII, for Message-ID and List-Id."""
        return wire_domain(self.sender_address.rpartition("@")[2])


class TopicSection(Section):
    """One of ``[[topics]]``: its name is its identity, its query may change."""

    name: Annotated[TopicName, Field(min_length=1, max_length=200)]
    query: str = ""

    @property
    def written(self) -> str:
        """The query in full: what is stored, and shown where a name alone would not tell."""
        return self.query or write(self.tree)

    @property
    def tree(self) -> Node:
        """The query, parsed; a bare name is looked for in title or abstract."""
        return parse(self.query) if self.query else name_query(self.name)


class ArxivSection(Section):
    """``[arxiv]``: where papers come from, and how politely."""

    source: Literal["api", "feed"] = "api"
    categories: tuple[Category, ...] = ("cs.*", "stat.*")
    api_url: Url = "https://export.arxiv.org/api/query"
    feed_url: Url = "https://rss.arxiv.org/rss"
    oai_url: Url = "https://oaipmh.arxiv.org/oai"
    max_results: Annotated[int, Field(ge=1, le=2000)] = 100
    max_queries: Annotated[int, Field(ge=0)] = 50
    interval: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 3.0
    contact: Line = ""
    gate: FilePath | None = None
    holidays: tuple[Annotated[date, BeforeValidator(_evening)], ...] = ()

    @model_validator(mode="after")
    def _polite(self) -> Self:
        if self.source == "feed" and not self.categories:
            raise at("categories", 'the feed is asked for by category (allowed: such as ["cs.*"])')
        for key in ("api_url", "feed_url", "oai_url"):
            theirs = f".{host_of(getattr(self, key))}".endswith(".arxiv.org")
            if theirs and self.interval < MIN_ARXIV_INTERVAL:
                raise at("interval", f"{self.interval:g} s is too short while {key} is arXiv's (allowed: 3 or more)")
        return self


class DigestSection(Section):
    """``[digest]``: what stands in a mail."""

    backlog: Annotated[int, Field(ge=0, le=2000)] = 20
    revised: bool = True
    weekly_on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    templates: FilePath | None = None


class DeliverySection(Section):
    """``[delivery]``: how mail leaves."""

    transport: Literal["maildir", "smtp"] = "maildir"
    maildir: FilePath = Path("outbox")


class SmtpSection(Section):
    """``[smtp]``: the server that takes our mail."""

    host: Annotated[Line, Field(min_length=1)] = "localhost"
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    security: Literal["none", "starttls", "tls"] = "none"
    username: Line = ""
    password: Password = None
    connections: Annotated[int, Field(ge=1, le=100)] = 4
    per_connection: Annotated[int, Field(ge=1)] | None = None
    per_second: PerSecond | None = None
    per_hour: Annotated[int, Field(ge=1)] | None = None
    per_day: Annotated[int, Field(ge=1)] | None = None
    per_domain: PerDomain = Field(default_factory=dict)
    ehlo_name: Annotated[Line, Field(pattern=r"^\S*$")] = ""
    _secret: SecretStr | None = PrivateAttr(default=None)

    @property
    def secret(self) -> SecretStr | None:
        """The password, read when the configuration was; None without a username."""
        return self._secret

    @model_validator(mode="after")
    def _login(self) -> Self:
        if not self.username:
            return self
        if self.password is None:
            raise at("password", 'needed with username (allowed: { env = "NAME" } or { file = "PATH" })')
        if self.security == "none" and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise at("security", "a password is not sent unencrypted (allowed: starttls or tls)")
        try:
            self._secret = self.password.read()
        except ValueError as error:
            raise at("password", str(error)) from error
        return self


class DkimSection(Section):
    """``[dkim]``, or one of ``[[dkim]]``: a key that our mail is signed with (RFC 6376)."""

    domain: WireDomain = ""  # the sender's
    selector: Selector
    key: FilePath
    _private_key: Any = PrivateAttr(default=None)

    @property
    def private_key(self) -> "PrivateKey":
        """The key, read when the configuration was."""
        key: PrivateKey = self._private_key
        return key

    @model_validator(mode="after")
    def _read(self) -> Self:
        try:
            self._private_key = read_private_key(self.key)
        except ValueError as error:
            raise at("key", str(error)) from error
        return self


class ArchiveSection(Section):
    """``[archive]``: the README and its repository."""

    path: FilePath = Path("archive")
    max_papers: Annotated[int, Field(ge=1, le=10_000)] = 100
    url: Annotated[Page, Field(max_length=900)] = ""
    push: bool = False


class Config(Section):
    """The whole of config.toml; `path` is the file it came from."""

    path: Path
    newsletter: NewsletterSection
    topics: tuple[TopicSection, ...] = ()
    arxiv: ArxivSection = Field(default_factory=lambda: ArxivSection())
    digest: DigestSection = Field(default_factory=lambda: DigestSection())
    delivery: DeliverySection
    smtp: SmtpSection = Field(default_factory=lambda: SmtpSection())
    bounces: BouncesSection = Field(default_factory=lambda: BouncesSection())
    dkim: Annotated[tuple[DkimSection, ...], BeforeValidator(_as_list)] = ()
    archive: ArchiveSection
    web: WebSection | None = None


_MAILBOX = "(allowed: Name <address@example.org>, or the address alone)"

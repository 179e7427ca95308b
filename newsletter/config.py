"""config.toml, read once and whole into a frozen `Config`; anything doubtful is refused with file and key named."""

import difflib
import os
import re
import tomllib
import unicodedata
from collections.abc import Iterator
from datetime import time
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from newsletter.addresses import split_mailbox, wire_domain
from newsletter.errors import AddressError, ConfigError, QueryError
from newsletter.query import Node, name_query, parse, read_category, write_search_query
from newsletter.text import INVISIBLE, LINE_ENDS

MIN_ARXIV_INTERVAL = 3.0  # seconds; arXiv API Terms of Use


def _path(value: Any, info: ValidationInfo) -> Path:
    if not value or not isinstance(value, (str, Path)):
        raise ValueError("expected a path")
    base: Path = (info.context or {}).get("base", Path())
    return (base / _home(Path(value))).resolve()


def _home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"{path}: there is no such user's home folder") from error


def _zone(value: Any) -> ZoneInfo:
    if isinstance(value, ZoneInfo):
        return value
    try:
        return ZoneInfo(value)
    except (TypeError, AttributeError, ValueError, OSError, ZoneInfoNotFoundError) as error:
        near = difflib.get_close_matches(str(value), available_timezones(), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(
            f"there is no time zone {value!r}{hint} (allowed: names such as UTC, Europe/Berlin)"
        ) from error


def _clock(value: Any) -> time:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
        raise ValueError(f"{value!r} is not a time of day (allowed: 00:00 to 23:59)")
    return time.fromisoformat(value)


def _url(value: str) -> str:
    allowed = "(allowed: http:// or https://, without user, blanks, ? and #)"
    try:
        parts = urlsplit(value)
        whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as error:
        raise ValueError(f"{error} {allowed}") from error
    if not whole or "@" in parts.netloc or re.search(r"[?#\s\x00-\x1f]", value):
        raise ValueError(f"it is not an address {allowed}")  # which is not repeated: a password may stand in it
    return value.rstrip("/")


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").rstrip(".")


def _domain(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", value, re.I):
        raise ValueError(f"{value!r} is not a domain (allowed: such as lab.local)")
    return value.lower()


def _one_line(value: str) -> str:
    if INVISIBLE.search(value) or LINE_ENDS.search(value):
        raise ValueError("control characters and line ends are not allowed")
    return unicodedata.normalize("NFC", value).strip()


def _topic_name(value: str) -> str:
    if ";" in value:
        raise ValueError("a semicolon is not allowed: it parts topics in CSV files")
    return " ".join(_one_line(value).split())


def _category(value: str) -> str:
    try:
        return read_category(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is not a category: {error}") from error


def _secret(value: Any, info: ValidationInfo) -> "SecretSource | None":
    match value:
        case None | SecretSource():
            return value
        case {"env": str(name), **rest} if not rest:
            return SecretSource(env=name)
        case {"file": str(name), **rest} if not rest:
            return SecretSource(file=_path(name, info))
    raise ValueError('a secret is not written here (allowed: { env = "NAME" } or { file = "PATH" })')


Line = Annotated[str, AfterValidator(_one_line)]
FilePath = Annotated[Path, BeforeValidator(_path)]
Url = Annotated[str, AfterValidator(_url)]
Clock = Annotated[time, BeforeValidator(_clock)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]


class _Section(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,  # a secret may be the input
    )


class SecretSource(_Section):
    """Where a secret stands: an environment variable or a file. Never the secret itself."""

    env: str = ""
    file: Path | None = None

    def read(self) -> SecretStr:
        """Read it.

        Raises:
            ValueError: it is not there, or empty.

        """
        if self.file is None:
            value, place = os.environ.get(self.env, ""), f"environment variable {self.env}"
        else:
            place = f"file {self.file}"
            try:
                value = self.file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ValueError(f"the {place} cannot be read: {error.strerror}") from error
            except UnicodeDecodeError:  # which would quote the secret
                raise ValueError(f"the {place} is not UTF-8") from None
        if not value:
            raise ValueError(f"the {place} is not set or empty")
        return SecretStr(value)


class NewsletterSection(_Section):
    """``[newsletter]``: who we are, where the database lies, when we publish."""

    name: Annotated[Line, Field(min_length=1, max_length=100)] = "Daily Papers"
    sender: Line
    base_url: Annotated[str, AfterValidator(lambda url: _url(url) if url else "")] = ""
    timezone: Zone = ZoneInfo("UTC")
    database: FilePath = Path("subscribers.db")
    publish_at: Clock = time(7)
    publish_until: Clock = time(20)
    reply_to: Line = ""
    operator: Line = ""
    bad_days: Annotated[int, Field(ge=1)] = 2
    postal_address: Line = ""
    language: Literal["en"] = "en"
    local_domains: tuple[Annotated[str, AfterValidator(_domain)], ...] = ()

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        for key in ("sender", "reply_to", "operator"):
            if value := getattr(self, key):
                try:
                    split_mailbox(value, self.local_domains)
                except AddressError as error:
                    raise _at(key, str(error)) from error
            elif key == "sender":
                raise _at(key, f"an address is needed {_MAILBOX}")
        if self.base_url and not self.base_url.startswith("https://"):
            raise _at("base_url", f"{self.base_url!r} is not https (allowed: https://…, or empty)")
        if self.publish_until <= self.publish_at:
            raise _at("publish_until", "it must be later than publish_at")
        return self

    @property
    def sender_name(self) -> str:
        """The name readers see; the newsletter's if the sender has none."""
        return split_mailbox(self.sender, self.local_domains)[0] or self.name

    @property
    def sender_address(self) -> str:
        """The address mail comes from."""
        return split_mailbox(self.sender, self.local_domains)[1]

    @property
    def domain(self) -> str:
        """The sender's domain in ASCII, for Message-ID and List-Id."""
        return wire_domain(self.sender_address.rpartition("@")[2])


class TopicSection(_Section):
    """One of ``[[topics]]``: its name is its identity, its query may change."""

    name: Annotated[str, AfterValidator(_topic_name), Field(min_length=1, max_length=200)]
    query: str = ""

    @property
    def written(self) -> str:
        """The query in full: what is stored, and shown where a name alone would not tell."""
        return self.query or write_search_query(self.tree)

    @property
    def tree(self) -> Node:
        """The query, parsed; a bare name is looked for in title or abstract."""
        return parse(self.query) if self.query else name_query(self.name)


class ArxivSection(_Section):
    """``[arxiv]``: where papers come from, and how politely."""

    source: Literal["api"] = "api"
    categories: tuple[Annotated[str, AfterValidator(_category)], ...] = ("cs.*", "stat.*")
    api_url: Url = "https://export.arxiv.org/api/query"
    feed_url: Url = "https://rss.arxiv.org/rss"
    oai_url: Url = "https://oaipmh.arxiv.org/oai"
    max_results: Annotated[int, Field(ge=1, le=2000)] = 100
    max_queries: Annotated[int, Field(ge=0)] = 50
    interval: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 3.0
    contact: Line = ""
    gate: FilePath | None = None

    @model_validator(mode="after")
    def _polite(self) -> Self:
        for key in ("api_url", "feed_url", "oai_url"):
            theirs = f".{_host(getattr(self, key))}".endswith(".arxiv.org")
            if theirs and self.interval < MIN_ARXIV_INTERVAL:
                raise _at("interval", f"{self.interval:g} s is too short while {key} is arXiv's (allowed: 3 or more)")
        return self


class DigestSection(_Section):
    """``[digest]``: what stands in a mail."""

    backlog: Annotated[int, Field(ge=0, le=2000)] = 20
    revised: bool = True
    weekly_on: Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"] = "monday"
    templates: FilePath | None = None


class DeliverySection(_Section):
    """``[delivery]``: how mail leaves."""

    transport: Literal["maildir", "smtp"] = "maildir"
    maildir: FilePath = Path("outbox")


class SmtpSection(_Section):
    """``[smtp]``: the server that takes our mail."""

    host: Annotated[Line, Field(min_length=1)] = "localhost"
    port: Annotated[int, Field(ge=1, le=65535)] = 25
    security: Literal["none", "starttls", "tls"] = "none"
    username: Line = ""
    password: Annotated[SecretSource | None, BeforeValidator(_secret)] = None
    connections: Annotated[int, Field(ge=1, le=100)] = 4
    per_second: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    per_hour: Annotated[int, Field(ge=1)] | None = None
    per_day: Annotated[int, Field(ge=1)] | None = None
    ehlo_name: Line = ""
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
            raise _at("password", 'needed with username (allowed: { env = "NAME" } or { file = "PATH" })')
        if self.security == "none" and self.host not in ("localhost", "127.0.0.1", "::1"):
            raise _at("security", "a password is not sent unencrypted (allowed: starttls or tls)")
        try:
            self._secret = self.password.read()
        except ValueError as error:
            raise _at("password", str(error)) from error
        return self


class ArchiveSection(_Section):
    """``[archive]``: the README and its repository."""

    path: FilePath = Path("archive")
    max_papers: Annotated[int, Field(ge=1, le=10_000)] = 100
    push: bool = False


class Config(_Section):
    """The whole of config.toml; `path` is the file it came from."""

    path: Path
    newsletter: NewsletterSection
    topics: tuple[TopicSection, ...] = ()
    arxiv: ArxivSection = Field(default_factory=lambda: ArxivSection())
    digest: DigestSection = Field(default_factory=lambda: DigestSection())
    delivery: DeliverySection
    smtp: SmtpSection = Field(default_factory=lambda: SmtpSection())
    archive: ArchiveSection


_MAILBOX = "(allowed: Name <address@example.org>, or the address alone)"
#: pydantic's kinds of errors, in the words of somebody who writes TOML.
_REASONS = {
    "missing": "it is missing",
    "model_type": "expected a table",
    "tuple_type": "expected a list",
    "string_type": "expected text in quotes",
    "too_short": "expected some text",
    "too_long": "expected at most {max_length} characters",
    "bool_type": "expected true or false",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "greater_than": "expected more than {gt:g}",
    "greater_than_equal": "expected {ge:g} or more",
    "less_than_equal": "expected {le:g} or less",
    "literal_error": "expected {expected}",
}


class _KeyedError(ValueError):
    """A reason that belongs to one key of the section being checked."""

    def __init__(self, key: str, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(reason)


def _at(key: str, reason: str) -> _KeyedError:
    return _KeyedError(key, reason)


def load(path: Path) -> Config:
    """Read and check a configuration.

    Raises:
        ConfigError: naming the file, the key and what is allowed there.

    """
    try:
        path = _home(path).absolute()
        table = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise ConfigError(path, "", "there is no such file; `newsletter init` writes one") from error
    except OSError as error:
        raise ConfigError(path, "", f"it cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, "", f"it is not UTF-8, at byte {error.start + 1}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(path, "", f"it is not TOML: {error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(path, "", f"it cannot be read: {error}") from error
    return parse_table(table, path)


def parse_table(table: dict[str, Any], path: Path) -> Config:
    """Check a table that was read from `path`. Raises `ConfigError` as `load` does."""
    if "path" in table:
        raise ConfigError(path, "path", f"unknown key (allowed: {_allowed(Config)})")
    table = _with_lists_as_tuples({**{name: {} for name in ("newsletter", "delivery", "archive")}, **table})
    try:
        config = Config.model_validate({**table, "path": path}, context={"base": path.parent})
    except ValidationError as error:
        raise _config_error(path, error) from error
    _check_topics(config)
    return config


def _with_lists_as_tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_lists_as_tuples(inner) for key, inner in value.items()}
    return tuple(map(_with_lists_as_tuples, value)) if isinstance(value, list) else value


def _check_topics(config: Config) -> None:
    seen: dict[str, int] = {}
    for number, topic in enumerate(config.topics, 1):
        folded = topic.name.casefold()
        if folded in seen:
            reason = (
                f"{topic.name!r} is the name of topic {seen[folded]} too (allowed: one topic a name, whatever its case)"
            )
            raise ConfigError(config.path, f"topics[{number}].name", reason)
        seen[folded] = number
        try:
            _ = topic.tree
        except QueryError as error:
            key = f"topics[{number}].{'query' if topic.query else 'name'}"
            raise ConfigError(config.path, key, f"{(topic.query or topic.name)!r} {error}") from error


def _config_error(path: Path, error: ValidationError) -> ConfigError:
    first = error.errors(include_url=False, include_input=False)[0]
    location = list(first["loc"])
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, _KeyedError):
        return ConfigError(path, _dotted([*location, cause.key]), cause.reason)
    if first["type"] == "extra_forbidden":
        allowed = _allowed(_section_at(location[:-1]))
        near = difflib.get_close_matches(str(location[-1]), allowed.split(", "), 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return ConfigError(path, _dotted(location), f"unknown key{hint} (allowed: {allowed})")
    if cause is not None:
        return ConfigError(path, _dotted(location), str(cause))
    return ConfigError(path, _dotted(location), _in_toml_words(first["type"], first.get("ctx", {}), first["msg"]))


def _in_toml_words(kind: str, context: dict[str, Any], reason: str) -> str:
    return _REASONS[kind].format(**context) if kind in _REASONS else reason


def _dotted(location: list[str | int]) -> str:
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part + 1}]"
        else:
            text += "." + (part if re.fullmatch(r"[\w-]+", part) else repr(part))
    return text.removeprefix(".")


def _section_at(location: list[str | int]) -> type[BaseModel]:
    sections: dict[str, type[BaseModel]] = {
        "newsletter": NewsletterSection,
        "topics": TopicSection,
        "arxiv": ArxivSection,
        "digest": DigestSection,
        "delivery": DeliverySection,
        "smtp": SmtpSection,
        "archive": ArchiveSection,
    }
    return sections[str(location[0])] if location else Config


def keys(section: type[BaseModel]) -> Iterator[str]:
    """The keys that may stand in a section."""
    return (name for name in section.model_fields if section is not Config or name != "path")


def _allowed(section: type[BaseModel]) -> str:
    return ", ".join(keys(section))

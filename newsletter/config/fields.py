"""What may stand behind a key: each kind of value is checked, and refused in words for an operator."""

import difflib
import os
import re
import unicodedata
from datetime import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, ValidationInfo

from newsletter.addresses import quoted_uri, wire_domain, wire_url
from newsletter.places import PATH
from newsletter.query import read_category
from newsletter.text import INVISIBLE, LINE_ENDS


def _path(value: Any, info: ValidationInfo) -> Path:
    if not value or not isinstance(value, (str, Path)):
        raise ValueError("expected a path")
    base: Path = (info.context or {}).get("base", Path())
    try:
        return (base / home(Path(value))).resolve()
    except (OSError, RuntimeError) as error:  # a link that leads to itself
        raise ValueError(f"{value} leads nowhere: {error}") from error


def home(path: Path) -> Path:
    """A path with its ~ resolved. Raises `ValueError`."""
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
    try:
        return wire_url(value.rstrip("/"))
    except ValueError as error:
        raise ValueError(f"its host is none: {error} {allowed}") from error


def _page(value: str) -> str:
    if not value:
        return ""
    example = value.replace(PATH, "path")
    if "{" in example or "}" in example:
        raise ValueError(f"in an address only {PATH} may stand in braces")
    address = _url(example)
    return wire_url(value).replace(quoted_uri(PATH), PATH) if PATH in value else address


def host_of(url: str) -> str:
    """The host of an address, without the dot that may end it."""
    return (urlsplit(url).hostname or "").rstrip(".")


def _domain(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", value, re.I):
        raise ValueError(f"{value!r} is not a domain (allowed: such as lab.local)")
    return value.lower()


def _wire_domain(value: str) -> str:
    try:
        return _domain(wire_domain(value)) if value else ""
    except UnicodeError as error:
        raise ValueError(f"{value!r} is not a domain: {error}") from error


def read_selector(value: str) -> str:
    """A DKIM selector, in lower case. Raises `ValueError`."""
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    if not re.fullmatch(rf"{label}(\.{label})*", value, re.I | re.A) or len(value) > 120:
        raise ValueError(f"{value!r} is not a selector (allowed: letters, digits, hyphens; such as papers-rsa-202601)")
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
        case {"env": str(name), **rest} if not rest and name.isidentifier():
            return SecretSource(env=name)
        case {"file": str(name), **rest} if not rest:
            return SecretSource(file=_path(name, info))
    raise ValueError('a secret is not written here (allowed: { env = "NAME" } or { file = "PATH" })')


Line = Annotated[str, AfterValidator(_one_line)]
FilePath = Annotated[Path, BeforeValidator(_path)]
Url = Annotated[str, AfterValidator(_url)]
UrlOrNone = Annotated[str, AfterValidator(lambda value: _url(value) if value else "")]
Page = Annotated[str, AfterValidator(_page)]
Clock = Annotated[time, BeforeValidator(_clock)]
Zone = Annotated[ZoneInfo, BeforeValidator(_zone)]
Domain = Annotated[str, AfterValidator(_domain)]
WireDomain = Annotated[str, AfterValidator(_wire_domain)]
Selector = Annotated[str, AfterValidator(read_selector)]
TopicName = Annotated[str, AfterValidator(_topic_name)]
Category = Annotated[str, AfterValidator(_category)]


class Section(BaseModel):
    """What all sections are: strict, closed, frozen."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,  # a secret may be the input
    )


class SecretSource(Section):
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


Password = Annotated[SecretSource | None, BeforeValidator(_secret)]


class KeyedError(ValueError):
    """A reason that belongs to one key of the section being checked."""

    def __init__(self, key: str, reason: str) -> None:
        self.key, self.reason = key, reason
        super().__init__(reason)


def at(key: str, reason: str) -> KeyedError:
    """The error to raise for one key of a section."""
    return KeyedError(key, reason)

"""What the checker found wrong, as one line that names file, key and what is allowed."""

import difflib
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from newsletter.config.bounces import BouncesSection
from newsletter.config.fields import KeyedError
from newsletter.config.sections import (
    ArchiveSection,
    ArxivSection,
    Config,
    DeliverySection,
    DigestSection,
    DkimSection,
    NewsletterSection,
    SmtpSection,
    TopicSection,
)
from newsletter.config.web import WebSection
from newsletter.errors import ConfigError

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


def refusal(path: Path, error: ValidationError, single: Collection[str] = ()) -> ConfigError:
    """The first thing that is wrong, in words for an operator. `single` names lists that were written as one table."""
    first = error.errors(include_url=False, include_input=False)[0]
    location = list(first["loc"])
    if location and location[0] in single:
        del location[1:2]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, KeyedError):
        return ConfigError(path, _dotted([*location, cause.key]), cause.reason)
    if first["type"] == "extra_forbidden":
        allowed = allowed_keys(_section_at(location[:-1]))
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
        "bounces": BouncesSection,
        "dkim": DkimSection,
        "archive": ArchiveSection,
        "web": WebSection,
    }
    return sections[str(location[0])] if location else Config


def keys(section: type[BaseModel]) -> Iterator[str]:
    """The keys that may stand in a section."""
    return (name for name in section.model_fields if section is not Config or name != "path")


def allowed_keys(section: type[BaseModel]) -> str:
    """The same as a list in words."""
    return ", ".join(keys(section))

"""config.toml, read once and whole into a frozen `Config`; anything doubtful is refused with file and key named."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from newsletter.config.fields import home
from newsletter.config.refusals import allowed_keys, keys, refusal
from newsletter.config.sections import Config, TopicSection
from newsletter.errors import ConfigError, QueryError

__all__ = ["Config", "TopicSection", "keys", "load", "parse_table"]


def load(path: Path) -> Config:
    """Read and check a configuration.

    Raises:
        ConfigError: naming the file, the key and what is allowed there.

    """
    try:
        path = home(path).absolute()
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
        raise ConfigError(path, "path", f"unknown key (allowed: {allowed_keys(Config)})")
    table = _with_lists_as_tuples({**{name: {} for name in ("newsletter", "delivery", "archive")}, **table})
    try:
        config = Config.model_validate({**table, "path": path}, context={"base": path.parent})
    except ValidationError as error:
        raise refusal(path, error, {"dkim"} if not isinstance(table.get("dkim"), tuple) else ()) from error
    _check_topics(config)
    _check_signing(config)
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


def _check_signing(config: Config) -> None:
    sender, seen = config.newsletter.domain, set()
    for number, section in enumerate(config.dkim, 1):
        key = f"dkim[{number}]" if len(config.dkim) > 1 else "dkim"
        domain = section.domain or sender
        if domain != sender and not ("." in domain and sender.endswith(f".{domain}")):
            reason = f"{domain!r} does not vouch for the sender (allowed: {sender}, or a domain that it is part of)"
            raise ConfigError(config.path, f"{key}.domain", reason)
        if (section.selector, domain) in seen:
            reason = f"{section.selector!r} names another key too (allowed: a selector for each key)"
            raise ConfigError(config.path, f"{key}.selector", reason)
        seen.add((section.selector, domain))

"""The jinja2 environment: where templates lie, what they may use, and what is said when one is broken."""

import os
import traceback
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from newsletter.errors import TemplateError
from newsletter.rendering.fragments import printable, wrap
from newsletter.rendering.words import words_of
from newsletter.resources import resource
from newsletter.text import readable

# What a template's own expressions and our filters fail with.
_FAILURES = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
# Reading TeX costs more than all the rest of a card, and each text stands in both parts.
_REMEMBERED = 8_192


class _Folder(jinja2.FileSystemLoader):
    """A folder of templates. One that may not be looked at is not taken for one that is not there."""

    def get_source(self, environment: jinja2.Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        for folder in self.searchpath:
            with suppress(FileNotFoundError, NotADirectoryError):
                Path(folder, template).stat()
        return super().get_source(environment, template)


def make_environment(override: Path | None = None, language: str = "en") -> jinja2.Environment:
    """Make the environment of a language; an operator's `override` folder is searched before ours.

    A template there may begin with ``{% extends "original/digest/body.html" %}`` and replace single blocks of ours.

    Raises:
        TemplateError: `override` is no folder, or our own templates are missing.

    """
    if override is not None and not os.path.isdir(override):  # noqa: PTH112 - a folder we may not look for is none
        raise TemplateError(f"{override} is not a folder of templates")
    ours = jinja2.FileSystemLoader(resource("templates"))
    theirs = [_Folder(override)] if override else []
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader([*theirs, ours, jinja2.PrefixLoader({"original": ours})]),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html",), default=False),
        undefined=jinja2.StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    words = words_of(language)
    environment.install_gettext_translations(words.translations, newstyle=True)  # type: ignore[attr-defined]
    environment.filters |= {
        "readable": lru_cache(_REMEMBERED)(_readable),
        "people": words.people,
        "changes": words.changes,
        "short_date": words.short_date,
        "dated": words.dated,
        "long_date": words.long_date,
        "wrap": wrap,
        "direction": direction,
        "as_written": direction if language == "en" else _as_written,
    }
    environment.globals |= {"in_english": _lang("en", language), "in_our_words": _lang(language, "en")}
    return environment


def direction(text: str) -> Markup:
    """The attribute of an element whose text begins from the right; nothing for others."""
    strong = (unicodedata.bidirectional(character) for character in text)
    first = next((kind for kind in strong if kind in ("L", "R", "AL")), "L")
    return Markup() if first == "L" else Markup(' dir="rtl"')


def _as_written(text: str) -> Markup:
    """The attribute of an element that holds a text of a paper, among words of ours that are not English."""
    return direction(text) or _lang("en", "")


def _lang(language: str, around: str) -> Markup:
    """The attribute of an element in a language; nothing if what is around it is in the same."""
    return Markup() if language == around else Markup(f' lang="{language}"')  # noqa: S704 - one of ours


def render(environment: jinja2.Environment, name: str, **values: object) -> str:
    """Render a template.

    Raises:
        TemplateError: it is missing, does not parse, or fails; names file and line.

    """
    try:
        return environment.get_template(name).render(values)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{error.filename or error.name}, line {error.lineno}: {error.message}") from error
    except jinja2.TemplateNotFound as error:
        raise TemplateError(f"{error.name}: there is no such template (needed for {name})") from error
    except OSError as error:
        raise TemplateError(f"{error.filename or name}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise TemplateError(f"{name}: it, or what it takes in, is not UTF-8: {error.reason}") from error
    except _FAILURES as error:
        raise TemplateError(f"{_place(environment, name, error)}: {error}") from error


def _place(environment: jinja2.Environment, name: str, error: BaseException) -> str:
    """The file and line of the innermost template an error passed through; jinja2 has put them in the traceback."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.endswith(".py"):
            return f"{frame.filename}, line {frame.lineno}"
    return environment.get_template(name).filename or name


def _readable(text: str) -> str:
    return printable(readable(text))


def _printable(value: Any) -> Any:
    if not isinstance(value, str) or (clean := printable(value)) == value:
        return value
    return type(value)(clean)  # Markup stays Markup

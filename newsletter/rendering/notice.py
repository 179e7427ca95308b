"""Mails of plain text that are no digest: a subject and a body, from the templates of one folder."""

import logging
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import jinja2

from newsletter.errors import TemplateError
from newsletter.rendering.environment import make_environment, render
from newsletter.rendering.fragments import encode, one_line
from newsletter.rendering.words import LANGUAGES

log = logging.getLogger(__name__)

_FOR_OPERATORS = ("operator",)


class Notices:
    """Renders them. An operator's `override` folder is searched before ours; where it fails, ours are used: what the
    mail is about may be just that. What is for operators is in English, as all that the program says to them is."""

    def __init__(self, override: Path | None, language: str) -> None:
        self._override, self._language = override, language
        self._environments: dict[tuple[Path | None, str], jinja2.Environment] = {}

    def render(self, template: str, values: Mapping[str, Any], language: str = "") -> tuple[str, bytes]:
        """A subject of one line and a body in quoted-printable, from ``TEMPLATE/subject.txt`` and ``…/body.txt``.

        They are in `language`, or in the newsletter's if there is none or not that. Dates among the values are in ISO
        form; the filter `day` reads them.

        Raises:
            TemplateError: our own templates are missing, or ask for values that are not there.

        """
        chosen = language if language in LANGUAGES else self._language
        spoken = "en" if template in _FOR_OPERATORS else chosen
        if self._override is not None:
            try:
                return self._render(self._environment(self._override, spoken), template, values)
            except TemplateError as error:
                log.warning("a template of ours is used instead: %s", error)
        return self._render(self._environment(None, spoken), template, values)

    def _environment(self, override: Path | None, language: str) -> jinja2.Environment:
        if (override, language) not in self._environments:
            environment = make_environment(override, language)
            environment.filters["day"] = date.fromisoformat
            self._environments[override, language] = environment
        return self._environments[override, language]

    def _render(self, environment: jinja2.Environment, template: str, values: Mapping[str, Any]) -> tuple[str, bytes]:
        subject, body = (render(environment, f"{template}/{name}", **values) for name in ("subject.txt", "body.txt"))
        return one_line(subject), encode(f"{body.strip()}\n")

"""Mails of plain text that are no digest: a subject and a body, from the templates of one folder."""

import logging
from collections.abc import Mapping
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2

from newsletter.errors import TemplateError
from newsletter.rendering.environment import make_environment, render
from newsletter.rendering.fragments import encode, one_line

log = logging.getLogger(__name__)


class Notices:
    """Renders them. An operator's `override` folder is searched before ours; where it fails, ours are used: what the
    mail is about may be just that."""

    def __init__(self, override: Path | None, language: str) -> None:
        self._override, self._language = override, language

    def render(self, template: str, values: Mapping[str, Any]) -> tuple[str, bytes]:
        """A subject of one line and a body in quoted-printable, from ``TEMPLATE/subject.txt`` and ``…/body.txt``.

        Dates among the values are in ISO form; the filter `day` reads them.

        Raises:
            TemplateError: our own templates are missing, or ask for values that are not there.

        """
        if self._override is not None:
            try:
                return self._render(self._theirs, template, values)
            except TemplateError as error:
                log.warning("a template of ours is used instead: %s", error)
        return self._render(self._ours, template, values)

    @cached_property
    def _ours(self) -> jinja2.Environment:
        return self._environment(None)

    @cached_property
    def _theirs(self) -> jinja2.Environment:
        return self._environment(self._override)

    def _environment(self, override: Path | None) -> jinja2.Environment:
        environment = make_environment(override, self._language)
        environment.filters["day"] = date.fromisoformat
        return environment

    def _render(self, environment: jinja2.Environment, template: str, values: Mapping[str, Any]) -> tuple[str, bytes]:
        subject, body = (render(environment, f"{template}/{name}", **values) for name in ("subject.txt", "body.txt"))
        return one_line(subject), encode(f"{body.strip()}\n")

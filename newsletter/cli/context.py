"""What every command shares: the configuration, the app over it, and how things are shown."""

import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from newsletter.app import App
from newsletter.cli import bars
from newsletter.config import load
from newsletter.storage.standing import Standing
from newsletter.text import INVISIBLE

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")


class Context:
    """The command line's state: nothing is read or opened before a command needs it."""

    def __init__(self, config_path: Path, *, verbosity: int = 0, log_format: str = "text") -> None:
        self.config_path, self.verbosity, self.log_format = config_path, verbosity, log_format

    @property
    def quiet(self) -> bool:
        """Whether nothing but errors is wanted."""
        return self.verbosity < 0

    def program(self, *arguments: str) -> list[str]:
        """The command that runs this very program, with the same configuration and the same log."""
        flags = ["--quiet"] if self.quiet else ["--verbose"] * self.verbosity
        shared = ["--config", str(self.config_path), "--log-format", self.log_format, *flags]
        # Without -P a module in the working directory would go before ours.
        return [sys.executable, "-P", "-m", "newsletter", *shared, *arguments]

    @cached_property
    def app(self) -> App:
        """The app over the configuration. Raises `ConfigError`."""
        return App(load(self.config_path))

    @cached_property
    def looking(self) -> App:
        """The app for a command that only looks: it changes nothing, and works where nothing may be written."""
        return App(load(self.config_path), looking=True)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("app", "looking"):
            if name in self.__dict__:
                self.__dict__[name].close()

    def progress(self, label: str, unit: str) -> AbstractContextManager[Callable[[int, int | None], None]]:
        """A progress bar on a terminal, nothing elsewhere; call what it yields with (done, total)."""
        return bars.counting(label, unit) if self.is_watched else nullcontext(lambda _done, _total: None)

    def sending(self) -> AbstractContextManager[Callable[[Standing], None]]:
        """The same for mail that goes out; call what it yields with how it stands."""
        return bars.sending() if self.is_watched else nullcontext(lambda _standing: None)

    @property
    def is_watched(self) -> bool:
        """Whether somebody sits before it who wants to see how it goes."""
        return not self.quiet and sys.stderr.isatty()


def private(path: str, flags: int) -> int:
    """Open a file that only its owner may read, whether it is there or not; an opener for `open`."""
    handle = os.open(path, flags, 0o600)
    os.fchmod(handle, 0o600)
    return handle


_FIRST, _LAST = date(1900, 1, 1), date(2999, 12, 31)


class DateType(click.ParamType[date]):
    """A date as YYYY-MM-DD."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Read it, or say what is allowed."""
        try:
            found = value if isinstance(value, date) else datetime.strptime(value, "%Y-%m-%d").date()
        except ValueError:
            self.fail(f"{value!r} is not a date (allowed: YYYY-MM-DD)", param, ctx)
        if not _FIRST <= found <= _LAST:  # there are days before and after it
            self.fail(f"{value} is too far away (allowed: {_FIRST} to {_LAST})", param, ctx)
        return found


def show_json(value: Any) -> None:
    """Print a value as JSON; dates and the like become their text."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def show_json_list(values: Iterable[Any]) -> None:
    """Print values as one JSON list, each when it comes: there may be many."""
    separator = "[\n"
    for value in values:
        click.echo(
            separator + textwrap.indent(json.dumps(value, indent=2, ensure_ascii=False, default=str), "  "), nl=False
        )
        separator = ",\n"
    click.echo("[]" if separator.startswith("[") else "\n]")


def show_table(header: Sequence[str], rows: Iterable[Sequence[object]], *, styled: bool = False) -> None:
    """Print columns, as wide as they need to be: a line is never folded, so that grep and cut work.

    What servers and others said is shown without what would speak to the terminal; not if cells are `styled` by us.
    """
    shown = [tuple("" if cell is None else str(cell) for cell in row) for row in rows]
    lines = [tuple(header), *(row if styled else tuple(INVISIBLE.sub("", cell) for cell in row) for row in shown)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

"""How the log is written: one line an event, for people or for programs, without addresses."""

import functools
import json
import logging
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from newsletter.errors import NewsletterError, UsageError
from newsletter.text import INVISIBLE, LINE_ENDS, without_addresses

log = logging.getLogger(__name__)

_FRAMES = 6  # of a traceback in a line for people


class LineFormatter(logging.Formatter):
    """For people: time in UTC, level, where from, what. An exception goes on the same line, with the places it came
    through, innermost first."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        fields = [_time(record), f"{record.levelname:<7}", f"{record.name}[{record.process}]", record.getMessage()]
        if record.exc_info and record.exc_info[1] is not None:
            fields.append(f"| {_brief(record.exc_info[1])}")
        return _one_line(" ".join(fields))


class JsonFormatter(logging.Formatter):
    """For programs: an object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        fields = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "event": without_addresses(record.getMessage()),
        }
        if record.exc_info:
            fields["trace"] = without_addresses(self.formatException(record.exc_info))
        return json.dumps(fields, ensure_ascii=False)


FORMATS: dict[str, type[logging.Formatter]] = {"text": LineFormatter, "json": JsonFormatter}


def configure(level: int, form: str) -> None:
    """Write the log to standard error from now on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FORMATS[form]())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # It logs addresses with their queries, and a reader's query is personal.
    logging.getLogger("urllib3").setLevel(logging.ERROR)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _brief(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = (f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))
    return f"{type(error).__name__}: {error} at {' < '.join(places)}"


def _one_line(text: str) -> str:
    return without_addresses(INVISIBLE.sub("", LINE_ENDS.sub(" ", text)))


def in_the_log(command: Callable[..., Any]) -> Callable[..., Any]:
    """Tell failures in the log, in its format: nobody reads a daemon's standard error line by line."""

    @functools.wraps(command)
    def run(*arguments: Any, **options: Any) -> Any:
        if not click.get_current_context().obj.quiet:
            logging.getLogger().setLevel(min(logging.INFO, logging.getLogger().level))
        try:
            return command(*arguments, **options)
        except NewsletterError as error:
            log.error("%s", error)
            sys.exit(2 if isinstance(error, UsageError) else 1)
        except Exception:
            log.exception("broke off")
            sys.exit(1)

    return run

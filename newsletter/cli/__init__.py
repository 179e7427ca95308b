"""The command line: words for people over the package's verbs, and exit statuses for programs."""

import logging
import sys
from collections.abc import Iterator, MutableMapping, Sequence
from importlib import import_module
from pathlib import Path

import click

from newsletter import __version__
from newsletter.cli import logs
from newsletter.cli.context import Context
from newsletter.errors import NewsletterError, QueryError, UsageError
from newsletter.text import INVISIBLE

#: In which module a command is. Only that of the one that is asked for is loaded: a sender stays for weeks, and has no
#: use for what reads feeds or makes demos; and all start sooner.
_MODULES = {
    "setup": ("init",),
    "publishing": ("publish", "fetch", "archive"),
    "delivering": ("deliver",),
    "preview": ("preview", "send-test"),
    "running": ("run", "heartbeat"),
    "serving": ("serve",),
    "topics": ("topics",),
    "subscribers": ("subscribers",),
    "editions": ("editions",),
    "deliveries": ("deliveries",),
    "status": ("status",),
    "checking": ("check",),
    "bounces": ("bounces",),
    "keeping": ("backup", "adopt"),
    "history": ("import-readme", "backfill"),
    "dkim": ("dkim-key",),
    "keys": ("keys",),
    "demo": ("demo",),
}

_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}


class _Commands(MutableMapping[str, click.Command]):
    """The commands by name, each loaded when it is asked for."""

    def __init__(self) -> None:
        self._places = {name: module for module, names in _MODULES.items() for name in names}

    def __getitem__(self, name: str) -> click.Command:
        module = import_module(f"newsletter.cli.{self._places[name]}")
        found: click.Command = next(command for command in module.COMMANDS if command.name == name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __setitem__(self, name: str, command: click.Command) -> None:
        raise NotImplementedError("commands stand in _MODULES")

    def __delitem__(self, name: str) -> None:
        del self._places[name]


@click.group(commands=_Commands(), context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="newsletter")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("config.toml"),
    envvar="NEWSLETTER_CONFIG",
    show_default=True,
    show_envvar=True,
    help="The configuration. Paths in it are relative to it.",
)
@click.option("-v", "--verbose", count=True, help="Log what is done; twice for more.")
@click.option("-q", "--quiet", is_flag=True, help="Log errors only, and show no progress.")
@click.option(
    "--log-format",
    type=click.Choice(sorted(logs.FORMATS)),
    default="text",
    envvar="NEWSLETTER_LOG_FORMAT",
    show_default=True,
    show_envvar=True,
    help="How the log is written: a line an event, for people or as JSON.",
)
@click.pass_context
def newsletter(context: click.Context, config_path: Path, verbose: int, quiet: bool, log_format: str) -> None:
    """A newsletter of new arXiv papers: by keyword, by mail, with a README archive in git.

    Begin with `newsletter init`, look at config.toml, add a subscriber, and try `newsletter publish`; `newsletter run`
    then does it every day.
    """
    verbosity = -1 if quiet else min(verbose, 2)
    logs.configure(_LEVELS[verbosity], log_format)
    context.obj = Context(config_path, verbosity=verbosity, log_format=log_format)
    context.call_on_close(context.obj.close)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, the process's own by default; exit 0: done, 1: failed while running, 2: wrong use or
    configuration."""
    try:
        newsletter(arguments, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except QueryError as error:
        click.echo(f"newsletter: the query does not parse\n{error.pointing()}", err=True)
        sys.exit(2)
    except NewsletterError as error:
        click.echo(f"newsletter: {INVISIBLE.sub('', str(error))}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except UnicodeEncodeError as error:
        if not any(0xDC80 <= ord(sign) <= 0xDCFF for sign in str(error.object)):  # as Python reads what is no UTF-8
            raise
        click.echo("newsletter: the arguments are not UTF-8", err=True)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        click.echo(f"newsletter: {error}", err=True)
        sys.exit(1)

"""The command line: words for people over the package's verbs, and exit statuses for programs."""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from newsletter import __version__
from newsletter.cli import (
    bounces,
    checking,
    deliveries,
    demo,
    dkim,
    editions,
    history,
    keeping,
    keys,
    logs,
    preview,
    publishing,
    running,
    serving,
    setup,
    status,
    subscribers,
    topics,
)
from newsletter.cli.context import Context
from newsletter.errors import NewsletterError, QueryError, UsageError
from newsletter.text import INVISIBLE

_LEVELS = {-1: logging.ERROR, 0: logging.WARNING, 1: logging.INFO, 2: logging.DEBUG}


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
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


for module in (
    setup, publishing, preview, running, serving, topics, subscribers, editions, deliveries, status, checking, bounces,
    keeping, history, dkim, keys, demo,
):  # fmt: skip
    for command in module.COMMANDS:
        newsletter.add_command(command)


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

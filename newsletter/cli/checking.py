"""`newsletter check`: whether the set-up is sound."""

import sys
from dataclasses import asdict

import click

from newsletter import checking
from newsletter.checking import State
from newsletter.cli.context import Context, json_option, show_json
from newsletter.text import INVISIBLE


@click.command()
@click.option("--connect", is_flag=True, help="Open a session with the mail server, too: TLS, login, and good-bye.")
@json_option
@click.pass_obj
def check(context: Context, connect: bool, as_json: bool) -> None:
    """Whether the set-up is sound: a line for each thing that must be, and what to do. Exit status 1 if one is not.

    It changes nothing, and sends nothing.
    """
    failed, found = False, []
    for finding in checking.check(context.looking, connect=connect):
        failed = failed or finding.state is State.FAILED
        if as_json:
            found.append(asdict(finding))
        else:
            click.echo(INVISIBLE.sub("", f"{finding.state:7} {finding.name:14} {finding.text}"))
    if as_json:
        show_json({"sound": not failed, "checks": found})
    if failed:
        sys.exit(1)


COMMANDS = (check,)

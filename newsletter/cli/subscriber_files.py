"""`newsletter subscribers import`, `export` and `export-data`: lists as files, and all that is held of one person."""

import sys
from collections import Counter
from pathlib import Path

import click

from newsletter.cli.context import Context, private, show_json
from newsletter.csvfile import decoded
from newsletter.errors import RunError, UsageError
from newsletter.subscriptions.holdings import holdings

_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option(
    "--confirmed",
    is_flag=True,
    help="Who has no status there has agreed already, and gets mail; else they are pending.",
)
@click.pass_obj
def import_(context: Context, file: Path, confirmed: bool) -> None:
    """Add the subscribers of a CSV FILE (- reads standard input).

    A header line names the columns: email (needed), status, topics and queries (several parted by ;), and what else
    `export` writes. Exports of listmonk, Mailchimp and Mailman are read as they are, and so is a list of addresses, one
    a line. Who is there already stays as they are. A bad line is reported with its number, the rest goes in, and the
    exit status is 1.
    """
    app, counts = context.app, Counter[str]()
    with (
        click.open_file(str(file), "rb") as lines,
        context.progress("Importing", "addresses") as progress,
    ):
        steps = app.subscriptions.import_csv(decoded(lines), confirmed=confirmed, today=app.today(), now=app.now())
        for step in steps:
            for name in ("added", "known", "agreed", "pending", "suppressed"):
                counts[name] += getattr(step, name)
            if step.remark:
                click.echo(f"{file}: {step.remark}", err=True)
            if step.bad:
                counts["bad"] += 1
                click.echo(f"{file}: line {step.bad.number}: {step.bad.reason}", err=True)
            progress(counts["added"] + counts["known"] + counts["agreed"], None)
    _tell(file, counts)
    if counts["bad"]:
        raise RunError(f"{file}: {counts['bad']} lines were not taken")


def _tell(file: Path, counts: Counter[str]) -> None:
    click.echo(f"{counts['added']} added, {counts['known']} were there already, {counts['bad']} bad lines.")
    if counts["agreed"]:
        click.echo(f"{counts['agreed']} were pending, and are confirmed now.")
    if counts["suppressed"]:
        click.echo(f"{counts['suppressed']} of those added are suppressed: they are never mailed.")
    if counts["pending"]:
        click.echo(f"{counts['pending']} of those added are pending and get no mail yet. If all of them agreed:")
        click.echo(f"  newsletter subscribers import {file} --confirmed")


@click.command()
@click.argument("file", type=_FILE, default="-")
@click.pass_obj
def export(context: Context, file: Path) -> None:
    """Write all subscribers as CSV to FILE.

    By default to standard output. `import` reads it back, here or elsewhere. A cell that a spreadsheet would take for a
    formula has an apostrophe before it.
    """
    lines = (line.encode() for line in context.looking.subscriptions.export_csv())
    if str(file) == "-":
        sys.stdout.buffer.writelines(lines)
        return
    try:
        with open(file, "wb", opener=private) as out:
            out.writelines(lines)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from error


@click.command("export-data")
@click.argument("email", metavar="EMAIL")
@click.pass_obj
def export_data(context: Context, email: str) -> None:
    """All that is held of EMAIL, as JSON.

    For them, if they ask: it holds nothing of anybody else.
    """
    app = context.looking
    subscriber = app.subscriptions.find(email)
    if subscriber is None:
        suppression = app.storage.subscribers.suppression(email)
        held = f"; that it is never to be mailed is all that is held ({suppression})" if suppression else ""
        raise UsageError(f"there is no subscriber {email}{held}")
    show_json(holdings(app.storage, subscriber))


COMMANDS = (import_, export, export_data)

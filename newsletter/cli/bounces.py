"""`newsletter bounces`: read what came back, and see from whom."""

from dataclasses import asdict

import click

from newsletter.cli.context import Context, json_option, show_json, show_table
from newsletter.collecting import collect as collect_verb


@click.group()
def bounces() -> None:
    """Read the mailbox of mail that came back, and list whose did."""


@bounces.command()
@json_option
@click.pass_obj
def collect(context: Context, as_json: bool) -> None:
    """Read the mailbox of [bounces]: reports, complaints, wishes to leave.

    What is understood is recorded and removed there; what is not stays, for you to read.
    """
    app = context.app
    counts = collect_verb(app)
    if as_json:
        show_json(counts)
        return
    maildir = app.config.bounces.maildir
    if maildir is not None and not maildir.exists():
        click.echo(f"{maildir} is not there yet; a mail server makes it with the first mail.")
    found = ", ".join(f"{number} {kind}" for kind, number in sorted(counts.items()))
    click.echo(f"Mails: {found or 'none that are new'}.")
    if kept := app.storage.collected.kept():
        click.echo(f"{kept} stay in the mailbox for you to read.")


@bounces.command("list")
@json_option
@click.pass_obj
def list_bounces(context: Context, as_json: bool) -> None:
    """Readers whose mail came back: their score, what was said last, and since when they are not mailed.

    What is not proven names an address, and counts for nothing.
    """
    app = context.looking
    found = app.storage.bounces.all(app.today())
    if as_json:
        show_json([asdict(bouncing) for bouncing in found])
        return
    show_table(
        ("EMAIL", "SCORE", "SUSPENDED", "LAST", "KIND", "PROOF", "STATUS", "SAID"),
        [
            (
                one.email,
                f"{one.score:g}",
                one.suspended and f"{one.suspended:%Y-%m-%d}",
                one.at and f"{one.at:%Y-%m-%d}",
                one.kind,
                one.proof,
                one.status,
                one.text,
            )
            for one in found
        ],
    )


COMMANDS = (bounces,)

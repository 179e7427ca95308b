"""`newsletter subscribers confirm`, `pause`, `unsubscribe` and the like: who is mailed, and who is not."""

import sys
from datetime import date

import click

from newsletter.cli.context import Context, DateType
from newsletter.cli.telling import email_argument, found, note_consent, tell
from newsletter.errors import UsageError
from newsletter.model import Suppression
from newsletter.subscriptions import Outcome


@click.command()
@email_argument
@click.pass_obj
def confirm(context: Context, email: str) -> None:
    """EMAIL has agreed: mail them from the next edition on."""
    app = context.app
    with app.storage.write():
        outcome = app.subscriptions.confirm(email, today=app.today(), now=app.now())
        if outcome in (Outcome.DONE, Outcome.SUPPRESSED):
            note_consent(app, email)
    tell(email, outcome, "is confirmed")


@click.command()
@email_argument
@click.option("--until", metavar="DATE", type=DateType(), help="The day on which mail comes again by itself.")
@click.pass_obj
def pause(context: Context, email: str, until: date | None) -> None:
    """Send EMAIL nothing until `resume`, or a day.

    What passes meanwhile is skipped.
    """
    app = context.app
    outcome = app.subscriptions.pause(email, until=until, today=app.today(), now=app.now())
    tell(email, outcome, f"is paused{f' until {until}' if until else ''}")


@click.command()
@email_argument
@click.pass_obj
def resume(context: Context, email: str) -> None:
    """Mail EMAIL again, from the next edition on."""
    app = context.app
    tell(email, app.subscriptions.resume(email, today=app.today(), now=app.now()), "gets mail again")


@click.command()
@email_argument
@click.pass_obj
def unsubscribe(context: Context, email: str) -> None:
    """EMAIL leaves: no mail any more.

    They stay known as one who left, so that no import brings them back.
    """
    app = context.app
    tell(email, app.subscriptions.unsubscribe(email, today=app.today(), now=app.now()), "is unsubscribed")


@click.command()
@email_argument
@click.pass_obj
def remove(context: Context, email: str) -> None:
    """Forget EMAIL and what they chose.

    They may be added again, by an import too: `unsubscribe` remembers that they left, `erase` that they want no mail.
    """
    tell(email, context.app.subscriptions.remove(email, now=context.app.now()), "is removed")


@click.command()
@email_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(context: Context, email: str, yes: bool) -> None:
    """Forget EMAIL and never mail them again. All that is kept is a keyed hash of the address, to know it by."""
    app = context.app
    known = found(app, email).email
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("to erase cannot be undone: say --yes")
        click.confirm(f"Erase {known} and all that is held of them? That cannot be undone.", abort=True, err=True)
    tell(known, app.subscriptions.erase(known, now=app.now()), "is erased, and never mailed again")


@click.command()
@email_argument
@click.option(
    "--reason",
    type=click.Choice([reason.value for reason in Suppression]),
    default="manual",
    show_default=True,
    help="What is noted as the reason.",
)
@click.pass_obj
def suppress(context: Context, email: str, reason: str) -> None:
    """Never mail EMAIL, whether it subscribes or not."""
    tell(email, context.app.subscriptions.suppress(email, Suppression(reason), now=context.app.now()), "is suppressed")


@click.command()
@email_argument
@click.pass_obj
def unsuppress(context: Context, email: str) -> None:
    """Take EMAIL off the list of those never mailed."""
    if context.app.subscriptions.unsuppress(email, today=context.app.today()) is Outcome.ALREADY:
        raise UsageError(f"{email} is not suppressed")
    click.echo(f"{email} is not suppressed any more.")


COMMANDS = (confirm, pause, resume, unsubscribe, remove, erase, suppress, unsuppress)

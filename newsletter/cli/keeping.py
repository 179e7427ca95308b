"""`newsletter backup` and `adopt`: copies of the database, and which of them sends."""

from pathlib import Path

import click

from newsletter.app import App
from newsletter.backups import why_no_backup, write_backup
from newsletter.cli.context import Context
from newsletter.errors import UsageError
from newsletter.locks import hold
from newsletter.model import DeliveryStatus
from newsletter.publish import publishing

_WAITING = (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED, DeliveryStatus.SENDING)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def backup(context: Context, file: Path) -> None:
    """Copy the database to FILE, consistent and in one file, while everything runs.

    An older backup is replaced, once the new one is complete and found to be sound. A backup does not send before
    `newsletter adopt`.
    """
    database, target = _database(context.app), file.resolve()
    if reason := why_no_backup(database, target):
        raise UsageError(f"{file}: {reason}; name another file")
    subscribers = write_backup(context.app, target)
    click.echo(f"Wrote {file}: {target.stat().st_size / 1e6:.1f} MB, {subscribers} subscribers.")


def _database(app: App) -> Path:
    database = app.config.newsletter.database
    if not database.exists():
        raise UsageError(f"{database}: there is no database yet")
    return database


@click.command()
@click.pass_obj
def adopt(context: Context) -> None:
    """Let a copied or restored database send from here.

    A database that was copied, moved without the file `.instance` beside it, or restored from an older backup does not
    send, lest readers get everything twice. This makes it the one that does; see to it that no other does.
    """
    app = context.app
    database = _database(app)
    with publishing(app), hold(app.lock_file("sender"), "sending"):
        adopted = app.storage.instance.adopt()
    counts = app.storage.deliveries.counts()
    waiting = sum(counts.get(status, 0) for status in _WAITING)
    if not adopted:
        click.echo(f"{database} is the one that sends already; nothing was changed. {waiting} deliveries wait.")
        return
    click.echo(f"{database} sends from now on: it has a new id, which stands in {app.storage.instance.path.name} too.")
    click.echo(f"{waiting} deliveries wait in it and will be sent from here.")
    click.echo("What was published or sent elsewhere since it was copied is not known here, and will be sent again.")


COMMANDS = (backup, adopt)

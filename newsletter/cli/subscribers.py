"""`newsletter subscribers`: who gets mail, and what."""

import sys
from dataclasses import fields
from pathlib import Path

import click

from newsletter.app import App
from newsletter.cli.context import Context, json_option, private, show_json, show_json_list, show_table
from newsletter.errors import RunError, UsageError
from newsletter.model import Frequency, Status, Subscriber, Suppression
from newsletter.subscriptions import Outcome

_topics = click.option(
    "--topic", "topics", multiple=True, metavar="NAME", help="A topic of config.toml; again for more."
)
_queries = click.option(
    "--query", "queries", multiple=True, metavar="QUERY", help="A query of their own; again for more."
)
_email = click.argument("email", metavar="EMAIL")


_FREQUENCIES = click.Choice([frequency.value for frequency in Frequency])


@click.group()
def subscribers() -> None:
    """Add, change, pause and remove subscribers; import and export them."""


@subscribers.command()
@_email
@_topics
@_queries
@click.option("--frequency", type=_FREQUENCIES, default="daily", show_default=True, help="How often.")
@click.option("--confirmed", is_flag=True, help="They have agreed already: mail them from the next edition on.")
@click.pass_obj
def add(
    context: Context, email: str, topics: tuple[str, ...], queries: tuple[str, ...], frequency: str, confirmed: bool
) -> None:
    """Subscribe EMAIL. No topic and no query: all topics of config.toml, future ones too."""
    app = context.app
    outcome = app.subscriptions.subscribe(
        email, topics, queries, Frequency(frequency), confirmed=confirmed, today=app.today(), now=app.now()
    )
    if outcome is Outcome.ALREADY:
        known = _found(app, email)
        command = "set" if known.status in (Status.CONFIRMED, Status.PAUSED) else "confirm"
        raise UsageError(
            f"{known.email} is known already, {known.status}; see `newsletter subscribers {command} --help`"
        )
    _tell_suppressed(email, outcome)
    if confirmed:
        click.echo(f"{email} is subscribed.")
    else:
        click.echo(f"{email} is pending and gets no mail yet. Once they have agreed:")
        click.echo(f"  newsletter subscribers confirm {email}")


@subscribers.command("list")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Only those.")
@json_option
@click.pass_obj
def list_(context: Context, status: str | None, as_json: bool) -> None:
    """All subscribers, by address."""
    found = context.looking.storage.subscribers.all(Status(status) if status else None)
    if as_json:
        show_json_list(map(_as_dict, found))
    else:
        show_table(
            ("EMAIL", "STATUS", "FREQUENCY", "TOPICS AND QUERIES"),
            ((s.email, s.status, s.frequency, "; ".join((*s.topics, *s.queries)) or "all topics") for s in found),
        )


@subscribers.command()
@_email
@json_option
@click.pass_obj
def show(context: Context, email: str, as_json: bool) -> None:
    """All that is held of EMAIL."""
    app = context.looking
    subscriber = _found(app, email)
    suppression = app.storage.subscribers.suppression(email)
    facts = {**_as_dict(subscriber), "suppressed": suppression}
    if as_json:
        show_json(facts)
    else:
        for name, value in facts.items():
            text = "; ".join(value) if isinstance(value, (list, tuple)) else value
            click.echo(f"{name:<10} {'-' if text in (None, '') else text}")


@subscribers.command("set")
@_email
@_topics
@_queries
@click.option("--all-topics", is_flag=True, help="All topics of config.toml, future ones too, and no queries.")
@click.option("--frequency", type=_FREQUENCIES, help="How often.")
@click.pass_obj
def set_(
    context: Context,
    email: str,
    topics: tuple[str, ...],
    queries: tuple[str, ...],
    all_topics: bool,
    frequency: str | None,
) -> None:
    """Change what EMAIL gets. If a topic or a query is given, those given replace all they had."""
    if all_topics and (topics or queries):
        raise click.UsageError("--all-topics goes without --topic and --query")
    named = bool(topics or queries or all_topics)
    if not named and not frequency:
        raise click.UsageError("nothing to change: give --topic, --query, --all-topics or --frequency")
    outcome = context.app.subscriptions.change(
        email,
        topics if named else None,
        queries if named else None,
        Frequency(frequency) if frequency else None,
        today=context.app.today(),
    )
    _tell(email, outcome, "is changed")


@subscribers.command()
@_email
@click.pass_obj
def remove(context: Context, email: str) -> None:
    """Forget EMAIL and what they chose."""
    _tell(email, context.app.subscriptions.remove(email, now=context.app.now()), "is removed")


@subscribers.command()
@_email
@click.pass_obj
def confirm(context: Context, email: str) -> None:
    """EMAIL has agreed: mail them from the next edition on."""
    app = context.app
    _tell(email, app.subscriptions.confirm(email, today=app.today(), now=app.now()), "is confirmed")


@subscribers.command()
@_email
@click.pass_obj
def pause(context: Context, email: str) -> None:
    """Send EMAIL nothing until `resume`; what passes meanwhile is skipped."""
    app = context.app
    _tell(email, app.subscriptions.pause(email, today=app.today(), now=app.now()), "is paused")


@subscribers.command()
@_email
@click.pass_obj
def resume(context: Context, email: str) -> None:
    """Mail EMAIL again, from the next edition on."""
    app = context.app
    _tell(email, app.subscriptions.resume(email, today=app.today(), now=app.now()), "gets mail again")


@subscribers.command()
@_email
@click.option("--reason", type=click.Choice([reason.value for reason in Suppression]), default="manual",
              show_default=True, help="What is noted as the reason.")  # fmt: skip
@click.pass_obj
def suppress(context: Context, email: str, reason: str) -> None:
    """Never mail EMAIL, whether it subscribes or not."""
    _tell(email, context.app.subscriptions.suppress(email, Suppression(reason), now=context.app.now()), "is suppressed")


@subscribers.command()
@_email
@click.pass_obj
def unsuppress(context: Context, email: str) -> None:
    """Take EMAIL off the list of those never mailed."""
    if context.app.subscriptions.unsuppress(email, today=context.app.today()) is Outcome.ALREADY:
        raise UsageError(f"{email} is not suppressed")
    click.echo(f"{email} is not suppressed any more.")


@subscribers.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True))
@click.option("--confirmed", is_flag=True, help="Lines without a status have agreed already; else they are pending.")
@click.pass_obj
def import_(context: Context, file: Path, confirmed: bool) -> None:
    """Add the subscribers of a CSV FILE (- reads standard input).

    A header line names the columns: email (needed), status, frequency, topics and queries (several parted by ;).
    A bad line is reported with its number, the rest goes in, and the exit status is 1.
    """
    app = context.app
    added = known = bad = 0
    with (
        click.open_file(str(file), encoding="utf-8-sig", errors="replace") as lines,
        context.progress("Importing", "addresses") as progress,
    ):
        for step in app.subscriptions.import_csv(lines, confirmed=confirmed, today=app.today(), now=app.now()):
            added, known = added + step.added, known + step.known
            if step.bad:
                bad += 1
                click.echo(f"{file}: line {step.bad.number}: {step.bad.reason}", err=True)
            progress(added + known, None)
    click.echo(f"{added} added, {known} were there already, {bad} bad lines.")
    if bad:
        raise RunError(f"{file}: {bad} lines were not taken")


@subscribers.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True), default="-")
@click.pass_obj
def export(context: Context, file: Path) -> None:
    """Write all subscribers as CSV to FILE (default: standard output); `import` reads it back."""
    lines = (line.encode() for line in context.looking.subscriptions.export_csv())
    if str(file) == "-":
        sys.stdout.buffer.writelines(lines)
        return
    try:
        with open(file, "wb", opener=private) as out:
            out.writelines(lines)
    except OSError as error:
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from error


def _found(app: App, email: str) -> Subscriber:
    subscriber = app.subscriptions.find(email)
    if subscriber is None:
        raise UsageError(f"there is no subscriber {email}")
    return subscriber


def _tell(email: str, outcome: Outcome, done: str) -> None:
    if outcome is Outcome.UNKNOWN:
        raise UsageError(f"there is no subscriber {email}")
    _tell_suppressed(email, outcome)
    click.echo(f"{email} {done}{' already' if outcome is Outcome.ALREADY else ''}.")


def _tell_suppressed(email: str, outcome: Outcome) -> None:
    if outcome is Outcome.SUPPRESSED:
        click.echo(f"{email} is suppressed and gets no mail; `newsletter subscribers unsuppress` lifts that.", err=True)


def _as_dict(subscriber: Subscriber) -> dict[str, object]:
    return {field.name: getattr(subscriber, field.name) for field in fields(subscriber) if field.name != "id"}


COMMANDS = (subscribers,)

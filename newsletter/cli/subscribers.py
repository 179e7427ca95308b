"""`newsletter subscribers`: who gets mail, and what."""

import sys
from datetime import date
from typing import Any

import click

from newsletter import joining
from newsletter.app import App
from newsletter.cli import subscriber_files
from newsletter.cli.choosing import choice_options, look_in_words, rhythm_in_words, status_in_words, texts
from newsletter.cli.context import Context, DateType, json_option, show_json, show_json_list, show_table
from newsletter.errors import UsageError
from newsletter.model import Choice, Frequency, Status, Subscriber, Suppression
from newsletter.storage.consents import Consent
from newsletter.subscriptions import Outcome
from newsletter.subscriptions.holdings import facts
from newsletter.subscriptions.wishes import NAMES, read_preferences

_email = click.argument("email", metavar="EMAIL")


@click.group()
def subscribers() -> None:
    """Add, change, pause and remove subscribers; import and export them."""


@subscribers.command()
@_email
@choice_options
@click.option("--confirmed", is_flag=True, help="They have agreed already: mail them from the next edition on.")
@click.option("--invite", is_flag=True, help="Ask them by mail whether they want this; takes [newsletter] base_url.")
@click.pass_obj
def add(
    context: Context,
    /,
    email: str,
    topics: tuple[str, ...],
    queries: tuple[str, ...],
    confirmed: bool,
    invite: bool,
    **preferences: Any,
) -> None:
    """Subscribe EMAIL. No topic and no query: all topics of config.toml, future ones too."""
    if confirmed and invite:
        raise click.UsageError("--confirmed goes without --invite: who has agreed is not asked")
    app, choice = context.app, Choice(topics, queries, read_preferences(texts(preferences)))
    with app.storage.write():
        when: Any = {"today": app.today(), "now": app.now()}
        outcome = app.subscriptions.subscribe(email, choice, confirmed=confirmed, **when)
        if outcome is Outcome.ALREADY:
            raise UsageError(_known(_found(app, email)))
        invited = joining.invite(app, email) if invite else None
        if confirmed:
            _note_consent(app, email)
    _tell_suppressed(email, outcome)
    if confirmed:
        click.echo(f"{email} is subscribed.")
    elif invited is Outcome.DONE:
        click.echo(f"{email} is asked by mail, which `newsletter deliver` sends; no mail else until they agree.")
    else:
        click.echo(f"{email} is pending and gets no mail yet. Once they have agreed:")
        click.echo(f"  newsletter subscribers confirm {email}")


def _known(subscriber: Subscriber) -> str:
    command = "set" if subscriber.status in (Status.CONFIRMED, Status.PAUSED) else "confirm"
    return f"{subscriber.email} is known already, {subscriber.status}; see `newsletter subscribers {command} --help`"


@subscribers.command()
@_email
@click.pass_obj
def invite(context: Context, email: str) -> None:
    """Ask EMAIL, who is pending, whether they want this.

    By mail, with a link to a page; that takes [newsletter] base_url.
    """
    outcome = joining.invite(context.app, email)
    if outcome is Outcome.SUPPRESSED:
        raise UsageError(f"{email} is suppressed: they are not asked")
    if outcome is Outcome.ALREADY:
        raise UsageError(f"{email} was sent a mail within the last 24 hours; ask them again later")
    _tell(email, outcome, "is asked by mail, which `newsletter deliver` sends")


@subscribers.command("list")
@click.option("--status", type=click.Choice([status.value for status in Status]), help="Only those.")
@json_option
@click.pass_obj
def list_(context: Context, status: str | None, as_json: bool) -> None:
    """All subscribers, by address."""
    found = context.looking.storage.subscribers.all(Status(status) if status else None)
    if as_json:
        show_json_list(map(facts, found))
        return
    show_table(
        ("EMAIL", "STATUS", "COMES", "MAIL", "TOPICS AND QUERIES"),
        (
            (
                one.email,
                status_in_words(one),
                rhythm_in_words(one.preferences.rhythm),
                look_in_words(one.preferences),
                "; ".join((*one.topics, *one.queries)) or "all topics",
            )
            for one in found
        ),
    )


@subscribers.command()
@_email
@json_option
@click.pass_obj
def show(context: Context, email: str, as_json: bool) -> None:
    """What EMAIL chose, and how it stands with them."""
    app = context.looking
    subscriber = _found(app, email)
    mailed = subscriber.status is Status.CONFIRMED and not subscriber.suppressed
    hour = app.next_hour(subscriber.preferences.rhythm, app.now()) if mailed else None
    if as_json:
        show_json({**facts(subscriber), "next": hour and f"{hour:%Y-%m-%dT%H:%M:%SZ}"})
        return
    daily = subscriber.preferences.rhythm.frequency is Frequency.DAILY
    soon = ("with the next edition" if daily else "on their weekly day") if mailed else "-"
    consents = app.storage.consents.of(subscriber.id)
    shown = {
        "email": subscriber.email,
        "status": status_in_words(subscriber),
        "topics": "; ".join(subscriber.topics) or ("-" if subscriber.queries else "all, future ones too"),
        "queries": "; ".join(subscriber.queries) or "-",
        "comes": rhythm_in_words(subscriber.preferences.rhythm),
        "next": f"{hour:%Y-%m-%d %H:%M} UTC" if hour else soon,
        "mail": look_in_words(subscriber.preferences),
        "covered": subscriber.covered or "-",
        "created": f"{subscriber.created:%Y-%m-%d %H:%M} UTC",
        "agreed": "; ".join(f"{one.given:%Y-%m-%d %H:%M} UTC, by {one.how}" for one in consents) or "-",
    }
    for name, text in shown.items():
        click.echo(f"{name:<9} {text}")


@subscribers.command("set")
@_email
@choice_options
@click.option("--all-topics", is_flag=True, help="All topics of config.toml, future ones too, and no queries.")
@click.pass_obj
def set_(
    context: Context,
    /,
    email: str,
    topics: tuple[str, ...],
    queries: tuple[str, ...],
    all_topics: bool,
    **preferences: Any,
) -> None:
    """Change what EMAIL gets: what is given, and nothing else.

    If a topic or a query is given, those given replace all they had.
    """
    if all_topics and (topics or queries):
        raise click.UsageError("--all-topics goes without --topic and --query")
    named, given = bool(topics or queries or all_topics), texts(preferences)
    if not named and not given:
        options = ", ".join(f"--{name}" for name in ("topic", "query", "all-topics", *NAMES[:-1]))
        raise click.UsageError(f"nothing to change: give {options} or --{NAMES[-1]}")
    app = context.app
    with app.storage.write():
        wishes = read_preferences(given, _found(app, email).preferences)
        outcome = app.subscriptions.change(
            email,
            topics=topics if named else None,
            queries=queries if named else None,
            preferences=wishes,
            today=app.today(),
            now=app.now(),
        )
    _tell(email, outcome, "is changed")


@subscribers.command()
@_email
@click.argument("new", metavar="NEW")
@click.pass_obj
def move(context: Context, email: str, new: str) -> None:
    """Give EMAIL another address, NEW.

    What they chose and had stays theirs. Links to their preferences that went to the old one do nothing any more.
    """
    outcome = context.app.subscriptions.move(email, new, now=context.app.now())
    _tell(email, outcome, f"is {new} now", suppressed=new)


@subscribers.command()
@_email
@click.pass_obj
def confirm(context: Context, email: str) -> None:
    """EMAIL has agreed: mail them from the next edition on."""
    app = context.app
    with app.storage.write():
        outcome = app.subscriptions.confirm(email, today=app.today(), now=app.now())
        if outcome in (Outcome.DONE, Outcome.SUPPRESSED):
            _note_consent(app, email)
    _tell(email, outcome, "is confirmed")


@subscribers.command()
@_email
@click.option("--until", metavar="DATE", type=DateType(), help="The day on which mail comes again by itself.")
@click.pass_obj
def pause(context: Context, email: str, until: date | None) -> None:
    """Send EMAIL nothing until `resume`, or a day.

    What passes meanwhile is skipped.
    """
    app = context.app
    outcome = app.subscriptions.pause(email, until=until, today=app.today(), now=app.now())
    _tell(email, outcome, f"is paused{f' until {until}' if until else ''}")


@subscribers.command()
@_email
@click.pass_obj
def resume(context: Context, email: str) -> None:
    """Mail EMAIL again, from the next edition on."""
    app = context.app
    _tell(email, app.subscriptions.resume(email, today=app.today(), now=app.now()), "gets mail again")


@subscribers.command()
@_email
@click.pass_obj
def unsubscribe(context: Context, email: str) -> None:
    """EMAIL leaves: no mail any more.

    They stay known as one who left, so that no import brings them back.
    """
    app = context.app
    _tell(email, app.subscriptions.unsubscribe(email, today=app.today(), now=app.now()), "is unsubscribed")


@subscribers.command()
@_email
@click.pass_obj
def remove(context: Context, email: str) -> None:
    """Forget EMAIL and what they chose.

    They may be added again, by an import too: `unsubscribe` remembers that they left, `erase` that they want no mail.
    """
    _tell(email, context.app.subscriptions.remove(email, now=context.app.now()), "is removed")


@subscribers.command()
@_email
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(context: Context, email: str, yes: bool) -> None:
    """Forget EMAIL and never mail them again. All that is kept is a keyed hash of the address, to know it by."""
    app = context.app
    known = _found(app, email).email
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("to erase cannot be undone: say --yes")
        click.confirm(f"Erase {known} and all that is held of them? That cannot be undone.", abort=True, err=True)
    _tell(known, app.subscriptions.erase(known, now=app.now()), "is erased, and never mailed again")


@subscribers.command()
@_email
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
    _tell(email, context.app.subscriptions.suppress(email, Suppression(reason), now=context.app.now()), "is suppressed")


@subscribers.command()
@_email
@click.pass_obj
def unsuppress(context: Context, email: str) -> None:
    """Take EMAIL off the list of those never mailed."""
    if context.app.subscriptions.unsuppress(email, today=context.app.today()) is Outcome.ALREADY:
        raise UsageError(f"{email} is not suppressed")
    click.echo(f"{email} is not suppressed any more.")


def _note_consent(app: App, email: str) -> None:
    """Keep that the operator says that somebody agreed; how, only they know."""
    app.storage.consents.add(_found(app, email).id, Consent(app.now(), "cli", "", ""))


def _found(app: App, email: str) -> Subscriber:
    subscriber = app.subscriptions.find(email)
    if subscriber is None:
        raise UsageError(f"there is no subscriber {email}")
    return subscriber


def _tell(email: str, outcome: Outcome, done: str, *, suppressed: str = "") -> None:
    if outcome is Outcome.UNKNOWN:
        raise UsageError(f"there is no subscriber {email}")
    _tell_suppressed(suppressed or email, outcome)
    click.echo(f"{email} {done}{' already' if outcome is Outcome.ALREADY else ''}.")


def _tell_suppressed(email: str, outcome: Outcome) -> None:
    if outcome is Outcome.SUPPRESSED:
        click.echo(f"{email} is suppressed and gets no mail; `newsletter subscribers unsuppress` lifts that.", err=True)


for _command in subscriber_files.COMMANDS:
    subscribers.add_command(_command)
COMMANDS = (subscribers,)

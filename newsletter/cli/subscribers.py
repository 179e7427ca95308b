"""`newsletter subscribers`: who gets mail, and what."""

from typing import Any

import click

from newsletter import joining
from newsletter.cli import subscriber_files, subscriber_states
from newsletter.cli.choosing import choice_options, look_in_words, rhythm_in_words, status_in_words, texts
from newsletter.cli.context import Context, json_option, show_json, show_json_list, show_table
from newsletter.cli.telling import email_argument, found, note_consent, tell, tell_suppressed
from newsletter.errors import UsageError
from newsletter.model import Choice, Frequency, Status, Subscriber
from newsletter.subscriptions import Outcome
from newsletter.subscriptions.holdings import facts
from newsletter.subscriptions.wishes import NAMES, read_preferences


@click.group()
def subscribers() -> None:
    """Add, change, pause and remove subscribers; import and export them."""


@subscribers.command()
@email_argument
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
            raise UsageError(_known(found(app, email)))
        invited = joining.invite(app, email) if invite else None
        if confirmed:
            note_consent(app, email)
    tell_suppressed(email, outcome)
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
@email_argument
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
    tell(email, outcome, "is asked by mail, which `newsletter deliver` sends")


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
@email_argument
@json_option
@click.pass_obj
def show(context: Context, email: str, as_json: bool) -> None:
    """What EMAIL chose, and how it stands with them."""
    app = context.looking
    subscriber = found(app, email)
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
@email_argument
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
        wishes = read_preferences(given, found(app, email).preferences)
        outcome = app.subscriptions.change(
            email,
            topics=topics if named else None,
            queries=queries if named else None,
            preferences=wishes,
            today=app.today(),
            now=app.now(),
        )
    tell(email, outcome, "is changed")


@subscribers.command()
@email_argument
@click.argument("new", metavar="NEW")
@click.pass_obj
def move(context: Context, email: str, new: str) -> None:
    """Give EMAIL another address, NEW.

    What they chose and had stays theirs. Links to their preferences that went to the old one do nothing any more.
    """
    outcome = context.app.subscriptions.move(email, new, now=context.app.now())
    tell(email, outcome, f"is {new} now", suppressed=new)


for _command in (*subscriber_states.COMMANDS, *subscriber_files.COMMANDS):
    subscribers.add_command(_command)
COMMANDS = (subscribers,)

"""`newsletter deliveries`: the ledger, one delivery's story, and trying again."""

import sys
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime
from functools import wraps
from typing import Any

import click

from newsletter.addresses import domain_of
from newsletter.app import App
from newsletter.cli.context import Context, DateType, json_option, show_json, show_json_list, show_table
from newsletter.cli.telling import found
from newsletter.errors import UsageError
from newsletter.model import DeliveryStatus
from newsletter.retrying import Again
from newsletter.retrying import retry as retry_verb
from newsletter.storage.deliveries import KINDS
from newsletter.storage.listing import WAITING, Entry, Story, Which
from newsletter.storage.pace import ALL, Pause
from newsletter.text import INVISIBLE

limit_option = click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=30, show_default=True, help="How many, newest first."
)
_STATUSES = click.Choice([status.value for status in DeliveryStatus])


def _chosen(command: Callable[..., None]) -> Callable[..., None]:
    """Options that say which deliveries are meant; the command gets a function that reads them, given an `App`."""

    @click.option("--status", type=_STATUSES, help="Only those.")
    @click.option("--kind", type=click.Choice(KINDS), help="Only digests, editions sent again by hand, or other mails.")
    @click.option("--edition", metavar="DATE", type=DateType(), help="Only those that hold the edition of DATE.")
    @click.option("--subscriber", metavar="EMAIL", help="Only those of one subscriber.")
    @click.option("--domain", metavar="NAME", help="Only those to addresses of one domain.")
    @wraps(command)
    def reading(
        *arguments: Any,
        status: str | None,
        kind: str | None,
        edition: date | None,
        subscriber: str | None,
        domain: str | None,
        **others: Any,
    ) -> None:
        def which(app: App) -> Which:
            return Which(
                status=DeliveryStatus(status) if status else None,
                kind=kind or "",
                edition=_existing(app, edition) if edition else None,
                subscriber_id=found(app, subscriber).id if subscriber else None,
                domain=domain_of(f"@{domain.rpartition('@')[2]}") if domain else "",
            )

        command(*arguments, which=which, **others)

    return reading


def _existing(app: App, day: date) -> date:
    if not app.storage.editions.exists(day):
        raise UsageError(f"{day} has no edition; `newsletter editions list` shows which dates have")
    return day


@click.group()
def deliveries() -> None:
    """Look at the ledger, or try again."""


@deliveries.command("list")
@_chosen
@limit_option
@json_option
@click.pass_obj
def list_deliveries(context: Context, which: Callable[[App], Which], limit: int, as_json: bool) -> None:
    """The newest deliveries, with the last answer to each. Filters can be combined."""
    listed = context.looking.storage.listing.all(which(context.looking), limit)
    if as_json:
        show_json_list(map(asdict, listed))
        return
    show_table(
        ("ID", "KIND", "STATUS", "EMAIL", "UP TO", "ATTEMPTS", "TRIED", "DUE", "ANSWER"),
        [
            (d.id, d.kind, d.status, d.email, d.upto, d.attempts, _short(d.tried), _short(_next(d)), d.reply)
            for d in listed
        ],
    )


def _next(entry: Entry) -> datetime | None:
    """When it is due, if it is still to come."""
    return entry.due if entry.ended is None else None


def _short(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M}" if moment else ""


@deliveries.command()
@click.argument("number", metavar="ID", type=click.IntRange(1))
@json_option
@click.pass_obj
def show(context: Context, number: int, as_json: bool) -> None:
    """All about one delivery: what it holds, how it went, what came back, and what becomes of it."""
    story = context.looking.storage.listing.story(number)
    if story is None:
        raise UsageError(f"there is no delivery {number}; `newsletter deliveries list` shows which there are")
    if as_json:
        show_json(asdict(story))
        return
    for name, text in _tell(story, context.looking):
        click.echo(INVISIBLE.sub("", f"{name:12} {text}"))


def _tell(story: Story, app: App) -> list[tuple[str, str]]:
    entry, now = story.entry, app.now()
    rests = [pause for pause in app.storage.pace.pauses() if now < pause.until and pause.domain in (ALL, entry.domain)]
    lines = [
        ("delivery", f"{entry.id}, {entry.kind}, {entry.status}"),
        ("to", _whom(entry)),
        ("message id", f"<{entry.message_id}>"),
    ]
    if entry.kind == "single":
        lines.append(("says", story.template or "forgotten"))
    else:
        lines += [
            ("holds", ", ".join(map(str, story.editions)) or f"nothing that is still there, up to {entry.upto}"),
            ("chosen", "; ".join(story.topics) or "all topics"),
        ]
    lines += [
        ("queued", f"{_utc(entry.queued)}, expires {_utc(entry.expires)}"),
        ("attempts", _attempts(entry)),
        *((("ended", _utc(entry.ended)),) if entry.ended else ()),
        ("answer", entry.reply or "none"),
        *(
            ("came back", f"{_utc(one.at)}, {one.kind} ({one.proof}) {one.status} {one.text}")
            for one in story.came_back
        ),
        *(("see also", f"{one.id}, {one.kind}, {one.status}, up to {one.upto}") for one in story.others),
        *(("waits", _rest(pause)) for pause in rests if entry.status in WAITING),
        ("next", _what_next(entry, now)),
    ]
    return lines


def _whom(entry: Entry) -> str:
    if not entry.email:
        return "somebody who was removed"
    whose = f"subscriber {entry.subscriber_id}" if entry.subscriber_id is not None else "no subscriber"
    return f"{entry.email} ({whose}; {entry.domain or 'domain not noted'})"


def _attempts(entry: Entry) -> str:
    if entry.tried is None:
        return str(entry.attempts)
    unknown = f", {entry.unknowns} without an answer" if entry.unknowns else ""
    return f"{entry.attempts}{unknown}; the last {_utc(entry.tried)}"


def _what_next(entry: Entry, now: datetime) -> str:
    match entry.status:
        case DeliveryStatus.SENDING:
            return "a sender has it; if that was killed, it is sent again with the same Message-ID"
        case DeliveryStatus.QUEUED | DeliveryStatus.DEFERRED if entry.expires <= now:
            return "too old; the next run of the sender says what becomes of it"
        case DeliveryStatus.QUEUED | DeliveryStatus.DEFERRED:
            return "due now" if entry.due <= now else f"due {_utc(entry.due)}; `newsletter deliveries retry {entry.id}`"
        case DeliveryStatus.EXPIRED if entry.kind == "digest":
            return "nothing; what it held comes in their next digest, or has come"
        case _ if entry.kind == "single" or not entry.email:
            return "nothing"
        case _:
            return f"nothing; `newsletter editions resend {entry.upto} --subscriber {entry.email}` sends it again"


def _rest(pause: Pause) -> str:
    return f"mail to {pause.domain or 'all domains'} rests until {_utc(pause.until)}: {pause.reply}"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


@deliveries.command()
@click.argument("numbers", metavar="[ID]...", nargs=-1, type=click.IntRange(1))
@_chosen
@click.pass_obj
def retry(context: Context, numbers: tuple[int, ...], which: Callable[[App], Which]) -> None:
    """Make what waits for a later moment due at once; `deliver` sends it.

    By default that is all of it; else deliveries by their numbers, or those that the filters leave. Attempts go on
    counting, and a mail keeps its Message-ID. What was sent, bounced, suppressed or has expired is not tried again:
    `newsletter editions resend` sends an edition again, as a new mail. Exit status 1 if that was asked for by number.
    """
    meant = which(context.app)
    if numbers and meant != Which():
        raise click.UsageError("say which by numbers, or by filters")
    if meant.status is not None and meant.status not in WAITING:
        raise UsageError(_not_again(meant.status))
    _report(retry_verb(context.app, Which(ids=numbers) if numbers else meant))


def _not_again(status: DeliveryStatus) -> str:
    if status is DeliveryStatus.SENDING:
        return "what is being sent is left to the sender, which goes on with it by itself"
    return (
        f"what is {status} is not tried again (allowed: {', '.join(WAITING)}); `newsletter editions resend DATE`"
        " sends an edition again"
    )


def _report(again: Again) -> None:
    retried = again.retried
    click.echo(f"{_number(retried.number)} due again; `newsletter deliver` sends them.")
    if retried.already:
        click.echo(f"{_number(retried.already)} due already.")
    if retried.too_old:
        click.echo(f"{retried.too_old} of them expired by now: what those hold comes in the next digests instead.")
    for pause in again.lifted:
        click.echo(INVISIBLE.sub("", f"Lifted: {_rest(pause)}"))
    if again.left:
        left = ", ".join(f"{number} {status}" for status, number in again.left.items())
        click.echo(f"Left as they are: {left}. `newsletter editions resend` sends an edition again.")
    for number, reason in again.refused:
        click.echo(f"delivery {number} is not tried again: {INVISIBLE.sub('', reason)}", err=True)
    if again.refused:
        sys.exit(1)


def _number(number: int) -> str:
    return "1 delivery is" if number == 1 else f"{number} deliveries are"


COMMANDS = (deliveries,)

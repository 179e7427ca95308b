"""`newsletter editions`: what was announced, and sending it again."""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date

import click

from newsletter import accounts
from newsletter.cli.context import Context, DateType, json_option, show_json, show_table
from newsletter.cli.deliveries import limit_option
from newsletter.errors import UsageError
from newsletter.resending import Resent, Whom
from newsletter.resending import resend as resend_verb
from newsletter.text import readable


@click.group()
def editions() -> None:
    """List the editions, show one, or send one again."""


@editions.command("list")
@limit_option
@json_option
@click.pass_obj
def list_editions(context: Context, limit: int, as_json: bool) -> None:
    """Every date with what its edition announced, or why it has none."""
    days = accounts.days(context.looking, limit)
    if as_json:
        show_json([asdict(day) for day in days])
        return
    rows = [
        (day.date, ", ".join(f"{number} {kind}" for kind, number in day.counts.items()) or "no edition", day.reason)
        for day in days
    ]
    show_table(("DATE", "ANNOUNCED", "REASON"), rows)


@editions.command("show")
@click.argument("day", metavar="DATE", type=DateType())
@json_option
@click.pass_obj
def show_edition(context: Context, day: date, as_json: bool) -> None:
    """What the edition of DATE announced, how it was fetched, what became of every paper, and of its digests.

    Where DATE has no edition, why not.
    """
    app = context.looking
    shown = accounts.edition(app, day)
    if not shown.exists and not shown.fetches:
        raise UsageError(f"{day} has no edition: nothing was fetched for it")
    if as_json:
        show_json(asdict(shown))
        return
    if not shown.exists:
        click.echo(f"no edition   {shown.reason}")
    for fetch in shown.fetches:
        click.echo(f"fetched      {fetch.record.ended:%Y-%m-%d %H:%M} UTC, {fetch.record.state}: {fetch.record.reason}")
        for remark in fetch.record.remarks:
            click.echo(f"remark       {remark}")
    digests = ", ".join(f"{number} {status}" for status, number in shown.deliveries.items())
    click.echo(f"digests      {digests or 'none'}\n")
    asked = [account for fetch in shown.fetches for account in fetch.accounts]
    columns = ("matched", "received", "unreadable", "repeated", "outside", "dropped", "known", "news")
    show_table(
        ("SOURCE", *(name.upper() for name in columns), "ASKED FOR", "ERROR"),
        [(one.source, *(getattr(one, name) for name in columns), one.asked, one.error) for one in asked],
    )
    click.echo("")
    show_table(
        ("TOPIC", "CANDIDATES", "SETTLED BEFORE", "NEW", "REVISED", "WITHDRAWN", "PASSED OVER"),
        [
            (one.topic, one.candidates, one.settled, one.new, one.revised, one.withdrawn, one.passed_over)
            for one in shown.topics
        ],
    )
    click.echo("")
    show_table(
        ("TOPIC", "KIND", "PAPER", "TITLE"),
        [(one.topic, one.kind, one.paper, readable(one.title)) for one in shown.announced],
    )


@editions.command()
@click.argument("day", metavar="DATE", type=DateType())
@click.option("--all", "everybody", is_flag=True, help="To every confirmed reader.")
@click.option("--failed", is_flag=True, help="To those whose digest of it bounced or expired.")
@click.option("--subscriber", "emails", metavar="EMAIL", multiple=True, help="To this one; may be given again.")
@click.option("--dry-run", is_flag=True, help="Say to how many; queue nothing.")
@click.option("--yes", is_flag=True, help="Do not ask, with --all.")
@click.pass_obj
def resend(
    context: Context, day: date, everybody: bool, failed: bool, emails: tuple[str, ...], dry_run: bool, yes: bool
) -> None:
    """Queue the edition of DATE again; `deliver` sends it.

    Each reader gets what their digest of it held, as a new mail. Who had no digest of it gets the edition by what they
    chose now. Left out, and named: who is not a reader or is suppressed, whose digest of it is still on its way or to
    come, whose repeat of it waits or has just been sent. Exit status 1 if that is somebody who was asked for by name.
    """
    if sum((everybody, failed, bool(emails))) != 1:
        raise click.UsageError("say to whom: one of --all, --failed and --subscriber EMAIL")
    whom: Whom | Sequence[str] = emails or (Whom.ALL if everybody else Whom.FAILED)
    if dry_run or (everybody and not yes):
        resent = resend_verb(context.looking if dry_run else context.app, day, whom, dry_run=True)
        if dry_run:
            _tell(day, resent, "would be queued. Nothing was.", whom)
            return
        _ask(day, resent)
    _tell(day, resend_verb(context.app, day, whom), "queued; `newsletter deliver` sends them.", whom)


def _ask(day: date, resent: Resent) -> None:
    if not sys.stdin.isatty():
        raise UsageError("a mail that went out cannot be taken back: say --yes")
    click.confirm(f"Send the edition of {day} again to {_readers(resent.queued)}?", abort=True, err=True)


def _tell(day: date, resent: Resent, done: str, whom: Whom | Sequence[str]) -> None:
    click.echo(f"{day}: {'repeat' if resent.queued == 1 else 'repeats'} for {_readers(resent.queued)} {done}")
    for reason, group in resent.left_out.items():
        more = ", …" if group.number > len(group.named) else ""
        click.echo(f"Not to {_readers(group.number)}, {reason}: {', '.join(group.named)}{more}", err=True)
    if resent.left_out and not isinstance(whom, Whom):
        sys.exit(1)


def _readers(number: int) -> str:
    return f"{number} {'reader' if number == 1 else 'readers'}"


COMMANDS = (editions,)

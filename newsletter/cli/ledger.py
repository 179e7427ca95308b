"""`newsletter editions`, `deliveries` and `status`: what was announced, what became of it, how things stand."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date

import click

from newsletter import accounts
from newsletter import status as standing
from newsletter.cli.context import Context, DateType, json_option, show_json, show_table
from newsletter.errors import UsageError
from newsletter.model import DeliveryStatus, Status
from newsletter.text import readable

_limit = click.option(
    "--limit", type=click.IntRange(1, 1_000_000), default=30, show_default=True, help="How many, newest first."
)


@click.group()
def editions() -> None:
    """List the editions, or show one."""


@editions.command("list")
@_limit
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


@click.group()
def deliveries() -> None:
    """Look at the ledger, or try again."""


@deliveries.command("list")
@click.option("--status", type=click.Choice([status.value for status in DeliveryStatus]), help="Only those.")
@_limit
@json_option
@click.pass_obj
def list_deliveries(context: Context, status: str | None, limit: int, as_json: bool) -> None:
    """The newest deliveries, with the last answer to each."""
    found = context.looking.storage.deliveries.all(DeliveryStatus(status) if status else None, limit)
    if as_json:
        show_json([asdict(delivery) for delivery in found])
        return
    show_table(
        ("ID", "STATUS", "EMAIL", "UP TO", "ATTEMPTS", "DUE", "ANSWER"),
        [(d.id, d.status, d.email, d.upto, d.attempts, f"{d.due:%Y-%m-%d %H:%M}", d.reply) for d in found],
    )


@deliveries.command()
@click.pass_obj
def retry(context: Context) -> None:
    """Make everything that is deferred due at once; `deliver` sends it."""
    with context.app.storage.write():
        number = context.app.storage.deliveries.retry(context.app.now())
    click.echo(f"{number} deliveries are due again; `newsletter deliver` sends them.")


@click.command()
@json_option
@click.pass_obj
def status(context: Context, as_json: bool) -> None:
    """What ran, what is due, what is ill and why. Exit status 1 if something is overdue."""
    app = context.looking
    if not app.storage.database.exists:
        _show_nothing(as_json=as_json)
        return
    report = standing.report(app)
    if as_json:
        show_json({"database": app.config.newsletter.database, **asdict(report)})
    else:
        _show_status(report)
    if report.overdue:
        sys.exit(1)


def _show_nothing(*, as_json: bool) -> None:
    if as_json:
        show_json({"database": None})
    else:
        click.echo("database     none yet; `newsletter run`, `publish` or `subscribers add` makes it")


def _show_daemon(report: standing.Report) -> None:
    run, heart = report.jobs.get("run"), report.jobs.get("heartbeat")
    if run is None:
        return
    if not report.running:
        click.echo(f"daemon       not running; {'stopped' if run.ended else 'last seen'} {run.seen:%Y-%m-%d %H:%M} UTC")
        return
    ago = f", last beat {(report.now - heart.seen).total_seconds():.0f} s ago" if heart else ""
    click.echo(f"daemon       process {run.pid} since {run.began:%Y-%m-%d %H:%M} UTC{ago}")
    if report.publishing and report.attempt is not None:
        click.echo(f"at work      on the edition of {report.attempt.day} since {report.attempt.began:%H:%M} UTC")
    elif report.turn is not None:
        at = "now" if report.turn.at <= report.now else f"{report.turn.at:%Y-%m-%d %H:%M} UTC"
        click.echo(f"next         {at}, the edition of {report.turn.day}: {report.turn.why}")


def _show_status(report: standing.Report) -> None:
    def counted(counts: Mapping[Status, int] | Mapping[DeliveryStatus, int]) -> str:
        return ", ".join(f"{number} {name}" for name, number in counts.items()) or "none"

    _show_daemon(report)
    click.echo(f"edition      {report.newest_edition or 'none yet'}")
    if report.last_fetch is None:
        click.echo("last fetch   never")
    else:
        click.echo(f"last fetch   {report.last_fetch.ended:%Y-%m-%d %H:%M} UTC, {report.last_fetch.state}")
        click.echo(f"             {report.last_fetch.reason}")
    click.echo(
        f"arXiv        announced {report.last_batch:%A %Y-%m-%d %H:%M} UTC, by its calendar;"
        f" next {report.next_batch:%A %Y-%m-%d %H:%M} UTC"
    )
    click.echo(f"subscribers  {counted(report.subscribers)}; {report.suppressed} suppressed")
    if report.bounces or report.suspended:
        back = ", ".join(f"{number} {kind}" for kind, number in report.bounces.items()) or "none"
        click.echo(f"came back    {back}, in 7 days; {report.suspended} readers suspended")
    click.echo(f"deliveries   {counted(report.deliveries)}")
    if report.next_due:
        click.echo(f"next due     {report.next_due:%Y-%m-%d %H:%M} UTC")
    for remark in report.remarks:
        click.echo(f"remark       {remark}")
    for overdue in report.overdue:
        click.echo(f"OVERDUE      {overdue}")


COMMANDS = (editions, deliveries, status)

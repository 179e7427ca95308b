"""`newsletter status`: how things stand."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from datetime import datetime

import click

from newsletter import status as standing
from newsletter.cli.bars import duration, in_words
from newsletter.cli.context import Context, json_option, show_json
from newsletter.model import DeliveryStatus, Status
from newsletter.text import readable

_SILENT = 60.0  # seconds; a server may take ten minutes to answer


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
        left = report.going.time_left if report.going is not None else None
        seconds = {"seconds_left": left.total_seconds() if left is not None else None}
        show_json({"database": app.config.newsletter.database, **asdict(report), **seconds})
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


def _show_queue(report: standing.Report) -> None:
    """What waits, what goes out, and what keeps it back."""
    if report.next_due and report.queue_age:
        click.echo(f"due since    {report.next_due:%Y-%m-%d %H:%M} UTC, {duration(report.queue_age)} ago")
    elif report.next_due:
        click.echo(f"next due     {report.next_due:%Y-%m-%d %H:%M} UTC")
    for line in _about_run(report):
        click.echo(f"sending      {line}")
    for pause in report.pauses:
        click.echo(f"paused       {pause.domain or 'all digests'} until {_when(pause.until)}: {readable(pause.reply)}")


def _about_run(report: standing.Report) -> Iterator[str]:
    run = report.run
    if run is None:
        return
    if run.ended is not None:  # what the last one was held back by still holds
        if run.held_back and run.held_until is not None and run.held_until > report.now:
            yield f"held back until {_when(run.held_until)}: {run.held_back}"
        return
    if not report.sending:
        yield f"process {run.pid} is gone since {_when(run.seen)} without having ended; the next one goes on"
    elif report.going:
        yield in_words(run)
        silent = (report.now - run.seen).total_seconds()
        if silent >= _SILENT:
            yield f"nothing was heard for {duration(silent)}"
        if run.held_back:
            yield f"held back{f' until {_when(run.held_until)}' if run.held_until else ''}: {run.held_back}"


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


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
    _show_queue(report)
    for remark in report.remarks:
        click.echo(f"remark       {remark}")
    for overdue in report.overdue:
        click.echo(f"OVERDUE      {overdue}")


COMMANDS = (status,)

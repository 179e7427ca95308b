"""`newsletter publish` and its stages."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import date

import click

from newsletter import archiving
from newsletter import publish as verbs
from newsletter.archive import Outcome
from newsletter.cli.context import Context, DateType
from newsletter.cli.logs import in_the_log
from newsletter.daemon.child import stop_on_signal, tie
from newsletter.delivery import Tally, Work
from newsletter.errors import SourceError
from newsletter.fetching import fetch as fetch_verb
from newsletter.model import DeliveryStatus, HarvestState


@click.command()
@click.option("--date", "day", type=DateType(), metavar="DATE", help="The edition's date; today's by default.")
@click.option("--dry-run", is_flag=True, help="Say what would be announced and to how many; write and send nothing.")
@click.pass_obj
def publish(context: Context, day: date | None, dry_run: bool) -> None:
    """Make a date's edition: fetch, select, queue, deliver what is due, archive.

    Run again, it sends and commits nothing twice and finishes what was left.
    """
    app = context.app
    with ExitStack() as stack:
        fetched = stack.enter_context(context.progress("Fetching", "topics"))
        if dry_run:
            report = verbs.rehearse(app.config, app.outside, day or app.today(), fetched)
        else:
            report = verbs.publish(app, day or app.today(), fetched=fetched, work=_watched(context, stack))
    for line in describe(report, dry_run=dry_run):
        click.echo(line)
    for failure in report.failures[1:]:
        click.echo(f"newsletter: {failure}", err=True)
    if report.failed is not None:
        raise report.failed


@click.command()
@click.pass_obj
def fetch(context: Context) -> None:
    """Fetch alone: ask arXiv for every topic and keep what is new for the next edition."""
    app = context.app
    with context.progress("Fetching", "topics") as progress, verbs.publishing(app):
        record = fetch_verb(app, app.today(), progress)
    if record.state is HarvestState.FAILED:
        raise SourceError(f"nothing was fetched: {record.reason}")
    click.echo(f"{record.state}: {record.reason}; {record.requests} requests")


@click.command()
@click.option("--wait", "stay", is_flag=True, help="Stay, and send what becomes due, until told to stop.")
@click.option("--tied", is_flag=True, hidden=True, help="As a part of `newsletter run`: stay, and end with it.")
@click.pass_obj
def deliver(context: Context, stay: bool, tied: bool) -> None:
    """Deliver alone: send what is due now."""
    if tied:
        _deliver_tied(context)
        return
    if stay and not context.is_watched and not context.quiet:  # a service: its log tells how it goes
        logging.getLogger().setLevel(min(logging.INFO, logging.getLogger().level))
    with ExitStack() as stack:
        tally = verbs.deliver(context.app, stay=stay, work=_watched(context, stack))
    click.echo(_describe_tally(tally))


@in_the_log
def _deliver_tied(context: Context) -> None:
    tie()
    with stop_on_signal() as stop:
        verbs.deliver(context.app, stay=True, work=lambda work: replace(work, stop=stop))


@click.command()
@click.pass_obj
def archive(context: Context) -> None:
    """Archive alone: write README and edition pages, and commit them if something changed."""
    with verbs.publishing(context.app):
        outcome = archiving.archive(context.app)
    click.echo(_describe_archive(outcome))


def describe(report: verbs.Report, *, dry_run: bool) -> list[str]:
    """A publish in a few lines."""
    lines = []
    if report.harvest is None:
        lines.append(f"{report.day} has its edition already; nothing was fetched.")
    elif report.decision.edition is None:
        lines.append(f"{report.day}: no edition. {report.harvest.reason}")
    else:
        counts = ", ".join(f"{number} {kind}" for kind, number in report.decision.counts.items())
        lines.append(f"{report.day}: {counts}. Fetched: {report.harvest.state}: {report.harvest.reason}")
    if dry_run:
        lines.append(f"Would be sent to {report.decision.queued}. This was a rehearsal: nothing was written or sent.")
    else:
        lines.append(_describe_tally(report.tally))
        if report.archived is not None:
            lines.append(_describe_archive(report.archived))
    return lines


def _describe_tally(tally: Tally) -> str:
    words = [f"{tally[status]} {status}" for status in DeliveryStatus if tally[status]]
    until = f" until {tally.held_until:%Y-%m-%d %H:%M} UTC" if tally.held_until else ""
    held = f"; the rest waits{until}: {tally.held_back}" if tally.held_back else ""
    return f"Mail: {', '.join(words) or ('nothing was sent' if held else 'nothing was due')}{held}."


def _describe_archive(outcome: Outcome) -> str:
    if outcome.commit is None:
        return "Archive: unchanged" + (", pushed." if outcome.pushed else ".")
    return f"Archive: commit {outcome.commit[:12]}" + (", pushed." if outcome.pushed else ".")


def _watched(context: Context, stack: ExitStack) -> Callable[[Work], Work]:
    """Add a progress bar and a clean end on SIGTERM to a delivery run, for as long as `stack` lives."""

    def add(work: Work) -> Work:
        return replace(work, stop=stack.enter_context(stop_on_signal()), show=stack.enter_context(context.sending()))

    return add


COMMANDS = (publish, fetch, deliver, archive)

"""`newsletter publish` and its stages."""

from contextlib import ExitStack
from datetime import date

import click

from newsletter import archiving
from newsletter import publish as verbs
from newsletter.archive import Outcome
from newsletter.cli.context import Context, DateType
from newsletter.cli.delivering import describe_tally, watched
from newsletter.errors import SourceError
from newsletter.fetching import fetch as fetch_verb
from newsletter.model import HarvestState


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
            report = verbs.publish(app, day or app.today(), fetched=fetched, work=watched(context, stack))
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
        lines.append(describe_tally(report.tally))
        if report.archived is not None:
            lines.append(_describe_archive(report.archived))
    return lines


def _describe_archive(outcome: Outcome) -> str:
    if outcome.commit is None:
        return "Archive: unchanged" + (", pushed." if outcome.pushed else ".")
    return f"Archive: commit {outcome.commit[:12]}" + (", pushed." if outcome.pushed else ".")


COMMANDS = (publish, fetch, archive)

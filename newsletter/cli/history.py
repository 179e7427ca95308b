"""`newsletter import-readme` and `backfill`: papers that come into history and archive without being mailed."""

from datetime import date
from pathlib import Path

import click

from newsletter import archiving, backfilling, importing
from newsletter import publish as verbs
from newsletter.backfilling import Filled
from newsletter.cli.context import Context, DateType
from newsletter.errors import BusyError, RunError, SourceError, UsageError
from newsletter.locks import hold
from newsletter.storage.backfills import Course

_FIRST_DATE = date(1991, 8, 14)  # arXiv's first day


@click.command("import-readme")
@click.argument("place", metavar="FILE_OR_REPOSITORY", type=click.Path(path_type=Path, exists=True))
@click.pass_obj
def import_readme(context: Context, place: Path) -> None:
    """Take over the README that another program kept, so that nothing it showed is mailed again.

    It is a README.md whose headings are topics, each with a table of papers. Of a folder its README.md is read, and, if
    it lies in a git repository (or is a bare one), every README.md in its history. What they show is passed over under
    the topic of the same name, and stands in the archive. Where the newest table of a topic holds 10 rows or more,
    what was submitted before its oldest row is passed over too: a list that is cut shows only the newest.

    A row that cannot be read is reported with its line, the rest goes in, and the exit status is 1. Run again, it
    changes nothing.
    """
    with context.progress("Reading", "READMEs") as progress, verbs.publishing(context.app):
        done = importing.import_readme(
            context.app, place, complain=lambda reason: click.echo(reason, err=True), progress=progress
        )
    for taken in done.topics:
        horizon = f"; what was submitted before {taken.horizon:%Y-%m-%d} counts as shown" if taken.horizon else ""
        click.echo(f"{taken.topic}: {taken.versions} paper versions taken over{horizon}.")
    for name, rows in done.strangers.items():
        click.echo(f"{name}: left out, {rows} rows: config.toml has no such topic.")
    if not any(taken.versions for taken in done.topics):
        click.echo("Nothing changed: there was nothing that is not here already.")
    if done.bad:
        raise RunError(f"{place}: {done.bad} rows were not taken")


@click.command()
@click.option("--since", type=DateType(), required=True, metavar="DATE", help="From which first submissions on.")
@click.option("--topic", "names", multiple=True, metavar="NAME", help="A topic; all by default. May be repeated.")
@click.pass_obj
def backfill(context: Context, since: date, names: tuple[str, ...]) -> None:
    """Fill history and archive for the time before a topic began, without mailing.

    arXiv is asked for 30 days of submissions at a time, up to 8 days before the topic began: what is newer comes with
    the daily fetch. Interrupted, it goes on where it was when it is run again with the same date.
    """
    app = context.app
    if not _FIRST_DATE <= since <= app.today():
        raise UsageError(f"--since {since}: there is nothing from then on (allowed: {_FIRST_DATE} to {app.today()})")
    failures: list[RunError] = []
    # A publish may go on meanwhile: what it is to decide on is left to it.
    with hold(app.lock_file("backfill"), "backfilling"), context.progress("Asking", "months") as progress:
        courses = backfilling.plan(app, since, names)
        done, total = 0, sum(backfilling.slices(course) for _, course in courses)
        progress(done, total)

        def step() -> None:
            nonlocal done
            done += 1
            progress(done, total)

        for topic, course in courses:
            filled = backfilling.fill(app, topic, course, step)
            click.echo(_describe(filled, course))
            if filled.error:
                failures.append(_failure(filled))
                break
        try:
            with verbs.publishing(app):
                outcome = archiving.archive(app)
            click.echo(f"Archive: {f'commit {outcome.commit[:12]}' if outcome.commit else 'unchanged'}.")
        except BusyError as error:
            click.echo(f"Archive: left to the next edition, since {error}.")
        except RunError as error:
            failures.append(error)
    for failure in failures[1:]:
        click.echo(f"newsletter: {failure}", err=True)
    if failures:
        raise failures[0]


def _describe(filled: Filled, before: Course) -> str:
    since, upto = f"{before.since:%Y-%m-%d}", f"{before.upto:%Y-%m-%d}"
    if before.upto <= before.since:
        return f"{filled.topic}: nothing to fill; what was submitted after {upto} comes with the daily fetch."
    if before.upto <= before.reached:
        return f"{filled.topic}: complete from {since} to {upto}; nothing was asked."
    left = f", {filled.left} left to the daily fetch" if filled.left else ""
    return (
        f"{filled.topic}: {since} to {filled.course.reached:%Y-%m-%d}: {filled.received} received, {filled.kept} kept, "
        f"{filled.known} held already, {filled.dropped} dropped{left}; {filled.requests} requests."
    )


def _failure(filled: Filled) -> SourceError:
    reached = f"{filled.course.reached:%Y-%m-%d}"
    return SourceError(
        f"{filled.topic}: from {reached} on nothing came: {filled.error}; run it again to go on from there"
    )


COMMANDS = (import_readme, backfill)

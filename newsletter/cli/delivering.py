"""`newsletter deliver`, and what `publish` says of it too."""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

import click

from newsletter import sending
from newsletter.cli.context import Context
from newsletter.cli.logs import in_the_log
from newsletter.daemon.child import stop_on_signal, tie
from newsletter.delivery import Tally, Work
from newsletter.model import DeliveryStatus


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
        tally = sending.deliver(context.app, stay=stay, work=watched(context, stack))
    click.echo(describe_tally(tally))


@in_the_log
def _deliver_tied(context: Context) -> None:
    tie()
    with stop_on_signal() as stop:
        sending.deliver(context.app, stay=True, work=lambda work: replace(work, stop=stop))


def describe_tally(tally: Tally) -> str:
    """What a run came to, in a line."""
    words = [f"{tally[status]} {status}" for status in DeliveryStatus if tally[status]]
    told = " until " in tally.held_back
    until = f" until {tally.held_until:%Y-%m-%d %H:%M} UTC" if tally.held_until and not told else ""
    held = f"; the rest waits{until}: {tally.held_back}" if tally.held_back else ""
    return f"Mail: {', '.join(words) or ('nothing was sent' if held else 'nothing was due')}{held}."


def watched(context: Context, stack: ExitStack) -> Callable[[Work], Work]:
    """Add a progress bar and a clean end on SIGTERM to a delivery run, for as long as `stack` lives."""

    def add(work: Work) -> Work:
        return replace(work, stop=stack.enter_context(stop_on_signal()), show=stack.enter_context(context.sending()))

    return add


COMMANDS = (deliver,)

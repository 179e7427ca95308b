"""`newsletter run`, and the part of it that keeps the beat."""

import time

import click

from newsletter import daemon
from newsletter.cli.context import Context
from newsletter.cli.logs import in_the_log
from newsletter.daemon.child import leave_on_signal, stop_on_signal, tie
from newsletter.journal import DELIVER, HEARTBEAT, SERVE


@click.command()
@click.pass_obj
@in_the_log
def run(context: Context) -> None:
    """Publish every day, deliver, and serve the web front if [web] is set, until told to stop (SIGTERM, or Ctrl-C).

    The edition is begun at `publish_at`. If there is none yet, arXiv is asked again until `publish_until`. `newsletter
    status`, from anywhere, tells how it goes.
    """
    commands = {HEARTBEAT: context.program("heartbeat"), DELIVER: context.program("deliver", "--tied")}
    if context.app.config.web is not None:
        commands[SERVE] = context.program("serve", "--tied")
    with stop_on_signal() as stop:
        daemon.run(context.app, commands, stop.within, time.monotonic)


@click.command(hidden=True)
@click.pass_obj
@in_the_log
def heartbeat(context: Context) -> None:
    """Begin what is due, again and again: a part of `newsletter run`, which starts it."""
    from newsletter.daemon.heartbeat import Heartbeat

    with leave_on_signal() as told_to_stop_within:
        tie()
        Heartbeat(context.app, told_to_stop_within).run()


COMMANDS = (run, heartbeat)

"""`newsletter run`, and the part of it that keeps the beat."""

import signal
import sys
import time

import click

from newsletter import daemon
from newsletter.cli.context import Context, stop_on_signal
from newsletter.cli.logs import in_the_log
from newsletter.daemon.supervisor import tie


@click.command()
@click.pass_obj
@in_the_log
def run(context: Context) -> None:
    """Publish every day, and deliver, until told to stop (SIGTERM, or Ctrl-C).

    The edition is begun at `publish_at`. If there is none yet, arXiv is asked again until `publish_until`. `newsletter
    status`, from anywhere, tells how it goes.
    """
    commands = {"heartbeat": context.program("heartbeat"), "deliver": context.program("deliver", "--tied")}
    with stop_on_signal() as stop:
        daemon.run(context.app, commands, stop.wait, time.monotonic)


@click.command(hidden=True)
@click.pass_obj
@in_the_log
def heartbeat(context: Context) -> None:
    """Begin what is due, again and again: a part of `newsletter run`, which starts it."""
    from newsletter.daemon.heartbeat import Heartbeat

    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: leaving takes locks and transactions down in order
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.exit(0)

    signal.signal(signal.SIGTERM, leave)
    signal.signal(signal.SIGINT, leave)
    tie()

    def rest(seconds: float) -> bool:
        time.sleep(max(seconds, 0))
        return False

    Heartbeat(context.app, rest).run()


COMMANDS = (run, heartbeat)

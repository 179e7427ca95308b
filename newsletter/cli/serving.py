"""`newsletter serve`: the web front."""

import click

from newsletter.cli.context import Context
from newsletter.cli.logs import in_the_log
from newsletter.daemon.child import stop_on_signal, tie


@click.command()
@click.option("--tied", is_flag=True, hidden=True, help="As a part of `newsletter run`: end with it.")
@click.pass_obj
@in_the_log
def serve(context: Context, tied: bool) -> None:
    """Serve the web front alone, until told to stop (SIGTERM, or Ctrl-C): editions, search, feeds, subscribing.

    [web] in config.toml says where it listens; with that table, `newsletter run` serves it, too.
    """
    from newsletter.web.serving import serve as verb  # Flask, which no other command needs

    if tied:
        tie()
    with stop_on_signal() as stop:
        verb(context.app, stop.within)


COMMANDS = (serve,)

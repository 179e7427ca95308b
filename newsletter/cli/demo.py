"""`newsletter demo`: two days without a network."""

import shutil
import sys
from pathlib import Path

import click


@click.command()
@click.argument("folder", metavar="[DIR]", default="demo", type=click.Path(path_type=Path, file_okay=False))
def demo(folder: Path) -> None:
    """Bring out two editions in DIR (default: demo), with a local arXiv and a local mail server.

    Papers and people are invented and no network is used. Run again, it empties DIR and begins anew; a folder that
    holds something else is left alone.
    """
    from newsletter.demo.day import run_demo  # an HTTP and an SMTP server, which no other command needs

    run_demo(folder, click.echo, program=_program())


def _program() -> str:
    """How to call this program, so that a line that is shown can be run as it stands."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "newsletter" and not shutil.which("newsletter") else "newsletter"


COMMANDS = (demo,)

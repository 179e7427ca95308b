"""`newsletter init`: a folder to begin with."""

import shutil
from pathlib import Path

import click

from newsletter.app import App
from newsletter.config import load
from newsletter.errors import UsageError
from newsletter.resources import resource

_IGNORED = ("*.db", "*.db-*", "*.db.*", "*.pem", "/outbox/", "/archive/")


@click.command()
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Write config.toml, .gitignore, and the archive repository into DIR (default: here)."""
    target = folder / "config.toml"
    if target.exists():
        raise UsageError(f"{target} is there already; it was left as it is")
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(resource("config.toml"), target)
    _ignore(folder / ".gitignore")
    app = App(load(target))
    app.archive.keep({}, "")
    click.echo(f"Wrote {target}, .gitignore, and the archive repository in {folder / app.config.archive.path.name}.")
    click.echo("Next: put your topics and sender into config.toml, then")
    click.echo("  newsletter subscribers add YOU@EXAMPLE.ORG --confirmed")
    click.echo("  newsletter publish")


def _ignore(path: Path) -> None:
    present = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    missing = [line for line in _IGNORED if line not in present]
    if missing:
        lines = [*present, "# Personal data and keys never go into git.", *missing]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


COMMANDS = (init,)

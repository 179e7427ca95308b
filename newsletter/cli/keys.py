"""`newsletter keys`: what the links in mails are made with."""

import click

from newsletter.cli.context import Context, json_option, show_json, show_table
from newsletter.errors import UsageError


@click.group()
def keys() -> None:
    """The keys of the links in mails, and of the addresses they come back to: list, rotate, retire."""


@keys.command("list")
@json_option
@click.pass_obj
def list_(context: Context, as_json: bool) -> None:
    """The keys there are, by version; what they are is never shown."""
    versions = sorted(context.looking.storage.keys.tokens())
    rows = [{"version": version, "makes": version == versions[-1], "reads": True} for version in versions]
    if as_json:
        show_json(rows)
    else:
        show_table(
            ("VERSION", "USE"),
            [(row["version"], "makes links, and reads them" if row["makes"] else "reads links") for row in rows],
        )


@keys.command()
@click.pass_obj
def rotate(context: Context) -> None:
    """Make a new key for what is mailed from now on. The old ones go on reading what they made, for years."""
    storage = context.app.storage
    with storage.write():
        if max(storage.keys.tokens()) == 255:
            raise UsageError("there are no more than 255 keys in the life of a newsletter")
        version = storage.keys.rotate()
    click.echo(f"Key {version} makes links from now on, and all before it still read theirs.")
    click.echo("What runs (`newsletter run`, `newsletter serve`) uses it once it is restarted.")


@keys.command()
@click.argument("version", type=click.IntRange(1, 255))
@click.option("--yes", is_flag=True, help="Do it; without this, it says what would stop working.")
@click.pass_obj
def retire(context: Context, version: int, yes: bool) -> None:
    """Forget the key of VERSION, if somebody may have got at it: whatever it made stops working."""
    app = context.app
    with app.storage.write():
        versions = sorted(app.storage.keys.tokens())
        if version not in versions:
            raise UsageError(f"there is no key {version} (there are: {', '.join(map(str, versions))})")
        if version == versions[-1]:
            raise UsageError(f"key {version} makes the links of today; `newsletter keys rotate` first")
        if not yes:
            raise UsageError(
                f"without key {version} no link works in mails that were made with it, the one to leave among them,"
                " and what bounces is not known by its address any more; what has run since before the last `rotate`"
                " makes such links still, and is to be restarted first; this cannot be undone: say --yes"
            )
        app.storage.keys.retire(version)
    click.echo(f"Key {version} is forgotten.")


COMMANDS = (keys,)

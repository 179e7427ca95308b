"""`newsletter dkim-key`: a key to sign mail with, and what to put into the DNS."""

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from newsletter.cli.context import Context
from newsletter.config import Config
from newsletter.config.fields import read_selector
from newsletter.errors import RunError, UsageError

if TYPE_CHECKING:
    from newsletter.mail.dkim import Kind, SigningKey

_MORE = "in place of the key that is there, or beside it; then each of them begins with [[dkim]]"


@click.command("dkim-key")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--type", "kind", type=click.Choice(["rsa", "ed25519"]), help="rsa (default), or ed25519 to be used beside it."
)
@click.option("--selector", metavar="NAME", help="The key's name in the DNS; default: papers-TYPE-YEARMONTH.")
@click.option("--show", is_flag=True, help="Make no key; print the records of those in config.toml.")
@click.pass_obj
def dkim_key(context: Context, file: Path | None, kind: "Kind | None", selector: str | None, show: bool) -> None:
    """Make a key that mail is signed with (DKIM), and print its DNS record.

    The key goes into FILE (default: dkim.SELECTOR.pem beside config.toml), which is never written over, and which only
    you can read.
    """
    app = context.app
    if not show:
        kind = kind or "rsa"
        name = _checked(selector) if selector is not None else f"papers-{kind}-{app.today():%Y%m}"
        _make(app.config, kind, name, file or app.config.path.with_name(f"dkim.{name}.pem"))
    elif file or kind or selector is not None:
        raise UsageError("--show makes no key (allowed beside it: neither FILE nor --type nor --selector)")
    elif not app.config.dkim:
        raise UsageError(
            f"{app.config.path}: there is no [dkim]; `newsletter dkim-key` makes a key, and says what to do"
        )
    else:
        click.echo("\n\n".join(map(_record, app.signing_keys)))


def _checked(selector: str) -> str:
    try:
        return read_selector(selector)
    except ValueError as error:
        raise UsageError(f"--selector: {error}") from error


def _make(config: Config, kind: "Kind", selector: str, path: Path) -> None:
    from newsletter.mail.dkim import SigningKey, make_key

    domain = config.dkim[0].domain if config.dkim else ""
    key = SigningKey(domain or config.newsletter.domain, selector, make_key(kind))
    _write(path, key.pem)
    folder, place = config.path.parent.resolve(), path.resolve()
    written = place.relative_to(folder) if place.is_relative_to(folder) else place
    click.echo(f"Wrote {path}, a private key: keep it as you keep a password, and never commit it.\n")
    click.echo(_record(key))
    click.echo(f"\nOnce that can be looked up, into config.toml{f', {_MORE}' if config.dkim else ''}:\n")
    click.echo("[[dkim]]" if config.dkim else "[dkim]")
    if domain:
        click.echo(f'domain = "{domain}"')
    click.echo(f'selector = "{selector}"\nkey = {json.dumps(str(written), ensure_ascii=False)}')


def _record(key: "SigningKey") -> str:
    """A DNS record, for a form on the web and for a zone file."""
    from newsletter.mail.dkim import record_strings

    strings = "\n".join(f'    "{string}"' for string in record_strings(key.record))
    return (
        f"DNS record of type TXT ({key.kind}):\n\n  name:  {key.name}\n  value: {key.record}\n\n"
        f"The same in a zone file:\n\n{key.name}. IN TXT (\n{strings} )"
    )


def _write(path: Path, pem: bytes) -> None:
    """Write a file that was not there; it is whole, or is not.

    Raises:
        UsageError: its folder is not there.
        RunError: the file is, or cannot be written.

    """
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no folder {path.parent}")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=".pem")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(pem)
                file.flush()
                os.fsync(file.fileno())
            os.link(name, path)  # which writes over nothing
        finally:
            with suppress(OSError):
                Path(name).unlink()
    except FileExistsError:
        raise RunError(f"{path} is there already and was left as it is; name another FILE or --selector") from None
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}") from error


COMMANDS = (dkim_key,)

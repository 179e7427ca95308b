"""`newsletter preview` and `send-test`: the mail before readers get it."""

import math
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path

import click

from newsletter.app import App
from newsletter.cli.context import Context, DateType, private
from newsletter.errors import RunError, TemplateError
from newsletter.preview import Mail
from newsletter.preview import preview as make_mail
from newsletter.rendering.fitting import LIMIT
from newsletter.rendering.words import LANGUAGES

_MESSAGE, _PAGE, _TEXT = Path("preview.eml"), Path("preview.html"), Path("preview.txt")
_SUFFIXES = (".eml", ".html", ".txt")
_STDOUT = Path("-")

_subscriber = click.option(
    "--subscriber", metavar="EMAIL", help="Whose mail; default: that of one who takes all topics."
)
_topic = click.option("--topic", metavar="NAME", help="One topic only.")


@click.command()
@_subscriber
@_topic
@click.option(
    "--language",
    type=click.Choice(list(LANGUAGES)),
    help="In which language; default: the subscriber's, else the newsletter's.",
)
@click.option("--welcome", is_flag=True, help="With the greeting that a new subscriber gets.")
@click.option("--date", "day", type=DateType(), metavar="DATE", help="An edition's date; the newest one's by default.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    help="One file instead: .html, .txt, or .eml for the whole message; - for standard output.",
)
@click.option("--web", is_flag=True, help="Show it in the browser instead, on this machine, until Ctrl-C.")
@click.option("--port", type=click.IntRange(1, 65535), help="With --web: where to listen; default: any free port.")
@click.pass_obj
def preview(
    context: Context,
    subscriber: str | None,
    topic: str | None,
    language: str | None,
    welcome: bool,
    day: date | None,
    output: Path | None,
    web: bool,
    port: int | None,
) -> None:
    """Show the mail of the newest edition, without sending it.

    It is made from the templates as they are now, looks as the subscriber wants it, and is written to preview.eml and
    preview.html (or .txt, for those who want text alone). On a desktop the latter is opened. With --web it is shown
    light, dark, as wide as a phone, as text, without its stylesheet, and with its headers; load the page again after a
    change of a template.
    """
    _one_of("--subscriber", subscriber, "--topic", topic)
    _one_of("--output", output, "--web", web)
    if output is not None and output != _STDOUT and output.suffix not in ("", *_SUFFIXES):
        raise click.UsageError(f"--output: a mail is no {output.suffix} (allowed: {', '.join(_SUFFIXES)}, or -)")
    if port is not None and not web:
        raise click.UsageError("--port goes with --web")
    if web:
        _serve(context.looking, subscriber, topic, day, language or "", port or 0, welcome=welcome)
        return
    mail = make_mail(context.looking, subscriber, topic, day, language=language or "", welcome=welcome)
    files = (_MESSAGE, _PAGE if mail.html else _TEXT) if output is None else (output,)
    _write(mail, files)
    aside = output == _STDOUT
    _tell(mail, aside=aside)
    if not aside:
        click.echo(f"Wrote {' and '.join(map(str, files))}.")
    if output is None and can_show(os.environ, sys.platform, terminal=sys.stdout.isatty()):
        click.launch(str(files[-1].resolve()))


@click.command("send-test")
@click.argument("address")
@_subscriber
@_topic
@click.pass_obj
def send_test(context: Context, address: str, subscriber: str | None, topic: str | None) -> None:
    """Send the mail of the newest edition to ADDRESS alone, on trial.

    It goes the way that [delivery] names and is what readers get, but for the link to leave, which is nobody's. No
    delivery comes of it and nothing is written down. It may be sent as often as you like, and while the daemon runs.
    """
    from newsletter.preview.trial import send_test as send

    _one_of("--subscriber", subscriber, "--topic", topic)
    mail, answer = send(context.looking, address, subscriber, topic)
    _tell(mail)
    click.echo(f"Sent to {address}: {answer}")


def can_show(environment: Mapping[str, str], platform: str, *, terminal: bool) -> bool:
    """Whether somebody sits before a screen of this machine that a window can be opened on."""
    if not terminal or environment.get("CI"):
        return False
    if platform == "darwin":
        return not environment.get("SSH_CONNECTION")
    return bool(environment.get("DISPLAY") or environment.get("WAYLAND_DISPLAY"))


def _serve(
    app: App, subscriber: str | None, topic: str | None, day: date | None, language: str, port: int, *, welcome: bool
) -> None:
    from newsletter.daemon.child import stop_on_signal
    from newsletter.preview.pages import Pages
    from newsletter.preview.viewer import Viewer

    with suppress(TemplateError):  # a broken template is shown; all else ends here
        make_mail(app, subscriber, topic, day, language=language, welcome=welcome)
    pages = Pages(app, subscriber, topic, day, language, welcome=welcome)
    with stop_on_signal() as stop, Viewer(pages, port) as viewer:
        click.echo(f"{viewer.url} shows it until Ctrl-C.")
        if can_show(os.environ, sys.platform, terminal=sys.stdout.isatty()):
            click.launch(viewer.url)
        stop.within(math.inf)


def _one_of(name: str, value: object, other: str, other_value: object) -> None:
    if value and other_value:
        raise click.UsageError(f"{name} or {other}, not both")


def _write(mail: Mail, files: tuple[Path, ...]) -> None:
    for path in files:
        if path != _STDOUT and path.exists() and not (path.is_file() and path.suffix in _SUFFIXES):
            raise RunError(f"{path}: this is not a file of ours, and is left as it is")
    for path in files:
        content = mail.as_file(path.suffix)
        if path == _STDOUT:
            sys.stdout.buffer.write(content)
            continue
        try:
            with open(path, "wb", opener=private) as file:  # it may hold a reader's own link to leave
                file.write(content)
        except OSError as error:
            raise RunError(f"{path}: cannot be written: {error.strerror}") from error


def _tell(mail: Mail, *, aside: bool = False) -> None:
    papers = f"{mail.papers} paper{'s' if mail.papers != 1 else ''}"
    click.echo(mail.subject, err=aside)
    size = f"the HTML part has {mail.size / 1000:.1f} KB of at most {LIMIT // 1000}"
    click.echo(f"{papers}; {size if mail.html else 'plain text alone'}.", err=aside)


COMMANDS = (preview, send_test)

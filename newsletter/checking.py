"""Whether the set-up is sound: each thing that must be in order, looked at; nothing is changed and no mail is sent."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from ssl import create_default_context
from zoneinfo import ZoneInfo

import jinja2

from newsletter.app import App
from newsletter.digests import Outlines
from newsletter.errors import NewsletterError, RunError, StorageError, TemplateError, TransportError
from newsletter.git import Git, clean_environment
from newsletter.rendering.environment import make_environment

ENOUGH = 100 * 2**20  # bytes that are to be free
_NAMED = 5  # readers who are named for one thing
_HANG_UP = 2.0  # seconds that a server is given to say good-bye


class State(StrEnum):
    """What a look came to."""

    OK = "ok"
    REMARK = "remark"  # worth a look, and may be as it should
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it stands, and what to do where it is not sound."""

    name: str
    state: State
    text: str


def check(app: App, *, connect: bool = False) -> Iterator[Finding]:
    """Look at everything, one thing after the other; `connect` asks the mail server for a session, too."""
    looks: list[tuple[str, Callable[[], Finding]]] = [
        ("configuration", lambda: _configuration(app)),
        ("templates", lambda: _templates(app)),
        ("mail", lambda: _mail(app, connect=connect)),
        ("archive", lambda: _archive(app)),
        ("disk", lambda: _disk(app)),
        ("database", lambda: _database(app)),
        ("instance", lambda: _instance(app)),
        ("time zone", lambda: _zones(app)),
        ("ledger", lambda: _ledger(app)),
    ]
    for name, look in looks:
        try:
            yield look()
        except NewsletterError as error:
            yield Finding(name, State.FAILED, str(error))
        except OSError as error:
            yield Finding(name, State.FAILED, f"{error.filename or name}: {error.strerror or error}")


def _configuration(app: App) -> Finding:
    topics = len(app.config.topics)
    if not topics:
        return Finding("configuration", State.REMARK, f"{app.config.path} has no [[topics]]: nobody gets anything")
    return Finding("configuration", State.OK, f"{app.config.path}, {topics} topics")


def _templates(app: App) -> Finding:
    """All of them parse, in the newsletter's language."""
    own = app.config.digest.templates
    environment = make_environment(own, app.config.newsletter.language)
    names = environment.list_templates(extensions=("html", "txt", "xml"))
    assert environment.loader is not None  # noqa: S101 - it was made with one
    for name in names:
        try:
            # Not compiled: some have filters that only those who use them add.
            source, file, _ = environment.loader.get_source(environment, name)
            environment.parse(source, name, file)
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"{error.filename or name}, line {error.lineno}: {error.message}") from error
        except UnicodeDecodeError as error:
            raise TemplateError(f"{name} is not UTF-8: {error.reason}") from error
    return Finding("templates", State.OK, f"{len(names)} parse{f', with those in {own}' if own else ''}")


# ---------------------------------------------------------------- mail


def _mail(app: App, *, connect: bool) -> Finding:
    if app.config.delivery.transport == "maildir":
        folder = app.config.delivery.maildir
        _check_writable(folder)
        return Finding("mail", State.OK, f"goes into the folder {folder}; to send it, set [delivery] transport")
    smtp = app.config.smtp
    server = f"{smtp.host}:{smtp.port}, security {smtp.security}"
    if not connect:
        return Finding("mail", State.OK, f"goes to {server}; --connect asks whether it answers")
    return Finding("mail", State.OK, f"{server}, answers{_asked(app)}")


def _asked(app: App) -> str:
    """Open a session as a sender does, and end it; who logged in, if anybody did. Raises `TransportError`."""
    from newsletter.mail.transports.smtp.opening import Failure, Opening, Session, SmtpServer

    smtp, outside = app.config.smtp, app.outside
    password = smtp.secret.get_secret_value() if smtp.secret else ""
    server = SmtpServer(smtp.host, smtp.port, smtp.security, smtp.username, password, smtp.ehlo_name)
    opening = Opening(
        server,
        lambda: outside.tls or create_default_context(),
        outside.answers.opening,
        outside.monotonic(),
        lambda: None,
    )
    opening.run()
    match opening.result:
        case Session() as session:
            with session.socket as line, suppress(OSError):
                line.settimeout(_HANG_UP)
                line.sendall(b"QUIT\r\n")
                line.recv(512)
            return f"; logged in as {smtp.username}" if smtp.username else ""
        case Failure() as failure:
            raise failure.error
    raise TransportError(f"{smtp.host}:{smtp.port}: no connection")


# ---------------------------------------------------------------- folders


def _archive(app: App) -> Finding:
    """The repository can be used, as far as that is seen without writing."""
    path = app.config.archive.path
    _check_writable(path)
    if not path.is_dir() or not any(path.iterdir()):
        if shutil.which("git") is None:
            raise RunError("git is not installed; the archive needs it")
        return Finding("archive", State.OK, f"{path}: none yet; the first edition makes it")
    git = Git(path, clean_environment(os.environ))
    found = git.ask("rev-parse", "--show-toplevel", "--absolute-git-dir")
    if found.status:
        raise RunError(f"{path} is in no git work tree that can be used ({found.reason})")
    root, inside = found.text.splitlines()
    _check_writable(Path(inside))
    if git.find("symbolic-ref", "-q", "HEAD") is None:
        raise RunError(f"no branch is checked out in {root}, where a commit could get lost: check one out")
    pushed = ", pushed" if app.config.archive.push else ""
    return Finding("archive", State.OK, f"{path}, in the repository {root}{pushed}")


def _disk(app: App) -> Finding:
    """Room where we write."""
    config = app.config
    places = {config.newsletter.database.parent, config.archive.path}
    if config.delivery.transport == "maildir":
        places.add(config.delivery.maildir)
    free = {folder: shutil.disk_usage(folder).free for folder in map(_nearest, sorted(places))}
    folder, least = min(free.items(), key=lambda item: item[1])
    text = f"{least >> 20} MiB are free in {folder}"
    if least < ENOUGH:
        return Finding("disk", State.FAILED, f"{text}; make room, at least {ENOUGH >> 20} MiB")
    return Finding("disk", State.OK, text)


def _check_writable(folder: Path) -> None:
    """Raises `RunError` unless files can be made in a folder, or it can be made itself."""
    nearest = _nearest(folder)
    if not nearest.is_dir():
        raise RunError(f"{nearest} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise RunError(f"{nearest}: nothing can be written there; let this user write, or name another place")


def _nearest(path: Path) -> Path:
    """The path, or what of it is there."""
    return next((one for one in (path, *path.parents) if one.exists()), path)


# ---------------------------------------------------------------- the database


def _database(app: App) -> Finding:
    path = app.config.newsletter.database
    _check_writable(path.parent)
    if not app.storage.database.exists:
        return Finding(
            "database", State.OK, f"{path}: none yet; `newsletter run`, `publish` or `subscribers add` makes it"
        )
    if damage := app.storage.auditing.damage():
        raise StorageError(f"{path} is damaged, restore a backup: {'; '.join(damage)}")
    if not app.storage.auditing.is_private():
        return Finding("database", State.FAILED, f"others may read {path}, which holds addresses: chmod 600 {path}")
    return Finding("database", State.OK, f"{path}, {path.stat().st_size >> 20} MiB, sound")


def _instance(app: App) -> Finding:
    storage = app.storage
    if not storage.database.exists or not storage.auditing.has_id():
        return Finding("instance", State.OK, "none yet; it comes with the database")
    storage.instance.check()
    return Finding("instance", State.OK, f"{storage.instance.path.name} belongs to this database")


def _zones(app: App) -> Finding:
    """The clocks that readers and the newsletter go by are known on this machine."""
    unknown = [zone for zone in sorted(app.storage.auditing.zones()) if not _is_known(zone)]
    if unknown:
        text = f"unknown here: {', '.join(unknown)}; install the system's tzdata, or the Python package of that name"
        return Finding("time zone", State.FAILED, text)
    ours = app.config.newsletter.timezone
    return Finding("time zone", State.OK, f"{ours}, where it is {app.now().astimezone(ours):%Y-%m-%d %H:%M} now")


def _is_known(zone: str) -> bool:
    with suppress(KeyError, ValueError, OSError):
        return bool(ZoneInfo(zone))
    return False


def _ledger(app: App) -> Finding:
    """Every edition stands once for each reader for whom it holds something, as far as the ledger tells."""
    auditing = app.storage.auditing
    if doubled := auditing.doubled():
        text = "an edition stands in two digests, or would: this is an error of the program, report it. Readers"
        return Finding("ledger", State.FAILED, f"{text}: {_some(doubled)}")
    holds = Outlines(app.storage).holds
    missing = [
        gap.email
        for gap in auditing.gaps()
        if holds(gap.subscriber_id, gap.after, gap.upto, gap.chosen, revised=gap.revised)
    ]
    if missing:
        text = "an edition stands in no digest, as after a pause, for"
        advice = "If they did not pause: `newsletter deliveries list --subscriber EMAIL`, `newsletter editions resend`"
        return Finding("ledger", State.REMARK, f"{text} {_some(list(dict.fromkeys(missing)))}. {advice}")
    return Finding("ledger", State.OK, "every edition stands once for every reader")


def _some(emails: list[str]) -> str:
    return ", ".join(emails[:_NAMED]) + (f" and {len(emails) - _NAMED} more" if len(emails) > _NAMED else "")

"""Two days of a newsletter on one machine: an invented arXiv, a real mail server, three readers, and what they got.

The verbs are those of every day; only the outside is ours. What the demonstration says it has also checked, by reading
the mail that arrived: a promise that does not hold ends it with an error.
"""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from pathlib import Path

from newsletter.app import App, Outside
from newsletter.config import load
from newsletter.config.web import WebSection
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.smtp import SmtpStandIn
from newsletter.demo.world import TOPICS, World
from newsletter.errors import RunError, UsageError
from newsletter.model import Choice, Detail, Kind, Look, Preferences
from newsletter.publish import Report, publish
from newsletter.text import readable

Tell = Callable[[str], None]

MARKER = ".newsletter-demo"
_MARKER_TEXT = "A demonstration. `newsletter demo` empties this folder before it begins again.\n"
_PAPER = re.compile(r"https://arxiv\.org/abs/(\S+)v(\d+)")
_CONFIG = """\
# The demonstration's. Its arXiv and its mail server have gone; `newsletter demo` starts others.

[newsletter]
name = "Daily Papers"
sender = "Daily Papers <papers@example.org>"
{topics}
[arxiv]
api_url = "{arxiv}/api/query"
feed_url = "{arxiv}/rss"
oai_url = "{arxiv}/oai"
interval = 0                   # nobody to be polite to: all three hosts are this machine
gate = "gate"

[delivery]
transport = "smtp"             # the server filed what it got in outbox/

[smtp]
host = "{host}"
port = {port}
"""


@dataclass(frozen=True, slots=True)
class Reader:
    """A subscriber of the demonstration; no topics and no queries: all topics."""

    email: str
    topics: tuple[str, ...] = ()
    queries: tuple[str, ...] = ()
    look: Look = Look()

    @property
    def choice(self) -> Choice:
        """What they subscribe to."""
        return Choice(self.topics, self.queries, Preferences(look=self.look))

    @property
    def wishes(self) -> str:
        """What they subscribed to, in words."""
        named = (*self.topics, *(f"a query of their own: {query}" for query in self.queries))
        words = list(named or ("all topics, future ones too",))
        if self.look.detail is Detail.BRIEF:
            words.append("without abstracts")
        if self.look.language == "de":
            words.append("in German")
        return "; ".join(words)


READERS = (
    Reader("ada@example.org", TOPICS[:2], look=Look(Detail.BRIEF)),
    Reader("ben@example.org", queries=("(abs:camera OR abs:cameras) ANDNOT abs:privacy",), look=Look(language="de")),
    Reader("cleo@example.org"),
)
_SHOWN = READERS[-1]  # whose mail is written out: it holds something of every kind


class _Clock:
    """A clock that stands until it is put on, so that no day ends in the middle."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def run_demo(folder: Path, tell: Tell, *, program: str = "newsletter", now: datetime | None = None) -> None:
    """Bring out yesterday's and today's edition in `folder`, and tell what came of it and where to look.

    `program` is how the command line was called, for the lines that can be run afterwards.

    Raises:
        UsageError: the folder holds something else, or the mail server's package is not installed.
        RunError: a promise was broken.

    """
    empty(folder)
    today = (now or datetime.now(UTC)).astimezone(UTC)
    clock = _Clock(today - timedelta(days=1))
    world = World(clock.now.date(), clock)
    with ArxivStandIn(world) as arxiv, SmtpStandIn(folder / "outbox") as server:
        config = folder / "config.toml"
        config.write_text(_configuration(arxiv, server), encoding="utf-8")
        tell("Daily Papers for two days, on this machine alone: an arXiv of papers that never existed, a mail server.")
        with closing(App(load(config), Outside(clock=clock))) as app:
            _subscribe(app, tell)
            day = _Day(app, server, tell)
            day.bring_out("the first edition: what its topics begin with")
            clock.now = today
            day.bring_out("the second: only what is new", {Kind.REVISED: 1, Kind.WITHDRAWN: 1})
    mails = read_mails(folder / "outbox")
    _check_mails(world, mails)
    _show(folder, mails, tell, program)


def empty(folder: Path) -> None:
    """Make the folder, or empty it if an earlier demonstration made it. Raises `UsageError` for any other."""
    marker = folder / MARKER
    if folder.exists() and not marker.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty and no demonstration made it (allowed: a new or an empty folder)")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        marker.write_text(_MARKER_TEXT, encoding="utf-8")
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry != marker:  # it stays, lest an interrupted run leave a folder that the next one refuses
                entry.unlink()
    except OSError as error:
        raise UsageError(f"{folder} cannot be used: {error.strerror}") from error


def _configuration(arxiv: ArxivStandIn, server: SmtpStandIn) -> str:
    topics = "".join(f'\n[[topics]]\nname = "{topic}"\n' for topic in TOPICS)
    address = arxiv.url.removesuffix("/api/query")
    return _CONFIG.format(topics=topics, arxiv=address, host=server.host, port=server.port)


def _subscribe(app: App, tell: Tell) -> None:
    tell("\nThree subscribers")
    for reader in READERS:
        app.subscriptions.subscribe(reader.email, reader.choice, confirmed=True, today=app.today(), now=app.now())
        tell(f"  {reader.email:<17} {reader.wishes}")


# ---------------------------------------------------------------- a day


class _Day:
    """Brings out the edition of the day that the app's clock shows, and tells of it."""

    def __init__(self, app: App, server: SmtpStandIn, tell: Tell) -> None:
        self._app, self._server, self._tell = app, server, tell

    def bring_out(self, title: str, expected: Mapping[Kind, int] | None = None) -> None:
        """Publish, and publish again, which must do nothing; `expected` is what the edition must hold, by kind."""
        day = self._app.today()
        self._tell(f"\n{day}, {title}")
        filed = len(self._server.received)
        report = self._publish(day)
        counts = report.decision.counts
        for kind, number in (expected or {}).items():
            _promise(counts.get(kind) == number, f"{day} brings {number} {kind}")
        _promise(len(self._server.received) == filed + len(READERS), f"on {day} every reader gets a mail")
        self._tell_of(report, filed)
        again = self._publish(day)
        nothing = not again.harvest and not again.tally.counts and again.archived and not again.archived.commit
        _promise(bool(nothing) and len(self._server.received) == filed + len(READERS), "publish repeats nothing")
        self._tell("  again      nothing fetched, nothing sent, nothing committed")

    def _publish(self, day: date) -> Report:
        report = publish(self._app, day)
        if report.failures:
            raise report.failures[0]
        return report

    def _tell_of(self, report: Report, filed: int) -> None:
        harvest, archived = report.harvest, report.archived
        if harvest is not None:
            self._tell(f"  fetched    {harvest.requests} requests; {harvest.reason}")
        counts = ", ".join(f"{number} {kind}" for kind, number in report.decision.counts.items())
        self._tell(f"  announced  {counts}")
        for line in _exceptions(report):
            self._tell(line)
        mails = sorted(map(_parse, (received.content for received in self._server.received[filed:])), key=_recipient)
        for mail in mails:
            self._tell(f"  mail       {_recipient(mail):<17} {mail['Subject']}")
        if archived is not None and archived.commit:
            self._tell(f"  archive    commit {archived.commit[:7]}")


def _exceptions(report: Report) -> Iterator[str]:
    """A line for each paper that was revised or withdrawn."""
    seen = set()
    for announcement in report.decision.told:
        paper, kind = announcement.paper, announcement.kind
        if kind is not Kind.NEW and paper.key not in seen:
            seen.add(paper.key)
            yield f"  {kind:<10} {paper.id}v{paper.version}, {readable(paper.title)}"


def _promise(kept: bool, promise: str) -> None:
    if not kept:
        raise RunError(f"the demonstration broke a promise: {promise}")


# ---------------------------------------------------------------- what arrived


def read_mails(outbox: Path) -> list[EmailMessage]:
    """The mails of a Maildir by date, then recipient."""
    mails = (_parse(file.read_bytes()) for file in (outbox / "new").iterdir())
    return sorted(mails, key=lambda mail: (parsedate_to_datetime(mail["Date"]), _recipient(mail)))


def papers_in(mail: EmailMessage) -> set[tuple[str, int]]:
    """The paper versions that a mail tells of, by the links in its text."""
    return {(number, int(version)) for number, version in _PAPER.findall(_part(mail, "plain"))}


def _parse(content: bytes) -> EmailMessage:
    return BytesParser(EmailMessage, policy=policy.default).parsebytes(content)


def _recipient(mail: EmailMessage) -> str:
    return str(mail["To"])


def _part(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()) if part is not None else ""


def _check_mails(world: World, mails: list[EmailMessage]) -> None:
    """The second day's mails may hold only what arXiv did not show on the first."""
    old = {paper.key for paper in world.versions(world.day_one)}
    news = {paper.key for paper in world.versions(world.day_two)} - old
    for mail in mails[len(READERS) :]:
        told = papers_in(mail)
        _promise(bool(told) and told <= news, f"the second mail to {_recipient(mail)} brings only what is new")


def _show(folder: Path, mails: list[EmailMessage], tell: Tell, program: str) -> None:
    """Write one reader's newest mail out, and tell where to look."""
    mail = [mail for mail in mails if _recipient(mail) == _SHOWN.email][-1]
    (folder / "mail.html").write_text(_part(mail, "html"), encoding="utf-8")
    (folder / "mail.txt").write_text(_part(mail, "plain"), encoding="utf-8")
    place = _near(folder)
    tell("\nChecked: no reader was told of a paper version twice, and publishing again repeated nothing.")
    tell("\nWhere to look")
    places = {
        "mail.html": f"the newest mail to {_SHOWN.email}, to open in a browser",
        "mail.txt": "the same mail as plain text",
        "outbox": f"all {len(mails)} mails as they arrived (a Maildir)",
        "archive/README.md": "the papers of each topic; beside it a page for each edition",
        "archive": "a git repository, with the commits",
    }
    width = max(map(len, places)) + len(str(place)) + 1
    for name, what in places.items():
        tell(f"  {place / name!s:<{width}}  {what}")
    for line in _commits(folder / "archive"):
        tell(f"  {'':<{width}}  {line}")
    tell("\nWhat to ask it")
    for command in ("status", "subscribers list", "editions list", "deliveries list"):
        tell(f"  {program} --config {place / 'config.toml'} {command}")
    tell(f"\nThe same on the web, at http://{WebSection().host}:{WebSection().port} until Ctrl-C")
    tell(f"  {program} --config {place / 'config.toml'} serve")


def _near(folder: Path) -> Path:
    """The folder as seen from here, if it lies below."""
    here = Path.cwd()
    return folder.resolve().relative_to(here) if folder.resolve().is_relative_to(here) else folder


def _commits(repository: Path) -> list[str]:
    # The folder is named outright: inside a hook the environment names another.
    command = ["git", f"--git-dir={repository / '.git'}", "log", "--oneline", "--no-decorate", "--no-color"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

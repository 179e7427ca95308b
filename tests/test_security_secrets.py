"""A reader's whole life through the real programs, told as loudly as they can: nothing that is written or shown to
anybody else tells who the reader is, what they asked for, or what opens their doors."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from processes import WAITS, until
from returning import failed, plain

from newsletter.app import App
from newsletter.config import load
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.world import TOPICS, World
from newsletter.model import Status, Subscriber

ANN, MOVED, BOB = "ann.secretary@example.net", "moved.secretary@example.net", "bob.private@example.com"
QUERY, LATER = "abs:the ANDNOT ti:zebrafinch", 'abs:the ANDNOT ti:"purple armadillo"'
#: Not as they were typed, and not as anything they are made into on the way.
PERSONAL = ("secretary", "bob.private", "zebrafinch", "armadillo", "example.net", "example.com")
BOUNCES = "bounces@example.org"
TOKENS = re.compile(r"(?:/[cmpru]/|unsubscribe(?:%20| ))([A-Za-z0-9_-]{19,32})|\+([a-z2-7]{23,34})@")
CONFIG = """
[newsletter]
sender = "Daily Papers <papers@example.org>"
base_url = "https://papers.example.org"
[[topics]]
name = "{topic}"
[arxiv]
api_url = "{url}"
feed_url = "{url}"
oai_url = "{url}"
interval = 0
gate = "gate"
[bounces]
address = "{bounces}"
maildir = "bounces"
[web]
port = {port}
"""
PUBLIC = (
    "/", "/editions", "/editions/today", "/topics", "/topics/1", "/status", "/health", "/metrics", "/search",
    "/robots.txt", "/search?q=zebrafinch", "/search?q=graph", "/subscribe", "/p", "/feeds/editions.atom",
    "/feeds/topics/1.atom",
    "/feeds/search.atom?q=graph", "/feeds/topics/2.atom", "/feeds/topics/3.atom", "/topics/2", "/topics/3",
)  # fmt: skip


@dataclass
class House:
    """A newsletter run by its programs; `said` is what they logged, `shown` what anybody could look at."""

    folder: Path
    url: str
    said: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "newsletter", "--config", str(self.folder / "config.toml")]

    def run(self, *arguments: str) -> None:
        """A command that tells all it does, once in words and once for programs."""
        form = ("text", "json")[len(self.said) % 2]
        command = [*self.command, "-vv", "--log-format", form, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAITS, check=False)
        assert done.returncode == 0, done.stderr
        self.said.append(done.stderr)

    @contextmanager
    def app(self) -> Iterator[App]:
        with closing(App(load(self.folder / "config.toml"))) as app:
            yield app

    def reader(self, email: str) -> Subscriber:
        with self.app() as app:
            found = app.subscriptions.find(email)
        assert found is not None
        return found

    def token(self, purpose: str, number: int) -> str:
        """A token that a mail of now would hold."""
        with self.app() as app:
            made = app.keyring.make(purpose, number, None if purpose == "unsubscribe" else app.now())
        self.tokens.add(made)
        return made

    def post(self, path: str, **fields: str) -> int:
        answer = requests.post(f"{self.url}{path}", data=fields, timeout=WAITS, allow_redirects=False)
        assert answer.status_code in (200, 422), answer.text
        return answer.status_code

    def ask(self, path: str, email: str, **fields: str) -> None:
        """Send a form that was opened a while ago, and wait until it was handled."""
        with self.app() as app:
            opened = app.keyring.make("form", 0, app.now() - timedelta(minutes=1))
        self.post(path, email=email, opened=opened, **fields)
        self.wait_for_the_inbox()

    def wait_for_the_inbox(self) -> None:
        with self.app() as app:
            until(lambda: app.storage.requests.waiting() is None)

    def deliver(self) -> list[str]:
        """Send what waits; returns the mails that there are, and remembers the tokens in them."""
        self.run("deliver")
        mails = [
            path.read_text()
            for path in sorted((self.folder / "outbox" / "new").iterdir(), key=lambda p: p.stat().st_mtime)
        ]
        for mail in mails:
            plain_text = mail.replace("=\n", "").replace("=3D", "=").replace("\n ", " ")
            self.tokens |= {found for match in TOKENS.findall(plain_text) for found in match if found}
        return mails

    def look(self) -> None:
        """Look at all that anybody may."""
        for path in PUBLIC:
            answer = requests.get(f"{self.url}{path}", timeout=WAITS)
            assert answer.status_code in (200, 404)
            self.shown.append(f"{answer.headers}\n{answer.text}")


@contextmanager
def serving(house: House) -> Iterator[None]:
    """The web front, telling all it does."""
    log = house.folder.parent / "log"
    with log.open("wb") as file:
        process = subprocess.Popen([*house.command, "-vv", "serve"], stderr=file)
        try:
            until(lambda: b"serves" in log.read_bytes() or process.poll() is not None)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(WAITS) == 0
            house.said.append(log.read_text())


def link(mail: str, door: str) -> str:
    """The path of the link in a mail."""
    found = re.search(rf"https://papers\.example\.org(/{door}/[\w-]+)", mail.replace("=\n", ""))
    assert found is not None, mail
    return found[1]


def come_back(house: House, *mails: bytes) -> None:
    """Have mails come to the return path, and be read."""
    for part in ("new", "cur", "tmp"):
        (house.folder / "bounces" / part).mkdir(parents=True, exist_ok=True)
    for number, mail in enumerate(mails):
        (house.folder / "bounces" / "new" / f"{len(house.said)}.{number}").write_bytes(mail)
    house.run("bounces", "collect")


def return_path(mail: str) -> str:
    return mail.partition("Return-Path: <")[2].partition(">")[0]


def live(house: House) -> None:
    """Join, be mailed, choose, move, bounce, leave by mail and by button, be erased; and mistype on the way."""
    house.ask("/subscribe", ANN, which="some", queries=QUERY)
    (mail,) = house.deliver()
    confirm = link(mail, "c")
    page = requests.get(house.url + confirm, timeout=WAITS).text
    shown = re.search(r'name="shown" value="([^"]+)"', page)
    assert shown is not None
    house.post(confirm, shown=shown[1])
    number = house.reader(ANN).id
    house.run("publish")
    mails = house.deliver()
    assert any("zebrafinch" in mail.replace("=\n", "") for mail in mails), "the reader is mailed what they asked for"
    house.look()

    mine = f"/p/{house.token('manage', number)}"
    house.post(mine, do="save", which="some", queries=LATER, frequency="weekly")
    assert json.loads(requests.get(f"{house.url}{mine}/export", timeout=WAITS).text)["subscriber"]["email"] == ANN
    house.post(mine, do="pause", until=str(datetime.now(UTC).date() + timedelta(days=9)))
    house.post(mine, do="resume")
    house.post(mine, do="save", which="some", queries='ti:"zebrafinch')
    for path in (f"{mine}/x", f"{confirm}.", f"/editions{mine}", f"/{ANN}", f"/topics/{ANN}", f"/search?q={ANN}"):
        requests.get(house.url + path, timeout=WAITS)
    house.post("/p", email=f"{ANN},{BOB}", opened="x")
    house.post(mine, do="move", email=MOVED)
    house.wait_for_the_inbox()
    mails = house.deliver()
    move = next(link(mail, "m") for mail in mails if MOVED in mail)
    house.post(move)
    assert house.reader(MOVED).id == number
    house.look()

    digest = next(mail for mail in mails if "List-Unsubscribe" in mail)
    come_back(
        house,
        failed(return_path(digest), recipient=ANN, diagnosis=f"smtp; 550 5.1.1 <{ANN}>: no such user zebrafinch"),
        failed(BOUNCES, recipient=MOVED),
        plain(BOUNCES, f"Re: about {ANN}", f"{MOVED} is on holiday\n"),
        plain(BOUNCES, f"unsubscribe {house.token('unsubscribe', number)}", MOVED),
    )
    assert house.reader(MOVED).status is Status.UNSUBSCRIBED
    house.post(f"/u/{house.token('unsubscribe', number)}", **{"List-Unsubscribe": "One-Click"})
    house.run("subscribers", "add", BOB, "--query", QUERY, "--confirmed")
    house.run("subscribers", "export", str(house.folder.parent / "export.csv"))
    house.post(f"/p/{house.token('manage', number)}/erase")
    house.run("status")
    house.run("archive")
    house.look()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    from test_serve import free_port

    folder = tmp_path_factory.mktemp("house") / "newsletter"
    folder.mkdir()
    with ArxivStandIn(World(datetime.now(UTC).date())) as arxiv:
        port = free_port()
        text = CONFIG.format(topic=TOPICS[0], url=arxiv.url, bounces=BOUNCES, port=port)
        (folder / "config.toml").write_text(text)
        made = House(folder, f"http://127.0.0.1:{port}")
        made.run("subscribers", "list")
        with serving(made):
            live(made)
        yield made


def secrets(house: House) -> list[str]:
    """All that nobody else may read, in the forms that it could be written in."""
    with house.app() as app:
        keys = [app.storage.keys.addresses, *app.storage.keys.tokens().values()]
    return [*PERSONAL, *house.tokens, *(key.hex() for key in keys)]


def told(text: str, house: House) -> list[str]:
    return [secret for secret in secrets(house) if secret.casefold() in text.casefold()]


def test_the_logs_tell_nothing(house: House) -> None:
    said = "\n".join(house.said)
    assert told(said, house) == []
    assert "@" not in said.replace("git@", "")
    assert said.count("answered method=") > 30
    with house.app() as app:
        assert app.fingerprint(ANN) in said  # which is how one of them is known


def test_there_was_something_to_tell(house: House) -> None:
    """And it lies where it belongs: in the database, and in mails."""
    assert len(house.tokens) >= 8
    mails = "".join(path.read_text().replace("=\n", "") for path in (house.folder / "outbox" / "new").iterdir())
    assert [secret for secret in PERSONAL if secret in mails] != []
    assert BOB.encode() in (house.folder / "subscribers.db").read_bytes() + b"".join(
        path.read_bytes() for path in house.folder.glob("subscribers.db-wal")
    )


def test_what_anybody_may_look_at_tells_nothing(house: House) -> None:
    for text in house.shown:
        # A search shows what it was asked for.
        assert [secret for secret in told(text, house) if f"q={secret}" not in text] == []


def test_the_archive_tells_nothing(house: House) -> None:
    """In none of its commits, whoever made them, and in none of their files."""
    archive = house.folder / "archive"
    git = ["git", "-C", str(archive)]
    log = subprocess.run(
        [*git, "log", "-p", "--all", "--format=fuller"], capture_output=True, text=True, check=True
    ).stdout
    assert "README.md" in log
    every = subprocess.run([*git, "cat-file", "--batch-all-objects", "--batch"], capture_output=True, check=True).stdout
    for text in (log, every.decode("utf-8", "replace")):
        assert told(text, house) == []
    for path in (path for path in archive.rglob("*") if path.is_file() and ".git" not in path.parts):
        assert told(path.read_text(), house) == []


def test_other_files_tell_nothing(house: House) -> None:
    """Beside the database, what it is known by; and what is shared by all newsletters of a machine."""
    ours = ("subscribers.db", "outbox", "archive", "bounces")
    files = [
        path
        for path in house.folder.rglob("*")
        if path.is_file() and path.relative_to(house.folder).parts[0].partition("-")[0] not in ours
    ]
    assert len(files) >= 3
    for path in files:
        assert told(path.read_bytes().decode("utf-8", "replace"), house) == []


def test_who_was_erased_is_in_the_database_no_more(house: House) -> None:
    with house.app() as app:
        left = "\n".join(app.storage.database.tables.conn.iterdump())
    assert "secretary" not in left
    assert "armadillo" not in left
    assert BOB in left

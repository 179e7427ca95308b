"""A copied database does not send, whatever happens to it, and the true one always does; backups and adoption."""

import fcntl
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any, Self

import click
import pytest
from click.testing import CliRunner
from house import Time, bring, crowd, make_app, make_paper, queue, statuses

import newsletter.rendering.cards
from newsletter.app import App
from newsletter.backups import write_backup
from newsletter.cli import newsletter as program
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.library import FixedAnswers
from newsletter.errors import BusyError, StorageError, UsageError
from newsletter.locks import hold
from newsletter.mail.transports import Outcome
from newsletter.mail.transports.maildir import MaildirCarrier
from newsletter.model import DeliveryStatus, Suppression
from newsletter.publish import publish, rehearse
from newsletter.sending import deliver
from newsletter.settling import settle
from newsletter.storage import Storage
from newsletter.storage.copies import count_subscribers

CONFIG = '[newsletter]\nsender = "Daily Papers <papers@example.org>"\n[[topics]]\nname = "Graph Neural Networks"\n'
FIRST_RELEASE = Path(__file__).parent / "schemas" / "0.1.0.sql"
READERS = ["a@example.org", "b@example.org", "c@example.org"]
SENT, QUEUED = DeliveryStatus.SENT, DeliveryStatus.QUEUED


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A folder whose newsletter has sent one edition to three readers, and queued a second one."""
    folder = tmp_path / "house"
    folder.mkdir()
    (folder / "config.toml").write_text(CONFIG)
    time = Time()
    app = make_app(folder, time=time)
    queue(app, *READERS)
    assert deliver(app).counts == {SENT: 3}
    time.now += timedelta(days=1)
    bring(app, make_paper(2))
    settle(app, app.today())
    app.close()
    return folder


def opened(folder: Path, hours: int = 25, **sections: Any) -> App:
    time = Time()
    time.now += timedelta(hours=hours)
    return make_app(folder, time=time, **sections)


@pytest.fixture
def copy(house: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the house's database alone."""
    return move(house / "subscribers.db", tmp_path / "copy")


@pytest.fixture
def restored(house: Path, tmp_path: Path) -> Path:
    """The house, which went on sending after a backup was made that lies in its place now."""
    say(house, "backup", str(tmp_path / "old.db"))
    app = opened(house)
    deliver(app)
    app.close()
    shutil.copy(tmp_path / "old.db", house / "subscribers.db")
    return house


def move(database: Path, folder: Path) -> Path:
    """A new folder with the same configuration and a copy of a database that nobody has open."""
    folder.mkdir()
    (folder / "config.toml").write_text(CONFIG)
    shutil.copy(database, folder / "subscribers.db")
    return folder


def mails(folder: Path) -> int:
    return len(list(folder.glob("outbox/new/*")))


def record(folder: Path) -> tuple[str, int]:
    name, claims = (folder / "subscribers.db.instance").read_text().split()
    return name, int(claims)


def settings_of(database: Path) -> tuple[str, int]:
    with closing(sqlite3.connect(database)) as connection:
        found = dict(connection.execute("SELECT name, value FROM settings"))
    return found["instance"], int(found["claims"])


def say(folder: Path, *arguments: str) -> str:
    """What a command says; raises what it ends with."""
    command = ["--config", str(folder / "config.toml"), *arguments]
    result = CliRunner().invoke(program, command, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


def assert_refused(folder: Path, reason: str) -> None:
    """Nothing is sent or committed; the reason names both files, and what to do."""
    before = mails(folder)
    app = opened(folder)
    with pytest.raises(StorageError, match=reason) as caught:
        deliver(app)
    text = str(caught.value)
    assert text.startswith(f"{folder / 'subscribers.db.instance'}: ")
    assert " subscribers.db" in text
    assert text.endswith(", then say `newsletter adopt`")
    with pytest.raises(StorageError) as caught:
        publish(app, app.today())
    assert str(caught.value) == text
    app.close()
    assert mails(folder) == before
    assert not (folder / "archive").exists()


# ---------------------------------------------------------------- the two numbers


def test_a_new_database_has_a_private_file_beside_it(tmp_path: Path) -> None:
    Storage(tmp_path / "subscribers.db", make_id=lambda: "abc").close()
    file = tmp_path / "subscribers.db.instance"
    assert record(tmp_path) == settings_of(tmp_path / "subscribers.db") == ("abc", 0)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    Storage(tmp_path / "subscribers.db", make_id=lambda: "other").close()
    assert record(tmp_path) == ("abc", 0)


def test_ids_differ(tmp_path: Path) -> None:
    for name in ("one.db", "two.db"):
        Storage(tmp_path / name).close()
    assert (tmp_path / "one.db.instance").read_bytes() != (tmp_path / "two.db.instance").read_bytes()


def test_every_claim_is_counted(house: Path) -> None:
    name, claims = record(house)
    assert claims == 3
    assert settings_of(house / "subscribers.db") == (name, 3)
    app = opened(house)
    deliver(app)
    app.close()
    assert record(house) == settings_of(house / "subscribers.db") == (name, 6)


class Looking(MaildirCarrier):
    """Files mail, and looks at the two numbers just before."""

    def __init__(self, house: Path) -> None:
        super().__init__(house / "outbox")
        self.house, self.seen = house, list[tuple[int, int]]()

    def turn(self, seconds: float) -> list[Outcome]:
        if self.under_way:
            self.seen.append((record(self.house)[1], settings_of(self.house / "subscribers.db")[1]))
        return super().turn(seconds)


def test_the_database_hears_of_a_claim_first_and_the_file_before_the_mail(house: Path) -> None:
    app, post = opened(house), Looking(house)
    deliver(app, work=lambda work: replace(work, connect=lambda: post))
    assert post.seen == [(4, 4), (5, 5), (6, 6)]
    # A power cut takes no commit back, so the file cannot be left ahead.
    assert app.storage.database.value("PRAGMA synchronous") >= 2
    app.close()


def test_a_file_that_is_behind_is_in_order(house: Path) -> None:
    app = opened(house)
    with app.storage.write():
        app.storage.deliveries.claim(app.now(), 2)  # and the process is killed
    app.close()
    assert record(house)[1] == 3
    assert settings_of(house / "subscribers.db")[1] == 5
    app = opened(house)
    assert deliver(app).counts == {SENT: 3}
    app.close()
    assert record(house)[1] == settings_of(house / "subscribers.db")[1] == 8


# ---------------------------------------------------------------- what is refused


def test_a_copy_of_the_database_alone_is_refused(copy: Path) -> None:
    assert_refused(copy, "it is missing, so subscribers.db may be a copy")


def test_a_copy_over_another_newsletter_is_refused(house: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    Storage(other / "subscribers.db").close()
    shutil.copy(house / "subscribers.db", other / "subscribers.db")
    assert_refused(other, r"it belongs to another database than subscribers\.db")


def test_an_older_backup_in_its_place_is_refused(restored: Path) -> None:
    assert_refused(restored, r"it counts 6 deliveries taken up, subscribers\.db only 3")


def test_a_backup_in_its_place_that_misses_nothing_goes_on(house: Path, tmp_path: Path) -> None:
    say(house, "backup", str(tmp_path / "now.db"))
    shutil.copy(tmp_path / "now.db", house / "subscribers.db")
    app = opened(house)
    assert deliver(app).counts == {SENT: 3}
    app.close()


def test_beginning_anew_beside_an_old_file_is_refused(house: Path) -> None:
    (house / "subscribers.db").unlink()
    assert_refused(house, r"it counts 3 deliveries taken up, subscribers\.db only 0")


@pytest.mark.parametrize("content", [b"", b"abc\n", b"\xff" * 53, b"abc 1\n"])
def test_a_file_that_is_none_of_ours_is_refused(house: Path, content: bytes) -> None:
    (house / "subscribers.db.instance").write_bytes(content)
    assert_refused(house, r"it belongs to another database")


def test_a_file_that_is_none_of_ours_beside_a_new_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "subscribers.db.instance").write_bytes(b"hello")
    assert_refused(tmp_path, "it belongs to another database")


def test_a_new_database_takes_its_id_from_a_file_that_counts_nothing(tmp_path: Path) -> None:
    """What a kill between the two leaves."""
    (tmp_path / "subscribers.db.instance").write_text(f"abc {0:019}\n")
    app = opened(tmp_path)
    queue(app, "a@example.org")
    assert deliver(app).counts == {SENT: 1}
    app.close()
    assert record(tmp_path) == ("abc", 1)


def test_without_room_for_the_file_all_but_sending_works(tmp_path: Path) -> None:
    (tmp_path / "subscribers.db.instance.new").mkdir()
    app = opened(tmp_path)
    queue(app, "a@example.org")
    reason = r"subscribers\.db\.instance: cannot be written: Is a directory; without it nothing is sent"
    with pytest.raises(StorageError, match=reason):
        deliver(app)
    assert statuses(app) == {"a@example.org": QUEUED}
    (tmp_path / "subscribers.db.instance.new").rmdir()
    assert deliver(app).counts == {SENT: 1}
    app.close()


def test_a_number_that_cannot_be_written_keeps_the_mail_back(house: Path) -> None:
    """The kernel refuses to write what is sealed, as a disk does that has become read-only."""
    file = house / "subscribers.db.instance"
    sealed = os.memfd_create("instance", os.MFD_ALLOW_SEALING)
    os.write(sealed, file.read_bytes())
    fcntl.fcntl(sealed, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    file.unlink()
    file.symlink_to(f"/proc/{os.getpid()}/fd/{sealed}")
    app = opened(house)
    with pytest.raises(StorageError, match="cannot be written: Operation not permitted; without it nothing is sent"):
        deliver(app)
    assert mails(house) == 3
    waiting = list(app.storage.deliveries.all(QUEUED, 9))
    assert len(waiting) == 3
    assert {delivery.reply for delivery in waiting} <= {"", "the database could not be marked as the one that sends"}
    app.close()
    os.close(sealed)


# ---------------------------------------------------------------- what a copy is good for


READING = [
    ("subscribers", "list"),
    ("subscribers", "show", "a@example.org"),
    ("subscribers", "export"),
    ("topics", "list"),
    ("editions", "list"),
    ("editions", "show", "2026-01-06"),
    ("deliveries", "list"),
    ("preview", "--subscriber", "a@example.org", "--output", "-"),
]


@pytest.mark.parametrize("command", READING, ids=" ".join)
def test_a_copy_can_be_looked_at(house: Path, copy: Path, command: tuple[str, ...]) -> None:
    assert say(copy, *command) == say(house, *command)
    assert not (copy / "subscribers.db.instance").exists()


def test_a_rehearsal_needs_no_instance(copy: Path) -> None:
    with ArxivStandIn(FixedAnswers({"Graph Neural Networks": [make_paper(3)]})) as arxiv:
        app = opened(copy, 50, arxiv={"api_url": arxiv.url})
        report = rehearse(app.config, app.outside, app.today())
    assert (report.failures, len(report.decision.told)) == ((), 1)
    assert sorted(path.name for path in copy.iterdir()) == ["config.toml", "gate", "subscribers.db"]


# ---------------------------------------------------------------- backup


def test_a_backup_is_one_private_file(house: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    size = (house / "subscribers.db").stat().st_size / 1e6
    assert say(house, "backup", str(target)) == f"Wrote {target}: {size:.1f} MB, 3 subscribers.\n"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.db", "house"]
    assert target.read_bytes()[18:20] == b"\x01\x01"  # no write-ahead log belongs to it
    assert count_subscribers(target) == 3
    assert settings_of(target) == settings_of(house / "subscribers.db")


def test_a_backup_replaces_an_older_one(house: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    say(house, "backup", str(target))
    target.chmod(0o644)
    (tmp_path / "latest.db").symlink_to(target)
    say(house, "subscribers", "add", "d@example.org")
    assert "4 subscribers" in say(house, "backup", str(tmp_path / "latest.db"))
    assert count_subscribers(target) == 4
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert (tmp_path / "latest.db").is_symlink()


class Writer(threading.Thread):
    """Suppresses two more addresses in each transaction, without end, so that one that was cut in two would show."""

    def __init__(self, house: Path) -> None:
        super().__init__()
        self.house, self.stop, self.wrote, self.goes_on = house, threading.Event(), 0, threading.Event()

    def run(self) -> None:
        app = opened(self.house)
        while not self.stop.is_set():
            with app.storage.write():
                for half in ("x", "y"):
                    address = f"{half}{self.wrote}@example.org"
                    app.storage.subscribers.suppress(address, Suppression.MANUAL, "", app.now())
            self.wrote += 1
            self.goes_on.set()
        app.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop.set()
        self.join()


def test_a_backup_is_consistent_while_others_write(house: Path, tmp_path: Path) -> None:
    with Writer(house) as writer:
        for number in range(10):
            writer.goes_on.clear()
            assert writer.goes_on.wait(30)
            before = writer.wrote
            target = tmp_path / f"{number}.db"
            say(house, "backup", str(target))
            after = writer.wrote
            with closing(sqlite3.connect(target)) as copy:
                assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
                halves = copy.execute("SELECT count(*) FROM suppressions GROUP BY substr(folded, 1, 1)").fetchall()
            assert halves[0] == halves[1]
            assert before <= halves[0][0] <= after + 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("house/subscribers.db", "it belongs to the database itself"),
        ("house/subscribers.db-wal", "it belongs to the database itself"),
        ("house/subscribers.db.instance", "it belongs to the database itself"),
        ("house/subscribers.db.sender", "it belongs to the database itself"),
        ("house/../house/subscribers.db", "it belongs to the database itself"),
        ("link.db", "it belongs to the database itself"),
        ("live/subscribers.db", "subscribers.db.instance lies beside it, so that is a database in use"),
        ("busy.db", "busy.db-wal lies beside it, so that is a database in use"),
        ("nowhere/backup.db", "there is no such folder"),
        ("text.db", "there is something that is no backup of a newsletter"),
        ("empty.db", "there is something that is no backup of a newsletter"),
        ("foreign.db", "there is something that is no backup of a newsletter"),
    ],
)
def test_what_is_no_backup_is_not_written_over(house: Path, tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "link.db").symlink_to(house / "subscribers.db")
    (tmp_path / "live").mkdir()
    Storage(tmp_path / "live" / "subscribers.db").close()
    for file, content in (("busy.db-wal", "log"), ("text.db", "my thesis\n" * 99), ("empty.db", "")):
        (tmp_path / file).write_text(content)
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as foreign:
        foreign.execute("CREATE TABLE subscribers (id)")
    target = tmp_path / name
    before = target.read_bytes() if target.exists() else None
    with pytest.raises(UsageError) as caught:
        say(house, "backup", str(target))
    assert str(caught.value) == f"{target}: {reason}; name another file"
    assert (target.read_bytes() if target.exists() else None) == before


def test_a_folder_is_no_file_for_a_backup(house: Path, tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match="is a directory"):
        say(house, "backup", str(tmp_path))


@pytest.mark.parametrize("command", [("backup", "backup.db"), ("adopt",)])
def test_where_there_is_no_database_none_is_made(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "config.toml").write_text(CONFIG)
    with pytest.raises(UsageError, match=r"subscribers\.db: there is no database yet"):
        say(tmp_path, *command)
    assert [path.name for path in tmp_path.iterdir()] == ["config.toml"]


def test_a_damaged_database_does_not_replace_a_backup(house: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    say(house, "backup", str(target))
    good = target.read_bytes()
    with closing(sqlite3.connect(house / "subscribers.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = database.execute("SELECT rootpage FROM sqlite_master WHERE name = 'deliveries'").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    with (house / "subscribers.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x0d" + b"\xff" * 200)
    with pytest.raises(StorageError, match=r"house/subscribers\.db: it is damaged"):
        say(house, "backup", str(target))
    assert target.read_bytes() == good
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.db", "house"]


def test_a_full_disk_leaves_the_older_backup(house: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    say(house, "backup", str(target))
    app = opened(house)
    crowd(app, 5_000)
    app.close()
    good = target.read_bytes()

    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(good) + 4096, len(good) + 4096))

    command = [sys.executable, "-m", "newsletter", "--config", str(house / "config.toml"), "backup", str(target)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[1], preexec_fn=little_room, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"newsletter: {tmp_path}/backup.db.")
    assert "subscribers.db cannot be copied: " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert target.read_bytes() == good
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.db", "house"]


def test_the_backup_of_a_database_of_0_1_0_has_an_id_too(tmp_path: Path) -> None:
    house = tmp_path / "house"
    house.mkdir()
    (house / "config.toml").write_text(CONFIG)
    with closing(sqlite3.connect(house / "subscribers.db")) as database:
        database.executescript(FIRST_RELEASE.read_text())
    say(house, "backup", str(tmp_path / "backup.db"))
    assert_refused(move(tmp_path / "backup.db", tmp_path / "copy"), "it is missing")


# ---------------------------------------------------------------- adopt


def test_a_restored_backup_sends_after_adoption_and_the_original_goes_on(house: Path, tmp_path: Path) -> None:
    say(house, "backup", str(tmp_path / "backup.db"))
    copy = move(tmp_path / "backup.db", tmp_path / "copy")
    assert_refused(copy, "it is missing")
    assert say(copy, "adopt").splitlines() == [
        f"{copy / 'subscribers.db'} sends from now on: it has a new id, which stands in subscribers.db.instance too.",
        "3 deliveries wait in it and will be sent from here.",
        "What was published or sent elsewhere since it was copied is not known here, and will be sent again.",
    ]
    for folder, sent_before in ((copy, 0), (house, 3)):
        app = opened(folder)
        assert deliver(app).counts == {SENT: 3}
        assert deliver(app).counts == {}
        assert app.storage.deliveries.counts() == {SENT: 6}
        assert app.storage.deliveries.overlapping() == []
        app.close()
        assert mails(folder) == sent_before + 3
    assert record(copy)[0] != record(house)[0]


def test_an_older_backup_goes_on_after_adoption(restored: Path) -> None:
    old, _ = record(restored)
    assert "3 deliveries wait" in say(restored, "adopt")
    new, claims = record(restored)
    assert (new, claims) == settings_of(restored / "subscribers.db")
    assert new != old
    app = opened(restored)
    assert deliver(app).counts == {SENT: 3}
    app.close()
    assert record(restored) == (new, 6)


def test_adopting_the_true_one_changes_nothing(house: Path) -> None:
    before = record(house), settings_of(house / "subscribers.db")
    said = say(house, "adopt")
    database = house / "subscribers.db"
    assert said == f"{database} is the one that sends already; nothing was changed. 3 deliveries wait.\n"
    assert (record(house), settings_of(database)) == before


@pytest.mark.parametrize(("name", "doing"), [("sender", "sending"), ("publish", "publishing")])
def test_nothing_is_adopted_while_somebody_is_at_work(copy: Path, name: str, doing: str) -> None:
    with hold(copy / f"subscribers.db.{name}", doing), pytest.raises(BusyError, match=f"is {doing} just now"):
        say(copy, "adopt")
    assert_refused(copy, "it is missing")


# ---------------------------------------------------------------- killed anywhere


DONE, UNCHANGED, REFUSED, BROKEN, KILLED = 0, 5, 6, 7, -signal.SIGKILL


class Killer:
    """Counts what a process does to files and databases, and kills it before the effect it was told; 0: before none."""

    def __init__(self, number: int) -> None:
        self.left = number
        sys.addaudithook(self.event)
        sys.setprofile(self.call)

    def effect(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def event(self, name: str, arguments: tuple[Any, ...]) -> None:
        writes = name == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or name in ("os.rename", "os.remove", "os.mkdir"):
            self.effect()

    def statement(self, sql: str) -> None:
        if sql.lstrip().upper().startswith(("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE")):
            self.effect()

    def call(self, _frame: FrameType, event: str, called: object) -> None:
        if event != "c_call":
            return
        if called is os.pwrite:
            self.effect()
        connection = getattr(called, "__self__", None)
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(self.statement)


def act(app: App, action: str, file: Path) -> int:
    """One thing that happens to a newsletter."""
    try:
        match action:
            case "open":
                app.storage.topics.all()
            case "check":
                app.storage.instance.check()
            case "queue":
                bring(app, make_paper(app.today().toordinal() % 1000))
                settle(app, app.today())
                assert app.storage.deliveries.overlapping() == []
            case "send":
                deliver(app)
            case "backup":
                write_backup(app, file)
            case "adopt":
                return DONE if app.storage.instance.adopt() else UNCHANGED
    except StorageError as error:
        if "say `newsletter adopt`" not in str(error):
            raise
        return REFUSED
    return DONE


def in_a_child(house: str, action: str, day: int, kill: int, file: str) -> int:
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        time = Time()
        time.now += timedelta(days=day)
        app = make_app(Path(house), time=time)
        Killer(kill)
        code = act(app, action, Path(file))
        app.close()
    except Exception:  # noqa: BLE001 - whatever it is, the test shall hear of it
        traceback.print_exc()
        code = BROKEN
    os._exit(code)


def serve() -> None:
    """Do what is told, line by line, each in a process of its own."""
    assert newsletter.rendering.cards  # loaded before forking
    for line in sys.stdin:
        print(in_a_child(**json.loads(line)), flush=True)  # noqa: T201 - read by the test


class Processes:
    """What `serve` does, from the other side."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__))]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)

    def act(self, house: Path, action: str, *, day: int = 0, kill: int = 0, file: Path | str = "") -> int:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        request = {"house": str(house), "action": action, "day": day, "kill": kill, "file": str(file)}
        print(json.dumps(request), file=self._server.stdin)
        return int(self._server.stdout.readline())

    def close(self) -> None:
        self._server.communicate()


@pytest.fixture(scope="module")
def processes() -> Iterator[Processes]:
    processes = Processes()
    yield processes
    processes.close()


def ways_to_die(processes: Processes, house: Path, action: str, **more: Any) -> Iterator[Path]:
    """Copies of a house, in each of which an action was killed before another of its effects."""
    for number in range(1, 10_000):
        folder = house.with_name(f"{house.name}-{number}")
        shutil.copytree(house, folder)
        code = processes.act(folder, action, kill=number, **more)
        if code != KILLED:
            assert code in (DONE, UNCHANGED)
            assert number >= 5
            return
        yield folder


@pytest.mark.parametrize("new", [True, False], ids=["new", "0.1.0"])
def test_killed_while_it_is_opened_first(processes: Processes, tmp_path: Path, new: bool) -> None:
    house = tmp_path / "house"
    house.mkdir()
    if not new:
        with closing(sqlite3.connect(house / "subscribers.db")) as database:
            database.executescript(FIRST_RELEASE.read_text())
    for folder in ways_to_die(processes, house, "open"):
        assert processes.act(folder, "check") == DONE
        assert record(folder) == settings_of(folder / "subscribers.db")


def test_killed_while_it_sends(processes: Processes, house: Path) -> None:
    for folder in ways_to_die(processes, house, "send", day=1):
        assert record(folder)[1] <= settings_of(folder / "subscribers.db")[1]
        assert processes.act(folder, "send", day=1) == DONE
        assert 6 <= mails(folder) <= 7


def test_killed_while_it_is_adopted(processes: Processes, copy: Path) -> None:
    for folder in ways_to_die(processes, copy, "adopt"):
        before = processes.act(folder, "check")
        assert processes.act(folder, "adopt") == (DONE if before == REFUSED else UNCHANGED)
        assert processes.act(folder, "check") == DONE


def test_killed_while_it_is_backed_up(processes: Processes, house: Path, tmp_path: Path) -> None:
    target = tmp_path / "backup.db"
    assert processes.act(house, "backup", file=target) == DONE
    say(house, "subscribers", "add", "d@example.org")
    for folder in ways_to_die(processes, house, "backup", file=target):
        assert count_subscribers(target) in (3, 4)
        assert processes.act(folder, "check") == DONE
    assert count_subscribers(target) == 4


# ---------------------------------------------------------------- whatever happens


@dataclass(frozen=True)
class Content:
    """What a database holds: under whose id, after how many mails, and when it was so."""

    owner: int
    mails: int
    time: int


@dataclass
class Home:
    """A folder with a newsletter: its database, and whose mails, and how many, the file beside it may know of."""

    folder: Path
    content: Content
    owner: int | None = None  # None: there is no file
    mails: int = 0
    killed: int = -1  # when its sender was, the last time
    true: bool = False  # may send

    def copied(self, now: int) -> Content:
        return replace(self.content, time=now) if self.true else self.content


class Story:
    """Newsletters that are sent, killed, copied, restored and adopted; the model knows which of them may send."""

    def __init__(self, processes: Processes, folder: Path, seed: int) -> None:
        self.processes, self.folder, self.chance = processes, folder, random.Random(seed)
        self.now, self.owners = 0, 0
        self.copies: dict[Path, Content] = {}
        self.homes = [Home(self.folder / "0", Content(0, 0, 0), owner=0, true=True)]
        self.homes[0].folder.mkdir()
        self.act(self.homes[0], "open", kill=self.chance.randrange(20))
        app = make_app(self.homes[0].folder)
        queue(app, "reader@example.org")
        app.close()

    def act(self, home: Home, action: str, **more: Any) -> int:
        code = self.processes.act(home.folder, action, day=self.now, **more)
        assert code in (DONE, UNCHANGED, REFUSED, KILLED), code
        return code

    def kill(self, effects: int) -> int:
        """Before which of so many effects the next process is killed; as often 0, before none."""
        return self.chance.choice([0, self.chance.randrange(1, effects)])

    def send(self, home: Home) -> None:
        before = mails(home.folder)
        assert self.act(home, "queue") == DONE
        code = self.act(home, "send", kill=self.kill(60))
        sent = mails(home.folder) - before
        if not home.true:
            assert not sent
            assert code in (REFUSED, KILLED)
            return
        assert code == KILLED or (code == DONE and sent)
        home.killed = self.now if code == KILLED else home.killed
        home.mails += sent
        home.content = Content(home.content.owner, home.mails, self.now)

    def back_up(self, home: Home) -> None:
        file, kill = self.chance.choice([self.folder / f"{self.now}.db", *self.copies]), self.kill(10)
        before = file.read_bytes() if file.exists() else b""
        assert self.act(home, "backup", kill=kill, file=file) in (DONE, KILLED if kill else DONE)
        if file.exists() and file.read_bytes() != before:
            assert count_subscribers(file) == 1
            self.copies[file] = home.copied(self.now)

    def copy_the_database_alone(self, home: Home) -> None:
        with closing(sqlite3.connect(home.folder / "subscribers.db")) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        file = Path(shutil.copy(home.folder / "subscribers.db", self.folder / f"{self.now}.db"))
        self.copies[file] = home.copied(self.now)

    def restore(self, home: Home) -> None:
        if not self.copies:
            return
        file = self.chance.choice(list(self.copies))
        for end in ("-wal", "-shm"):
            (home.folder / f"subscribers.db{end}").unlink(missing_ok=True)
        shutil.copy(file, home.folder / "subscribers.db")
        home.content = content = self.copies[file]
        home.true = (content.owner, content.mails) == (home.owner, home.mails)
        goes_on = self.act(home, "check") == DONE
        if home.true and home.killed > content.time:  # which may have told the file, and mailed nothing
            home.true = goes_on
        assert goes_on == home.true

    def move_elsewhere(self, _home: Home) -> None:
        if not self.copies or len(self.homes) > 2:
            return
        file = self.chance.choice(list(self.copies))
        home = Home(self.folder / str(len(self.homes)), self.copies[file])
        home.folder.mkdir()
        shutil.copy(file, home.folder / "subscribers.db")
        self.homes.append(home)

    def lose_the_file(self, home: Home) -> None:
        (home.folder / "subscribers.db.instance").unlink(missing_ok=True)
        home.owner, home.true = None, False

    def adopt(self, home: Home) -> None:
        code = self.act(home, "adopt", kill=self.kill(10))
        if home.true:
            assert code in (UNCHANGED, KILLED)
            assert self.act(home, "check") == DONE
            return
        if code == KILLED and self.act(home, "check") == REFUSED:
            code = self.act(home, "adopt")
        assert code in (DONE, KILLED)
        self.owners += 1
        home.owner, home.mails, home.true = self.owners, home.content.mails, True
        home.content = replace(home.content, owner=self.owners)


@pytest.mark.parametrize("seed", range(6))
def test_which_of_them_sends(processes: Processes, tmp_path: Path, seed: int) -> None:
    story = Story(processes, tmp_path, seed)
    happenings: list[Callable[[Home], None]] = [story.send, story.restore, story.back_up] * 2
    happenings += [story.copy_the_database_alone, story.move_elsewhere, story.lose_the_file, story.adopt]
    for story.now in range(1, 40):
        story.chance.choice(happenings)(story.chance.choice(story.homes))


if __name__ == "__main__":
    serve()

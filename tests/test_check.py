"""`newsletter check`: that it finds what is not sound, and nothing where all is; it changes nothing."""

import random
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from zoneinfo import available_timezones

import pytest
from certificates import Certificate, self_signed
from house import Time, day, make_app, subscribe
from ledger_house import ANN, BOB, CID, attempt, bring_out, say

from newsletter.app import App
from newsletter.checking import Finding, State, check
from newsletter.cli.checking import check as command
from newsletter.demo.smtp import SmtpStandIn
from newsletter.model import DeliveryStatus, Suppression
from newsletter.sending import deliver

OK, REMARK, FAILED = State.OK, State.REMARK, State.FAILED
NAMES = ["configuration", "templates", "mail", "archive", "disk", "database", "instance", "time zone", "ledger"]
SENT = (DeliveryStatus.SENT, "250 ok")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    """A newsletter with two editions that were sent."""
    app = make_app(tmp_path, time=time)
    subscribe(app, ANN, BOB, CID)
    for number in (1, 2):
        bring_out(app, number)
        deliver(app)
        time.now += timedelta(days=1)
    yield app
    app.close()


def found(app: App, name: str, *, connect: bool = False) -> Finding:
    (finding,) = (one for one in check(app, connect=connect) if one.name == name)
    return finding


def not_ok(app: App) -> list[tuple[State, str]]:
    return [(one.state, one.name) for one in check(app) if one.state is not OK]


# ---------------------------------------------------------------- the whole


def test_what_is_sound_is_said_to_be(app: App) -> None:
    said = say(app, command)
    assert [line[8:].split("  ")[0].strip() for line in said.output.splitlines()] == NAMES
    assert (said.status, {line[:8] for line in said.output.splitlines()}) == (0, {"ok      "})
    assert app.config.path.name in said.output
    assert say(app, command, "--json").json["sound"] is True


def test_before_anything_is_there_all_is_sound_and_nothing_is_made(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    looking = App(app.config, app.outside, looking=True)
    assert not_ok(looking) == []
    assert list(tmp_path.iterdir()) == []
    looking.close()


def test_only_looking_nothing_is_changed(app: App, tmp_path: Path) -> None:
    app.archive.keep({}, "")
    app.close()
    looking = App(app.config, app.outside, looking=True)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not_ok(looking) == []
    looking.close()
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.name for path in after.keys() ^ before.keys()} <= {"subscribers.db-wal", "subscribers.db-shm"}
    assert all(after[path] == content for path, content in before.items() if path in after)


def test_one_that_fails_makes_the_exit_status_and_the_others_are_told(app: App, tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("")
    said = say(app, command, "--json")
    assert (said.status, said.json["sound"]) == (1, False)
    assert [one["name"] for one in said.json["checks"]] == NAMES
    assert [(one["name"], one["state"]) for one in said.json["checks"] if one["state"] != "ok"] == [
        ("archive", "FAILED")
    ]
    assert f"FAILED  archive        {tmp_path / 'archive'} is not a folder" in say(app, command).output


# ---------------------------------------------------------------- configuration, templates, folders


def test_no_topics_are_remarked_on(tmp_path: Path) -> None:
    app = make_app(tmp_path, topics=())
    assert found(app, "configuration").state is REMARK
    app.close()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{% if %}", "digest/body.txt, line 1: Expected an expression"),
        (b"\n{{ 'a }}", "digest/body.txt, line 2: "),
        (b"\xff", "digest/body.txt is not UTF-8"),
    ],
)
def test_a_template_that_does_not_parse_is_named(tmp_path: Path, text: bytes, says: str) -> None:
    (tmp_path / "mine" / "digest").mkdir(parents=True)
    (tmp_path / "mine" / "digest" / "body.txt").write_bytes(text)
    app = make_app(tmp_path, digest={"templates": "mine"})
    finding = found(app, "templates")
    assert (finding.state, says in finding.text) == (FAILED, True), finding.text
    app.close()


def test_a_folder_of_templates_that_is_gone(tmp_path: Path) -> None:
    app = make_app(tmp_path, digest={"templates": "mine"})
    assert found(app, "templates") == Finding("templates", FAILED, f"{tmp_path / 'mine'} is not a folder of templates")
    app.close()


def make_repository(folder: Path) -> None:
    folder.mkdir()
    (folder / "file").write_text("")
    subprocess.run(["git", "init", "--quiet", str(folder)], check=True)


def detach(folder: Path) -> None:
    make_repository(folder)
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, "commit", "-q", "--allow-empty", "-m", "."], check=True)
    subprocess.run(["git", "-C", str(folder), "checkout", "-q", "--detach"], check=True)


def damage(folder: Path) -> None:
    make_repository(folder)
    (folder / ".git" / "HEAD").write_text("")


def fill(folder: Path) -> None:
    folder.mkdir()
    (folder / "file").write_text("")


@pytest.mark.parametrize(
    ("make", "state", "says"),
    [
        (lambda _folder: None, OK, "none yet; the first edition makes it"),
        (lambda folder: folder.mkdir(), OK, "none yet; the first edition makes it"),
        (make_repository, OK, "in the repository"),
        (fill, FAILED, "is in no git work tree that can be used"),
        (damage, FAILED, "is in no git work tree that can be used"),
        (detach, FAILED, "no branch is checked out"),
        (lambda folder: folder.write_text(""), FAILED, "is not a folder"),
    ],
)
def test_archives(tmp_path: Path, make: Callable[[Path], object], state: State, says: str) -> None:
    make(tmp_path / "archive")
    app = make_app(tmp_path)
    finding = found(app, "archive")
    assert (finding.state, says in finding.text) == (state, True), finding.text
    app.close()


def test_a_folder_for_mail_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("")
    app = make_app(tmp_path)
    assert found(app, "mail") == Finding("mail", FAILED, f"{tmp_path / 'outbox'} is not a folder")
    app.close()


# ---------------------------------------------------------------- the mail server


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return self_signed(tmp_path)


def mailing(folder: Path, certificate: Certificate, server: SmtpStandIn, **smtp: object) -> App:
    table = {"host": server.host, "port": server.port, **smtp}
    outside = {"tls": certificate.client_context()}
    return make_app(folder, outside=outside, delivery={"transport": "smtp"}, smtp=table)


def papers(folder: Path, password: str) -> dict[str, object]:
    """How to log in."""
    (folder / "secret").write_text(password)
    (folder / "secret").chmod(0o600)
    return {"username": "papers", "password": {"file": "secret"}}


@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_a_server_that_would_take_mail_is_asked_and_gets_none(
    tmp_path: Path, certificate: Certificate, security: str
) -> None:
    login = papers(tmp_path, "hunter2")
    with SmtpStandIn(
        security=security,  # type: ignore[arg-type]
        tls_context=None if security == "none" else certificate.server_context(),
        login=None if security == "none" else ("papers", "hunter2"),
    ) as server:
        app = mailing(tmp_path, certificate, server, security=security, **(login if security != "none" else {}))
        assert found(app, "mail").text.endswith("--connect asks whether it answers")
        assert server.connections == 0
        finding = found(app, "mail", connect=True)
        logged_in = "" if security == "none" else "; logged in as papers"
        assert finding == Finding("mail", OK, f"{server.host}:{server.port}, security {security}, answers{logged_in}")
        assert (server.connections, server.received) == (1, [])
        app.close()


@pytest.mark.parametrize(
    ("served", "wanted", "password", "says"),
    [
        ("none", "starttls", "hunter2", "STARTTLS extension not supported"),
        ("starttls", "starttls", "wrong", "refuses the login of papers"),
        ("none", "tls", "hunter2", "TLS failed"),
    ],
)
def test_what_is_wrong_with_the_server_is_told(
    tmp_path: Path, certificate: Certificate, served: str, wanted: str, password: str, says: str
) -> None:
    login = papers(tmp_path, password)
    with SmtpStandIn(
        security=served,  # type: ignore[arg-type]
        tls_context=None if served == "none" else certificate.server_context(),
        login=None if served == "none" else ("papers", "hunter2"),
    ) as server:
        app = mailing(tmp_path, certificate, server, security=wanted, **login)
        finding = found(app, "mail", connect=True)
        assert (finding.state, says in finding.text) == (FAILED, True), finding.text
        assert password not in finding.text
        app.close()


def test_nobody_there(tmp_path: Path, certificate: Certificate) -> None:
    with SmtpStandIn() as server:
        app = mailing(tmp_path, certificate, server)
    assert "no connection" in found(app, "mail", connect=True).text
    assert not_ok(app) == []  # it was not asked
    app.close()


# ---------------------------------------------------------------- the database


def test_a_damaged_database(app: App, tmp_path: Path) -> None:
    app.close()
    with closing(sqlite3.connect(tmp_path / "subscribers.db")) as database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_schema SET rootpage = 2 WHERE name = 'deliveries_status'")
        database.commit()
    looking = App(app.config, app.outside, looking=True)
    finding = found(looking, "database")
    assert (finding.state, "restore a backup" in finding.text) == (FAILED, True)
    looking.close()


def test_rows_that_name_others_which_are_gone(app: App) -> None:
    connection = app.storage.database.tables.conn
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("DELETE FROM subscribers WHERE id = 2")
    finding = found(app, "database")
    assert finding.state is FAILED
    assert "deliveries names rows of subscribers that are not there" in finding.text


def test_a_database_that_others_may_read(app: App, tmp_path: Path) -> None:
    (tmp_path / "subscribers.db").chmod(0o640)
    finding = found(app, "database")
    assert (finding.state, "chmod 600" in finding.text) == (FAILED, True)


def test_something_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "subscribers.db").write_text("Dear diary, this is not a database. " * 100)
    app = make_app(tmp_path)
    looking = App(app.config, app.outside, looking=True)
    assert not_ok(looking) == [(FAILED, name) for name in NAMES[5:]]
    looking.close()


def test_a_copied_database(app: App, tmp_path: Path) -> None:
    (tmp_path / "subscribers.db.instance").unlink()
    finding = found(app, "instance")
    assert (finding.state, "newsletter adopt" in finding.text) == (FAILED, True)


def test_clocks_that_are_not_known_here(app: App) -> None:
    assert not {"Mars/Olympus"} & available_timezones()
    with app.storage.write():
        app.storage.database.execute("UPDATE subscribers SET zone = 'Mars/Olympus' WHERE id = 1")
        app.storage.database.execute("UPDATE subscribers SET zone = 'Europe/Berlin' WHERE id = 2")
    finding = found(app, "time zone")
    assert (finding.state, finding.text.split(";")[0]) == (FAILED, "unknown here: Mars/Olympus")


# ---------------------------------------------------------------- the ledger


@pytest.mark.parametrize(
    "mistake",
    [
        "UPDATE deliveries SET after = '' WHERE upto = '2026-01-07' AND subscriber_id = 1",  # told twice
        "UPDATE subscribers SET covered = '2026-01-06' WHERE id = 1",  # told again by the next digest
    ],
)
def test_what_would_be_told_twice_fails(app: App, mistake: str) -> None:
    with app.storage.write():
        app.storage.database.execute(mistake)
    finding = found(app, "ledger")
    assert (finding.state, finding.text.rpartition(": ")[2]) == (FAILED, ANN)


@pytest.mark.parametrize(
    "mistake",
    [
        "DELETE FROM deliveries WHERE upto = '2026-01-07' AND subscriber_id = 1",  # the last one
        "UPDATE deliveries SET status = 'expired' WHERE upto = '2026-01-07' AND subscriber_id = 1",
        "UPDATE deliveries SET after = upto, upto = '2026-01-08' WHERE upto = '2026-01-07' AND subscriber_id = 1",
    ],
)
def test_what_was_lost_is_remarked_on(app: App, mistake: str) -> None:
    with app.storage.write():
        app.storage.database.execute("UPDATE subscribers SET covered = '2026-01-08'")
        app.storage.database.execute(mistake)
    finding = found(app, "ledger")
    assert (finding.state, f"for {ANN}. If they" in finding.text) == (REMARK, True), finding.text


def test_what_held_nothing_was_not_lost(tmp_path: Path, time: Time) -> None:
    """Nor what a reader chose later, or is not told since it was told before."""
    topics = ("Graph Neural Networks", "Time Series")
    app = make_app(tmp_path, time=time, topics=topics)
    subscribe(app, ANN, topics=topics[:1])
    subscribe(app, BOB, topics=topics[1:])
    subscribe(app, CID, topics=topics)
    for number, title in enumerate(("Graph Neural Networks", "Time Series", "Graph Neural Networks", "Time Series"), 1):
        bring_out(app, number, title=title)
        deliver(app)
        time.now += timedelta(days=1)
    app.subscriptions.change(ANN, topics=topics, today=app.today(), now=app.now())
    assert not_ok(app) == []
    app.close()


def test_a_pause_is_only_remarked_on_and_suppressed_digests_are_not(app: App, time: Time) -> None:
    app.subscriptions.pause(ANN, today=app.today(), now=app.now())
    bring_out(app, 3)
    with app.storage.write():
        app.storage.subscribers.suppress(BOB, Suppression.MANUAL, "", app.now())
    deliver(app)
    app.subscriptions.unsuppress(BOB, today=app.today())
    app.subscriptions.resume(ANN, today=app.today(), now=app.now())
    time.now += timedelta(days=1)
    bring_out(app, 4)
    deliver(app)
    finding = found(app, "ledger")
    assert (finding.state, f"for {ANN}. If" in finding.text) == (REMARK, True), finding.text
    assert say(app, command).status == 0


def test_doubles_are_those_that_comparing_each_with_each_finds(app: App) -> None:
    """Over random ledgers, right and wrong ones."""
    chance = random.Random(7)
    seen = set()
    for _ in range(300):
        with app.storage.write():
            app.storage.database.execute("DELETE FROM deliveries")
            app.storage.database.execute("UPDATE subscribers SET covered = '2026-03-01'")
            for number in range(chance.randrange(10)):
                start, length = chance.randrange(20), chance.randrange(1, 6)
                status = chance.choice(["sent", "queued", "bounced", "expired", "suppressed"])
                row = chance.choice([1, 2]), status, str(number), str(day(start)), str(day(start + length))
                app.storage.database.execute(
                    "INSERT INTO deliveries (subscriber_id, kind, status, message_id, chosen, after, upto, queued,"
                    " expires, due) VALUES (?, 'digest', ?, ?, '', ?, ?, '', '', '')",
                    row,
                )
        emails = {1: ANN, 2: BOB}
        expected = {emails[number] for number in app.storage.deliveries.overlapping()}
        assert set(app.storage.auditing.doubled()) == expected
        seen.add(len(expected))
    assert seen == {0, 1, 2}


def test_a_ledger_in_the_midst_of_its_work_is_sound(tmp_path: Path, time: Time) -> None:
    app = make_app(tmp_path, time=time)
    subscribe(app, ANN, BOB, CID)
    chance = random.Random(3)
    outcomes = [SENT, (DeliveryStatus.DEFERRED, "451 later"), (DeliveryStatus.BOUNCED, "550 no")]
    for number in range(1, 12):
        bring_out(app, number)
        attempt(app, {email: chance.choice(outcomes) for email in (ANN, BOB, CID)})
        assert found(app, "ledger").state is OK
        time.now += chance.choice([timedelta(hours=24), timedelta(hours=30), timedelta(days=3)])
        attempt(app, {})
        assert found(app, "ledger").state is OK
    app.close()

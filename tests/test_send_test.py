"""`newsletter send-test`: a real digest to one address, over a real connection, and nothing of it is kept."""

import email
import mailbox
import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from email.message import EmailMessage
from email.policy import default

import pytest
from adversity import READERS, Newsletter, Said
from adversity import newsletter as newsletter  # the fixture
from house import bring, make_paper, subscribe
from test_looking import published as published
from test_looking import sealed

from newsletter.demo.smtp import SmtpStandIn, drop_at, say_at
from newsletter.locks import hold
from newsletter.mail.tokens import Keyring
from newsletter.preview import preview
from newsletter.preview.trial import send_test
from newsletter.sending import deliver
from newsletter.settling import settle

ME = "me@example.net"
OWN = {"To", "Date", "Message-ID", "List-Unsubscribe", "Content-Type"}  # what is one mail's own


@pytest.fixture
def server() -> Iterator[SmtpStandIn]:
    with SmtpStandIn() as server:
        yield server


@pytest.fixture
def sending(published: Newsletter, server: SmtpStandIn) -> Newsletter:
    """A newsletter with an edition, whose mail goes to the server."""
    return connect(published, server)


def connect(newsletter: Newsletter, server: SmtpStandIn) -> Newsletter:
    newsletter.configure(f'[delivery]\ntransport = "smtp"\n[smtp]\nhost = "{server.host}"\nport = {server.port}\n')
    return newsletter


def dump(newsletter: Newsletter) -> list[str]:
    with closing(sqlite3.connect(newsletter.folder / "subscribers.db")) as database:
        return list(database.iterdump())


def message(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=default)


def token_in(newsletter: Newsletter, raw: bytes) -> int | None:
    """Whose link to leave a mail carries."""
    found = re.search(r"unsubscribe%20([\w-]+)>", message(raw)["List-Unsubscribe"])
    assert found is not None
    with closing(sqlite3.connect(newsletter.folder / "subscribers.db")) as database:
        ((key,),) = database.execute("SELECT value FROM settings WHERE name = 'token_key'")
    token = Keyring({1: bytes.fromhex(key)}).read("unsubscribe", found[1])
    return token.number if token else None


# ---------------------------------------------------------------- what is sent


def test_it_is_sent_and_nothing_is_kept(sending: Newsletter, server: SmtpStandIn) -> None:
    before, files = dump(sending), {path.name for path in sending.folder.iterdir()}
    said = sending.run("send-test", ME)
    ((envelope, raw),) = server.received
    assert (said.status, said.errors) == (0, "")
    subject, size, answer = said.output.splitlines()
    assert subject == message(raw)["Subject"] == "Daily Papers, 6 Jan: 3 new in 1 topic"
    assert re.fullmatch(r"3 papers; the HTML part has \d+\.\d KB of at most 90\.", size)
    assert answer == f"Sent to {ME}: 250 2.0.0 filed"
    assert (envelope.sender, envelope.recipients) == ("papers@example.org", (ME,))
    assert message(raw)["To"] == ME
    assert dump(sending) == before
    assert {path.name for path in sending.folder.iterdir()} - files <= {"subscribers.db-wal", "subscribers.db-shm"}


def test_its_headers_are_those_of_a_digest(sending: Newsletter, server: SmtpStandIn) -> None:
    sending.run("send-test", ME)
    app = sending.app()
    deliver(app)
    app.close()
    trial, *digests = (message(raw) for _, raw in server.received)
    assert len(digests) == len(READERS)
    for digest in digests:
        assert trial.keys() == digest.keys()
        assert {name: trial[name] for name in trial if name not in OWN} == {
            name: digest[name] for name in digest if name not in OWN
        }


def test_each_has_an_identifier_of_its_own(sending: Newsletter, server: SmtpStandIn) -> None:
    for _ in range(3):
        sending.run("send-test", ME)
    identifiers = {message(raw)["Message-ID"] for _, raw in server.received}
    assert len(identifiers) == 3
    assert all(re.fullmatch(r"<test\.[0-9a-f]+@example\.org>", identifier) for identifier in identifiers)


def test_a_readers_mail_goes_to_the_address_without_their_link(sending: Newsletter, server: SmtpStandIn) -> None:
    app = sending.app()
    subscribe(app, "curious@example.org", topics=["Graph Neural Networks"])
    app.close()
    assert sending.run("send-test", ME, "--subscriber", "curious@example.org").status == 0
    assert sending.run("send-test", ME).status == 0
    for envelope, raw in server.received:
        assert envelope.recipients == (ME,)
        assert b"curious@example.org" not in raw
        assert ME.encode() in raw.partition(b"\r\n\r\n")[2]  # whose mail it says that it is
        assert token_in(sending, raw) == 0
    app = sending.app()
    assert token_in(sending, preview(app, "curious@example.org", None).message) != 0
    app.close()


def test_a_topic(newsletter: Newsletter, server: SmtpStandIn) -> None:
    newsletter.configure("[[topics]]\nname = 'Moths'\n")
    app = newsletter.app()
    bring(app, make_paper(1), make_paper(2, "On Moths"))
    settle(app, app.today())
    _, answer = send_test(app, ME, None, "Moths")
    app.close()
    assert str(answer).startswith("250 filed as ")
    (mail,) = mailbox.Maildir(newsletter.folder / "outbox", create=False)
    assert mail["Subject"] == "Daily Papers, 6 Jan: 1 new in 1 topic"
    assert mail["Delivered-To"] == ME


def test_it_is_the_newest_edition(newsletter: Newsletter, server: SmtpStandIn) -> None:
    connect(newsletter, server)
    assert newsletter.run("send-test", ME).lines == [
        "newsletter: there is no edition yet; `newsletter publish` makes one"
    ]
    assert newsletter.run("send-test", ME).status == 1
    assert server.connections == 0


# ---------------------------------------------------------------- where others are at work, or nothing may be written


def test_it_waits_for_nobody(sending: Newsletter) -> None:
    app = sending.app()
    with ExitStack() as locks:
        for name in ("run", "publish", "sender"):
            locks.enter_context(hold(app.lock_file(name), "working"))
        with app.storage.write():
            assert sending.run("send-test", ME).status == 0
    app.close()


def test_it_needs_no_right_to_write(sending: Newsletter, server: SmtpStandIn) -> None:
    with sealed(sending.folder):
        said = sending.run_powerless("send-test", ME)
    assert (said.status, said.errors) == (0, "")
    assert len(server.received) == 1


# ---------------------------------------------------------------- what is said when it does not go


def refused(newsletter: Newsletter, status: int, *arguments: str) -> Said:
    before = dump(newsletter)
    said = newsletter.run("send-test", *arguments)
    assert (said.status, said.output) == (status, "")
    assert dump(newsletter) == before
    return said


@pytest.mark.parametrize("address", ["x", "a@b", "a@example.org, b@example.org", "A <a@example.org>", ""])
def test_an_address_is_checked(sending: Newsletter, server: SmtpStandIn, address: str) -> None:
    (line,) = refused(sending, 2, address).lines
    assert line.startswith(f"newsletter: {address!r} is not an e-mail address: ")
    assert server.connections == 0


@pytest.mark.parametrize(
    "options",
    [
        ("--subscriber", "ada@example.org", "--topic", "Graph Neural Networks"),
        ("--subscriber", "nobody@example.org"),
        ("--topic", "No Such Topic"),
    ],
    ids=" ".join,
)
def test_wrong_use(sending: Newsletter, server: SmtpStandIn, options: tuple[str, ...]) -> None:
    assert refused(sending, 2, ME, *options).errors
    assert server.connections == 0


@pytest.mark.parametrize(
    ("stage", "reply", "says"),
    [
        ("RCPT", "550 5.1.1 no such user", f"{ME}: it was refused: 550 5.1.1 no such user"),
        ("dot", "554 5.6.0 not like this", f"{ME}: it was refused: 554 5.6.0 not like this"),
        ("RCPT", "451 4.7.1 greylisted", f"{ME}: it was not taken this time: 451 4.7.1 greylisted"),
        ("MAIL", "553 5.1.8 who is that?", "127.0.0.1 refuses the sender: 553 5.1.8 who is that?"),
    ],
)
def test_the_answer_of_the_server(sending: Newsletter, server: SmtpStandIn, stage: str, reply: str, says: str) -> None:
    server.script = say_at(stage, reply)  # type: ignore[arg-type]
    assert refused(sending, 1, ME).lines == [f"newsletter: {says}"]
    assert not server.received


def test_no_answer(sending: Newsletter, server: SmtpStandIn) -> None:
    server.script = drop_at("filed")
    (line,) = refused(sending, 1, ME).lines
    assert line.startswith(f"newsletter: {ME}: it may have arrived or not: no answer after the message")
    assert len(server.received) == 1


def test_nobody_is_there(sending: Newsletter) -> None:
    with SmtpStandIn() as gone:
        pass
    connect(sending, gone)
    (line,) = refused(sending, 1, ME).lines
    assert line.startswith(f"newsletter: 127.0.0.1:{gone.port}: no connection: ")


def test_an_address_beyond_ascii(sending: Newsletter, server: SmtpStandIn) -> None:
    address = "käthe@bücher.example"
    assert sending.run("send-test", address).status == 0
    ((envelope, _),) = server.received
    assert envelope.recipients == ("käthe@xn--bcher-kva.example",)
    assert "SMTPUTF8" in envelope.options
    with SmtpStandIn(smtputf8=False) as older:
        connect(sending, older)
        said = refused(sending, 1, address)
        assert said.lines == [
            f"newsletter: {address}: it was refused: the server takes no addresses beyond ASCII (SMTPUTF8)"
        ]
        assert sending.run("send-test", "kaethe@bücher.example").status == 0


def test_a_broken_template_is_told(sending: Newsletter, server: SmtpStandIn) -> None:
    folder = sending.folder / "own" / "digest"
    folder.mkdir(parents=True)
    (folder / "body.html").write_text("\n{% if %}")
    file = sending.folder / "config.toml"
    file.write_text(f"{file.read_text()}[digest]\ntemplates = 'own'\n")
    (line,) = refused(sending, 1, ME).lines
    assert line.startswith(f"newsletter: {folder / 'body.html'}, line 2: ")
    assert server.connections == 0

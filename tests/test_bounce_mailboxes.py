"""Reading the bounce mailbox: a Maildir that others change meanwhile, and IMAP with servers good and bad."""

import os
import socket
import threading
import time as real_time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from imaplib import IMAP4
from pathlib import Path
from tempfile import TemporaryDirectory

import dovecot
import postfix
import pytest
from certificates import Certificate, self_signed
from house import make_app

from newsletter.collecting import collect, open_mailbox
from newsletter.errors import MailboxError
from newsletter.mail.mailboxes.imap import ImapAccount, ImapMailbox
from newsletter.mail.mailboxes.maildir import MaildirMailbox
from newsletter.mail.reports.parsing import MOST_BYTES

# ---------------------------------------------------------------- Maildir


@pytest.fixture
def maildir(tmp_path: Path) -> Path:
    for part in ("new", "cur", "tmp"):
        (tmp_path / "box" / part).mkdir(parents=True)
    return tmp_path / "box"


def test_mails_keep_their_names_whoever_looks_at_them(maildir: Path) -> None:
    (maildir / "new" / "2.x").write_bytes(b"two")
    (maildir / "cur" / "1.x:2,S").write_bytes(b"one")
    (maildir / "new" / ".hidden").write_bytes(b"none")
    (maildir / "tmp" / "3.x").write_bytes(b"not yet")
    box = MaildirMailbox(maildir)
    assert box.names() == ["1.x", "2.x"]
    (maildir / "new" / "2.x").rename(maildir / "cur" / "2.x:2,FS")
    assert box.read("2.x") == b"two"
    (maildir / "cur" / "2.x:2,FS").rename(maildir / "cur" / "2.x:2,T")
    box.remove(["2.x", "3.x"])
    assert box.names() == ["1.x"]
    (maildir / "cur" / "1.x:2,S").unlink()
    assert box.read("1.x") is None
    box.remove(["1.x"])


def test_what_is_no_file_is_not_read(maildir: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    (maildir / "new" / "link").symlink_to(tmp_path / "secret")
    (maildir / "new" / "folder").mkdir()
    os.mkfifo(maildir / "new" / "pipe")
    box = MaildirMailbox(maildir)
    assert [box.read(name) for name in box.names()] == [None, None, None]


def test_of_a_large_mail_the_beginning_is_read(maildir: Path) -> None:
    (maildir / "new" / "1.x").write_bytes(b"a" * (MOST_BYTES + 1))
    box = MaildirMailbox(maildir)
    assert [len(box.read(name) or b"") for name in box.names()] == [MOST_BYTES]


def test_a_folder_that_is_no_maildir_is_said_so(tmp_path: Path) -> None:
    assert MaildirMailbox(tmp_path / "none").names() == []
    with pytest.raises(MailboxError, match="no Maildir that can be read: new: No such file"):
        MaildirMailbox(tmp_path).names()


# ---------------------------------------------------------------- a real IMAP server

needs_dovecot = pytest.mark.skipif(bool(dovecot.MISSING or postfix.MISSING), reason=dovecot.MISSING or postfix.MISSING)


@dataclass(frozen=True, slots=True)
class Imap:
    server: dovecot.Dovecot
    certificate: Certificate

    def account(self, user: str, security: str = "none") -> ImapAccount:
        port = self.server.imaps if security == "tls" else self.server.imap
        return ImapAccount("127.0.0.1", port, security, user, dovecot.PASSWORD)  # type: ignore[arg-type]

    def mailbox(self, user: str, security: str = "none") -> ImapMailbox:
        return ImapMailbox(self.account(user, security), 5.0, 60.0, self.certificate.client_context())

    @contextmanager
    def session(self, user: str) -> Iterator[IMAP4]:
        """A mail program's."""
        with IMAP4("127.0.0.1", self.server.imap) as session:
            session.login(user, dovecot.PASSWORD)
            session.select("INBOX")
            yield session

    def file(self, user: str, *mails: bytes, flags: str = "") -> None:
        with self.session(user) as session:
            for raw in mails:
                session.append("INBOX", flags, None, raw)


@pytest.fixture(scope="module")
def imap() -> Iterator[Imap]:
    with TemporaryDirectory() as folder:
        certificate = self_signed(Path(folder))
        with dovecot.dovecot(Path(folder, "dovecot"), postfix.OWNER, certificate.path) as server:
            yield Imap(server, certificate)


@needs_dovecot
@pytest.mark.parametrize("security", ["none", "starttls", "tls"])
def test_mails_are_listed_read_and_removed(imap: Imap, security: str) -> None:
    imap.file(security, b"Subject: one\r\n\r\n1\r\n", b"Subject: two\r\n\r\n2\r\n", b"Subject: three\r\n\r\n3\r\n")
    with imap.mailbox(security, security) as box:
        assert box.names() == ["1", "2", "3"]
        assert box.read("2") == b"Subject: two\r\n\r\n2\r\n"
        box.remove(["1", "3"])
        assert box.names() == ["2"]
        assert box.read("3") is None
        name = box.name
    with imap.mailbox(security, security) as again:
        assert again.names() == ["2"]
        assert again.name == name
    with imap.session(security) as session:
        assert session.search(None, "UNSEEN")[1] == [b"1"]  # we have not marked it as read


@needs_dovecot
def test_what_others_have_marked_as_deleted_is_left_to_them(imap: Imap) -> None:
    imap.file("marks", b"Subject: theirs\r\n\r\n1\r\n", flags="\\Deleted")
    imap.file("marks", b"Subject: ours\r\n\r\n2\r\n")
    with imap.mailbox("marks") as box:
        box.remove(["2"])
        assert box.names() == ["1"]


@needs_dovecot
def test_of_a_large_mail_the_beginning_is_sent(imap: Imap) -> None:
    imap.file("large", b"Subject: large\r\n\r\n" + b"a" * 70 * 1_000_000)
    with imap.mailbox("large") as box:
        assert len(box.read("1") or b"") == MOST_BYTES


@needs_dovecot
def test_many_mails_are_removed_in_one_go(imap: Imap) -> None:
    imap.file("many", *[b"Subject: x\r\n\r\n%d\r\n" % number for number in range(250)])
    with imap.mailbox("many") as box:
        names = box.names()
        assert len(names) == 250
        box.remove(names[:-1])
        assert box.names() == names[-1:]


@contextmanager
def hiding(port: int, *words: bytes) -> Iterator[int]:
    """A way to a server on which some of what it offers is not heard."""

    def pass_on(source: socket.socket, sink: socket.socket, change: Callable[[bytes], bytes]) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(change(data))
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def hide(data: bytes) -> bytes:
        for word in words:
            data = data.replace(word, b"X" * len(word))
        return data

    def talk(line: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as behind:
            back = threading.Thread(target=pass_on, args=(behind, line, hide))
            back.start()
            pass_on(line, behind, bytes)
            back.join()

    with server(talk) as ours:
        yield ours


@needs_dovecot
def test_a_server_that_can_less(imap: Imap) -> None:
    imap.file("less", b"Subject: one\r\n\r\n1\r\n", b"Subject: two\r\n\r\n2\r\n")
    with (
        hiding(imap.server.imap, b"UIDPLUS", b"AUTH=PLAIN") as port,
        ImapMailbox(replace(imap.account("less"), port=port), 5.0, 60.0) as box,
    ):
        assert box.names() == ["1", "2"]
        box.remove(["1"])
        assert box.names() == ["2"]


@needs_dovecot
def test_another_folder(imap: Imap) -> None:
    with imap.session("folders") as session:
        session.create('"Came back"')
        session.append('"Came back"', "", None, b"Subject: x\r\n\r\n")
    with closing(ImapMailbox(replace(imap.account("folders"), folder="Came back"), 5.0, 60.0)) as box:
        assert box.names() == ["1"]
    with pytest.raises(MailboxError, match="none there: "):
        ImapMailbox(replace(imap.account("folders"), folder="none there"), 5.0, 60.0)


@needs_dovecot
def test_a_wrong_password_is_said_and_not_repeated(imap: Imap) -> None:
    with pytest.raises(MailboxError, match=r"(?i)authentication failed") as caught:
        ImapMailbox(replace(imap.account("ada"), password="hunter2"), 5.0, 60.0)
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in repr(replace(imap.account("ada"), password="hunter2"))


@needs_dovecot
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_nobody_vouches_for_is_refused(imap: Imap, security: str) -> None:
    with pytest.raises(MailboxError, match=r"TLS failed: .*certificate verify failed"):
        ImapMailbox(imap.account("ada", security), 5.0, 60.0)


@needs_dovecot
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_another_host_is_refused(imap: Imap, security: str) -> None:
    account = replace(imap.account("ada", security), host="localhost")
    with pytest.raises(MailboxError, match=r"TLS failed: .*(?:[Hh]ostname mismatch|not valid for)"):
        ImapMailbox(account, 5.0, 60.0, imap.certificate.client_context())


# ---------------------------------------------------------------- bad servers


@contextmanager
def server(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server that talks to whoever comes, one after the other."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    line, _ = listening.accept()
                    with line, suppress(OSError):
                        talk(line)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def account(port: int, security: str = "none") -> ImapAccount:
    return ImapAccount("127.0.0.1", port, security, "bounces", "hunter2")  # type: ignore[arg-type]


def test_a_server_that_has_lost_its_starttls_hears_no_password() -> None:
    heard = bytearray()

    def talk(line: socket.socket) -> None:
        line.sendall(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] ready\r\n")
        while data := line.recv(4096):
            heard.extend(data)
            tag = data.split()[0]
            line.sendall(b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n" + tag + b" OK done\r\n")

    with server(talk) as port, pytest.raises(MailboxError, match="TLS not supported"):
        ImapMailbox(account(port, "starttls"), 5.0, 60.0)
    assert b"CAPABILITY" in heard
    assert not {word for word in (b"LOGIN", b"AUTHENTICATE", b"hunter2", b"aHVudGVyMg") if word in heard}


def silent(line: socket.socket) -> None:
    line.recv(1)


def dripping(line: socket.socket) -> None:
    line.sendall(b"* OK ready\r\n")
    for _ in range(1_000):
        line.sendall(b"*")
        real_time.sleep(0.05)


def nonsense(line: socket.socket) -> None:
    line.sendall(b"\xff\x00\r\n" * 10)


def goodbye(line: socket.socket) -> None:
    line.sendall(b"* BYE not today\r\n")


@pytest.mark.parametrize("talk", [silent, dripping, nonsense, goodbye], ids=lambda talk: talk.__name__)
def test_a_bad_server_takes_no_longer_than_it_may(talk: Callable[[socket.socket], None]) -> None:
    began = real_time.monotonic()
    with server(talk) as port:
        with pytest.raises(MailboxError, match=rf"^127\.0\.0\.1:{port}: ."):
            ImapMailbox(account(port), 1.0, 2.0)
        assert real_time.monotonic() - began < 8.0


def test_nobody_there(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("hunter2")
    section = {"imap": "imap://127.0.0.1:1", "username": "bounces", "password": {"file": "password"}}
    with closing(make_app(tmp_path, bounces={"address": "b@example.org", **section})) as app:
        with pytest.raises(MailboxError, match=r"127\.0\.0\.1:1: .*refused"):
            collect(app)
        job = app.storage.jobs.of("bounces")
        assert job is not None
        assert "refused" in job.failure


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("imaps://mail.example.org", ("mail.example.org", 993, "tls")),
        ("imaps://mail.example.org:1993/", ("mail.example.org", 1993, "tls")),
        ("imap://mail.example.org", ("mail.example.org", 143, "starttls")),
        ("imap://localhost", ("localhost", 143, "none")),
        ("imap://[::1]:1143", ("::1", 1143, "none")),
        ("imaps://127.0.0.1", ("127.0.0.1", 993, "tls")),
    ],
)
def test_what_leaves_this_machine_is_encrypted(tmp_path: Path, address: str, expected: tuple[str, int, str]) -> None:
    (tmp_path / "password").write_text("hunter2")
    section = {"imap": address, "username": "bounces", "password": {"file": "password"}}
    with closing(make_app(tmp_path, bounces={"address": "b@example.org", **section})) as app:
        assert app.config.bounces.server == expected


def test_a_maildir_is_opened_where_one_is_named(tmp_path: Path) -> None:
    section = {"address": "b@example.org", "maildir": "box"}
    with closing(make_app(tmp_path, bounces=section)) as app, open_mailbox(app, 1.0, 1.0) as box:
        assert box.name == f"maildir {tmp_path / 'box'}"

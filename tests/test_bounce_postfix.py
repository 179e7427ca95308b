"""A real Postfix returns mail to a real Dovecot, from where it is read by IMAP; or into a Maildir."""

import subprocess
import time as real_time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import dovecot
import postfix
import pytest
from house import Time, bring, make_app, make_paper, statuses, subscribe

from newsletter.app import App
from newsletter.collecting import collect
from newsletter.demo.smtp import SmtpStandIn
from newsletter.mail.mailboxes.imap import ImapAccount, ImapMailbox
from newsletter.model import DeliveryStatus, Suppression
from newsletter.sending import deliver
from newsletter.settling import settle

MISSING = postfix.MISSING or dovecot.MISSING
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

PATIENCE = 30.0  # seconds that a report may take
USERS = ("ada", "bounces")
#: What another server says when Postfix, which has taken the mail, hands it on.
REFUSALS = {
    "gone@elsewhere.example": "550 5.1.1 there is nobody of this name",
    "full+tag@elsewhere.example": "552 5.2.2 the mailbox is full",
    "eve@elsewhere.example": "550 5.7.1 not from you",
}
READERS = ("ada@example.org", *REFUSALS)
CAME_BACK = {
    "gone@elsewhere.example": ("hard", "keyed", "5.1.1", 1.0),
    "full+tag@elsewhere.example": ("soft", "keyed", "5.2.2", 0.5),
    "eve@elsewhere.example": ("policy", "keyed", "5.7.1", 0.0),
}


@dataclass(frozen=True, slots=True)
class Post:
    """A mail server that takes all our mail, and cannot deliver all of it."""

    port: int
    maildir: Path  # of what comes back, without Dovecot
    imap: dovecot.Dovecot | None


def begin(stack: ExitStack, *, imap: bool) -> Post:
    folder = Path(stack.enter_context(TemporaryDirectory()))  # pytest's own are closed to other users
    downstream = stack.enter_context(SmtpStandIn(refusals=REFUSALS))
    server = stack.enter_context(dovecot.dovecot(folder / "dovecot", postfix.OWNER)) if imap else None
    others = {"mailboxes": server.mailboxes, "lmtp": server.lmtp} if server else {}
    port = stack.enter_context(postfix.postfix(folder / "postfix", USERS, **others))  # type: ignore[arg-type]
    etc = folder / "postfix/etc"
    with (etc / "transport").open("a") as file:
        file.write(f"elsewhere.example smtp:[127.0.0.1]:{downstream.port}\n")
    with (etc / "master.cf").open("a") as file:
        file.write("smtp unix - - n - - smtp\n")
    settings = ("recipient_delimiter = +", "relay_domains = elsewhere.example")
    for command in (["postconf", "-c", str(etc), "-e", *settings], ["postfix", "-c", str(etc), "reload"]):
        subprocess.run(command, check=True, capture_output=True)
    return Post(port, folder / "postfix/mail/bounces", server)


@pytest.fixture(scope="module")
def with_imap() -> Iterator[Post]:
    with ExitStack() as stack:
        yield begin(stack, imap=True)


@pytest.fixture(scope="module")
def with_maildir() -> Iterator[Post]:
    with ExitStack() as stack:
        yield begin(stack, imap=False)


def house(folder: Path, post: Post, time: Time, bounces: Mapping[str, object]) -> App:
    """A newsletter that has sent its mail by Postfix."""
    app = make_app(
        folder,
        time=time,
        delivery={"transport": "smtp"},
        smtp={"host": "127.0.0.1", "port": post.port, "connections": 2},
        bounces={"address": "bounces@example.org", **bounces},
    )
    subscribe(app, *READERS)
    bring(app, make_paper(1))
    settle(app, app.today())
    deliver(app)
    replies = {one.email: one.reply for one in app.storage.deliveries.all(None, 10)}
    assert set(statuses(app).values()) == {DeliveryStatus.SENT}, replies
    return app


def collected(app: App) -> Counter[str]:
    """What has come back once all of it has."""
    found, until = Counter[str](), real_time.monotonic() + PATIENCE
    while sum(found.values()) < len(CAME_BACK) and real_time.monotonic() < until:
        found += collect(app)
        real_time.sleep(0.1)
    return found


def by_reader(app: App) -> dict[str, tuple[str, str, str, float]]:
    found = app.storage.bounces.all(app.today())
    return {one.email: (one.kind, one.proof, one.status, one.score) for one in found}


def imap_section(post: Post, folder: Path) -> dict[str, object]:
    assert post.imap is not None
    (folder / "password").write_text(dovecot.PASSWORD)
    address = f"imap://127.0.0.1:{post.imap.imap}"
    return {"imap": address, "username": "bounces", "password": {"file": "password"}}


def mailbox(post: Post) -> ImapMailbox:
    assert post.imap is not None
    account = ImapAccount("127.0.0.1", post.imap.imap, "none", "bounces", dovecot.PASSWORD)
    return ImapMailbox(account, 5.0, 30.0)


def test_what_comes_back_is_read_by_imap(tmp_path: Path, time: Time, with_imap: Post) -> None:
    with closing(house(tmp_path, with_imap, time, imap_section(with_imap, tmp_path))) as app:
        assert collected(app) == {"hard": 1, "soft": 1, "policy": 1}
        assert by_reader(app) == CAME_BACK
        with mailbox(with_imap) as box:
            assert box.names() == []
        assert collect(app) == {}


def test_it_suspends_and_the_probe_comes_back_too(tmp_path: Path, time: Time, with_imap: Post) -> None:
    with closing(house(tmp_path, with_imap, time, imap_section(with_imap, tmp_path))) as app:
        for number in range(2, 5):
            assert collected(app)["hard"] == 1
            if number < 4:
                bring(app, make_paper(number))
                time.now = time.now.replace(day=time.now.day + 1)
                settle(app, app.today())
                deliver(app)
        assert app.storage.subscribers.suppression("gone@elsewhere.example") is Suppression.BOUNCE
        assert app.storage.bounces.suspended() == 1
        time.now = time.now.replace(day=time.now.day + 7)
        collect(app)
        assert deliver(app)[DeliveryStatus.SENT] == 1
        until = real_time.monotonic() + PATIENCE
        while not (found := collect(app)) and real_time.monotonic() < until:
            real_time.sleep(0.1)
        assert found == {"hard": 1}


def test_what_comes_back_is_read_from_a_maildir(tmp_path: Path, time: Time, with_maildir: Post) -> None:
    section = {"maildir": str(with_maildir.maildir)}
    with closing(house(tmp_path, with_maildir, time, section)) as app:
        assert collected(app) == {"hard": 1, "soft": 1, "policy": 1}
        assert by_reader(app) == CAME_BACK
        assert [path for part in ("new", "cur") for path in (with_maildir.maildir / part).iterdir()] == []


def test_the_envelope_is_named_and_only_failures_are_reported(tmp_path: Path, time: Time, with_maildir: Post) -> None:
    """Where the server offers DSN (RFC 3461)."""
    section = {"maildir": str(with_maildir.maildir)}
    with closing(house(tmp_path, with_maildir, time, section)) as app:
        new, until = with_maildir.maildir / "new", real_time.monotonic() + PATIENCE
        while not new.exists() or len(list(new.iterdir())) < 3:
            assert real_time.monotonic() < until
            real_time.sleep(0.05)
        raw = {path.read_bytes() for path in new.iterdir()}
        assert app.return_path is not None
        tokens = {app.return_path.token(delivery.id) for delivery in app.storage.deliveries.all(None, 10)}
        collect(app)
    for one in raw:
        (token,) = [token for token in tokens if f"Original-Envelope-Id: {token}\n".encode() in one]
        assert f"\nTo: bounces+{token}@example.org\n".encode() in one
        (reader,) = [reader for reader in CAME_BACK if f"\nFinal-Recipient: rfc822; {reader}\n".encode() in one]
        assert f"\nOriginal-Recipient: rfc822;{reader}\n".encode() in one
        assert b"Content-Description: Undelivered Message Headers" in one  # RET=HDRS
        assert b"<html" not in one

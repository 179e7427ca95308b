"""A real Postfix takes the mail, a real Dovecot serves it back, and not a byte of it has changed on the way."""

import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import dovecot
import postfix
import pytest
from carrying import send
from material import DIGESTS

from newsletter.mail.transports import Verdict
from newsletter.preview import Mail

MISSING = postfix.MISSING or dovecot.MISSING
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

SENDER = "papers@example.org"
TRACE = {b"return-path", b"delivered-to", b"x-original-to", b"received"}  # RFC 5321 §4.4, and what Postfix adds
DOTS = b".\r\n..\r\n...\r\n.hidden\r\n. \r\n\r\n.\r\nthe end\r\n.\r\n"


class Post:
    """The way from us to a reader: SMTP to Postfix, LMTP to Dovecot, IMAP to the reader."""

    def __init__(self, port: int, server: dovecot.Dovecot) -> None:
        self._port, self._server = port, server

    def passed(self, user: str, *messages: bytes) -> list[bytes]:
        """What the reader has of these messages, the first that the user gets."""
        for message in messages:
            answer = send("127.0.0.1", self._port, SENDER, f"{user}@example.org", message)
            assert answer.verdict is Verdict.ACCEPTED, answer
        return self._server.mails(user, len(messages))


@pytest.fixture(scope="module")
def post() -> Iterator[Post]:
    users = ["ada", "dotty", "zoë"]
    with (
        TemporaryDirectory() as folder,  # pytest's own are closed to other users, again by every run that begins
        dovecot.dovecot(Path(folder, "dovecot"), postfix.OWNER) as server,
        postfix.postfix(Path(folder, "postfix"), users, mailboxes=server.mailboxes, lmtp=server.lmtp) as port,
    ):
        yield Post(port, server)


@pytest.fixture(scope="module")
def received(post: Post, digests: dict[str, Mail]) -> list[bytes]:
    return post.passed("ada", *(mail.message for mail in digests.values()))


def is_as_sent(raw: bytes, message: bytes) -> bool:
    """Whether a message is as it was sent, but for trace headers put before it."""
    before = raw.removesuffix(message)
    names = {name.lower() for name in re.findall(rb"(?m)^([!-9;-~]+):", before)}
    return raw != before and before.endswith(b"\r\n") and names <= TRACE and b"received" in names


@pytest.mark.parametrize("name", DIGESTS)
def test_a_digest_arrives_as_it_was_sent(received: list[bytes], digests: dict[str, Mail], name: str) -> None:
    assert [is_as_sent(raw, digests[name].message) for raw in received].count(True) == 1


def test_lines_of_dots_arrive_as_they_were_sent(post: Post) -> None:
    message = plain("dotty", DOTS)
    (raw,) = post.passed("dotty", message)
    assert is_as_sent(raw, message)
    assert not is_as_sent(raw, message.replace(b"\r\n..\r\n", b"\r\n.\r\n"))


def test_a_local_part_beyond_ascii(post: Post) -> None:
    message = plain("zoë", b"All is well.\r\n")
    (raw,) = post.passed("zoë", message)
    assert is_as_sent(raw, message)
    assert b"with UTF8SMTP" in raw


def plain(user: str, text: bytes) -> bytes:
    """A message that is no digest."""
    head = f"From: {SENDER}\r\nTo: {user}@example.org\r\nSubject: Lamps\r\nDate: Wed, 07 Jan 2026 07:00:00 +0000\r\n"
    return f"{head}Message-ID: <{len(text)}@example.org>\r\n\r\n".encode() + text

"""DKIM: what we sign is verified by others, dkimpy and opendkim; and whoever touches it is found out."""

import email
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from dkim.canonicalization import Relaxed
from dkim.util import parse_tag_value
from house import START, Time, make_app, queue
from hypothesis import example, given
from hypothesis import strategies as st
from signing import key, put_key, verdicts

from newsletter.demo.smtp import SmtpStandIn
from newsletter.mail.dkim import Kind, Signer, SigningKey
from newsletter.mail.draft import Draft
from newsletter.mail.message import Address, Letterhead, compose_plain, make_letter
from newsletter.mail.relaxed import relaxed_body, relaxed_field
from newsletter.sending import deliver
from newsletter.warning import warn

KINDS: tuple[Kind, ...] = ("rsa", "ed25519")
BOTH = [key(kind) for kind in KINDS]
LETTERHEAD = Letterhead(
    "Daily Papers", "Daily Papers", "papers@example.org", "papers.example.org", archive="https://example.org/editions"
)
URIS = ("https://example.org/u/TOKEN", "mailto:papers@example.org?subject=unsubscribe%20TOKEN")
ADDRESS = Address("reader@example.org", "20260106.t1@example.org", START, URIS)


def digest(letterhead: Letterhead, subject: str, text: Sequence[bytes], html: Sequence[bytes], *own: bytes) -> Draft:
    return make_letter(letterhead, date(2026, 1, 6), subject, text, html).to(ADDRESS, own)


def single(letterhead: Letterhead, subject: str, text: bytes) -> Draft:
    return compose_plain(letterhead, ADDRESS, "operator", subject, text)


DIGEST = bytes(digest(LETTERHEAD, "Papers of today", [b"One\r\n  two\r\n"], [b"<p>One  two</p>\r\n"]))
SINGLE = bytes(single(LETTERHEAD, "It is ill", b"Since yesterday.\r\n"))

OPENDKIM = shutil.which("opendkim", path="/usr/sbin:/usr/local/sbin:/usr/bin")


def signed(message: bytes, *keys: SigningKey) -> bytes:
    return Signer(keys or BOTH).sign(message, START)


def tags(message: bytes, number: int = 0) -> dict[str, str]:
    """The tags of a signature."""
    fields = email.message_from_bytes(message, policy=default).get_all("DKIM-Signature", [])
    values = parse_tag_value(str(fields[number]).encode())
    return {name.decode(): re.sub(rb"\s", b"", value).decode() for name, value in values.items()}


# ---------------------------------------------------------------- verified by dkimpy


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("message", [DIGEST, SINGLE], ids=["digest", "single"])
def test_a_signature_holds(message: bytes, kind: Kind) -> None:
    assert verdicts(signed(message, key(kind)), key(kind)) == [True]


def test_each_key_signs() -> None:
    assert verdicts(signed(DIGEST), *BOTH) == [True, True]
    assert verdicts(signed(DIGEST), BOTH[0]) == [True, False]  # the other's record is missing
    assert [tags(signed(DIGEST), number)["a"] for number in (0, 1)] == ["rsa-sha256", "ed25519-sha256"]


#: What happens to mails on their way: to the same digest, each a part that is there and what becomes of it.
TOUCHED = {
    "body": (b"One\r\n", b"Two\r\n"),
    "body, longer": (b"--\r\n", b"--\r\n<a href='https://example.net'>more</a>\r\n"),
    "subject": (b"Papers of today", b"Papers of yesterday"),
    "recipient": (b"To: reader@", b"To: writer@"),
    "date": (b"Date: Tue, 06 Jan", b"Date: Wed, 07 Jan"),
    "link to leave": (b"/u/TOKEN", b"/u/OTHER"),
    "one click": (b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", b""),
    "list": (b"List-Help: ", b"List-Help: <https://example.net>,"),
    "feedback": (b"Feedback-ID: 2026", b"Feedback-ID: 2027"),
    "automatic": (b"Auto-Submitted: auto-generated", b"Auto-Submitted: no"),
    "precedence": (b"Precedence: bulk", b"Precedence: list"),
    "boundary": (b"multipart/alternative", b"multipart/mixed"),
    "time of signing": (b" t=", b" t=1"),
    "sealing": (b"subject:subject", b"subject"),
}


@pytest.mark.parametrize("change", TOUCHED)
def test_what_was_touched_does_not_hold(change: str) -> None:
    message = signed(DIGEST)
    before, after = TOUCHED[change]
    assert before in message
    assert verdicts(message.replace(before, after), *BOTH) == [False, False]


@pytest.mark.parametrize("where", ["above", "below"])
@pytest.mark.parametrize(
    "line",
    [
        "From: Somebody <other@example.net>",
        "To: other@example.net",
        "Cc: other@example.net",
        "Reply-To: other@example.net",
        "Subject: Win!",
        "Date: Tue, 06 Jan 2026 07:00:00 +0000",
        "Message-ID: <other@example.net>",
        "MIME-Version: 1.0",
        "Content-Type: text/plain",
        "List-Id: <other.example.net>",
        "List-Unsubscribe: <https://example.net/>",
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
    ],
)
@pytest.mark.parametrize("message", [DIGEST, SINGLE], ids=["digest", "single"])
def test_no_header_can_be_added(message: bytes, line: str, where: str) -> None:
    ours, added = signed(message), line.encode() + b"\r\n"
    head, _, body = ours.partition(b"\r\n\r\n")
    touched = added + ours if where == "above" else head + b"\r\n" + added + b"\r\n" + body
    assert verdicts(touched, *BOTH) == [False, False]


def test_what_relays_do_is_borne() -> None:
    """They write traces above, fold headers anew, and strip or add blanks; RFC 6376 §3.4.2 and §3.4.4 let them."""
    relayed = b"Received: from a by b; Tue, 06 Jan 2026 07:00:01 +0000\r\n" + signed(DIGEST)
    relayed = relayed.replace(b"Subject: Papers of", b"SUBJECT:  Papers\r\n\tof").replace(b"One\r\n", b"One \t\r\n")
    assert verdicts(relayed + b"\r\n\r\n", *BOTH) == [True, True]


# ---------------------------------------------------------------- what a signature says


@pytest.mark.parametrize("message", [DIGEST, SINGLE], ids=["digest", "single"])
def test_all_headers_are_signed(message: bytes) -> None:
    there = [name.lower() for name in email.message_from_bytes(message, policy=default)]
    named = tags(signed(message))["h"].split(":")
    assert set(there) <= set(named)
    twice = {name for name in there if named.count(name) > 1}
    assert {"from", "to", "subject", "date", "message-id", "mime-version", "content-type"} <= twice
    if message is DIGEST:
        assert {"list-id", "list-unsubscribe", "list-unsubscribe-post"} <= twice


def test_what_a_signature_says() -> None:
    said = tags(Signer(BOTH).sign(DIGEST, datetime(2026, 1, 6, 8, 0, 0, 900_000, tzinfo=UTC)))
    assert said.keys() == {"v", "a", "c", "d", "s", "t", "h", "bh", "b"}  # and no l: nothing may follow
    assert (said["v"], said["a"], said["c"]) == ("1", "rsa-sha256", "relaxed/relaxed")
    assert (said["d"], said["s"], said["t"]) == ("example.org", "papers-rsa", "1767686400")


@pytest.mark.parametrize("length", [5, 40, 60])
def test_a_signature_stands_first_on_short_lines(length: int) -> None:
    long = SigningKey(f"{'d' * length}.example.org", "s" * length, key("rsa").private)
    message = signed(DIGEST, long, key("ed25519"))
    assert verdicts(message, long, key("ed25519")) == [True, True]
    assert message.endswith(DIGEST)
    added = message.removesuffix(DIGEST)
    assert re.findall(rb"(?m)^[^ ][^:]*", added) == [b"DKIM-Signature", b"DKIM-Signature"]
    assert max(map(len, added.split(b"\r\n"))) < 78
    assert b" \r\n" not in added


def test_a_key_is_not_shown() -> None:
    secret = key("rsa").pem.splitlines()[1].decode()
    assert secret not in repr(key("rsa"))
    assert "private" not in repr(key("rsa"))


# ---------------------------------------------------------------- the relaxed forms


@pytest.mark.parametrize(
    ("body", "relaxed"),
    [
        (b" C \r\nD \t E\r\n\r\n\r\n", b" C\r\nD E\r\n"),  # RFC 6376 §3.4.5
        (b"", b""),
        (b"\r\n\r\n", b""),
        (b" \t\r\n \r\n", b""),
        (b"a", b"a\r\n"),
        (b"a \t", b"a\r\n"),
        (b"a\r\n\t ", b"a\r\n"),
        (b"\t", b""),
        (b"..\r\n.\r\n", b"..\r\n.\r\n"),
        (b"a\r\n" + b" " * 1000 + b"b\r\n", b"a\r\n b\r\n"),
    ],
)
def test_relaxed_bodies(body: bytes, relaxed: bytes) -> None:
    assert relaxed_body(body) == relaxed


pieces = st.sampled_from(
    [b"a", b".", b"=", b" ", b"  ", b"      ", b"\t", b"\r\n", b"\r\n\r\n", b"\r", b"\n", b"\0", b"\xc3\xa4", b"\x0b"]
)


@given(st.lists(pieces, max_size=30).map(b"".join))
@example(b"\r\n" * 50_000)
@example(b"a  b   \t\r\n  " * 200)
@example(b"a" + b" \t" * 50_000 + b"\r\n")
def test_relaxed_bodies_are_dkimpys(body: bytes) -> None:
    body += b"\r\n"  # as SMTP has it; of a last line without an end dkimpy leaves a blank
    assert relaxed_body(body) == Relaxed.canonicalize_body(body)


blanks = st.sampled_from([" ", "  ", "\t", " \t ", "\r\n ", "\r\n\t ", ""])
values = st.lists(
    st.tuples(blanks, st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=5)), max_size=5
)


@given(st.lists(st.tuples(st.sampled_from(["Subject", "TO", "list-id"]), st.sampled_from(["", " "]), values)))
def test_relaxed_fields_are_dkimpys(fields: list[tuple[str, str, list[tuple[str, str]]]]) -> None:
    raw = [((name + blank).encode(), "".join(map("".join, value)).encode()) for name, blank, value in fields]
    expected = Relaxed.canonicalize_headers([(name, value + b"\r\n") for name, value in raw])
    relaxed = [relaxed_field(b"%b:%b" % field) for field in raw]
    assert [(name, value + b"\r\n") for name, value in relaxed] == expected
    head = b"\r\n".join(b"%b:%b" % field for field in raw)
    assert list(map(relaxed_field, Draft.read(head + b"\r\n\r\n").fields)) == (relaxed or [(b"", b"")])


lines = st.lists(
    st.text(st.sampled_from("ab. \t=-é"), max_size=90).map(lambda line: f"{line}\r\n".encode()), max_size=9
).map(b"".join)
parts = st.integers(0, 3).flatmap(lambda own: st.tuples(*[lines] * (2 * own + 1)))  # ours, and a reader's own between
EMPTY = b"  \r\n\t\r\n\r\n\r\n"


@given(st.text(max_size=120), st.text(max_size=120), parts, parts)
@example("", "", (b".\r\n..\r\n",), (EMPTY,))
@example("", "", (b"a\r\n", EMPTY, EMPTY), (EMPTY, b"a\r\n", b"", b"b  \r\n", EMPTY))
@example("", "", (b"", EMPTY, b""), (b"",))
def test_whatever_we_compose_holds(subject: str, name: str, text: Sequence[bytes], html: Sequence[bytes]) -> None:
    """As it is made from pieces, and as somebody else would read it: what is signed is what goes out."""
    letterhead = Letterhead(name, name, "papers@example.org", "papers.example.org", (name, "team@bücher.example"))
    drafts = (
        digest(letterhead, subject, text[::2], html[::2], *text[1::2], *html[1::2]),
        digest(letterhead, subject, text[::2], (), *text[1::2]),
        single(letterhead, name, b"".join(text)),
    )
    for draft in drafts:
        message = bytes(draft)
        assert b"".join(text) in message
        assert b"".join(draft.relaxed_body) == Relaxed.canonicalize_body(message.partition(b"\r\n\r\n")[2])
        both = Signer(BOTH).sign(draft, START)
        assert both.endswith(message)
        assert verdicts(both, *BOTH) == [True, True]
        assert verdicts(signed(message), *BOTH) == [True, True]


def test_headers_of_one_name_hold_in_their_order() -> None:
    help_lines = [b"List-Help: <https://example.org/%d>\r\n" % number for number in (1, 2)]
    message = signed(b"".join(help_lines) + DIGEST)
    assert tags(message)["h"].split(":").count("list-help") == 3
    assert verdicts(message, *BOTH) == [True, True]
    assert verdicts(message.replace(b"".join(help_lines), b"".join(help_lines[::-1])), *BOTH) == [False, False]


def test_addresses_beyond_ascii_hold() -> None:
    letterhead = Letterhead("Käse", "Käse", "käse@bücher.example", "papers.example.org")
    message = bytes(digest(letterhead, "ℓ₁", [b"text\r\n"], [b"html\r\n"]))
    assert not message.isascii()
    assert verdicts(signed(message), *BOTH) == [True, True]


# ---------------------------------------------------------------- verified by opendkim


def opendkim(folder: Path, message: bytes, *keys: SigningKey) -> str:
    """What it says of a message. Its exit status is 0 for one that is forged, too."""
    (folder / "keys").write_text("".join(f"{key.name} {key.record}\n" for key in keys))
    (folder / "conf").write_text(f"Mode v\nTestPublicKeys {folder / 'keys'}\n")
    (folder / "mail.eml").write_bytes(message)
    command = [str(OPENDKIM), "-vv", "-x", str(folder / "conf"), "-t", str(folder / "mail.eml")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(OPENDKIM is None, reason="opendkim is not there")
@pytest.mark.parametrize("kind", KINDS)
def test_opendkim_agrees(tmp_path: Path, kind: Kind) -> None:
    message = signed(DIGEST, key(kind))
    said = opendkim(tmp_path, message, key(kind))
    assert "dkim=pass" in said
    assert "succeeded" in said
    for touched in (
        message.replace(b"One\r\n", b"Two\r\n"),
        message.replace(b"Papers of today", b"Papers of yesterday"),
        b"Subject: Win!\r\n" + message,
        b"List-Unsubscribe: <https://example.net/>\r\n" + message,
    ):
        said = opendkim(tmp_path, touched, key(kind))
        assert "dkim=fail" in said
        assert "succeeded" not in said


@pytest.mark.skipif(OPENDKIM is None, reason="opendkim is not there")
@pytest.mark.parametrize("keys", [BOTH, BOTH[::-1]], ids=["rsa first", "ed25519 first"])
def test_opendkim_takes_both(tmp_path: Path, keys: list[SigningKey]) -> None:
    assert opendkim(tmp_path, signed(DIGEST, *keys), *keys).count("dkim=pass") == 2


# ---------------------------------------------------------------- what goes out


@pytest.fixture
def server() -> Iterator[SmtpStandIn]:
    with SmtpStandIn() as server:
        yield server


def smtp(server: SmtpStandIn) -> dict[str, Any]:
    return {"delivery": {"transport": "smtp"}, "smtp": {"host": server.host, "port": server.port, "connections": 2}}


@pytest.mark.parametrize("kind", KINDS)
def test_what_arrives_holds(tmp_path: Path, server: SmtpStandIn, time: Time, kind: Kind) -> None:
    ours = put_key(tmp_path / f"{kind}.pem", kind)
    operator = {"operator": "olga@example.net", "sender": "Ü <papers@example.org>"}
    section = {"selector": ours.selector, "key": f"{kind}.pem"}
    with closing(make_app(tmp_path, time=time, newsletter=operator, dkim=section, **smtp(server))) as app:
        queue(app, "ada@example.org", "bücher@example.org", papers=3)
        for _ in range(4):
            with app.storage.write():
                app.storage.jobs.end("archive", 1, app.now(), "it failed")
            warn(app)
            time.now += timedelta(days=1)
        time.now = START + timedelta(hours=1)
        deliver(app)
    subjects = {email.message_from_bytes(content, policy=default)["Subject"] for _, content in server.received}
    assert len(server.received) == 3
    assert any("archive" in subject for subject in subjects)
    for _, content in server.received:
        assert verdicts(content, ours) == [True]
        assert tags(content)["t"] == str(int(time.now.timestamp()))
        assert verdicts(content.replace(b"arxiv", b"brxiv").replace(b"archive", b"orchive"), ours) == [False]


def test_what_a_maildir_holds_is_signed(tmp_path: Path, time: Time) -> None:
    ours = put_key(tmp_path / "ed25519.pem")
    with closing(make_app(tmp_path, time=time, dkim={"selector": ours.selector, "key": "ed25519.pem"})) as app:
        queue(app, "ada@example.org")
        deliver(app)
    (filed,) = (tmp_path / "outbox" / "new").iterdir()
    assert verdicts(filed.read_bytes(), ours) == [True]


def test_without_a_key_mail_goes_out_as_it_is(tmp_path: Path, server: SmtpStandIn, time: Time) -> None:
    with closing(make_app(tmp_path, time=time, **smtp(server))) as app:
        queue(app, "ada@example.org")
        deliver(app)
    ((_, content),) = server.received
    assert b"DKIM" not in content


DELIVER = """
import sys
from pathlib import Path
from newsletter.app import App
from newsletter.config import load
from newsletter.sending import deliver
app = App(load(Path("config.toml")))
print(app.config.delivery.transport, sum(deliver(app).counts.values()), "cryptography" in sys.modules)
app.close()
"""
CONFIG = '[newsletter]\nsender = "papers@example.org"\n'


@pytest.mark.parametrize("section", ["", '[dkim]\nselector = "a"\nkey = "rsa.pem"\n'], ids=["unsigned", "signed"])
def test_who_signs_nothing_loads_nothing_for_it(tmp_path: Path, time: Time, section: str) -> None:
    put_key(tmp_path / "rsa.pem", "rsa")
    (tmp_path / "config.toml").write_text(CONFIG + section)
    with closing(make_app(tmp_path, time=time)) as app:
        queue(app, "ada@example.org")
    command = [sys.executable, "-c", DELIVER]
    environment = {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout.split(), done.stderr) == (["maildir", "1", str(bool(section))], "")

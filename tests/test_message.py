"""Headers and parts, checked on the bytes: nothing that comes from outside can add a line, a header or a recipient."""

import email
import string
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsletter.mail.message import Address, Letterhead, compose, unstructured
from newsletter.mail.tokens import make_token, read_token

HEADERS = [
    "From",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "List-Id",
    "List-Unsubscribe",
    "List-Post",
    "Auto-Submitted",
    "Precedence",
    "MIME-Version",
    "Content-Type",
]
WHEN = datetime(2026, 1, 6, 7, tzinfo=UTC)
texts = st.text(max_size=200) | st.text(
    st.characters(codec="utf-8") | st.sampled_from('\r\n\v\f\x85\u2028=?_"\\ '), max_size=200
)


def made(subject: str = "Papers", name: str = "Daily Papers") -> bytes:
    letterhead = Letterhead(name, name, "papers@example.org", "papers.example.org")
    address = Address(
        "reader@example.org", "1@example.org", WHEN, ("mailto:papers@example.org?subject=unsubscribe%20x",)
    )
    return compose(letterhead, address, subject, b"text\r\n", b"<p>html</p>\r\n")


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=default)


def visible(text: str) -> str:
    """A text as a header can hold it."""
    from newsletter.text import INVISIBLE, LINE_ENDS

    return " ".join(INVISIBLE.sub("", LINE_ENDS.sub(" ", text)).split())


@given(texts)
@example("=?utf-8?q?Bcc=3A?=")
@example("x\r\nBcc: everybody@example.org")
@example("日" * 200)
def test_a_subject_stays_a_subject(subject: str) -> None:
    raw = made(subject)
    head, _, _ = raw.partition(b"\r\n\r\n")
    names = [line.partition(b":")[0].decode() for line in head.split(b"\r\n") if not line.startswith(b" ")]
    assert names == HEADERS
    assert head.isascii()
    assert all(line.strip() for line in head.split(b"\r\n"))
    longest = max((len(word) for word in subject.split()), default=0) if subject.isascii() else 0
    assert all(len(line) <= max(78, longest + 10) for line in head.split(b"\r\n"))
    assert parsed(raw)["Subject"] == visible(subject)


@given(texts)
def test_a_name_stays_a_name(name: str) -> None:
    raw = made(name=name)
    message = parsed(raw)
    assert message.keys() == HEADERS
    (sender,) = message["From"].addresses
    assert sender.addr_spec == "papers@example.org"
    assert raw.count(b"papers.example.org>") == 1


@pytest.mark.parametrize("name", ["Papers, Daily", 'The "Best" \\ Papers', "Käse", "日々の論文 – täglich", "a@b <c>"])
def test_names_come_back(name: str) -> None:
    assert parsed(made(name=name))["From"].addresses[0].display_name == name


def test_long_ascii_subjects_fold_at_blanks() -> None:
    subject = " ".join(["eleven char"] * 20)
    folded = unstructured(subject, 9)
    assert max(map(len, folded.split("\r\n"))) <= 77
    assert parsed(made(subject))["Subject"] == subject


def test_the_parts() -> None:
    message = parsed(made())
    assert message.get_content_type() == "multipart/alternative"
    plain, html = message.iter_parts()
    assert (plain.get_content_type(), plain.get_content()) == ("text/plain", "text")
    assert (html.get_content_type(), html.get_content()) == ("text/html", "<p>html</p>")
    assert not message.defects


# ---------------------------------------------------------------- tokens


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**40), st.sampled_from(["unsubscribe", "preferences"]))
def test_tokens_come_back(key: bytes, number: int, purpose: str) -> None:
    token = make_token(key, purpose, number)
    assert len(token) <= 32
    assert set(token) <= set(string.ascii_letters + string.digits + "-_")
    assert read_token(key, purpose, token) == number


@given(st.text(max_size=40) | st.text(string.ascii_letters + string.digits + "-_", min_size=18, max_size=32))
def test_other_tokens_do_not(token: str) -> None:
    assert read_token(b"k" * 32, "unsubscribe", token) is None


def test_a_token_serves_one_purpose_and_one_key() -> None:
    token = make_token(b"k" * 32, "unsubscribe", 7)
    assert read_token(b"k" * 32, "preferences", token) is None
    assert read_token(b"l" * 32, "unsubscribe", token) is None
    other = "A" if token[-1] != "A" else "Q"
    assert read_token(b"k" * 32, "unsubscribe", token[:-1] + other) is None

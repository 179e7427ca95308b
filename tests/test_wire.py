"""Mails are joined from pieces that are ready for the wire: what is read from them is what went in, byte by byte."""

import email
import quopri
import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest
from house import START, make_app, queue
from hypothesis import example, given
from hypothesis import strategies as st
from signing import key, verdicts

from newsletter.addresses import list_id, wire_address
from newsletter.app import App
from newsletter.composition.printing import Print
from newsletter.composition.shelf import Key, Shelf
from newsletter.digests import Digests
from newsletter.mail.dkim import Signer
from newsletter.mail.draft import Draft
from newsletter.mail.headers import clean
from newsletter.mail.message import Address, Letterhead, compose_plain
from newsletter.model import Delivery, Detail, Digest, Topic
from newsletter.rendering.digest import Links, Shared
from newsletter.rendering.fragments import encode, fill, parse, settle, whole_lines
from newsletter.rendering.pieces import merge
from newsletter.storage.deliveries import Claim

DAY = date(2026, 1, 6)
LETTERHEAD = Letterhead("Daily Papers", "Daily Papers", "papers@example.org", "papers.example.org")
TOKEN = "AROEBrMmuQ1vQ_9jhvJp"
LINKS = Links(f"https://example.org/u/{TOKEN}?a=1&b=2", "reader@example.org")
ADDRESS = Address("reader@example.org", "20260106.t1@example.org", START, (LINKS.unsubscribe,))

# ---------------------------------------------------------------- what is written

ODD = (
    *(".", "..", ".\n", "\n.\n", "=", "=_", "--=_", "\n--", "--\n", "=20", "%", "%s", "%(email)s", "%%", "{email}"),
    *("\r\n", "\r", "\n", "\t", " ", "  ", "From ", "\0", "\x0c", "\x1b", "\x85", "\u2028", "\ufeff", "\ud800", "é"),
    *(
        "日本",
        "👩‍👩‍👧",
        "x" * 75,
        "x" * 76,
        "é" * 40,
        "y" * 1_100,
        "<b>",
        "&amp;",
        '"',
        "\\",
        ",",
        "@",
        "Bcc: a@b.example",
    ),
)
SLOTS = ("__slot_email__", "__slot_unsubscribe__")
texts = st.lists(st.sampled_from(ODD) | st.text(max_size=8), max_size=25).map("".join)
templates = st.lists(st.sampled_from((*ODD, *SLOTS * 5)) | st.text(max_size=8), max_size=25).map("".join)
names = texts.map(lambda text: text[:80])
atoms = st.text("abcXYZ0189!#$%&'*+-/=?^_`{|}~äß日😀", min_size=1, max_size=20)
domains = st.sampled_from(["example.org", "bücher.example", "例え.jp", f"{'d' * 60}.{'e' * 60}.example"])
mailboxes = st.builds("{}@{}".format, st.lists(atoms, min_size=1, max_size=3).map(".".join), domains)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))


def shared(subject: str, text: str, html: str) -> Shared:
    """A mail as an assembler makes it, of templates with slots for a reader's own values."""
    parts = (tuple(merge(settle(parse(part.encode("utf-8", "replace"))))) for part in (text, html))
    return Shared(subject, *parts)


def plainly(template: str, links: Links, *, escape: bool) -> str:
    """The template as a whole, filled in for one reader."""
    return "".join(map(str, fill(parse(template.encode("utf-8", "replace")), links.values, escape=escape)))


def as_sent(text: str, ending: str = "") -> str:
    """What is left of a text: its lines end on CRLF, and no blanks stand before that.

    The last line end of a part belongs to the boundary behind it (RFC 2046 §5.1.1).
    """
    lines = [line.rstrip(" \t") for line in re.split("\r\n|\r|\n", text.encode("utf-8", "replace").decode())]
    return "\r\n".join(lines if lines[-1] else lines[:-1]) + (ending if any(lines) or len(lines) > 1 else "")


def check_wire(raw: bytes) -> None:
    """What every message keeps to that goes out (RFC 5321 §2.3.8, §4.5.3.1.6; RFC 5322 §2.1.1, §2.2; RFC 2045 §6.7)."""
    assert raw.endswith(b"\r\n")
    assert b"\r" not in raw.replace(b"\r\n", b"")
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", raw)
    head, _, body = raw.partition(b"\r\n\r\n")
    assert max(map(len, head.split(b"\r\n"))) <= 998
    assert max(map(len, body.split(b"\r\n"))) <= 76
    assert body.isascii()


def read(raw: bytes) -> EmailMessage:
    message = email.message_from_bytes(raw, policy=SMTP)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    assert not any(part.defects for part in message.walk())
    return message


def content(message: EmailMessage, kind: str) -> str:
    """The content of a part."""
    part = message.get_body((kind,))
    assert part is not None
    assert (part.get_content_type(), part["Content-Transfer-Encoding"]) == (f"text/{kind}", "quoted-printable")
    return str(part.get_content())


# ---------------------------------------------------------------- what is read is what was written


@given(names, mailboxes, mailboxes, names, templates, templates, moments)
@example("Ä. B", "ä@bücher.example", "用户@例え.jp", ".", ".\n..\n.", "%(email)s %s\n.__slot_email__\n", START)
@example("a", "a@example.org", "b@example.org", "b", "__slot_email__", "__slot_unsubscribe__", START)
@example("a", "a@example.org", "b@example.org", "b", "", "", START)
def test_what_is_read_is_what_was_written(
    name: str, ours: str, theirs: str, subject: str, text: str, html: str, moment: datetime
) -> None:
    letterhead = Letterhead(name, name, ours, list_id(ours))
    links = replace(LINKS, email=theirs)
    address = Address(theirs, "20260106.t1@example.org", moment, (links.unsubscribe, "mailto:a@b.example?subject=x"))
    raw = bytes(Print(shared(subject, text, html), letterhead, DAY).to(address, links, html=True))
    check_wire(raw)
    assert raw.isascii() == (ours + theirs).replace("bücher", "").replace("例え", "").isascii()
    message = read(raw)
    assert content(message, "plain") == as_sent(plainly(text, links, escape=False))
    assert content(message, "html") == as_sent(plainly(html, links, escape=True))
    assert message["Message-ID"] == "<20260106.t1@example.org>"
    assert message["Date"].datetime == moment.replace(microsecond=0)
    assert "".join(message["List-Unsubscribe"].split()) == ",".join(f"<{uri}>" for uri in address.unsubscribe)
    if raw.isascii():  # of others the email package knows no addresses
        assert [one.addr_spec for one in message["To"].addresses] == [wire_address(theirs)]
        assert [one.addr_spec for one in message["From"].addresses] == [wire_address(ours)]
    assert raw.replace(b"\r\n ", b" ").count(f"\r\nTo: {wire_address(theirs)}\r\n".encode()) == 1
    assert message["Subject"] == clean(subject)


@given(templates, templates, st.booleans())
@example(".__slot_email__", "  __slot_email__  __slot_unsubscribe__ \t\n\n", False)
def test_a_mail_is_joined_as_it_would_be_encoded_whole(text: str, html: str, with_html: bool) -> None:
    mail = shared("Papers", text, html)
    body = mail.body(LINKS, html=with_html)
    assert body.text == encode(plainly(text, LINKS, escape=False))
    assert body.html == (encode(plainly(html, LINKS, escape=True)) if with_html else b"")
    raw = bytes(Print(mail, LETTERHEAD, DAY).to(ADDRESS, LINKS, html=with_html))
    _, _, whole = raw.partition(b"\r\n\r\n")
    if not with_html:
        assert whole == body.text
        return
    boundary = read(raw).get_boundary()
    assert boundary is not None
    mark = f"--{boundary}".encode()
    opening, plain, page, closing = whole.split(mark)
    assert (opening, closing) == (b"", b"--\r\n")
    assert [part.partition(b"\r\n\r\n")[2] for part in (plain, page)] == [body.text, body.html]


@given(names, texts)
def test_a_mail_of_its_own_is_read_as_it_was_written(subject: str, text: str) -> None:
    raw = bytes(compose_plain(LETTERHEAD, ADDRESS, "confirm", subject, encode(text)))
    check_wire(raw)
    assert raw.isascii()
    assert content(read(raw), "plain") == as_sent(text, "\r\n")


def test_a_boundary_stands_in_no_part() -> None:
    """Not even if it was known: quoted-printable has no such thing."""
    first = Print(shared("Papers", "text", "html"), LETTERHEAD, DAY).to(ADDRESS, LINKS, html=True)
    marks = f"a\n--{read(bytes(first)).get_boundary()}--\nb"
    second = bytes(Print(shared("Papers", marks, marks), LETTERHEAD, DAY).to(ADDRESS, LINKS, html=True))
    message = read(second)
    assert [content(message, kind) for kind in ("plain", "html")] == [as_sent(marks)] * 2


def test_a_boundary_is_of_the_mail_that_readers_share() -> None:
    def boundary(text: str, recipient: str) -> str | None:
        address = replace(ADDRESS, recipient=recipient, message_id=f"{recipient.partition('@')[0]}@example.org")
        links = replace(LINKS, email=recipient)
        mail = Print(shared("Papers", text, "__slot_email__"), LETTERHEAD, DAY)
        return read(bytes(mail.to(address, links, html=True))).get_boundary()

    assert (
        boundary("one", "ann@example.org") == boundary("one", "ben@example.org") != boundary("two", "ann@example.org")
    )


@given(templates, templates)
def test_what_is_signed_is_what_goes_out(text: str, html: str) -> None:
    draft = Print(shared("Papers", text, html), LETTERHEAD, DAY).to(ADDRESS, LINKS, html=True)
    signed = Signer([key("ed25519")]).sign(draft, START)
    assert signed.endswith(bytes(draft))
    assert verdicts(signed, key("ed25519")) == [True]
    check_wire(signed)


def test_own_lines_that_are_missing_make_no_mail() -> None:
    draft = Print(shared("Papers", "__slot_email__", ""), LETTERHEAD, DAY).to(ADDRESS, LINKS, html=True)
    for own in ([], [b"a\r\n"] * 2):
        broken = Draft(draft.fields, draft.boilerplate, own)
        with pytest.raises(ValueError, match="attempt to assign"):
            bytes(broken)


# ---------------------------------------------------------------- from a claim to the wire


def test_readers_of_one_digest_share_all_but_their_own_lines(tmp_path: Path) -> None:
    with closing(make_app(tmp_path)) as app:
        queue(app, "ann@example.org", "ben@example.org", papers=3)
        digests = Digests(app.storage)
        readers = [(mail, app.storage.readers.one(mail.subscriber_id, mail.after)) for mail in queued(app)]
        mails = [app.compose(Claim(mail, reader, 0), digests) or b"" for mail, reader in readers]
        for (mail, reader), raw in zip(readers, mails, strict=True):
            check_wire(raw)
            digest, topics = digests.with_topics(reader, mail.upto)
            body = app.composer.body(digest, topics, reader.id, mail.email)
            message = read(raw)
            assert (message["Subject"], message["To"]) == (body.subject, mail.email)
            assert message["Message-ID"] == f"<{mail.message_id}>"
            assert f"{content(message, 'plain')}\r\n".encode() == quopri.decodestring(body.text)
            assert f"{content(message, 'html')}\r\n".encode() == quopri.decodestring(body.html)
            assert app.composer.unsubscribe_uris(reader.id)[0] in content(message, "plain")
    one, other = (unfolded(raw).splitlines() for raw in mails)
    assert len(one) == len(other)
    marks = (b"To: ", b"Message-ID: ", b"List-Unsubscribe: ", b"unsubscribe", b"ann@", b"ben@")
    differing = [line for lines in zip(one, other, strict=True) if lines[0] != lines[1] for line in lines]
    assert differing
    assert all(any(mark in line for mark in marks) for line in differing)


def queued(app: App) -> list[Delivery]:
    return list(app.storage.deliveries.all(None, 10))


def unfolded(raw: bytes) -> bytes:
    """Without the soft line breaks, which a longer address moves."""
    return raw.replace(b"=\r\n", b"").replace(b"\r\n ", b" ")


# ---------------------------------------------------------------- what is kept


def a_digest() -> Digest:
    return Digest(DAY, DAY, ())


def put(shelf: Shelf, digest: Digest, size: int = 64 * 1024) -> None:
    made = Print(Shared("Papers", (bytes(size),), (b"",)), LETTERHEAD, DAY)
    shelf.put(at(digest), digest, {}, made)


def at(digest: Digest) -> Key:
    return id(digest), "en", Detail.FULL, False


def test_what_is_wanted_again_stays_and_what_is_not_makes_room() -> None:
    shelf, shared_one = Shelf(new=2**20), a_digest()
    others = [a_digest() for _ in range(300)]
    put(shelf, shared_one)
    assert shelf.get(at(shared_one), {}) is not None
    for other in others[:100]:
        put(shelf, other)
    assert shelf.get(at(shared_one), {}) is None
    put(shelf, shared_one)
    for other in others[100:]:
        put(shelf, other)
        assert shelf.get(at(other), {}) is not None
    assert shelf.get(at(shared_one), {}) is not None
    assert sum(shelf.get(at(other), {}) is not None for other in others) < 20


def test_there_is_an_end_to_what_is_kept() -> None:
    shelf, digests = Shelf(most=10 * 64 * 1024, new=2**20), [a_digest() for _ in range(100)]
    for digest in digests * 2:
        put(shelf, digest)
    kept = [digest for digest in digests if shelf.get(at(digest), {}) is not None]
    assert 10 <= len(kept) < 30
    assert kept[-1] is digests[-1]


def test_one_that_is_larger_than_all_room_is_kept_alone() -> None:
    shelf, large = Shelf(most=10), a_digest()
    put(shelf, large, 2 * 2**20)
    assert shelf.get(at(large), {}) is not None


def test_other_topics_make_another_mail() -> None:
    shelf, digest = Shelf(), a_digest()
    put(shelf, digest)
    assert shelf.get(at(digest), {1: Topic(1, "Graphs", "ti:graphs")}) is None


@given(st.text("ab.. é=\n", max_size=400))
def test_no_line_begins_with_a_dot(text: str) -> None:
    """It would have to be doubled in every mail; a line of dots alone may."""
    encoded = encode(text)
    assert quopri.decodestring(encoded).decode() == whole_lines(text)
    lines = encoded.split(b"\r\n")
    assert all(len(line) <= 76 for line in lines)
    assert not any(line.startswith(b".") for line in lines if b"." * 70 not in line)

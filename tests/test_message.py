"""Headers and parts, checked on the bytes: nothing that comes from outside can add a line, a header or a recipient."""

import email
import html.parser
import json
import re
import string
import tempfile
import unicodedata
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from email.utils import parseaddr
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from house import bring, make_app, make_paper, subscribe
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from newsletter.addresses import check_address, list_id, mailto
from newsletter.errors import AddressError, UsageError
from newsletter.mail.message import Address, Letterhead, compose_plain, make_letter
from newsletter.model import Paper
from newsletter.preview import preview
from newsletter.settling import settle

OF_ALL = ["From", "Reply-To", "To", "Subject", "Date", "Message-ID"]
OF_A_LIST = ["List-Id", "List-Help", "List-Owner", "List-Archive", "List-Post"]
AUTOMATIC = ["Auto-Submitted", "X-Auto-Response-Suppress"]
LEAVING = ["List-Unsubscribe", "List-Unsubscribe-Post"]
DIGEST = [*OF_ALL, *OF_A_LIST, *AUTOMATIC, "Precedence", *LEAVING, "Feedback-ID", "MIME-Version", "Content-Type"]
SINGLE = [*OF_ALL, *AUTOMATIC, "Feedback-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding"]

WHEN = datetime(2026, 1, 6, 7, tzinfo=UTC)
LETTERHEAD = Letterhead(
    "Daily Papers",
    "Daily Papers",
    "papers@example.org",
    "papers.example.org",
    ("The Team", "team@example.org"),
    "operator@example.org",
    "https://papers.example.org/editions",
)
DAY = date(2026, 1, 5)
BOUNDARY = "=_522bc84f0a6d7523f98eef43"
ADDRESS = Address(
    "reader@example.org",
    "20260106.t1@example.org",
    WHEN,
    ("https://papers.example.org/u/TOKEN", "mailto:papers@example.org?subject=unsubscribe%20TOKEN"),
)

ODD = (
    *("\r\n", "\r", "\n", "\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029", "\t", "\0", "\x1b", "\x7f"),
    *("=?utf-8?b?QmNjOiB4?=", "=?utf-8?q?=0D=0ABcc=3A?=", "=?", "?=", "\u202e", "\u2066", "\ufeff", "\ud800", "\udfff"),
    *("Bcc: all@example.org", "\r\nBcc: all@example.org\r\n", "\r\n\r\n<script>alert(1)</script>", f"--{BOUNDARY}--"),
    *("<evil>", '" onload="', "</td>", "&lt;", '"', "\\", ",", ";", ":", "@", "<", ">", "(", "日本", "é", "e\u0301"),
    *("👩‍👩‍👧", "x" * 80, "__slot_email__", "{{ 7 * 7 }}", "%0d%0a", " ", "a"),
)
texts = st.text(max_size=100) | st.lists(st.sampled_from(ODD) | st.text(max_size=5), max_size=30).map("".join)
VERY_LONG = ("x" * 10_000, "x\r\n" * 3_334, "日" * 10_000, "Ünï cöde " * 1_112, '"\\,' * 3_334, "👩‍👩‍👧" * 2_000)


def made(
    letterhead: Letterhead = LETTERHEAD, address: Address = ADDRESS, subject: str = "Papers", day: date = DAY
) -> bytes:
    letter = make_letter(letterhead, day, subject, [b"text\r\n"], [b"<p>html</p>\r\n"])
    return bytes(letter.to(address))


def single(letterhead: Letterhead = LETTERHEAD, subject: str = "Papers", kind: str = "operator") -> bytes:
    return bytes(compose_plain(letterhead, replace(ADDRESS, unsubscribe=()), kind, subject, b"text\r\n"))


def parsed(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=default)


def fields(raw: bytes) -> list[tuple[str, str]]:
    """The headers, read byte by byte: names and unfolded values."""
    head, _, _ = raw.partition(b"\r\n\r\n")
    pairs = (line.decode().partition(":") for line in head.replace(b"\r\n ", b" ").split(b"\r\n"))
    return [(name, value.strip(" ")) for name, _, value in pairs]


def field(raw: bytes, wanted: str) -> str:
    (value,) = (value for name, value in fields(raw) if name == wanted)
    return value


def shown(value: str) -> str:
    """A header's text as a reader sees it."""
    return str(make_header(decode_header(value)))


def mailbox(value: str) -> tuple[str, str]:
    name, address = parseaddr(value)
    return shown(name), address


def visible(text: str) -> str:
    """A text as a header can hold it, by what Unicode says of its characters."""
    kept = (
        " " if character in "\r\n\t\v\f\x1c\x1d\x1e\x85\u2028\u2029" else character
        for character in text.translate(dict.fromkeys(range(0xD800, 0xE000), "?"))
    )
    turning = {"R", "L", "AL", "LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"} - {"R", "L", "AL"}
    marks = "\u200e\u200f\u061c"
    bare = (
        character
        for character in kept
        if unicodedata.category(character) != "Cc"
        and unicodedata.bidirectional(character) not in turning
        and character not in marks
    )
    return " ".join("".join(bare).split())


def check(raw: bytes, names: list[str]) -> EmailMessage:
    """Hold a message against the rules that every message keeps, and against its headers."""
    assert [name for name, _ in fields(raw)] == names
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n", raw)
    head, _, body = raw.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        check_line(line)
        assert visible(line.decode()) == line.decode().strip()
    assert all(len(line) <= 76 for line in body.split(b"\r\n"))
    assert body.isascii()
    message = parsed(raw)
    assert message.keys() == names
    assert not message.defects
    if boundary := message.get_boundary():
        marks = [line for line in body.split(b"\r\n") if line.startswith(f"--{boundary}".encode())]
        assert marks == [f"--{boundary}".encode()] * 2 + [f"--{boundary}--".encode()]
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
        assert not any(part.defects for part in message.iter_parts())
    return message


def check_line(line: bytes) -> None:
    assert line.strip()
    assert len(line) <= 998  # RFC 5322 §2.1.1
    words = re.sub(rb"^[A-Za-z-]+: ?", b"", line).split()
    assert len(line.decode()) <= 78 or len(words) == 1, "it could be folded"  # characters (RFC 6532 §3.4)
    encoded = [word for word in words if word.startswith(b"=?") and b"@" not in word]
    for word in encoded:  # RFC 2047 §2 and §5
        assert re.fullmatch(rb"=\?utf-8\?(b\?[A-Za-z0-9+/=]+|q\?[A-Za-z0-9!*+/=_-]+)\?=", word)
        assert len(word) <= 75
        assert shown(word.decode()).encode()  # whole characters
    assert not encoded or len(line) <= 76


# ---------------------------------------------------------------- which headers there are


def test_a_digest_has_its_headers_once() -> None:
    raw = made()
    message = check(raw, DIGEST)
    assert raw.isascii()
    sender = "74976caefd42"
    assert dict(fields(raw)) == {
        "From": "Daily Papers <papers@example.org>",
        "Reply-To": "The Team <team@example.org>",
        "To": "reader@example.org",
        "Subject": "Papers",
        "Date": "Tue, 06 Jan 2026 07:00:00 +0000",
        "Message-ID": "<20260106.t1@example.org>",
        "List-Id": "Daily Papers <papers.example.org>",
        "List-Help": "<mailto:team@example.org?subject=help>",
        "List-Owner": "<mailto:operator@example.org>",
        "List-Archive": "<https://papers.example.org/editions>",
        "List-Post": "NO",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "DR, RN, NRN, OOF, AutoReply",
        "Precedence": "bulk",
        "List-Unsubscribe": (
            "<https://papers.example.org/u/TOKEN>, <mailto:papers@example.org?subject=unsubscribe%20TOKEN>"
        ),
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "Feedback-ID": f"2026-01-05:digest:papers.example.org:{sender}",
        "MIME-Version": "1.0",
        "Content-Type": f'multipart/alternative; boundary="{BOUNDARY}"',
    }
    assert message.get_content_type() == "multipart/alternative"


def test_what_is_not_set_is_the_senders() -> None:
    raw = made(Letterhead("Papers", "Daily", "papers@example.org", "papers.example.org"))
    check(raw, [name for name in DIGEST if name != "List-Archive"])
    assert field(raw, "Reply-To") == "Daily <papers@example.org>"
    assert field(raw, "List-Help") == "<mailto:papers@example.org?subject=help>"
    assert field(raw, "List-Owner") == "<mailto:papers@example.org>"


def test_one_click_is_offered_where_there_is_an_https_address() -> None:
    (_, by_mail) = ADDRESS.unsubscribe
    raw = made(address=replace(ADDRESS, unsubscribe=(by_mail,)))
    check(raw, [name for name in DIGEST if name != "List-Unsubscribe-Post"])
    assert field(raw, "List-Unsubscribe") == f"<{by_mail}>"


def test_a_mail_of_its_own_is_no_lists() -> None:
    raw = single()
    message = check(raw, SINGLE)
    assert raw.isascii()
    assert (message.get_content_type(), message.get_content()) == ("text/plain", "text\r\n")
    assert field(raw, "Reply-To") == "The Team <team@example.org>"
    assert field(raw, "Feedback-ID").startswith("2026-01-06:operator:papers.example.org:")


def test_the_parts() -> None:
    plain, page = parsed(made()).iter_parts()
    assert (plain.get_content_type(), plain.get_content()) == ("text/plain", "text")
    assert (page.get_content_type(), page.get_content()) == ("text/html", "<p>html</p>")


def test_dates_are_in_utc() -> None:
    nepal = timezone(timedelta(hours=5, minutes=45))
    raw = made(address=replace(ADDRESS, moment=WHEN.astimezone(nepal).replace(microsecond=999_999)))
    assert field(raw, "Date") == "Tue, 06 Jan 2026 07:00:00 +0000"


def test_feedback_tells_of_no_person() -> None:
    """As Gmail reads it: four identifiers, none in two places, the last of 5 to 15 characters and always the same."""
    others = (
        replace(ADDRESS, recipient="other@example.org", message_id="x@example.org"),
        replace(ADDRESS, unsubscribe=()),
    )
    ids = {field(made(address=address), "Feedback-ID") for address in (ADDRESS, *others)}
    (found,) = ids
    identifiers = found.split(":")
    assert len(set(identifiers)) == 4
    assert 5 <= len(identifiers[3]) <= 15
    weekly = field(made(day=date(2026, 2, 1)), "Feedback-ID")
    assert weekly == ":".join(("2026-02-01", *identifiers[1:]))
    assert field(single(kind="a: b"), "Feedback-ID") == ":".join(("2026-01-06", "a-b", *identifiers[2:]))
    elsewhere = replace(LETTERHEAD, list_id="other.example.org")
    assert field(made(elsewhere), "Feedback-ID").rpartition(":")[2] != identifiers[3]


# ---------------------------------------------------------------- texts


@given(texts, texts, texts, texts)
@example(*VERY_LONG[:4])
@example(*VERY_LONG[2:])
@example("=?utf-8?q?Bcc=3A?=", "x\r\nBcc: everybody@example.org", "=?", "?=")
@example("x" * 66, "x" * 67, "x" * 75, "x" * 76)
@example("a " * 60, '"' + "b " * 60, "é " * 60, "c" * 60 + " " + "d" * 60)
def test_texts_stay_what_they_are(name: str, sender: str, reply: str, subject: str) -> None:
    letterhead = replace(LETTERHEAD, name=name, sender_name=sender, reply_to=(reply, "team@example.org"))
    raw = made(letterhead, subject=subject)
    message = check(raw, DIGEST)
    assert raw.isascii()
    assert shown(field(raw, "Subject")) == visible(subject) == message["Subject"]
    assert mailbox(field(raw, "From")) == (visible(sender), "papers@example.org")
    assert mailbox(field(raw, "Reply-To")) == (visible(reply), "team@example.org")
    assert mailbox(field(raw, "List-Id")) == (visible(name), "papers.example.org")
    for one in ("From", "Reply-To"):
        assert len(message[one].addresses) == 1
        assert not message[one].defects
    check(single(letterhead, subject), SINGLE)


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("", "<papers@example.org>"),
        ("Papers of the Day", "Papers of the Day <papers@example.org>"),
        ("Papers, Daily", '"Papers, Daily" <papers@example.org>'),
        ('The "Best" \\ Papers', '"The \\"Best\\" \\\\ Papers" <papers@example.org>'),
        ("a@b <c>", '"a@b <c>" <papers@example.org>'),
        ("Dr. Papers", '"Dr. Papers" <papers@example.org>'),
        ("Käse", "=?utf-8?b?S8Okc2U=?= <papers@example.org>"),
        ("日々の論文", "=?utf-8?b?5pel44CF44Gu6KuW5paH?= <papers@example.org>"),
        ("📄", "=?utf-8?b?8J+ThA==?= <papers@example.org>"),
        ("=?utf-8?q?x?=", "=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?= <papers@example.org>"),
    ],
)
def test_names(name: str, written: str) -> None:
    raw = made(replace(LETTERHEAD, sender_name=name))
    assert field(raw, "From") == written
    assert parsed(raw)["From"].addresses[0].display_name == name


def test_texts_are_folded_where_they_can_be() -> None:
    subject = " ".join(["eleven char"] * 20)
    name = " ".join(["Institute"] * 15)
    raw = made(replace(LETTERHEAD, sender_name=name), subject=subject)
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert field(raw, "Subject") == subject
    assert field(raw, "From") == f"{name} <papers@example.org>"


@pytest.mark.parametrize(("length", "before"), [(62, " "), (63, "\r\n "), (75, "\r\n "), (76, " "), (900, " ")])
def test_a_line_is_begun_only_for_what_it_holds(length: int, before: str) -> None:
    uri = "https://example.org/".ljust(length - len("<>"), "x")
    raw = made(replace(LETTERHEAD, archive=uri))
    check(raw, DIGEST)
    assert f"\r\nList-Archive:{before}<{uri}>\r\n".encode() in raw


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize("length", [60, 67, 68, 69, 70, 200])
def test_a_subject_begins_on_its_first_line(length: int) -> None:
    """One that began on its second would be read with a blank before it, by Python's email package among others."""
    raw = made(subject="x" * length)
    assert re.search(rb"\r\nSubject: [^\r]", raw)
    assert shown(field(raw, "Subject")) == "x" * length


def is_checked(address: str) -> bool:
    try:
        return check_address(address) == address
    except AddressError:
        return False


@given(st.text(max_size=20) | st.lists(st.sampled_from(ODD), max_size=4).map("".join), st.integers(0, 3))
@example("a\r\nBcc: b", 0)
@example("a@example.org,b", 0)
@example("用户", 0)
@example("a>,<b", 1)
@example("a\u202eb", 0)
@example("ࠀ" * 5 + "𐀀" * 8, 1)
def test_no_address_becomes_more(text: str, place: int) -> None:
    """One that was not checked is refused or stands alone, as part of ours and of theirs."""
    address = f"{text}@example.org"
    ours = (
        LETTERHEAD,
        replace(LETTERHEAD, sender_address=address),
        replace(LETTERHEAD, reply_to=("", address)),
        replace(LETTERHEAD, owner=address),
    )[place]
    theirs = ADDRESS if place else replace(ADDRESS, recipient=address)
    try:
        raw = made(ours, theirs)
    except AddressError:
        assert not is_checked(address)
        return
    check(raw, DIGEST)
    where = ("To", "From", "Reply-To", "List-Owner")[place]
    assert address in field(raw, where) or mailto(address) in field(raw, where)


@given(texts)
@example("https://papers.example.org/u/x>,<https://evil.example")
@example("https://papers.example.org/a b/ü/\r\nBcc: x")
def test_no_link_becomes_two(uri: str) -> None:
    raw = made(replace(LETTERHEAD, archive=f"https:{uri}"), replace(ADDRESS, unsubscribe=(f"https:{uri}", uri)))
    if max(map(len, raw.split(b"\r\n"))) > 998:  # none of ours is as long: see below
        return
    check(raw, DIGEST)
    assert re.fullmatch(r"<https:[!-;=?-~]*>", field(raw, "List-Archive"))
    assert re.fullmatch(r"<https:[!-;=?-~]*>, <[!-;=?-~]*>", field(raw, "List-Unsubscribe"))


@pytest.mark.parametrize(
    "message_id", ["", "a", "@", "a@", "a b@c", "a@b\r\nBcc: c", 'a"@b', "a>@b", "ü@b", "a" * 65 + "@b"]
)
def test_a_message_id_is_ours(message_id: str) -> None:
    with pytest.raises(ValueError, match="no Message-ID of ours"):
        replace(ADDRESS, message_id=message_id)


def test_domains_beyond_ascii_are_written_in_ascii() -> None:
    ours = "papers@bücher.example"
    letterhead = Letterhead("Bücher", "Bücher", ours, list_id(ours), ("", "team@例え.jp"), "op@exämple.org")
    address = replace(ADDRESS, recipient="leser@straße.example", unsubscribe=(mailto(ours, "unsubscribe x"),))
    raw = made(letterhead, address)
    assert raw.isascii()
    assert field(raw, "From") == "=?utf-8?q?B=C3=BCcher?= <papers@xn--bcher-kva.example>"
    assert field(raw, "Reply-To") == "<team@xn--r8jz45g.jp>"
    assert field(raw, "To") == "leser@xn--strae-oqa.example"
    assert field(raw, "List-Id") == "=?utf-8?q?B=C3=BCcher?= <papers.xn--bcher-kva.example>"
    assert field(raw, "List-Owner") == "<mailto:op@xn--exmple-cua.org>"
    assert field(raw, "List-Help") == "<mailto:team@xn--r8jz45g.jp?subject=help>"
    assert field(raw, "List-Unsubscribe") == "<mailto:papers@xn--bcher-kva.example?subject=unsubscribe%20x>"


def test_local_parts_beyond_ascii_are_raw_where_nothing_else_can_be() -> None:
    """RFC 6532 where an address stands, percent-encoded in URIs (RFC 6068), and never in List-Id or Message-ID."""
    ours = "zürich@example.org"
    letterhead = Letterhead("Zürich", "Zürich", ours, list_id(ours), ("", "团队@example.org"), "öp@example.org")
    raw = made(letterhead, replace(ADDRESS, recipient="用户@例え.jp"))
    assert field(raw, "From") == "=?utf-8?q?Z=C3=BCrich?= <zürich@example.org>"
    assert field(raw, "Reply-To") == "<团队@example.org>"
    assert field(raw, "To") == "用户@xn--r8jz45g.jp"
    raws = {name for name, value in fields(raw) if not value.isascii()}
    assert raws == {"From", "Reply-To", "To"}
    assert field(raw, "List-Id") == "=?utf-8?q?Z=C3=BCrich?= <xn--zrich-kva.example.org>"
    assert field(raw, "List-Owner") == "<mailto:%C3%B6p@example.org>"
    owner_alone = replace(LETTERHEAD, owner="öp@example.org")
    assert made(owner_alone).isascii()


@given(st.emails() | st.text(string.ascii_letters + "äß日😀.", min_size=1, max_size=250).map("{}@example.org".format))
@example("x" * 242 + "@example.org")
@example("p.😀.q@example.org")
@example("日" * 80 + "@example.org")
@example("ü@" + ".".join(["x" * 60] * 4) + ".museum")
def test_a_list_has_a_name_for_ever(address: str) -> None:
    try:
        checked = check_address(address)
    except AddressError:
        return
    name = list_id(checked)
    assert len(name) <= 255  # RFC 2919
    assert re.fullmatch(r"[!-~]+", name)
    assert all(name.split("."))  # dot-atom-text
    letterhead = Letterhead("Papers", "Papers", checked, name)
    raw = made(
        letterhead, replace(ADDRESS, recipient=checked, unsubscribe=(mailto(checked, "unsubscribe " + "x" * 32),))
    )
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert field(raw, "List-Id") == f"Papers <{name}>"


# ---------------------------------------------------------------- through the configuration, and from papers to bytes


def written(papers: list[Paper], topics: list[Any], queries: list[str], **newsletter: str) -> bytes:
    """The mail of an edition, with all that an operator, a reader and an author may write."""
    with tempfile.TemporaryDirectory() as folder:
        archive = {"url": "https://example.org/{path}"}
        app = make_app(Path(folder), topics=topics, newsletter=newsletter, archive=archive)
        try:
            every = [topic.name for topic in app.storage.topics.operators()]
            subscribe(app, "a@example.org", topics=every, queries=queries)
            bring(app, *papers)
            settle(app, app.today())
            return preview(app, "a@example.org", None).message
        finally:
            app.close()


class Tags(html.parser.HTMLParser):
    """What a page holds, as a browser takes it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.links: set[str] = set()
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attributes}
        self.links |= {value or "" for name, value in attributes if name == "href"}

    def handle_data(self, text: str) -> None:
        self.text += text


def part(raw: bytes, kind: str) -> str:
    body = parsed(raw).get_body((kind,))
    assert body is not None
    return str(body.get_content())


@cache
def tame() -> Tags:
    """A page of all that a page of ours may hold."""
    comment = "Accepted at ICML 2026; code at https://github.com/example/graphs"
    papers = [make_paper(1, comment=comment, journal_ref="Journal 1"), make_paper(2)]
    return Tags(part(written(papers, ["Graph Neural Networks", "Graphs"], []), "html"))


printable = texts.map(lambda text: text.encode("utf-8", "replace").decode())  # no XML or TOML holds halves of pairs


# It is not made smaller when it fails: that would take minutes.
@settings(max_examples=12, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.tuples(*[printable] * 6), printable, printable, printable)
@example(("x\r\n\r\n<script>x</script>",) * 6, "=?utf-8?q?=0D=0ABcc=3A?=", '"<evil>" \\', "<evil>")
@example(("\r\nBcc: all@example.org\r\n" * 300,) * 6, "日" * 100, "é" * 500, f"--{BOUNDARY}--")
@example(("<evil" * 2_000, "]]>--><evil>", '"><evil x="', "<evil>" * 500, "cs.<evil>", "<evil>"), "a", "b", "c")
def test_nothing_written_elsewhere_becomes_ours(paper: tuple[str, ...], name: str, sender: str, topic: str) -> None:
    title, abstract, author, comment, category, journal = paper
    told: dict[str, Any] = {"abstract": abstract, "authors": (author or "A",), "categories": (category or "cs.LG",)}
    papers = [make_paper(1, title or "x", comment=comment, journal_ref=journal, **told), make_paper(2)]
    everything = {"name": topic, "query": "ti:graph OR abs:graphs"}
    mails = [written(papers, ["Graph Neural Networks"], [])]
    with suppress(UsageError):  # what is refused where it comes in is sent to nobody
        mailbox = f"{json.dumps(sender, ensure_ascii=False)} <p@example.org>"
        mails += [written(papers, [everything, "Graph Neural Networks"], [], name=name, sender=mailbox)]
    with suppress(UsageError):
        mails += [written(papers, ["Graph Neural Networks"], [f'ti:graph OR ti:"{topic}"'])]
    for raw in mails:
        check(raw, [other for other in DIGEST if other != "List-Unsubscribe-Post"])
        page = Tags(part(raw, "html"))
        assert page.names <= tame().names
        assert page.attributes <= tame().attributes
        assert all(re.match("https://|mailto:", link) for link in page.links)

"""The mail: nothing from outside becomes markup, and what is joined is what would have been rendered whole."""

import json
import os
import quopri
import re
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.parser import BytesParser
from email.policy import SMTP
from pathlib import Path
from typing import Any

import lxml.html
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from lxml import etree
from markupsafe import Markup

from newsletter.errors import TemplateError
from newsletter.model import Announcement, Digest, Item, Kind, Paper, Remark, RemarkKind
from newsletter.rendering.cards import Card, card_name, make_cards, make_frame
from newsletter.rendering.digest import Assembler, Body, Brand, Links
from newsletter.rendering.environment import make_environment, render, wrap
from newsletter.rendering.fragments import encode, fill, one_line, parse, printable, settle
from newsletter.rendering.inlining import KEPT, inline
from newsletter.rendering.readme import EditionPage, EditionSection, render_edition
from newsletter.rendering.words import words_of
from newsletter.resources import resource
from newsletter.text import readable

GOLDEN = Path(__file__).parent / "golden"
PAPERS = Path(__file__).parents[2] / "shared" / "data" / "arxiv" / "bulk" / "papers.jsonl"
BRAND = Brand("Daily Papers", "Daily Papers, 1 Example Street, 00000 Nowhere")
LINKS = Links("https://papers.example.org/u/AbCdEfGhIjKlMnOpQrStUv?a=1&b=2", "reader@example.org")
TOPICS = {1: "Night Vision", 2: "Moths & Lamps"}
WORDS = words_of("en")

LAMPS = (
    "We ask whether a lamp left on at night changes what the moths of a small town do, and find that it hardly does. "
    "Over three summers we counted 4,112 moths under lamps of four colours. A model with two parameters, "
    r"$\alpha$ and $\beta$, explains 92% of the variance; a third one explains nothing more. "
    "We give the counts, the code, and the lamps to whoever asks for them."
)
COUNTING = (
    "Animals that move are counted twice, or not at all. We describe an estimator that needs neither marks nor "
    "cameras, prove that it is unbiased if the animals are not told of it, and show on invented data that it does "
    "better than counting. Its cost is linear in the number of animals."
)
SEVENTH = "An erratum to the sixth version, which was an erratum to the fifth. We thank whoever wrote to us."
AGAIN = (
    "We repeat an earlier study of lamps with more lamps. The effect is smaller than reported, has the opposite sign, "
    "and disappears when the door is closed."
)
FLIGHT = (
    r"Let $k$ moths fly from $n$ lamps. We show that some two of them meet almost surely, and bound the time they "
    r"take by $O(n \log k)$. The proof is short, and uses nothing but the second moment method and patience."
)


def paper(number: int, title: str = "A Title", *, day: int = 27, **fields: Any) -> Paper:
    when = datetime(2025, 2, day, 10, tzinfo=UTC)
    values: dict[str, Any] = {
        "version": 1,
        "abstract": LAMPS,
        "authors": ("Ada Invented", "Bruno Example", "Chiara Nobody"),
        "categories": ("cs.CV", "cs.LG"),
        "submitted": when,
        "updated": when,
    }
    return Paper(id=f"0001.{number:05}", title=title, **(values | fields))


SEVEN = ("Żaneta Przykład", "Björn Påhitt", "Inès Fictive", "Dara Made-Up", "E. Five", "F. Six", "G. Seven")
SAMPLE = (
    Item(
        paper(
            1, r"Moths, Lamps and the $\alpha$-Law: A Field Study of Attention at Night", comment="12 pages, 4 figures"
        ),
        Kind.NEW,
        (),
        (1, 2),
    ),
    Item(
        paper(2, "Counting What Does Not Hold Still", day=26, abstract=COUNTING, authors=SEVEN),
        Kind.NEW,
        (),
        (1,),
    ),
    Item(
        paper(
            3,
            "A Second Look at Lamps",
            version=3,
            abstract=AGAIN,
            comment="Accepted at ICML 2026; code at https://example.org/a-second-look",
        ),
        Kind.REVISED,
        ("title", "abstract", "comment"),
        (1,),
    ),
    Item(
        paper(6, "How Many Lamps? A Census", version=7, abstract=SEVENTH, comment="Told before"),
        Kind.REVISED,
        ("abstract", "authors"),
        (1,),
        brief=True,
    ),
    Item(
        paper(4, "On Bounds for the Flight of $k$ Moths", abstract=FLIGHT, categories=("math.PR", "stat.ML")),
        Kind.NEW,
        (),
        (2,),
    ),
    Item(
        paper(5, "Lamps Considered Harmful", version=2, comment="Withdrawn: no lamp was on"), Kind.WITHDRAWN, (), (2,)
    ),
)
REMARKS = (Remark(RemarkKind.LATE, since=date(2025, 2, 14)), Remark(RemarkKind.PARTIAL, topics=(2, 3)))
LATE = "What was announced since 14 Feb 2025 is in here too: it could not be had before."
PARTIAL = "arXiv could not be asked in full for Moths & Lamps; what is missing follows in a later edition."


@pytest.fixture(scope="module")
def environment() -> Environment:
    return make_environment()


def digest_of(items: Iterable[Item], remarks: tuple[Remark, ...] = ()) -> Digest:
    return Digest(date(2025, 2, 27), date(2025, 2, 28), tuple(items), remarks)


def mail(
    environment: Environment,
    items: Sequence[Item],
    topics: dict[int, str] = TOPICS,
    brand: Brand = BRAND,
    remarks: tuple[Remark, ...] = (),
) -> Body:
    cards = make_cards(environment, items)
    fragments = {fragment.name: fragment for fragment in (*make_frame(environment, brand), *cards)}
    return Assembler(brand, fragments.__getitem__).body(digest_of(items, remarks), topics, LINKS)


def decoded(part: bytes) -> str:
    return quopri.decodestring(part).decode().replace("\r\n", "\n")


def tree(html: str) -> Any:
    return lxml.html.document_fromstring(html.encode(), parser=lxml.html.HTMLParser(encoding="utf-8"))


def links(html: str) -> list[str]:
    return [element.get("href") for element in tree(html).iter() if element.get("href") or element.get("src")]


def collapsed(text: str) -> str:
    return " ".join(text.split())


def expected_links(items: Iterable[Item]) -> list[str]:
    return [LINKS.unsubscribe, *(item.paper.link for item in items), LINKS.unsubscribe]


# The whole


@pytest.mark.parametrize("name", ["html", "txt"])
def test_golden(environment: Environment, name: str) -> None:
    body = mail(environment, SAMPLE, remarks=REMARKS)
    made = decoded(body.html if name == "html" else body.text)
    path = GOLDEN / f"digest.{name}"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(made, encoding="utf-8", newline="\n")
    assert made.encode() == path.read_bytes(), "look at the difference; UPDATE_GOLDEN=1 accepts it"


def test_joined_is_rendered_whole(environment: Environment) -> None:
    """Cutting, encoding and joining change nothing: the same mail, rendered and inlined as one page."""
    ordered = [item for topic in TOPICS for item in SAMPLE if item.topic_ids[0] == topic]
    cut = Markup("<!-- here -->")
    slots = ("newsletter", "postal", "date", "summary", "remark", "topic", "count", "also", "email", "unsubscribe")
    values = {name: f"__slot_{name}__" for name in slots}
    cards = [Card(item.paper, item.kind, item.changes, item.brief) for item in ordered]
    page = render(environment, "digest/body.html", cut=cut, cards=cards, language="en", **values)
    opening, remark, section, *pieces, also, closing = page.replace(f"{cut}\n", cut).split(cut)
    head = {"newsletter": BRAND.name, "postal": BRAND.postal_address, "date": "Friday, 28 February 2025"}
    head |= {"summary": "3 new, 2 revised, 1 withdrawn in 2 topics"}

    def filled(piece: str, **more: str) -> str:
        own = {"unsubscribe": LINKS.unsubscribe, "email": LINKS.email}
        return "".join(map(str, fill(parse(piece.encode()), head | own | more, escape=True)))

    first = filled(section, topic=TOPICS[1], count="2 new, 2 revised")
    second = filled(section, topic=TOPICS[2], count="1 new, 1 withdrawn")
    told = filled(also, also=TOPICS[2])
    opened = [filled(opening), filled(remark, remark=LATE), filled(remark, remark=PARTIAL)]
    whole = [*opened, first, pieces[0], told, *pieces[1:4], second, *pieces[4:], filled(closing)]
    joined = tree(decoded(mail(environment, SAMPLE, remarks=REMARKS).html))
    assert etree.tostring(joined) == etree.tostring(tree(inline("".join(whole))))


def test_wire_form(environment: Environment) -> None:
    body = mail(environment, SAMPLE)
    for part in (body.html, body.text):
        assert part.endswith(b"\r\n")
        assert part.isascii()
        assert b"\n" not in part.replace(b"\r\n", b"")
        assert b"\r" not in part.replace(b"\r\n", b"")
        assert max(map(len, part.split(b"\r\n"))) <= 76
    head = b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    message = BytesParser(policy=SMTP).parsebytes(head + body.html)
    assert message.get_content().replace("\r\n", "\n") == decoded(body.html)


def test_html_is_accessible(environment: Environment) -> None:
    page = tree(decoded(mail(environment, SAMPLE).html))
    first = page.find("body")[0]
    assert (page.get("lang"), page.get("dir"), first.get("lang"), first.get("dir")) == ("en", "ltr", "en", "ltr")
    assert page.findtext("head/title") == "Daily Papers, Friday, 28 February 2025"
    assert all(table.get("role") == "presentation" for table in page.iter("table"))
    headings = [element.tag for element in page.iter("h1", "h2", "h3", "h4")]
    assert headings == ["h1", "h2", "h3", "h3", "h3", "h2", "h3", "h3"]
    assert all(link.text_content().strip() for link in page.iter("a"))
    assert all("text-decoration:underline" in link.get("style") for link in page.iter("a"))
    assert not list(page.iter("img", "details", "summary", "script", "form", "svg", "input", "th", "base"))
    assert page.find("head/style") is not None


def test_every_fact_is_told(environment: Environment) -> None:
    body = mail(environment, SAMPLE, remarks=REMARKS)
    html, text = tree(decoded(body.html)).text_content(), decoded(body.text)
    for item in SAMPLE:
        assert readable(item.paper.title) in collapsed(html)
        assert readable(item.paper.title) in collapsed(text)
        for told in (readable(item.paper.comment), readable(item.paper.abstract)):
            assert (told in collapsed(html)) != item.brief or not told
            assert (told in collapsed(text)) != item.brief or not told
        assert f"\n{item.paper.link}\n" in text
    for told in (
        "Żaneta Przykład, Björn Påhitt, Inès Fictive, Dara Made-Up and 3 more",
        "27 Feb 2025",
        "cs.CV, cs.LG",
        "Revised, version 3 · changed: title, abstract · "
        "comment: Accepted at ICML 2026; code at https://example.org/a-second-look",
        "Revised, version 7 · changed: abstract, authors",
        LATE,
        PARTIAL,
        "Withdrawn",
        "Also in: Moths & Lamps",
        "Thank you to arXiv for use of its open access interoperability.",
        "Daily Papers was not reviewed or approved by, nor does it necessarily express or reflect "
        "the policies or opinions of, arXiv.",
        BRAND.postal_address,
        LINKS.email,
    ):
        assert told in collapsed(html)
        assert told in collapsed(text)
    assert "Comment: Accepted" not in html + text, "it stands in the badge"
    assert text.count(LINKS.unsubscribe) == 2
    assert links(decoded(body.html)) == expected_links(SAMPLE)


def test_no_remark_leaves_no_gap(environment: Environment) -> None:
    body = mail(environment, SAMPLE, remarks=(Remark(RemarkKind.PARTIAL, topics=(9,)),))
    assert body == mail(environment, SAMPLE)
    assert f"{LINKS.unsubscribe}\n\n\n====" in decoded(body.text)
    assert not tree(decoded(body.html)).xpath("//td[@class='remark']")


@pytest.mark.parametrize(
    ("changes", "comment", "badge"),
    [
        ((), "10 pages", "Revised, version 2"),
        (("title",), "10 pages", "Revised, version 2 · changed: title"),
        (("comment",), "Accepted at ICML 2026", "Revised, version 2 · comment: Accepted at ICML 2026"),
        (("authors", "comment"), "$k$ pages", "Revised, version 2 · changed: authors · comment: k pages"),
        (("abstract", "comment"), "", "Revised, version 2 · changed: abstract, comment"),
        (("comment",), "\ufffe", "Revised, version 2 · changed: comment"),
    ],
)
@pytest.mark.parametrize("brief", [False, True])
def test_a_badge_says_what_changed(
    environment: Environment, changes: tuple[str, ...], comment: str, badge: str, brief: bool
) -> None:
    told = Item(paper(1, version=2, comment=comment), Kind.REVISED, changes, (1,), brief)
    body = mail(environment, [told])
    css = "told" if brief else "badge"
    (shown,) = tree(decoded(body.html)).xpath(f"//*[@class='{css}']")
    assert collapsed(shown.text_content()) == badge
    assert f"/abs/0001.00001v2\n{badge}\n" in decoded(body.text)
    again = "Comment: " in decoded(body.html) or "Comment: " in decoded(body.text)
    assert again is (bool(comment) and not brief and "comment" not in changes)


def test_a_line_stands_between_cards(environment: Environment) -> None:
    line = (
        "How Many Lamps? A Census\nhttps://arxiv.org/abs/0001.00006v7\nRevised, version 7 · changed: abstract, authors"
    )
    assert f"door is closed.\n\n\n{line}\n\n\n===" in decoded(mail(environment, SAMPLE).text)


def test_no_postal_address_leaves_no_gap(environment: Environment) -> None:
    text = decoded(mail(environment, SAMPLE, brand=Brand("Daily Papers")).text)
    assert text.endswith("opinions of, arXiv.\n")


def test_kinds_and_dates_order_a_section(environment: Environment) -> None:
    items = [
        Item(paper(1), Kind.WITHDRAWN, (), (2,)),
        Item(paper(2), Kind.REVISED, (), (2,)),
        Item(paper(3, day=3), Kind.NEW, (), (2,)),
        Item(paper(4, day=4), Kind.NEW, (), (2,)),
        Item(paper(5), Kind.WITHDRAWN, (), (1,)),
    ]
    told = links(decoded(mail(environment, items).html))[1:-1]
    assert [link[-7:-2] for link in told] == ["00005", "00004", "00003", "00002", "00001"]


# What comes from outside

TAGS = [
    "<script>alert(1)</script>",
    '</a><a href="https://evil.example">',
    "<img src=x>",
    "</td></tr></table>",
    "&lt;b&gt;",
]
SIGNS = ["-->", "<!--", "]]>", "&", '"', "'", "<", ">", "</style><style>", "/* kept */", "\\", "|", "é", "漢字", "😀"]
TEMPLATE = [
    "{{ 7*7 }}",
    "{% raw %}",
    "{# ",
    "#}",
    "%(email)s",
    "%s",
    "%",
    "__slot_unsubscribe__",
    "__slot_email__",
    "__slot_",
]
TEX = ["\\href{javascript:alert(1)}{x}", "$x<y$", "$", "\\textbf{", "{", "}", "#", "~", "^"]
WIRE = ["=", "=20", "=3D", "=\r\n", ".", "\n.\n", "From ", "--", "\t", " ", " \n", "\r\nBcc: a@b.example\r\n", "\r"]
HIDDEN = [
    "\u202e",
    "\u2066",
    "\u200f",
    "\x00",
    "\x07",
    "\x1b[31m",
    "\x85",
    "\u2028",
    "\ufffe",
    "\ud800",
    "\x1e",
    "\x0b",
]
HOSTILE = st.one_of(st.sampled_from(TAGS + SIGNS + TEMPLATE + TEX + WIRE + HIDDEN), st.text(max_size=12))
NASTY = st.lists(HOSTILE, max_size=6).map("".join)
ROOM = settings(
    max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(NASTY, NASTY, NASTY, NASTY, NASTY, NASTY, NASTY)
@ROOM
def test_nothing_from_outside_becomes_markup(
    environment: Environment, title: str, abstract: str, author: str, comment: str, topic: str, other: str, name: str
) -> None:
    evil = paper(7, title, abstract=abstract, authors=(author, "B"), comment=comment, categories=("cs.CV", author))
    tame = paper(7, "T", abstract="A", comment="C" if printable(readable(comment)) else "")
    items = [Item(evil, Kind.NEW, (), (1, 2)), Item(paper(8), Kind.REVISED, (), (1,))]
    body = mail(environment, items, {1: topic, 2: other + "x"}, Brand(name, name))
    calm = mail(environment, [Item(tame, Kind.NEW, (), (1, 2)), items[1]], brand=Brand("N", name and "P"))
    html, text = decoded(body.html), decoded(body.text)
    assert [str(element.tag) for element in tree(html).iter()] == [str(e.tag) for e in tree(decoded(calm.html)).iter()]
    assert links(html) == expected_links(items)
    shown = printable(readable(title)) or evil.id
    assert collapsed(tree(html).find(".//h3").text_content()) == collapsed(shown)
    assert collapsed(shown) in collapsed(text)
    assert printable(text) == text
    assert printable(body.subject) == body.subject
    assert len(body.subject.splitlines()) == 1


@given(NASTY, NASTY, NASTY, NASTY)
@ROOM
def test_a_revision_becomes_no_markup_either(
    environment: Environment, title: str, comment: str, abstract: str, topic: str
) -> None:
    """The comment beside what changed, the line that stands for a card, and the topic that is partial."""
    evil = paper(7, title, version=7, comment=comment, abstract=abstract)
    tame = paper(7, "T", version=7, comment="C" if printable(readable(comment)) else "", abstract="A")
    remarks = (Remark(RemarkKind.PARTIAL, topics=(1, 2)),)

    def told(shown: Paper) -> list[Item]:
        line = Item(shown, Kind.REVISED, ("title", "comment"), (1,), brief=True)
        return [line, replace(line, paper=replace(shown, id="0001.00008"), brief=False)]

    body = mail(environment, told(evil), {1: topic, 2: "other"}, remarks=remarks)
    calm = mail(environment, told(tame), {1: "one", 2: "other"}, remarks=remarks)
    html, text = tree(decoded(body.html)), decoded(body.text)
    assert [str(element.tag) for element in html.iter()] == [str(e.tag) for e in tree(decoded(calm.html)).iter()]
    assert links(decoded(body.html)) == expected_links(told(evil))
    assert printable(text) == text
    (line,), (badge,) = html.xpath("//span[@class='told']"), html.xpath("//p[@class='badge']")
    assert collapsed(line.text_content()) == collapsed(badge.text_content())
    assert collapsed(printable(readable(comment))) in collapsed(badge.text_content())
    assert text.count(f"/abs/{evil.id}v7\n") == 1
    (remark,) = html.xpath("//td[@class='remark']")
    assert collapsed(one_line(topic)) in collapsed(remark.text_content())


@given(st.lists(NASTY, min_size=1, max_size=5))
@ROOM
def test_encoded_pieces_join(pieces: list[str]) -> None:
    whole = [printable(piece) for piece in pieces]
    wire = b"".join(map(encode, whole))
    assert re.fullmatch(rb"([ -~\t]{0,76}\r\n)*", wire)
    assert not re.search(rb"[ \t]\r\n", wire)
    lines = [[line.rstrip(" \t") for line in re.sub(r"\r\n?", "\n", piece).split("\n")] for piece in whole]
    expected = [line for piece in lines for line in (piece if piece[-1] else piece[:-1])]
    assert quopri.decodestring(wire).decode() == "".join(f"{line}\r\n" for line in expected)


@given(st.lists(st.one_of(NASTY, st.sampled_from(["__slot_a__", "__slot_b__", "\n"])), max_size=8), NASTY, NASTY)
@ROOM
def test_slots_are_filled_once(literals: list[str], a: str, b: str) -> None:
    """Whatever a value holds, it is never read again; settling first and filling later gives the same bytes."""
    source = printable("".join(literals)).replace("\r", "") + "\n"
    parts = parse(source.encode())
    values = {"a": one_line(a), "b": one_line(b), "email": "e", "unsubscribe": "u"}
    at_once = re.sub(r"__slot_([a-z]+)__", lambda match: values[match[1]], source)
    assert "".join(map(str, fill(parts, values, escape=False))) == at_once
    late = [fill(p, values, escape=False) if isinstance(p, tuple) else p for p in settle(fill(parts, {}, escape=False))]
    assert b"".join(p if isinstance(p, bytes) else encode("".join(map(str, p))) for p in late) == encode(at_once)


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "http://plain.example", "https://a b", "mailto:é", "https://x\n"]
)
def test_an_unsubscribe_link_is_an_address(address: str) -> None:
    with pytest.raises(ValueError, match="no https: or mailto: address"):
        Links(address, "reader@example.org")


# The subject


@pytest.mark.parametrize(
    ("kinds", "topics", "summary"),
    [
        ("n" * 12, 4, "12 new in 4 topics"),
        ("n", 1, "1 new in 1 topic"),
        ("rr", 1, "2 revised in 1 topic"),
        ("nnr", 2, "2 new, 1 revised in 2 topics"),
        ("w", 1, "1 withdrawn in 1 topic"),
        ("", 0, "nothing new"),
    ],
)
def test_subject_counts(environment: Environment, kinds: str, topics: int, summary: str) -> None:
    kind = {"n": Kind.NEW, "r": Kind.REVISED, "w": Kind.WITHDRAWN}
    items = [Item(paper(n), kind[letter], (), (n % topics,)) for n, letter in enumerate(kinds)]
    body = mail(environment, items, {topic: f"Topic {topic}" for topic in range(5)})
    assert body.subject == f"Daily Papers, 28 Feb: {summary}"
    assert summary in decoded(body.text)


def test_subject_names_a_range(environment: Environment) -> None:
    frame = {fragment.name: fragment for fragment in make_frame(environment, BRAND)}
    assembler = Assembler(BRAND, frame.__getitem__)

    def dates(after: date | None, first: date | None = None) -> str:
        return assembler.shared(Digest(after, date(2025, 2, 28), ()), {}, first).subject.split(", ")[1].split(":")[0]

    assert dates(date(2025, 2, 21)) == "22–28 Feb"
    assert dates(date(2025, 2, 21), date(2025, 2, 24)) == "24–28 Feb"
    assert dates(date(2025, 2, 25)) == "28 Feb"
    assert dates(None) == "28 Feb"
    assert dates(date(2025, 1, 20)) == "21 Jan – 28 Feb"
    assert dates(date(2024, 12, 28)) == "29 Dec 2024 – 28 Feb 2025"


def test_words() -> None:
    assert WORDS.people([]) == ""
    assert WORDS.people(list("ABCDE")) == "A, B, C, D, E"
    assert WORDS.people(list("ABCDEF")) == "A, B, C, D and 2 more"
    days = [WORDS.long_date(date(2025, 1, 6) + timedelta(31 * n)).split()[2] for n in range(12)]
    assert (days[0], days[-1], len(set(days))) == ("January", "December", 12)
    assert wrap("a" * 100 + " b") == "a" * 100 + "\nb"


# Remarks

FIRST, LAST = date(2025, 12, 30), date(2026, 1, 2)


@pytest.mark.parametrize(
    ("remark", "sentence"),
    [
        (REMARKS[0], LATE),
        (
            Remark(RemarkKind.OUTAGE, FIRST, FIRST),
            "arXiv did not answer on 30 Dec 2025; what was announced then is in here.",
        ),
        (
            Remark(RemarkKind.OUTAGE, FIRST, LAST),
            "arXiv did not answer from 30 Dec 2025 to 2 Jan 2026; what was announced then is in here.",
        ),
        (REMARKS[1], PARTIAL),
        (
            Remark(RemarkKind.PARTIAL, topics=(1, 2)),
            PARTIAL.replace("Moths", "Night Vision, Moths"),
        ),
        (Remark(RemarkKind.PARTIAL, topics=(3,)), ""),
        (
            Remark(RemarkKind.STALE),
            "arXiv had not brought all of its categories up to date; what is missing follows later.",
        ),
        (
            Remark(RemarkKind.FEED_ONLY),
            "Details such as comments are missing, as arXiv's search refused; they follow later.",
        ),
    ],
)
def test_remarks_are_sentences(remark: Remark, sentence: str) -> None:
    assert WORDS.remark(remark, TOPICS) == sentence


# The edition's page


def edition_page(*announcements: Announcement, remarks: tuple[Remark, ...] = ()) -> str:
    sections = (EditionSection("Night Vision", announcements),)
    return render_edition("Daily Papers", EditionPage(date(2025, 2, 28), sections, remarks, TOPICS))


def test_the_page_of_an_edition_tells_briefly_too() -> None:
    told = [Announcement(1, item.paper, item.kind, item.changes, brief=item.brief) for item in SAMPLE]
    page = edition_page(*told, remarks=REMARKS)
    assert page.startswith(f"# Daily Papers: 2025-02-28\n\n{LATE}\n\n{PARTIAL}\n\n## Night Vision\n")
    line = "- [How Many Lamps? A Census](https://arxiv.org/abs/0001.00006v7) · 2025-02-27 · version 7"
    assert f" |\n\n{line} · changed: abstract, authors\n\n### Withdrawn\n" in page
    assert SEVENTH not in page
    assert "\n\n\n" not in page


def test_a_page_with_a_line_alone() -> None:
    evil = paper(7, "A](https://evil.example) <b>", version=7, comment="Accepted | at\nICML")
    page = edition_page(Announcement(1, evil, Kind.REVISED, ("title", "comment"), brief=True))
    assert page.startswith("# Daily Papers: 2025-02-28\n\n## Night Vision\n\n### Revised\n- [A\\]")
    assert "&lt;b>](https://arxiv.org/abs/0001.00007v7) · 2025-02-27 · version 7 · changed: title · " in page
    assert "comment: Accepted \\| at ICML\n" in page
    assert "| ---" not in page


def test_a_page_says_nothing_of_a_readers_query() -> None:
    assert edition_page(remarks=(Remark(RemarkKind.PARTIAL, topics=(3,)),)) == edition_page()


# The stylesheet


def stylesheet() -> tuple[str, str]:
    inlined, _, kept = (resource("templates") / "digest" / "digest.css").read_text(encoding="utf-8").partition(KEPT)
    return re.sub(r"/\*.*?\*/", "", inlined, flags=re.S), kept


def rules(css: str) -> list[tuple[str, str]]:
    return re.findall(r"([^{}]+)\{([^{}]*)\}", re.sub(r"@media[^{]*\{", "", css))


def test_no_selector_looks_at_its_neighbours() -> None:
    inlined, kept = stylesheet()
    for selector, _ in rules(inlined):
        assert re.fullmatch(r"\.[a-z]+", selector.strip()), "cards are inlined apart: one class alone"
    for selector, _ in rules(kept):
        for single in selector.split(","):
            assert re.fullmatch(r":root|(\[data-ogs[cb]\] )?\.[a-z]+", single.strip())


def test_styles_are_of_the_kind_mail_programs_know() -> None:
    inlined, kept = stylesheet()
    declarations = [d for _, body in rules(inlined + kept) for d in body.split(";") if d.strip()]
    for declaration in declarations:
        assert not re.search(r"rgb|hsl|var\(|calc|url|flex|grid|position|float|\d(r?em|%|pt|vw)\b", declaration)
        for colour in re.findall(r"#\w+", declaration):
            assert re.fullmatch(r"#[0-9a-f]{6}", colour)
        for number, unit in re.findall(r"(?<![#\w])(\d+)([a-z]*)", declaration):
            assert unit == "px" or number == "0"
    assert len(kept) < 4_000


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        channels = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_can_be_read_in_light_and_dark() -> None:
    inlined, kept = stylesheet()
    dark = kept[kept.index("prefers-color-scheme") :]
    for css, known in ((inlined, {"#23272b"}), (dark, {"#e3e1db"})):
        grounds = re.findall(r"background-color: (#\w+)", css)
        inks = set(re.findall(r"(?<!-)color: (#\w+)", css))
        assert known < inks
        for ink in inks:
            assert min(contrast(ink, ground) for ground in grounds) >= 4.5, ink
    coloured = {s.strip() for s, body in rules(inlined) if re.search(r"(?<!-)color: #", body)}
    redone = {s.strip() for names, body in rules(dark) if "color:" in body for s in names.split(",")}
    assert coloured <= redone, "what is coloured in the light has a colour in the dark"


# Templates of the operator


def override(folder: Path, name: str, text: str) -> Environment:
    (folder / "digest").mkdir(exist_ok=True)
    (folder / "digest" / name).write_text(text, encoding="utf-8")
    return make_environment(folder)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\n{% if %}", 2),
        ("one\ntwo\n{{ nothing_of_the_kind }}", 3),
        ("{{ 1 / 0 }}", 1),
        ("\n{{ cards|nofilter }}", 2),
    ],
)
def test_a_broken_template_is_named(tmp_path: Path, text: str, line: int) -> None:
    environment = override(tmp_path, "body.html", text)
    with pytest.raises(TemplateError, match=re.escape(f"{tmp_path / 'digest' / 'body.html'}, line {line}: ")):
        make_frame(environment, BRAND)


def test_a_template_without_cuts_is_named(tmp_path: Path) -> None:
    environment = override(tmp_path, "body.txt", "Hello\n{{ cut }}\n")
    with pytest.raises(TemplateError, match=re.escape(str(tmp_path / "digest" / "body.txt"))):
        list(make_cards(environment, [Item(paper(1), Kind.NEW, (), (1,))]))


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="nowhere is not a folder"):
        make_environment(tmp_path / "nowhere")
    environment = override(tmp_path, "body.html", '{% include "digest/lost.html" %}')
    with pytest.raises(TemplateError, match=r"digest/lost\.html"):
        make_frame(environment, BRAND)


def test_a_stylesheet_need_not_keep_anything(tmp_path: Path) -> None:
    environment = override(tmp_path, "digest.css", ".title { color: #123456; }")
    body = mail(environment, [Item(paper(1, f"About {KEPT}"), Kind.NEW, (), (1,))])
    page = tree(decoded(body.html))
    assert page.findtext(".//h3/a") == f"About {KEPT}"
    assert page.find(".//h3").get("style") == "color:#123456"
    assert not list(page.iter("style"))


def test_one_block_can_be_replaced(tmp_path: Path) -> None:
    text = '{% extends "original/digest/body.txt" %}{% block card scoped %}* {{ card.paper.link }}\n{% endblock %}'
    body = mail(override(tmp_path, "body.txt", text), SAMPLE)
    assert f"\n* {SAMPLE[0].paper.link}\n" in decoded(body.text)
    assert readable(SAMPLE[0].paper.title) not in collapsed(decoded(body.text))
    assert readable(SAMPLE[0].paper.title) in decoded(body.html)


# At sending time


def test_the_sender_is_lean() -> None:
    heavy = {"premailer", "lxml", "feedparser", "cssutils", "jinja2", "pylatexenc", "requests"}
    code = f"import newsletter.rendering.digest, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_readers_share_all_but_their_own_lines(environment: Environment) -> None:
    cards = make_cards(environment, SAMPLE)
    fragments = {fragment.name: fragment for fragment in (*make_frame(environment, BRAND), *cards)}
    shared = Assembler(BRAND, fragments.__getitem__).shared(digest_of(SAMPLE), TOPICS)
    assert all(len(str(piece)) < 700 for piece in (*shared.html, *shared.text) if not isinstance(piece, bytes))
    one, two = shared.body(LINKS), shared.body(Links("mailto:papers@example.org?subject=leave&x=y", "<b>@example.org"))
    assert links(decoded(two.html))[0] == "mailto:papers@example.org?subject=leave&x=y"
    assert "&lt;b&gt;@example.org" in decoded(two.html)
    assert one.subject == two.subject


def test_every_card_has_its_name(environment: Environment) -> None:
    full = Item(paper(1), Kind.REVISED, (), (1,))
    brief = replace(full, brief=True)
    names = [fragment.name for fragment in make_cards(environment, [full, brief])]
    assert names == [card_name(full), card_name(brief)]
    assert names == ["card/0001.00001v1/revised/full", "card/0001.00001v1/revised/brief"]


# Real papers


@pytest.mark.skipif(not PAPERS.exists(), reason=f"{PAPERS} is not there")
def test_all_recorded_papers(environment: Environment) -> None:
    items = [Item(real, Kind.NEW, (), (1,)) for real in map(recorded, PAPERS.read_text(encoding="utf-8").splitlines())]
    body = mail(environment, items)
    html, text = decoded(body.html), decoded(body.text)
    assert "__slot_" not in html + text
    assert sorted(links(html)[1:-1]) == sorted(item.paper.link for item in items)
    assert all(f"\n{item.paper.link}\n" in text for item in items)


def recorded(line: str) -> Paper:
    record = json.loads(line)
    identifier, _, version = record["arxiv_id"].rpartition("v")
    return Paper(
        id=identifier,
        version=int(version),
        title=record["title"],
        abstract=record["summary"],
        authors=tuple(record["authors"]),
        categories=tuple(record["categories"]),
        submitted=datetime.fromisoformat(record["published"]).replace(tzinfo=UTC),
        updated=datetime.fromisoformat(record["updated"]).replace(tzinfo=UTC),
        comment=record["comment"],
    )

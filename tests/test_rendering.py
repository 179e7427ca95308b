"""The mail: nothing from outside becomes markup, and what is joined is what would have been rendered whole."""

import os
import quopri
import re
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from email.parser import BytesParser
from email.policy import SMTP
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import Environment
from lxml import etree
from mailing import (
    BRAND,
    LAMPS,
    LATE,
    LINKS,
    ONLINE,
    PAPERS,
    PARTIAL,
    PREFERENCES,
    REMARKS,
    SAMPLE,
    SEVENTH,
    TOPICS,
    WEB,
    assembler,
    collapsed,
    decoded,
    digest_of,
    expected_links,
    links,
    mail,
    named,
    paper,
    recorded,
    tree,
)
from markupsafe import Markup

from newsletter.errors import TemplateError
from newsletter.model import Announcement, Digest, Item, Kind, Paper, Remark, RemarkKind
from newsletter.rendering.cards import Card, make_cards, make_frame
from newsletter.rendering.digest import Brand, Links
from newsletter.rendering.environment import make_environment, render
from newsletter.rendering.fragments import (
    encode,
    fill,
    forms_of,
    one_line,
    parse,
    printable,
    settle,
    wrap,
)
from newsletter.rendering.inlining import KEPT, inline
from newsletter.rendering.readme import EditionPage, EditionSection, render_edition
from newsletter.rendering.words import words_of
from newsletter.text import readable

LATE_SPAN = "Friday, 14 February 2025 – Friday, 28 February 2025"
GOLDEN = Path(__file__).parent / "golden"
WORDS = words_of("en")


@pytest.fixture(scope="module")
def environment() -> Environment:
    return make_environment()


# The whole


@pytest.mark.parametrize("name", ["html", "txt"])
def test_golden(environment: Environment, name: str) -> None:
    body = mail(environment, SAMPLE, remarks=REMARKS)
    made = decoded(body.html if name == "html" else body.text)
    path = GOLDEN / f"digest.{name}"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(made, encoding="utf-8", newline="\n")
    assert made.encode() == path.read_bytes(), "look at the difference; UPDATE_GOLDEN=1 accepts it"


@pytest.mark.parametrize("new", [False, True])
def test_joined_is_rendered_whole(environment: Environment, new: bool) -> None:
    """Cutting, encoding and joining change nothing: the same mail, named, rendered and inlined as one page."""
    ordered = [item for topic in TOPICS for item in SAMPLE if item.topic_ids[0] == topic]
    cut = Markup("<!-- here -->")
    slots = ("newsletter", "postal", "date", "summary", "online", "remark", "topic", "count", "why", "more", "where")
    values = {name: f"__slot_{name}__" for name in (*slots, "preferences", "email", "unsubscribe", "number")}
    cards = [Card(item.paper, item.kind, item.changes, forms_of(item)[-1]) for item in ordered]
    page = render(environment, "digest/body.html", cut=cut, cards=cards, language="en", **values)
    opening, welcome, tally, remark, section, *pieces, why, _, _, closing = page.replace(f"{cut}\n", cut).split(cut)
    head = {"newsletter": BRAND.name, "postal": BRAND.postal_address, "date": LATE_SPAN}
    head |= {"summary": "3 new, 2 revised, 1 withdrawn in 2 topics", "online": ONLINE, "preferences": PREFERENCES}

    def filled(piece: str, **more: str) -> str:
        own = {"unsubscribe": LINKS.unsubscribe, "email": LINKS.email}
        return "".join(map(str, fill(parse(piece.encode()), head | own | more, escape=True)))

    first = {"topic": TOPICS[1], "count": "2 new, 2 revised"}
    second = {"topic": TOPICS[2], "count": "1 new, 1 withdrawn"}
    both = f"{TOPICS[1]} (“Night”, “lamp”), {TOPICS[2]} (“Moths”, “Lamps”)"
    why_one, why_other = filled(why, why=TOPICS[1]), filled(why, why=TOPICS[2])
    whole = [filled(opening), filled(welcome) if new else "", filled(tally, **first), filled(tally, **second)]
    whole += [filled(remark, remark=LATE), filled(remark, remark=PARTIAL)]
    whole += [filled(section, **first), pieces[0], filled(why, why=both), pieces[1], why_one, pieces[2], why_one]
    whole += [pieces[3]]
    whole += [filled(section, **second), pieces[4], why_other, pieces[5], why_other, filled(closing)]
    joined = tree(decoded(mail(environment, SAMPLE, remarks=REMARKS, welcome=new).html))
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
            assert (told in collapsed(html)) != item.minor or not told
            assert (told in collapsed(text)) != item.minor or not told
        assert f"\n{item.paper.link}\n" in text
    assert "Night Vision\u200e · 2 new, 2 revised" in collapsed(html)
    assert "* Night Vision: 2 new, 2 revised" in text
    for told in (
        "Żaneta Przykład, Björn Påhitt, Inès Fictive, Dara Made-Up and 3 more",
        "New · 27 Feb 2025 · cs.CV, cs.LG",
        "ICML 2026",
        "· changed: title, abstract · comment: Accepted at ICML 2026; code at https://github.com/example/a-second-look",
        "Revised, version 7 · changed: abstract, authors",
        LATE,
        PARTIAL,
        "Withdrawn",
        "Why: Night Vision (“Night”, “lamp”), Moths & Lamps (“Moths”, “Lamps”)",
        "Thank you to arXiv for use of its open access interoperability.",
        "Daily Papers was not reviewed or approved by, nor does it necessarily express or reflect "
        "the policies or opinions of, arXiv.",
        BRAND.postal_address,
        LINKS.email,
    ):
        assert told in collapsed(html)
        assert told in collapsed(text)
    assert "Comment: Accepted" not in html + text, "it stands beside what changed"
    assert text.count(LINKS.unsubscribe) == 2
    assert text.count(ONLINE) == 1
    assert text.count(PREFERENCES + "\n") == 1
    assert links(decoded(body.html)) == expected_links(SAMPLE)
    assert "\nPDF: https://arxiv.org/pdf/0001.00001v1\n" in text
    assert "\nCode: https://github.com/example/a-second-look\n" in text


def test_no_remark_leaves_no_gap(environment: Environment) -> None:
    body = mail(environment, SAMPLE, remarks=(Remark(RemarkKind.PARTIAL, topics=(9,)),))
    assert body == mail(environment, SAMPLE)
    assert "1 withdrawn\n\n\n----" in decoded(body.text)
    assert not tree(decoded(body.html)).xpath("//td[@class='remark']")


def test_one_topic_needs_no_list(environment: Environment) -> None:
    body = mail(environment, [Item(paper(1), Kind.NEW, (), (1,))])
    assert not tree(decoded(body.html)).xpath("//td[@class='tally']")
    assert f"{LINKS.unsubscribe}\n\n\n\n----" in decoded(body.text)


def test_what_is_not_on_the_web_is_not_linked(environment: Environment) -> None:
    body = mail(environment, SAMPLE, brand=Brand("Daily Papers"))
    everywhere = expected_links(SAMPLE)
    assert links(decoded(body.html)) == [link for link in everywhere if link not in (ONLINE, PREFERENCES)]
    assert "On the web" not in decoded(body.text)
    assert "Change what you get" not in decoded(body.text)


@pytest.mark.parametrize(
    ("changes", "comment", "badge"),
    [
        ((), "10 pages", "Revised, version 2"),
        (("title",), "10 pages", "Revised, version 2 · changed: title"),
        (("comment",), "Accepted at a market", "Revised, version 2 · comment: Accepted at a market"),
        (("authors", "comment"), "$k$ pages", "Revised, version 2 · changed: authors · comment: k pages"),
        (("abstract", "comment"), "", "Revised, version 2 · changed: abstract, comment"),
        (("comment",), "\ufffe", "Revised, version 2 · changed: comment"),
    ],
)
@pytest.mark.parametrize("minor", [False, True])
def test_a_card_says_what_changed(
    environment: Environment, changes: tuple[str, ...], comment: str, badge: str, minor: bool
) -> None:
    told = Item(paper(1, version=2, comment=comment), Kind.REVISED, changes, (1,), minor)
    body = mail(environment, [told])
    (label,) = tree(decoded(body.html)).xpath("//b[@class='kind']/..")
    facts = badge if minor else f"{badge} · 27 Feb 2025 · cs.CV, cs.LG"
    assert collapsed(label.text_content()) == (f"A Title\u200e · {facts}" if minor else facts)
    assert f"/abs/0001.00001v2 {facts} " in collapsed(decoded(body.text))
    again = "Comment: " in decoded(body.html) or "Comment: " in decoded(body.text)
    assert again is (bool(comment) and not minor and "comment" not in changes)


def test_a_line_stands_between_cards(environment: Environment) -> None:
    line = (
        "4. How Many Lamps? A Census\nhttps://arxiv.org/abs/0001.00006v7\n"
        "Revised, version 7 · changed: abstract, authors"
    )
    assert f"Why: Night Vision\n\n{line}\n\n\n---" in decoded(mail(environment, SAMPLE).text)


def test_a_venue_is_a_badge(environment: Environment) -> None:
    body = mail(environment, [Item(paper(1, comment="Accepted at ICML 2026"), Kind.NEW, (), (1,))])
    (badge,) = tree(decoded(body.html)).xpath("//b[@class='venue']")
    assert badge.text.strip("\xa0") == "ICML 2026"
    assert "background-color" in badge.get("style")
    assert "\nNew · ICML 2026 · 27 Feb 2025" in decoded(body.text)


def test_a_long_abstract_ends_at_a_sentence(environment: Environment) -> None:
    body = mail(environment, [Item(paper(1, abstract=" ".join([LAMPS] * 9)), Kind.NEW, (), (1,))])
    (shown,) = tree(decoded(body.html)).xpath("//p[@class='abstract']")
    assert (shown.find("a").text, shown.find("a").get("href")) == (
        "Read on in 0001.00001v1",
        "https://arxiv.org/abs/0001.00001v1",
    )
    assert re.search(r"[a-z]\. $", shown.text)
    assert 600 < len(shown.text) < 1_300
    assert collapsed(shown.text).strip() + " [...]" in collapsed(decoded(body.text))


def test_what_is_not_there_leaves_no_gap(environment: Environment) -> None:
    bare = paper(1, abstract="", authors=(), categories=())
    body = mail(environment, [Item(bare, Kind.NEW, (), (1,))])
    assert "1. A Title\nhttps://arxiv.org/abs/0001.00001v1\nNew · 27 Feb 2025\n\nPDF: " in decoded(body.text)
    page = tree(decoded(body.html))
    assert all(element.text_content().strip() for element in page.iter("p"))
    assert page.xpath("string(//p[@class='facts'])") == "New · 27 Feb 2025"


def test_what_is_written_from_the_right_is_set_so(environment: Environment) -> None:
    body = mail(environment, [Item(paper(1, "شبکه‌های GNN برای تشخیص"), Kind.NEW, (), (1,))])
    page = tree(decoded(body.html))
    assert (page.find(".//h3").get("dir"), page.xpath("//p[@class='abstract']")[0].get("dir")) == ("rtl", None)


@pytest.mark.parametrize(
    ("identifier", "kind", "pdf", "html"),
    [
        ("2502.00001", Kind.NEW, True, True),
        ("2502.00001", Kind.WITHDRAWN, False, False),
        ("2311.00001", Kind.NEW, True, False),
        ("math/0309136", Kind.NEW, True, False),
    ],
)
def test_links_lead_to_what_there_is(
    environment: Environment, identifier: str, kind: Kind, pdf: bool, html: bool
) -> None:
    body = mail(environment, [Item(replace(paper(1), id=identifier), kind, (), (1,))])
    addresses = set(links(decoded(body.html)))
    assert (f"https://arxiv.org/pdf/{identifier}v1" in addresses) is pdf
    assert (f"https://arxiv.org/html/{identifier}v1" in addresses) is html
    assert f"https://arxiv.org/abs/{identifier}v1" in addresses


def test_papers_are_numbered_through(environment: Environment) -> None:
    text = decoded(mail(environment, SAMPLE).text)
    assert re.findall(r"^(\d+)\. ", text, re.M) == [str(number) for number in range(1, 7)]
    assert all(len(line) <= 72 or " " not in line for line in text.splitlines())


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
    told = tree(decoded(mail(environment, items).html)).xpath("//h3/a/@href")
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


def calm_like(text: str) -> str:
    """A text that is as harmless as can be, and not there where the other shows nothing."""
    return "A" if printable(readable(text)).strip() else ""


@given(NASTY, NASTY, NASTY, NASTY, NASTY, NASTY, NASTY)
@ROOM
def test_nothing_from_outside_becomes_markup(
    environment: Environment, title: str, abstract: str, author: str, comment: str, topic: str, other: str, name: str
) -> None:
    evil = paper(7, title, abstract=abstract, authors=(author, "B"), comment=comment, categories=("cs.CV", author))
    tame = paper(7, "T", abstract=calm_like(abstract), comment=calm_like(comment))
    words = ((title, comment), (topic,))
    items = [Item(evil, Kind.NEW, (), (1, 2), words=words), Item(paper(8), Kind.REVISED, (), (1,))]
    body = mail(environment, items, {1: topic, 2: other + "x"}, Brand(name, name, places=WEB))
    calm = mail(environment, [Item(tame, Kind.NEW, (), (1, 2)), items[1]], brand=Brand("N", name and "P", places=WEB))
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
    tame = paper(7, "T", version=7, comment=calm_like(comment), abstract=calm_like(abstract))
    remarks = (Remark(RemarkKind.PARTIAL, topics=(1, 2)),)

    def told(shown: Paper) -> list[Item]:
        line = Item(shown, Kind.REVISED, ("title", "comment"), (1,), minor=True)
        return [line, replace(line, paper=replace(shown, id="0001.00008"), minor=False)]

    body = mail(environment, told(evil), {1: topic, 2: "other"}, remarks=remarks)
    calm = mail(environment, told(tame), {1: "one", 2: "other"}, remarks=remarks)
    html, text = tree(decoded(body.html)), decoded(body.text)
    assert [str(element.tag) for element in html.iter()] == [str(e.tag) for e in tree(decoded(calm.html)).iter()]
    assert links(decoded(body.html)) == expected_links(told(evil))
    assert printable(text) == text
    kinds = html.xpath("//b[@class='kind']/..")
    assert all(collapsed(printable(readable(comment))) in collapsed(kind.text_content()) for kind in kinds)
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
    joining = assembler(environment, [])

    def dates(first: date) -> str:
        return joining.shared(Digest(first, date(2025, 2, 28), ()), {}).subject.split(", ")[1].split(":")[0]

    assert dates(date(2025, 2, 28)) == "28 Feb"
    assert dates(date(2025, 2, 24)) == "24–28 Feb"
    assert dates(date(2025, 1, 21)) == "21 Jan – 28 Feb"
    assert dates(date(2024, 12, 29)) == "29 Dec 2024 – 28 Feb 2025"


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
    told = [Announcement(1, item.paper, item.kind, item.changes, minor=item.minor) for item in SAMPLE]
    page = edition_page(*told, remarks=REMARKS)
    assert page.startswith(f"# Daily Papers: 2025-02-28\n\n{LATE}\n\n{PARTIAL}\n\n## Night Vision\n")
    line = "- [How Many Lamps? A Census](https://arxiv.org/abs/0001.00006v7) · 2025-02-27 · version 7"
    assert f" |\n\n{line} · changed: abstract, authors\n\n### Withdrawn\n" in page
    assert SEVENTH not in page
    assert "\n\n\n" not in page


def test_a_page_with_a_line_alone() -> None:
    evil = paper(7, "A](https://evil.example) <b>", version=7, comment="Accepted | at\nICML")
    page = edition_page(Announcement(1, evil, Kind.REVISED, ("title", "comment"), minor=True))
    assert page.startswith("# Daily Papers: 2025-02-28\n\n## Night Vision\n\n### Revised\n- [A\\]")
    assert "&lt;b>](https://arxiv.org/abs/0001.00007v7) · 2025-02-27 · version 7 · changed: title · " in page
    assert "comment: Accepted \\| at ICML\n" in page
    assert "| ---" not in page


def test_a_page_says_nothing_of_a_readers_query() -> None:
    assert edition_page(remarks=(Remark(RemarkKind.PARTIAL, topics=(3,)),)) == edition_page()


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


def test_a_frame_that_leaves_no_room_is_named(tmp_path: Path) -> None:
    environment = override(tmp_path, "digest.css", "".join(f".rule-{n} {{ color: #123456; }}\n" for n in range(3_000)))
    assert make_frame(environment, BRAND), "rules that are inlined take nothing"
    kept = f"{KEPT}\n" + ".page { color: #123456; }\n" * 3_000
    environment = override(tmp_path, "digest.css", kept)
    with pytest.raises(
        TemplateError, match=r"body\.html: opening and closing take \d\d,\d{3} bytes, and may take 45,000"
    ):
        make_frame(environment, BRAND)


def test_a_number_stands_once(tmp_path: Path) -> None:
    text = '{% extends "original/digest/body.txt" %}{% block card scoped %}{{ number }}/{{ number }}\n{% endblock %}'
    with pytest.raises(TemplateError, match=re.escape("{{ number }} may stand once in a card")):
        list(make_cards(override(tmp_path, "body.txt", text), SAMPLE))


def test_a_paper_is_not_taken_for_a_number(environment: Environment) -> None:
    text = decoded(mail(environment, [Item(paper(1, "A __slot_number__ Title"), Kind.NEW, (), (1,))]).text)
    assert "\n1. A __slot_number__ Title\n" in text


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
    shared = assembler(environment, SAMPLE).shared(digest_of(SAMPLE), named(TOPICS))
    assert all(len(str(piece)) < 700 for piece in (*shared.html, *shared.text) if not isinstance(piece, bytes))
    one, two = shared.body(LINKS), shared.body(Links("mailto:papers@example.org?subject=leave&x=y", "<b>@example.org"))
    assert links(decoded(two.html))[1] == "mailto:papers@example.org?subject=leave&x=y"
    assert "&lt;b&gt;@example.org" in decoded(two.html)
    assert one.subject == two.subject


def test_every_card_has_its_name(environment: Environment) -> None:
    told = Item(paper(1), Kind.REVISED, (), (1,))
    minor = replace(told, paper=paper(2), minor=True)
    names = [fragment.name for fragment in make_cards(environment, [told, minor])]
    assert names == [
        "card/0001.00001v1/revised/line",
        "card/0001.00001v1/revised/brief",
        "card/0001.00001v1/revised/full",
        "card/0001.00002v1/revised/line",
    ]


# Real papers


@pytest.mark.skipif(not PAPERS.exists(), reason=f"{PAPERS} is not there")
def test_all_recorded_papers(environment: Environment) -> None:
    items = [Item(real, Kind.NEW, (), (1,)) for real in map(recorded, PAPERS.read_text(encoding="utf-8").splitlines())]
    stock = assembler(environment, items)
    for start in range(0, len(items), 25):
        some = items[start : start + 25]
        body = stock.body(digest_of(some), named({1: "One"}), LINKS)
        html, text = decoded(body.html), decoded(body.text)
        assert "__slot_" not in html + text
        assert sorted(links(html)) == sorted(expected_links(some))
        assert all(f"\n{item.paper.link}\n" in text for item in some)

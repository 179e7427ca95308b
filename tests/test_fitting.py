"""What a mail has room for: the richest that fits, evenly; and whole mails of any size under the limit."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment
from mailing import LINKS, ONLINE, WEB, assembler, decoded, digest_of, links, named, paper, tree

from newsletter.model import Item, Kind, Remark, RemarkKind, Topic
from newsletter.places import Places
from newsletter.rendering.digest import Body, Brand, Links
from newsletter.rendering.environment import make_environment
from newsletter.rendering.fitting import LIMIT, OUT, Room, fit

Levels = list[list[int]]


def taken(sections: Sequence[Room], levels: Levels, rest: int = 0) -> int:
    """What a choice takes, told once more."""
    total = 0
    for section, chosen in zip(sections, levels, strict=True):
        cards = [card[level] for card, level in zip(section.cards, chosen, strict=True) if level != OUT]
        total += sum(cards) + (section.heading if cards else 0) + (section.more if 0 < len(cards) < len(chosen) else 0)
    hidden = any(section.cards and {*chosen} == {OUT} for section, chosen in zip(sections, levels, strict=True))
    return total + (rest if hidden else 0)


def card(sizes: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(sizes))


CARDS = st.one_of(
    st.lists(st.integers(1, 90), min_size=3, max_size=3), st.lists(st.integers(1, 90), min_size=1, max_size=1)
)
SECTIONS = st.lists(
    st.builds(Room, st.integers(0, 40), st.integers(0, 30), st.lists(CARDS.map(card), min_size=1, max_size=9)),
    max_size=6,
)


@given(SECTIONS, st.integers(0, 3_000), st.integers(0, 30))
def test_nothing_passes_the_limit(sections: list[Room], room: int, rest: int) -> None:
    levels = fit(sections, room, rest)
    assert [len(chosen) for chosen in levels] == [len(section.cards) for section in sections]
    assert taken(sections, levels, rest) <= max(room, rest)


@given(SECTIONS, st.integers(0, 3_000), st.integers(0, 30))
def test_all_stand_on_one_step_or_the_next(sections: list[Room], room: int, rest: int) -> None:
    """As far as they have so many: none is rich while another is left out, or poorer by two."""
    levels = fit(sections, room, rest)
    flat = [level for chosen in levels for level in chosen]
    poorer = [
        level
        for section, chosen in zip(sections, levels, strict=True)
        for card, level in zip(section.cards, chosen, strict=True)
        if level < len(card) - 1
    ]
    assert not poorer or max(flat) - min(poorer) <= 1
    for section, chosen in zip(sections, levels, strict=True):
        whole = [level for card, level in zip(section.cards, chosen, strict=True) if len(card) > 1 or level == OUT]
        assert whole == sorted(whole, reverse=True), "what stands first is the richest"


def test_the_richest_that_fits() -> None:
    sections = [Room(5, 9, [(1, 3, 10)] * 3), Room(5, 9, [(1, 3, 10)])]
    assert fit(sections, 50) == [[2, 2, 2], [2]]
    assert fit(sections, 49) == [[2, 2, 1], [2]]
    assert fit(sections, 36) == [[2, 1, 1], [2]]
    assert fit(sections, 22) == [[1, 1, 1], [1]]
    assert fit(sections, 18) == [[1, 0, 0], [1]]
    assert fit(sections, 14) == [[0, 0, 0], [0]]
    assert fit(sections, 13 + 9) == [[1, 1, 1], [1]]


def test_sections_take_turns() -> None:
    sections = [Room(5, 2, [(3, 8, 20)] * 50), Room(5, 2, [(3, 8, 20)] * 2), Room(5, 2, [(3, 8, 20)] * 50)]
    first, second, third = fit(sections, 60, 4)
    assert second == [0, 0], "a small topic is not crowded out by a large one"
    assert abs(first.count(0) - third.count(0)) <= 1
    assert first.index(OUT) == first.count(0)


def test_many_sections_and_one_long_one_cost_what_they_hold() -> None:
    sections = [Room(10, 5, [(3, 8, 20)])] * 5_000 + [Room(10, 5, [(3, 8, 20)] * 50_000)]
    levels = fit(sections, 200_000, 10)
    assert taken(sections, levels, 10) <= 200_000


# Whole mails


@pytest.fixture(scope="module")
def environment() -> Environment:
    return make_environment()


LONG = "https://papers.example.org/" + "a-path-of-theirs/" * 50
BRANDS = [Brand("Daily Papers", "P" * 500, places=WEB), Brand("Daily Papers", places=Places(LONG[:900]))]


def whole(environment: Environment, papers: int, topics: int, brand: Brand = BRANDS[0], *, heavy: str = "") -> Body:
    """A mail of many papers, spread over topics."""
    items = [
        Item(
            paper(number, f"Title {number} {heavy}", abstract=f"{heavy} " * 150 + "A sentence that ends. " * 60),
            Kind.NEW,
            (),
            (number % topics, (number + 1) % topics) if number % 3 == 0 and topics > 1 else (number % topics,),
        )
        for number in range(papers)
    ]
    remarks = (Remark(RemarkKind.PARTIAL, topics=tuple(range(topics))),)
    names = named({number: f"Topic {number}" for number in range(topics)})
    own = Links(f"{brand.places.web}/u/{'x' * 32}", f"{'&' * 60}@{'a' * 180}.example")
    return assembler(environment, items, brand).body(digest_of(items, remarks), names, own)


@pytest.mark.parametrize(
    ("papers", "topics", "heavy"),
    [
        (1, 1, ""),
        (3, 2, ""),
        (40, 5, ""),
        (400, 12, ""),
        (3_000, 4, ""),
        (1_200, 600, ""),
        (80, 3, "漢字∑"),
        (80, 3, "='"),
    ],
)
@pytest.mark.parametrize("brand", BRANDS, ids=["short address", "long address"])
def test_a_mail_stays_under_its_limit(
    environment: Environment, papers: int, topics: int, heavy: str, brand: Brand
) -> None:
    body = whole(environment, papers, topics, brand, heavy=heavy)
    assert len(body.html) <= LIMIT
    html, text = decoded(body.html), decoded(body.text)
    told = set(re.findall(r"https://arxiv\.org/abs/[^\"\s]+", html))
    assert told == set(re.findall(r"https://arxiv\.org/abs/\S+", text)), "both parts say the same"
    # The words for what is left out hold the address; room for them is kept in each section.
    used = 0.5 if brand is BRANDS[1] else 0.95
    assert len(told) == papers or len(body.html) > used * LIMIT, "what is left out has no room"
    left = sum(map(int, re.findall(r"and (\d+) more in ", html)))
    assert len(told) + left == papers, "what is left out is counted"
    assert text.count("more in") == html.count("more in")
    assert len(re.findall(r"^\d+\. ", text, re.M)) == len(told)


def test_what_there_is_no_room_for_is_linked(environment: Environment) -> None:
    page = tree(decoded(whole(environment, 800, 2).html))
    more = page.xpath("//td[@class='more']/a")
    assert [link.get("href") for link in more] == [ONLINE, ONLINE]
    assert re.fullmatch(r"and \d+ more in Topic 0", more[0].text)


def test_a_readers_own_query_leads_to_a_search(environment: Environment) -> None:
    items = [Item(paper(number), Kind.NEW, (), (1,)) for number in range(400)]
    topics = {1: Topic(1, "", 'ti:"moth & lamp"', personal=True)}
    joining, digest = assembler(environment, items), digest_of(items)
    (link,) = tree(decoded(joining.body(digest, topics, LINKS).html)).xpath("//td[@class='more']/a")
    assert link.get("href") == "https://papers.example.org/search?q=ti%3A%22moth%20%26%20lamp%22"
    unlinked = assembler(environment, items, Brand("N", places=Places(archive="https://example.org/{path}")))
    html = decoded(unlinked.body(digest, topics, LINKS).html)
    assert re.search(r"and \d+ more in ti:&quot;moth &amp; lamp&quot;, for which this mail has no room", html)
    assert "https://example.org/README.md" in links(html), "no page of an edition shows it"


def test_topics_make_room_for_papers(environment: Environment) -> None:
    """Before a paper is left out, the other topics of all of them are."""
    alone = [Item(paper(number), Kind.NEW, (), (0,)) for number in range(400)]
    shared = [replace(item, topic_ids=tuple(range(9))) for item in alone]
    topics = named({number: f"A topic with a rather long name, number {number}" for number in range(9)})
    one, other = (
        decoded(assembler(environment, items).body(digest_of(items), topics, LINKS).html) for items in (alone, shared)
    )
    assert one.count('class="line"') == other.count('class="line"') > 150
    assert "Why:" not in other
    few = shared[:40]
    assert "Why:" in decoded(assembler(environment, few).body(digest_of(few), topics, LINKS).html)


def test_the_head_says_that_papers_are_left_out(environment: Environment) -> None:
    body = whole(environment, 400, 1)
    page, text = tree(decoded(body.html)), decoded(body.text)
    left = int(re.findall(r"and (\d+) more in Topic 0", text)[0])
    said = f"{left} of these papers have no room in this mail."
    assert said in [remark.text for remark in page.xpath("//td[@class='remark']")]
    assert text.index(said) < text.index("1. Title")
    assert "have no room" not in decoded(whole(environment, 40, 1).text)


def test_several_editions_are_linked_together(environment: Environment) -> None:
    items = [Item(paper(number), Kind.NEW, (), (1,)) for number in range(400)]
    digest = replace(digest_of(items), first=date(2025, 2, 25))
    body = assembler(environment, items).body(digest, named({1: "One"}), LINKS)
    span = "https://papers.example.org/editions/2025-02-25/2025-02-28"
    assert [link for link in links(decoded(body.html)) if "editions" in link] == [span, span]
    assert body.subject == "Daily Papers, 25–28 Feb: 400 new in 1 topic"


def test_no_page_shows_what_a_reader_asked_for(environment: Environment) -> None:
    """Sections that are left out as a whole are counted, and linked only if a page shows them all."""
    items = [Item(paper(number), Kind.NEW, (), (number,)) for number in range(600)]
    topics = {number: Topic(number, "", f"ti:moth{number}", personal=number % 2 == 0) for number in range(600)}
    html = decoded(assembler(environment, items).body(digest_of(items), topics, LINKS).html)
    assert re.search(r"<td[^>]*>and \d+ more in \d+ other topics, for which this mail has no room", html)


def test_a_section_that_has_no_room_is_counted(environment: Environment) -> None:
    html = decoded(whole(environment, 1_200, 600).html)
    (rest,) = re.findall(r"and (\d+) more in (\d+) other topics", html)
    shown = tree(html).xpath("//h2")
    assert len(shown) + int(rest[1]) == 600

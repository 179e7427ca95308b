"""Whoever opens the mail can read it: on a phone, at night, by ear, in a program that turns its colours round."""

from collections.abc import Callable, Iterable, Iterator

import pytest
from checking import Answer, Sight
from defects import GOOD
from markup import ambiguous_links, outline, tree
from material import DIGESTS
from styling import Colour, colour, contrast, negative, turned

from newsletter.preview import Mail

SIGHTS = ("light", "dark", "phone", "dark phone", "bare", "bare phone")
SMALLEST = 14  # px
AIRIEST_FROM = 20  # px: letters of this size are headings, whose lines may stand closer
LINES, LINES_OF_HEADINGS = 1.4, 1.2
CONTRAST = 4.5  # WCAG 2.2, 1.4.3, for letters of any size

#: What axe-core asks for and we do not give.
EXCEPTIONS = {
    "color-contrast-enhanced": "asks for the 7:1 of level AAA",
    "landmark-one-main": "mail programs strip <main>, and show a mail in a page that has landmarks of its own",
    "region": "likewise",
    "p-as-heading": "an experiment, which takes the sentence below the newsletter's name for a heading",
}


def sight(answers: dict[str, Answer], name: str, way: str) -> Sight:
    """How a mail looks."""
    if not answers[name].sights:
        pytest.skip("Chromium is not installed")
    return answers[name].sights[way]


def complaints(seen: Sight) -> list[str]:
    """What axe-core finds wrong, or is not sure of."""
    found = ((kind, one) for kind in ("wrong", "unsure") for one in seen[kind] if one["rule"] not in EXCEPTIONS)
    return [f"{kind}: {one['rule']} ({one['count']}): {one['why']} {one['where'][:200]}" for kind, one in found]


def unreadable(seen: Sight) -> Iterator[str]:
    """Text that is small, has no room between its lines, is not seen, or stands before what it comes after."""
    for text in seen["texts"]:
        told = f"{text['path']}: {text['words']!r}"
        if text["size"] < SMALLEST:
            yield f"{text['size']}px {told}"
        if text["height"] < (LINES if text["size"] < AIRIEST_FROM else LINES_OF_HEADINGS):
            yield f"{text['height']} of {text['size']}px {told}"
    yield from (f"hidden: {words!r}" for words in seen["hidden"])
    yield from (f"not in order: {words!r}" for words in seen["displaced"])


def faint(seen: Sight, change: Callable[[Colour], Colour] = lambda shade: shade) -> list[str]:
    """Text that does not stand out from what is behind it, after a change of all colours."""
    ratios = (
        (contrast(change(colour(text["color"])), change(colour(text["background"]))), text) for text in seen["texts"]
    )
    return [f"{ratio:.2f} {text['path']}: {text['words']!r}" for ratio, text in ratios if ratio < CONTRAST]


def not_underlined(seen: Sight) -> list[str]:
    """Links that are told from text by their colour alone."""
    return [link["words"] for link in seen["links"] if not link["underlined"]]


def too_wide(seen: Sight) -> list[str]:
    """Whether one must scroll sideways."""
    return [f"{seen['width']}px on a screen of {seen['window']}px"] if seen["width"] > seen["window"] else []


def fetched(seen: Sight) -> Iterable[str]:
    """Whatever was asked for."""
    return list(seen["requests"])


def everywhere(
    answers: dict[str, Answer], name: str, rule: Callable[[Sight], Iterable[str]], ways: Iterable[str] = SIGHTS
) -> str:
    """What a rule finds in a mail, each once and with the ways of looking at it, a line each; empty if nothing."""
    found: dict[str, list[str]] = {}
    for way in ways:
        for finding in rule(sight(answers, name, way)):
            found.setdefault(finding, []).append(way)
    return "\n".join(f"{finding} [{', '.join(dict.fromkeys(ways))}]" for finding, ways in found.items())


# ---------------------------------------------------------------- digests


@pytest.mark.parametrize("name", DIGESTS)
def test_axe_finds_nothing(answers: dict[str, Answer], name: str) -> None:
    found = everywhere(answers, name, complaints)
    assert not found, found


@pytest.mark.parametrize("name", DIGESTS)
def test_outline(digests: dict[str, Mail], name: str) -> None:
    found = "\n".join(outline(digests[name].html.decode()))
    assert not found, found


@pytest.mark.parametrize(("name", "sections", "cards"), [("small", 1, 1), ("medium", 4, 25), ("large", 12, 0)])
def test_sections_and_cards_have_headings(digests: dict[str, Mail], name: str, sections: int, cards: int) -> None:
    """In a large digest papers are lines, which have none."""
    page = tree(digests[name].html.decode())
    assert [len(list(page.iter(heading))) for heading in ("h1", "h2", "h3")] == [1, sections, cards]


@pytest.mark.parametrize("name", DIGESTS)
def test_links_stand_alone(digests: dict[str, Mail], name: str) -> None:
    found = "\n".join(ambiguous_links(digests[name].html.decode()))
    assert not found, found


@pytest.mark.parametrize("rule", [unreadable, not_underlined, faint, fetched])
@pytest.mark.parametrize("name", DIGESTS)
def test_it_can_be_read(answers: dict[str, Answer], name: str, rule: Callable[[Sight], Iterable[str]]) -> None:
    found = everywhere(answers, name, rule)
    assert not found, found


@pytest.mark.parametrize("name", DIGESTS)
def test_nothing_is_wider_than_the_screen(answers: dict[str, Answer], name: str) -> None:
    """Where words are not broken (Yahoo), those that papers really have fit; the odd ones are longer than any."""
    found = everywhere(answers, name, too_wide, [way for way in SIGHTS if name != "odd" or "bare" not in way])
    assert not found, found


@pytest.mark.parametrize("change", [turned, negative])
@pytest.mark.parametrize("name", DIGESTS)
def test_text_stands_out_when_colours_are_turned_round(
    answers: dict[str, Answer], name: str, change: Callable[[Colour], Colour]
) -> None:
    found = everywhere(answers, name, lambda seen: faint(seen, change), ["light", "bare"])
    assert not found, found


# ---------------------------------------------------------------- faults


def test_what_is_good_is_found_good(answers: dict[str, Answer]) -> None:
    assert not [*outline(GOOD), *ambiguous_links(GOOD)]
    for rule in (complaints, unreadable, not_underlined, faint, too_wide, fetched):
        assert not everywhere(answers, "good", rule)
    for change in (turned, negative):
        assert not faint(sight(answers, "good", "light"), change)


@pytest.mark.parametrize(
    ("fault", "way", "rule"),
    [
        ("no language", "light", "html-has-lang"),
        ("no main heading", "light", "page-has-heading-one"),
        ("low contrast", "light", "color-contrast"),
        ("low contrast at night", "dark", "color-contrast"),
        ("low contrast on phones", "phone", "color-contrast"),
        ("small targets", "phone", "target-size"),
        ("link by colour alone", "light", "link-in-text-block"),
    ],
)
def test_axe_finds_faults(answers: dict[str, Answer], fault: str, way: str, rule: str) -> None:
    assert any(f" {rule} " in complaint for complaint in complaints(sight(answers, fault, way)))


def test_low_contrast_is_found(answers: dict[str, Answer]) -> None:
    assert faint(sight(answers, "low contrast", "bare"))
    assert faint(sight(answers, "low contrast at night", "dark"))
    assert not faint(sight(answers, "low contrast at night", "light"))
    assert faint(sight(answers, "low contrast on phones", "phone"))
    assert faint(sight(answers, "low contrast", "light"), turned)


def test_the_contrast_of_colours_is_that_of_the_standard() -> None:
    black, white, grey = colour("rgb(0, 0, 0)"), colour("rgb(255, 255, 255)"), colour("rgb(118, 118, 118)")
    assert contrast(black, white) == contrast(white, black) == 21
    assert contrast(grey, white) == pytest.approx(4.54, abs=0.01)
    assert turned(black) == negative(black) == white
    assert turned(colour("rgb(0, 0, 102)")) == pytest.approx(colour("rgb(153, 153, 255)"))
    with pytest.raises(ValueError, match="opaque"):
        colour("rgba(0, 0, 0, 0.5)")


@pytest.mark.parametrize(
    "fault", ["tiny text", "narrow lines", "hidden text", "out of order", "number before its name"]
)
def test_text_that_cannot_be_read_is_found(answers: dict[str, Answer], fault: str) -> None:
    assert list(unreadable(sight(answers, fault, "light")))


def test_what_is_wide_or_fetched_or_not_underlined_is_found(answers: dict[str, Answer]) -> None:
    assert too_wide(sight(answers, "wider than a phone", "phone"))
    assert fetched(sight(answers, "fetched picture", "light"))
    assert not_underlined(sight(answers, "link by colour alone", "light"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<html lang="en" dir="ltr">', '<html lang="en">'),
        ('<div lang="en" dir="ltr">', "<div>"),
        ("<div lang", "<p>Before</p><div lang"),
        ("<title>Moths of today</title>", "<title> </title>"),
        ('<table role="presentation" width="100%"', '<table width="100%"'),
        ('<table role="presentation" width="640"', '<table width="640"'),
        ("<tr><td class", "<tr><th>Moth</th><td class"),
        (">Lamps</h2>", ">Lamps</h2><h1>Lamps</h1>"),
        (">Moths</h1>", "></h1>"),
        (">Lamps</h2>", ">Lamps</h2><h4>Lamps</h4>"),
        (">Lamps</h2>", "> </h2>"),
    ],
)
def test_a_broken_outline_is_found(old: str, new: str) -> None:
    assert GOOD.count(old) == 1
    assert list(outline(GOOD.replace(old, new)))


@pytest.mark.parametrize(
    "link",
    [
        '<a href="https://example.org/2">here</a>',
        '<a href="https://example.org/2"> PDF </a>',
        '<a href="https://example.org/2">Read more…</a>',
        '<a href="https://example.org/2"></a>',
        '<a href="https://example.org/2">A moth</a>',
    ],
)
def test_links_that_do_not_stand_alone_are_found(link: str) -> None:
    assert list(ambiguous_links(GOOD.replace("</h3>", f"</h3>{link}")))
    assert not list(ambiguous_links(GOOD.replace("</h3>", '</h3><a href="https://example.org/1">A moth</a>')))

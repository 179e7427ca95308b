"""The look of the mail is made of what Gmail, Outlook, Apple Mail and Yahoo carry; what only some do, adds to it."""

import fnmatch
from typing import NamedTuple

import pytest
from checking import Answer
from defects import GOOD
from material import DIGESTS
from styling import ENHANCEMENTS, inlined, sheets

from newsletter.preview import Mail

#: What caniemail calls carried in part, and why our part of it is. The rules in styling.py hold us to it.
CARRIED_FOR_US = {
    "!important keyword": "stands in style sheets only, in small letters, behind a blank",
    "<style> element": "stands in the head, before what it is about, and is below 16 KB",
    "<body> element": "becomes a <div>: our own first <div> has all that the body has",
    "@media": "asks for a width or for dark only, and nothing is nested",
    "Attribute selector": "stands before what is Outlook's own only",
    "Class selector": "stands in style sheets, which only add",
    "Descendant combinator": "stands in style sheets, which only add",
    "align attribute": "what is in part is left and right of a table; ours is in the middle",
    "background": "what is in part are pictures and several values; ours is a colour",
    "border": "no wider than 8px, on tables and cells",
    "border-radius": ENHANCEMENTS["border-radius"],
    "dir attribute": "not on links; what Gmail makes of it on the mobile web is no worse than without",
    "font-size": "what is in part is rem; ours is in px",
    "font-weight": "400, 600, 700 and words only",
    "height attribute": "what is in part are pictures",
    "height property": "on cells only",
    "lang attribute": "not on cells",
    "line-height": "in px, as Word asks; at least the height of its letters",
    "mailto: links": "what is in part are copies to others; ours have a subject",
    "margin": "on blocks of text only; nothing negative, nothing auto",
    "max-width": "on a table beside which Word has one of its own, and which is no wider than a phone in Apple Mail",
    "padding": "on cells only, one in a row",
    "role attribute": "on tables only",
    "text-decoration": "one value, underline",
    "text-decoration-color": ENHANCEMENTS["text-decoration-color"],
    "width attribute": "what is in part are pictures",
    "word-break": ENHANCEMENTS["word-break"],
}


class Absent(NamedTuple):
    """Where something is not carried at all, and why that does no harm."""

    clients: tuple[str, ...]
    reason: str


_NO_SHEET = ("gmail.mobile-webmail",)
_NO_SHEET_BUT_PLAIN = (*_NO_SHEET, "outlook.windows")
_PLAIN = "what is written into the elements is enough"
NOT_CARRIED = {
    "<style> element": Absent(_NO_SHEET, _PLAIN),
    "<body> element": Absent(("outlook.macos", "yahoo.*"), "the first <div> in it has all that the body has"),
    "Class selector": Absent(_NO_SHEET, _PLAIN),
    "Descendant combinator": Absent(_NO_SHEET, _PLAIN),
    "Attribute selector": Absent(_NO_SHEET_BUT_PLAIN, _PLAIN),
    "@media": Absent(_NO_SHEET_BUT_PLAIN, _PLAIN),
    "border-radius": Absent(("outlook.windows",), ENHANCEMENTS["border-radius"]),
    "color-scheme CSS property": Absent(("gmail.*", "outlook.*", "yahoo.*"), ENHANCEMENTS["color-scheme"]),
    "color-scheme meta tag": Absent(("*",), ENHANCEMENTS["color-scheme"]),
    "height property": Absent(("yahoo.*",), "becomes min-height, which is as good"),
    "text-decoration-color": Absent(_NO_SHEET_BUT_PLAIN, ENHANCEMENTS["text-decoration-color"]),
    "text-underline-offset": Absent(("gmail.*", "outlook.*", "yahoo.*"), ENHANCEMENTS["text-underline-offset"]),
    "word-break": Absent(("yahoo.*",), ENHANCEMENTS["word-break"]),
}


def missed(answer: Answer) -> set[str]:
    """What is not carried where we need it."""
    return {
        f"{feature}: {support} in {client}"
        for feature, clients in answer.carriage.items()
        for client, support in clients.items()
        if not (_is_harmless(feature, client) or (support == "partial" and feature in CARRIED_FOR_US))
    }


def _is_harmless(feature: str, client: str) -> bool:
    absent = NOT_CARRIED.get(feature, Absent((), ""))
    return any(fnmatch.fnmatch(client, pattern) for pattern in absent.clients)


# ---------------------------------------------------------------- digests


@pytest.mark.parametrize("name", DIGESTS)
def test_mail_programs_carry_it(answers: dict[str, Answer], name: str) -> None:
    found = missed(answers[name])
    assert not found, "\n".join(sorted(found))


@pytest.mark.parametrize("name", DIGESTS)
def test_styles_in_the_elements_are_plain(digests: dict[str, Mail], name: str) -> None:
    found = set(inlined(digests[name].html.decode()))
    assert not found, "\n".join(sorted(found))


@pytest.mark.parametrize("name", DIGESTS)
def test_style_sheets_only_add(digests: dict[str, Mail], name: str) -> None:
    found = list(sheets(digests[name].html.decode()))
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", DIGESTS)
def test_nothing_but_finery_is_lost_with_the_style_sheet(answers: dict[str, Answer], name: str) -> None:
    """By light and on a wide screen, so that neither the dark design nor the phone's is in the way."""
    found = changed_by_the_sheet(answers[name])
    assert not found, "\n".join(found)


def changed_by_the_sheet(answer: Answer) -> list[str]:
    """What the style sheet changes, other than enhancements."""
    if not answer.sights:
        pytest.skip("Chromium is not installed")
    finery = {*ENHANCEMENTS, "text-decoration"}  # the shorthand of its colour, as a browser tells it
    changes = answer.sights["light"]["enhanced"]
    return [f"{change['property']}: {change['where']}" for change in changes if change["property"] not in finery]


# ---------------------------------------------------------------- faults


def test_what_is_good_is_found_good(answers: dict[str, Answer]) -> None:
    assert not missed(answers["good"])
    assert not [*inlined(GOOD), *sheets(GOOD), *changed_by_the_sheet(answers["good"])]


@pytest.mark.parametrize(
    ("fault", "feature"),
    [
        ("flex", "display:flex: none in outlook.windows"),
        ("position", "position: none in gmail.desktop-webmail"),
        ("picture behind", "background-image: none in outlook.windows"),
    ],
)
def test_what_is_not_carried_is_found(answers: dict[str, Answer], fault: str, feature: str) -> None:
    assert feature in missed(answers[fault])


def test_looks_made_by_the_sheet_are_found(answers: dict[str, Answer]) -> None:
    assert changed_by_the_sheet(answers["looks made by the sheet"])


@pytest.mark.parametrize(
    "style",
    [
        "color:rgb(0 0 0 / .5)",
        "color:rgba(0, 0, 0, .5)",
        "color:red",
        "color:#abc",
        "color:var(--moth)",
        "width:calc(100% - 20px)",
        "font-size:1.2em",
        "font-size:1rem",
        "font-size:13px",
        "font:16px Arial",
        "font-family:Moth, sans-serif",
        "line-height:1.5",
        "margin:-8px 0",
        "margin:0 auto",
        "padding:8px",
        "border:1px solid #000000",
        "background:#ffffff",
        "background-image:none",
        "position:relative",
        "float:left",
        "display:flex",
        "display:none",
        "opacity:0.5",
        "text-decoration:none",
        "text-decoration:underline dotted",
        "color:#000000 !important",
    ],
)
def test_styles_that_are_not_plain_are_found(style: str) -> None:
    assert list(inlined(GOOD.replace("margin:8px 0", style)))


@pytest.mark.parametrize(
    "rule",
    [
        "@import 'https://example.org/moth.css';",
        "@font-face { font-family: Moth; }",
        "@media (max-height: 600px) { .title { font-size: 18px; } }",
        "@supports (display: grid) { .title { font-size: 18px; } }",
        ".title + .title { font-size: 18px; }",
        ".title:nth-child(2) { font-size: 18px; }",
        ".title:hover { font-size: 18px; }",
        "#title { font-size: 18px; }",
        "* { font-size: 18px; }",
        ".title { font-size: 18px!important; }",
        ".title { font-size: 13px !important; }",
        ".title { display: none; }",
        ".title { animation: fly; }",
        f".title {{ {'font-size: 18px; ' * 1000} }}",
    ],
)
def test_style_sheets_that_are_not_read_everywhere_are_found(rule: str) -> None:
    assert list(sheets(GOOD.replace("<style>", f"<style>{rule}", 1)))

"""The pages to join, choose and leave are valid HTML, and whoever opens them can read them, also where all is wrong."""

import re
from collections.abc import Callable, Iterable

import pytest
from checking import Answer, Sight, ask, missing
from joinery import ANN, BOB, field, make, newest, opened, own_page
from joinery import ask as subscribe
from markup import ambiguous_links
from test_mail_accessible import everywhere, faint, fetched, too_wide
from test_web_looks import SIGHTS, axe, small
from webfront import WebFront, web_front

from newsletter.model import Status

LONG = "ti:" + "verylongwordthatneverends" * 12
WRONG = {
    "do": "save",
    "which": "some",
    "queries": f"{LONG} OR <b> AND c",
    **dict.fromkeys(
        ("frequency", "weekday", "hour", "zone", "late", "revised", "detail", "format", "language"), "wrong"
    ),
}
NAMES = (
    "form", "filled form", "wrong form", "sent", "offer", "long offer", "German offer", "joined", "already", "no room",
    "ask", "own", "own of many", "wrong own", "saved", "paused", "left here", "move", "moved", "erase", "erased",
    "leave", "left", "resume", "resumed", "expired", "too many",
)  # fmt: skip


def make_pages(front: WebFront) -> dict[str, str]:
    """Every page, as it stands before a visitor."""
    client, app = front.client, front.app
    pages = {
        "form": front.page("/subscribe"),
        "filled form": front.page(f"/subscribe?query={LONG}&topic=1"),
        "wrong form": subscribe(front, "nobody", which="some", queries=WRONG["queries"], frequency="x").text,
        "ask": front.page("/p"),
        "expired": front.page("/c/x", 404),
        "sent": subscribe(front, which="some", topic="1", queries="ti:moths\nti:lamps").text,
    }
    offer = newest(front).link
    pages |= {"offer": front.page(offer), "German offer": front.page(f"{offer}?language=de")}
    pages["joined"] = client.post(offer, data={"shown": field(pages["offer"], "shown")}).text
    pages["already"] = front.page(offer)
    subscribe(front, BOB, which="some", queries=LONG)
    pages["long offer"] = front.page(newest(front).link)
    pages["no room"] = client.post(newest(front).link, data={"shown": field(pages["long offer"], "shown")}).text

    reader = make(front, Status.CONFIRMED, "cem@example.org")
    own = own_page(front, reader)
    pages |= {"own": front.page(own), "wrong own": client.post(own, data=WRONG).text}
    pages["saved"] = client.post(own, data={"do": "save", "which": "all", "frequency": "weekly"}).text
    pages["paused"] = client.post(own, data={"do": "pause", "until": "2026-12-24"}).text
    pages["left here"] = client.post(own, data={"do": "leave"}).text
    many = make(front, Status.PENDING, "dan@example.org", queries=(LONG, 'ti:"<b>"'))
    pages["own of many"] = front.page(own_page(front, many))
    client.post(own, data={"do": "move", "email": "eve@example.org"})
    move = newest(front).link
    pages |= {"move": front.page(move), "moved": client.post(move).text}
    pages["erase"] = front.page(f"{own_page(front, reader)}/erase")
    pages["erased"] = client.post(f"{own_page(front, reader)}/erase").text

    leave = f"/u/{app.keyring.make('unsubscribe', reader.id)}"
    pages |= {"leave": front.page(leave), "left": client.post(leave).text}
    resume = f"/r/{app.keyring.make('resume', make(front, email='fay@example.org').id, app.now())}"
    pages |= {"resume": front.page(resume), "resumed": client.post(resume).text}
    token = opened(front)
    for number in range(30):
        pages["too many"] = client.post("/subscribe", data={"email": f"r{number}@example.org", "opened": token}).text
    return pages


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    with web_front(tmp_path_factory.mktemp("front"), arxiv={"max_queries": 2}) as front:
        found = make_pages(front)
        style = f"<style>\n{front.page('/style.css')}\n</style>"
    return {
        name: re.sub(r'<link rel="stylesheet"[^>]*>', lambda _: style, html, count=1).replace('src="/live.js"', "")
        for name, html in found.items()
    }


@pytest.fixture(scope="module")
def seen(pages: dict[str, str]) -> dict[str, Answer]:
    if reason := missing():
        pytest.skip(reason)
    return ask(pages)


def test_every_page_is_looked_at(pages: dict[str, str]) -> None:
    assert sorted(pages) == sorted(NAMES)
    assert len(set(pages.values())) == len(NAMES)
    assert ANN not in pages["offer"]


@pytest.mark.parametrize("name", NAMES)
def test_html_is_valid(seen: dict[str, Answer], name: str) -> None:
    found = [one for one in seen[name].validity if one["message"] != 'Duplicate form control name "topic"']
    assert not found, "\n".join(map(str, found))


@pytest.mark.parametrize("name", NAMES)
def test_links_stand_alone(pages: dict[str, str], name: str) -> None:
    found = "\n".join(ambiguous_links(pages[name]))
    assert not found, found


def axe_where_shown(sight: Sight) -> Iterable[str]:
    """As `axe`; what is hidden on one page, since another choice is made there, stands on others."""
    return [one for one in axe(sight) if not one.startswith("unsure: hidden-content")]


@pytest.mark.parametrize("rule", [axe_where_shown, faint, too_wide, fetched, small])
@pytest.mark.parametrize("name", NAMES)
def test_it_can_be_read(seen: dict[str, Answer], name: str, rule: Callable[[Sight], Iterable[str]]) -> None:
    found = everywhere(seen, name, rule, SIGHTS)
    assert not found, found

"""A link does what it was made for, for whom it was made, while it may: whatever is done to its token, and wherever the
token is brought. Nothing we write tells one."""

import base64
import logging
import string
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from attacks import ask, exchange, join, last_letter, post, say_yes, token, whole_database
from house import subscribe
from hypothesis import given, settings
from hypothesis import strategies as st
from letters import letters
from markup import tree
from webfront import BASE_URL, WebFront, served, web_front

from newsletter.app import App
from newsletter.joining import handle_requests
from newsletter.model import Status, Subscriber
from newsletter.web.pages import EXTENSION

ANN, BOB = "ann@example.org", "bob@example.org"
DOORS = {"c": "confirm", "p": "manage", "m": "move", "r": "resume", "u": "unsubscribe"}
PLACES = {"c": ("",), "p": ("", "/export", "/erase"), "m": ("",), "r": ("",), "u": ("",)}
POSTS = {"c": ("",), "p": ("", "/erase"), "m": ("",), "r": ("",), "u": ("",)}
LETTERS = string.ascii_letters + string.digits + "-_"


@pytest.fixture
def front(tmp_path: Path) -> Iterator[WebFront]:
    with web_front(tmp_path) as made:
        subscribe(made.app, ANN, BOB)
        yield made


def works(front: WebFront) -> dict[str, str]:
    """A token for each door, all of them good."""
    ask(front, "new@example.org")
    confirm = last_letter(front).token
    post(front, f"/p/{token(front, 'manage', 1)}", do="move", email="moved@example.org")
    handle_requests(front.app)
    made = {"c": confirm, "m": last_letter(front).token}
    return made | {door: token(front, DOORS[door], 1) for door in ("p", "r", "u")}


def opens(front: WebFront, door: str, text: str) -> bool:
    """Whether a token opens a door, all of whose places answer alike."""
    statuses = {front.get(f"/{door}/{text}{place}").status_code for place in PLACES[door]}
    assert len(statuses) == 1
    return statuses == {200}


def forced(front: WebFront, door: str, text: str) -> bool:
    """Whether a token does anything when its buttons are pressed."""
    acts = ("save", "leave") if door == "p" else ("",)
    sent = {"shown": "x", "email": "evil@evil.example"}
    answers = [post(front, f"/{door}/{text}{place}", do=do, **sent) for place in POSTS[door] for do in acts]
    return any(answer.status_code != 404 for answer in answers)


# ---------------------------------------------------------------- forgery


def forgeries(text: str) -> Iterator[str]:
    """Tokens that are almost this one."""
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    for bit in range(8 * len(raw)):
        raw[bit // 8] ^= 1 << bit % 8
        yield base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        raw[bit // 8] ^= 1 << bit % 8
    yield from (text[:length] for length in range(1, len(text)))
    yield from (text[start:] for start in range(1, len(text)))
    yield from (f"{text}{more}" for more in ("A", "AA", "AAAA", "=", "==", ".", "%0a", "%20", "%00", text))
    yield from (f"{more}{text}" for more in ("A", "%20", "%0a", "="))
    yield from (text[:-1] + letter for letter in LETTERS if letter != text[-1])
    yield from (
        text.swapcase(),
        text[::-1],
        text.upper(),
        text.lower(),
        text.replace("-", "+").replace("_", "%2f") + "%3d",
    )


@pytest.mark.parametrize("door", DOORS)
def test_no_token_but_the_very_one_opens(front: WebFront, door: str) -> None:
    text = works(front)[door]
    assert opens(front, door, text)
    before = whole_database(front)
    for forged in dict.fromkeys(forgeries(text)):
        if forged != text:
            assert not opens(front, door, forged), forged
            assert not forced(front, door, forged), forged
    assert whole_database(front) == before


@given(
    text=st.text(LETTERS, min_size=1, max_size=40)
    | st.binary(min_size=13, max_size=30).map(lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode())
)
@settings(max_examples=50)
def test_no_text_is_a_token(kept: WebFront, text: str) -> None:
    assert not any(opens(kept, door, text) or forced(kept, door, text) for door in DOORS)


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    with web_front(tmp_path_factory.mktemp("kept")) as made:
        subscribe(made.app, ANN)
        yield made


def test_a_token_opens_its_own_door_alone(front: WebFront) -> None:
    made = works(front) | {"form": token(front, "form", 1), "bounce": front.app.keyring.make("bounce", 1)}
    opened = {(name, door) for name, text in made.items() for door in DOORS if opens(front, door, text)}
    assert opened == {(door, door) for door in DOORS}
    before = whole_database(front)
    for name, text in made.items():
        for door in DOORS:
            assert name == door or not forced(front, door, text)
    assert whole_database(front) == before


def test_a_link_to_leave_tells_and_does_nothing_else(front: WebFront) -> None:
    """Mails are passed on, with the links in them."""
    path = f"/u/{token(front, 'unsubscribe', 1)}"
    for html in (front.page(path), post(front, path, do="erase", email="evil@evil.example").text):
        assert ANN not in html
        assert not [link for link in tree(html).xpath("//@href | //@action") if len(link) > 24 and "style" not in link]
    reader = known(front, ANN)
    assert reader.status is Status.UNSUBSCRIBED
    assert reader.email == ANN
    assert known(front, BOB).status is Status.CONFIRMED


def test_another_newsletters_tokens_are_none(front: WebFront, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with web_front(tmp_path / "other") as other:
        subscribe(other.app, ANN)
        for door, text in works(other).items():
            assert not opens(front, door, text)
            assert not forced(front, door, text)


def known(front: WebFront, email: str) -> Subscriber:
    found = front.app.subscriptions.find(email)
    assert found is not None
    return found


# ---------------------------------------------------------------- keys


def test_keys_are_rotated_and_retired_under_a_running_front(front: WebFront) -> None:
    """By another process, as an operator does it."""
    old = works(front)
    assert all(opens(front, door, text) for door, text in old.items())
    change_keys(front, lambda app: app.storage.keys.rotate())
    new = {door: token(front, DOORS[door], 1) for door in ("p", "r", "u")}
    assert all(opens(front, door, text) for door, text in (old | new).items())
    assert old["u"] != new["u"]
    change_keys(front, lambda app: app.storage.keys.retire(1))
    assert not any(opens(front, door, text) or forced(front, door, text) for door, text in old.items())
    assert all(opens(front, door, text) for door, text in new.items())


def change_keys(front: WebFront, change: Callable[[App], object]) -> None:
    with closing(App(front.app.config, front.app.outside)) as app, app.storage.write():
        change(app)


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(("door", "lifetime"), [("c", 7), ("m", 7), ("p", 1), ("r", 30)])
def test_links_live_for_so_long(front: WebFront, door: str, lifetime: int) -> None:
    text = works(front)[door]
    front.time.now += timedelta(days=lifetime, seconds=-1)
    assert opens(front, door, text)
    front.time.now += timedelta(seconds=1)
    assert not opens(front, door, text)
    assert not forced(front, door, text)


@pytest.mark.parametrize("door", ["c", "m", "p", "r"])
def test_links_of_times_to_come_are_none(front: WebFront, door: str) -> None:
    """Made while the clock was wrong, they would live for long."""
    text = works(front)[door]
    for hours in (1, 24, 24 * 365 * 10):
        front.time.now -= timedelta(hours=hours)
        assert not opens(front, door, text)
        front.time.now += timedelta(hours=hours)
    assert opens(front, door, text)


def test_a_link_to_leave_never_grows_old(front: WebFront) -> None:
    text = token(front, "unsubscribe", 1)
    front.time.now += timedelta(days=20 * 365)
    assert post(front, f"/u/{text}").status_code == 200
    assert known(front, ANN).status is Status.UNSUBSCRIBED


# ---------------------------------------------------------------- what was used, moved, erased


def test_a_yes_is_said_once(front: WebFront) -> None:
    """Who left is not brought back by the mail that they once said yes to."""
    number = join(front, "new@example.org")
    letter = next(one for one in letters(front.app) if one.to == "new@example.org")
    assert say_yes(front, letter).status_code == 200
    assert len(front.app.storage.consents.of(number)) == 1
    post(front, f"/u/{token(front, 'unsubscribe', number)}")
    assert front.get(letter.link).status_code == 404
    assert post(front, letter.link, shown="x").status_code == 404
    assert known(front, "new@example.org").status is Status.UNSUBSCRIBED


def test_who_moved_is_not_reached_by_links_to_where_they_were(front: WebFront) -> None:
    old, resume = token(front, "manage", 1), token(front, "resume", 1)
    post(front, f"/p/{old}", do="move", email="moved@example.org")
    post(front, f"/p/{old}", do="move", email="third@example.org")
    handle_requests(front.app)
    first, second = letters(front.app)
    front.time.now += timedelta(minutes=1)
    assert post(front, first.link).status_code == 200
    assert known(front, "moved@example.org").id == 1
    for path in (f"/p/{old}", f"/p/{old}/export", f"/p/{old}/erase", f"/r/{resume}", first.link, second.link):
        assert front.get(path).status_code == 404
        assert post(front, path.removesuffix("/export"), do="leave").status_code == 404
    assert known(front, "moved@example.org").status is Status.CONFIRMED
    assert post(front, f"/u/{token(front, 'unsubscribe', 1)}").status_code == 200  # which old mails hold
    assert known(front, "moved@example.org").status is Status.UNSUBSCRIBED


@pytest.mark.parametrize("way", ["erase", "remove"])
def test_who_comes_back_is_not_reached_by_links_of_before(front: WebFront, way: str) -> None:
    join(front, "new@example.org", queries="ti:secret")
    made = works(front)
    number = known(front, "new@example.org").id
    old = {door: token(front, DOORS[door], number) for door in ("p", "r", "u")} | {
        "c": letters(front.app)[0].token,
        "m": made["m"],
    }
    if way == "erase":
        assert post(front, f"/p/{old['p']}/erase").status_code == 200
        assert not any(opens(front, door, text) for door, text in old.items() if door != "u" and door != "m")
        assert ask(front, "new@example.org").status_code == 200
        assert front.app.subscriptions.find("new@example.org") is None
        front.app.subscriptions.unsuppress("new@example.org", today=front.app.today())
    else:
        front.app.subscriptions.remove("new@example.org", now=front.time.now)
    front.time.now += timedelta(days=2)
    again = join(front, "new@example.org")
    assert again != number
    before = known(front, "new@example.org")
    for door, text in old.items():
        if door != "m":
            forced(front, door, text)
            assert door == "u" or not opens(front, door, text)
    assert known(front, "new@example.org") == before


def test_the_last_reader_is_not_mistaken_for_the_next(front: WebFront) -> None:
    """Numbers are never used again, not even the highest."""
    text = token(front, "unsubscribe", known(front, BOB).id)
    front.app.subscriptions.remove(BOB, now=front.time.now)
    subscribe(front.app, "cem@example.org")
    assert post(front, f"/u/{text}").status_code == 200
    assert known(front, "cem@example.org").status is Status.CONFIRMED


# ---------------------------------------------------------------- where they must not stand


def test_tokens_stand_in_no_log_and_in_no_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with web_front(tmp_path) as front:
        subscribe(front.app, ANN)
        made = works(front)
        for door, text in made.items():
            for place in ("", "/", "/x", "//", "/export", "/erase", ".", "%20", "?x=1"):
                for path in (
                    f"/{door}/{text}{place}",
                    f"/{door.upper()}/{text}{place}",
                    f"//{door}/{text}",
                    f"/{text}",
                    f"/editions/{text}/{text}",
                ):
                    answer = front.get(path)
                    if answer.status_code >= 400:
                        assert text not in answer.text
                    front.client.open(path, method="BREW")
        (tmp_path / "subscribers.db").rename(tmp_path / "elsewhere.db")  # an error of the database
        for door, text in made.items():
            gone = front.get(f"/{door}/{text}")
            assert gone.status_code == 503
            assert text not in gone.text
        front.site.extensions.pop(EXTENSION)  # and one so bad that no page can be made
        with served(front) as url:
            for door, text in made.items():
                said = exchange(url, f"/{door}/{text}")
                assert said.startswith(b"HTTP/1.1 500 ")
                assert text.encode() not in said
        (tmp_path / "elsewhere.db").rename(tmp_path / "subscribers.db")
    for text in made.values():
        assert text not in caplog.text


def test_pages_behind_a_token_tell_it_to_nobody(front: WebFront) -> None:
    """Nor are they kept on the way, or found again in a search engine."""
    for door, text in works(front).items():
        for place in PLACES[door]:
            answer = front.get(f"/{door}/{text}{place}")
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"
            if place == "/export":
                continue
            page = tree(answer.text)
            assert page.xpath("//meta[@name='robots']/@content") == ["noindex"]
            loaded = page.xpath("//@src | //link/@href | //a/@href | //@action | //@formaction | //@data-live")
            assert not [
                address for address in loaded if address.startswith(("http", "//")) and not address.startswith(BASE_URL)
            ]
            assert not page.xpath("//link[@rel='canonical']")

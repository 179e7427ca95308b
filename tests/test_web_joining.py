"""To subscribe on the web: a form that tells nobody who reads us, one mail, and a page with a button."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from joinery import ANN, BOB, ask, field, held, known, make, newest, opened, press
from letters import letters
from processes import until
from webfront import WebFront, served, web_front
from werkzeug.test import EnvironBuilder

from newsletter.joining import handle_requests
from newsletter.joining.asking import PER_NETWORK
from newsletter.model import Choice, Frequency, Status, Suppression
from newsletter.web.forms import Form, network_of
from newsletter.web.inbox import Inbox

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def front(tmp_path: Path) -> Iterator[WebFront]:
    with web_front(tmp_path) as front:
        yield front


def waiting(front: WebFront) -> int:
    return int(front.app.storage.database.value("SELECT count(*) FROM requests"))


# ---------------------------------------------------------------- the whole way


def test_from_the_form_to_the_first_mail(front: WebFront) -> None:
    answer = ask(front, which="some", topic="1", queries='ti:moths\n\n  au:"del  maestro" \n', frequency="weekly")
    assert answer.status_code == 200
    letter = newest(front)
    assert (letter.to, letter.template) == (ANN, "confirm")
    page = front.page(letter.link)
    for words in ("Graph Neural Networks", "ti:moths", "del maestro", "Weekly, on Monday"):
        assert words in page
    assert "Moths &amp; Lamps" not in page
    assert known(front).status is Status.PENDING
    answer = press(front, letter.link)
    assert answer.status_code == 200
    assert "You have subscribed" in answer.text
    reader = known(front)
    assert reader.status is Status.CONFIRMED
    assert reader.topics == ("Graph Neural Networks",)
    assert set(reader.queries) == {"ti:moths", 'au:"del maestro"'}
    assert reader.preferences.rhythm.frequency is Frequency.WEEKLY
    assert newest(front).template == "welcome"
    (mine,) = re.findall(r'href="(/p/[^"]+)"', answer.text)
    assert ANN in front.page(mine)


def test_the_text_that_was_agreed_to_is_kept_as_it_was_shown(front: WebFront) -> None:
    ask(front, which="some", topic="1")
    link = f"{newest(front).link}?language=de"
    page = front.page(link)
    press(front, link)
    (consent,) = front.app.storage.consents.of(known(front).id)
    assert (consent.how, consent.language) == ("web", "de")
    sentence, *choice = consent.text.split("\n")
    assert sentence in page
    assert choice[0].endswith(": Graph Neural Networks")


def test_a_second_press_changes_nothing(front: WebFront) -> None:
    ask(front)
    letter = newest(front)
    token = field(front.page(letter.link), "shown")
    for title in ("You have subscribed", "You are subscribed already"):
        answer = front.client.post(letter.link, data={"shown": token})
        assert answer.status_code == 200
        assert title in answer.text
    assert "You are subscribed already" in front.page(letter.link)
    assert [one.template for one in letters(front.app)] == ["confirm", "welcome"]


def test_what_is_agreed_to_is_what_was_shown(front: WebFront) -> None:
    ask(front)
    letter = newest(front)
    before = field(front.page(letter.link), "shown")
    ask(front, which="some", topic="2")
    handle_requests(front.app)
    answer = front.client.post(letter.link, data={"shown": before})
    assert answer.status_code == 409
    assert "Moths &amp; Lamps" in answer.text
    assert known(front).status is Status.PENDING
    assert front.client.post(letter.link, data={"shown": field(answer.text, "shown")}).status_code == 200
    assert known(front).choice == Choice(("Moths & Lamps",))


def test_queries_that_cannot_be_asked_are_named(tmp_path: Path) -> None:
    with web_front(tmp_path, arxiv={"max_queries": 1}) as front:
        ask(front, queries="ti:a\nti:b")
        answer = press(front, newest(front).link)
        assert "You have subscribed" in answer.text
        assert "ti:b" in answer.text
        ask(front, BOB, which="some", queries="ti:c")
        answer = press(front, newest(front).link)
        assert "No room for your queries" in answer.text
        assert known(front, BOB).status is Status.PENDING


def test_opening_a_page_changes_nothing(front: WebFront) -> None:
    ask(front)
    letter = newest(front)
    before = held(front)
    for method in ("GET", "HEAD"):
        assert front.client.open(letter.link, method=method).status_code == 200
        assert front.client.open("/subscribe?query=ti:x&topic=1", method=method).status_code == 200
    assert held(front) == before


def test_links_that_do_nothing_are_all_answered_alike(front: WebFront) -> None:
    ask(front)
    letter = newest(front)
    of_another_purpose = front.app.keyring.make("manage", 1, front.app.now())
    forgotten = front.app.keyring.make("confirm", 99, front.app.now())
    front.app.subscriptions.suppress(ANN, Suppression.COMPLAINT, now=front.app.now())
    paths = [letter.link, f"/c/{of_another_purpose}", f"/c/{forgotten}", "/c/x", f"{letter.link[:-1]}~", "/c/%00"]
    pages = {(front.get(path).status_code, front.get(path).text) for path in paths}
    posted = {(answer.status_code, answer.text) for answer in map(front.client.post, paths)}
    assert [status for status, _ in pages] == [404]
    assert [status for status, _ in posted] == [404]
    (text,) = [text for _, text in pages]
    assert 'href="/p"' in text


# ---------------------------------------------------------------- it tells nothing


def test_everybody_gets_the_same_answer(front: WebFront) -> None:
    for status in Status:
        make(front, status, f"{status}@example.org")
    front.app.subscriptions.suppress("never@example.org", Suppression.MANUAL, now=front.app.now())
    names = [*Status, "never", "new"]
    for path in ("/subscribe", "/p"):
        answers = set()
        for name in names:
            token = opened(front, path)
            answer = front.client.post(path, data={"email": f"{name}@example.org", "opened": token})
            answers.add((answer.status_code, answer.text, str(answer.headers)))
        assert len(answers) == 1
    assert waiting(front) == 2 * len(names)


def test_no_cookie_and_nothing_stored(front: WebFront) -> None:
    ask(front)
    letter = newest(front)
    for answer in (front.get("/subscribe"), front.get(letter.link), ask(front), front.client.post(letter.link)):
        assert "Set-Cookie" not in answer.headers
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


# ---------------------------------------------------------------- what is wrong is said, and nothing is lost


@pytest.mark.parametrize(
    ("sent", "names", "said"),
    [
        ({"email": ""}, ["email"], "Enter an e-mail address"),
        ({"email": "nobody"}, ["email"], "cannot be sent to this address"),
        ({"email": "ann@lab.local"}, ["email"], "cannot be sent to this address"),
        ({"email": "a@example.org\nBcc: b@example.org"}, ["email"], "cannot be sent to this address"),
        ({"which": "some", "queries": ""}, ["which"], "Tick a topic"),
        ({"which": "some", "topic": "99", "queries": " \n "}, ["which"], "Tick a topic"),
        ({"queries": "ti:a OR ti:b AND ti:c"}, ["queries"], "two ways"),
        ({"queries": "ti:a\nti:("}, ["queries"], "In line 2:"),
        ({"queries": "x" * 1_001}, ["queries"], "at most 1000 characters"),
        ({"queries": "\n".join(f"ti:a{n}" for n in range(21))}, ["queries"], "Up to 20"),
        ({"frequency": "hourly"}, ["frequency"], "choose one"),
        ({"email": "nobody", "queries": "ti:("}, ["email", "queries"], "cannot be sent"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(front: WebFront, sent: dict[str, str], names: list[str], said: str) -> None:
    answer = ask(front, **{"email": "typed@example.org", "which": "all", "queries": "ti:typed", **sent})
    assert answer.status_code == 422
    assert said in answer.text
    assert re.findall(r'<a href="#(\w+)">', answer.text)[-len(names) :] == names
    for name in names:
        assert re.search(rf'id="{name}"[^>]* aria-describedby="[^"]*{name}-wrong', answer.text)
        assert f'id="{name}-wrong"' in answer.text
    for name, typed in {"email": "typed@example.org", "queries": "ti:typed"}.items():
        assert name in sent or typed in answer.text
    assert waiting(front) == 0


@pytest.mark.parametrize("name", ["email", "queries", "which", "frequency", "topic", "opened"])
def test_what_was_typed_is_shown_as_text(front: WebFront, name: str) -> None:
    answer = ask(front, **{"email": "nobody", name: SCRIPT})
    assert answer.status_code == 422
    assert SCRIPT not in answer.text
    assert SCRIPT not in front.page(f"/subscribe?query={SCRIPT}&topic={SCRIPT}")


def test_a_field_that_nobody_sees_is_a_trap(front: WebFront) -> None:
    told = ask(front)
    trapped = ask(front, BOB, subject="hello")
    assert (trapped.status_code, trapped.text) == (told.status_code, told.text)
    assert waiting(front) == 1


@pytest.mark.parametrize("path", ["/subscribe", "/p"])
@pytest.mark.parametrize(("seconds", "said"), [(2, "very quick"), (86_401, "open for too long"), (-60, "for too long")])
def test_a_form_is_answered_neither_at_once_nor_days_later(front: WebFront, path: str, seconds: int, said: str) -> None:
    token = field(front.page(path), "opened")
    front.time.sleep(seconds)
    answer = front.client.post(path, data={"email": ANN, "opened": token})
    assert answer.status_code == 422
    assert said in answer.text
    assert ANN in answer.text
    assert waiting(front) == 0
    front.time.sleep(3)
    again = front.client.post(path, data={"email": ANN, "opened": field(answer.text, "opened")})
    assert again.status_code == 200
    assert waiting(front) == 1


@pytest.mark.parametrize("token", ["", "x", "AAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_a_form_of_somebody_elses_is_not_answered(front: WebFront, token: str) -> None:
    assert front.client.post("/subscribe", data={"email": ANN, "opened": token}).status_code == 422


def test_too_many_from_one_network(front: WebFront) -> None:
    token = opened(front)

    def post(host: str, number: int) -> int:
        sent = {"email": f"reader{number}@example.org", "opened": token}
        return front.client.post("/subscribe", data=sent, environ_base={"REMOTE_ADDR": host}).status_code

    assert [post(f"192.0.2.{number}", number) for number in range(PER_NETWORK)] == [200] * PER_NETWORK
    assert post("192.0.2.200", 1) == 429
    assert post("198.51.100.1", 1) == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("", "unknown"),
        ("somewhere", "unknown"),
    ],
)
def test_networks(address: str, network: str) -> None:
    request = EnvironBuilder(environ_base={"REMOTE_ADDR": address}).get_request()
    assert network_of(request) == network  # type: ignore[arg-type]


def test_in_ones_own_language(front: WebFront) -> None:
    answer = front.client.post(
        "/subscribe",
        data={"email": ANN, "opened": opened(front)},
        headers={"Accept-Language": "de"},
    )
    assert 'lang="de"' in answer.text
    assert newest(front).language == "de"
    assert known(front).preferences.look.language == "de"
    ask(front, BOB)
    assert newest(front).language == "en"
    assert known(front, BOB).preferences.look.language == ""


def test_what_one_comes_with_is_in_the_form(front: WebFront) -> None:
    page = front.page("/subscribe?query=ti%3Amoths&topic=2")
    assert "ti:moths</textarea>" in page
    assert re.search(r'value="some" checked', page)
    assert re.search(r'name="topic" value="2" checked', page)
    assert re.search(r'value="all" checked', front.page("/subscribe"))


def test_all_topics_beside_queries_are_those_of_today(front: WebFront) -> None:
    ask(front, which="all", queries="ti:x")
    handle_requests(front.app)
    assert known(front).choice == Choice(("Graph Neural Networks", "Moths & Lamps"), ("ti:x",))


def test_without_an_address_of_its_own_it_mails_no_links(tmp_path: Path) -> None:
    with web_front(tmp_path, newsletter={"base_url": ""}) as front:
        for path in ("/subscribe", "/p"):
            assert "base_url" in front.page(path, 503)
            assert front.client.post(path, data={"email": ANN}).status_code == 503


def test_an_empty_form() -> None:
    form = Form()
    assert (form.text("x"), form.several("x"), form.errors) == ("", [], {})


def test_the_inbox_is_handled_behind_the_back_of_who_asked(front: WebFront) -> None:
    token = opened(front)
    with Inbox(front.site, front.pool), served(front):
        assert front.client.post("/subscribe", data={"email": ANN, "opened": token}).status_code == 200
        until(lambda: bool(letters(front.app)))
    assert letters(front.app)[0].to == ANN

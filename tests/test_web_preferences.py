"""A reader's own page: everything can be chosen there, by whom the link to it was mailed, and by nobody else."""

import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from house import bring, make_paper, subscribe
from joinery import ANN, BOB, field, held, known, make, newest, opened, own_page, press
from letters import letters
from webfront import WebFront, web_front

from newsletter.joining import handle_requests
from newsletter.model import Choice, Detail, Format, Frequency, Late, Look, Preferences, Rhythm, Status, Suppression
from newsletter.settling import settle

SAVED = {
    "do": "save",
    "which": "some",
    "topic": ["2"],
    "queries": "ti:moths\nti:lamps",
    "frequency": "weekly",
    "weekday": "friday",
    "hour": "7",
    "zone": "Europe/Berlin",
    "late": "go",
    "revised": "no",
    "detail": "brief",
    "format": "text",
    "language": "de",
}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[WebFront]:
    with web_front(tmp_path) as front:
        yield front


# ---------------------------------------------------------------- a link is mailed


def test_asking_for_a_link(front: WebFront) -> None:
    make(front)
    token = opened(front, "/p")
    assert front.client.post("/p", data={"email": ANN, "opened": token}).status_code == 200
    letter = newest(front)
    assert (letter.to, letter.template) == (ANN, "manage")
    assert ANN in front.page(letter.link)


@pytest.mark.parametrize("email", ["", "nobody"])
def test_asking_without_an_address(front: WebFront, email: str) -> None:
    answer = front.client.post("/p", data={"email": email, "opened": opened(front, "/p")})
    assert answer.status_code == 422
    assert 'id="email-wrong"' in answer.text


def test_links_that_do_nothing(front: WebFront) -> None:
    reader = make(front)
    path = own_page(front, reader)
    gone = own_page(front, make(front, email=BOB))
    front.app.subscriptions.remove(BOB, now=front.app.now())
    keyring, now = front.app.keyring, front.app.now()
    tokens = [keyring.make("unsubscribe", reader.id), keyring.make("confirm", reader.id, now), "x", f"{path[3:-1]}~"]
    paths = [gone, *(f"/p/{token}" for token in tokens)]
    front.time.sleep(86_400)
    for one in (path, *paths):
        for tail in ("", "/erase", "/export"):
            assert front.get(one + tail).status_code == 404
        assert front.client.post(one, data={"do": "leave"}).status_code == 404
        assert front.client.post(f"{one}/erase").status_code == 404
    assert known(front).status is Status.CONFIRMED


def test_opening_the_page_changes_nothing(front: WebFront) -> None:
    path = own_page(front, make(front))
    before = held(front)
    for tail in ("", "/erase", "/export", "?do=leave", "?do=save&which=some"):
        assert front.get(path + tail).status_code == 200
        assert front.client.head(path + tail).status_code == 200
    assert held(front) == before


@pytest.mark.parametrize("tail", ["", "/erase", "/export"])
def test_the_pages_are_stored_nowhere_and_told_to_nobody(front: WebFront, tail: str) -> None:
    answer = front.get(own_page(front, make(front)) + tail)
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "Set-Cookie" not in answer.headers


# ---------------------------------------------------------------- to choose


def test_everything_can_be_chosen(front: WebFront) -> None:
    path = own_page(front, make(front))
    answer = front.client.post(path, data=SAVED)
    assert answer.status_code == 200
    assert "Saved." in answer.text
    rhythm = Rhythm(Frequency.WEEKLY, 4, 7, "Europe/Berlin", Late.GO)
    preferences = Preferences(rhythm, Look(Detail.BRIEF, Format.TEXT, "de"), revised=False)
    assert known(front).choice == Choice(("Moths & Lamps",), ("ti:lamps", "ti:moths"), preferences)


def test_what_is_chosen_is_what_is_shown(front: WebFront) -> None:
    """Sending the page's form as it is changes nothing."""
    path = own_page(front, make(front))
    for sent in (SAVED, {"do": "save", "which": "all", "queries": ""}):
        front.client.post(path, data=sent)
        before = known(front)
        front.client.post(path, data={"do": "save", **form_of(front.page(path))})
        assert known(front) == before


def form_of(html: str) -> dict[str, str | list[str]]:
    """What the page's first form would send."""
    form = html.partition("<form")[2].partition("</form>")[0]
    sent: dict[str, str | list[str]] = dict(re.findall(r'type="radio" name="(\w+)" value="(\w+)" checked', form))
    sent["topic"] = re.findall(r'type="checkbox" name="topic" value="(\d+)" checked', form)
    for name, options in re.findall(r'<select id="\w+" name="(\w+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        (sent[name],) = re.findall(r'<option value="([^"]*)" selected', options)
    (sent["queries"],) = re.findall(r'<textarea[^>]*name="queries"[^>]*>\n(.*?)</textarea>', form, re.DOTALL)
    return sent


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequency", "hourly"),
        ("weekday", "someday"),
        ("hour", "24"),
        ("zone", "Mars/Olympus"),
        ("late", "never"),
        ("revised", "perhaps"),
        ("detail", "much"),
        ("format", "pdf"),
        ("language", "tlh"),
        ("queries", "ti:("),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_lost(front: WebFront, name: str, value: str) -> None:
    reader = make(front, topics=("Graph Neural Networks",))
    answer = front.client.post(own_page(front, reader), data=SAVED | {name: value})
    assert answer.status_code == 422
    assert f'id="{name}-wrong"' in answer.text
    assert f'<a href="#{name}">' in answer.text
    assert known(front) == reader
    if name not in ("weekday", "hour", "language"):  # one of which none is selected then
        kept = {"do": "save"} | form_of(answer.text)
        kept.setdefault(name, value)
        assert kept == SAVED | {name: value}


def test_a_part_of_the_form_changes_a_part(front: WebFront) -> None:
    path = own_page(front, make(front))
    front.client.post(path, data=SAVED)
    before = known(front).preferences
    front.client.post(path, data={"do": "save", "which": "all", "hour": "9"})
    assert known(front).preferences == Preferences(
        Rhythm(Frequency.WEEKLY, 4, 9, "Europe/Berlin", Late.GO), before.look, revised=False
    )


def test_a_topic_that_sleeps_stays_chosen(tmp_path: Path) -> None:
    with web_front(tmp_path, topics=("Old", "Graph Neural Networks")) as before:
        make(before, topics=("Old", "Graph Neural Networks"))
    with web_front(tmp_path, topics=("Graph Neural Networks", "New")) as front:
        path = own_page(front, known(front))
        page = front.page(path)
        assert "not followed any more" in page
        front.client.post(path, data={"do": "save", **form_of(page)})
        assert set(known(front).topics) == {"Old", "Graph Neural Networks"}
        assert "not followed any more" not in front.page("/subscribe")


def test_no_more_queries_than_may_be_asked(tmp_path: Path) -> None:
    with web_front(tmp_path, arxiv={"max_queries": 1}) as front:
        subscribe(front.app, BOB, queries=["ti:first"])
        answer = front.client.post(own_page(front, make(front)), data=SAVED)
        assert answer.status_code == 422
        assert 'id="queries-wrong"' in answer.text
        assert "ti:lamps</textarea>" in answer.text
        assert known(front).choice == Choice()


@pytest.mark.parametrize("sent", [{}, {"do": ""}, {"do": "fly"}])
def test_a_button_that_is_not_there(front: WebFront, sent: dict[str, str]) -> None:
    assert front.client.post(own_page(front, make(front)), data=sent).status_code == 400


def test_scripts_are_text(front: WebFront) -> None:
    script = "<script>alert(1)</script>"
    path = own_page(front, make(front, queries=(f'ti:"{script}"',)))
    assert script not in front.page(path)
    for name in (*SAVED, "email", "until"):
        for do in ("save", "move", "pause"):
            assert script not in front.client.post(path, data=SAVED | {"do": do, name: script}).text


# ---------------------------------------------------------------- to pause and to leave


def test_pausing_until_a_day_and_resuming(front: WebFront) -> None:
    path = own_page(front, make(front))
    answer = front.client.post(path, data={"do": "pause", "until": "2026-02-01"})
    assert "1 February 2026" in answer.text
    assert (known(front).status, known(front).paused_until) == (Status.PAUSED, date(2026, 2, 1))
    answer = front.client.post(path, data={"do": "resume"})
    assert "goes on" in answer.text
    assert known(front).status is Status.CONFIRMED
    front.client.post(path, data={"do": "pause", "until": ""})
    assert (known(front).status, known(front).paused_until) == (Status.PAUSED, None)


@pytest.mark.parametrize("until", ["2026-01-06", "2025-12-24", "tomorrow", "2026-02-30"])
def test_a_pause_ends_on_a_day_to_come(front: WebFront, until: str) -> None:
    answer = front.client.post(own_page(front, make(front)), data={"do": "pause", "until": until})
    assert answer.status_code == 422
    assert 'id="until-wrong"' in answer.text
    assert known(front).status is Status.CONFIRMED


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("do", ["pause", "resume", "leave", "join", "move"])
def test_any_button_at_any_time(front: WebFront, status: Status, do: str) -> None:
    """A page may have been open for long: its buttons do no harm then."""
    path = own_page(front, make(front, status))
    answer = front.client.post(path, data={"do": do, "email": BOB})
    assert answer.status_code in (200, 422)
    after = known(front).status
    changed = {
        ("pause", Status.CONFIRMED): Status.PAUSED,
        ("resume", Status.PAUSED): Status.CONFIRMED,
        **{("leave", one): Status.UNSUBSCRIBED for one in Status},
    }
    assert after is changed.get((do, status), status)


@pytest.mark.parametrize("status", [Status.PENDING, Status.UNSUBSCRIBED])
def test_coming_back(front: WebFront, status: Status) -> None:
    bring(front.app, make_paper(1))
    settle(front.app, front.app.today())
    path = own_page(front, make(front, status))
    shown = field(front.page(path), "shown")
    assert front.client.post(path, data={"do": "join", "shown": "other"}).status_code == 422
    assert known(front).status is status
    assert "You have subscribed" in front.client.post(path, data={"do": "join", "shown": shown}).text
    assert known(front).status is Status.CONFIRMED
    assert len(front.app.storage.consents.of(known(front).id)) == 1
    assert front.app.storage.database.value("SELECT welcome FROM deliveries") == 1


def test_who_complained_does_not_come_back_by_a_button(front: WebFront) -> None:
    path = own_page(front, make(front, Status.UNSUBSCRIBED))
    shown = field(front.page(path), "shown")
    front.app.subscriptions.suppress(ANN, Suppression.COMPLAINT, now=front.app.now())
    assert "came back, or was not wanted" in front.page(path)
    front.client.post(path, data={"do": "join", "shown": shown})
    assert known(front).status is Status.UNSUBSCRIBED


# ---------------------------------------------------------------- to move


def test_moving_to_another_address(front: WebFront) -> None:
    reader = make(front, queries=("ti:mine",))
    path = own_page(front, reader)
    answer = front.client.post(path, data={"do": "move", "email": BOB})
    assert answer.status_code == 200
    letter = newest(front)
    assert (letter.to, letter.template) == (BOB, "move")
    front.time.sleep(60)
    page = front.page(letter.link)
    assert BOB in page
    assert ANN not in page
    before = held(front)
    assert front.get(letter.link).status_code == 200
    assert held(front) == before
    answer = press(front, letter.link)
    assert answer.status_code == 200
    assert (known(front, BOB).id, known(front, BOB).queries) == (reader.id, ("ti:mine",))
    assert front.get(path).status_code == 404
    (mine,) = re.findall(r'href="(/p/[^"]+)"', answer.text)
    assert BOB in front.page(mine)
    assert front.get(letter.link).status_code == 404
    assert front.client.post(letter.link).status_code == 404


def test_moving_tells_nobody_who_else_reads(front: WebFront) -> None:
    path = own_page(front, make(front))
    make(front, email=BOB)
    front.app.subscriptions.suppress("never@example.org", Suppression.MANUAL, now=front.app.now())
    answers = {
        front.client.post(path, data={"do": "move", "email": email}).text.replace(email, "")
        for email in (BOB, "never@example.org", "new@example.org")
    }
    assert len(answers) == 1
    handle_requests(front.app)
    assert [letter.to for letter in letters(front.app)] == ["new@example.org"]


@pytest.mark.parametrize("email", ["", "nobody", "ANN@example.org"])
def test_no_address_to_move_to(front: WebFront, email: str) -> None:
    answer = front.client.post(own_page(front, make(front)), data={"do": "move", "email": email})
    assert answer.status_code == 422
    assert 'id="email-wrong"' in answer.text


def test_moving_is_limited_as_all_that_makes_mail(front: WebFront) -> None:
    path = own_page(front, make(front))
    sent = [front.client.post(path, data={"do": "move", "email": f"r{n}@example.org"}).status_code for n in range(21)]
    assert sent == [200] * 20 + [429]


# ---------------------------------------------------------------- to take along, and to be forgotten


def test_all_that_is_held_can_be_taken_along(front: WebFront) -> None:
    make(front, email=BOB, queries=("ti:theirs",))
    path = own_page(front, make(front, queries=("ti:mine",)))
    answer = front.get(f"{path}/export")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment")
    told = json.loads(answer.data)
    assert told["subscriber"]["email"] == ANN
    assert "ti:mine" in answer.text
    assert "theirs" not in answer.text
    assert BOB not in answer.text


def test_being_forgotten(front: WebFront) -> None:
    path = own_page(front, make(front, queries=("ti:mine",)))
    assert ANN in front.page(f"{path}/erase")
    assert "forgotten" in press(front, f"{path}/erase").text
    assert ANN not in held(front)
    assert "ti:mine" not in held(front)
    assert front.app.storage.subscribers.suppression(ANN) is Suppression.MANUAL
    assert front.get(path).status_code == 404
    assert front.client.post(f"{path}/erase").status_code == 404


def test_the_page_says_how_it_stands(front: WebFront) -> None:
    reader = make(front)
    path = own_page(front, reader)
    assert "Mail to this address came back" not in front.page(path)
    front.app.subscriptions.suppress(ANN, Suppression.BOUNCE, now=front.app.now())
    assert "Mail to this address came back" in front.page(path)
    assert front.app.now() - reader.created < timedelta(hours=1)

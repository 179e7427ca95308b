"""Nobody learns from us who reads us: whatever is asked of an address, the whole answer and the work behind it are one.

Statements are counted rather than time: what is done in the same steps takes the same time, on any machine.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from attacks import ask, post, ripe, token
from house import subscribe
from webfront import WebFront, web_front
from werkzeug.test import TestResponse

from newsletter.joining import handle_requests
from newsletter.model import Suppression
from newsletter.sending import deliver

HOUR = timedelta(hours=1)
STATES = (
    "unknown",
    "pending",
    "confirmed",
    "paused",
    "unsubscribed",
    "suppressed",
    "complained",
    "bounced",
    "erased",
    "mailed",
)
#: What anybody may look at afterwards.
PUBLIC = ("/", "/status", "/health", "/editions", "/topics", "/search", "/feeds/editions.atom", "/subscribe", "/p")


def address(state: str) -> str:
    """The addresses are of one length, lest what is shown of them differs in that."""
    return f"{state.ljust(12, 'x')}@example.org"


@contextmanager
def knowing_all(folder: Path) -> Iterator[WebFront]:
    """A newsletter that knows an address in each state."""
    folder.mkdir(exist_ok=True)
    with web_front(folder) as made:
        app = made.app
        today, now = app.today(), app.now()
        for state in ("confirmed", "paused", "unsubscribed", "complained", "bounced", "erased"):
            subscribe(app, address(state), queries=["ti:secret"])
        ask(made, address("pending"))
        ask(made, address("mailed"))
        app.subscriptions.pause(address("paused"), today=today, now=now)
        app.subscriptions.unsubscribe(address("unsubscribed"), today=today, now=now)
        app.subscriptions.suppress(address("suppressed"), Suppression.MANUAL, now=app.now())
        app.subscriptions.suppress(address("complained"), Suppression.COMPLAINT, now=app.now())
        app.subscriptions.suppress(address("bounced"), Suppression.BOUNCE, now=app.now())
        app.subscriptions.erase(address("erased"), now=app.now())
        subscribe(app, "mover@example.org")
        made.time.now += 25 * HOUR
        ask(made, address("mailed"), "/p")
        deliver(app)  # what is mailed later is seen by itself
        made.time.now += HOUR
        yield made


@pytest.fixture
def front(tmp_path: Path) -> Iterator[WebFront]:
    with knowing_all(tmp_path) as made:
        yield made


Asking = Callable[[WebFront, str], TestResponse]


def _subscribe(front: WebFront, email: str) -> TestResponse:
    return post(front, "/subscribe", email=email, opened=ripe(front), which="some", topic="1", queries="ti:zebra")


def _ask_for_link(front: WebFront, email: str) -> TestResponse:
    return post(front, "/p", email=email, opened=ripe(front))


def _move(front: WebFront, email: str) -> TestResponse:
    mover = front.app.subscriptions.find("mover@example.org")
    assert mover is not None
    return post(front, f"/p/{token(front, 'manage', mover.id)}", do="move", email=email)


WAYS = pytest.mark.parametrize("way", [_subscribe, _ask_for_link, _move])


@WAYS
def test_every_byte_of_the_answer_is_the_same(front: WebFront, way: Asking) -> None:
    answers = {}
    for state in STATES:
        answer = way(front, address(state))
        assert answer.status_code == 200
        body = answer.data.replace(address(state).encode(), b"ADDRESS")
        answers[state] = (answer.status, sorted(answer.headers.items()), body)
    assert len(set(map(repr, answers.values()))) == 1


@WAYS
def test_every_step_of_the_answer_is_the_same(front: WebFront, way: Asking) -> None:
    way(front, address("unknown"))  # what is remembered from then on
    done = {state: statements(front, lambda state=state: way(front, address(state))) for state in STATES}  # type: ignore[misc]
    assert any(statement.startswith("INSERT INTO requests") for statement in done["unknown"])
    assert [state for state in STATES if done[state] != done["unknown"]] == []


def statements(front: WebFront, act: Callable[[], object]) -> list[str]:
    """What the database is asked to do for one request, without the values."""
    found: list[str] = []
    with front.pool.acting() as acting:
        connections = [app.storage.database.tables.conn for app in (acting, front.pool.looking())]
    for connection in connections:
        connection.set_trace_callback(lambda sql: found.append(re.sub(r"'(?:[^']|'')*'|\b\d+\b", "?", sql).strip()))
    act()
    for connection in connections:
        connection.set_trace_callback(None)
    return found


@WAYS
def test_nothing_that_anybody_may_look_at_differs_afterwards(tmp_path: Path, way: Asking) -> None:
    seen = set()
    for state in STATES:
        with knowing_all(tmp_path / state) as front:
            way(front, address(state))
            assert handle_requests(front.app) == 1
            front.time.now += timedelta(minutes=2)  # nothing is shown that was made before
            seen.add("\n".join(shown(front, path) for path in (*PUBLIC, "/metrics")))
    assert len(seen) == 1


def shown(front: WebFront, path: str) -> str:
    """A page without what differs for everybody: marks of time, and what this process took and answered."""
    text = front.get(path).text
    lines = [
        line for line in text.splitlines() if "newsletter_web_process" not in line and "newsletter_http" not in line
    ]
    return re.sub(r'name="opened" value="[^"]*"', "", "\n".join(lines))


@WAYS
def test_what_is_refused_is_refused_to_everybody(front: WebFront, way: Asking) -> None:
    """When too many have asked, the answer is another, and again the same for all."""
    while way(front, address("unknown")).status_code == 200:
        pass
    answers = {(way(front, address(state)).status, way(front, address(state)).data) for state in STATES}
    assert [status for status, _ in answers] == ["429 TOO MANY REQUESTS"]


def test_a_form_that_is_wrong_says_so_before_it_looks(front: WebFront) -> None:
    for path in ("/subscribe", "/p"):
        answers = {
            (answer.status, re.sub(rb'value="[^"]*"', b"", answer.data))
            for state in STATES
            for answer in [post(front, path, email=address(state), opened="x")]
        }
        assert [status for status, _ in answers] == ["422 UNPROCESSABLE ENTITY"]


# ---------------------------------------------------------------- links


def test_a_bad_link_says_nothing_of_why(front: WebFront) -> None:
    """Forged, too old, used, for another purpose, of somebody who is gone: one page."""
    reader = front.app.subscriptions.find(address("confirmed"))
    assert reader is not None
    ring, now = front.app.keyring, front.time.now
    bad = {
        "forged": "A" * 24,
        "of nobody": ring.make("manage", 999, now),
        "too old": ring.make("manage", reader.id, now - 25 * HOUR),
        "of tomorrow": ring.make("manage", reader.id, now + 25 * HOUR),
        "for another purpose": ring.make("unsubscribe", reader.id),
        "no text": "%00",
        "long": "x" * 5_000,
    }
    for door in ("c", "p", "m", "r"):
        for act in (front.get, lambda path: post(front, path, do="leave", shown="x")):
            answers = [act(f"/{door}/{text}") for text in bad.values()]
            assert {answer.status_code for answer in answers} == {404}
            assert len({answer.data for answer in answers}) == 1


def test_the_page_to_leave_is_the_same_for_all_whom_we_ever_mailed(front: WebFront) -> None:
    numbers = (1, 2, 3, 4, 5, 6, 999)  # one of them was erased, one never was
    for act in (front.get, lambda path: post(front, path)):
        answers = {(act(f"/u/{token(front, 'unsubscribe', number)}").data) for number in numbers}
        assert len(answers) == 1


def test_no_page_is_known_by_an_address(front: WebFront) -> None:
    for rule in front.site.url_map.iter_rules():
        assert not {"email", "address", "subscriber"} & set(rule.arguments)
    for path in ("/p?email={}", "/subscribe?email={}", "/{}", "/editions/{}", "/topics/{}"):
        answers = {
            (
                answer.status,
                re.sub(r' value="A[\w-]*"', "", answer.text).replace("%40", "@").replace(address(state), ""),
            )
            for state in STATES
            for answer in [front.get(path.format(address(state)))]
        }
        assert len(answers) == 1

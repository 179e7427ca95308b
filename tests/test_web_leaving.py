"""To leave with one click, from years-old mails, also when hundreds do at once; and to come back after mail bounced."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from house import make_paper
from joinery import ANN, BOB, held, known, make, own_page
from letters import letters
from processes import until
from webfront import WebFront, web_front

from newsletter.app import App
from newsletter.errors import LockedError, UsageError
from newsletter.joining.links import leave
from newsletter.model import Status, Suppression
from newsletter.storage.database import Database
from newsletter.web import Pool
from newsletter.web.together import Together

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def front(tmp_path: Path) -> Iterator[WebFront]:
    with web_front(tmp_path) as front:
        yield front


def link(front: WebFront, number: int) -> str:
    return f"/u/{front.app.keyring.make('unsubscribe', number)}"


# ---------------------------------------------------------------- RFC 8058


@pytest.mark.parametrize(
    "body",
    [
        {"data": ONE_CLICK},
        {"data": ONE_CLICK, "content_type": "multipart/form-data"},
        {"data": b""},
        {"data": b"\xff\x00 no form", "content_type": "text/plain"},
        {"data": b"--", "content_type": "multipart/form-data; boundary=x"},
        {"data": "List-Unsubscribe=One-Click", "content_type": "application/x-www-form-urlencoded; charset=utf-8"},
    ],
)
def test_one_click(front: WebFront, body: dict[str, Any]) -> None:
    path = link(front, make(front).id)
    for _ in range(2):
        answer = front.client.post(path, **body)
        assert answer.status_code == 200
        assert "Location" not in answer.headers
        assert "Set-Cookie" not in answer.headers
        assert known(front).status is Status.UNSUBSCRIBED


def test_the_link_in_a_digest_is_the_one_that_works(front: WebFront) -> None:
    reader = make(front)
    front.bring_out(make_paper(1))
    by_web, _by_mail = front.app.composer.unsubscribe_uris(reader.id)
    path = by_web.removeprefix("https://papers.example.org")
    assert front.client.post(path, data=ONE_CLICK).status_code == 200
    assert known(front).status is Status.UNSUBSCRIBED
    assert set(front.app.storage.deliveries.counts()) == {"suppressed"}


@pytest.mark.parametrize("status", Status)
def test_whatever_the_status_and_years_later(front: WebFront, status: Status) -> None:
    path = link(front, make(front, status).id)
    front.pass_days(4_000)
    assert front.get(path).status_code == 200
    assert known(front).status is status
    assert front.client.post(path).status_code == 200
    assert known(front).status is Status.UNSUBSCRIBED


@pytest.mark.parametrize("verb", ["remove", "erase"])
def test_who_is_gone_has_left(front: WebFront, verb: str) -> None:
    path = link(front, make(front).id)
    getattr(front.app.subscriptions, verb)(ANN, now=front.app.now())
    assert front.get(path).status_code == 200
    assert front.client.post(path, data=ONE_CLICK).status_code == 200


def test_who_moved_leaves_by_the_links_they_had(front: WebFront) -> None:
    path = link(front, make(front).id)
    front.app.subscriptions.move(ANN, BOB, now=front.app.now())
    front.client.post(path, data=ONE_CLICK)
    assert known(front, BOB).status is Status.UNSUBSCRIBED


def test_forged_links(front: WebFront) -> None:
    reader = make(front)
    path = link(front, reader.id)
    others = [path[:-1] + "~", path + "A", path[:-2], "/u/x", own_page(front, reader).replace("/p/", "/u/")]
    for one in others:
        assert front.get(one).status_code == 404
        assert front.client.post(one, data=ONE_CLICK).status_code == 404
    assert known(front).status is Status.CONFIRMED


# ---------------------------------------------------------------- it does nothing else


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_opening_the_page_changes_nothing(front: WebFront, method: str) -> None:
    path = link(front, make(front).id)
    before = held(front)
    assert front.client.open(path, method=method).status_code in (200, 405)
    assert held(front) == before


def test_it_tells_no_address_and_opens_nothing_else(front: WebFront) -> None:
    reader = make(front, queries=("ti:mine",))
    path = link(front, reader.id)
    for answer in (front.get(path), front.client.post(path)):
        assert ANN not in answer.text
        assert "mine" not in answer.text
        assert "/p/" not in answer.text
        assert answer.headers["Cache-Control"] == "no-store"
    for door in ("c", "p", "m", "r"):
        assert front.get(path.replace("/u/", f"/{door}/")).status_code == 404


def test_the_answer_is_in_ones_language(front: WebFront) -> None:
    path = link(front, make(front).id)
    for language, words in (
        ("en", "not sent to you any more"),
        ("de", 'lang="de"'),
        ("en", "not sent to you any more"),
    ):
        assert words in front.client.post(path, headers={"Accept-Language": language}).text


# ---------------------------------------------------------------- many at once


def test_many_leave_at_once(front: WebFront) -> None:
    paths = [link(front, make(front, email=f"reader{number}@example.org").id) for number in range(40)]
    answers: list[int] = []

    def leave(some: list[str]) -> None:
        answers.extend(front.client.post(path, data=ONE_CLICK).status_code for path in some)
        front.pool.close()

    threads = [threading.Thread(target=leave, args=(paths[first::8],)) for first in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 40
    assert front.app.storage.subscribers.counts() == {Status.UNSUBSCRIBED: 40}


def test_what_waits_is_written_in_one_transaction(front: WebFront) -> None:
    """While one thread is at work, two others line up; the first of them writes for both."""
    together, done = Together(front.pool), list[str]()
    begun_and_ended: list[str] = []

    def write(app: App) -> None:
        done.append(threading.current_thread().name)
        app.storage.database.tables.conn.set_trace_callback(begun_and_ended.append)

    threads = [threading.Thread(target=together.write, args=(write,)) for _ in range(2)]
    with front.pool.acting():
        for thread in threads:
            thread.start()
        until(lambda: len(together._waiting) == 2)
    for thread in threads:
        thread.join()
    assert len(done) == 2
    assert len(set(done)) == 1  # one thread did it
    assert [sql for sql in begun_and_ended if sql in ("BEGIN IMMEDIATE", "COMMIT")] == ["COMMIT"]


def test_one_that_fails_undoes_nothing_of_others(front: WebFront) -> None:
    first, second = make(front).id, make(front, email=BOB).id
    together = Together(front.pool)

    def leave_and_fail(app: App) -> None:
        app.subscriptions.unsubscribe(first, today=app.today(), now=app.now())
        raise UsageError("no")

    def leave_both(app: App) -> None:
        app.subscriptions.unsubscribe(second, today=app.today(), now=app.now())

    with pytest.raises(UsageError):
        together.write(leave_and_fail)
    together.write(leave_both)
    assert known(front).status is Status.CONFIRMED
    assert known(front, BOB).status is Status.UNSUBSCRIBED


@pytest.mark.parametrize("ends", [True, False])
def test_a_long_transaction_of_somebody_else_is_waited_for(front: WebFront, ends: bool) -> None:
    """Beyond the patience of the database itself, though not for ever."""
    reader, looks = make(front), count()
    with closing(Database(front.app.config.newsletter.database)) as other, ExitStack() as writing:

        def monotonic() -> float:
            look = next(looks)
            if look == 3 and ends:
                writing.close()
            return 0.0 if ends else 30.0 * look

        outside = replace(front.app.outside, patience=0.01, monotonic=monotonic)
        pool = Pool(front.app.config, outside)
        with pool.acting():
            writing.enter_context(other.write())
        together = Together(pool)
        if ends:
            together.write(lambda app: leave(app, link(front, reader.id).removeprefix("/u/")))
        else:
            with pytest.raises(LockedError):
                together.write(lambda app: leave(app, link(front, reader.id).removeprefix("/u/")))
        pool.close()
    assert known(front).status is (Status.UNSUBSCRIBED if ends else Status.CONFIRMED)


# ---------------------------------------------------------------- to come back


def resuming(front: WebFront, number: int) -> str:
    return f"/r/{front.app.keyring.make('resume', number, front.app.now())}"


def test_mail_that_arrives_again(front: WebFront) -> None:
    path = resuming(front, make(front).id)
    front.app.subscriptions.suppress(ANN, Suppression.BOUNCE, now=front.app.now())
    before = held(front)
    assert front.get(path).status_code == 200
    assert held(front) == before
    for _ in range(2):
        answer = front.client.post(path)
        assert answer.status_code == 200
        assert ANN not in answer.text
        assert front.app.storage.subscribers.suppression(ANN) is None


def test_who_complained_is_not_mailed_again_by_an_old_link(front: WebFront) -> None:
    path = resuming(front, make(front).id)
    front.app.subscriptions.suppress(ANN, Suppression.COMPLAINT, now=front.app.now())
    assert front.client.post(path).status_code == 404
    assert front.app.storage.subscribers.suppression(ANN) is Suppression.COMPLAINT


def test_links_to_come_back_grow_old(front: WebFront) -> None:
    path = resuming(front, make(front).id)
    front.pass_days(30)
    assert front.get(path).status_code == 404
    assert front.client.post(path).status_code == 404
    assert not letters(front.app)

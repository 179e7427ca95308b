"""What is forgotten is gone, and what is somebody else's stays, also without a daemon."""

import email
import json
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import joinery
import pytest
from announcing import a_paper_each, batches, library, morning, newsletter
from house import Time, bring, make_app, make_paper, subscribe
from webfront import open_front

from newsletter.app import App
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.digests import Digests
from newsletter.errors import AddressError
from newsletter.joining import ask_for_link, ask_to_subscribe, forget_unconfirmed, handle_requests
from newsletter.joining.links import agree
from newsletter.mail.reports.parsing import parse, undo_encoding
from newsletter.model import Choice, Status, Suppression
from newsletter.publish import publish
from newsletter.settling import settle

ANN, BOB = "ann@example.org", "bob@example.org"
START_OF_FEBRUARY = date(2026, 2, 1)  # a Sunday


def rows(app: App, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in app.storage.database.rows(query)]


# ---------------------------------------------------------------- without a daemon


def test_publishing_alone_ends_pauses_before_the_edition_and_forgets_who_did_not_confirm(tmp_path: Path) -> None:
    first = a_paper_each(batches(START_OF_FEBRUARY, START_OF_FEBRUARY + timedelta(days=12)))
    time = Time(morning(START_OF_FEBRUARY + timedelta(days=1)))
    with ArxivStandIn(library(first, time)) as arxiv:
        app = newsletter(tmp_path, arxiv, time, "api", topics=("Graph Neural Networks",))
        publish(app, app.today(), sending=False)
        subscribe(app, ANN)
        back = app.today() + timedelta(days=1)
        app.subscriptions.pause(ANN, until=back, today=app.today(), now=app.now())
        ask_to_subscribe(app, BOB, Choice(), language="en", network="192.0.2.0/24")
        handle_requests(app)
        time.now += timedelta(days=1)
        publish(app, app.today(), sending=False)
        assert [one.upto for one in app.storage.deliveries.all(None, 9) if one.email == ANN] == [back]
        assert app.subscriptions.find(BOB) is not None
        time.now += timedelta(days=7)
        publish(app, app.today(), sending=False)
        assert app.subscriptions.find(BOB) is None
        app.close()


# ---------------------------------------------------------------- erased is erased


def test_nothing_of_an_erased_address_stays_in_any_file(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    subscribe(app, "ann.unique@example.org")
    app.subscriptions.erase("ann.unique@example.org", now=app.now())
    for file in tmp_path.glob("subscribers.db*"):
        assert b"ann.unique" not in file.read_bytes(), file.name


def test_nor_do_the_words_of_their_query(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    paper = make_paper(1)
    subscribe(app, ANN, queries=(f'ti:"{paper.title}"',))
    bring(app, paper)
    settle(app, app.today())
    words = "SELECT words FROM announcements JOIN topics ON id = topic_id WHERE personal = 1"
    assert json.loads(rows(app, words)[0][0])
    app.subscriptions.erase(ANN, now=app.now())
    assert rows(app, words) == [("[]",)]


def test_nor_does_the_address_they_had_before(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    subscribe(app, "old@example.org")
    with app.storage.write():
        app.storage.subscribers.suppress("old@example.org", Suppression.BOUNCE, "mail came back", app.now())
    app.subscriptions.move("old@example.org", "new@example.org", now=app.now())
    assert app.storage.subscribers.suppression("old@example.org") is Suppression.BOUNCE
    assert app.storage.subscribers.suppression("new@example.org") is None
    app.subscriptions.erase("new@example.org", now=app.now())
    assert not rows(app, "SELECT 1 FROM suppressions WHERE folded LIKE '%@%'")


def test_what_strangers_asked_for_leaves_nothing_behind(tmp_path: Path) -> None:
    front = open_front(tmp_path)
    with closing(front.app) as app:
        for number in range(5):
            choice = Choice(queries=tuple(f"ti:w{number}x{other}" for other in range(4)))
            ask_to_subscribe(app, f"nobody{number}@example.org", choice, language="en", network="192.0.2.0/24")
        handle_requests(app)
        assert rows(app, "SELECT count(*) FROM topics WHERE personal = 1") == [(20,)]
        front.pass_days(8)
        assert forget_unconfirmed(app) == 5
        assert rows(app, "SELECT count(*) FROM topics WHERE personal = 1") == [(0,)]


# ---------------------------------------------------------------- others' things stay


def test_a_digest_that_waits_keeps_its_query_whoever_is_removed(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    paper = make_paper(1)
    query = f'ti:"{paper.title}"'
    subscribe(app, ANN, queries=(query,))
    subscribe(app, BOB)
    bring(app, paper)
    settle(app, app.today())
    app.subscriptions.change(ANN, queries=(), today=app.today(), now=app.now())
    app.subscriptions.remove(BOB, now=app.now())
    with app.storage.write():
        claims, _ = app.storage.deliveries.claim(app.now(), 10)
    (mail,) = [app.compose(claim, Digests(app.storage)) for claim in claims if claim.delivery.email == ANN]
    assert mail is not None
    text = next(part for part in email.message_from_bytes(mail).walk() if part.get_content_type() == "text/plain")
    payload = text.get_payload(decode=True)
    assert isinstance(payload, bytes)
    assert query in payload.decode()


def test_no_room_for_their_queries_does_not_use_up_the_link(tmp_path: Path) -> None:
    front = open_front(tmp_path, arxiv={"source": "api", "max_queries": 1})
    with closing(front.app) as app:
        joinery.make(front, email=BOB, queries=("ti:full",))
        ask_to_subscribe(app, ANN, Choice(queries=("ti:mine",)), language="en", network="192.0.2.0/24")
        link = joinery.newest(front).link
        assert "No room" in joinery.press(front, link).text
        app.subscriptions.remove(BOB, now=app.now())
        joinery.press(front, link)
        assert joinery.known(front).status is Status.CONFIRMED


def test_who_comes_back_on_the_same_day_breaks_no_account(tmp_path: Path) -> None:
    front = open_front(tmp_path)
    with closing(front.app) as app:
        reader = joinery.make(front)
        front.pass_days()
        front.bring_out(make_paper(1))
        app.subscriptions.unsubscribe(reader.id, today=app.today(), now=app.now())
        back = app.subscriptions.find(reader.id)
        assert back is not None
        with app.storage.write():
            assert agree(app, back, lambda _: "yes", "en").joined
        assert app.storage.deliveries.overlapping() == []


@pytest.mark.parametrize("limit", [0, 1])
def test_a_limit_that_was_lowered_keeps_nobody_from_other_changes(tmp_path: Path, limit: int) -> None:
    with closing(make_app(tmp_path)) as app:
        subscribe(app, ANN, queries=("ti:one", "ti:two"))
    with closing(make_app(tmp_path, arxiv={"max_queries": limit})) as app:
        subscribe(app, BOB)
        app.subscriptions.change(ANN, queries=("ti:one",), today=app.today(), now=app.now())
        subscriber = app.subscriptions.find(ANN)
        assert subscriber is not None
        assert subscriber.queries == ("ti:one",)


def test_texts_that_were_encoded_are_held_to_the_same_bounds() -> None:
    mail = b"Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\n" + b"=0A" * 60_000
    (text,) = undo_encoding(parse(mail))
    assert len(text) <= 4_001


# ---------------------------------------------------------------- what strangers may not


def test_a_stranger_does_not_change_what_one_who_left_had_chosen(tmp_path: Path) -> None:
    front = open_front(tmp_path)
    with closing(front.app) as app:
        reader = joinery.make(front, email=ANN, queries=("ti:mine",))
        app.subscriptions.unsubscribe(reader.id, today=app.today(), now=app.now())
        ask_to_subscribe(app, ANN, Choice(queries=("ti:rude",)), language="en", network="192.0.2.0/24")
        link = joinery.newest(front).link
        assert joinery.known(front).queries == ("ti:mine",)
        assert "ti:rude" in front.page(link)
        joinery.press(front, link)
        assert joinery.known(front).status is Status.CONFIRMED
        assert joinery.known(front).queries == ("ti:rude",)
        assert "ti:rude" not in str(rows(app, "SELECT wish FROM requests"))


def test_a_new_reader_need_not_wait_a_day_for_their_preferences(tmp_path: Path) -> None:
    front = open_front(tmp_path)
    with closing(front.app) as app:
        ask_to_subscribe(app, ANN, Choice(), language="en", network="192.0.2.0/24")
        link = joinery.newest(front).link
        for _ in range(3):
            ask_for_link(app, ANN, language="en", network="192.0.2.0/24")
        joinery.press(front, link)
        ask_for_link(app, ANN, language="en", network="192.0.2.0/24")
        ask_for_link(app, ANN, language="en", network="192.0.2.0/24")
        handle_requests(app)
        templates = rows(app, "SELECT json_extract(payload, '$.template') FROM deliveries WHERE kind = 'single'")
        assert templates.count(("manage",)) == 1


def test_a_running_sender_makes_links_with_the_newest_key(tmp_path: Path) -> None:
    with closing(make_app(tmp_path)) as running, closing(make_app(tmp_path)) as other:
        composer, state = running.composer, running.storage.state()
        with other.storage.write():
            other.storage.keys.rotate()
            other.storage.keys.retire(1)
        assert running.storage.state() != state  # so that what is kept is made anew
        assert running.keyring.read("unsubscribe", composer.unsubscribe_uris(7)[0].rpartition("%20")[2]) is not None


def test_a_local_part_has_64_octets_at_most(tmp_path: Path) -> None:
    """RFC 5321 §4.5.3.1.1."""
    with closing(make_app(tmp_path)) as app:
        assert app.subscriptions.check_address(f"{'x' * 64}@example.org")
        with pytest.raises(AddressError):
            app.subscriptions.check_address(f"{'x' * 65}@example.org")

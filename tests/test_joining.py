"""Joining by mail: the inbox, who is mailed what and how seldom, and what mailed links do."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex

import pytest
from house import Time, bring, make_app, make_paper, subscribe
from letters import WEB, Letter, letters

from newsletter.app import App
from newsletter.daemon.heartbeat import Heartbeat
from newsletter.errors import UsageError
from newsletter.joining import (
    ask_for_link,
    ask_to_move,
    ask_to_subscribe,
    forget_unconfirmed,
    handle_requests,
    invite,
)
from newsletter.joining.asking import IN_TOTAL, PER_NETWORK
from newsletter.joining.links import Joined, confirm, leave, link_to_preferences, managed, mark, move, moving, offered
from newsletter.model import Choice, Frequency, Preferences, Rhythm, Status, Subscriber, Suppression
from newsletter.sending import deliver
from newsletter.settling import settle
from newsletter.subscriptions import Outcome

ANN, BOB = "ann@example.org", "bob@example.org"
NETWORK = "192.0.2.0/24"
GRAPHS, SERIES = "Graph Neural Networks", "Time Series"
ALL = Choice()
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    app = make_app(tmp_path, topics=(GRAPHS, SERIES), time=time, newsletter=WEB)
    yield app
    app.close()


def ask(app: App, email: str = ANN, choice: Choice = ALL, network: str = NETWORK) -> bool:
    return ask_to_subscribe(app, email, choice, language="en", network=network)


def ask_and_handle(app: App, email: str = ANN, choice: Choice = ALL) -> None:
    assert ask(app, email, choice)
    assert handle_requests(app) == 1


def find(app: App, email: str = ANN) -> Subscriber | None:
    return app.subscriptions.find(email)


def known(app: App, email: str = ANN) -> Subscriber:
    found = find(app, email)
    assert found is not None
    return found


def make_status(app: App, status: Status, email: str = ANN) -> None:
    """A subscriber of this status, as an operator makes one."""
    confirmed = status is not Status.PENDING
    app.subscriptions.subscribe(email, Choice((GRAPHS,)), confirmed=confirmed, today=app.today(), now=app.now())
    verbs = {Status.PAUSED: app.subscriptions.pause, Status.UNSUBSCRIBED: app.subscriptions.unsubscribe}
    if verb := verbs.get(status):
        verb(email, today=app.today(), now=app.now())


def text_for(subscriber: Subscriber) -> str:
    return f"{subscriber.topics} {subscriber.queries}"


def say_yes(app: App, letter: Letter) -> Joined | None:
    offer = offered(app, letter.token)
    shown = mark(text_for(offer.subscriber)) if offer else ""
    return confirm(app, letter.token, shown, text_for, "en")


def joined(app: App, email: str = ANN, choice: Choice = ALL) -> Subscriber:
    """Somebody who joined just now."""
    ask_and_handle(app, email, choice)
    assert say_yes(app, letters(app)[-1])
    return known(app, email)


def whole_database(app: App) -> str:
    connection = app.storage.database.tables.conn
    return "\n".join(connection.iterdump())


# ---------------------------------------------------------------- who is mailed what


@pytest.mark.parametrize(
    ("before", "template", "after"),
    [
        (None, "confirm", Status.PENDING),
        (Status.PENDING, "confirm", Status.PENDING),
        (Status.UNSUBSCRIBED, "confirm", Status.UNSUBSCRIBED),
        (Status.CONFIRMED, "already", Status.CONFIRMED),
        (Status.PAUSED, "already", Status.PAUSED),
    ],
)
def test_what_becomes_of_a_wish_to_subscribe(app: App, before: Status | None, template: str, after: Status) -> None:
    if before:
        make_status(app, before)
    ask_and_handle(app, "ANN@example.org")
    (letter,) = letters(app)
    assert (letter.to.casefold(), letter.template) == (ANN, template)
    assert known(app).status is after


@pytest.mark.parametrize("before", [None, *Status])
def test_a_link_is_mailed_to_whom_we_know(app: App, before: Status | None) -> None:
    if before:
        make_status(app, before)
    assert ask_for_link(app, ANN, language="de", network=NETWORK)
    assert handle_requests(app) == 1
    found = letters(app)
    if before is None:
        assert not found
        assert find(app) is None
    else:
        assert [(letter.to, letter.template, letter.language) for letter in found] == [(ANN, "manage", "de")]
        assert managed(app, found[0].token) == known(app)


@pytest.mark.parametrize("erased", [False, True])
def test_an_address_that_is_not_to_be_mailed_is_not(app: App, erased: bool) -> None:
    if erased:
        make_status(app, Status.CONFIRMED)
        app.subscriptions.erase(ANN, now=app.now())
    else:
        app.subscriptions.suppress(ANN, Suppression.COMPLAINT, now=app.now())
    ask(app)
    ask_for_link(app, ANN, language="en", network=NETWORK)
    make_status(app, Status.CONFIRMED, BOB)
    ask_to_move(app, known(app, BOB).id, ANN, language="en", network=NETWORK)
    assert handle_requests(app) == 3
    assert not letters(app)
    assert find(app) is None


def test_mails_are_sent_whatever_the_status_of_who_asked(app: App, tmp_path: Path) -> None:
    """Paused readers and those who left get no digests, but what they ask for."""
    for status in Status:
        make_status(app, status, f"{status}@example.org")
        ask_for_link(app, f"{status}@example.org", language="en", network=NETWORK)
    handle_requests(app)
    deliver(app)
    mails = [path.read_text() for path in (tmp_path / "outbox" / "new").iterdir()]
    assert len(mails) == len(Status)
    for mail in mails:
        assert "Auto-Submitted: auto-generated" in mail
        assert "List-Unsubscribe" not in mail


def test_what_a_stranger_typed_is_in_no_mail(app: App, tmp_path: Path) -> None:
    ask_and_handle(app, choice=Choice((GRAPHS,), ("visit evil.example", 'ti:"you won"')))
    deliver(app)
    (path,) = (tmp_path / "outbox" / "new").iterdir()
    assert "/c/" in path.read_text()
    assert "evil" not in path.read_text()
    assert "you won" not in path.read_text()


def test_the_newest_choice_counts(app: App) -> None:
    ask_and_handle(app, choice=Choice((GRAPHS,), ("ti:a",)))
    weekly = Preferences(Rhythm(Frequency.WEEKLY))
    ask_and_handle(app, choice=Choice((SERIES,), (), weekly))
    assert known(app).choice == Choice((SERIES,), (), weekly)
    assert len(letters(app)) == 1
    say_yes(app, letters(app)[0])
    assert known(app).choice == Choice((SERIES,), (), weekly)


def test_what_a_reader_has_does_not_change_by_a_strangers_wish(app: App) -> None:
    make_status(app, Status.CONFIRMED)
    ask_and_handle(app, choice=Choice((SERIES,)))
    assert known(app).topics == (GRAPHS,)


# ---------------------------------------------------------------- how seldom


def test_one_mail_a_day_whatever_is_asked_for(app: App, time: Time) -> None:
    make_status(app, Status.CONFIRMED, BOB)
    for number in range(5):
        ask_and_handle(app)
        ask_for_link(app, ANN, language="en", network=f"192.0.{number}.0/24")
        handle_requests(app)
        time.sleep(HOUR.total_seconds())
    assert len(letters(app)) == 1
    time.sleep((DAY - 5 * HOUR).total_seconds() - 1)
    ask_and_handle(app)
    assert len(letters(app)) == 1
    time.sleep(1)
    ask_and_handle(app)
    assert len(letters(app)) == 2


def test_two_moves_to_an_address_are_one_mail(app: App) -> None:
    for email in (BOB, "cem@example.org"):
        make_status(app, Status.CONFIRMED, email)
        ask_to_move(app, known(app, email).id, ANN, language="en", network=NETWORK)
    handle_requests(app)
    assert [(letter.to, letter.template) for letter in letters(app)] == [(ANN, "move")]


def test_no_more_than_so_many_an_hour_from_a_network(app: App, time: Time) -> None:
    taken = [ask(app, f"reader{number}@example.org") for number in range(PER_NETWORK + 1)]
    assert taken == [True] * PER_NETWORK + [False]
    assert ask(app, network="198.51.100.0/24")
    time.sleep(HOUR.total_seconds())
    assert ask(app)


def test_no_more_than_so_many_an_hour_from_everywhere(app: App, time: Time) -> None:
    taken = [ask(app, ANN, network=f"10.{number // 256}.{number % 256}.0/24") for number in range(IN_TOTAL + 1)]
    assert taken == [True] * IN_TOTAL + [False]
    make_status(app, Status.PENDING, BOB)
    assert invite(app, BOB) is Outcome.DONE  # the operator may
    time.sleep(HOUR.total_seconds())
    assert ask(app)


def test_a_clock_that_was_set_back_keeps_nobody_out(app: App, time: Time) -> None:
    for _ in range(PER_NETWORK):
        ask(app)
    time.now -= 400 * DAY
    assert ask(app)
    handle_requests(app)
    forget_unconfirmed(app)
    assert app.storage.database.value("SELECT count(*) FROM requests") == 1


# ---------------------------------------------------------------- the inbox tells nothing


def statements(app: App, act: Callable[[], object]) -> list[str]:
    """What the database is asked to do meanwhile, without the values."""
    found: list[str] = []
    connection = app.storage.database.tables.conn
    connection.set_trace_callback(lambda sql: found.append(sql.partition(" VALUES")[0].partition("SELECT '")[0]))
    act()
    connection.set_trace_callback(None)
    return found


def test_the_same_is_written_for_everybody(app: App) -> None:
    make_status(app, Status.CONFIRMED)
    make_status(app, Status.PENDING, BOB)
    app.subscriptions.suppress("cem@example.org", Suppression.MANUAL, now=app.now())
    emails = ANN, BOB, "cem@example.org", "new@example.org"
    done = [statements(app, partial(ask, app, email)) for email in emails]
    assert done[0]
    assert all(others == done[0] for others in done)


def test_addresses_and_queries_stay_no_longer_than_needed(app: App) -> None:
    ask_for_link(app, "nobody@example.org", language="en", network=NETWORK)
    handle_requests(app)
    assert "nobody@" not in whole_database(app)
    assert NETWORK not in whole_database(app)


def test_a_new_address_that_was_not_confirmed_is_forgotten(app: App, time: Time) -> None:
    make_status(app, Status.CONFIRMED)
    ask_to_move(app, known(app).id, BOB, language="en", network=NETWORK)
    handle_requests(app)
    deliver(app)
    assert BOB in whole_database(app)
    time.sleep((8 * DAY).total_seconds())
    forget_unconfirmed(app)
    assert BOB not in whole_database(app)


@pytest.mark.parametrize("erased", [False, True])
def test_who_is_removed_leaves_nothing_in_the_inbox(app: App, erased: bool) -> None:
    joined(app, choice=Choice((), ("ti:secret",)))
    ask_to_move(app, known(app).id, BOB, language="en", network=NETWORK)
    handle_requests(app)
    deliver(app)
    verb = app.subscriptions.erase if erased else app.subscriptions.remove
    verb(ANN, now=app.now())
    left = whole_database(app)
    assert ANN not in left
    assert BOB not in left
    assert "secret" not in left


# ---------------------------------------------------------------- exactly once


def die_after(app_of: Callable[[], App], number: int) -> bool:
    """Handle requests in a process that dies at its n-th statement; whether it did."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    try:
        app, count = app_of(), 0

        def trace(_sql: str) -> None:
            nonlocal count
            count += 1
            if count == number:
                os._exit(9)

        _ = app.keyring, app.subscriptions
        app.storage.database.tables.conn.set_trace_callback(trace)
        handle_requests(app)
    finally:
        os._exit(0)


def test_each_request_is_handled_once_whenever_the_program_is_killed(tmp_path: Path) -> None:
    def house(number: int) -> App:
        folder = tmp_path / str(number)
        folder.mkdir(exist_ok=True)
        return make_app(folder, topics=(GRAPHS, SERIES), newsletter=WEB, outside={"token": partial(token_hex, 8)})

    number, died = 0, True
    while died:
        number += 1
        app = house(number)
        ask(app, ANN, Choice((GRAPHS,), ("ti:a",)))
        ask_for_link(app, BOB, language="en", network=NETWORK)
        make_status(app, Status.CONFIRMED, BOB)
        app.close()
        died = die_after(partial(house, number), number)
        app = house(number)
        handle_requests(app)
        assert [(letter.to, letter.template) for letter in letters(app)] == [(ANN, "confirm"), (BOB, "manage")], number
        assert known(app).choice == Choice((GRAPHS,), ("ti:a",))
        app.close()
    assert number > 20


def test_a_request_that_cannot_be_fulfilled_keeps_no_other_back(app: App, tmp_path: Path) -> None:
    ask(app, ANN, Choice((GRAPHS, SERIES)))
    ask(app, BOB)
    with app.storage.write():  # a topic that was there when it was asked for
        app.storage.database.execute("DELETE FROM topics WHERE name = ?", (SERIES,))
    assert handle_requests(app) == 2
    assert [letter.to for letter in letters(app)] == [BOB]
    assert find(app) is None


# ---------------------------------------------------------------- to confirm


def test_confirming_makes_a_reader_with_their_consent(app: App, time: Time) -> None:
    ask_and_handle(app, choice=Choice((GRAPHS,), ("ti:a",)))
    (letter,) = letters(app)
    time.sleep(60)
    came_to = say_yes(app, letter)
    assert came_to is not None
    assert came_to.joined
    assert known(app).status is Status.CONFIRMED
    (consent,) = app.storage.consents.of(known(app).id)
    assert (consent.given, consent.how, consent.language) == (app.now(), "web", "en")
    assert consent.text == text_for(known(app))
    again = say_yes(app, letter)
    assert again is not None
    assert not again.joined
    assert len(app.storage.consents.of(known(app).id)) == 1
    assert [letter.template for letter in letters(app)] == ["confirm", "welcome"]


def test_a_new_reader_is_greeted_with_the_newest_edition(app: App) -> None:
    bring(app, make_paper(1))
    settle(app, app.today())
    joined(app, choice=Choice((GRAPHS,)))
    joined(app, BOB, Choice((SERIES,)))  # of which there is nothing in it
    digests = app.storage.database.rows("SELECT subscriber_id, welcome FROM deliveries WHERE kind = 'digest'")
    assert [tuple(row) for row in digests] == [(known(app).id, 1)]
    assert [(one.to, one.template) for one in letters(app) if one.template == "welcome"] == [(BOB, "welcome")]


def test_a_yes_is_to_what_was_shown(app: App) -> None:
    ask_and_handle(app, choice=Choice((GRAPHS,)))
    (letter,) = letters(app)
    shown = mark(text_for(known(app)))
    ask_and_handle(app, choice=Choice((SERIES,)))
    assert confirm(app, letter.token, shown, text_for, "en") is None
    assert known(app).status is Status.PENDING
    assert confirm(app, letter.token, mark(text_for(known(app))), text_for, "en")


def test_who_left_after_a_yes_is_not_brought_back_by_it(app: App) -> None:
    joined(app)
    letter = letters(app)[0]
    app.subscriptions.unsubscribe(ANN, today=app.today(), now=app.now())
    assert offered(app, letter.token) is None
    assert say_yes(app, letter) is None
    assert known(app).status is Status.UNSUBSCRIBED


def test_who_was_suppressed_meanwhile_cannot_confirm(app: App) -> None:
    ask_and_handle(app)
    app.subscriptions.suppress(ANN, Suppression.COMPLAINT, now=app.now())
    assert say_yes(app, letters(app)[0]) is None


def test_queries_beyond_what_may_be_asked_are_left_out(tmp_path: Path) -> None:
    app = make_app(tmp_path, topics=(GRAPHS,), newsletter=WEB, arxiv={"max_queries": 2})
    subscribe(app, "first@example.org", queries=["ti:shared"])
    ask_and_handle(app, choice=Choice((GRAPHS,), ("ti:a", "ti:b", "ti:shared")))
    came_to = say_yes(app, letters(app)[-1])
    assert came_to is not None
    assert came_to.joined
    assert came_to.left_out == ("ti:b",)
    assert known(app).queries == ("ti:a", "ti:shared")
    ask_and_handle(app, BOB, Choice((), ("ti:c",)))
    nothing = say_yes(app, letters(app)[-1])
    assert nothing is not None
    assert (nothing.joined, nothing.left_out) == (False, ("ti:c",))
    assert known(app, BOB).status is Status.PENDING  # without queries they would get everything
    app.close()


# ---------------------------------------------------------------- who does not confirm


def test_who_does_not_confirm_is_forgotten(app: App, time: Time) -> None:
    ask_and_handle(app)
    joined(app, BOB)
    make_status(app, Status.PENDING, "added@example.org")
    make_status(app, Status.PENDING, "invited@example.org")
    assert invite(app, "invited@example.org") is Outcome.DONE
    ask_and_handle(app, "added@example.org")  # by a stranger, which must not make the operator's entry go
    time.sleep((7 * DAY).total_seconds() - 1)
    assert forget_unconfirmed(app) == 0
    time.sleep(1)
    assert forget_unconfirmed(app) == 2
    assert find(app) is None
    assert find(app, "invited@example.org") is None
    assert known(app, BOB).status is Status.CONFIRMED
    assert known(app, "added@example.org").status is Status.PENDING
    assert app.storage.database.value("SELECT count(*) FROM requests") == 0


def test_the_last_mail_counts(app: App, time: Time) -> None:
    ask_and_handle(app)
    time.sleep((5 * DAY).total_seconds())
    ask_and_handle(app)
    time.sleep((5 * DAY).total_seconds())
    assert forget_unconfirmed(app) == 0
    assert say_yes(app, letters(app)[-1])
    assert known(app).status is Status.CONFIRMED


def test_inviting(app: App, time: Time) -> None:
    assert invite(app, ANN) is Outcome.UNKNOWN
    make_status(app, Status.PENDING)
    assert invite(app, ANN) is Outcome.DONE
    assert invite(app, ANN) is Outcome.ALREADY
    time.sleep(DAY.total_seconds())
    assert invite(app, ANN) is Outcome.DONE
    assert len(letters(app)) == 2
    assert say_yes(app, letters(app)[-1])
    with pytest.raises(UsageError, match="confirmed, not pending"):
        invite(app, ANN)
    make_status(app, Status.PENDING, BOB)
    app.subscriptions.suppress(BOB, Suppression.BOUNCE, now=app.now())
    assert invite(app, BOB) is Outcome.SUPPRESSED


def test_without_a_page_nobody_is_invited(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    make_status(app, Status.PENDING)
    with pytest.raises(UsageError, match="base_url"):
        invite(app, ANN)
    app.close()


# ---------------------------------------------------------------- links


def test_a_link_does_one_thing_only(app: App) -> None:
    """A token for one purpose is none for another, though both may name the same number."""
    make_status(app, Status.CONFIRMED)
    ask_and_handle(app, BOB)
    ask_to_move(app, known(app).id, "new@example.org", language="en", network=NETWORK)
    handle_requests(app)
    tokens = {letter.template: letter.token for letter in letters(app)}
    tokens["manage"] = link_to_preferences(app, known(app).id).rpartition("/")[2]
    tokens["unsubscribe"] = app.keyring.make("unsubscribe", known(app).id)
    tokens["forged"] = app.keyring.make("manage", known(app).id, app.now())[:-1] + "_"
    opens: dict[str, Callable[[str], object]] = {
        "confirm": lambda token: offered(app, token),
        "move": lambda token: moving(app, token),
        "manage": lambda token: managed(app, token),
        "unsubscribe": lambda token: leave(app, token),
    }
    opened = {(token, door) for token in tokens for door in opens if opens[door](tokens[token])}
    assert opened == {(door, door) for door in opens}


@pytest.mark.parametrize(("template", "days"), [("confirm", 7), ("move", 7), ("manage", 1)])
def test_links_grow_old(app: App, time: Time, template: str, days: int) -> None:
    make_status(app, Status.CONFIRMED, BOB)
    if template == "confirm":
        ask(app)
    elif template == "move":
        ask_to_move(app, known(app, BOB).id, ANN, language="en", network=NETWORK)
    else:
        ask_for_link(app, BOB, language="en", network=NETWORK)
    handle_requests(app)
    (letter,) = letters(app)
    door = {"confirm": offered, "move": moving, "manage": managed}[template]
    time.sleep((days * DAY).total_seconds() - 1)
    assert door(app, letter.token)
    time.sleep(1)
    assert door(app, letter.token) is None
    time.now -= 2 * days * DAY  # before it was made
    assert door(app, letter.token) is None


def test_moving(app: App, time: Time) -> None:
    make_status(app, Status.PAUSED)
    before = known(app)
    old = link_to_preferences(app, before.id).rpartition("/")[2]
    ask_to_move(app, before.id, BOB, language="en", network=NETWORK)
    ask_to_move(app, before.id, "third@example.org", language="en", network=NETWORK)
    handle_requests(app)
    first, second = letters(app)
    time.sleep(60)
    assert moving(app, first.token)
    moved = move(app, first.token)
    assert moved == replace(before, email=BOB, links_since=app.now())
    assert find(app) is None
    assert move(app, first.token) is None  # it was used
    assert move(app, second.token) is None  # it was asked for from where they are no more
    assert managed(app, old) is None


def test_an_address_that_somebody_has_is_not_moved_to(app: App) -> None:
    make_status(app, Status.CONFIRMED)
    ask_to_move(app, known(app).id, BOB, language="en", network=NETWORK)
    handle_requests(app)
    (letter,) = letters(app)
    make_status(app, Status.PENDING, BOB)  # meanwhile
    assert move(app, letter.token) is None
    ask_to_move(app, known(app).id, BOB, language="en", network=NETWORK)
    assert handle_requests(app) == 1
    assert letters(app) == [letter]
    assert known(app).status is Status.CONFIRMED


@pytest.mark.parametrize("status", Status)
def test_leaving_from_any_status_again_and_again(app: App, time: Time, status: Status) -> None:
    make_status(app, status)
    token = app.keyring.make("unsubscribe", known(app).id)
    time.sleep((4000 * DAY).total_seconds())
    for _ in range(2):
        assert leave(app, token)
        assert known(app).status is Status.UNSUBSCRIBED
    app.subscriptions.remove(ANN, now=app.now())
    assert leave(app, token)
    forged = app.keyring.make("unsubscribe", 1)
    assert not leave(app, forged[:-1] + ("A" if forged[-1] != "A" else "Q"))


def test_no_address_and_no_query_is_in_the_log(app: App, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    joined(app, choice=Choice((), ("ti:secret",)))
    ask(app, BOB, Choice(("No Such Topic",), ("ti:secret",)))
    handle_requests(app)
    said = caplog.text
    assert app.fingerprint(ANN) in said
    assert "@" not in said
    assert "secret" not in said
    assert not any(letter.link and letter.token in said for letter in letters(app))


def test_the_heart_forgets_once_an_hour(app: App, time: Time) -> None:
    time.now += 14 * HOUR  # after the hours in which editions are begun
    heart = Heartbeat(app, lambda _seconds: True)
    ask_and_handle(app)
    heart.beat()
    assert find(app)
    time.sleep((7 * DAY).total_seconds())
    heart.beat()
    assert find(app) is None
    ask_and_handle(app)
    with app.storage.write():
        app.storage.requests.expect(known(app).id, time.now)
    time.sleep(HOUR.total_seconds() - 1)
    heart.beat()
    assert find(app)
    time.sleep(1)
    heart.beat()
    assert find(app) is None


def test_a_transaction_inside_another_is_undone_by_itself(app: App) -> None:
    def put(*names: str) -> None:
        """Each inside the one before; those that begin with a minus fail."""
        with suppress(UsageError), app.storage.write():
            app.storage.database.execute("INSERT INTO settings (name, value) VALUES (?, '')", names[:1])
            if names[1:]:
                put(*names[1:])
            if names[0].startswith("-"):
                raise UsageError

    put("outer", "inner", "-fails")
    put("second", "-fails", "with it")
    put("third", "-fails", "-too")
    rows = app.storage.database.rows("SELECT name FROM settings WHERE value = ''")
    assert {row["name"] for row in rows} == {"outer", "inner", "second", "third"}

"""Subscribers: their addresses and their verbs."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from house import bring, day, make_app, make_paper, subscribe

from newsletter.addresses import check_address, same_address, split_mailbox, wire_address
from newsletter.app import App
from newsletter.errors import AddressError, QueryError, UsageError
from newsletter.model import Choice, Frequency, Preferences, Rhythm, Status, Subscriber, Suppression
from newsletter.settling import settle
from newsletter.subscriptions import Outcome

ANN = "ann@example.org"
TOPICS = ("Graph Neural Networks", "Time Series")


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = make_app(tmp_path, topics=TOPICS)
    yield app
    app.close()


def known(app: App, email: str = ANN) -> Subscriber:
    found = app.subscriptions.find(email)
    assert found is not None
    return found


def become(app: App, status: Status, email: str = ANN) -> None:
    """Add a subscriber of a status."""
    when: Any = {"today": app.today(), "now": app.now()}
    app.subscriptions.subscribe(email, Choice(), confirmed=status is not Status.PENDING, **when)
    if status is Status.PAUSED:
        app.subscriptions.pause(email, **when)
    if status is Status.UNSUBSCRIBED:
        app.subscriptions.unsubscribe(email, **when)


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("address", "normal"),
    [(" Ann@EXAMPLE.org ", "Ann@example.org"), ("ann@xn--bcher-kva.example", "ann@bücher.example")],
)
def test_addresses_in_their_normal_form(address: str, normal: str) -> None:
    assert check_address(address) == normal


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "ann@",
        "@example.org",
        "a b@example.org",
        "ann@localhost",
        "ann@lab.local",
        "ann@example..org",
        "ann@example.org\nBcc: x@example.org",
        "ann@\ufffd.org",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(AddressError, match="is not an e-mail address"):
        check_address(address)


def test_local_domains() -> None:
    assert check_address("Ann@LAB.local", ["lab.local"]) == "Ann@lab.local"
    with pytest.raises(AddressError):
        check_address("a b@lab.local", ["lab.local"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@Example.org", "ann@EXAMPLE.ORG "),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("rene\u0301@example.org", "rené@example.org"),
    ],
)
def test_two_spellings_of_one_address(one: str, other: str) -> None:
    assert same_address(one) == same_address(other)


def test_mailboxes() -> None:
    assert split_mailbox('"Doe, Ann" <ann@example.org>') == ("Doe, Ann", ANN)
    assert split_mailbox(ANN) == ("", ANN)
    assert wire_address("ann@bücher.example") == "ann@xn--bcher-kva.example"


# ---------------------------------------------------------------- verbs


def test_subscribing(app: App) -> None:
    def add(*topics: str, queries: tuple[str, ...] = (), email: str = ANN) -> Outcome:
        return app.subscriptions.subscribe(
            email, Choice(topics, queries), confirmed=False, today=app.today(), now=app.now()
        )

    assert add("time SERIES", queries=(" ti:a  AND\tabs:b ",)) is Outcome.DONE
    assert known(app).topics == ("Time Series",)
    assert known(app).queries == ("ti:a AND abs:b",)
    assert known(app).status is Status.PENDING
    assert add(email="ANN@example.org") is Outcome.ALREADY
    with pytest.raises(UsageError, match=r"no topic 'Tme Series'; did you mean 'Time Series'\? \(there are: Graph"):
        add("Tme Series", email="bob@example.org")
    with pytest.raises(QueryError):
        add(queries=("ti:",), email="bob@example.org")
    assert app.subscriptions.find("bob@example.org") is None


@pytest.mark.parametrize(
    ("status", "verb", "after"),
    [
        (Status.PENDING, "confirm", Status.CONFIRMED),
        (Status.PENDING, "pause", None),
        (Status.PENDING, "resume", None),
        (Status.PENDING, "unsubscribe", Status.UNSUBSCRIBED),
        (Status.CONFIRMED, "confirm", Outcome.ALREADY),
        (Status.CONFIRMED, "pause", Status.PAUSED),
        (Status.CONFIRMED, "resume", Outcome.ALREADY),
        (Status.CONFIRMED, "unsubscribe", Status.UNSUBSCRIBED),
        (Status.PAUSED, "confirm", Status.CONFIRMED),
        (Status.PAUSED, "pause", Outcome.ALREADY),
        (Status.PAUSED, "resume", Status.CONFIRMED),
        (Status.PAUSED, "unsubscribe", Status.UNSUBSCRIBED),
        (Status.UNSUBSCRIBED, "confirm", Status.CONFIRMED),
        (Status.UNSUBSCRIBED, "pause", None),  # or `resume` would bring back one who left
        (Status.UNSUBSCRIBED, "resume", None),
        (Status.UNSUBSCRIBED, "unsubscribe", Outcome.ALREADY),
    ],
)
def test_who_becomes_what(app: App, status: Status, verb: str, after: Status | Outcome | None) -> None:
    become(app, status)

    def run() -> Outcome:
        outcome: Outcome = getattr(app.subscriptions, verb)(ANN, today=app.today(), now=app.now())
        return outcome

    if after is None:
        with pytest.raises(UsageError, match=f"{ANN} is {status}, not "):
            run()
    else:
        assert run() is (after if isinstance(after, Outcome) else Outcome.DONE)
    assert known(app).status is (after if isinstance(after, Status) else status)


def test_nobody_is_unknown_everywhere(app: App) -> None:
    for verb in ("confirm", "pause", "resume", "unsubscribe"):
        assert getattr(app.subscriptions, verb)(ANN, today=app.today(), now=app.now()) is Outcome.UNKNOWN
    assert app.subscriptions.change(ANN, topics=(), today=app.today(), now=app.now()) is Outcome.UNKNOWN
    assert app.subscriptions.move(ANN, "anna@example.org", now=app.now()) is Outcome.UNKNOWN
    for verb in ("remove", "erase"):
        assert getattr(app.subscriptions, verb)(ANN, now=app.now()) is Outcome.UNKNOWN


def test_what_passes_during_a_pause_is_skipped(app: App) -> None:
    subscribe(app, ANN)
    app.subscriptions.pause(ANN, today=app.today(), now=app.now())
    bring(app, make_paper(1))
    settle(app, app.today())
    app.subscriptions.resume(ANN, today=app.today(), now=app.now())
    assert known(app).covered == day()


def test_changing_what_one_gets(app: App) -> None:
    subscribe(app, ANN, topics=["Time Series"], queries=["ti:a"])
    when: Any = {"today": app.today(), "now": app.now()}
    weekly = Preferences(Rhythm(Frequency.WEEKLY))
    app.subscriptions.change(ANN, topics=["Graph Neural Networks"], preferences=weekly, **when)
    assert known(app).choice == Choice(("Graph Neural Networks",), ("ti:a",), weekly)
    app.subscriptions.change(ANN, topics=(), queries=(), **when)
    assert known(app).choice == Choice(preferences=weekly)


def test_a_query_is_kept_no_longer_than_somebody_has_it(app: App) -> None:
    def kept() -> set[str]:
        return {topic.query for topic in app.storage.topics.all() if topic.personal} - {""}

    subscribe(app, ANN, queries=["ti:mine", "ti:ours"])
    subscribe(app, "bob@example.org", queries=["TI:Ours"])
    assert kept() == {"ti:mine", "ti:ours"}
    app.subscriptions.change(ANN, queries=["ti:ours", "ti:new"], today=app.today(), now=app.now())
    assert kept() == {"ti:mine", "ti:ours", "ti:new"}  # taking it again must not tell again what it told
    app.subscriptions.remove(ANN, now=app.now())
    assert kept() == {"ti:ours"}
    subscribe(app, "cem@example.org", queries=["ti:mine", "ti:new"])
    assert kept() == {"ti:ours", "ti:mine", "ti:new"}
    assert [topic.query for topic in app.storage.topics.asked()][2:] == ["ti:ours", "ti:mine", "ti:new"]


def test_suppression_needs_no_subscriber_and_the_first_reason_stays(app: App) -> None:
    assert app.subscriptions.suppress("ANN@example.org", Suppression.BOUNCE, now=app.now()) is Outcome.DONE
    assert app.subscriptions.suppress(ANN, Suppression.MANUAL, now=app.now()) is Outcome.ALREADY
    assert app.storage.subscribers.suppression(ANN) is Suppression.BOUNCE
    outcome = app.subscriptions.subscribe(ANN, Choice(), confirmed=True, today=app.today(), now=app.now())
    assert outcome is Outcome.SUPPRESSED
    assert app.subscriptions.unsuppress("Ann@Example.org", today=app.today()) is Outcome.DONE
    assert app.subscriptions.unsuppress(ANN, today=app.today()) is Outcome.ALREADY


def test_a_new_name_takes_over_history_and_subscribers(tmp_path: Path) -> None:
    before = make_app(tmp_path, topics=["Old Name", "Time Series"])
    subscribe(before, ANN, topics=["Old Name"])
    subscribe(before, "bob@example.org", topics=["old name", "Time Series"])
    before.close()
    after = make_app(tmp_path, topics=["New Name", "Time Series"])
    assert [topic.name for topic in after.storage.topics.all() if topic.sleeping] == ["Old Name"]
    after.storage.topics.merge("old name", "new name")
    assert known(after).topics == ("New Name",)
    assert known(after, "bob@example.org").topics == ("New Name", "Time Series")
    assert not [topic for topic in after.storage.topics.all() if topic.sleeping]
    after.close()


def test_no_more_queries_than_are_fetched(tmp_path: Path) -> None:
    app = make_app(tmp_path, arxiv={"max_queries": 2})
    subscribe(app, ANN, queries=["ti:one", "ti:two"])
    with pytest.raises(UsageError, match="max_queries"):
        subscribe(app, "bob@example.org", queries=["ti:three"])
    assert app.subscriptions.find("bob@example.org") is None
    subscribe(app, "bob@example.org", queries=["TI:two"])  # shared ones count once
    with pytest.raises(UsageError, match="max_queries"):
        app.subscriptions.change(ANN, queries=["ti:one", "ti:three"], today=app.today(), now=app.now())
    assert known(app).queries == ("ti:one", "ti:two")
    app.close()


# ---------------------------------------------------------------- pauses, moves, and being forgotten


def test_a_pause_with_a_date_ends_by_itself(app: App) -> None:
    subscribe(app, ANN)
    today = app.today()
    with pytest.raises(UsageError, match=f"allowed: a date after {today}"):
        app.subscriptions.pause(ANN, until=today, today=today, now=app.now())
    assert known(app).status is Status.CONFIRMED
    until = today + timedelta(days=3)
    app.subscriptions.pause(ANN, until=until, today=today, now=app.now())
    assert known(app).paused_until == until
    later = until + timedelta(days=1)
    assert app.subscriptions.pause(ANN, until=later, today=today, now=app.now()) is Outcome.ALREADY
    assert app.subscriptions.resume_rested(today=until, now=app.now()) == 0
    assert app.subscriptions.resume_rested(today=later, now=app.now()) == 1
    assert (known(app).status, known(app).paused_until) == (Status.CONFIRMED, None)


def test_a_move_takes_everything_along(app: App) -> None:
    subscribe(app, ANN, topics=["Time Series"], queries=["ti:a"])
    subscribe(app, "bob@example.org")
    before = known(app)
    with pytest.raises(UsageError, match=r"Bob@example\.org is known already, confirmed"):
        app.subscriptions.move(ANN, "Bob@Example.org", now=app.now())
    assert app.subscriptions.move(ANN, "anna@example.org", now=app.now()) is Outcome.DONE
    after = known(app, "anna@example.org")
    assert app.subscriptions.find(ANN) is None
    assert (after.id, after.choice) == (before.id, before.choice)
    assert after.links_since == app.now()
    assert app.subscriptions.move("anna@example.org", "Anna@example.org", now=app.now()) is Outcome.DONE
    assert known(app, "anna@example.org").email == "Anna@example.org"
    assert app.subscriptions.move("anna@example.org", "Anna@example.org", now=app.now()) is Outcome.ALREADY


def test_who_was_erased_is_known_by_a_hash_alone_and_never_mailed(app: App) -> None:
    subscribe(app, ANN)
    subscribe(app, "bob@example.org")
    assert app.subscriptions.erase(ANN, now=app.now()) is Outcome.DONE
    assert app.subscriptions.find(ANN) is None
    assert not [line for line in app.storage.database.tables.conn.iterdump() if "ann@" in line.casefold()]
    assert app.storage.subscribers.suppression("ANN@example.org") is Suppression.MANUAL
    subscribe(app, ANN)
    assert known(app).suppressed is Suppression.MANUAL
    app.subscriptions.erase(ANN, now=app.now())
    assert app.subscriptions.move("bob@example.org", ANN, now=app.now()) is Outcome.SUPPRESSED
    assert known(app).suppressed is Suppression.MANUAL  # else claims would find nothing against it

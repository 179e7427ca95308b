"""All that is held of one person: complete, whatever tables there are, and of nobody else."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from house import bring, make_app, make_paper, subscribe

from newsletter.addresses import keyed, same_address
from newsletter.app import App
from newsletter.model import Suppression
from newsletter.settling import settle
from newsletter.storage.consents import Consent
from newsletter.storage.requests import Asked, NewRequest
from newsletter.storage.singles import Single
from newsletter.subscriptions.holdings import holdings

ANN, BOB = "ann@example.org", "bob@example.org"

#: What tells of a subscriber and is not told as it lies there, by table and column, with the reason.
NOT_AS_IT_IS = {
    "subscribers.folded": "the address once more",
    "subscribers.weekday": "told by name",
    "subscribers.revised": "told as true or false",
    "subscriptions.subscriber_id": "told by what it stands for: topics and queries",
    "subscriptions.topic_id": "told by what it stands for: topics and queries",
    "suppressions.folded": "the address once more, or a hash of it",
    "requests.address": "a hash of the address",
    "requests.subscriber_id": "their number",
    "unconfirmed.subscriber_id": "their number",
    "consents.id": "a number that stands for nothing",
    "consents.subscriber_id": "their number",
    "deliveries.subscriber_id": "their number",
    "deliveries.chosen": "told by what it stands for: topics and queries",
    "deliveries.payload": "told but for what goes into the mail: its link may be there to prove who reads it",
    "bounces.id": "a number that stands for nothing",
    "bounces.subscriber_id": "their number",
    "scores.subscriber_id": "their number",
}
#: Tables with a column that could be taken for one about a subscriber.
ABOUT_NOBODY = {
    "collected": "mail: a name in the bounce mailbox, forgotten once the mail has gone",
    "topics": "folded: a name that the operator gave",
}


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = make_app(tmp_path, topics=("Graph Neural Networks", "Time Series"), newsletter={"base_url": "https://x.org"})
    yield app
    app.close()


def held(app: App, email: str) -> dict[str, Any]:
    subscriber = app.subscriptions.find(email)
    assert subscriber is not None
    found = holdings(app.storage, subscriber)
    assert json.loads(json.dumps(found)) == found
    return found


def tables(app: App) -> list[str]:
    rows = app.storage.database.rows("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    return [row["name"] for row in rows if not row["name"].startswith("sqlite_")]


def columns(app: App, table: str) -> dict[str, str]:
    """The columns of a table, and what they hold."""
    rows = app.storage.database.rows("SELECT name, type FROM pragma_table_xinfo(?)", (table,))
    return {row["name"]: row["type"] for row in rows}


def tells_of_subscribers(app: App, table: str) -> bool:
    refers = app.storage.database.rows('SELECT "table" AS other FROM pragma_foreign_key_list(?)', (table,))
    named = {"subscriber_id", "email", "folded", "address", "recipient", "reader_id", "mail"} & columns(
        app, table
    ).keys()
    return table == "subscribers" or bool(named) or "subscribers" in {row["other"] for row in refers}


def test_each_table_that_tells_of_somebody_is_accounted_for(app: App) -> None:
    covered = {name.partition(".")[0] for name in NOT_AS_IT_IS}
    assert {table for table in tables(app) if tells_of_subscribers(app, table)} == covered | ABOUT_NOBODY.keys()


def marked(app: App, table: str, email: str, number: int) -> dict[str, Any]:
    """A row about somebody in which everything that can be is a mark of theirs."""
    row: dict[str, Any] = {}
    name = email.partition("@")[0]
    for position, (column, kind) in enumerate(columns(app, table).items()):
        row[column] = f"{name}-{table}-{column}" if kind == "TEXT" else 1_000_003 * number + position
    keys = {"subscriber_id": number, "folded": same_address(email), "address": keyed(app.storage.keys.addresses, email)}
    row.update({column: value for column, value in keys.items() if column in row})
    return row


def put(app: App, table: str, row: dict[str, Any]) -> None:
    places = ", ".join(f":{name}" for name in row)
    app.storage.database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", row)


def fill(app: App, email: str) -> set[str]:
    """Put something into every column that tells of a subscriber; what has to be told then."""
    subscribe(app, email)
    subscriber = app.subscriptions.find(email)
    assert subscriber is not None
    marks: set[str] = set()
    with app.storage.write():
        for table in sorted({name.partition(".")[0] for name in NOT_AS_IT_IS} - {"subscribers", "subscriptions"}):
            row = marked(app, table, email, subscriber.id)
            if table == "deliveries":
                row |= {"chosen": "", "payload": '{"template": "confirm", "to": "new", "values": {"link": "SECRET"}}'}
            if table == "requests":
                row["wish"] = json.dumps([row["wish"]])
            if table == "suppressions":
                row["reason"] = "manual"
            put(app, table, row)
            told = (str(value) for name, value in row.items() if f"{table}.{name}" not in NOT_AS_IT_IS)
            marks |= {re.sub(r'[\[\]"]', "", value) for value in told}
        place = {"turned": "-turned", "next": "-next", "links_since": "2026-01-06T08:09:10Z"}
        for column, value in place.items():
            value = f"{email}{value}" if value.startswith("-") else value
            app.storage.database.execute(f"UPDATE subscribers SET {column} = ? WHERE id = ?", (value, subscriber.id))
            marks.add(value)
    return marks


def test_everything_that_lies_there_is_told_and_nothing_of_anybody_else(app: App) -> None:
    marks = {email: fill(app, email) for email in (ANN, BOB)}
    assert len(marks[ANN]) > 40
    for email, other in ((ANN, BOB), (BOB, ANN)):
        told = json.dumps(held(app, email))
        assert [mark for mark in marks[email] if mark not in told] == []
        assert [mark for mark in marks[other] - marks[email] if mark in told] == []
        assert "SECRET" not in told


def test_every_column_of_a_subscriber_is_told(app: App) -> None:
    subscribe(app, ANN)
    told = held(app, ANN)["subscriber"].keys() | {"id"}
    skipped = {name.partition(".")[2] for name in NOT_AS_IT_IS if name.startswith("subscribers.")}
    assert columns(app, "subscribers").keys() - skipped <= told


# ---------------------------------------------------------------- what it looks like


def test_somebody_with_a_past(app: App) -> None:
    wishes = {"frequency": "weekly", "weekday": "friday", "hour": "7", "zone": "Europe/Berlin", "language": "de"}
    subscribe(app, ANN, topics=["Time Series"], queries=["ti:graph"], **wishes)
    subscribe(app, BOB, queries=["ti:secret"])
    ann = app.subscriptions.find(ANN)
    assert ann is not None
    with app.storage.write():
        app.storage.consents.add(ann.id, Consent(app.now(), "web", "Yes, mail me.", "en"))
        app.storage.requests.put(NewRequest(Asked.LINK, ANN, {"language": "de"}, "", ann.id), app.now())
        single = Single("manage", {"newsletter": "Daily Papers", "day": "2026-01-06", "link": "https://x.org/p/SECRET"})
        later = app.now() + timedelta(days=1)
        app.storage.deliveries.queue_single(
            single, "s1@example.org", day=app.today(), expires=later, now=app.now(), subscriber_id=ann.id
        )
    app.subscriptions.change(ANN, preferences=None, today=app.today(), now=app.now())
    app.subscriptions.suppress(ANN, Suppression.BOUNCE, now=app.now())
    found = held(app, ANN)
    expected = {
        "email": ANN,
        "status": "confirmed",
        "suppressed": "bounce",
        "topics": ["Time Series"],
        "queries": ["ti:graph"],
        "weekday": "friday",
        "hour": 7,
        "zone": "Europe/Berlin",
        "revised": True,
        "language": "de",
        "paused_until": None,
        "created": "2026-01-06T07:00:00Z",
    }
    assert expected.items() <= found["subscriber"].items()
    assert found["consents"] == [
        {"given": "2026-01-06T07:00:00Z", "how": "web", "text": "Yes, mail me.", "language": "en"}
    ]
    assert [(one["kind"], one["wish"]) for one in found["requests"]] == [("link", {"language": "de"})]
    (mail,) = found["deliveries"]
    assert (mail["kind"], mail["template"], mail["queued"]) == ("single", "manage", "2026-01-06T07:00:00Z")
    assert "SECRET" not in json.dumps(found)


def test_what_a_digest_was_of(app: App) -> None:
    subscribe(app, ANN, topics=["Graph Neural Networks"], queries=["ti:graph"])
    bring(app, make_paper(1))
    settle(app, app.today())
    (digest,) = held(app, ANN)["deliveries"]
    assert (digest["kind"], digest["status"]) == ("digest", "queued")
    assert digest["chosen"] == ["Graph Neural Networks", "ti:graph"]
    assert (digest["upto"], digest["attempts"], digest["tried"]) == ("2026-01-06", 0, None)


def test_who_else_asked_about_the_address_is_not_told(app: App) -> None:
    subscribe(app, ANN, BOB)
    bob = app.subscriptions.find(BOB)
    assert bob is not None
    with app.storage.write():
        wish = {"language": "en", "topics": ["Moths"]}
        asked = NewRequest(Asked.MOVE, ANN, wish, "a network", bob.id)
        assert app.storage.requests.add(asked, per_network=1, in_total=1, now=app.now())
    (request,) = held(app, ANN)["requests"]
    assert (request["kind"], request["made"]) == ("move", "2026-01-06T07:00:00Z")
    assert (request["email"], request["wish"], request["network"]) == ("", {}, "")
    (request,) = held(app, BOB)["requests"]
    assert request["email"] == ANN

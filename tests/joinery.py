"""What visitors do with the pages behind the web front's forms and mailed links."""

import re
from typing import Any

from letters import Letter, letters
from webfront import WebFront
from werkzeug.test import TestResponse

from newsletter.joining import handle_requests
from newsletter.model import Choice, Status, Subscriber

ANN, BOB = "ann@example.org", "bob@example.org"
VALID = {"which": "all", "frequency": "daily"}


def opened(front: WebFront, path: str = "/subscribe") -> str:
    """What a form that was opened a while ago carries."""
    token = field(front.page(path), "opened")
    front.time.sleep(10)
    return token


def field(html: str, name: str) -> str:
    """The value of a hidden field."""
    match = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)">', html)
    assert match, f"no field {name}"
    return match[1]


def ask(front: WebFront, email: str = ANN, **others: Any) -> TestResponse:
    """Send the form to subscribe."""
    sent = {"email": email, "opened": opened(front), **VALID, **others}
    return front.client.post("/subscribe", data=sent)


def newest(front: WebFront) -> Letter:
    """What was mailed last, once the inbox is handled."""
    handle_requests(front.app)
    return letters(front.app)[-1]


def press(front: WebFront, path: str, **sent: Any) -> TestResponse:
    """Press the button of a page, with what its form carries."""
    html = front.page(path)
    carried = {"shown": field(html, "shown")} if 'name="shown"' in html else {}
    return front.client.post(path, data=carried | sent)


def make(front: WebFront, status: Status = Status.CONFIRMED, email: str = ANN, **choice: Any) -> Subscriber:
    """A subscriber of a status, as the operator makes one."""
    app = front.app
    today, now = app.today(), app.now()
    app.subscriptions.subscribe(email, Choice(**choice), confirmed=status is not Status.PENDING, today=today, now=now)
    if status is Status.PAUSED:
        app.subscriptions.pause(email, today=today, now=now)
    elif status is Status.UNSUBSCRIBED:
        app.subscriptions.unsubscribe(email, today=today, now=now)
    return known(front, email)


def known(front: WebFront, email: str = ANN) -> Subscriber:
    """The subscriber of an address."""
    found = front.app.subscriptions.find(email)
    assert found is not None
    return found


def own_page(front: WebFront, subscriber: Subscriber) -> str:
    """The path of a reader's own page."""
    return f"/p/{front.app.keyring.make('manage', subscriber.id, front.app.now())}"


def held(front: WebFront) -> str:
    """The whole database as text."""
    return "\n".join(front.app.storage.database.tables.conn.iterdump())

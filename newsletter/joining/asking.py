"""Put what is asked for on the web into the inbox."""

from collections.abc import Mapping
from typing import Any

from newsletter.app import App
from newsletter.model import Choice
from newsletter.storage.requests import Asked, NewRequest
from newsletter.subscriptions.wishes import read_preferences, write_preferences

PER_NETWORK = 20  # requests an hour
IN_TOTAL = 500  # requests an hour


def ask_to_subscribe(app: App, email: str, choice: Choice, *, language: str, network: str) -> bool:
    """Somebody wants to get this at a checked address; `language` is of the page they asked on.

    False: too many asked within the last hour, from their `network` (not empty) or from everywhere.
    """
    wish = {
        "language": language,
        "topics": choice.topics,
        "queries": choice.queries,
        "preferences": write_preferences(choice.preferences),
    }
    return _ask(app, NewRequest(Asked.SUBSCRIBE, email, wish, network))


def ask_for_link(app: App, email: str, *, language: str, network: str) -> bool:
    """Somebody wants to change what a checked address gets. As `ask_to_subscribe`."""
    return _ask(app, NewRequest(Asked.LINK, email, {"language": language}, network))


def ask_to_move(app: App, subscriber_id: int, email: str, *, language: str, network: str) -> bool:
    """A reader wants their mail at another checked address. As `ask_to_subscribe`."""
    return _ask(app, NewRequest(Asked.MOVE, email, {"language": language}, network, subscriber_id))


def to_choice(wish: Mapping[str, Any]) -> Choice:
    """The choice that lies in a request. Raises `UsageError` for what was never allowed."""
    return Choice(tuple(wish["topics"]), tuple(wish["queries"]), read_preferences(wish["preferences"]))


def _ask(app: App, new: NewRequest) -> bool:
    with app.storage.write():
        return app.storage.requests.add(new, per_network=PER_NETWORK, in_total=IN_TOTAL, now=app.now())

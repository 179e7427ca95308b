"""What mailed links are about, and what they do once their button is pressed.

Each says one thing only: one to confirm opens no preferences, and one to leave does nothing but that.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from newsletter.app import App
from newsletter.errors import UsageError
from newsletter.joining.asking import to_choice
from newsletter.mail.tokens import Token
from newsletter.model import Status, Subscriber
from newsletter.queueing import queue_welcome
from newsletter.storage.consents import Consent
from newsletter.storage.requests import Asked, Request
from newsletter.storage.singles import Single

CONFIRM_FOR = timedelta(days=7)  # how long such a link does something
MOVE_FOR = timedelta(days=7)
MANAGE_FOR = timedelta(hours=24)
_CLOCK_SLACK = timedelta(minutes=1)
_WELCOME_WAITS = timedelta(days=2)


# ---------------------------------------------------------------- to confirm


@dataclass(frozen=True, slots=True)
class Offer:
    """What a link to confirm is about. `over`: there is nothing left to say yes to."""

    request: Request
    subscriber: Subscriber

    @property
    def wished(self) -> bool:
        """Whether what they asked for lies in the request still: they had left."""
        return self.subscriber.status is Status.UNSUBSCRIBED and "topics" in self.request.wish

    @property
    def over(self) -> bool:
        """Whether they are a reader already."""
        return self.subscriber.status in (Status.CONFIRMED, Status.PAUSED)


@dataclass(frozen=True, slots=True)
class Joined:
    """What became of a yes: whether they `joined` by it, and which of their queries were left out since arXiv's search
    is asked for no more. Who would be left with nothing has not joined."""

    subscriber: Subscriber
    joined: bool
    left_out: tuple[str, ...] = ()


def offered(app: App, token: str) -> Offer | None:
    """What a link to confirm is about; None if it is bad, old, or was used by one who left again."""
    found = _fresh(app, "confirm", token, CONFIRM_FOR)
    request = app.storage.requests.numbered(found.number) if found else None
    subscriber = app.subscriptions.find(request.subscriber_id or 0) if request else None
    if request is None or subscriber is None or app.storage.subscribers.suppression(subscriber.email):
        return None
    offer = Offer(request, _as_wished(subscriber, request))
    return None if request.used and not offer.over else offer


def _as_wished(subscriber: Subscriber, request: Request) -> Subscriber:
    """Who left, with what they asked for when they came back."""
    if not Offer(request, subscriber).wished:
        return subscriber
    choice = to_choice(request.wish)
    return replace(subscriber, topics=choice.topics, queries=choice.queries, preferences=choice.preferences)


def mark(text: str) -> str:
    """What stands for a text that was shown, so that a yes is to that and to no other."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def confirm(app: App, token: str, shown: str, text_for: Callable[[Subscriber], str], language: str) -> Joined | None:
    """Make the reader of a link one, with their consent to the text that was `shown` to them (its `mark`).

    `text_for` says what is shown to a subscriber, in `language`. None: it is another text by now, or the link is bad.
    """
    with app.storage.write():
        offer = offered(app, token)
        if offer is None or (not offer.over and mark(text_for(offer.subscriber)) != shown):
            return None
        if offer.wished:
            app.subscriptions.change(
                offer.subscriber.id,
                topics=offer.subscriber.topics,
                queries=offer.subscriber.queries,
                preferences=offer.subscriber.preferences,
                today=app.today(),
                now=app.now(),
            )
        joined = Joined(offer.subscriber, False) if offer.over else agree(app, offer.subscriber, text_for, language)
        if (offer.over or joined.joined) and not offer.request.used:
            app.storage.requests.use(offer.request.id, app.now())
        return joined


def agree(app: App, subscriber: Subscriber, text_for: Callable[[Subscriber], str], language: str) -> Joined:
    """Make somebody a reader who has just said yes to a text, and greet them; inside a write transaction."""
    kept = _queries_with_room(app, subscriber.queries)
    left_out = tuple(query for query in subscriber.queries if query not in kept)
    if left_out and not kept and not subscriber.topics:  # no topics and no queries would be everything
        return Joined(subscriber, False, left_out)
    text = text_for(subscriber)
    app.subscriptions.confirm(subscriber.id, today=app.today(), now=app.now())
    app.storage.consents.add(subscriber.id, Consent(app.now(), "web", text, language))
    if left_out:
        topics = app.storage.topics
        ids = [*(topics.named(name).id for name in subscriber.topics), *(topics.query(query).id for query in kept)]
        app.storage.subscribers.choose(subscriber.id, ids)
    if not queue_welcome(app, subscriber.id):
        _greet(app, subscriber.id, language)
    return Joined(subscriber, True, left_out)


def _queries_with_room(app: App, queries: Sequence[str]) -> list[str]:
    """Those of a reader's queries that arXiv's search may be asked for besides all that it is asked for now."""
    arxiv = app.config.arxiv
    if arxiv.source != "api":
        return list(queries)
    asked = {topic.query for topic in app.storage.topics.asked() if topic.personal}
    free = max(0, arxiv.max_queries - len(asked))
    new = [query for query in queries if query not in asked]
    return [query for query in queries if query in asked or query in new[:free]]


def _greet(app: App, subscriber_id: int, language: str) -> None:
    """Queue a few words for a new reader for whom there is nothing to read yet."""
    newsletter, today, token = app.config.newsletter, app.today(), app.keyring.make("unsubscribe", subscriber_id)
    places = {"preferences": app.places.preferences(), "leave": app.places.unsubscribe(token)}
    single = Single("welcome", {"newsletter": newsletter.name, **places}, language=language)
    message_id = f"{today:%Y%m%d}.{app.outside.token()}@{newsletter.domain}"
    expires = app.now() + _WELCOME_WAITS
    app.storage.deliveries.queue_single(
        single, message_id, day=today, expires=expires, now=app.now(), subscriber_id=subscriber_id
    )


# ---------------------------------------------------------------- to choose


def link_to_preferences(app: App, subscriber_id: int) -> str:
    """Where a subscriber changes everything; for whom the address is known to be theirs."""
    return app.places.preferences(token_for_preferences(app, subscriber_id))


def token_for_preferences(app: App, subscriber_id: int) -> str:
    """The token in that link."""
    return app.keyring.make("manage", subscriber_id, app.now())


def managed(app: App, token: str) -> Subscriber | None:
    """Whose preferences a link opens; None if it is bad or old, or their address is another since."""
    found = _fresh(app, "manage", token, MANAGE_FOR)
    subscriber = app.subscriptions.find(found.number) if found else None
    return subscriber if subscriber and found and _counts(subscriber, found.made) else None


# ---------------------------------------------------------------- to move


@dataclass(frozen=True, slots=True)
class Moving:
    """What a link to move is about: who gets mail at which address from then on."""

    request: Request
    subscriber: Subscriber

    @property
    def email(self) -> str:
        """The new address."""
        return self.request.email


def moving(app: App, token: str) -> Moving | None:
    """What a link to move is about; None if it is bad or old, was used, or they have moved elsewhere since."""
    found = _fresh(app, "move", token, MOVE_FOR)
    request = app.storage.requests.numbered(found.number) if found else None
    if found is None or request is None or request.kind is not Asked.MOVE or not request.email:
        return None
    subscriber = app.subscriptions.find(request.subscriber_id or 0)
    return Moving(request, subscriber) if subscriber and _counts(subscriber, found.made) else None


def move(app: App, token: str) -> Subscriber | None:
    """Give the subscriber of a link the address that it was mailed to; None if it is bad, or somebody has that now."""
    with app.storage.write():
        found = moving(app, token)
        if found is None or app.storage.subscribers.suppression(found.email):
            return None
        try:
            app.subscriptions.move(found.subscriber.id, found.email, now=app.now())
        except UsageError:
            return None
        app.storage.requests.use(found.request.id, app.now())
        return app.subscriptions.find(found.subscriber.id)


# ---------------------------------------------------------------- to leave, and to come back


def is_to_leave(app: App, token: str) -> bool:
    """Whether a link to leave is ours. It never grows old."""
    return app.keyring.read("unsubscribe", token) is not None


def leave(app: App, token: str) -> bool:
    """Send nothing any more to the subscriber of a link, if they are one still; False if the link is bad."""
    found = app.keyring.read("unsubscribe", token)
    if found is None:
        return False
    app.subscriptions.unsubscribe(found.number, today=app.today(), now=app.now())
    return True


def resuming(app: App, token: str, within: timedelta) -> Subscriber | None:
    """Who says by a link that mail arrives again; None if it is bad, or was made longer ago than `within`."""
    found = _fresh(app, "resume", token, within)
    subscriber = app.subscriptions.find(found.number) if found else None
    return subscriber if subscriber and found and _counts(subscriber, found.made) else None


def _fresh(app: App, purpose: str, token: str, lifetime: timedelta) -> Token | None:
    """What a token says that is not too old."""
    found = app.keyring.read(purpose, token, timed=True)
    if found is None or found.made is None:
        return None
    return found if -_CLOCK_SLACK <= app.now() - found.made < lifetime else None


def _counts(subscriber: Subscriber, made: datetime | None) -> bool:
    """Whether a link was made after the last one that voided those before it."""
    return subscriber.links_since is None or (made is not None and made >= subscriber.links_since)

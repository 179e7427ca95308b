"""Decide what becomes of a request, and queue the one mail that it may make."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from newsletter.app import App
from newsletter.errors import StorageError, UsageError
from newsletter.joining.asking import to_choice
from newsletter.joining.links import CONFIRM_FOR, MANAGE_FOR, link_to_preferences
from newsletter.model import Status, Subscriber
from newsletter.storage.requests import Asked, NewRequest, Request
from newsletter.storage.singles import Single
from newsletter.subscriptions import Outcome

log = logging.getLogger(__name__)

MAIL_PAUSE = timedelta(hours=24)  # between two mails to one address, whatever was asked for and by whom
KEPT_FOR = timedelta(days=7)  # requests
_WAITS = {"confirm": timedelta(days=3), "move": timedelta(days=3)}  # in the queue at most; other links are short-lived
_WAITS_ELSE = MANAGE_FOR / 2


@dataclass(frozen=True, slots=True)
class _Answer:
    """Whom a request is about, and which mail answers it."""

    subscriber: Subscriber
    template: str
    link: str


def handle_requests(app: App, most: int | None = None) -> int:
    """Handle what waits in the inbox, each in one write transaction, so that it is handled once whoever dies meanwhile.

    Returns how many were handled, `most` at most. Raises `StorageError`.
    """
    handled = 0
    while handled != most and app.storage.requests.waiting() is not None:
        with app.storage.write():
            request = app.storage.requests.waiting()  # another process may have been faster
            if request is not None:
                _handle(app, request)
                handled += 1
    return handled


def invite(app: App, email: str) -> Outcome:
    """Mail a pending subscriber the question whether they want this. ALREADY: one was mailed to them within a day.

    Raises:
        UsageError: they are not pending; or there is no web front to confirm on.

    """
    if not app.places.web:
        raise UsageError("to invite somebody takes a page to confirm on: set [newsletter] base_url")
    with app.storage.write():
        subscriber = app.subscriptions.find(email)
        if subscriber is None:
            return Outcome.UNKNOWN
        if subscriber.status is not Status.PENDING:
            raise UsageError(f"{subscriber.email} is {subscriber.status}, not {Status.PENDING}")
        if app.storage.subscribers.suppression(subscriber.email):
            return Outcome.SUPPRESSED
        wish = {"language": subscriber.preferences.look.language}
        request = app.storage.requests.put(NewRequest(Asked.INVITE, subscriber.email, wish), app.now())
        if not app.storage.requests.is_expected(subscriber.id):
            app.storage.requests.expect(subscriber.id, app.now() + CONFIRM_FOR)
        mailed = _mail(app, request, _confirmation(app, request, subscriber))
        app.storage.requests.close(request.id, subscriber.id, app.now())
    return Outcome.DONE if mailed else Outcome.ALREADY


def forget_unconfirmed(app: App) -> int:
    """Forget who was asked by mail whether they want this, and has not said so in time; and requests of long ago.

    Returns how many subscribers were forgotten. Raises `StorageError`.
    """
    forgotten = 0
    for subscriber_id in app.storage.requests.expired(app.now()):
        with app.storage.write():
            subscriber = app.subscriptions.find(subscriber_id)
            if subscriber is not None and subscriber.status is Status.PENDING:  # still
                app.subscriptions.remove(subscriber_id, now=app.now())
                forgotten += 1
    if app.storage.requests.forget(app.now() - KEPT_FOR, app.now()) or forgotten:
        app.storage.fold_in()
    return forgotten


def _handle(app: App, request: Request) -> None:
    answer, mailed = None, False
    try:
        with app.storage.write():
            answer = _answer(app, request)
            mailed = answer is not None and _mail(app, request, answer)
    except StorageError:
        raise
    except Exception as error:  # noqa: BLE001 - one that breaks must not keep back all that came after it
        # No more than its kind: what a stranger typed may stand in its words.
        log.warning("request=%d cannot be fulfilled: %s", request.id, type(error).__name__)
    whom = answer.subscriber if answer else None
    app.storage.requests.close(
        request.id,
        whom.id if whom else request.subscriber_id,
        app.now(),
        keep_address=mailed and request.kind is Asked.MOVE,
        keep_wish=mailed and whom is not None and whom.status is Status.UNSUBSCRIBED,
    )
    sent = answer.template if answer and mailed else "none"
    log.info("request=%d for=%s address=%s mail=%s", request.id, request.kind, app.fingerprint(request.email), sent)


def _answer(app: App, request: Request) -> _Answer | None:
    """What answers a request; None if nobody is mailed."""
    if app.storage.subscribers.suppression(request.email):
        return None
    subscriber = app.subscriptions.find(request.email)
    if request.kind is Asked.MOVE:
        mover = app.subscriptions.find(request.subscriber_id or 0)
        token = app.keyring.make("move", request.id, app.now())
        return _Answer(mover, "move", app.places.move(token)) if mover and not subscriber else None
    if request.kind is Asked.LINK:
        return _Answer(subscriber, "manage", link_to_preferences(app, subscriber.id)) if subscriber else None
    if subscriber is not None and subscriber.status in (Status.CONFIRMED, Status.PAUSED):
        return _Answer(subscriber, "already", link_to_preferences(app, subscriber.id))
    return _confirmation(app, request, _pencil_in(app, request, subscriber))


def _pencil_in(app: App, request: Request, subscriber: Subscriber | None) -> Subscriber:
    """Keep what was chosen, for when it is confirmed: the newest choice counts. That of one who left stays in the
    request until then, lest a stranger change what they had."""
    choice, today, now = to_choice(request.wish), app.today(), app.now()
    if subscriber is None:
        app.subscriptions.subscribe(request.email, choice, confirmed=False, today=today, now=now)
    elif subscriber.status is not Status.UNSUBSCRIBED:
        chosen = {"topics": choice.topics, "queries": choice.queries}
        app.subscriptions.change(subscriber.id, **chosen, preferences=choice.preferences, today=today, now=now)
    found = app.subscriptions.find(request.email)
    assert found is not None  # noqa: S101 - just added, or there before, in this transaction
    if subscriber is None:
        app.storage.requests.expect(found.id, now + CONFIRM_FOR)
    return found


def _confirmation(app: App, request: Request, subscriber: Subscriber) -> _Answer:
    token = app.keyring.make("confirm", request.id, app.now())
    return _Answer(subscriber, "confirm", app.places.confirm(token))


def _mail(app: App, request: Request, answer: _Answer) -> bool:
    """Queue a mail, if its address was not sent one a short while ago: nobody is flooded, whoever asks for what."""
    storage, now, today = app.storage, app.now(), app.today()
    if not answer.link:
        log.warning("mail=%s cannot be made: [newsletter] base_url is not set", answer.template)
        return False
    if storage.requests.mailed_since(request.email, now - MAIL_PAUSE):
        return False
    newsletter = app.config.newsletter
    values = {"newsletter": newsletter.name, "day": today.isoformat(), "link": answer.link}
    invited = {"invited": request.kind is Asked.INVITE} if answer.template == "confirm" else {}
    single = Single(answer.template, values | invited, request.email, request.wish.get("language", ""))
    message_id = f"{today:%Y%m%d}.{app.outside.token()}@{newsletter.domain}"
    expires = now + _WAITS.get(answer.template, _WAITS_ELSE)
    storage.deliveries.queue_single(
        single, message_id, day=today, expires=expires, now=now, subscriber_id=answer.subscriber.id
    )
    storage.requests.mail(request.id, message_id, now)
    if storage.requests.is_expected(answer.subscriber.id):
        storage.requests.expect(answer.subscriber.id, now + CONFIRM_FOR)
    return True

"""What the buttons on a reader's own page do. Each says how it went, or fills the form's errors and says nothing."""

from collections.abc import Callable

from flask import abort, request

from newsletter.addresses import same_address
from newsletter.app import App
from newsletter.errors import UsageError
from newsletter.joining import ask_to_move
from newsletter.joining.links import agree, mark
from newsletter.model import Status, Subscriber
from newsletter.rendering.words import _
from newsletter.subscriptions.wishes import NAMES
from newsletter.web.choosing import consent, offered_topics
from newsletter.web.forms import WHOLE, Form, network_of
from newsletter.web.pages import choice, say

_NO_ROOM = _("arXiv’s search is asked for as many queries of readers as it may be: no new ones can be taken just now.")


def _save(app: App, subscriber: Subscriber, form: Form) -> str:
    topics, queries = form.topics_and_queries(offered_topics(app, subscriber))
    preferences = form.preferences(NAMES, subscriber.preferences)
    if form.errors:
        return ""
    chosen = {"topics": topics, "queries": queries}
    try:
        app.subscriptions.change(subscriber.id, **chosen, preferences=preferences, today=app.today(), now=app.now())
    except UsageError:  # each field was read before: together they are too many
        form.errors["queries"] = say(_NO_ROOM)
        return ""
    return say(_("Saved. It counts from your next mail on."))


def _pause(app: App, subscriber: Subscriber, form: Form) -> str:
    until = form.day_to_come("until", app.today())
    if form.errors:
        return ""
    try:
        app.subscriptions.pause(subscriber.id, until=until, today=app.today(), now=app.now())
    except UsageError:  # they are no reader now
        return ""
    return say(_("Your mail pauses. What passes meanwhile is skipped."))


def _resume(app: App, subscriber: Subscriber, _form: Form) -> str:
    if subscriber.status is not Status.PAUSED:
        return ""
    app.subscriptions.resume(subscriber.id, today=app.today(), now=app.now())
    return say(_("Your mail goes on, from the next edition."))


def _move(app: App, subscriber: Subscriber, form: Form) -> str:
    email = form.address("email", app.config.newsletter.local_domains)
    if email and same_address(email) == same_address(subscriber.email):
        form.errors["email"] = say(_("This is the address you have."))
    if form.errors:
        return ""
    if not ask_to_move(app, subscriber.id, email, language=choice().language, network=network_of(request)):
        abort(429)
    return say(_("A mail with a link is on its way to the new address. Until you follow that, all stays as it is."))


def _leave(app: App, subscriber: Subscriber, _form: Form) -> str:
    app.subscriptions.unsubscribe(subscriber.id, today=app.today(), now=app.now())
    return say(_("You have left: nothing is sent to you any more."))


def _join(app: App, subscriber: Subscriber, form: Form) -> str:
    if subscriber.status not in (Status.PENDING, Status.UNSUBSCRIBED) or subscriber.suppressed:
        return ""
    if mark(consent(app, subscriber)) != form.text("shown"):
        form.errors[WHOLE] = say(_("What you would get was changed meanwhile. Please look again."))
        return ""
    with app.storage.write():
        joined = agree(app, subscriber, lambda who: consent(app, who), choice().language)
    if joined.left_out:
        form.errors["queries"] = say(_NO_ROOM)
    return say(_("You have subscribed.")) if joined.joined else ""


ACTS: dict[str, Callable[[App, Subscriber, Form], str]] = {
    "save": _save,
    "pause": _pause,
    "resume": _resume,
    "move": _move,
    "leave": _leave,
    "join": _join,
}

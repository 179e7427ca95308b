"""A reader's own page: what they get and when, to pause, to move, to leave, to take along or erase what is held."""

import json
from typing import Any

from flask import Blueprint, Response, abort, request

from newsletter.app import App
from newsletter.joining import ask_for_link
from newsletter.joining.links import managed, mark
from newsletter.model import Subscriber, Topic
from newsletter.rendering.words import _
from newsletter.subscriptions.holdings import holdings
from newsletter.subscriptions.wishes import NAMES, write_preferences
from newsletter.web import choosing
from newsletter.web.acts import ACTS
from newsletter.web.doors import bad_link, need_mail, sent
from newsletter.web.forms import TRAP, Form, network_of, opened
from newsletter.web.inbox import look_after
from newsletter.web.pages import acting, choice, looking, page, say
from newsletter.web.together import write_together

blueprint = Blueprint("preferences", __name__)


@blueprint.get("/p")
def ask() -> Response:
    """The form that asks for a link."""
    need_mail()
    return _ask(Form())


@blueprint.post("/p")
def ask_for() -> Response:
    """Take the question for a link into the inbox."""
    need_mail()
    form, app = Form(request.form), looking()
    if form.text(TRAP):
        return sent()
    email = form.address("email", app.config.newsletter.local_domains)
    form.check_time(app)
    if form.errors:
        return _ask(form)
    whence = {"language": choice().language, "network": network_of(request)}
    if not write_together(lambda writer: ask_for_link(writer, email, **whence)):
        abort(429)
    return sent()


def _ask(form: Form) -> Response:
    title, status = say(_("Your subscription")), 422 if form.errors else 200
    return page("web/ask.html", title=title, status=status, form=form, opened=opened(looking()), trap=TRAP)


# ---------------------------------------------------------------- what is theirs


@blueprint.get("/p/<token>")
def show(token: str) -> Response:
    """Everything that can be chosen, as it is now."""
    subscriber = managed(looking(), token)
    return _show(token, subscriber) if subscriber else bad_link()


@blueprint.post("/p/<token>")
def change(token: str) -> Response:
    """Do what a button stands for."""
    act = ACTS.get(request.form.get("do", ""))
    if act is None:
        abort(400)
    form = Form(request.form)
    with acting() as app:
        subscriber = managed(app, token)
        said = act(app, subscriber, form) if subscriber else ""
        subscriber = managed(app, token)
    return look_after(_show(token, subscriber, form, said)) if subscriber else bad_link()


@blueprint.get("/p/<token>/export")
def export(token: str) -> Response:
    """All that is held of them, as JSON."""
    app = looking()
    subscriber = managed(app, token)
    if subscriber is None:
        return bad_link()
    held = json.dumps(holdings(app.storage, subscriber), ensure_ascii=False, indent=2)
    response = Response(f"{held}\n", content_type="application/json; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="subscription.json"'
    return response


@blueprint.get("/p/<token>/erase")
def ask_to_erase(token: str) -> Response:
    """What it means to be erased, and the button."""
    return _erase(managed(looking(), token))


@blueprint.post("/p/<token>/erase")
def erase(token: str) -> Response:
    """Forget them."""
    with acting() as app:
        subscriber = managed(app, token)
        if subscriber is not None:
            app.subscriptions.erase(subscriber.id, now=app.now())
    return _erase(subscriber, done=True)


def _erase(subscriber: Subscriber | None, *, done: bool = False) -> Response:
    if subscriber is None:
        return bad_link()
    title = say(_("You are forgotten")) if done else say(_("Erase everything?"))
    return page("web/erase.html", title=title, email=subscriber.email, done=done)


def _show(token: str, subscriber: Subscriber, form: Form | None = None, said: str = "") -> Response:
    app, form = looking(), form or Form()
    typed = form if form.text("do") == "save" and form.errors else None
    topics = choosing.offered_topics(app, subscriber)
    texts = write_preferences(subscriber.preferences) | (typed.texts(NAMES) if typed else {})
    return page(
        "web/preferences.html",
        title=say(_("Your subscription")),
        status=422 if form.errors else 200,
        token=token,
        subscriber=subscriber,
        form=form,
        said=said,
        texts=texts,
        topics=topics,
        ticked=set(typed.several("topic")) if typed else _ticked(topics, subscriber),
        which=typed.text("which") if typed else "some" if subscriber.topics or subscriber.queries else "all",
        queries=typed.text("queries") if typed else "\n".join(subscriber.queries),
        parts=choosing.in_words(app, subscriber),
        statement=choosing.statement(app),
        shown=mark(choosing.consent(app, subscriber)),
        choices=_choices(app, texts),
    )


def _ticked(topics: list[Topic], subscriber: Subscriber) -> set[str]:
    return {str(topic.id) for topic in topics if topic.name in subscriber.topics}


def _choices(app: App, texts: dict[str, str]) -> dict[str, Any]:
    return {
        "frequency": choosing.frequencies(),
        "weekday": choosing.weekdays(app),
        "hour": choosing.hours(),
        "zone": choosing.zones(app, texts["zone"]),
        "late": choosing.late(),
        "revised": choosing.revised(),
        "detail": choosing.details(),
        "format": choosing.formats(),
        "language": choosing.languages(app),
    }

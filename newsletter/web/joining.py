"""To subscribe: the form, and the page on which it is confirmed. The pages for readers are taken in here, too."""

from flask import Blueprint, Response, abort, request

from newsletter.joining import ask_to_subscribe
from newsletter.joining.links import Joined, confirm, mark, offered, token_for_preferences
from newsletter.model import Choice, Look, Preferences
from newsletter.rendering.words import _
from newsletter.web import leaving, moving, preferences
from newsletter.web.choosing import consent, frequencies, in_words, offered_topics, statement
from newsletter.web.doors import bad_link, need_mail, sent
from newsletter.web.forms import TRAP, Form, network_of, opened
from newsletter.web.pages import acting, choice, looking, page, say
from newsletter.web.together import write_together

blueprint = Blueprint("joining", __name__)
blueprint.register_blueprint(preferences.blueprint)
blueprint.register_blueprint(moving.blueprint)
blueprint.register_blueprint(leaving.blueprint)


@blueprint.get("/subscribe")
def show_form() -> Response:
    """The form; with what a search or a topic leads here with, ``?query=`` or ``?topic=``, in it."""
    need_mail()
    asked = Form(request.args)
    query = asked.text("query")
    return _form(asked, queries=query, some=bool(query or asked.several("topic")))


@blueprint.post("/subscribe")
def subscribe() -> Response:
    """Take what was asked for into the inbox."""
    need_mail()
    form, app = Form(request.form), looking()
    if form.text(TRAP):
        return sent()
    email = form.address("email", app.config.newsletter.local_domains)
    topics, queries = form.topics_and_queries(offered_topics(app))
    wanted = form.preferences(("frequency",), Preferences(look=Look(language=_spoken())))
    form.check_time(app)
    if form.errors:
        return _form(form)
    new, whence = Choice(topics, queries, wanted), {"language": choice().language, "network": network_of(request)}
    if not write_together(lambda writer: ask_to_subscribe(writer, email, new, **whence)):
        abort(429)
    return sent()


def _spoken() -> str:
    """The language of this page as a reader's own, where it is not the newsletter's anyway."""
    spoken = choice().language
    return "" if spoken == looking().config.newsletter.language else spoken


def _form(form: Form, *, queries: str = "", some: bool = False) -> Response:
    app = looking()
    return page(
        "web/subscribe.html",
        title=say(_("Subscribe")),
        status=422 if form.errors else 200,
        form=form,
        queries=queries or form.text("queries"),
        which="some" if some else form.text("which") or "all",
        topics=offered_topics(app),
        frequencies=frequencies(),
        opened=opened(app),
        trap=TRAP,
    )


@blueprint.get("/c/<token>")
def offer(token: str) -> Response:
    """What somebody would get, and the button that says yes; opening the page changes nothing."""
    return _offer(token)


@blueprint.post("/c/<token>")
def agree(token: str) -> Response:
    """The yes."""
    shown, language = request.form.get("shown", ""), choice().language
    with acting() as app:
        joined = confirm(app, token, shown, lambda who: consent(app, who), language)
        open_to = token_for_preferences(app, joined.subscriber.id) if joined and joined.joined else ""
    return _offer(token, changed=True) if joined is None else _joined(joined, open_to)


def _offer(token: str, *, changed: bool = False) -> Response:
    app = looking()
    found = offered(app, token)
    if found is None:
        return bad_link()
    if found.over:
        return _joined(Joined(found.subscriber, joined=False))
    return page(
        "web/confirm.html",
        title=say(_("Do you want this?")),
        status=409 if changed else 200,
        changed=changed,
        parts=in_words(app, found.subscriber),
        statement=statement(app),
        shown=mark(consent(app, found.subscriber)),
    )


def _joined(joined: Joined, open_to: str = "") -> Response:
    if joined.joined:
        title = say(_("You have subscribed"))
    else:
        title = say(_("No room for your queries")) if joined.left_out else say(_("You are subscribed already"))
    return page(
        "web/confirmed.html",
        title=title,
        joined=joined.joined,
        left_out=joined.left_out,
        open_to=open_to,
    )

"""To leave, and to come back after mail bounced: by the links that stand in mails."""

from flask import Blueprint, Response, current_app, request

from newsletter.collecting import RESUME_WITHIN, resume_mail
from newsletter.joining.links import is_to_leave, leave, resuming
from newsletter.rendering.words import _
from newsletter.subscriptions import Outcome
from newsletter.web.doors import bad_link
from newsletter.web.language import Choice
from newsletter.web.pages import acting, choice, looking, page, say
from newsletter.web.together import write_together

blueprint = Blueprint("leaving", __name__)

_LEFT = "left"  # by which Flask's application knows the pages that were made


@blueprint.get("/u/<token>")
def ask(token: str) -> Response:
    """The button that ends it; opening the page changes nothing, and tells nobody's address."""
    if not is_to_leave(looking(), token):
        return bad_link()
    return page("web/leave.html", title=say(_("Leave")))


@blueprint.post("/u/<token>")
def go(token: str) -> Response:
    """End it, by the button or by a mail program's (RFC 8058): whatever is posted, at once and without a redirect."""
    if not is_to_leave(looking(), token):
        return bad_link()
    write_together(lambda app: leave(app, token))
    return _left()


def _left() -> Response:
    """The page behind the button. It is the same for all, so it is made once a language: after an edition hundreds a
    second may leave."""
    made: dict[tuple[Choice, str], bytes] = current_app.extensions.setdefault(_LEFT, {})
    key = choice(), request.script_root
    if key not in made:
        made[key] = page("web/left.html", title=say(_("You have left"))).get_data()
    response = Response(made[key], content_type="text/html; charset=utf-8")
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.get("/r/<token>")
def ask_to_resume(token: str) -> Response:
    """The button that says that mail arrives again."""
    return _resume() if resuming(looking(), token, RESUME_WITHIN) else bad_link()


@blueprint.post("/r/<token>")
def resume(token: str) -> Response:
    """Mail a reader again, unless they are not mailed for another reason."""
    with acting() as app:
        subscriber = resuming(app, token, RESUME_WITHIN)
        outcome = resume_mail(app, subscriber.id) if subscriber else Outcome.UNKNOWN
    return _resume(done=True) if outcome in (Outcome.DONE, Outcome.ALREADY) else bad_link()


def _resume(*, done: bool = False) -> Response:
    title = say(_("Mail comes again")) if done else say(_("Does our mail arrive again?"))
    return page("web/resume.html", title=title, done=done)

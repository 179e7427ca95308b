"""To move to another address: by the link that was mailed to the new one."""

from flask import Blueprint, Response

from newsletter.joining.links import move, moving, token_for_preferences
from newsletter.rendering.words import _
from newsletter.web.doors import bad_link
from newsletter.web.pages import acting, looking, page, say

blueprint = Blueprint("moving", __name__)


@blueprint.get("/m/<token>")
def ask(token: str) -> Response:
    """The new address, and the button that makes it theirs. It tells nothing of the one before: the link may have gone
    to somebody else by a slip of the pen."""
    found = moving(looking(), token)
    if found is None:
        return bad_link()
    return page("web/move.html", title=say(_("Is this your new address?")), email=found.email, open_to="", done=False)


@blueprint.post("/m/<token>")
def go(token: str) -> Response:
    """Move."""
    with acting() as app:
        subscriber = move(app, token)
        open_to = token_for_preferences(app, subscriber.id) if subscriber else ""
    if subscriber is None:
        return bad_link()
    title = say(_("Your mail goes there from now on"))
    return page("web/move.html", title=title, email=subscriber.email, open_to=open_to, done=True)

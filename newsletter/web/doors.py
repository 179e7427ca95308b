"""What the pages behind mailed links, and those that ask for them, have in common."""

from flask import Response, abort

from newsletter.rendering.words import _
from newsletter.web.inbox import look_after
from newsletter.web.pages import looking, page, say


def need_mail() -> None:
    """Refuse what would end in a mail that could hold no link."""
    if not looking().config.newsletter.base_url:
        abort(503, say(_("Mail with links to these pages is not set up here yet: it takes [newsletter] base_url.")))


def sent() -> Response:
    """The one answer to all that is asked for by an address."""
    return look_after(page("web/sent.html", title=say(_("Look into your mailbox"))))


def bad_link() -> Response:
    """The one answer to all links that do nothing, whatever the reason."""
    return page("web/expired.html", title=say(_("This link does nothing any more")), status=404)

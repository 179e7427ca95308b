"""What is said when a page cannot be shown: in plain words, without details, which the log has."""

import logging

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from newsletter.errors import LockedError, RunError, TemplateError, describe
from newsletter.rendering.words import _
from newsletter.web.pages import page, say

log = logging.getLogger(__name__)

_BUSY, _AWAY = "10", "60"  # seconds until it is worth asking again
_WORDS = {
    400: (_("Not understood"), _("What was sent cannot be understood.")),
    404: (_("There is nothing here"), _("Nothing of ours stands at this address.")),
    405: (_("Not in this way"), _("This address is there, but not to be asked for in this way.")),
    413: (_("Too large"), _("What was sent is larger than anything we expect.")),
    429: (_("Too much at once"), _("That was asked for too often just now. Please try again later.")),
    500: (_("Something went wrong"), _("The mistake is ours, and the operator can see it. Please try again later.")),
    503: (_("Not just now"), _("Our database cannot be read just now. Please try again in a minute.")),
}
_CARRIED = ("Allow", "Retry-After")  # headers that belong to what is wrong


def answer_errors(site: Flask) -> None:
    """Answer all that goes wrong in a site."""
    site.register_error_handler(HTTPException, _refused)
    site.register_error_handler(TemplateError, _broken)
    site.register_error_handler(RunError, _away)
    site.register_error_handler(Exception, _broken)


def _refused(error: HTTPException) -> Response:
    """What was asked for is not there, or not to be had like this; a page may say why."""
    status = error.code or 500
    said = error.description if error.description != type(error).description else None
    response = _page(status, said)
    response.headers.extend((name, value) for name, value in error.get_headers() if name in _CARRIED)
    return response


def _away(error: RunError) -> Response:
    """The database is locked or gone, which is worth another try."""
    log.error("cannot be answered rule=%s reason=%s", request.url_rule, describe(error))
    response = _page(503)
    response.headers["Retry-After"] = _BUSY if isinstance(error, LockedError) else _AWAY
    return response


def _broken(error: Exception) -> Response:
    """A mistake of ours, or a template that does not render."""
    trace = None if isinstance(error, TemplateError) else error
    log.error("broke off rule=%s reason=%s", request.url_rule, describe(error), exc_info=trace)
    return _page(500)


def _page(status: int, reason: str | None = None) -> Response:
    title, sentence = _WORDS.get(status, _WORDS[400 if status < 500 else 500])
    try:
        return page("web/error.html", title=say(title), status=status, reason=reason or say(sentence))
    except TemplateError as error:  # the frame itself is broken
        log.error("no page can be made reason=%s", describe(error))
        return Response(f"{say(title)}. {say(sentence)}\n", status, content_type="text/plain; charset=utf-8")

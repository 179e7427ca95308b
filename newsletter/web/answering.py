"""What every answer has: headers that keep browsers from doing harm with it, a line in the log, a count."""

import logging
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, abort, g, request

from newsletter.web.pages import front

log = logging.getLogger(__name__)

LARGEST_BODY = 64 * 2**10  # bytes of what is posted

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: What every answer says, whatever it is.
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Site(Flask):
    """An application that names no path in the log where all else fails: a token may stand in it."""

    def log_exception(self, exc_info: Any) -> None:
        """Log what broke off although it was to be answered as a mistake of ours."""
        log.error("broke off rule=%s", request.url_rule, exc_info=exc_info)


def watch_answers(site: Flask) -> None:
    """Look at each request when it comes and at each answer when it goes."""
    site.before_request(_begin)
    site.after_request(_end)


def _begin() -> None:
    g.began = front().pool.outside.monotonic()
    if (request.content_length or 0) > LARGEST_BODY:
        abort(413)


def _end(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
    response.vary.add("Accept-Language")
    now = front().pool.outside.monotonic()
    seconds = now - g.get("began", now)
    rule = request.url_rule.rule if request.url_rule is not None else "-"
    front().meter.count(rule, request.method, response.status_code, seconds)
    log.info(
        "answered method=%s path=%s status=%d ms=%.1f",
        quote(request.method),
        _without_secrets(rule, response.status_code),
        response.status_code,
        1000 * seconds,
    )
    return response


def _without_secrets(rule: str, status: int) -> str:
    """The path as the log may have it: without a token, and without what somebody mistyped, which may be one."""
    return rule if "token>" in rule or rule == "-" or status >= 400 else quote(request.path)

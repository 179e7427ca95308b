"""What belongs to pages and is none: the style sheet, the icon, what robots may read."""

from flask import Blueprint, Response, request

from newsletter.rendering.environment import render
from newsletter.web.pages import front

blueprint = Blueprint("files", __name__)

_DAY, _YEAR = 86_400, 31_536_000  # seconds
# What only one reader is meant to open, and what costs much and changes with every word.
_NOT_FOR_ROBOTS = ("/c/", "/m/", "/p", "/r/", "/u/", "/search", "/feeds/search.atom", "/try", "/health", "/metrics")


@blueprint.get("/style.css")
def style() -> Response:
    """The style sheet; by the address that pages know it by it never changes."""
    return _file("web/style.css", "text/css; charset=utf-8", _YEAR if request.query_string else _DAY)


@blueprint.get("/favicon.ico")
def icon() -> Response:
    """The icon, as SVG."""
    return _file("web/icon.svg", "image/svg+xml", _DAY)


@blueprint.get("/robots.txt")
def robots() -> Response:
    """What robots are asked to leave alone."""
    lines = ["User-agent: *", *(f"Disallow: {request.script_root}{path}" for path in _NOT_FOR_ROBOTS)]
    response = Response("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
    response.headers["Cache-Control"] = f"public, max-age={_DAY}"
    return response


def _file(name: str, content_type: str, keep: int) -> Response:
    content = render(front().environment(front().pool.config.newsletter.language), name)
    response = Response(content, content_type=content_type)
    response.headers["Cache-Control"] = f"public, max-age={keep}"
    response.add_etag()
    response.make_conditional(request)
    return response

"""How the newsletter stands: for readers, for load balancers, for Prometheus."""

from flask import Blueprint, Response, jsonify
from prometheus_client import CONTENT_TYPE_LATEST

from newsletter.errors import RunError
from newsletter.rendering.words import _
from newsletter.status import report
from newsletter.web.pages import front, kept, looking, page, say
from newsletter.web.shelf import FRESH, known_days, published
from newsletter.web.standing import of_all, of_mail, of_the_next, of_today

blueprint = Blueprint("condition", __name__)


@blueprint.get("/status")
@kept()
def status() -> Response:
    """How it stands, in plain words."""
    found, days, shelf = report(looking()), known_days(), published()
    newest = shelf.newest()
    return page(
        "web/status.html",
        title=say(_("How it stands")),
        keep=FRESH,
        canonical="/status",
        edition=next(iter(shelf.listed(newest, newest)), None) if newest else None,
        sentences={
            "today": of_today(days, newest),
            "next": of_the_next(days, newest),
            "mail": of_mail(found),
            "all": of_all(found),
        },
        ill=bool(found.overdue),
    )


@blueprint.get("/health")
def health() -> tuple[Response, int]:
    """200 if the database can be read and nothing is overdue, else 503; and how far it is while mail goes out."""
    try:
        found = report(looking())
    except RunError:
        return jsonify(status="unreadable"), 503
    overdue = len(found.overdue)
    sending = {} if found.part_sent is None else {"part_sent": round(found.part_sent, 2)}
    return jsonify(status="overdue" if overdue else "ok", overdue=overdue, **sending), 503 if overdue else 200


@blueprint.get("/metrics")
def metrics() -> Response:
    """Numbers."""
    return Response(front().meter.text(), content_type=CONTENT_TYPE_LATEST)

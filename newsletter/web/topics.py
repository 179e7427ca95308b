"""The topics, and what the newest editions told under each."""

import re
from datetime import date
from itertools import groupby

from flask import Blueprint, Response, abort, request

from newsletter.model import Announcement, Topic
from newsletter.rendering.words import _
from newsletter.storage.published import Published
from newsletter.web.arranging import Arranged, arrange
from newsletter.web.pages import kept, page, say, words
from newsletter.web.shelf import FRESH, editions_feed, published, read_date, topic_feed, topic_path

blueprint = Blueprint("topics", __name__)

_EDITIONS, _MOST = 10, 500  # editions and papers of one page


@blueprint.get("/topics")
@kept()
def topics() -> Response:
    """The topics there are, and those that are followed no more."""
    found = [(topic, topic_path(topic)) for topic in published().topics()]
    return page(
        "web/topics.html",
        title=say(_("Topics")),
        keep=FRESH,
        canonical="/topics",
        feeds=[editions_feed(), *(topic_feed(topic) for topic, _path in found if not topic.sleeping)],
        topics=[(topic, path) for topic, path in found if not topic.sleeping],
        sleeping=[(topic, path) for topic, path in found if topic.sleeping],
    )


@blueprint.get("/topics/<name>")
@kept("before")
def topic(name: str) -> Response:
    """What the newest editions told under one topic. Its number alone is enough; with other words behind it, it is the
    same page."""
    shelf = published()
    found = _find(shelf, name) or abort(404, say(_("There is no such topic.")))
    before = read_date(request.args.get("before", ""))
    days, older = _days(shelf, found, before)
    path = topic_path(found)
    return page(
        "web/topic.html",
        title=words().topic(found.name),
        keep=FRESH,
        canonical=f"{path}?before={before}" if before else path,
        feeds=[topic_feed(found)],
        topic=found,
        path=path,
        days=days,
        before=before,
        older=older,
    )


def _find(shelf: Published, name: str) -> Topic | None:
    number = re.match(r"(\d{1,9})(?:-|$)", name, re.ASCII)
    return next((topic for topic in shelf.topics() if number and topic.id == int(number[1])), None)


def _days(shelf: Published, topic: Topic, before: date | None) -> tuple[list[tuple[date, Arranged]], date | None]:
    """Some editions with what they told under a topic, and the date before which there are more."""
    told = shelf.of_topic(topic.id, before, _EDITIONS + 1, _MOST)
    by_day = [(day, list(found)) for day, found in groupby(told, _edition) if day is not None]
    if len(by_day) > _EDITIONS or (len(told) == _MOST and len(by_day) > 1):
        by_day.pop()
    else:
        told = []
    days = [(day, arrange(found, [topic], (), day)) for day, found in by_day]
    return days, days[-1][0] if told else None


def _edition(announcement: Announcement) -> date | None:
    return announcement.edition

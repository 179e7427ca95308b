"""What the pages of editions share: what there is to read, what is known of our dates, and where a topic stands."""

import re
from collections.abc import Iterable, Sequence
from datetime import date

from newsletter.model import Remark, Topic
from newsletter.rendering.words import _
from newsletter.storage.harvests import HarvestRecord
from newsletter.storage.published import Published
from newsletter.text import normalise
from newsletter.web.pages import Feed, looking, say, words
from newsletter.web.reasons import Days, Reason

FRESH, SETTLED = 60, 300  # seconds that a page of what is newest, and of what has come out, may be kept


def published() -> Published:
    """What anybody may read. Raises `StorageError`."""
    return Published(looking().storage.database)


def known_days() -> Days:
    """What is known of our dates just now."""
    app = looking()
    return Days(app.now(), app.hours, app.calendar, published().first())


def why_none(days: Days, day: date) -> Reason:
    """Why a date has no edition."""
    fetches: Sequence[HarvestRecord] = looking().storage.harvests.of_date(day)
    return days.why_none(day, fetches[-1] if fetches else None)


def editions_feed() -> Feed:
    """The feed of all editions."""
    return Feed("/feeds/editions.atom", say(_("All editions")))


def topic_feed(topic: Topic) -> Feed:
    """The feed of a topic."""
    return Feed(f"/feeds/topics/{topic.id}.atom", words().topic(topic.name))


def topic_path(topic: Topic) -> str:
    """Where a topic's editions stand. Its number counts; the words behind it are for people."""
    slug = re.sub(r"[^a-z0-9]+", "-", normalise(topic.name)).strip("-")[:60].strip("-")
    return f"/topics/{topic.id}-{slug}" if slug else f"/topics/{topic.id}"


def sentences(remarks: Iterable[Remark], topics: Iterable[Topic]) -> list[str]:
    """What was remarked on editions, as far as it is about these topics."""
    names = {topic.id: topic.name for topic in topics}
    return [said for remark in remarks if (said := words().remark(remark, names))]


def read_date(text: str) -> date | None:
    """A date as addresses have it; None if it is none."""
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) else None
    except ValueError:
        return None  # such as 30 February

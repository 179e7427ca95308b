"""All that is held of one person, as values that JSON can hold."""

import json
from datetime import UTC, date, datetime
from typing import Any

from newsletter.model import WEEKDAYS, Subscriber
from newsletter.storage import Storage


def facts(subscriber: Subscriber) -> dict[str, Any]:
    """A subscriber by name: what they chose, and how it stands with them. None where the newsletter's own counts."""
    rhythm, look = subscriber.preferences.rhythm, subscriber.preferences.look
    return {
        "email": subscriber.email,
        "status": subscriber.status.value,
        "suppressed": subscriber.suppressed and subscriber.suppressed.value,
        "topics": list(subscriber.topics),
        "queries": list(subscriber.queries),
        "frequency": rhythm.frequency.value,
        "weekday": None if rhythm.weekday is None else WEEKDAYS[rhythm.weekday],
        "hour": rhythm.hour,
        "zone": rhythm.zone or None,
        "late": rhythm.late.value,
        "revised": subscriber.preferences.revised,
        "detail": look.detail.value,
        "format": look.format.value,
        "language": look.language or None,
        "paused_until": _text(subscriber.paused_until),
        "covered": _text(subscriber.covered),
        "created": _text(subscriber.created),
        "confirmed": _text(subscriber.confirmed),
    }


def holdings(storage: Storage, subscriber: Subscriber) -> dict[str, Any]:
    """All that is held of a subscriber, and of nobody else."""
    held: dict[str, Any] = storage.holdings.of(subscriber.id, subscriber.email)
    (own,) = held.pop("subscriber") or [{}]
    labels = {topic.id: topic.label for topic in storage.topics.all()}
    for delivery in held["deliveries"]:
        chosen = [int(number) for number in delivery["chosen"].split(",") if number]
        delivery["chosen"] = [labels.get(number, "") for number in chosen]
    for request in held["requests"]:
        request["wish"] = json.loads(request["wish"])
    return {"subscriber": {**facts(subscriber), **own}, **held}


def _text(moment: date | datetime | None) -> str | None:
    if isinstance(moment, datetime):
        return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='seconds')}Z"
    return moment.isoformat() if moment else None

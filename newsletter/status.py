"""How things stand: what ran, what is due, what is ill and why."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from newsletter.app import App
from newsletter.model import DeliveryStatus, HarvestState, Kind, Status
from newsletter.storage.harvests import HarvestRecord

LATE = timedelta(hours=1)  # a delivery that has been due for longer is overdue


@dataclass(frozen=True, slots=True)
class Day:
    """A date in the list of editions: what it announced, or why it has none."""

    date: date
    counts: dict[Kind, int]
    topics: int
    reason: str


@dataclass(frozen=True, slots=True)
class Report:
    """The state of the newsletter. `overdue` is what should have happened and did not; `remarks` is worth knowing."""

    now: datetime
    newest_edition: date | None
    last_fetch: HarvestRecord | None
    subscribers: dict[Status, int]
    suppressed: int
    deliveries: dict[DeliveryStatus, int]
    next_due: datetime | None
    remarks: tuple[str, ...]
    overdue: tuple[str, ...]


def report(app: App) -> Report:
    """Look at everything; changes nothing."""
    storage, now = app.storage, app.now()
    last = storage.harvests.newest()
    next_due = storage.deliveries.next_due()
    return Report(
        now=now,
        newest_edition=storage.editions.newest(),
        last_fetch=last,
        subscribers=storage.subscribers.counts(),
        suppressed=storage.subscribers.suppressed(),
        deliveries=storage.deliveries.counts(),
        next_due=next_due,
        remarks=tuple(_remarks(app, last)),
        overdue=tuple(_overdue(app, last, next_due, now)),
    )


def days(app: App, limit: int) -> list[Day]:
    """The newest dates for which something was fetched or made, newest first; where one has no edition, why."""
    found = {
        record.date: Day(record.date, dict(record.counts), record.topics, "")
        for record in app.storage.editions.records(limit)
    }
    for harvest in app.storage.harvests.by_date(limit):
        if harvest.date not in found:
            found[harvest.date] = Day(harvest.date, {}, 0, explain(harvest))
    return sorted(found.values(), key=lambda day: day.date, reverse=True)[:limit]


def explain(harvest: HarvestRecord) -> str:
    """Why a fetch made no edition, in words for a person."""
    match harvest.state:
        case HarvestState.FRESH | HarvestState.SAME | HarvestState.PARTIAL if not harvest.settled:
            return f"fetched, and nothing decided yet: {harvest.reason}"
        case HarvestState.FAILED:
            return f"the fetch failed: {harvest.reason}"
        case HarvestState.PARTIAL:
            return f"part of the fetch failed, and the rest held nothing to announce: {harvest.reason}"
        case HarvestState.FRESH:
            return f"fetched, but nothing to announce: {harvest.reason}"
        case HarvestState.SAME:
            return f"nothing new: {harvest.reason}"


def _remarks(app: App, last: HarvestRecord | None) -> list[str]:
    remarks = [
        f"topic {topic.name!r} is gone from {app.config.path.name}; it sleeps, its subscribers get nothing for it"
        for topic in app.storage.topics.all()
        if topic.sleeping
    ]
    if last is not None and last.state in (HarvestState.FAILED, HarvestState.PARTIAL):
        remarks.append(f"the last fetch ({last.date}) {last.state}: {last.reason}")
    if last is not None and last.state is not HarvestState.FAILED and not last.settled:
        remarks.append(
            f"what was fetched for {last.date} is not decided on yet; `newsletter publish` goes on from there"
        )
    if last is not None and last.received and last.dropped * 20 > last.received:
        remarks.append(
            f"{last.dropped} of {last.received} papers that arXiv answered do not match here; its search may be ill"
        )
    if not app.storage.topics.operators():
        remarks.append(f"{app.config.path.name} has no [[topics]]")
    return remarks


def _overdue(app: App, last: HarvestRecord | None, next_due: datetime | None, now: datetime) -> list[str]:
    overdue = []
    local = now.astimezone(app.config.newsletter.timezone)
    if last is not None:  # before the first fetch, nobody has promised anything
        latest = (
            local.date() if local.time() > app.config.newsletter.publish_until else local.date() - timedelta(days=1)
        )
        fetched = last.ended.astimezone(app.config.newsletter.timezone).date()
        if fetched < latest:
            overdue.append(f"nothing was fetched since {fetched}; {latest} is missing")
    if next_due is not None and now - next_due > LATE:
        number = app.storage.deliveries.number_due(now)
        overdue.append(f"{number} deliveries wait since {next_due:%Y-%m-%d %H:%M} UTC")
    return overdue

"""How things stand: what ran, what is due, what is ill and why."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from newsletter.app import App
from newsletter.locks import is_held
from newsletter.model import Attempt, DeliveryStatus, HarvestState, Job, Kind, Status
from newsletter.storage.harvests import HarvestRecord
from newsletter.timetable import Turn, next_turn

LATE = timedelta(hours=1)  # what has been due, or has failed, for longer is overdue
SILENT = timedelta(minutes=20)  # a heart that has not beaten for longer is ill
_GAPS = 366  # dates at most that are filled in where nothing ran


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
    running: bool  # `newsletter run` is
    jobs: dict[str, Job]
    attempt: Attempt | None  # at today's edition
    turn: Turn | None  # what the daemon does next
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
    running, jobs = is_held(app.lock_file("run")), storage.jobs.all()
    last = storage.harvests.newest()
    attempt = storage.attempts.of(app.today())
    newest = storage.editions.newest()
    next_due = storage.deliveries.next_due()
    turn = next_turn(app.hours, now, newest, attempt) if running else None
    late = [*_late_daemon(jobs, now, running=running), *_late_work(app, last, next_due, now), *_failing(jobs, now)]
    return Report(
        now=now,
        running=running,
        jobs=jobs,
        attempt=attempt,
        turn=turn,
        newest_edition=newest,
        last_fetch=last,
        subscribers=storage.subscribers.counts(),
        suppressed=storage.subscribers.suppressed(),
        deliveries=storage.deliveries.counts(),
        next_due=next_due,
        remarks=tuple(_remarks(app, last, jobs, now)),
        overdue=tuple(late),
    )


def days(app: App, limit: int) -> list[Day]:
    """The newest dates, newest first: what each announced; where it has no edition, why."""
    found = {
        record.date: Day(record.date, dict(record.counts), record.topics, "")
        for record in app.storage.editions.records(limit)
    }
    for harvest in app.storage.harvests.by_date(limit):
        if harvest.date not in found:
            found[harvest.date] = Day(harvest.date, {}, 0, explain(harvest))
    if found:
        for number in range(min((max(found) - min(found)).days, _GAPS)):
            day = max(found) - timedelta(days=number)
            found.setdefault(day, Day(day, {}, 0, "nothing ran on this date"))
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


def _remarks(app: App, last: HarvestRecord | None, jobs: dict[str, Job], now: datetime) -> list[str]:
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
    remarks += [_failure(job) for job in jobs.values() if job.failure and not _long_ill(job, now)]
    return remarks


def _late_daemon(jobs: dict[str, Job], now: datetime, *, running: bool) -> Iterator[str]:
    """What is wrong with a daemon that was begun and not stopped."""
    run, heart = jobs.get("run"), jobs.get("heartbeat")
    if run is not None and run.ended is None and not running:
        yield f"the daemon was begun {_utc(run.began)} and is gone without having been stopped; `newsletter run`"
    if run is not None and running and now - max(run.began, heart.seen if heart else run.began) > SILENT:
        yield f"the daemon has not beaten since {_utc(heart.seen if heart else run.began)}; it hangs"


def _late_work(app: App, last: HarvestRecord | None, next_due: datetime | None, now: datetime) -> Iterator[str]:
    newest, today = app.storage.editions.newest(), app.today()
    if newest is not None and newest > today + timedelta(days=1):
        yield f"the newest edition, {newest}, lies in the future: is the clock right? Nothing is published before that"
    if last is not None:  # before the first fetch, nobody has promised anything
        latest = today if now >= app.hours.of(today)[1] else today - timedelta(days=1)
        fetched = app.hours.today(last.ended)
        if fetched < latest:
            yield f"nothing was fetched since {fetched}; {latest} is missing"
        elif last.state is HarvestState.FAILED and last.date <= latest:
            yield f"nothing could be fetched for {last.date}: {last.reason}"
    if next_due is not None and now - next_due > LATE:
        yield f"{app.storage.deliveries.number_due(now)} deliveries wait since {_utc(next_due)}"


def _failing(jobs: dict[str, Job], now: datetime) -> Iterator[str]:
    return (_failure(job) for job in jobs.values() if _long_ill(job, now))


def _long_ill(job: Job, now: datetime) -> bool:
    return job.ill_since is not None and now - job.ill_since > LATE


def _failure(job: Job) -> str:
    when = _utc(job.ill_since) if job.ill_since else "before"
    times = f"failed {when}" if job.failures == 1 else f"failed {job.failures} times in a row since {when}"
    return f"{job.name} {times}: {job.failure}"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

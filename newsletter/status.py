"""How things stand: what ran, what is due, what is ill and why."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from newsletter.app import App
from newsletter.bouncing import Kind
from newsletter.config import Config
from newsletter.journal import HEARTBEAT, RUN
from newsletter.locks import is_held
from newsletter.model import Attempt, DeliveryStatus, HarvestState, Job, Status
from newsletter.storage.deliveries import KINDS
from newsletter.storage.harvests import HarvestRecord
from newsletter.storage.pace import ALL, Cause, Pause
from newsletter.storage.standing import Standing
from newsletter.text import without_addresses
from newsletter.timetable import Turn, next_turn

LATE = timedelta(hours=1)  # what has been due, or has failed, for longer is overdue
SILENT = timedelta(minutes=20)  # a heart that has not beaten for longer is ill
_DAY = timedelta(days=1)
_BOUNCES_SHOWN = timedelta(days=7)
_QUIET = timedelta(days=7)  # arXiv announces nothing for four days at most


@dataclass(frozen=True, slots=True)
class Report:
    """The state of the newsletter. `overdue` is what should have happened and did not; `remarks` is worth knowing."""

    now: datetime
    running: bool  # `newsletter run` is
    publishing: bool  # an edition is being made just now
    sending: bool  # a sender is at work, or waits for work
    jobs: dict[str, Job]
    attempt: Attempt | None  # at today's edition
    turn: Turn | None  # what the daemon does next
    newest_edition: date | None
    last_fetch: HarvestRecord | None
    last_batch: datetime  # that arXiv announced, by its calendar
    next_batch: datetime
    subscribers: dict[Status, int]
    suppressed: int
    suspended: int  # of the suppressed, those whose mail came back
    bounces: dict[
        str, int
    ]  # of the last seven days: reports of mail that came back, and other mails to its return path
    deliveries: dict[DeliveryStatus, int]
    digests: dict[DeliveryStatus, int]  # the same without singles, of which strangers must not learn
    next_due: datetime | None
    queue_age: float  # seconds that the first has been due; 0: none is
    run: Standing | None  # the sender's, the present or the last one
    pauses: tuple[Pause, ...]  # of mail to some domains, or of all digests, that are not over
    remarks: tuple[str, ...]
    overdue: tuple[str, ...]

    @property
    def going(self) -> Standing | None:
        """The sender's run, while it has something to do."""
        on = self.sending and self.run is not None and self.run.ended is None and (self.run.under_way or self.run.left)
        return self.run if on else None

    @property
    def part_sent(self) -> float | None:
        """How much of the digests that go out just now is out, from 0 to 1; None if none go out."""
        left = sum(self.digests.get(status, 0) for status in (DeliveryStatus.QUEUED, DeliveryStatus.SENDING))
        return self.going.digests / (self.going.digests + left) if self.going is not None and left else None


def report(app: App) -> Report:
    """Look at everything; changes nothing."""
    storage, now = app.storage, app.now()
    running, jobs = is_held(app.lock_file(RUN)), storage.jobs.all()
    attempt, newest = storage.attempts.of(app.today()), storage.editions.newest()
    last, good = storage.harvests.newest(), storage.harvests.newest_good()
    due, pauses = storage.standing.next_due(), storage.pace.pauses()
    everything, digests = storage.standing.counts()
    late = [
        *_late_daemon(jobs, now, running=running),
        *_late_fetch(app, last, good),
        *_late_mail(app, now, due, pauses),
        *(_failure(job) for job in jobs.values() if _long_ill(job, now)),
    ]
    return Report(
        now=now,
        running=running,
        publishing=is_held(app.lock_file("publish")),
        sending=is_held(app.lock_file("sender")),
        jobs=jobs,
        attempt=attempt,
        turn=next_turn(app.hours, now, newest, attempt) if running else None,
        newest_edition=newest,
        last_fetch=last,
        last_batch=app.calendar.latest(now).announced,
        next_batch=app.calendar.next(now).announced,
        subscribers=storage.subscribers.counts(),
        suppressed=storage.subscribers.suppressed(),
        suspended=storage.bounces.suspended(),
        bounces=storage.bounces.counts(now - _BOUNCES_SHOWN),
        deliveries={status: number for status, number in everything.items() if number},
        digests={status: number for status, number in digests.items() if number},
        next_due=due,
        queue_age=max((now - due).total_seconds(), 0.0) if due is not None else 0.0,
        run=storage.standing.last(),
        pauses=tuple(pause for pause in pauses if pause.until > now),
        remarks=tuple(_remarks(app, last, jobs, now)),
        overdue=tuple(late),
    )


def _remarks(app: App, last: HarvestRecord | None, jobs: dict[str, Job], now: datetime) -> list[str]:
    remarks = [
        f"topic {topic.name!r} is gone from {app.config.path.name}; it sleeps, its subscribers get nothing for it"
        for topic in app.storage.topics.all()
        if topic.sleeping
    ]
    if last is not None and last.state in (HarvestState.FAILED, HarvestState.PARTIAL, HarvestState.STALE):
        remarks.append(f"the last fetch ({last.date}) {_STATE.get(last.state, last.state)}: {last.reason}")
    if last is not None and last.state is not HarvestState.FAILED and not last.settled:
        remarks.append(
            f"what was fetched for {last.date} is not decided on yet; `newsletter publish` goes on from there"
        )
    if last is not None:
        remarks += last.remarks
    most = app.config.arxiv.max_queries
    if app.config.arxiv.source == "api" and sum(topic.personal for topic in app.storage.topics.all()) > most:
        asked = sum(topic.personal for topic in app.storage.topics.asked())  # which takes long with many readers
        if asked > most:
            remarks.append(f"readers have {asked} queries, and [arxiv] max_queries is {most}; all of them are asked")
    newest = app.storage.editions.newest()
    if newest is not None and app.today() - newest > _QUIET and last is not None and last.date > newest:
        remarks.append(f"nothing new since {newest}, though arXiv answers: {last.reason}")
    if not app.storage.topics.operators():
        remarks.append(f"{app.config.path.name} has no [[topics]]")
    remarks += _back(app, now)
    remarks += [_failure(job) for job in jobs.values() if job.failure and not _long_ill(job, now)]
    return remarks


def _back(app: App, now: datetime) -> Iterator[str]:
    """What an operator should know of the mail that came back."""
    about_us = app.storage.bounces.newest((Kind.POLICY, Kind.OURS), now - _BOUNCES_SHOWN)
    if about_us is not None:
        said = without_addresses(about_us.text) or about_us.status
        yield f"mail came back for what is about us, and no reader is marked; the last, {_utc(about_us.at)}: {said}"
    if kept := app.storage.collected.kept():
        yield f"{kept} mails in the bounce mailbox were not understood, or want a person; they stay there to be read"


_STATE = {HarvestState.PARTIAL: "was partial", HarvestState.STALE: "was stale"}


def _late_daemon(jobs: dict[str, Job], now: datetime, *, running: bool) -> Iterator[str]:
    """What is wrong with a daemon that was begun and not stopped."""
    run, heart = jobs.get(RUN), jobs.get(HEARTBEAT)
    if run is None:
        return
    if not running:
        if run.ended is None:
            yield f"the daemon was begun {_utc(run.began)} and is gone without having been stopped; `newsletter run`"
        return
    signs = [run.began, *([heart.seen] if heart is not None else [])]
    if all(abs(now - sign) > SILENT for sign in signs):
        yield f"the daemon has not beaten since {_utc(max(signs))}; it hangs"


def _late_fetch(app: App, last: HarvestRecord | None, good: HarvestRecord | None) -> Iterator[str]:
    """What was not fetched. Before the first fetch nobody has promised anything."""
    newest, today, now = app.storage.editions.newest(), app.today(), app.now()
    if newest is not None and newest > today + timedelta(days=1):
        yield f"the newest edition, {newest}, lies in the future: is the clock right? Nothing is published before that"
    if last is None:
        return
    latest = today if now >= app.hours.of(today)[1] else today - timedelta(days=1)
    if (app.hours.today(good.ended) if good is not None else last.date - timedelta(days=1)) >= latest:
        return
    if last.state is HarvestState.FAILED:
        since = f"since {app.hours.today(good.ended)}" if good is not None else "ever"
        yield f"nothing could be fetched {since}; the last try, {_utc(last.ended)}: {last.reason}"
    else:
        yield f"nothing was fetched since {app.hours.today(last.ended)}; {latest} is missing"


def _late_mail(app: App, now: datetime, due: datetime | None, pauses: Sequence[Pause]) -> Iterator[str]:
    """What was not sent: because nobody tries, or because nothing that is tried gets through."""
    if due is not None and now - due > LATE and _is_left_lying(app, now, pauses):
        yield f"{app.storage.deliveries.number_due(now)} deliveries wait since {_utc(due)}, and none is tried"
    batch = app.storage.deliveries.newest_digests()
    if batch is not None and now - batch.queued > LATE and batch.tried and not batch.sent:
        answer = without_addresses(batch.reply)
        yield f"no digest of {batch.upto} was sent, of those queued {_utc(batch.queued)}; the last answer: {answer}"


def _is_left_lying(app: App, now: datetime, pauses: Sequence[Pause]) -> bool:
    """Whether mail waits that no pause and no limit keeps back, and none was tried for long. Once a pause is over the
    sender has time to go on."""
    tried, limited = app.storage.standing.last_tried(), _limited(app.config)
    for patience, besides in ((LATE, limited), (_DAY, set[str]())):
        if ALL in besides or (tried is not None and now - tried <= patience):
            continue
        for kind in KINDS:
            resting = {pause.domain for pause in pauses if _keeps_back(pause, kind) and now - pause.until <= LATE}
            if ALL not in resting and app.storage.standing.waits(kind, now - LATE, besides | resting):
                return True
    return False


def _limited(config: Config) -> set[str]:
    """The domains whose mail may wait for longer, since only so many an hour or a day may go there."""
    if config.delivery.transport != "smtp":
        return set()
    limits = [(ALL, config.smtp.per_hour, config.smtp.per_day)]
    limits += [(domain, limit.per_hour, limit.per_day) for domain, limit in config.smtp.per_domain.items()]
    return {ALL if domain == "*" else domain for domain, hour, day in limits if (hour, day) != (None, None)}


def _keeps_back(pause: Pause, kind: str) -> bool:
    return pause.cause is Cause.RATE or kind != "single"


def _long_ill(job: Job, now: datetime) -> bool:
    return job.ill_since is not None and now - job.ill_since > LATE


def _failure(job: Job) -> str:
    when = _utc(job.ill_since) if job.ill_since else "before"
    times = f"failed {when}" if job.failures == 1 else f"failed {job.failures} times in a row since {when}"
    return f"{job.name} {times}: {job.failure}"


def _utc(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"

"""A date's edition: fetch, select, queue, deliver, archive, in that order.

::

    harvest  = gather(topics)                 HTTP; nothing is written while the net is awaited
    record   = store(harvest)                 one transaction: papers, proposals, account
    edition  = settle(undecided)              one transaction: announcements, cards, readers' digests
    tally    = deliver(queue)                 a transaction a turn: what was answered, what goes next
    outcome  = archive(editions)              one commit

Each step takes up what the one before wrote down, so after a kill at any line the same command goes on.
"""

import logging
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TypeVar

from newsletter.app import App, Outside
from newsletter.archive import Outcome
from newsletter.archiving import archive
from newsletter.config import Config
from newsletter.delivery import Tally, Work
from newsletter.errors import BusyError, RunError, SourceError, UsageError, describe
from newsletter.fetching import fetch
from newsletter.joining import forget_unconfirmed
from newsletter.journal import SELECT, Journal, note
from newsletter.locks import hold
from newsletter.model import HarvestState
from newsletter.queueing import queue_by_hour
from newsletter.remarks import remarks
from newsletter.sending import deliver
from newsletter.settling import Decision, queue_only, settle
from newsletter.sources.calendar import visible
from newsletter.storage.copies import copy_database
from newsletter.storage.harvests import HarvestRecord
from newsletter.timetable import pause
from newsletter.warning import warn

log = logging.getLogger(__name__)

_Result = TypeVar("_Result")
_FIRST_DATE, _LAST_DATE = date(1991, 8, 14), date(9998, 12, 31)  # arXiv's first day, and what calendars still hold


def publishing(app: App) -> AbstractContextManager[None]:
    """The lock under which editions are made, one process at a time. Raises `BusyError`."""
    return hold(app.lock_file("publish"), "publishing")


def check_date(app: App, day: date) -> None:
    """Raise `UsageError` for a date before the newest edition, unless it has an edition itself."""
    newest = app.storage.editions.newest()
    if not _FIRST_DATE <= day <= _LAST_DATE:
        raise UsageError(f"--date {day} is no date of an edition (allowed: {_FIRST_DATE} to {_LAST_DATE})")
    if newest is not None and day < newest and not app.storage.editions.exists(day):
        raise UsageError(
            f"{day} is before the newest edition, {newest} (allowed: that date or later, or one of an edition; if"
            f" {day} is today, the clock went back: `newsletter publish --date {newest}` finishes what is left)"
        )


# ---------------------------------------------------------------- the whole of it


@dataclass(frozen=True, slots=True)
class Report:
    """What `publish` came to.

    `harvest` is None if the date had its edition already and nothing was fetched, `archived` if there is no edition yet
    or the archive failed.
    """

    day: date
    harvest: HarvestRecord | None
    decision: Decision
    tally: Tally
    archived: Outcome | None
    failures: tuple[RunError, ...] = ()

    @property
    def left(self) -> str:
        """Why it is worth trying again; empty if all is done."""
        if self.failures:
            return "; ".join(map(describe, self.failures))
        return self.harvest.reason if self.harvest is not None and self.decision.edition is None else ""

    @property
    def failed(self) -> RunError | None:
        """What a program ends with: the first failure, or that nothing came because a part did not."""
        if self.failures:
            return self.failures[0]
        if self.harvest is None or self.harvest.state is not HarvestState.PARTIAL or self.decision.edition is not None:
            return None
        return SourceError(f"only a part was fetched, and it holds nothing to announce: {self.harvest.reason}")


def publish(
    app: App,
    day: date,
    *,
    fetched: Callable[[int, int], None] = lambda _done, _all: None,
    work: Callable[[Work], Work] = lambda work: work,
    sending: bool = True,
) -> Report:
    """Make a date's edition and bring it out; run again, it finishes what was left and repeats nothing.

    A stage that fails does not keep the later ones from what they can do; the report names the failures. Without
    `sending`, what was queued is left to another process.

    Raises:
        UsageError: the date is before the newest edition's and has none itself.
        BusyError: another process is publishing.
        StorageError: the database cannot be used, or is a copy of the one that is published from.

    """
    with publishing(app):
        app.storage.instance.check()
        check_date(app, day)
        # Before the edition, which is theirs again; and here, for there may be no daemon.
        app.subscriptions.resume_rested(today=app.today(), now=app.now())
        forget_unconfirmed(app)
        with app.storage.write():
            number = app.storage.attempts.begin(day, app.now())
        log.info("begun date=%s try=%d", day, number)
        try:
            report = _bring_out(app, day, fetched, work if sending else None)
        except Exception as error:
            _conclude(app, day, number, describe(error))
            raise
        _conclude(app, day, number, report.left)
        log.info("ended date=%s queued=%d left=%s", day, report.decision.queued, report.left or "nothing")
    return report


def _bring_out(app: App, day: date, fetched: Callable[[int, int], None], work: Callable[[Work], Work] | None) -> Report:
    failures: list[RunError] = []
    harvest, decision = _select(app, day, fetched, failures)
    queue_by_hour(app)
    warn(app)  # before mail goes out, so that it goes out with it
    tally = Tally(held_back="the sender takes it from here")
    if work is not None:
        failed = Tally(held_back="it could not be handed over")
        tally = _attempt(lambda: _deliver_or_leave(app, work), failures) or failed
    begun = app.storage.editions.newest() is not None
    archived = _attempt(lambda: archive(app), failures) if begun else None
    return Report(day, harvest, decision, tally, archived, tuple(failures))


def _conclude(app: App, day: date, number: int, left: str) -> None:
    """Record how a try ended; with something left to do, when the daemon is to try again."""
    again = _when_again(app, number) if left else None
    note(app, lambda storage, now: storage.attempts.end(day, now, again, left))


def _when_again(app: App, number: int) -> datetime:
    """After a pause; sooner if a batch is to be there before."""
    now = app.now()
    later = now + pause(number, app.outside.chance())
    batches = (app.calendar.latest(now), app.calendar.next(now))
    shown = (visible(batch, app.config.arxiv.source) for batch in batches)
    return min((moment for moment in shown if now < moment < later), default=later)


def rehearse(
    config: Config, outside: Outside, day: date, fetched: Callable[[int, int], None] = lambda _done, _all: None
) -> Report:
    """What `publish` would do: all of it up to the queue, on a copy of the database. Nothing is written or sent.

    Raises:
        UsageError: as `publish` does.

    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "rehearsal.db"
        if config.newsletter.database.exists():
            copy_database(config.newsletter.database, copy)
        newsletter = config.newsletter.model_copy(update={"database": copy})
        app = App(config.model_copy(update={"newsletter": newsletter}), outside)
        try:
            check_date(app, day)
            failures: list[RunError] = []
            harvest, decision = _select(app, day, fetched, failures)
        finally:
            app.close()
    return Report(day, harvest, decision, Tally(), None, tuple(failures))


def _select(
    app: App, day: date, fetched: Callable[[int, int], None], failures: list[RunError]
) -> tuple[HarvestRecord | None, Decision]:
    """Fetch, unless the date has its edition, and settle, unless the fetch failed."""
    if app.storage.editions.exists(day):
        return None, settle(app, day)
    harvest = fetch(app, day, fetched)
    if harvest.state is HarvestState.FAILED:
        failures.append(SourceError(f"nothing was fetched: {harvest.reason}"))
        if not app.storage.harvests.has_undecided():  # of an earlier fetch, that was not decided on
            return harvest, queue_only(app, day)
    return harvest, _attempt(lambda: _settle(app, day), failures) or Decision(None, (), 0)


def _settle(app: App, day: date) -> Decision:
    with Journal(app, SELECT):
        return settle(app, day, remarks(app))


def _deliver_or_leave(app: App, work: Callable[[Work], Work]) -> Tally:
    """Deliver, unless a sender is at work: then it will send what was queued."""
    try:
        return deliver(app, work=work)
    except BusyError as error:
        log.info("%s", error)
        return Tally(held_back=str(error))


def _attempt(stage: Callable[[], _Result], failures: list[RunError]) -> _Result | None:
    try:
        return stage()
    except RunError as error:
        log.info("failed: %s", error)  # whoever called tells it to the operator
        failures.append(error)
        return None

"""The heartbeat: look every few seconds what is due, and do it.

`schedule` only keeps the beat. What is due is worked out from the database each time, so that a restart, a missed hour
or a clock that was set forgets and repeats nothing.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

import schedule

from newsletter.app import App
from newsletter.collecting import poll
from newsletter.errors import BusyError, NewsletterError, describe
from newsletter.joining import forget_unconfirmed
from newsletter.journal import HEARTBEAT, Journal
from newsletter.publish import publish
from newsletter.queueing import queue_by_hour
from newsletter.timetable import Turn, next_turn
from newsletter.warning import warn

log = logging.getLogger(__name__)

BEAT = 15  # seconds
BETWEEN_TIDYING = timedelta(hours=1)
_MOST_SKIPPED = 40  # beats after many that failed: ten minutes


class Heartbeat:
    """Beats until told to stop. `told_to_stop_within` waits for some seconds or less, and says whether we are."""

    def __init__(self, app: App, told_to_stop_within: Callable[[float], bool], interval: int = BEAT) -> None:
        self._app, self._told_to_stop_within, self._interval = app, told_to_stop_within, interval
        self.scheduler = schedule.Scheduler()
        self._journal = Journal(app, HEARTBEAT)
        self._said = ""
        self._failed = self._skip = 0
        self._tidied: datetime | None = None

    def run(self) -> None:
        """Beat at once, and then again and again."""
        with self._journal:
            self.beat()
            self._begin_to_count()
            # `schedule` goes by the machine's local time: an hour that is repeated would be an hour without a beat.
            while not self._told_to_stop_within(min(self.scheduler.idle_seconds or 0, self._interval)):
                self.scheduler.run_pending()
                if (self.scheduler.idle_seconds or 0) > self._interval:
                    self._begin_to_count()

    def _begin_to_count(self) -> None:
        self.scheduler.clear()
        self.scheduler.every(self._interval).seconds.do(self.beat)

    def beat(self) -> None:
        """Do what is due. Never raises: `schedule` would call a job that does at once again.

        After a failure some beats are left out, more after each, lest it fail every few seconds all night.
        """
        self._journal.pulse()
        if self._skip:
            self._skip -= 1
            return
        try:
            self._do_what_is_due()
        except BusyError as error:
            self._say_once("waits", str(error))
        except Exception as error:  # noqa: BLE001 - a beat that fails must not end the heart; the trace is logged
            self._fail(error)
        else:
            self._failed = 0
            self._journal.well()
        self._warn()

    def _fail(self, error: Exception) -> None:
        self._failed += 1
        self._skip = min(1 << self._failed, _MOST_SKIPPED)
        failure, pause = describe(error), self._skip * self._interval
        trace = None if isinstance(error, NewsletterError) else error
        log.error("beat failed again_in=%ds reason=%s", pause, failure, exc_info=trace)
        self._journal.fail(failure)

    def _warn(self) -> None:
        """Tell the operator what is ill, also that this heart is."""
        try:
            warn(self._app)
        except Exception:
            log.exception("the operator cannot be told what is ill")

    def _do_what_is_due(self) -> None:
        now = self._app.now()
        turn = due(self._app, now)
        if turn.at <= now:
            self._publish(turn)
            turn = due(self._app, self._app.now())
        self._serve_readers()
        poll(self._app)
        self._say_once("next", f"date={turn.day} at={turn.at:%Y-%m-%dT%H:%M:%SZ} why={turn.why}")
        while self._app.storage.search.follow():  # only with an older database there is much to do
            self._journal.pulse()

    def _serve_readers(self) -> None:
        """What is due by readers' own clocks, after today's edition if that is due too."""
        app = self._app
        app.storage.instance.check()
        if resumed := app.subscriptions.resume_rested(today=app.today(), now=app.now()):
            log.info("pauses ended readers=%d", resumed)
        if queued := queue_by_hour(app):
            log.info("queued by hour digests=%d", queued)
        self._tidy(app.now())

    def _tidy(self, now: datetime) -> None:
        """Forget who did not confirm; now and then is enough."""
        if self._tidied is not None and timedelta() <= now - self._tidied < BETWEEN_TIDYING:
            return
        if forgotten := forget_unconfirmed(self._app):
            log.info("forgotten unconfirmed=%d", forgotten)
        self._tidied = now

    def _publish(self, turn: Turn) -> None:
        report = publish(self._app, turn.day, fetched=lambda _done, _all: self._journal.pulse(), sending=False)
        for failure in report.failures:
            log.error("failed date=%s reason=%s", turn.day, describe(failure))

    def _say_once(self, event: str, what: str) -> None:
        """Log what is the same for hours only once."""
        if what != self._said:
            log.info("%s %s", event, what)
            self._said = what


def due(app: App, now: datetime) -> Turn:
    """What the heartbeat does next, and when."""
    return next_turn(app.hours, now, app.storage.editions.newest(), app.storage.attempts.of(app.hours.today(now)))

"""The heartbeat: look every few seconds what is due, and do it.

`schedule` only keeps the beat. What is due is worked out from the database each time, so that a restart, a missed hour
or a clock that was set forgets and repeats nothing.
"""

import logging
from collections.abc import Callable
from datetime import datetime

import schedule

from newsletter.app import App
from newsletter.errors import BusyError, NewsletterError
from newsletter.journal import Pulse, at_work, describe, note
from newsletter.publish import publish
from newsletter.timetable import Turn, next_turn

log = logging.getLogger(__name__)

NAME = "heartbeat"  # in the journal
BEAT = 15  # seconds
_MOST_SKIPPED = 40  # beats after many that failed: ten minutes


class Heartbeat:
    """Beats until told to stop. `rest` waits for some seconds, or less: True if we are to stop."""

    def __init__(self, app: App, rest: Callable[[float], bool], interval: int = BEAT) -> None:
        self._app, self._rest, self._interval = app, rest, interval
        self._scheduler = schedule.Scheduler()
        self._live = Pulse(app, NAME)
        self._last = ""
        self._failed = self._skip = 0

    def run(self) -> None:
        """Beat at once, and then again and again."""
        with at_work(self._app, NAME):
            self.beat()
            self._start()
            while not self._rest(self._scheduler.idle_seconds or 0):
                self._scheduler.run_pending()
                # It goes by the machine's local time: an hour that is repeated would be an hour without a beat.
                if (self._scheduler.idle_seconds or 0) > self._interval:
                    self._start()

    def _start(self) -> None:
        self._scheduler.clear()
        self._scheduler.every(self._interval).seconds.do(self.beat)

    def beat(self) -> None:
        """Do what is due. Never raises: `schedule` would call a job that does at once again.

        After a failure some beats are left out, more after each, lest it fail every few seconds all night.
        """
        if self._skip:
            self._skip -= 1
            return
        try:
            self._do_what_is_due()
        except BusyError as error:
            self._tell("waits", str(error))
        except Exception as error:  # noqa: BLE001 - a beat that fails must not end the heart; the trace is logged
            self._fail(error)
        else:
            if self._failed:
                self._failed = 0
                note(self._app, lambda storage, now: storage.jobs.tell(NAME, now))

    def _fail(self, error: Exception) -> None:
        self._failed += 1
        self._skip = min(1 << self._failed, _MOST_SKIPPED)
        failure, pause = describe(error), self._skip * self._interval
        trace = None if isinstance(error, NewsletterError) else error
        log.error("beat failed again_in=%.0fs reason=%s", pause, failure, exc_info=trace)
        note(self._app, lambda storage, now: storage.jobs.tell(NAME, now, failure))

    def _do_what_is_due(self) -> None:
        self._live()
        now = self._app.now()
        turn = due(self._app, now)
        if turn.at <= now:
            self._publish(turn)
            turn = due(self._app, self._app.now())
        self._tell("next", f"date={turn.day} at={turn.at:%Y-%m-%dT%H:%M:%SZ} why={turn.why}")

    def _publish(self, turn: Turn) -> None:
        log.info("begins date=%s why=%s", turn.day, turn.why)
        report = publish(self._app, turn.day, fetched=lambda _done, _all: self._live(), sending=False)
        for failure in report.failures:
            log.error("failed date=%s reason=%s", turn.day, describe(failure))
        log.info("ended date=%s queued=%d left=%s", turn.day, report.decision.queued, report.left or "nothing")

    def _tell(self, event: str, what: str) -> None:
        """Log what is the same for hours only once."""
        if what != self._last:
            log.info("%s %s", event, what)
            self._last = what


def due(app: App, now: datetime) -> Turn:
    """What the heartbeat does next, and when."""
    return next_turn(app.hours, now, app.storage.editions.newest(), app.storage.attempts.of(app.hours.today(now)))

"""Write down how the program's jobs go, so that `status` can tell what is ill, since when, and why."""

import logging
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from newsletter.app import App
from newsletter.errors import StorageError, describe
from newsletter.storage import Storage

log = logging.getLogger(__name__)

# The jobs, by their names in the journal.
RUN, HEARTBEAT, SELECT, DELIVER, ARCHIVE, SERVE = "run", "heartbeat", "select", "deliver", "archive", "serve"

_AT_THE_END = 2.0  # seconds: who is told to stop is killed if it takes long
_SIGN = timedelta(seconds=30)  # between two signs of life


class Journal:
    """One job's: that it is at work (from `with` to its end), lives, goes well or fails, and how it ended.

    One that is killed or told to stop has no end written down. How it failed before stands until it goes well again.
    Nothing here may be called inside of a transaction.
    """

    def __init__(self, app: App, name: str) -> None:
        self._app, self._name, self._pid = app, name, os.getpid()
        self._signed: datetime | None = None
        self._well = False

    def __enter__(self) -> Self:
        note(self._app, lambda storage, now: storage.jobs.begin(self._name, self._pid, now))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, Exception):
            failure = describe(error) if error is not None else ""
            note(self._app, lambda storage, now: storage.jobs.end(self._name, self._pid, now, failure), _AT_THE_END)

    def pulse(self) -> None:
        """Live on: call it as often as you like, a sign is written down every half minute."""
        now = self._app.now()
        if self._signed is None or abs(now - self._signed) >= _SIGN:  # also after the clock was set back
            self._signed = now
            note(self._app, lambda storage, now: storage.jobs.see(self._name, self._pid, now))

    def well(self) -> None:
        """It goes well; written down once, until it fails again."""
        if not self._well:
            self._well = True
            note(self._app, lambda storage, now: storage.jobs.tell(self._name, self._pid, now))

    def fail(self, failure: str) -> None:
        """It failed, and goes on."""
        self._well = False
        note(self._app, lambda storage, now: storage.jobs.tell(self._name, self._pid, now, failure))


def note(app: App, write: Callable[[Storage, datetime], None], patience: float | None = None) -> None:
    """Write something down. What cannot be is logged: no work may fail for its record, nor wait longer than `patience`
    if another process writes."""
    try:
        with app.storage.write(patience):
            write(app.storage, app.now())
    except StorageError as error:
        log.warning("the journal cannot be written: %s", error)

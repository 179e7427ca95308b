"""Write down how the program's jobs go, so that `status` can tell what is ill, since when, and why."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from newsletter.app import App
from newsletter.errors import StorageError
from newsletter.storage import Storage

log = logging.getLogger(__name__)

_SIGN = timedelta(seconds=30)  # between two signs of life


@contextmanager
def at_work(app: App, name: str) -> Iterator[None]:
    """Record that a job runs, and how it ends. One that is killed or told to stop has no end recorded."""
    note(app, lambda storage, now: storage.jobs.begin(name, os.getpid(), now))
    try:
        yield
    except Exception as error:
        failure = describe(error)
        note(app, lambda storage, now: storage.jobs.end(name, now, failure))
        raise
    note(app, lambda storage, now: storage.jobs.end(name, now))


class Pulse:
    """A job's signs of life: call it as often as you like, it writes one down every half minute."""

    def __init__(self, app: App, name: str) -> None:
        self._app, self._name = app, name
        self._last: datetime | None = None

    def __call__(self) -> None:
        """Live on. Must not be called inside of a transaction."""
        now = self._app.now()
        if self._last is None or abs(now - self._last) >= _SIGN:  # also after the clock was set back
            self._last = now
            note(self._app, lambda storage, now: storage.jobs.see(self._name, now))


def note(app: App, write: Callable[[Storage, datetime], None]) -> None:
    """Write to the journal. What cannot be written there is logged: no work may fail for its record."""
    try:
        with app.storage.write():
            write(app.storage, app.now())
    except StorageError as error:
        log.warning("the journal cannot be written: %s", error)


def describe(error: Exception) -> str:
    """An error in one line; one that we did not raise on purpose with its kind."""
    text = " ".join(str(error).split())
    return text if type(error).__module__.startswith("newsletter.") else f"{type(error).__name__}: {text}"

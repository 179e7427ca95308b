"""What several threads want to write at once, written in one transaction: the disk is waited for once, and so is who
else writes."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, cast

from flask import current_app

from newsletter.app import App
from newsletter.errors import LockedError
from newsletter.web.pages import front
from newsletter.web.pool import Pool

Result = TypeVar("Result")

_EXTENSION = "together"
_PATIENCE = 60.0  # seconds that another process is waited for
# Seconds. Who writes without a pause keeps a digest run out, for which SQLite asks in pauses that grow to a tenth of a
# second; and for the same reason we ask ourselves. Meanwhile more line up.
_BEFORE, _AGAIN = 0.003, 0.002


@dataclass(slots=True, eq=False)
class _Job:
    """Something to be written, and how that ended."""

    work: Callable[[App], object]
    done: bool = False
    result: object = None
    error: BaseException | None = None


class Together:
    """While one thread commits, others line up; the first of them then writes for all. Those it wrote for come back at
    once, without a turn of their own."""

    def __init__(self, pool: Pool) -> None:
        self._pool, self._changed = pool, threading.Condition()
        self._waiting: list[_Job] = []
        self._led = False  # whether a thread writes, or waits for its turn to

    def write(self, work: Callable[[App], Result]) -> Result:
        """Do it inside a write transaction, and come back with its result once that is committed. What it raises is
        raised here; what others do in the same transaction is not undone by that.

        Raises:
            StorageError: the transaction could not be begun or committed; nothing of it was done.

        """
        job = _Job(work)
        if self._leads(job):
            self._lead()
        if job.error is not None:
            raise job.error
        return cast(Result, job.result)

    def _leads(self, job: _Job) -> bool:
        """Line up; false if another thread has written for this one, true if it is this one's turn to write for all."""
        with self._changed:
            self._waiting.append(job)
            self._changed.wait_for(lambda: job.done or not self._led)
            self._led = self._led or not job.done
            return not job.done

    def _lead(self) -> None:
        jobs: list[_Job] = []
        try:
            self._pool.outside.sleep(_BEFORE)
            with self._pool.acting() as app:
                jobs = self._take()
                _commit(jobs, app)
        except BaseException as error:  # noqa: BLE001 - each thread raises it for itself
            jobs = jobs or self._take()
            for job in jobs:
                job.error = error
        with self._changed:
            for job in jobs:
                job.done = True
            self._led = False
            self._changed.notify_all()

    def _take(self) -> list[_Job]:
        with self._changed:
            jobs, self._waiting = self._waiting, []
        return jobs


def _commit(jobs: Sequence[_Job], app: App) -> None:
    """Do all of it, however long another process writes: an edition for many readers is one long transaction."""
    until = app.outside.monotonic() + _PATIENCE
    while True:
        try:
            with app.storage.write(patience=0):
                for job in jobs:
                    _do(job, app)
        except LockedError:
            if app.outside.monotonic() > until:
                raise
            app.outside.sleep(_AGAIN)
        else:
            return


def _do(job: _Job, app: App) -> None:
    try:
        with app.storage.write():
            job.result = job.work(app)
    except Exception as error:  # noqa: BLE001 - its own thread raises it; the others' work goes on
        job.error = error


def write_together(work: Callable[[App], Result]) -> Result:
    """Do it in one transaction with what other requests write just now; see `Together.write`."""
    together: Together = current_app.extensions.setdefault(_EXTENSION, Together(front().pool))
    return together.write(work)

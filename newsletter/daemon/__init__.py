"""The newsletter day by day, by itself: a supervisor, and the processes that it keeps alive.

::

    run ──┬── heartbeat      begins the day's edition when it is due (`schedule`; the database decides)
          ├── deliver        drains the queue
          └── serve          answers browsers, if ``[web]`` is set

One program in several processes: a fetch that hangs does not hold up the mail, and a crash in one is seen by another.
"""

import logging
from collections.abc import Callable, Mapping, Sequence

from newsletter.app import App
from newsletter.daemon.supervisor import Supervisor
from newsletter.errors import StorageError
from newsletter.journal import RUN, Journal, note
from newsletter.locks import hold

log = logging.getLogger(__name__)


def run(
    app: App,
    commands: Mapping[str, Sequence[str]],
    told_to_stop_within: Callable[[float], bool],
    clock: Callable[[], float],
) -> None:
    """Keep the processes of a newsletter alive until told to stop; `commands` by their names in the journal.

    `told_to_stop_within` waits for some seconds or less, and says whether we are; `clock` is monotonic, in seconds.

    Raises:
        BusyError: this newsletter runs already.
        StorageError: the database cannot be used, or is a copy.

    """

    def signs() -> dict[str, object]:
        try:
            return {name: job.seen for name, job in app.storage.jobs.all().items()}
        except StorageError as error:
            log.warning("no child can be watched: %s", error)
            return {}

    def ended(name: str, reason: str) -> None:
        note(app, lambda storage, now: storage.jobs.end(name, 0, now, reason))

    with hold(app.lock_file(RUN), "running this newsletter"), Journal(app, RUN):
        app.storage.instance.check()
        log.info("runs config=%s database=%s", app.config.path, app.config.newsletter.database)
        Supervisor(commands, clock=clock, told_to_stop_within=told_to_stop_within, signs=signs, ended=ended).run()
    log.info("stopped")

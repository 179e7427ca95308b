"""The thread that handles what was asked for, behind the back of who asked."""

import logging
import threading
from types import TracebackType

from flask import Flask, Response, current_app

from newsletter.errors import StorageError
from newsletter.joining import handle_requests
from newsletter.web.pool import Pool

log = logging.getLogger(__name__)

_EXTENSION = "inbox"
_LOOK = 1.0  # seconds between two looks, if nobody says that something is there
_AT_ONCE = 10  # requests
_AFTER_FAILURE = 10.0  # seconds


class Inbox:
    """Handles requests, from `with` to its end; `look_after` has it look at once."""

    def __init__(self, site: Flask, pool: Pool) -> None:
        self._pool, self._wake, self._stop = pool, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="inbox", daemon=True)
        site.extensions[_EXTENSION] = self

    def __enter__(self) -> "Inbox":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._wake.set()
        self._thread.join()

    def look(self) -> None:
        """Look at once."""
        self._wake.set()

    def _work(self) -> None:
        try:
            while not self._stop.is_set():
                self._wake.wait(_LOOK)
                self._wake.clear()
                self._handle()
        finally:
            self._pool.close()

    def _handle(self) -> None:
        try:
            more = True
            while more and not self._stop.is_set():
                with self._pool.acting() as app:  # some at a time, for others want to write, too
                    more = bool(handle_requests(app, _AT_ONCE))
        except StorageError as error:
            log.warning("requests wait reason=%s", error)
            self._stop.wait(_AFTER_FAILURE)
        except Exception:  # the thread must not end: nobody would start another one
            log.exception("requests wait")
            self._stop.wait(_AFTER_FAILURE)


def look_after(response: Response) -> Response:
    """Have this site's inbox looked at, if there is a thread for it, once an answer has gone out: not even by its time
    does that tell what is found there."""
    inbox: Inbox | None = current_app.extensions.get(_EXTENSION)
    if inbox is not None:
        response.call_on_close(inbox.look)
    return response

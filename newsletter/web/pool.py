"""An `App` for each thread, since a SQLite connection belongs to the thread that opened it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from newsletter.app import App, Outside
from newsletter.config import Config
from newsletter.errors import StorageError

_Identity = tuple[int, int]  # of a file: its device and its number there


class Pool:
    """Two apps for each thread that asks, opened when first needed: one that only looks, and one that writes.

    A database that was put in the place of another is opened anew; one that is gone is an error, not an empty one.
    """

    def __init__(self, config: Config, outside: Outside | None = None) -> None:
        self.config, self.outside = config, outside or Outside()
        self._own = threading.local()
        self._turn = threading.Lock()

    def looking(self) -> App:
        """This thread's app for pages that are only shown: it changes nothing. Raises `StorageError`."""
        return self._app("looking")

    @contextmanager
    def acting(self) -> Iterator[App]:
        """This thread's app for what changes something; one thread at a time, for as long as the block runs.

        So writers of this process wait for one another here, and not in the growing pauses of SQLite.

        Raises:
            StorageError: the database cannot be used.

        """
        with self._turn:
            yield self._app("acting")

    def close(self) -> None:
        """Close what this thread has opened."""
        for name in ("looking", "acting"):
            self._close(name)

    def _app(self, name: str) -> App:
        database = self.config.newsletter.database
        held: tuple[_Identity, App] | None = self._own.__dict__.get(name)
        if held is not None and held[0] == _identity(database):
            return held[1]
        self._close(name)
        app = App(self.config, self.outside, looking=name == "looking")
        identity = _identity(database)
        _ = app.storage
        self._own.__dict__[name] = identity, app
        return app

    def _close(self, name: str) -> None:
        _, app = self._own.__dict__.pop(name, (None, None))
        if app is not None:
            app.close()


def _identity(path: Path) -> _Identity:
    try:
        status = path.stat()
    except OSError as error:
        raise StorageError(f"{path}: cannot be opened: {error.strerror}") from error
    return status.st_dev, status.st_ino

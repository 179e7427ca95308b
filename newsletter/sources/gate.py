"""The politeness rule: one request at a time and `interval` seconds between two, over all processes of this user."""

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from newsletter.errors import SourceError

_STAMP = struct.Struct("<d")


class GateError(SourceError):
    """The lock file cannot be used; asking again at once will not help."""


class Gate:
    """A lock file that holds the time of the last request (arXiv API Terms of Use).

    `clock` is wall time in seconds, because processes share it; `sleep` waits.
    """

    def __init__(self, path: Path, interval: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.interval = interval
        self._path, self._clock, self._sleep = path, clock, sleep

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for our turn and hold it while the request runs.

        The stamp is written before the request, lest a kill forget it, and after it, since an answer may be slow.

        Raises:
            GateError: the lock file cannot be written.

        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable("opened", error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._wait(handle)
            self._stamp(handle)
            yield
            self._stamp(handle)
        finally:
            os.close(handle)

    def _wait(self, handle: int) -> None:
        stored = os.pread(handle, _STAMP.size, 0)
        if len(stored) == _STAMP.size:
            gone = self._clock() - _STAMP.unpack(stored)[0]
            # A clock that was set back must not make us wait for hours.
            if 0 <= gone < self.interval:
                self._sleep(self.interval - gone)
            elif gone < 0:
                self._sleep(self.interval)

    def _stamp(self, handle: int) -> None:
        try:
            os.pwrite(handle, _STAMP.pack(self._clock()), 0)
        except OSError as error:
            raise self._unusable("written", error) from error

    def _unusable(self, what: str, error: OSError) -> GateError:
        reason = f"the gate cannot be {what} ({error.strerror}); [arxiv] gate names another place"
        return GateError(f"{self._path}: {reason}")

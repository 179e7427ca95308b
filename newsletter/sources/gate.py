"""The politeness rule: one request at a time and `interval` seconds between two, over all processes of this user.

The same file remembers which host asked for a pause, so that no process and no restart asks it again before.
"""

import fcntl
import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from newsletter.errors import SourceError

LONGEST_PAUSE = 86_400.0  # seconds; a pause that ends later comes from a clock that was set, or from a lie
_MAX_STATE = 65_536  # bytes; a host takes a hundred
_MAX_REFUSALS = 20  # in a row, that are counted


class GateError(SourceError):
    """The lock file cannot be used; asking again at once will not help."""


class CoolingError(SourceError):
    """A host asked for a pause that is not over; `seconds` are left."""

    def __init__(self, host: str, seconds: float, until: float, reason: str) -> None:
        self.seconds = seconds
        moment = datetime.fromtimestamp(until, UTC)
        super().__init__(f"{host} is left alone until {moment:%Y-%m-%d %H:%M:%S} UTC ({reason})")


@dataclass(frozen=True, slots=True)
class _Pause:
    """When a host may be asked again, why, and how often in a row it refused."""

    until: float
    reason: str
    refusals: int


@dataclass
class _State:
    """What the file holds: when the last request was, and what hosts asked for."""

    last: float | None = None
    hosts: dict[str, _Pause] = field(default_factory=dict)


class Turn:
    """One request's turn."""

    def __init__(self, state: _State, host: str, now: Callable[[], float]) -> None:
        self._state, self._host, self._now = state, host, now

    @property
    def refusals(self) -> int:
        """How often in a row this host has refused."""
        pause = self._state.hosts.get(self._host)
        return 0 if pause is None else pause.refusals

    def refused(self, seconds: float, reason: str) -> None:
        """The host wants to be left alone for so long."""
        until = self._now() + min(seconds, LONGEST_PAUSE)
        self._state.hosts[self._host] = _Pause(until, reason, self.refusals + 1)

    def answered(self) -> None:
        """The host answered; what it refused before is forgotten."""
        self._state.hosts.pop(self._host, None)


class Gate:
    """A lock file that holds the time of the last request (arXiv API Terms of Use).

    `clock` is wall time in seconds, because processes share it; `sleep` waits.
    """

    def __init__(self, path: Path, interval: float, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.interval = interval
        self._path, self._clock, self._sleep = path, clock, sleep

    @contextmanager
    def turn(self, host: str) -> Iterator[Turn]:
        """Wait for our turn and hold it while the request runs.

        The time is written before the request, lest a kill forget it, and after it, since an answer may be slow.

        Raises:
            CoolingError: the host asked for a pause; nothing is to be sent.
            GateError: the lock file cannot be written.

        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable("opened", error) from error
        try:
            state = self._lock(handle)
            self._refuse_cooling(state, host)
            self._wait(state)
            self._write(handle, state)
            try:
                yield Turn(state, host, self._clock)
            finally:
                self._write(handle, state)
        finally:
            os.close(handle)

    def _lock(self, handle: int) -> _State:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            return _read(handle)
        except OSError as error:
            raise self._unusable("locked", error) from error

    def _refuse_cooling(self, state: _State, host: str) -> None:
        pause = state.hosts.get(host)
        seconds = pause.until - self._clock() if pause is not None else 0.0
        if pause is None or seconds <= 0:
            return
        if seconds <= LONGEST_PAUSE:
            raise CoolingError(host, seconds, pause.until, pause.reason)
        del state.hosts[host]  # or it would count again, once the clock has come near

    def _wait(self, state: _State) -> None:
        if state.last is None:
            return
        gone = self._clock() - state.last
        # A clock that was set back must not make us wait for hours.
        if gone < self.interval:
            self._sleep(self.interval - max(gone, 0))

    def _write(self, handle: int, state: _State) -> None:
        state.last = self._clock()
        body = json.dumps(
            {"last": state.last, "hosts": {host: asdict(pause) for host, pause in state.hosts.items()}}
        ).encode()
        try:
            os.pwrite(handle, body, 0)
            os.ftruncate(handle, len(body))
        except OSError as error:
            raise self._unusable("written", error) from error

    def _unusable(self, what: str, error: OSError) -> GateError:
        reason = f"the gate cannot be {what} ({error.strerror}); [arxiv] gate names another place"
        return GateError(f"{self._path}: {reason}")


def _read(handle: int) -> _State:
    """What the file holds. One that was cut off by a kill, or is of another version, tells only that it was used."""
    body = os.pread(handle, _MAX_STATE, 0)
    if not body:
        return _State()
    try:
        # What a longer text left behind it does not count: a kill may come between writing and cutting.
        found, _ = json.JSONDecoder().raw_decode(body.decode())
        hosts = {
            str(host): _Pause(_finite(kept["until"]), str(kept["reason"]), min(int(kept["refusals"]), _MAX_REFUSALS))
            for host, kept in found["hosts"].items()
        }
        return _State(_finite(found["last"]), hosts)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return _State(os.fstat(handle).st_mtime)


def _finite(number: float) -> float:
    if not math.isfinite(number):
        raise ValueError("no moment")
    return float(number)

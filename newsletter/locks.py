"""Locks between processes that die with their holder."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from newsletter.errors import BusyError, RunError

_TRIES, _PAUSE = 1_000, 0.001  # seconds; who looks has it for microseconds, unless the machine is busy
_LOOKS = 100


@contextmanager
def hold(path: Path, task: str) -> Iterator[None]:
    """Hold the lock file for as long as the block runs; the file stays, only the lock on it counts.

    Raises:
        BusyError: another process holds it; names its number.
        RunError: the file cannot be made or locked.

    """
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        if not _taken(handle, path):
            raise BusyError(f"another process ({_holder(handle)}) is {task} just now")
        _name(handle, str(os.getpid()))
        try:
            yield
        finally:
            _name(handle, "")
    finally:
        os.close(handle)


def is_held(path: Path) -> bool:
    """Whether a process holds the lock file just now.

    Raises:
        RunError: that cannot be seen.

    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        return not _locked(handle, fcntl.LOCK_SH, path)
    finally:
        os.close(handle)


def _name(handle: int, holder: str) -> None:
    """Write down who holds it. That is for people; on a full disk the lock holds without it."""
    with suppress(OSError):
        os.ftruncate(handle, 0)
        os.pwrite(handle, holder.encode("ascii"), 0)


def _holder(handle: int) -> str:
    """Who holds it; they write that down in the instant after they took it."""
    for _ in range(_LOOKS):
        if found := os.pread(handle, 20, 0).decode("ascii", "replace").strip():
            return found
        time.sleep(_PAUSE)
    return "?"


def _taken(handle: int, path: Path) -> bool:
    """Take the lock, unless a process holds it. `is_held` shares it for an instant, which is waited for."""
    for _ in range(_TRIES):
        if _locked(handle, fcntl.LOCK_EX, path):
            return True
        if not _locked(handle, fcntl.LOCK_SH, path):
            return False
        fcntl.flock(handle, fcntl.LOCK_UN)  # or two that wait here would wait for each other
        time.sleep(_PAUSE)
    return False


def _locked(handle: int, kind: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise _unusable(path, error) from error
    return True


def _unusable(path: Path, error: OSError) -> RunError:
    return RunError(f"{path}: the lock cannot be taken: {error.strerror}")

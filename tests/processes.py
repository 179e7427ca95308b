"""Other processes, as tests see them."""

import time
from collections.abc import Callable
from pathlib import Path

WAITS = 120.0  # seconds until a test gives up; a busy machine needs many


def until(happened: Callable[[], bool]) -> None:
    """Wait for what another process does."""
    limit = time.monotonic() + WAITS
    while not happened():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.02)


def lives(pid: int) -> bool:
    """Whether a process is there, and not just waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False

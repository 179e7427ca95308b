"""Seconds and memory of a piece of work, in a process of its own."""

import multiprocessing
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")

#: A process that is spawned begins with nothing of ours in its memory.
SPAWN = multiprocessing.get_context("spawn")

_PROCESS = Path("/proc/self")


@dataclass(frozen=True, slots=True)
class Cost:
    """What a piece of work took: seconds, and megabytes that its process held before it and at most."""

    seconds: float
    before: float
    peak: float


def measure(work: Callable[[], _Result], *, times: int = 1) -> tuple[Cost, _Result]:
    """Do some work and say what it took; of several times, the median of the seconds."""
    before = _held_now()
    runs = []
    for _ in range(times):
        start = time.perf_counter()
        result = work()
        runs.append(time.perf_counter() - start)
    return Cost(statistics.median(runs), before, _most_held()), result


def seconds(work: Callable[[], object], *, times: int = 3) -> float:
    """How long some work takes: a reference, whose memory nobody asks for."""
    return measure(work, times=times)[0].seconds


def alone(step: Callable[_Parameters, _Result], *args: _Parameters.args, **options: _Parameters.kwargs) -> _Result:
    """Call a function of a module in a process of its own, so that no step pays for what another left in memory."""
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        return pool.submit(step, *args, **options).result()


def aside(work: Callable[_Parameters, _Result], *args: _Parameters.args, **options: _Parameters.kwargs) -> _Result:
    """Call a function in a copy of this process, which keeps what it fills its memory with from ours."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(work, *args, **options).result()


def _held_now() -> float:
    """Megabytes held now; from here on `_most_held` counts anew, where the system can do that (Linux)."""
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")
    return _most_held()


def _most_held() -> float:
    """What ru_maxrss tells, in megabytes. Linux tells it of the program from which this process was made, too."""
    with suppress(OSError):
        held = re.search(r"VmHWM:\s+(\d+) kB", (_PROCESS / "status").read_text())
        if held is not None:
            return int(held[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)

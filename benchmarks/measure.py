"""Timing, and one row of the table."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Row:
    """A step: how many of what in how many seconds, and how that compares with a reference of this run."""

    step: str
    seconds: float
    number: int
    unit: str
    ratio: float | None = None  # 1: as fast as the reference; more is faster
    reference: str = ""

    def __str__(self) -> str:
        rate = f"{self.number / self.seconds:,.0f} {self.unit}/s" if self.seconds else "-"
        ratio = "-" if self.ratio is None else f"{self.ratio:.2f}"
        return f"{self.step:<44} {self.seconds:>8.3f}  {rate:>16}  {ratio:>6}  {self.reference}"


def timed(work: Callable[[], _Result]) -> tuple[float, _Result]:
    """Seconds that `work` took, and what it returned."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result

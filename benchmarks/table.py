"""The table: one row a step."""

import os
import platform
import sqlite3
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Cost


@dataclass(frozen=True, slots=True)
class Row:
    """A step: how many of what, what that cost, and how many seconds the reference took for as many.

    Without a cost it was not measured, and `reference` says why.
    """

    step: str
    number: int
    unit: str
    cost: Cost | None
    reference_seconds: float | None
    reference: str

    @property
    def rate(self) -> float | None:
        """How many a second."""
        return self.number / self.cost.seconds if self.cost else None

    @property
    def ratio(self) -> float | None:
        """1: as fast as the reference; more is faster."""
        return self.reference_seconds / self.cost.seconds if self.cost and self.reference_seconds else None

    def __str__(self) -> str:
        if self.cost is None:
            return _line(self.step, "-", "-", "-", "-", "-", self.reference)
        cost, rate = self.cost, f"{self.rate:,.0f} {self.unit}/s"
        memory = f"{cost.peak:,.0f}", f"{cost.before:,.0f}"
        return _line(
            self.step, f"{cost.seconds:,.3f}", rate, *memory, f"{float(f'{self.ratio:.2g}'):g}", self.reference
        )

    def record(self) -> dict[str, Any]:
        """The row for other programs."""
        return {
            "step": self.step,
            "seconds": self.cost and self.cost.seconds,
            "number": self.number,
            "unit": self.unit,
            "rate": self.rate,
            "megabytes": self.cost and self.cost.peak,
            "megabytes_before": self.cost and self.cost.before,
            "ratio": self.ratio,
            "reference": self.reference,
        }


def heading() -> str:
    """What stands above the rows."""
    return "\n".join(
        (
            f"{machine()}. Machines are noisy: read the ratios; 1 is as fast as the reference, more is faster.",
            "peak MB: the most that the step's process, which does nothing else, held meanwhile; before: what it held",
            "when the step began, which is Python, the modules, and what the step was given to work on.",
            "",
            _line("step", "seconds", "rate", "peak MB", "before", "ratio", "reference"),
        )
    )


def machine() -> str:
    """What it was measured on."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def _line(step: str, seconds: str, rate: str, peak: str, before: str, ratio: str, reference: str) -> str:
    return f"{step:<55} {seconds:>8}  {rate:>18}  {peak:>7} {before:>7}  {ratio:>6}  {reference}"

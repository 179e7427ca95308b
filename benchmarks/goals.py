"""The table of the goals: how fast mail goes out, beside references that were measured in turn with it."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.table import machine

_Rate = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Goal:
    """A step, what it is measured against, the ratio that it should have, and mails a second of both, round by round.

    Without any it was not measured, and `reference` says why. Without a goal it is only for comparison.
    """

    step: str
    goal: float | None
    reference: str
    ours: Sequence[float] = ()
    theirs: Sequence[float] = ()

    @property
    def ratios(self) -> list[float]:
        """Of each round: 1 is as fast as the reference, more is faster."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)]

    def __str__(self) -> str:
        goal = f"{self.goal:g}" if self.goal else "-"
        if not self.ours:
            return _line(self.step, "-", "-", "-", "-", goal, self.reference)
        ratios = sorted(self.ratios)
        ours, theirs = (f"{statistics.median(rates):,.0f}" for rates in (self.ours, self.theirs))
        spread = f"{_short(ratios[0])}-{_short(ratios[-1])}"
        return _line(self.step, ours, theirs, _short(statistics.median(ratios)), spread, goal, self.reference)

    def record(self) -> dict[str, Any]:
        """The row for other programs."""
        ratio = statistics.median(self.ratios) if self.ours else None
        rates = {"ours": list(self.ours), "theirs": list(self.theirs)}
        return {"step": self.step, "ratio": ratio, "goal": self.goal, "reference": self.reference, **rates}


def in_turn(rounds: int, contenders: Mapping[str, _Rate]) -> dict[str, list[float]]:
    """What each of them reaches, round by round; there and back, for what else the machine does comes and goes."""
    reached: dict[str, list[float]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        for name in names if number % 2 == 0 else reversed(names):
            reached[name].append(contenders[name]())
    return reached


def heading() -> str:
    """What stands above the rows."""
    return "\n".join(
        (
            "",
            f"{machine()}. How fast mail goes out: claimed, put together, sent, recorded, by one process.",
            "Mails a second, ours and those of the reference, which takes turns with ours. Ratio: 1 is as",
            "fast as the reference, more is faster; the median of the rounds, the lowest and the highest; the goal.",
            "",
            _line("step", "ours", "theirs", "ratio", "from-to", "goal", "reference"),
        )
    )


def _short(number: float) -> str:
    return f"{float(f'{number:.3g}'):g}" if number < 100 else f"{number:,.0f}"


def _line(step: str, ours: str, theirs: str, ratio: str, spread: str, goal: str, reference: str) -> str:
    return f"{step:<55} {ours:>7} {theirs:>7}  {ratio:>6} {spread:>13}  {goal:>5}  {reference}"

"""The growth as a drawing: seconds and megabytes, against papers, queries, readers, the history and connections."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.growth import MAILS, PARTS, USUAL, Point

_WIDTH, _HEIGHT = 230, 150  # of one chart
_LEFT, _TOP, _BESIDE, _BELOW = 64, 104, 62, 48
_LETTER = 6.7  # the width of a digit
_STYLE = """
svg { font: 12px system-ui, sans-serif; --ground: #fff; --text: #1f2328; --grid: #d8dee4;
  --fetch: #0969da; --decide: #bc4c00; --queue: #1a7f37; --send: #8250df;
  --compare: #cf222e; --show: #6e7781; --far: #bf3989; }
@media (prefers-color-scheme: dark) { svg { --ground: #0d1117; --text: #e6edf3; --grid: #3d444d;
  --fetch: #58a6ff; --decide: #f0883e; --queue: #3fb950; --send: #bc8cff;
  --compare: #ff7b72; --show: #8b949e; --far: #f778ba; } }
rect { fill: var(--ground); }
text { fill: var(--text); } .middle { text-anchor: middle; } .end { text-anchor: end; }
path { fill: none; stroke: var(--grid); }
.fetch, .decide, .queue, .send, .compare, .show, .far { stroke-width: 2; }
.fetch { stroke: var(--fetch); }
.decide { stroke: var(--decide); stroke-dasharray: 10 3 2 3; }
.queue { stroke: var(--queue); stroke-dasharray: 6 3; }
.send { stroke: var(--send); stroke-dasharray: 2 2; }
.compare { stroke: var(--compare); }
.show { stroke: var(--show); stroke-dasharray: 6 3; }
.far { stroke: var(--far); stroke-dasharray: 10 3; }
"""


@dataclass(frozen=True, slots=True)
class _Axis:
    """From values to places along one side of a chart. `ticks` are what is written there, the ends among them."""

    ticks: Sequence[float]
    length: int
    unit: str = ""
    spread: Callable[[float], float] = math.log10

    def at(self, value: float) -> float:
        """How far from the side's beginning."""
        low, high = self.spread(self.ticks[0]), self.spread(self.ticks[-1])
        return round(self.length * (self.spread(value) - low) / (high - low), 1)


def draw(points: Sequence[Point]) -> str:
    """Draw all points: above the seconds, with both axes logarithmic, below the megabytes."""
    columns = list(dict.fromkeys(point.what for point in points))
    seconds = _Axis(_decades([point.cost.seconds for point in points]), _HEIGHT, "s")
    memory = _Axis(_hundreds([point.cost.peak for point in points]), _HEIGHT, "MB", float)
    width, height = _LEFT + len(columns) * (_WIDTH + _BESIDE), _TOP + 2 * (_HEIGHT + _BELOW)
    # The ground is painted, for a page may be dark where the reader's system is light.
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        "<title>What the parts of a day cost as papers, queries, readers, the history and connections grow</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}"/>',
        *_legend(),
    ]
    for column, what in enumerate(columns):
        mine = [point for point in points if point.what == what]
        across = _Axis(sorted({point.size for point in mine}), _WIDTH, what)
        left = _LEFT + column * (_WIDTH + _BESIDE)
        lines += _text(left + _WIDTH / 2, _TOP - 14, _rest(what), "middle")
        lines += _chart(left, _TOP, across, seconds, mine, lambda point: point.cost.seconds)
        lines += _chart(left, _TOP + _HEIGHT + _BELOW, across, memory, mine, lambda point: point.cost.peak)
    return "\n".join([*lines, "</svg>", ""])


def _legend() -> Iterator[str]:
    for place, part in enumerate(PARTS):
        left, top = _LEFT + place % 4 * (_WIDTH + _BESIDE), 24 + place // 4 * 22
        yield f'<path class="{part}" d="M{left} {top}h36"/>'
        yield from _text(left + 44, top + 4, PARTS[part])


def _rest(what: str) -> str:
    if what == "connections":
        return f"for {MAILS:,} mails of 40 KB"
    others = [other for other in USUAL if other != what] if what in USUAL else ["papers"]
    return "with " + ", ".join(f"{USUAL[other]:,} {other}" for other in others)


def _labels(axis: _Axis) -> dict[float, str]:
    """What is written at the ticks, the last of them first, where there is room."""
    labels: dict[float, str] = {}
    free = math.inf
    for tick in reversed(axis.ticks):
        label, place = f"{tick:,.0f}", axis.at(tick)
        if place + len(label) * _LETTER / 2 < free:
            labels[tick] = label
            free = place - len(label) * _LETTER / 2 - _LETTER
    return labels


def _chart(
    left: float, top: float, across: _Axis, up: _Axis, points: Sequence[Point], value: Callable[[Point], float]
) -> Iterator[str]:
    yield f'<g transform="translate({left} {top})">'
    labels = _labels(across)
    for tick in across.ticks:
        yield f'<path d="M{across.at(tick)} 0v{_HEIGHT}"/>'
        yield from _text(across.at(tick), _HEIGHT + 16, labels.get(tick, ""), "middle")
    yield from _text(_WIDTH / 2, _HEIGHT + 32, across.unit, "middle")
    for tick in up.ticks:
        yield f'<path d="M0 {_HEIGHT - up.at(tick)}h{_WIDTH}"/>'
        if left == _LEFT:  # those beside it have the same
            yield from _text(-6, _HEIGHT - up.at(tick) + 4, f"{tick:,g} {up.unit}", "end")
    for part in PARTS:
        places = [f"{across.at(p.size)} {round(_HEIGHT - up.at(value(p)), 1)}" for p in points if p.part == part]
        if places:
            yield f'<path class="{part}" d="M{" L".join(places)}"/>'
    yield "</g>"


def _text(x: float, y: float, text: str, place: str = "") -> Iterator[str]:
    yield f'<text x="{x}" y="{y}" class="{place}">{text}</text>' if place else f'<text x="{x}" y="{y}">{text}</text>'


def _decades(values: Sequence[float]) -> list[float]:
    """Powers of ten around the values."""
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10.0**power for power in range(low, high + 1)]


def _hundreds(values: Sequence[float]) -> list[float]:
    """Hundreds from nothing to beyond the values."""
    return [float(value) for value in range(0, math.ceil(max(values) / 100) * 100 + 1, 100)]

"""How a day's cost grows with papers, queries and readers, one of them at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from benchmarks import house, material
from benchmarks.delaying import delayed
from benchmarks.fetching import fetching
from benchmarks.history import comparing
from benchmarks.measure import Cost, alone, aside, measure
from benchmarks.queues import queue
from benchmarks.sending import sending, sink, there
from newsletter.app import App
from newsletter.settling import Plan, make_plan, write_down

#: What stays as it is while something else grows.
USUAL = {"papers": 2_000, "queries": 1_000, "readers": 10_000}
SIZES: Mapping[str, Sequence[int]] = {
    "papers": (500, 1_000, 2_000, 4_000, 8_000),
    "queries": (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000),
    "readers": (1_000, 3_000, 10_000, 30_000, 100_000),
    "papers held": (30_000, 300_000, 3_000_000),
    "connections": (1, 2, 4, 10, 20, 50),
}
#: The parts of a day, as they follow one another.
PARTS = {
    "fetch": "fetch and parse",
    "compare": "compare with what is held",
    "decide": "match and make cards",
    "queue": "write down and queue",
    "send": "send",
    "show": "find what the README shows",
    "far": "send over 20 ms of latency",
}
#: Of the connections, each chart tells the seconds for so many mails.
MAILS = 10_000
_FAR = 0.020  # seconds of a round trip
_A_LINE = 100  # mails that a connection sends over it, to be reckoned up


@dataclass(frozen=True, slots=True)
class Point:
    """What a part of a day took when there was so much of something."""

    part: str
    what: str
    size: int
    cost: Cost

    def __str__(self) -> str:
        return f"{self.size:>7,} {self.what:<8} {self.part:<7} {self.cost.seconds:>8.3f} s {self.cost.peak:>6,.0f} MB"

    def record(self) -> dict[str, Any]:
        """The point for other programs."""
        seconds, megabytes = self.cost.seconds, self.cost.peak
        return {"part": self.part, "what": self.what, "size": self.size, "seconds": seconds, "megabytes": megabytes}


def growing(sizes: Mapping[str, Sequence[int]] = SIZES, usual: Mapping[str, int] = USUAL) -> Iterator[Point]:
    """Measure each part of a day at each size, in a process of its own."""
    for what in sizes:
        for size in sizes[what]:
            for part, cost in _costs(what, size, usual):
                yield Point(part, what, size, cost)


def _costs(what: str, size: int, usual: Mapping[str, int]) -> Iterator[tuple[str, Cost]]:
    if what == "papers held":
        rows = alone(comparing, size, usual["papers"])
        yield from ((part, row.cost) for part, row in zip(("compare", "show"), rows, strict=True) if row.cost)
        return
    if what == "connections":
        yield from _sending(size)
        return
    if what == "papers" and (fetched := alone(fetching, size).cost):
        yield "fetch", fetched
    sizes = {**usual, what: size}
    sizes["readers"] = max(sizes["readers"], sizes["queries"])  # each query is somebody's
    yield from zip(("decide", "queue"), alone(_settling, **sizes), strict=True)
    if what == "readers" and there() and (sent := alone(sending, size).cost):
        yield "send", sent


def _sending(connections: int) -> Iterator[tuple[str, Cost]]:
    """Send to a sink, and to one that is far away."""
    if not there():
        return
    with sink() as near, delayed(near, _FAR) as far:
        with queue(MAILS // 2) as ours:
            yield "send", _reckoned(ours.cost(near, connections), ours.mails)
        with queue(_A_LINE * (connections + 2)) as ours:
            yield "far", _reckoned(ours.cost(far, connections), ours.mails)


def _reckoned(cost: Cost, mails: int) -> Cost:
    return replace(cost, seconds=cost.seconds * MAILS / mails)


def _settling(papers: int, queries: int, readers: int) -> tuple[Cost, Cost]:
    """Match and make cards, which writes nothing; then write the edition and everybody's digest down."""
    with house.temporary() as folder:
        crowd = partial(house.topics_and_queries, queries)
        aside(house.bring_news, folder, crowd, readers, papers)
        with house.opened(folder) as app:
            decided, plan = measure(lambda: make_plan(app, material.TODAY))
            queued, _ = measure(lambda: _write_down(app, plan))
    return decided, queued


def _write_down(app: App, plan: Plan) -> None:
    with app.storage.write():
        write_down(app, plan)

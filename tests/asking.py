"""Asking the invented arXiv with the newsletter's own client, from here and from other processes."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from house import Time

from newsletter.model import Paper
from newsletter.sources import Sifted
from newsletter.sources.client import Client
from newsletter.sources.gate import Gate

_PROGRAM = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from newsletter.errors import SourceError
    from newsletter.sources.client import Client
    from newsletter.sources.gate import Gate
    gate, interval, *addresses = sys.argv[1:]
    gate = Gate(Path(gate), float(interval), time.time, time.sleep)
    client = Client(gate, "Test", sleep=time.sleep, chance=lambda: 0.0, wall=time.time, monotonic=time.monotonic)
    for address in addresses:
        try:
            client.get(address, {"search_query": "cat:cs.CV"}, len)
        except SourceError as error:
            print(error)
    """
)


def make_client(folder: Path, time: Time, interval: float = 3, **others: Any) -> Client:
    """A client whose clock and sleep are `time`'s."""
    gate = Gate(folder / "gate", interval, lambda: time.now.timestamp(), time.sleep)
    outside = {
        "sleep": time.sleep,
        "chance": lambda: 0.0,
        "wall": lambda: time.now.timestamp(),
        "monotonic": lambda: 0.0,
        "timeouts": (5.0, 5.0),
        **others,
    }
    return Client(gate, "DailyPapers/1 (+mailto:papers@example.org)", **outside)


def ask_all(
    gate: Path, interval: float, *addresses: str, environment: Mapping[str, str] | None = None
) -> "subprocess.Popen[str]":
    """Another process that asks for each address, in real time; it says what failed."""
    command = [sys.executable, "-c", _PROGRAM, str(gate), str(interval), *addresses]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})})


class Keeper:
    """A sieve that keeps everything, and takes some versions for known."""

    def __init__(self, known: Callable[[Paper], bool] = lambda _paper: False) -> None:
        self.known = known
        self.papers: list[Paper] = []
        self.listed: dict[int, list[tuple[str, int]]] = {}

    def take(self, papers: Sequence[Paper], topic_ids: Collection[int] = ()) -> Sifted:
        self.papers += papers
        for topic_id in topic_ids:
            self.listed.setdefault(topic_id, []).extend(paper.key for paper in papers)
        known = sum(map(self.known, papers))
        return Sifted(known=known, news=len(papers) - known)

    def candidates(self, papers: Sequence[Paper]) -> list[Paper]:
        return list(papers)

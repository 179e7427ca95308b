"""Killed before any of its effects and run again, `publish` loses nothing, and repeats only what nobody can know."""

import email
import mailbox
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import day, make_paper, subscribe
from killing import open_house

from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.library import FixedAnswers
from newsletter.model import DeliveryStatus

GRAPHS, VIDEO = "Graph Neural Networks", "Video Anomaly Detection"
READERS = ["all@example.org", "graphs@example.org", "video@example.org"]
KILLED, DONE = -9, 0
UNHARMED = 1_000_000  # more effects than there are
POINTS = 30  # processes that are killed, spread over all effects of a run; KILL_POINTS=500 tries each


@pytest.fixture
def arxiv() -> Iterator[ArxivStandIn]:
    both = make_paper(3, f"{GRAPHS} for {VIDEO}")
    answers = {GRAPHS: [both, make_paper(1)], VIDEO: [make_paper(4, VIDEO), both]}
    with ArxivStandIn(FixedAnswers(answers)) as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, arxiv: ArxivStandIn) -> Path:
    (tmp_path / "house").mkdir()
    app = open_house(tmp_path / "house", arxiv.url)
    subscribe(app, "all@example.org")
    subscribe(app, "graphs@example.org", topics=[GRAPHS])
    subscribe(app, "video@example.org", topics=[VIDEO])
    app.close()
    return tmp_path


def publish_killed(house: Path, url: str, *numbers: int) -> dict[int, tuple[int, int]]:
    command = [sys.executable, str(Path(__file__).with_name("killing.py")), str(house), url, *map(str, numbers)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = (tuple(map(int, line.split())) for line in done.stdout.splitlines())
    return {number: (first, second) for number, first, second in rows}


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder / "archive", capture_output=True, text=True, check=True)
    return done.stdout


def announced(folder: Path, url: str) -> set[tuple[object, ...]]:
    app = open_house(folder, url)
    try:
        assert app.storage.deliveries.counts() == {DeliveryStatus.SENT: 3}
        assert app.storage.deliveries.overlapping() == []
        assert app.storage.editions.dates() == [day()]
        return {(a.topic_id, a.paper.key, a.kind, a.edition) for a in app.storage.editions.of(day())}
    finally:
        app.close()


def mails(folder: Path) -> Counter[tuple[str, str]]:
    box = mailbox.Maildir(folder / "outbox", create=False)
    found = (email.message_from_bytes(box.get_bytes(key)) for key in box.iterkeys())
    return Counter((message["To"], message["Message-ID"]) for message in found)


def effects(house: Path, url: str) -> int:
    """How many effects a run has: the first number of them that it survives."""
    low, high = 1, 1024
    while low < high:
        middle = (low + high) // 2
        ((first, _),) = publish_killed(house, url, middle).values()
        low, high = (middle + 1, high) if first == KILLED else (low, middle)
    return low - 1


def test_killed_anywhere(house: Path, arxiv: ArxivStandIn) -> None:
    last = effects(house, arxiv.url)
    assert last > 60
    points = int(os.environ.get("KILL_POINTS", POINTS))
    numbers = {1 + step * last // points for step in range(points)} - {
        int(tried.name) for tried in house.glob("[0-9]*")
    }
    ends = publish_killed(house, arxiv.url, *sorted(numbers))
    assert {number: end for number, end in ends.items() if end != (KILLED, DONE)} == {}
    whole = house / str(UNHARMED)
    assert publish_killed(house, arxiv.url, UNHARMED) == {UNHARMED: (DONE, DONE)}
    wanted, readme = announced(whole, arxiv.url), git(whole, "show", "HEAD:README.md")
    for number in numbers:
        folder = house / str(number)
        assert announced(folder, arxiv.url) == wanted, number
        assert git(folder, "log", "--format=%s").splitlines() == ["Papers of 2026-01-06"], number
        assert git(folder, "show", "HEAD:README.md") == readme, number
        assert git(folder, "status", "--porcelain") == "", number
        copies = mails(folder)
        assert sorted(address for address, _ in copies) == READERS, number  # one Message-ID each
        assert sum(copies.values()) <= len(READERS) + 1, number  # at most the one that was under way

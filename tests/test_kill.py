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
#: Points that are always among them, by the last effect that comes then.
NAMED = {
    "after the fetch": "INSERT INTO harvests",
    "in the transaction": "INSERT INTO announcements",
    "between two mails": "outbox/tmp/",
    "before there is a repository": " init ",
    "between README and commit": " commit-tree ",
    "between commit and push": " push ",
}


@pytest.fixture
def arxiv() -> Iterator[ArxivStandIn]:
    both = make_paper(3, f"{GRAPHS} for {VIDEO}")
    answers = {GRAPHS: [both, make_paper(1)], VIDEO: [make_paper(4, VIDEO), both]}
    with ArxivStandIn(FixedAnswers(answers)) as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, arxiv: ArxivStandIn) -> Path:
    folder = tmp_path / "house"
    folder.mkdir()
    app = open_house(folder, arxiv.url)
    subscribe(app, "all@example.org")
    subscribe(app, "graphs@example.org", topics=[GRAPHS])
    subscribe(app, "video@example.org", topics=[VIDEO])
    app.close()
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", "remote.git"], cwd=folder, check=True)
    # Every archive there is pushes to the repository beside it.
    remote = '[remote "origin"]\nurl = ../remote.git\nfetch = +refs/heads/*:refs/remotes/origin/*\n'
    (tmp_path / "gitconfig").write_text(f"{remote}[init]\ndefaultBranch = main\n")
    return tmp_path


def publish_killed(house: Path, url: str, *numbers: int) -> dict[int, tuple[int, int]]:
    command = [sys.executable, str(Path(__file__).with_name("killing.py")), str(house), url, *map(str, numbers)]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": str(house / "gitconfig")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
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


def points(effects: list[str]) -> list[int]:
    """Before which effects to kill: those with a name, and some of all."""
    named = {max(number for number, effect in enumerate(effects, 1) if of in effect) for of in NAMED.values()}
    points = int(os.environ.get("KILL_POINTS", POINTS))
    return sorted(named | {1 + step * len(effects) // points for step in range(points)})


def test_killed_anywhere(house: Path, arxiv: ArxivStandIn) -> None:
    assert publish_killed(house, arxiv.url, UNHARMED) == {UNHARMED: (DONE, DONE)}
    whole = house / str(UNHARMED)
    wanted, readme = announced(whole, arxiv.url), git(whole, "show", "HEAD:README.md")
    numbers = points((whole / "effects").read_text().splitlines())
    ends = publish_killed(house, arxiv.url, *numbers)
    assert {number: end for number, end in ends.items() if end != (KILLED, DONE)} == {}
    for number in numbers:
        folder = house / str(number)
        assert announced(folder, arxiv.url) == wanted, number
        assert git(folder, "log", "--format=%s").splitlines() == ["Papers of 2026-01-06"], number
        assert git(folder, "--git-dir=../remote.git", "rev-list", "main") == git(folder, "rev-list", "HEAD"), number
        assert git(folder, "show", "HEAD:README.md") == readme, number
        assert git(folder, "status", "--porcelain") == "", number
        copies = mails(folder)
        assert sorted(address for address, _ in copies) == READERS, number  # one Message-ID each
        assert sum(copies.values()) <= len(READERS) + 1, number  # at most the one that was under way

"""The benchmarks run. What they measure is nobody's promise: no test times anything."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.growth import Point, growing
from benchmarks.history import TOPICS, write_down
from benchmarks.plot import draw
from newsletter.model import Announcement, Kind
from newsletter.storage import Storage

ROOT = Path(__file__).parents[1]
STEPS = (
    "fetch, parse and sift 100 papers",
    "fetch 100 papers that are held",
    "fetch 200 papers that are held",
    "read 100 papers of history",
    "read 400 papers of history",
    "read a page of the API, 100 entries",
    "read a page of the API, 100 entries",
    "read a feed, 100 items",
    "read a page of OAI-PMH, 125 records",
    "compare 100 papers with 300 that are held",
    "compare 100 papers with 3,000 that are held",
    "compare 100 papers with 30,000 that are held",
    "find the newest 100 of 10 topics, of 30,000 papers",
    "make 100 papers ready for queries",
    "match 100 papers to 10 queries",
    "match 100 papers to 100 queries",
    "make the cards of 60 papers",
    "join 50 digests, one choice",
    "join 50 digests, 1 to 3 of 8 topics",
    "join ",
    "sign 50 mails of 40 KB, RSA-2048",
    "sign 50 mails of 40 KB, RSA-2048",
    "sign 50 mails of 40 KB, Ed25519",
    "sign 50 mails of 40 KB, Ed25519",
    "send 50 digests",
    "settle 60 papers, queue 50 digests",
    "settle 60 papers, queue 50 digests, 100 queries",
    "publish for 50 subscribers",
)
GOALS = (  # and what each is measured against
    ("send to smtp-sink", "smtp-source"),
    ("send to smtp-sink", "smtplib, 10 threads"),
    ("send to smtp-sink", "smtplib, 1 connection"),
    ("send to smtp-sink", "our ledger in memory"),
    ("send to smtp-sink", "aiosmtplib"),
    ("send signed, ed25519", "the same, unsigned"),
    ("send to smtp-sink", "Mailman"),
    ("send to Postfix", "smtp-source"),
    ("send over 20 ms of latency", "smtplib, 20 threads"),
    ("send small digests", "rss2email"),
)
HELD = ("newsletter deliver, 50 deliveries",) * 2
LOADS = (
    "leave with one click",
    "leave with one click",
    "read an edition of 60 papers",
    "leave with one click",
    "read an edition of 60 papers",
    "500 leave a second, while ...",
    "... 200 read an edition",
)


def test_every_row_is_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(tmp_path / "rows.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed, read = done.stdout.split("\n\n")[1::2], iter(json.loads((tmp_path / "rows.json").read_text()))
    steps, goals, held, loads = ([line for line in part.splitlines() if line[:5] != "step "] for part in printed)
    for expected, line, row in zip(STEPS, steps, read, strict=False):
        assert line.startswith(expected)
        assert row["step"].startswith(expected)
        assert row["reference"]
        assert (row["seconds"] is None) == ("not measured" in row["reference"]) == (row["ratio"] is None)
    for (expected, reference), line, row in zip(GOALS, goals, read, strict=False):
        assert line.startswith(expected)
        assert row["step"].startswith(expected)
        assert reference in line
        assert (row["ratio"] is None) == ("not measured" in row["reference"])
    for expected, line, row in zip(HELD, held, read, strict=False):
        assert line.split("  ")[0].strip() in expected
        assert row["step"] == expected
        assert (row["megabytes"] is None) == ("not measured" in line)
    for expected, line, row in zip(LOADS, loads, read, strict=False):
        assert line.startswith(expected)
        assert row["step"].startswith(expected)
        assert (row["rate"] is None) == ("not measured" in row["beside"])
        assert row["failed"] == 0
    assert [len(steps), len(goals), len(held), len(loads)] == [len(STEPS), len(GOALS), len(HELD), len(LOADS)]


@pytest.mark.parametrize("number", [1_000, 60_000])  # of few that are settled, and of many
def test_a_history_is_found_again(tmp_path: Path, number: int) -> None:
    write_down(tmp_path / "subscribers.db", number)
    with closing(Storage(tmp_path / "subscribers.db")) as storage:
        first, *others = storage.papers.newest(TOPICS, 3)
        with storage.write():
            storage.papers.add([replace(first, version=2), replace(others[1], version=2)], first.updated)
            revised = Announcement(TOPICS, replace(first, version=2), Kind.REVISED)
            elsewhere = Announcement(1, replace(others[1], version=2), Kind.REVISED)
            storage.editions.settle([revised, elsewhere], {})
        assert list(storage.papers.newest(TOPICS, 3)) == [revised.paper, *others]
        assert len(list(storage.papers.newest(TOPICS, number))) == number // TOPICS
        week = storage.editions.settled_since(first.updated - timedelta(days=7))
    assert {len(found) for found in week.values()} == {min(number, 7_001) // TOPICS, min(number, 7_001) // TOPICS + 1}


def test_growth_is_drawn() -> None:
    points = list(
        growing({"queries": (10, 20), "papers held": (300, 3_000)}, {"papers": 10, "queries": 10, "readers": 10})
    )
    assert [(point.part, point.size) for point in points] == [
        ("decide", 10),
        ("queue", 10),
        ("decide", 20),
        ("queue", 20),
        ("compare", 300),
        ("show", 300),
        ("compare", 3_000),
        ("show", 3_000),
    ]
    drawing = draw([*points, *(Point("far", "connections", size, points[0].cost) for size in (1, 50))])
    texts = {element.text for element in ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")}  # noqa: S314 - our own
    assert {"queries", "10", "20", "match and make cards", "papers held", "3,000"} <= texts
    assert {"connections", "50", "send over 20 ms of latency", "for 10,000 mails of 40 KB"} <= texts
    assert len(drawing) < 60_000

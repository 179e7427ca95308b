"""The benchmarks run. What they measure is nobody's promise: no test times anything."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

from benchmarks.growth import growing
from benchmarks.plot import draw

ROOT = Path(__file__).parents[1]
STEPS = (
    "fetch and parse 100 papers",
    "make 100 papers ready for queries",
    "match 100 papers to 10 queries",
    "match 100 papers to 100 queries",
    "make the cards of 60 papers",
    "join 50 digests, one choice",
    "join 50 digests, 1 to 3 of 8 topics",
    "join ",
    "send 50 digests",
    "settle 60 papers, queue 50 digests",
    "publish for 50 subscribers",
)


def test_every_row_is_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(tmp_path / "rows.json")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.partition("reference\n")[2].splitlines()
    rows = json.loads((tmp_path / "rows.json").read_text())
    for expected, line, row in zip(STEPS, printed, rows, strict=True):
        assert line.startswith(expected)
        assert row["step"].startswith(expected)
        assert row["reference"]
        assert (row["seconds"] is None) == ("not measured" in row["reference"]) == (row["ratio"] is None)


def test_growth_is_drawn() -> None:
    points = list(growing({"queries": (10, 20)}, {"papers": 10, "queries": 10, "readers": 10}))
    assert [(point.part, point.size) for point in points] == [
        ("decide", 10),
        ("queue", 10),
        ("decide", 20),
        ("queue", 20),
    ]
    drawing = draw(points)
    texts = {element.text for element in ET.fromstring(drawing).iter("{http://www.w3.org/2000/svg}text")}  # noqa: S314 - our own
    assert {"queries", "10", "20", "match and make cards"} <= texts
    assert len(drawing) < 60_000

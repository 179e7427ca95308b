"""`newsletter topics try`: what a query would have matched, before anybody subscribes."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from house import make_paper

from newsletter.cli import newsletter
from newsletter.demo import faults
from newsletter.demo.announcements import Announced, Release
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.model import Paper

NOW = datetime.now(UTC)  # the command goes by the machine's clock
CONFIG = """
[newsletter]
sender = "papers@example.org"
[[topics]]
name = "Graph Neural Networks"
[arxiv]
api_url = "{arxiv.url}"
feed_url = "{arxiv.feed_url}"
oai_url = "{arxiv.oai_url}"
interval = 0
gate = "gate"
categories = ["cs.*"]
"""


def paper(number: int, title: str, days: float, **fields: Any) -> Paper:
    moment = NOW - timedelta(days=days)
    return make_paper(number, title, submitted=moment, updated=moment, **fields)


PAPERS = (
    paper(1, r"Erd\H{o}s Graphs and Neural $\ell_1$ Networks", 1, abstract="A graph neural network."),
    paper(2, "Graph Neural Networks", 2),
    paper(3, "Graph Neural Networks of old", 20),
    paper(4, "Graph Neural Networks in Mathematics", 3, categories=("math.CO",)),
    *(paper(number, "Something else", number / 2 + 0.25) for number in range(10, 25)),
)


@pytest.fixture
def arxiv() -> Iterator[ArxivStandIn]:
    releases = [Release(paper, paper.updated) for paper in PAPERS]
    with ArxivStandIn(Announced(releases, lambda: NOW)) as server:
        yield server


def try_(arxiv: ArxivStandIn, folder: Path, *arguments: str) -> Result:
    config = folder / "config.toml"
    config.write_text(CONFIG.format(arxiv=arxiv))
    return CliRunner().invoke(newsletter, ["--config", str(config), "topics", "try", *arguments])


def titles(lines: Sequence[str]) -> list[str]:
    return [line.split("  ")[-1].strip() for line in lines]


def test_what_it_shows(arxiv: ArxivStandIn, tmp_path: Path) -> None:
    done = try_(arxiv, tmp_path, "graph neural networks", "--days", "10")
    head, columns, *rows = done.stdout.splitlines()
    assert head == "2 papers in the last 10 days, 0.2 a day, of 12 in all"
    assert columns.split() == ["DATE", "PAPER", "MATCHED", "TITLE"]
    assert titles(rows) == ["Erdős Graphs and Neural ℓ₁ Networks", "Graph Neural Networks"]
    assert ["graph neural network" in row for row in rows] == [True, False]  # in the abstract, which is not shown
    assert done.stderr == ""
    assert (
        "3 papers in the last 30 days, 0.1 a day, of 18 in all" in try_(arxiv, tmp_path, "graph neural network").stdout
    )


def test_the_words_are_marked(arxiv: ArxivStandIn, tmp_path: Path) -> None:
    query = 'ti:"graph neural networks" AND au:example'
    assert "\x1b" not in try_(arxiv, tmp_path, query).stdout
    marked = try_(arxiv, tmp_path, query, "--color").stdout
    assert "\x1b[1m\x1b[4mGraph Neural Networks\x1b[0m of old" in marked
    (newest, *_) = json.loads(try_(arxiv, tmp_path, query, "--json").stdout)
    assert newest["matched"] == ["Graph Neural Networks", "Example"]
    assert newest["title"] == "Graph Neural Networks"


def test_a_query_of_everything_is_warned_of(arxiv: ArxivStandIn, tmp_path: Path) -> None:
    done = try_(arxiv, tmp_path, "ti:something OR ti:graph")
    assert done.exit_code == 0
    assert "this matches a third of all papers or more" in done.stderr
    assert "a third" not in try_(arxiv, tmp_path, "ti:mathematics OR ti:old").stderr


def test_arxiv_does_not_answer(arxiv: ArxivStandIn, tmp_path: Path) -> None:
    arxiv.script(lambda _request: faults.unavailable())
    done = try_(arxiv, tmp_path, "graph neural networks")
    assert done.exit_code == 1
    assert "HTTP 503" in done.stderr
    arxiv.script(lambda request: faults.unavailable() if request.params["max_results"] == "1" else None)
    assert "3 papers in the last 30 days, 0.1 a day\n" in try_(arxiv, tmp_path, "graph neural networks").stdout

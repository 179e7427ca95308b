"""A small invented world of papers and a clock: what an arXiv that never existed has announced at a moment.

The papers stand in papers.toml. Their times are relative to day one, so that a demonstration can be dated today:
everything of day one is visible from its midnight (UTC), what day two brings from the midnight after. These are its
announcements, on every day of the week; midnight UTC is the evening before in New York, so feeds follow hours later.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from newsletter.demo.announcements import Announced, Release
from newsletter.demo.library import Clock
from newsletter.model import Paper

#: What the world's papers are about; each name is a query as it stands.
TOPICS = ("Video Anomaly Detection", "Graph Neural Networks", "Protein Language Models", "Causal Inference")

_MOMENT = re.compile(r"(-?\d+) (\d\d:\d\d:\d\d)")


class World(Announced):
    """The invented arXiv, dated by its day one and read at the moment its clock tells."""

    def __init__(self, day_one: date, clock: Clock | None = None) -> None:
        """Date the world; without a clock it stands at noon of day one."""
        self.day_one = datetime.combine(day_one, time(), UTC)
        super().__init__(tuple(_releases(self.day_one)), clock or (lambda: self.day_one + timedelta(hours=12)))

    @property
    def day_two(self) -> datetime:
        """The midnight from which day two's papers are visible."""
        return self.day_one + timedelta(days=1)


def _releases(day_one: datetime) -> Iterator[Release]:
    for record in _records():
        submitted = _moment(day_one, record["submitted"])
        fields: dict[str, Any] = {}
        for number, version in enumerate((record, *record.get("revisions", ())), 1):
            fields |= _fields(version)
            updated = _moment(day_one, version["submitted"])
            paper = Paper(version=number, submitted=submitted, updated=updated, **fields)
            yield Release(paper, day_one + timedelta(days=version["announced"]))


def _fields(version: Mapping[str, Any]) -> dict[str, Any]:
    # What a revision does not say stays as it was.
    lists = {name: tuple(version[name]) for name in ("authors", "categories") if name in version}
    names = ("id", "title", "abstract", "comment", "journal_ref", "doi")
    return lists | {name: " ".join(version[name].split()) for name in names if name in version}


def _moment(day_one: datetime, text: str) -> datetime:
    # "-2 17:52:03": two days before day one, at that time (UTC).
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a day before or after day one and a time")
    return datetime.combine(day_one + timedelta(days=int(match[1])), time.fromisoformat(match[2]), UTC)


@cache
def _records() -> list[dict[str, Any]]:
    text = Path(__file__).with_name("papers.toml").read_text(encoding="utf-8")
    papers: list[dict[str, Any]] = tomllib.loads(text)["papers"]
    return papers

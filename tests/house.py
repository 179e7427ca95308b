"""A newsletter in a temporary folder with a clock of its own: what most tests begin with."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from newsletter import fetching
from newsletter.app import App, Outside
from newsletter.config import parse_table
from newsletter.demo.library import FixedAnswers, Question
from newsletter.model import Choice, DeliveryStatus, HarvestState, Paper, Status
from newsletter.settling import settle
from newsletter.storage.harvests import HarvestRecord
from newsletter.storage.subscribers import NewSubscriber
from newsletter.subscriptions.wishes import read_preferences

SHARED = Path(__file__).parents[2] / "shared"
START = datetime(2026, 1, 6, 7, tzinfo=UTC)


@dataclass
class Time:
    """A clock that moves when slept on, or told to."""

    now: datetime = START
    slept: list[float] = field(default_factory=list)

    def clock(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)

    def outside(self, **others: Any) -> Outside:
        numbers = count(1)
        ours = Outside(
            clock=self.clock,
            wall=lambda: self.now.timestamp(),
            sleep=self.sleep,
            chance=lambda: 0.5,
            token=lambda: f"t{next(numbers):06}",
        )
        return replace(ours, **others)


class Library:
    """What the stand-in answers; a test changes it between days."""

    def __init__(self, time: Time) -> None:
        self.answers: dict[str, list[Paper]] = {}
        self.now = time.clock

    def search(self, question: Question) -> Sequence[Paper]:
        return FixedAnswers(self.answers, clock=self.now).search(question)


def make_app(
    folder: Path,
    *,
    api_url: str = "http://127.0.0.1:9/api/query",
    topics: Sequence[str | dict[str, str]] = ("Graph Neural Networks",),
    time: Time | None = None,
    outside: dict[str, Any] | None = None,
    **sections: dict[str, Any],
) -> App:
    """An app whose configuration would have stood in `folder`. `sections` adds to the tables of config.toml."""
    arxiv = {
        "api_url": api_url,
        "feed_url": api_url,
        "oai_url": api_url,
        "interval": 0,
        "gate": "gate",
        "categories": [],
    }
    table = {
        "newsletter": {"sender": "Daily Papers <papers@example.org>"},
        "topics": [{"name": topic} if isinstance(topic, str) else topic for topic in topics],
        "arxiv": arxiv,
    }
    for name, section in sections.items():
        table[name] = {**table.get(name, {}), **section}  # type: ignore[dict-item]
    return App(parse_table(table, folder / "config.toml"), (time or Time()).outside(**(outside or {})))


def subscribe(
    app: App, *emails: str, topics: Sequence[str] = (), queries: Sequence[str] = (), **preferences: str
) -> None:
    """Add confirmed subscribers; `preferences` as `read_preferences` reads them."""
    choice = Choice(tuple(topics), tuple(queries), read_preferences(preferences))
    for email in emails:
        app.subscriptions.subscribe(email, choice, confirmed=True, today=app.today(), now=app.now())


def crowd(app: App, number: int) -> None:
    """Add many confirmed subscribers of all topics, fast."""
    people = (NewSubscriber(f"reader{n}@example.org", Status.CONFIRMED) for n in range(number))
    with app.storage.write():
        app.storage.subscribers.add(people, app.storage.editions.newest(), app.today(), app.now())


def bring(app: App, *papers: Paper) -> None:
    """Put papers before selection, as a fetch would have."""
    asked = {topic.id: "" for topic in app.storage.topics.asked()}
    listed = {1: [paper.key for paper in papers]}
    record = HarvestRecord(0, app.today(), app.now(), "test", HarvestState.FRESH, "", 1, 1, 1, 0, 0)
    with app.storage.write():
        fetching.store(app, fetching.Gathered(record, app.now(), papers, listed, asked))


def queue(app: App, *emails: str, papers: int = 1) -> None:
    """Subscribe, and make an edition for them."""
    subscribe(app, *emails)
    bring(app, *(make_paper(number) for number in range(1, papers + 1)))
    settle(app, app.today())


def statuses(app: App) -> dict[str, DeliveryStatus]:
    """What became of each reader's digest."""
    return {delivery.email: delivery.status for delivery in app.storage.deliveries.all(None, 10_000)}


def make_paper(number: int, title: str = "On Graph Neural Networks", *, version: int = 1, **fields: Any) -> Paper:
    """A paper with an id that never existed, submitted a day before `START` and later by `number` seconds."""
    moment = START - timedelta(days=1) + timedelta(seconds=number)
    return Paper(
        **{
            "id": f"0001.{number:05}",
            "version": version,
            "title": title,
            "abstract": "We look at graphs.",
            "authors": ("Ada Example",),
            "categories": ("cs.LG",),
            "submitted": moment,
            "updated": moment + timedelta(hours=version - 1),
            **fields,
        }
    )


def day(offset: int = 0) -> date:
    """The date of `START`, or some days later."""
    return START.date() + timedelta(days=offset)

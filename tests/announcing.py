"""An arXiv that announces evening after evening, newsletters that publish each morning, and their accounts."""

import email
import mailbox
import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from email.policy import default
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner
from house import Time, make_app

from newsletter.app import App
from newsletter.cli.context import Context
from newsletter.demo.announcements import Announced, Release, evening
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.model import Kind, Paper
from newsletter.publish import Report, publish
from newsletter.sources.calendar import Batch, Calendar

#: What is asked for: phrases, fields that a feed leaves out, accents, aliases, exceptions.
TOPICS = (
    {"name": "Graph Neural Networks"},
    {"name": "Solvers", "query": "cat:cs.NA AND abs:solver"},
    {"name": "Borel", "query": 'au:"Émile Borel"'},
    {"name": "Accepted", "query": "co:accepted ANDNOT cat:cs.CV"},
    {"name": "Learning", "query": "cat:cs.LG AND ti:transport ANDNOT ti:survey"},
)
CATEGORIES = ["cs.*", "stat.ML", "math.NA"]
_PLACES = (
    ("cs.LG",), ("cs.CV", "cs.LG"), ("stat.ML", "cs.LG"), ("math.NA", "cs.NA"), ("math.NA",), ("cs.NA", "math.NA"),
    ("eess.SY", "cs.SY"), ("physics.optics", "cs.CV"), ("physics.optics",), ("quant-ph", "stat.ML"), ("cs.AI",),
)  # fmt: skip
_SUBJECTS = ("Graph Neural Networks", "Optimal Transport", "Survey of Transport", "Sparse Systems", "Lattices")
_TEXTS = ("We look at graph neural networks.", "A fast solver is given.", "We prove a bound.", "Solvers compared.")
_AUTHORS = (("Ada Example",), ("Émile Borel", "Ada Example"), ("Jan Stępień",), ("Ole Søgaard", "Émile Borel"))
_COMMENTS = ("", "5 pages", "Accepted at a conference", "12 pages, 3 figures")
_WITHDRAWN = "This paper has been withdrawn by the authors"
_HELD = (0, 0, 0, 0, 0, 1, 2, 3, 5)  # days that moderation takes


def morning(day: date, hour: int = 7) -> datetime:
    """When newsletters publish."""
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


def batches(first: date, last: date, calendar: Calendar | None = None) -> list[Batch]:
    """arXiv's batches of some evenings."""
    return (calendar or Calendar()).between(evening(first) - timedelta(days=1), evening(last))


def paper(name: str, submitted: datetime, *, version: int = 1, **fields: Any) -> Paper:
    """A paper on graphs."""
    values: dict[str, Any] = {
        "title": "On Graph Neural Networks",
        "abstract": "We look.",
        "authors": ("Ada Example",),
        "categories": ("cs.LG",),
        "comment": "5 pages",
        "updated": submitted,
    }
    return Paper(name, version, submitted=submitted, **(values | fields))


def a_paper_each(evenings: list[Batch], **fields: Any) -> list[Release]:
    """One paper in each batch."""
    found = []
    for number, batch in enumerate(evenings, 1):
        submitted = batch.opens + timedelta(hours=3)
        found.append(Release(paper(f"{batch.evening:%y%m}.{number:05}", submitted, **fields), batch.announced))
    return found


def weeks(seed: int, evenings: list[Batch], each: int = 12) -> list[Release]:
    """Some weeks of arXiv: new papers, some held by moderation, some revised, withdrawn, or listed elsewhere too."""
    chance = random.Random(seed)
    releases: list[Release] = []
    number = 0
    for batch in evenings:
        known = list({release.paper.id: release for release in releases}.values())
        for _ in range(each):
            number += 1
            releases.append(Release(_new(chance, number, batch), batch.announced))
        for release in chance.sample(known, min(len(known), 3)):
            releases.append(_again(chance, release, batch))
    return releases


def _new(chance: random.Random, number: int, batch: Batch) -> Paper:
    length = int((batch.closes - batch.opens).total_seconds() // 3600)
    hour = chance.randrange(min(length, 20))  # whole hours: several papers have the same
    submitted = batch.opens + timedelta(hours=hour) - timedelta(days=chance.choice(_HELD))
    return paper(
        f"{batch.announced:%y%m}.{number:05}",
        submitted,
        title=f"{chance.choice(_SUBJECTS)}, Part {number}",
        abstract=chance.choice(_TEXTS),
        authors=chance.choice(_AUTHORS),
        categories=chance.choice(_PLACES),
        comment=chance.choice(_COMMENTS),
    )


def _again(chance: random.Random, release: Release, batch: Batch) -> Release:
    old = release.paper
    what = chance.choice(("revised", "revised", "withdrawn", "cross", "absonly", "sixth"))
    if what == "cross" and "cs.LG" not in old.categories and batch.announced - old.updated < timedelta(days=6):
        return Release(replace(old, categories=(*old.categories, "cs.LG")), batch.announced, "cross")
    if what == "absonly":
        return Release(replace(old, journal_ref="J. Graphs 1 (2026)"), batch.announced, "absonly")
    fields: dict[str, Any] = {"title": f"{old.title} (revised)", "comment": chance.choice(_COMMENTS)}
    if what == "withdrawn":
        fields = {"comment": _WITHDRAWN}
    version = max(old.version + 1, 6) if what == "sixth" else old.version + 1
    updated = batch.opens + timedelta(hours=chance.randrange(10))
    return Release(replace(old, version=version, updated=updated, **fields), batch.announced)


# ---------------------------------------------------------------- newsletters


def newsletter(
    folder: Path,
    arxiv: ArxivStandIn,
    time: Time,
    source: str = "api",
    *,
    topics: Any = TOPICS,
    arxiv_section: dict[str, Any] | None = None,
    **sections: Any,
) -> App:
    """A newsletter over all three interfaces of a stand-in."""
    section = {
        "source": source,
        "categories": CATEGORIES,
        "feed_url": arxiv.feed_url,
        "oai_url": arxiv.oai_url,
        **(arxiv_section or {}),
    }
    folder.mkdir(exist_ok=True)
    return make_app(folder, api_url=arxiv.url, topics=topics, time=time, arxiv=section, **sections)


def bring_out(app: App, day: date | None = None) -> Report:
    """Publish, and hold the accounts to it that everything adds up."""
    report = publish(app, day or app.today())
    assert_adds_up(app)
    return report


def assert_adds_up(app: App) -> None:
    """Of every fetch and every decision: what came is what was counted."""
    for record in app.storage.harvests.since(0):
        accounts = app.storage.harvests.accounts(record.id)
        assert [account for account in accounts if account.difference] == []
        assert sum(account.received for account in accounts) == record.received
        assert sum(account.requests for account in accounts) <= record.requests
        selected = app.storage.selections.of(record.date)
        assert [one for one in selected if one.difference] == []
        assert app.storage.selections.differences(record.date) == []


def told(app: App, day: date, *kinds: Kind) -> set[tuple[str, str, int, str]]:
    """What the edition of a date announces: topic, paper, version, kind."""
    names = {topic.id: topic.name for topic in app.storage.topics.all()}
    found = app.storage.editions.of(day) if app.storage.editions.exists(day) else []
    rows = [(names[a.topic_id], a.paper.id, a.paper.version, str(a.kind)) for a in found if a.kind in (kinds or Kind)]
    assert len(rows) == len(set(rows))
    return set(rows)


def told_at_all(app: App) -> Iterator[tuple[str, str, int, str]]:
    """What all editions announce; what was told twice comes twice."""
    for day in app.storage.editions.dates():
        yield from told(app, day)


def mails(folder: Path) -> list[str]:
    """The text of what was filed, in the order of its dates."""
    box = mailbox.Maildir(folder / "outbox", create=True)
    found = [email.message_from_bytes(box.get_bytes(key), policy=default) for key in box.iterkeys()]
    found.sort(key=lambda message: message["Date"].datetime)
    parts = (message.get_body(("plain",)) for message in found)
    return [" ".join(part.get_content().split()) for part in parts if part is not None]


def shown(app: App, command: click.Command, *arguments: str) -> str:
    """What a command of the ledger prints, at the app's own time."""
    context = Context(app.config.path)
    context.looking = app
    result = CliRunner().invoke(command, arguments, obj=context)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.stdout


def library(releases: list[Release], time: Time) -> Announced:
    """The arXiv of these."""
    return Announced(releases, time.clock)

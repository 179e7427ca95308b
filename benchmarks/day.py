"""The steps of a day, over invented papers."""

import random
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from benchmarks.measure import Row, timed
from newsletter.app import App, Outside
from newsletter.config import parse_table
from newsletter.demo.atom import Page, feed
from newsletter.demo.world import TOPICS, World
from newsletter.mail.message import Address, Letterhead, compose
from newsletter.mail.transports.smtp import SmtpServer, SmtpTransport
from newsletter.model import Announcement, Frequency, Harvest, HarvestState, Kind, Paper, Status, TopicAccount
from newsletter.publish import deliver
from newsletter.query import parse
from newsletter.settling import settle
from newsletter.sources.atom import parse_answer
from newsletter.storage.harvests import HarvestRecord
from newsletter.storage.matching import Matcher
from newsletter.storage.subscribers import NewSubscriber

NOW = datetime(2026, 1, 6, 7, tzinfo=UTC)
PORT = 25625


def rows(folder: Path, papers: int, readers: int, queries: int, mails: int) -> Iterator[Row]:
    """Measure each step, and say so as soon as it is known."""
    written = invented(papers)
    yield parsing(written)
    yield from matching(written, queries)
    app = make_app(folder)
    yield cards(app, written[:500])
    yield from edition(app, written[:60], readers)
    yield assembling(readers)
    yield from sending(app, mails)
    app.close()


def invented(number: int) -> list[Paper]:
    """Papers made of the demo's, with ids of their own and words exchanged, so that no two are alike."""
    chance = random.Random(1)
    models = World(NOW.date()).versions()
    words = sorted({word for paper in models for word in paper.abstract.split() if word.isalpha()})
    made = []
    for count in range(number):
        model = models[count % len(models)]
        text = " ".join(chance.choice(words) if chance.random() < 0.3 else word for word in model.abstract.split())
        moment = NOW - timedelta(hours=1, seconds=count)
        made.append(replace(model, id=f"0001.{count:05}", version=1, abstract=text, submitted=moment, updated=moment))
    return made


def parsing(papers: list[Paper]) -> Row:
    pages = [
        feed(Page("all:x", "", start, 100, len(papers), tuple(papers[start : start + 100]), NOW), "today")
        for start in range(0, len(papers), 100)
    ]
    ours, _ = timed(lambda: [parse_answer(page) for page in pages])
    plain, _ = timed(lambda: [ET.fromstring(page) for page in pages])  # noqa: S314 - our own
    return Row("read the API's pages (feedparser)", ours, len(papers), "papers", plain / ours, "ElementTree alone")


def matching(papers: list[Paper], queries: int) -> Iterator[Row]:
    building, matcher = timed(lambda: Matcher(papers))
    yield Row("make the day's papers ready for queries", building, len(papers), "papers")
    chance = random.Random(2)
    words = [word for paper in papers[:300] for word in paper.title.split() if word.isalpha()]
    trees = [parse(f"{chance.choice(words)} {chance.choice(words)}") for _ in range(queries)]
    asking, _ = timed(lambda: [matcher.bitmap(tree) for tree in trees])
    texts = [f"{paper.title} {paper.abstract}".lower() for paper in papers]
    few = [chance.choice(words).lower() for _ in range(max(queries // 50, 1))]
    naive, _ = timed(lambda: [word in text for word in few for text in texts])
    reference = naive * queries / len(few)
    yield Row(f"match them to {queries:,} queries", asking, queries, "queries", reference / asking, "`in` on each text")


def make_app(folder: Path) -> App:
    table = {
        "newsletter": {"sender": "Daily Papers <papers@example.org>"},
        "topics": [{"name": topic} for topic in TOPICS],
        "delivery": {"transport": "smtp"},
        "smtp": {"host": "127.0.0.1", "port": PORT, "connections": 4},
    }
    return App(parse_table(table, folder / "config.toml"), Outside(clock=lambda: NOW))


def cards(app: App, papers: list[Paper]) -> Row:
    announcements = [Announcement(1, paper, Kind.NEW) for paper in papers]
    app.composer.prepare(announcements[:1])  # loads the templates
    seconds, _ = timed(lambda: app.composer.prepare(announcements))
    return Row("make cards, inlined and wire-ready", seconds, len(papers), "cards")


def edition(app: App, papers: list[Paper], readers: int) -> Iterator[Row]:
    people = (NewSubscriber(f"r{n}@example.org", Status.CONFIRMED, Frequency.DAILY, ()) for n in range(readers))

    def subscribe() -> None:
        with app.storage.write():
            app.storage.subscribers.add(people, None, app.today(), NOW)

    seconds, _ = timed(subscribe)
    yield Row("store readers", seconds, readers, "readers")
    record = HarvestRecord(0, date(2026, 1, 6), NOW, "bench", HarvestState.FRESH, "", 1, len(papers), len(papers), 0, 0)
    with app.storage.write():
        app.storage.papers.add(papers, NOW)
        keys = {topic.id: tuple(paper.key for paper in papers) for topic in app.storage.topics.operators()}
        app.storage.harvests.add(record, NOW, Harvest(tuple(papers), keys, dict.fromkeys(keys, TopicAccount())))
    seconds, decision = timed(lambda: settle(app, date(2026, 1, 6)))
    yield Row(f"make an edition of {len(decision.told)}, queue digests", seconds, decision.queued, "digests")


def assembling(number: int) -> Row:
    letterhead = Letterhead("Daily Papers", "Daily Papers", "papers@example.org", "papers.example.org")
    text, html = b"x" * 71 + b"\r\n", b"y" * 71 + b"\r\n"
    parts = text * 200, html * 350  # 40 KB
    address = Address("reader@example.org", "1@example.org", NOW, ("mailto:papers@example.org?subject=unsubscribe",))

    def repeat(work: Callable[[], bytes]) -> None:
        for _ in range(number):
            work()

    seconds, _ = timed(lambda: repeat(lambda: compose(letterhead, address, "Papers", *parts)))
    copying, _ = timed(lambda: repeat(lambda: b"".join((b"head", *parts))))
    return Row("join messages of 40 KB", seconds, number, "messages", copying / seconds, "copying the bytes")


def sending(app: App, number: int) -> Iterator[Row]:
    if not (shutil.which("smtp-sink") and shutil.which("smtp-source")):
        yield Row("send: smtp-sink is missing (Debian's postfix)", 0, 0, "messages")
        return
    message = (b"x" * 76 + b"\r\n") * 512  # 40 KB
    with sink():
        theirs, _ = timed(lambda: source(number))
        transport = SmtpTransport(SmtpServer("127.0.0.1", PORT, "none"))
        plain, _ = timed(lambda: [transport.send("a@example.org", "b@example.org", message) for _ in range(number)])
        transport.close()
        yield Row("send 40 KB, one connection", plain, number, "messages", theirs / plain, "smtp-source -d -s 10")
        waiting = app.storage.deliveries.number_due(NOW)
        ledger, _ = timed(lambda: deliver(app))
        reference = theirs * waiting / number
        yield Row(
            "deliver the queue, ledger and all", ledger, waiting, "messages", reference / ledger, "smtp-source -d -s 10"
        )


@contextmanager
def sink() -> Iterator[None]:
    user = ["-u", "postfix"] if Path("/").owner() == "root" and shutil.which("postfix") else []
    process = subprocess.Popen(["smtp-sink", *user, f"127.0.0.1:{PORT}", "100"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if source(1, check=False):
                break
        yield
    finally:
        process.terminate()
        process.wait()


def source(number: int, *, check: bool = True) -> bool:
    command = [
        "smtp-source",
        "-d",
        "-s",
        "10",
        "-l",
        "40000",
        "-m",
        str(number),
        "-f",
        "a@example.org",
        "-t",
        "b@example.org",
    ]
    return subprocess.run([*command, f"127.0.0.1:{PORT}"], stderr=subprocess.DEVNULL, check=check).returncode == 0

"""A newsletter in a folder of its own, furnished as far as a step needs: readers, today's papers, a queue.

What furnishes it is called `aside`, so that the process that is measured holds nothing of it.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks import material
from benchmarks.material import NOW, TODAY, TOPICS
from newsletter.app import App, Outside
from newsletter.config import parse_table
from newsletter.digests import Digests
from newsletter.fetching import Gathered, store
from newsletter.model import HarvestState, Look, Paper, Preferences, Status
from newsletter.settling import settle
from newsletter.storage.deliveries import Claim
from newsletter.storage.harvests import HarvestRecord
from newsletter.storage.subscribers import NewSubscriber

CONNECTIONS = 10
FEW = 23  # papers of an edition whose digests have about 40 KB
_KEY = "dkim.pem"
_NOBODY = "http://127.0.0.1:9/api/query"
_USUAL = Look()
MEMORY = Path("/dev/shm")  # noqa: S108 - where Linux has a disk that is none, and a commit waits for nothing
_SAMPLE = 1_000  # mails, to learn how long they are

#: Gives the topics that each of so many readers chooses.
Crowd = Callable[[App, int], Iterable[tuple[int, ...]]]


@contextmanager
def temporary(parent: Path | None = None) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with TemporaryDirectory(prefix="newsletter-bench-", dir=parent) as folder:
        yield Path(folder)


@contextmanager
def opened(
    folder: Path, *, api_url: str = _NOBODY, smtp_port: int = 9, connections: int = CONNECTIONS, signed: bool = False
) -> Iterator[App]:
    """The newsletter of a folder, with nothing in its caches: eight topics, mail by SMTP, signed or not."""
    table: dict[str, Any] = {
        "newsletter": {"sender": "Daily Papers <papers@example.org>", "base_url": "https://papers.example.org"},
        "topics": [{"name": topic} for topic in TOPICS],
        "arxiv": {
            "categories": [],
            "api_url": api_url,
            "feed_url": api_url,
            "oai_url": api_url,
            "interval": 0,  # nobody to be polite to
            "gate": "gate",
        },
        "delivery": {"transport": "smtp"},
        "smtp": {"host": "127.0.0.1", "port": smtp_port, "connections": connections},
    }
    if signed:
        table["dkim"] = {"selector": "bench", "key": str(folder / _KEY)}
    with closing(App(parse_table(table, folder / "config.toml"), Outside(clock=lambda: NOW))) as app:
        yield app


# ---------------------------------------------------------------- readers


def one_choice(app: App, readers: int) -> Iterable[tuple[int, ...]]:
    """All choose the same two topics."""
    return itertools.repeat(tuple(_operators(app)[:2]), readers)


def few_topics(app: App, readers: int) -> Iterator[tuple[int, ...]]:
    """Each chooses one to three of the eight topics: 92 different choices."""
    return itertools.islice(material.choices(_operators(app)), readers)


def own_queries(app: App, readers: int) -> Iterator[tuple[int, ...]]:
    """Each has a query, no two the same."""
    return ((query,) for query in _personal(app, readers))


def topics_and_queries(queries: int, app: App, readers: int) -> Iterator[tuple[int, ...]]:
    """Each has one to three topics and one of so many queries."""
    chosen = zip(few_topics(app, readers), itertools.cycle(_personal(app, queries)), strict=False)
    return ((*topics, query) for topics, query in chosen)


# ---------------------------------------------------------------- furniture


def furnish(folder: Path, crowd: Crowd, readers: int, old_papers: Sequence[Paper] = (), look: Look = _USUAL) -> None:
    """Let readers come after an edition of old papers; no topic has its first edition before it any more."""
    with opened(folder) as app:
        _bring(app, old_papers)
        settle(app, TODAY - timedelta(days=2))
        with app.storage.write():
            people = _people(crowd(app, readers), Preferences(look=look))
            app.storage.subscribers.add(people, app.storage.editions.newest(), TODAY, NOW)
        _bring(app, ())
        settle(app, TODAY - timedelta(days=1))


def hold(folder: Path, papers: int) -> None:
    """Let papers be known, and nobody be told."""
    with opened(folder) as app, app.storage.write():
        app.storage.papers.add(material.papers(papers), NOW)


def bring_news(folder: Path, crowd: Crowd, readers: int, papers: int, look: Look = _USUAL) -> None:
    """Put new papers before selection, too."""
    furnish(folder, crowd, readers, look=look)
    with opened(folder) as app:
        _bring(app, material.papers(papers))


def fill_queue(folder: Path, crowd: Crowd, readers: int, papers: int, look: Look = _USUAL) -> int:
    """Make today's edition and queue its digests, too; the mean length of a mail."""
    bring_news(folder, crowd, readers, papers, look)
    with opened(folder) as app:
        settle(app, TODAY)
        digests = Digests(app.storage)
        lengths = [len(app.compose(claim, digests) or b"") for claim in claims(app, _SAMPLE)]
    return sum(lengths) // len(lengths)


def make_signing_key(folder: Path) -> None:
    """Make the key that mail is signed with."""
    from newsletter.mail.dkim import SigningKey, make_key  # heavy, and hardly ever needed

    key = folder / _KEY
    key.touch(mode=0o600)
    key.write_bytes(SigningKey("example.org", "bench", make_key("ed25519")).pem)


def claims(app: App, most: int = 1_000_000) -> list[Claim]:
    """What is queued, as the sender gets it; it stays queued."""
    storage = app.storage
    waiting = storage.deliveries.all(None, most)
    return [Claim(delivery, storage.readers.one(delivery.subscriber_id, delivery.after), 0) for delivery in waiting]


def _operators(app: App) -> list[int]:
    return [topic.id for topic in app.storage.topics.operators()]


def _personal(app: App, number: int) -> list[int]:
    return [app.storage.topics.query(query).id for query in material.queries(number)]


def _people(chosen: Iterable[tuple[int, ...]], preferences: Preferences) -> Iterator[NewSubscriber]:
    for number, topic_ids in enumerate(chosen):
        yield NewSubscriber(f"reader{number}@example.org", Status.CONFIRMED, topic_ids, preferences)


def _bring(app: App, papers: Sequence[Paper]) -> None:
    """Propose papers as a fetch would have: each under one topic, and all topics were answered."""
    ids, number = _operators(app), len(papers)
    listed = {topic_id: tuple(paper.key for paper in papers[place :: len(ids)]) for place, topic_id in enumerate(ids)}
    asked = {topic.id: "" for topic in app.storage.topics.asked()}
    record = HarvestRecord(0, TODAY, NOW, "bench", HarvestState.FRESH, "", 1, number, number, 0, 0)
    with app.storage.write():
        store(app, Gathered(record, NOW, tuple(papers), listed, asked))

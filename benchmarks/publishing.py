"""Publish: an edition for all subscribers, from the fetch to the archive."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

from benchmarks import house, material
from benchmarks.arxiv import arxiv
from benchmarks.measure import aside, measure, seconds
from benchmarks.sending import MISSING, Reference, sink, there
from benchmarks.table import Row
from newsletter.model import DeliveryStatus
from newsletter.publish import publish
from newsletter.settling import settle

_SAMPLE = 1_000  # readers whose mails tell how long mails will be


def queueing(readers: int) -> Row:
    """Settle today's papers and queue everybody's digest, which is one transaction."""
    return _queueing(house.few_topics, readers, f"queue {readers:,} digests")


def preparing(readers: int, queries: int) -> Row:
    """The same, with a query of their own for each reader, so many in all: hardly two choose the same."""
    crowd = partial(house.topics_and_queries, queries)
    return _queueing(crowd, readers, f"queue {readers:,} digests, {queries:,} queries")


def _queueing(crowd: house.Crowd, readers: int, step: str) -> Row:
    with house.temporary() as folder:
        aside(house.bring_news, folder, crowd, readers, material.NEWS)
        with house.opened(folder) as app:
            cost, decision = measure(lambda: settle(app, material.TODAY))
        reference = _insert_plainly(folder / "subscribers.db", folder / "copy.db")
    assert decision.queued == readers
    step = f"settle {material.NEWS} papers, {step}"
    return Row(step, readers, "digests", cost, reference, "INSERT of as many rows")


def publishing(papers: int, readers: int) -> Row:
    """A whole day: papers are fetched, an edition's worth of them is new, and everybody gets a mail."""
    step = f"publish for {readers:,} subscribers, all of it"
    if not there():
        return Row(step, readers, "mails", None, None, MISSING)
    with (
        house.temporary() as folder,
        house.temporary() as sample,
        sink() as port,
        arxiv(papers, material.TOPICS) as url,
    ):
        length = aside(house.fill_queue, sample, house.few_topics, min(readers, _SAMPLE), material.NEWS)
        aside(house.furnish, folder, house.few_topics, readers, material.papers(papers)[material.NEWS :])
        with Reference(port, readers, length) as reference, house.opened(folder, api_url=url, smtp_port=port) as app:
            cost, report = measure(lambda: publish(app, material.TODAY))
    assert not report.failures
    assert report.tally[DeliveryStatus.SENT] == readers
    return Row(step, readers, "mails", cost, reference.seconds, str(reference))


def _insert_plainly(database: Path, copy: Path) -> float:
    """Seconds to read the rows of the ledger and write them into a table without an index."""
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        (columns,) = source.execute("SELECT count(*) FROM pragma_table_info('deliveries')").fetchone()
        marks = ", ".join("?" * columns)

        def insert() -> None:
            target.execute("DROP TABLE IF EXISTS ledger")
            target.execute(f"CREATE TABLE ledger ({', '.join(f'c{n}' for n in range(columns))})")
            rows = source.execute("SELECT * FROM deliveries")  # a million are not to be held
            target.executemany(f"INSERT INTO ledger VALUES ({marks})", rows)  # noqa: S608
            target.commit()

        return seconds(insert)

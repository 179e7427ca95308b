"""Compare a day's papers with a history of as many as there may be: of a month, of a year, of all arXiv."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from benchmarks import house, material
from benchmarks.measure import aside, measure, seconds
from benchmarks.table import Row
from newsletter.fetching import OVERLAP
from newsletter.model import Paper
from newsletter.storage import Storage
from newsletter.storage.database import Database

A_DAY = 1_000  # papers; a longer history is one that began earlier
TOPICS = 10
_PAGE = 100  # papers that are looked up at once, as a fetch does
_SHOWN = 100  # papers of each topic in the archive's README
_TIMES = 5


def comparing(history: int, papers: int) -> tuple[Row, Row]:
    """Tell what is new of a day's papers; and find what the archive's README shows of the history."""
    with house.temporary() as folder:
        path = folder / "subscribers.db"
        aside(write_down, path, history)
        day = list(_a_day(history, papers))
        with closing(Storage(path)) as storage:
            compared, _ = measure(lambda: _compare(storage, day), times=_TIMES)
            found, shown = measure(lambda: _show(storage), times=_TIMES)
        with closing(sqlite3.connect(path)) as database:
            looked_up = seconds(lambda: _look_up_plainly(database, day), times=_TIMES)
            read = seconds(lambda: _show_plainly(database), times=_TIMES)
    steps = (
        f"compare {papers:,} papers with {history:,} that are held",
        f"find the newest {_SHOWN} of {TOPICS} topics, of {history:,} papers",
    )
    return (
        Row(steps[0], papers, "papers", compared, looked_up, "SELECT by key, one by one"),
        Row(steps[1], shown, "papers", found, read, "SELECT of as many, whatever their topic"),
    )


def _compare(storage: Storage, papers: Sequence[Paper]) -> None:
    """Ask what a fetch and the decision on it ask of the history."""
    storage.editions.settled_since(material.NOW - OVERLAP)
    for start in range(0, len(papers), _PAGE):
        storage.papers.held([paper.key for paper in papers[start : start + _PAGE]])
    storage.editions.held({paper.id for paper in papers})
    storage.papers.before(papers)


def _show(storage: Storage) -> int:
    return sum(len(list(storage.papers.newest(topic, _SHOWN))) for topic in range(1, TOPICS + 1))


def _look_up_plainly(database: sqlite3.Connection, papers: Sequence[Paper]) -> None:
    for paper in papers:
        database.execute("SELECT title FROM papers WHERE id = ? AND version = ?", paper.key).fetchone()


def _show_plainly(database: sqlite3.Connection) -> None:
    database.execute("SELECT * FROM papers ORDER BY updated DESC LIMIT ?", (TOPICS * _SHOWN,)).fetchall()


# ---------------------------------------------------------------- the history


def write_down(path: Path, history: int) -> None:
    """Make a database of papers that came day by day, under one topic after the other.

    Their texts are short: with arXiv's own it would be five times as large. Of it, what is found is all that is read.
    """
    Database(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -100000"):
            database.execute(f"PRAGMA {setting}")
        indexes = database.execute(_INDEXES).fetchall()
        for name, _ in indexes:
            database.execute(f"DROP INDEX {name}")
        numbers = {"papers": history, "day": A_DAY, "topics": TOPICS, "now": material.NOW.timestamp()}
        database.execute("BEGIN")
        for statement in (_TOPICS, _EDITIONS, _PAPERS, _ANNOUNCEMENTS):
            database.execute(statement, numbers)
        for _, statement in indexes:
            database.execute(statement)
        database.execute("COMMIT")
        database.execute("PRAGMA journal_mode = WAL")


def _a_day(history: int, papers: int) -> Iterator[Paper]:
    """What a fetch brings: an edition's worth of new papers; what is held already, every tenth in a new version."""
    for count, paper in enumerate(material.papers(papers)):
        if count < material.NEWS:
            yield paper
        else:
            number = history - count - 1
            key = f"9{number // 100_000:03}.{number % 100_000:05}"
            yield replace(paper, id=key, version=1 + (count % 10 == 0))


# Indexes are faster made at the end.
_INDEXES = (
    "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql <> '' AND tbl_name IN ('papers', 'announcements')"
)
_TOPICS = """
WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :topics)
INSERT INTO topics (id, name, folded, query, normal, begun)
SELECT n, n, n, n, n, '2000-01-01T00:00:00Z' FROM numbers
"""
_EDITIONS = """
WITH RECURSIVE days (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM days WHERE n < (:papers - 1) / :day)
INSERT INTO editions (date, made) SELECT date(:now, 'unixepoch', -n || ' days'), '' FROM days
"""
# Key, identifier and moment are in one order, as papers come.
_PAPERS = """
WITH RECURSIVE
    dates AS MATERIALIZED (SELECT row_number() OVER (ORDER BY date) - 1 AS n, date FROM editions),
    places (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM places WHERE n < :day - 1),
    times AS MATERIALIZED (SELECT n, time(20 * n, 'unixepoch') AS time FROM places)
INSERT INTO papers (key, id, version, title, abstract, authors, categories, comment, journal_ref, doi, report_no,
    submitted, updated, seen)
SELECT number, printf('9%03d.%05d', number / 100000, number % 100000), 1,
    'A title', 'An abstract', '["Ada Lovelace"]', 'cs.LG', '', '', '', '', moment, moment, moment
FROM (
    SELECT dates.n * :day + times.n AS number, date || 'T' || time || 'Z' AS moment FROM dates CROSS JOIN times
)
WHERE number < :papers
"""
_ANNOUNCEMENTS = """
WITH RECURSIVE
    numbers (n) AS (SELECT 0 UNION ALL SELECT n + :topics FROM numbers WHERE n + :topics < :papers),
    keys AS MATERIALIZED (SELECT n FROM numbers)
INSERT INTO announcements (topic_id, paper_key, kind, changes, edition, place)
SELECT topics.id, key, 'new', '', substr(updated, 1, 10), 0
FROM topics CROSS JOIN keys CROSS JOIN papers ON key = n + topics.id - 1
"""

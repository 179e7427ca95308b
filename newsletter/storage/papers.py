"""Paper versions, once seen never forgotten."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from newsletter.model import Paper
from newsletter.storage.database import Database, Row, to_moment, to_text

COLUMNS = (
    "p.id, p.version, p.title, p.abstract, p.authors, p.categories, p.comment, p.journal_ref, p.doi, p.report_no, "
    "p.submitted, p.updated"
)


def to_paper(row: Row) -> Paper:
    """A paper from a row that holds `COLUMNS`."""
    return Paper(
        id=row["id"],
        version=row["version"],
        title=row["title"],
        abstract=row["abstract"],
        authors=tuple(json.loads(row["authors"])),
        categories=tuple(row["categories"].split()),
        comment=row["comment"],
        journal_ref=row["journal_ref"],
        doi=row["doi"],
        report_no=row["report_no"],
        submitted=to_moment(row["submitted"]),
        updated=to_moment(row["updated"]),
    )


class Papers:
    """The table of paper versions."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, papers: Iterable[Paper], seen: datetime) -> None:
        """Store versions we do not hold; inside a write transaction.

        One that we hold stays as it was first told, but for what may come without a new version: journal reference
        and DOI.
        """
        self._db.executemany(
            "INSERT INTO papers (id, version, title, abstract, authors, categories, comment, journal_ref, doi,"
            " report_no, submitted, updated, seen) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (id, version) DO UPDATE SET doi = coalesce(nullif(excluded.doi, ''), doi),"
            " journal_ref = coalesce(nullif(excluded.journal_ref, ''), journal_ref)"
            " WHERE (excluded.journal_ref <> '' AND journal_ref <> excluded.journal_ref)"
            " OR (excluded.doi <> '' AND doi <> excluded.doi)",
            (_to_row(paper, seen) for paper in papers),
        )

    def known(self, keys: Sequence[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those of the given (id, version) that we hold: one join, whatever the size of the history."""
        rows = self._db.rows(
            "SELECT p.id, p.version FROM json_each(?) AS k"
            " JOIN papers AS p ON p.id = k.value ->> 0 AND p.version = k.value ->> 1",
            (json.dumps(keys),),
        )
        return {(row["id"], row["version"]) for row in rows}

    def before(self, papers: Sequence[Paper]) -> dict[tuple[str, int], Paper]:
        """For each given version the newest older one we hold, by the given version's key."""
        rows = self._db.rows(
            f"SELECT k.value ->> 1 AS later, {COLUMNS}, max(p.version) FROM json_each(?) AS k"
            " JOIN papers AS p ON p.id = k.value ->> 0 AND p.version < k.value ->> 1 GROUP BY p.id, later",
            (json.dumps([paper.key for paper in papers]),),
        )
        return {(row["id"], row["later"]): to_paper(row) for row in rows}

    def newest(self, topic_id: int, limit: int) -> Iterator[Paper]:
        """The newest papers settled under a topic, each in its newest version, newest first."""
        rows = self._db.execute(
            f"SELECT {COLUMNS}, max(p.version) FROM announcements AS a JOIN papers AS p ON p.key = a.paper_key"
            " WHERE a.topic_id = ? GROUP BY p.id ORDER BY p.updated DESC, a.place, p.id DESC LIMIT ?",
            (topic_id, limit),
        )
        return map(to_paper, rows)


def _to_row(paper: Paper, seen: datetime) -> tuple[object, ...]:
    return (
        paper.id,
        paper.version,
        paper.title,
        paper.abstract,
        json.dumps(paper.authors, ensure_ascii=False),
        " ".join(paper.categories),
        paper.comment,
        paper.journal_ref,
        paper.doi,
        paper.report_no,
        to_text(paper.submitted),
        to_text(paper.updated),
        to_text(seen),
    )

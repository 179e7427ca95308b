"""Paper versions, once seen never forgotten."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from newsletter.model import Paper
from newsletter.storage.database import Database, Row, to_moment, to_text

COLUMNS = (
    "p.id, p.version, p.title, p.abstract, p.authors, p.categories, p.comment, p.journal_ref, p.doi, p.report_no, "
    "p.submitted, p.updated, p.provisional"
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
        provisional=bool(row["provisional"]),
    )


class Papers:
    """The table of paper versions."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, papers: Iterable[Paper], seen: datetime) -> None:
        """Store versions we do not hold; inside a write transaction.

        One that we hold stays as it was first told, but for what may come without a new version, journal reference and
        DOI; and one held provisionally gives way to one in full.
        """
        self._db.executemany(_ADD, (_to_row(paper, seen) for paper in papers))

    def held(self, keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], bool]:
        """Those of the given (id, version) that we hold, and whether in full: one join, whatever the history's size."""
        rows = self._db.rows(
            "SELECT p.id, p.version, p.provisional FROM json_each(?) AS k"
            " JOIN papers AS p ON p.id = k.value ->> 0 AND p.version = k.value ->> 1",
            (json.dumps(keys),),
        )
        return {(row["id"], row["version"]): not row["provisional"] for row in rows}

    def outdated(self, papers: Sequence[Paper]) -> set[tuple[str, int]]:
        """Those that we hold without a journal reference or DOI that came since."""
        told = [(*paper.key, paper.journal_ref, paper.doi) for paper in papers if paper.journal_ref or paper.doi]
        rows = self._db.rows(
            "SELECT p.id, p.version FROM json_each(?) AS k"
            " JOIN papers AS p ON p.id = k.value ->> 0 AND p.version = k.value ->> 1"
            " WHERE k.value ->> 2 NOT IN ('', p.journal_ref) OR k.value ->> 3 NOT IN ('', p.doi)",
            (json.dumps(told),),
        )
        return {(row["id"], row["version"]) for row in rows}

    def asked_in_vain(self, keys: Iterable[tuple[str, int]], now: datetime) -> None:
        """Record that arXiv was asked for details and did not tell them; inside a write transaction.

        Its index lags behind what it announces, so that is the end of it only for what was seen long ago, and the
        second time.
        """
        self._db.executemany(
            "UPDATE papers SET asked = ?, provisional = iif(asked <> '' AND seen < ?, 2, 1)"
            " WHERE id = ? AND version = ? AND provisional = 1",
            ((to_text(now), to_text(now - _LAG), *key) for key in keys),
        )

    def provisional(self, limit: int) -> list[Paper]:
        """Papers whose details are to be filled in: first those that were not asked for yet, what was seen last before
        the rest, then those that have waited longest since."""
        rows = self._db.rows(
            f"SELECT {COLUMNS} FROM papers AS p WHERE p.provisional = 1 ORDER BY p.asked, p.seen DESC, p.key LIMIT ?",
            (limit,),
        )
        return list(map(to_paper, rows))

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
        counted = "SELECT count(*) FROM (SELECT 1 FROM announcements WHERE topic_id = ? LIMIT ?)"
        many = self._db.value(counted, (topic_id, _MANY)) == _MANY
        rows = self._db.execute(_NEWEST_OF_MANY if many else _NEWEST_OF_FEW, (topic_id, limit))
        return map(to_paper, rows)


_LAG = timedelta(days=8)  # by then all but one paper in a hundred can be had
_MANY = 5_000  # settled under a topic

# SQLite joins CROSS JOIN as it is written. Few papers are all read and sorted; of many, which would take as long as the
# history is, the newest are looked for from the newest of all on.
_NEWEST = (
    f"SELECT {COLUMNS} FROM {{}} ON p.key = a.paper_key WHERE a.topic_id = ?1 AND NOT EXISTS"
    " (SELECT 1 FROM papers AS later JOIN announcements AS b ON b.paper_key = later.key AND b.topic_id = ?1"
    " WHERE later.id = p.id AND later.version > p.version)"
    " ORDER BY p.updated DESC, a.place, p.id DESC LIMIT ?2"
)
_NEWEST_OF_FEW = _NEWEST.format("announcements AS a CROSS JOIN papers AS p")
_NEWEST_OF_MANY = _NEWEST.format("papers AS p CROSS JOIN announcements AS a")

_FIELDS = (
    "id", "version", "title", "abstract", "authors", "categories", "comment", "journal_ref", "doi", "report_no",
    "submitted", "updated", "provisional", "seen",
)  # fmt: skip
_IN_FULL = ("title", "abstract", "authors", "categories", "comment", "report_no", "submitted", "updated")
_FILLED_IN = "papers.provisional > 0 AND excluded.provisional = 0"
_CAME_LATER = ("journal_ref", "doi")
_ADD = (
    f"INSERT INTO papers ({', '.join(_FIELDS)}) VALUES ({', '.join('?' * len(_FIELDS))})"
    " ON CONFLICT (id, version) DO UPDATE SET provisional = iif(excluded.provisional, papers.provisional, 0), "
    + ", ".join(
        (
            *(f"{name} = iif({_FILLED_IN}, excluded.{name}, papers.{name})" for name in _IN_FULL),
            *(f"{name} = coalesce(nullif(excluded.{name}, ''), papers.{name})" for name in _CAME_LATER),
        )
    )
    + " WHERE "
    + " OR ".join((_FILLED_IN, *(f"excluded.{name} NOT IN ('', papers.{name})" for name in _CAME_LATER)))
)


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
        int(paper.provisional),
        to_text(seen),
    )

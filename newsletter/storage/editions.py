"""Editions and their announcements: what has been told, under which topic, and when."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from sys import intern

from newsletter.model import Announcement, Kind, Paper, Remark, RemarkKind
from newsletter.storage.database import Database, Row, from_date, to_date, to_text
from newsletter.storage.papers import COLUMNS, to_paper

UNLISTED = 1 << 30  # the place of a paper that matches a topic here, but that the source did not list for it


@dataclass(frozen=True, slots=True)
class EditionRecord:
    """An edition with how much it announces: papers by kind, under how many topics, and what was remarked."""

    date: date
    counts: Mapping[Kind, int]
    topics: int
    remarks: tuple[Remark, ...] = ()


class Editions:
    """The tables of editions and announcements."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def newest(self) -> date | None:
        """The date of the newest edition."""
        return to_date(self._db.value("SELECT max(date) FROM editions"))

    def exists(self, day: date) -> bool:
        """Whether this date has an edition."""
        return self._db.row("SELECT 1 FROM editions WHERE date = ?", (day.isoformat(),)) is not None

    def add(self, day: date, now: datetime, remarks: Iterable[Remark] = ()) -> None:
        """Make an edition; inside a write transaction, with its announcements."""
        self._db.execute(
            "INSERT INTO editions (date, made, remarks) VALUES (?, ?, ?)",
            (day.isoformat(), to_text(now), json.dumps([_from_remark(remark) for remark in remarks])),
        )

    def settle(self, announcements: Iterable[Announcement], places: Mapping[tuple[int, tuple[str, int]], int]) -> None:
        """Record announcements, passed over ones too; inside a write transaction. One that is there already stays.

        `places` orders papers of one moment as the source listed them, old ones too.
        """
        self._db.executemany(
            "INSERT INTO announcements (topic_id, paper_key, kind, changes, minor, words, edition, place)"
            " SELECT ?, key, ?, ?, ?, ?, ?, ? FROM papers WHERE id = ? AND version = ? ON CONFLICT DO NOTHING",
            (
                (
                    a.topic_id,
                    a.kind,
                    " ".join(a.changes),
                    int(a.minor),
                    json.dumps(a.words),
                    from_date(a.edition) or None,
                    places.get((a.topic_id, a.paper.key), UNLISTED),
                    *a.paper.key,
                )
                for a in announcements
            ),
        )
        self._db.executemany(
            "UPDATE announcements SET place = ? WHERE topic_id = ? AND place <> ?"
            " AND paper_key = (SELECT key FROM papers WHERE id = ? AND version = ?)",
            ((place, topic_id, place, *key) for (topic_id, key), place in places.items()),
        )

    def held(self, paper_ids: Collection[str]) -> dict[tuple[int, str], dict[int, Kind]]:
        """What was settled of these papers: by topic and paper id, each version with its kind."""
        rows = self._db.execute(
            "SELECT a.topic_id, p.id, p.version, a.kind FROM json_each(?) AS k JOIN papers AS p ON p.id = k.value"
            " JOIN announcements AS a ON a.paper_key = p.key",
            (json.dumps(list(paper_ids)),),
        )
        held: dict[tuple[int, str], dict[int, Kind]] = {}
        for row in rows:
            held.setdefault((row["topic_id"], row["id"]), {})[row["version"]] = Kind(row["kind"])
        return held

    def settled_since(self, moment: datetime) -> dict[int, frozenset[str]]:
        """By topic the identifiers of what was settled under it, of versions submitted since a moment."""
        rows = self._db.execute(
            "SELECT a.topic_id, p.id FROM papers AS p JOIN announcements AS a ON a.paper_key = p.key"
            " WHERE p.updated >= ?",
            (to_text(moment),),
        )
        settled: dict[int, set[str]] = {}
        for row in rows:
            settled.setdefault(row["topic_id"], set()).add(row["id"])
        return {topic_id: frozenset(ids) for topic_id, ids in settled.items()}

    def announced(self, after: date | None, upto: date) -> Iterator[Announcement]:
        """What the editions after `after`, up to `upto`, announce: oldest edition first, newest paper first."""
        window = (from_date(after), upto.isoformat())
        rows = self._db.rows(
            "SELECT a.topic_id, a.paper_key, a.kind, a.changes, a.minor, a.words, a.edition FROM announcements AS a"
            " JOIN papers AS p ON p.key = a.paper_key WHERE a.edition > ? AND a.edition <= ?"
            " ORDER BY a.edition, p.updated DESC, a.place, p.id DESC",
            window,
        )
        # Apart, so that a paper is sorted, read and held once, under however many topics it stands.
        papers = self._db.execute(
            f"SELECT p.key, {COLUMNS} FROM papers AS p WHERE p.key IN"
            " (SELECT paper_key FROM announcements WHERE edition > ? AND edition <= ?)",
            window,
        )
        by_key = {row["key"]: to_paper(row) for row in papers}
        words = cache(to_words)  # there may be millions; equal ones are held once
        return (to_announcement(row, by_key[row["paper_key"]], words(row["words"])) for row in rows)

    def of(self, day: date) -> list[Announcement]:
        """What the edition of a date announces, newest paper first."""
        return list(self.announced(day - timedelta(days=1), day))

    def told_before(self, after: date | None, upto: date) -> dict[tuple[str, int], list[tuple[int, date]]]:
        """For paper versions announced in the window: the topics and dates under which they stood in earlier editions.

        Usually empty: a version comes again only under a topic that is new, or whose query changed.
        """
        rows = self._db.execute(
            "SELECT p.id, p.version, b.topic_id, b.edition FROM papers AS p"
            " JOIN announcements AS b ON b.paper_key = p.key AND b.edition <= ?"
            " WHERE p.key IN (SELECT paper_key FROM announcements WHERE edition > ? AND edition <= ?)",
            (from_date(after), from_date(after), upto.isoformat()),
        )
        told: dict[tuple[str, int], list[tuple[int, date]]] = {}
        for row in rows:
            told.setdefault((row["id"], row["version"]), []).append(
                (row["topic_id"], date.fromisoformat(row["edition"]))
            )
        return told

    def outline(self, after: date | None, upto: date) -> Iterator[tuple[int, bool, tuple[str, int] | None]]:
        """The topics under which the window announces something, and whether that is revisions: each once for what is
        told for the first time, and again with the key of each paper version that is in `told_before`."""
        rows = self._db.execute(_OUTLINE, {"after": from_date(after), "upto": upto.isoformat()})
        for topic_id, is_revision, paper_id, version in rows:
            yield topic_id, bool(is_revision), None if paper_id is None else (paper_id, version)

    def records(self, limit: int) -> Iterator[EditionRecord]:
        """The newest editions, newest first."""
        rows = self._db.execute(
            "SELECT date, remarks, (SELECT count(DISTINCT topic_id) FROM announcements WHERE edition = date) AS topics,"
            " (SELECT json_group_object(kind, number) FROM (SELECT kind, count(DISTINCT paper_key) AS number"
            " FROM announcements WHERE edition = date GROUP BY kind)) AS counts"
            " FROM editions ORDER BY date DESC LIMIT ?",
            (limit,),
        )
        for row in rows:
            counts = {Kind(kind): number for kind, number in json.loads(row["counts"]).items()}
            yield EditionRecord(date.fromisoformat(row["date"]), counts, row["topics"], _to_remarks(row["remarks"]))

    def remarks(self, after: date | None, upto: date) -> dict[date, tuple[Remark, ...]]:
        """What was remarked on the editions after `after`, up to `upto`, oldest first; those without are left out."""
        rows = self._db.rows(
            "SELECT date, remarks FROM editions WHERE date > ? AND date <= ? AND remarks <> '[]' ORDER BY date",
            (from_date(after), upto.isoformat()),
        )
        return {date.fromisoformat(row["date"]): _to_remarks(row["remarks"]) for row in rows}

    def dates(self) -> list[date]:
        """All editions' dates, oldest first."""
        return [date.fromisoformat(row[0]) for row in self._db.rows("SELECT date FROM editions ORDER BY date")]


_OUTLINE = """
WITH told AS MATERIALIZED (SELECT p.key, p.id, p.version FROM papers AS p
    WHERE p.key IN (SELECT paper_key FROM announcements WHERE edition > :after AND edition <= :upto)
    AND EXISTS (SELECT 1 FROM announcements AS b INDEXED BY announcements_paper
        WHERE b.paper_key = p.key AND b.edition <= :after))
SELECT a.topic_id, a.kind = 'revised' AS is_revision, told.id, told.version
FROM announcements AS a LEFT JOIN told ON told.key = a.paper_key
WHERE a.edition > :after AND a.edition <= :upto GROUP BY a.topic_id, is_revision, told.key
"""


def to_announcement(row: Row, paper: Paper, words: tuple[str, ...]) -> Announcement:
    """An announcement from a row that holds its columns but for the paper's and its words."""
    return Announcement(
        topic_id=row["topic_id"],
        paper=paper,
        kind=Kind(row["kind"]),
        changes=tuple(row["changes"].split()),
        edition=date.fromisoformat(row["edition"]),
        minor=bool(row["minor"]),
        words=words,
    )


def to_words(text: str) -> tuple[str, ...]:
    """The words of an announcement as they are stored; equal ones are held once."""
    return tuple(map(intern, json.loads(text)))


def _from_remark(remark: Remark) -> dict[str, object]:
    return {
        "kind": remark.kind,
        "since": from_date(remark.since),
        "until": from_date(remark.until),
        "topics": remark.topics,
    }


def _to_remarks(text: str) -> tuple[Remark, ...]:
    return tuple(
        Remark(RemarkKind(told["kind"]), to_date(told["since"]), to_date(told["until"]), tuple(told["topics"]))
        for told in json.loads(text)
    )

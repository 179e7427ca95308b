"""How the index of all that was announced is kept up: little by little, in the order of announcement."""

import json
import unicodedata

from newsletter.query import as_words
from newsletter.storage.database import Database, Row
from newsletter.storage.marking import indexed_names, indexed_text

#: Raise it when a text comes to be written for the index otherwise than before: all is indexed anew then.
READING = 1
BATCH = 100  # papers of one transaction: other writers wait for some 50 ms
GAP = "\ue000"  # a word of its own, which no text holds


class Indexing:
    """Keeps the tables of the search behind the announcements; what readers' own queries found is left out.

    An index that was made with another reading of texts, or of Unicode, would not answer to the words of today; it is
    given up, and made anew.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._reading = f"{READING} {unicodedata.unidata_version}"

    def follow(self, limit: int = BATCH) -> int:
        """Bring the index up to date by so many papers at most, in a write transaction of its own; how many they were,
        0 once all is done. It goes on where it was, whoever began and whatever ended that. Raises `StorageError`."""
        if self.complete():
            return 0
        with self._db.write():
            if not self._is_readable():
                self._begin_anew()
            renewed = self._renew(limit)
            return renewed + self._add(limit - renewed)

    def complete(self) -> bool:
        """Whether all that was announced is found as it is now."""
        if self._newest() and not self._is_readable():
            return False
        return self._db.row("SELECT 1 FROM search_outdated") is None and not self._waiting(1)

    def _is_readable(self) -> bool:
        return bool(self._db.value("SELECT value FROM settings WHERE name = 'search_reading'") == self._reading)

    def _begin_anew(self) -> None:
        for table in ("search_texts", "search_names"):
            self._db.execute(f"INSERT INTO {table}({table}) VALUES ('delete-all')")
        for table in ("searchable", "search_categories", "search_outdated"):
            self._db.execute(f"DELETE FROM {table}")
        self._db.execute(
            "INSERT INTO settings (name, value) VALUES ('search_reading', ?1)"
            " ON CONFLICT (name) DO UPDATE SET value = ?1",
            (self._reading,),
        )

    def _newest(self) -> str:
        """The edition that was indexed last, perhaps in part."""
        return str(self._db.value("SELECT max(edition) FROM searchable") or "")

    def _waiting(self, limit: int) -> list[tuple[int, str]]:
        """The papers that come next, by number, with their editions; within one, those come last that stand first."""
        waiting: list[tuple[int, str]] = []
        for (day,) in self._db.rows("SELECT date FROM editions WHERE date >= ? ORDER BY date", (self._newest(),)):
            waiting += ((key, day) for (key,) in self._db.rows(_WAITING, (day, limit - len(waiting))))
            if len(waiting) == limit:
                break
        return waiting

    def _add(self, limit: int) -> int:
        waiting = self._waiting(limit) if limit else []
        self._db.executemany("INSERT INTO searchable (paper_key, edition) VALUES (?, ?)", waiting)
        for key, _ in waiting:
            self._write("", self._paper(key))
        return len(waiting)

    def _renew(self, limit: int) -> int:
        """Index anew what changed since it was indexed."""
        outdated = self._db.rows("SELECT * FROM search_outdated LIMIT ?", (limit,))
        for paper in outdated:
            self._write("delete", paper)
            self._write("", self._paper(paper["paper_key"]))
            self._db.execute("DELETE FROM search_outdated WHERE paper_key = ?", (paper["paper_key"],))
        return len(outdated)

    def _paper(self, key: int) -> Row:
        row = self._db.row(f"SELECT key AS paper_key, {_FIELDS} FROM papers WHERE key = ?", (key,))
        assert row is not None  # noqa: S101 - a paper that was seen is never forgotten
        return row

    def _write(self, command: str, paper: Row) -> None:
        """Tell FTS5 of a paper; or, with a command, what it is to be done to and was told before."""
        place = self._db.value("SELECT place FROM searchable WHERE paper_key = ?", (paper["paper_key"],))
        texts = (indexed_text(paper[name]) for name in ("title", "abstract", "comment", "journal_ref"))
        categories = " ".join(map(self._number, paper["categories"].split()))
        names, reports = indexed_names(json.loads(paper["authors"])), indexed_reports(paper["report_no"])
        self._db.execute(_TO_TEXTS, (command or None, place, *texts, categories))
        self._db.execute(_TO_NAMES, (command or None, place, names, reports, categories))

    def _number(self, category: str) -> str:
        """What stands for a category, so that it is one word to FTS5 whatever is in it."""
        self._db.execute("INSERT INTO search_categories (name) VALUES (?) ON CONFLICT DO NOTHING", (category,))
        return str(self._db.value("SELECT number FROM search_categories WHERE name = ?", (category,)))


def indexed_reports(text: str) -> str:
    """Report numbers, as FTS5 gets them: the words of all, and then each again with a gap before and behind it."""
    return "".join((as_words(text), *(f" {GAP} {as_words(number)} {GAP}" for number in text.split())))


_FIELDS = "title, abstract, comment, journal_ref, authors, categories, report_no"
# What stands in the column of the table's own name is a command to FTS5; without one, it is told of a new row.
_TO_TEXTS = (
    "INSERT INTO search_texts (search_texts, rowid, title, abstract, comment, journal_ref, categories)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_TO_NAMES = "INSERT INTO search_names (search_names, rowid, authors, report_no, categories) VALUES (?, ?, ?, ?, ?)"
_WAITING = (
    "SELECT p.key FROM papers AS p WHERE p.key IN (SELECT a.paper_key FROM topics AS t CROSS JOIN announcements AS a"
    " ON a.topic_id = t.id WHERE t.personal = 0 AND a.edition = ?)"
    " AND NOT EXISTS (SELECT 1 FROM searchable WHERE paper_key = p.key) ORDER BY p.updated, p.id, p.version LIMIT ?"
)

"""The ready pieces that messages are joined from, made once an edition."""

import json
from collections.abc import Collection, Iterable
from datetime import date
from typing import NamedTuple

from newsletter.storage.database import Database


class StoredFragment(NamedTuple):
    """A piece of mail in both forms."""

    name: str
    html: bytes
    text: bytes


class Fragments:
    """The table of fragments."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def put(self, fragments: Iterable[tuple[str, bytes, bytes]], language: str, edition: date) -> None:
        """Store pieces an edition uses, newer ones over older; inside a write transaction."""
        self._db.executemany(
            "INSERT INTO fragments (name, language, edition, html, text) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (name, language) DO UPDATE"
            " SET edition = max(edition, excluded.edition), html = excluded.html, text = excluded.text",
            ((name, language, edition.isoformat(), html, text) for name, html, text in fragments),
        )

    def get(self, name: str, language: str) -> StoredFragment | None:
        """A piece by its name, if it is stored."""
        row = self._db.row("SELECT name, html, text FROM fragments WHERE name = ? AND language = ?", (name, language))
        return None if row is None else StoredFragment(row["name"], row["html"], row["text"])

    def sizes(self, names: Collection[str], language: str) -> dict[str, int]:
        """How many bytes of HTML those of the named pieces have that are stored."""
        rows = self._db.execute(
            "SELECT f.name, length(f.html) FROM json_each(?) AS wanted"
            " JOIN fragments AS f ON f.name = wanted.value AND f.language = ?",
            (json.dumps(list(names)), language),
        )
        return {row[0]: row[1] for row in rows}

    def languages(self) -> list[str]:
        """The languages that readers chose, and so want pieces in."""
        rows = self._db.rows(
            "SELECT DISTINCT language FROM subscribers WHERE language <> '' AND status <> 'unsubscribed'"
        )
        return [row["language"] for row in rows]

    def forget(self, before: date) -> None:
        """Drop pieces that only older editions use; they can be made again. Inside a write transaction."""
        self._db.execute("DELETE FROM fragments WHERE edition < ?", (before.isoformat(),))

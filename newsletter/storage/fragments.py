"""The ready pieces that messages are joined from, made once an edition."""

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

    def get(self, names: Collection[str], language: str) -> dict[str, StoredFragment]:
        """Those of the named pieces that are stored."""
        found: dict[str, StoredFragment] = {}
        for name in names:
            row = self._db.row(
                "SELECT name, html, text FROM fragments WHERE name = ? AND language = ?", (name, language)
            )
            if row is not None:
                found[name] = StoredFragment(row["name"], row["html"], row["text"])
        return found

    def forget(self, before: date) -> None:
        """Drop pieces that only older editions use; they can be made again. Inside a write transaction."""
        self._db.execute("DELETE FROM fragments WHERE edition < ?", (before.isoformat(),))

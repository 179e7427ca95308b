"""What can be subscribed to: the operator's topics and readers' queries."""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime

from newsletter.errors import UsageError
from newsletter.model import Topic
from newsletter.query import normal_form, parse
from newsletter.storage.database import Database, Row, to_text
from newsletter.text import INVISIBLE


class Topics:
    """The table of topics; an operator's is known by its folded name, a reader's query by its normal form."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def follow(self, named: Sequence[tuple[str, str]]) -> None:
        """Make the operator's topics those of the configuration, as (name, query) in its order.

        Those that are gone sleep: subscriptions and history stay. Writes only if something differs.
        """
        current = [
            (row["name"], row["query"]) for row in self._db.rows(_OPERATORS + " AND sleeping = 0 ORDER BY position, id")
        ]
        if current == list(named):
            return
        with self._db.write():
            self._db.execute("UPDATE topics SET sleeping = 1 WHERE personal = 0")
            self._db.executemany(
                "INSERT INTO topics (name, folded, query, normal, position) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (folded) DO UPDATE SET name = excluded.name, query = excluded.query,"
                " normal = excluded.normal, position = excluded.position, sleeping = 0",
                (
                    (name, _folded(name), query, normal_form(parse(query)), place)
                    for place, (name, query) in enumerate(named)
                ),
            )

    def all(self) -> list[Topic]:
        """Every topic and query: operator's in the configuration's order, sleeping ones behind, then readers'."""
        return [
            _to_topic(row) for row in self._db.rows("SELECT * FROM topics ORDER BY personal, sleeping, position, id")
        ]

    def operators(self) -> list[Topic]:
        """The operator's topics that are awake."""
        return [topic for topic in self.all() if not topic.personal and not topic.sleeping]

    def asked(self) -> list[Topic]:
        """What is fetched and matched: the operator's topics that are awake, and queries that somebody has."""
        used = {row[0] for row in self._db.rows("SELECT DISTINCT topic_id FROM subscriptions")}
        return [topic for topic in self.all() if not topic.sleeping and (not topic.personal or topic.id in used)]

    def named(self, name: str) -> Topic:
        """The operator's topic of this name, whatever its case.

        Raises:
            UsageError: there is none; names those there are.

        """
        row = self._db.row("SELECT * FROM topics WHERE folded = ?", (_folded(name),))
        if row is None:
            names = [topic.name for topic in self.operators()]
            near = {_folded(other): other for other in names}
            close = difflib.get_close_matches(_folded(name), near, 1)
            hint = f"; did you mean {near[close[0]]!r}?" if close else ""
            raise UsageError(f"there is no topic {name!r}{hint} (there are: {', '.join(names) or 'none'})")
        return _to_topic(row)

    def query(self, query: str) -> Topic:
        """The topic of a reader's query, made on first use; inside a write transaction. Raises `QueryError`."""
        normal = normal_form(parse(query))
        tidy = " ".join(INVISIBLE.sub(" ", query).split())
        self._db.execute(
            "INSERT INTO topics (name, query, normal, personal) VALUES ('', ?, ?, 1)"
            " ON CONFLICT (normal) WHERE personal = 1 DO NOTHING",
            (tidy, normal),
        )
        row = self._db.row("SELECT * FROM topics WHERE personal = 1 AND normal = ?", (normal,))
        assert row is not None  # noqa: S101 - just inserted
        return _to_topic(row)

    def merge(self, old: str, new: str) -> None:
        """Give everything of one operator's topic to another, and forget the first: what a new name comes to.

        Raises:
            UsageError: one of them is not there.

        """
        source, target = self.named(old), self.named(new)
        if source.id == target.id:
            return
        with self._db.write():
            for table in ("announcements", "subscriptions", "proposals"):
                move = f"UPDATE OR IGNORE {table} SET topic_id = ? WHERE topic_id = ?"
                self._db.execute(move, (target.id, source.id))
            self._db.execute(
                "UPDATE topics SET begun = coalesce(begun, (SELECT begun FROM topics WHERE id = ?)) WHERE id = ?",
                (source.id, target.id),
            )
            self._db.execute("DELETE FROM topics WHERE id = ?", (source.id,))

    def begin(self, topic_ids: Iterable[int], now: datetime) -> None:
        """Record that a topic's first edition was settled; inside a write transaction."""
        self._db.executemany(
            "UPDATE topics SET begun = ? WHERE id = ? AND begun IS NULL", ((to_text(now), topic) for topic in topic_ids)
        )

    def subscribers(self) -> dict[int, int]:
        """How many readers chose each topic by name; those who take all are not among them."""
        rows = self._db.rows(
            "SELECT topic_id, count(*) FROM subscriptions JOIN subscribers ON subscribers.id = subscriber_id"
            " WHERE status = 'confirmed' GROUP BY topic_id"
        )
        return {row[0]: row[1] for row in rows}


_OPERATORS = "SELECT * FROM topics WHERE personal = 0"


def _folded(name: str) -> str:
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def _to_topic(row: Row) -> Topic:
    return Topic(
        id=row["id"],
        name=row["name"],
        query=row["query"],
        personal=bool(row["personal"]),
        sleeping=bool(row["sleeping"]),
        begun=row["begun"] is not None,
    )

"""What can be subscribed to: the operator's topics and readers' queries."""

import difflib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from newsletter.errors import UsageError
from newsletter.model import Topic
from newsletter.query import normal_form, parse, tidy
from newsletter.storage.database import Database, Row, to_moment, to_text

_NEW = Topic(id=0, name="", query="", personal=False, sleeping=False, begun=False)


class Topics:
    """The table of topics; an operator's is known by its folded name, a reader's query by its normal form."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def follow(self, named: Sequence[tuple[str, str]]) -> None:
        """Make the operator's topics those of the configuration, as (name, query) in its order.

        Those that are gone sleep: subscriptions and history stay. One that wakes, or whose query changed, begins again
        with a first edition of what it has not settled, lest months of papers come at once. Writes only if something
        differs.
        """
        wanted = {_folded(name): (name, query, place) for place, (name, query) in enumerate(named)}
        rows = self._db.rows("SELECT * FROM topics WHERE personal = 0")
        awake = {row["folded"]: (row["name"], row["query"], row["position"]) for row in rows if not row["sleeping"]}
        if awake == wanted:
            return
        with self._db.write():
            self._db.execute("UPDATE topics SET sleeping = 1 WHERE personal = 0")
            for folded, (name, query, place) in wanted.items():
                normal = normal_form(parse(query))
                known = any(row["folded"] == folded and row["normal"] == normal for row in rows if not row["sleeping"])
                self._db.execute(f"{_FORGET_BACKFILLS} WHERE folded = ? AND normal <> ?)", (folded, normal))
                self._db.execute(
                    "INSERT INTO topics (name, folded, query, normal, position) VALUES (?1, ?2, ?3, ?4, ?5)"
                    " ON CONFLICT (folded) DO UPDATE SET name = ?1, query = ?3, normal = ?4, position = ?5,"
                    " sleeping = 0, begun = iif(?6, begun, NULL), horizon = iif(?6, horizon, ''),"
                    " newest = iif(?6, newest, '')",
                    (name, folded, query, normal, place, known),
                )

    def followed(self, named: Sequence[tuple[str, str]]) -> list[Topic]:
        """The operator's topics with names, queries and sleep as `follow` would leave them; a new one has number 0."""
        held = {_folded(topic.name): topic for topic in self.all() if not topic.personal}
        awake = [
            replace(held.pop(_folded(name), _NEW), name=name, query=query, sleeping=False) for name, query in named
        ]
        return [*awake, *(replace(topic, sleeping=True) for topic in held.values())]

    def all(self) -> list[Topic]:
        """Every topic and query: operator's in the configuration's order, sleeping ones behind, then readers'."""
        return [
            _to_topic(row) for row in self._db.rows("SELECT * FROM topics ORDER BY personal, sleeping, position, id")
        ]

    def operators(self) -> list[Topic]:
        """The operator's topics that are awake."""
        return [topic for topic in self.all() if not topic.personal and not topic.sleeping]

    def asked(self) -> list[Topic]:
        """What is fetched and matched: the operator's topics that are awake, and queries that a reader has.

        Who has not confirmed, or has left, is none: a stranger could fill what may be asked of arXiv.
        """
        used = {
            row[0]
            for row in self._db.rows(
                "SELECT DISTINCT topic_id FROM subscriptions AS c JOIN topics AS t ON t.id = c.topic_id"
                " JOIN subscribers AS s ON s.id = c.subscriber_id"
                " WHERE t.personal = 1 AND s.status IN ('confirmed', 'paused')"
            )
        }
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
        kept = tidy(query)
        normal = normal_form(parse(kept))
        self._db.execute(
            "INSERT INTO topics (name, query, normal, personal) VALUES ('', ?, ?, 1)"
            " ON CONFLICT (normal) WHERE personal = 1 DO NOTHING",
            (kept, normal),
        )
        row = self._db.row("SELECT * FROM topics WHERE personal = 1 AND normal = ?", (normal,))
        assert row is not None  # noqa: S101 - just inserted
        return _to_topic(row)

    def merge(self, old: str, new: str) -> None:
        """Let an operator's topic go on under the name, query and place of another, which it takes in.

        The old one keeps its number, by which the ledger knows it. With another query, or if editions were made while
        it slept, it is where the one taken in was: if that had not begun, it begins again.

        Raises:
            UsageError: one of them is not there.

        """
        kept, taken_in = self.named(old), self.named(new)
        if kept.id == taken_in.id:
            return
        with self._db.write():
            row = self._db.row("SELECT * FROM topics WHERE id = ?", (taken_in.id,))
            assert row is not None  # noqa: S101 - it was found above
            goes_on = self._goes_on(kept.id, row["normal"])
            if not goes_on:  # another query's answers are not all that this one matches
                self._db.execute(f"DELETE FROM asked WHERE topic_id = ? AND harvest_id IN {_UNDECIDED}", (kept.id,))
            for statement in _MOVE:
                self._db.execute(statement, {"kept": kept.id, "taken": taken_in.id})
            self._db.execute("DELETE FROM topics WHERE id = ?", (taken_in.id,))
            self._db.execute(f"{_FORGET_BACKFILLS} WHERE id = ? AND normal <> ?)", (kept.id, row["normal"]))
            columns = ("name", "folded", "query", "normal", "position", *(() if goes_on else _BEGINNING))
            places = ", ".join("?" * len(columns))
            self._db.execute(
                f"UPDATE topics SET sleeping = 0, ({', '.join(columns)}) = ({places}) WHERE id = ?",
                (*(row[name] for name in columns), kept.id),
            )

    def _goes_on(self, topic_id: int, normal: str) -> bool:
        """Whether a topic knows all that a query matched so far: it is its own, and no date was decided on without it.

        Whatever is awake has an account of each.
        """
        return bool(
            self._db.value(
                "SELECT normal = ?2 AND coalesce((SELECT max(date) FROM selections WHERE topic_id = ?1), '')"
                " >= coalesce((SELECT max(date) FROM selections), '') FROM topics WHERE id = ?1",
                (topic_id, normal),
            )
        )

    def begin(self, topic_ids: Iterable[int], now: datetime) -> None:
        """Record that a topic's first edition was settled; inside a write transaction."""
        self._db.executemany(
            "UPDATE topics SET begun = ? WHERE id = ? AND begun IS NULL", ((to_text(now), topic) for topic in topic_ids)
        )

    def began(self, topic_id: int) -> datetime | None:
        """When a topic's first edition was settled; None if it was not."""
        begun = self._db.value("SELECT begun FROM topics WHERE id = ?", (topic_id,))
        return to_moment(begun) if begun else None

    def take_over(self, topic_id: int, horizon: datetime | None, newest: str, now: datetime) -> None:
        """Let a topic go on where another program left it: it has begun, and what was submitted before `horizon` counts
        as told, but for papers whose identifier comes after `newest`, the latest there was. Once it has announced
        something itself, that moves no more. Inside a write transaction."""
        self._db.execute("UPDATE topics SET begun = coalesce(begun, ?) WHERE id = ?", (to_text(now), topic_id))
        self._db.execute(
            "UPDATE topics SET horizon = max(horizon, ?2), newest = max(newest, ?3) WHERE id = ?1"
            " AND NOT EXISTS (SELECT 1 FROM announcements WHERE topic_id = ?1 AND edition IS NOT NULL)",
            (topic_id, to_text(horizon) if horizon else "", newest),
        )

    def bound(self, topic_id: int, horizon: datetime, *, but_for_later: bool = False) -> None:
        """Let a topic that has not begun look no further back; inside a write transaction.

        With `but_for_later` this is not for papers whose identifier comes after all that we hold now.
        """
        newest = "(SELECT max(id) FROM papers WHERE id < 'a')" if but_for_later else "''"  # old ones begin with letters
        self._db.execute(
            f"UPDATE topics SET horizon = max(horizon, ?), newest = coalesce({newest}, '')"
            " WHERE id = ? AND begun IS NULL",
            (to_text(horizon), topic_id),
        )

    def subscribers(self) -> dict[int, int]:
        """How many readers chose each topic by name; those who take all are not among them."""
        rows = self._db.rows(
            "SELECT topic_id, count(*) FROM subscriptions JOIN subscribers ON subscribers.id = subscriber_id"
            " WHERE status = 'confirmed' GROUP BY topic_id"
        )
        return {row[0]: row[1] for row in rows}


# What was asked for with another query says nothing of this one.
_FORGET_BACKFILLS = "DELETE FROM backfills WHERE topic_id IN (SELECT id FROM topics"
_UNDECIDED = "(SELECT id FROM harvests WHERE settled IS NULL)"
_BEGINNING = ("begun", "horizon", "newest")

# What one topic has goes to another. Of a version that both settled, being told counts, and being told first.
_MOVE = (
    "DELETE FROM announcements WHERE topic_id = :kept AND edition IS NULL AND paper_key IN"
    " (SELECT paper_key FROM announcements WHERE topic_id = :taken AND edition IS NOT NULL)",
    # The accounts tell of what goes: it was settled before.
    "INSERT INTO selections (date, topic_id, candidates, settled, new, revised, withdrawn, passed_over)"
    " SELECT edition, :kept, 0, count(*), -sum(kind = 'new'), -sum(kind = 'revised'), -sum(kind = 'withdrawn'), 0"
    " FROM announcements AS a WHERE topic_id = :taken AND edition IS NOT NULL"
    " AND EXISTS (SELECT 1 FROM selections WHERE date = a.edition AND topic_id = :taken)"
    " AND EXISTS (SELECT 1 FROM announcements WHERE topic_id = :kept AND paper_key = a.paper_key) GROUP BY edition",
    "UPDATE OR IGNORE announcements SET topic_id = :kept WHERE topic_id = :taken",
    "UPDATE selections SET topic_id = :kept WHERE topic_id = :taken",
    "UPDATE OR IGNORE subscriptions SET topic_id = :kept WHERE topic_id = :taken",
    "UPDATE OR REPLACE asked SET topic_id = :kept WHERE topic_id = :taken",
    # Places are counted by topic: they come behind.
    "INSERT INTO proposals (harvest_id, topic_id, place, paper_key)"
    " SELECT harvest_id, :kept, place + coalesce((SELECT max(place) + 1 FROM proposals AS own"
    " WHERE own.harvest_id = p.harvest_id AND own.topic_id = :kept), 0), paper_key"
    " FROM proposals AS p WHERE topic_id = :taken",
)


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
        horizon=to_moment(row["horizon"]) if row["horizon"] else None,
        newest=row["newest"],
    )

"""Whether what the database holds agrees with itself; looks, and changes nothing."""

import stat
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import islice

from newsletter.storage.database import Database, Row
from newsletter.storage.repeats import CHOSEN_NOW


@dataclass(frozen=True, slots=True)
class Gap:
    """Editions, those after `after` up to `upto`, that lie between two digests of a reader, who chose the same for
    both, or behind their last and not after `covered`. `after` and `chosen` are as they are stored."""

    subscriber_id: int
    email: str
    after: str
    upto: date
    chosen: str
    revised: bool  # whether they are told of revisions


class Auditing:
    """Questions to all of the database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file, and rows that name others which are not there; at most ten of each.

        Raises:
            StorageError: it cannot be read at all.

        """
        verdicts = [str(row[0]) for row in self._db.rows("PRAGMA quick_check(10)")]
        orphans = [f"{row[0]} names rows of {row[2]} that are not there" for row in self._orphans()]
        return [verdict for verdict in verdicts if verdict != "ok"] + orphans

    def _orphans(self) -> Iterator[Row]:
        return islice(self._db.execute("PRAGMA foreign_key_check"), 10)

    def is_private(self) -> bool:
        """Whether nobody but its owner may read it."""
        return not stat.S_IMODE(self._db.path.stat().st_mode) & 0o077

    def has_id(self) -> bool:
        """Whether it was told apart from its copies yet; the first program that writes does that."""
        return self._db.row("SELECT 1 FROM settings WHERE name = 'instance'") is not None

    def zones(self) -> set[str]:
        """The time zones that readers' clocks are in."""
        return {row[0] for row in self._db.rows("SELECT DISTINCT zone FROM subscribers WHERE zone <> ''")}

    def doubled(self) -> list[str]:
        """Readers with an edition in two digests that did not end unsent, or in one and after `covered`.

        What `Deliveries.overlapping` finds by comparing each with each is found by comparing neighbours: sorted by
        where they end, two that overlap have neighbours that do.
        """
        rows = self._db.rows(
            f"SELECT s.email FROM ({_NEIGHBOURS}) AS n JOIN subscribers AS s ON s.id = n.subscriber_id"
            " WHERE n.after < n.upto_before"
            " UNION SELECT s.email FROM subscribers AS s WHERE EXISTS (SELECT 1 FROM deliveries AS d"
            f" WHERE d.subscriber_id = s.id AND d.upto > s.covered AND d.{_COUNTS})"
        )
        return [row["email"] for row in rows]

    def gaps(self) -> Iterator[Gap]:
        """Places where an edition may be missing, of readers who get mail, sorted by the editions."""
        for row in self._db.execute(_GAPS):
            yield Gap(
                row["id"],
                row["email"],
                row["start"],
                date.fromisoformat(row["end"]),
                row["chosen"],
                bool(row["revised"]),
            )


# A digest that counts in the ledger's account.
_COUNTS = "kind = 'digest' AND d.status NOT IN ('expired', 'suppressed')"
_NEIGHBOURS = f"""
SELECT d.subscriber_id, d.after, d.chosen,
    lag(d.upto) OVER reader AS upto_before, lag(d.chosen) OVER reader AS chosen_before
FROM deliveries AS d WHERE d.subscriber_id IS NOT NULL AND d.{_COUNTS}
WINDOW reader AS (PARTITION BY d.subscriber_id ORDER BY d.upto)
"""
_LAST = f"""
SELECT d.subscriber_id, max(d.upto) AS upto, d.chosen FROM deliveries AS d
WHERE d.subscriber_id IS NOT NULL AND d.{_COUNTS} GROUP BY d.subscriber_id
"""
_GAPS = f"""
WITH gaps (subscriber_id, start, end, chosen) AS (
    SELECT subscriber_id, upto_before, after, chosen FROM ({_NEIGHBOURS})
    WHERE after > upto_before AND chosen = chosen_before
    UNION ALL
    SELECT s.id, l.upto, s.covered, l.chosen FROM ({_LAST}) AS l JOIN subscribers AS s ON s.id = l.subscriber_id
    WHERE s.covered > l.upto AND l.chosen = {CHOSEN_NOW}
)
SELECT s.id, s.email, s.revised, g.start, g.end, g.chosen FROM gaps AS g JOIN subscribers AS s ON s.id = g.subscriber_id
WHERE s.status = 'confirmed' AND NOT EXISTS (SELECT 1 FROM suppressions AS x WHERE x.folded = s.folded)
    AND EXISTS (SELECT 1 FROM editions AS e WHERE e.date > g.start AND e.date <= g.end)
    AND NOT EXISTS (SELECT 1 FROM deliveries AS d WHERE d.subscriber_id = s.id AND d.kind = 'digest'
        AND d.status = 'suppressed' AND d.upto > g.start AND d.after < g.end)
ORDER BY g.start, g.end
"""

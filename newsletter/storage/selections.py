"""What selection made of each topic's candidates: the second half of an edition's account."""

from collections.abc import Iterable
from datetime import date

from newsletter.model import Selected
from newsletter.storage.database import Database

_COUNTS = ("candidates", "settled", "new", "revised", "withdrawn", "passed_over")


class Selections:
    """The table of selections; readers' own queries are not in it."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, day: date, selected: Iterable[Selected]) -> None:
        """Record what became of the candidates of some topics; inside a write transaction."""
        self._db.executemany(
            f"INSERT INTO selections (date, topic_id, {', '.join(_COUNTS)})"
            f" VALUES ({', '.join('?' * (len(_COUNTS) + 2))})",
            ((day.isoformat(), one.topic_id, *(getattr(one, name) for name in _COUNTS)) for one in selected),
        )

    def of(self, day: date) -> list[Selected]:
        """By topic, summed over all decisions that were made for a date."""
        sums = ", ".join(f"sum({name}) AS {name}" for name in _COUNTS)
        rows = self._db.rows(
            f"SELECT topic_id, {sums} FROM selections WHERE date = ? GROUP BY topic_id ORDER BY topic_id",
            (day.isoformat(),),
        )
        return [Selected(row["topic_id"], **{name: row[name] for name in _COUNTS}) for row in rows]

    def differences(self, day: date) -> list[int]:
        """The topics of which an edition announces another number than selection said: always none, or one is wrong."""
        rows = self._db.rows(
            "SELECT s.topic_id, sum(s.new + s.revised + s.withdrawn) AS said,"
            " (SELECT count(*) FROM announcements AS a WHERE a.edition = s.date AND a.topic_id = s.topic_id) AS stands"
            " FROM selections AS s WHERE s.date = ? GROUP BY s.topic_id HAVING said <> stands",
            (day.isoformat(),),
        )
        return [row["topic_id"] for row in rows]

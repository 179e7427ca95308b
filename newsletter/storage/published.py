"""What anybody may read: what was announced under the operator's topics. Of readers' queries nothing stands here."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from newsletter.model import Announcement, Kind, Topic
from newsletter.storage.database import Database, to_date
from newsletter.storage.editions import to_announcement, to_words
from newsletter.storage.papers import COLUMNS, to_paper
from newsletter.storage.topics import Topics

_LATEST = date.max


@dataclass(frozen=True, slots=True)
class Listed:
    """An edition with how much it announces: papers by kind, and under how many topics."""

    date: date
    counts: dict[Kind, int]
    topics: int


class Published:
    """Editions as anybody sees them: one that announced nothing under the operator's topics is none."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def topics(self) -> list[Topic]:
        """The operator's topics in the configuration's order; those that sleep stand behind."""
        return [topic for topic in Topics(self._db).all() if not topic.personal]

    def first(self) -> date | None:
        """The first date of which anything is known."""
        known = "SELECT min(date) AS date FROM editions UNION SELECT min(date) FROM harvests"
        return to_date(self._db.value(f"SELECT min(date) FROM ({known})"))

    def newest(self) -> date | None:
        """The newest edition."""
        return self.around(_LATEST, _LATEST)[0]

    def around(self, first: date, last: date) -> tuple[date | None, date | None]:
        """The editions before and after a span."""
        before = f"SELECT date FROM editions AS e WHERE date < ? AND {_HOLDS} ORDER BY date DESC LIMIT 1"
        after = f"SELECT date FROM editions AS e WHERE date > ? AND {_HOLDS} ORDER BY date LIMIT 1"
        return (
            to_date(self._db.value(before, (first.isoformat(),))),
            to_date(self._db.value(after, (last.isoformat(),))),
        )

    def listed(self, first: date, last: date) -> list[Listed]:
        """The editions of a span, newest first."""
        span = (first.isoformat(), last.isoformat())
        rows = self._db.rows(
            f"SELECT e.date, a.kind, count(DISTINCT a.paper_key) AS papers FROM {_IN_SPAN} GROUP BY e.date, a.kind",
            span,
        )
        topics = self._db.rows(f"SELECT e.date, count(DISTINCT t.id) FROM {_IN_SPAN} GROUP BY e.date", span)
        counts: dict[str, dict[Kind, int]] = {}
        for row in rows:
            counts.setdefault(row["date"], {})[Kind(row["kind"])] = row["papers"]
        return [Listed(date.fromisoformat(day), counts[day], number) for day, number in reversed(topics)]

    def announced(self, first: date, last: date, most: int) -> list[Announcement]:
        """What the editions of a span announce, newest edition first, newest paper first; no more than `most`."""
        return list(self._announcements(_IN_SPAN, (first.isoformat(), last.isoformat(), most)))

    def of_topic(self, topic_id: int, before: date | None, editions: int, most: int) -> list[Announcement]:
        """What the newest editions before a date that hold something of a topic announce under it, as `announced`."""
        told = "SELECT DISTINCT edition FROM announcements WHERE topic_id = ? AND edition < ?"
        newest = f"({told} ORDER BY edition DESC LIMIT ?) AS e"
        source = f"{newest} CROSS JOIN announcements AS a ON a.edition = e.edition AND a.topic_id = ?"
        end = (before or _LATEST).isoformat()
        return list(self._announcements(source, (topic_id, end, editions, topic_id, most)))

    def _announcements(self, source: str, parameters: tuple[object, ...]) -> Iterator[Announcement]:
        rows = self._db.execute(
            f"SELECT a.topic_id, a.kind, a.changes, a.minor, a.words, a.edition, {COLUMNS}"
            f" FROM {source} CROSS JOIN papers AS p ON p.key = a.paper_key"
            " ORDER BY a.edition DESC, p.updated DESC, a.place, p.id DESC LIMIT ?",
            parameters,
        )
        return (to_announcement(row, to_paper(row), to_words(row["words"])) for row in rows)


# The index of announcements is by edition and topic: of readers' queries, which may be thousands, no row is read.
_HOLDS = (
    "EXISTS (SELECT 1 FROM topics AS t CROSS JOIN announcements AS a ON a.edition = e.date AND a.topic_id = t.id"
    " WHERE t.personal = 0)"
)
_IN_SPAN = (
    "(SELECT date FROM editions WHERE date BETWEEN ? AND ?) AS e"
    " CROSS JOIN (SELECT id FROM topics WHERE personal = 0) AS t"
    " CROSS JOIN announcements AS a ON a.edition = e.date AND a.topic_id = t.id"
)

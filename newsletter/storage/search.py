"""Search over all that was announced under the operator's topics, in the query language.

As in `matching`, FTS5 answers and integers do the rest. A paper is known by its *place*: the later it was
announced, the greater. A search goes back from the newest in growing steps until it has found enough, so that what many
papers answer costs the same however long the history. What readers' own queries found is not in it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from itertools import islice

from newsletter.model import Announcement, parse_identifier
from newsletter.query import Node, Term, evaluate
from newsletter.storage.database import Database, to_moment
from newsletter.storage.editions import to_announcement
from newsletter.storage.indexing import Indexing
from newsletter.storage.papers import COLUMNS, to_paper
from newsletter.storage.phrasing import EITHER, NAMES, Phrasing

_ONE = ord("1")
_STEP, _GROWTH = 2_000, 4  # papers that are looked through at once: the newest, and how many times more each time


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Found:
    """The places of papers, newest first. It is not `whole` if the time was up before all were looked through."""

    places: tuple[int, ...]
    whole: bool = True


class Search(Indexing):
    """Finds papers, each in the newest version that was announced."""

    def __init__(self, database: Database, step: int = _STEP) -> None:
        super().__init__(database)
        self._step = step

    def find(self, tree: Node, most: int, *, since: date | None = None, is_late: Callable[[], bool] = _never) -> Found:
        """The newest papers that answer a query, as `Matcher` would say of each; of those announced `since` a date if
        one is given. `is_late` is asked before each look at the index, and ends it."""
        found: list[int] = []
        asked = self._phrasing().of(tree)
        first, high = self._before(since), self._last()
        step = self._step
        while high > first and len(found) < most:
            low = max(first, high - step)
            try:
                places = _Span(self._db, low, high, is_late).find(asked)
            except TimeoutError:
                return Found(tuple(found), whole=False)
            found += self._shown(places, most - len(found))
            high, step = low, step * _GROWTH
        return Found(tuple(found))

    def holds_something(self, since: date) -> bool:
        """Whether anything was announced since a date that could be found."""
        return self._last() > self._before(since)

    def announcements(self, places: Sequence[int]) -> list[Announcement]:
        """What stands in some places, in their order, as it was announced to everybody first."""
        rows = self._db.rows(
            f"SELECT a.topic_id, a.kind, a.changes, a.minor, a.edition, {COLUMNS} FROM {_IN_PLACES}"
            f" CROSS JOIN announcements AS a ON a.paper_key = p.key AND a.topic_id = ({_FIRST_TOPIC}) ORDER BY j.key",
            (json.dumps(places),),
        )
        return [to_announcement(row, to_paper(row), ()) for row in rows]

    def made(self, days: Iterable[date]) -> dict[date, datetime]:
        """When the editions of some dates were made."""
        rows = self._db.rows(
            "SELECT date, made FROM editions WHERE date IN (SELECT value FROM json_each(?))",
            (json.dumps([day.isoformat() for day in days]),),
        )
        return {date.fromisoformat(row["date"]): to_moment(row["made"]) for row in rows}

    def _phrasing(self) -> Phrasing:
        rows = self._db.rows("SELECT name, number FROM search_categories")
        return Phrasing((row["name"], row["number"]) for row in rows)

    def _last(self) -> int:
        return int(self._db.value("SELECT max(place) FROM searchable") or 0)

    def _before(self, since: date | None) -> int:
        """The last place before a date."""
        place = "SELECT place FROM searchable WHERE edition < ? ORDER BY edition DESC, place DESC LIMIT 1"
        return int(self._db.value(place, (since.isoformat(),)) or 0) if since else 0

    def _shown(self, places: Iterator[int], most: int) -> list[int]:
        """Those in which a paper stands that is still announced to everybody, and in no newer version."""
        shown: list[int] = []
        while len(shown) < most and (some := list(islice(places, most))):
            shown += (place for (place,) in self._db.rows(_SHOWN, (json.dumps(some),)))
        return shown[:most]


class _Span:
    """The places after `low`, up to `high`: what answers a term, as an integer whose bit n stands for `low` + n."""

    def __init__(self, database: Database, low: int, high: int, is_late: Callable[[], bool]) -> None:
        self._db, self._low, self._high, self._is_late = database, low, high, is_late

    def find(self, tree: Node) -> Iterator[int]:
        """The places that answer a query, newest first. Raises `TimeoutError`."""
        everything = (1 << (self._high - self._low + 1)) - 2
        shape = f"{evaluate(tree, cache(self._answer), everything):b}"
        return self._places(shape)

    def _places(self, shape: str) -> Iterator[int]:
        at = shape.find("1")
        while at >= 0:
            yield self._low + len(shape) - 1 - at
            at = shape.find("1", at + 1)

    def _answer(self, term: Term) -> int:
        if self._is_late():
            raise TimeoutError
        if term.field != "id":
            table = NAMES if term.field == EITHER else term.field
            return self._ask(f"SELECT json_group_array(rowid) FROM {table} WHERE {table} MATCH ?3{_INSIDE}", term.words)
        version = parse_identifier(term.words)
        return (
            self._ask(f"SELECT json_group_array(rowid) FROM ({_OF_PAPER}) WHERE TRUE{_INSIDE}", *version)
            if version
            else 0
        )

    def _ask(self, sql: str, *parameters: object) -> int:
        # One row, so that other threads may go on meanwhile; digits, as an integer is read from them at once.
        digits = bytearray(b"0") * (self._high - self._low + 1)
        for place in json.loads(self._db.value(sql, (self._low, self._high, *parameters))):
            digits[self._high - place] = _ONE
        return int(digits, 2)


_INSIDE = " AND rowid > ?1 AND rowid <= ?2"
_OF_PAPER = (
    "SELECT place AS rowid FROM searchable JOIN papers ON key = paper_key"
    " WHERE id = ?3 AND version = coalesce(?4, version)"
)
_PUBLIC = (
    "SELECT 1 FROM announcements AS told JOIN topics ON topics.id = told.topic_id"
    " WHERE told.paper_key = {}.paper_key AND told.edition IS NOT NULL AND topics.personal = 0"
)
_IN_PLACES = (
    "json_each(?) AS j CROSS JOIN searchable AS s ON s.place = j.value CROSS JOIN papers AS p ON p.key = s.paper_key"
)
_SHOWN = (
    f"SELECT s.place FROM {_IN_PLACES} WHERE EXISTS ({_PUBLIC.format('s')}) AND NOT EXISTS"
    " (SELECT 1 FROM papers AS later JOIN searchable AS newer ON newer.paper_key = later.key"
    f" WHERE later.id = p.id AND later.version > p.version AND EXISTS ({_PUBLIC.format('newer')})) ORDER BY j.key"
)
_FIRST_TOPIC = (
    "SELECT told.topic_id FROM announcements AS told JOIN topics ON topics.id = told.topic_id"
    " WHERE told.paper_key = p.key AND told.edition IS NOT NULL AND topics.personal = 0"
    " ORDER BY told.edition, told.kind = 'withdrawn' DESC, told.kind = 'new' DESC, topics.position LIMIT 1"
)

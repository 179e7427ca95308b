"""Readers: their addresses, what they chose, and who is not to be mailed."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from itertools import islice

from newsletter.addresses import domain_of, keyed, same_address
from newsletter.model import (
    Detail,
    Format,
    Frequency,
    Late,
    Look,
    Preferences,
    Rhythm,
    Status,
    Subscriber,
    Suppression,
)
from newsletter.storage.database import Database, Row, from_date, to_date, to_moment, to_text
from newsletter.storage.keys import Keys

_SELECT = """
SELECT s.*, (SELECT x.reason FROM suppressions AS x WHERE x.folded = s.folded) AS suppressed,
    (SELECT json_group_array(name) FROM (SELECT t.name FROM subscriptions AS c JOIN topics AS t ON t.id = c.topic_id
        WHERE c.subscriber_id = s.id AND t.personal = 0 ORDER BY t.position, t.id)) AS topics,
    (SELECT json_group_array(query) FROM (SELECT t.query FROM subscriptions AS c JOIN topics AS t ON t.id = c.topic_id
        WHERE c.subscriber_id = s.id AND t.personal = 1 ORDER BY t.normal)) AS queries
FROM subscribers AS s
"""


_LAST = "last_subscriber"  # the setting that remembers the highest number there ever was
_KEYED = "keyed:"
_UNUSED_QUERIES = """
SELECT id FROM topics WHERE personal = 1 AND query <> ''
    AND NOT EXISTS (SELECT 1 FROM subscriptions WHERE topic_id = topics.id)
"""
_WAITING_CHOICES = """
SELECT DISTINCT chosen FROM deliveries WHERE status IN ('queued', 'sending', 'deferred') AND chosen <> ''
"""
_DELETE_UNASKED = """
DELETE FROM topics WHERE personal = 1 AND query = '' AND begun IS NULL
    AND NOT EXISTS (SELECT 1 FROM asked WHERE topic_id = topics.id)
    AND NOT EXISTS (SELECT 1 FROM announcements WHERE topic_id = topics.id)
"""
_OF_ADDRESS = "WHERE folded IN (?, ?)"
_ADDED = ("id", "email", "folded", "status", "covered", "turned", "created", "confirmed", "paused_until")
_PREFERRED = (
    "frequency",
    "weekday",
    "hour",
    "zone",
    "late",
    "revised",
    "detail",
    "format",
    "language",
)
_COLUMNS = (*_ADDED, "next", *_PREFERRED)
_ADD = (
    f"INSERT INTO subscribers ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
    " ON CONFLICT (folded) DO NOTHING"
)
# A number that nobody has was meant for one whose address was there already.
_CHOOSE = (
    "INSERT INTO subscriptions (subscriber_id, topic_id)"
    " SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM subscribers WHERE id = ?1) ON CONFLICT DO NOTHING"
)
_AT_ONCE = 1_000  # subscribers that are held while they are added


@dataclass(frozen=True, slots=True)
class NewSubscriber:
    """What is needed to add one; `topic_ids` holds operator's topics and queries alike, `next` is when their hour
    comes, if they have one. `created` and `confirmed` are told of who was a subscriber before, here or elsewhere."""

    email: str
    status: Status
    topic_ids: tuple[int, ...] = ()
    preferences: Preferences = Preferences()
    next: datetime | None = None
    paused_until: date | None = None
    created: datetime | None = None
    confirmed: datetime | None = None


class Subscribers:
    """The tables of subscribers, their choices, and suppressions."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._db, self._keys = database, keys

    def add(self, new: Iterable[NewSubscriber], covered: date | None, today: date, now: datetime) -> int:
        """Add those whose address is not there yet, inside a write transaction; returns how many were.

        They start at `covered`, the newest edition; for weekly ones the turn of `today`'s week counts as had.
        """
        added, number = 0, self._next_number()
        moment, start = to_text(now), (from_date(covered), today.isoformat())
        erased = self._db.row("SELECT 1 FROM suppressions WHERE folded GLOB ? LIMIT 1", (f"{_KEYED}*",)) is not None
        people = iter(new)
        while some := list(islice(people, _AT_ONCE)):
            numbered = list(enumerate(some, number))
            rows = [(number, *_row(one, start, moment)) for number, one in numbered]
            added += self._db.executemany(_ADD, rows).rowcount
            chosen = ((number, topic_id) for number, one in numbered for topic_id in one.topic_ids)
            self._db.executemany(_CHOOSE, chosen)
            if erased:
                for one in some:
                    self._name(same_address(one.email))
            number += len(some)
        return added

    def find(self, email: str) -> Subscriber | None:
        """The subscriber of this address, whatever its case."""
        row = self._db.row(_SELECT + " WHERE s.folded = ?", (same_address(email),))
        return _to_subscriber(row) if row else None

    def numbered(self, subscriber_id: int) -> Subscriber | None:
        """The subscriber of a number. Numbers are never used again: links in old mails name them."""
        row = self._db.row(_SELECT + " WHERE s.id = ?", (subscriber_id,))
        return _to_subscriber(row) if row else None

    def known(self, emails: Iterable[str]) -> dict[str, tuple[int, Status]]:
        """Which of these addresses are subscribers': number and status, by the address as `same_address` has it."""
        rows = self._db.rows(
            "SELECT folded, id, status FROM subscribers WHERE folded IN (SELECT value FROM json_each(?))",
            (json.dumps([same_address(email) for email in emails]),),
        )
        return {row["folded"]: (row["id"], Status(row["status"])) for row in rows}

    def all(self, status: Status | None = None) -> Iterator[Subscriber]:
        """Every subscriber, or those of one status, by address."""
        where, parameters = (" WHERE s.status = ?", (status,)) if status else ("", ())
        return map(_to_subscriber, self._db.execute(f"{_SELECT}{where} ORDER BY s.folded", parameters))

    def counts(self) -> dict[Status, int]:
        """How many there are of each status."""
        return {
            Status(row[0]): row[1] for row in self._db.rows("SELECT status, count(*) FROM subscribers GROUP BY status")
        }

    def set_status(self, subscriber_id: int, status: Status, now: datetime) -> None:
        """Change a status; inside a write transaction."""
        confirmed = ", confirmed = coalesce(confirmed, :now)" if status is Status.CONFIRMED else ""
        self._db.execute(
            f"UPDATE subscribers SET status = :status, paused_until = ''{confirmed} WHERE id = :id",
            {"status": status, "id": subscriber_id, "now": to_text(now)},
        )

    def pause_until(self, subscriber_id: int, day: date | None) -> None:
        """Say when the pause of a reader ends by itself; inside a write transaction."""
        self._db.execute("UPDATE subscribers SET paused_until = ? WHERE id = ?", (from_date(day), subscriber_id))

    def rested(self, today: date) -> list[int]:
        """Readers whose pause is over."""
        rows = self._db.rows(
            "SELECT id FROM subscribers WHERE paused_until <> '' AND paused_until <= ? AND status = 'paused'",
            (today.isoformat(),),
        )
        return [row["id"] for row in rows]

    def prefer(
        self, subscriber_id: int, preferences: Preferences, next_hour: datetime | None, turned: date | None
    ) -> None:
        """Change what a reader prefers; `turned` is the weekly day that counts as had from now on, None if that stays
        as it is. Inside a write transaction."""
        columns = ", ".join(("next", *_PREFERRED))
        values = (_text(next_hour), *_preferred(preferences))
        self._db.execute(
            f"UPDATE subscribers SET ({columns}) = ({', '.join('?' * len(values))}),"
            " turned = coalesce(?, turned) WHERE id = ?",
            (*values, turned.isoformat() if turned else None, subscriber_id),
        )

    def move(self, subscriber_id: int, email: str, now: datetime) -> None:
        """Give a subscriber another address, which nobody has; links sent to the one before do nothing any more, and if
        it was suppressed, it is so by a keyed hash: it is nobody's now.

        Inside a write transaction.
        """
        before = self._db.value("SELECT folded FROM subscribers WHERE id = ?", (subscriber_id,))
        self._db.execute("UPDATE suppressions SET folded = ? WHERE folded = ?", (self._key(before), before))
        self._db.execute(
            "UPDATE subscribers SET email = ?, folded = ?, links_since = ? WHERE id = ?",
            (email, same_address(email), to_text(now), subscriber_id),
        )
        self._db.execute(
            "UPDATE deliveries SET domain = ? WHERE subscriber_id = ? AND status IN ('queued', 'deferred')",
            (domain_of(email), subscriber_id),
        )
        self._name(same_address(email))

    def choose(self, subscriber_id: int, topic_ids: Collection[int]) -> None:
        """Replace what a reader chose; inside a write transaction.

        A query that they drop stays known, so that taking it again repeats nothing; it goes when they are removed.
        """
        self._db.execute("DELETE FROM subscriptions WHERE subscriber_id = ?", (subscriber_id,))
        self._choose(subscriber_id, topic_ids)

    def skip_to(self, subscriber_id: int, covered: date | None, today: date) -> None:
        """Take up everything until now without telling: what passed during a pause. Inside a write transaction."""
        self._db.execute(
            "UPDATE subscribers SET covered = max(covered, ?), turned = ? WHERE id = ?",
            (from_date(covered), today.isoformat(), subscriber_id),
        )

    def remove(self, subscriber_id: int) -> None:
        """Forget a reader, and queries that nobody has; inside a write transaction, after `Deliveries.forget`."""
        self._db.execute(
            "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2",
            (_LAST, str(self._next_number() - 1)),
        )
        self._db.execute("DELETE FROM subscribers WHERE id = ?", (subscriber_id,))
        self._forget_queries()
        # What a stranger asked for and nobody confirmed was never fetched.
        self._db.execute(_DELETE_UNASKED)

    def suppress(self, email: str, reason: Suppression, note: str, now: datetime) -> bool:
        """Never mail this address, subscriber or not; inside a write transaction.

        False: it was so before, and the first reason stays.
        """
        if self.suppression(email):
            return False
        self._suppress(same_address(email), reason, note, now)
        return True

    def suppress_unnamed(self, email: str, reason: Suppression, now: datetime) -> None:
        """Never mail this address, and keep no more of it than a keyed hash; inside a write transaction.

        Should it be added again, it is suppressed by its name.
        """
        self.unsuppress(email)
        self._suppress(self._key(email), reason, "", now)

    def unsuppress(self, email: str) -> bool:
        """Mail this address again; inside a write transaction. False: it was not suppressed."""
        return bool(self._db.execute(f"DELETE FROM suppressions {_OF_ADDRESS}", self._names(email)).rowcount)

    def suppression(self, email: str) -> Suppression | None:
        """Why an address is not to be mailed."""
        reason = self._db.value(f"SELECT reason FROM suppressions {_OF_ADDRESS}", self._names(email))
        return Suppression(reason) if reason else None

    def suppressed_among(self, emails: Iterable[str]) -> int:
        """How many of these subscribers' addresses are not to be mailed."""
        folded = json.dumps([same_address(email) for email in emails])
        query = "SELECT count(*) FROM suppressions WHERE folded IN (SELECT value FROM json_each(?))"
        return int(self._db.value(query, (folded,)))

    def suppressed(self) -> int:
        """How many addresses are not to be mailed."""
        return int(self._db.value("SELECT count(*) FROM suppressions"))

    def _next_number(self) -> int:
        """One that nobody ever had."""
        highest = self._db.value("SELECT max(id) FROM subscribers") or 0
        last = self._db.value("SELECT value FROM settings WHERE name = ?", (_LAST,))
        return 1 + max(highest, int(last or 0))

    def _suppress(self, name: str, reason: Suppression, note: str, now: datetime) -> None:
        self._db.execute(
            "INSERT INTO suppressions (folded, reason, note, made) VALUES (?, ?, ?, ?)",
            (name, reason, note, to_text(now)),
        )

    def _name(self, folded: str) -> None:
        """Suppress by its name, if it was by its hash: there is an address again that claims can be checked by."""
        self._db.execute("UPDATE suppressions SET folded = ? WHERE folded = ?", (folded, self._key(folded)))

    def _names(self, email: str) -> tuple[str, str]:
        return same_address(email), self._key(email)

    def _key(self, email: str) -> str:
        return _KEYED + keyed(self._keys.addresses, email)

    def _forget_queries(self) -> None:
        # A query is personal data, and so are the words that answered it: what nobody has any more is not kept, once no
        # digest waits that was made for it. Its row stays, for a fetch may be under way.
        unused = {row["id"] for row in self._db.rows(_UNUSED_QUERIES)}
        if unused:
            unused -= {int(number) for row in self._db.rows(_WAITING_CHOICES) for number in row["chosen"].split(",")}
        numbers = [(number,) for number in unused]
        self._db.executemany("UPDATE announcements SET words = '[]' WHERE topic_id = ?", numbers)
        self._db.executemany("UPDATE topics SET query = '', normal = 'forgotten ' || id WHERE id = ?", numbers)

    def _choose(self, subscriber_id: int, topic_ids: Iterable[int]) -> None:
        self._db.executemany(_CHOOSE, ((subscriber_id, topic_id) for topic_id in topic_ids))


def _to_subscriber(row: Row) -> Subscriber:
    return Subscriber(
        id=row["id"],
        email=row["email"],
        status=Status(row["status"]),
        topics=tuple(json.loads(row["topics"])),
        queries=tuple(json.loads(row["queries"])),
        preferences=to_preferences(row),
        covered=to_date(row["covered"]),
        created=to_moment(row["created"]),
        paused_until=to_date(row["paused_until"]),
        links_since=to_moment(row["links_since"]) if row["links_since"] else None,
        confirmed=to_moment(row["confirmed"]) if row["confirmed"] else None,
        suppressed=Suppression(row["suppressed"]) if row["suppressed"] else None,
    )


def to_rhythm(row: Row) -> Rhythm:
    """When the digests of a subscriber's row come."""
    return _rhythm(row["frequency"], row["weekday"], row["hour"], row["zone"], row["late"])


def to_look(row: Row) -> Look:
    """What the mail of a subscriber's row looks like."""
    return _look(row["detail"], row["format"], row["language"])


def to_preferences(row: Row) -> Preferences:
    """What a subscriber's row prefers."""
    return Preferences(to_rhythm(row), to_look(row), bool(row["revised"]))


# Remembered, for there are few of them and a million readers.


@lru_cache(10_000)
def _rhythm(frequency: str, weekday: int | None, hour: int | None, zone: str, late: str) -> Rhythm:
    return Rhythm(Frequency(frequency), weekday, hour, zone, Late(late))


@lru_cache(1_000)
def _look(detail: str, form: str, language: str) -> Look:
    return Look(Detail(detail), Format(form), language)


@lru_cache(10_000)
def _preferred(preferences: Preferences) -> tuple[str | int | None, ...]:
    """Preferences as the columns `_PREFERRED` hold them."""
    rhythm, look = preferences.rhythm, preferences.look
    when = (rhythm.frequency, rhythm.weekday, rhythm.hour, rhythm.zone, rhythm.late)
    return (*when, int(preferences.revised), look.detail, look.format, look.language)


def _row(new: NewSubscriber, start: tuple[str, str], moment: str) -> tuple[str | int | None, ...]:
    """A new subscriber as `_COLUMNS` hold them, without a number; `start` is what they have covered and turned."""
    confirmed = _text(new.confirmed) or (moment if new.status is Status.CONFIRMED else None)
    state = (new.status, *start, _text(new.created) or moment, confirmed, from_date(new.paused_until))
    return (new.email, same_address(new.email), *state, _text(new.next), *_preferred(new.preferences))


def _text(moment: datetime | None) -> str:
    return to_text(moment) if moment else ""

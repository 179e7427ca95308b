"""How fast mail went and what was said to that, so that no limit and no pause is forgotten by a restart."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from newsletter.storage.database import Database, Row, to_moment, to_text

ALL = ""  # the scope over all domains


class Cause(StrEnum):
    """Why mail rests."""

    RATE = "rate"  # it came too fast
    POLICY = "policy"  # they take none of ours


@dataclass(frozen=True, slots=True)
class Pause:
    """Mail to a domain, or all digests, rests until then; also kept afterwards, until it is known to be over.

    All times are whole seconds. `steps` pauses came in a row, the first of them at `since`. After it at most `width`
    mails may be under way at once; 0: as many as you like. `reply` is the last answer, without addresses.
    """

    domain: str
    cause: Cause
    since: datetime
    began: datetime
    until: datetime
    steps: int
    reply: str
    width: int = 1

    @property
    def length(self) -> timedelta:
        """How long it is."""
        return self.until - self.began

    def __str__(self) -> str:
        """As it is logged."""
        until = to_text(self.until)
        return f"pause domain={self.domain or 'all'} cause={self.cause} until={until} reply={self.reply}"

    def begun_by(self, now: datetime) -> "Pause":
        """The same, but not longer than it was meant to be: the clock was set back since."""
        if self.until - now <= self.length:
            return self
        return replace(self, since=min(self.since, now), began=now, until=now + self.length)


@dataclass(frozen=True, slots=True)
class Watched:
    """Answers since a first refusal for policy: how many, how many refusals in a row, and which were refusals, by their
    number from 1 with their domain. `heard` is when the last refusal came."""

    heard: datetime
    seen: int
    row: int
    refused: tuple[tuple[int, str], ...]


class Pace:
    """The tables of pace."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def counts(self) -> Iterator[tuple[str, datetime, int]]:
        """What was tried of what is limited: scope, second, number; each scope's in order of time."""
        for row in self._db.execute("SELECT scope, second, number FROM pace_counts ORDER BY scope, second"):
            yield row["scope"], to_moment(row["second"]), row["number"]

    def count(self, scope: str, numbers: Iterable[tuple[datetime, int]], oldest: datetime, newest: datetime) -> None:
        """Set how many there were in some seconds, and forget those up to `oldest` and after `newest`; inside a write
        transaction."""
        self._db.execute(
            "DELETE FROM pace_counts WHERE scope = ?1 AND (second <= ?2 OR second > ?3)",
            (scope, to_text(oldest), to_text(newest)),
        )
        self._db.executemany(
            "INSERT INTO pace_counts (scope, second, number) VALUES (?, ?, ?)"
            " ON CONFLICT (scope, second) DO UPDATE SET number = excluded.number",
            [(scope, to_text(second), number) for second, number in numbers],
        )

    def forget_counts(self, until: datetime) -> None:
        """Forget all that was tried up to then; inside a write transaction."""
        self._db.execute("DELETE FROM pace_counts WHERE second <= ?", (to_text(until),))

    def pauses(self) -> list[Pause]:
        """All pauses that are not over and forgotten."""
        return list(map(_to_pause, self._db.rows("SELECT * FROM pace_pauses ORDER BY domain, cause")))

    def keep(self, pause: Pause) -> None:
        """Write a pause down; inside a write transaction."""
        self._db.execute(
            "INSERT OR REPLACE INTO pace_pauses (domain, cause, since, began, until, steps, width, reply)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                pause.domain,
                pause.cause,
                to_text(pause.since),
                to_text(pause.began),
                to_text(pause.until),
                pause.steps,
                pause.width,
                pause.reply,
            ),
        )

    def forget(self, domain: str, cause: Cause) -> None:
        """Forget a pause; inside a write transaction."""
        self._db.execute("DELETE FROM pace_pauses WHERE domain = ? AND cause = ?", (domain, cause))

    def watches(self) -> dict[str, Watched]:
        """What is known of domains that refused for policy."""
        return {row["domain"]: _to_watched(row) for row in self._db.rows("SELECT * FROM pace_watches")}

    def watch(self, domain: str, watched: Watched) -> None:
        """Write down how a domain answers; inside a write transaction."""
        self._db.execute(
            "INSERT OR REPLACE INTO pace_watches (domain, heard, seen, row, refused) VALUES (?, ?, ?, ?, ?)",
            (domain, to_text(watched.heard), watched.seen, watched.row, json.dumps(watched.refused)),
        )

    def unwatch(self, domain: str) -> None:
        """Forget how a domain answers; inside a write transaction."""
        self._db.execute("DELETE FROM pace_watches WHERE domain = ?", (domain,))


def _to_pause(row: Row) -> Pause:
    return Pause(
        domain=row["domain"],
        cause=Cause(row["cause"]),
        since=to_moment(row["since"]),
        began=to_moment(row["began"]),
        until=to_moment(row["until"]),
        steps=row["steps"],
        reply=row["reply"],
        width=row["width"],
    )


def _to_watched(row: Row) -> Watched:
    refused = tuple((number, domain) for number, domain in json.loads(row["refused"]))
    return Watched(to_moment(row["heard"]), row["seen"], row["row"], refused)

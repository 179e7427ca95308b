"""Editions sent again by hand: what each reader had of one, and the deliveries of kind *repeat*.

They stand beside the ledger's own account: `covered` never moves for them, and what it says of digests holds without.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from newsletter.model import DeliveryStatus, Frequency, Status, Suppression
from newsletter.storage.database import Database, Row, to_date, to_moment, to_text

_BATCH = 5_000  # subscribers looked at in one query


@dataclass(frozen=True, slots=True)
class Earlier:
    """A delivery that holds the edition."""

    status: DeliveryStatus
    queued: datetime


@dataclass(frozen=True, slots=True)
class Candidate:
    """A subscriber, and what they had of an edition.

    Window and choice, as they are stored, are those of their digest of it; without one, that edition alone, and what
    they chose now. `digest` is the one that was not taken back, or else the last; `repeat` one that waits, or else was
    sent.
    """

    id: int
    email: str
    status: Status
    suppressed: Suppression | None
    covered: date | None
    weekly: bool
    revised: bool
    after: str
    upto: date
    chosen: str
    digest: Earlier | None
    repeat: Earlier | None


@dataclass(frozen=True, slots=True)
class Repeat:
    """An edition to be queued again for one reader; see `Candidate`."""

    subscriber_id: int
    message_id: str
    chosen: str
    after: str
    upto: date
    expires: datetime
    domain: str


class Repeats:
    """Deliveries of kind *repeat*."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def all(self, day: date) -> Iterator[list[Candidate]]:
        """All subscribers, in batches."""
        values: dict[str, str | int] = {"day": day.isoformat(), "last": 0, "batch": _BATCH}
        while rows := self._db.rows(f"{_CANDIDATES} WHERE s.id > :last ORDER BY s.id LIMIT :batch", values):
            values["last"] = rows[-1]["id"]
            yield list(map(_to_candidate, rows))

    def one(self, subscriber_id: int, day: date) -> Candidate:
        """One subscriber, who must be there."""
        (row,) = self._db.rows(f"{_CANDIDATES} WHERE s.id = :id", {"day": day.isoformat(), "id": subscriber_id})
        return _to_candidate(row)

    def queue(self, repeats: Iterable[Repeat], now: datetime) -> None:
        """Queue them; inside a write transaction."""
        moment = to_text(now)
        self._db.executemany(
            "INSERT INTO deliveries"
            " (subscriber_id, kind, status, message_id, chosen, after, upto, queued, expires, due, domain)"
            " VALUES (?1, 'repeat', 'queued', ?2, ?3, ?4, ?5, ?6, ?7, ?6, ?8)",
            (
                (
                    one.subscriber_id,
                    one.message_id,
                    one.chosen,
                    one.after,
                    one.upto.isoformat(),
                    moment,
                    to_text(one.expires),
                    one.domain,
                )
                for one in repeats
            ),
        )


def _holding(kind: str, best: str) -> str:
    """Which of a reader's deliveries of a kind holds the edition; of several, the best."""
    return (
        "(SELECT d.id FROM deliveries AS d INDEXED BY deliveries_subscriber WHERE d.subscriber_id = s.id"
        f" AND d.upto >= :day AND d.after < :day AND d.kind = '{kind}' ORDER BY {best}, d.id DESC LIMIT 1)"
    )


_DIGEST = _holding("digest", "d.status IN ('expired', 'suppressed')")
_REPEAT = _holding("repeat", "d.status IN ('queued', 'sending', 'deferred') DESC, d.status = 'sent' DESC")
#: What a subscriber `s` chose, as a delivery has it: topics by number, ascending; '' for all of the operator's.
CHOSEN_NOW = """coalesce((SELECT group_concat(topic_id) FROM
    (SELECT c.topic_id FROM subscriptions AS c WHERE c.subscriber_id = s.id ORDER BY c.topic_id)), '')"""
_CANDIDATES = f"""
SELECT s.id, s.email, s.status, s.covered, s.frequency, s.revised,
    (SELECT x.reason FROM suppressions AS x WHERE x.folded = s.folded) AS suppressed,
    iif(h.id, h.after, (SELECT coalesce(max(date), '') FROM editions WHERE date < :day)) AS after,
    coalesce(h.upto, :day) AS upto, coalesce(h.chosen, {CHOSEN_NOW}) AS chosen,
    h.status AS digest_status, h.queued AS digest_queued, r.status AS repeat_status, r.queued AS repeat_queued
FROM subscribers AS s LEFT JOIN deliveries AS h ON h.id = {_DIGEST} LEFT JOIN deliveries AS r ON r.id = {_REPEAT}
"""


def _to_candidate(row: Row) -> Candidate:
    return Candidate(
        id=row["id"],
        email=row["email"],
        status=Status(row["status"]),
        suppressed=Suppression(row["suppressed"]) if row["suppressed"] else None,
        covered=to_date(row["covered"]),
        weekly=row["frequency"] == Frequency.WEEKLY,
        revised=bool(row["revised"]),
        after=row["after"],
        upto=date.fromisoformat(row["upto"]),
        chosen=row["chosen"],
        digest=_to_earlier(row["digest_status"], row["digest_queued"]),
        repeat=_to_earlier(row["repeat_status"], row["repeat_queued"]),
    )


def _to_earlier(status: str | None, queued: str | None) -> Earlier | None:
    return Earlier(DeliveryStatus(status), to_moment(queued)) if status and queued else None

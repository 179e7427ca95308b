"""What came back, by report, and what it adds up to for each reader."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from newsletter.addresses import same_address
from newsletter.bouncing import Bounce, Kind, Proof, Score, count, remembered
from newsletter.model import Suppression
from newsletter.storage.database import Database, Row, to_moment, to_text
from newsletter.storage.deliveries import Deliveries
from newsletter.storage.subscribers import Subscribers
from newsletter.text import INVISIBLE

REMEMBERED = timedelta(days=90)  # reports
_LONGEST = 500  # characters of what a server says


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail of ours that went out: its delivery, and where it went to. It has no subscriber if that is not, or not any
    more, their address."""

    delivery_id: int
    subscriber_id: int | None
    email: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a server said of a mail, and when we heard of it."""

    at: datetime
    status: str
    text: str


@dataclass(frozen=True, slots=True)
class Bouncing:
    """How it stands with an address of which something came back: the last report of it that is proven, if any is.

    `score` is what counts today; `suspended` is since when it is not mailed, `probed` when it was asked again.
    """

    subscriber_id: int | None
    email: str
    score: float
    kind: str
    proof: str
    status: str
    text: str
    at: datetime | None
    suspended: datetime | None
    probed: datetime | None


class Bounces:
    """The tables of reports and scores."""

    def __init__(self, database: Database, subscribers: Subscribers, deliveries: Deliveries) -> None:
        self._db, self._subscribers, self._deliveries = database, subscribers, deliveries

    # ---------------------------------------------------------------- which mail it was

    def sent(self, delivery_id: int, since: datetime) -> Sent | None:
        """The mail of a delivery, if it went out since then."""
        return self._sent("d.id = ?", delivery_id, since)

    def sent_as(self, message_id: str, since: datetime) -> Sent | None:
        """The mail with this Message-ID, if it went out since then."""
        return self._sent("d.message_id = ?", message_id, since)

    def _sent(self, condition: str, value: int | str, since: datetime) -> Sent | None:
        row = self._db.row(f"{_SENT} WHERE {condition} AND d.tried >= ?", (value, to_text(since)))
        if row is None:
            return None
        # Who has moved since is not known any more by the address that it went to, unless that stands with the mail.
        same = bool(row["email"]) and row["tried"] >= row["links_since"]
        email = row["sent_to"] or (row["email"] if same else "")
        if not email:
            return None
        theirs = same and same_address(email) == row["folded"]
        return Sent(row["id"], row["subscriber_id"] if theirs else None, email)

    # ---------------------------------------------------------------- what came back

    def hear(self, sent: Sent, bounce: Bounce, *, today: date, now: datetime, suspend_at: float) -> bool:
        """Record that a mail came back, inside a write transaction; True if its reader is not mailed any more now.

        A delivery counts once; again only if it turns out to be worse.
        """
        counted = max((Kind(row["kind"]).points for row in self._of_delivery(sent.delivery_id)), default=0.0)
        self._db.execute(
            f"{_INSERT} ON CONFLICT (delivery_id, kind) WHERE delivery_id IS NOT NULL"
            " DO UPDATE SET at = excluded.at, status = excluded.status, text = excluded.text",
            (
                to_text(now),
                bounce.kind,
                bounce.proof,
                sent.subscriber_id,
                sent.delivery_id,
                bounce.status,
                _line(bounce.text),
            ),
        )
        if sent.subscriber_id is None or bounce.kind.points <= counted:
            return False
        return self._count(sent.subscriber_id, sent.email, bounce, today, now, suspend_at)

    def note(self, kind: str, now: datetime, *, email: str = "", status: str = "", text: str = "") -> None:
        """Record a mail that proves nothing, and counts for nobody; inside a write transaction.

        An address that it names is kept if it is a subscriber's.
        """
        subscriber = self._subscribers.find(email) if email else None
        number = subscriber.id if subscriber else None
        self._db.execute(
            _INSERT, (to_text(now), kind, Proof.NONE, number, None, status, _line(text) if subscriber else "")
        )

    def _of_delivery(self, delivery_id: int) -> list[Row]:
        kinds = ", ".join(f"'{kind}'" for kind in Kind)
        return self._db.rows(f"SELECT kind FROM bounces WHERE delivery_id = ? AND kind IN ({kinds})", (delivery_id,))

    def _count(
        self, subscriber_id: int, email: str, bounce: Bounce, today: date, now: datetime, suspend_at: float
    ) -> bool:
        row = self._db.row(f"{_SCORED} WHERE s.id = ?", (subscriber_id,))
        if row is None or row["suspended"] is not None:
            return False
        score = count(_to_score(row), bounce.kind, today)
        if score is None:
            return False
        self._db.execute(_PUT, (subscriber_id, score.points, score.day.isoformat(), score.of_day, to_text(now)))
        if score.points < suspend_at:
            return False
        note = f"mail came back: {bounce.status or bounce.kind}"
        if not self._subscribers.suppress(email, Suppression.BOUNCE, note, now):
            return False
        self._db.execute("UPDATE scores SET suspended = ? WHERE subscriber_id = ?", (to_text(now), subscriber_id))
        self._deliveries.drop(subscriber_id, "suspended, since mail came back", now)
        return True

    # ---------------------------------------------------------------- asking again

    def to_probe(self, before: datetime) -> list[tuple[int, str]]:
        """Readers who were suspended before a moment and have not been asked since; numbers and languages."""
        rows = self._db.rows(
            f"{_ALL_SCORED} AND x.suspended <= ? AND x.probed IS NULL AND s.status = 'confirmed'", (to_text(before),)
        )
        return [(row["id"], row["language"]) for row in rows]

    def probed(self, subscriber_id: int, now: datetime) -> None:
        """Record that a reader is asked, in the write transaction that queues the mail."""
        self._db.execute("UPDATE scores SET probed = ? WHERE subscriber_id = ?", (to_text(now), subscriber_id))

    def clear(self, subscriber_id: int) -> None:
        """Forget what has come back from a reader; inside a write transaction. Reports of it stay."""
        self._db.execute("DELETE FROM scores WHERE subscriber_id = ?", (subscriber_id,))

    def forget(self, subscriber_id: int) -> None:
        """Take out of reports on a reader's mails what servers said, which may name them, also where they were before;
        inside a write transaction, before they are removed."""
        mails = "SELECT id FROM deliveries WHERE subscriber_id = ?"
        self._db.execute(f"UPDATE bounces SET text = '' WHERE delivery_id IN ({mails})", (subscriber_id,))

    # ---------------------------------------------------------------- look

    def of(self, subscriber_id: int, today: date) -> Bouncing | None:
        """How it stands with a reader; None if nothing is known against their address."""
        row = self._db.row(f"{_LISTING} WHERE s.id = ?", (subscriber_id,))
        found = _to_bouncing(row, today) if row else None
        return found if found and (found.at or found.score or found.suspended) else None

    def all(self, today: date) -> list[Bouncing]:
        """Every reader of whom something came back, the last first."""
        rows = self._db.rows(
            f"{_LISTING} WHERE s.id IN (SELECT subscriber_id FROM bounces UNION SELECT subscriber_id FROM scores)"
            " ORDER BY b.at DESC, s.id DESC"
        )
        return [_to_bouncing(row, today) for row in rows]

    def newest(self, kinds: Iterable[Kind], since: datetime) -> Said | None:
        """The last report of these kinds since a moment, if it is proven."""
        listed = ", ".join(f"'{kind}'" for kind in kinds)
        row = self._db.row(
            f"SELECT at, status, text FROM bounces WHERE kind IN ({listed}) AND proof <> 'none' AND at >= ?"
            " ORDER BY at DESC, id DESC LIMIT 1",
            (to_text(since),),
        )
        return Said(to_moment(row["at"]), row["status"], row["text"]) if row else None

    def counts(self, since: datetime) -> dict[str, int]:
        """How many reports and mails of each kind there were; what proves nothing is "unproven"."""
        rows = self._db.rows(
            "SELECT iif(proof = 'none' AND kind IN ('hard', 'soft', 'policy', 'ours', 'complaint'), 'unproven', kind)"
            " AS kind, count(*) AS number FROM bounces WHERE at >= ? GROUP BY 1 ORDER BY 1",
            (to_text(since),),
        )
        return {row["kind"]: row["number"] for row in rows}

    def suspended(self) -> int:
        """How many readers are not mailed since their mail came back."""
        return int(self._db.value(f"SELECT count(*) FROM ({_ALL_SCORED} AND x.suspended IS NOT NULL)"))

    def tidy(self, today: date, now: datetime) -> None:
        """Drop reports of long ago, and scores that are forgotten; inside a write transaction."""
        self._db.execute("DELETE FROM bounces WHERE at < ?", (to_text(now - REMEMBERED),))
        for row in self._db.rows(f"{_ALL_SCORED} AND x.suspended IS NULL"):
            if remembered(_to_score(row), today) is None:
                self.clear(row["id"])


_INSERT = "INSERT INTO bounces (at, kind, proof, subscriber_id, delivery_id, status, text) VALUES (?, ?, ?, ?, ?, ?, ?)"
_PUT = (
    "INSERT INTO scores (subscriber_id, points, day, of_day, at) VALUES (?1, ?2, ?3, ?4, ?5)"
    " ON CONFLICT (subscriber_id) DO UPDATE SET points = ?2, day = ?3, of_day = ?4, at = ?5,"
    " suspended = NULL, probed = NULL"
)
_SENT = """
SELECT d.id, d.subscriber_id, d.tried, json_extract(d.payload, '$.to') AS sent_to, s.email, s.folded, s.links_since
FROM deliveries AS d LEFT JOIN subscribers AS s ON s.id = d.subscriber_id
"""
# A score counts for the address that the reader has now; a suspension for as long as the address is suppressed for it.
_COUNTS = "x.subscriber_id = s.id AND x.at >= s.links_since AND (x.suspended IS NULL OR p.folded IS NOT NULL)"
_SUPPRESSED = "LEFT JOIN suppressions AS p ON p.folded = s.folded AND p.reason = 'bounce'"
_SCORED = f"SELECT s.id AS id, x.* FROM subscribers AS s {_SUPPRESSED} LEFT JOIN scores AS x ON {_COUNTS}"
# In this order, for few have a score.
_ALL_SCORED = f"""
SELECT s.id AS id, s.language, x.* FROM scores AS x CROSS JOIN subscribers AS s ON s.id = x.subscriber_id {_SUPPRESSED}
WHERE {_COUNTS}
"""
_LISTING = f"""
SELECT s.id, s.email, x.points, x.day, x.of_day, x.suspended, x.probed, b.kind, b.proof, b.status, b.text, b.at
FROM subscribers AS s {_SUPPRESSED} LEFT JOIN scores AS x ON {_COUNTS}
LEFT JOIN bounces AS b ON b.id = (SELECT id FROM bounces WHERE subscriber_id = s.id
    ORDER BY proof <> 'none' DESC, at DESC, id DESC LIMIT 1)
"""


def _line(text: str) -> str:
    """What a server says, as it can be shown on a terminal."""
    return INVISIBLE.sub("", " ".join(text.split()))[:_LONGEST]


def _to_score(row: Row) -> Score | None:
    return None if row["points"] is None else Score(row["points"], date.fromisoformat(row["day"]), row["of_day"])


def _to_bouncing(row: Row, today: date) -> Bouncing:
    score = _to_score(row)
    if row["suspended"] is None:
        score = remembered(score, today)
    moments = (to_moment(row[name]) if row[name] else None for name in ("at", "suspended", "probed"))
    at, suspended, probed = moments
    return Bouncing(
        subscriber_id=row["id"],
        email=row["email"],
        score=score.points if score else 0.0,
        kind=row["kind"] or "",
        proof=row["proof"] or "",
        status=row["status"] or "",
        text=row["text"] or "",
        at=at,
        suspended=suspended,
        probed=probed,
    )

"""The ledger: what was queued, and what became of it.

Always true: every edition that holds something for a reader lies in exactly one delivery of theirs that has not
expired, or after their `covered`; `overlapping` finds readers for whom it is not.
"""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import NamedTuple

from newsletter.addresses import domain_of, same_address
from newsletter.bouncing import Kind, code_in, status_in, weigh
from newsletter.model import Delivery, DeliveryStatus
from newsletter.storage.database import Database, Row, to_date, to_moment, to_text
from newsletter.storage.instance import Instance
from newsletter.storage.readers import WISHES, Reader, to_ids, to_reader
from newsletter.storage.singles import Single, to_single

#: The kinds of deliveries, in the order in which they are taken; an edition sent again by hand is a repeat.
KINDS = ("single", "repeat", "digest")

#: A place in the order of what waits: a moment as it is stored, and an id.
Place = tuple[str, int]
FRONT: Place = ("", 0)


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery taken up for sending: a digest with its reader as they were when it was queued, or a single."""

    delivery: Delivery
    made_from: Reader | Single
    unknowns: int
    welcome: bool = False  # it greets a new reader
    kind: str = "digest"
    domain: str = ""


class Queued(NamedTuple):
    """A digest to be queued, as it is stored: there may be a million of them."""

    subscriber_id: int
    message_id: str
    chosen: str
    after: str
    expires: str
    domain: str


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of an attempt: the delivery's new status, when it is due again if it is, and why. One that is
    `untried` does not count as an attempt after all."""

    delivery_id: int
    status: DeliveryStatus
    due: datetime
    reply: str
    unknown: bool = False
    untried: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """The digests that were queued at one moment: whether any was tried, any was sent, and the last answer."""

    upto: date
    queued: datetime
    tried: bool
    sent: bool
    reply: str


class Deliveries:
    """The table of deliveries."""

    def __init__(self, database: Database, instance: Instance) -> None:
        self._db, self._instance = database, instance

    def take_back(self, waiting: Mapping[int, str], now: datetime) -> dict[int, str]:
        """Expire what some readers have not got yet, so that their next digests hold it; returns where these begin.

        `waiting` is what each has `covered`. Only what ends there is taken back, and what ends where that begins: a
        digest with one behind it that was sent goes on being tried. Inside a write transaction.
        """
        begins = dict(waiting)
        while waiting:
            rows = self._db.rows(_TAKE_BACK, (to_text(now), json.dumps(waiting)))
            waiting = {row["subscriber_id"]: row["after"] for row in rows}
            begins.update(waiting)
        return begins

    def drop(self, subscriber_id: int, reason: str, now: datetime) -> None:
        """End what waits for a reader who wants nothing any more; inside a write transaction."""
        self._db.execute(
            "UPDATE deliveries SET status = 'suppressed', ended = ?, reply = ?"
            " WHERE subscriber_id = ? AND status IN ('queued', 'deferred')",
            (to_text(now), reason, subscriber_id),
        )

    def forget(self, subscriber_id: int, now: datetime) -> None:
        """Take out of the ledger what is one reader's own, before they are removed; inside a write transaction."""
        self.drop(subscriber_id, "", now)
        self._db.execute("UPDATE deliveries SET reply = '', payload = NULL WHERE subscriber_id = ?", (subscriber_id,))

    def queue(self, digests: Iterable[Queued], upto: date, now: datetime, *, welcome: bool = False) -> int:
        """Queue digests of the editions up to one, or a new reader's first; inside a write transaction. Returns how
        many."""
        shared = upto.isoformat(), to_text(now), int(welcome)
        cursor = self._db.executemany(
            "INSERT INTO deliveries"
            " (subscriber_id, kind, status, message_id, chosen, after, expires, domain, upto, queued, due, welcome)"
            " VALUES (?1, 'digest', 'queued', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, ?9)",
            ((*digest, *shared) for digest in digests),
        )
        return max(cursor.rowcount, 0)  # -1: there were none

    def queue_single(
        self,
        single: Single,
        message_id: str,
        *,
        day: date,
        expires: datetime,
        now: datetime,
        subscriber_id: int | None = None,
    ) -> None:
        """Queue a mail that is no digest, dated `day`; inside a write transaction.

        With a subscriber it is dropped like their digests once they want no mail. With an address of its own it goes to
        that; is there a subscriber, too, they asked for it, and it is only forgotten with them.
        """
        self._db.execute(
            "INSERT INTO deliveries"
            " (subscriber_id, kind, status, message_id, chosen, after, upto, queued, expires, due, payload, domain)"
            " VALUES (?1, 'single', 'queued', ?2, '', '', ?3, ?4, ?5, ?4, ?6,"
            f" coalesce(?7, {_DOMAIN}, ''))",
            (
                subscriber_id,
                message_id,
                day.isoformat(),
                to_text(now),
                to_text(expires),
                single.payload,
                domain_of(single.to) if single.to else None,
            ),
        )

    def chosen_on(self, subscriber_id: int, day: date) -> frozenset[int] | None:
        """The topics under which a digest of theirs took up the edition of a date (empty: all of the operator's);
        None if none did."""
        chosen = self._db.value(
            "SELECT chosen FROM deliveries WHERE subscriber_id = ? AND kind = 'digest'"
            " AND status NOT IN ('expired', 'suppressed') AND after < ? AND upto >= ?",
            (subscriber_id, day.isoformat(), day.isoformat()),
        )
        return None if chosen is None else to_ids(chosen)

    def take_up_lost(self, now: datetime, often: int, pause: timedelta) -> int:
        """Put what a dead sender left in *sending* back in the queue, its answer unknown; inside a write transaction.

        Only the holder of the sender's lock may call this. What was left so `often` rests for a `pause` each time: it
        may be what its senders die of. Returns how many there were.
        """
        cursor = self._db.execute(
            "UPDATE deliveries SET status = iif((unknowns + 1) % ?1 = 0, 'deferred', 'queued'),"
            " due = iif((unknowns + 1) % ?1 = 0, ?3, ?2), unknowns = unknowns + 1, reply = 'no answer was recorded'"
            " WHERE status = 'sending'",
            (often, to_text(now), to_text(now + pause)),
        )
        return cursor.rowcount

    def redate(self, now: datetime, queued_by: datetime, deferred_by: datetime) -> int:
        """Make due what waits for a moment later than these, which nobody set: the clock was set back since.

        Writes, in a transaction of its own, only if there is anything. Returns how many there were.
        """
        limits = {"now": to_text(now), "queued": to_text(queued_by), "deferred": to_text(deferred_by)}
        if self._db.row(f"SELECT 1 FROM {_WAITING} WHERE {_IS_MISDATED} LIMIT 1", limits) is None:
            return 0
        with self._db.write():
            return self._db.execute(f"UPDATE {_WAITING} SET due = :now WHERE {_IS_MISDATED}", limits).rowcount

    def waiting(
        self,
        kind: str,
        now: datetime,
        limit: int,
        *,
        domain: str | None = None,
        besides: Collection[str] = (),
        behind: Place = FRONT,
    ) -> list[Row]:
        """The first deliveries of a kind that are due, for `claim_rows`: of one domain, or of all besides some, behind
        a place in the order."""
        if domain is not None:
            return self._db.rows(_WAITING_FOR_DOMAIN, (domain, kind, to_text(now), limit))
        if not besides and behind == FRONT:
            return self._db.rows(_FIRST_WAITING, (kind, to_text(now), limit))
        return self._db.rows(_WAITING_BESIDES, (kind, to_text(now), *behind, json.dumps(list(besides)), limit))

    def claim_rows(self, rows: Iterable[Row], now: datetime) -> tuple[list[Claim], dict[DeliveryStatus, int]]:
        """Mark deliveries *sending*; inside the write transaction that found them `waiting`.

        What is not wanted any more (unsubscribed, suppressed) or too old ends here instead; the second value counts it.
        """
        claims: list[Claim] = []
        ended: dict[DeliveryStatus, int] = {}
        for row in rows:
            if ending := self._end_unwanted(row, now):
                ended[ending] = ended.get(ending, 0) + 1
            else:
                claims.append(_to_claim(row))
        moment = to_text(now)
        self._db.executemany(
            "UPDATE deliveries SET status = 'sending', attempts = attempts + 1, tried = ? WHERE id = ?",
            [(moment, claim.delivery.id) for claim in claims],
        )
        if claims:
            self._instance.count(len(claims))
        return claims, ended

    def claim(self, now: datetime, limit: int) -> tuple[list[Claim], dict[DeliveryStatus, int]]:
        """Mark up to `limit` due deliveries *sending*, whatever their domains; inside a write transaction."""
        claims: list[Claim] = []
        ended: Counter[DeliveryStatus] = Counter()
        for kind in KINDS:
            while len(claims) < limit and (rows := self.waiting(kind, now, limit - len(claims))):
                found, others = self.claim_rows(rows, now)
                claims += found
                ended.update(others)
        return claims, dict(ended)

    def _end_unwanted(self, row: Row, now: datetime) -> DeliveryStatus | None:
        if row["email"] is None:  # a reader who was removed
            return self._end(row["id"], DeliveryStatus.SUPPRESSED, "", now)
        theirs = row["subscriber_id"] is not None and row["sent_to"] is None
        unwanted = theirs and row["subscriber_status"] not in ("confirmed", "pending")
        suppressed = row["suppressed"] if row["sent_to"] is None else self._is_suppressed(row["sent_to"])
        if unwanted or (suppressed and not row["even_suppressed"]):
            return self._end(row["id"], DeliveryStatus.SUPPRESSED, "unsubscribed, paused or suppressed", now)
        if row["expires"] > to_text(now):
            return None
        if row["kind"] != "digest":
            return self._end(row["id"], DeliveryStatus.EXPIRED, _too_old(row), now)
        if is_policy(row["reply"]):
            return self._end(row["id"], DeliveryStatus.BOUNCED, row["reply"], now)
        if row["upto"] == row["covered"]:
            # Their next digest begins where this one did. One that already has a later digest behind it is still tried.
            self._db.execute("UPDATE subscribers SET covered = ? WHERE id = ?", (row["after"], row["subscriber_id"]))
            return self._end(row["id"], DeliveryStatus.EXPIRED, _too_old(row), now)
        return None

    def _is_suppressed(self, email: str) -> bool:
        return self._db.row("SELECT 1 FROM suppressions WHERE folded = ?", (same_address(email),)) is not None

    def _end(self, delivery_id: int, status: DeliveryStatus, reply: str, now: datetime) -> DeliveryStatus:
        self._db.execute(
            "UPDATE deliveries SET status = ?, ended = ?, reply = ? WHERE id = ?",
            (status, to_text(now), reply, delivery_id),
        )
        return status

    def record(self, endings: Iterable[Ending], now: datetime) -> None:
        """Write down what became of attempts; inside a write transaction."""
        ended = (DeliveryStatus.SENT, DeliveryStatus.BOUNCED, DeliveryStatus.EXPIRED, DeliveryStatus.SUPPRESSED)
        self._db.executemany(
            # A reader who was removed meanwhile gets no second attempt.
            f"UPDATE deliveries SET status = CASE WHEN {_IS_FORGOTTEN} AND ?1 IN ('queued', 'deferred')"
            f" THEN 'suppressed' ELSE ?1 END, due = ?2, reply = iif({_IS_FORGOTTEN}, '', ?3),"
            " unknowns = unknowns + ?4, attempts = attempts - ?7, ended = ?5 WHERE id = ?6",
            (
                (
                    e.status,
                    to_text(e.due),
                    e.reply,
                    int(e.unknown),
                    to_text(now) if e.status in ended else None,
                    e.delivery_id,
                    int(e.untried),
                )
                for e in endings
            ),
        )

    def newest_digests(self) -> Batch | None:
        """How the digests that were queued last fare."""
        row = self._db.row("SELECT upto, queued FROM deliveries WHERE kind = 'digest' ORDER BY id DESC LIMIT 1")
        if row is None:
            return None
        # By the index of what was tried: it begins where they were queued, and the first that was sent ends the search.
        of_it = "FROM deliveries WHERE tried >= ?1 AND queued = ?1 AND kind = 'digest'"
        sent = self._db.row(f"SELECT 1 {of_it} AND status = 'sent' LIMIT 1", (row["queued"],))
        reply = self._db.value(f"SELECT reply {of_it} ORDER BY tried DESC LIMIT 1", (row["queued"],))
        return Batch(
            date.fromisoformat(row["upto"]), to_moment(row["queued"]), reply is not None, sent is not None, reply or ""
        )

    def is_due(self, now: datetime) -> bool:
        """Whether any is due now."""
        query = f"SELECT 1 FROM {_WAITING} WHERE {_IS_WAITING} AND {_OF_ALL_KINDS} AND d.due <= ? LIMIT 1"
        return self._db.row(query, (to_text(now),)) is not None

    def number_due(self, now: datetime) -> int:
        """How many are due now."""
        query = f"SELECT count(*) FROM {_WAITING} WHERE {_IS_WAITING} AND {_OF_ALL_KINDS} AND d.due <= ?"
        return int(self._db.value(query, (to_text(now),)))

    def counts(self, kind: str = "") -> dict[DeliveryStatus, int]:
        """How many there are of each status, of one kind or of all."""
        where, parameters = (" WHERE kind = ?", (kind,)) if kind else ("", ())
        rows = self._db.rows(f"SELECT status, count(*) FROM deliveries{where} GROUP BY status", parameters)
        return {DeliveryStatus(row[0]): row[1] for row in rows}

    def all(self, status: DeliveryStatus | None, limit: int) -> Iterator[Delivery]:
        """The newest deliveries, of one status or all."""
        where, parameters = (" WHERE d.status = ?", (status, limit)) if status else ("", (limit,))
        return map(_to_delivery, self._db.execute(f"{_LISTING}{where} ORDER BY d.id DESC LIMIT ?", parameters))

    def of_edition(self, day: date) -> dict[DeliveryStatus, int]:
        """What became of the digests that hold an edition."""
        rows = self._db.rows(
            "SELECT status, count(*) FROM deliveries WHERE kind = 'digest' AND after < ? AND upto >= ? GROUP BY status",
            (day.isoformat(), day.isoformat()),
        )
        return {DeliveryStatus(row[0]): row[1] for row in rows}

    def overlapping(self) -> list[int]:
        """Readers with an edition in two deliveries that did not end unsent: always empty, or the ledger errs."""
        rows = self._db.rows(
            "SELECT DISTINCT a.subscriber_id FROM deliveries AS a JOIN deliveries AS b"
            " ON a.subscriber_id = b.subscriber_id AND a.id < b.id AND a.after < b.upto AND b.after < a.upto"
            " WHERE a.kind = 'digest' AND b.kind = 'digest' AND a.status NOT IN ('expired', 'suppressed')"
            " AND b.status NOT IN ('expired', 'suppressed')"
        )
        return [row[0] for row in rows]


_TAKE_BACK = """
UPDATE deliveries SET status = 'expired', ended = ?, reply = 'the next digest holds it' WHERE id IN (
    SELECT d.id FROM json_each(?) AS w CROSS JOIN deliveries AS d INDEXED BY deliveries_subscriber
    ON d.subscriber_id = CAST(w.key AS INTEGER) AND d.upto = w.value
    WHERE d.kind = 'digest' AND d.status IN ('queued', 'deferred'))
RETURNING subscriber_id, after
"""
# A single may go to an address of its own, whether it has a subscriber or none.
_SENT_TO = "json_extract(d.payload, '$.to')"
# What stands behind the last @ of an address, as `addresses.domain_of` has it.
_DOMAIN = """(SELECT substr(s.folded, 1 + length(rtrim(s.folded, replace(s.folded, '@', ''))))
    FROM subscribers AS s WHERE s.id = ?1)"""
_IS_FORGOTTEN = "(subscriber_id IS NULL AND json_extract(payload, '$.to') IS NULL)"
_COLUMNS = f"d.*, coalesce({_SENT_TO}, s.email) AS email"
_LISTING = f"SELECT {_COLUMNS} FROM deliveries AS d LEFT JOIN subscribers AS s ON s.id = d.subscriber_id"
# The index holds just what waits, in order: without it each claim would sort the whole queue.
_WAITING = "deliveries AS d INDEXED BY deliveries_due"
_IS_WAITING = "d.status IN ('queued', 'deferred')"
_OF_ALL_KINDS = f"d.kind IN {KINDS}"  # which lets the index be used
_IS_MISDATED = f"{_IS_WAITING} AND {_OF_ALL_KINDS} AND d.due > :queued AND (d.status = 'queued' OR d.due > :deferred)"
_CANDIDATES = f"""
SELECT {_COLUMNS}, {_SENT_TO} AS sent_to, json_extract(d.payload, '$.even_suppressed') AS even_suppressed,
    s.status AS subscriber_status, s.covered, {WISHES},
    EXISTS (SELECT 1 FROM suppressions AS x WHERE x.folded = s.folded) AS suppressed
FROM deliveries AS d INDEXED BY {{}} LEFT JOIN subscribers AS s ON s.id = d.subscriber_id
WHERE {_IS_WAITING} AND {{}} ORDER BY d.due, d.id LIMIT ?
"""
_FIRST_WAITING = _CANDIDATES.format("deliveries_due", "d.kind = ? AND d.due <= ?")
_WAITING_FOR_DOMAIN = _CANDIDATES.format("deliveries_domain", "d.domain = ? AND d.kind = ? AND d.due <= ?")
_WAITING_BESIDES = _CANDIDATES.format(
    "deliveries_due",
    "d.kind = ? AND d.due <= ? AND (d.due, d.id) > (?, ?) AND d.domain NOT IN (SELECT value FROM json_each(?))",
)


def _too_old(row: Row) -> str:
    return f"too old: {row['reply']}" if row["reply"] else "too old"


def is_policy(reply: str) -> bool:
    """Whether the last answer to a delivery was that they take no mail of ours: that is tried until it expires, and
    has bounced then."""
    return weigh(code_in(reply[:3]), status_in(reply), reply) is Kind.POLICY if reply[:3].isdigit() else False


def _to_claim(row: Row) -> Claim:
    made_from = to_single(row["payload"]) if row["kind"] == "single" else to_reader(row, row["after"])
    return Claim(_to_delivery(row), made_from, row["unknowns"], bool(row["welcome"]), row["kind"], row["domain"])


def _to_delivery(row: Row) -> Delivery:
    return Delivery(
        id=row["id"],
        subscriber_id=row["subscriber_id"] or 0,
        email=row["email"] or "",
        message_id=row["message_id"],
        after=to_date(row["after"]),
        upto=date.fromisoformat(row["upto"]),
        status=DeliveryStatus(row["status"]),
        attempts=row["attempts"],
        queued=to_moment(row["queued"]),
        expires=to_moment(row["expires"]),
        due=to_moment(row["due"]),
        reply=row["reply"],
    )

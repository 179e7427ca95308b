"""What strangers and readers ask for on the web, until it is done; and which mails that made, so that they are few."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from newsletter.addresses import keyed
from newsletter.storage.database import Database, Row, to_moment, to_text
from newsletter.storage.keys import Keys

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


class Asked(StrEnum):
    """What a request is for."""

    SUBSCRIBE = "subscribe"
    LINK = "link"  # to change what one gets
    MOVE = "move"  # to another address
    INVITE = "invite"  # by the operator


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request to be kept: what for, with which address, from which network (empty: not from the web), by which
    subscriber if that is known; `wish` holds what JSON can hold."""

    kind: Asked
    email: str
    wish: Mapping[str, Any]
    network: str = ""
    subscriber_id: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """A request. `email` and `wish` are empty once they are not needed any more; `mailed` is when a mail was queued for
    it, `used` when the link in that was."""

    id: int
    kind: Asked
    email: str
    wish: Mapping[str, Any]
    subscriber_id: int | None
    made: datetime
    mailed: datetime | None
    used: datetime | None


class Requests:
    """The table of requests, and who is forgotten unless they confirm."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._db, self._keys = database, keys

    # ---------------------------------------------------------------- the inbox

    def add(self, new: NewRequest, *, per_network: int, in_total: int, now: datetime) -> bool:
        """Keep a request, by one statement whoever it is about; inside a write transaction.

        False: as many came from its network, or from everywhere, within the last hour.
        """
        cursor = self._db.execute(
            _ADD,
            {
                "kind": new.kind,
                "made": to_text(now),
                "network": self._key(new.network) if new.network else "",
                "address": self._key(new.email),
                "email": new.email,
                "wish": json.dumps(dict(new.wish), ensure_ascii=False),
                "subscriber_id": new.subscriber_id,
                "since": to_text(now - _HOUR),
                "per_network": per_network,
                "in_total": in_total,
            },
        )
        return bool(cursor.rowcount)

    def put(self, new: NewRequest, now: datetime) -> Request:
        """Keep a request of the operator's, to be handled at once; inside a write transaction."""
        self.add(new, per_network=0, in_total=0, now=now)
        row = self._db.row("SELECT * FROM requests WHERE id = last_insert_rowid()")
        assert row is not None  # noqa: S101 - just inserted
        return _to_request(row)

    def waiting(self) -> Request | None:
        """The oldest request that was not handled."""
        row = self._db.row("SELECT * FROM requests WHERE handled = '' ORDER BY id LIMIT 1")
        return _to_request(row) if row else None

    def numbered(self, request_id: int) -> Request | None:
        """The request of a number; None if it was forgotten."""
        row = self._db.row("SELECT * FROM requests WHERE id = ?", (request_id,))
        return _to_request(row) if row else None

    def close(
        self,
        request_id: int,
        subscriber_id: int | None,
        now: datetime,
        *,
        keep_address: bool = False,
        keep_wish: bool = False,
    ) -> None:
        """Record that a request was handled, and whom it was about; inside a write transaction."""
        self._db.execute(
            "UPDATE requests SET handled = ?, subscriber_id = ?, wish = iif(?, wish, '{}'), email = iif(?, email, '')"
            " WHERE id = ?",
            (to_text(now), subscriber_id, keep_wish, keep_address, request_id),
        )

    def mail(self, request_id: int, message_id: str, now: datetime) -> None:
        """Record the mail that is queued for a request; inside the same write transaction."""
        self._db.execute(
            "UPDATE requests SET mailed = ?, message_id = ? WHERE id = ?", (to_text(now), message_id, request_id)
        )

    def mailed_since(self, email: str, moment: datetime) -> bool:
        """Whether a mail was queued to an address, for any request, after a moment. One whose link was used does not
        count: who reads there asked for it."""
        query = "SELECT 1 FROM requests WHERE address = ? AND mailed <> '' AND mailed > ? AND used = '' LIMIT 1"
        return self._db.row(query, (self._key(email), to_text(moment))) is not None

    def use(self, request_id: int, now: datetime) -> None:
        """Record that the link in a request's mail was used; inside a write transaction."""
        self._db.execute(
            "UPDATE requests SET used = ?, email = '', wish = '{}' WHERE id = ?", (to_text(now), request_id)
        )

    def forget(self, upto: datetime, now: datetime) -> int:
        """Forget requests made up to a moment, or in a time to come (the clock was set back), and what their mails
        said; in a write transaction of its own, if there are any. Returns how many there were."""
        limits, old = (to_text(upto), to_text(now + _DAY)), "made <= ? OR made > ?"
        if self._db.row(f"SELECT 1 FROM requests WHERE {old} LIMIT 1", limits) is None:
            return 0
        with self._db.write():
            self._db.execute(
                "UPDATE deliveries SET payload = NULL WHERE status NOT IN ('queued', 'sending', 'deferred')"
                f" AND message_id IN (SELECT message_id FROM requests WHERE message_id <> '' AND ({old}))",
                limits,
            )
            return self._db.execute(f"DELETE FROM requests WHERE {old}", limits).rowcount

    # ---------------------------------------------------------------- who has yet to confirm

    def expect(self, subscriber_id: int, until: datetime) -> None:
        """Record that a subscriber is to be forgotten unless they confirm; inside a write transaction."""
        self._db.execute(
            "INSERT INTO unconfirmed (subscriber_id, until) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET until = ?2",
            (subscriber_id, to_text(until)),
        )

    def is_expected(self, subscriber_id: int) -> bool:
        """Whether they are to be forgotten unless they confirm."""
        return self._db.row("SELECT 1 FROM unconfirmed WHERE subscriber_id = ?", (subscriber_id,)) is not None

    def expired(self, now: datetime) -> list[int]:
        """Subscribers who did not confirm in time."""
        rows = self._db.rows(
            "SELECT subscriber_id FROM unconfirmed AS u JOIN subscribers AS s ON s.id = u.subscriber_id"
            " WHERE s.status = 'pending' AND u.until <= ?",
            (to_text(now),),
        )
        return [row[0] for row in rows]

    def _key(self, text: str) -> str:
        return keyed(self._keys.addresses, text)


# What the operator asks for has no network, and no limits.
_WITHIN = "count(*) FROM requests WHERE network <> '' AND made > :since AND made <= :made"
_ADD = f"""
INSERT INTO requests (kind, made, network, address, email, wish, subscriber_id)
SELECT :kind, :made, :network, :address, :email, :wish, :subscriber_id
WHERE :network = '' OR (
    (SELECT {_WITHIN} AND network = :network) < :per_network AND (SELECT {_WITHIN}) < :in_total
)
"""


def _to_request(row: Row) -> Request:
    mailed, used = (to_moment(row[name]) if row[name] else None for name in ("mailed", "used"))
    return Request(
        id=row["id"],
        kind=Asked(row["kind"]),
        email=row["email"],
        wish=json.loads(row["wish"]),
        subscriber_id=row["subscriber_id"],
        made=to_moment(row["made"]),
        mailed=mailed,
        used=used,
    )

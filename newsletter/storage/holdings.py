"""All that is held of one subscriber, by table, as it lies there."""

from typing import Any

from newsletter.addresses import keyed, same_address
from newsletter.storage.database import Database
from newsletter.storage.keys import Keys

# Of a mail that is no digest, what goes into it is left out: a link that was to prove whose an address is would prove
# nothing any more. Of requests that others made about the address, only that there were any.
_OF_SUBSCRIBER = {
    "subscriber": "SELECT id AS number, turned, next, links_since FROM subscribers WHERE id = :id",
    "unconfirmed": "SELECT until FROM unconfirmed WHERE subscriber_id = :id",
    "consents": "SELECT given, how, text, language FROM consents WHERE subscriber_id = :id ORDER BY id",
    "suppressions": "SELECT reason, note, made FROM suppressions WHERE folded IN (:folded, 'keyed:' || :key)",
    "requests": """
        SELECT id AS number, kind, made, handled, mailed, message_id, used, email, wish, network
        FROM requests WHERE subscriber_id = :id
        UNION ALL
        SELECT id, kind, made, handled, mailed, message_id, used, '', '{}', ''
        FROM requests WHERE address = :key AND subscriber_id IS NOT :id ORDER BY 1
        """,
    "deliveries": """
        SELECT id AS number, kind, json_extract(payload, '$.template') AS template,
            json_extract(payload, '$.to') AS "to", domain, status, message_id, chosen, after, upto, welcome, queued,
            expires, due, attempts, unknowns, tried, ended, reply
        FROM deliveries WHERE subscriber_id = :id ORDER BY id
        """,
    "bounces": """
        SELECT at, kind, proof, delivery_id AS delivery, status, text FROM bounces WHERE subscriber_id = :id ORDER BY id
        """,
    "scores": "SELECT points, day, of_day, at, suspended, probed FROM scores WHERE subscriber_id = :id",
}


class Holdings:
    """Every table that tells of a subscriber, but for what they chose."""

    def __init__(self, database: Database, keys: Keys) -> None:
        self._db, self._keys = database, keys

    def of(self, subscriber_id: int, email: str) -> dict[str, list[dict[str, Any]]]:
        """The rows of a subscriber by table. Moments and dates are texts, as they are stored."""
        whose = {
            "id": subscriber_id,
            "folded": same_address(email),
            "key": keyed(self._keys.addresses, email),
        }
        return {table: [dict(row) for row in self._db.rows(sql, whose)] for table, sql in _OF_SUBSCRIBER.items()}

"""What readers said yes to: when, how, and to which words."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from newsletter.addresses import same_address
from newsletter.storage.database import Database, to_moment, to_text


@dataclass(frozen=True, slots=True)
class Consent:
    """A yes: `how` it came is "web", "cli", "csv" or "mail"; `text` is what was shown, in `language`."""

    given: datetime
    how: str
    text: str
    language: str


class Consents:
    """The table of consents. They go with their subscriber."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def add(self, subscriber_id: int, consent: Consent) -> None:
        """Keep one; inside the write transaction that makes them a reader."""
        self._db.execute(
            "INSERT INTO consents (subscriber_id, given, how, text, language) VALUES (?, ?, ?, ?, ?)",
            (subscriber_id, to_text(consent.given), consent.how, consent.text, consent.language),
        )

    def add_for(self, emails: Iterable[str], consent: Consent) -> None:
        """Keep the same one of many subscribers; inside the write transaction that makes them readers."""
        self._db.execute(
            "INSERT INTO consents (subscriber_id, given, how, text, language)"
            " SELECT id, ?, ?, ?, ? FROM subscribers WHERE folded IN (SELECT value FROM json_each(?))",
            (
                to_text(consent.given),
                consent.how,
                consent.text,
                consent.language,
                json.dumps([same_address(email) for email in emails]),
            ),
        )

    def of(self, subscriber_id: int) -> list[Consent]:
        """All that a subscriber gave, the oldest first."""
        rows = self._db.rows("SELECT * FROM consents WHERE subscriber_id = ? ORDER BY id", (subscriber_id,))
        return [Consent(to_moment(row["given"]), row["how"], row["text"], row["language"]) for row in rows]

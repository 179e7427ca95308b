"""The mails that are no digest, as they lie in the ledger: to whom, what, and where the link in each leads."""

from dataclasses import dataclass

from newsletter.app import App
from newsletter.storage.singles import to_single

BASE_URL = "https://papers.example.org"
WEB = {"base_url": BASE_URL}


@dataclass(frozen=True)
class Letter:
    """One of them. `link` is a path, `waits` whether it has not ended yet."""

    to: str
    template: str
    language: str
    link: str
    waits: bool

    @property
    def token(self) -> str:
        return self.link.rpartition("/")[2]


def letters(app: App) -> list[Letter]:
    """All that there are, the oldest first."""
    rows = app.storage.database.rows(
        "SELECT payload, d.status, email FROM deliveries AS d LEFT JOIN subscribers AS s ON s.id = subscriber_id"
        " WHERE kind = 'single' AND payload IS NOT NULL ORDER BY d.id"
    )
    found = []
    for row in rows:
        single = to_single(row["payload"])
        link = str(single.values.get("link", "")).removeprefix(BASE_URL)
        waits = row["status"] in ("queued", "deferred")
        found.append(Letter(single.to or row["email"], single.template, single.language, link, waits))
    return found

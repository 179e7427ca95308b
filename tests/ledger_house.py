"""A newsletter whose ledger is looked at, with the commands that do."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import click
from click.testing import CliRunner
from house import bring, make_paper
from house import day as day_of

from newsletter.app import App
from newsletter.cli.context import Context
from newsletter.errors import NewsletterError
from newsletter.model import DeliveryStatus
from newsletter.settling import settle
from newsletter.storage.deliveries import Ending
from newsletter.storage.listing import Entry, Which

ANN, BOB, CID = "ann@example.org", "bob@mail.example.net", "cid@example.org"


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended: its status, and what it printed on both streams."""

    status: int
    output: str
    errors: str

    @property
    def json(self) -> Any:
        return json.loads(self.output)


def say(app: App, command: click.Command, *arguments: str) -> Said:
    """Run a command at the app's own time; wrong use ends it with 2, as it does the program."""
    context = Context(app.config.path)
    context.app = context.looking = app
    result = CliRunner().invoke(command, arguments, obj=context)
    if isinstance(result.exception, NewsletterError):
        return Said(2, result.stdout, f"newsletter: {result.exception}")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def bring_out(app: App, *numbers: int, title: str = "On Graph Neural Networks") -> None:
    """An edition of today with these papers."""
    bring(app, *(make_paper(number, title) for number in numbers))
    settle(app, app.today())


def attempt(app: App, outcomes: Mapping[str, tuple[DeliveryStatus, str]], pause: int = 3600) -> None:
    """Try all that is due: some get an answer, by their address, and the others wait as before. What is deferred is due
    again after so many seconds."""
    now, queued = app.now(), (DeliveryStatus.QUEUED, "")
    with app.storage.write():
        claims, _ = app.storage.deliveries.claim(now, 10_000)
        endings = []
        for claim in claims:
            status, reply = outcomes.get(claim.delivery.email, queued)
            due = now + timedelta(seconds=pause) if status is DeliveryStatus.DEFERRED else now
            endings.append(Ending(claim.delivery.id, status, due, reply))
        app.storage.deliveries.record([one for one in endings if one.status is not DeliveryStatus.SENDING], now)


def entries(app: App, **which: Any) -> list[Entry]:
    """The ledger, oldest first."""
    return list(app.storage.listing.all(Which(**which), 10_000))[::-1]


def covered(app: App) -> dict[str, str]:
    """Up to which edition each reader has had a digest."""
    return {reader.email: str(reader.covered) for reader in app.storage.subscribers.all()}


def edition(offset: int = 0) -> str:
    """The date of the first edition, or some days later, as it is written."""
    return str(day_of(offset))

"""What the commands on subscribers have in common: whom they are about, and what is said of what became of it."""

import click

from newsletter.app import App
from newsletter.errors import UsageError
from newsletter.model import Subscriber
from newsletter.storage.consents import Consent
from newsletter.subscriptions import Outcome

email_argument = click.argument("email", metavar="EMAIL")


def note_consent(app: App, email: str) -> None:
    """Keep that the operator says that somebody agreed; how, only they know."""
    app.storage.consents.add(found(app, email).id, Consent(app.now(), "cli", "", ""))


def found(app: App, email: str) -> Subscriber:
    """The subscriber of an address. Raises `UsageError`."""
    subscriber = app.subscriptions.find(email)
    if subscriber is None:
        raise UsageError(f"there is no subscriber {email}")
    return subscriber


def tell(email: str, outcome: Outcome, done: str, *, suppressed: str = "") -> None:
    """Say that something is done; `suppressed` is the address that would then not be mailed, if it is another. Raises
    `UsageError` where there is no such subscriber."""
    if outcome is Outcome.UNKNOWN:
        raise UsageError(f"there is no subscriber {email}")
    tell_suppressed(suppressed or email, outcome)
    click.echo(f"{email} {done}{' already' if outcome is Outcome.ALREADY else ''}.")


def tell_suppressed(email: str, outcome: Outcome) -> None:
    """Say that they are not mailed whatever was done."""
    if outcome is Outcome.SUPPRESSED:
        click.echo(f"{email} is suppressed and gets no mail; `newsletter subscribers unsuppress` lifts that.", err=True)

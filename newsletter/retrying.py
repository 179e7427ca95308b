"""Try again at once what waits for a later moment; and say why nothing else is tried again."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from newsletter.app import App
from newsletter.model import DeliveryStatus
from newsletter.storage.listing import WAITING, Entry, Retried, Which
from newsletter.storage.pace import ALL, Pause


@dataclass(frozen=True, slots=True)
class Again:
    """What a retry came to: `refused` names those asked for by number that cannot be tried again, each with the reason;
    `left` counts what else was meant, by what became of it; `lifted` are pauses that are over."""

    retried: Retried
    refused: tuple[tuple[int, str], ...]
    left: dict[DeliveryStatus, int]
    lifted: tuple[Pause, ...]


def retry(app: App, which: Which) -> Again:
    """Make due at once what waits, of what is meant: attempts go on counting, and the Message-ID stays. Nothing else
    moves. The pauses of the domains that it goes to are lifted; if all is meant, the one over all domains too."""
    listing, now = app.storage.listing, app.now()
    with app.storage.write():
        refused = tuple(_refused(app, which.ids))
        retried = listing.retry(which, now)
        left = {} if which in (Which(), Which(ids=which.ids)) else listing.counts(which)
        lifted = tuple(_lifted(app, which, {which.domain, *retried.domains} - {ALL}, now))
    final = {status: number for status, number in left.items() if status not in WAITING}
    return Again(retried, refused, final, lifted)


def _lifted(app: App, which: Which, domains: set[str], now: datetime) -> Iterator[Pause]:
    """How slowly mail goes after a pause that is over already stays as it is."""
    for pause in app.storage.pace.pauses():
        if now < pause.until and (which == Which() or pause.domain in domains):
            app.storage.pace.forget(pause.domain, pause.cause)
            app.storage.pace.unwatch(pause.domain)
            yield pause


def _refused(app: App, ids: tuple[int, ...]) -> Iterator[tuple[int, str]]:
    found = {entry.id: entry for entry in app.storage.listing.all(Which(ids=ids), len(ids))} if ids else {}
    for number in dict.fromkeys(ids):
        if number not in found:
            yield number, "there is no such delivery"
        elif reason := why_not_again(found[number]):
            yield number, reason


def why_not_again(entry: Entry) -> str:
    """Why a delivery is not tried again; empty if it may be."""
    if entry.status in WAITING:
        return ""
    if entry.status is DeliveryStatus.SENDING:
        return "it is being sent; the sender goes on with it by itself"
    why = f"it is {entry.status}" + (f" ({entry.reply})" if entry.status is not DeliveryStatus.SENT else "")
    if entry.kind == "single" or not entry.email:
        return f"{why}, and ended with that"
    return f"{why}; `newsletter editions resend {entry.upto} --subscriber {entry.email}` sends the edition again"

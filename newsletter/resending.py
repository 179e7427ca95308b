"""Send an edition again, because somebody asks for it: deliveries of kind *repeat*, each with a Message-ID of its own.

A repeat holds what the reader's digest held that had the edition. It stands beside the ledger's account: no edition is
missing in a later digest for it, and none comes again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from newsletter import selection
from newsletter.addresses import domain_of
from newsletter.app import App
from newsletter.digests import Outlines
from newsletter.errors import UsageError
from newsletter.model import DeliveryStatus, Frequency, Status
from newsletter.storage.repeats import Candidate, Repeat

AGAIN = timedelta(minutes=10)  # who was sent a repeat gets no other for so long: nobody meant to press Enter twice
HOLDS_NOTHING = "it holds nothing for them"
_NAMED = 20  # readers who are named for one reason
_UNDER_WAY = (DeliveryStatus.QUEUED, DeliveryStatus.SENDING, DeliveryStatus.DEFERRED)
_FAILED = (DeliveryStatus.BOUNCED, DeliveryStatus.EXPIRED)


class Whom(StrEnum):
    """To whom an edition is sent again."""

    ALL = "all"
    FAILED = "failed"  # whose digest of it bounced, or expired and stands in no later one; see `is_failed`


@dataclass(slots=True)
class LeftOut:
    """Readers who get no repeat, for one reason: how many, and the first of them."""

    number: int = 0
    named: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Resent:
    """What resending came to: how many repeats were queued, and who gets none, by reason."""

    queued: int = 0
    left_out: dict[str, LeftOut] = field(default_factory=dict)

    def leave_out(self, email: str, reason: str) -> None:
        """Count one who gets none."""
        group = self.left_out.setdefault(reason, LeftOut())
        group.number += 1
        if len(group.named) < _NAMED:
            group.named.append(email)


def resend(app: App, day: date, whom: Whom | Sequence[str], *, dry_run: bool = False) -> Resent:
    """Queue an edition again, for all readers, those who did not get it, or those with these addresses; all of it in
    one transaction. On a `dry_run` nothing is written.

    Raises:
        UsageError: the date has no edition, or there is no such subscriber.

    """
    if not app.storage.editions.exists(day):
        raise UsageError(f"{day} has no edition; `newsletter editions list` shows which dates have")
    resending = _Resending(app, day, whom)
    if dry_run:
        for some in resending.candidates():
            resending.sort_out(some)
        return resending.resent
    with app.storage.write():
        for some in resending.candidates():
            app.storage.repeats.queue(map(resending.repeat, resending.sort_out(some)), resending.now)
    return resending.resent


class _Resending:
    """What one resending needs again and again."""

    def __init__(self, app: App, day: date, whom: Whom | Sequence[str]) -> None:
        self._app, self._day, self._whom = app, day, whom
        self._token, self._domain = app.outside.token, app.config.newsletter.domain
        self._outlines = Outlines(app.storage)
        # Queries that nobody has any more were forgotten; a section could not be named by one.
        self._known = {str(topic.id) for topic in app.storage.topics.all() if topic.label}
        self.now, self.resent = app.now(), Resent()

    def candidates(self) -> Iterable[Sequence[Candidate]]:
        """Whom to look at, in batches."""
        if isinstance(self._whom, Whom):
            return self._app.storage.repeats.all(self._day)
        numbers = [self._number(email) for email in self._whom]
        return [[self._app.storage.repeats.one(number, self._day) for number in dict.fromkeys(numbers)]]

    def _number(self, email: str) -> int:
        subscriber = self._app.subscriptions.find(email)
        if subscriber is None:
            raise UsageError(f"there is no subscriber {email}; nothing was queued")
        return subscriber.id

    def sort_out(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Who of them gets a repeat; the others are counted with the reason."""
        chosen = []
        # Those of one window side by side: what it announces is read once.
        for one in sorted(candidates, key=lambda one: (one.after, one.upto)):
            if self._whom is Whom.FAILED and not is_failed(one):
                continue
            known = replace(one, chosen=",".join(topic for topic in one.chosen.split(",") if topic in self._known))
            if reason := why_not(one, self._day, self.now) or self._why_empty(one, known):
                self.resent.leave_out(one.email, reason)
            else:
                chosen.append(known)
        self.resent.queued += len(chosen)
        return chosen

    def _why_empty(self, one: Candidate, known: Candidate) -> str:
        """Why there is nothing to read; no choice at all would be all topics."""
        forgotten = one.chosen and not known.chosen
        holds = self._outlines.holds
        if forgotten or not holds(one.id, known.after, known.upto, known.chosen, revised=known.revised):
            return HOLDS_NOTHING
        return ""

    def repeat(self, one: Candidate) -> Repeat:
        """The delivery of one who gets it."""
        expires = self.now + selection.lifetime(Frequency.WEEKLY if one.weekly else Frequency.DAILY)
        message_id = f"{one.upto:%Y%m%d}.{self._token()}@{self._domain}"
        return Repeat(one.id, message_id, one.chosen, one.after, one.upto, expires, domain_of(one.email))


def is_failed(one: Candidate) -> bool:
    """Whether somebody's digest of the edition was not sent, nor a repeat of it since. One that was dropped since they
    had paused or left did not fail."""
    had = one.repeat is not None and one.repeat.status is DeliveryStatus.SENT
    return one.digest is not None and one.digest.status in _FAILED and not had


def why_not(one: Candidate, day: date, now: datetime) -> str:
    """Why somebody gets no repeat of a date's edition; empty if nothing is against it."""
    if one.status is not Status.CONFIRMED:
        return one.status
    if one.suppressed is not None:
        return f"suppressed ({one.suppressed})"
    if one.digest is not None and one.digest.status in _UNDER_WAY:
        return f"their digest of it is {one.digest.status}, and will come"
    if one.covered is None or one.covered < day:
        return "their next digest will hold it"
    if one.repeat is not None and one.repeat.status in _UNDER_WAY:
        return f"a repeat of it is {one.repeat.status} already"
    if one.repeat is not None and one.repeat.status is DeliveryStatus.SENT and abs(now - one.repeat.queued) < AGAIN:
        return f"a repeat of it was sent to them within {AGAIN.seconds // 60} minutes"
    return ""

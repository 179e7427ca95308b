"""Ask those whose mail came back whether it arrives again; and mail them again."""

import logging
from datetime import timedelta

from newsletter.app import App
from newsletter.model import Suppression
from newsletter.storage.singles import Single
from newsletter.subscriptions import Outcome

log = logging.getLogger(__name__)

PROBE_AFTER = timedelta(days=7)  # of being suspended
PROBE_LIFETIME = timedelta(days=7)
RESUME_WITHIN = timedelta(days=30)  # the link in a probe works for so long


def queue_probes(app: App) -> int:
    """Ask those who have been suspended for a week whether mail arrives, once; returns how many are asked."""
    now, before = app.now(), app.now() - PROBE_AFTER
    if not app.storage.bounces.to_probe(before):
        return 0
    with app.storage.write():
        due = app.storage.bounces.to_probe(before)
        for subscriber_id, language in due:
            app.storage.deliveries.queue_single(
                Single("probe", _probe(app, subscriber_id), language=language, even_suppressed=True),
                f"{app.today():%Y%m%d}.{app.outside.token()}@{app.config.newsletter.domain}",
                day=app.today(),
                expires=now + PROBE_LIFETIME,
                now=now,
                subscriber_id=subscriber_id,
            )
            app.storage.bounces.probed(subscriber_id, now)
    log.info("probes queued=%d", len(due))
    return len(due)


def _probe(app: App, subscriber_id: int) -> dict[str, str | int]:
    """What the templates are given; see templates/probe/body.txt."""
    letterhead = app.letterhead
    return {
        "newsletter": app.config.newsletter.name,
        "link": app.places.resume(app.keyring.make("resume", subscriber_id, app.now())),
        "address": letterhead.reply_to[1] or letterhead.sender_address,
        "days": RESUME_WITHIN.days,
    }


def resume_mail(app: App, subscriber_id: int) -> Outcome:
    """Mail a reader again who was suspended, from the next edition on: a probe has reached them.

    Raises:
        StorageError: it cannot be written.

    """
    subscribers = app.storage.subscribers
    with app.storage.write():
        subscriber = subscribers.numbered(subscriber_id)
        if subscriber is None:
            return Outcome.UNKNOWN
        reason = subscribers.suppression(subscriber.email)
        if reason is not Suppression.BOUNCE:
            return Outcome.SUPPRESSED if reason else Outcome.ALREADY
        subscribers.unsuppress(subscriber.email)
        app.storage.bounces.clear(subscriber.id)
        subscribers.skip_to(subscriber.id, app.storage.editions.newest(), app.today())
    return Outcome.DONE

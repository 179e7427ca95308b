"""What comes of a refusal, and of a mail to the return path. What proves nothing counts for nobody."""

import logging
from collections.abc import Sequence
from datetime import timedelta

from newsletter.addresses import same_address, split_mailbox
from newsletter.app import App
from newsletter.bouncing import Bounce, Kind, Proof, code_in, status_in, weigh
from newsletter.mail.reports import Report, Sort
from newsletter.mail.verp import read_token
from newsletter.model import DeliveryStatus, Status, Suppression
from newsletter.storage.bounces import Sent
from newsletter.storage.deliveries import Ending

log = logging.getLogger(__name__)

LEFT, ASKS, UNPROVEN = "left", "asks to leave", "unproven"  # what a mail may come to, besides sorts and kinds
RECENT = timedelta(days=30)  # a mail that went out before does not come back any more


def hear_refusals(app: App, endings: Sequence[Ending]) -> None:
    """Count what servers refused at once; inside the write transaction that records it.

    Of mails that are deferred only a full mailbox counts: all else may be over in five minutes.
    """
    for ending in endings:
        reply = ending.reply
        if ending.status not in (DeliveryStatus.BOUNCED, DeliveryStatus.DEFERRED) or not reply[:3].isdigit():
            continue
        code, status = code_in(reply[:3]), status_in(reply)
        kind = weigh(code, status, reply)
        full = kind is Kind.SOFT and (code >= 500 or status.endswith(".2.2"))
        if ending.status is DeliveryStatus.DEFERRED and not full:
            continue
        if sent := app.storage.bounces.sent(ending.delivery_id, app.now() - RECENT):
            _hear(app, sent, Bounce(kind, Proof.ANSWER, status, reply))


def take(app: App, report: Report) -> tuple[str, bool]:
    """Record what a mail says, inside a write transaction.

    Returns what it came to, and whether it is to stay in the mailbox for a person to read.
    """
    match report.sort:
        case Sort.FAILED if report.kind is not None:
            return _take_failure(app, report, report.kind), False
        case Sort.COMPLAINT:
            return _take_complaint(app, report)
        case Sort.LEAVE:
            return _take_wish(app, report)
    app.storage.bounces.note(report.sort, app.now())
    return report.sort, report.sort is Sort.UNKNOWN


def _take_failure(app: App, report: Report, kind: Kind) -> str:
    sent, proof = _which(app, report)
    if sent is None:
        address = report.addresses[0] if report.addresses else ""
        log.info("back kind=%s proof=none address=%s status=%s", kind, app.fingerprint(address), report.status)
        app.storage.bounces.note(kind, app.now(), email=address, status=report.status, text=report.text)
        return UNPROVEN
    _hear(app, sent, Bounce(kind, proof, report.status, report.text))
    return kind


def _take_complaint(app: App, report: Report) -> tuple[str, bool]:
    """Who has read a mail could invent a complaint about it: only its return path keeps its reader from coming back."""
    sent, proof = _which(app, report)
    left = _leave_by(app, report.leave)
    if sent is None and not left:
        address = report.addresses[0] if report.addresses else ""
        app.storage.bounces.note(Kind.COMPLAINT, app.now(), email=address, text=report.text)
        return UNPROVEN, True
    if sent is not None:
        _hear(app, sent, Bounce(Kind.COMPLAINT, proof, text=report.text))
        if sent.subscriber_id is not None:
            _leave(app, sent.subscriber_id)
        if proof is Proof.KEYED and not _is_operator(app, sent.email):
            _suppress(app, sent.email)
    return Kind.COMPLAINT, False


def _take_wish(app: App, report: Report) -> tuple[str, bool]:
    came_to = LEFT if _leave_by(app, report.leave) else ASKS
    app.storage.bounces.note(came_to, app.now())
    return came_to, came_to is ASKS


def _which(app: App, report: Report) -> tuple[Sent | None, Proof]:
    """The mail of ours that a report is about, if that is proven and not too long ago."""
    bounces, since = app.storage.bounces, app.now() - RECENT
    for token in report.tokens:
        number = read_token(app.keyring, token)
        if number is not None and (sent := bounces.sent(number, since)):
            return sent, Proof.KEYED
    for message_id in report.message_ids:
        if sent := bounces.sent_as(message_id, since):
            return sent, Proof.MESSAGE_ID
    return None, Proof.NONE


def _leave_by(app: App, tokens: Sequence[str]) -> bool:
    """Whether one of the tokens is that of a reader's link to leave; then they have left."""
    for text in tokens:
        if token := app.keyring.read("unsubscribe", text):
            _leave(app, token.number)
            return True
    return False


def _leave(app: App, subscriber_id: int) -> None:
    subscriber, now = app.storage.subscribers.numbered(subscriber_id), app.now()
    if subscriber is not None and subscriber.status is not Status.UNSUBSCRIBED:
        app.storage.subscribers.set_status(subscriber.id, Status.UNSUBSCRIBED, now)
        app.storage.deliveries.drop(subscriber.id, Status.UNSUBSCRIBED, now)


def _suppress(app: App, email: str) -> None:
    subscribers = app.storage.subscribers
    if subscribers.suppression(email) is Suppression.BOUNCE:  # which ends with a click
        subscribers.unsuppress(email)
    subscribers.suppress(email, Suppression.COMPLAINT, "by a report of their mailbox provider", app.now())


def _is_operator(app: App, email: str) -> bool:
    newsletter = app.config.newsletter
    if not newsletter.operator:
        return False
    return same_address(split_mailbox(newsletter.operator, newsletter.local_domains)[1]) == same_address(email)


def _hear(app: App, sent: Sent, bounce: Bounce) -> None:
    log.info("back delivery=%d kind=%s proof=%s status=%s", sent.delivery_id, bounce.kind, bounce.proof, bounce.status)
    suspend_at = app.config.bounces.suspend_at
    if app.storage.bounces.hear(sent, bounce, today=app.today(), now=app.now(), suspend_at=suspend_at):
        log.info("suspended delivery=%d points=%g", sent.delivery_id, suspend_at)

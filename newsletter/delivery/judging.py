"""What an answer makes of a delivery, and when it is tried again."""

from datetime import datetime, timedelta

from newsletter.mail.transports import Answer, Verdict
from newsletter.model import DeliveryStatus
from newsletter.storage.deliveries import Claim, Ending

MAX_UNKNOWNS = 5  # attempts without an answer, then a pause
PAUSE_AFTER_UNKNOWNS = timedelta(hours=1)
FIRST_PAUSE = timedelta(minutes=5)
LONGEST_PAUSE = timedelta(hours=4)
SPREAD = 0.25  # pauses are by as much longer or shorter


def judge(claim: Claim, answer: Answer, now: datetime, chance: float) -> Ending:
    """What becomes of a delivery after an answer; `chance` in [0, 1) spreads what is tried again."""
    delivery_id, reply = claim.delivery.id, str(answer)
    match answer.verdict:
        case Verdict.ACCEPTED:
            return Ending(delivery_id, DeliveryStatus.SENT, now, reply)
        case Verdict.REFUSED:
            return Ending(delivery_id, DeliveryStatus.BOUNCED, now, reply)
        case Verdict.DEFERRED:
            return Ending(delivery_id, DeliveryStatus.DEFERRED, now + retry_pause(claim, chance), reply)
        case Verdict.RETURNED:
            return give_back(claim, reply)
        case Verdict.UNKNOWN:
            tired = (claim.unknowns + 1) % MAX_UNKNOWNS == 0
            status = DeliveryStatus.DEFERRED if tired else DeliveryStatus.QUEUED
            due = now + PAUSE_AFTER_UNKNOWNS if tired else now
            return Ending(delivery_id, status, due, reply, unknown=True)


def give_back(claim: Claim, reason: str) -> Ending:
    """Queued again at its old place, as if it had not been claimed."""
    delivery = claim.delivery
    return Ending(delivery.id, delivery.status, delivery.due, delivery.reply or reason, untried=True)


def put_off(claim: Claim, reason: str, now: datetime, chance: float) -> Ending:
    """Deferred, for it cannot be handed over as it is."""
    return Ending(claim.delivery.id, DeliveryStatus.DEFERRED, now + retry_pause(claim, chance), reason)


def retry_pause(claim: Claim, chance: float) -> timedelta:
    """How long a delivery rests that was tried so often: twice as long each time, up to a limit."""
    growing = FIRST_PAUSE * (1 << min(claim.delivery.attempts, 10))
    return min(growing, LONGEST_PAUSE) * (1 + SPREAD * (2 * chance - 1))

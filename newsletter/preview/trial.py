"""A mail on trial: an edition's digest, as it would go out, to one address."""

from newsletter.addresses import check_address
from newsletter.app import App
from newsletter.errors import RunError
from newsletter.mail.transports import Answer, Parcel, Verdict, hand_over
from newsletter.preview import Mail, preview


def send_test(app: App, address: str, email: str | None, topic: str | None) -> tuple[Mail, Answer]:
    """Send the newest digest of a subscriber, of one topic, or of one who takes all, to an address.

    Nothing of it is kept: it is no delivery, and no lock is needed.

    Raises:
        AddressError: it is none.
        UsageError: there is no such subscriber or topic.
        TransportError: nothing can be handed over.
        RunError: there is nothing to send, or it was not taken; with the server's answer.

    """
    recipient = check_address(address, app.config.newsletter.local_domains)
    mail = preview(app, email, topic, to=recipient)
    answer = hand_over(app.carrier(), Parcel(0, app.config.newsletter.sender_address, recipient, mail.message))
    match answer.verdict:
        case Verdict.ACCEPTED:
            return mail, answer
        case Verdict.DEFERRED | Verdict.RETURNED:
            raise RunError(f"{recipient}: it was not taken this time: {answer}")
        case Verdict.REFUSED:
            raise RunError(f"{recipient}: it was refused: {answer}")
        case Verdict.UNKNOWN:
            raise RunError(f"{recipient}: it may have arrived or not: {answer}")

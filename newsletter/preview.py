"""A mail to look at: the newest edition as a reader gets it, without sending."""

import quopri
from dataclasses import dataclass

from newsletter.app import App
from newsletter.digests import Digests
from newsletter.errors import RunError, UsageError
from newsletter.storage.readers import Reader


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in all its forms: both parts decoded, and the message as it would go out."""

    subject: str
    text: bytes
    html: bytes
    message: bytes

    def as_file(self, suffix: str) -> bytes:
        """What a file of this suffix holds."""
        return {".eml": self.message, ".txt": self.text}.get(suffix, self.html)


def preview(app: App, email: str | None, topic: str | None) -> Mail:
    """The mail of the newest edition for a subscriber, for one topic, or for one who takes all.

    Raises:
        UsageError: there is no such subscriber or topic.
        RunError: there is no edition yet, or nothing in it for them.

    """
    dates = app.storage.editions.dates()
    if not dates:
        raise RunError("there is no edition yet; `newsletter publish` makes one")
    before = dates[-2] if len(dates) > 1 else None
    chosen = frozenset({app.storage.topics.named(topic).id} if topic else ())
    reader = Reader(id=0, covered=before, weekly=False, chosen=chosen)
    address = app.config.newsletter.sender_address
    if email:
        subscriber = app.storage.subscribers.find(email)
        if subscriber is None:
            raise UsageError(f"there is no subscriber {email}")
        address = subscriber.email
        reader = app.storage.readers.one(subscriber.id, before)
    digests = Digests(app.storage)
    digest = digests.of(reader, dates[-1])
    if not digest.items:
        raise RunError(f"the edition of {dates[-1]} holds nothing for {email or topic or 'any topic'}")
    names = digests.names(digest)
    body = app.composer.body(digest, names, reader.id, address)
    message_id = f"preview.{app.outside.token()}@{app.config.newsletter.domain}"
    message = app.composer.message(digest, names, reader.id, address, message_id)
    return Mail(body.subject, quopri.decodestring(body.text), quopri.decodestring(body.html), message)

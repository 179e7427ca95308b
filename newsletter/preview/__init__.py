"""A mail to look at, or to send to one address on trial: what a reader gets of an edition. No delivery comes of it."""

import quopri
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from newsletter.app import App
from newsletter.digests import Digests
from newsletter.errors import RunError, UsageError
from newsletter.storage.readers import Reader

_NOBODY = 0  # no subscriber's number


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail in all its forms: both parts decoded, and the message as it would go out.

    `size` is that of the HTML part as it is encoded for the wire, in bytes, which is empty for readers who want text
    alone; `papers` how many papers it tells of.
    """

    subject: str
    text: bytes
    html: bytes
    message: bytes
    edition: date
    papers: int
    size: int

    def as_file(self, suffix: str) -> bytes:
        """What a file of this suffix holds; of a mail of text alone that, where HTML is asked for."""
        return {".eml": self.message, ".txt": self.text}.get(suffix, self.html or self.text)


def preview(
    app: App,
    email: str | None,
    topic: str | None,
    day: date | None = None,
    *,
    to: str = "",
    language: str = "",
    welcome: bool = False,
) -> Mail:
    """The mail of an edition, the newest by default: for a subscriber, for one topic, or for one who takes all.

    It is made from the templates as they are now, whatever was made of them when the edition was; it looks as the
    subscriber wants it, but for a `language` that is named, and with `welcome` greets them. With `to` it goes to that
    address instead, and how to leave is nobody's: whoever follows it ends no subscription.

    Raises:
        UsageError: there is no such subscriber, topic or edition.
        RunError: there is no edition yet, or nothing in it for them.

    """
    before, edition = _window(app.storage.editions.dates(), day)
    chosen = frozenset({app.storage.topics.named(topic).id} if topic else ())
    reader = Reader(id=_NOBODY, covered=before, chosen=chosen)
    address = app.config.newsletter.sender_address
    if email:
        subscriber = app.storage.subscribers.find(email)
        if subscriber is None:
            raise UsageError(f"there is no subscriber {email}")
        address = subscriber.email
        reader = app.storage.readers.one(subscriber.id, before)
    digests = Digests(app.storage)
    digest = digests.of(reader, edition)
    if not digest.items:
        raise RunError(f"the edition of {edition} holds nothing for {email or topic or 'any topic'}")
    topics = digests.topics_of(digest)
    whom = (_NOBODY, to) if to else (reader.id, address)
    composer = app.make_composer(stored=False)
    look = replace(reader.look, language=language or reader.look.language)
    body = composer.body(digest, topics, *whom, look, welcome=welcome)
    message_id = f"{'test' if to else 'preview'}.{app.outside.token()}@{app.config.newsletter.domain}"
    message = app.sign(composer.message(digest, topics, *whom, message_id, look, welcome=welcome))
    text, html = quopri.decodestring(body.text), quopri.decodestring(body.html)
    return Mail(body.subject, text, html, message, edition, len(digest.items), len(body.html))


def _window(dates: Sequence[date], day: date | None) -> tuple[date | None, date]:
    """The edition of a day, the newest by default, and the one before it."""
    if not dates:
        raise RunError("there is no edition yet; `newsletter publish` makes one")
    place = len(dates) - 1 if day is None else bisect(dates, day) - 1
    if day is not None and (place < 0 or dates[place] != day):
        nearest = dates[max(place, 0) : place + 2]
        named = " and ".join(map(str, nearest))
        raise UsageError(
            f"{day} has no edition; the nearest {'are those' if len(nearest) > 1 else 'is that'} of {named}"
        )
    return dates[place - 1] if place else None, dates[place]

"""Queue digests: for those whose turn an edition is, whose hour has come, and who have just come to us.

A digest and the reader's `covered` are written in one transaction, so that what an edition holds for a reader lies in
exactly one delivery, or after `covered`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from newsletter import selection
from newsletter.app import App
from newsletter.digests import Digests
from newsletter.model import Frequency
from newsletter.storage.deliveries import Queued
from newsletter.storage.readers import Reader
from newsletter.timetable import comes_at_once


def queue_at_publishing(app: App, day: date) -> int:
    """Queue the digests of those whose turn comes with a date's edition, or without one on their weekly day.

    Inside the write transaction that makes the edition. Returns how many were queued.
    """
    newest, ours, now = app.storage.editions.newest(), app.config.newsletter.timezone, app.now()
    queue = _Queue(app, now, _turns(app, day))
    return sum(
        queue.take(
            [reader for reader in readers if reader.weekly or comes_at_once(reader.rhythm, ours, now)],
            newest,
        )
        for readers in app.storage.readers.due(newest, queue.turns)
    )


def queue_by_hour(app: App) -> int:
    """Queue the digests of those whose hour has come; a transaction for each batch of readers. Returns how many.

    Raises:
        StorageError: the database cannot be written; what was not queued is queued the next time.

    """
    queued, now = 0, app.now()
    if not app.storage.readers.is_due_by_hour(now):
        return 0
    queue = _Queue(app, now, _turns(app, app.today()))
    while True:
        with app.storage.write():
            readers = app.storage.readers.due_by_hour(now)
            queued += queue.take(readers, app.storage.editions.newest())
        if not readers:
            return queued


def queue_welcome(app: App, subscriber_id: int) -> bool:
    """Queue the newest edition for somebody who has just come, with a greeting; False if it holds nothing for them, or
    they were a reader before and had it.

    Inside the write transaction that made them a reader: editions before it are none of theirs.
    """
    newest = app.storage.editions.newest()
    if newest is None or app.storage.deliveries.chosen_on(subscriber_id, newest) is not None:
        return False
    reader = app.storage.readers.one(subscriber_id, newest - timedelta(days=1))
    queue = _Queue(app, app.now(), _turns(app, app.today()))
    digest = queue.next_digest(reader, newest)
    if digest is None:
        return False
    app.storage.deliveries.queue([replace(digest, welcome=True)], newest, queue.now)
    return True


def _turns(app: App, day: date) -> dict[int | None, date]:
    """The last weekly day up to a date, by weekday; None is the newsletter's."""
    days: tuple[int | None, ...] = (None, *range(7))
    return {one: selection.weekly_turn(day, app.weekday if one is None else one) for one in days}


class _Queue:
    """What queueing needs again and again."""

    def __init__(self, app: App, now: datetime, turns: Mapping[int | None, date]) -> None:
        self._storage, self._token = app.storage, app.outside.token
        self._digests, self._domain = Digests(app.storage), app.config.newsletter.domain
        self._next_hour = app.next_hour
        self.now, self.turns = now, turns

    def take(self, readers: Sequence[Reader], upto: date | None) -> int:
        """Queue what the editions up to this one hold for readers whose turn it is; inside a write transaction."""
        queued = 0
        if upto is not None:
            due = [digest for reader in readers if (digest := self.next_digest(reader, upto)) is not None]
            queued = self._storage.deliveries.queue(due, upto, self.now)
        self._storage.readers.cover(readers, upto, self.turns, lambda rhythm: self._next_hour(rhythm, self.now))
        return queued

    def next_digest(self, reader: Reader, upto: date) -> Queued | None:
        """A reader's next digest, with what they have not got of the ones before; None if there is nothing to read."""
        if reader.covered == upto:
            return None
        if reader.waits:
            reader = replace(reader, covered=self._storage.deliveries.take_back(reader, self.now))
        if not self._digests.holds_something(reader, upto):
            return None
        frequency = Frequency.WEEKLY if reader.weekly else Frequency.DAILY
        message_id = f"{upto:%Y%m%d}.{self._token()}@{self._domain}"
        return Queued(reader, message_id, self.now + selection.lifetime(frequency))

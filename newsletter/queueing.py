"""Queue digests: for those whose turn an edition is, whose hour has come, and who have just come to us.

A digest and the reader's `covered` are written in one transaction, so that what an edition holds for a reader lies in
exactly one delivery, or after `covered`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from hashlib import shake_128

from newsletter import selection
from newsletter.app import App
from newsletter.digests import Outlines
from newsletter.model import Frequency, Rhythm
from newsletter.storage.database import to_text
from newsletter.storage.deliveries import Queued
from newsletter.storage.readers import Due, When
from newsletter.timetable import comes_at_once


def queue_at_publishing(app: App, day: date) -> int:
    """Queue the digests of those whose turn comes with a date's edition, or without one on their weekly day.

    Inside the write transaction that makes the edition. Returns how many were queued.
    """
    newest = app.storage.editions.newest()
    queue = _Queue(app, app.now(), _turns(app, day))
    return sum(
        queue.take(readers, newest, at_publishing=True) for readers in app.storage.readers.due(newest, queue.turns)
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
    batches = app.storage.readers.due_by_hour(now)
    while True:
        with app.storage.write():
            readers = next(batches, [])
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
    queue = _Queue(app, app.now(), _turns(app, app.today()))
    return queue.welcome(app.storage.readers.newcomer(subscriber_id, newest - timedelta(days=1)), newest)


def _turns(app: App, day: date) -> dict[int | None, date]:
    """The last weekly day up to a date, by weekday; None is the newsletter's."""
    days: tuple[int | None, ...] = (None, *range(7))
    return {one: selection.weekly_turn(day, app.weekday if one is None else one) for one in days}


class _Queue:
    """What queueing needs again and again."""

    def __init__(self, app: App, now: datetime, turns: Mapping[int | None, date]) -> None:
        self._app, self._storage, self._outlines = app, app.storage, Outlines(app.storage)
        self.now, self.turns = now, turns

    def take(self, readers: Iterable[Due], upto: date | None, *, at_publishing: bool = False) -> int:
        """Queue what the editions up to this one hold for readers whose turn it is; inside a write transaction.

        `at_publishing` it is not the turn of those for whom an edition waits until their hour.
        """
        queued = 0
        alike = defaultdict[When, list[Due]](list)
        for reader in readers:
            alike[reader.when].append(reader)
        for some in alike.values():
            rhythm = some[0].rhythm
            if not at_publishing or self._comes_at_once(rhythm):
                queued += self._take(rhythm, some, upto)
        return queued

    def welcome(self, reader: Due, upto: date) -> bool:
        """Queue a first digest with a greeting; False if there is nothing to read. Inside a write transaction."""
        digests = self._digests(reader.rhythm, [reader], upto)
        return self._storage.deliveries.queue(digests, upto, self.now, welcome=True) > 0

    def _comes_at_once(self, rhythm: Rhythm) -> bool:
        ours = self._app.config.newsletter.timezone
        return rhythm.frequency is Frequency.WEEKLY or comes_at_once(rhythm, ours, self.now)

    def _take(self, rhythm: Rhythm, readers: Sequence[Due], upto: date | None) -> int:
        queued = 0
        if upto is not None:
            queued = self._storage.deliveries.queue(self._digests(rhythm, readers, upto), upto, self.now)
        ids = [reader.id for reader in readers]
        self._storage.readers.cover(ids, upto, self.turns[rhythm.weekday], self._app.next_hour(rhythm, self.now))
        return queued

    def _digests(self, rhythm: Rhythm, readers: Sequence[Due], upto: date) -> Iterator[Queued]:
        """Readers' next digests, with what they have not got of the ones before; of who has nothing to read, none."""
        newest, expires = upto.isoformat(), to_text(self.now + selection.lifetime(rhythm.frequency))
        begins = self._take_back(readers, newest)
        for reader, message_id in zip(readers, self._message_ids(upto, len(readers)), strict=True):
            after = begins.get(reader.id, reader.covered)
            if reader.covered == newest:
                continue
            if self._outlines.holds(reader.id, after, upto, reader.chosen, revised=bool(reader.revised)):
                yield Queued(reader.id, message_id, reader.chosen, after, expires, reader.folded.rpartition("@")[2])

    def _take_back(self, readers: Iterable[Due], newest: str) -> dict[int, str]:
        waiting = {reader.id: reader.covered for reader in readers if reader.waits and reader.covered != newest}
        return self._storage.deliveries.take_back(waiting, self.now)

    def _message_ids(self, upto: date, number: int) -> Iterator[str]:
        """So many Message-IDs, drawn from two tokens: who knows one can tell no other. They begin alike, for the ledger
        takes up fast what stands side by side in its index."""
        token, domain = self._app.outside.token, self._app.config.newsletter.domain
        start, seed = f"{upto:%Y%m%d}.{token()[-4:]}", f"{token()}{token()}"
        drawn = shake_128(seed.encode("ascii")).hexdigest(8 * number)
        return (f"{start}{drawn[at : at + 16]}@{domain}" for at in range(0, 16 * number, 16))

"""What was answered, until it is committed; and what is counted and told of it then."""

import logging
from collections.abc import Callable
from datetime import datetime

from newsletter.delivery.answers import Answers
from newsletter.delivery.pacing import Pacer
from newsletter.delivery.watching import Watch
from newsletter.delivery.work import Tally, Work
from newsletter.errors import StorageError
from newsletter.model import DeliveryStatus
from newsletter.storage import Storage
from newsletter.storage.deliveries import Claim, Ending

log = logging.getLogger(__name__)

RECORD_PAUSES = (0.0, 1.0, 5.0, 15.0, 30.0, 60.0, 60.0)  # seconds between tries to record the last answers
LAST_PATIENCE = 3.0  # seconds that another writer is waited for once we were told to stop


class Recorder:
    """Holds endings until they are in the ledger. True as long as it holds any."""

    def __init__(self, storage: Storage, work: Work, pacer: Pacer, watch: Watch) -> None:
        self._storage, self._work, self._pacer, self._watch = storage, work, pacer, watch
        self._held: list[tuple[Ending, Claim]] = []
        self._answers = Answers()
        self.tally = Tally()

    def __bool__(self) -> bool:
        return bool(self._held)

    def add(self, claim: Claim, ending: Ending) -> None:
        """What became of a claim."""
        self._held.append((ending, claim))

    def write(self, now: datetime) -> None:
        """Write it down, inside a write transaction; once that is committed, say `written`."""
        if self._held:
            endings = [ending for ending, _ in self._held]
            self._storage.deliveries.record(endings, now)
            self._work.heard(endings)

    def written(self, now: datetime) -> None:
        """Count and log what has just been committed."""
        for ending, claim in self._held:
            if ending.untried:
                continue
            if ending.status is not DeliveryStatus.QUEUED:  # which has not ended
                self.tally.add(ending.status)
            self._watch.add(ending.status, 1, now, single=claim.kind == "single")
            self._answers.tell(ending.delivery_id, ending.status, ending.reply, now)
            if ending.status in (DeliveryStatus.SENT, DeliveryStatus.BOUNCED):
                self._work.well()
        self._held.clear()

    def sum_up(self, now: datetime, *, last: bool = False) -> None:
        """Log what was said to many, when it is time, or at the end."""
        self._answers.sum_up(now, last=last)

    def try_to_write(self) -> bool:
        """Write it down in a transaction of its own; False if that fails."""
        try:
            self._write_alone()
        except StorageError:
            return False
        return True

    def write_last(self, rest: Callable[[float], None], free_room: Callable[[], None]) -> None:
        """Write it down, again and again: an answer that is lost is a mail that goes out twice.

        Raises:
            StorageError: it cannot be.

        """
        for number, pause in enumerate((*RECORD_PAUSES, None)):
            try:
                self._write_alone()
            except StorageError as error:
                if pause is None or (number and self._work.stop.is_set()):  # told to stop, it tries once more
                    raise
                log.warning("not recorded yet: answers=%d reason=%s", len(self._held), error)
                free_room()
                rest(pause)
            else:
                return

    def _write_alone(self) -> None:
        if not self._held:
            return
        try:
            with self._storage.write(LAST_PATIENCE if self._work.stop.is_set() else None):
                self.write(self._work.clock())
                self._pacer.write(self._work.clock())
        except BaseException:
            self._pacer.write_again()
            raise
        self.written(self._work.clock())

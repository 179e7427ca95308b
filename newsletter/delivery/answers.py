"""What servers answered, in the log: what matters must not be lost among a thousand lines that say the same."""

import logging
import re
from collections import Counter
from datetime import datetime, timedelta

from newsletter.model import DeliveryStatus
from newsletter.text import without_addresses

log = logging.getLogger(__name__)

_BETWEEN_SUMS = timedelta(minutes=1)
_MOST = 100  # sorts of answers that are kept apart
_CODES = 10  # characters that a reply's codes take (RFC 3463): "450 4.7.1 "
_NUMBERED = re.compile(r"\w*\d\w*")  # times, and what queues call a mail
_OTHERS = DeliveryStatus.DEFERRED, "others"

Sort = tuple[DeliveryStatus, str]


class Answers:
    """Logs the first of each sort of answer in full, and once a minute how many more there were of it.

    A mail that was taken is told at the level DEBUG alone.
    """

    def __init__(self) -> None:
        self._more: Counter[Sort] = Counter()  # than the first
        self._since: datetime | None = None

    def tell(self, delivery_id: int, status: DeliveryStatus, reply: str, now: datetime) -> None:
        """Log an answer, or count it."""
        level = logging.DEBUG if status is DeliveryStatus.SENT else logging.INFO
        if not log.isEnabledFor(level):
            return
        said = without_addresses(reply)
        if level is logging.INFO:
            self._since = self._since or now
            sort = status, said[:_CODES] + _NUMBERED.sub("…", said[_CODES:])
            if sort in self._more or len(self._more) >= _MOST:
                self._more[sort if sort in self._more else _OTHERS] += 1
                return
            self._more[sort] = 0
        log.log(level, "delivery=%d status=%s reply=%s", delivery_id, status, said)

    def sum_up(self, now: datetime, *, last: bool = False) -> None:
        """Log how many more there were, when it is time; or if these were the `last`."""
        if self._since is None or not (last or not timedelta() <= now - self._since < _BETWEEN_SUMS):
            return
        for (status, said), number in self._more.items():
            if number:
                log.info("deliveries=%d more status=%s reply=%s", number, status, said)
        self._more.clear()
        self._since = None

"""What a run of the sender is given, and what it came to."""

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from newsletter.delivery.pacing import Limits
from newsletter.mail.transports import Carrier
from newsletter.model import DeliveryStatus
from newsletter.storage.deliveries import Claim, Ending
from newsletter.storage.standing import Standing

STOP_PATIENCE = 8.0  # seconds that answers are awaited after we were told to stop


class Stop(Protocol):
    """Tells whether we were told to stop."""

    def is_set(self) -> bool:
        """Whether we were."""


@dataclass(slots=True)
class Tally:
    """What a run came to."""

    counts: dict[DeliveryStatus, int] = field(default_factory=dict)
    held_back: str = ""  # why the run ended with something left, if it did
    held_until: datetime | None = None  # when that gives way by itself, if it does

    def add(self, status: DeliveryStatus, number: int = 1) -> None:
        """Count endings."""
        self.counts[status] = self.counts.get(status, 0) + number

    def __getitem__(self, status: DeliveryStatus) -> int:
        return self.counts.get(status, 0)


@dataclass(frozen=True, slots=True)
class Work:
    """What a run needs from outside. `compose` returns None if nothing is left to read."""

    connect: Callable[[], Carrier]
    compose: Callable[[Claim], bytes | None]
    renew: Callable[[], None]  # called before some are composed, for what they are made from may have changed
    sender: Callable[[Claim], str]
    clock: Callable[[], datetime]
    monotonic: Callable[[], float]
    sleep: Callable[[float], None]
    chance: Callable[[], float]  # in [0, 1): spreads retries
    envelope_id: Callable[[Claim], str] = lambda _claim: ""
    heard: Callable[[Sequence[Ending]], None] = lambda _endings: None  # called in the transaction that records them
    limits: Limits = field(default_factory=Limits)
    patience: float = STOP_PATIENCE
    stop: Stop = field(default_factory=threading.Event)
    pid: int = field(default_factory=os.getpid)  # by which others know the run
    show: Callable[[Standing], None] = lambda _standing: None  # how it stands, some times a second
    pulse: Callable[[], None] = lambda: None  # called again and again while the run goes on, outside of transactions
    well: Callable[[], None] = lambda: None  # called when a server answered, or nothing is left to send

"""Choose what goes out next: in the order of the queue, past domains that take nothing now.

Where every domain takes mail, what is first in the queue is claimed. Where some do not, their mail is passed over, and
a mark tells how far; once a domain takes mail again, what was passed over is found by its domain. So a queue of which
most waits for one domain is not looked through again and again.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from newsletter.delivery.pacing import Pacer
from newsletter.model import DeliveryStatus
from newsletter.storage.database import Row, to_text
from newsletter.storage.deliveries import FRONT, KINDS, Claim, Deliveries, Place

_MOST_ENDED = 1_000  # in one transaction; a million may have expired while no sender ran
_LAST = (1 << 63) - 1  # of all ids
_LOOK_AGAIN = timedelta(seconds=30)  # what was queued again behind the mark is found by then


@dataclass(slots=True)
class _Passing:
    """How far a kind was looked through, and whose mail was passed over."""

    mark: Place = FRONT
    domains: set[str] = field(default_factory=set)
    began: datetime | None = None


class Claimer:
    """Claims for one run; `pacer` says what may go."""

    def __init__(self, deliveries: Deliveries, pacer: Pacer) -> None:
        self._deliveries, self._pacer = deliveries, pacer
        self._passing = {kind: _Passing() for kind in KINDS}
        self._counted: list[tuple[str, str]] = []  # kinds and domains of what is claimed and not committed

    def claim(self, now: datetime, room: int) -> tuple[list[Claim], dict[DeliveryStatus, int]]:
        """Claim so many at most; inside a write transaction. The second value counts what ended instead.

        `committed` or `undo` comes next.
        """
        claims: list[Claim] = []
        ended: Counter[DeliveryStatus] = Counter()
        for kind in KINDS:
            while room > len(claims) and ended.total() < _MOST_ENDED:
                allowed = min(room - len(claims), self._pacer.room(kind, now))
                rows = self._find(kind, now, allowed) if allowed > 0 else []
                if not rows:
                    break
                found, others = self._deliveries.claim_rows(rows, now)
                claims += found
                ended.update(others)
                taken = {claim.delivery.id for claim in found}
                for row in rows:
                    if row["id"] not in taken:
                        self._pacer.give_back(kind, row["domain"], now)
                        self._counted.remove((kind, row["domain"]))
        return claims, dict(ended)

    def committed(self) -> None:
        """The transaction of the last claim is over."""
        self._counted.clear()

    def undo(self, now: datetime) -> None:
        """The transaction of the last claim failed: nothing was claimed."""
        for kind, domain in self._counted:
            self._pacer.give_back(kind, domain, now)
        self._counted.clear()
        self.look_from_the_front()

    def look_from_the_front(self) -> None:
        """Forget how far was looked: what waits was given other times."""
        self._passing = {kind: _Passing() for kind in KINDS}

    def _find(self, kind: str, now: datetime, limit: int) -> list[Row]:
        closed = self._pacer.closed(kind, now)
        passing = self._passing[kind]
        if not closed and not passing.domains:
            return self._admitted(kind, self._deliveries.waiting(kind, now, limit), now)
        if passing.began is None or not timedelta() <= now - passing.began < _LOOK_AGAIN:
            passing.began, passing.mark = now, FRONT
        passing.domains |= closed
        if found := self._passed_over(kind, now, limit, closed):
            return found
        if not closed:
            return self._admitted(kind, self._deliveries.waiting(kind, now, limit), now)
        return self._others(kind, now, limit, closed)

    def _passed_over(self, kind: str, now: datetime, limit: int, closed: frozenset[str]) -> list[Row]:
        """Of domains that were passed over and take mail again."""
        found: list[Row] = []
        for domain in sorted(self._passing[kind].domains - closed):
            if len(found) >= limit:
                break
            rows = self._deliveries.waiting(kind, now, limit - len(found), domain=domain)
            if not rows:
                self._passing[kind].domains.discard(domain)
            found += self._admitted(kind, rows, now)
        return found

    def _others(self, kind: str, now: datetime, limit: int, closed: frozenset[str]) -> list[Row]:
        """Of all domains but the closed, behind the mark."""
        passing = self._passing[kind]
        while rows := self._deliveries.waiting(kind, now, limit, besides=closed, behind=passing.mark):
            passing.mark = (rows[-1]["due"], rows[-1]["id"])
            if admitted := self._admitted(kind, rows, now):
                return admitted
        # All of it was looked through. What becomes due in this very second may yet come.
        passing.mark = max(passing.mark, (to_text(now - timedelta(seconds=1)), _LAST))
        return []

    def _admitted(self, kind: str, rows: list[Row], now: datetime) -> list[Row]:
        """Those whose domain takes one more, each counted as it is admitted."""
        admitted = []
        for row in rows:
            if self._pacer.allows(kind, row["domain"], now):
                self._pacer.claim(kind, row["domain"], now)
                self._counted.append((kind, row["domain"]))
                admitted.append(row)
            else:
                self._passing[kind].domains.add(row["domain"])
        return admitted

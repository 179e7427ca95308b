"""What can be done for a subscriber; the fronts map each `Outcome` to words of their own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime
from enum import Enum

from newsletter.addresses import check_address
from newsletter.errors import UsageError
from newsletter.model import Choice, Frequency, Preferences, Rhythm, Status, Subscriber, Suppression
from newsletter.storage import Storage
from newsletter.storage.subscribers import NewSubscriber
from newsletter.subscriptions.lines import too_many
from newsletter.subscriptions.table import Imported, Table

__all__ = ["Outcome", "Subscriptions"]


class Outcome(Enum):
    """What became of a request."""

    DONE = "done"
    ALREADY = "already"  # it was so before
    UNKNOWN = "unknown"  # there is no such subscriber
    SUPPRESSED = "suppressed"  # done, but the address is not mailed


class Subscriptions:
    """Every verb on subscribers. `who` is an address or a subscriber's number; `today` is the date in the newsletter's
    zone, `now` the moment, aware; `next_hour` says when a rhythm's hour comes next, after a moment.
    """

    def __init__(
        self,
        storage: Storage,
        local_domains: Sequence[str],
        max_queries: int | None,
        next_hour: Callable[[Rhythm, datetime], datetime | None],
    ) -> None:
        self._storage, self._local_domains, self._max_queries = storage, local_domains, max_queries
        self._next_hour = next_hour

    def check_address(self, email: str) -> str:
        """An address in its normal form. Raises `AddressError`."""
        return check_address(email, self._local_domains)

    def find(self, who: str | int) -> Subscriber | None:
        """The subscriber of an address, or of a number."""
        subscribers = self._storage.subscribers
        return subscribers.find(who) if isinstance(who, str) else subscribers.numbered(who)

    # ---------------------------------------------------------------- join and choose

    def subscribe(self, email: str, choice: Choice, *, confirmed: bool, today: date, now: datetime) -> Outcome:
        """Add a subscriber.

        Raises:
            UsageError: a bad address, a topic that is not there, a query that does not parse, or one too many.

        """
        address = self.check_address(email)
        status = Status.CONFIRMED if confirmed else Status.PENDING
        with self._storage.write():
            if self._storage.subscribers.find(address):
                return Outcome.ALREADY
            before = self._asked()
            hour = self._next_hour(choice.preferences.rhythm, now)
            ids = self._topic_ids(choice.topics, choice.queries)
            new = NewSubscriber(address, status, ids, choice.preferences, hour)
            self._storage.subscribers.add([new], self._storage.editions.newest(), today, now)
            self._check_queries(before)
        return Outcome.SUPPRESSED if self._storage.subscribers.suppression(address) else Outcome.DONE

    def change(
        self,
        who: str | int,
        *,
        topics: Sequence[str] | None = None,
        queries: Sequence[str] | None = None,
        preferences: Preferences | None = None,
        today: date,
        now: datetime,
    ) -> Outcome:
        """Change what a subscriber chose; None leaves a part as it is. Raises as `subscribe` does."""
        with self._storage.write():
            subscriber = self.find(who)
            if subscriber is None:
                return Outcome.UNKNOWN
            if topics is not None or queries is not None:
                before = self._asked()
                names = subscriber.topics if topics is None else topics
                wanted = subscriber.queries if queries is None else queries
                self._storage.subscribers.choose(subscriber.id, self._topic_ids(names, wanted))
                self._check_queries(before)
            if preferences is not None and preferences != subscriber.preferences:
                self._prefer(subscriber, preferences, today, now)
        return Outcome.DONE

    def _prefer(self, subscriber: Subscriber, preferences: Preferences, today: date, now: datetime) -> None:
        """A new weekly reader waits for the next weekly day."""
        before, after = subscriber.preferences.rhythm, preferences.rhythm
        newly = after.frequency is Frequency.WEEKLY and before.frequency is not Frequency.WEEKLY
        turned = today if newly else None
        self._storage.subscribers.prefer(subscriber.id, preferences, self._next_hour(after, now), turned)

    def confirm(self, who: str | int, *, today: date, now: datetime) -> Outcome:
        """Make a pending subscriber, or one who left, a reader from now on."""
        return self._become(who, Status.CONFIRMED, today, now, skip=True)

    def move(self, who: str | int, email: str, *, now: datetime) -> Outcome:
        """Give a subscriber another address; what they chose and had stays theirs.

        Raises:
            UsageError: a bad address, or somebody else has it.

        """
        address = self.check_address(email)
        with self._storage.write():
            subscriber = self.find(who)
            if subscriber is None:
                return Outcome.UNKNOWN
            other = self._storage.subscribers.find(address)
            if other is not None and other.id != subscriber.id:
                raise UsageError(f"{address} is known already, {other.status}")
            if address == subscriber.email:
                return Outcome.ALREADY
            self._storage.subscribers.move(subscriber.id, address, now)
        return Outcome.SUPPRESSED if self._storage.subscribers.suppression(address) else Outcome.DONE

    # ---------------------------------------------------------------- pause and leave

    def pause(self, who: str | int, *, until: date | None = None, today: date, now: datetime) -> Outcome:
        """Send nothing until `resume`, or until a date. Raises `UsageError` for one who is not a reader now, and for a
        date that is not to come."""
        if until is not None and until <= today:
            raise UsageError(f"a pause until {until} is over (allowed: a date after {today})")
        outcome = self._become(who, Status.PAUSED, today, now, only_from=Status.CONFIRMED)
        if outcome is not Outcome.UNKNOWN and (subscriber := self.find(who)):
            with self._storage.write():
                self._storage.subscribers.pause_until(subscriber.id, until)
        return outcome

    def resume(self, who: str | int, *, today: date, now: datetime) -> Outcome:
        """Send again, from the next edition on: what passed during the pause is skipped.

        Raises:
            UsageError: they are pending, or left; that needs their consent, hence `confirm`.

        """
        return self._become(who, Status.CONFIRMED, today, now, only_from=Status.PAUSED, skip=True)

    def resume_rested(self, *, today: date, now: datetime) -> int:
        """Resume those whose pause was until this date, or one before; returns how many."""
        rested = self._storage.subscribers.rested(today)
        for subscriber_id in rested:
            with suppress(UsageError):  # they left meanwhile
                self.resume(subscriber_id, today=today, now=now)
        return len(rested)

    def unsubscribe(self, who: str | int, *, today: date, now: datetime) -> Outcome:
        """Send nothing any more; the address stays known as one that left."""
        return self._become(who, Status.UNSUBSCRIBED, today, now)

    def remove(self, who: str | int, *, now: datetime) -> Outcome:
        """Forget a subscriber."""
        with self._storage.write():
            subscriber = self.find(who)
            if subscriber is None:
                return Outcome.UNKNOWN
            self._forget(subscriber, now)
        self._storage.fold_in()
        return Outcome.DONE

    def erase(self, who: str | int, *, now: datetime) -> Outcome:
        """Forget a subscriber, and never mail their address again; of that a keyed hash is kept and nothing else."""
        with self._storage.write():
            subscriber = self.find(who)
            if subscriber is None:
                return Outcome.UNKNOWN
            self._forget(subscriber, now)
            self._storage.subscribers.suppress_unnamed(subscriber.email, Suppression.MANUAL, now)
        self._storage.fold_in()
        return Outcome.DONE

    def _forget(self, subscriber: Subscriber, now: datetime) -> None:
        self._storage.bounces.forget(subscriber.id)
        self._storage.deliveries.forget(subscriber.id, now)
        self._storage.subscribers.remove(subscriber.id)

    def suppress(self, email: str, reason: Suppression, *, now: datetime) -> Outcome:
        """Never mail an address, whether it subscribes or not. Raises `AddressError`."""
        address = self.check_address(email)
        with self._storage.write():
            new = self._storage.subscribers.suppress(address, reason, "", now)
        return Outcome.DONE if new else Outcome.ALREADY

    def unsuppress(self, email: str, *, today: date) -> Outcome:
        """Mail an address again; what passed meanwhile is skipped, as after a pause."""
        with self._storage.write():
            if not self._storage.subscribers.unsuppress(email):
                return Outcome.ALREADY
            if subscriber := self._storage.subscribers.find(email):
                self._storage.subscribers.skip_to(subscriber.id, self._storage.editions.newest(), today)
        return Outcome.DONE

    # ---------------------------------------------------------------- files

    def import_csv(self, file: Iterable[str], *, confirmed: bool, today: date, now: datetime) -> Iterator[Imported]:
        """Add the subscribers of a CSV file; see `Table.read`."""
        return self._table.read(file, confirmed=confirmed, today=today, now=now)

    def export_csv(self) -> Iterator[str]:
        """All subscribers as CSV, a line at a time; `import_csv` reads it back."""
        return self._table.write()

    @property
    def _table(self) -> Table:
        return Table(self._storage, self._local_domains, self._max_queries, self._next_hour)

    def _topic_ids(self, names: Iterable[str], queries: Iterable[str]) -> tuple[int, ...]:
        named = [self._storage.topics.named(name).id for name in names]
        return tuple(dict.fromkeys((*named, *(self._storage.topics.query(query).id for query in queries))))

    def _asked(self) -> int:
        """How many of readers' queries are fetched."""
        return sum(topic.personal for topic in self._storage.topics.asked())

    def _check_queries(self, before: int) -> None:
        """Undo, by raising inside the transaction, what would make more of readers' queries than are fetched. If they
        were more already, since the limit was lowered, whoever adds none may go on."""
        if self._max_queries is not None and self._asked() > max(before, self._max_queries):
            raise UsageError(too_many(self._max_queries))

    def _become(
        self,
        who: str | int,
        status: Status,
        today: date,
        now: datetime,
        *,
        only_from: Status | None = None,
        skip: bool = False,
    ) -> Outcome:
        with self._storage.write():
            subscriber = self.find(who)
            if subscriber is None:
                return Outcome.UNKNOWN
            if subscriber.status is status:
                return Outcome.ALREADY
            if only_from and subscriber.status is not only_from:
                raise UsageError(f"{subscriber.email} is {subscriber.status}, not {only_from}")
            self._storage.subscribers.set_status(subscriber.id, status, now)
            if status is not Status.CONFIRMED:
                self._storage.deliveries.drop(subscriber.id, status, now)
            if skip:
                self._storage.subscribers.skip_to(subscriber.id, self._storage.editions.newest(), today)
            suppressed = self._storage.subscribers.suppression(subscriber.email)
        return Outcome.SUPPRESSED if suppressed else Outcome.DONE

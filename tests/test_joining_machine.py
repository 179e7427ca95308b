"""Whoever asks for what, confirms, leaves, is suppressed or removed, in any order and however often we are cut off: the
mails are those that the rules allow, and so is everybody's status."""

import contextlib
import itertools
import tempfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from house import Time, make_app
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from letters import WEB, letters

from newsletter.app import App
from newsletter.errors import StorageError
from newsletter.joining import ask_for_link, ask_to_move, ask_to_subscribe, forget_unconfirmed, handle_requests, invite
from newsletter.joining.links import confirm, leave, mark, move, offered
from newsletter.model import Choice, Status, Suppression
from newsletter.storage.requests import Asked

PEOPLE = ("ann@example.org", "bob@example.org", "cem@example.org")
NETWORK = "192.0.2.0/24"
DAY, WEEK = timedelta(hours=24), timedelta(days=7)
SOMEBODY = st.sampled_from(PEOPLE)


@dataclass
class Expected:
    """What is to be so of an address that we know."""

    number: int
    status: Status
    until: datetime | None = None  # when they are forgotten, unless they confirm


@dataclass(frozen=True)
class Wish:
    """What lies in the inbox."""

    kind: Asked
    email: str
    mover: int | None
    made: datetime


class Joining(RuleBasedStateMachine):
    """The rules, told once more, beside the program."""

    def __init__(self) -> None:
        super().__init__()
        self.time = Time()
        self.folder = tempfile.TemporaryDirectory()
        self.numbers = itertools.count(1)
        self.app = self.open()
        self.readers: dict[str, Expected] = {}
        self.suppressed: set[str] = set()
        self.waiting: list[Wish] = []
        self.mailed: dict[str, datetime] = {}
        self.mails: list[tuple[str, str]] = []

    def open(self) -> App:
        token = lambda: f"{next(self.numbers):016x}"  # noqa: E731
        return make_app(Path(self.folder.name), time=self.time, newsletter=WEB, outside={"token": token})

    def teardown(self) -> None:
        self.app.close()
        self.folder.cleanup()

    # ------------------------------------------------------------ what people do

    @rule(email=SOMEBODY)
    def wants_it(self, email: str) -> None:
        if ask_to_subscribe(self.app, email, Choice(), language="en", network=NETWORK):
            self.waiting.append(Wish(Asked.SUBSCRIBE, email, None, self.time.now))

    @rule(email=SOMEBODY)
    def wants_a_link(self, email: str) -> None:
        if ask_for_link(self.app, email, language="en", network=NETWORK):
            self.waiting.append(Wish(Asked.LINK, email, None, self.time.now))

    @rule(email=SOMEBODY, to=SOMEBODY)
    def wants_to_move(self, email: str, to: str) -> None:
        if email in self.readers and email != to:
            number = self.readers[email].number
            if ask_to_move(self.app, number, to, language="en", network=NETWORK):
                self.waiting.append(Wish(Asked.MOVE, to, number, self.time.now))

    @rule(email=SOMEBODY)
    def is_added(self, email: str) -> None:
        self.app.subscriptions.subscribe(email, Choice(), confirmed=False, today=self.app.today(), now=self.app.now())
        self.readers.setdefault(email, Expected(self.number_of(email), Status.PENDING))

    @rule(email=SOMEBODY)
    def is_invited(self, email: str) -> None:
        found = self.readers.get(email)
        if found is None or found.status is not Status.PENDING or email in self.suppressed:
            return
        invite(self.app, email)
        found.until = found.until or self.time.now + WEEK
        self.mail("confirm", email, found)

    @rule(at=st.integers(0, 30))
    def opens_a_mail(self, at: int) -> None:
        """And presses the button behind its link."""
        found = letters(self.app)
        if not found:
            return
        letter = found[at % len(found)]
        if letter.template == "confirm":
            self.says_yes(letter.token)
        elif letter.template == "move":
            self.moves(letter.token)

    def says_yes(self, token: str) -> None:
        offer = offered(self.app, token)
        if offer is None:
            return
        assert offer.subscriber.email not in self.suppressed
        came_to = confirm(self.app, token, mark("yes"), lambda _who: "yes", "en")
        assert came_to is not None
        found = self.readers[offer.subscriber.email]
        assert came_to.joined is (found.status in (Status.PENDING, Status.UNSUBSCRIBED))
        if came_to.joined:
            found.status, found.until = Status.CONFIRMED, None
            self.mails.append(("welcome", offer.subscriber.email))

    def moves(self, token: str) -> None:
        moved = move(self.app, token)
        if moved is not None:
            (before,) = [email for email, found in self.readers.items() if found.number == moved.id]
            assert moved.email not in self.readers
            self.readers[moved.email] = self.readers.pop(before)

    @rule(email=SOMEBODY)
    def leaves(self, email: str) -> None:
        if found := self.readers.get(email):
            assert leave(self.app, self.app.keyring.make("unsubscribe", found.number))
            found.status = Status.UNSUBSCRIBED

    @rule(email=SOMEBODY)
    def pauses_or_resumes(self, email: str) -> None:
        found, moment = self.readers.get(email), (self.app.today(), self.app.now())
        if found and found.status is Status.CONFIRMED:
            self.app.subscriptions.pause(email, today=moment[0], now=moment[1])
            found.status = Status.PAUSED
        elif found and found.status is Status.PAUSED:
            self.app.subscriptions.resume(email, today=moment[0], now=moment[1])
            found.status = Status.CONFIRMED

    @rule(email=SOMEBODY)
    def complains(self, email: str) -> None:
        self.app.subscriptions.suppress(email, Suppression.COMPLAINT, now=self.app.now())
        self.suppressed.add(email)

    @rule(email=SOMEBODY)
    def is_forgiven(self, email: str) -> None:
        self.app.subscriptions.unsuppress(email, today=self.app.today())
        self.suppressed.discard(email)

    @rule(email=SOMEBODY, erased=st.booleans())
    def goes(self, email: str, erased: bool) -> None:
        if self.readers.pop(email, None):
            verb = self.app.subscriptions.erase if erased else self.app.subscriptions.remove
            verb(email, now=self.app.now())
            if erased:
                self.suppressed.add(email)

    # ------------------------------------------------------------ what we do

    @rule()
    def the_inbox_is_handled(self) -> None:
        assert handle_requests(self.app) == len(self.waiting)
        for wish in self.waiting:
            self.expect(wish)
        self.waiting.clear()

    @precondition(lambda self: self.waiting)
    @rule(steps=st.integers(1, 3_000))
    def we_are_cut_off(self, steps: int) -> None:
        """While the inbox is handled; after some steps of the database."""
        connection = self.app.storage.database.tables.conn
        count = itertools.count(1)
        connection.set_progress_handler(lambda: next(count) == steps, 1)
        handled = len(self.waiting)
        with contextlib.suppress(StorageError):
            handle_requests(self.app)
        connection.set_progress_handler(None, 1)
        left = self.app.storage.database.value("SELECT count(*) FROM requests WHERE handled = ''")
        for wish in self.waiting[: handled - left]:
            self.expect(wish)
        self.waiting = self.waiting[handled - left :]
        self.app.close()
        self.app = self.open()

    @rule(hours=st.sampled_from([1, 5, 23, 24, 100, 168]))
    def time_passes(self, hours: int) -> None:
        self.time.sleep(3600 * hours)

    @rule()
    def the_heart_beats(self) -> None:
        forget_unconfirmed(self.app)
        self.waiting = [wish for wish in self.waiting if wish.made + WEEK > self.time.now]
        for email, found in list(self.readers.items()):
            if found.status is Status.PENDING and found.until and found.until <= self.time.now:
                del self.readers[email]

    # ------------------------------------------------------------ what the rules say

    def expect(self, wish: Wish) -> None:
        kind, email = wish.kind, wish.email
        found = self.readers.get(email)
        if email in self.suppressed:
            return
        if kind is Asked.MOVE:
            if found is None and wish.mover in {reader.number for reader in self.readers.values()}:
                self.mail("move", email, None)
        elif kind is Asked.LINK:
            if found is not None:
                self.mail("manage", email, None)
        elif found is None or found.status in (Status.PENDING, Status.UNSUBSCRIBED):
            if found is None:
                found = Expected(self.number_of(email), Status.PENDING, self.time.now + WEEK)
                self.readers[email] = found
            self.mail("confirm", email, found)
        else:
            self.mail("already", email, None)

    def mail(self, template: str, email: str, found: Expected | None) -> None:
        last = self.mailed.get(email)
        if last is not None and self.time.now - last < DAY:
            return
        self.mailed[email] = self.time.now
        self.mails.append((template, email))
        if found and found.until:
            found.until = self.time.now + WEEK

    def number_of(self, email: str) -> int:
        found = self.app.subscriptions.find(email)
        assert found is not None
        return found.id

    @invariant()
    def everybody_is_what_they_are_to_be(self) -> None:
        statuses = {one.email: one.status for one in self.app.storage.subscribers.all()}
        assert statuses == {email: found.status for email, found in self.readers.items()}

    @invariant()
    def the_mails_are_those_that_are_to_be(self) -> None:
        rows = self.app.storage.database.value("SELECT count(*) FROM deliveries WHERE kind = 'single'")
        assert rows == len(self.mails)


Joining.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
TestJoining = Joining.TestCase

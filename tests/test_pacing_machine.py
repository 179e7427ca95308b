"""Pace, by whatever a sender may live through: claims, answers, restarts, kills, a clock that steps about."""

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from newsletter.delivery.pacing import Limits, Pacer
from newsletter.delivery.pacing_limits import Rates
from newsletter.mail.transports import Answer, Stage, Verdict
from newsletter.storage import Storage

START = datetime(2026, 1, 6, 7, tzinfo=UTC)
DOMAINS = ("a.example", "b.example", "c.example", "d.example")
LIMITS = Limits(
    Rates(per_second=20.0, per_hour=40, per_day=60),
    {
        "a.example": Rates(connections=2, per_hour=5),
        "b.example": Rates(per_second=0.2, per_day=8),
        "c.example": Rates(),
        "*": Rates(connections=3, per_hour=20),
    },
)
SPANS = {"per_hour": timedelta(hours=1), "per_day": timedelta(days=1)}
ANSWERS = {
    "accepted": Answer(Verdict.ACCEPTED, 250, "2.0.0 OK", Stage.DOT),
    "slower": Answer(Verdict.DEFERRED, 421, "4.7.0 Try again later", Stage.RCPT),
    "unwanted": Answer(Verdict.DEFERRED, 550, "5.7.1 policy", Stage.DOT),
    "nobody": Answer(Verdict.REFUSED, 550, "5.1.1 no such user", Stage.RCPT),
    "lost": Answer(Verdict.UNKNOWN, text="no answer"),
}
LONGEST = timedelta(days=1, minutes=1)

domains, kinds = st.sampled_from(DOMAINS), st.sampled_from(("single", "digest", "repeat"))
moments = st.sampled_from([0, 1, 50, 400, 1_000, 7_000, 60_000, 600_000]).map(
    lambda number: timedelta(milliseconds=number)
)
#: Mails one after the other: to whom, how long after the one before, and what comes back, if anything does.
stretches = st.lists(
    st.tuples(domains, kinds, moments, st.sampled_from(("accepted", "accepted", "", *sorted(ANSWERS)))),
    min_size=5, max_size=40,
)  # fmt: skip
spans = st.one_of(
    st.integers(0, 3_000).map(lambda number: timedelta(milliseconds=number)),
    st.integers(0, 5_000_000).map(lambda number: timedelta(microseconds=number)),
    st.integers(0, 180).map(lambda number: timedelta(minutes=number)),
    st.integers(0, 72).map(lambda number: timedelta(hours=number)),
)


@dataclass(eq=False)
class Mail:
    """One that was claimed: when, by a clock that is never set back."""

    domain: str
    kind: str
    claimed: timedelta
    written: bool = False


class Sending(RuleBasedStateMachine):
    """A sender that does what the pacer lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.storage = Storage(Path(self.folder.name) / "subscribers.db")
        self.now, self.gone = START, timedelta()
        self.sent: list[Mail] = []
        self.under_way: list[Mail] = []

    @initialize(chance=st.floats(0, 1, exclude_max=True))
    def begin(self, chance: float) -> None:
        self.chance = chance
        self.restart()

    def restart(self) -> None:
        self.under_way.clear()
        self.pacer = Pacer(self.storage, LIMITS, lambda: self.chance)
        self.pacer.begin(self.now)

    # ---------------------------------------------------------------- what happens

    @rule(span=spans)
    def time_passes(self, span: timedelta) -> None:
        self.now += span
        self.gone += span

    @rule(span=spans)
    def clock_is_set_back(self, span: timedelta) -> None:
        self.now -= span

    @rule(stretch=stretches, often=st.integers(1, 4), mood=st.sampled_from(("", "", "unwanted", "slower")))
    def send(self, stretch: list[tuple[str, str, timedelta, str]], often: int, mood: str) -> None:
        """A mood is what all say who say anything."""
        for domain, kind, pause, answer in stretch * often:
            self.time_passes(pause)
            if self.pacer.room(kind, self.now) and self.pacer.allows(kind, domain, self.now):
                self.claim(domain, kind)
                if answer:
                    self.pacer.hear(domain, ANSWERS[mood or answer], self.now)
                    self.under_way.pop()

    def claim(self, domain: str, kind: str) -> None:
        self.pacer.claim(kind, domain, self.now)
        mail = Mail(domain, kind, self.gone)
        self.sent.append(mail)
        self.under_way.append(mail)
        self.no_limit_is_passed_by(mail)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), name=st.sampled_from(sorted(ANSWERS)))
    def hear(self, data: st.DataObject, name: str) -> None:
        mail = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.pacer.hear(mail.domain, ANSWERS[name], self.now)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        mail = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.sent.remove(mail)
        self.pacer.give_back(mail.kind, mail.domain, self.now)

    def write(self) -> None:
        with self.storage.write():
            self.pacer.write(self.now)
        for mail in self.sent:
            mail.written = True

    @rule(end=st.sampled_from(("none", "stopped", "killed")))
    def a_transaction_ends(self, end: str) -> None:
        """And perhaps the sender: if it is killed, what it claimed since the last one was never handed over."""
        if end == "killed":
            self.sent = [mail for mail in self.sent if mail.written]
        else:
            self.write()
        if end != "none":
            self.restart()

    # ---------------------------------------------------------------- what is true

    def no_limit_is_passed_by(self, mail: Mail) -> None:
        for of_domain in (False, True):
            counted = [other for other in self.sent if not of_domain or other.domain == mail.domain]
            rates = (LIMITS.of_domain(mail.domain) or Rates()) if of_domain else LIMITS.over_all
            for name, span in SPANS.items():
                limit = getattr(rates, name)
                if limit is not None:
                    kept = 0 if mail.kind == "single" else limit // 20
                    assert sum(1 for other in counted if other.claimed > self.gone - span) <= limit - kept
            if rates.per_second is not None:
                span = timedelta(seconds=max(1, 1 / rates.per_second))
                assert sum(1 for other in counted if other.claimed > self.gone - span) <= max(rates.per_second, 1)
            if rates.connections is not None:
                assert sum(1 for other in self.under_way if other.domain == mail.domain) <= rates.connections

    @invariant()
    def the_closed_are_those_that_take_nothing(self) -> None:
        for kind in ("digest", "single"):
            shut = {domain for domain in DOMAINS if not self.pacer.allows(kind, domain, self.now)}
            assert self.pacer.closed(kind, self.now) == shut
        assert self.pacer.closed("single", self.now) <= self.pacer.closed("digest", self.now)

    @invariant()
    def nothing_is_held_back_for_longer_than_a_day(self) -> None:
        opens = self.pacer.opens(self.now)
        assert opens is None or self.now < opens <= self.now + LONGEST
        if not self.pacer.room("digest", self.now):
            assert opens is not None
            assert self.pacer.held_back(self.now)

    @rule()
    def what_is_held_back_opens_when_it_says(self) -> None:
        opens = self.pacer.opens(self.now)
        assume(opens is not None)
        assert opens is not None
        room, closed = self.pacer.room("digest", self.now), self.pacer.closed("digest", self.now)
        self.time_passes(opens - self.now)
        if not room:
            assert self.pacer.room("digest", self.now) > 0
        else:
            assert closed - self.pacer.closed("digest", self.now)

    def teardown(self) -> None:
        """Everything recovers by itself once mail is accepted."""
        if hasattr(self, "pacer"):
            self.recovers()
        self.storage.close()
        self.folder.cleanup()

    def recovers(self) -> None:
        for mail in self.under_way:
            self.pacer.hear(mail.domain, ANSWERS["accepted"], self.now)
        self.under_way.clear()
        for _ in range(60):
            self.now += timedelta(hours=2)
            for domain in DOMAINS:
                self.now += timedelta(seconds=10)
                if self.pacer.room("digest", self.now) and self.pacer.allows("digest", domain, self.now):
                    self.pacer.claim("digest", domain, self.now)
                    self.pacer.hear(domain, ANSWERS["accepted"], self.now)
        self.now += timedelta(days=2)
        self.write()
        assert self.pacer.closed("digest", self.now) == frozenset()
        assert self.pacer.room("digest", self.now) > 0
        assert self.storage.pace.pauses() == []


Sending.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestSending = Sending.TestCase

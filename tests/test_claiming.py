"""What is claimed next when some domains take nothing now."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from house import Time, bring, make_app, make_paper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.app import App
from newsletter.delivery.claiming import Claimer
from newsletter.delivery.pacing import Limits, Pacer
from newsletter.delivery.pacing_limits import Rates
from newsletter.mail.transports import Answer, Stage, Verdict
from newsletter.model import DeliveryStatus, Status
from newsletter.settling import settle
from newsletter.storage.deliveries import Claim, Ending
from newsletter.storage.subscribers import NewSubscriber

ACCEPTED = Answer(Verdict.ACCEPTED, 250, "ok", Stage.DOT)
DOMAINS = ["a.example", "b.example", "c.example", "d.example"]


class Sender:
    """Claims, and lets what it claimed be answered when told to."""

    def __init__(self, app: App, limits: Limits) -> None:
        self.app = app
        self.pacer = Pacer(app.storage, limits, lambda: 0.5)
        self.pacer.begin(app.now())
        self.claimer = Claimer(app.storage.deliveries, self.pacer)
        self.flying: list[Claim] = []

    def claim(self, room: int) -> list[str]:
        with self.app.storage.write():
            claims, _ = self.claimer.claim(self.app.now(), room)
        self.flying += claims
        return [claim.delivery.email for claim in claims]

    def answer(self, place: int, status: DeliveryStatus = DeliveryStatus.SENT) -> str:
        claim, now = self.flying.pop(place), self.app.now()
        self.pacer.hear(claim.domain, ACCEPTED, now)
        with self.app.storage.write():
            self.app.storage.deliveries.record([Ending(claim.delivery.id, status, now, "ok")], now)
        return claim.domain

    @property
    def under_way(self) -> Counter[str]:
        return Counter(claim.domain for claim in self.flying)


def wait_for(app: App, domains: list[str]) -> list[str]:
    """Let a digest wait for a reader in each of these domains, in this order."""
    emails = [f"reader{number}@{domain}" for number, domain in enumerate(domains)]
    with app.storage.write():
        people = (NewSubscriber(email, Status.CONFIRMED) for email in emails)
        app.storage.subscribers.add(people, app.storage.editions.newest(), app.today(), app.now())
    bring(app, make_paper(1))
    settle(app, app.today())
    return emails


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    app = make_app(tmp_path, time=time)
    yield app
    app.close()


def connections(**domains: int) -> Limits:
    return Limits(per_domain={name.replace("_", "."): Rates(connections=number) for name, number in domains.items()})


def test_without_limits_it_is_the_order_of_the_queue(app: App) -> None:
    emails = wait_for(app, DOMAINS * 3)
    sender = Sender(app, Limits())
    assert sender.claim(5) == emails[:5]
    assert sender.claim(100) == emails[5:]


def test_a_domain_that_is_full_is_passed_over_and_found_again(app: App) -> None:
    emails = wait_for(app, ["a.example"] * 4 + ["b.example"] * 2 + ["a.example"] * 2 + ["c.example"])
    sender = Sender(app, connections(a_example=2))
    assert sender.claim(3) == [*emails[:2], emails[4]]
    assert sender.claim(1) == [emails[5]]
    sender.answer(0)
    assert sender.claim(2) == [emails[2], emails[8]]
    assert sender.claim(9) == []
    sender.answer(0)
    sender.answer(-1)
    assert sender.claim(9) == [emails[3]]


def test_what_is_queued_again_behind_the_mark_is_found_in_time(app: App, time: Time) -> None:
    emails = wait_for(app, ["b.example", "a.example", "a.example", "c.example"])
    sender = Sender(app, connections(a_example=1))
    assert sender.claim(3) == [emails[0], emails[1], emails[3]]
    sender.answer(0, DeliveryStatus.QUEUED)  # of b.example, which lies before the mark
    time.now += timedelta(seconds=31)
    assert sender.claim(3) == [emails[0]]


def test_a_transaction_that_failed_has_claimed_nothing(app: App) -> None:
    emails = wait_for(app, ["a.example"] * 3)
    sender = Sender(app, connections(a_example=1))

    def fail() -> None:
        with app.storage.write():
            sender.claimer.claim(app.now(), 3)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    sender.claimer.undo(app.now())
    assert sender.claim(3) == emails[:1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(
    domains=st.lists(st.sampled_from(DOMAINS), min_size=1, max_size=40),
    limits=st.dictionaries(st.sampled_from([*DOMAINS, "*"]), st.integers(1, 3)),
    data=st.data(),
)
def test_no_domain_gets_too_many_at_once_and_everybody_gets_theirs(
    tmp_path_factory: pytest.TempPathFactory, domains: list[str], limits: dict[str, int], data: st.DataObject
) -> None:
    app = make_app(tmp_path_factory.mktemp("claiming"))
    emails = wait_for(app, domains)
    sender = Sender(app, Limits(per_domain={name: Rates(connections=most) for name, most in limits.items()}))
    claimed: list[str] = []
    while len(claimed) < len(emails):
        room = data.draw(st.integers(1, 8))
        before = sender.under_way
        claimed += sender.claim(room)
        for domain, number in sender.under_way.items():
            assert number <= limits.get(domain, limits.get("*", number))
        free = [
            domain
            for domain in Counter(domains) - Counter(email.partition("@")[2] for email in claimed)
            if sender.under_way[domain] < limits.get(domain, limits.get("*", 99))
        ]
        assert not free or (sender.under_way - before).total() == room, "whoever may go goes"
        for _ in range(data.draw(st.integers(1, len(sender.flying)))):
            sender.answer(data.draw(st.integers(0, len(sender.flying) - 1)))
    assert sorted(claimed) == sorted(emails)
    app.close()

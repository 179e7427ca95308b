"""Our forms are of no use to who wants to fill somebody else's mailbox."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from attacks import ask, join, post, ripe, token
from letters import letters
from webfront import WebFront, served, web_front

from newsletter.joining import handle_requests
from newsletter.joining.asking import IN_TOTAL, PER_NETWORK
from newsletter.model import Status
from newsletter.sending import deliver

VICTIM = "victim@example.org"
SPELLINGS = (VICTIM, "VICTIM@example.org", " victim@EXAMPLE.org ", "Victim@Example.Org.".rstrip("."))
DAY = timedelta(days=1)


@pytest.fixture
def front(tmp_path: Path) -> Iterator[WebFront]:
    with web_front(tmp_path) as made:
        yield made


def network(number: int) -> str:
    """An address of a network of its own."""
    return f"10.{number // 256}.{number % 256}.9"


def test_a_thousand_requests_in_a_day_are_one_mail(front: WebFront, tmp_path: Path) -> None:
    """From as many networks, by both forms, however the address is spelled."""
    for number in range(1_000):
        path = ("/subscribe", "/p")[number % 2]
        fields = {"email": SPELLINGS[number % 4], "opened": ripe(front), "queries": f"ti:query{number}"}
        assert post(front, path, network(number), **fields).status_code == 200
        front.time.now += DAY / 1_001
        if number % 10 == 0:
            handle_requests(front.app)
    handle_requests(front.app)
    assert [(one.to.casefold(), one.template) for one in letters(front.app)] == [(VICTIM, "confirm")]
    deliver(front.app)
    (mail,) = (tmp_path / "outbox" / "new").iterdir()
    assert b"query" not in mail.read_bytes()  # nothing that a stranger wrote
    assert mail.stat().st_size < 3_000


def test_a_reader_is_not_bombed_either(front: WebFront) -> None:
    join(front, VICTIM)
    before = len(letters(front.app))
    front.time.now += DAY
    for number in range(60):
        for path in ("/subscribe", "/p"):
            assert ask(front, VICTIM, path).status_code == (200 if number < PER_NETWORK // 2 else 429)
    assert len(letters(front.app)) == before + 1


def test_who_never_answers_is_asked_once_a_day(front: WebFront) -> None:
    for _ in range(5):
        for _hour in range(24):
            ask(front, VICTIM)
            front.time.now += timedelta(hours=1)
    assert len(letters(front.app)) == 5


def test_a_network_reaches_so_many_addresses_an_hour(front: WebFront) -> None:
    """A network has 256 addresses of IPv4, and of IPv6 any number."""
    for own in ("192.0.2.{}", "2001:db8:1:{:x}::1", "::ffff:198.51.100.{}"):
        taken = [
            post(
                front, "/subscribe", own.format(number), email=f"v{number}@example.org", opened=ripe(front)
            ).status_code
            for number in range(PER_NETWORK + 5)
        ]
        assert taken == [200] * PER_NETWORK + [429] * 5
    handle_requests(front.app)
    assert len(letters(front.app)) == PER_NETWORK + 5 - 5  # the same addresses each time


def test_what_is_refused_is_not_kept(front: WebFront) -> None:
    for _ in range(PER_NETWORK):
        ask(front, VICTIM)
    assert ask(front, "other@example.org").status_code == 429
    assert front.app.subscriptions.find("other@example.org") is None
    assert front.app.storage.database.value("SELECT count(*) FROM requests") == PER_NETWORK


def test_all_networks_together_reach_so_many_an_hour(front: WebFront) -> None:
    taken = [
        post(front, "/subscribe", network(number), email=f"v{number}@example.org", opened=ripe(front)).status_code
        for number in range(IN_TOTAL + 5)
    ]
    assert taken == [200] * IN_TOTAL + [429] * 5
    front.time.now += timedelta(hours=1)
    assert ask(front, VICTIM).status_code == 200


def test_a_reader_cannot_have_others_written_to_without_end(front: WebFront) -> None:
    number = join(front, "ann@example.org")
    front.time.now += timedelta(hours=2)
    reader = token(front, "manage", number)
    answers = [
        post(front, f"/p/{reader}", do="move", email=f"v{place}@example.org").status_code
        for place in range(PER_NETWORK + 5)
    ]
    assert answers == [200] * PER_NETWORK + [429] * 5


def test_what_fills_in_every_field_is_told_nothing(front: WebFront) -> None:
    """The answer is that to everybody, and nothing is kept."""
    for path in ("/subscribe", "/p"):
        person, program = ask(front, "ann@example.org", path), ask(front, VICTIM, path, subject="x")
        assert (program.status, program.data) == (person.status, person.data)
    assert front.app.storage.database.value("SELECT count(*) FROM requests") == 2


def test_what_answers_at_once_or_keeps_a_form_is_refused(front: WebFront) -> None:
    opened = front.app.keyring.make("form", 0, front.time.now)
    for waits, status in ((0, 422), (2, 422), (3, 200), (DAY.total_seconds() - 9, 200), (DAY.total_seconds() + 9, 422)):
        front.time.now += timedelta(seconds=waits)
        answer = post(front, "/subscribe", email=VICTIM, opened=opened)
        assert answer.status_code == status, waits
        front.time.now -= timedelta(seconds=waits)


def test_who_is_not_confirmed_is_forgotten_and_gets_nothing(front: WebFront) -> None:
    ask(front, VICTIM, which="some", queries="ti:secret")
    found = front.app.subscriptions.find(VICTIM)
    assert found is not None
    assert found.status is Status.PENDING
    assert not [topic for topic in front.app.storage.topics.asked() if topic.personal]  # nor is arXiv asked for them


# ---------------------------------------------------------------- whose network it is


def ask_over_the_wire(front: WebFront, url: str, number: int, forwarded: str) -> int:
    fields = {"email": f"v{number}@example.org", "opened": ripe(front)}
    headers = {
        "X-Forwarded-For": forwarded,
        "X-Real-IP": forwarded,
        "Forwarded": f"for={forwarded}",
        "Client-IP": forwarded,
    }
    return requests.post(f"{url}/subscribe", data=fields, headers=headers, timeout=10).status_code


def test_without_a_proxy_nobody_says_where_they_are(front: WebFront) -> None:
    with served(front) as url:
        taken = [ask_over_the_wire(front, url, number, network(number)) for number in range(PER_NETWORK + 1)]
    assert taken == [200] * PER_NETWORK + [429]


def test_of_a_proxy_the_last_hop_counts(front: WebFront) -> None:
    """What stands before it, a client wrote."""
    with served(front, proxy="127.0.0.1") as url:
        assert urlsplit(url).hostname == "127.0.0.1"
        taken = [
            ask_over_the_wire(front, url, number, f"{network(number)}, {network(500 + number)}, 203.0.113.7")
            for number in range(PER_NETWORK + 1)
        ]
        assert taken == [200] * PER_NETWORK + [429]
        assert ask_over_the_wire(front, url, 99, "203.0.113.7, 198.51.100.7") == 200
        odd = [ask_over_the_wire(front, url, number, "unknown") for number in range(PER_NETWORK + 1)]
        assert odd[-1] in (400, 429)


def test_of_somebody_who_is_not_the_proxy_nothing_counts(front: WebFront) -> None:
    with served(front, proxy="127.0.0.9") as url:
        taken = [ask_over_the_wire(front, url, number, network(number)) for number in range(PER_NETWORK + 1)]
    assert taken == [200] * PER_NETWORK + [429]

"""What is mailed to us by who has read no mail of a reader's does nothing to that reader, and is never answered."""

from base64 import b32encode, urlsafe_b64decode
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

import pytest
from attacks import LINE_ENDS, SCRIPTS, SQL
from house import Time, make_app, queue, subscribe
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from returning import by_qmail, complaint, failed, plain

from newsletter.app import App
from newsletter.collecting import collect
from newsletter.model import Status, Subscriber
from newsletter.sending import deliver

VICTIM, EVE = "victim@example.net", "eve@evil.example"
BOX = "bounces@example.org"
PURPOSES = ("unsubscribe", "manage", "confirm", "move", "bounce", "resume", "form")


@dataclass
class House:
    """A newsletter that has mailed two readers: one who reads their mail, and one who is up to something."""

    app: App
    box: Path
    numbers: Iterator[int] = field(default_factory=count)

    def come(self, *mails: bytes) -> None:
        for mail in mails:
            (self.box / f"{next(self.numbers)}.mail").write_bytes(mail)
        collect(self.app)

    def victim(self) -> Subscriber:
        found = self.app.subscriptions.find(VICTIM)
        assert found is not None
        return found

    def is_left_alone(self) -> bool:
        victim = self.victim()
        scores = [one.score for one in self.app.storage.bounces.all(self.app.today()) if one.email == VICTIM]
        return victim.status is Status.CONFIRMED and victim.suppressed is None and not any(scores)


@pytest.fixture
def house(tmp_path: Path, time: Time) -> Iterator[House]:
    yield from opened(tmp_path, time)


@pytest.fixture(scope="module")
def old_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from opened(tmp_path_factory.mktemp("house"), Time())


def opened(folder: Path, time: Time) -> Iterator[House]:
    box = folder / "bounces" / "new"
    box.mkdir(parents=True)
    for part in ("cur", "tmp"):
        (box.parent / part).mkdir()
    settings_ = {"address": BOX, "maildir": "bounces"}
    with closing(
        make_app(folder, time=time, newsletter={"base_url": "https://papers.example.org"}, bounces=settings_)
    ) as app:
        queue(app, VICTIM, EVE)
        deliver(app)
        yield House(app, box)


def own_of(house: House, email: str, purpose: str) -> str:
    """A token of a reader's own, in the form in which return paths have it if that is what it is for."""
    reader = house.app.subscriptions.find(email)
    assert reader is not None
    if purpose == "bounce":
        (number,) = (one.id for one in house.app.storage.deliveries.all(None, 100) if one.email == email)
        return as_in_a_return_path(house.app.keyring.make("bounce", number))
    timed = None if purpose == "unsubscribe" else house.app.now()
    return house.app.keyring.make(purpose, reader.id, timed)


def as_in_a_return_path(token: str) -> str:
    return b32encode(urlsafe_b64decode(token + "=" * (-len(token) % 4))).decode().rstrip("=").lower()


def all_forms(to: str, address: str, leave: str, message_id: str) -> tuple[bytes, ...]:
    """All ways of saying that something is the matter with an address."""
    return (
        failed(to, recipient=address, message_id=message_id),
        failed(to, recipient=address, envelope_id=to.partition("+")[2].partition("@")[0] or "x"),
        failed(to, "5.1.1", recipient=address, more=f"X-Failed-Recipients: {address}\n"),
        by_qmail(to, address),
        complaint(to, recipient=address, mail_from=to, leave=leave, message_id=message_id),
        plain(to, f"unsubscribe {leave}", more=f"Reply-To: {address}\nSender: {address}\n").replace(
            b"ada@example.org", address.encode()
        ),
        plain(to, "unsubscribe", f"unsubscribe {leave}\n").replace(b"ada@example.org", address.encode()),
        plain(to, "Re: your mail", f"Please remove {address}: /u/{leave}\n"),
    )


def test_an_address_proves_nothing(house: House) -> None:
    """Nor do tokens and names that somebody made up, however often and for however many days."""
    for _ in range(8):
        for made_up in ("", "A" * 20, own_of(house, EVE, "bounce")[::-1]):
            house.come(*all_forms(BOX, VICTIM, made_up, "20260106.t000001@example.net"))
            house.come(*all_forms(f"bounces+{made_up}@example.org", VICTIM, made_up, "t1@example.org"))
            assert house.is_left_alone()  # today: what counts once is forgotten in a week
        house.app.outside.sleep(timedelta(days=1).total_seconds())


def test_what_one_reader_has_does_nothing_to_another(house: House) -> None:
    """Eve has mails of her own: their return paths, their names, all of her links."""
    (message_id,) = (one.message_id for one in house.app.storage.deliveries.all(None, 100) if one.email == EVE)
    for purpose in PURPOSES:
        token = own_of(house, EVE, purpose)
        house.come(*all_forms(f"bounces+{own_of(house, EVE, 'bounce')}@example.org", VICTIM, token, message_id))
    assert house.is_left_alone()
    eve = house.app.subscriptions.find(EVE)
    assert eve is not None
    assert eve.status is Status.UNSUBSCRIBED  # which shows that something was understood


def test_a_token_serves_one_purpose_by_mail_too(house: House) -> None:
    """Whatever opens a reader's other doors neither unsubscribes them by mail, nor is it a return path."""
    for purpose in PURPOSES:
        token = own_of(house, VICTIM, purpose)
        if purpose != "unsubscribe":
            house.come(plain(BOX, f"unsubscribe {token}"), complaint(leave=token))
        if purpose != "bounce":
            house.come(failed(f"bounces+{as_in_a_return_path(token)}@example.org"), failed(BOX, envelope_id=token))
    assert house.is_left_alone()


def test_no_bit_of_a_return_path_may_differ(house: House) -> None:
    token = own_of(house, VICTIM, "bounce")
    for place, sign in enumerate(token):
        other = "a" if sign != "a" else "b"
        house.come(failed(f"bounces+{token[:place]}{other}{token[place + 1 :]}@example.org"))
        house.come(failed(f"bounces+{token[:place]}{token[place + 1 :]}@example.org"))
    assert house.is_left_alone()
    house.come(failed(f"bounces+{token}@example.org"))
    assert not house.is_left_alone()


TEXTS = (
    *(VICTIM, f"<{VICTIM}>", BOX, "unsubscribe", "Final-Recipient: rfc822; ", "Action: failed", "Status: 5.1.1", "\n"),
    *("\n\n", "--B\n", "Content-Type: message/delivery-status\n", "Feedback-Type: abuse", *SCRIPTS, *SQL, *LINE_ENDS),
)


@given(st.lists(st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8"), max_size=20), max_size=12).map("".join))
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
def test_no_text_does_anything(old_house: House, text: str) -> None:
    for mail in (
        plain(BOX, text.replace("\n", " "), text),
        failed(BOX, diagnosis=text.replace("\n", " ")),
        text.encode(),
    ):
        old_house.come(mail)
    assert old_house.is_left_alone()


def test_nothing_that_comes_is_answered(house: House) -> None:
    """Or somebody else would get the answer, or two programs would answer each other for ever."""
    before = list(house.app.storage.deliveries.all(None, 100))
    token = own_of(house, EVE, "unsubscribe")
    house.come(*all_forms(BOX, VICTIM, token, "x"), *all_forms(BOX, "stranger@elsewhere.example", "A" * 20, "x"))
    assert list(house.app.storage.deliveries.all(None, 100)) == before
    subscribe(house.app, "later@example.net")
    assert house.app.subscriptions.find("stranger@elsewhere.example") is None

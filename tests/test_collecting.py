"""What comes of mail that comes back: who is counted, who is not mailed any more, who is asked again."""

import email
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from email.policy import default
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner
from house import Time, bring, day, make_app, make_paper, statuses, subscribe
from killing_collecting import open_house
from returning import by_qmail, complaint, failed, plain

from newsletter import status
from newsletter.app import App
from newsletter.bouncing import Kind, Proof
from newsletter.cli.bounces import bounces as bounces_command
from newsletter.cli.context import Context
from newsletter.collecting import BOUNCES, collect, is_due, poll, queue_probes, resume_mail
from newsletter.daemon.heartbeat import Heartbeat
from newsletter.demo.smtp import Envelope, SmtpStandIn
from newsletter.errors import BusyError, MailboxError, StorageError, UsageError
from newsletter.locks import hold
from newsletter.mail.tokens import Keyring
from newsletter.mail.verp import ReturnPath
from newsletter.model import DeliveryStatus, Job, Status, Suppression
from newsletter.sending import deliver
from newsletter.settling import settle
from newsletter.storage.singles import Single
from newsletter.subscriptions import Outcome

ADA, BEN = "ada@example.org", "ben@example.org"


@dataclass
class House:
    """A newsletter whose mail a server takes, and whose returned mail lies in a Maildir."""

    app: App
    server: SmtpStandIn
    time: Time
    box: Path
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def day(self) -> dict[str, Envelope]:
        """Send today's edition; the envelopes by reader."""
        before = len(self.server.received)
        bring(self.app, make_paper(next(self.numbers)))
        settle(self.app, self.app.today())
        deliver(self.app)
        return {received.envelope.recipients[0]: received.envelope for received in self.server.received[before:]}

    def next_day(self, days: int = 1) -> dict[str, Envelope]:
        self.time.now += timedelta(days=days)
        return self.day()

    def message(self) -> email.message.EmailMessage:
        """The last mail that was sent."""
        message = email.message_from_bytes(self.server.received[-1].content, policy=default)
        assert isinstance(message, email.message.EmailMessage)
        return message

    def back(self, *mails: bytes) -> dict[str, int]:
        """Let mails arrive, and read them."""
        for raw in mails:
            (self.box / "new" / f"{next(self.numbers)}.mail.example.org").write_bytes(raw)
        return dict(collect(self.app))

    def score(self, address: str) -> float:
        found = [one.score for one in self.app.storage.bounces.all(self.app.today()) if one.email == address]
        return found[0] if found else 0.0

    def reason(self, address: str) -> Suppression | None:
        return self.app.storage.subscribers.suppression(address)

    def status(self, address: str) -> Status:
        subscriber = self.app.storage.subscribers.find(address)
        assert subscriber is not None
        return subscriber.status

    def left(self) -> int:
        return sum(1 for part in ("new", "cur") for _ in (self.box / part).iterdir())

    def suspend(self, address: str = ADA) -> None:
        """Let three days' mails come back."""
        for _ in range(3):
            self.back(failed(self.next_day()[address].sender))
        assert self.reason(address) is Suppression.BOUNCE


@pytest.fixture
def house(tmp_path: Path, time: Time) -> Iterator[House]:
    with make_house(tmp_path, time) as made:
        yield made


@pytest.fixture
def web(tmp_path: Path, time: Time) -> Iterator[House]:
    with make_house(tmp_path, time, base_url="https://papers.example.org") as made:
        yield made


class make_house:  # noqa: N801 - a context manager
    def __init__(self, folder: Path, time: Time, **newsletter: str) -> None:
        self.folder, self.time, self.newsletter = folder, time, newsletter
        self.server = SmtpStandIn()

    def __enter__(self) -> House:
        box = self.folder / "box"
        for part in ("new", "cur", "tmp"):
            (box / part).mkdir(parents=True)
        server = self.server.__enter__()
        self.app = make_app(
            self.folder,
            time=self.time,
            newsletter=self.newsletter,
            delivery={"transport": "smtp"},
            smtp={"host": server.host, "port": server.port, "connections": 2},
            bounces={"address": "bounces@example.org", "maildir": "box"},
        )
        subscribe(self.app, ADA, BEN)
        return House(self.app, server, self.time, box)

    def __exit__(self, *exc: object) -> None:
        self.app.close()
        self.server.__exit__(None, None, None)


# ---------------------------------------------------------------- the way out


def test_each_mail_has_a_return_path_of_its_own(house: House) -> None:
    first, second = house.day(), house.next_day()
    senders = [envelope.sender for envelopes in (first, second) for envelope in envelopes.values()]
    assert len(set(senders)) == 4
    path = ReturnPath("bounces@example.org", house.app.keyring)
    assert sorted(senders) == sorted(path.of(delivery.id) for delivery in house.app.storage.deliveries.all(None, 10))
    assert house.message()["From"] == "Daily Papers <papers@example.org>"


def test_without_a_mailbox_mail_comes_back_to_the_sender(tmp_path: Path, time: Time) -> None:
    with SmtpStandIn() as server:
        smtp = {"host": server.host, "port": server.port}
        with closing(make_app(tmp_path, time=time, delivery={"transport": "smtp"}, smtp=smtp)) as app:
            subscribe(app, ADA)
            bring(app, make_paper(1))
            settle(app, day())
            deliver(app)
        ((envelope, _),) = server.received
    assert envelope.sender == "papers@example.org"


def test_wishes_to_leave_are_mailed_to_where_they_are_read(house: House) -> None:
    house.day()
    link = house.message()["List-Unsubscribe"].strip()
    assert link.startswith("<mailto:bounces@example.org?subject=unsubscribe%20")


# ---------------------------------------------------------------- refusals at once


def refuse(house: House, address: str, reply: str) -> None:
    house.server.script = lambda step: reply if step.stage == "RCPT" and step.address == address else None


def test_a_refusal_counts_and_the_third_day_suspends(house: House) -> None:
    refuse(house, ADA, "550 5.1.1 no such user")
    house.day()
    assert (house.score(ADA), house.score(BEN)) == (1.0, 0.0)
    (one,) = house.app.storage.bounces.all(house.app.today())
    assert (one.kind, one.proof, one.status, one.text) == ("hard", "answer", "5.1.1", "550 5.1.1 no such user")
    house.next_day()
    assert house.reason(ADA) is None
    house.next_day()
    assert house.reason(ADA) is Suppression.BOUNCE
    assert house.app.storage.bounces.suspended() == 1
    house.next_day()
    assert ADA not in {received.envelope.recipients[0] for received in house.server.received}
    assert house.reason(BEN) is None


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("552 5.2.2 full", 0.5),
        ("452 4.2.2 full", 0.5),
        ("550 5.2.2 full", 0.5),
        ("450 4.2.0 greylisted", 0.0),
        ("451 4.3.0 later", 0.0),
        ("550 5.7.1 blocked", 0.0),
        ("550 blocked by a list", 0.0),
        ("554 5.6.0 we do not like it", 0.0),
    ],
)
def test_what_other_refusals_count(house: House, reply: str, score: float) -> None:
    refuse(house, ADA, reply)
    house.day()
    for _ in range(3):  # however often that is tried
        house.time.now += timedelta(hours=1)
        deliver(house.app)
    assert house.score(ADA) == score


def test_a_mailbox_that_is_full_for_six_days_is_left_alone(house: House) -> None:
    refuse(house, ADA, "552 5.2.2 full")
    for days in range(6):
        assert house.reason(ADA) is None
        house.next_day()
        assert house.score(ADA) == (days + 1) / 2
    assert house.reason(ADA) is Suppression.BOUNCE
    waiting = (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED)
    assert [one.email for kind in waiting for one in house.app.storage.deliveries.all(kind, 10)] == []


def test_the_score_and_the_answer_are_one_transaction(house: House) -> None:
    """A disk that is full after the answer was written leaves neither."""
    refuse(house, ADA, "550 5.1.1 no such user")
    house.app.storage.database.execute(
        "CREATE TEMP TRIGGER full BEFORE INSERT ON main.scores BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
    )
    with pytest.raises(StorageError):
        house.day()
    assert statuses(house.app)[ADA] is DeliveryStatus.SENDING
    assert house.app.storage.bounces.all(house.app.today()) == []


# ---------------------------------------------------------------- reports


def test_a_report_to_the_return_path_counts(house: House) -> None:
    assert house.back(failed(house.day()[ADA].sender)) == {"hard": 1}
    (one,) = house.app.storage.bounces.all(house.app.today())
    assert (one.email, one.score, one.kind, one.proof, one.status) == (ADA, 1.0, "hard", "keyed", "5.1.1")
    assert house.left() == 0
    assert collect(house.app) == {}


def by_envelope_id(house: House, envelope: Envelope, message_id: str) -> bytes:
    token = envelope.sender.partition("+")[2].partition("@")[0]
    return failed("bounces@example.org", envelope_id=token)


def by_message_id(house: House, envelope: Envelope, message_id: str) -> bytes:
    return failed("bounces@example.org", message_id=message_id)


def by_reference(house: House, envelope: Envelope, message_id: str) -> bytes:
    return failed("bounces@example.org", more=f"In-Reply-To: <{message_id}>\n")


def by_return_path_in_capitals(house: House, envelope: Envelope, message_id: str) -> bytes:
    return failed(envelope.sender.upper())


def by_guess(house: House, envelope: Envelope, message_id: str) -> bytes:
    return by_qmail(envelope.sender)


GENUINE: dict[Callable[[House, Envelope, str], bytes], Proof] = {
    by_envelope_id: Proof.KEYED,
    by_message_id: Proof.MESSAGE_ID,
    by_reference: Proof.MESSAGE_ID,
    by_return_path_in_capitals: Proof.KEYED,
    by_guess: Proof.KEYED,
}


@pytest.mark.parametrize("make", GENUINE, ids=lambda make: make.__name__)
def test_how_our_mail_is_known(house: House, make: Callable[[House, Envelope, str], bytes]) -> None:
    envelope = house.day()[ADA]
    message_id = house.app.storage.database.value(
        "SELECT message_id FROM deliveries JOIN subscribers AS s ON s.id = subscriber_id WHERE s.email = ?", (ADA,)
    )
    assert house.back(make(house, envelope, message_id)) == {"hard": 1}
    assert (house.score(ADA), house.score(BEN)) == (1.0, 0.0)
    (one,) = house.app.storage.bounces.all(house.app.today())
    assert one.proof == GENUINE[make]


@pytest.mark.parametrize(
    ("status", "action", "kind", "score"),
    [
        ("5.1.1", "failed", "hard", 1.0),
        ("5.2.2", "failed", "soft", 0.5),
        ("4.4.7", "failed", "soft", 0.5),
        ("5.7.1", "failed", "policy", 0.0),
        ("5.6.0", "failed", "ours", 0.0),
        ("4.4.1", "delayed", "delayed", 0.0),
        ("2.0.0", "delivered", "delivered", 0.0),
        ("2.0.0", "relayed", "delivered", 0.0),
    ],
)
def test_what_a_report_counts(house: House, status: str, action: str, kind: str, score: float) -> None:
    assert house.back(failed(house.day()[ADA].sender, status, "smtp; ", action=action)) == {kind: 1}
    assert house.score(ADA) == score


def test_a_delivery_counts_once_and_a_day_counts_once(house: House) -> None:
    first = house.day()[ADA].sender
    house.back(failed(first), failed(first, more="X-Again: yes\n"))
    assert house.score(ADA) == 1.0
    house.time.now += timedelta(days=1)
    assert house.back(failed(first, more="X-Again: no\n")) == {"hard": 1}
    assert house.score(ADA) == 1.0
    house.back(failed(house.day()[ADA].sender))
    assert house.score(ADA) == 2.0


def test_a_delivery_that_turns_out_to_be_worse_counts_the_difference(house: House) -> None:
    sender = house.day()[ADA].sender
    house.back(failed(sender, "5.2.2", "smtp; 552"))
    assert house.score(ADA) == 0.5
    house.back(failed(sender))
    assert house.score(ADA) == 1.0


def test_what_is_about_us_is_shown_and_marks_nobody(house: House) -> None:
    for _ in range(5):
        sender = house.next_day()[ADA].sender
        house.back(failed(sender, "5.7.26", f"smtp; 550 5.7.26 unauthenticated mail to {ADA}"))
    assert house.reason(ADA) is None
    report = status.report(house.app)
    assert report.bounces["policy"] == 5
    (remark,) = [remark for remark in report.remarks if "about us" in remark]
    assert "550 5.7.26 unauthenticated" in remark
    assert ADA not in remark


def test_seven_quiet_days_forget(house: House) -> None:
    house.back(failed(house.day()[ADA].sender))
    house.time.now += timedelta(days=7)
    assert house.score(ADA) == 1.0
    house.time.now += timedelta(days=1)
    assert house.score(ADA) == 0.0
    collect(house.app)
    assert house.app.storage.database.value("SELECT count(*) FROM scores") == 0


# ---------------------------------------------------------------- forged


def of_nobody(house: House, envelope: Envelope) -> bytes:
    return failed(envelope.sender.replace("+a", "+b", 1))


def of_another_purpose(house: House, envelope: Envelope) -> bytes:
    class Misused(Keyring):
        """Makes links to leave where return paths are asked for."""

        def make(self, purpose: str, number: int, made: object = None) -> str:
            return super().make("unsubscribe", number)

    misused = Misused(house.app.storage.keys.tokens())
    return failed(ReturnPath("bounces@example.org", misused).of(1))


def of_another_key(house: House, envelope: Envelope) -> bytes:
    return failed(ReturnPath("bounces@example.org", Keyring({1: b"x" * 32})).of(1))


def with_a_link_to_leave(house: House, envelope: Envelope) -> bytes:
    leave = house.app.keyring.make("unsubscribe", 1)
    return failed(f"bounces+{leave}@example.org", envelope_id=leave)


def of_a_delivery_to_come(house: House, envelope: Envelope) -> bytes:
    return failed(ReturnPath("bounces@example.org", house.app.keyring).of(1_000))


def of_long_ago(house: House, envelope: Envelope) -> bytes:
    house.time.now += timedelta(days=30, seconds=1)
    return failed(envelope.sender)


def of_an_address_alone(house: House, envelope: Envelope) -> bytes:
    return failed("bounces@example.org")


def of_a_guess_alone(house: House, envelope: Envelope) -> bytes:
    return by_qmail("bounces@example.org")


def of_a_message_id_that_is_not_ours(house: House, envelope: Envelope) -> bytes:
    return failed("bounces@example.org", message_id="20260106.t999999@example.org")


FORGED = (
    of_nobody,
    of_another_purpose,
    of_another_key,
    with_a_link_to_leave,
    of_a_delivery_to_come,
    of_long_ago,
    of_an_address_alone,
    of_a_guess_alone,
    of_a_message_id_that_is_not_ours,
)


@pytest.mark.parametrize("forge", FORGED, ids=lambda forge: forge.__name__)
def test_a_forged_report_counts_for_nobody(house: House, forge: Callable[[House, Envelope], bytes]) -> None:
    raw = forge(house, house.day()[ADA])
    for _ in range(5):
        assert house.back(raw) == {"unproven": 1}
        house.time.now += timedelta(days=1)
    assert (house.score(ADA), house.score(BEN)) == (0.0, 0.0)
    assert (house.reason(ADA), house.reason(BEN)) == (None, None)
    assert status.report(house.app).bounces == {"unproven": 5}
    shown = house.app.storage.bounces.all(house.app.today())  # all name the same address
    assert [(one.email, one.proof, one.score) for one in shown] == [(ADA, "none", 0.0)]


def test_just_not_too_long_ago(house: House) -> None:
    sender = house.day()[ADA].sender
    house.time.now += timedelta(days=30)
    assert house.back(failed(sender)) == {"hard": 1}


def test_what_is_proven_is_shown_before_what_is_not(house: House) -> None:
    house.back(failed(house.day()[ADA].sender), failed("bounces@example.org", "5.7.1", "smtp; 550 forged"))
    (one,) = house.app.storage.bounces.all(house.app.today())
    assert (one.proof, one.status) == ("keyed", "5.1.1")


def test_an_address_that_is_nobodys_is_not_kept(house: House) -> None:
    assert house.back(failed("bounces@example.org", recipient="stranger@elsewhere.example")) == {"unproven": 1}
    rows = house.app.storage.database.rows("SELECT * FROM bounces")
    assert "stranger" not in str([tuple(row) for row in rows])


# ---------------------------------------------------------------- complaints


def test_a_complaint_ends_it_at_once(house: House) -> None:
    sender = house.day()[ADA].sender
    assert house.back(complaint(mail_from=sender)) == {"complaint": 1}
    assert (house.status(ADA), house.reason(ADA)) == (Status.UNSUBSCRIBED, Suppression.COMPLAINT)
    assert (house.status(BEN), house.reason(BEN)) == (Status.CONFIRMED, None)
    assert house.left() == 0
    assert list(house.next_day()) == [BEN]


def test_a_complaint_about_a_mail_that_others_have_read_only_unsubscribes(house: House) -> None:
    house.day()
    message_id = str(house.message()["Message-ID"]).strip("<>")
    reader = house.server.received[-1].envelope.recipients[0]
    assert house.back(complaint(message_id=message_id)) == {"complaint": 1}
    assert (house.status(reader), house.reason(reader)) == (Status.UNSUBSCRIBED, None)


def test_a_complaint_with_nothing_but_a_link_to_leave_unsubscribes(house: House) -> None:
    house.day()
    leave = house.app.keyring.make("unsubscribe", 1)
    assert house.back(complaint(leave=leave)) == {"complaint": 1}
    assert (house.status(ADA), house.reason(ADA)) == (Status.UNSUBSCRIBED, None)


def test_a_forged_complaint_does_nothing_and_stays_to_be_read(house: House) -> None:
    sender = house.day()[ADA].sender
    forged = ReturnPath("bounces@example.org", Keyring({1: b"x" * 32})).of(1)
    mails = (complaint(recipient=ADA), complaint(mail_from=forged), complaint(kind="not-spam", mail_from=sender))
    assert house.back(*mails) == {"unproven": 2, "unknown": 1}
    assert (house.status(ADA), house.reason(ADA)) == (Status.CONFIRMED, None)
    assert house.left() == 3
    assert any("3 mails in the bounce mailbox" in remark for remark in status.report(house.app).remarks)


def test_a_complaint_goes_before_a_suspension(web: House) -> None:
    web.suspend()
    sender = ReturnPath("bounces@example.org", web.app.keyring).of(1)
    web.back(complaint(mail_from=sender))
    assert web.reason(ADA) is Suppression.COMPLAINT
    assert resume_mail(web.app, 1) is Outcome.SUPPRESSED


def test_the_operator_does_not_silence_us_by_a_slip(tmp_path: Path, time: Time) -> None:
    with make_house(tmp_path, time, operator="Op <op@example.org>") as house:
        for address in ("op@example.org", "stranger@example.org"):
            single(house, address)
            house.back(complaint(mail_from=house.server.received[-1].envelope.sender))
        assert house.reason("op@example.org") is None
        assert house.reason("stranger@example.org") is Suppression.COMPLAINT


def single(house: House, to: str, subscriber_id: int | None = None) -> None:
    app = house.app
    with app.storage.write():
        app.storage.deliveries.queue_single(
            Single("probe", {"newsletter": "x", "link": "", "address": "x@example.org", "days": 1}, to),
            f"single.{next(house.numbers)}@example.org",
            day=day(),
            expires=app.now() + timedelta(days=1),
            now=app.now(),
            subscriber_id=subscriber_id,
        )
    deliver(app)


def test_a_mail_to_an_address_that_is_not_the_readers_is_not_about_the_reader(house: House) -> None:
    """Such as the one that asks whether a new address is theirs."""
    single(house, "new@example.org", subscriber_id=1)
    sender = house.server.received[-1].envelope.sender
    house.back(failed(sender), complaint(mail_from=sender))
    assert (house.status(ADA), house.score(ADA)) == (Status.CONFIRMED, 0.0)


def test_what_comes_back_from_an_address_they_have_left_is_forgotten(house: House) -> None:
    house.back(failed(house.day()[ADA].sender))
    late = house.next_day()[ADA].sender
    house.time.now += timedelta(hours=1)
    house.app.subscriptions.move(ADA, "new@example.org", now=house.app.now())
    assert house.score("new@example.org") == 0.0
    assert house.back(failed(late)) == {"unproven": 1}
    assert house.score("new@example.org") == 0.0
    house.back(failed(house.next_day()["new@example.org"].sender))
    assert house.score("new@example.org") == 1.0


# ---------------------------------------------------------------- leaving by mail


def test_a_mail_with_the_token_unsubscribes(house: House) -> None:
    house.day()
    (link,) = [part for part in house.message()["List-Unsubscribe"].split(",") if "mailto:" in part]
    subject = link.partition("subject=")[2].rstrip(">").replace("%20", " ")
    reader = house.server.received[-1].envelope.recipients[0]
    assert house.back(plain("bounces@example.org", subject)) == {"left": 1}
    assert house.status(reader) is Status.UNSUBSCRIBED
    assert house.left() == 0


def test_a_mail_without_it_does_nothing_and_stays_to_be_read(house: House) -> None:
    token = house.app.keyring.make("manage", 1)
    forged = Keyring({1: b"x" * 32}).make("unsubscribe", 1)
    mails = [plain("bounces@example.org", f"unsubscribe {word}") for word in ("", token, forged)]
    assert house.back(*mails) == {"asks to leave": 3}
    assert (house.status(ADA), house.left()) == (Status.CONFIRMED, 3)


def test_it_works_from_mails_of_years_ago(house: House) -> None:
    token = house.app.keyring.make("unsubscribe", 1)
    with house.app.storage.write():
        house.app.storage.keys.rotate()
    house.time.now += timedelta(days=2_000)
    house.back(plain("bounces@example.org", f"unsubscribe {token}"))
    assert house.status(ADA) is Status.UNSUBSCRIBED


# ---------------------------------------------------------------- the mailbox


def test_what_is_not_understood_stays_and_is_looked_at_once(house: House) -> None:
    sender = house.day()[ADA].sender
    mails = (plain(sender, "Hello"), plain(sender, "Out of office: Papers"), b"\xff\x00", failed(sender))
    assert house.back(*mails) == {"unknown": 2, "auto-reply": 1, "hard": 1}
    assert house.left() == 2
    for path in (house.box / "new").iterdir():  # a mail program looks at it
        path.rename(house.box / "cur" / f"{path.name}:2,S")
    assert house.back() == {}
    assert house.left() == 2
    assert house.app.storage.collected.kept() == 2
    for path in (house.box / "cur").iterdir():
        path.unlink()
    assert house.back() == {}
    assert house.app.storage.collected.kept() == 0


def test_one_process_reads_it_at_a_time(house: House) -> None:
    with hold(house.app.lock_file(BOUNCES), "reading"), pytest.raises(BusyError):
        collect(house.app)


def test_without_a_mailbox_there_is_nothing_to_read(tmp_path: Path) -> None:
    with closing(make_app(tmp_path)) as app:
        with pytest.raises(UsageError, match=r"\[bounces\] is not set"):
            collect(app)
        poll(app)
        assert app.storage.jobs.of(BOUNCES) is None


def test_a_copy_of_the_database_leaves_the_mailbox_alone(house: House) -> None:
    sender = house.day()[ADA].sender
    house.app.config.newsletter.database.with_name("subscribers.db.instance").unlink()
    with pytest.raises(StorageError):
        house.back(failed(sender))
    assert house.left() == 1


def test_killed_anywhere_it_counts_each_mail_once(tmp_path: Path) -> None:
    folder = tmp_path / "house"
    for part in ("new", "cur", "tmp"):
        (folder / "box" / part).mkdir(parents=True)
    with closing(open_house(folder)) as app:
        subscribe(app, ADA, BEN)
        bring(app, make_paper(1))
        settle(app, day())
        deliver(app)
        senders = [app.return_path.of(one.id) for one in app.storage.deliveries.all(None, 9)]  # type: ignore[union-attr]
        leave = app.keyring.make("unsubscribe", 2)
    mails = [failed(senders[0]), plain(senders[0], "x", more="X-Autoreply: yes\n"), plain(senders[1], "What is this?")]
    for number, raw in enumerate([*mails, plain("bounces@example.org", f"unsubscribe {leave}")]):
        (folder / "box" / "new" / f"{number}.x").write_bytes(raw)
    ends = killed(tmp_path, 1_000_000)
    assert ends == {1_000_000: (0, 0)}
    whole = outcome(tmp_path / "1000000")
    assert whole[0] == {"hard": 1, "auto-reply": 1, "unknown": 1, "left": 1}
    effects = (tmp_path / "1000000/effects").read_text().splitlines()
    assert any("DELETE FROM collected" in effect for effect in effects)
    assert sum("os.remove" in effect for effect in effects) == 3
    numbers = range(1, len(effects) + 1)
    assert killed(tmp_path, *numbers) == dict.fromkeys(numbers, (-9, 0))
    for number in numbers:
        assert outcome(tmp_path / str(number)) == whole, effects[number - 1]


def killed(folder: Path, *numbers: int) -> dict[int, tuple[int, int]]:
    program = [sys.executable, str(Path(__file__).with_name("killing_collecting.py")), str(folder)]
    done = subprocess.run([*program, *map(str, numbers)], env=os.environ, capture_output=True, text=True, check=True)
    rows = (tuple(map(int, line.split())) for line in done.stdout.splitlines())
    return {number: (first, second) for number, first, second in rows}


def outcome(folder: Path) -> tuple[dict[str, int], list[tuple[str, float]], set[str], int]:
    with closing(open_house(folder)) as app:
        scores = [(one.email, one.score) for one in app.storage.bounces.all(app.today())]
        left = {path.name for path in (folder / "box" / "new").iterdir()}
        counts = app.storage.bounces.counts(app.now() - timedelta(days=1))
        return counts, scores, left, app.storage.collected.kept()


# ---------------------------------------------------------------- the daemon's part


def test_how_often_the_daemon_looks() -> None:
    now = Time().now

    def job(minutes: float, failures: int = 0) -> Job:
        began = now - timedelta(minutes=minutes)
        return Job(BOUNCES, 1, began, began, failures=failures)

    assert is_due(None, now)
    assert not is_due(job(4.9), now)
    assert is_due(job(5), now)
    assert not is_due(job(9.9, failures=1), now)
    assert is_due(job(10, failures=1), now)
    assert not is_due(job(59, failures=1_000), now)
    assert is_due(job(60, failures=1_000), now)
    assert is_due(job(-60), now), "the clock was set back"


def test_a_dead_mailbox_keeps_nobody_from_their_work_and_is_told_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    (house.box / "new").rmdir()
    for _ in range(30):
        house.time.now += timedelta(hours=1)
        poll(house.app)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    job = house.app.storage.jobs.of(BOUNCES)
    assert job is not None
    assert job.failures == 30
    assert any(late.startswith("bounces failed 30 times in a row") for late in status.report(house.app).overdue)
    (house.box / "new").mkdir()
    house.time.now += timedelta(hours=1)
    poll(house.app)
    assert status.report(house.app).overdue == ()


def test_the_operator_is_mailed_of_a_dead_mailbox_once(tmp_path: Path, time: Time) -> None:
    from newsletter.warning import warn

    with make_house(tmp_path, time, operator="op@example.org") as house:
        (house.box / "new").rmdir()
        for _ in range(60):
            house.time.now += timedelta(hours=1)
            poll(house.app)
            warn(house.app)
        deliver(house.app)
        ((envelope, raw),) = house.server.received
    assert envelope.recipients == ("op@example.org",)
    assert b"bounces" in raw


def test_the_heart_looks_and_asks(web: House) -> None:
    web.suspend()
    web.time.now = web.time.now.replace(hour=5) + timedelta(days=8)  # nothing is published at this hour
    (web.box / "new" / "1.x").write_bytes(plain("bounces@example.org", "x", more="X-Autoreply: 1\n"))
    Heartbeat(web.app, lambda _seconds: True).beat()
    assert web.left() == 0
    assert [delivery.email for delivery in web.app.storage.deliveries.all(DeliveryStatus.QUEUED, 10)] == [ADA]


def test_between_two_looks_the_mailbox_is_left_alone(house: House) -> None:
    sender = house.day()[ADA].sender
    poll(house.app)
    (house.box / "new" / "1.x").write_bytes(failed(sender))
    house.time.now += timedelta(minutes=4)
    poll(house.app)
    assert house.left() == 1
    house.time.now += timedelta(minutes=1)
    poll(house.app)
    assert house.left() == 0


def test_the_rest_is_left_for_the_next_time_when_time_is_up(tmp_path: Path, time: Time) -> None:
    folder = tmp_path / "box"
    for part in ("new", "cur", "tmp"):
        (folder / part).mkdir(parents=True)
    for number in range(10):
        (folder / "new" / f"{number}.x").write_bytes(plain("b@example.org", "x", more="X-Autoreply: 1\n"))
    ticks = count()  # a second for each look at the clock
    outside = {"monotonic": lambda: float(next(ticks))}
    section = {"address": "bounces@example.org", "maildir": "box"}
    with closing(make_app(tmp_path, time=time, outside=outside, bounces=section)) as app:
        assert collect(app, patience=4.0) == {"auto-reply": 4}
        assert len(list((folder / "new").iterdir())) == 6
        assert collect(app, patience=100.0) == {"auto-reply": 6}


# ---------------------------------------------------------------- asking again


def test_a_week_later_one_mail_asks(web: House) -> None:
    web.suspend()
    web.time.now += timedelta(days=7) - timedelta(seconds=1)
    assert queue_probes(web.app) == 0
    web.time.now += timedelta(seconds=1)
    assert queue_probes(web.app) == 1
    deliver(web.app)
    message, envelope = web.message(), web.server.received[-1].envelope
    assert envelope.recipients == (ADA,)
    assert envelope.sender.startswith("bounces+")
    assert message["Auto-Submitted"] == "auto-generated"
    text = message.get_content()
    (link,) = [line for line in text.splitlines() if line.startswith("https://papers.example.org/r/")]
    token = web.app.keyring.read("resume", link.rpartition("/")[2], timed=True)
    assert token is not None
    assert (token.number, token.made) == (1, web.time.now)
    web.back(failed(envelope.sender))  # it came back, too
    for _ in range(30):
        web.time.now += timedelta(days=1)
        assert queue_probes(web.app) == 0
    assert web.reason(ADA) is Suppression.BOUNCE


def test_without_a_web_front_one_answers(house: House) -> None:
    house.suspend()
    house.time.now += timedelta(days=7)
    poll(house.app)
    deliver(house.app)
    text = " ".join(house.message().get_content().split())
    assert "answer this mail, or write to papers@example.org" in text
    assert "https:" not in text


def test_who_presses_the_button_is_mailed_again_from_now_on(web: House) -> None:
    web.suspend()
    web.time.now += timedelta(days=7)
    queue_probes(web.app)
    assert resume_mail(web.app, 1) is Outcome.DONE
    assert resume_mail(web.app, 1) is Outcome.ALREADY
    assert resume_mail(web.app, 1_000) is Outcome.UNKNOWN
    assert (web.reason(ADA), web.score(ADA)) == (None, 0.0)
    assert web.app.storage.database.value("SELECT count(*) FROM scores") == 0
    assert sorted(web.next_day()) == [ADA, BEN]
    assert web.app.storage.deliveries.overlapping() == []
    web.suspend()  # and asked again, should it be needed
    web.time.now += timedelta(days=7)
    assert queue_probes(web.app) == 1


@pytest.mark.parametrize("reason", [Suppression.COMPLAINT, Suppression.MANUAL])
def test_the_button_undoes_nothing_else(web: House, reason: Suppression) -> None:
    web.app.subscriptions.suppress(ADA, reason, now=web.app.now())
    assert resume_mail(web.app, 1) is Outcome.SUPPRESSED
    assert web.reason(ADA) is reason


def test_whom_the_operator_mails_again_begins_anew(house: House) -> None:
    house.suspend()
    house.app.subscriptions.unsuppress(ADA, today=house.app.today())
    assert house.score(ADA) == 0.0
    house.back(failed(house.next_day()[ADA].sender))
    assert (house.score(ADA), house.reason(ADA)) == (1.0, None)


def test_who_has_left_meanwhile_is_not_asked(web: House) -> None:
    web.suspend()
    web.app.subscriptions.unsubscribe(ADA, today=web.app.today(), now=web.app.now())
    web.time.now += timedelta(days=7)
    assert queue_probes(web.app) == 0


def test_who_is_removed_leaves_nothing_behind(house: House) -> None:
    house.suspend()
    house.app.subscriptions.remove(ADA, now=house.app.now())
    tables = ("bounces", "scores")
    assert [house.app.storage.database.value(f"SELECT count(*) FROM {table}") for table in tables] == [0, 0]


def test_reports_are_forgotten_after_ninety_days(house: House) -> None:
    house.back(failed(house.day()[ADA].sender))
    house.time.now += timedelta(days=91)
    house.back()
    assert house.app.storage.bounces.all(house.app.today()) == []


# ---------------------------------------------------------------- what an operator sees


def run(app: App, *arguments: str) -> str:
    context = Context(app.config.path)
    context.app = context.looking = app
    result = CliRunner().invoke(bounces_command, arguments, obj=context)
    assert result.exception is None, result.exception
    return result.stdout


def test_the_list_and_the_collection(house: House) -> None:
    sender = house.day()[ADA].sender
    (house.box / "new" / "1.x").write_bytes(failed(sender, diagnosis="smtp; 550 5.1.1 no \x1b[31msuch user"))
    (house.box / "new" / "2.x").write_bytes(plain(sender, "Hello"))
    assert run(house.app, "collect") == "Mails: 1 hard, 1 unknown.\n1 stay in the mailbox for you to read.\n"
    header, line = run(house.app, "list").splitlines()
    assert header.split() == ["EMAIL", "SCORE", "SUSPENDED", "LAST", "KIND", "PROOF", "STATUS", "SAID"]
    assert line.split(maxsplit=6) == [ADA, "1", "2026-01-06", "hard", "keyed", "5.1.1", "550 5.1.1 no [31msuch user"]
    assert '"score": 1.0' in run(house.app, "list", "--json")
    assert run(house.app, "collect", "--json") == "{}\n"


def test_a_maildir_that_nothing_was_filed_in_yet_need_not_be_there(house: House) -> None:
    for part in ("new", "cur", "tmp"):
        (house.box / part).rmdir()
    house.box.rmdir()
    assert "is not there yet" in run(house.app, "collect")
    house.box.mkdir()
    with pytest.raises(MailboxError, match="no Maildir that can be read: new"):
        collect(house.app)


def test_no_address_is_logged(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    senders = {address: envelope.sender for address, envelope in house.day().items()}
    refuse(house, ADA, f"550 5.1.1 <{ADA}> unknown")
    mails = (failed(senders[ADA]), failed("bounces@example.org"), complaint(mail_from=senders[BEN], recipient=BEN))
    house.back(*mails, by_qmail("bounces@example.org"), plain(senders[ADA], f"unsubscribe {'x' * 24}"))
    house.next_day()
    logged = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("newsletter"))
    assert "proof=keyed" in logged
    assert house.app.fingerprint(ADA) in logged
    for secret in (ADA, BEN, "ada@", senders[ADA].partition("+")[2].partition("@")[0]):
        assert secret not in logged, secret


def test_kinds_are_what_status_counts(house: House) -> None:
    house.back(failed(house.day()[ADA].sender))
    report = status.report(house.app)
    assert report.bounces == {Kind.HARD: 1}
    assert report.suspended == 0

"""Addresses whose local part is beyond ASCII: sent with SMTPUTF8 (RFC 6531), or not sent, and said whose they are."""

from pathlib import Path
from typing import Any

import pytest
from carrying import send
from house import Time, make_app, queue, statuses

from newsletter.app import App
from newsletter.demo.smtp import SmtpStandIn, say_at
from newsletter.errors import TransportError
from newsletter.model import DeliveryStatus
from newsletter.sending import deliver
from newsletter.storage.singles import Single

SENT, BOUNCED = DeliveryStatus.SENT, DeliveryStatus.BOUNCED
UTF8 = {"SMTPUTF8", "BODY=8BITMIME"}


def smtp_app(folder: Path, server: SmtpStandIn, time: Time, **newsletter: Any) -> App:
    section = {"host": server.host, "port": server.port, "connections": 1}
    return make_app(folder, time=time, newsletter=newsletter, delivery={"transport": "smtp"}, smtp=section)


def header(raw: bytes, name: str) -> str:
    head = raw.partition(b"\r\n\r\n")[0].decode().replace("\r\n ", " ")
    (value,) = (line.removeprefix(f"{name}: ") for line in head.split("\r\n") if line.startswith(f"{name}: "))
    return value


def test_a_reader_beyond_ascii_gets_it_as_it_is(tmp_path: Path, time: Time) -> None:
    with SmtpStandIn() as server:
        app = smtp_app(tmp_path, server, time)
        queue(app, "a@example.org", "jürgen@example.org", "用户@例え.jp", "z@example.org")
        assert deliver(app)[SENT] == 4
        app.close()
    assert {received.envelope.connection for received in server.received} == {1}
    for envelope, raw in server.received:
        (recipient,) = envelope.recipients
        assert header(raw, "To") == recipient
        assert raw.isascii() == recipient.isascii()
        assert set(envelope.options) & UTF8 == (set() if recipient.isascii() else UTF8)
    assert {envelope.recipients[0] for envelope, _ in server.received} >= {"jürgen@example.org", "用户@xn--r8jz45g.jp"}


def test_a_reader_beyond_ascii_is_refused_where_the_server_takes_none(tmp_path: Path, time: Time) -> None:
    with SmtpStandIn(smtputf8=False) as server:
        app = smtp_app(tmp_path, server, time)
        queue(app, "jürgen@example.org", "plain@bücher.example")
        deliver(app)
        assert statuses(app) == {"jürgen@example.org": BOUNCED, "plain@bücher.example": SENT}
        (delivery,) = app.storage.deliveries.all(BOUNCED, 10)
        assert delivery.reply == "the server takes no addresses beyond ASCII (SMTPUTF8)"
        app.close()
    ((envelope, raw),) = server.received
    assert raw.isascii()
    assert not set(envelope.options) & UTF8


OURS = [{"sender": "Zürich <zürich@example.org>"}, {"reply_to": "zürich@example.org"}]


@pytest.mark.parametrize("ours", OURS, ids=["sender", "reply_to"])
def test_what_is_ours_goes_with_all_mail(tmp_path: Path, time: Time, ours: dict[str, str]) -> None:
    with SmtpStandIn() as server:
        app = smtp_app(tmp_path, server, time, **ours)
        queue(app, "a@example.org", "b@example.org")
        assert deliver(app)[SENT] == 2
        app.close()
    for envelope, raw in server.received:
        assert set(envelope.options) >= UTF8
        assert not raw.isascii()
        assert header(raw, "Reply-To").endswith("<zürich@example.org>")
        assert envelope.sender == ("zürich@example.org" if "sender" in ours else "papers@example.org")


@pytest.mark.parametrize("ours", OURS, ids=["sender", "reply_to"])
@pytest.mark.parametrize("reader", ["a@example.org", "jürgen@example.org"])
def test_what_is_ours_is_never_sent_without(tmp_path: Path, time: Time, ours: dict[str, str], reader: str) -> None:
    with SmtpStandIn(smtputf8=False) as server:
        app = smtp_app(tmp_path, server, time, **ours)
        queue(app, reader, "b@example.org")
        reason = rf"127\.0\.0\.1 takes no addresses beyond ASCII \(SMTPUTF8\), and \[newsletter\] {next(iter(ours))} is"
        with pytest.raises(TransportError, match=reason):
            deliver(app)
        assert server.received == []
        about_them = not reader.isascii() and "sender" not in ours  # then it would be refused whatever our own are
        bounced = {email for email, status in statuses(app).items() if status is BOUNCED}
        assert bounced == ({reader} if about_them else set())
        app.close()


def test_an_operator_beyond_ascii_is_one_reader_among_others(tmp_path: Path, time: Time) -> None:
    """Digests name them in percent-encoded form; what is mailed to themselves needs SMTPUTF8."""
    with SmtpStandIn(smtputf8=False) as server:
        app = smtp_app(tmp_path, server, time, operator="Jürgen <jürgen@example.org>")
        queue(app, "a@example.org")
        values = {"newsletter": "x"}
        now = app.now()
        with app.storage.write():
            app.storage.deliveries.queue_single(
                Single("operator", values, "jürgen@example.org"),
                "1@example.org",
                day=app.today(),
                expires=now.replace(year=2030),
                now=now,
            )
        deliver(app)
        app.close()
    ((_, raw),) = server.received
    assert raw.isascii()
    assert header(raw, "List-Owner") == "<mailto:j%C3%BCrgen@example.org>"


@pytest.mark.parametrize("reply", ["553 5.6.7 non-ASCII addresses not permitted", "555 parameters not recognized"])
def test_a_server_that_offers_it_and_refuses_it_refuses_one_reader(tmp_path: Path, time: Time, reply: str) -> None:
    with SmtpStandIn() as server:
        server.script = say_at("MAIL", reply)
        app = smtp_app(tmp_path, server, time)
        queue(app, "jürgen@example.org", "plain@example.org")
        deliver(app)
        assert statuses(app) == {"jürgen@example.org": BOUNCED, "plain@example.org": SENT}
        app.close()


def test_a_refused_sender_is_ours_whoever_is_written_to(tmp_path: Path, time: Time) -> None:
    with SmtpStandIn() as server:
        server.script = say_at("MAIL", "550 5.7.1 sender not allowed")
        app = smtp_app(tmp_path, server, time)
        queue(app, "jürgen@example.org")
        with pytest.raises(TransportError, match="refuses the sender: 550"):
            deliver(app)
        assert statuses(app) == {"jürgen@example.org": DeliveryStatus.QUEUED}
        app.close()


def test_bytes_beyond_ascii_are_seen_whatever_the_envelope() -> None:
    raw = "Reply-To: zürich@example.org\r\n\r\n".encode()
    with SmtpStandIn(smtputf8=False) as server:
        place = server.host, server.port
        with pytest.raises(TransportError, match="reply_to"):
            send(*place, "a@example.org", "b@example.org", raw)
        with pytest.raises(TransportError, match="sender"):
            send(*place, "zürich@example.org", "b@example.org", b"Subject: x\r\n\r\n")
        assert send(*place, "a@example.org", "b@example.org", b"Subject: x\r\n\r\n").code == 250
    assert len(server.received) == 1

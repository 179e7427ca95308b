"""From the queue to a real SMTP server, and what the ledger says of each answer."""

import email
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from certificates import self_signed
from house import Time, bring, crowd, day, make_app, make_paper, queue, statuses

from newsletter.app import App
from newsletter.delivery import MAX_UNKNOWNS
from newsletter.demo.smtp import DROP, SmtpStandIn, drop_after, drop_at, say_at
from newsletter.digests import Digests
from newsletter.errors import BusyError, TransportError
from newsletter.locks import hold
from newsletter.mail.transports import Patience, Verdict
from newsletter.mail.transports.smtp import judge
from newsletter.model import DeliveryStatus, Suppression
from newsletter.sending import deliver
from newsletter.settling import settle

SENT, DEFERRED, BOUNCED = DeliveryStatus.SENT, DeliveryStatus.DEFERRED, DeliveryStatus.BOUNCED


@pytest.fixture
def server() -> Iterator[SmtpStandIn]:
    with SmtpStandIn() as server:
        yield server


def smtp_app(
    folder: Path, server: SmtpStandIn, time: Time, outside: dict[str, Any] | None = None, **smtp: object
) -> App:
    section = {"host": server.host, "port": server.port, "connections": 2, **smtp}
    outside = {"answers": Patience(pause=0.01), **(outside or {})}
    return make_app(folder, time=time, delivery={"transport": "smtp"}, smtp=section, outside=outside)


@pytest.fixture
def app(tmp_path: Path, server: SmtpStandIn, time: Time) -> Iterator[App]:
    app = smtp_app(tmp_path, server, time)
    yield app
    app.close()


def recipients(server: SmtpStandIn) -> list[str]:
    return sorted(address for envelope, _ in server.received for address in envelope.recipients)


def message(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=default)


# ---------------------------------------------------------------- the message


def test_one_message_per_recipient_with_its_headers(app: App, server: SmtpStandIn) -> None:
    queue(app, "a@example.org", "b@example.org")
    assert deliver(app)[SENT] == 2
    assert recipients(server) == ["a@example.org", "b@example.org"]
    for envelope, raw in server.received:
        mail = message(raw)
        assert envelope.sender == "papers@example.org"
        assert mail["To"] == envelope.recipients[0]
        assert mail["From"] == "Daily Papers <papers@example.org>"
        assert mail["Subject"] == "Daily Papers, 6 Jan: 1 new in 1 topic"
        assert mail["List-Id"] == "Daily Papers <papers.example.org>"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail["Precedence"] == "bulk"
        assert re.fullmatch(
            r" ?<mailto:papers@example\.org\?subject=unsubscribe%20[\w-]{19,32}>", mail["List-Unsubscribe"]
        )
        assert mail["List-Unsubscribe-Post"] is None  # nothing answers it without a web front
        assert re.fullmatch(r"<20260106\.[0-9a-z]+@example\.org>", mail["Message-ID"])
        assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
        assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert len({message(raw)["Message-ID"] for _, raw in server.received}) == 2


def test_https_links_come_with_the_base_url(tmp_path: Path, server: SmtpStandIn, time: Time) -> None:
    app = make_app(
        tmp_path,
        time=time,
        newsletter={
            "base_url": "https://papers.example.org/a/rather/long/path/behind/some/reverse/proxy/of/a/laboratory"
        },
        delivery={"transport": "smtp"},
        smtp={"host": server.host, "port": server.port},
    )
    queue(app, "a@example.org")
    deliver(app)
    ((_, raw),) = server.received
    (header,) = re.findall(rb"^List-Unsubscribe: ([^\r]*(?:\r\n [^\r]*)*)", raw, re.M)
    assert re.fullmatch(
        rb"<https://papers\.example\.org/\S+/u/[\w-]+>,\r\n <mailto:\S+>", header
    )  # never encoded words
    assert message(raw)["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_names_beyond_ascii(tmp_path: Path, server: SmtpStandIn, time: Time) -> None:
    name = "Käßpapiere „täglich“ 日々の論文"
    app = make_app(
        tmp_path,
        time=time,
        newsletter={"name": name, "sender": "papers@bücher.example"},
        delivery={"transport": "smtp"},
        smtp={"host": server.host, "port": server.port},
    )
    queue(app, "leser@bücher.example")
    deliver(app)
    ((envelope, raw),) = server.received
    assert envelope.recipients == ("leser@xn--bcher-kva.example",)
    assert raw.isascii()
    mail = message(raw)
    (header,) = re.findall(rb"^From: ([^\r]*(?:\r\n [^\r]*)*)", raw, re.M)
    # Not by the parser of addresses, which puts a blank between two encoded words (RFC 2047, §6.2, has none).
    assert (
        str(make_header(decode_header(header.decode().replace("\r\n", "")))) == f"{name} <papers@xn--bcher-kva.example>"
    )
    assert mail["From"].addresses[0].addr_spec == "papers@xn--bcher-kva.example"
    assert mail["Subject"].startswith(name)


def test_the_other_addresses_beyond_ascii(tmp_path: Path, server: SmtpStandIn, time: Time) -> None:
    newsletter = {"reply_to": "Té Äm <team@example.org>", "operator": "Öp <op@exämple.org>"}
    section = {"host": server.host, "port": server.port}
    app = make_app(tmp_path, time=time, newsletter=newsletter, delivery={"transport": "smtp"}, smtp=section)
    queue(app, "reader@example.org")
    deliver(app)
    ((_, raw),) = server.received
    assert raw.isascii()
    assert message(raw)["Reply-To"].addresses[0].display_name == "Té Äm"
    assert message(raw)["List-Owner"] == "<mailto:op@xn--exmple-cua.org>"
    app.close()


def test_a_server_that_repeats_our_password_is_not_quoted(tmp_path: Path, time: Time) -> None:
    hostile = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = hostile.accept()
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 here\r\n")
            for line in lines:
                greeting = line.upper().startswith(b"EHLO")
                connection.sendall(b"250-here\r\n250 AUTH PLAIN\r\n" if greeting else b"535 bad hunter2secret\r\n")

    thread = threading.Thread(target=serve)
    thread.start()
    (tmp_path / "secret").write_text("hunter2secret")
    section = {"host": "127.0.0.1", "port": hostile.getsockname()[1], "connections": 1}
    login = {"username": "ali", "password": {"file": "secret"}}
    app = make_app(tmp_path, time=time, delivery={"transport": "smtp"}, smtp={**section, **login})
    queue(app, "reader@example.org")
    with pytest.raises(TransportError, match="535 bad …") as caught:
        deliver(app)
    assert "hunter2" not in str(caught.value) + next(app.storage.deliveries.all(None, 1)).reply
    app.close()
    thread.join()
    hostile.close()


# ---------------------------------------------------------------- answers


def test_a_refused_recipient_does_not_stop_the_rest(tmp_path: Path, time: Time) -> None:
    refusals = {
        "gone@example.org": "550 5.1.1 no such user",
        "later@example.org": "451 4.3.0 later",
        "full@example.org": "552 5.2.2 full",
    }
    with SmtpStandIn(refusals=refusals) as server:
        app = smtp_app(tmp_path, server, time)
        queue(app, *refusals, "fine@example.org", "well@example.org")
        tally = deliver(app)
        assert (tally[SENT], tally[BOUNCED], tally[DEFERRED]) == (2, 1, 2)
        assert statuses(app)["gone@example.org"] is BOUNCED
        assert next(app.storage.deliveries.all(BOUNCED, 1)).reply == "550 5.1.1 no such user"
        assert deliver(app).counts == {}  # deferred is not due yet
        server.settings.refusals.clear()  # type: ignore[attr-defined]
        time.now += timedelta(minutes=10)
        assert deliver(app)[SENT] == 2
        app.close()


def test_an_address_that_never_was_one_does_not_stop_the_rest(app: App, server: SmtpStandIn) -> None:
    """Written into the database by somebody else: everything of ours checks an address before."""
    queue(app, "one@example.org", "two@example.org")
    with app.storage.write():
        app.storage.database.execute("UPDATE subscribers SET email = ? WHERE id = 1", ("<one>@example.org",))
    deliver(app)
    assert statuses(app) == {"<one>@example.org": BOUNCED, "two@example.org": SENT}
    assert recipients(server) == ["two@example.org"]


def test_retries_grow_apart(tmp_path: Path, time: Time) -> None:
    with SmtpStandIn(refusals={"later@example.org": "451 4.3.0 later"}) as server:
        app = smtp_app(tmp_path, server, time)
        queue(app, "later@example.org")
        pauses = []
        for _ in range(4):
            deliver(app)
            due = next(app.storage.deliveries.all(None, 1)).due
            pauses.append((due - time.now).total_seconds())
            time.now = due
        assert pauses == [300, 600, 1200, 2400]
        app.close()


def test_a_lost_connection_is_picked_up(app: App, server: SmtpStandIn) -> None:
    crowd(app, 12)
    queue(app)
    server.script = drop_after(2)  # a server that takes two messages a connection
    assert deliver(app)[SENT] == 12
    assert len(server.received) == 12
    assert server.connections >= 6


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA", "content"])
def test_a_connection_lost_before_the_dot_defers(app: App, server: SmtpStandIn, stage: str) -> None:
    server.script = lambda step: DROP if step.stage == stage else None
    queue(app, "reader@example.org")
    assert deliver(app)[DEFERRED] == 1
    assert server.received == []


def test_no_answer_after_the_dot_is_tried_again_with_the_same_message_id(app: App, server: SmtpStandIn) -> None:
    server.script = drop_at("filed")  # once: taken, but the answer is lost
    queue(app, "reader@example.org")
    assert deliver(app)[SENT] == 1
    assert len(server.received) == 2
    assert len({message(raw)["Message-ID"] for _, raw in server.received}) == 1


def test_after_five_unknowns_there_is_a_pause(app: App, server: SmtpStandIn, time: Time) -> None:
    server.script = lambda step: DROP if step.stage == "filed" else None
    queue(app, "reader@example.org")
    tally = deliver(app)
    assert tally[DEFERRED] == 1
    assert len(server.received) == MAX_UNKNOWNS
    (delivery,) = app.storage.deliveries.all(DEFERRED, 10)
    assert delivery.due - time.now == timedelta(hours=1)
    server.script = lambda _step: None
    time.now += timedelta(hours=1)
    assert deliver(app)[SENT] == 1


@pytest.mark.parametrize(
    ("code", "text", "verdict"),
    [
        (550, "5.1.1 no such user", Verdict.REFUSED),
        (550, "no such user", Verdict.REFUSED),
        (554, "5.7.1 you are on a list", Verdict.DEFERRED),
        (552, "too much", Verdict.DEFERRED),
        (550, "5.2.2 over quota", Verdict.DEFERRED),
        (451, "4.7.1 greylisted", Verdict.DEFERRED),
        (421, "bye", Verdict.DEFERRED),
    ],
)
def test_whom_a_refusal_is_about(code: int, text: str, verdict: Verdict) -> None:
    assert judge(code, text) is verdict


# ---------------------------------------------------------------- about us


def test_a_refused_sender_stops_the_run_and_marks_nobody(app: App, server: SmtpStandIn) -> None:
    server.script = lambda step: "550 5.7.1 sender not allowed" if step.stage == "MAIL" else None
    crowd(app, 20)
    queue(app)
    with pytest.raises(TransportError, match="refuses the sender: 550"):
        deliver(app)
    counts = app.storage.deliveries.counts()
    assert counts.get(BOUNCED, 0) == 0
    assert sum(counts.values()) == 20
    server.script = lambda _step: None
    assert deliver(app)[SENT] == 20


def test_no_server_is_trouble_with_a_name(tmp_path: Path, server: SmtpStandIn, time: Time) -> None:
    app = smtp_app(tmp_path, server, time, port=1)
    queue(app, "reader@example.org")
    with pytest.raises(TransportError, match=r"127\.0\.0\.1:1: no connection"):
        deliver(app)
    (delivery,) = app.storage.deliveries.all(None, 1)
    assert (delivery.status, delivery.attempts, delivery.due) == (
        DeliveryStatus.QUEUED,
        0,
        time.now,
    )  # it is not its fault
    app.close()


@contextmanager
def secure(tmp_path: Path, time: Time, served: str, wanted: str, **more: Any) -> Iterator[tuple[App, SmtpStandIn]]:
    certificate = self_signed(tmp_path, **more.pop("certificate", {}))
    context = None if served == "none" else certificate.server_context()
    outside = {"tls": certificate.client_context()} if more.pop("trusted", True) else {}
    login = more.pop("login", None)
    with SmtpStandIn(security=served, tls_context=context, login=login) as server:  # type: ignore[arg-type]
        app = smtp_app(tmp_path, server, time, outside=outside, security=wanted, **more)
        queue(app, "reader@example.org")
        yield app, server
        app.close()


@pytest.mark.parametrize(
    ("served", "wanted"), [("starttls", "starttls"), ("starttls-required", "starttls"), ("tls", "tls")]
)
def test_tls_as_configured(tmp_path: Path, time: Time, served: str, wanted: str) -> None:
    with secure(tmp_path, time, served, wanted) as (app, server):
        deliver(app)
        assert [envelope.tls for envelope, _ in server.received] == [True]


def test_without_starttls_nothing_is_sent(tmp_path: Path, time: Time) -> None:
    with secure(tmp_path, time, "none", "starttls") as (app, server), pytest.raises(TransportError, match="STARTTLS"):
        deliver(app)
    assert server.received == []


@pytest.mark.parametrize("wanted", ["starttls", "tls"])
def test_certificates_are_verified(tmp_path: Path, time: Time, wanted: str) -> None:
    with secure(tmp_path, time, wanted, wanted, trusted=False) as (app, server):
        with pytest.raises(TransportError, match=r"TLS failed.*CERTIFICATE_VERIFY_FAILED"):
            deliver(app)
        assert server.received == []


@pytest.mark.parametrize("certificate", [{"host": "other.example"}, {"lasts": timedelta(days=-1)}], ids=["name", "age"])
def test_wrong_and_expired_certificates(tmp_path: Path, time: Time, certificate: dict[str, Any]) -> None:
    with (
        secure(tmp_path, time, "tls", "tls", certificate=certificate) as (app, server),
        pytest.raises(TransportError, match="TLS failed"),
    ):
        deliver(app)
    assert server.received == []


def test_login(tmp_path: Path, time: Time) -> None:
    (tmp_path / "secret").write_text("open sesame\n")
    more = {"login": ("ali", "open sesame"), "username": "ali", "password": {"file": "secret"}}
    with secure(tmp_path, time, "starttls-required", "starttls", **more) as (app, server):
        deliver(app)
        assert [envelope.login for envelope, _ in server.received] == ["ali"]


def test_a_refused_login_stops_and_tells_no_secret(tmp_path: Path, time: Time) -> None:
    (tmp_path / "secret").write_text("wrong password\n")
    more = {"login": ("ali", "open sesame"), "username": "ali", "password": {"file": "secret"}}
    with secure(tmp_path, time, "starttls", "starttls", **more) as (app, server):
        with pytest.raises(TransportError, match="refuses the login of ali: 535") as caught:
            deliver(app)
        assert "wrong password" not in str(caught.value) + repr(app.config)
        assert app.storage.deliveries.counts() == {DeliveryStatus.QUEUED: 1}
        assert server.received == []


# ---------------------------------------------------------------- who is not mailed, and when not


def test_unsubscribed_and_suppressed_are_checked_when_claimed(app: App, server: SmtpStandIn) -> None:
    queue(app, "left@example.org", "never@example.org", "gone@example.org", "stays@example.org")
    app.subscriptions.unsubscribe("left@example.org", today=app.today(), now=app.now())
    app.subscriptions.suppress("never@example.org", Suppression.COMPLAINT, now=app.now())
    app.subscriptions.remove("gone@example.org", now=app.now())
    deliver(app)
    assert recipients(server) == ["stays@example.org"]
    assert app.storage.deliveries.counts() == {DeliveryStatus.SUPPRESSED: 3, SENT: 1}


def test_what_is_too_old_goes_into_the_next_digest(app: App, server: SmtpStandIn, time: Time) -> None:
    queue(app, "reader@example.org")
    time.now += timedelta(hours=25)
    assert deliver(app)[DeliveryStatus.EXPIRED] == 1
    assert app.storage.subscribers.find("reader@example.org").covered is None  # type: ignore[union-attr]
    bring(app, make_paper(2))
    settle(app, app.today())
    deliver(app)
    ((_, raw),) = server.received
    text = str(message(raw).get_body(("plain",)))
    assert "0001.00001v1" in text
    assert "0001.00002v1" in text


def test_the_next_digest_takes_over_what_waits(app: App, server: SmtpStandIn, time: Time) -> None:
    queue(app, "reader@example.org")
    time.now += timedelta(hours=20)
    bring(app, make_paper(2))
    settle(app, day(1))
    assert app.storage.deliveries.counts() == {DeliveryStatus.EXPIRED: 1, DeliveryStatus.QUEUED: 1}
    assert app.storage.deliveries.overlapping() == []
    deliver(app)
    ((_, raw),) = server.received
    assert raw.count(b"abs/0001.00001v1") >= 2  # in both parts


def test_what_was_queued_is_what_is_sent(app: App, server: SmtpStandIn) -> None:
    """A choice counts from the next digest on, so that the ledger knows what each one told."""
    queue(app, "reader@example.org")
    app.subscriptions.change("reader@example.org", topics=(), queries=["ti:nothing"], today=app.today(), now=app.now())
    assert deliver(app)[SENT] == 1


# ---------------------------------------------------------------- pace


def test_hours_and_days_are_limited_across_runs(tmp_path: Path, server: SmtpStandIn, time: Time) -> None:
    app = smtp_app(tmp_path, server, time, per_hour=5, per_day=8)
    crowd(app, 20)
    queue(app)
    tally = deliver(app)
    assert (tally[SENT], tally.held_back) == (5, "[smtp] per_hour is reached")
    assert deliver(app)[SENT] == 0
    time.now += timedelta(hours=1, seconds=1)
    tally = deliver(app)
    assert (tally[SENT], tally.held_back) == (3, "[smtp] per_day is reached")
    app.close()


def test_seconds_are_limited(tmp_path: Path, server: SmtpStandIn, time: Time) -> None:
    app = smtp_app(tmp_path, server, time, per_second=4)
    crowd(app, 12)
    queue(app)
    start = time.now
    deliver(app)
    assert (time.now - start).total_seconds() >= 11 / 4
    app.close()


# ---------------------------------------------------------------- one sender, and its end


def test_two_senders_do_not_send_at_once(app: App, tmp_path: Path) -> None:
    queue(app, "reader@example.org")
    with hold(tmp_path / "subscribers.db.sender", "sending"), pytest.raises(BusyError, match="is sending just now"):
        deliver(app)


def test_told_to_stop_it_claims_no_more(app: App, server: SmtpStandIn) -> None:
    crowd(app, 50)
    queue(app)
    stop = threading.Event()

    def after_ten() -> None:
        if len(server.received) >= 10:
            stop.set()

    deliver(app, work=lambda work: replace(work, stop=stop, well=after_ten))
    counts = app.storage.deliveries.counts()
    assert 10 <= counts[SENT] <= 13
    assert counts[DeliveryStatus.QUEUED] == 50 - counts[SENT]
    deliver(app)
    assert Counter(recipients(server)).most_common(1)[0][1] == 1


def test_killed_it_goes_on_where_it_was(tmp_path: Path, server: SmtpStandIn, time: Time) -> None:
    """SIGKILL in the middle, again and again: all get it, at most one a connection twice per kill."""
    app = smtp_app(tmp_path, server, time)
    crowd(app, 60)
    queue(app)
    app.close()
    server.settings = replace(server.settings, latency=0.005)
    program = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        sys.path.insert(0, sys.argv[1])
        from house import Time, make_app
        from newsletter.sending import deliver
        smtp = {"host": "127.0.0.1", "port": int(sys.argv[3]), "connections": 2}
        deliver(make_app(Path(sys.argv[2]), delivery={"transport": "smtp"}, smtp=smtp))
        """
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent), str(tmp_path), str(server.port)]
    kills = 0
    for _ in range(20):
        before = len(server.received)
        process = subprocess.Popen(command)
        while process.poll() is None and len(server.received) < before + 15:
            threading.Event().wait(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        if process.wait() == 0:
            break
    assert kills >= 2
    copies = Counter(recipients(server))
    assert len(copies) == 60
    assert sum(copies.values()) - 60 <= 2 * kills
    ids = {(envelope.recipients, message(raw)["Message-ID"]) for envelope, raw in server.received}
    assert len(ids) == 60  # a repeat is the same message
    app = smtp_app(tmp_path, server, time)
    assert app.storage.deliveries.counts() == {SENT: 60}
    app.close()


@pytest.mark.parametrize("stage", ["connect", "RCPT", "dot"])
def test_told_to_stop_it_does_not_wait_for_a_server_that_hangs(tmp_path: Path, time: Time, stage: str) -> None:
    """The answers are awaited for some seconds, then the conversations are broken off; what nobody knows is queued."""
    hanging = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        """Speak just enough to come to the stage, then say nothing."""
        connection, _ = hanging.accept()
        with connection, connection.makefile("rb") as lines:
            if stage != "connect":
                connection.sendall(b"220 here\r\n")
                for line in lines:
                    if line.startswith(stage.encode()) or (stage == "dot" and line == b".\r\n"):
                        break
                    if line[:4] in (b"ehlo", b"EHLO", b"MAIL", b"RCPT"):
                        connection.sendall(b"250 fine\r\n")
                    if line[:4] == b"DATA":
                        connection.sendall(b"354 go on\r\n")
            stop.set()
            connection.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    section = {"host": "127.0.0.1", "port": hanging.getsockname()[1], "connections": 1}
    app = make_app(tmp_path, time=time, delivery={"transport": "smtp"}, smtp=section)
    queue(app, "reader@example.org")
    began = monotonic()
    deliver(app, work=lambda work: replace(work, stop=stop, patience=0.5))
    assert monotonic() - began < 60  # not the minutes that RFC 5321 would have us wait
    thread.join()
    hanging.close()
    (status,) = statuses(app).values()
    assert status in (DEFERRED, DeliveryStatus.QUEUED)
    app.close()


def test_a_server_that_allows_fewer_connections_gets_all_the_same(tmp_path: Path, time: Time) -> None:
    with SmtpStandIn() as server:
        server.script = lambda step: "421 4.7.0 too many" if step.stage == "connect" and len(server.open) > 2 else None
        app = smtp_app(tmp_path, server, time, connections=4)
        crowd(app, 30)
        queue(app)
        assert deliver(app)[SENT] == 30
        app.close()


def test_replies_that_name_the_reader_are_not_logged(
    tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "newsletter")
    with SmtpStandIn(refusals={"secret@example.org": "550 5.1.1 <secret@example.org>: no such user"}) as server:
        app = smtp_app(tmp_path, server, time)
        queue(app, "secret@example.org")
        deliver(app)
        app.close()
    assert "550 5.1.1" in caplog.text
    assert "secret@" not in caplog.text


def test_say_at_is_heard(app: App, server: SmtpStandIn) -> None:
    server.script = say_at("dot", "554 5.6.0 we do not like it")
    queue(app, "reader@example.org")
    assert deliver(app)[BOUNCED] == 1


def test_cards_that_were_forgotten_are_made_again(app: App, server: SmtpStandIn, time: Time) -> None:
    """A sender stays for weeks, and a digest that grows wants its first papers in less and less."""
    queue(app, "one@example.org", papers=3)
    papers = [make_paper(number) for number in range(4, 150)]
    digests = Digests(app.storage)
    reader = app.storage.readers.one(1, None)
    before = digests.of(reader, day())
    app.composer.body(before, digests.topics_of(before), 1, "one@example.org")
    time.now += timedelta(days=1)
    bring(app, *papers)
    settle(app, day(1))
    with app.storage.write():
        app.storage.fragments.forget(day(1))
    digests = Digests(app.storage)
    digest = digests.of(app.storage.readers.one(1, None), day(1))
    body = app.composer.body(digest, digests.topics_of(digest), 1, "one@example.org")
    assert body.html.count(b"/abs/0001.00001v1") == 1, "a line of it is enough"
    assert len(digest.items) == 149

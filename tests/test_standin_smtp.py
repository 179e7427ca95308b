"""The mail server the tests send through: what it is not faithful in, no test that uses it can see."""

import base64
import mailbox
import smtplib
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from newsletter.demo.smtp import DROP, SmtpStandIn, drop_after, drop_at, say_at

if TYPE_CHECKING:
    from certificates import Certificate

MESSAGE = b"Subject: Papers\r\n\r\n..two dots\r\nEnd.\r\n"


def send(server: SmtpStandIn, to: str = "ada@example.org", client: smtplib.SMTP | None = None) -> Any:
    if client is not None:
        return client.sendmail("papers@example.org", to, MESSAGE)
    with smtplib.SMTP(server.host, server.port, timeout=5) as own:
        return own.sendmail("papers@example.org", to, MESSAGE)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> "Certificate":
    pytest.importorskip("cryptography", reason="certificates are made with cryptography")
    from certificates import self_signed

    return self_signed(tmp_path_factory.mktemp("certificate"))


def test_mail_is_filed_as_it_came(tmp_path: Path) -> None:
    with SmtpStandIn(tmp_path / "mail") as server:
        send(server)
        send(server, "bob@example.org")
    envelope, content = server.received[0]
    assert content == MESSAGE
    assert (envelope.sender, envelope.recipients) == ("papers@example.org", ("ada@example.org",))
    assert not envelope.tls
    assert envelope.login is None
    filed = mailbox.Maildir(tmp_path / "mail", create=False)
    assert {message["Delivered-To"] for message in filed} == {"ada@example.org", "bob@example.org"}
    assert {message["Return-Path"] for message in filed} == {"<papers@example.org>"}
    assert server.connections == 2


def test_starttls(certificate: "Certificate") -> None:
    context = certificate.server_context()
    with SmtpStandIn(security="starttls-required", tls_context=context) as server:
        with pytest.raises(smtplib.SMTPSenderRefused) as refused:
            send(server)
        assert refused.value.smtp_code == 530
        with smtplib.SMTP(server.host, server.port, timeout=5) as client:
            client.starttls(context=certificate.client_context())
            send(server, client=client)
    assert server.received[0].envelope.tls
    assert server.connections == 2


def test_starttls_may_be_left_or_missing(certificate: "Certificate") -> None:
    with SmtpStandIn(security="starttls", tls_context=certificate.server_context()) as server:
        send(server)
    assert not server.received[0].envelope.tls
    with SmtpStandIn() as stripped, smtplib.SMTP(stripped.host, stripped.port, timeout=5) as client:
        with pytest.raises(smtplib.SMTPNotSupportedError):
            client.starttls()
        assert client.docmd("STARTTLS")[0] == 454


def test_tls_with_login(certificate: "Certificate") -> None:
    context, login = certificate.server_context(), ("papers", "s3crét")
    with (
        SmtpStandIn(security="tls", tls_context=context, login=login) as server,
        smtplib.SMTP_SSL(server.host, server.port, timeout=5, context=certificate.client_context()) as client,
    ):
        with pytest.raises(smtplib.SMTPSenderRefused):
            send(server, client=client)
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            client.login("papers", "wrong")
        assert refused.value.smtp_code == 535
        secret = base64.b64encode("\0papers\0s3crét".encode()).decode()  # smtplib sends ASCII only
        assert client.docmd("AUTH", f"PLAIN {secret}")[0] == 235
        send(server, client=client)
    assert server.received[0].envelope.login == "papers"
    assert server.received[0].envelope.tls


def test_login_in_the_clear() -> None:
    with SmtpStandIn(login=("papers", "secret")) as server, smtplib.SMTP(server.host, server.port, timeout=5) as client:
        client.login("papers", "secret")
        send(server, client=client)
    assert server.received[0].envelope.login == "papers"


def test_refusals() -> None:
    replies = {"gone@example.org": "550 5.1.1 no such user", "busy@example.org": "451 4.3.0 later"}
    with SmtpStandIn(refusals=replies) as server, smtplib.SMTP(server.host, server.port, timeout=5) as client:
        for address, reply in replies.items():
            with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
                send(server, address, client)
            code, text = refused.value.recipients[address]
            assert f"{code} {text.decode()}" == reply
        send(server, client=client)
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("stage", "error"),
    [("connect", smtplib.SMTPConnectError), ("MAIL", smtplib.SMTPSenderRefused), ("dot", smtplib.SMTPDataError)],
)
def test_replies_by_script(stage: Any, error: type[smtplib.SMTPResponseException]) -> None:
    with SmtpStandIn(script=say_at(stage, "421 4.3.2 later", "554 5.7.1 no")) as server:
        for code in (421, 554):
            with pytest.raises(error) as refused:
                send(server)
            assert refused.value.smtp_code == code
        send(server)
    assert len(server.received) == 1


@pytest.mark.parametrize(("stage", "filed"), [("connect", 0), ("MAIL", 0), ("DATA", 0), ("dot", 0), ("filed", 1)])
def test_dropped_connections(stage: Any, filed: int) -> None:
    with SmtpStandIn(script=drop_at(stage)) as server:
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
            send(server)
        assert len(server.received) == filed
        send(server)
        assert len(server.received) == filed + 1


def test_a_connection_lost_within_a_long_message() -> None:
    body = b"Subject: long\r\n\r\n" + b"x" * 70 + b"\r\n"
    with SmtpStandIn(script=drop_at("content")) as server:
        client = smtplib.SMTP(server.host, server.port, timeout=5)
        with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
            client.sendmail("papers@example.org", "ada@example.org", body + body[-72:] * 200_000)
        client.close()
    assert not server.received


def test_a_connection_may_carry_so_many_messages() -> None:
    with SmtpStandIn(script=drop_after(2)) as server:
        client = smtplib.SMTP(server.host, server.port, timeout=5)
        send(server, client=client)
        send(server, client=client)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(server, client=client)
        client.close()
        send(server)
    assert [received.envelope.connection for received in server.received] == [1, 1, 2]


def test_connections_at_once_are_counted() -> None:
    with SmtpStandIn() as server:
        clients = [smtplib.SMTP(server.host, server.port, timeout=5) for _ in range(3)]
        for client in clients:
            client.quit()
        send(server)
    assert (server.connections, server.most_at_once) == (4, 3)


def test_the_server_ends_though_clients_stay() -> None:
    with SmtpStandIn() as server:
        client = smtplib.SMTP(server.host, server.port, timeout=5)
        begun = time.monotonic()
    assert time.monotonic() - begun < 2
    client.close()


def test_latency_is_kept() -> None:
    with SmtpStandIn(latency=0.05) as server:
        begun = time.monotonic()
        send(server)
        assert time.monotonic() - begun >= 0.05


def test_a_missing_extra_is_named() -> None:
    program = (
        "import sys; sys.modules['aiosmtpd'] = None; from newsletter.demo.smtp import *; SmtpStandIn().__enter__()"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert run.returncode == 1
    assert run.stderr.splitlines()[-1].endswith(
        "UsageError: the local mail server needs aiosmtpd: pip install 'daily-papers[demo]'"
    )


def test_scripts_can_be_changed_meanwhile() -> None:
    with SmtpStandIn() as server:
        server.script = lambda step: DROP if step.stage == "RCPT" and step.address.startswith("x") else None
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(server, "xenia@example.org")
        send(server)
    assert len(server.received) == 1

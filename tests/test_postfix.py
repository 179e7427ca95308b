"""A real Postfix takes our mail over TLS and files it as it was."""

import email
import time as real_time
from dataclasses import replace
from email.policy import default
from pathlib import Path

import pytest
from certificates import self_signed
from house import Time, make_app, queue, statuses
from postfix import MISSING, postfix

from newsletter.delivery import Work
from newsletter.model import DeliveryStatus
from newsletter.sending import deliver
from newsletter.storage.deliveries import Claim

pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)


def test_postfix_takes_it(tmp_path: Path) -> None:
    certificate = self_signed(tmp_path)
    time = Time()
    with postfix(tmp_path / "postfix", ["ada", "ben"], certificate.path) as port:
        app = make_app(
            tmp_path,
            time=time,
            outside={"tls": certificate.client_context()},
            newsletter={"name": "Käßpapiere"},
            delivery={"transport": "smtp"},
            smtp={"host": "127.0.0.1", "port": port, "security": "starttls", "connections": 2},
        )
        queue(app, "ada@example.org", "ben@example.org", "nobody@example.org", papers=30)
        sent: dict[str, bytes | None] = {}

        def remembering(work: Work) -> Work:
            def compose(claim: Claim) -> bytes | None:
                sent[claim.delivery.email] = work.compose(claim)
                return sent[claim.delivery.email]

            return replace(work, compose=compose)

        deliver(app, work=remembering)
        assert statuses(app) == {
            "ada@example.org": DeliveryStatus.SENT,
            "ben@example.org": DeliveryStatus.SENT,
            "nobody@example.org": DeliveryStatus.BOUNCED,
        }
        assert next(app.storage.deliveries.all(DeliveryStatus.BOUNCED, 1)).reply.startswith("550 5.1.1")
        app.close()
        filed = tmp_path / "postfix/mail/ada/new"
        until = real_time.monotonic() + 10
        while not (filed.exists() and any(filed.iterdir())) and real_time.monotonic() < until:
            real_time.sleep(0.02)
        (path,) = filed.iterdir()
        raw = path.read_bytes()
    ours = sent["ada@example.org"] or b"?"
    assert raw.endswith(ours.replace(b"\r\n", b"\n"))  # Postfix put its own headers before ours, and changed nothing
    message = email.message_from_bytes(raw, policy=default)
    assert "with ESMTPS" in message["Received"]
    assert not message.defects

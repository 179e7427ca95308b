"""Another process has the database locked: that is said, nothing is lost, and no answer of a server is forgotten."""

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import IO, Self

import pytest
from adversity import Newsletter
from adversity import newsletter as newsletter  # the fixture
from house import Time, make_app, queue

from newsletter.app import App
from newsletter.delivery import RECORD_PAUSES
from newsletter.demo.faults import Fault
from newsletter.demo.smtp import SmtpStandIn, Step
from newsletter.errors import StorageError
from newsletter.model import DeliveryStatus
from newsletter.publish import publish
from newsletter.sending import deliver

SENT, SENDING, QUEUED = DeliveryStatus.SENT, DeliveryStatus.SENDING, DeliveryStatus.QUEUED
PATIENCE = 0.02
LOCKED = r"subscribers\.db: locked by another process for more than 0\.02 s"
LOCKER = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for line in sys.stdin:
    database.execute(line)
    print(flush=True)
"""


class Locker:
    """Another process that can lock the database."""

    def __init__(self, path: Path) -> None:
        self._path, self.locked = path, False

    def __enter__(self) -> Self:
        command = [sys.executable, "-c", LOCKER, str(self._path)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()

    def lock(self) -> None:
        self._say("BEGIN IMMEDIATE")
        self.locked = True

    def free(self) -> None:
        self._say("ROLLBACK")
        self.locked = False

    def _say(self, sql: str) -> None:
        ends: tuple[IO[str] | None, IO[str] | None] = self._process.stdin, self._process.stdout
        assert ends[0] is not None
        assert ends[1] is not None
        print(sql, file=ends[0], flush=True)
        assert ends[1].readline() == "\n"


@pytest.fixture
def locker(tmp_path: Path) -> Iterator[Locker]:
    with Locker(tmp_path / "subscribers.db") as locker:
        yield locker


# ---------------------------------------------------------------- publish


def test_locked_from_the_start(newsletter: Newsletter, locker: Locker) -> None:
    app = newsletter.app(patience=PATIENCE)
    locker.lock()
    with pytest.raises(StorageError, match=LOCKED):
        publish(app, app.today())
    assert newsletter.arxiv.requests == []
    locker.free()
    assert publish(app, app.today()).failures == ()
    app.close()
    newsletter.assert_whole()


def test_locked_while_arxiv_is_asked(newsletter: Newsletter, locker: Locker) -> None:
    def lock(_request: object) -> Fault | None:
        if not locker.locked:
            locker.lock()
        return None

    newsletter.arxiv.script(lock)
    app = newsletter.app(patience=PATIENCE)
    with pytest.raises(StorageError, match=LOCKED):
        publish(app, app.today())
    newsletter.arxiv.script(())
    locker.free()
    assert publish(app, app.today()).failures == ()
    app.close()
    newsletter.assert_whole()


def test_a_short_lock_is_waited_for(newsletter: Newsletter, locker: Locker) -> None:
    app = newsletter.app(patience=30.0)
    locker.lock()
    free = threading.Timer(0.05, locker.free)
    free.start()
    assert publish(app, app.today()).failures == ()
    free.join()
    app.close()
    newsletter.assert_whole()


# ---------------------------------------------------------------- deliver


@pytest.fixture
def server() -> Iterator[SmtpStandIn]:
    with SmtpStandIn() as server:
        yield server


@pytest.fixture
def app(tmp_path: Path, server: SmtpStandIn, locker: Locker, time: Time) -> Iterator[App]:
    """Five digests wait; when the second mail was taken, and before that is answered, the database is locked."""
    smtp = {"host": server.host, "port": server.port, "connections": 1}
    app = make_app(tmp_path, time=time, outside={"patience": PATIENCE}, delivery={"transport": "smtp"}, smtp=smtp)
    queue(app, *(f"reader{number}@example.org" for number in range(5)))

    def script(step: Step) -> None:
        if step.stage == "filed" and len(server.received) == 2 and not locker.locked:
            locker.lock()

    server.script = script
    yield app
    app.close()


def copies(server: SmtpStandIn) -> Counter[tuple[str, ...]]:
    return Counter(envelope.recipients for envelope, _ in server.received)


def test_an_answer_is_recorded_once_the_lock_is_gone(
    app: App, server: SmtpStandIn, locker: Locker, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if locker.locked and sum(pauses) > 10:
            locker.free()

    with pytest.raises(StorageError, match=LOCKED):
        deliver(app, work=lambda work: replace(work, sleep=sleep))
    assert app.storage.deliveries.counts() == {SENT: 2, QUEUED: 3}
    assert "not recorded yet: answers=1 reason=" in caplog.text
    server.script = lambda _step: None
    assert deliver(app)[SENT] == 3
    assert set(copies(server).values()) == {1}
    assert app.storage.deliveries.overlapping() == []


def test_an_answer_that_cannot_be_recorded_is_one_mail_too_many(
    app: App, server: SmtpStandIn, locker: Locker, time: Time
) -> None:
    with pytest.raises(StorageError, match=LOCKED):
        deliver(app)
    assert sum(time.slept) == sum(RECORD_PAUSES) > 120
    assert app.storage.deliveries.counts() == {SENT: 1, SENDING: 1, QUEUED: 3}
    server.script = lambda _step: None
    locker.free()
    assert deliver(app)[SENT] == 4
    assert sorted(copies(server).values()) == [1, 1, 1, 1, 2]
    assert len({message_from_bytes(raw)["Message-ID"] for _, raw in server.received}) == 5


def test_told_to_stop_it_tries_once_more(
    app: App, server: SmtpStandIn, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    stop, script = threading.Event(), server.script

    def stop_at_the_lock(step: Step) -> str | None:
        reply = script(step)
        if len(server.received) == 2:
            stop.set()
        return reply

    server.script = stop_at_the_lock
    with pytest.raises(StorageError, match=LOCKED):
        deliver(app, work=lambda work: replace(work, stop=stop))
    assert time.slept == []
    assert caplog.text.count("not recorded yet") == 1

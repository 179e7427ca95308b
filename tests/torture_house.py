"""A newsletter with an edition on its way, and what must be true of its ledger whatever happened to its sender."""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from house import START, bring, make_paper
from torture_nursery import Clock, Request
from torture_server import Server

from newsletter.app import App, Outside
from newsletter.config import load
from newsletter.model import DeliveryStatus, Status
from newsletter.settling import settle
from newsletter.storage import Storage
from newsletter.storage.subscribers import NewSubscriber

CONFIG = """
[newsletter]
sender = "Daily Papers <papers@example.org>"
[[topics]]
name = "Graph Neural Networks"
[arxiv]
gate = "gate"
categories = []
[delivery]
transport = "smtp"
[smtp]
host = "127.0.0.1"
port = {port}
connections = {connections}
{smtp}
"""
SENT = DeliveryStatus.SENT
_WAITS = ("queued", "deferred", "sending")
_ROWS = """
SELECT s.email, d.message_id, d.status, d.reply, d.due FROM deliveries AS d
LEFT JOIN subscribers AS s ON s.id = d.subscriber_id WHERE d.kind = 'digest'
"""
_SOUND = 10  # each how many looks the whole file is checked


@dataclass(frozen=True, slots=True)
class Line:
    """One reader's digest in the ledger."""

    message_id: str
    status: DeliveryStatus
    reply: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """The ledger at one moment, by reader."""

    lines: dict[str, Line]
    waiting: list[str] = field(default_factory=list)

    def of(self, status: DeliveryStatus) -> set[str]:
        return {email for email, line in self.lines.items() if line.status is status}

    def examples(self) -> list[object]:
        return [(email, self.lines[email]) for email in self.waiting[:5]]


class House:
    """The newsletter, its server, and what was seen of both. The clock begins at `START` and goes as the machine's."""

    def __init__(self, folder: Path, server: Server, *, readers: int, connections: int = 4, **smtp: Any) -> None:
        self.folder, self.server, self.readers, self.connections = folder, server, readers, connections
        self.file, self._beside = folder / "subscribers.db", folder.with_name(f"{folder.name}.beside")
        self._beside.mkdir()
        self._clock = Clock(self._beside / "clock")
        self._clock.offset = (START - datetime.now(UTC)).total_seconds()
        more = "\n".join(f"{key} = {value}" for key, value in smtp.items())
        config = CONFIG.format(port=server.port, connections=connections, smtp=more)
        (folder / "config.toml").write_text(config)
        self._looks = 0
        self._heard = 0  # how much of what the server filed was looked at
        self._copies: Counter[str] = Counter()
        self._settled: dict[str, int] = {}  # copies of those the ledger calls sent, when it was first seen to
        self._queue()
        self._ids = {email: line.message_id for email, line in self.look().lines.items()}
        assert len(self._ids) == readers

    @property
    def now(self) -> datetime:
        """What time it is for senders, too."""
        return self._clock.now()

    def pass_time(self, seconds: float) -> None:
        """Move the clock, between two senders."""
        self._clock.offset += seconds

    def app(self) -> App:
        return App(load(self.folder / "config.toml"), Outside(clock=self._clock.now))

    def _queue(self) -> None:
        app = self.app()
        people = (NewSubscriber(f"reader{n}@d{n % 7}.example.org", Status.CONFIRMED) for n in range(self.readers))
        with app.storage.write():
            app.storage.subscribers.add(people, None, app.today(), app.now())
        bring(app, make_paper(1))
        settle(app, app.today())
        app.close()

    def request(self, **changes: Any) -> Request:
        """A sender."""
        beside = {"said": str(self._beside / "said"), "clock": str(self._beside / "clock")}
        return Request(**{"folder": str(self.folder), **beside, **changes})

    def said(self) -> str:
        """All that senders said."""
        file = self._beside / "said"
        return file.read_text() if file.exists() else ""

    def move_on(self, standing: Standing, seconds: float) -> None:
        """Move the clock to when something is due, or by so many seconds where that does not help."""
        if standing.waiting:
            due = min(standing.lines[email].due for email in standing.waiting)
            self.pass_time(max((due - self.now).total_seconds() + 1, seconds))

    # ---------------------------------------------------------------- what must be true

    def look(self) -> Standing:
        """Read the ledger as it lies on the disk: from a copy, lest the look mends anything."""
        self._looks += 1
        copy = copy_database(self.folder, self._beside / "copy", instance=True)
        with closing(sqlite3.connect(copy / "subscribers.db")) as database:
            rows = database.execute(_ROWS).fetchall()
            settings = dict(database.execute("SELECT name, value FROM settings"))
            if self._looks % _SOUND == 0:
                assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        name, claims = (copy / "subscribers.db.instance").read_text().split()
        assert (name, int(claims) <= int(settings["claims"])) == (settings["instance"], True), (claims, settings)
        storage = Storage(copy / "subscribers.db")
        overlapping = storage.deliveries.overlapping()
        storage.close()
        assert overlapping == []
        lines = {
            email: Line(message_id, DeliveryStatus(status), reply, datetime.fromisoformat(due))
            for email, message_id, status, reply, due in rows
        }
        assert len(lines) == len(rows), "a reader has two rows"
        return Standing(lines, [email for email, line in lines.items() if line.status in _WAITS])

    def check(self, *, killed: bool) -> Standing:
        """Look, and compare with what was seen before and with what the server filed; it must be settled.

        Raises:
            AssertionError: it does not add up.

        """
        standing = self.look()
        ids = {email: line.message_id for email, line in standing.lines.items()}
        assert ids == self._ids, f"Message-IDs changed: {sorted(ids.items() ^ self._ids.items())[:4]}"
        new = self.server.filed[self._heard :]
        self._heard += len(new)
        for filed in new:
            assert self._ids.get(filed.recipient) == filed.message_id, filed
            self._copies[filed.recipient] += 1
        sent = standing.of(SENT)
        assert sent <= self._copies.keys(), f"called sent, but never filed: {sorted(sent - self._copies.keys())[:5]}"
        again = {email: self._copies[email] for email, copies in self._settled.items() if self._copies[email] != copies}
        assert not again, f"sent again though the answer was recorded: {again}"
        assert self._settled.keys() <= sent, f"no longer called sent: {sorted(self._settled.keys() - sent)[:5]}"
        self._settled |= {email: self._copies[email] for email in sent - self._settled.keys()}
        forgotten = [filed for filed in new if not filed.lost and filed.recipient not in sent]
        assert len(forgotten) <= self.connections * killed, f"filed but not recorded: {forgotten}"
        return standing

    def check_end(self, standing: Standing) -> None:
        """Everybody got it, or there is a reason.

        Raises:
            AssertionError: somebody did not.

        """
        for email, line in standing.lines.items():
            assert line.status is SENT or line.reply, (email, line)
        assert standing.of(DeliveryStatus.BOUNCED) <= self.server.refused.keys()
        assert not self.server.complaints, self.server.complaints
        ends = {DeliveryStatus.BOUNCED, DeliveryStatus.EXPIRED, SENT}
        assert {line.status for line in standing.lines.values()} <= ends


def copy_database(source: Path, target: Path, *, instance: bool) -> Path:
    """Copy a database that nobody has open, with its write-ahead log; returns the folder, made anew."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    names = ("subscribers.db", "subscribers.db-wal", *(["subscribers.db.instance"] if instance else []), "config.toml")
    for name in names:
        if (source / name).exists():
            shutil.copy(source / name, target / name)
    return target

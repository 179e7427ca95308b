"""A newsletter that hands its mail to a faulty server, and what must be true of its ledger at any time."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from faulty import FaultyServer
from faulty_script import Act, Cut, Fault, Flood, HalfClose, Hold, Pipelining, Raw, Stage
from house import Time, crowd, make_app, queue

from newsletter.app import App
from newsletter.mail.transports import Patience
from newsletter.model import DeliveryStatus
from newsletter.sending import deliver

SENT, QUEUED, SENDING = DeliveryStatus.SENT, DeliveryStatus.QUEUED, DeliveryStatus.SENDING
DEFERRED, BOUNCED = DeliveryStatus.DEFERRED, DeliveryStatus.BOUNCED
#: Where nothing is to be waited for in vain. No test takes so long.
ENDLESS = Patience(opening=60, reply=60, dot=60, first=60, pause=0)
#: Where a server is silent, as little as a busy machine allows.
SHORT = Patience(opening=0.5, reply=0.5, dot=0.5, first=0.5, pause=0)
#: Where what was sent together is thrown away: the opening is not what takes long.
SOON = Patience(opening=60, reply=60, dot=60, first=0.5, pause=0)


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery as the ledger has it."""

    email: str
    status: DeliveryStatus
    attempts: int
    unknowns: int
    message_id: str
    reply: str
    due: datetime


#: Ways to give no answer, none of which says that a mail was taken.
LOSSES: dict[str, Act] = {
    "fin": Cut(),
    "rst": Cut("rst"),
    "silence": Hold(),
    "half-close": HalfClose(),
    "garbage": Raw(b"\x00\xffwhat?\r\n"),
    "no code": Raw(b"999 what?\r\n"),
    "endless line": Flood(b"x"),
    "endless reply": Flood(b"250-and\r\n"),
    "drip without end": Flood(b"2", pause=0.01),
}
SPOKEN: list[Pipelining] = ["none", "kept"]


def patience_with(faults: Sequence[Fault]) -> Patience:
    """Short only where a server would be waited for in vain, lest a busy machine makes a fault of its own."""
    opening = (Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.AUTH)
    vain = any(
        isinstance(act := fault.act, Hold) or (isinstance(act, Flood) and (act.pause or fault.stage in opening))
        for fault in faults
    )
    return SHORT if vain else ENDLESS


@contextmanager
def newsletter(
    folder: Path,
    server: FaultyServer,
    time: Time,
    *,
    readers: int = 1,
    patience: Patience | None = None,
    outside: dict[str, Any] | None = None,
    **smtp: object,
) -> Iterator[App]:
    """A newsletter with a digest queued for each of its readers, who are reader0@example.org and so on."""
    patient = {"answers": patience or patience_with(server.script.faults), **(outside or {})}
    section = {"host": server.host, "port": server.port, "connections": 1, **smtp}
    shutil.copytree(_queued(readers), folder, dirs_exist_ok=True)
    app = make_app(folder, time=time, outside=patient, delivery={"transport": "smtp"}, smtp=section)
    yield app
    app.close()


@cache
def _queued(readers: int) -> Path:
    """A folder with such a newsletter; made once, for it takes longer than most tests."""
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    app = make_app(folder)
    crowd(app, readers)
    queue(app)
    app.close()
    return folder


def rows(app: App) -> list[Row]:
    """The ledger, in the order of its readers."""
    found = app.storage.database.rows(
        "SELECT d.id, d.attempts, d.unknowns FROM deliveries AS d JOIN subscribers AS s ON s.id = d.subscriber_id"
    )
    counted = {row["id"]: (row["attempts"], row["unknowns"]) for row in found}
    listed = sorted(app.storage.deliveries.all(None, 10_000), key=lambda delivery: delivery.subscriber_id)
    return [Row(d.email, d.status, *counted[d.id], d.message_id, d.reply, d.due) for d in listed]


def row(app: App) -> Row:
    """The ledger, of one reader."""
    (only,) = rows(app)
    return only


def move_on(app: App, time: Time) -> None:
    """To when something is due, or a little later if something is."""
    due = app.storage.standing.next_due()
    time.now = max(due or time.now, time.now + timedelta(minutes=1))


def deliver_honestly(app: App, server: FaultyServer, time: Time) -> None:
    """Deliver what is left, with a server that does nothing wrong any more."""
    server.be_honest()
    app.outside = replace(app.outside, answers=ENDLESS)
    for _ in range(5):
        if app.storage.standing.next_due() is None:
            return
        move_on(app, time)
        deliver(app)


def assert_whole(app: App, server: FaultyServer, readers: int) -> None:
    """What must be true between two runs, whatever the server does."""
    ledger = rows(app)
    copies = server.heard.copies
    assert [row.email for row in ledger] == [f"reader{number}@example.org" for number in range(readers)]
    assert sum(app.storage.deliveries.counts().values()) == readers
    assert app.storage.deliveries.overlapping() == []
    assert server.heard.wrongs == [], server.heard.wrongs
    for row in ledger:
        assert row.status is not SENDING
        theirs = [copy for copy in copies if copy.recipients == (row.email,)]
        if row.status is SENT:
            assert any(copy.filed or copy.lied for copy in theirs), f"{row} was not filed"
        elif row.status is not QUEUED:
            assert row.reply, f"{row} has no reason"
        filed = [copy for copy in theirs if copy.filed]
        assert {copy.message_id for copy in filed} <= {f"<{row.message_id}>"}
        assert not any(copy.told for copy in filed[:-1]), f"{row} again, though the server had said that it took it"


def assert_sent_once(app: App, server: FaultyServer, readers: int) -> None:
    """Everybody got it, once, at the first try that the ledger knows of."""
    assert_whole(app, server, readers)
    others = [row for row in rows(app) if (row.status, row.attempts, row.unknowns) != (SENT, 1, 0)]
    assert others == [], others
    assert set(server.heard.filed().values()) == {1}

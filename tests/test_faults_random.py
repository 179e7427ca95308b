"""Random servers with random faults: whatever they do, the ledger is true after every run, and all ends well."""

import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path

from faulting import BOUNCED, SENT, assert_whole, move_on, newsletter, rows
from faulty import FaultyServer
from faulty_script import (
    Act,
    Cut,
    Drip,
    Early,
    Fault,
    Flood,
    HalfClose,
    Hold,
    Late,
    Manners,
    Raw,
    Say,
    Script,
    Slow,
    Stage,
)
from house import Time
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from newsletter.app import App
from newsletter.errors import TransportError
from newsletter.mail.transports import Patience
from newsletter.model import DeliveryStatus
from newsletter.sending import deliver

EXPIRED = DeliveryStatus.EXPIRED
LOSSES: list[Act] = [Cut(), Cut("rst"), HalfClose(), Raw(b"\x00what?\r\n"), Flood(b"x"), HalfClose(said=True)]
SLOW: list[Act] = [Late(0.01), Drip()]
GOING: list[Act] = [Say("421 4.3.2 shutting down")]
LATER: list[Act] = [Say("451 4.3.0 not now"), Say("450 4.2.0 greylisted", then="fin"), Say("452 4.3.1 no room")]
NEVER: list[Act] = [Say("550 5.1.1 no such user"), Say("550 5.7.1 not wanted"), Say("552 5.2.2 full")]
ACTS: dict[Stage, list[Act]] = {
    Stage.GREETING: [*LOSSES, *SLOW, *GOING, Say("554 5.3.2 no service")],
    Stage.EHLO: [*LOSSES, *SLOW, *GOING, Say("502 5.5.1 what?")],
    Stage.MAIL: [*LOSSES, *SLOW, *GOING, *LATER, Say("550 5.7.1 not from you"), Hold()],
    Stage.RCPT: [*LOSSES, *SLOW, *GOING, *LATER, *NEVER, Hold()],
    Stage.DATA: [*LOSSES, *SLOW, *GOING, *LATER, Say("554 5.5.1 no"), Early(), Early(files=False)],
    Stage.BODY: [Cut(), Cut("rst"), HalfClose(), Say("552 5.3.4 too large"), Say("552 no", then="rst"), Slow(500, 0.0)],
    Stage.DOT: [*LOSSES, *SLOW, *GOING, *LATER, *NEVER, Say("250 2.0.0 a lie"), Say("554 5.6.0 no"), Hold()],
    Stage.FILED: [*LOSSES, *SLOW, *GOING, Say("250-a\n250 b"), Say("250 2.0.0 filed", then="rst"), Hold()],
    Stage.RSET: [*LOSSES, *SLOW, *GOING, Say("500 5.5.1 what?")],
    Stage.QUIT: [Cut(), Cut("rst"), Say("500 5.5.1 stay")],
}
OPENING = (Stage.GREETING, Stage.EHLO)
#: A server that says nothing is waited for so long, and no longer where one of them is drawn.
WITH_SILENCE = Patience(opening=60, reply=1.0, dot=1.0, first=0.5, pause=0)
WITHOUT = Patience(opening=60, reply=5.0, dot=5.0, first=0.5, pause=0)

faults = st.sampled_from(sorted(ACTS)).flatmap(
    lambda stage: st.builds(
        Fault,
        st.just(stage),
        st.sampled_from(ACTS[stage]),
        times=st.integers(1, 3),
        connection=st.one_of(st.none(), st.integers(1, 4)),
        message=st.one_of(st.none(), st.none() if stage in OPENING else st.integers(1, 4)),
    )
)
manners = st.builds(
    Manners,
    st.sampled_from(["none", "kept", "kept", "kept", "discards", "refuses", "drops"]),
    broken_behind=st.booleans(),
    replies=st.sampled_from(["grouped", "grouped", "single", "bytes"]),
    eager=st.booleans(),
    at_once=st.one_of(st.none(), st.integers(1, 3)),
    per_connection=st.one_of(st.none(), st.integers(1, 6)),
    parting=st.sampled_from(["421", "fin", "rst"]),
)
scripts = st.builds(Script, manners, st.lists(faults, min_size=1, max_size=6).map(tuple))


def patience_of(script: Script) -> Patience:
    silent = any(isinstance(fault.act, Hold) for fault in script.faults)
    return WITH_SILENCE if silent else WITHOUT


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(script=scripts, readers=st.integers(1, 30), connections=st.integers(1, 4))
def test_everybody_gets_it_or_there_is_a_reason(script: Script, readers: int, connections: int) -> None:
    time = Time()
    with (
        tempfile.TemporaryDirectory() as folder,
        FaultyServer(*script.faults, manners=script.manners) as server,
        newsletter(
            Path(folder), server, time, readers=readers, connections=connections, patience=patience_of(script)
        ) as app,
    ):
        most = 10 + 2 * server.left
        for _ in range(most):
            run(app, server, readers)
            if app.storage.standing.next_due() is None:
                event(f"faults befell it: {sum(fault.times for fault in script.faults) > server.left}")
                break
            move_on(app, time)
        assert_ended_well(app, server)


def run(app: App, server: FaultyServer, readers: int) -> None:
    """Deliver once; who was sent it before gets nothing now."""
    before = {row.email for row in rows(app) if row.status is SENT}
    copies = server.heard.filed()
    with suppress(TransportError):
        deliver(app)
    assert_whole(app, server, readers)
    again = {email for email in before if server.heard.filed()[email] != copies[email]}
    assert again == set(), f"{again} again"


def assert_ended_well(app: App, server: FaultyServer) -> None:
    """Nothing is left; copies beyond one are those whose answer was lost on the way."""
    ledger = rows(app)
    assert {row.status for row in ledger} <= {SENT, BOUNCED}, Counter(row.status for row in ledger)
    assert all(row.reply for row in ledger)
    untold = Counter(copy.recipients[0] for copy in server.heard.copies if copy.filed and not copy.told)
    for email, number in server.heard.filed().items():
        assert number <= 1 + untold[email], f"{number} copies for {email}"

"""PIPELINING (RFC 2920), kept in every way it can be, and offered by servers that cannot."""

from pathlib import Path

import pytest
from faulting import SENT, SOON, assert_sent_once, assert_whole, newsletter, rows
from faulty import FaultyServer
from faulty_script import Cut, Fault, Manners, Pipelining, Say, Stage
from house import Time

from newsletter.sending import deliver

BROKEN: list[Pipelining] = ["discards", "refuses", "drops"]
broken = pytest.mark.parametrize("pipelining", BROKEN)
behind = pytest.mark.parametrize("behind", [False, True], ids=["at once", "behind a body"])


@pytest.mark.parametrize("replies", ["grouped", "single", "bytes"])
@pytest.mark.parametrize("connections", [1, 4])
def test_kept(tmp_path: Path, time: Time, replies: str, connections: int) -> None:
    """`assert_sent_once` holds that nothing is said too early, and the server that nothing is said twice."""
    faulty = FaultyServer(manners=Manners("kept", replies=replies))  # type: ignore[arg-type]
    with faulty as server, newsletter(tmp_path, server, time, readers=20, connections=connections) as app:
        deliver(app)
        assert_sent_once(app, server, 20)
        assert server.heard.connections <= connections
        assert server.heard.verbs().count("MAIL") == 20


@broken
@behind
@pytest.mark.parametrize("connections", [1, 3])
def test_broken(tmp_path: Path, time: Time, pipelining: Pipelining, behind: bool, connections: int) -> None:
    """It is noticed, and the run goes on plainly: nobody is deferred, nobody is mailed twice."""
    faulty = FaultyServer(manners=Manners(pipelining, broken_behind=behind))
    more = {"readers": 9, "connections": connections, "patience": SOON}
    with faulty as server, newsletter(tmp_path, server, time, **more) as app:  # type: ignore[arg-type]
        deliver(app)
        assert_sent_once(app, server, 9)


@broken
@behind
def test_a_broken_one_refuses_a_reader(tmp_path: Path, time: Time, pipelining: Pipelining, behind: bool) -> None:
    faults = [
        Fault(Stage.RCPT, Say("550 5.1.1 no such user"), recipient="reader1@example.org"),
        Fault(Stage.RCPT, Say("450 4.2.1 later"), recipient="reader3@example.org"),
    ]
    faulty = FaultyServer(*faults, manners=Manners(pipelining, broken_behind=behind))
    with faulty as server, newsletter(tmp_path, server, time, readers=5, patience=SOON) as app:
        deliver(app)
        assert_whole(app, server, 5)
        assert [str(row.status) for row in rows(app)] == ["sent", "bounced", "sent", "deferred", "sent"]


@broken
@behind
def test_a_broken_one_loses_an_answer(tmp_path: Path, time: Time, pipelining: Pipelining, behind: bool) -> None:
    faulty = FaultyServer(Fault(Stage.FILED, Cut("rst"), message=2), manners=Manners(pipelining, broken_behind=behind))
    with faulty as server, newsletter(tmp_path, server, time, readers=5, patience=SOON) as app:
        deliver(app)
        assert_whole(app, server, 5)
        assert {row.status for row in rows(app)} == {SENT}
        assert sum(row.unknowns for row in rows(app)) == server.heard.filed().total() - 5

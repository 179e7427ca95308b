"""A server that no session can be opened with: nobody is marked, and a server that comes back has lost nothing."""

import socket
from pathlib import Path

import pytest
from faulting import (
    LOSSES,
    QUEUED,
    SENT,
    assert_sent_once,
    assert_whole,
    deliver_honestly,
    newsletter,
    rows,
)
from faulty import HOST, FaultyServer
from faulty_script import ALWAYS, Act, Cut, Fault, Manners, Say, Stage
from house import Time

from newsletter.errors import TransportError
from newsletter.sending import deliver

GREETINGS: dict[str, Act] = LOSSES | {"421": Say("421 4.3.2 not now"), "554": Say("554 5.3.2 no service")}
HELLOS: dict[str, Act] = LOSSES | {"421": Say("421 4.3.2 not now"), "550": Say("550 5.7.1 who are you?")}
OPENINGS = [(Stage.GREETING, name) for name in GREETINGS] + [(Stage.EHLO, name) for name in HELLOS]


def act_of(stage: Stage, name: str) -> Act:
    return GREETINGS[name] if stage is Stage.GREETING else HELLOS[name]


@pytest.mark.parametrize(("stage", "name"), OPENINGS)
def test_no_session_marks_nobody(tmp_path: Path, time: Time, stage: Stage, name: str) -> None:
    faulty = FaultyServer(Fault(stage, act_of(stage, name), ALWAYS))
    with faulty as server, newsletter(tmp_path, server, time, readers=3, connections=2) as app:
        with pytest.raises(TransportError, match=rf"{HOST}:{server.port}: no connection"):
            deliver(app)
        assert {(row.status, row.attempts, row.unknowns) for row in rows(app)} == {(QUEUED, 0, 0)}
        assert server.heard.connections == 3, "it is tried, but not for ever"
        assert_whole(app, server, 3)
        deliver_honestly(app, server, time)
        assert_sent_once(app, server, 3)


@pytest.mark.parametrize(("stage", "name"), [place for place in OPENINGS if place[1] not in ("550",)])
def test_the_third_try_is_good_enough(tmp_path: Path, time: Time, stage: Stage, name: str) -> None:
    faulty = FaultyServer(Fault(stage, act_of(stage, name), times=2))
    with faulty as server, newsletter(tmp_path, server, time, readers=3) as app:
        deliver(app)
        assert server.heard.connections <= 3
        assert_sent_once(app, server, 3)


@pytest.mark.parametrize("act", list(GREETINGS.values()), ids=list(GREETINGS))
def test_a_connection_that_fails_beside_one_that_works_costs_nothing(tmp_path: Path, time: Time, act: Act) -> None:
    faulty = FaultyServer(Fault(Stage.GREETING, act, connection=2))
    with faulty as server, newsletter(tmp_path, server, time, readers=8, connections=3) as app:
        deliver(app)
        assert_sent_once(app, server, 8)


def test_nobody_listens(tmp_path: Path, time: Time) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    with newsletter(tmp_path, FaultyServer(port=port), time, readers=3, connections=2) as app:
        with pytest.raises(TransportError, match=rf"{HOST}:{port}: no connection: .*refused"):
            deliver(app)
        assert {(row.status, row.attempts, row.unknowns) for row in rows(app)} == {(QUEUED, 0, 0)}
        with FaultyServer(port=port) as server:
            deliver(app)
            assert_sent_once(app, server, 3)


def test_ehlo_is_not_known(tmp_path: Path, time: Time) -> None:
    """HELO is (RFC 5321 §3.2)."""
    faulty = FaultyServer(Fault(Stage.EHLO, Say("502 5.5.1 what?")))
    with faulty as server, newsletter(tmp_path, server, time, readers=3) as app:
        deliver(app)
        assert server.heard.verbs()[:2] == ["ehlo", "helo"]
        assert_sent_once(app, server, 3)


@pytest.mark.parametrize("pipelining", ["none", "kept"])
def test_fewer_connections_are_allowed_than_we_want(tmp_path: Path, time: Time, pipelining: str) -> None:
    manners = Manners(pipelining=pipelining, at_once=2)  # type: ignore[arg-type]
    faulty = FaultyServer(manners=manners)
    with faulty as server, newsletter(tmp_path, server, time, readers=30, connections=5) as app:
        deliver(app)
        assert_sent_once(app, server, 30)


def test_a_server_that_dies_in_the_middle_of_a_run_marks_nobody_but_whom_it_had(tmp_path: Path, time: Time) -> None:
    faults = [Fault(Stage.MAIL, Cut("rst"), message=4)]
    faults += [Fault(Stage.GREETING, Cut("rst"), ALWAYS, connection=number) for number in range(2, 6)]
    with FaultyServer(*faults) as server, newsletter(tmp_path, server, time, readers=8) as app:
        with pytest.raises(TransportError):
            deliver(app)
        marks = [(row.status, row.attempts, row.unknowns) for row in rows(app)]
        assert marks == [(SENT, 1, 0)] * 3 + [(QUEUED, 0, 0)] * 5
        deliver_honestly(app, server, time)
        assert_sent_once(app, server, 8)

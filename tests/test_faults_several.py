"""A server that fails at one of several mails on a connection: the others do not suffer for it."""

from pathlib import Path
from time import monotonic

import pytest
from faulting import (
    BOUNCED,
    DEFERRED,
    ENDLESS,
    LOSSES,
    QUEUED,
    SENT,
    SPOKEN,
    assert_sent_once,
    assert_whole,
    deliver_honestly,
    newsletter,
    rows,
)
from faulty import FaultyServer
from faulty_script import ALWAYS, Act, Cut, Fault, Hold, Manners, Pipelining, Raw, Say, Slow, Stage
from house import Time

from newsletter.errors import TransportError
from newsletter.mail.transports import Parcel, Patience, Verdict, hand_over
from newsletter.mail.transports.smtp import SmtpCarrier, SmtpServer
from newsletter.sending import deliver

GOING: dict[str, Act] = LOSSES | {"421": Say("421 4.3.2 shutting down")}
spoken = pytest.mark.parametrize("pipelining", SPOKEN)


# ---------------------------------------------------------------- the connection goes


@spoken
@pytest.mark.parametrize("name", GOING)
def test_a_kept_connection_that_is_gone_costs_a_new_one(
    tmp_path: Path, time: Time, name: str, pipelining: Pipelining
) -> None:
    faulty = FaultyServer(Fault(Stage.MAIL, GOING[name], message=2), manners=Manners(pipelining))
    with faulty as server, newsletter(tmp_path, server, time, readers=3) as app:
        deliver(app)
        assert server.heard.connections == 2
        assert_sent_once(app, server, 3)


@spoken
@pytest.mark.parametrize("parting", ["421", "fin", "rst"])
@pytest.mark.parametrize(("allowed", "connections"), [(1, 1), (1, 4), (3, 1), (3, 4)])
def test_a_server_takes_so_many_mails_a_connection(
    tmp_path: Path, time: Time, allowed: int, connections: int, parting: str, pipelining: Pipelining
) -> None:
    manners = Manners(pipelining, per_connection=allowed, parting=parting)  # type: ignore[arg-type]
    faulty = FaultyServer(manners=manners)
    with faulty as server, newsletter(tmp_path, server, time, readers=14, connections=connections) as app:
        deliver(app)
        assert_sent_once(app, server, 14)


@spoken
@pytest.mark.parametrize("name", LOSSES)
def test_an_answer_lost_is_lost_for_one_only(tmp_path: Path, time: Time, name: str, pipelining: Pipelining) -> None:
    """Though with PIPELINING the next mail was announced behind it."""
    faulty = FaultyServer(Fault(Stage.FILED, LOSSES[name], message=2), manners=Manners(pipelining))
    with faulty as server, newsletter(tmp_path, server, time, readers=4) as app:
        deliver(app)
        assert_whole(app, server, 4)
        assert [(row.status, row.unknowns) for row in rows(app)] == [(SENT, 0), (SENT, 1), (SENT, 0), (SENT, 0)]
        assert sorted(server.heard.filed().values()) == [1, 1, 1, 2]


@pytest.mark.parametrize("act", [Say("500 5.5.1 no"), Say("421 4.3.2 no"), Cut(), Cut("rst"), Hold(), Raw(b"?\r\n")])
@spoken
def test_what_follows_a_refusal_is_nobodys_fault(tmp_path: Path, time: Time, act: Act, pipelining: Pipelining) -> None:
    """RSET is refused, or lost."""
    faults = [Fault(Stage.RCPT, Say("550 5.1.1 no such user"), message=2), Fault(Stage.RSET, act)]
    faulty = FaultyServer(*faults, manners=Manners(pipelining))
    with faulty as server, newsletter(tmp_path, server, time, readers=4) as app:
        deliver(app)
        assert_whole(app, server, 4)
        assert [row.status for row in rows(app)] == [SENT, BOUNCED, SENT, SENT]
        assert [row.attempts for row in rows(app)] == [1, 1, 1, 1]


@spoken
@pytest.mark.parametrize("act", [Hold(), Cut("rst"), Raw(b"?\r\n"), Say("500 5.5.1 stay")])
def test_how_a_server_parts_does_not_matter(tmp_path: Path, time: Time, act: Act, pipelining: Pipelining) -> None:
    faulty = FaultyServer(Fault(Stage.QUIT, act, ALWAYS), manners=Manners(pipelining))
    with faulty as server, newsletter(tmp_path, server, time, readers=3) as app:
        deliver(app)
        assert_sent_once(app, server, 3)


# ---------------------------------------------------------------- refusals


@spoken
@pytest.mark.parametrize("message", [1, 3])
def test_a_refused_sender_stops_the_run(tmp_path: Path, time: Time, message: int, pipelining: Pipelining) -> None:
    faulty = FaultyServer(
        Fault(Stage.MAIL, Say("550 5.7.1 not from here"), ALWAYS, message=message), manners=Manners(pipelining)
    )
    with faulty as server, newsletter(tmp_path, server, time, readers=5) as app:
        with pytest.raises(TransportError, match="refuses the sender: 550"):
            deliver(app)
        before = message - 1
        marks = [(row.status, row.attempts, row.unknowns) for row in rows(app)]
        assert marks == [(SENT, 1, 0)] * before + [(QUEUED, 0, 0)] * (5 - before)
        assert_whole(app, server, 5)
        deliver_honestly(app, server, time)
        assert_sent_once(app, server, 5)


@pytest.mark.parametrize("eager", [False, True], ids=["503", "354"])
@pytest.mark.parametrize("replies", ["grouped", "single", "bytes"])
@spoken
def test_no_body_for_who_was_refused(
    tmp_path: Path, time: Time, pipelining: Pipelining, replies: str, eager: bool
) -> None:
    """Nor anything else that a server would take amiss."""
    faults = [Fault(Stage.RCPT, Say("550 5.1.1 no"), recipient=f"reader{number}@example.org") for number in (0, 2, 3)]
    faults += [Fault(Stage.RCPT, Say("450 4.2.1 no"), recipient="reader5@example.org")]
    manners = Manners(pipelining, replies=replies, eager=eager)  # type: ignore[arg-type]
    faulty = FaultyServer(*faults, manners=manners)
    with faulty as server, newsletter(tmp_path, server, time, readers=7) as app:
        deliver(app)
        assert_whole(app, server, 7)
        assert [row.status for row in rows(app)] == [BOUNCED, SENT, BOUNCED, BOUNCED, SENT, DEFERRED, SENT]
        deliver_honestly(app, server, time)
        assert set(server.heard.filed().values()) == {1}


@spoken
@pytest.mark.parametrize(("offered", "verdict"), [(True, Verdict.ACCEPTED), (False, Verdict.REFUSED)])
def test_an_address_beyond_ascii(offered: bool, verdict: Verdict, pipelining: Pipelining) -> None:
    with FaultyServer(manners=Manners(pipelining, smtputf8=offered)) as server:
        parcel = Parcel(1, "a@example.org", "jörg@example.org", b"Message-ID: <1@example.org>\r\n\r\n")
        assert hand_over(carrier(server), parcel).verdict is verdict
        assert server.heard.filed() == ({"jörg@example.org": 1} if offered else {})
        assert server.heard.wrongs == []


@spoken
def test_all_are_too_large(tmp_path: Path, time: Time, pipelining: Pipelining) -> None:
    faulty = FaultyServer(manners=Manners(pipelining, size=1_000))
    with faulty as server, newsletter(tmp_path, server, time, readers=3) as app:
        deliver(app)
        assert {row.status for row in rows(app)} == {DEFERRED}
        assert_whole(app, server, 3)


# ---------------------------------------------------------------- in the middle of the body


@spoken
@pytest.mark.parametrize("message", [1, 2])
@pytest.mark.parametrize(
    "act",
    [
        Cut(),
        Cut("rst"),
        Hold(),
        Say("552 5.3.4 too large"),
        Say("552 5.3.4 too large", then="fin"),
        Say("552 5.3.4 too large", then="rst"),
        Say("421 4.3.2 bye"),
        Say("250 2.0.0 enough of it"),
        Slow(size=100, pause=0.0),
    ],
    ids=repr,
)
def test_interrupted_in_a_small_body(
    tmp_path: Path, time: Time, act: Act, message: int, pipelining: Pipelining
) -> None:
    """It is written to its end before anybody can see what becomes of it: a loss is one after the dot."""
    faulty = FaultyServer(Fault(Stage.BODY, act, message=message), manners=Manners(pipelining))
    with faulty as server, newsletter(tmp_path, server, time, readers=3) as app:
        deliver(app)
        assert_whole(app, server, 3)
        ledger = rows(app)
        assert {(row.status, row.unknowns) for row in ledger} <= {(SENT, 0), (SENT, 1), (DEFERRED, 0)}
        assert sum(row.status is DEFERRED or row.unknowns > 0 for row in ledger) <= 1
        deliver_honestly(app, server, time)
        assert_whole(app, server, 3)
        assert {row.status for row in rows(app)} == {SENT}
        assert set(server.heard.filed().values()) == {1}


LARGE = b"Message-ID: <1@example.org>\r\n\r\n" + b"x" * 70 + b"\r\n" + (b"." * 70 + b"\r\n") * 400_000


@spoken
@pytest.mark.parametrize(
    ("act", "verdict"),
    [
        (None, Verdict.ACCEPTED),
        (Slow(size=400_000, pause=0.0), Verdict.ACCEPTED),
        (Cut(), Verdict.DEFERRED),
        (Cut("rst"), Verdict.DEFERRED),
        (Say("552 5.3.4 too large"), Verdict.DEFERRED),
        (Say("552 5.3.4 too large", then="fin"), Verdict.DEFERRED),
        (Say("550 5.1.1 nobody any more"), Verdict.REFUSED),
        (Say("250 2.0.0 enough of it"), Verdict.DEFERRED),
    ],
    ids=repr,
)
def test_interrupted_in_a_large_body(act: Act | None, verdict: Verdict, pipelining: Pipelining) -> None:
    """Before the dot was written nobody can have taken it: never accepted, and never unknown."""
    faults = [Fault(Stage.BODY, act)] if act is not None else []
    with FaultyServer(*faults, manners=Manners(pipelining)) as server:
        answer = hand_over(carrier(server), Parcel(1, "a@example.org", "b@example.org", LARGE))
        assert answer.verdict is verdict
        filed = [copy.content for copy in server.heard.copies if copy.filed]
        assert filed == ([LARGE] if verdict is Verdict.ACCEPTED else [])


def carrier(server: FaultyServer, patience: Patience = ENDLESS) -> SmtpCarrier:
    return SmtpCarrier(SmtpServer(server.host, server.port, "none"), 1, clock=monotonic, patience=patience)

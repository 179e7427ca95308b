"""A server that fails at one mail: what the ledger says of it, and that its reader gets it in the end."""

from pathlib import Path
from typing import Any

import pytest
from faulting import BOUNCED, DEFERRED, LOSSES, SENT, SPOKEN, assert_whole, deliver_honestly, newsletter, row
from faulty import FaultyServer
from faulty_script import (
    ALWAYS,
    Act,
    Cut,
    Drip,
    Early,
    Fault,
    HalfClose,
    Late,
    Manners,
    Say,
    Stage,
)
from house import Time

from newsletter.delivery import MAX_UNKNOWNS
from newsletter.delivery.judging import PAUSE_AFTER_UNKNOWNS
from newsletter.model import DeliveryStatus
from newsletter.sending import deliver

REFUSALS = {
    "450 4.2.1 later": DEFERRED,
    "451 4.7.1 greylisted": DEFERRED,
    "452 4.2.2 full": DEFERRED,
    "550 5.1.1 no such user": BOUNCED,
    "553 no such user": BOUNCED,
    "550 5.7.1 we do not want it": DEFERRED,
    "552 5.2.2 full": DEFERRED,
    "552 too much": DEFERRED,
}


def both_ways(cases: dict[Any, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("act", "pipelining"),
        [
            pytest.param(act, pipelining, id=f"{name}-{pipelining}")
            for name, act in cases.items()
            for pipelining in SPOKEN
        ],
    )


def a_mail(folder: Path, time: Time, fault: Fault, pipelining: Any) -> tuple[DeliveryStatus, int, int]:
    """What becomes of one reader's digest: its status, its unknowns, and the copies, after a run and with the next."""
    faulty = FaultyServer(fault, manners=Manners(pipelining=pipelining))
    with faulty as server, newsletter(folder, server, time) as app:
        deliver(app)
        assert_whole(app, server, 1)
        after = row(app)
        copies = server.heard.filed().total()
        deliver_honestly(app, server, time)
        assert_whole(app, server, 1)
        assert row(app).status is (BOUNCED if after.status is BOUNCED else SENT)
        if after.status is not BOUNCED:
            assert server.heard.filed().total() == copies + (after.status is not SENT)
    return after.status, after.unknowns, copies


# ---------------------------------------------------------------- before the dot


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA])
@both_ways(LOSSES)
def test_lost_before_the_dot(tmp_path: Path, time: Time, stage: Stage, act: Act, pipelining: str) -> None:
    """Deferred; said together, the commands may not have been understood, and are said again one by one."""
    expected = (DEFERRED, 0, 0) if pipelining == "none" else (SENT, 0, 1)
    assert a_mail(tmp_path, time, Fault(stage, act), pipelining) == expected


@pytest.mark.parametrize("stage", [Stage.MAIL, Stage.RCPT, Stage.DATA])
@both_ways({"451": Say("451 4.3.0 not now"), "421": Say("421 4.3.2 shutting down")})
def test_refused_for_now(tmp_path: Path, time: Time, stage: Stage, act: Act, pipelining: str) -> None:
    assert a_mail(tmp_path, time, Fault(stage, act), pipelining) == (DEFERRED, 0, 0)


@pytest.mark.parametrize("pipelining", SPOKEN)
@pytest.mark.parametrize("reply", REFUSALS)
def test_a_recipient_is_refused(tmp_path: Path, time: Time, reply: str, pipelining: str) -> None:
    assert a_mail(tmp_path, time, Fault(Stage.RCPT, Say(reply)), pipelining) == (REFUSALS[reply], 0, 0)


@pytest.mark.parametrize("pipelining", SPOKEN)
@pytest.mark.parametrize("reply", ["554 5.5.1 no", "503 5.5.1 not now"])
def test_data_is_refused_for_good(tmp_path: Path, time: Time, reply: str, pipelining: str) -> None:
    """Which tells nothing of a recipient who was accepted."""
    expected = (SENT, 0, 1) if pipelining == "kept" and reply.startswith("503") else (DEFERRED, 0, 0)
    assert a_mail(tmp_path, time, Fault(Stage.DATA, Say(reply)), pipelining) == expected


def test_a_sequence_that_is_refused_is_nobodys_bounce(tmp_path: Path, time: Time) -> None:
    """Whatever it was that confused the server, it was not the recipient."""
    assert a_mail(tmp_path, time, Fault(Stage.RCPT, Say("503 5.5.1 bad sequence")), "none") == (DEFERRED, 0, 0)


@pytest.mark.parametrize("stage", [Stage.GREETING, Stage.EHLO, Stage.MAIL, Stage.RCPT, Stage.DATA, Stage.FILED])
@both_ways({"late": Late(), "dripped": Drip()})
def test_slow_answers_are_waited_for(tmp_path: Path, time: Time, stage: Stage, act: Act, pipelining: str) -> None:
    assert a_mail(tmp_path, time, Fault(stage, act), pipelining) == (SENT, 0, 1)


@both_ways({Stage.MAIL: "250-2.1.0 a\n250-2.1.0 b\n250 c", Stage.RCPT: "250-a\n250 b", Stage.DATA: "354-a\n354 b"})
@pytest.mark.parametrize("number", [0, 1, 2])
def test_replies_of_several_lines(tmp_path: Path, time: Time, number: int, act: str, pipelining: str) -> None:
    stages = {"2": [Stage.MAIL, Stage.RCPT, Stage.FILED], "3": [Stage.DATA] * 3}[act[0]]
    assert a_mail(tmp_path, time, Fault(stages[number], Say(act)), pipelining) == (SENT, 0, 1)


# ---------------------------------------------------------------- after the dot


@both_ways(LOSSES)
def test_an_answer_is_lost(tmp_path: Path, time: Time, act: Act, pipelining: str) -> None:
    """Queued again, with the same Message-ID: who was told nothing cannot know that it was filed (RFC 1047)."""
    assert a_mail(tmp_path, time, Fault(Stage.FILED, act), pipelining) == (SENT, 1, 2)


@both_ways(LOSSES)
def test_a_mail_is_lost(tmp_path: Path, time: Time, act: Act, pipelining: str) -> None:
    assert a_mail(tmp_path, time, Fault(Stage.DOT, act), pipelining) == (SENT, 1, 1)


@pytest.mark.parametrize("pipelining", SPOKEN)
@pytest.mark.parametrize("reply", REFUSALS)
def test_a_message_is_refused(tmp_path: Path, time: Time, reply: str, pipelining: str) -> None:
    assert a_mail(tmp_path, time, Fault(Stage.DOT, Say(reply)), pipelining) == (REFUSALS[reply], 0, 0)


@both_ways({"421": Say("421 4.3.2 shutting down"), "451 and gone": Say("451 4.3.0 no room", then="rst")})
def test_a_message_is_refused_by_a_server_that_goes(tmp_path: Path, time: Time, act: Act, pipelining: str) -> None:
    assert a_mail(tmp_path, time, Fault(Stage.DOT, act), pipelining) == (DEFERRED, 0, 0)


@both_ways({"half-close": HalfClose(said=True), "fin": Say("250 2.0.0 filed", then="fin")})
def test_taken_and_gone(tmp_path: Path, time: Time, act: Act, pipelining: str) -> None:
    assert a_mail(tmp_path, time, Fault(Stage.FILED, act), pipelining) == (SENT, 0, 1)


@pytest.mark.parametrize("pipelining", SPOKEN)
def test_a_server_that_never_answers_has_five_tries_an_hour(tmp_path: Path, time: Time, pipelining: Any) -> None:
    faulty = FaultyServer(Fault(Stage.FILED, Cut(), ALWAYS), manners=Manners(pipelining=pipelining))
    with faulty as server, newsletter(tmp_path, server, time) as app:
        deliver(app)
        after = row(app)
        assert (after.status, after.unknowns, after.due - time.now) == (DEFERRED, MAX_UNKNOWNS, PAUSE_AFTER_UNKNOWNS)
        assert server.heard.filed() == {after.email: MAX_UNKNOWNS}
        assert_whole(app, server, 1)
        deliver_honestly(app, server, time)
        assert row(app).status is SENT
        assert_whole(app, server, 1)


# ---------------------------------------------------------------- a server that lies


@pytest.mark.parametrize("pipelining", SPOKEN)
def test_who_says_it_took_it_is_believed(tmp_path: Path, time: Time, pipelining: str) -> None:
    assert a_mail(tmp_path, time, Fault(Stage.DOT, Say("250 2.0.0 a lie")), pipelining) == (SENT, 0, 0)


@pytest.mark.parametrize("pipelining", SPOKEN)
@pytest.mark.parametrize("files", [True, False])
def test_who_answers_before_the_dot_is_not(tmp_path: Path, time: Time, files: bool, pipelining: str) -> None:
    """Nobody can have taken what was not sent to its end; nor does it go out behind an answer."""
    assert a_mail(tmp_path, time, Fault(Stage.DATA, Early(files=files)), pipelining) == (DEFERRED, 0, 0)

"""The politeness rule's lock file: one request at a time, an interval between, and hosts that want to be left alone."""

import fcntl
import json
import os
import struct
import tempfile
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from asking import ask_all
from house import START, Time
from hypothesis import given
from hypothesis import strategies as st

from newsletter.demo import faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.world import World
from newsletter.errors import SourceError
from newsletter.sources.gate import LONGEST_PAUSE, CoolingError, Gate, GateError

HOST = "export.arxiv.example"
NOW = START.timestamp()


def make_gate(folder: Path, time: Time, interval: float = 3) -> Gate:
    return Gate(folder / "state/gate", interval, lambda: time.now.timestamp(), time.sleep)


def refuse(gate: Gate, seconds: float, host: str = HOST) -> None:
    with gate.turn(host) as turn:
        turn.refused(seconds, "HTTP 429")


def ask(gate: Gate, host: str = HOST) -> None:
    with gate.turn(host) as turn:
        turn.answered()


# ---------------------------------------------------------------- the interval


def test_the_gate_keeps_the_interval(tmp_path: Path, time: Time) -> None:
    gate = make_gate(tmp_path, time)
    ask(gate)
    time.now += timedelta(seconds=1)
    with gate.turn(HOST):
        time.now += timedelta(seconds=20)  # a slow answer: the next request waits from its end
    ask(gate, "another.host.example")
    assert time.slept == pytest.approx([2, 3])


def test_a_restart_keeps_it_too(tmp_path: Path, time: Time) -> None:
    ask(make_gate(tmp_path, time))
    ask(make_gate(tmp_path, time))
    assert time.slept == pytest.approx([3])


def test_without_an_interval_nothing_is_waited(tmp_path: Path, time: Time) -> None:
    gate = make_gate(tmp_path, time, interval=0)
    for _ in range(3):
        ask(gate)
    assert time.slept == []


@pytest.mark.parametrize("step", [timedelta(hours=-1), timedelta(days=-400), timedelta(days=400)])
def test_a_clock_that_is_set_does_not_stop_us(tmp_path: Path, time: Time, step: timedelta) -> None:
    gate = make_gate(tmp_path, time)
    ask(gate)
    time.now += step
    ask(gate)
    assert sum(time.slept) <= 3


def test_a_request_that_failed_counts(tmp_path: Path, time: Time) -> None:
    gate = make_gate(tmp_path, time)
    with pytest.raises(ZeroDivisionError), gate.turn(HOST):
        raise ZeroDivisionError
    ask(gate)
    assert time.slept == pytest.approx([3])


# ---------------------------------------------------------------- left alone


def test_a_host_is_left_alone_to_the_second(tmp_path: Path, time: Time) -> None:
    refuse(make_gate(tmp_path, time), 600)
    time.now += timedelta(seconds=599)
    with pytest.raises(CoolingError, match=r"export.arxiv.example is left alone until 2026-01-06 07:10:00 UTC") as left:
        ask(make_gate(tmp_path, time))  # another process, or after a restart
    assert left.value.seconds == pytest.approx(1)
    time.now += timedelta(seconds=1)
    ask(make_gate(tmp_path, time))


def test_others_are_not(tmp_path: Path, time: Time) -> None:
    gate = make_gate(tmp_path, time)
    refuse(gate, 600)
    ask(gate, "oaipmh.arxiv.example")
    with pytest.raises(CoolingError):
        ask(gate)


def test_refusals_in_a_row_are_counted_until_an_answer(tmp_path: Path, time: Time) -> None:
    counts = []
    for _ in range(3):
        with make_gate(tmp_path, time).turn(HOST) as turn:
            counts.append(turn.refusals)
            turn.refused(10, "HTTP 429")
        time.now += timedelta(seconds=11)
    ask(make_gate(tmp_path, time))
    with make_gate(tmp_path, time).turn(HOST) as turn:
        counts.append(turn.refusals)
    assert counts == [0, 1, 2, 0]


@pytest.mark.parametrize("seconds", [1e9, 1e300, float("inf"), LONGEST_PAUSE + 1])
def test_no_host_locks_us_out_for_more_than_a_day(tmp_path: Path, time: Time, seconds: float) -> None:
    refuse(make_gate(tmp_path, time), seconds)
    with pytest.raises(CoolingError):
        ask(make_gate(tmp_path, time))
    time.now += timedelta(days=1)
    ask(make_gate(tmp_path, time))


def test_nor_does_a_clock_set_back(tmp_path: Path, time: Time) -> None:
    """A pause noted while the clock was years ahead is not heeded, then or when the clock comes near it."""
    time.now += timedelta(days=3)
    refuse(make_gate(tmp_path, time), 600)
    time.now -= timedelta(days=3)
    with pytest.raises(ZeroDivisionError), make_gate(tmp_path, time).turn(HOST):
        raise ZeroDivisionError  # neither answered nor refused
    time.now += timedelta(days=2, hours=23, minutes=59)
    ask(make_gate(tmp_path, time))


# ---------------------------------------------------------------- the file


TORN = [
    struct.pack("d", NOW),  # as it was before
    struct.pack("d", 0),
    b"{",
    b'{"last": 17',
    b"\xff\xfe\x00",
    b"[]",
    b"17",
    b'"text"',
    b'{"last": null, "hosts": {}}',
    b'{"last": NaN, "hosts": {}}',
    b'{"last": Infinity, "hosts": {}}',
    b'{"last": 1, "hosts": []}',
    b'{"last": 1, "hosts": {"h": 7}}',
    b'{"last": 1, "hosts": {"export.arxiv.example": {"until": "x", "reason": "", "refusals": 1}}}',
    b'{"last": 1, "hosts": {"export.arxiv.example": {"until": 1e999, "reason": "", "refusals": 1}}}',
    b'{"last": 1, "hosts": {"export.arxiv.example": {"until": 1, "reason": "", "refusals": 1e999}}}',
    b"[" * 60_000,
    b" " * 100_000,
]


@pytest.mark.parametrize("body", TORN, ids=lambda body: repr(body[:60]))
def test_a_file_that_is_torn_or_of_another_kind_is_begun_anew(tmp_path: Path, time: Time, body: bytes) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/gate").write_bytes(body)
    time.now += timedelta(days=4_000)  # the file itself was written in our time
    refuse(make_gate(tmp_path, time), 60)
    with pytest.raises(CoolingError):
        ask(make_gate(tmp_path, time))


@given(st.binary(max_size=200))
def test_whatever_the_file_holds(body: bytes) -> None:
    time = Time()
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(body)
        gate = Gate(Path(file.name), 3, lambda: NOW, time.sleep)
        ask(gate)
        ask(gate)
    assert sum(time.slept) <= 6


def test_a_torn_file_still_tells_that_it_was_used(tmp_path: Path, time: Time) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/gate").write_bytes(struct.pack("d", 0))
    os.utime(tmp_path / "state/gate", (NOW - 1, NOW - 1))
    ask(make_gate(tmp_path, time))
    assert time.slept == pytest.approx([2])


def test_a_kill_between_writing_and_cutting_forgets_nothing(tmp_path: Path, time: Time) -> None:
    gate = make_gate(tmp_path, time)
    refuse(gate, 60)
    file = tmp_path / "state/gate"
    short = file.read_bytes()
    refuse(gate, 3_600, "another.host.example")
    long = file.read_bytes()
    assert len(long) > len(short)
    file.write_bytes(short + long[len(short) :])
    with pytest.raises(CoolingError):
        ask(gate)


def test_a_file_with_absurd_counts_is_harmless(tmp_path: Path, time: Time) -> None:
    gate = make_gate(tmp_path, time)
    ask(gate)
    pause = {"until": NOW, "reason": "HTTP 429", "refusals": 10**9}
    (tmp_path / "state/gate").write_text(json.dumps({"last": NOW, "hosts": {HOST: pause}}))
    with gate.turn(HOST) as turn:
        assert turn.refusals <= 20


@pytest.mark.parametrize("kind", ["a folder", "under a file", "a pipe"])
def test_a_file_that_cannot_be_used_is_an_error_that_names_the_key(tmp_path: Path, time: Time, kind: str) -> None:
    path = tmp_path / "gate"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path.write_text("")
        path = path / "gate"
    gate = Gate(path, 3, lambda: NOW, time.sleep)
    with pytest.raises(GateError, match=r"\[arxiv\] gate names another place"):
        ask(gate)
    assert issubclass(GateError, SourceError)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_file_that_is_read_only(tmp_path: Path, time: Time) -> None:
    gate = make_gate(tmp_path, time)
    ask(gate)
    (tmp_path / "state/gate").chmod(0o400)
    with pytest.raises(GateError, match=r"cannot be opened \(Permission denied\); \[arxiv\] gate"):
        ask(gate)


def test_a_full_disk(time: Time) -> None:
    with pytest.raises(GateError, match=r"cannot be written \(No space left on device\); \[arxiv\] gate"):
        ask(Gate(Path("/dev/full"), 3, lambda: NOW, time.sleep))


def test_the_lock_is_given_back_whatever_happens(tmp_path: Path, time: Time) -> None:
    gate = make_gate(tmp_path, time)
    refuse(gate, 60)
    with pytest.raises(CoolingError):
        ask(gate)
    with (tmp_path / "state/gate").open("rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


# ---------------------------------------------------------------- several processes


def test_the_interval_holds_over_processes_interfaces_and_redirects(tmp_path: Path) -> None:
    def moves_the_first(request: faults.Request) -> faults.Fault | None:
        return faults.moved() if request.path in ("/api/query", "/rss/cs.CV") else None

    with ArxivStandIn(World(START.date())) as arxiv:
        arxiv.script(moves_the_first)
        addresses = (arxiv.url, f"{arxiv.feed_url}/cs.CV", f"{arxiv.oai_url}?verb=Identify")
        processes = [ask_all(tmp_path / "gate", 0.2, *addresses) for _ in range(3)]
        for process in processes:
            assert process.communicate(timeout=60)[0] == ""
        times = sorted(request.time for request in arxiv.requests)
    assert len(times) == 3 * 5
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.19
    assert max(request.concurrent for request in arxiv.requests) == 1


def test_what_one_process_was_told_another_heeds(tmp_path: Path) -> None:
    with ArxivStandIn(World(START.date()), faults=[faults.rate_exceeded("86000")]) as arxiv:
        first = ask_all(tmp_path / "gate", 0, arxiv.url).communicate(timeout=60)[0]
        second = ask_all(tmp_path / "gate", 0, arxiv.url).communicate(timeout=60)[0]
        assert len(arxiv.requests) == 1
        assert "is left alone until" in first
        assert "is left alone until" in second
        elsewhere = arxiv.url.replace("127.0.0.1", "localhost")
        assert ask_all(tmp_path / "gate", 0, elsewhere).communicate(timeout=60)[0] == ""


def test_it_asks_again_once_that_is_over(tmp_path: Path) -> None:
    with ArxivStandIn(World(START.date()), faults=[faults.rate_exceeded("1")]) as arxiv:
        first, second = (ask_all(tmp_path / "gate", 0, arxiv.url) for _ in range(2))
        assert {process.communicate(timeout=60)[0] for process in (first, second)} == {""}
        times = [request.time for request in arxiv.requests]
    assert len(times) == 3
    assert times[1] - times[0] >= 0.99

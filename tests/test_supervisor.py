"""The supervisor over real processes: they are started again, later each time, killed if they hang, and end with it."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from processes import WAITS, lives, until

from newsletter.daemon.child import GRACE, leave_on_signal, stop_on_signal
from newsletter.daemon.supervisor import Supervisor


def python(program: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(program)]


class Stand:
    """A supervisor on a clock that each look moves on, with real children that note their numbers in a file."""

    def __init__(self, folder: Path, program: str, *, hung: float = 900, grace: float = 5.0) -> None:
        self.notes = folder / "notes"
        self.notes.touch()
        self.now, self.looks = 0.0, 0
        self.sign: object = 0
        self.endings: list[tuple[str, str]] = []
        self.supervisor = Supervisor(
            {"child": python(program.replace("NOTES", repr(str(self.notes))))},
            clock=lambda: self.now,
            told_to_stop_within=self.rest,
            signs=lambda: {"child": self.sign},
            ended=lambda name, reason: self.endings.append((name, reason)),
            hung=hung,
            grace=grace,
        )
        self.on_look: Callable[[], bool] = lambda: True

    def rest(self, _seconds: float) -> bool:
        self.looks += 1
        time.sleep(0.01)
        return self.on_look()

    def pids(self) -> list[int]:
        return [int(line) for line in self.notes.read_text().split()]


NOTE = "import os; open(NOTES, 'a').write(f'{os.getpid()}\\n')"
STAYS = f"{NOTE}; import sys; sys.stdin.read()"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Callable[..., Stand]]:
    stands: list[Stand] = []

    def make(program: str, **options: float) -> Stand:
        stands.append(Stand(tmp_path, program, **options))
        return stands[-1]

    yield make
    assert not any(lives(pid) for made in stands for pid in made.pids())


def test_a_child_that_ends_is_started_again_later_each_time(stand: Callable[..., Stand]) -> None:
    made = stand(f"{NOTE}; raise SystemExit(1)")
    starts: list[float] = []

    def look() -> bool:
        child = made.supervisor._children[0]
        if child.process is not None:
            child.process.wait(WAITS)
            starts.append(child.started)
        made.now = max(made.now, child.start_at)
        return len(starts) == 11

    made.on_look = look
    made.supervisor.run()
    assert [later - sooner for sooner, later in pairwise(starts)] == [
        1, 2, 4, 8, 16, 32, 64, 128, 256, 300
    ]  # fmt: skip
    assert made.endings == []  # a status of 1 it has explained itself


def test_a_child_that_was_well_for_long_begins_anew(stand: Callable[..., Stand]) -> None:
    made = stand(f"{NOTE}; raise SystemExit(1)")
    pauses: list[float] = []

    def look() -> bool:
        child = made.supervisor._children[0]
        if child.process is not None:
            child.process.wait(WAITS)
            made.now += 601
            made.supervisor._keep(child)
            pauses.append(child.start_at - made.now)
        made.now = child.start_at
        return len(pauses) == 3

    made.on_look = look
    made.supervisor.run()
    assert pauses == [1, 1, 1]


def test_a_child_that_hangs_is_killed_and_started_again(
    stand: Callable[..., Stand], caplog: pytest.LogCaptureFixture
) -> None:
    made = stand(f"{NOTE}; import time; time.sleep(600)", hung=900)

    def look() -> bool:
        until(lambda: bool(made.pids()))
        if made.now == 2100:  # it has just been killed
            until(lambda: not lives(made.pids()[0]))
        made.now += 60
        made.sign = min(made.now, 1200)  # from then on it is silent
        return len(made.pids()) == 2

    made.on_look = look
    made.supervisor.run()
    assert made.endings == [("child", "the process gave no sign of life for 900 s and was killed")]
    assert "gave no sign of life" in caplog.text
    assert not lives(made.pids()[0])


def test_a_machine_that_slept_is_not_a_child_that_hangs(stand: Callable[..., Stand]) -> None:
    made = stand(STAYS)

    def look() -> bool:
        until(lambda: len(made.pids()) == 1)
        made.now += 60
        made.sign = made.looks + 1_000_000 * (made.looks > 20)  # wall clocks jump; signs still come
        return made.looks == 60

    made.on_look = look
    made.supervisor.run()
    assert len(made.pids()) == 1
    assert made.endings == []


def test_a_child_that_is_killed_is_told_of(stand: Callable[..., Stand]) -> None:
    made = stand(STAYS)

    def look() -> bool:
        until(lambda: len(made.pids()) == 1)
        if not made.endings:
            os.kill(made.pids()[0], signal.SIGKILL)
            until(lambda: not lives(made.pids()[0]))
        return bool(made.endings)

    made.on_look = look
    made.supervisor.run()
    assert made.endings == [("child", "the process was ended by signal 9")]


def test_a_program_that_cannot_be_started_is_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = Stand(tmp_path, "")
    made.supervisor._children[0].command = [str(tmp_path / "missing")]

    def look() -> bool:
        made.now += 1
        return made.looks == 8

    made.on_look = look
    made.supervisor.run()
    assert caplog.text.count("cannot be started: No such file") == 4  # after 0, 1, 3 and 7 seconds
    assert made.endings == [("child", "the process cannot be started: No such file or directory")] * 4


def test_at_the_end_children_are_asked_to_end_and_then_made_to(
    stand: Callable[..., Stand], caplog: pytest.LogCaptureFixture
) -> None:
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    made = stand(f"{deaf}; {NOTE}; import time; time.sleep(600)", grace=0.2)
    made.on_look = lambda: bool(made.pids())
    made.supervisor.run()
    assert "did not end within" in caplog.text
    assert GRACE > 8  # the sender's own patience


def test_a_child_ends_when_its_supervisor_is_killed(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    child = f"{NOTE.replace('NOTES', repr(str(notes)))}; from newsletter.daemon.child import tie; tie(); "
    parent = f"""
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", {child + "import time; time.sleep(600)"!r}], stdin=subprocess.PIPE)
        time.sleep(600)
    """
    process = subprocess.Popen(python(parent))
    until(lambda: notes.exists() and notes.read_text().endswith("\n"))
    pid = int(notes.read_text())
    assert lives(pid)
    process.kill()
    process.wait()
    until(lambda: not lives(pid))


def test_signals_that_come_one_upon_the_other_stop_it() -> None:
    """A handler may interrupt another, or the wait itself: what is not reentrant would hang here sooner or later."""
    with stop_on_signal() as stop:
        assert not stop.within(0)
        sender = python(f"""
            import os, signal
            for number in range(2000):
                os.kill({os.getpid()}, signal.SIGTERM if number % 2 else signal.SIGINT)
        """)
        with subprocess.Popen(sender) as process:
            while process.poll() is None:
                stop.within(0.001)
        assert stop.is_set()
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_told_to_leave_it_leaves_once_and_where_that_is_lost_at_the_next_wait() -> None:
    with leave_on_signal() as told_to_stop_within:
        with pytest.raises(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # on the way out
        assert told_to_stop_within(WAITS)

"""The supervisor: keeps its children alive, sees which hang, and ends them when it is told to end itself.

A child's standard input is the read end of a pipe that we hold. When we die, however that comes, it reads the end of it
and goes too (see `child.tie`).
"""

import logging
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from newsletter.daemon.child import GRACE

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0  # seconds before a child that ended is started again
WELL_AFTER = 600.0  # seconds; a child that lived for so long is well again, and its next end counts as the first
HUNG = 1800.0  # seconds without a sign of life; pushing over a slow network may take half of it
TICK = 0.5  # seconds between two looks


@dataclass(slots=True)
class _Child:
    """A process that is to run, and how it has fared."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    start_at: float = 0.0
    ends: int = 0  # in a row
    sign: object = None  # the last one seen, and when it was new
    sign_at: float = 0.0
    killed_because: str = ""


class Supervisor:
    """Runs children by name until told to stop.

    `clock` is monotonic, in seconds; `told_to_stop_within` waits for some seconds or less, and says whether we are.
    `signs` returns each child's last sign of life, any value that changes; `ended` is told of an end that a child
    cannot have recorded itself.
    """

    def __init__(
        self,
        commands: Mapping[str, Sequence[str]],
        *,
        clock: Callable[[], float],
        told_to_stop_within: Callable[[float], bool],
        signs: Callable[[], Mapping[str, object]],
        ended: Callable[[str, str], None],
        hung: float = HUNG,
        grace: float = GRACE,
    ) -> None:
        self._children = [_Child(name, command) for name, command in commands.items()]
        self._clock, self._signs, self._ended = clock, signs, ended
        self._told_to_stop_within = told_to_stop_within
        self._hung, self._grace = hung, grace
        self._looked = clock()

    def run(self) -> None:
        """Start all, start again what ends, and end all at last."""
        try:
            while True:
                for child in self._children:
                    self._keep(child)
                if self._told_to_stop_within(TICK):
                    break
                self._look_for_hung()
        finally:
            self._end_all()

    def _keep(self, child: _Child) -> None:
        if child.process is not None and child.process.poll() is not None:
            self._bury(child, child.process.returncode)
        if child.process is None and self._clock() >= child.start_at:
            self._start(child)

    def _start(self, child: _Child) -> None:
        try:
            # A group of its own: Ctrl-C in the terminal is for us, and we tell the children.
            child.process = subprocess.Popen(child.command, stdin=subprocess.PIPE, process_group=0)
        except OSError as error:
            reason = f"cannot be started: {error.strerror}"
            self._put_off(child, reason)
            self._ended(child.name, f"the process {reason}")
            return
        child.started = child.sign_at = self._clock()
        log.info("child started name=%s pid=%d", child.name, child.process.pid)

    def _bury(self, child: _Child, status: int) -> None:
        if child.process is not None and child.process.stdin is not None:
            child.process.stdin.close()
        child.process = None
        if self._clock() - child.started >= WELL_AFTER:
            child.ends = 0
        reason = child.killed_because or _describe(status)
        child.killed_because = ""
        self._put_off(child, reason)
        if status not in (0, 1):  # these it has recorded itself
            self._ended(child.name, f"the process {reason}")

    def _put_off(self, child: _Child, reason: str) -> None:
        pause = min(FIRST_PAUSE * 2**child.ends, LONGEST_PAUSE)
        child.ends = min(child.ends + 1, 16)
        child.start_at = self._clock() + pause
        log.error("child name=%s %s; starts again in %.0f s", child.name, reason, pause)

    def _look_for_hung(self) -> None:
        """Kill what gives no sign of life. By our own clock: the machine's may be set, or sleep."""
        now = self._clock()
        if now - self._looked < self._hung / 20:
            return
        self._looked = now
        signs = self._signs()
        for child in self._children:
            sign = signs.get(child.name)
            if sign != child.sign:
                child.sign, child.sign_at = sign, now
            if child.process is not None and now - child.sign_at >= self._hung:
                child.killed_because = f"gave no sign of life for {self._hung:.0f} s and was killed"
                child.sign_at = now
                child.process.kill()

    def _end_all(self) -> None:
        """SIGTERM to all, and after the grace SIGKILL."""
        running = [(child.name, child.process) for child in self._children if child.process is not None]
        for _, process in running:
            process.terminate()
        until = self._clock() + self._grace
        for name, process in running:
            try:
                process.wait(max(until - self._clock(), 0.1))
            except subprocess.TimeoutExpired:
                log.error("child name=%s did not end within %.0f s; it is killed", name, self._grace)
                process.kill()
                process.wait()
            if process.stdin is not None:
                process.stdin.close()


def _describe(status: int) -> str:
    return f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"

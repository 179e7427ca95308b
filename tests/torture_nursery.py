"""Senders as `newsletter deliver` starts them, forked from a process that has everything imported.

Importing takes longer than sending. The process that forks has no thread and no database open; who has ended stays a
zombie until the next is started, so that its number is nobody else's as long as it may be killed.
"""

import faulthandler
import importlib
import json
import os
import pkgutil
import signal
import struct
import subprocess
import sys
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn, Self

import newsletter
from newsletter import cli
from newsletter.app import App, Outside
from newsletter.cli import delivering, logs
from newsletter.cli.context import Context
from newsletter.config import load
from newsletter.errors import NewsletterError

KILLED = -signal.SIGKILL
WAITS = 120.0  # seconds until a test gives up
BACK = 3600.0  # seconds that SIGUSR1 sets a sender's clock back
_SLEEP = 0.001  # seconds that are slept at most
_SECONDS = struct.Struct("d")
_FORKED = ("newsletter.delivery", "newsletter.mail", "newsletter.storage")


@dataclass(frozen=True, slots=True)
class Request:
    """What a process is to do; it writes what it says to `said`, at the end."""

    folder: str
    said: str
    program: tuple[str, ...] = ()  # a command line instead of a sender
    stay: bool = False
    clock: str = ""  # the file in which its clock is
    patience: float = 10.0  # seconds that another writer is waited for


class Child:
    """A process that was started, from the other side."""

    def __init__(self) -> None:
        self.ended: Future[Any]
        self._number: Future[int] = Future()

    @property
    def number(self) -> int:
        """The process's; waits until there is one."""
        return self._number.result(WAITS)

    def born(self, number: int) -> None:
        self._number.set_result(number)

    def send(self, number: int) -> None:
        """Send it a signal; one that has ended hears nothing."""
        os.kill(self.number, number)

    def kill(self) -> None:
        self.send(signal.SIGKILL)

    def wait(self) -> int:
        """How it ended: its status, or the signal's number below zero. Raises as `hangs` does, if it does not."""
        try:
            return int(self.ended.result(WAITS))
        except TimeoutError:
            self.hangs()

    def hangs(self) -> NoReturn:
        """Let it say where it hangs, kill it, and raise `AssertionError`."""
        self.send(signal.SIGUSR2)
        time.sleep(1.0)
        self.kill()
        raise AssertionError(f"it neither goes on nor ends after {WAITS} seconds")


class Nursery:
    """The process that forks: one child at a time."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__))]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=environment
        )
        self._listener = ThreadPoolExecutor(1, thread_name_prefix="nursery")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()
        self._listener.shutdown()

    def start(self, request: Request, child: Child | None = None) -> Child:
        """Start a process; `child` may be one that somebody has already been told of."""
        child = child or Child()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(asdict(request)), file=self._process.stdin, flush=True)
        child.born(int(self._process.stdout.readline()))
        child.ended = self._listener.submit(self._process.stdout.readline)
        return child


class Clock:
    """The machine's, by some seconds ahead. How many stands in a file, so that it outlives whom it goes for."""

    def __init__(self, file: Path) -> None:
        self._handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def offset(self) -> float:
        (seconds,) = _SECONDS.unpack(os.pread(self._handle, _SECONDS.size, 0))
        return float(seconds)

    @offset.setter
    def offset(self, seconds: float) -> None:
        os.pwrite(self._handle, _SECONDS.pack(seconds), 0)

    def set_back(self, *_: object) -> None:
        """As when an operator, or the network's time, corrects it by an hour."""
        self.offset -= BACK

    def sleep(self, seconds: float) -> None:
        """Let time pass, mostly by setting the clock."""
        really = min(seconds, _SLEEP)
        time.sleep(really)
        self.offset += seconds - really

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.offset)

    def wall(self) -> float:
        return time.time() + self.offset


# ---------------------------------------------------------------- in the process that forks


def send(request: Request) -> None:
    """What `newsletter deliver` does, by another clock."""
    clock = Clock(Path(request.clock))
    signal.signal(signal.SIGUSR1, clock.set_back)
    faulthandler.register(signal.SIGUSR2)
    logs.configure(20, "text")
    context = Context(Path(request.folder, "config.toml"))
    context.app = App(
        load(context.config_path),
        Outside(clock=clock.now, wall=clock.wall, sleep=clock.sleep, patience=request.patience),
    )
    try:
        delivering.deliver.main(["--wait"] if request.stay else [], obj=context, standalone_mode=False)
    except NewsletterError as error:
        print(f"newsletter: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)
    finally:
        context.close()


def live(request: Request) -> int:
    """Do what is to be done, in a process of its own; returns its status."""
    said = os.open(request.said, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (1, 2):
        os.dup2(said, stream)
    try:
        if request.program:
            cli.main(["--config", str(Path(request.folder, "config.toml")), *request.program])
        else:
            send(request)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(bool(end.code))
    except BaseException:  # noqa: BLE001 - whatever it is, the test shall hear of it
        traceback.print_exc()
        return 99
    return 0


def fork(request: Request) -> int:
    """Start a process, say its number, and how it ended; returns the number."""
    number = os.fork()
    if number == 0:
        status = 99
        try:
            status = live(request)
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)
    print(number, flush=True)  # noqa: T201 - read by the other side
    ended = os.waitid(os.P_PID, number, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    print(-ended.si_status if ended.si_code != os.CLD_EXITED else ended.si_status, flush=True)  # noqa: T201
    return number


def main() -> None:
    for module in pkgutil.walk_packages(newsletter.__path__, "newsletter."):
        if module.name.startswith(_FORKED):
            importlib.import_module(module.name)
    last = 0
    for line in sys.stdin:
        if last:
            os.waitpid(last, 0)
        last = fork(Request(**json.loads(line)))


if __name__ == "__main__":
    main()

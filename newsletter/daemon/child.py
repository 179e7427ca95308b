"""The child's half: it ends when it is told to, and when its supervisor is gone."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GRACE = 20.0  # seconds to end in; the sender awaits answers for 8

_GLANCE = 0.2  # seconds that a signal may go unheard
_NUMBERS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Stop:
    """Set by a signal, once and for all.

    Without locks: a handler may interrupt who holds one, which is how a `threading.Event` can hang.
    """

    def __init__(self) -> None:
        self._told = False

    def set(self) -> None:
        """Tell to stop."""
        self._told = True

    def is_set(self) -> bool:
        """Whether we were told to."""
        return self._told

    def within(self, seconds: float) -> bool:
        """Wait for some seconds, or until we are told to; whether we were."""
        until = time.monotonic() + seconds
        while not self._told and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _GLANCE))
        return self._told


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """What SIGTERM, Ctrl-C and the end of the terminal set, for as long as the block runs."""
    stop = Stop()
    with _handling(stop.set):
        yield stop


@contextmanager
def leave_on_signal() -> Iterator[Callable[[float], bool]]:
    """On a signal, leave from wherever we are, by `SystemExit`; yields what waits for some seconds.

    For work that may be broken off anywhere. Locks and transactions are taken down on the way out, so it is raised only
    once; where it gets lost (in a callback of the interpreter's own), the next wait ends the work.
    """
    stop = Stop()

    def leave() -> None:
        if not stop.is_set():
            stop.set()
            sys.exit(0)

    with _handling(leave):
        yield stop.within


@contextmanager
def _handling(act: Callable[[], None]) -> Iterator[None]:
    # Under nohup the end of the terminal is not for us.
    numbers = [number for number in _NUMBERS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, lambda *_: act()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def tie(pipe: int = 0, grace: float = GRACE) -> None:
    """End this process, as by SIGTERM and then by force, when whoever holds the other end of the pipe (standard input)
    has gone."""

    def watch() -> None:
        while os.read(pipe, 1):  # not the file object: its lock would be held when the interpreter ends
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(grace)
        os._exit(1)

    threading.Thread(target=watch, name="tie", daemon=True).start()

"""Threads for what is only shown, and others for what is sent in."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from waitress.task import ThreadedTaskDispatcher


class _Threads(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Threads that close what they opened when they end."""

    def __init__(self, number: int, name: str, at_the_end: Callable[[], None]) -> None:
        super().__init__()
        self._name, self._at_the_end, self.started = name, at_the_end, list[threading.Thread]()
        self.set_thread_count(number)

    def start_new_thread(self, target: Callable[[int], None], thread_no: int) -> None:
        name = f"{self._name}-{thread_no}"
        thread = threading.Thread(target=self._work, args=(target, thread_no), name=name, daemon=True)
        self.started.append(thread)
        thread.start()

    def _work(self, target: Callable[[int], None], number: int) -> None:
        try:
            target(number)
        finally:
            self._at_the_end()


class Lanes:
    """What has waitress's tasks done, in two sets of threads: pages are shown, also while all that is sent in waits for
    another process to write. An edition for many readers is one long transaction."""

    def __init__(self, number: int, at_the_end: Callable[[], None]) -> None:
        """So many threads in each; `at_the_end` is called in each thread that ends."""
        self._shown, self._sent = _Threads(number, "web", at_the_end), _Threads(number, "web-sent", at_the_end)

    def add_task(self, task: Any) -> None:
        """Have a task done: a connection, for its next request; or another one, which is done as pages are."""
        waiting: Sequence[Any] = getattr(task, "requests", ())
        sent_in = bool(waiting) and getattr(waiting[0], "command", "") == "POST"
        (self._sent if sent_in else self._shown).add_task(task)

    def shutdown(self, timeout: float) -> None:
        """Let the threads end when they have done what they are at, for so many seconds."""
        until = time.monotonic() + timeout
        for threads in (self._shown, self._sent):
            threads.shutdown(timeout=max(0.0, until - time.monotonic()))
        for thread in (*self._shown.started, *self._sent.started):
            thread.join(max(0.0, until - time.monotonic()))

"""Mails handed over as a program would that has them ready and keeps no ledger: a loop of smtplib, in threads."""

import itertools
import smtplib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks import house
from benchmarks.measure import alone, aside
from benchmarks.queues import Queue
from newsletter.digests import Digests

SENDER, RECIPIENT = "papers@example.org", "reader@example.org"
_DIFFERENT = 200  # mails; then the same ones again


@contextmanager
def letters(queue: Queue) -> Iterator[Path]:
    """A folder of mails as the queue has them, a file each."""
    with house.temporary() as folder:
        aside(_write, queue, folder)
        yield folder


def _write(queue: Queue, folder: Path) -> None:
    with house.opened(queue.folder) as app:
        digests = Digests(app.storage)
        for number, claim in enumerate(house.claims(app, _DIFFERENT)):
            (folder / f"{number}.eml").write_bytes(app.compose(claim, digests) or b"")


def by_smtplib(folder: Path, port: int, mails: int, connections: int) -> float:
    """Send so many of them over connections that stay open, each driven by a thread: mails a second."""
    return alone(_send, folder, port, mails, connections)


def _send(folder: Path, port: int, mails: int, connections: int) -> float:
    messages = [file.read_bytes() for file in sorted(folder.iterdir())]
    start = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        parts = [(mails + place) // connections for place in range(connections)]
        list(pool.map(lambda number: _send_some(messages, port, number), parts))
    return mails / (time.perf_counter() - start)


def _send_some(messages: Sequence[bytes], port: int, number: int) -> None:
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        for message in itertools.islice(itertools.cycle(messages), number):
            smtp.sendmail(SENDER, RECIPIENT, message)

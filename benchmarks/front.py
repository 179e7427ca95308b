"""A newsletter whose web front is served and whose mail is sent by processes of their own; and a plain web server."""

import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import waitress

from benchmarks import house, material
from benchmarks.load import Question
from benchmarks.measure import SPAWN, alone, aside
from benchmarks.sending import free_port
from newsletter.app import App
from newsletter.config import load
from newsletter.model import DeliveryStatus, Status
from newsletter.settling import settle

_PATIENCE = 60  # seconds for a process to begin
_THREADS = 8  # what the configuration has, if it says nothing
_CONFIG = """
[newsletter]
sender = "Daily Papers <papers@example.org>"
base_url = "https://papers.example.org"
{topics}
[arxiv]
categories = []
[delivery]
transport = "smtp"
[smtp]
host = "127.0.0.1"
port = {smtp}
connections = {connections}
[web]
port = {web}
"""


class Front:
    """A newsletter with so many readers, and an edition that is to be settled; `smtp` is the port that mail goes to."""

    def __init__(self, folder: Path, readers: int, smtp: int) -> None:
        self._config, self._paths, self._readers = folder / "config.toml", folder / "paths", readers
        self.port = free_port()
        topics = "\n".join(f'[[topics]]\nname = "{name}"' for name in material.TOPICS)
        config = _CONFIG.format(topics=topics, smtp=smtp, web=self.port, connections=house.CONNECTIONS)
        self._config.write_text(config, encoding="utf-8")
        aside(self._furnish)

    def _furnish(self) -> None:
        house.bring_news(self._config.parent, house.few_topics, self._readers, material.NEWS)
        with closing(App(load(self._config))) as app:
            tokens = (app.keyring.make("unsubscribe", number + 1) for number in range(self._readers))
            self._paths.write_text("".join(f"/u/{token}\n" for token in tokens), encoding="utf-8")

    # ---------------------------------------------------------------- processes

    @contextmanager
    def served(self) -> Iterator[None]:
        """Run `newsletter serve`."""
        with self._running("serve", lambda: _listens(self.port)):
            yield

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Run `newsletter deliver`."""
        with self._running("deliver", lambda: self.sent() > 0):
            yield

    @contextmanager
    def _running(self, verb: str, at_work: Callable[[], bool]) -> Iterator[None]:
        command = [sys.executable, "-P", "-m", "newsletter", "--config", str(self._config), verb]
        log = self._config.with_name(f"{verb}.log")
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file)
        try:
            _until(lambda: at_work() or process.poll() is not None)
            if process.poll():
                raise RuntimeError(f"newsletter {verb} broke off: {log.read_text(encoding='utf-8')}")
            yield
        finally:
            process.terminate()
            process.wait()

    def settle(self) -> tuple[int, float]:
        """Settle the edition: how many digests were queued, and the seconds it took."""
        return alone(_settle, self._config)

    # ---------------------------------------------------------------- what is asked, and what came of it

    def leaving(self, part: int, parts: int, pace: int = 0) -> Question:
        """That a part of the readers leaves, each by a link of their own."""
        number = self._readers // parts
        return Question(paths=self._paths, first=part * number, number=number, pace=pace)

    def left(self) -> int:
        """How many readers have left."""
        with closing(App(load(self._config), looking=True)) as app:
            return app.storage.subscribers.counts().get(Status.UNSUBSCRIBED, 0)

    def sent(self) -> int:
        """How many digests were sent."""
        with closing(App(load(self._config), looking=True)) as app:
            return app.storage.deliveries.counts().get(DeliveryStatus.SENT, 0)


@contextmanager
def plain(length: int) -> Iterator[int]:
    """waitress over an application that does nothing and answers with so many bytes; the port."""
    port = free_port()
    process = SPAWN.Process(target=_serve_plainly, args=(port, bytes(length)))
    process.start()
    try:
        _until(lambda: _listens(port))
        yield port
    finally:
        process.terminate()
        process.join()


def _serve_plainly(port: int, body: bytes) -> None:
    def application(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/html"), ("Content-Length", str(len(body)))])
        return [body]

    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    waitress.serve(application, host="127.0.0.1", port=port, threads=_THREADS, _quiet=True)


def _settle(config: Path) -> tuple[int, float]:
    with closing(App(load(config))) as app:
        _ = app.storage
        start = time.perf_counter()
        return settle(app, material.TODAY).queued, time.perf_counter() - start


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _until(happened: Callable[[], bool]) -> None:
    limit = time.monotonic() + _PATIENCE
    while not happened():
        if time.monotonic() > limit:
            raise TimeoutError("a process does not begin")
        time.sleep(0.05)

"""While somebody else writes: what is sent in waits and is kept, pages are shown, and nobody is told what is not so."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from house import bring, day, make_paper
from joinery import ANN, BOB, known, make, own_page
from processes import until
from webfront import WebFront, served, web_front

from newsletter.model import Status
from newsletter.settling import settle
from newsletter.storage import Storage
from newsletter.storage.database import Database
from newsletter.web.serving import serve

ONE_CLICK = b"List-Unsubscribe=One-Click"
LOOK = """
import sqlite3, sys
from contextlib import closing
with closing(sqlite3.connect(sys.argv[1])) as database:
    database.execute("SELECT count(*) FROM subscribers").fetchall()
"""


@dataclass
class Busy:
    """A web front whose pauses are counted."""

    front: WebFront
    address: str
    pauses: list[float]

    def get(self, path: str) -> int:
        with urlopen(f"{self.address}{path}", timeout=60) as answer:
            return int(answer.status)

    def leave(self, path: str) -> int:
        with urlopen(Request(f"{self.address}{path}", data=ONE_CLICK), timeout=60) as answer:
            return int(answer.status)

    def await_pauses(self, number: int = 10) -> None:
        """Until it has found the database locked, and again."""
        sofar = len(self.pauses)
        until(lambda: len(self.pauses) > sofar + number)


def link(front: WebFront, number: int) -> str:
    return f"/u/{front.app.keyring.make('unsubscribe', number)}"


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[Busy]:
    """Two threads show pages, and two take what is sent in."""
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    with web_front(tmp_path, outside={"sleep": sleep, "monotonic": time.monotonic}) as front:
        front.bring_out(make_paper(1))
        with served(front, threads=2) as address:
            yield Busy(front, address, pauses)


@contextmanager
def writing(front: WebFront) -> Iterator[Database]:
    """Somebody else's transaction."""
    with closing(Database(front.app.config.newsletter.database)) as other, other.write():
        yield other


# ---------------------------------------------------------------- waiting


def test_pages_are_shown_while_readers_who_leave_wait_for_a_long_transaction(busy: Busy) -> None:
    """More wait than there are threads."""
    links = [link(busy.front, make(busy.front, email=f"reader{number}@example.org").id) for number in range(6)]
    with ThreadPoolExecutor(len(links)) as pool:
        with writing(busy.front):
            leaving: list[Future[int]] = [pool.submit(busy.leave, path) for path in links]
            busy.await_pauses()
            for path in (f"/editions/{day()}", "/", "/subscribe", "/health", links[0]) * 3:
                assert busy.get(path) == 200
            assert not any(future.done() for future in leaving)
        assert [future.result() for future in leaving] == [200] * len(links)
    assert busy.front.app.storage.subscribers.counts() == {Status.UNSUBSCRIBED: len(links)}


def test_who_leaves_while_their_digest_is_queued_does_not_get_it(busy: Busy) -> None:
    """The transaction that is waited for is an edition's."""
    path, _ = leave(busy.front)
    app = busy.front.app
    busy.front.pass_days()
    bring(app, make_paper(2))
    with ThreadPoolExecutor(1) as pool:
        with app.storage.write():
            leaving = pool.submit(busy.leave, path)
            busy.await_pauses()
            assert settle(app, day(1)).queued == 1
        assert leaving.result() == 200
    assert list(app.storage.deliveries.counts()) == ["suppressed"]


def leave(front: WebFront) -> tuple[str, Callable[[], bool]]:
    return link(front, make(front).id), lambda: known(front).status is Status.UNSUBSCRIBED


def pause(front: WebFront) -> tuple[str, Callable[[], bool]]:
    return own_page(front, make(front)), lambda: known(front).status is Status.PAUSED


def erase(front: WebFront) -> tuple[str, Callable[[], bool]]:
    return f"{own_page(front, make(front))}/erase", lambda: front.app.subscriptions.find(ANN) is None


@pytest.mark.parametrize("asked", [leave, pause, erase])
def test_what_would_wait_too_long_is_refused_and_not_lost_in_silence(
    tmp_path: Path, asked: Callable[[WebFront], tuple[str, Callable[[], bool]]]
) -> None:
    seconds = count(0, 20)
    with web_front(tmp_path, outside={"patience": 0.01, "monotonic": lambda: float(next(seconds))}) as front:
        path, done = asked(front)
        with writing(front):
            answer = front.client.post(path, data={"do": "pause"})
            assert answer.status_code == 503
            assert int(answer.headers["Retry-After"]) > 0
            assert "Our database cannot be" in answer.text
        assert not done()
        assert front.client.post(path, data={"do": "pause"}).status_code == 200
        assert done()


def test_a_database_that_is_gone_for_a_while(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        path, done = leave(front)
        database = front.app.config.newsletter.database
        database.rename(tmp_path / "elsewhere.db")
        assert front.client.post(path).status_code == 503
        (tmp_path / "elsewhere.db").rename(database)
        assert not done()
        assert front.client.post(path).status_code == 200
        assert done()


# ---------------------------------------------------------------- connections


def test_a_thread_keeps_its_two_connections(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        looking = front.pool.looking()
        with front.pool.acting() as acting:
            pass
        assert front.pool.looking() is looking
        with front.pool.acting() as again:
            assert again is acting


def test_the_log_of_a_database_outlives_a_process_that_comes_and_goes(tmp_path: Path) -> None:
    """A file that is opened and closed loses the locks that this process holds on it (POSIX). Another process would
    then take itself for the last one that has the database open, and clear away the log that we go on writing to."""
    path = tmp_path / "subscribers.db"
    with closing(Storage(path)), closing(Storage(path)):
        subprocess.run([sys.executable, "-c", LOOK, str(path)], check=True)
        assert path.with_name("subscribers.db-wal").exists()


# ---------------------------------------------------------------- the sender


def test_a_sender_begins_anew_for_editions_and_topics_and_not_for_readers_who_leave(tmp_path: Path) -> None:
    """What it has put together for thousands would be dropped, hundreds of times a second."""
    with web_front(tmp_path) as front, closing(Storage(front.app.config.newsletter.database)) as sender:
        front.bring_out(make_paper(1))
        path, done = leave(front)
        state = sender.state()
        assert front.client.post(path).status_code == 200
        assert done()
        assert sender.state() == state

        def is_new() -> bool:
            nonlocal state
            before, state = state, sender.state()
            return before != state

        front.pass_days()
        front.bring_out(make_paper(2))
        assert is_new()
        make(front, email=BOB, queries=("ti:moths",))
        assert is_new()
        front.app.storage.topics.follow([("Graph Neural Networks", "ti:graphs")])
        assert is_new()


# ---------------------------------------------------------------- the processor


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system does not let a thread choose its core")
def test_all_that_serves_shares_a_core_while_it_does(tmp_path: Path) -> None:
    before, cores = os.sched_getaffinity(0), dict[str, frozenset[int]]()

    def told_to_stop_within(_seconds: float) -> bool:
        ours = [thread for thread in threading.enumerate() if thread.name.startswith("web")]
        cores.update((thread.name, frozenset(os.sched_getaffinity(thread.native_id or 0))) for thread in ours)
        return True

    with web_front(tmp_path, web={"port": free_port(), "threads": 3}) as front:
        serve(front.app, told_to_stop_within)
    assert len(cores) == 7  # three to show, three to take in, and one that listens
    assert len(set(cores.values())) == 1
    assert len(cores["web"]) == 1
    assert os.sched_getaffinity(0) == before


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])

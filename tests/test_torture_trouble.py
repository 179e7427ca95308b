"""The disk fills up, the database is locked, the clock is set back while a real process sends: nothing comes twice."""

import random
import re
import signal
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from disks import Disk, mounted
from processes import until
from torture_house import House
from torture_nursery import BACK, WAITS, Child, Nursery
from torture_server import Manners, Server

from newsletter.delivery.judging import LONGEST_PAUSE
from newsletter.model import DeliveryStatus

FULL = re.compile("the disk is full|No space left on device")
LOCKED = "locked by another process"
SENT, QUEUED = DeliveryStatus.SENT, DeliveryStatus.QUEUED


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "house", 16) as disk:
        yield disk


def make_house(tmp_path: Path, server: Server, readers: int = 300, **smtp: Any) -> House:
    folder = tmp_path / "house"
    folder.mkdir(exist_ok=True)
    return House(folder, server, readers=readers, **smtp)


def assert_each_has_one(house: House) -> None:
    copies = Counter(filed.recipient for filed in house.server.filed if not filed.lost)
    assert list(copies.values()) == [1] * house.readers


# ---------------------------------------------------------------- the disk


def test_the_disk_fills_up_while_it_sends(tmp_path: Path, disk: Disk, nursery: Nursery, server: Server) -> None:
    """Room is kept for the answers, so that not one is lost."""
    house, chance, ends = make_house(tmp_path, server, 1_000), random.Random(5), Counter[int]()

    def fill(left: int) -> None:
        with suppress(OSError):  # who sends takes room at the same time
            disk.leave(left)

    for left in (0, 4, 40, 0, 200, 8, 0, 80, 16, 0, 400, 0):
        heard = len(house.said())
        server.arm("filed", chance.randint(1, 80), partial(fill, left))
        status = nursery.start(house.request()).wait()
        server.settle()
        assert server.disarm()
        assert status == 0 or FULL.search(house.said(), heard)
        ends[status] += 1
        disk.make_room()
        house.check(killed=False)
    assert nursery.start(house.request()).wait() == 0
    server.settle()
    assert house.check(killed=False).waiting == []
    assert ends[1] >= 6
    assert_each_has_one(house)


# ---------------------------------------------------------------- the database


def said_more(house: House, heard: int) -> bool:
    return house.said().count(LOCKED) > heard


class Lock:
    """Another writer. Its connection is not kept: who copies the file in this process would take its locks away."""

    def __init__(self, file: Path) -> None:
        self._file, self.held = file, threading.Event()

    def take(self) -> None:
        self._database = sqlite3.connect(self._file, 30, isolation_level=None, check_same_thread=False)
        self._database.execute("BEGIN IMMEDIATE")
        self.held.set()

    def free(self) -> None:
        self.held.clear()
        self._database.close()


@pytest.mark.parametrize("stay", [False, True], ids=["deliver", "deliver --wait"])
def test_the_database_is_locked_while_it_sends(tmp_path: Path, nursery: Nursery, server: Server, stay: bool) -> None:
    """For longer than it waits: what it read is recorded when the lock is gone."""
    house = make_house(tmp_path, server, 400)
    lock = Lock(house.file)
    request = house.request(patience=0.05, stay=stay)
    child: Child | None = None
    for _ in range(5):
        heard = house.said().count(LOCKED)
        server.arm("filed", 40, lock.take)
        child = child if child and stay else nursery.start(request)
        assert lock.held.wait(WAITS)
        until(partial(said_more, house, heard))
        lock.free()
        if not stay:
            assert child.wait() == 1
            server.settle()
            house.check(killed=False)
    if stay:
        assert child is not None
        until(lambda: len(server.filed) == house.readers)
        child.send(signal.SIGTERM)
    else:
        child = nursery.start(request)
    assert child.wait() == 0
    server.settle()
    assert house.check(killed=False).waiting == []
    assert_each_has_one(house)


# ---------------------------------------------------------------- the clock


def test_the_clock_is_set_back_while_it_sends_and_in_between(tmp_path: Path, nursery: Nursery) -> None:
    with Server(Manners(later=0.1, replies=("450 4.2.0 the mailbox is busy",)), seed=9) as server:
        house, chance, times = make_house(tmp_path, server, 600), random.Random(9), 0
        for _ in range(12):
            child = Child()
            server.arm("filed", chance.randint(1, 50), partial(child.send, signal.SIGUSR1))
            assert nursery.start(house.request(), child).wait() == 0
            server.settle()
            times += server.disarm()
            standing = house.check(killed=False)
            assert standing.of(QUEUED) == set()  # what was not put off does not wait for a time to come
            house.pass_time(chance.choice([-BACK, 5 * BACK]))
        assert times >= 2
        server.manners = Manners()
        house.pass_time(-BACK)
        assert nursery.start(house.request()).wait() == 0
        house.pass_time(LONGEST_PAUSE.total_seconds() * 1.25 + 120)
        assert nursery.start(house.request()).wait() == 0
        server.settle()
        house.check_end(house.check(killed=False))
        assert_each_has_one(house)


def test_the_clock_is_set_back_and_the_limit_of_an_hour_opens_again(
    tmp_path: Path, nursery: Nursery, server: Server
) -> None:
    house, sent = make_house(tmp_path, server, 250, per_hour=100), []
    for step in (0.0, -BACK, BACK + 60, BACK + 60):
        house.pass_time(step)
        assert nursery.start(house.request()).wait() == 0
        server.settle()
        sent.append(len(house.check(killed=False).of(SENT)))
    assert sent == [95, 95, 190, 250]  # five of each hour are kept for mails that are no digest
    assert_each_has_one(house)

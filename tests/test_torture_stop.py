"""Senders that are told to stop, that are two, and whose database was copied: nothing comes twice."""

import random
import re
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from torture import PAUSE
from torture_house import House, copy_database
from torture_nursery import KILLED, WAITS, Child, Nursery
from torture_server import STAGES, Manners, Server

from newsletter.model import DeliveryStatus

SENDING = DeliveryStatus.SENDING


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture(scope="module")
def other() -> Iterator[Nursery]:
    with Nursery() as nursery:
        yield nursery


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def make_house(tmp_path: Path, server: Server, readers: int = 300, **smtp: Any) -> House:
    folder = tmp_path / "house"
    folder.mkdir()
    return House(folder, server, readers=readers, **smtp)


def copies(server: Server) -> list[int]:
    """How often each got it."""
    return list(Counter(filed.recipient for filed in server.filed).values())


# ---------------------------------------------------------------- told to stop


@pytest.mark.parametrize(
    "manners",
    [Manners(), Manners(pipelining=False), Manners(later=0.1, drops=0.05)],
    ids=["pipelined", "plain", "rough"],
)
def test_told_to_stop_it_records_what_is_under_way_and_the_next_goes_on(
    tmp_path: Path, nursery: Nursery, manners: Manners
) -> None:
    chance, stops = random.Random(3), 0
    with Server(manners, seed=3) as server:
        house = make_house(tmp_path, server, 600, connections=4)
        standing = house.check(killed=False)
        for _ in range(60):
            child = Child()
            server.arm(chance.choice(STAGES), chance.randint(1, 60), partial(child.send, signal.SIGTERM))
            assert nursery.start(house.request(), child).wait() == 0, house.said()
            server.settle()
            stopped = server.disarm()
            stops += stopped
            standing = house.check(killed=False)
            assert standing.of(SENDING) == set()
            if not standing.waiting:
                break
            if not stopped:
                house.move_on(standing, PAUSE)
        assert not standing.waiting
        house.check_end(standing)
        assert stops >= 10
        assert len(server.filed) - sum(filed.lost for filed in server.filed) == house.readers


# ---------------------------------------------------------------- two at once


def test_a_second_sender_says_who_sends_and_ends(
    tmp_path: Path, nursery: Nursery, other: Nursery, server: Server
) -> None:
    house, reached, go_on = make_house(tmp_path, server), threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        go_on.wait(WAITS)

    server.arm("filed", 100, hold)
    first = nursery.start(house.request())
    assert reached.wait(WAITS)
    second = other.start(house.request(said=str(tmp_path / "said")))
    assert second.wait() == 1
    assert (tmp_path / "said").read_text() == f"newsletter: another process ({first.number}) is sending just now\n"
    go_on.set()
    assert first.wait() == 0
    server.settle()
    assert house.check(killed=False).waiting == []
    assert copies(server) == [1] * house.readers


def test_of_two_that_begin_at_once_one_sends_and_one_that_was_killed_holds_nobody_up(
    tmp_path: Path, nursery: Nursery, other: Nursery, server: Server
) -> None:
    house = make_house(tmp_path, server)
    winners = Counter[int]()
    for number in range(20):
        go_on, said = threading.Event(), [tmp_path / f"said{number}{index}" for index in (0, 1)]
        server.arm("DATA", 1, partial(go_on.wait, WAITS))
        both = [one.start(house.request(said=str(file))) for one, file in zip((nursery, other), said, strict=True)]
        wait([child.ended for child in both], WAITS, FIRST_COMPLETED)
        (loser,) = (index for index, child in enumerate(both) if child.ended.done())
        winner = both[1 - loser]
        assert both[loser].wait() == 1
        assert re.fullmatch(r"newsletter: another process \(.+\) is sending just now\n", said[loser].read_text())
        winner.kill()
        go_on.set()
        assert winner.wait() == KILLED
        server.settle()
        house.check(killed=True)
        winners[1 - loser] += 1
    assert nursery.start(house.request()).wait() == 0
    server.settle()
    assert house.check(killed=False).waiting == []
    assert sum(copies(server)) - house.readers <= 20 * house.connections


# ---------------------------------------------------------------- copies


def kill_in_the_middle(house: House, nursery: Nursery) -> None:
    child = Child()
    house.server.arm("answered", 100, child.kill)
    assert nursery.start(house.request(), child).wait() == KILLED
    house.server.settle()


def assert_refused(house: House, nursery: Nursery, folder: Path, reason: str) -> None:
    before, said = len(house.server.filed), folder / "said"
    assert nursery.start(house.request(folder=str(folder), said=str(said))).wait() == 1
    assert reason in said.read_text()
    assert said.read_text().endswith(", then say `newsletter adopt`\n")
    house.server.settle()
    assert len(house.server.filed) == before


def test_a_copy_made_in_the_middle_does_not_send_until_it_is_adopted(
    tmp_path: Path, nursery: Nursery, server: Server
) -> None:
    house = make_house(tmp_path, server)
    kill_in_the_middle(house, nursery)
    sent = house.check(killed=True).of(DeliveryStatus.SENT)
    copy = copy_database(house.folder, tmp_path / "copy", instance=False)
    assert_refused(house, nursery, copy, "it is missing, so subscribers.db may be a copy")
    assert nursery.start(house.request()).wait() == 0
    server.settle()
    assert house.check(killed=False).waiting == []
    before = Counter(filed.recipient for filed in server.filed)
    adopt = house.request(folder=str(copy), program=("adopt",))
    assert nursery.start(adopt).wait() == 0
    assert nursery.start(house.request(folder=str(copy))).wait() == 0
    server.settle()
    again = Counter(filed.recipient for filed in server.filed) - before
    # What the copy knew to be sent stays so; of the rest it cannot know, and everybody was warned.
    assert set(again) == before.keys() - sent
    assert set(again.values()) == {1}


def test_a_backup_of_before_the_run_does_not_send_in_its_place(
    tmp_path: Path, nursery: Nursery, server: Server
) -> None:
    house = make_house(tmp_path, server)
    backup = house.request(program=("backup", str(tmp_path / "backup.db")))
    assert nursery.start(backup).wait() == 0
    kill_in_the_middle(house, nursery)
    for end in ("-wal", "-shm"):
        Path(f"{house.file}{end}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup.db", house.file)
    assert_refused(house, nursery, house.folder, "so that may be an older backup")

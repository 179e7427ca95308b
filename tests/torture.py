"""A sender is killed with SIGKILL at random moments, again and again, and the ledger must add up after every kill.

    python tests/torture.py

`make torture` does so. Environment variables say how much: TORTURE_KILLS, TORTURE_DELIVERIES, TORTURE_SEED (by default
another one each time; it is printed, and makes the same choices again).
"""

import os
import random
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torture_house import House
from torture_nursery import KILLED, WAITS, Child, Nursery
from torture_server import STAGES, Manners, Server

READERS = 2_000  # of a story
ROUNDS = 400  # senders of a story, and then it does not end
PAUSE = 600.0  # seconds the clock is moved on by when a sender left something and nothing is due
PLAIN, PIPELINED = Manners(pipelining=False), Manners()
ROUGH = Manners(later=0.06, never=0.02, drops=0.02)
#: What the stories are about, in turn: the server's manners, and connections.
STORIES = (
    (PIPELINED, 4),
    (PLAIN, 4),
    (PIPELINED, 10),
    (ROUGH, 4),
    (PIPELINED, 1),
    (replace(ROUGH, pipelining=False), 3),
    (PLAIN, 1),
    (ROUGH, 10),
    (PIPELINED, 2),
    (Manners(later=0.2, never=0.05, drops=0.1), 2),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """When a sender is killed: at which passing of which stage, or after its start, and how much later, in seconds."""

    stage: str
    number: int
    delay: float


@dataclass(slots=True)
class Score:
    """What a story came to."""

    kills: int = 0
    deliveries: int = 0
    copies: int = 0  # beyond one
    seconds: float = 0.0


class Story:
    """A house whose senders are killed."""

    def __init__(self, house: House, nursery: Nursery, *, kills: int, seed: int) -> None:
        self._house, self._nursery, self._chance = house, nursery, random.Random(seed)
        self._wanted = kills
        self.score = Score(deliveries=house.readers)

    def run(self) -> Score:
        """Kill and check until it is killed often enough, and then let it end.

        Raises:
            AssertionError: the ledger does not add up.

        """
        began = time.monotonic()
        standing = self._house.check(killed=False)
        for _ in range(ROUNDS):
            if not standing.waiting:
                break
            plan = self._plan(len(standing.waiting)) if self.score.kills < self._wanted else None
            status = self._send(plan)
            assert status in (KILLED, 0, 1), f"it ended with {status}"
            self.score.kills += status == KILLED
            standing = self._house.check(killed=status == KILLED)
            if status != KILLED:
                self._house.move_on(standing, PAUSE)
        assert not standing.waiting, f"{len(standing.waiting)} still wait: {standing.examples()}"
        self._house.check_end(standing)
        self.score.copies = len(self._house.server.filed) - len({filed.recipient for filed in self._house.server.filed})
        self.score.seconds = time.monotonic() - began
        return self.score

    def _plan(self, waiting: int) -> Plan:
        """One of the moments of the messages that are left, so that what is left of the kills finds some."""
        chance, span = self._chance, 2 * waiting // (self._wanted - self.score.kills + 1)
        delay = chance.choice([0.0, chance.uniform(0, 0.0005), chance.uniform(0, 0.005)])
        if chance.random() < 0.1:
            return Plan("start", 0, chance.uniform(0, 0.06))
        return Plan(chance.choice(STAGES), chance.randint(1, max(1, span)), delay)

    def _send(self, plan: Plan | None) -> int:
        """Let a sender work, and kill it as planned, if it has not ended; returns how it ended."""
        server, child, reached = self._house.server, Child(), Future[Any]()

        def reach() -> None:
            if plan is not None and not plan.delay:
                child.kill()
            reached.set_result(None)

        if plan is not None and plan.stage != "start":
            server.arm(plan.stage, plan.number, reach)
        self._nursery.start(self._house.request(), child)
        if plan is not None:
            if plan.stage != "start" and not wait((reached, child.ended), WAITS, FIRST_COMPLETED).done:
                child.hangs()
            time.sleep(plan.delay)
            child.kill()
        status = child.wait()
        server.disarm()
        server.settle()
        return status


def tell(folder: Path, *, kills: int, deliveries: int, seed: int) -> Iterator[tuple[str, Score]]:
    """Play stories until there were as many kills and deliveries.

    Raises:
        AssertionError: the ledger does not add up; it says in which story.

    """
    number = max(len(STORIES), -(-deliveries // READERS))
    with Nursery() as nursery:
        for index in range(number):
            manners, connections = STORIES[index % len(STORIES)]
            name = f"story {index} of seed {seed} ({_describe(manners)}, {connections} connections)"
            with Server(manners, seed + index) as server:
                home = folder / str(index)
                home.mkdir()
                house = House(home, server, readers=-(-deliveries // number), connections=connections)
                story = Story(house, nursery, kills=-(-kills // number), seed=seed + index)
                try:
                    yield name, story.run()
                except AssertionError as error:
                    said = house.said()[-5000:]
                    raise AssertionError(f"{name}, after {story.score.kills} kills: {error}\n{said}") from error


def _describe(manners: Manners) -> str:
    offers = "PIPELINING" if manners.pipelining else "none offered"
    return f"{offers}, {manners.later + manners.never + manners.drops:.0%} go wrong"


def main() -> None:
    kills, deliveries = (
        int(os.environ.get(f"TORTURE_{name}", many)) for name, many in (("KILLS", 2_000), ("DELIVERIES", 200_000))
    )
    seed = int(os.environ.get("TORTURE_SEED", random.randrange(10**6)))
    print(f"TORTURE_SEED={seed} TORTURE_KILLS={kills} TORTURE_DELIVERIES={deliveries}", flush=True)  # noqa: T201 - for who runs it
    with tempfile.TemporaryDirectory() as folder:
        scores = []
        for name, score in tell(Path(folder), kills=kills, deliveries=deliveries, seed=seed):
            print(f"{name}: {score}", flush=True)  # noqa: T201
            scores.append(score)
    print(  # noqa: T201
        f"all: {sum(one.kills for one in scores)} kills, {sum(one.deliveries for one in scores)} deliveries,"
        f" {sum(one.copies for one in scores)} copies beyond one"
    )


if __name__ == "__main__":
    main()

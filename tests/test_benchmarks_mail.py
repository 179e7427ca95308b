"""What the benchmarks of sending are made of; what they measure is nobody's promise."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socket import SHUT_WR, create_connection, create_server, socket
from threading import Thread

import pytest

from benchmarks import house
from benchmarks.delaying import delayed
from benchmarks.goals import Goal, in_turn
from benchmarks.queues import furnish
from newsletter.digests import Digests


def test_the_slow_link_changes_nothing() -> None:
    said = bytes(range(256)) * 4_000  # a megabyte: more than is read at once
    with create_server(("127.0.0.1", 0)) as server:
        echo = Thread(target=_echo, args=(server,))
        echo.start()
        with delayed(server.getsockname()[1], 0.01) as port, create_connection(("127.0.0.1", port)) as link:
            talk = Thread(target=_say, args=(link, said))
            talk.start()
            assert _heard(link) == b"220 hello\r\n" + said + b"that was all"
            talk.join()
        echo.join()


def test_without_a_server_the_slow_link_hangs_up() -> None:
    with create_server(("127.0.0.1", 0)) as server:
        nobody = server.getsockname()[1]
    with delayed(nobody, 0.0) as port, create_connection(("127.0.0.1", port)) as link, suppress(ConnectionResetError):
        assert not link.recv(1)


def _echo(server: socket) -> None:
    """Greet, say what is heard once more, and say so at its end."""
    link, _ = server.accept()
    with link:
        link.sendall(b"220 hello\r\n")
        while said := link.recv(65_536):
            link.sendall(said)
        link.sendall(b"that was all")


def _say(link: socket, said: bytes) -> None:
    link.sendall(said)
    link.shutdown(SHUT_WR)


def _heard(link: socket) -> bytes:
    return b"".join(iter(lambda: link.recv(65_536), b""))


def test_a_long_queue_is_of_readers_like_the_first(tmp_path: Path) -> None:
    queue = furnish(tmp_path, 2_300, small=True)
    with house.opened(tmp_path) as app:
        claims = house.claims(app)
        assert {claim.delivery.email for claim in claims} == {
            email for email, _ in zip(_emails(), claims, strict=False)
        }
        assert len(claims) == queue.mails == 2_300
        assert not app.storage.deliveries.overlapping()
        last = max(claims, key=lambda claim: claim.delivery.id)
        message = app.compose(last, Digests(app.storage)) or b""
    assert b"\r\nTo: 2.reader299@example.org\r\n" in message
    assert len(message) == pytest.approx(queue.length, rel=0.05)


def _emails() -> Iterator[str]:
    yield from (f"reader{number}@example.org" for number in range(1_000))
    yield from (f"{copy}.reader{number}@example.org" for copy in (1, 2) for number in range(1_000))


def test_contenders_take_turns() -> None:
    order: list[str] = []

    def contender(name: str, rate: float) -> float:
        order.append(name)
        return rate + len(order)

    rates = in_turn(3, {"ours": lambda: contender("ours", 10), "theirs": lambda: contender("theirs", 20)})
    assert order == ["ours", "theirs", "theirs", "ours", "ours", "theirs"]
    assert rates == {"ours": [11, 14, 15], "theirs": [22, 23, 26]}


def test_a_goal_is_judged_by_its_rounds() -> None:
    goal = Goal("send", 0.9, "a reference", [100, 300, 500], [200, 300, 200])
    assert goal.ratios == [0.5, 1.0, 2.5]
    assert str(goal).split() == ["send", "300", "200", "1", "0.5-2.5", "0.9", "a", "reference"]
    assert goal.record()["ratio"] == 1.0


def test_what_was_not_measured_says_why() -> None:
    goal = Goal("send", 0.9, "not measured: it is missing")
    assert str(goal).split() == ["send", "-", "-", "-", "-", "0.9", "not", "measured:", "it", "is", "missing"]
    assert goal.record()["ratio"] is None

"""A program that publishes, and kills itself with SIGKILL before its n-th effect.

    python killing.py FOLDER API_URL NUMBER...

For each NUMBER the prepared FOLDER/house is copied to FOLDER/NUMBER, published from there by a process that dies before
its NUMBER-th effect (a statement that changes the database, a file written or renamed, a program started), and then by
one that does not. Prints a line for each: NUMBER, and how the two ended. It forks, since importing takes longer than
publishing.
"""

import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from house import Time, make_app

import newsletter.rendering.cards
from newsletter.app import App
from newsletter.publish import publish

_CHANGES = ("BEGIN", "COMMIT", "INSERT", "UPDATE", "DELETE")
_EVENTS = ("os.rename", "os.remove", "os.mkdir", "subprocess.Popen", "socket.connect")


class Killer:
    """Counts effects, and ends the process before the one it was told."""

    def __init__(self, number: int) -> None:
        self.left = number

    def effect(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(self, sql: str) -> None:
        if sql.lstrip().upper().startswith(_CHANGES):
            self.effect()

    def event(self, name: str, arguments: tuple[Any, ...]) -> None:
        writes = name == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        if writes or name in _EVENTS:
            self.effect()


def open_house(folder: Path, api_url: str) -> App:
    return make_app(folder, api_url=api_url, topics=("Graph Neural Networks", "Video Anomaly Detection"), time=Time())


def run(folder: Path, api_url: str, number: int) -> None:
    killer = Killer(number)
    app = open_house(folder, api_url)
    app.storage.database.tables.conn.set_trace_callback(killer.statement)
    if number:
        sys.addaudithook(killer.event)
    report = publish(app, app.today())
    app.close()
    os._exit(3 if report.failures else 0)


def in_a_child(folder: Path, api_url: str, number: int) -> int:
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        run(folder, api_url, number)
    finally:
        os._exit(4)


def main() -> None:
    folder, api_url = Path(sys.argv[1]), sys.argv[2]
    assert newsletter.rendering.cards  # loaded before forking
    for number in map(int, sys.argv[3:]):
        copy = folder / str(number)
        shutil.copytree(folder / "house", copy)
        first = in_a_child(copy, api_url, number)
        second = in_a_child(copy, api_url, 0)
        print(number, first, second, flush=True)  # noqa: T201 - read by the test


if __name__ == "__main__":
    main()

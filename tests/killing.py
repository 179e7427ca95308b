"""A program that publishes, and kills itself with SIGKILL before its n-th effect.

    python killing.py FOLDER API_URL NUMBER...

For each NUMBER the prepared FOLDER/house is copied to FOLDER/NUMBER, published from there by a process that dies before
its NUMBER-th effect (a statement that changes the database, a file written or renamed, a program started), and then by
one that does not. Prints a line for each: NUMBER, and how the two ended. It forks, since importing takes longer than
publishing. Who survives leaves a list of its effects in FOLDER/NUMBER/effects.
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
_EVENTS = ("os.rename", "os.link", "os.remove", "os.mkdir", "socket.connect")


class Killer:
    """Lists effects, and ends the process before the one it was told."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.effects: list[str] = []

    def effect(self, name: str) -> None:
        self.effects.append(" ".join(name.split()))
        if len(self.effects) == self.number:
            os.kill(os.getpid(), signal.SIGKILL)

    def start_of(self, arguments: list[str]) -> None:
        if len(self.effects) + 1 == self.number and arguments[0] == "git":
            self.number = 0  # what comes now is no effect
            kill_git(arguments)
            self.number = len(self.effects) + 1
        self.effect(" ".join(arguments))

    def statement(self, sql: str) -> None:
        if sql.lstrip().upper().startswith(_CHANGES):
            self.effect(sql[:80])

    def event(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "subprocess.Popen":
            self.start_of(arguments[1])
        elif name in _EVENTS or (name == "open" and _writes(*arguments)):
            self.effect(f"{name} {arguments[0]}")


def kill_git(arguments: list[str]) -> None:
    """Leave what a git leaves that is killed with us: lock files, or a part of the repository that it makes."""
    _, _, folder, *_, last = arguments
    repository = Path(folder, last if "init" in arguments and not last.startswith("-") else "") / ".git"
    repository.mkdir(parents=True, exist_ok=True)
    for name in ("index.lock", "HEAD.lock", "config.lock", "refs/heads/main.lock"):
        if (repository / name).parent.exists():
            (repository / name).touch()


def _writes(path: Any, _mode: Any, flags: int) -> bool:
    return isinstance(path, str) and path != os.devnull and bool(flags & (os.O_WRONLY | os.O_RDWR))


def open_house(folder: Path, api_url: str) -> App:
    topics = ("Graph Neural Networks", "Video Anomaly Detection")
    return make_app(folder, api_url=api_url, topics=topics, time=Time(), archive={"push": True})


def run(folder: Path, api_url: str, number: int) -> None:
    killer = Killer(number)
    app = open_house(folder, api_url)
    app.storage.database.tables.conn.set_trace_callback(killer.statement)
    if number:
        sys.addaudithook(killer.event)
    report = publish(app, app.today())
    app.close()
    if number:
        (folder / "effects").write_text("\n".join(killer.effects))
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

"""A program that reads the bounce mailbox, and kills itself with SIGKILL before its n-th effect; see killing.py.

    python killing_collecting.py FOLDER NUMBER...

For each NUMBER, FOLDER/house is copied to FOLDER/NUMBER, and its mailbox read by a process that dies before its
NUMBER-th effect, and then by one that does not. Prints a line for each: NUMBER, and how the two ended.
"""

import os
import shutil
import sys
from pathlib import Path

from house import Time, make_app
from killing import Killer

import newsletter.mail.mailboxes.maildir
from newsletter.app import App
from newsletter.collecting import collect
from newsletter.mail.reports import read_report


def open_house(folder: Path) -> App:
    bounces = {"address": "bounces@example.org", "maildir": "box"}
    return make_app(folder, time=Time(), bounces=bounces)


def run(folder: Path, number: int) -> None:
    killer = Killer(number)
    app = open_house(folder)
    app.storage.database.tables.conn.set_trace_callback(killer.statement)
    if number:
        sys.addaudithook(killer.event)
    collect(app)
    app.close()
    if number:
        (folder / "effects").write_text("\n".join(killer.effects))
    os._exit(0)


def in_a_child(folder: Path, number: int) -> int:
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        run(folder, number)
    finally:
        os._exit(4)


def main() -> None:
    folder = Path(sys.argv[1])
    assert newsletter.mail.mailboxes.maildir  # loaded before forking
    read_report(b"")
    for number in map(int, sys.argv[2:]):
        copy = folder / str(number)
        shutil.copytree(folder / "house", copy)
        first = in_a_child(copy, number)
        print(number, first, in_a_child(copy, 0), flush=True)  # noqa: T201 - read by the test


if __name__ == "__main__":
    main()

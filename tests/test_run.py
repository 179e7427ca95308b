"""`newsletter run` as an operator has it: real processes, a real arXiv stand-in, real signals."""

import json
import mailbox
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from processes import WAITS, lives, until

from newsletter.demo import faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.world import TOPICS, World

CONFIG = """
[newsletter]
sender = "Daily Papers <papers@example.org>"
timezone = "{zone}"

[[topics]]
name = "{topic}"

[arxiv]
api_url = "{url}"
feed_url = "{url}"
oai_url = "{url}"
interval = 0
gate = "gate"
"""
READER = "reader@example.org"


def zone_where_it_is_noon() -> str:
    hours = 12 - datetime.now(UTC).hour
    return f"Etc/GMT{-hours:+d}" if hours else "UTC"  # POSIX signs: west is positive


@pytest.fixture
def arxiv() -> Iterator[ArxivStandIn]:
    with ArxivStandIn(World(datetime.now(UTC).date())) as server:
        yield server


class House:
    """A folder with a configuration, and the program run on it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        text = CONFIG.format(zone=zone_where_it_is_noon(), topic=TOPICS[0], url=url)
        (folder / "config.toml").write_text(text, encoding="utf-8")
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "newsletter", "--config", str(self.folder / "config.toml"), *arguments]

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=WAITS, check=False)

    def start(self, *flags: str) -> None:
        with self.log.open("ab") as log:
            # Where the tests run in the background, SIGINT is ignored, and a child would ignore it too.
            hear = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
            self.process = subprocess.Popen([*self.command(), *flags, "run"], stderr=log, preexec_fn=hear)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(WAITS)

    def status(self) -> tuple[int, dict[str, Any]]:
        done = self.ask("status", "--json")
        return done.returncode, json.loads(done.stdout)

    def job(self, name: str) -> dict[str, Any]:
        job: dict[str, Any] = self.status()[1]["jobs"][name]
        return job

    def mails(self) -> int:
        return len(mailbox.Maildir(self.folder / "outbox")) if (self.folder / "outbox").exists() else 0

    def commits(self) -> int:
        done = subprocess.run(
            ["git", "log", "--oneline"], cwd=self.folder / "archive", capture_output=True, check=False
        )
        return len(done.stdout.splitlines())

    def children(self) -> list[int]:
        return [int(pid) for pid in re.findall(r"child started name=\w+ pid=(\d+)", self.log.read_text())]


@pytest.fixture
def house(tmp_path: Path, arxiv: ArxivStandIn) -> Iterator[House]:
    house = House(tmp_path, arxiv.url)
    yield house
    if house.process is not None and house.process.poll() is None:
        house.stop(signal.SIGKILL)
    until(lambda: not any(map(lives, house.children() if house.log.exists() else [])))


def test_a_day_by_itself(house: House, arxiv: ArxivStandIn) -> None:
    house.ask("subscribers", "add", READER, "--confirmed")
    house.start()
    until(lambda: house.mails() == 1 and house.commits() == 1)
    until(lambda: house.status()[1]["deliveries"] == {"sent": 1})

    second = house.ask("run")
    assert second.returncode == 1
    assert "is running this newsletter" in second.stderr

    code, standing = house.status()
    assert code == 0
    assert standing["running"] is True
    assert "has its edition" in standing["turn"]["why"]
    assert re.search(r"(?m)^daemon +process \d+ since .*, last beat \d+ s ago$", house.ask("status").stdout)

    asked = len(arxiv.requests)
    assert house.stop() == 0
    assert not any(map(lives, house.children()))
    assert "not running; stopped" in house.ask("status").stdout
    assert house.status()[0] == 0

    house.start()
    until(lambda: house.log.read_text().count("next date=") == 2)
    assert house.stop() == 0
    assert (house.mails(), house.commits(), len(arxiv.requests)) == (1, 1, asked)
    log = house.log.read_text()
    assert READER not in log
    assert not re.search(r"Traceback|Fatal|WARNING|ERROR", log), log


def test_children_that_are_killed_are_started_again(house: House) -> None:
    house.ask("subscribers", "add", READER, "--confirmed")
    house.start()
    until(lambda: house.mails() == 1)
    before = house.children()
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(house.children()) == 4)
    assert house.log.read_text().count("was ended by signal 9; starts again in 1 s") == 2
    until(lambda: house.log.read_text().count("next date=") == 2 and house.status()[0] == 0)
    assert house.stop() == 0
    assert house.mails() == 1


def test_when_the_daemon_is_killed_its_children_go_and_status_says_so(house: House) -> None:
    house.start()
    until(lambda: "next date=" in (house.log.read_text() if house.log.exists() else ""))
    house.stop(signal.SIGKILL)
    until(lambda: not any(map(lives, house.children())))
    code, standing = house.status()
    assert code == 1
    assert any("gone without having been stopped" in line for line in standing["overdue"])
    house.start()
    until(lambda: house.status()[0] == 0)
    assert house.stop(signal.SIGINT) == 0


def test_told_to_stop_in_the_middle_of_a_fetch_it_stops_and_goes_on_when_started(
    house: House, arxiv: ArxivStandIn
) -> None:
    house.ask("subscribers", "add", READER, "--confirmed")
    arxiv.script([faults.Fault(drip=(1, 0.2))])
    house.start()
    until(lambda: len(arxiv.requests) == 1)
    assert house.stop() == 0
    assert house.mails() == 0
    assert "did not end within" not in house.log.read_text()
    house.start()
    until(lambda: house.mails() == 1)
    assert "try=2" in house.log.read_text()
    assert house.stop() == 0


def test_the_log_as_json_is_an_object_a_line_without_addresses(house: House, arxiv: ArxivStandIn) -> None:
    house.ask("subscribers", "add", READER, "--confirmed")
    arxiv.script(lambda _: faults.unavailable())
    house.start("--log-format", "json")
    until(lambda: "again, since" in house.log.read_text())
    assert house.stop() == 0
    lines = [json.loads(line) for line in house.log.read_text().splitlines()]
    assert {"time", "level", "logger", "pid", "event"} == set.union(*map(set, lines))
    assert {line["level"] for line in lines} == {"info", "warning", "error"}
    assert any("HTTP 503" in line["event"] for line in lines)
    assert "@" not in house.log.read_text()


def test_a_configuration_that_is_wrong_is_told_at_once(house: House) -> None:
    (house.folder / "config.toml").write_text("[newsletter]\n")
    done = house.ask("run")
    assert done.returncode == 2
    assert "newsletter.sender: it is missing" in done.stderr

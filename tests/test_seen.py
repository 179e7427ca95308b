"""What an operator sees of a run while it goes on: at a terminal, in a pipe, and from another process."""

import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from house import START, Time, make_app, queue
from processes import WAITS, until

from newsletter.cli import newsletter
from newsletter.demo.smtp import SmtpStandIn, Step
from newsletter.status import report
from newsletter.storage.database import to_text
from newsletter.storage.pace import ALL, Cause, Pause

ROOT = Path(__file__).parents[1]
ADDRESSES = [f"reader{number}@example.org" for number in range(6)]
CONFIG = """
[newsletter]
sender = "Daily Papers <papers@example.org>"
[[topics]]
name = "Graph Neural Networks"
[delivery]
transport = "smtp"
[smtp]
host = "127.0.0.1"
port = {port}
connections = 1
"""


class Pausing:
    """A server's script: it takes some mails, and one more when it is told to go on."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.reached, self.go_on = threading.Event(), threading.Event()

    def __call__(self, step: Step) -> str | None:
        if step.stage == "dot":
            self.left -= 1
            if self.left < 0 and not self.go_on.is_set():
                self.reached.set()
                self.go_on.wait(WAITS)
        return "452 4.2.2 mailbox full" if step.stage == "RCPT" and step.address == ADDRESSES[0] else None


@pytest.fixture
def server() -> Iterator[SmtpStandIn]:
    with SmtpStandIn() as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, server: SmtpStandIn) -> Path:
    """A newsletter with an edition that is to be sent."""
    (tmp_path / "config.toml").write_text(CONFIG.format(port=server.port))
    with closing(make_app(tmp_path, outside={"clock": lambda: datetime.now(UTC)})) as app:
        queue(app, *ADDRESSES)
    return tmp_path


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "newsletter", *arguments]


ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "NEWSLETTER_CONFIG"} | {
    "PYTHONPATH": str(ROOT),
    "COLUMNS": "100",
    "TERM": "xterm",
}


def status(folder: Path, *options: str) -> str:
    arguments = ["--config", str(folder / "config.toml"), "status", *options]
    return CliRunner().invoke(newsletter, arguments).stdout


def facts(folder: Path) -> Any:
    return json.loads(status(folder, "--json"))


# ---------------------------------------------------------------- from another process


def test_a_run_is_seen_while_it_goes_on_and_when_it_is_gone(folder: Path, server: SmtpStandIn) -> None:
    assert "sending" not in status(folder)
    script = server.script = Pausing(3)
    sender = subprocess.Popen(command("-q", "deliver"), cwd=folder, env=ENVIRONMENT, stdout=subprocess.DEVNULL)
    try:
        assert script.reached.wait(WAITS)
        until(lambda: facts(folder)["run"]["sent"] == 3)
        seen = facts(folder)
        assert seen["sending"]
        assert (seen["run"]["pid"], seen["run"]["deferred"], seen["run"]["left"]) == (sender.pid, 1, 2)
        assert (seen["run"]["connections"], seen["run"]["under_way"], seen["run"]["ended"]) == (1, 1, None)
        assert seen["seconds_left"] is None or seen["seconds_left"] > 0
        assert re.search(r"(?m)^sending +3 of 6 sent, 1 deferred; .*1 connection$", status(folder))
    finally:
        sender.kill()
        sender.wait()
        script.go_on.set()
    assert re.search(rf"(?m)^sending +process {sender.pid} is gone since .* UTC without having ended", status(folder))
    assert not facts(folder)["sending"]
    subprocess.run(command("-q", "deliver"), cwd=folder, env=ENVIRONMENT, check=True, capture_output=True)
    assert "sending" not in status(folder)
    assert facts(folder)["run"]["ended"]


# ---------------------------------------------------------------- what waits for a reason


GMAIL = Pause("gmail.com", Cause.RATE, START, START, START + timedelta(hours=3), 1, "421 4.7.28 too fast")
REFUSED = replace(GMAIL, cause=Cause.POLICY)
ALL_REFUSE = replace(REFUSED, domain=ALL)
HOURLY = {"gmail.com": {"per_hour": 1}}


@dataclass
class Waiting:
    """What waits two hours after it was queued, and why it should or should not worry."""

    pauses: tuple[Pause, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict)
    others: bool = False  # what is for another domain waits, too
    single: bool = False  # so does a mail for one reader alone
    hours: float = 2.0
    tried: float | None = None  # hours after it was queued


@pytest.mark.parametrize(
    ("waiting", "late"),
    [
        (Waiting(), True),
        (Waiting(hours=0.9), False),
        (Waiting(tried=1.5), False),
        (Waiting(tried=0.5), True),
        (Waiting((GMAIL,)), False),
        (Waiting((GMAIL,), hours=3.9), False),  # it is over, and the sender has time
        (Waiting((GMAIL,), hours=4.1), True),
        (Waiting((GMAIL,), others=True), True),
        (Waiting((GMAIL,), single=True), False),
        (Waiting((REFUSED,)), False),
        (Waiting((REFUSED,), single=True), True),
        (Waiting((ALL_REFUSE,), others=True), False),
        (Waiting((ALL_REFUSE,), single=True), True),
        (Waiting(limits={"per_domain": HOURLY}, tried=0.5), False),
        (Waiting(limits={"per_domain": HOURLY}, tried=0.5, others=True), True),
        (Waiting(limits={"per_domain": HOURLY}, tried=0.5, hours=25), True),
        (Waiting(limits={"per_domain": {"*": {"per_day": 1}}}, tried=0.5, others=True), False),
        (Waiting(limits={"per_hour": 1}, tried=0.5, others=True), False),
        (Waiting((GMAIL,), limits={"per_hour": 1, "per_domain": {"*": {"connections": 1}}}, tried=0, hours=25), True),
    ],
)
def test_what_waits_for_a_reason_is_not_late(tmp_path: Path, waiting: Waiting, late: bool) -> None:
    time = Time()
    with closing(make_app(tmp_path, time=time, delivery={"transport": "smtp"}, smtp=waiting.limits)) as app:
        queue(app, "ada@gmail.com", *(["ben@example.org"] if waiting.others else []))
        with app.storage.write():
            if waiting.single:
                app.storage.database.execute("UPDATE deliveries SET kind = 'single', payload = '{}'")
            for pause in waiting.pauses:
                app.storage.pace.keep(pause)
            if waiting.tried is not None:
                tried = to_text(START + timedelta(hours=waiting.tried))
                app.storage.database.execute("UPDATE deliveries SET tried = ?", (tried,))
        time.now += timedelta(hours=waiting.hours)
        found = report(app)
        assert [line for line in found.overdue if "none is tried" in line] == (
            [f"{1 + waiting.others} deliveries wait since 2026-01-06 07:00 UTC, and none is tried"] if late else []
        )
        assert found.queue_age == pytest.approx(3600 * waiting.hours)
        assert found.pauses == tuple(pause for pause in waiting.pauses if pause.until > time.now)


def test_what_is_kept_back_is_shown_with_the_reason(folder: Path) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    until = now + timedelta(hours=1)
    with closing(make_app(folder)) as app, app.storage.write():
        app.storage.pace.keep(replace(GMAIL, until=until))
        app.storage.pace.keep(replace(ALL_REFUSE, until=until, reply="550 5.7.1 \x1b[1mno"))
    shown = status(folder)
    assert f"paused       gmail.com until {until:%Y-%m-%d %H:%M} UTC: 421 4.7.28 too fast\n" in shown
    assert f"paused       all digests until {until:%Y-%m-%d %H:%M} UTC: 550 5.7.1 [1mno\n" in shown
    assert re.search(r"(?m)^due since +\d{4}-.* UTC, \d+ s ago$", shown)
    assert [pause["domain"] for pause in facts(folder)["pauses"]] == ["", "gmail.com"]


# ---------------------------------------------------------------- at a terminal, and elsewhere


def at_a_terminal(folder: Path, *arguments: str) -> str:
    """Run the program at a terminal, to its end; what it wrote there."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(command(*arguments), cwd=folder, env=ENVIRONMENT, stdout=theirs, stderr=theirs)
    finally:
        os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(ours)
    assert process.wait(WAITS) == 0
    return written.decode()


def screen(written: str) -> list[str]:
    """The lines that stay on a terminal, which is wide enough."""
    lines, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", written):
        if part == "\r":
            column = 0
        elif part == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif not part.startswith("\x1b"):
            lines[row] = lines[row][:column].ljust(column) + part + lines[row][column + len(part) :]
            column += len(part)
    return [line.rstrip() for line in lines if line.strip()]


def test_at_a_terminal_a_bar_shows_how_far_it_is_and_goes_away(folder: Path, server: SmtpStandIn) -> None:
    server.script = Pausing(100)
    written = at_a_terminal(folder, "deliver")
    assert re.search(r"Sending .*0 of 6 sent", written)
    assert re.search(r"Sending .*5 of 6 sent, 1 deferred; .*/s, 0 s left; . connection", written)
    assert screen(written) == ["Mail: 5 sent, 1 deferred."]


def test_what_is_logged_meanwhile_stands_above_the_bar(folder: Path, server: SmtpStandIn) -> None:
    server.script = Pausing(100)
    lines = screen(at_a_terminal(folder, "-v", "deliver"))
    assert lines[-1] == "Mail: 5 sent, 1 deferred."
    assert [line for line in lines if "status=deferred" in line and line.startswith("20")]
    assert not [line for line in lines if "Sending" in line]


def test_in_a_pipe_there_is_the_last_line_alone(folder: Path, server: SmtpStandIn) -> None:
    server.script = Pausing(100)
    done = subprocess.run(command("deliver"), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("Mail: 5 sent, 1 deferred.\n", "")


def test_a_service_tells_in_its_log(folder: Path, server: SmtpStandIn) -> None:
    server.script = Pausing(100)
    with (folder / "log").open("w+") as log:
        service = subprocess.Popen(command("deliver", "--wait"), cwd=folder, env=ENVIRONMENT, stderr=log)
        try:
            until(lambda: " delivered " in (folder / "log").read_text())
        finally:
            service.terminate()
            service.wait()
    told = (folder / "log").read_text()
    assert re.search(r"delivered sent=5 deferred=1 bounced=0 rate=.*/s left=0 connections=. oldest=0s", told)
    assert told.count("status=deferred") == 1
    assert "status=sent" not in told
    assert "@" not in told

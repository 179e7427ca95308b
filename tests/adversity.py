"""A newsletter with a configuration of its own on disk, published by the real program, whatever is broken around it."""

import mailbox
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from house import Time, make_paper, subscribe

from newsletter import cli
from newsletter.app import App
from newsletter.config import load
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.library import FixedAnswers
from newsletter.model import DeliveryStatus

TOPIC = "Graph Neural Networks"
READERS = ("ada@example.org", "ben@example.org", "eve@example.org")
CONFIG = """
[newsletter]
sender = "Daily Papers <papers@example.org>"
{newsletter}
[[topics]]
name = "Graph Neural Networks"
[arxiv]
api_url = "{url}"
feed_url = "{url}"
oai_url = "{url}"
interval = 0
categories = []
{arxiv}
{more}
"""


@dataclass
class Said:
    """How the program ended: its status, and what it printed on both streams."""

    status: int
    output: str
    errors: str

    @property
    def lines(self) -> list[str]:
        """What the operator is told, without the log."""
        return [line for line in self.errors.splitlines() if line.startswith("newsletter: ")]


class _Program:
    """The program as click's runner calls it: with its own way of ending."""

    name = "newsletter"

    def main(self, args: list[str], **_: Any) -> None:
        before, sys.argv = sys.argv, [self.name, *args]
        try:
            cli.main()
        finally:
            sys.argv = before


@cache
def _bound_by_permissions() -> tuple[str, ...]:
    """What is put before a command so that permissions bind it, though root runs it."""
    command = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--")
    if shutil.which("setpriv") is None or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("root may write anywhere, and there is no setpriv (util-linux) that could change it")
    return command


class Newsletter:
    """A folder with config.toml, three readers, and an arXiv that has something for them."""

    def __init__(self, folder: Path, arxiv: ArxivStandIn) -> None:
        self.folder, self.arxiv = folder, arxiv
        self.configure()

    def configure(self, more: str = "", *, newsletter: str = "", arxiv: str = 'gate = "gate"') -> None:
        text = CONFIG.format(url=self.arxiv.url, newsletter=newsletter, arxiv=arxiv, more=more)
        (self.folder / "config.toml").write_text(text)

    def app(self, time: Time | None = None, **outside: Any) -> App:
        return App(load(self.folder / "config.toml"), (time or Time()).outside(**outside))

    def subscribe(self) -> None:
        app = self.app()
        subscribe(app, *READERS)
        app.close()

    def run(self, *arguments: str, **environment: str) -> Said:
        """The program, in this process: nothing but ends with a status may come out of it."""
        command = ["--config", str(self.folder / "config.toml"), *arguments]
        result = CliRunner().invoke(_Program(), command, env=environment)  # type: ignore[arg-type]
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return Said(result.exit_code, result.stdout, result.stderr)

    def run_powerless(self, *arguments: str, **environment: str) -> Said:
        """The program as one whom permissions bind; they do not bind root."""
        command = [sys.executable, "-m", "newsletter", "--config", str(self.folder / "config.toml"), *arguments]
        if os.geteuid() == 0:
            command = [*_bound_by_permissions(), *command]
        root = Path(__file__).parents[1]
        outside = {**os.environ, "PYTHONPATH": str(root), **environment}
        done = subprocess.run(command, cwd=self.folder, env=outside, capture_output=True, text=True, check=False)
        return Said(done.returncode, done.stdout, done.stderr)

    def assert_whole(
        self, *, outbox: Path | None = None, archive: Path | None = None, time: Time | None = None
    ) -> None:
        """Every reader has the edition, once; the ledger says so; there is one commit."""
        app = self.app(time)
        storage = app.storage
        assert storage.deliveries.counts() == {DeliveryStatus.SENT: len(READERS)}
        assert storage.deliveries.overlapping() == []
        assert len(storage.editions.dates()) == 1
        app.close()
        box = mailbox.Maildir(outbox or self.folder / "outbox", create=False)
        assert Counter(message["To"] for message in box) == dict.fromkeys(READERS, 1)
        command = ["git", "log", "--format=%s"]
        folder = archive or self.folder / "archive"
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        assert len(done.stdout.splitlines()) == 1


@pytest.fixture
def newsletter(tmp_path: Path) -> Iterator[Newsletter]:
    answers = {TOPIC: [make_paper(number) for number in range(30, 0, -1)]}
    with ArxivStandIn(FixedAnswers(answers)) as arxiv:
        newsletter = Newsletter(tmp_path, arxiv)
        newsletter.subscribe()
        yield newsletter

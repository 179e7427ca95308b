"""What a whole `newsletter deliver` holds at most while it empties a queue: Python, the modules, the work."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import house, material, queues
from benchmarks.measure import seconds
from benchmarks.sending import MISSING, sink, there
from newsletter.app import App
from newsletter.config import load
from newsletter.model import DeliveryStatus

GOAL = 57  # MB, what listmonk publishes
_CONFIG = """
[newsletter]
sender = "Daily Papers <papers@example.org>"
base_url = "https://papers.example.org"
{topics}
[arxiv]
categories = []
[delivery]
transport = "smtp"
[smtp]
host = "127.0.0.1"
port = {port}
connections = {connections}
"""
# It says at its end what it held at most: who looks from outside comes too early or too late.
_PROGRAM = """
import atexit, re, sys
from pathlib import Path
def tell(place):
    place.write_text(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
atexit.register(tell, Path(sys.argv.pop(1)))
from newsletter.cli import main
main()
"""
_STATUS = Path("/proc/self/status")
_NO_STATUS = "not measured: the system does not tell it"


@dataclass(frozen=True, slots=True)
class Held:
    """So many deliveries by one process, the megabytes it held at most, and the seconds it took.

    Without megabytes it was not measured, and `reason` says why.
    """

    mails: int
    megabytes: float | None = None
    seconds: float = 0.0
    reason: str = ""

    def __str__(self) -> str:
        what = f"{self.mails:>9,} deliveries"
        if self.megabytes is None:
            return f"{what}  {self.reason}"
        return f"{what}  {self.megabytes:>5.1f} MB  {self.mails / self.seconds:>7,.0f} mails/s"

    def record(self) -> dict[str, Any]:
        """The row for other programs."""
        return {"step": f"newsletter deliver, {self.mails:,} deliveries", "megabytes": self.megabytes, "goal": GOAL}


def heading() -> str:
    """What stands above the rows."""
    return f"\nThe most memory that a whole `newsletter deliver` holds. Goal: under {GOAL} MB, however many they are.\n"


def holding(sizes: Sequence[int]) -> Iterator[Held]:
    """Let `newsletter deliver` send queues of these sizes to smtp-sink."""
    for mails in sizes:
        missing = MISSING if not there() else "" if _STATUS.exists() else _NO_STATUS
        yield Held(mails, reason=missing) if missing else _held(mails)


def _held(mails: int) -> Held:
    with house.temporary() as folder, sink() as port:
        queues.furnish(folder, mails)
        config, told = folder / "config.toml", folder / "told"
        topics = "\n".join(f'[[topics]]\nname = "{name}"' for name in material.TOPICS)
        config.write_text(_CONFIG.format(topics=topics, port=port, connections=house.CONNECTIONS), encoding="utf-8")
        _keep(folder / "subscribers.db")
        command = [sys.executable, "-c", _PROGRAM, str(told), "--config", str(config), "--quiet", "deliver"]
        taken = seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), times=1)
        assert _sent(config) == mails
        return Held(mails, int(told.read_text()) / 1024, taken)


def _keep(database: Path) -> None:
    """Let what waits expire never: the process goes by the real clock."""
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE deliveries SET expires = '9999-12-31T00:00:00Z'")
        connection.commit()


def _sent(config: Path) -> int:
    with closing(App(load(config), looking=True)) as app:
        return app.storage.deliveries.counts().get(DeliveryStatus.SENT, 0)

"""Others that do the like: run as processes, from a virtual environment of their own that is gone afterwards."""

import json
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import house

WHAT = ("aiosmtplib>=3.0", "mailman>=3.3.9", "rss2email>=3.14")
_HERE = Path(__file__).parent


class Peers:
    """Where they are; `missing` says why if they are not."""

    def __init__(self, folder: Path, missing: str) -> None:
        self._bin, self.missing = folder / "bin", missing

    def tell(self, script: str, *arguments: object) -> float:
        """Run one of the scripts beside this file with their Python; the number it prints."""
        done = self.run("python", str(_HERE / script), *map(str, arguments))
        return float(json.loads(done.stdout.splitlines()[-1]))

    def run(self, program: str, *arguments: str, folder: Path | None = None) -> "subprocess.CompletedProcess[str]":
        """Run one of their programs. Raises `RuntimeError` with what it says if it fails."""
        command = [str(self._bin / program), *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{program} broke off: {done.stderr[-2_000:]}")
        return done


@contextmanager
def peers(*, wanted: bool = True) -> Iterator[Peers]:
    """Install them, which takes a quarter of a minute."""
    with house.temporary() as folder:
        yield Peers(folder, _install(folder) if wanted else "not measured: it would be installed first")


def _install(folder: Path) -> str:
    """Why it did not work; empty if it did."""
    print("Installing", ", ".join(WHAT), "into", folder, file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *WHAT]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    said = done.stderr.strip().splitlines()
    return f"not measured: it cannot be installed: {said[-1] if said else '?'}" if done.returncode else ""

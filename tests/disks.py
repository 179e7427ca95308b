"""Small disks for tests that fill them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    """A small disk of its own, which can be filled but for a given rest."""

    def __init__(self, path: Path) -> None:
        self.path, self._ballast = path, path / "ballast"

    def leave(self, kilobytes: int) -> None:
        """Fill it."""
        state = os.statvfs(self.path)
        self._ballast.write_bytes(bytes(max(0, state.f_bavail * state.f_frsize - kilobytes * 1024)))

    def make_room(self) -> None:
        self._ballast.unlink()

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(self.path)], check=True)


@contextmanager
def mounted(path: Path, megabytes: int) -> Iterator[Disk]:
    """A disk at `path`; skips the test where none can be mounted."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here ({done.stderr.strip()}); as root, or under `unshare -rm`, it can")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)  # whoever still has a file open there

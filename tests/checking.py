"""Asks the checkers in tests/checkers about mails: html-validate, caniemail, axe-core and a Chromium, in one run."""

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "checkers"
NODE = shutil.which("node")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_OLDEST = (20, 19)  # node, for all four
_TIMEOUT = 240.0  # seconds; what takes a tenth of it is already too slow

Sight = Mapping[str, Any]  # what there is in it stands at the top of tests/checkers/sights.mjs


@dataclass(frozen=True, slots=True)
class Answer:
    """What the checkers say of one document."""

    validity: list[dict[str, Any]]
    carriage: dict[str, dict[str, str]]  # by feature and mail program: "none", "partial"
    sights: dict[str, Sight]


@cache
def missing() -> str:
    """Why the checkers cannot be asked; empty if they can."""
    if NODE is None:
        return "node is not installed"
    version = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=False).stdout
    if tuple(map(int, re.findall(r"\d+", version)[:2])) < _OLDEST:
        return f"node is {version.strip()}, and the checkers need v{_OLDEST[0]}.{_OLDEST[1]} or newer"
    if not (FOLDER / "node_modules" / ".package-lock.json").exists():  # npm writes it last
        return "the checkers are not installed: npm ci --prefix tests/checkers"
    return ""


def ask(documents: Mapping[str, str]) -> dict[str, Answer]:
    """What the checkers say of each document; without a Chromium there are no sights."""
    done = subprocess.run(
        [str(NODE), str(FOLDER / "check.mjs"), CHROMIUM or ""],
        input=json.dumps(documents).encode(),
        stdout=subprocess.PIPE,
        timeout=_TIMEOUT,
        check=True,
    )
    return {name: Answer(**answer) for name, answer in json.loads(done.stdout).items()}

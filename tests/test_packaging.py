"""What travels: the wheel, the sample configuration, the verbs of the Makefile."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any, get_args

import pytest
from signing import put_key

from newsletter import __version__
from newsletter.config import Config, keys, load, parse_table

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "config.toml"
SECTIONS = list(keys(Config))


# ---------------------------------------------------------------- the wheel


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as pip would lay it down, but for its dependencies."""
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def run(site: Path, folder: Path, *arguments: str) -> str:
    """Run the unpacked program in a folder far from the repository."""
    environment = os.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "newsletter", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_templates_and_sample_travel_inside_the_package(unpacked: Path) -> None:
    package = unpacked / "newsletter"
    assert files(package / "templates") == files(ROOT / "templates")
    assert (package / "config.toml").read_bytes() == SAMPLE.read_bytes()
    assert (package / "py.typed").exists()
    assert (package / "demo" / "papers.toml").exists()


def test_nothing_else_travels(unpacked: Path) -> None:
    information = f"daily_papers-{__version__}.dist-info"
    assert {entry.name for entry in unpacked.iterdir()} == {"newsletter", information}
    kinds = {Path(name).suffix for name in files(unpacked / "newsletter") if not name.startswith("templates")}
    assert kinds <= {".py", ".toml", ".typed", ".po"}
    assert (unpacked / "newsletter" / "translations" / "de" / "LC_MESSAGES" / "messages.po").exists()
    assert f"{information}/licenses/LICENSE" in files(unpacked)


def test_the_wheel_runs_away_from_the_repository(unpacked: Path, tmp_path: Path) -> None:
    assert __version__ in run(unpacked, tmp_path, "--version")
    run(unpacked, tmp_path, "init", "here")
    assert (tmp_path / "here" / "config.toml").read_bytes() == SAMPLE.read_bytes()
    assert "Where to look" in run(unpacked, tmp_path, "demo")
    assert (tmp_path / "demo" / "mail.html").exists()


# ---------------------------------------------------------------- the sample


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    """The sample with every key that is commented out put in."""
    return tomllib.loads(re.sub(r"(?m)^# (?=[a-z_]+ = |\[)", "", SAMPLE.read_text(encoding="utf-8")))


def test_the_sample_loads() -> None:
    assert load(SAMPLE).topics


def test_the_sample_loads_with_every_key_put_in(whole: dict[str, Any], tmp_path: Path) -> None:
    put_key(tmp_path / whole["dkim"]["key"])
    parse_table(whole, tmp_path / "config.toml")


@pytest.mark.parametrize("name", SECTIONS)
def test_the_sample_has_every_key(whole: dict[str, Any], name: str) -> None:
    kind: Any = Config.model_fields[name].annotation
    tables = whole[name] if isinstance(whole[name], list) else [whole[name]]
    section = get_args(kind)[0] if get_args(kind) else kind
    assert set().union(*tables) == set(keys(section))


def test_what_the_sample_sets_is_the_default() -> None:
    table = tomllib.loads(SAMPLE.read_text(encoding="utf-8"))
    bare = {
        "newsletter": {"sender": table["newsletter"]["sender"]},
        "topics": table["topics"],
        "smtp": {"password": table["smtp"]["password"]},
    }
    assert load(SAMPLE) == parse_table(bare, SAMPLE)


# ---------------------------------------------------------------- the Makefile


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not there")
def test_a_bare_make_lists_every_verb() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    told = subprocess.run(["make"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    listed = re.findall(r"(?m)^ +make (\w+) +\w.*$", told)
    verbs = re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"))
    assert listed == verbs
    assert {"demo", "test", "lint", "types", "format", "check", "bench", "wheel", "clean"} <= set(verbs)


def test_what_continuous_integration_runs_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_checkers_are_pinned_and_come_from_wherever_npm_is_set_up_to_look() -> None:
    folder = ROOT / "tests" / "checkers"
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    locked = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert wanted == locked[""]["dependencies"]
    assert all("integrity" in package and "resolved" not in package for name, package in locked.items() if name)

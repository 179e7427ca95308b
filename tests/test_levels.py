"""The levels: who may import whom, read from the sources, and what the sender of mail must do without."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "newsletter"

#: Each unit imports only from levels above its own in this list; those on one level do not import one another.
#: A package is one unit; the root, `newsletter` itself, has no more than its version.
LEVELS = (
    ("newsletter",),
    ("errors", "model", "text"),
    (
        "addresses",
        "bouncing",
        "csvfile",
        "git",
        "gleaning",
        "locks",
        "places",
        "query",
        "resources",
        "timetable",
        "withdrawal",
    ),
    ("config",),
    ("archive", "mail", "rendering", "selection", "sources", "storage"),
    ("composition", "delivery", "digests", "sieve", "subscriptions"),
    ("app",),
    ("queueing",),
    ("backups", "fetching", "joining", "journal", "rehearsal", "remarks", "settling", "warning"),
    ("archiving", "backfilling", "collecting", "importing"),
    ("sending",),
    ("accounts", "checking", "preview", "publish", "resending", "retrying", "status"),
    ("daemon", "demo", "web"),
    ("cli",),
    ("__main__",),
)
LEVEL = {unit: number for number, units in enumerate(LEVELS) for unit in units}


def unit_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return "newsletter" if parts == ("__init__",) else parts[0]


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """The units of ours that a file imports, also those it imports late, each with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            root, _, rest = name.partition(".")
            if root == "newsletter":
                unit = rest.partition(".")[0]
                yield node.lineno, unit if is_unit(unit) else "newsletter"


def is_unit(name: str) -> bool:
    return (PACKAGE / name / "__init__.py").exists() or (PACKAGE / f"{name}.py").exists()


FILES = sorted(PACKAGE.rglob("*.py"))


def test_every_module_has_its_level() -> None:
    assert {unit_of(path) for path in FILES} <= LEVEL.keys()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    own = unit_of(path)
    upwards = [(line, unit) for line, unit in imported(path) if unit != own and LEVEL.get(unit, 99) >= LEVEL[own]]
    assert not upwards, f"{own} is on level {LEVEL[own]}"


def test_the_reader_of_imports_sees_what_there_is(tmp_path: Path) -> None:
    source = tmp_path / "some.py"
    late = "def f():\n  from newsletter.mail.message import x\n"
    source.write_text(f"import newsletter.app\nfrom newsletter import cli, __version__\n{late}")
    assert sorted(unit for _, unit in imported(source)) == ["app", "cli", "mail", "newsletter"]


def loaded_by(module: str) -> set[str]:
    program = f"import sys, {module}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=PACKAGE.parent, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_sender_is_lean() -> None:
    assert not loaded_by("newsletter.delivery") & {
        "flask",
        "feedparser",
        "premailer",
        "lxml",
        "jinja2",
        "requests",
        "pydantic",
    }


def test_the_command_line_starts_without_what_single_commands_need() -> None:
    heavy = {"flask", "feedparser", "premailer", "lxml", "cssutils", "requests", "pylatexenc", "rich", "aiosmtpd"}
    assert not loaded_by("newsletter.cli") & heavy

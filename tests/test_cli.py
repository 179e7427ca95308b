"""The command line over subscribers, topics and the ledger: what it says, on which stream, with which status."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from house import bring, day, make_app, make_paper, subscribe

from newsletter.app import App
from newsletter.cli import newsletter
from newsletter.errors import NewsletterError, UsageError
from newsletter.settling import settle

ANN = "ann@example.org"
CONFIG = """
[newsletter]
sender = "Daily Papers <papers@example.org>"
[[topics]]
name = "Graph Neural Networks"
[[topics]]
name = "Time Series"
"""


@dataclass
class Said:
    """What a command printed, or the error it ended with."""

    output: str
    errors: str
    error: BaseException | None

    @property
    def json(self) -> Any:
        return json.loads(self.output)


Run = Callable[..., Said]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def run(file: Path) -> Run:
    def run(*arguments: str, input: str | bytes | None = None) -> Said:  # noqa: A002 - as click calls it
        result = CliRunner().invoke(newsletter, ["--config", str(file), *arguments], input=input, standalone_mode=False)
        expected = (NewsletterError, click.ClickException, SystemExit, type(None))
        assert isinstance(result.exception, expected), result.exception
        return Said(result.stdout, result.stderr, result.exception)

    return run


@pytest.fixture
def app(file: Path) -> Iterator[App]:
    """The same newsletter, from inside."""
    app = make_app(file.parent, topics=("Graph Neural Networks", "Time Series"))
    yield app
    app.close()


def process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "NEWSLETTER_CONFIG"}
    root = Path(__file__).parents[1]
    program = [sys.executable, "-m", "newsletter", *arguments]
    environment |= {"PYTHONPATH": str(root)}
    return subprocess.run(program, cwd=folder, env=environment, capture_output=True, text=True, check=False)


# ---------------------------------------------------------------- help, errors, exit statuses


def commands(group: click.Group, prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*prefix, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*prefix, name))


@pytest.mark.parametrize("command", [*commands(newsletter)], ids=" ".join)
def test_every_command_and_option_is_explained(command: tuple[str, ...]) -> None:
    found: click.Command = newsletter
    for name in command:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    assert found.help
    assert not [option.name for option in found.params if isinstance(option, click.Option) and not option.help]
    # Help is for everybody, whatever stands in config.toml.
    assert "Usage: " in CliRunner().invoke(newsletter, ["--config", "/nowhere.toml", *command, "--help"]).stdout


def test_the_contract_has_its_commands() -> None:
    expected = {
        "subscribers": "add list show set remove confirm pause resume suppress unsuppress import export",
        "topics": "list try rename",
        "editions": "list show",
        "deliveries": "list retry",
    }
    there = {" ".join(command) for command in commands(newsletter)}
    assert {f"{group} {verb}" for group, verbs in expected.items() for verb in verbs.split()} | {"status"} <= there


def test_every_listing_speaks_json(run: Run) -> None:
    for listing in ("topics", "subscribers", "editions", "deliveries"):
        assert isinstance(run(listing, "list", "--json").json, list)
    assert isinstance(run("status", "--json").json, dict)


SUB = "subscribers"


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("topics", "list"), 0, []),
        ((SUB, "show", ANN), 2, [f"newsletter: there is no subscriber {ANN}"]),
        ((SUB, "add", "x"), 2, ["newsletter: 'x' is not an e-mail address: An email address must have an @-sign."]),
        ((SUB, "add", ANN, "--topic", "Time Serie"), 2, ["newsletter: there is no topic 'Time Serie'; did you mean"]),
        ((SUB, "add", ANN, "--query", "ti:a b"), 2, ["newsletter: ", "ti:a b", "     ^", "at character 6: expected"]),
        ((SUB, "import", "bad.csv"), 1, ["bad.csv: line 2: 'x' is", "newsletter: bad.csv: 1 lines were not taken"]),
        ((SUB, "import", "config.toml"), 2, ["newsletter: line 1: the header has no column named email"]),
        ((SUB, "set", ANN), 2, ["Usage: ", "Try ", "", "Error: nothing to change"]),
        (
            ("topics", "try", "ti:a OR b AND c"),
            2,
            ["newsletter: ", "ti:a OR b AND c", "          ^", "at character 11:"],
        ),
        (("editions", "show", "2026-01-06"), 2, ["newsletter: 2026-01-06 has no edition: nothing was fetched"]),
        (("editions", "show", "today"), 2, ["Usage: ", "Try ", "", "Error: Invalid value for 'DATE': 'today' is not"]),
    ],
)
def test_exit_statuses_and_what_is_said(file: Path, arguments: tuple[str, ...], status: int, says: list[str]) -> None:
    (file.parent / "bad.csv").write_text("email\nx\n")
    done = process(file.parent, *arguments)
    assert done.returncode == status
    lines = done.stderr.splitlines()
    assert [line[: len(start)] for line, start in zip(lines, says, strict=True)] == says


def test_a_broken_database_is_a_failure(file: Path) -> None:
    (file.parent / "subscribers.db").write_bytes(b"not a database" * 100)
    done = process(file.parent, "status")
    assert done.returncode == 1
    assert done.stderr.startswith(f"newsletter: {file.parent / 'subscribers.db'}: ")
    assert len(done.stderr.splitlines()) == 1


# ---------------------------------------------------------------- subscribers


def test_from_adding_to_removing(run: Run) -> None:
    said = run(
        "subscribers",
        "add",
        "Ann@Example.org",
        "--topic",
        "time series",
        "--query",
        "au:Müller",
        "--frequency",
        "weekly",
    )
    assert "is pending" in said.output
    assert "newsletter subscribers confirm" in said.output
    assert isinstance(run("subscribers", "add", ANN).error, UsageError)
    assert "is confirmed." in run("subscribers", "confirm", ANN).output
    assert "already" in run("subscribers", "confirm", ANN).output
    assert "is paused." in run("subscribers", "pause", ANN).output
    assert "gets mail again." in run("subscribers", "resume", ANN).output
    facts = run("subscribers", "show", ANN, "--json").json
    assert facts["email"] == "Ann@example.org"
    assert (facts["status"], facts["frequency"]) == ("confirmed", "weekly")
    assert (facts["topics"], facts["queries"]) == (["Time Series"], ["au:Müller"])
    assert "Time Series" in run("subscribers", "show", ANN).output
    assert "is removed." in run("subscribers", "remove", ANN).output
    assert str(run("subscribers", "remove", ANN).error) == f"there is no subscriber {ANN}"


def test_adding_one_who_is_known_says_what_to_do(run: Run) -> None:
    run("subscribers", "add", ANN)
    assert "subscribers confirm" in str(run("subscribers", "add", ANN).error)
    run("subscribers", "confirm", ANN)
    assert "subscribers set" in str(run("subscribers", "add", ANN).error)


def test_setting(run: Run) -> None:
    run("subscribers", "add", ANN, "--topic", "Time Series", "--query", "ti:a", "--confirmed")

    def gets() -> tuple[list[str], list[str], str]:
        facts = run("subscribers", "show", ANN, "--json").json
        return facts["topics"], facts["queries"], facts["frequency"]

    run("subscribers", "set", ANN, "--frequency", "weekly")
    assert gets() == (["Time Series"], ["ti:a"], "weekly")
    run("subscribers", "set", ANN, "--query", "ti:b")
    assert gets() == ([], ["ti:b"], "weekly")
    run("subscribers", "set", ANN, "--all-topics")
    assert gets() == ([], [], "weekly")
    assert isinstance(run("subscribers", "set", ANN).error, click.UsageError)
    assert isinstance(run("subscribers", "set", ANN, "--all-topics", "--topic", "Time Series").error, click.UsageError)


def test_suppressing(run: Run) -> None:
    assert "is suppressed." in run("subscribers", "suppress", ANN, "--reason", "complaint").output
    assert "is suppressed and gets no mail" in run("subscribers", "add", ANN, "--confirmed").errors
    assert run("subscribers", "show", ANN, "--json").json["suppressed"] == "complaint"
    assert "any more" in run("subscribers", "unsuppress", ANN).output
    assert isinstance(run("subscribers", "unsuppress", ANN).error, UsageError)


def test_listing(run: Run) -> None:
    assert run("subscribers", "list", "--json").json == []
    run("subscribers", "add", "bob@example.org", "--confirmed")
    run("subscribers", "add", ANN, "--query", "ti:a")
    assert run("subscribers", "list").output.splitlines() == [
        "EMAIL            STATUS     FREQUENCY  TOPICS AND QUERIES",
        "ann@example.org  pending    daily      ti:a",
        "bob@example.org  confirmed  daily      all topics",
    ]
    assert [one["email"] for one in run("subscribers", "list", "--json").json] == [ANN, "bob@example.org"]
    assert [one["email"] for one in run("subscribers", "list", "--status", "pending", "--json").json] == [ANN]


@pytest.mark.parametrize(
    "text",
    [
        b"email,status\nann@example.org,paused\n",
        b"\xef\xbb\xbfemail,status\r\nann@example.org,paused\r\n",
        b"\xef\xbb\xbf\"email\",\"status\"\r\n\"ann@example.org\",\"paused\"\r\n",
        b"email,status\rann@example.org,paused",
    ],
    ids=["unix", "windows", "quoted", "old mac"],
)  # fmt: skip
@pytest.mark.parametrize("way", ["file", "standard input"])
def test_importing_what_programs_write(run: Run, tmp_path: Path, text: bytes, way: str) -> None:
    (tmp_path / "readers.csv").write_bytes(text)
    said = run("subscribers", "import", *(["-"] if way != "file" else [str(tmp_path / "readers.csv")]), input=text)
    assert said.output == "1 added, 0 were there already, 0 bad lines.\n"
    assert run("subscribers", "show", ANN, "--json").json["status"] == "paused"


def test_importing_latin_1_and_utf_16(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "readers.csv"
    path.write_bytes("email,queries\nann@example.org,\nbob@example.org,au:Müller\n".encode("latin-1"))
    said = run("subscribers", "import", str(path))
    assert said.output == "1 added, 0 were there already, 1 bad lines.\n"
    assert said.errors == f"{path}: line 3: it is not UTF-8\n"
    path.write_bytes("email\nann@example.org\n".encode("utf-16"))
    assert "not UTF-8" in str(run("subscribers", "import", str(path)).error)


def test_export_to_a_file_is_private_and_comes_back(run: Run, file: Path, tmp_path: Path) -> None:
    run("subscribers", "add", "rené@bücher.example", "--query", 'au:"Doe, Ann" OR ti:x', "--topic", "Time Series")
    out = tmp_path / "out.csv"
    out.write_text("older, longer, and readable by all\n" * 9)
    out.chmod(0o644)
    run("subscribers", "export", str(out))
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert process(file.parent, "subscribers", "export").stdout == out.read_text(encoding="utf-8")
    for name in ("subscribers.db", "subscribers.db-wal", "subscribers.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    run("subscribers", "import", str(out))
    run("subscribers", "export", str(tmp_path / "again.csv"))
    assert (tmp_path / "again.csv").read_bytes() == out.read_bytes()
    assert isinstance(run("subscribers", "export", str(tmp_path / "nowhere" / "out.csv")).error, UsageError)


# ---------------------------------------------------------------- topics and the ledger


def test_topics(run: Run, app: App, file: Path) -> None:
    subscribe(app, ANN, topics=["Time Series"])
    file.write_text(CONFIG.replace('"Time Series"', '"Series of Time"\nquery = "ti:series"'))
    listed = {topic["name"]: topic for topic in run("topics", "list", "--json").json}
    assert listed["Series of Time"] == {
        "name": "Series of Time",
        "query": "ti:series",
        "subscribers": 0,
        "state": "awake",
    }
    assert (listed["Time Series"]["subscribers"], listed["Time Series"]["state"]) == (1, "sleeping")
    assert "sleeps" not in run("status").output
    run("deliveries", "retry")
    assert "sleeps" in run("status").output
    assert "write it there" in str(run("topics", "rename", "Time Series", "Other").error)
    assert "still stands there" in str(run("topics", "rename", "Graph Neural Networks", "Series of Time").error)
    assert run("topics", "rename", "time series", "series of time").error is None
    assert run("subscribers", "show", ANN, "--json").json["topics"] == ["Series of Time"]
    assert "Time Series" not in run("topics", "list").output
    assert "there is no topic" in str(run("topics", "rename", "time series", "series of time").error)


def test_editions_and_deliveries(run: Run, app: App) -> None:
    subscribe(app, ANN, queries=["ti:secret"])
    subscribe(app, "bob@example.org")
    bring(app, make_paper(1, r"On \'Etale Graph Neural Networks"), make_paper(2, "A secret"))
    settle(app, app.today())
    assert [(one["date"], one["counts"]) for one in run("editions", "list", "--json").json] == [
        (str(day()), {"new": 2})
    ]
    shown = run("editions", "show", str(day()), "--json").json
    assert [(one["topic"], one["paper"]) for one in shown["announced"]] == [("Graph Neural Networks", "0001.00001v1")]
    text = run("editions", "show", str(day())).output
    assert "On Étale Graph Neural Networks" in text
    assert "secret" not in text
    assert {one["email"] for one in run("deliveries", "list", "--json").json} == {ANN, "bob@example.org"}
    assert run("deliveries", "list", "--status", "sent", "--json").json == []
    assert "queued" in run("deliveries", "list").output
    assert run("deliveries", "retry").output.startswith("0 deliveries are due again")
    report = run("status", "--json")
    assert report.json["subscribers"] == {"confirmed": 2}
    assert report.json["overdue"]  # by the clock of the command, all this was long ago
    assert isinstance(report.error, SystemExit)
    assert report.error.code == 1

"""The command line over subscribers, topics and the ledger: what it says, on which stream, with which status."""

import json
import os
import re
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
from newsletter.mail.tokens import Keyring, Token
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
        "subscribers": "add list show set remove confirm pause resume suppress unsuppress import export"
        " invite move unsubscribe erase export-data",
        "keys": "list rotate retire",
        "topics": "list try rename",
        "editions": "list show",
        "deliveries": "list retry",
    }
    there = {" ".join(command) for command in commands(newsletter)}
    assert {f"{group} {verb}" for group, verbs in expected.items() for verb in verbs.split()} | {"status"} <= there


def test_every_listing_speaks_json(run: Run) -> None:
    for listing in ("topics", "subscribers", "editions", "deliveries", "keys"):
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
        ((SUB, "import", "config.toml"), 2, ["newsletter: line 1: the header has no column named email (allowed: a"]),
        ((SUB, "add", ANN, "--hour", "24"), 2, ["newsletter: hour: '24' is not allowed (allowed: 0 to 23"]),
        ((SUB, "add", ANN, "--zone", "Mars"), 2, ["newsletter: zone: there is no time zone 'Mars'"]),
        (
            (SUB, "add", ANN, "--late", "never"),
            2,
            ["Usage: ", "Try ", "", "Error: Invalid value for '--late': 'never'"],
        ),
        ((SUB, "add", ANN, "--invite"), 2, ["newsletter: to invite somebody takes a page to confirm on: set"]),
        ((SUB, "add", ANN, "--invite", "--confirmed"), 2, ["Usage: ", "Try ", "", "Error: --confirmed goes without"]),
        ((SUB, "set", ANN, "--hour", "7"), 2, [f"newsletter: there is no subscriber {ANN}"]),
        (
            (SUB, "pause", ANN, "--until", "soon"),
            2,
            ["Usage: ", "Try ", "", "Error: Invalid value for '--until': 'soon'"],
        ),
        ((SUB, "move", ANN, "bob@example.org"), 2, [f"newsletter: there is no subscriber {ANN}"]),
        ((SUB, "erase", ANN), 2, [f"newsletter: there is no subscriber {ANN}"]),
        ((SUB, "unsubscribe", ANN), 2, [f"newsletter: there is no subscriber {ANN}"]),
        ((SUB, "export-data", ANN), 2, [f"newsletter: there is no subscriber {ANN}"]),
        (("keys", "retire", "1", "--yes"), 2, ["newsletter: key 1 makes the links of today; `newsletter keys rotate`"]),
        (("keys", "retire", "7"), 2, ["newsletter: there is no key 7 (there are: 1)"]),
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


CHOSEN = {
    "topics": ["Time Series"],
    "queries": ["ti:a"],
    "frequency": "weekly",
    "weekday": "friday",
    "hour": 7,
    "zone": "Europe/Berlin",
    "late": "go",
    "revised": False,
    "detail": "brief",
    "format": "text",
    "language": "de",
}
CHOICE = (
    *("--topic", "Time Series", "--query", "ti:a", "--frequency", "weekly", "--weekday", "Friday", "--hour", "7:00"),
    *("--zone", "europe/berlin", "--late", "go", "--no-revised", "--detail", "brief", "--format", "text"),
    *("--language", "de"),
)


def chosen(run: Run, email: str = ANN) -> dict[str, Any]:
    """What somebody chose, of all that is shown."""
    facts = run("subscribers", "show", email, "--json").json
    return {name: facts[name] for name in CHOSEN}


def test_all_there_is_to_choose(run: Run) -> None:
    run("subscribers", "add", ANN, "--confirmed", *CHOICE)
    assert chosen(run) == CHOSEN
    run("subscribers", "add", "bob@example.org", "--confirmed")
    run("subscribers", "set", "bob@example.org", *CHOICE)
    assert chosen(run, "bob@example.org") == CHOSEN
    (listed, _) = run("subscribers", "list", "--json").json
    assert {name: listed[name] for name in CHOSEN} == CHOSEN


@pytest.mark.parametrize(
    ("options", "changed"),
    [
        (("--frequency", "daily"), {"frequency": "daily"}),
        (("--weekday", "none"), {"weekday": None}),
        (("--hour", "none"), {"hour": None}),
        (("--hour", "0"), {"hour": 0}),
        (("--zone", "none"), {"zone": None}),
        (("--late", "wait", "--revised"), {"late": "wait", "revised": True}),
        (("--detail", "full", "--format", "html"), {"detail": "full", "format": "html"}),
        (("--language", "None"), {"language": None}),
        (("--query", "ti:b", "--query", "ti:c"), {"topics": [], "queries": ["ti:b", "ti:c"]}),
        (("--all-topics",), {"topics": [], "queries": []}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_setting_changes_what_is_given_and_nothing_else(
    run: Run, options: tuple[str, ...], changed: dict[str, object]
) -> None:
    run("subscribers", "add", ANN, "--confirmed", *CHOICE)
    assert run("subscribers", "set", ANN, *options).output == f"{ANN} is changed.\n"
    assert chosen(run) == {**CHOSEN, **changed}


def test_there_must_be_something_to_set(run: Run) -> None:
    run("subscribers", "add", ANN, "--confirmed")
    assert isinstance(run("subscribers", "set", ANN).error, click.UsageError)
    assert isinstance(run("subscribers", "set", ANN, "--all-topics", "--topic", "Time Series").error, click.UsageError)


def test_showing(run: Run) -> None:
    run("subscribers", "add", ANN, "--confirmed", *CHOICE)
    shown = dict(line.split(maxsplit=1) for line in run("subscribers", "show", ANN).output.splitlines())
    assert shown["status"] == "confirmed"
    assert shown["comes"] == "weekly, friday, 07:00 Europe/Berlin, late ones at once"
    assert shown["mail"] == "brief, text, de, no revised"
    assert re.fullmatch(r"20\d\d-\d\d-\d\d 0[56]:00 UTC", shown["next"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\d \d\d:\d\d UTC, by cli", shown["agreed"])
    run("subscribers", "suppress", ANN)
    shown = dict(line.split(maxsplit=1) for line in run("subscribers", "show", ANN).output.splitlines())
    assert (shown["status"], shown["next"]) == ("confirmed, but suppressed: manual", "-")


def test_inviting(run: Run, file: Path, app: App) -> None:
    file.write_text(CONFIG.replace("[[topics]]", 'base_url = "https://papers.example.org"\n[[topics]]', 1))
    assert f"{ANN} is asked by mail" in run("subscribers", "add", ANN, "--invite").output
    assert "within the last 24 hours" in str(run("subscribers", "invite", ANN).error)
    (mail,) = app.storage.deliveries.all(None, 9)
    assert (mail.email, mail.status) == (ANN, "queued")
    run("subscribers", "confirm", ANN)
    assert str(run("subscribers", "invite", ANN).error) == f"{ANN} is confirmed, not pending"
    run("subscribers", "add", "bob@example.org")
    assert "is asked by mail" in run("subscribers", "invite", "bob@example.org").output


def test_who_cannot_be_invited_is_not_added(run: Run) -> None:
    assert isinstance(run("subscribers", "add", ANN, "--invite").error, UsageError)
    assert isinstance(run("subscribers", "show", ANN).error, UsageError)


def test_pausing_until_a_day(run: Run) -> None:
    run("subscribers", "add", ANN, "--confirmed")
    assert run("subscribers", "pause", ANN, "--until", "2199-01-01").output == f"{ANN} is paused until 2199-01-01.\n"
    assert run("subscribers", "show", ANN, "--json").json["paused_until"] == "2199-01-01"
    assert "paused until 2199-01-01" in run("subscribers", "list").output
    assert "allowed: a date after" in str(run("subscribers", "pause", ANN, "--until", "2001-01-01").error)


def test_moving_and_leaving(run: Run) -> None:
    run("subscribers", "add", ANN, "--confirmed", *CHOICE)
    run("subscribers", "suppress", "anna@example.org")
    said = run("subscribers", "move", ANN, "anna@example.org")
    assert said.output == f"{ANN} is anna@example.org now.\n"
    assert said.errors.startswith("anna@example.org is suppressed and gets no mail")
    assert chosen(run, "anna@example.org") == CHOSEN
    run("subscribers", "unsuppress", "anna@example.org")
    assert run("subscribers", "unsubscribe", "anna@example.org").output == "anna@example.org is unsubscribed.\n"
    assert run("subscribers", "show", "anna@example.org", "--json").json["status"] == "unsubscribed"
    assert "already" in run("subscribers", "unsubscribe", "anna@example.org").output


def test_erasing_is_asked_about(run: Run, file: Path) -> None:
    run("subscribers", "add", "Ann@example.org", "--confirmed")
    assert str(run("subscribers", "erase", ANN).error) == "to erase cannot be undone: say --yes"
    assert run("subscribers", "show", ANN).error is None
    assert run("subscribers", "erase", ANN, "--yes").output == "Ann@example.org is erased, and never mailed again.\n"
    assert isinstance(run("subscribers", "show", ANN).error, UsageError)
    held = str(run("subscribers", "export-data", ANN).error)
    assert held.endswith("that it is never to be mailed is all that is held (manual)")
    run("subscribers", "add", ANN, "--confirmed")
    assert run("subscribers", "show", ANN, "--json").json["suppressed"] == "manual"


def test_exporting_what_is_held_of_somebody(run: Run) -> None:
    run("subscribers", "add", ANN, "--confirmed", *CHOICE)
    run("subscribers", "add", "bob@example.org", "--confirmed", "--query", "ti:secret")
    said = run("subscribers", "export-data", ANN)
    assert CHOSEN.items() <= said.json["subscriber"].items()
    assert [consent["how"] for consent in said.json["consents"]] == ["cli"]
    assert "bob" not in said.output
    assert "secret" not in said.output


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
        "EMAIL            STATUS     COMES  MAIL        TOPICS AND QUERIES",
        "ann@example.org  pending    daily  full, html  ti:a",
        "bob@example.org  confirmed  daily  full, html  all topics",
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
    assert said.output.startswith("1 added, 0 were there already, 1 bad lines.\n")
    assert said.errors == f"{path}: line 3: it is not UTF-8\n"
    path.write_bytes("email\nann@example.org\ncem@example.org\n".encode("utf-16"))
    assert run("subscribers", "import", str(path)).output.startswith("1 added, 1 were there already, 0 bad lines.\n")
    path.write_bytes("email\nann@example.org\n".encode("utf-16-le"))  # nothing says that it is
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


def test_importing_what_another_program_wrote(run: Run) -> None:
    path = str(Path(__file__).parent / "lists" / "listmonk.csv")
    said = run("subscribers", "import", path)
    assert said.errors.splitlines() == [
        f"{path}: an export of listmonk; not taken over: uuid, name, attributes, updated_at",
        f"{path}: line 5: status: 'vanished' is not allowed (allowed: enabled, disabled, blocklisted, blacklisted)",
    ]
    assert said.output.splitlines() == [
        "3 added, 0 were there already, 1 bad lines.",
        "1 of those added are suppressed: they are never mailed.",
        "1 of those added are pending and get no mail yet. If all of them agreed:",
        f"  newsletter subscribers import {path} --confirmed",
    ]
    assert run("subscribers", "import", path, "--confirmed").output.splitlines() == [
        "0 added, 2 were there already, 1 bad lines.",
        "1 were pending, and are confirmed now.",
    ]


# ---------------------------------------------------------------- keys


def test_keys(run: Run, app: App) -> None:
    before = app.keyring.make("unsubscribe", 7)
    assert run("keys", "list", "--json").json == [{"version": 1, "makes": True, "reads": True}]
    assert run("keys", "rotate").output.startswith(
        "Key 2 makes links from now on, and all before it still read theirs."
    )
    assert run("keys", "list").output.splitlines() == [
        "VERSION  USE",
        "1        reads links",
        "2        makes links, and reads them",
    ]
    after = Keyring(app.storage.keys.tokens())
    assert after.read("unsubscribe", before) == after.read("unsubscribe", after.make("unsubscribe", 7)) == Token(7)
    warned = str(run("keys", "retire", "1").error)
    assert "no link works in mails that were made with it, the one to leave among them" in warned
    assert warned.endswith("say --yes")
    assert app.storage.keys.tokens().keys() == {1, 2}
    assert run("keys", "retire", "1", "--yes").output == "Key 1 is forgotten.\n"
    assert Keyring(app.storage.keys.tokens()).read("unsubscribe", before) is None


def test_no_key_is_ever_shown(run: Run, app: App) -> None:
    run("keys", "rotate")
    said = [run("keys", *rest) for rest in (("list",), ("list", "--json"), ("rotate",), ("retire", "1", "--yes"))]
    for key in (*app.storage.keys.tokens().values(), app.storage.keys.addresses):
        assert not [one for one in said if key.hex()[:8] in one.output + one.errors]


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

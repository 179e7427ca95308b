"""The command line says in words what it cannot do, whatever it is given; and what others said comes to a terminal as
words and no more."""

import contextlib
import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from attacks import FORMULAS, FTS5, LINE_ENDS, SCRIPTS, SQL
from click.testing import CliRunner
from house import Time, bring, make_app, make_paper, queue
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from returning import failed

from newsletter.cli import main
from newsletter.demo.smtp import SmtpStandIn
from newsletter.sending import deliver
from newsletter.settling import settle

CONFIG = """
[newsletter]
sender = "papers@example.org"
base_url = "https://papers.example.org"
[[topics]]
name = "Graph Neural Networks"
[delivery]
transport = "{transport}"
[smtp]
port = {port}
[bounces]
address = "bounces@example.org"
maildir = "bounces"
"""
#: Those that need no network, and end by themselves.
COMMANDS = (
    *(
        ("subscribers", verb)
        for verb in ("add", "list", "show", "set", "remove", "confirm", "pause", "resume", "suppress")
    ),
    *(("subscribers", verb) for verb in ("unsuppress", "import", "export", "move", "erase", "invite", "dump")),
    *(("topics", "list"), ("topics", "rename"), ("editions", "list"), ("editions", "show"), ("deliveries", "list")),
    *(("deliveries", "retry"), ("bounces", "list"), ("bounces", "collect"), ("keys", "list"), ("keys", "retire")),
    *(("preview",), ("status",), ("backup",), ("adopt",), ("dkim", "record"), ("nonsense",), ()),
)
OPTIONS = (
    "--topic", "--query", "--frequency", "--weekday", "--hour", "--zone", "--late", "--revised", "--detail", "--format",
    "--language", "--confirmed", "--status", "--json", "--limit", "--until", "--reason", "--yes", "--date", "--output",
    "--subscriber", "--all-topics", "--help", "--nonsense", "--", "-", "-h",
)  # fmt: skip
RIGHT = (
    "ann@example.org",
    "bob@example.org",
    "1",
    "2026-01-06",
    "Graph Neural Networks",
    "ti:graph",
    "weekly",
    "UTC",
    "text",
)
ODD = (
    *SCRIPTS,
    *SQL,
    *FTS5,
    *FORMULAS,
    *LINE_ENDS,
    "",
    "0001-01-01",
    "9999-12-31",
    "9" * 30,
    "-1",
    "é",
    "\u202e",
    "x" * 5_000,
)

#: As the system hands them over: no zeros; what is no UTF-8 comes as halves of surrogate pairs. No paths out of here.
words = (
    st.sampled_from((*OPTIONS, *RIGHT, *ODD)) | st.text(max_size=20) | st.binary(max_size=10).map(os.fsdecode)
).map(
    lambda word: "".join(
        sign for sign in word if sign not in "\0/" and not "\ud800" <= sign < "\udc80" and sign <= "\U0010ffff"
    )
)


@dataclass(frozen=True)
class Said:
    code: int
    text: str


def run(folder: Path, *arguments: str) -> Said:
    """What the program says, and how it ends, as if it was started by a shell."""
    with contextlib.chdir(folder), CliRunner().isolation(input=b"") as streams:
        try:
            main(arguments)
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Said(code, b"".join(stream.getvalue() for stream in streams[:2]).decode("utf-8", "replace"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("newsletter")
    (made / "config.toml").write_text(CONFIG.format(transport="maildir", port=25))
    assert run(made, "subscribers", "add", "ann@example.org", "--confirmed").code == 0
    return made


@given(st.sampled_from(COMMANDS), st.lists(words, max_size=5))
@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@example(("subscribers", "show"), ["\udcff"])
@example(("subscribers", "add"), ["x@example.org", "--query", "ti:a\udcff"])
@example(("subscribers", "add"), ["x@example.org", "--topic", "\udcff"])
@example(("editions", "show"), ["0001-01-01"])
@example(("deliveries", "list"), ["--limit", "9" * 30])
def test_no_argument_breaks_the_program(folder: Path, command: tuple[str, ...], arguments: list[str]) -> None:
    said = run(folder, *command, *arguments)
    assert said.code in (0, 1, 2), said.text
    assert "Traceback" not in said.text
    assert said.code == 0 or said.text.strip(), "it says why"


@given(words)
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_no_name_of_a_configuration_breaks_the_program(folder: Path, name: str) -> None:
    said = run(folder, "--config", name, "status")
    assert said.code in (0, 1, 2), said.text


@given(
    st.binary(max_size=300)
    | st.text(max_size=100).map(
        lambda text: f"[newsletter]\nname = '''{text}'''\n".encode(
            "utf-8", "surrogateescape" if text.isascii() else "replace"
        )
    )
)
@settings(max_examples=100)
def test_no_configuration_breaks_the_program(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    made = tmp_path_factory.mktemp("newsletter")
    (made / "config.toml").write_bytes(content)
    said = run(made, "subscribers", "list")
    assert said.code == 2
    assert "config.toml" in said.text


@given(
    st.binary(max_size=300)
    | st.lists(words, min_size=1, max_size=6).map(
        lambda cells: ("email\n" + ",".join(cells)).encode("utf-8", "surrogateescape")
    )
)
@settings(max_examples=100)
def test_no_table_breaks_the_program(folder: Path, content: bytes) -> None:
    (folder / "table.csv").write_bytes(content)
    said = run(folder, "subscribers", "import", "table.csv")
    assert said.code in (0, 1, 2)
    assert "Traceback" not in said.text


# ---------------------------------------------------------------- what others said, on a terminal


#: The title of the window, the clipboard, colours, the cursor; and letters that turn the others round.
SPOKEN = "\x1b]0;pwned\x07\x1b[31m\x9b2J\x1bc\x08\x7f\u202e\u2066"


def test_no_server_speaks_to_the_operators_terminal(tmp_path: Path, time: Time) -> None:
    """By its answers, by reports of mail that came back, or by those papers that it told of."""
    with SmtpStandIn(refusals={"ann@example.org": f"550 5.1.1 no{SPOKEN} such user"}) as server:
        (tmp_path / "config.toml").write_text(CONFIG.format(transport="smtp", port=server.port))
        sections: dict[str, Any] = {
            "delivery": {"transport": "smtp"},
            "smtp": {"host": server.host, "port": server.port, "connections": 1},
            "bounces": {"address": "bounces@example.org", "maildir": "bounces"},
        }
        with closing(make_app(tmp_path, time=time, **sections)) as app:
            queue(app, "ann@example.org", "bob@example.org")
            deliver(app)
            ((envelope, _),) = server.received
            time.now = time.now.replace(hour=time.now.hour + 1)
    box = tmp_path / "bounces" / "new"
    box.mkdir(parents=True)
    (box / "1").write_bytes(
        failed(envelope.sender, diagnosis=f"smtp; 550 5.1.1 no{SPOKEN} such user", recipient="bob@example.org")
    )
    for command in (
        ("deliveries", "list"),
        ("bounces", "collect"),
        ("bounces", "list"),
        ("status",),
        ("subscribers", "list"),
        ("editions", "list"),
    ):
        said = run(tmp_path, *command)
        assert not set(said.text) & (set(SPOKEN) - set("]0;pwned[31mm2Jc")), command
    assert "no" in run(tmp_path, "deliveries", "list").text


def test_no_paper_speaks_to_the_operators_terminal(tmp_path: Path, time: Time) -> None:
    (tmp_path / "config.toml").write_text(CONFIG.format(transport="maildir", port=25))
    with closing(make_app(tmp_path, time=time)) as app:
        paper = make_paper(1, f"Graph Neural Networks {SPOKEN}", abstract=SPOKEN, comment=SPOKEN, authors=(SPOKEN,))
        bring(app, paper)
        settle(app, app.today())
        day = str(app.today())
    said = run(tmp_path, "editions", "show", day)
    assert "Graph Neural Networks" in said.text
    assert not set(said.text) & (set(SPOKEN) - set("]0;pwned[31mm2Jc"))

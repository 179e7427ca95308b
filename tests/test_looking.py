"""Commands that only look change nothing, and work where nothing may be written; nor do they get in a lock's way."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from adversity import Newsletter
from adversity import newsletter as newsletter  # the fixture
from house import bring, make_app, make_paper, subscribe
from test_migrations import FIRST, load

from newsletter.app import App
from newsletter.csvfile import csv_line
from newsletter.errors import BusyError, RunError, StorageError
from newsletter.locks import hold, is_held
from newsletter.settling import settle
from newsletter.status import report
from newsletter.storage import Storage
from newsletter.storage.schema import migrations
from newsletter.subscriptions.lines import COLUMNS

DAY = "2026-01-06"
LOOKS = [
    ("status",),
    ("editions", "list"),
    ("editions", "show", DAY),
    ("deliveries", "list"),
    ("subscribers", "list"),
    ("subscribers", "show", "ada@example.org"),
    ("subscribers", "export"),
    ("subscribers", "export-data", "ada@example.org"),
    ("keys", "list"),
    ("topics", "list"),
    ("preview", "--output", "-"),
]
each_look = pytest.mark.parametrize("look", LOOKS, ids=" ".join)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@contextmanager
def sealed(folder: Path) -> Iterator[None]:
    """A folder where nothing may be written, by whom permissions bind."""
    for path in folder.iterdir():
        path.chmod(0o400)
    folder.chmod(0o500)
    try:
        yield
    finally:
        folder.chmod(0o700)


@pytest.fixture
def published(newsletter: Newsletter) -> Newsletter:
    """A newsletter with an edition whose digests wait, and that nobody has open."""
    app = newsletter.app()
    bring(app, *(make_paper(number) for number in range(1, 4)))
    settle(app, app.today())
    app.close()
    assert "subscribers.db-wal" not in names(newsletter.folder)
    return newsletter


@pytest.fixture
def read_only(published: Newsletter) -> Iterator[Newsletter]:
    """The same, in a folder where nothing may be written; see `Newsletter.run_powerless`."""
    with sealed(published.folder):
        yield published


@pytest.fixture
def writer(published: Newsletter) -> Iterator[sqlite3.Connection]:
    """A connection of the same user that has the database open."""
    with closing(sqlite3.connect(published.folder / "subscribers.db", isolation_level=None)) as connection:
        yield connection


# ---------------------------------------------------------------- nothing is changed


@each_look
def test_what_only_looks_changes_nothing(published: Newsletter, look: tuple[str, ...]) -> None:
    published.configure("[[topics]]\nname = 'Another'\n")
    before = contents(published.folder)
    said = published.run(*look)
    assert not said.lines
    assert said.output
    after = contents(published.folder)
    assert after.pop("subscribers.db-wal", b"") == b""  # SQLite's own, as anybody's who reads
    after.pop("subscribers.db-shm", None)
    assert after == before


@each_look
def test_a_typo_in_the_configuration_puts_nothing_to_sleep(published: Newsletter, look: tuple[str, ...]) -> None:
    file = published.folder / "config.toml"
    file.write_text(file.read_text().replace("Graph Neural", "Grahp Neural"))
    published.run(*look)
    with closing(Storage(published.folder / "subscribers.db")) as storage:
        assert [(topic.name, topic.sleeping) for topic in storage.topics.all()] == [("Graph Neural Networks", False)]


def test_topics_are_listed_as_the_configuration_has_them(published: Newsletter) -> None:
    file = published.folder / "config.toml"
    file.write_text(file.read_text().replace("Graph Neural Networks", "Time Series"))
    published.configure("[[topics]]\nname = 'GRAPH neural networks'\n[[topics]]\nname = 'Time Series'\n")
    text = file.read_text().replace('[[topics]]\nname = "Graph Neural Networks"\n', "")
    file.write_text(text)
    app = published.app()
    subscribe(app, "tim@example.org", topics=["time series"])
    app.close()
    file.write_text(text.replace("'Time Series'", "'Series of Time'"))
    listed = json.loads(published.run("topics", "list", "--json").output)
    assert [(topic["name"], topic["subscribers"], topic["state"]) for topic in listed] == [
        ("GRAPH neural networks", 0, "awake"),
        ("Series of Time", 0, "awake"),
        ("Time Series", 1, "sleeping"),
    ]
    published.app().storage.close()
    assert json.loads(published.run("topics", "list", "--json").output) == listed


def test_who_looks_cannot_write(tmp_path: Path) -> None:
    Storage(tmp_path / "subscribers.db").close()
    for path in (tmp_path / "subscribers.db", tmp_path / "none.db"):
        with closing(Storage(path, looking=True)) as storage:
            with pytest.raises(RuntimeError, match="looking only"), storage.write():
                pass
            with pytest.raises(StorageError, match=r"read-only|readonly"):
                storage.database.execute("INSERT INTO settings VALUES ('a', 'b')")
    assert not (tmp_path / "none.db").exists()


@pytest.mark.parametrize("name", ["what?mode=rwc.db", "a#b.db", "100%41.db", "with blank.db", "ünï.db", "file:x.db"])
def test_any_name_will_do(tmp_path: Path, name: str) -> None:
    with closing(Storage(tmp_path / name, make_id=lambda: "abc")) as storage, storage.write():
        storage.database.execute("INSERT INTO settings VALUES ('mine', ?)", (name,))
    (tmp_path / "link.db").symlink_to(tmp_path / name)
    for path in (tmp_path / name, tmp_path / "link.db"):
        with closing(Storage(path, looking=True)) as storage:
            assert storage.database.value("SELECT value FROM settings WHERE name = 'mine'") == name


# ---------------------------------------------------------------- no database, or another version's


@pytest.mark.parametrize("look", LOOKS[1:-1], ids=" ".join)
def test_before_there_is_a_database_there_is_nothing_to_see(newsletter: Newsletter, look: tuple[str, ...]) -> None:
    for path in newsletter.folder.glob("subscribers.db*"):
        path.unlink()
    if look[1] in ("show", "export-data"):
        assert newsletter.run(*look).status == 2
    elif look[1] == "list":
        said = newsletter.run(*look, "--json")
        assert (said.status, len(json.loads(said.output))) == (0, int(look[0] == "topics"))
    else:
        assert newsletter.run(*look).output == csv_line(COLUMNS)
    assert names(newsletter.folder) == {"config.toml"}


def test_before_there_is_a_database_status_says_so(newsletter: Newsletter) -> None:
    for path in newsletter.folder.glob("subscribers.db*"):
        path.unlink()
    said = newsletter.run("status")
    assert (said.status, said.errors) == (0, "")
    assert said.output.startswith("database     none yet; ")
    assert json.loads(newsletter.run("status", "--json").output) == {"database": None}
    assert "there is no edition yet" in newsletter.run("preview").errors
    assert names(newsletter.folder) == {"config.toml"}


def test_a_folder_that_is_gone_is_a_failure(newsletter: Newsletter) -> None:
    newsletter.configure(newsletter='database = "volume/subscribers.db"')
    said = newsletter.run("status")
    assert said.status == 1
    assert said.errors.endswith("volume/subscribers.db: cannot be opened: No such file or directory\n")


def test_an_older_database_is_left_to_who_writes(newsletter: Newsletter) -> None:
    for path in newsletter.folder.glob("subscribers.db*"):
        path.unlink()
    path = load(FIRST, newsletter.folder)
    before = path.read_bytes()
    said = newsletter.run("status")
    assert said.status == 1
    assert said.errors == (f"newsletter: {path}: older than this program; the next command that writes migrates it\n")
    assert path.read_bytes() == before
    newsletter.app().storage.close()
    assert newsletter.run("subscribers", "list").status == 0


def test_a_newer_database_and_one_of_something_else(newsletter: Newsletter) -> None:
    path = newsletter.folder / "subscribers.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, 'm999', '')",
            (migrations.name,),
        )
    assert newsletter.run("status").errors == (f"newsletter: {path}: made by a newer version of this program (m999)\n")
    path.unlink()
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE others (name)")
    assert "it is a database of something else" in newsletter.run("status").errors


# ---------------------------------------------------------------- where nothing may be written


@each_look
def test_looking_needs_no_right_to_write(read_only: Newsletter, look: tuple[str, ...]) -> None:
    before = contents(read_only.folder)
    said = read_only.run_powerless(*look)
    assert not said.lines
    assert said.output
    assert contents(read_only.folder) == before


def counted(newsletter: Newsletter) -> int:
    said = newsletter.run_powerless("status", "--json")
    assert not said.errors
    return sum(json.loads(said.output)["subscribers"].values())


def test_what_a_daemon_writes_is_seen(writer: sqlite3.Connection, read_only: Newsletter) -> None:
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("DELETE FROM subscribers WHERE email LIKE 'ada%'")
    assert counted(read_only) == 3
    writer.execute("COMMIT")
    assert "subscribers.db-wal" in names(read_only.folder)
    assert counted(read_only) == 2


def test_what_a_daemon_wrote_that_was_killed_is_seen(published: Newsletter) -> None:
    script = (
        "import os, sqlite3, sys; database = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "database.execute(\"DELETE FROM subscribers WHERE email LIKE 'ada%'\"); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", script, str(published.folder / "subscribers.db")], check=True)
    with sealed(published.folder):
        before = contents(published.folder)
        assert before["subscribers.db-wal"]
        assert counted(published) == 2
        assert contents(published.folder) == before


def test_a_log_that_cannot_be_read_is_not_passed_over(writer: sqlite3.Connection, published: Newsletter) -> None:
    writer.execute("DELETE FROM subscribers")
    copy = published.folder / "copy"
    copy.mkdir()
    for name in ("subscribers.db", "subscribers.db-wal", "config.toml"):
        shutil.copy(published.folder / name, copy)
    with sealed(copy):
        said = published.run_powerless("--config", str(copy / "config.toml"), "status")
    assert said.status == 1
    assert "files beside it cannot be made" in said.errors


def test_who_may_not_write_the_database_makes_no_files_that_would_keep_its_owner_out(published: Newsletter) -> None:
    (published.folder / "subscribers.db").chmod(0o400)
    before = names(published.folder)
    assert counted(published) == 3
    assert names(published.folder) == before


def test_an_app_that_looks_beside_one_that_writes(tmp_path: Path) -> None:
    writing = make_app(tmp_path)
    subscribe(writing, "ada@example.org")
    looking = App(writing.config, writing.outside, looking=True)
    assert sum(report(looking).subscribers.values()) == 1
    subscribe(writing, "ben@example.org")
    assert sum(report(looking).subscribers.values()) == 2
    looking.close()
    subscribe(writing, "eve@example.org")
    writing.close()


# ---------------------------------------------------------------- locks

LOOKER = """
import sys
from pathlib import Path
from newsletter.locks import is_held
print(flush=True)
while True:
    is_held(Path(sys.argv[1]))
"""


@pytest.fixture
def looked_at(tmp_path: Path) -> Iterator[Path]:
    """A lock file that another process and a thread look at all the time."""
    path, stop = tmp_path / "lock", threading.Event()
    path.touch()

    def look() -> None:
        while not stop.is_set():
            is_held(path)

    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", LOOKER, str(path)]
    thread = threading.Thread(target=look)
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        thread.start()
        yield path
        stop.set()
        thread.join()
        process.kill()


def test_who_looks_at_a_lock_does_not_keep_it_from_being_taken(looked_at: Path) -> None:
    for _ in range(300):
        with hold(looked_at, "testing"):
            pass


def test_a_lock_that_is_looked_at_is_held_once(looked_at: Path) -> None:
    for _ in range(50):
        with hold(looked_at, "testing"):
            with (
                pytest.raises(BusyError, match=f"another process .{os.getpid()}. is testing"),
                hold(looked_at, "testing"),
            ):
                pass
            assert is_held(looked_at)


def test_a_lock_that_cannot_be_seen_is_not_taken_for_free(tmp_path: Path) -> None:
    assert not is_held(tmp_path / "none")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(RunError, match="loop: the lock cannot be taken: "):
        is_held(tmp_path / "loop")

"""A database of every release is opened by the program as it is now, and the newsletter goes on from there."""

import os
import random
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlite_utils
from house import Time, make_app, make_paper
from test_ledger import Post

from newsletter.app import App
from newsletter.delivery import Work
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.library import FixedAnswers
from newsletter.errors import StorageError
from newsletter.model import DeliveryStatus, Frequency, Kind, Preferences, Rhythm
from newsletter.publish import publish
from newsletter.storage import Storage
from newsletter.storage.database import to_moment
from newsletter.storage.schema import migrations

ROOT = Path(__file__).parents[1]
SCHEMAS = ROOT / "tests" / "schemas"
DUMPS = sorted(SCHEMAS.glob("*.sql"))
FIRST = SCHEMAS / "0.1.0.sql"
GRAPHS, VIDEO = "Graph Neural Networks", "Video Anomaly Detection"
GROWING = {"_sqlite_migrations", "settings"}  # these gain rows by being opened
MADE_AGAIN = "fragments"

each_dump = pytest.mark.parametrize("dump", DUMPS, ids=lambda dump: dump.stem)


def load(dump: Path, folder: Path, journal: str = "WAL") -> Path:
    """The database of a dump, as the program left it: in WAL mode."""
    path = folder / "subscribers.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"PRAGMA journal_mode = {journal}")
        database.executescript(dump.read_text(encoding="utf-8"))
    return path


#: Rows of a table, each as its columns.
Rows = Counter[tuple[tuple[str, object], ...]]


def rows(path: Path) -> dict[str, Rows]:
    """Every row of every table, each as its columns."""
    with closing(sqlite3.connect(path)) as database:
        database.row_factory = sqlite3.Row
        # What a virtual table holds stands in others.
        real = "type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
        tables = database.execute(f"SELECT name FROM sqlite_master WHERE {real}").fetchall()
        return {
            name: Counter(tuple(zip(row.keys(), row, strict=True)) for row in database.execute(f"SELECT * FROM {name}"))
            for (name,) in tables
        }


def as_it_was(new: Rows, old: Rows) -> Rows:
    """The rows of a table without the columns that it got."""
    columns = {column for row in old for column, _ in row}
    return Counter(tuple(cell for cell in row if cell[0] in columns) for row in new.elements())


def schema(path: Path) -> dict[str, str]:
    """What there is, by name, with white space and quotes out of the way."""
    with closing(sqlite3.connect(path)) as database:
        found = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    return {name: re.sub(r'["\s]+', " ", sql) for name, sql in found}


def whole(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())


@pytest.fixture
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database of the program as it is now."""
    path = tmp_path_factory.mktemp("new") / "subscribers.db"
    Storage(path).close()
    return path


# ---------------------------------------------------------------- opening an old one


def test_topics_that_had_begun_leave_what_was_before_alone(tmp_path: Path) -> None:
    """Fetches reach further back now than they did: what nobody read then is not told as new."""
    storage = Storage(load(FIRST, tmp_path))
    last = to_moment(storage.database.value("SELECT max(started) FROM harvests")) - timedelta(days=8)
    newest = storage.database.value("SELECT max(id) FROM papers")
    topics = [topic for topic in storage.topics.asked() if topic.begun]
    assert topics
    assert {(topic.horizon, topic.newest) for topic in topics} == {(last, newest)}
    before = make_paper(0, submitted=last - timedelta(days=1), updated=last - timedelta(days=1))
    assert all(topic.is_history(before) for topic in topics)
    assert not any(topic.is_history(replace(before, id="0001.99999")) for topic in topics)
    storage.close()


def test_what_came_during_an_outage_is_not_left_alone(tmp_path: Path) -> None:
    """Of each topic what counts is when all of it came last."""
    with closing(sqlite3.connect(load(FIRST, tmp_path))) as database:
        (last,) = database.execute("SELECT max(started) FROM harvests").fetchone()
        begun = {row[0]: row[1] for row in database.execute("SELECT id, begun FROM topics")}
        for state, started, ended, errors in (
            ("partial", "2026-01-20T07:00:00Z", "2026-01-20T08:00:00Z", {1: "", 2: "cut"}),
            ("failed", "2026-02-03T07:00:00Z", "2026-02-03T08:00:00Z", {1: "dead", 2: "dead"}),
        ):
            added = database.execute(
                "INSERT INTO harvests (date, started, ended, source, state, reason, requests, matched, received,"
                " outside, dropped) VALUES (substr(?1, 1, 10), ?1, ?2, 'api', ?3, '', 1, 1, 1, 0, 0)",
                (started, ended, state),
            )
            answers = [(added.lastrowid, topic, error) for topic, error in errors.items()]
            database.executemany("INSERT INTO asked VALUES (?, ?, ?)", answers)
        database.execute("DELETE FROM asked WHERE topic_id = 4")
        database.commit()
    storage = Storage(tmp_path / "subscribers.db")
    horizons = {topic.id: topic.horizon for topic in storage.topics.all()}
    expected = {1: "2026-01-20T07:00:00Z", 2: last, 4: begun[4]}
    assert {topic: horizons[topic] for topic in expected} == {
        topic: to_moment(moment) - timedelta(days=8) for topic, moment in expected.items()
    }
    storage.close()


def test_what_was_told_in_a_line_stays_so_and_its_words_are_not_known(tmp_path: Path, newest: Path) -> None:
    """Between two releases there is no dump; the one before is taken as far as the program then took it."""
    path = load(FIRST, tmp_path)
    with closing(sqlite3.connect(path)) as database, database:
        migrations.apply(sqlite_utils.Database(database), stop_before="m004_words")
        database.execute("UPDATE announcements SET kind = 'revised', changes = 'title', brief = 1 WHERE paper_key = 5")
    before = rows(path)
    storage = Storage(path)
    told = list(storage.editions.announced(None, storage.editions.newest()))  # type: ignore[arg-type]
    assert {(one.paper.key, one.kind, one.changes) for one in told if one.minor} == {
        (("0001.00001", 2), Kind.REVISED, ("title",))
    }
    assert {one.words for one in told} == {()}
    storage.close()
    after = rows(path)
    before["announcements"] = Counter(
        tuple(("minor" if name == "brief" else name, value) for name, value in (*row, ("words", "[]")))
        for row in before["announcements"].elements()
    )
    kept = before.keys() - {*GROWING, MADE_AGAIN}
    assert [table for table in kept if as_it_was(after[table], before[table]) != before[table]] == []
    assert schema(path) == schema(newest)


def test_readers_of_the_first_release_get_what_they_got(tmp_path: Path) -> None:
    """They chose nothing of what there is to choose now, and links in their mails go on working."""
    path = load(FIRST, tmp_path)
    with closing(sqlite3.connect(path)) as database:
        frequencies = dict(database.execute("SELECT email, frequency FROM subscribers"))
        ((key,),) = database.execute("SELECT value FROM settings WHERE name = 'token_key'")
        confirmed = dict(database.execute("SELECT email, confirmed FROM subscribers"))
    storage = Storage(path)
    readers = {subscriber.email: subscriber for subscriber in storage.subscribers.all()}
    assert {"daily", "weekly"} == set(frequencies.values())
    for email, reader in readers.items():
        assert reader.preferences == Preferences(Rhythm(Frequency(frequencies[email])))
        assert (reader.paused_until, reader.links_since) == (None, None)
        assert reader.confirmed == (to_moment(confirmed[email]) if confirmed[email] else None)
        assert storage.readers.one(reader.id, None).rhythm.hour is None
    assert storage.keys.tokens() == {1: bytes.fromhex(key)}
    assert not any(claim.welcome for claim in storage.deliveries.claim(to_moment("2027-01-01T00:00:00Z"), 9)[0])
    storage.close()


@each_dump
def test_an_old_database_becomes_as_a_new_one(dump: Path, tmp_path: Path, newest: Path) -> None:
    path = load(dump, tmp_path)
    Storage(path).close()
    assert schema(path) == schema(newest)


@each_dump
def test_every_row_is_kept(dump: Path, tmp_path: Path) -> None:
    path = load(dump, tmp_path)
    before = rows(path)
    Storage(path).close()
    after = rows(path)
    assert not after.pop(MADE_AGAIN), "of templates that are gone"
    before.pop(MADE_AGAIN)
    for table, old in before.items():
        new = as_it_was(after[table], old)
        assert old <= new if table in GROWING else old == new, table


def send(app: App, post: Post) -> None:
    def through_post(work: Work) -> Work:
        return replace(work, connect=lambda: post)

    report = publish(app, app.today(), work=through_post)
    assert report.failures == ()


def told_before(app: App) -> Iterator[tuple[str, str]]:
    """Readers, and versions that a digest which was sent may have held."""
    announced = app.storage.editions.announced(None, app.storage.editions.newest())  # type: ignore[arg-type]
    editions = [(a.edition, f"{a.paper.id}v{a.paper.version}") for a in announced if a.edition]
    for delivery in app.storage.deliveries.all(DeliveryStatus.SENT, 100):
        for edition, version in editions:
            if (delivery.after is None or edition > delivery.after) and edition <= delivery.upto:
                yield delivery.email, version


@each_dump
def test_the_newsletter_goes_on(dump: Path, tmp_path: Path) -> None:
    load(dump, tmp_path)
    time, post = Time(), Post(random.Random(1))
    with ArxivStandIn(FixedAnswers({GRAPHS: [make_paper(6)]})) as arxiv:
        app = make_app(tmp_path, api_url=arxiv.url, topics=(GRAPHS, VIDEO), time=time)
        last = app.storage.database.value("SELECT max(queued) FROM deliveries")
        time.now = to_moment(last) + timedelta(hours=2)
        before = set(told_before(app))
        waiting = {
            (delivery.email, delivery.message_id)
            for status in (DeliveryStatus.QUEUED, DeliveryStatus.DEFERRED, DeliveryStatus.SENDING)
            for delivery in app.storage.deliveries.all(status, 100)
        }
        assert len(waiting) >= 3
        assert before
        send(app, post)
        assert {(reader, mail) for reader, mails in post.told.items() for mail in mails} == waiting
        send(app, post)  # nothing is left to do
        assert sum(map(len, post.told.values())) == len(waiting)
        time.now += timedelta(days=1)
        while time.now.weekday():  # Monday, when the weekly ones have their turn
            time.now += timedelta(days=1)
        send(app, post)
        told = [(reader, v) for reader, mails in post.told.items() for versions in mails.values() for v in versions]
        assert max(Counter(told).values()) == 1
        assert not before & set(told)
        readers = {reader for reader, version in told if version == "0001.00006v1"}
        assert readers == {reader for reader, _ in waiting} | {"weekly@example.org"}
        assert app.storage.deliveries.overlapping() == []
        assert app.storage.deliveries.counts().keys().isdisjoint({DeliveryStatus.QUEUED, DeliveryStatus.SENDING})
        app.close()


def test_one_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = load(FIRST, tmp_path)
    Storage(path).close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("INSERT INTO _sqlite_migrations VALUES (999, 'newsletter', 'm999_later', '2027-01-01')")
    before = whole(path)
    with pytest.raises(StorageError, match=r"made by a newer version of this program \(m999_later\)"):
        Storage(path)
    assert whole(path) == before


def test_a_migration_that_fails_leaves_all_as_it_was(tmp_path: Path, newest: Path) -> None:
    """What is made last is there already, so it fails when all else is done; once that is gone it works."""
    path = load(FIRST, tmp_path)
    *earlier, last = [name for name in schema(newest) if name not in schema(path)]
    assert earlier
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"CREATE TABLE {last} (in_the_way)")
    before = whole(path)
    with pytest.raises(StorageError, match=f"{last} already exists|already a table named {last}"):
        Storage(path)
    assert whole(path) == before
    with closing(sqlite3.connect(path)) as database:
        database.execute(f"DROP TABLE {last}")
    Storage(path).close()
    assert schema(path) == schema(newest)


OPENER = """
import sys
from pathlib import Path
from newsletter.storage import Storage

for line in sys.stdin:
    storage = Storage(Path(line.strip()))
    storage.instance.check()
    print(storage.database.value("SELECT value FROM settings WHERE name = 'instance'"), flush=True)
    storage.close()
"""


def opener() -> subprocess.Popen[str]:
    """A process that opens each database whose path it is told."""
    program = [sys.executable, "-c", OPENER]
    return subprocess.Popen(program, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


@pytest.mark.parametrize("journal", ["WAL", "DELETE"], ids=["left", "restored"])
def test_two_processes_may_open_an_old_one_at_once(tmp_path: Path, newest: Path, journal: str) -> None:
    with opener() as one, opener() as other:
        for number in range(100):
            (tmp_path / str(number)).mkdir()
            path = load(FIRST, tmp_path / str(number), journal)
            for process in (one, other):
                assert process.stdin is not None
                print(path, file=process.stdin)
            ids = {process.stdout.readline() for process in (one, other) if process.stdout is not None}
            assert len(ids) == 1
            assert len(ids.pop()) == 33
            assert schema(path) == schema(newest)


# ---------------------------------------------------------------- the files


def table_rows(dump: Iterable[str]) -> Counter[str]:
    """How many rows each table has."""
    found: Counter[str] = Counter()
    for line in dump:
        if made := re.match(r'CREATE TABLE "?(\w+)', line):
            found[made[1]] += 0
        if filled := re.match(r'INSERT INTO "(\w+)"', line):
            found[filled[1]] += 1
    return found


@each_dump
def test_something_stands_in_every_table(dump: Path) -> None:
    lines = dump.read_text(encoding="utf-8").splitlines()
    assert [table for table, number in table_rows(lines).items() if not number] == []
    statuses = set(re.findall(r"'digest','(\w+)'", "\n".join(lines)))
    assert statuses == set(DeliveryStatus)


def test_the_next_dump_will_be_as_good(newest: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    program = [sys.executable, str(SCHEMAS / "dump.py")]
    done = subprocess.run(program, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    filled = table_rows(done.stdout.splitlines())
    assert filled.keys() == rows(newest).keys()
    assert [table for table, number in filled.items() if not number] == []


def released(changelog: str) -> list[str]:
    return re.findall(r"^## (\d+\.\d+\.\d+) – (?!unreleased)", changelog, re.M)


def test_every_release_has_its_dump() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "0.1.0" in released(changelog)
    assert sorted(released(changelog)) == sorted(dump.stem for dump in DUMPS)


def test_what_is_not_released_needs_none() -> None:
    assert released("## 0.3.0 – unreleased\n\n## 0.2.0 – 2026-12-01\n\n## 0.1.0 – 2026-11-21\n") == ["0.2.0", "0.1.0"]

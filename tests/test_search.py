"""The search over all that was announced: it answers as the matcher does, follows what is announced, and tells nothing
that was found by a reader's own query alone."""

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path

import pytest
from house import START, Time, bring, make_app, make_paper, subscribe
from hypothesis import given, settings
from hypothesis import strategies as st
from queries import cases, needs_recordings, recorded_papers, recorded_trees, trees

from newsletter.errors import LockedError, QueryError
from newsletter.model import Announcement, Kind, Paper
from newsletter.query import Node, parse
from newsletter.settling import settle
from newsletter.storage import Storage
from newsletter.storage.indexing import READING, indexed_reports
from newsletter.storage.marking import indexed_names, indexed_text
from newsletter.storage.matching import Matcher
from newsletter.storage.search import Found, Search

DAY = date(2026, 1, 6)
OPEN, OWN = 1, 2  # the operator's topic, and a reader's query


@contextmanager
def made() -> Iterator[Storage]:
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(Path(folder, "subscribers.db"))
        storage.topics.follow([("Anything", "cat:cs.*")])
        with storage.write():
            assert storage.topics.query("ti:own").id == OWN
        yield storage
        storage.close()


@pytest.fixture
def storage() -> Iterator[Storage]:
    with made() as storage:
        yield storage


def tell(
    storage: Storage, *papers: Paper, day: date = DAY, topic: int = OPEN, kind: Kind = Kind.NEW, follow: bool = True
) -> None:
    """Announce some papers in the edition of a day."""
    edition = None if kind is Kind.PASSED_OVER else day
    with storage.write():
        storage.papers.add(papers, START)
        if edition and not storage.editions.exists(day):
            storage.editions.add(day, START)
        storage.editions.settle([Announcement(topic, paper, kind, edition=edition) for paper in papers], {})
    while follow and storage.search.follow():
        pass


def found(search: Search, query: str | Node, most: int = 1_000) -> list[tuple[str, int]]:
    tree = parse(query) if isinstance(query, str) else query
    places = search.find(tree, most).places
    return [announcement.paper.key for announcement in search.announcements(places)]


def matched(papers: Sequence[Paper], tree: Node) -> list[tuple[str, int]]:
    with closing(Matcher(papers)) as matcher:
        return [paper.key for paper in matcher.matching(tree)]


def newest_first(days: Iterable[Sequence[Paper]]) -> list[Paper]:
    """What the editions of some days show of each paper at last: its newest version."""
    first: dict[tuple[str, int], Paper] = {}
    for day in days:
        for paper in sorted(day, key=lambda paper: (paper.updated, paper.id, paper.version)):
            first.setdefault(paper.key, paper)
    versions = {key: max(version for other, version in first if other == key) for key, _ in first}
    return [paper for paper in reversed(first.values()) if paper.version == versions[paper.id]]


# ---------------------------------------------------------------- it answers as the matcher does

_REPORTS = st.sampled_from(("", "CERN-TH/2020-01", "CERN-TH/2020-01 graph", "depth_prior MIT-7"))
_papers = st.builds(lambda case, report: replace(case.paper, report_no=report), cases, _REPORTS)
_days = st.lists(st.lists(_papers, max_size=5, unique_by=lambda paper: paper.key), max_size=3)
_exact = st.sampled_from(
    [
        *map(parse, ('all:"cs cv"', 'all:"hep th"', "all:graph", 'all:"2502 00001"', 'all:"2502 00002v2"')),
        *map(parse, ('rn:"cern th"', 'rn:"01 graph"', "rn:graph", "rn:prior", 'all:"cern th 2020 01"', 'all:"mit 7"')),
        *map(parse, ("cat:cs.*", "cat:c*", "cat:hep-th*", "cat:math.NA", "id:2502.00003", "id:2502.00000v2")),
    ]
)


def _first_told(days: Sequence[Sequence[Paper]]) -> list[list[Paper]]:
    """Of a version that comes twice, the first: what is held stays as it was told."""
    held: dict[tuple[str, int], Paper] = {}
    return [[held.setdefault(paper.key, paper) for paper in day] for day in days]


@given(_days, st.lists(st.one_of(trees, _exact), min_size=1, max_size=20), st.integers(1, 9))
@settings(max_examples=100)
def test_it_finds_what_the_matcher_finds(days: list[list[Paper]], asked: list[Node], step: int) -> None:
    days = _first_told(days)
    with made() as storage:
        for number, day in enumerate(days):
            tell(storage, *day, day=DAY + timedelta(days=number))
        papers, search = newest_first(days), Search(storage.database, step)
        for tree in asked:
            assert found(search, tree) == matched(papers, tree)
            assert found(search, tree, 2) == matched(papers, tree)[:2]


@needs_recordings
def test_it_finds_what_the_matcher_finds_among_recorded_papers() -> None:
    with made() as storage, closing(Matcher(recorded_papers()[::-1])) as matcher:
        tell(storage, *recorded_papers())
        search = Search(storage.database, 50)

        @given(recorded_trees())
        @settings(max_examples=300)
        def finds_the_same(tree: Node) -> None:
            assert found(search, tree) == [paper.key for paper in matcher.matching(tree)]

        finds_the_same()


LONG = {
    "one excluded before": "ANDNOT ti:video AND ti:graph",
    "excluded from all there is": "ti:trees OR (ANDNOT ti:video ANDNOT ti:tree)",
    "wanted and excluded": "(cat:cs.LG ANDNOT cat:cs.LG) OR (ti:graph ANDNOT ti:graph) OR ti:video",
    "nested as deep as may be": f"{'(' * 50}ti:graph{')' * 50}",
    "excluded again and again": "ti:graph ANDNOT (au:ada ANDNOT (" * 25 + "ti:video" + "))" * 25,
    "any of as many as may be": " OR ".join(f"w{number}" for number in range(430)) + " OR video",
    "all of as many as may be": " AND ".join(["all:neural", *(f'all:"{word}"' for word in ["we look", "on"] * 100)]),
}


@pytest.mark.parametrize("query", LONG.values(), ids=LONG.keys())
def test_it_takes_whatever_the_language_allows(storage: Storage, query: str) -> None:
    papers = [make_paper(1), make_paper(2, "Video"), make_paper(3, "Graphs of Video")]
    tell(storage, *papers)
    expected = matched(papers[::-1], parse(query))
    assert found(storage.search, query) == expected
    assert len(expected) in (1, 2)


def test_no_text_is_taken_for_a_command(storage: Storage) -> None:
    tell(storage, make_paper(1))

    @given(st.text(max_size=60))
    def takes(text: str) -> None:
        for query in (text, f'ti:"{text}"', f'au:"{text}"', f'all:"{text}"', f'rn:"{text}"'):
            with suppress(QueryError):
                storage.search.find(parse(query), 10)

    takes()


# ---------------------------------------------------------------- what is found, and in which order


def test_the_newest_edition_comes_first_and_in_it_the_newest_paper(storage: Storage) -> None:
    tell(storage, make_paper(9), make_paper(1), make_paper(4))
    tell(storage, make_paper(3), make_paper(2), day=DAY + timedelta(days=1))
    assert [key for key, _ in found(storage.search, "graph")] == [f"0001.{n:05}" for n in (3, 2, 9, 4, 1)]


def test_a_paper_is_found_once_in_its_newest_version_by_its_newest_text(storage: Storage) -> None:
    tell(storage, make_paper(1), make_paper(2))
    tell(storage, make_paper(1, "On Trees", version=2), day=DAY + timedelta(days=1), kind=Kind.REVISED)
    assert found(storage.search, "ti:trees") == [("0001.00001", 2)]
    assert found(storage.search, "ti:graph") == [("0001.00002", 1)]
    assert found(storage.search, "id:0001.00001") == [("0001.00001", 2)]


def test_it_tells_when_and_as_what_a_paper_was_announced_first(storage: Storage) -> None:
    later = DAY + timedelta(days=1)
    storage.topics.follow([("Anything", "cat:cs.*"), ("Later", "ti:graph")])
    tell(storage, make_paper(1, version=2), kind=Kind.REVISED)
    tell(storage, make_paper(1, version=2), kind=Kind.NEW, topic=3, day=later)
    tell(storage, make_paper(5), topic=3, day=later)
    told = storage.search.announcements(storage.search.find(parse("graph"), 9).places)
    assert [(one.paper.key, one.kind, one.edition, one.topic_id) for one in told] == [
        (("0001.00005", 1), Kind.NEW, later, 3),
        (("0001.00001", 2), Kind.REVISED, DAY, OPEN),
    ]


def test_of_two_kinds_in_one_edition_it_is_the_one_the_edition_shows(storage: Storage) -> None:
    storage.topics.follow([("Anything", "cat:cs.*"), ("Later", "ti:graph")])
    tell(storage, make_paper(1, version=2), kind=Kind.REVISED, follow=False)
    tell(storage, make_paper(1, version=2), kind=Kind.NEW, topic=3)
    assert [one.kind for one in storage.search.announcements([1])] == [Kind.NEW]


def test_only_what_was_announced_since_a_date(storage: Storage) -> None:
    for number in range(1, 5):
        tell(storage, make_paper(number), day=DAY + timedelta(days=number))
    for number in range(7):
        since = DAY + timedelta(days=number)
        expected = [f"0001.{n:05}" for n in range(4, 0, -1) if n >= number]
        places = storage.search.find(parse("graph"), 9, since=since).places
        assert [one.paper.id for one in storage.search.announcements(places)] == expected
        assert storage.search.holds_something(since) == bool(expected)


def test_it_looks_no_further_back_than_it_must(storage: Storage) -> None:
    tell(storage, *(make_paper(number, "Trees" if number == 1 else "Graphs") for number in range(1, 101)))

    def asked(query: str, most: int) -> int:
        looks = count()
        Search(storage.database, 10).find(parse(query), most, is_late=lambda: next(looks) < 0)
        return next(looks)

    assert asked("ti:graphs", 10) == 1
    assert asked("ti:graphs", 11) == 2
    assert asked("ti:trees", 1) == 3  # at 10, 40, and the last 50


@pytest.mark.parametrize(
    ("query", "questions"),
    [
        ("graph neural", 1),
        ("ti:graph AND abs:graph AND cat:cs.* ANDNOT ti:video ANDNOT cat:math.CO", 1),
        ("au:ada AND (cat:cs.LG OR cat:cs.CV) AND rn:7", 1),
        ("cat:cs.LG ANDNOT cat:cs.CV", 1),
        ("(ti:a OR ti:b) AND (abs:c OR (abs:d AND cat:cs.*))", 1),
        ("ti:graph AND au:ada AND cat:cs.*", 2),
        ("ti:graph ANDNOT au:nobody", 2),
        ("ANDNOT ti:video AND au:ada", 2),
        ("cat:q-bio.* AND id:0001.00001", 1),  # there is no such category here
    ],
)
def test_what_one_table_knows_is_asked_at_once(storage: Storage, query: str, questions: int) -> None:
    tell(storage, make_paper(1, categories=("cs.LG", "cs.CV", "math.CO"), report_no="7"))
    looks = count()
    storage.search.find(parse(query), 1, is_late=lambda: next(looks) < 0)
    assert next(looks) == questions


def test_when_the_time_is_up_it_says_what_was_found_so_far(storage: Storage) -> None:
    tell(storage, *(make_paper(number) for number in range(1, 101)))
    search, budget = Search(storage.database, 10), iter([False, False, True])
    assert search.find(parse("ti:graph"), 100, is_late=lambda: next(budget)) == Found(tuple(range(100, 50, -1)), False)
    assert search.find(parse("ti:graph"), 100, is_late=lambda: True) == Found((), False)


def test_in_an_empty_database_there_is_nothing(storage: Storage) -> None:
    assert storage.search.complete()
    assert storage.search.find(parse("graph"), 10) == Found(())
    assert storage.search.announcements([1, 2]) == []
    assert not storage.search.holds_something(DAY)


# ---------------------------------------------------------------- what is nobody else's business


def test_what_a_readers_own_query_found_is_not_found(storage: Storage) -> None:
    tell(storage, make_paper(1), topic=OWN)
    tell(storage, make_paper(2), kind=Kind.PASSED_OVER)
    assert storage.search.complete()
    assert found(storage.search, "graph") == []
    assert not storage.search.holds_something(DAY)
    tell(storage, make_paper(1), day=DAY + timedelta(days=1))
    told = storage.search.announcements(storage.search.find(parse("graph"), 9).places)
    assert [(one.topic_id, one.edition) for one in told] == [(OPEN, DAY + timedelta(days=1))]


def test_a_newer_version_that_only_a_reader_was_told_of_hides_nothing(storage: Storage) -> None:
    tell(storage, make_paper(1))
    tell(storage, make_paper(1, "On Trees", version=2), topic=OWN, kind=Kind.REVISED, day=DAY + timedelta(days=1))
    assert found(storage.search, "graph") == [("0001.00001", 1)]
    assert found(storage.search, "ti:trees") == []


def test_what_is_announced_to_everybody_no_longer_is_not_found(storage: Storage) -> None:
    storage.topics.follow([("Anything", "cat:cs.*"), ("Other", "cat:math.*")])
    tell(storage, make_paper(1), make_paper(2))
    tell(storage, make_paper(2), topic=3, day=DAY + timedelta(days=1))
    tell(storage, make_paper(2, version=2), day=DAY + timedelta(days=1))
    with storage.write():
        storage.database.execute("DELETE FROM topics WHERE id = ?", (OPEN,))
    assert found(storage.search, "graph") == [("0001.00002", 1)]
    storage.topics.follow([("Anything", "cat:cs.*")])  # the other one sleeps: what it announced stands in the archive
    assert found(storage.search, "graph") == [("0001.00002", 1)]


def test_a_topic_that_goes_on_under_another_name_keeps_its_papers(storage: Storage) -> None:
    storage.topics.follow([("Anything", "cat:cs.*"), ("Other", "cat:cs.*")])
    tell(storage, make_paper(1))
    tell(storage, make_paper(2), topic=3)
    storage.topics.merge("Anything", "Other")
    assert [key for key, _ in found(storage.search, "graph")] == ["0001.00002", "0001.00001"]


# ---------------------------------------------------------------- how the index follows


def entries(storage: Storage) -> set[tuple[object, ...]]:
    """All that both tables hold: each word of each paper, and where it stands."""
    database = storage.database.tables.conn
    names = {str(number): name for name, number in database.execute("SELECT name, number FROM search_categories")}
    held: set[tuple[object, ...]] = set()
    for table in ("search_texts", "search_names"):
        database.execute(f"INSERT INTO {table}({table}) VALUES ('integrity-check')")
        database.execute(f"CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, {table}, instance)")
        for term, place, column, offset in database.execute("SELECT term, doc, col, offset FROM temp.words"):
            held.add((table, names[term] if column == "categories" else term, place, column, offset))
        database.execute("DROP TABLE temp.words")
    return held


def made_anew(storage: Storage) -> set[tuple[object, ...]]:
    """What the index would hold if it were made of all there is now."""
    with storage.write():
        storage.database.execute("UPDATE settings SET value = 'of another time' WHERE name = 'search_reading'")
    while storage.search.follow():
        pass
    return entries(storage)


def test_what_is_settled_is_found(tmp_path: Path) -> None:
    time = Time()
    app = make_app(tmp_path, time=time)
    subscribe(app, "ada@example.org", queries=["ti:trees"])
    bring(app, make_paper(1), make_paper(2, "On Trees"))
    settle(app, app.today())
    assert app.storage.search.complete()
    assert found(app.storage.search, "graph") == [("0001.00001", 1)]
    time.now += timedelta(days=1)
    bring(app, make_paper(1, "Graph Neural Networks, again", version=2))
    settle(app, app.today())
    assert found(app.storage.search, "ti:again") == [("0001.00001", 2)]
    app.close()


def test_that_nothing_can_be_taken_up_holds_up_no_edition(tmp_path: Path) -> None:
    app = make_app(tmp_path, outside={"patience": 0.05})
    subscribe(app, "ada@example.org")
    bring(app, make_paper(1))
    # Another program writes as soon as the edition is there.
    with closing(sqlite3.connect(app.config.newsletter.database, isolation_level=None)) as other:
        other.execute("PRAGMA busy_timeout = 1000")
        blocked = False

        def block(sql: str) -> None:
            nonlocal blocked
            if sql == "COMMIT":
                blocked = True
            elif blocked and sql == "BEGIN IMMEDIATE" and not other.in_transaction:
                other.execute("BEGIN IMMEDIATE")

        app.storage.database.tables.conn.set_trace_callback(block)
        assert settle(app, app.today()).queued == 1
        app.storage.database.tables.conn.set_trace_callback(None)
        with pytest.raises(LockedError):
            app.storage.search.follow()
        assert not app.storage.search.complete()
    assert app.storage.search.follow() == 1
    app.close()


def test_an_older_database_is_taken_up_little_by_little_and_found_so_far(storage: Storage) -> None:
    for number in range(3):
        papers = (make_paper(10 * number + n) for n in range(1, 8))
        tell(storage, *papers, day=DAY + timedelta(days=number), follow=False)
    tell(storage, make_paper(99), topic=OWN, day=DAY + timedelta(days=4), follow=False)
    taken = []
    while done := storage.search.follow(5):
        taken.append(done)
        assert len(found(storage.search, "graph")) == sum(taken)
        assert storage.search.complete() == (sum(taken) == 21)
    assert taken == [5, 5, 5, 5, 1]
    assert [key for key, _ in found(storage.search, "graph")] == [
        f"0001.{n:05}" for n in (*range(27, 20, -1), *range(17, 10, -1), *range(7, 0, -1))
    ]


def test_details_that_come_later_are_found_and_what_was_there_before_is_not(storage: Storage) -> None:
    told = make_paper(1, "On Grphs", provisional=True, authors=("A. Example",), categories=("cs.LG",))
    tell(storage, told, make_paper(2))
    full = replace(
        told,
        title="On Graphs",
        provisional=False,
        comment="with code",
        authors=("Ada Example",),
        categories=("cs.CV", "math.CO"),
        report_no="MIT-7",
    )
    with storage.write():
        storage.papers.add([full], START)
    with storage.write():
        storage.papers.add([replace(full, journal_ref="Journal of Graphs 1")], START)
    assert not storage.search.complete()
    assert found(storage.search, "ti:grphs") == [("0001.00001", 1)]
    assert storage.search.follow() == 1
    assert storage.search.complete()
    for query in ("ti:graphs AND co:code", "au:ada", "cat:math.*", "jr:journal", "rn:mit"):
        assert ("0001.00001", 1) in found(storage.search, query)
    for query in ("ti:grphs", "cat:cs.LG ANDNOT id:0001.00002"):
        assert found(storage.search, query) == []
    assert entries(storage) == made_anew(storage)


def test_a_paper_that_comes_again_as_it_was_is_left_as_it_is(storage: Storage) -> None:
    tell(storage, make_paper(1))
    with storage.write():
        storage.papers.add([make_paper(1)], START)
        storage.papers.asked_in_vain([make_paper(1).key], START)
    assert storage.search.complete()


_changed = st.lists(st.tuples(st.sampled_from(("told", "add", "follow")), _papers), min_size=2, max_size=12)


@given(_changed)
@settings(max_examples=60)
def test_whatever_happens_the_index_is_as_if_it_were_made_anew(steps: list[tuple[str, Paper]]) -> None:
    with made() as storage:
        for number, (step, paper) in enumerate(steps):
            if step == "told":
                given = replace(paper, provisional=number % 2 == 0)
                tell(storage, given, day=DAY + timedelta(days=number), follow=False)
            elif step == "add":
                with storage.write():
                    storage.papers.add([paper], START)
            else:
                storage.search.follow(2)
        while storage.search.follow(3):
            pass
        assert entries(storage) == made_anew(storage)


def test_with_another_reading_of_texts_all_is_indexed_anew(storage: Storage) -> None:
    tell(storage, make_paper(1), make_paper(2))
    before = entries(storage)
    with storage.write():
        storage.database.execute("UPDATE settings SET value = '0 1.0.0' WHERE name = 'search_reading'")
    assert not storage.search.complete()
    assert storage.search.follow(1) == 1
    assert storage.search.follow(1) == 1
    assert storage.search.follow(1) == 0
    assert storage.search.complete()
    assert entries(storage) == before


SAMPLES = (
    r"Erd\H{o}s--R\'enyi graphs, $\ell_1$-norms in $\mathbb{R}^{n}$, and 50\% of ½ \alpha at Straße x_1",
    "GPT-4o’s “in-context” learning: N'Diaye, Łódź, İstanbul, Ægir, naïve co\u00adoperation, ﬁne\u2013tuning",
    r"{\em A$^*$} search with \textbf{bold} \cite{x} $O(n \log n)$ and $\frac{1}{2}$, H$_2$O, $10^{-3}$; see https://example.org/~a",
    "深度学习 для всех: Ελληνικά, עברית, emoji 🙂, ２D and ℓ²",
)
#: What they come to. If this changes, raise READING, and write it down here: who has an index then makes it anew.
READ = {1: "c67fff92ef1cbc700dd75ee4551f2d0f1b4ae74e0a2d2ec69bd5542a33fe497b"}


def test_a_reading_of_texts_has_a_number_of_its_own() -> None:
    read = [*map(indexed_text, SAMPLES), indexed_names(["Ørsted, Anna", "J.-L. d'Alembert"])]
    read += [indexed_reports("CERN-TH/2020-01 MIT_7"), indexed_reports("")]
    assert hashlib.sha256("\n".join(read).encode()).hexdigest() == READ[READING]


# ---------------------------------------------------------------- killed, and beside others

_FOLLOWER = """
import sys
from pathlib import Path
from newsletter.storage import Storage
storage = Storage(Path(sys.argv[1]))
print("on", flush=True)
while storage.search.follow(3):
    print("step", flush=True)
"""


def follower(path: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", _FOLLOWER, str(path)], stdout=subprocess.PIPE, text=True)


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    """A database in which 600 papers wait."""
    path = tmp_path / "subscribers.db"
    with closing(Storage(path)) as storage:
        storage.topics.follow([("Anything", "cat:cs.*")])
        for number in range(4):
            papers = (make_paper(150 * number + n, f"Graphs {n % 7}") for n in range(150))
            tell(storage, *papers, day=DAY + timedelta(days=number), topic=1, follow=False)
    return path


def test_killed_at_any_moment_it_goes_on_where_it_was(waiting: Path) -> None:
    for steps in (0, 1, 17, 50):
        with follower(waiting) as process:
            assert process.stdout is not None
            for _ in range(1 + steps):
                process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
    with closing(Storage(waiting)) as storage:
        done = len(found(storage.search, "graph"))
        assert 3 * 68 <= done < 600
        while storage.search.follow():
            pass
        assert len(found(storage.search, "graph")) == 600
        assert entries(storage) == made_anew(storage)


def test_two_that_follow_at_once_share_the_work(waiting: Path) -> None:
    with follower(waiting) as one, follower(waiting) as other:
        steps = [process.communicate()[0].count("step") for process in (one, other)]
    assert one.returncode == other.returncode == 0
    assert sum(steps) >= 200
    with closing(Storage(waiting)) as storage:
        assert storage.search.complete()
        assert len(found(storage.search, "graph")) == 600
        assert entries(storage) == made_anew(storage)


def test_who_only_looks_searches_too(waiting: Path) -> None:
    with closing(Storage(waiting)) as storage:
        storage.search.follow(100)
    with closing(Storage(waiting, looking=True)) as storage:
        assert len(found(storage.search, "graph")) == 100
        assert not storage.search.complete()


def test_before_there_is_a_database_nothing_is_found(tmp_path: Path) -> None:
    with closing(Storage(tmp_path / "none.db", looking=True)) as storage:
        assert storage.search.find(parse("graph"), 10) == Found(())

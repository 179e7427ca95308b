"""Lists of subscribers as files: ours, which come back as they went out, and what people and other programs send."""

import csv
import io
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from house import bring, day, make_app, make_paper, subscribe
from hypothesis import assume, given
from hypothesis import strategies as st

from newsletter.addresses import check_address
from newsletter.app import App
from newsletter.csvfile import CsvFile, csv_line, decoded
from newsletter.errors import AddressError, QueryError, UsageError
from newsletter.model import (
    Choice,
    Detail,
    Format,
    Frequency,
    Late,
    Look,
    Preferences,
    Rhythm,
    Status,
    Subscriber,
    Suppression,
)
from newsletter.query import parse
from newsletter.settling import settle
from newsletter.storage.subscribers import NewSubscriber
from newsletter.subscriptions.lines import LineReader
from newsletter.subscriptions.table import BadLine, Imported
from newsletter.text import INVISIBLE

ANN = "ann@example.org"
TOPICS = ("Graph Neural Networks", "Time Series")
LISTS = Path(__file__).parent / "lists"


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    app = make_app(tmp_path, topics=TOPICS)
    yield app
    app.close()


def another(app: App, name: str) -> App:
    """A second newsletter with the same topics and an empty database."""
    folder = app.config.path.parent / name
    folder.mkdir()
    return make_app(folder, topics=TOPICS)


def known(app: App, email: str = ANN) -> Subscriber:
    found = app.subscriptions.find(email)
    assert found is not None
    return found


def steps(app: App, *lines: str, confirmed: bool = False) -> list[Imported]:
    return list(app.subscriptions.import_csv(lines, confirmed=confirmed, today=app.today(), now=app.now()))


def take(app: App, *lines: str, confirmed: bool = False) -> tuple[int, int, list[BadLine]]:
    """Import lines of CSV; what was added, what was known, and the bad lines."""
    taken = steps(app, *lines, confirmed=confirmed)
    bad = [step.bad for step in taken if step.bad]
    return sum(step.added for step in taken), sum(step.known for step in taken), bad


def numbers(bad: list[BadLine]) -> list[int]:
    return [line.number for line in bad]


def remarks(taken: list[Imported]) -> list[str]:
    return [step.remark for step in taken if step.remark]


# ---------------------------------------------------------------- CSV


def test_columns_stand_in_any_order_and_others_are_left_alone(app: App) -> None:
    added, _, bad = take(
        app,
        " Topics ,EMAIL,name,queries,frequency,Status\n",
        '"time series; Graph Neural Networks",Ann@Example.org,Ann,"ti:a;ti:b, ti:c OR",weekly,Confirmed\n',
        '"time series; Graph Neural Networks",Ann@Example.org,"Ann,\nor Anna","ti:a; ti:""b c""",weekly,Confirmed\n',
        ",bob@example.org\n",
    )
    assert added == 2
    assert [(line.number, "expected AND" in line.reason) for line in bad] == [(2, True)]
    assert known(app).topics == TOPICS
    assert known(app).queries == ("ti:a", 'ti:"b c"')
    assert known(app).preferences.rhythm.frequency is Frequency.WEEKLY
    assert known(app, "bob@example.org").status is Status.PENDING
    assert known(app, "bob@example.org").topics == ()


def test_the_header_is_line_1_and_only_bad_lines_are_left_out(app: App) -> None:
    added, already, bad = take(
        app,
        "email,status,frequency,topics,queries\n",
        "one@example.org,,,,\n",
        "no address,,,,\n",
        "\n",
        "two@example.org,member,,,\n",
        "two@example.org,,hourly,,\n",
        "two@example.org,,,Nonsense,\n",
        "two@example.org,,,,ti:a OR ti:b AND ti:c\n",
        "two@example.org,,,,ti:a,too much\n",
        "two@example.org,,,,,,\n",
        "TWO@example.org,,,,\n",
        "three@ex\ufffdmple.org,,,,\n",
        "four@example.org,,,,ti:\ufffd\n",
        ",,,Time Series,\n",
        "five@example.org",
        confirmed=True,
    )
    assert (added, already) == (3, 1)
    assert numbers(bad) == [3, 5, 6, 7, 8, 9, 12, 13, 14]
    reasons = [line.reason for line in bad]
    assert "pending, confirmed, paused, unsubscribed" in reasons[1]
    assert "daily, weekly" in reasons[2]
    assert "there are: Graph Neural Networks" in reasons[3]
    assert "can be read in two ways" in reasons[4]
    assert "6 cells, the header 5" in reasons[5]
    assert "not UTF-8" in reasons[7]
    assert known(app, "five@example.org").status is Status.CONFIRMED


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ([], "no column named email"),
        (["\n"], "no column named email"),
        (["name,status\n", "a,b\n"], "no column named email"),
        (["Ann\n", "ann@example.org\n"], "an address on each line"),
        (["ann@example.org,Ann\n"], "no column named email"),
        (["uuid,email,attributes,status,email\n"], "two columns named email"),
        (["email,status,Email \n"], "two columns named email"),
        (["email,topics,topics\n"], "two columns named topics"),
        (["\ufffd\ufffde\x00m\x00a\x00i\x00l\x00\n"], "not UTF-8"),
        (['"email\n'], "no column named email"),
    ],
)
def test_a_file_without_a_good_header_is_refused(app: App, lines: list[str], reason: str) -> None:
    with pytest.raises(UsageError, match="line 1: ") as caught:
        take(app, *lines)
    assert reason in str(caught.value)


def test_a_header_alone_is_an_empty_list(app: App) -> None:
    assert take(app, "\ufeffemail\n") == (0, 0, [])


def test_an_open_quotation_mark_costs_one_line(app: App) -> None:
    lines = [f"reader{number}@example.org,\n" for number in range(5000)]
    added, _, bad = take(app, "email,name\n", *lines[:10], 'x@example.org,"Ann\n', *lines[10:], 'y@example.org,"B" C\n')
    assert added == 5000
    assert numbers(bad) == [12, 5003]
    assert "quotation mark" in bad[0].reason


def test_a_huge_cell_costs_one_line(app: App) -> None:
    added, _, bad = take(app, "email,name\n", f"x@example.org,{'x' * 1_000_000}\n", f"{ANN},\n")
    assert (added, numbers(bad)) == (1, [2])
    assert len(bad[0].reason) < 200


def test_records_over_several_lines_keep_the_count(app: App) -> None:
    added, _, bad = take(app, "email,name\n", f'{ANN},"a\n', "b\n", 'c"\n', 'nobody,"d\n', 'e"\n', "nobody,\n")
    assert (added, numbers(bad)) == (1, [5, 7])
    assert bad[0].reason.endswith("(up to line 6)")


def test_what_was_taken_before_an_interruption_stays(app: App) -> None:
    def lines() -> Iterator[str]:
        yield "email\n"
        for number in range(4500):
            yield f"reader{number}@example.org\n"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        for _ in app.subscriptions.import_csv(lines(), confirmed=False, today=app.today(), now=app.now()):
            pass
    assert app.storage.subscribers.counts() == {Status.PENDING: 4000}


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_hundred_thousand_addresses(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(
        '[newsletter]\nsender = "papers@example.org"\n[[topics]]\nname = "Time Series"\n[arxiv]\nmax_queries = 100\n'
    )
    with (tmp_path / "readers.csv").open("w") as file:
        file.write("email,topics,queries\n")
        file.writelines(f"reader{n}@example{n % 500}.org,Time Series,ti:q{n % 100}\n" for n in range(100_000))
        file.write("nobody\n")
    program = """
        import pathlib, re
        from newsletter.cli import newsletter
        try:
            newsletter(["subscribers", "import", "readers.csv"], standalone_mode=False)
        finally:
            # The kernel's own mark: ru_maxrss also remembers the process that started this one.
            peak = re.search(r"VmHWM:\\s*(\\d+)", pathlib.Path("/proc/self/status").read_text())
            print(int(peak[1]) // 1024)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        cwd=tmp_path, env={"PYTHONPATH": str(Path(__file__).parents[1])}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "readers.csv: line 100002: 'nobody' is not an e-mail address" in done.stderr
    summary, *_, megabytes = done.stdout.splitlines()
    assert summary == "100000 added, 0 were there already, 1 bad lines."
    assert int(megabytes) < 150


def test_a_slip_in_the_header_does_not_subscribe_to_everything(app: App) -> None:
    with pytest.raises(UsageError, match="did you mean topics"):
        list(app.subscriptions.import_csv(["email,topic\n"], confirmed=True, today=app.today(), now=app.now()))
    lines = ["email,name\n", "ann@example.org,Ann\n"]  # what others' exports hold besides
    assert [
        step.added for step in app.subscriptions.import_csv(lines, confirmed=True, today=app.today(), now=app.now())
    ]


def test_no_more_queries_than_are_fetched(tmp_path: Path) -> None:
    app = make_app(tmp_path, arxiv={"max_queries": 2})
    subscribe(app, ANN, queries=["ti:one", "ti:two"])
    lines = ["email,queries\n", "cem@example.org,ti:three\n", "dee@example.org,TI:one\n"]
    added, _, bad = take(app, *lines, confirmed=True)
    assert (added, numbers(bad)) == (1, [2])
    assert "max_queries" in bad[0].reason
    app.close()


# ---------------------------------------------------------------- there and back

QUERIES = (
    *("ti:a", "ti:b", "ABS:A", "TI:A", 'ti:"x;y"', 'au:"Doe, J"', " cat:cs.CV\r\nAND b", "plain words", "a;b;=c"),
    *(
        "=cmd",
        '"=1+1"',
        "@sum",
        "＝x",
        "'quoted'",
        "''",
        "'=x",
        "ti:\\alpha",
        "b\\",
        "c\\;",
        "a;",
        ";a",
        "\\;a\\",
        "é;ü",
    ),
)
queries = st.sampled_from(QUERIES) | st.text(max_size=12).map('ti:"{}"'.format) | st.text(max_size=8)
locals_ = st.sampled_from(["=cmd", "+a", "-1", "'a", "'=a", "''b", "a'b", "Ann", "rené", "用户"]) | st.from_regex(
    r"[a-zA-Z0-9=+'!#$%&*/?^_`{|}~-]{1,5}", fullmatch=True
)
emails = st.builds("{}@{}".format, locals_, st.sampled_from(["example.org", "bücher.example", "a-b.org"])) | st.emails()
moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=0)
)
preferences = st.builds(
    Preferences,
    st.builds(
        Rhythm,
        st.sampled_from(Frequency),
        st.none() | st.integers(0, 6),
        st.none() | st.integers(0, 23),
        st.sampled_from(["", "UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5"]),
        st.sampled_from(Late),
    ),
    st.builds(Look, st.sampled_from(Detail), st.sampled_from(Format), st.sampled_from(["", "en", "de"])),
    st.booleans(),
)


@st.composite
def subscribers(draw: st.DrawFn) -> Subscriber:
    """Whoever may be in the database, but for a number."""
    status = draw(st.sampled_from(Status))
    created = draw(moments)
    confirmed = draw(moments if status is Status.CONFIRMED else st.none() | moments)
    return Subscriber(
        id=0,
        email=draw(emails),
        status=status,
        topics=tuple(draw(st.lists(st.sampled_from(TOPICS), unique=True))),
        queries=tuple(draw(st.lists(queries, max_size=4))),
        preferences=draw(preferences),
        covered=None,
        created=created,
        paused_until=draw(st.none() | st.dates()) if status is Status.PAUSED else None,
        confirmed=None if status is Status.PENDING else confirmed,
        suppressed=draw(st.none() | st.sampled_from(Suppression)),
    )


def settle_in(app: App, one: Subscriber) -> bool:
    """Add somebody as they are; False for a query or an address that nobody can have."""
    try:
        address, _ = app.subscriptions.check_address(one.email), list(map(parse, one.queries))
        with app.storage.write():
            topics = [app.storage.topics.named(name) for name in one.topics]
            topics += map(app.storage.topics.query, one.queries)
            ids = tuple(topic.id for topic in topics)
            times = (one.paused_until, one.created, one.confirmed)
            new = NewSubscriber(address, one.status, ids, one.preferences, None, *times)
            app.storage.subscribers.add([new], None, app.today(), app.now())
            if one.suppressed:
                app.storage.subscribers.suppress(address, one.suppressed, "", app.now())
    except (AddressError, QueryError):
        return False
    return True


def all_of(app: App) -> list[Subscriber]:
    """Everybody, but for what no file tells: numbers, and which edition they had."""
    return [replace(one, id=0, covered=None) for one in app.storage.subscribers.all()]


def clear(app: App) -> None:
    """Remove everybody, and what is held against them."""
    for one in list(app.storage.subscribers.all()):
        app.subscriptions.unsuppress(one.email, today=app.today())
        app.subscriptions.remove(one.id, now=app.now())


def test_whatever_is_exported_comes_back(app: App) -> None:
    other = another(app, "other")

    @given(st.lists(subscribers(), max_size=5))
    def check(people: list[Subscriber]) -> None:
        for person in people:
            settle_in(app, person)
        exported = list(app.subscriptions.export_csv())
        for ending in ("\n", "\r\n"):  # as a file it goes through bytes, and a program may have changed how lines end
            file = "".join(exported).replace("\n", ending).encode()
            assert take(other, *decoded(io.BytesIO(file)))[2] == []
            assert list(other.subscriptions.export_csv()) == exported
            assert all_of(other) == all_of(app)
            clear(other)
        clear(app)

    check()
    other.close()


@given(st.lists(st.text() | st.sampled_from(QUERIES), min_size=2))
def test_whatever_cells_are_written_are_read(cells: list[str]) -> None:
    assume(not any(0xD800 <= ord(character) < 0xE000 or character in "\0\r\ufffd" for character in "".join(cells)))
    assume("".join(cells).strip())
    names = [f"c{number}" for number in range(len(cells))]
    file = decoded(io.BytesIO((csv_line(names) + csv_line(cells)).encode()))
    (record,) = CsvFile(file, lambda header: "c0" in header).records()
    assert (list(record.cells.values()), record.trouble) == (cells, "")


@given(st.lists(st.text() | st.sampled_from(QUERIES).map("a;{}".format) | st.sampled_from(QUERIES), min_size=1))
def test_no_cell_that_is_written_is_a_formula(cells: list[str]) -> None:
    """Not where cells are parted by commas, nor in the countries where they are parted by semicolons."""
    line = csv_line(cell.replace("\0", "") for cell in cells)
    for delimiter in ",;":
        for read in csv.reader(io.StringIO(line, newline=""), delimiter=delimiter):
            assert not [cell for cell in read if cell.strip() and cell.startswith(tuple("=+-@\t\r\n＝＋－＠"))]


def test_an_export_has_all_there_is_to_choose(app: App) -> None:
    wishes = Preferences(
        Rhythm(Frequency.WEEKLY, 4, 7, "Europe/Berlin", Late.GO), Look(Detail.BRIEF, Format.TEXT, "de"), revised=False
    )
    choice = Choice(("Time Series",), ('ti:"a;b"', "=1"), wishes)
    when: Any = {"today": app.today(), "now": app.now()}
    app.subscriptions.subscribe("+ann@example.org", choice, confirmed=True, **when)
    app.subscriptions.pause("+ann@example.org", until=date(2026, 2, 1), **when)
    app.subscriptions.suppress("+ann@example.org", Suppression.BOUNCE, now=app.now())
    header, line = app.subscriptions.export_csv()
    assert header == (
        "email,status,topics,queries,frequency,weekday,hour,zone,late,revised,detail,format,language,"
        "paused_until,suppressed,created,confirmed\n"
    )
    assert line == (
        '''\'+ann@example.org,paused,Time Series,"\'=1;ti:""a\\;b"""'''
        ",weekly,friday,7,Europe/Berlin,go,no,brief,text,de,"
        "2026-02-01,bounce,2026-01-06T07:00:00Z,2026-01-06T07:00:00Z\n"
    )


def test_exports_of_the_first_release_are_read(app: App) -> None:
    """They had five columns, and wrote a semicolon in a query as a blank."""
    lines = ["email,status,frequency,topics,queries\n", f'{ANN},paused,weekly,Time Series,"ti:""x y"";au:Müller"\n']
    assert take(app, *lines) == (1, 0, [])
    assert known(app).choice == Choice(
        ("Time Series",), ("au:Müller", 'ti:"x y"'), Preferences(Rhythm(Frequency.WEEKLY))
    )
    assert known(app).status is Status.PAUSED


# ---------------------------------------------------------------- who is known, who left, who agreed


def test_who_is_known_stays_as_they_are(app: App) -> None:
    subscribe(app, ANN, topics=["Time Series"])
    subscribe(app, "left@example.org", "erased@example.org", "never@example.org")
    when: Any = {"today": app.today(), "now": app.now()}
    app.subscriptions.unsubscribe("left@example.org", **when)
    app.subscriptions.erase("erased@example.org", now=app.now())
    app.subscriptions.suppress("never@example.org", Suppression.COMPLAINT, now=app.now())
    header = "email,status,frequency,suppressed\n"
    lines = [f"{name}@example.org,confirmed,weekly,bounce\n" for name in ("ann", "LEFT", "never")]
    taken = steps(app, header, *lines, "erased@example.org,confirmed,,\n", confirmed=True)
    assert taken == [Imported(added=1, known=3, suppressed=1)]
    assert known(app).topics == ("Time Series",)
    assert known(app).preferences == Preferences()
    assert known(app).suppressed is None
    assert known(app, "left@example.org").status is Status.UNSUBSCRIBED
    assert known(app, "never@example.org").suppressed is Suppression.COMPLAINT
    assert known(app, "erased@example.org").suppressed is Suppression.MANUAL
    assert steps(app, "left@example.org\n", confirmed=True) == [
        Imported(remark="a list of addresses"),
        Imported(known=1),
    ]
    assert known(app, "left@example.org").status is Status.UNSUBSCRIBED


def test_who_has_not_agreed_has_no_date_of_it(app: App) -> None:
    header, moment = "email,status,confirmed\n", datetime(2020, 1, 2, tzinfo=UTC)
    take(app, header, f"{ANN},,2020-01-02\n", "bob@example.org,unsubscribed,2020-01-02\n")
    assert (known(app).status, known(app).confirmed) == (Status.PENDING, None)
    assert known(app, "bob@example.org").confirmed == moment


def test_who_stands_in_a_file_twice_is_who_they_are_first(app: App) -> None:
    assert take(app, "email,status\n", f"{ANN},paused\n", "ANN@example.org,confirmed\n") == (1, 1, [])
    assert known(app).status is Status.PAUSED


def test_who_is_pending_becomes_a_reader_once_they_are_said_to_have_agreed(app: App) -> None:
    lines = ["email,status\n", f"{ANN},\n", "bob@example.org,pending\n"]
    (step,) = steps(app, *lines)
    assert (step.added, step.pending, step.agreed) == (2, 2, 0)
    bring(app, make_paper(1))
    settle(app, app.today())
    (step,) = steps(app, *lines, confirmed=True)
    assert (step.added, step.known, step.pending, step.agreed) == (0, 1, 0, 1)
    assert (known(app).status, known(app).confirmed, known(app).covered) == (Status.CONFIRMED, app.now(), day())
    assert known(app, "bob@example.org").status is Status.PENDING  # the line says otherwise
    (consent,) = app.storage.consents.of(known(app).id)
    assert (consent.given, consent.how) == (app.now(), "csv")
    assert app.storage.consents.of(known(app, "bob@example.org").id) == []


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ("paused,yesterday,,,", "paused_until: 'yesterday' is no date (allowed: such as 2026-12-24)"),
        (",2026-02-01,,,", "paused_until: '2026-02-01' stands beside the status pending (allowed: beside paused)"),
        (",,spam,,", "suppressed: 'spam' is not allowed (allowed: bounce, complaint, manual)"),
        (",,,noon,", "created: 'noon' is no moment (allowed: such as 2026-12-24T07:00:00Z)"),
        ("confirmed,,,,0001-01-01T00:00:00+05:00", "confirmed: '0001-01-01T00:00:00+05:00' is no moment"),
    ],
)
def test_what_is_not_allowed_is_told(app: App, cells: str, reason: str) -> None:
    (bad,) = take(app, "email,status,paused_until,suppressed,created,confirmed\n", f"{ANN},{cells}\n")[2]
    assert bad.reason.startswith(reason)


def test_moments_without_a_zone_are_in_utc(app: App) -> None:
    take(app, "email,created\n", f"{ANN},2020-01-02 03:04:05\n", "bob@example.org,2020-01-02T03:04:05+02:00\n")
    assert known(app).created == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert known(app, "bob@example.org").created == datetime(2020, 1, 2, 1, 4, 5, tzinfo=UTC)


LONG = "x" * 60
ODD = (
    *("Postmaster@example.org", "a..b@example.org", ".a@example.org", "a.@example.org", "a@b@example.org", "@", "a@"),
    *(f"{'a' * 64}@example.org", f"{'a' * 65}@example.org", f"a@{LONG}.{LONG}.{LONG}.org", f"a@{LONG}{LONG}.org"),
    *(f"{LONG}@{LONG}.{LONG}.{LONG}.org", f"{LONG}@{'ü' * 50}.{'ü' * 50}.{'ü' * 50}.org", "a@lab.local", "a@XN--X.org"),
)


@given(emails | st.emails().map(str.upper) | st.text(max_size=10).map("{}@Example.org".format) | st.sampled_from(ODD))
def test_addresses_are_checked_as_everywhere(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    def checked(address: str) -> str:
        try:
            return check_address(address, ["lab.local"])
        except AddressError as error:
            return str(error)

    app = make_app(tmp_path_factory.getbasetemp())
    read = LineReader(app.storage, ["lab.local"], None, agreed=True)
    file = f"email\n{csv_line([text])}{csv_line([text.rpartition('@')[0] + '@LAB.local'])}"
    assume(not INVISIBLE.search(text) and len(text.splitlines()) == 1 and "\ufffd" not in text)
    for record in CsvFile(decoded(io.BytesIO(file.encode())), lambda header: "email" in header).records():
        try:
            found = read(record).email
        except AddressError as error:
            found = str(error)
        assert found == checked(record.cells["email"])
    app.close()


# ---------------------------------------------------------------- how files are written


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-mark"])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_files_as_spreadsheets_write_them(app: App, encoding: str, ending: str, delimiter: str) -> None:
    rows = (
        ["E-Mail", "x"],
        ["email", "topics"],
        [ANN, "Time Series;Graph Neural Networks"],
        ["müller@example.org", ""],
    )
    text = "".join(delimiter.join(f'"{cell}"' if ";" in cell else cell for cell in row) + ending for row in rows[1:])
    raw = b"\xfe\xff" + text.encode("utf-16-be") if encoding.endswith("mark") else text.encode(encoding)
    assert take(app, *decoded(io.BytesIO(raw))) == (2, 0, [])
    assert known(app).topics == TOPICS
    assert known(app, "müller@example.org")


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=200), st.integers(1, 7))
def test_bytes_become_lines_however_they_come(text: str, at_once: int) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            return super().read(min(size or 0, at_once) if size and size > 0 else size)

    assume(not text.startswith(("\ufeff", "\ufffe")))
    lines = list(decoded(Slow(text.encode())))
    assert "".join(lines) == re.sub(r"\r\n?", "\n", text)
    assert all(line.endswith("\n") for line in lines[:-1])


def test_what_is_no_text_ends_soon(app: App) -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def read(self, size: int = -1) -> bytes:
            self.taken += size
            return b"\x01" * size

    endless = Endless()
    with pytest.raises(UsageError, match="line 1: it is longer than a line of text can be"):
        take(app, *decoded(endless))  # type: ignore[arg-type]
    assert endless.taken < 3 << 20


# ---------------------------------------------------------------- other programs


def take_list(app: App, name: str, *, confirmed: bool = False) -> tuple[list[Imported], list[BadLine]]:
    with (LISTS / name).open("rb") as file:
        taken = steps(app, *decoded(file), confirmed=confirmed)
    return taken, [step.bad for step in taken if step.bad]


def states(app: App) -> dict[str, tuple[Status, Suppression | None]]:
    found = app.storage.subscribers.all()
    return {one.email.partition("@")[0]: (one.status, one.suppressed) for one in found}


CONFIRMED, PENDING, LEFT = ((status, None) for status in (Status.CONFIRMED, Status.PENDING, Status.UNSUBSCRIBED))
BOUNCED, BLOCKED = ((Status.UNSUBSCRIBED, reason) for reason in (Suppression.BOUNCE, Suppression.MANUAL))


def test_listmonk(app: App) -> None:
    taken, bad = take_list(app, "listmonk.csv", confirmed=True)
    assert remarks(taken) == ["an export of listmonk; not taken over: uuid, name, attributes, updated_at"]
    assert states(app) == {"ada": CONFIRMED, "ben": LEFT, "cleo": BLOCKED}
    assert known(app, "ada@example.org").created == datetime(2023, 5, 1, 10, 20, 30, tzinfo=UTC)
    assert known(app, "ben@example.org").created == datetime(2023, 5, 2, 2, 30, tzinfo=UTC)
    assert numbers(bad) == [5]
    assert "status: 'vanished' is not allowed (allowed: enabled, disabled, blocklisted" in bad[0].reason


def test_nobody_is_mailed_because_another_program_did(app: App) -> None:
    taken, _ = take_list(app, "listmonk.csv")
    assert states(app)["ada"] == PENDING
    assert (taken[-1].pending, taken[-1].suppressed) == (1, 1)
    taken, _ = take_list(app, "listmonk.csv", confirmed=True)
    assert states(app) == {"ada": CONFIRMED, "ben": LEFT, "cleo": BLOCKED}
    assert (taken[-1].agreed, taken[-1].known) == (1, 2)


def test_mailchimp(app: App) -> None:
    said = []
    for name in ("subscribed", "unsubscribed", "cleaned"):
        taken, bad = take_list(app, f"mailchimp-{name}.csv", confirmed=True)
        said += remarks(taken)
        assert bad == []
    assert states(app) == {
        "ada": CONFIRMED,
        "ben": CONFIRMED,
        "gus": PENDING,
        "cleo": LEFT,
        "emil": LEFT,
        "dora": BOUNCED,
    }
    assert known(app, "ada@example.org").created == datetime(2021, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert known(app, "ada@example.org").confirmed == datetime(2021, 3, 4, 5, 10, tzinfo=UTC)
    assert known(app, "ben@example.org").created == datetime(2015, 3, 16, 14, 40, 47, tzinfo=UTC)
    assert said[0].startswith("an export of Mailchimp; not taken over: first name, last name, address, what content")
    assert "unsub_reason" in said[1]
    assert "clean_time" not in said[2]


def test_mailman(app: App) -> None:
    taken, bad = take_list(app, "mailman-members.txt", confirmed=True)
    assert remarks(taken) == ["a list of addresses"]
    assert bad == []
    assert [one.email for one in app.storage.subscribers.all()] == [
        "ada@example.org",
        "Ben@example.org",
        "cleo@example.org",
        "dora@example.org",
        "emile@bücher.example",
    ]
    assert {one.status for one in app.storage.subscribers.all()} == {Status.CONFIRMED}


def test_the_members_of_mailman_as_a_table(app: App) -> None:
    taken, bad = take_list(app, "mailman-rest.csv")
    assert remarks(taken)[0].startswith("an export of Mailman; not taken over: address, bounce_score, display_name")
    assert states(app) == {"ada": PENDING, "ben": PENDING, "cleo": BOUNCED, "dora": LEFT}
    assert known(app, "ben@example.org").preferences.look.format is Format.TEXT
    assert [line.reason for line in bad] == ["role: 'nonmember' is none that gets mail (allowed: member)"]


def test_addresses_one_a_line(app: App) -> None:
    """As Postorius writes them, and as people do."""
    lines = [f"{ANN}\r\n", "\r\n", "bob@example.org\r\n", "ann\r\n", "cem@example.org, dee@example.org\r\n"]
    added, already, bad = take(app, *(line.replace("\r", "") for line in lines), "ANN@example.org")
    assert (added, already, numbers(bad)) == (2, 1, [4, 5])


def test_a_line_that_is_too_short_says_so(app: App) -> None:
    lines = ["uuid,email,name,attributes,status,created_at,updated_at\n", "1,ann@example.org\n"]
    assert [line.reason for line in take(app, *lines)[2]] == ["it has no cell 'status'"]

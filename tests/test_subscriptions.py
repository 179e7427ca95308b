"""Subscribers: their verbs, and CSV files of every kind."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import bring, day, make_app, make_paper, subscribe
from hypothesis import given
from hypothesis import strategies as st

from newsletter.addresses import check_address, same_address, split_mailbox, wire_address
from newsletter.app import App
from newsletter.errors import AddressError, QueryError, UsageError
from newsletter.model import Frequency, Status, Subscriber, Suppression
from newsletter.settling import settle
from newsletter.subscriptions import BadLine, Outcome

ANN = "ann@example.org"
TOPICS = ("Graph Neural Networks", "Time Series")


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


def take(app: App, *lines: str, confirmed: bool = False) -> tuple[int, int, list[BadLine]]:
    """Import lines of CSV; what was added, what was known, and the bad lines."""
    steps = list(app.subscriptions.import_csv(lines, confirmed=confirmed, today=app.today(), now=app.now()))
    bad = [step.bad for step in steps if step.bad]
    return sum(step.added for step in steps), sum(step.known for step in steps), bad


def numbers(bad: list[BadLine]) -> list[int]:
    return [line.number for line in bad]


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("address", "normal"),
    [(" Ann@EXAMPLE.org ", "Ann@example.org"), ("ann@xn--bcher-kva.example", "ann@bücher.example")],
)
def test_addresses_in_their_normal_form(address: str, normal: str) -> None:
    assert check_address(address) == normal


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ann",
        "ann@",
        "@example.org",
        "a b@example.org",
        "ann@localhost",
        "ann@lab.local",
        "ann@example..org",
        "ann@example.org\nBcc: x@example.org",
        "ann@\ufffd.org",
    ],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(AddressError, match="is not an e-mail address"):
        check_address(address)


def test_local_domains() -> None:
    assert check_address("Ann@LAB.local", ["lab.local"]) == "Ann@lab.local"
    with pytest.raises(AddressError):
        check_address("a b@lab.local", ["lab.local"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@Example.org", "ann@EXAMPLE.ORG "),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("rene\u0301@example.org", "rené@example.org"),
    ],
)
def test_two_spellings_of_one_address(one: str, other: str) -> None:
    assert same_address(one) == same_address(other)


def test_mailboxes() -> None:
    assert split_mailbox('"Doe, Ann" <ann@example.org>') == ("Doe, Ann", ANN)
    assert split_mailbox(ANN) == ("", ANN)
    assert wire_address("ann@bücher.example") == "ann@xn--bcher-kva.example"


# ---------------------------------------------------------------- verbs


def test_subscribing(app: App) -> None:
    def add(*topics: str, queries: tuple[str, ...] = (), email: str = ANN) -> Outcome:
        return app.subscriptions.subscribe(
            email, topics, queries, Frequency.DAILY, confirmed=False, today=app.today(), now=app.now()
        )

    assert add("time SERIES", queries=(" ti:a  AND\tabs:b ",)) is Outcome.DONE
    assert known(app).topics == ("Time Series",)
    assert known(app).queries == ("ti:a AND abs:b",)
    assert known(app).status is Status.PENDING
    assert add(email="ANN@example.org") is Outcome.ALREADY
    with pytest.raises(UsageError, match=r"no topic 'Tme Series'; did you mean 'Time Series'\? \(there are: Graph"):
        add("Tme Series", email="bob@example.org")
    with pytest.raises(QueryError):
        add(queries=("ti:",), email="bob@example.org")
    assert app.subscriptions.find("bob@example.org") is None


@pytest.mark.parametrize(
    ("status", "verb", "after"),
    [
        (Status.PENDING, "confirm", Status.CONFIRMED),
        (Status.PENDING, "pause", None),
        (Status.PENDING, "resume", None),
        (Status.PENDING, "unsubscribe", Status.UNSUBSCRIBED),
        (Status.CONFIRMED, "confirm", Outcome.ALREADY),
        (Status.CONFIRMED, "pause", Status.PAUSED),
        (Status.CONFIRMED, "resume", Outcome.ALREADY),
        (Status.CONFIRMED, "unsubscribe", Status.UNSUBSCRIBED),
        (Status.PAUSED, "confirm", Status.CONFIRMED),
        (Status.PAUSED, "pause", Outcome.ALREADY),
        (Status.PAUSED, "resume", Status.CONFIRMED),
        (Status.PAUSED, "unsubscribe", Status.UNSUBSCRIBED),
        (Status.UNSUBSCRIBED, "confirm", Status.CONFIRMED),
        (Status.UNSUBSCRIBED, "pause", None),  # or `resume` would bring back one who left
        (Status.UNSUBSCRIBED, "resume", None),
        (Status.UNSUBSCRIBED, "unsubscribe", Outcome.ALREADY),
    ],
)
def test_who_becomes_what(app: App, status: Status, verb: str, after: Status | Outcome | None) -> None:
    take(app, "email,status", f"{ANN},{status}")

    def run() -> Outcome:
        outcome: Outcome = getattr(app.subscriptions, verb)(ANN, today=app.today(), now=app.now())
        return outcome

    if after is None:
        with pytest.raises(UsageError, match=f"{ANN} is {status}, not "):
            run()
    else:
        assert run() is (after if isinstance(after, Outcome) else Outcome.DONE)
    assert known(app).status is (after if isinstance(after, Status) else status)


def test_nobody_is_unknown_everywhere(app: App) -> None:
    for verb in ("confirm", "pause", "resume", "unsubscribe"):
        assert getattr(app.subscriptions, verb)(ANN, today=app.today(), now=app.now()) is Outcome.UNKNOWN
    assert app.subscriptions.change(ANN, (), (), None, today=app.today()) is Outcome.UNKNOWN
    assert app.subscriptions.remove(ANN, now=app.now()) is Outcome.UNKNOWN


def test_what_passes_during_a_pause_is_skipped(app: App) -> None:
    subscribe(app, ANN)
    app.subscriptions.pause(ANN, today=app.today(), now=app.now())
    bring(app, make_paper(1))
    settle(app, app.today())
    app.subscriptions.resume(ANN, today=app.today(), now=app.now())
    assert known(app).covered == day()


def test_changing_what_one_gets(app: App) -> None:
    subscribe(app, ANN, topics=["Time Series"], queries=["ti:a"])
    app.subscriptions.change(ANN, ["Graph Neural Networks"], None, Frequency.WEEKLY, today=app.today())
    assert (known(app).topics, known(app).queries) == (("Graph Neural Networks",), ("ti:a",))
    assert known(app).frequency is Frequency.WEEKLY
    app.subscriptions.change(ANN, (), (), None, today=app.today())
    assert (known(app).topics, known(app).queries) == ((), ())


def test_a_query_is_kept_no_longer_than_somebody_has_it(app: App) -> None:
    def kept() -> set[str]:
        return {topic.query for topic in app.storage.topics.all() if topic.personal} - {""}

    subscribe(app, ANN, queries=["ti:mine", "ti:ours"])
    subscribe(app, "bob@example.org", queries=["TI:Ours"])
    assert kept() == {"ti:mine", "ti:ours"}
    app.subscriptions.change(ANN, None, ["ti:ours", "ti:new"], None, today=app.today())
    assert kept() == {"ti:mine", "ti:ours", "ti:new"}  # taking it again must not tell again what it told
    app.subscriptions.remove(ANN, now=app.now())
    assert kept() == {"ti:ours"}
    subscribe(app, "cem@example.org", queries=["ti:mine", "ti:new"])
    assert kept() == {"ti:ours", "ti:mine", "ti:new"}
    assert [topic.query for topic in app.storage.topics.asked()][2:] == ["ti:ours", "ti:mine", "ti:new"]


def test_suppression_needs_no_subscriber_and_the_first_reason_stays(app: App) -> None:
    assert app.subscriptions.suppress("ANN@example.org", Suppression.BOUNCE, now=app.now()) is Outcome.DONE
    assert app.subscriptions.suppress(ANN, Suppression.MANUAL, now=app.now()) is Outcome.ALREADY
    assert app.storage.subscribers.suppression(ANN) is Suppression.BOUNCE
    outcome = app.subscriptions.subscribe(
        ANN, (), (), Frequency.DAILY, confirmed=True, today=app.today(), now=app.now()
    )
    assert outcome is Outcome.SUPPRESSED
    assert app.subscriptions.unsuppress("Ann@Example.org", today=app.today()) is Outcome.DONE
    assert app.subscriptions.unsuppress(ANN, today=app.today()) is Outcome.ALREADY


def test_a_new_name_takes_over_history_and_subscribers(tmp_path: Path) -> None:
    before = make_app(tmp_path, topics=["Old Name", "Time Series"])
    subscribe(before, ANN, topics=["Old Name"])
    subscribe(before, "bob@example.org", topics=["old name", "Time Series"])
    before.close()
    after = make_app(tmp_path, topics=["New Name", "Time Series"])
    assert [topic.name for topic in after.storage.topics.all() if topic.sleeping] == ["Old Name"]
    after.storage.topics.merge("old name", "new name")
    assert known(after).topics == ("New Name",)
    assert known(after, "bob@example.org").topics == ("New Name", "Time Series")
    assert not [topic for topic in after.storage.topics.all() if topic.sleeping]
    after.close()


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
    assert known(app).frequency is Frequency.WEEKLY
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
        (["email;status\n"], "parted by commas"),
        (["email,status,Email \n"], "two columns named email"),
        (["email,topics,topics\n"], "two columns named topics"),
        (["\ufffd\ufffde\x00m\x00a\x00i\x00l\x00\n"], "not UTF-8"),
        (['"email\n'], "cannot be read"),
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


def test_export_and_import_are_one_round(app: App) -> None:
    _, _, bad = take(
        app,
        "email,status,frequency,topics,queries\n",
        "zoe@example.org,confirmed,weekly,,ti:z;ti:a\n",
        'Ann@example.org,paused,daily,Time Series;Graph Neural Networks,"ti:a;ti:""b,c"" OR au:Müller"\n',
        'rené@bücher.example,unsubscribed,daily,,"rn:""x y""\r\n;ti:z"\n',
        "bob@example.org,pending,daily,,\n",
    )
    assert not bad
    first = list(app.subscriptions.export_csv())
    other = another(app, "other")
    assert take(other, *first) == (4, 0, [])
    assert list(other.subscriptions.export_csv()) == first
    assert [line.partition(",")[0] for line in first[1:]] == [
        "Ann@example.org", "bob@example.org", "rené@bücher.example", "zoe@example.org",
    ]  # fmt: skip
    other.close()


QUERIES = st.sampled_from(
    ["ti:a", "ti:b", "ABS:A", "TI:A", 'ti:"x;y"', 'au:"Doe, J"', " cat:cs.CV\r\nAND b", "plain words"]
)


@given(
    st.dictionaries(
        st.from_regex(r"[a-zA-Z0-9]{1,3}@[a-c]{2}\.org", fullmatch=True),
        st.tuples(
            st.sampled_from(Status),
            st.sampled_from(Frequency),
            st.sets(st.sampled_from(TOPICS)),
            st.lists(QUERIES, max_size=3),
        ),
        max_size=5,
    )
)
def test_whatever_is_exported_comes_back(
    tmp_path_factory: pytest.TempPathFactory, people: dict[str, tuple[Status, Frequency, set[str], list[str]]]
) -> None:
    one, other = (make_app(tmp_path_factory.mktemp("round"), topics=TOPICS) for _ in range(2))
    for email, (status, frequency, topics, queries) in people.items():
        one.subscriptions.subscribe(
            email, sorted(topics), queries, frequency, confirmed=True, today=one.today(), now=one.now()
        )
        if status is Status.PAUSED:
            one.subscriptions.pause(email, today=one.today(), now=one.now())
    exported = list(one.subscriptions.export_csv())
    assert not take(other, *exported)[2]
    assert list(other.subscriptions.export_csv()) == exported
    one.close()
    other.close()


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
    summary, megabytes = done.stdout.splitlines()
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
    with pytest.raises(UsageError, match="max_queries"):
        subscribe(app, "bob@example.org", queries=["ti:three"])
    assert app.subscriptions.find("bob@example.org") is None
    subscribe(app, "bob@example.org", queries=["TI:two"])  # shared ones count once
    with pytest.raises(UsageError, match="max_queries"):
        app.subscriptions.change(ANN, None, ["ti:one", "ti:three"], None, today=app.today())
    assert known(app).queries == ("ti:one", "ti:two")
    lines = ["email,queries\n", "cem@example.org,ti:three\n", "dee@example.org,ti:one\n"]
    steps = list(app.subscriptions.import_csv(lines, confirmed=True, today=app.today(), now=app.now()))
    assert [step.bad.number for step in steps if step.bad] == [2]
    assert sum(step.added for step in steps) == 1
    app.close()

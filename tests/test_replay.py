"""Recorded days of arXiv come out as they should, and the player would see it if they did not."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest
from house import SHARED
from replay import (
    ALL,
    BEYOND_BACKLOG,
    MAX_PAPERS,
    OLD,
    ONE,
    OVERTAKEN,
    STEPPED_BACK,
    UNASKED,
    Account,
    Judge,
    Recording,
    Row,
    Seen,
    observe,
    play,
    read,
    tell,
)

RECORDED = SHARED / "data/arxiv/replay"
GRAPHS, VIDEO = "Graph Neural Networks", "Video Anomaly Detection"

Listings = Mapping[str, Sequence[str]]


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"no recorded days at {RECORDED}")
@pytest.mark.parametrize(("max_papers", "days"), [(20, None), (MAX_PAPERS, 12)])  # all days once: it takes a while
def test_recorded_days_come_out_as_they_should(
    max_papers: int, days: int | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = read(RECORDED)
    account = play(replace(recording, runs=recording.runs[:days]), tmp_path, max_papers)
    with capsys.disabled():
        tell(account)
    assert account.announced > 0
    assert account.differences == []


# ---------------------------------------------------------------- the player


def write(folder: Path, papers: Sequence[tuple[str, str, str]], runs: Sequence[tuple[str, Listings]]) -> Recording:
    """A recording made by hand: papers as (identifier, date, title), runs as (date, listings)."""
    records = (
        {"id": f"0001.{identifier}", "title": title, "date": day, "abstract": "We look.", "comment": ""}
        for identifier, day, title in papers
    )
    answers = (
        {
            "committed": f"{day}T07:{number:02}:00+00:00",
            "updated": day,
            "topics": {topic: [f"0001.{identifier}" for identifier in listing] for topic, listing in listings.items()},
        }
        for number, (day, listings) in enumerate(runs)
    )
    for name, lines in (("papers.jsonl", records), ("runs.jsonl", answers)):
        (folder / name).write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return read(folder)


PAPERS = (
    ("00001v1", "2025-03-01", GRAPHS),
    ("00001v2", "2025-03-03", GRAPHS),
    ("00002v1", "2025-03-01", f"{GRAPHS} for {VIDEO}"),
    ("00003v1", "2025-03-01", "Something else"),
    ("00004v1", "2024-12-01", f"{GRAPHS}, {VIDEO}"),
    ("00005v2", "2025-03-03", GRAPHS),
    ("00005v1", "2025-02-20", GRAPHS),
    ("00006v3", "2024-11-01", GRAPHS),
    ("00006v4", "2025-03-04", GRAPHS),
    ("00007v1", "2025-03-05", VIDEO),
    ("00007v2", "2025-03-05", f"{VIDEO} and {GRAPHS}"),
    ("00008v1", "2025-01-03", GRAPHS),
    ("00009v1", "2025-01-02", GRAPHS),
)
RUNS = (
    ("2025-03-02", {GRAPHS: ["00001v1", "00003v1", "00002v1"], VIDEO: ["00002v1"]}),
    ("2025-03-03", {GRAPHS: ["00001v1"], VIDEO: []}),
    ("2025-03-04", {GRAPHS: ["00005v2", "00001v2", "00002v1", "00008v1", "00009v1", "00006v3"], VIDEO: []}),
    ("2025-03-05", {GRAPHS: ["00006v4", "00001v1", "00005v1"], VIDEO: []}),
    ("2025-03-05", {GRAPHS: ["00007v2"], VIDEO: ["00007v1"]}),
    ("2025-03-06", {GRAPHS: ["00007v2", "00006v4"], VIDEO: ["00007v1"]}),
)


def test_an_account_of_days_made_by_hand(tmp_path: Path) -> None:
    account = play(write(tmp_path, PAPERS, RUNS), tmp_path)
    assert account.differences == []
    assert (account.runs, account.topics, account.listed) == (6, 2, 12)
    # 1v1, and 2v1 twice; 1v2, 5v2 and 8v1, which is 60 days old; 6v4; 7v1, and 7v2 twice.
    assert account.announced == 3 + 3 + 1 + 3
    assert account.told == dict.fromkeys((ALL, ONE), 2 + 3 + 1 + 1)
    assert account.passed_over == {OLD: 2, STEPPED_BACK: 1, UNASKED: 3, OVERTAKEN: 1}
    assert account.pushed_out == account.on_own_page == 0


def test_a_topic_begins_with_its_newest(tmp_path: Path) -> None:
    papers = [(f"{number:05}v1", f"2025-03-{1 + number // 2:02}", GRAPHS) for number in range(30)]
    newest_first = [identifier for identifier, _, _ in reversed(papers)]
    account = play(write(tmp_path, papers, [("2025-03-20", {GRAPHS: newest_first})]), tmp_path, 7)
    assert account.differences == []
    assert (account.announced, account.passed_over, account.pushed_out) == (20, {BEYOND_BACKLOG: 10}, 23)


def test_a_topic_that_is_added_and_one_that_goes(tmp_path: Path) -> None:
    runs = [
        ("2025-03-02", {GRAPHS: ["00002v1"]}),
        ("2025-03-04", {VIDEO: ["00002v1", "00004v1"], GRAPHS: ["00001v2", "00002v1"]}),
        ("2025-03-05", {VIDEO: ["00007v1", "00002v1"]}),
        ("2025-03-06", {GRAPHS: ["00002v1", "00006v3"], VIDEO: ["00007v1", "00002v1"]}),
    ]
    account = play(write(tmp_path, PAPERS, runs), tmp_path)
    assert account.differences == []
    # 2v1 is announced under both, and told once; 4v1 and 6v3 are old, but stand in a first edition.
    assert account.told == {ALL: 5, ONE: 3}
    assert account.passed_over == {OLD: 1}


def test_of_one_date_what_is_listed_is_newer_than_what_no_longer_is(tmp_path: Path) -> None:
    papers = [("00001v1", "2025-03-01", GRAPHS), ("00002v1", "2025-03-01", GRAPHS), ("00003v1", "2025-03-02", GRAPHS)]
    runs = [("2025-03-02", {GRAPHS: ["00001v1"]}), ("2025-03-03", {GRAPHS: ["00003v1", "00002v1"]})]
    account = play(write(tmp_path, papers, runs), tmp_path, 2)
    assert account.differences == []
    assert account.pushed_out == 0


def test_a_readme_that_became_too_large(tmp_path: Path) -> None:
    papers = [(f"{number:05}v1", f"2025-03-0{number}", f"{GRAPHS} {'very ' * 50_000}") for number in (1, 2, 3)]
    runs = [("2025-03-04", {GRAPHS: ["00003v1", "00002v1", "00001v1"]})]
    account = play(write(tmp_path, papers, runs), tmp_path)
    assert account.differences == []
    assert account.on_own_page == 2


@dataclass(frozen=True)
class Played:
    recording: Recording
    seen: Sequence[Seen]

    def judged(self, day: int, **changed: object) -> Account:
        """What the judge says if on one day something else had been seen."""
        judge = Judge(self.recording, 3)
        for number, (run, seen) in enumerate(zip(self.recording.runs, self.seen, strict=True)):
            judge.take(run, replace(seen, **changed) if number == day else seen)  # type: ignore[arg-type]
        return judge.account


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("replay")
    recording = write(folder, PAPERS, RUNS)
    return Played(recording, list(observe(recording, folder, 3)))


def key(identifier: str) -> tuple[str, int]:
    number, version = identifier.split("v")
    return f"0001.{number}", int(version)


def row(identifier: str, day: str = "2025-03-01") -> Row:
    return Row(key(identifier), date.fromisoformat(day))


def said(account: Account) -> set[str]:
    return {str(difference) for difference in account.differences}


def test_what_was_seen_of_a_day(played: Played) -> None:
    first, third = played.seen[0], played.seen[2]
    assert first.announced == first.shown == {GRAPHS: [row("00001v1"), row("00002v1")], VIDEO: [row("00002v1")]}
    assert {reader: sorted(keys) for reader, keys in first.told.items()} == {
        reader: [key("00001v1"), key("00002v1")] for reader in (ALL, ONE)
    }
    five, one = row("00005v2", "2025-03-03"), row("00001v2", "2025-03-03")
    assert third.announced == {GRAPHS: [five, row("00008v1", "2025-01-03"), one]}  # what is new, then what was revised
    assert third.shown == {GRAPHS: [five, one, row("00002v1")], VIDEO: [row("00002v1")]}
    assert played.seen[1].told == {}
    assert said(played.judged(0)) == set()
    assert played.judged(0).pushed_out == 3


@pytest.mark.parametrize(
    ("day", "announced", "said_so"),
    [
        (0, [row("00001v1")], "2025-03-02 {topic}: 0001.00002v1 is not announced"),
        (
            0,
            [row("00001v1"), row("00002v1"), row("00003v1")],
            "2025-03-02 {topic}: 0001.00003v1 is announced that should not be; it is listed that day",
        ),
        (
            0,
            [row("00001v1"), row("00002v1"), row("00004v1")],
            "2025-03-02 {topic}: 0001.00004v1 is announced that should not be; it is not listed that day",
        ),
        (0, [row("00001v1"), *[row("00002v1")] * 2], "2025-03-02 {topic}: 0001.00002v1 is announced 2 times"),
        (
            1,
            [row("00001v1")],
            "2025-03-03 {topic}: 0001.00001v1 is announced that should not be; it is listed that day",
        ),
    ],
)
def test_an_edition_with_a_fault_is_seen(played: Played, day: int, announced: list[Row], said_so: str) -> None:
    changed = {**played.seen[day].announced, GRAPHS: announced}
    assert said(played.judged(day, announced=changed)) == {said_so.format(topic=GRAPHS)}


def test_an_edition_of_no_topic_is_seen(played: Played) -> None:
    changed = {**played.seen[0].announced, "Graphs": ()}
    assert said(played.judged(0, announced=changed)) == {
        "2025-03-02 Graphs: is a heading of the edition, though no topic"
    }


@pytest.mark.parametrize(
    ("day", "told", "said_so"),
    [
        (0, ["00001v1"], ["2025-03-02 {reader}: 0001.00002v1 is not told"]),
        (0, ["00001v1", "00001v1", "00002v1"], ["2025-03-02 {reader}: 0001.00001v1 is told 2 times"]),
        (1, ["00001v1"], ["2025-03-03 {reader}: 0001.00001v1 is told again"]),
        (
            1,
            ["00005v2"],
            [
                "2025-03-03 {reader}: 0001.00005v2 is told that should not be; it is not listed that day",
                "2025-03-04 {reader}: 0001.00005v2 is told again",
            ],
        ),
    ],
)
@pytest.mark.parametrize("reader", [ALL, ONE])
def test_a_mail_with_a_fault_is_seen(
    played: Played, reader: str, day: int, told: list[str], said_so: list[str]
) -> None:
    changed = {**played.seen[day].told, reader: [key(identifier) for identifier in told]}
    assert said(played.judged(day, told=changed)) == {text.format(reader=reader) for text in said_so}


def test_a_mail_to_a_stranger_is_seen(played: Played) -> None:
    changed = {**played.seen[0].told, "stranger@example.org": [key("00001v1")]}
    assert said(played.judged(0, told=changed)) == {
        "2025-03-02 stranger@example.org: 0001.00001v1 is told that should not be; it is listed that day"
    }


@pytest.mark.parametrize(
    ("shown", "said_so"),
    [
        (
            [row("00005v2", "2025-03-03"), row("00001v2", "2025-03-03")],
            [
                "0001.00002v1 is listed, but does not stand in the README",
                "has 2 rows, and 6 papers that match",
            ],
        ),
        (
            [row("00005v2", "2025-03-03"), row("00001v2", "2025-03-03"), row("00009v1", "2025-01-02")],
            ["0001.00002v1 is listed, but does not stand in the README"],
        ),
        (
            [row("00005v2", "2025-03-03"), row("00001v1", "2025-03-01"), row("00002v1")],
            [
                "0001.00001v1 stands in the README that should not",
                "0001.00001v2 is listed, but does not stand in the README",
            ],
        ),
        (
            [row("00005v2", "2025-03-03"), row("00001v2", "2025-03-03"), row("00002v1"), row("00002v1")],
            ["0001.00002v1 stands in the README 2 times", "has 4 rows, and 6 papers that match"],
        ),
        (
            [row("00005v2", "2025-03-03"), row("00001v2", "2025-03-02"), row("00002v1")],
            ["0001.00001v2 stands in the README with the date 2025-03-02"],
        ),
        (
            [row("00005v2", "2025-03-03"), row("00002v1"), row("00001v2", "2025-03-03")],
            ["0001.00001v2 stands in the README below an older one"],
        ),
        (
            [],
            [
                "0001.00005v2 is listed, but does not stand in the README",
                "0001.00001v2 is listed, but does not stand in the README",
                "0001.00002v1 is listed, but does not stand in the README",
                "has 0 rows, and 6 papers that match",
            ],
        ),
    ],
)
def test_a_readme_with_a_fault_is_seen(played: Played, shown: list[Row], said_so: list[str]) -> None:
    changed = {**played.seen[2].shown, GRAPHS: shown}
    assert said(played.judged(2, shown=changed)) == {f"2025-03-04 {GRAPHS}: {text}" for text in said_so}


def test_which_of_a_date_is_newer_the_answer_says(played: Played) -> None:
    """In a README with room for one stands the one listed first."""
    judge = Judge(played.recording, 1)
    judge.take(
        played.recording.runs[0],
        replace(played.seen[0], shown={GRAPHS: [row("00002v1")], VIDEO: [row("00002v1")]}),
    )
    assert said(judge.account) == {
        f"2025-03-02 {GRAPHS}: 0001.00001v1 is listed, but does not stand in the README",
    }


def test_a_failure_is_seen(played: Played) -> None:
    assert said(played.judged(1, failures=["no room"])) == {"2025-03-03 publish: no room"}


def test_what_arxiv_did_not_answer_is_missed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way: what was answered is held against a recording that has one version more."""
    recording = write(tmp_path, PAPERS, RUNS[:1])
    answered = write(tmp_path, PAPERS, [("2025-03-02", {GRAPHS: ["00001v1"], VIDEO: []})])
    judge = Judge(recording)
    for run, seen in zip(recording.runs, observe(answered, tmp_path), strict=True):
        judge.take(run, seen)
    missed = {f"2025-03-02 {where}: 0001.00002v1 is not told" for where in (ALL, ONE)}
    for topic, rows, papers in ((GRAPHS, 1, 2), (VIDEO, 0, 1)):
        missed |= {
            f"2025-03-02 {topic}: 0001.00002v1 is not announced",
            f"2025-03-02 {topic}: 0001.00002v1 is listed, but does not stand in the README",
            f"2025-03-02 {topic}: has {rows} rows, and {papers} papers that match",
        }
    assert said(judge.account) == missed
    assert tell(judge.account) == 1
    assert set(capsys.readouterr().out.splitlines()) == {*missed, str(judge.account)}

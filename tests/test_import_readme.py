"""Taking over the README of another program: what it showed is not mailed again, everything else is."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import replay
from click.testing import CliRunner
from house import SHARED, Library, Time, bring, day, make_app, make_paper, subscribe
from hypothesis import given
from hypothesis import strategies as st

from newsletter.app import App
from newsletter.archiving import archive
from newsletter.cli import newsletter
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.errors import NewsletterError, RunError, UsageError
from newsletter.importing import Imported, import_readme
from newsletter.model import Kind, Paper
from newsletter.publish import publish
from newsletter.query import name_query, write_search_query
from newsletter.rendering.readme import Section, cell, render_archive
from newsletter.rendering.readme_reading import read_row, row_lines
from newsletter.settling import settle
from newsletter.storage.matching import Matcher

GRAPHS, SERIES = "Graph Neural Networks", "Time Series"
HEAD = "| **Title** | **Date** | **Abstract** | **Comment** |\n| --- | --- | --- | --- |\n"
START = "# Daily Papers\nThe project fetches papers.\n\nLast update: 2026-01-06\n\n"


def seed_row(paper: Paper, link: str = "http://arxiv.org/abs/{}v{}") -> str:
    """A row as the programs write it whose form it is: nothing is escaped."""
    comment = paper.comment
    if len(comment) > 20:
        comment = f"<details><summary>{comment[:5]}...</summary><p>{comment}</p></details>"
    return (
        f"| **[{paper.title}]({link.format(paper.id, paper.version)})** | {paper.updated:%Y-%m-%d} "
        f"| <details><summary>Show</summary><p>{paper.abstract}</p></details> | {comment} |"
    )


def seed_readme(sections: Mapping[str, Sequence[Paper]]) -> str:
    parts = (f"## {name}\n{HEAD}" + "\n".join(map(seed_row, papers)) + "\n\n" for name, papers in sections.items())
    return START + "".join(parts)


def aged(number: int, days: float, title: str = "On Graph Neural Networks", **fields: Any) -> Paper:
    """A paper submitted some days before the day of the first edition."""
    moment = datetime(2026, 1, 6, 6, tzinfo=UTC) - timedelta(days=days)
    month = f"{moment:%y%m}"
    return make_paper(number, title, **{"id": f"{month}.{number:05}", "submitted": moment, "updated": moment, **fields})


def take(app: App, text: str, name: str = "theirs.md") -> Imported:
    path = app.config.newsletter.database.with_name(name)
    path.write_text(text, encoding="utf-8")
    return import_readme(app, path)


def told(app: App) -> dict[str, set[str]]:
    """What all editions announce, by topic."""
    names = {topic.id: topic.name for topic in app.storage.topics.all()}
    found: dict[str, set[str]] = {}
    for one in app.storage.editions.announced(None, date(9000, 1, 1)):
        found.setdefault(names[one.topic_id], set()).add(f"{one.paper.id}v{one.paper.version}")
    return found


def dump(app: App) -> list[str]:
    return list(app.storage.database.tables.conn.iterdump())


def rows_of(readme: str) -> list[str]:
    return [line for line in readme.splitlines() if line.startswith("| **[")]


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("link", "version"),
    [
        ("http://arxiv.org/abs/2502.18863v1", ("2502.18863", 1)),
        ("https://arxiv.org/abs/2502.18863v12", ("2502.18863", 12)),
        ("https://www.arxiv.org/abs/0704.0001v2", ("0704.0001", 2)),
        ("http://export.arxiv.org/abs/math.GT/0309136v1", ("math/0309136", 1)),
        ("https://arxiv.org/pdf/2511.00001v3.pdf", ("2511.00001", 3)),
        ("http://arxiv.org/pdf/2511.00001v3", ("2511.00001", 3)),
        ("https://arxiv.org/abs/2502.18863", ("2502.18863", None)),
    ],
)
def test_every_form_of_link_is_read(link: str, version: tuple[str, int | None]) -> None:
    assert tuple(read_row(seed_row(make_paper(1), link)).version) == version


@pytest.mark.parametrize(
    ("title", "abstract", "comment"),
    [
        ("Plain", "Plain", ""),
        ("Short", "a", "TMLR 2025"),
        ("Twenty", "a", "x" * 20),
        ("Folded", "a", "22 pages, 5 figures, https://example.org"),
        (r"$\ell_1$ & \textbf{M}ore", r"We use $x_i^*$ and 5\% \& more", "see [1] for ~all~ *of* _it_ `here`"),
        ("A | B", "p(x | y) | z", "a | b"),
        ("About <think> and </p>", "</p></details> <SEG>", "<a href=x>code</a> and the rest of it"),
        ("See [this](http://x)", "](", "](x)"),
        ("R&D <b>", "AT&T < all", "A & B < C"),
    ],
)
@pytest.mark.parametrize("ours", [True, False], ids=["ours", "as the seeds write"])
def test_fields_come_back_from_both_ways_of_writing(title: str, abstract: str, comment: str, ours: bool) -> None:
    paper = make_paper(1, title, abstract=abstract, comment=comment)
    line = rows_of(render_archive(None, "T", day(), [Section("S", (paper,))], 9).popitem()[1])[0]
    row = read_row(line if ours else seed_row(paper))
    assert (row.title, row.abstract, row.comment) == (title, abstract, comment)
    assert row.day == paper.updated.date()


TEXTS = st.text(st.sampled_from("ab |<>[]()\\`*_~$&;:/.w\t\u2028\u202e\u0007é") | st.characters(), max_size=40)


@given(TEXTS, TEXTS, TEXTS)
def test_what_we_write_is_written_again_just_so(title: str, abstract: str, comment: str) -> None:
    paper = make_paper(1, title, abstract=abstract, comment=comment)
    readme = next(iter(render_archive(None, "T", day(), [Section("S", (paper,))], 9).values()))
    (line,) = row_lines(readme)
    row = read_row(line.text)
    assert [cell(text) for text in (row.title, row.abstract, row.comment)] == [
        cell(text) for text in (title, abstract, comment)
    ]


def test_of_a_readme_with_markers_only_what_is_between_them_is_read() -> None:
    row = seed_row(make_paper(1))
    table = f"## {GRAPHS}\n{HEAD}{row}\n"
    text = f"## Other tables\n| a |\n| - |\n| b |\n<!-- papers:begin -->\n{table}<!-- papers:end -->\n{table}"
    assert [(line.number, line.section) for line in row_lines(text)] == [(9, GRAPHS)]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_rows_that_cannot_be_read_are_told_with_their_line(tmp_path: Path, line_end: str) -> None:
    good = seed_row(aged(1, 1))
    bad = [
        good.replace("http://arxiv.org/abs/2601.00001v1", "http://example.org/1"),
        good.replace("2026-01-05", "2026-01-45"),
        good.replace("2026-01-05", "0026-01-05"),
        good.replace("</p></details>", ""),
        "| just | four | other | cells |",
    ]
    text = f"{START}## {GRAPHS}\n{HEAD}{good}\n" + "\n".join(bad) + "\n"
    path = tmp_path / "theirs.md"
    path.write_bytes(
        text.replace("\n", line_end).encode() + good.replace("Graph", "\udcff").encode("utf-8", "surrogateescape")
    )
    app = make_app(tmp_path)
    said: list[str] = []
    done = import_readme(app, path, complain=said.append)
    assert (done.bad, [taken.versions for taken in done.topics]) == (6, [1])
    assert [line.partition(": line ")[2] for line in said] == [
        "10: http://example.org/1 is no address of a paper",
        "11: 2026-01-45 is no date",
        "12: 0026-01-05 is before arXiv began",
        "13: it has not the form | **[title](link)** | date | abstract, folded | comment |",
        "14: it has not the form | **[title](link)** | date | abstract, folded | comment |",
        "15: it is not UTF-8",
    ]


@pytest.mark.parametrize("text", ["", "# A project\n\n| a | b |\n| - | - |\n| c | d |\n", START])
def test_what_is_no_such_readme_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="no README with tables of papers"):
        take(make_app(tmp_path), text)
    with pytest.raises(UsageError, match="no README with tables of papers"):
        import_readme(make_app(tmp_path), tmp_path / "..")


# ---------------------------------------------------------------- what becomes of it


def test_what_was_shown_is_not_told_and_everything_else_is(tmp_path: Path) -> None:
    time = Time()
    library = Library(time)
    shown = [aged(number, number / 4) for number in range(1, 13)]  # down to three days before
    series = [aged(number, number, "A Time Series") for number in range(20, 23)]  # too few to have been cut
    with ArxivStandIn(library) as arxiv:
        app = make_app(tmp_path, api_url=arxiv.url, topics=(GRAPHS, SERIES, "Diffusion"), time=time)
        subscribe(app, "ann@example.org")
        done = take(app, seed_readme({"graph  neural NETWORKS": shown, SERIES: series, "Trajectory": shown[:2]}))
        assert [(taken.topic, taken.versions) for taken in done.topics] == [(GRAPHS, 12), (SERIES, 3)]
        assert done.strangers == {"Trajectory": 2}
        second = replace(shown[0], version=2, updated=time.now - timedelta(minutes=5))
        late = aged(30, 1.6)  # submitted between those shown
        # Before the oldest row's day: the list had dropped them; what moderation held back it never had.
        before = [replace(aged(number, days), id=f"2512.{number:05}") for number, days in ((31, 3.3), (32, 5))]
        held_back = [aged(34, 3.4), aged(35, 40, id="2601.00035")]
        also = [aged(33, 4, "A Time Series"), aged(23, 24, "A Time Series")]
        first = [aged(number, number - 39, "On Diffusion") for number in range(40, 43)]
        graphs = sorted([*shown[1:], second, late, *before, *held_back], key=lambda paper: paper.updated, reverse=True)
        library.answers = {
            write_search_query(name_query(GRAPHS)): graphs,
            write_search_query(name_query(SERIES)): [also[0], *series, also[1]],
            write_search_query(name_query("Diffusion")): first,
        }
        publish(app, day())
        names = {GRAPHS: [second, late, *held_back], SERIES: also, "Diffusion": first}
        assert told(app) == {name: {f"{one.id}v{one.version}" for one in papers} for name, papers in names.items()}
        app.close()


def test_a_paper_shown_under_one_topic_is_not_told_under_another(tmp_path: Path) -> None:
    time = Time()
    library = Library(time)
    both, other = aged(1, 1, "Graph Neural Networks for Time Series"), aged(2, 1, "A Time Series")
    with ArxivStandIn(library) as arxiv:
        app = make_app(tmp_path, api_url=arxiv.url, topics=(GRAPHS, SERIES), time=time)
        take(app, seed_readme({GRAPHS: [both], SERIES: [aged(3, 2, "Time Series")]}))
        library.answers = {write_search_query(name_query(name)): [both, other] for name in (GRAPHS, SERIES)}
        publish(app, day())
        assert told(app) == {SERIES: {f"{other.id}v1"}}
        app.close()


def test_what_a_readme_does_not_tell_is_no_change(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    old = aged(1, 90, comment="A comment")
    take(app, seed_readme({GRAPHS: [old]}))
    bring(app, replace(old, version=2, updated=app.now(), comment="Another comment"))
    settle(app, day())
    assert [(one.kind, one.changes) for one in app.storage.editions.of(day())] == [(Kind.REVISED, ("comment",))]


def test_run_again_it_changes_nothing(tmp_path: Path) -> None:
    app = make_app(tmp_path, topics=(GRAPHS, SERIES))
    text = seed_readme({GRAPHS: [aged(number, number) for number in range(1, 13)], SERIES: [aged(3, 3), aged(50, 4)]})
    take(app, text)
    before = dump(app)
    done = take(app, text)
    assert [taken.versions for taken in done.topics] == [0, 0]
    assert dump(app) == before


def test_many_rows_come_in_several_transactions_and_once(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    papers = [aged(number, number / 100) for number in range(1, 1_203)]
    assert [taken.versions for taken in take(app, seed_readme({GRAPHS: papers})).topics] == [1_202]
    assert [one.id for one in app.storage.papers.newest(1, 5_000)] == [one.id for one in papers]


def test_a_paper_that_is_held_in_full_stays(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    full = aged(1, 1)
    with app.storage.write():
        app.storage.papers.add([full], app.now())
    take(app, seed_readme({GRAPHS: [replace(full, title="Another title")]}))
    assert list(app.storage.papers.newest(1, 9)) == [full]


def test_a_link_without_version_means_the_newest_known(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    with app.storage.write():
        app.storage.papers.add([replace(aged(1, 2), version=4)], app.now())
    lines = [seed_row(aged(number, 1), "https://arxiv.org/abs/{}") for number in (1, 2, 3)]
    lines.append(seed_row(replace(aged(2, 2), version=3)))
    take(app, f"## {GRAPHS}\n{HEAD}" + "\n".join(lines) + "\n")
    held = app.storage.editions.held({aged(number, 1).id for number in (1, 2, 3)})
    assert {paper: set(versions) for (_, paper), versions in held.items()} == {
        aged(1, 1).id: {4},
        aged(2, 1).id: {3},
        aged(3, 1).id: {1},
    }


def test_what_a_row_does_not_tell_is_left_open(tmp_path: Path) -> None:
    app = make_app(tmp_path)
    one, two = aged(1, 3), replace(aged(2, 3), id="2412.00002", version=2)
    old = replace(aged(3, 9_000), id="hep-th/9901001", version=3)
    take(app, seed_readme({GRAPHS: [one, two, old]}))
    found = {paper.id: paper for paper in app.storage.papers.newest(1, 9)}
    assert all(paper.provisional and not paper.authors and not paper.categories for paper in found.values())
    assert found[one.id].submitted == found[one.id].updated == datetime(2026, 1, 3, tzinfo=UTC)
    assert found[two.id].submitted == datetime(2024, 12, 1, tzinfo=UTC)
    assert found[old.id].submitted == datetime(1999, 1, 1, tzinfo=UTC)


def test_the_archive_goes_on_with_the_rows(tmp_path: Path) -> None:
    app = make_app(tmp_path, topics=(GRAPHS, SERIES))
    fields = [("", "a, b"), ("ICLR 2026", r"$\alpha$"), ("12 pages, 4 figures, 2 tables", "x_1 & y_2")]
    graphs = [
        aged(number, number // 3, f"Graph Neural Networks {abstract}", abstract=abstract, comment=comment)
        for number, (comment, abstract) in enumerate(fields * 4, 1)
    ]
    readme = seed_readme({GRAPHS: graphs, SERIES: [aged(40, 2, "A Time Series")]})
    take(app, readme)
    archive(app)
    written = (tmp_path / "archive/README.md").read_text(encoding="utf-8")
    assert rows_of(written) == rows_of(readme.replace("(http://", "(https://"))
    assert take(app, written).strangers == {}
    assert [taken.versions for taken in take(app, written).topics] == [0, 0]


def test_a_horizon_rises_until_something_is_announced_and_falls_with_the_query(tmp_path: Path) -> None:
    app = make_app(tmp_path)

    def horizon() -> datetime | None:
        return app.storage.topics.named(GRAPHS).horizon

    take(app, seed_readme({GRAPHS: [aged(number, number) for number in range(1, 11)]}))
    assert horizon() == datetime(2025, 12, 27, tzinfo=UTC)
    take(app, seed_readme({GRAPHS: [aged(number, number) for number in range(5, 25)]}))
    assert horizon() == datetime(2025, 12, 27, tzinfo=UTC)
    take(app, seed_readme({GRAPHS: [aged(50 + number, number / 9) for number in range(1, 11)]}))
    assert horizon() == datetime(2026, 1, 5, tzinfo=UTC)
    assert app.storage.topics.named(GRAPHS).newest == "2601.00060"
    app.storage.topics.follow([(GRAPHS, "ti:graph")])
    assert (horizon(), app.storage.topics.named(GRAPHS).begun, app.storage.topics.named(GRAPHS).newest) == (
        None,
        False,
        "",
    )


def test_the_latest_identifier_is_one_of_the_new_form(tmp_path: Path) -> None:
    """And of the newest README, or what moderation held back since would count as told."""
    app = make_app(tmp_path, topics=(GRAPHS, SERIES))
    old = aged(1, 9_000, id="math/0309136")
    rows = [replace(aged(2, 1), id="1412.9999"), replace(aged(3, 2), id="1501.00001"), old]
    take(app, seed_readme({GRAPHS: rows, SERIES: [aged(4, 5, "A Time Series")]}))
    take(app, seed_readme({GRAPHS: [old]}))
    assert {topic.newest for topic in app.storage.topics.all()} == {aged(4, 5).id}


# ---------------------------------------------------------------- history


def git(folder: Path, *arguments: str, moment: datetime | None = None) -> None:
    who = {f"GIT_{role}_{what}": "x@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dates = {f"GIT_{role}_DATE": moment.isoformat() for role in ("AUTHOR", "COMMITTER")} if moment else {}
    subprocess.run(["git", *arguments], cwd=folder, env={**os.environ, **who, **dates}, check=True, capture_output=True)


def commit(folder: Path, text: str | None, moment: datetime) -> None:
    if text is None:
        (folder / "README.md").unlink()
    else:
        (folder / "README.md").write_text(text, encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Update", moment=moment)


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    folder = tmp_path / "théirs, all"
    folder.mkdir()
    git(folder, "init", "-q")
    return folder


@pytest.mark.parametrize("bare", [False, True], ids=["work tree", "bare"])
def test_all_that_git_remembers_is_taken_over(tmp_path: Path, theirs: Path, bare: bool) -> None:
    papers = [aged(99 - number, (60 - number) // 4) for number in range(1, 61)]  # some of one day
    start = datetime(2025, 11, 1, tzinfo=UTC)
    for number in range(10, 61):
        listed = papers[number - 10 : number][::-1]
        commit(theirs, None if number == 30 else seed_readme({GRAPHS: listed}), start + timedelta(days=number))
    place = theirs
    if bare:
        git(tmp_path, "clone", "-q", "--bare", str(theirs), "bare.git")
        place = tmp_path / "bare.git"
    app = make_app(tmp_path)
    steps: list[tuple[int, int]] = []
    done = import_readme(app, place, progress=lambda *step: steps.append(step))
    (taken,) = done.topics
    assert (taken.versions, taken.horizon) == (60, papers[50].updated.replace(hour=0))
    assert done.readmes == 50 + (not bare)
    assert steps[0][0] == 0
    assert steps[-1] == (52, 52)
    assert [paper.id for paper in app.storage.papers.newest(1, 99)] == [paper.id for paper in papers[::-1]]


def test_a_folder_with_a_readme_and_no_git_is_read_alone(tmp_path: Path, theirs: Path) -> None:
    (theirs / "README.md").write_text(seed_readme({GRAPHS: [aged(1, 1)]}))
    assert import_readme(make_app(tmp_path), theirs).readmes == 1  # and one without a commit
    git(theirs, "status")
    (theirs / ".git").rename(tmp_path / "gone")
    assert import_readme(make_app(tmp_path), theirs).readmes == 1


def test_a_bad_row_that_stays_is_told_once(tmp_path: Path, theirs: Path) -> None:
    for number in range(1, 4):
        text = seed_readme({GRAPHS: [aged(number, 1)]}) + f"## {SERIES}\n| **[broken |\n## {GRAPHS}\n| **[broken |\n"
        commit(theirs, text, datetime(2026, 1, number, tzinfo=UTC))
    said: list[str] = []
    done = import_readme(make_app(tmp_path), theirs, complain=said.append)
    assert (done.bad, len(said), done.strangers) == (1, 1, {SERIES: 1})


# ---------------------------------------------------------------- the command


CONFIG = f"""
[newsletter]
sender = "Daily Papers <papers@example.org>"
[[topics]]
name = "{GRAPHS}"
"""


def run(folder: Path, *arguments: str) -> tuple[str, str, BaseException | None]:
    (folder / "config.toml").write_text(CONFIG)
    command = ["--config", str(folder / "config.toml"), *arguments]
    result = CliRunner().invoke(newsletter, command, standalone_mode=False)
    assert isinstance(result.exception, NewsletterError | type(None)), result.exception
    return result.stdout, result.stderr, result.exception


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    file = tmp_path / "theirs.md"
    papers = [aged(number, number) for number in range(1, 11)]
    file.write_text(seed_readme({GRAPHS: papers, SERIES: papers}))
    output, errors, error = run(tmp_path, "import-readme", str(file))
    assert output.splitlines() == [
        f"{GRAPHS}: 10 paper versions taken over; what was submitted before 2025-12-27 counts as shown.",
        f"{SERIES}: left out, 10 rows: config.toml has no such topic.",
    ]
    assert (errors, error) == ("", None)
    output, _, _ = run(tmp_path, "import-readme", str(file))
    assert output.splitlines()[-1] == "Nothing changed: there was nothing that is not here already."
    file.write_text(file.read_text() + f"## {GRAPHS}\n| broken |\n")
    _, errors, error = run(tmp_path, "import-readme", str(file))
    assert re.fullmatch(rf"{file}: line \d+: it has not the form .*\n", errors)
    assert isinstance(error, RunError)
    assert str(error) == f"{file}: 1 rows were not taken"
    (tmp_path / "empty").mkdir()
    assert isinstance(run(tmp_path, "import-readme", str(tmp_path / "empty"))[2], UsageError)


# ---------------------------------------------------------------- what was recorded


@pytest.mark.skipif(not (SHARED / "reference").is_dir(), reason=f"no reference READMEs at {SHARED / 'reference'}")
@pytest.mark.parametrize("name", ["daily-papers-2025-02-28.md", "daily-papers-2025-05-13.md"])
def test_the_reference_readmes_come_over_whole(tmp_path: Path, name: str) -> None:
    readme = (SHARED / "reference" / name).read_text(encoding="utf-8")
    topics = re.findall(r"(?m)^## (.*)$", readme)
    app = make_app(tmp_path, topics=topics, archive={"max_papers": 20})
    done = import_readme(app, SHARED / "reference" / name)
    assert [(taken.topic, taken.versions) for taken in done.topics] == [(topic, 20) for topic in topics]
    assert all(taken.horizon for taken in done.topics)
    assert (done.bad, done.strangers) == (0, {})
    archive(app)
    written = rows_of((tmp_path / "archive/README.md").read_text(encoding="utf-8"))
    wanted = rows_of(readme.replace("(http://", "(https://"))
    raw = [row for row in wanted if row in written]
    assert len(raw) > 70  # others hold what is escaped now, or gave way to one that stood under another topic


RECORDING = SHARED / "data/arxiv/replay"


@pytest.mark.skipif(not RECORDING.is_dir(), reason=f"no recording at {RECORDING}")
def test_a_recorded_history_comes_over_and_goes_on(tmp_path: Path, theirs: Path) -> None:
    """43 recorded days: the first 31 in their git history, the others published from here."""
    recording = replay.read(RECORDING)
    old, new = recording.runs[:31], recording.runs[31:]
    shown: set[str] = set()
    horizons: dict[str, datetime] = {}
    for one in old:
        sections = {topic: [recording.papers[key] for key in listed] for topic, listed in one.listed.items()}
        commit(theirs, seed_readme(sections), one.moment)
        shown.update(f"{paper}v{version}" for paper, version in one.versions)
        horizons = {topic: min(paper.updated for paper in papers) for topic, papers in sections.items()}
    rest = replay.Recording(tuple(new), recording.papers)
    time = Time(new[0].moment)
    answers = replay._Answers(rest, time)
    expected: dict[str, set[str]] = {}
    with ArxivStandIn(answers) as arxiv:
        app = make_app(tmp_path, api_url=arxiv.url, topics=new[0].topics, time=time)
        done = import_readme(app, theirs)
        assert (done.readmes, done.bad) == (32, 0)
        matching = matches(recording)
        for one in new:
            time.now = one.moment
            answers.take(one)
            publish(app, one.day)
            for topic, key in ((topic, key) for topic in one.topics for key in one.versions if key in matching[topic]):
                name = f"{key[0]}v{key[1]}"
                if name not in shown and recording.papers[key].updated >= horizons[topic]:
                    expected.setdefault(topic, set()).add(name)
        found = told(app)
        app.close()
    assert not any(versions & shown for versions in found.values())
    assert found == expected


def matches(recording: replay.Recording) -> dict[str, set[tuple[str, int]]]:
    matcher = Matcher(list(recording.papers.values()))
    return {topic: {paper.key for paper in matcher.matching(name_query(topic))} for topic in recording.topics}

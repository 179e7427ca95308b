"""The demonstration, judged by what it leaves behind: the mail, the ledger, the commits."""

import mailbox
import re
import sqlite3
import subprocess
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest

from newsletter.app import App, Outside
from newsletter.cli import main
from newsletter.config import load
from newsletter.demo import day
from newsletter.demo.day import MARKER, READERS, Reader, run_demo
from newsletter.errors import RunError, UsageError
from newsletter.status import report

TODAY = datetime(2026, 3, 3, 8, 30, tzinfo=UTC)
YESTERDAY = date(2026, 3, 2)


@dataclass(frozen=True)
class Demo:
    """A demonstration that was run."""

    folder: Path
    told: list[str]
    text: str  # of what it told


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    home = tmp_path_factory.mktemp("home")
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        run_demo(home / "build" / "demo", told.append, now=TODAY)
    return Demo(home / "build" / "demo", told, "\n".join(told))


def papers_told(demo: Demo) -> dict[str, list[set[str]]]:
    """The paper versions each reader was told of, mail by mail, read as a stranger to our code would."""
    mails = [message_from_bytes(mail.as_bytes(), policy=default) for mail in mailbox.Maildir(demo.folder / "outbox")]
    told: dict[str, list[set[str]]] = {}
    for mail in sorted(mails, key=lambda mail: mail["Date"].datetime):
        part = mail.get_body(("plain",))
        assert part is not None
        told.setdefault(mail["To"], []).append(set(re.findall(r"/abs/(\S+)", part.get_content())))
    return told


def rows(demo: Demo, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(demo.folder / "subscribers.db")) as database:
        return database.execute(query).fetchall()


def git(demo: Demo, *arguments: str) -> list[str]:
    command = ["git", "-C", str(demo.folder / "archive"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_every_reader_gets_two_mails_that_share_no_paper(demo: Demo) -> None:
    told = papers_told(demo)
    assert told.keys() == {reader.email for reader in READERS}
    for first, second in told.values():
        assert first
        assert second
        assert not first & second


def test_mails_look_as_readers_chose(demo: Demo) -> None:
    mails: dict[str, list[str]] = {}
    for mail in mailbox.Maildir(demo.folder / "outbox"):
        mails.setdefault(mail["To"], []).append(mail.as_string())
    ada, ben, cleo = (mails[reader.email] for reader in READERS)
    assert all('<html lang=3D"de"' in mail for mail in ben)
    assert sum(map(len, ada)) < sum(map(len, cleo)) * 2 / 3


def test_readers_with_different_topics_get_different_papers(demo: Demo) -> None:
    seconds = [second for _, second in papers_told(demo).values()]
    assert len(set(map(frozenset, seconds))) == len(READERS)


def test_the_second_edition_holds_one_revision_and_one_withdrawal(demo: Demo) -> None:
    announced = rows(
        demo,
        "SELECT DISTINCT a.kind, p.id, p.version FROM announcements AS a JOIN papers AS p ON p.key = a.paper_key"
        f" WHERE a.edition = '{TODAY.date()}'",
    )
    kinds = Counter(kind for kind, _, _ in announced)
    assert kinds["revised"] == kinds["withdrawn"] == 1
    assert kinds["new"] >= 5
    assert {version for kind, _, version in announced if kind == "new"} == {1}


def test_the_ledger_holds_a_sent_delivery_for_each_mail(demo: Demo) -> None:
    assert rows(demo, "SELECT status, count(*) FROM deliveries GROUP BY status") == [("sent", 2 * len(READERS))]


def test_each_edition_is_a_commit(demo: Demo) -> None:
    assert git(demo, "log", "--format=%s") == [f"Papers of {TODAY.date()}", f"Papers of {YESTERDAY}"]
    assert git(demo, "status", "--porcelain") == []
    readme = (demo.folder / "archive" / "README.md").read_text(encoding="utf-8")
    assert "https://arxiv.org/abs/0001.00007v2" in readme
    assert (demo.folder / "archive" / "editions" / "2026" / "03" / "03.md").exists()


def test_all_papers_are_invented(demo: Demo) -> None:
    assert {paper for (paper,) in rows(demo, "SELECT DISTINCT substr(id, 1, 5) FROM papers")} == {"0001."}


def test_a_mail_can_be_opened(demo: Demo) -> None:
    page = (demo.folder / "mail.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html")
    assert "https://arxiv.org/abs/0001.00007v2" in page
    assert "https://arxiv.org/abs/0001.00007v2" in (demo.folder / "mail.txt").read_text(encoding="utf-8")


def test_it_says_where_to_look_and_names_no_place_of_the_machine(demo: Demo) -> None:
    for name in ("mail.html", "outbox", "archive/README.md"):
        assert f"  build/demo/{name} " in demo.text
        assert (demo.folder / name).exists()
    for line in git(demo, "log", "--oneline", "--no-decorate"):
        assert line in demo.text
    assert "newsletter --config build/demo/config.toml status" in demo.text
    assert str(demo.folder) not in demo.text
    assert not re.search(r"(^|\s)/\w", demo.text)


def test_its_configuration_is_of_use_afterwards(demo: Demo) -> None:
    with closing(App(load(demo.folder / "config.toml"), Outside(clock=lambda: TODAY))) as app:
        now = report(app)
    assert now.newest_edition == TODAY.date()
    assert (now.remarks, now.overdue) == ((), ())


def test_run_again_it_begins_anew(tmp_path: Path) -> None:
    accounts: list[list[str]] = [[], []]
    (tmp_path / MARKER).touch()
    (tmp_path / "outbox").mkdir()
    (tmp_path / "left").symlink_to(tmp_path.parent)
    for told in accounts:
        run_demo(tmp_path, told.append, now=TODAY)
    assert not (tmp_path / "left").is_symlink()
    assert tmp_path.parent.exists()
    first, second = (re.sub(r"\b[0-9a-f]{7}\b", "COMMIT", "\n".join(told)) for told in accounts)
    assert first == second
    assert len(mailbox.Maildir(tmp_path / "outbox")) == 2 * len(READERS)


def test_a_folder_that_holds_something_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="not empty"):
        run_demo(tmp_path, print)
    monkeypatch.setattr("sys.argv", ["newsletter", "demo", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "no demonstration made it" in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file/demo cannot be used"):
        run_demo(tmp_path / "file" / "demo", print)


def test_a_broken_promise_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unlucky = Reader("dora@example.org", queries=("ti:unheard",))
    monkeypatch.setattr(day, "READERS", (*READERS, unlucky))
    with pytest.raises(RunError, match="every reader gets a mail"):
        run_demo(tmp_path, lambda _: None, now=TODAY)

"""Lock files that a killed git leaves behind: ours are cleared away, nobody else's, and never those of a living one."""

import fcntl
import logging
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest
from processes import until

from newsletter.archive import Archive, Outcome
from newsletter.errors import ArchiveError
from newsletter.git import StuckError, end, marked

README = PurePosixPath("README.md")
#: What holds a lock file while it reads: the command, and what it is to be told before.
LOCKING = {
    "index.lock": ("update-index --index-info", ""),
    "refs/heads/main.lock": ("update-ref --stdin", "start\nupdate refs/heads/main HEAD\nprepare\n"),
}
#: A run of ours that asks git for something which takes as long as nobody closes the pipe.
RUN = textwrap.dedent(
    """
    import os, sys
    from pathlib import Path
    from newsletter.git import Git, clean_environment, marked
    folder, command = Path(sys.argv[1]), sys.argv[2]
    waits = f"alias.waits=!echo $$ > {folder}.pid; exec git {command} < {folder}.pipe"
    with marked(folder / ".git", lambda _seconds: None) as held:
        Git(folder, clean_environment(os.environ), held)("-c", waits, "waits")
    """
)


def no_sleep(_seconds: float) -> None:
    raise AssertionError("there is nobody to wait for")


def keep(folder: Path, text: str = "# More\n", sleep: Callable[[float], None] = no_sleep) -> Outcome:
    return Archive(folder, "Daily Papers", "papers@example.org", sleep=sleep).keep({README: text}, "Papers")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    keep(folder, "# Papers\n")
    return folder


@dataclass
class Waiting:
    """A git that holds a lock file: our run that started it, its process group, and the mark that both have open."""

    run: subprocess.Popen[bytes]
    group: int
    mark: Path

    def kill_run(self) -> None:
        self.run.kill()
        self.run.wait()

    def kill_git(self) -> None:
        os.killpg(self.group, signal.SIGKILL)
        with self.mark.open() as mark:
            fcntl.flock(mark, fcntl.LOCK_EX)  # which waits until it is dead


@contextmanager
def waiting(folder: Path, lock: str) -> Iterator[Waiting]:
    command, told = LOCKING[lock]
    os.mkfifo(f"{folder}.pipe")
    with subprocess.Popen([sys.executable, "-c", RUN, str(folder), command]) as run:
        pipe = os.open(f"{folder}.pipe", os.O_WRONLY)  # it is read from then on
        os.write(pipe, told.encode())
        until((folder / ".git" / lock).exists)
        group = os.getpgid(int(Path(f"{folder}.pid").read_text()))
        try:
            yield Waiting(run, group, folder / ".git" / "daily-papers")
        finally:
            os.close(pipe)
            run.kill()


@pytest.mark.parametrize("lock", LOCKING)
def test_what_a_git_left_that_was_killed_with_us_is_cleared_away(
    folder: Path, lock: str, caplog: pytest.LogCaptureFixture
) -> None:
    with waiting(folder, lock) as killed:
        killed.kill_run()
        killed.kill_git()
    assert (folder / ".git" / lock).exists()
    assert keep(folder).commit
    assert f"an earlier run was killed while git was at work; removing {folder}/.git/{lock}" in caplog.messages
    assert git(folder, "status", "--porcelain") == ""
    assert keep(folder, "# And more\n").commit  # once more, and there is nothing to clear away


@pytest.mark.parametrize("lock", LOCKING)
def test_a_git_that_outlived_us_is_waited_for(folder: Path, lock: str, caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[float] = []
    with waiting(folder, lock) as orphaned:
        orphaned.kill_run()
        with pytest.raises(ArchiveError, match=r"git is still at work in .* for an earlier run"):
            keep(folder, sleep=pauses.append)
        assert sum(pauses) > 5
        assert (folder / ".git" / lock).exists()
        outcome = keep(folder, sleep=lambda _seconds: orphaned.kill_git())
    assert outcome.commit
    assert lock in caplog.text


@pytest.mark.parametrize("lock", LOCKING)
def test_a_lock_that_is_not_ours_is_left_and_named(folder: Path, lock: str) -> None:
    """The operator's git may be at work, or may have been killed: who has it, knows."""
    (folder / ".git" / lock).touch()
    for _ in range(2):  # also after a run of ours that failed
        with pytest.raises(
            ArchiveError, match=rf"File exists\. If no git command .* is open there, .*: rm {folder}/\.git/{lock}$"
        ):
            keep(folder)
    (folder / ".git" / lock).unlink()
    assert keep(folder).commit


def test_in_an_operators_repository_nothing_is_cleared_away(folder: Path) -> None:
    papers = folder / "papers"
    papers.mkdir()
    (papers / "notes.txt").touch()
    (folder / ".git" / "daily-papers").touch()
    (folder / ".git" / "index.lock").touch()
    with pytest.raises(ArchiveError, match=rf"rm {folder}/\.git/index\.lock"):
        keep(papers)


def test_what_a_git_left_that_we_ended_by_force_is_cleared_away(folder: Path) -> None:
    with pytest.raises(StuckError), marked(folder / ".git", no_sleep):
        raise StuckError("it had no end")
    (folder / ".git" / "index.lock").touch()
    assert keep(folder).commit


def test_half_a_repository_is_made_anew(tmp_path: Path, folder: Path) -> None:
    """Also inside of another, which must not be taken for the archive's own."""
    archive = folder / "papers"
    half = archive / ".git.new" / ".git"
    (half / "refs").mkdir(parents=True)
    (half / "config.lock").touch()
    outcome = keep(archive)
    assert git(archive, "rev-parse", "HEAD") == outcome.commit
    assert sorted(path.name for path in archive.iterdir()) == [".git", "README.md"]
    assert git(folder, "log", "--format=%s") == "Papers"


def test_git_is_ended_gently(folder: Path) -> None:
    command = ["git", "update-index", "--index-info"]
    process = subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, start_new_session=True)
    until((folder / ".git" / "index.lock").exists)
    end(process)
    assert process.returncode == -signal.SIGTERM
    assert not (folder / ".git" / "index.lock").exists()


def test_what_does_not_hear_is_ended_by_force() -> None:
    stubborn = "trap '' TERM; echo; while :; do sleep 600; done"
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as said, os.fdopen(writing, "wb") as says:
        process = subprocess.Popen(["sh", "-c", stubborn], stdout=says, start_new_session=True)
        says.close()
        said.readline()
        end(process, patience=0.0)
        assert process.returncode == -signal.SIGKILL
        assert said.read() == b""  # what it had started is gone too


def test_the_mark_is_gone_when_all_went_well(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    assert not (folder / ".git" / "daily-papers").exists()
    assert keep(folder).commit
    assert not (folder / ".git" / "daily-papers").exists()
    assert caplog.records == []

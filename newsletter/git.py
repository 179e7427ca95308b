"""git, run as a program: never through a shell, never asking anybody, never led elsewhere by the environment."""

import contextlib
import fcntl
import logging
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from newsletter.errors import ArchiveError

log = logging.getLogger(__name__)

LOCAL_SECONDS, NETWORK_SECONDS = 120.0, 300.0  # what git may take
ENDING_SECONDS = 5.0  # and then, to take its lock files away
_MARK = "daily-papers"  # a file in .git that is there while git works for us
_ORPHAN_PAUSES = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2)  # seconds that a git which outlived us is waited for
# Variables that would lead git to another repository, index or configuration, as inside a hook.
_LEADING = re.compile(
    r"GIT_(DIR|WORK_TREE|IMPLICIT_WORK_TREE|COMMON_DIR|INDEX_FILE|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES"
    r"|NAMESPACE|PREFIX|INTERNAL_SUPER_PREFIX|CONFIG|CONFIG_PARAMETERS|CONFIG_COUNT|CONFIG_(KEY|VALUE)_\d+|GRAFT_FILE"
    r"|SHALLOW_FILE|REPLACE_REF_BASE|NO_REPLACE_OBJECTS|(LITERAL|GLOB|NOGLOB|ICASE)_PATHSPECS|ATTR_SOURCE"
    r"|AUTHOR_DATE|COMMITTER_DATE)"
)
_SETTINGS = (
    f"core.hooksPath={os.devnull}",  # a hook of the operator's is not made for our commits
    "core.safecrlf=false",
    "commit.gpgSign=false",
    "push.gpgSign=false",
    "rebase.updateRefs=false",
    "rebase.rebaseMerges=false",
    "core.fsync=all",  # a power cut shall not leave half a commit, which no later run would mend
)
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_LOCKED = re.compile(r"Unable to create '([^'\n]+\.lock)': File exists")


class StuckError(ArchiveError):
    """git did not come to an end and was ended; it may have left lock files behind."""


def clean_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """What git gets of an environment."""
    kept = {key: value for key, value in inherited.items() if not _LEADING.fullmatch(key)}
    return kept | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true"}


def without_password(text: str) -> str:
    """A text with the passwords in its addresses hidden."""
    return _PASSWORD.sub("***", text)


@dataclass(frozen=True, slots=True)
class Answer:
    """What git said."""

    status: int
    output: bytes
    errors: str

    @property
    def text(self) -> str:
        """What it printed, without the last line end."""
        return self.output.decode("utf-8", "surrogateescape").removesuffix("\n")

    @property
    def reason(self) -> str:
        """The lines that tell why it failed; no password that stands in an address."""
        lines = [line.strip() for line in self.errors.splitlines() if line.strip() and not line.startswith("hint:")]
        telling = [line for line in lines if line.startswith(("fatal:", "error:", "remote:"))]
        said = without_password(" ".join(telling or lines[-1:])) or f"it ended with status {self.status}"
        if locked := _LOCKED.search(said):
            said += f" If no git command or editor of yours is open there, one that was killed left it: rm {locked[1]}"
        return said


@dataclass(frozen=True, slots=True)
class Git:
    """git in one folder. `held` is a descriptor that stays open for as long as git runs, whatever becomes of us."""

    folder: Path
    environment: Mapping[str, str]
    held: int | None = None

    def ask(
        self, *arguments: str, given: bytes | None = None, extra: Mapping[str, str] | None = None, network: bool = False
    ) -> Answer:
        """Run it, whatever comes of it. Raises `ArchiveError` if it is not there, `StuckError` if it does not end."""
        settings = [part for setting in _SETTINGS for part in ("-c", setting)]
        command = ["git", "-C", str(self.folder), *settings, *arguments]
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**self.environment, **(extra or {})},
                start_new_session=True,  # without a terminal nothing that git starts can wait for an answer
                # Not for the network: what ssh and credential helpers leave running would hold it too.
                pass_fds=() if self.held is None or network else (self.held,),
            )
        except OSError as error:
            raise ArchiveError(f"git cannot be started ({error.strerror}); the archive needs it installed") from error
        seconds = NETWORK_SECONDS if network else LOCAL_SECONDS
        try:
            output, errors = process.communicate(given, seconds)
        except BaseException as error:
            end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise StuckError(f"git {arguments[0]} in {self.folder} had no end after {seconds} seconds") from error
            raise
        return Answer(process.returncode, output, errors.decode("utf-8", "replace"))

    def __call__(self, *arguments: str, given: bytes | None = None, extra: Mapping[str, str] | None = None) -> str:
        """Run it and return what it printed. Raises `ArchiveError` if it fails."""
        answer = self.ask(*arguments, given=given, extra=extra)
        if answer.status:
            raise ArchiveError(f"git {arguments[0]} failed in {self.folder}: {answer.reason}")
        return answer.text

    def find(self, *arguments: str) -> str | None:
        """Run it and return what it printed; None if it found nothing."""
        answer = self.ask(*arguments)
        return None if answer.status else answer.text


def end(process: subprocess.Popen[bytes], patience: float = ENDING_SECONDS) -> None:
    """End git and what it started, such as ssh: asked to, it takes its lock files away; else by force."""
    with process:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(patience)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def marked(folder: Path, sleep: Callable[[float], None]) -> Iterator[int | None]:
    """Mark a .git folder while git works in it for us; first clear away what a git of ours that was killed left there.

    git's lock files outlive a kill or a power cut, and stop whoever comes next. A lock file does not tell whose it is,
    nor does its age: the operator's `git commit` may be waiting in an editor. A mark that lies there at the start does
    tell that a run of ours was cut off. Each git is to hold the lock on the mark, which is what this yields, so that
    one that outlived us is not taken for dead.

    Raises:
        ArchiveError: a git that an earlier run started is still at work.

    """
    mark, handle, cut_off = folder / _MARK, None, False
    with contextlib.suppress(OSError):  # where no mark can be made, no lock file can either
        if folder.is_dir():  # a file leads to a repository elsewhere, where others may be at work
            cut_off = mark.exists()
            handle = os.open(mark, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if handle is None:
        yield None
        return
    try:
        _hold(handle, folder, sleep)
        if cut_off:
            _clear(folder)
        try:
            yield handle
        except StuckError:
            raise
        except ArchiveError:
            _remove(mark)
            raise
        _remove(mark)
    finally:
        os.close(handle)


def _hold(handle: int, folder: Path, sleep: Callable[[float], None]) -> None:
    for pause in _ORPHAN_PAUSES:
        if _locked(handle):
            return
        sleep(pause)
    if not _locked(handle):
        raise ArchiveError(f"git is still at work in {folder} for an earlier run; run this again later")


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _clear(folder: Path) -> None:
    for lock in (*folder.glob("*.lock"), *folder.glob("refs/**/*.lock"), *folder.glob("worktrees/*/*.lock")):
        log.warning("an earlier run was killed while git was at work; removing %s", lock)
        _remove(lock)


def _remove(path: Path) -> None:
    """Remove a file. What cannot be removed is named by the git that it stops."""
    with contextlib.suppress(OSError):
        path.unlink()

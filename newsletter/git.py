"""git, run as a program: never through a shell, never asking anybody, never led elsewhere by the environment."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from newsletter.errors import ArchiveError

LOCAL_SECONDS, NETWORK_SECONDS = 120.0, 300.0  # what git may take
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
)
_PASSWORD = re.compile(r"(?<=://)[^/@\s]+(?=@)")


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
        return without_password(" ".join(telling or lines[-1:])) or f"it ended with status {self.status}"


@dataclass(frozen=True, slots=True)
class Git:
    """git in one folder."""

    folder: Path
    environment: Mapping[str, str]

    def ask(
        self, *arguments: str, given: bytes | None = None, extra: Mapping[str, str] | None = None, network: bool = False
    ) -> Answer:
        """Run it, whatever comes of it. Raises `ArchiveError` if it is not there, or does not come to an end."""
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
            )
        except OSError as error:
            raise ArchiveError(f"git cannot be started ({error.strerror}); the archive needs it installed") from error
        seconds = NETWORK_SECONDS if network else LOCAL_SECONDS
        try:
            output, errors = process.communicate(given, seconds)
        except BaseException as error:
            _end(process)
            if isinstance(error, subprocess.TimeoutExpired):
                raise ArchiveError(f"git {arguments[0]} in {self.folder} had no end after {seconds} seconds") from error
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


def _end(process: subprocess.Popen[bytes]) -> None:
    """End git and what it started, such as ssh."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with process:
        pass

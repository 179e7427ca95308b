"""Pages, written into a work tree and committed: built beside the operator's index."""

import operator
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from newsletter.archive.pushing import push
from newsletter.errors import ArchiveError
from newsletter.git import Git, clean_environment, marked


class Outcome(NamedTuple):
    """What came of it: the commit that was made, if any was needed, and whether something was pushed."""

    commit: str | None
    pushed: bool


class Archive:
    """The folder the pages stand in, and the repository that holds it.

    `path` missing, empty, or with its own .git is its own repository, also inside another; any other folder belongs to
    the repository it lies in. Commits carry `name` and `address` where git knows nobody.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        address: str,
        *,
        push: bool = False,
        sleep: Callable[[float], None] = time.sleep,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.path = path.resolve()
        self._name, self._address = re.sub(r"[<>\x00-\x1f]", "", name).strip(" .,:;\"'") or address, address
        self._push, self._sleep = push, sleep
        self._environment = clean_environment(os.environ if environment is None else environment)

    def read(self, page: PurePosixPath) -> str | None:
        """The page as it is on disk, line ends and all; None if there is none.

        Raises:
            ArchiveError: it cannot be read.

        """
        path = self._place(page)
        try:
            return path.read_bytes().decode("utf-8", "surrogateescape")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ArchiveError(f"{path} cannot be read: {error.strerror}") from error

    def keep(
        self,
        pages: Mapping[PurePosixPath, str],
        message: str,
        same: Callable[[str, str], bool] = operator.eq,
    ) -> Outcome:
        """Write the pages, commit them, and push if that is wanted; what an earlier run left undone is done too.

        `same` says whether an old text and a new one are alike enough that the new one alone is not worth a commit.

        Raises:
            ArchiveError: something is in the way; a commit that was made stays, and the next call goes on from there.

        """
        self._make()
        with marked(self.path / ".git", self._sleep) as held:
            git, prefix = self._repository(held)
            if git.find("symbolic-ref", "-q", "HEAD") is None:
                raise ArchiveError(
                    f"no branch is checked out in {git.folder}, where a commit could get lost: check one out"
                )
            try:
                commit = self._commit(git, prefix, pages, message, same)
                pushed = self._push and push(git, {prefix / page.parts[0] for page in pages}, self._sleep)
            except OSError as error:
                raise ArchiveError(f"the archive in {self.path} cannot be written: {error}") from error
            return Outcome(commit and git("rev-parse", "HEAD"), pushed)  # a rebase has given it another name

    def _make(self) -> None:
        """Make a folder that is missing or empty a repository.

        It comes into its place in one step: half of one would look damaged, or like a folder of the repository around.
        """
        unborn = self.path / ".git.new"
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True)
            elif not self.path.is_dir():
                raise ArchiveError(f"{self.path} is not a folder, so it cannot be the archive")
            if unborn.exists():
                shutil.rmtree(unborn)
            if not any(self.path.iterdir()):
                Git(self.path, self._environment)("init", "--quiet", str(unborn))
                (unborn / ".git").rename(self.path / ".git")
                unborn.rmdir()
        except OSError as error:
            raise ArchiveError(f"{self.path} cannot be made the archive: {error.strerror}") from error

    def _repository(self, held: int | None) -> tuple[Git, PurePosixPath]:
        """Git at the root of the repository, and where in it the archive lies."""
        git = Git(self.path, self._environment, held)
        if os.path.lexists(self.path / ".git"):
            # A damaged .git must not send us to a repository further up.
            git = replace(git, environment={**self._environment, "GIT_CEILING_DIRECTORIES": str(self.path.parent)})
        found = git.ask("rev-parse", "--show-toplevel")
        if found.status:
            known = "not a git repository" in found.errors
            advice = "; run `git init` there, or name an empty folder in [archive] path" if known else ""
            raise ArchiveError(f"{self.path} is in no git work tree that can be used ({found.reason}){advice}")
        prefix = git("rev-parse", "--show-prefix")
        git = replace(git, folder=Path(found.text))
        return replace(git, environment={**git.environment, **self._identity(git)}), PurePosixPath(prefix)

    def _identity(self, git: Git) -> dict[str, str]:
        """What git is to be told of us, where nobody told it who is committing; it shall not guess from the machine."""
        identity: dict[str, str] = {}
        for role in ("AUTHOR", "COMMITTER"):
            if git.find("-c", "user.useConfigOnly=true", "var", f"GIT_{role}_IDENT") is None:
                identity |= {f"GIT_{role}_NAME": self._name, f"GIT_{role}_EMAIL": self._address}
        return identity

    def _place(self, page: PurePosixPath) -> Path:
        """Where a page stands. Raises `ArchiveError` if a symbolic link would lead the writing elsewhere."""
        if page.is_absolute() or not page.parts or {"..", ".git"} & {part.lower() for part in page.parts}:
            raise ArchiveError(f"{page} is no place in the archive")
        path = self.path
        for part in page.parts:
            path /= part
            if os.path.islink(path):  # noqa: PTH114 - a folder we may not look into is said where it is read
                raise ArchiveError(f"{path} is a symbolic link; nothing is written through it")
        return path

    def _commit(
        self,
        git: Git,
        prefix: PurePosixPath,
        pages: Mapping[PurePosixPath, str],
        message: str,
        same: Callable[[str, str], bool],
    ) -> str | None:
        """Compare with the last commit, not with the disk: a run may have ended between writing and committing."""
        head = git.find("rev-parse", "-q", "--verify", "HEAD^{commit}")
        changed, worth = {}, False
        for page, text in pages.items():
            mode, old = _committed(git, head, prefix / page)
            if old != _hash(git, prefix / page, text):
                changed[prefix / page] = mode, text
                worth = worth or old is None or not same(_blob(git, old), text)
        for page, text in pages.items():
            present = self.read(page)
            if present != text and (worth or present is None or not same(present, text)):
                _write(self._place(page), text)
        if not worth:
            return None
        entries = "".join(
            f"{mode} {_hash(git, path, text, '-w')}\t{path}\0" for path, (mode, text) in changed.items()
        ).encode("utf-8", "surrogateescape")
        commit = _commit_object(git, head, entries, message)
        git("update-index", "-z", "--index-info", given=entries)
        git("update-ref", "-m", "commit: the archive", "HEAD", commit, head or "")
        git.ask("update-index", "-q", "--refresh")
        replace(git, held=None).ask("gc", "--auto", "--quiet")  # it goes on in the background
        return commit


def _committed(git: Git, head: str | None, path: PurePosixPath) -> tuple[str, str | None]:
    """Mode and blob of a file in the last commit."""
    entry = git("ls-tree", "-z", head, "--", str(path)) if head else ""
    if not entry:
        return "100644", None
    mode, kind, blob = entry.partition("\t")[0].split()
    if kind != "blob":
        raise ArchiveError(f"{path} is no file in the last commit of {git.folder}; the archive needs its place")
    return mode, blob


def _hash(git: Git, path: PurePosixPath, text: str, *options: str) -> str:
    """The blob git would make of a text: what .gitattributes says of line ends and filters is done to it."""
    content = text.encode("utf-8", "surrogateescape")
    return git("hash-object", *options, "--stdin", f"--path={path}", given=content)


def _blob(git: Git, blob: str) -> str:
    return git.ask("cat-file", "blob", blob).output.decode("utf-8", "surrogateescape")


def _write(path: Path, text: str) -> None:
    """Replace a file in one step, so that it is never half written."""
    temporary = path.with_name(f".{path.name}.new")  # one name: what a kill leaves behind, the next run takes up
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else None
        try:
            temporary.unlink(missing_ok=True)
            with temporary.open("xb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))
                file.flush()
                os.fsync(file.fileno())
            if mode is not None:
                temporary.chmod(mode)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be written: {error.strerror}") from error


def _commit_object(git: Git, head: str | None, entries: bytes, message: str) -> str:
    """Make the commit: the last one's tree with our files in it, whatever the operator's index holds."""
    with tempfile.TemporaryDirectory(prefix="newsletter-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}
        if head:
            git("read-tree", head, extra=index)
        git("update-index", "-z", "--index-info", given=entries, extra=index)
        tree = git("write-tree", "--missing-ok", extra=index)
    parents = ("-p", head) if head else ()
    return git("commit-tree", tree, *parents, given=f"{message.strip()}\n".encode())

"""Commits to a remote: pushed, and rebased beside the operator's work tree where another push came first."""

import contextlib
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from newsletter.errors import ArchiveError
from newsletter.git import Git, without_password

_PUSHES = 5
# What the server says if another push came first, or came at the same moment.
_OVERTAKEN = re.compile(r"^!\t.*(\[rejected\]|\[remote rejected\].*(lock|update ref|old value))", re.MULTILINE)


def push(git: Git, ours: Iterable[PurePosixPath], sleep: Callable[[float], None]) -> bool:
    """Push what the upstream lacks; False if it lacks nothing. A rejected push is rebased and tried again.

    `ours` are the files and folders in which our side wins.

    Raises:
        ArchiveError: it cannot be pushed; the commits stay.

    """
    branch = git("symbolic-ref", "--short", "HEAD")
    if git.find("rev-parse", "-q", "--verify", "HEAD^{commit}") is None:
        return False
    known = git.find("rev-parse", "-q", "--verify", f"{branch}@{{upstream}}")
    if known and git.find("merge-base", "--is-ancestor", "HEAD", known) is not None:
        return False
    remote, target, options = _upstream(git, branch)
    command = ("push", "--porcelain", "--no-verify", "--recurse-submodules=no", *options, remote, f"HEAD:{target}")
    for attempt in range(_PUSHES):
        if attempt:
            sleep(2.0 ** (attempt - 1))
        answer = git.ask(*command, network=True)
        if not answer.status:
            return not re.search("^=\t", answer.text, re.MULTILINE)
        if not _OVERTAKEN.search(answer.text):
            raise ArchiveError(_unpushed(git, remote, answer.reason))
        _rebase(git, remote, target, ours)
    raise ArchiveError(_unpushed(git, remote, f"others were faster {_PUSHES} times"))


def _rebase(git: Git, remote: str, target: str, ours: Iterable[PurePosixPath]) -> None:
    """Put our commits on top of the remote's, in a work tree beside the operator's, then move the operator's."""
    fetched = git.ask("fetch", "--no-tags", "--recurse-submodules=no", remote, target, network=True)
    if fetched.status:
        raise ArchiveError(_unpushed(git, remote, fetched.reason))
    head, theirs = git("rev-parse", "HEAD"), git("rev-parse", "FETCH_HEAD")
    if git.find("merge-base", head, theirs) is None:
        raise ArchiveError(_unpushed(git, remote, "its branch has no commit in common with ours; clone it instead"))
    with _beside(git, head) as other:
        answer = other.ask("rebase", "--quiet", "--no-gpg-sign", "--no-verify", "-X", "theirs", theirs)
        while answer.status and _ours_resolved(other, ours):
            answer = other.ask("rebase", "--continue")
        if answer.status:
            raise ArchiveError(_unpushed(git, remote, f"it does not rebase: {answer.reason}"))
        moved = other("rev-parse", "HEAD")
    git.ask("update-index", "-q", "--refresh")
    answer = git.ask("read-tree", "-m", "-u", head, moved)
    if answer.status:
        raise ArchiveError(_unpushed(git, remote, f"uncommitted changes are in the way: {answer.reason}"))
    git("update-ref", "-m", "rebase: the archive", "HEAD", moved, head)


def _upstream(git: Git, branch: str) -> tuple[str, str, tuple[str, ...]]:
    """Where to push, to which branch, and with what options: the branch's upstream, else the only remote."""
    remote, target = git.find("config", f"branch.{branch}.remote"), git.find("config", f"branch.{branch}.merge")
    if remote and target:
        return remote, target, ()
    remotes = git("remote").splitlines()
    if not remotes:
        raise ArchiveError(
            f"{git.folder} has no remote to push to; the commits stay there. "
            "Run `git remote add origin ADDRESS` in it, or set push = false in [archive]"
        )
    if len(remotes) > 1:
        raise ArchiveError(
            f"{git.folder} has several remotes; the commits stay there. Say which one is meant: "
            f"`git push --set-upstream REMOTE {branch}`"
        )
    return remotes[0], f"refs/heads/{branch}", ("--set-upstream",)


def _unpushed(git: Git, remote: str, reason: str) -> str:
    commit = git("rev-parse", "--short", "HEAD")
    remote = without_password(remote)
    return f"the commit {commit} is kept in {git.folder} but could not be pushed to {remote}: {reason}"


@contextlib.contextmanager
def _beside(git: Git, commit: str) -> Iterator[Git]:
    """A work tree of its own, at a commit."""
    with tempfile.TemporaryDirectory(prefix="newsletter-") as folder:
        place = Path(folder, "tree")
        git("worktree", "add", "--quiet", "--detach", str(place), commit)
        try:
            yield replace(git, folder=place)
        finally:
            git.ask("worktree", "remove", "--force", str(place))


def _ours_resolved(git: Git, ours: Iterable[PurePosixPath]) -> bool:
    """Take our side of what a rebase stopped at; False if the conflict is about other files, or there is none."""
    names = [name for name in git("diff", "--name-only", "--diff-filter=U", "-z").split("\0") if name]
    if not names or any(not any(PurePosixPath(name).is_relative_to(own) for own in ours) for name in names):
        return False
    git("add", "--force", "--", *names)
    return True

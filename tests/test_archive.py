"""The archive against real git: whatever state the operator's repository is in, only our files change in it."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath

import pytest

from newsletter.archive import Archive, Outcome
from newsletter.errors import ArchiveError

README, PAGE = PurePosixPath("README.md"), PurePosixPath("editions/2025/02/28.md")
PAGES = {README: "# Papers\n", PAGE: "# Edition\n"}
Git = Callable[..., str]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A machine on which git knows nobody."""
    (tmp_path / "home").mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "home"),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }


@pytest.fixture
def git(environment: dict[str, str]) -> Git:
    """git as the operator runs it, with the operator's name; says what it prints."""
    operator = {f"GIT_{role}_{what}": f"op@{what}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def run(folder: Path, *arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        done = subprocess.run(command, env=environment | operator, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def checkout(tmp_path: Path, git: Git) -> Path:
    """An operator's repository: one commit, and a remote that it follows."""
    git(tmp_path, "init", "-q", "--bare", "-b", "main", "remote.git")
    git(tmp_path, "clone", "-q", "remote.git", "checkout")
    folder = tmp_path / "checkout"
    (folder / "notes.txt").write_text("one\ntwo\nthree\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "Notes")
    git(folder, "push", "-q", "-u", "origin", "HEAD:main")
    return folder


def archive(
    path: Path,
    environment: Mapping[str, str],
    *,
    push: bool = False,
    sleep: Callable[[float], None] = lambda _seconds: None,
) -> Archive:
    return Archive(path, "Daily Papers", "papers@example.org", push=push, sleep=sleep, environment=environment)


def elsewhere(tmp_path: Path, git: Git, name: str, text: str | None) -> None:
    """Somebody else pushes a change of one file."""
    folder = tmp_path / "elsewhere"
    if not folder.exists():
        git(tmp_path, "clone", "-q", "remote.git", "elsewhere")
    git(folder, "pull", "-q", "--rebase")
    if text is None:
        (folder / name).unlink()
    else:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", f"Theirs: {name}")
    git(folder, "push", "-q")


def status(git: Git, folder: Path) -> str:
    return git(folder, "status", "--porcelain")


@pytest.mark.parametrize("state", ["missing", "empty", "its own"])
@pytest.mark.parametrize("inside", [False, True])
def test_a_folder_of_its_own_is_its_own_repository(
    state: str, inside: bool, tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    path = (checkout if inside else tmp_path) / "deep" / "archive"
    if state != "missing":
        path.mkdir(parents=True)
    if state == "its own":
        git(path, "init", "-q")
    outcome = archive(path, environment).keep(PAGES, "Papers of 2025-02-28\n\n3 new")
    assert git(path, "rev-parse", "--show-toplevel").strip() == str(path)
    assert outcome == Outcome(git(path, "rev-parse", "HEAD").strip(), pushed=False)
    assert git(path, "log", "-1", "--format=%B|%an <%ae>|%cn <%ce>|%P").strip() == (
        "Papers of 2025-02-28\n\n3 new\n|Daily Papers <papers@example.org>|Daily Papers <papers@example.org>|"
    )
    assert git(path, "show", f"HEAD:{PAGE}") == "# Edition\n"
    assert status(git, path) == ""
    assert git(checkout, "rev-list", "--count", "HEAD").strip() == "1"


@pytest.mark.parametrize("below", ["", "papers/daily"])
def test_any_other_folder_belongs_to_the_repository_that_holds_it(
    below: str, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    path = checkout / below
    path.mkdir(parents=True, exist_ok=True)
    (path / "kept.txt").write_text("the operator's")
    archive(path, environment).keep(PAGES, "Papers")
    prefix = f"{below}/" if below else ""
    assert git(checkout, "show", "--name-only", "--format=").split() == [f"{prefix}{README}", f"{prefix}{PAGE}"]
    assert git(checkout, "rev-list", "--count", "HEAD").strip() == "2"
    assert not (path / ".git").exists() or not below


def test_a_work_tree_whose_git_is_a_file_is_its_own_repository(
    tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    git(checkout, "worktree", "add", "-q", "-b", "papers", str(checkout / "papers"))
    archive(checkout / "papers", environment).keep(PAGES, "Papers")
    assert git(checkout, "show", "papers:README.md") == "# Papers\n"
    assert git(checkout, "rev-list", "--count", "main").strip() == "1"


def test_a_folder_in_no_repository_is_refused_before_anything_is_written(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    path = tmp_path / "plain"
    path.mkdir()
    (path / "kept.txt").write_text("the operator's")
    with pytest.raises(ArchiveError, match=r"no git work tree.*`git init`"):
        archive(path, environment).keep(PAGES, "Papers")
    assert [entry.name for entry in path.iterdir()] == ["kept.txt"]


def test_a_damaged_repository_does_not_lead_to_the_one_around_it(
    checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    (checkout / "papers" / ".git").mkdir(parents=True)
    with pytest.raises(ArchiveError, match="no git work tree"):
        archive(checkout / "papers", environment).keep(PAGES, "Papers")
    assert git(checkout, "rev-list", "--count", "HEAD").strip() == "1"


def test_what_the_operator_changed_or_staged_stays_as_it_was(
    checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    (checkout / "notes.txt").write_text("staged\n")
    (checkout / "added.txt").write_text("added\n")
    git(checkout, "add", ".")
    (checkout / "notes.txt").write_text("unstaged\n")
    (checkout / "untracked.txt").write_text("untracked\n")
    before, staged = status(git, checkout), git(checkout, "diff", "--cached")
    archive(checkout, environment).keep(PAGES, "Papers")
    assert (status(git, checkout), git(checkout, "diff", "--cached")) == (before, staged)
    assert git(checkout, "show", "--name-only", "--format=").split() == ["README.md", str(PAGE)]


def test_gits_own_identity_comes_first(checkout: Path, git: Git, environment: dict[str, str]) -> None:
    git(checkout, "config", "user.name", "Op")
    git(checkout, "config", "user.email", "op@example.net")
    archive(checkout, environment).keep(PAGES, "Papers")
    assert git(checkout, "log", "-1", "--format=%an <%ae> %cn").strip() == "Op <op@example.net> Op"


def test_hooks_signatures_and_ignored_files_are_not_in_the_way(
    checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    names = ("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit", "pre-push", "reference-transaction")
    for name in names:
        hook = checkout / ".git" / "hooks" / name
        hook.write_text("#!/bin/sh\nexit 1\n")
        hook.chmod(0o755)
    git(checkout, "config", "commit.gpgSign", "true")
    git(checkout, "config", "gpg.program", "/bin/false")
    (checkout / ".git" / "info" / "exclude").write_text("*.md\n")
    outcome = archive(checkout, environment, push=True).keep(PAGES, "Papers")
    assert outcome.pushed
    assert "gpgsig" not in git(checkout, "cat-file", "commit", "HEAD")


def test_inherited_variables_do_not_lead_elsewhere(
    tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    environment |= {"GIT_DIR": str(checkout / ".git"), "GIT_WORK_TREE": str(checkout)}
    environment |= {"GIT_INDEX_FILE": str(tmp_path / "index")}
    Archive(tmp_path / "own", "Daily Papers", "papers@example.org", environment=environment).keep(PAGES, "Papers")
    assert (tmp_path / "own" / ".git").is_dir()
    assert not (tmp_path / "index").exists()
    assert not (checkout / "README.md").exists()


def test_the_process_environment_is_the_default(
    tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Archive(tmp_path / "own", "<>", "papers@example.org").keep(PAGES, "Papers").commit


def test_nothing_new_is_no_commit_and_no_write(checkout: Path, git: Git, environment: dict[str, str]) -> None:
    ours = archive(checkout, environment)
    ours.keep(PAGES, "Papers")
    before = (checkout / "README.md").stat()
    assert ours.keep(PAGES, "Papers") == Outcome(None, pushed=False)
    assert ours.keep({**PAGES, README: "# papers\n"}, "Papers", same=lambda old, new: old.lower() == new.lower()) == (
        Outcome(None, pushed=False)
    )
    assert (checkout / "README.md").stat().st_ino == before.st_ino
    assert git(checkout, "rev-list", "--count", "HEAD").strip() == "2"


def test_with_a_new_page_the_small_difference_goes_along(checkout: Path, git: Git, environment: dict[str, str]) -> None:
    ours = archive(checkout, environment)
    ours.keep(PAGES, "Papers")
    later = {README: "# PAPERS\n", PurePosixPath("editions/2025/03/01.md"): "# Next\n"}
    ours.keep(later, "Papers", same=lambda old, new: old.lower() == new.lower())
    assert git(checkout, "show", "HEAD:README.md") == "# PAPERS\n"


def test_what_was_written_but_not_committed_is_committed_next_time(
    checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    ours = archive(checkout, environment)
    (checkout / ".git" / "index.lock").touch()
    with pytest.raises(ArchiveError, match=r"index\.lock"):
        ours.keep(PAGES, "Papers")
    assert ours.read(README) == PAGES[README]
    (checkout / ".git" / "index.lock").unlink()
    assert ours.keep(PAGES, "Papers").commit
    assert status(git, checkout) == ""


def test_line_ends_are_kept_and_attributes_obeyed(checkout: Path, git: Git, environment: dict[str, str]) -> None:
    ours = archive(checkout, environment)
    pages = {README: "mine\r\n\r\nours\n"}
    ours.keep(pages, "Papers")
    assert ours.read(README) == pages[README]
    (checkout / ".gitattributes").write_text("*.md text\n")
    ours.keep(pages, "Papers")
    assert git(checkout, "cat-file", "blob", "HEAD:README.md") == "mine\n\nours\n"
    assert ours.keep(pages, "Papers").commit is None


def test_bytes_that_are_no_text_survive(checkout: Path, environment: dict[str, str]) -> None:
    ours = archive(checkout, environment)
    (checkout / "README.md").write_bytes(b"caf\xe9\r\n")
    text = ours.read(README)
    assert text is not None
    ours.keep({README: text + "ours\n"}, "Papers")
    assert (checkout / "README.md").read_bytes() == b"caf\xe9\r\nours\n"


def test_the_mode_of_a_file_stays(checkout: Path, git: Git, environment: dict[str, str]) -> None:
    ours = archive(checkout, environment)
    ours.keep(PAGES, "Papers")
    (checkout / "README.md").chmod(0o755)
    git(checkout, "add", "README.md")
    git(checkout, "commit", "-q", "-m", "Mode")
    ours.keep({README: "# More\n"}, "Papers")
    assert git(checkout, "ls-tree", "HEAD", "README.md").startswith("100755")
    assert status(git, checkout) == ""


@pytest.mark.parametrize("link", ["README.md", "editions", "editions/2025"])
def test_nothing_is_written_through_a_symbolic_link(
    link: str, tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (checkout / link).parent.mkdir(exist_ok=True)
    (checkout / link).symlink_to(outside)
    with pytest.raises(ArchiveError, match="symbolic link"):
        archive(checkout, environment).keep(PAGES, "Papers")
    assert list(outside.iterdir()) == []
    assert git(checkout, "rev-list", "--count", "HEAD").strip() == "1"


@pytest.mark.parametrize("page", ["../README.md", "/tmp/README.md", ".git/config", "a/.GIT/config", ""])
def test_a_page_outside_the_archive_is_refused(page: str, checkout: Path, environment: dict[str, str]) -> None:
    with pytest.raises(ArchiveError, match="no place in the archive"):
        archive(checkout, environment).read(PurePosixPath(page))


@pytest.mark.parametrize("obstacle", ["file for folder", "folder for file", "archive is a file"])
def test_a_place_that_is_taken_is_said(obstacle: str, checkout: Path, environment: dict[str, str]) -> None:
    path = checkout
    if obstacle == "file for folder":
        (checkout / "editions").write_text("taken")
    elif obstacle == "folder for file":
        (checkout / "README.md").mkdir()
    else:
        path = checkout / "notes.txt"
    with pytest.raises(ArchiveError, match="cannot be"):
        archive(path, environment).keep(PAGES, "Papers")


def test_a_folder_that_cannot_be_written_is_said(
    checkout: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_self: Path, _target: Path) -> Path:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)  # root may write anywhere
    with pytest.raises(ArchiveError, match=r"README\.md cannot be written: Permission denied"):
        archive(checkout, environment).keep(PAGES, "Papers")
    assert sorted(path.name for path in checkout.iterdir()) == [".git", "notes.txt"]


def test_without_git_it_says_so(tmp_path: Path, checkout: Path, environment: dict[str, str]) -> None:
    with pytest.raises(ArchiveError, match="git cannot be started"):
        archive(checkout, environment | {"PATH": str(tmp_path)}).keep(PAGES, "Papers")


def test_a_git_that_does_not_end_is_ended(
    tmp_path: Path, checkout: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").write_text("#!/bin/sh\n/bin/sleep 600 & wait\n")
    (tmp_path / "bin" / "git").chmod(0o755)
    monkeypatch.setattr("newsletter.git.LOCAL_SECONDS", 0.05)
    with pytest.raises(ArchiveError, match="had no end"):
        archive(checkout, environment | {"PATH": str(tmp_path / "bin")}).keep(PAGES, "Papers")


def test_without_a_branch_it_says_so_and_writes_nothing(checkout: Path, git: Git, environment: dict[str, str]) -> None:
    git(checkout, "checkout", "-q", "--detach")
    with pytest.raises(ArchiveError, match="no branch is checked out"):
        archive(checkout, environment).keep(PAGES, "Papers")
    assert status(git, checkout) == ""


def test_it_pushes_to_the_upstream(tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]) -> None:
    git(checkout, "branch", "-q", "-m", "work")  # the upstream is still called main
    ours = archive(checkout, environment, push=True)
    outcome = ours.keep(PAGES, "Papers")
    assert outcome.pushed
    assert git(tmp_path / "remote.git", "rev-parse", "main").strip() == outcome.commit
    assert ours.keep(PAGES, "Papers") == Outcome(None, pushed=False)


def test_it_pushes_to_the_only_remote_and_follows_it(
    tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    ours = archive(tmp_path / "own", environment, push=True)
    with pytest.raises(ArchiveError, match="no remote to push to"):
        ours.keep(PAGES, "Papers")
    git(tmp_path, "init", "-q", "--bare", "other.git")
    git(tmp_path / "own", "remote", "add", "there", str(tmp_path / "other.git"))
    assert ours.keep(PAGES, "Papers") == Outcome(None, pushed=True)
    assert git(tmp_path / "own", "rev-parse", "@{upstream}") == git(tmp_path / "own", "rev-parse", "HEAD")


def test_several_remotes_are_not_guessed_at(tmp_path: Path, git: Git, environment: dict[str, str]) -> None:
    ours = archive(tmp_path / "own", environment, push=True)
    git(tmp_path, "init", "-q", "own")
    for name in ("a", "b"):
        git(tmp_path / "own", "remote", "add", name, f"https://user:secret@{name}.invalid/")
    with pytest.raises(ArchiveError, match="several remotes"):
        ours.keep(PAGES, "Papers")


def test_a_rejected_push_is_rebased_and_tried_again(
    tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    ours = archive(checkout, environment, push=True)
    ours.keep(PAGES, "Papers")
    elsewhere(tmp_path, git, "theirs.txt", "theirs\n")
    (checkout / "notes.txt").write_text("staged\n")
    git(checkout, "add", ".")
    (checkout / "notes.txt").write_text("unstaged\n")
    before = status(git, checkout)
    outcome = ours.keep({README: "# More\n"}, "More papers")
    assert outcome.pushed
    assert outcome.commit == git(tmp_path / "remote.git", "rev-parse", "main").strip()
    assert git(checkout, "log", "-3", "--format=%s").splitlines() == ["More papers", "Theirs: theirs.txt", "Papers"]
    assert (checkout / "theirs.txt").read_text() == "theirs\n"
    assert status(git, checkout) == before
    assert git(checkout, "worktree", "list").count("\n") == 1


@pytest.mark.parametrize("theirs", ["# Theirs\n\nkept\n", None])
def test_on_conflict_our_pages_win(
    theirs: str | None, tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    ours = archive(checkout, environment, push=True)
    ours.keep({README: "# Papers\n\nkept\n"}, "Papers")
    elsewhere(tmp_path, git, "README.md", theirs)
    assert ours.keep({README: "# Ours\n\nkept\n", PAGE: "# Edition\n"}, "More papers").pushed
    assert git(checkout, "show", "HEAD:README.md") == "# Ours\n\nkept\n"
    assert status(git, checkout) == ""


def test_two_who_add_the_same_page(tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]) -> None:
    elsewhere(tmp_path, git, str(PAGE), "# Theirs\n")
    assert archive(checkout, environment, push=True).keep(PAGES, "Papers").pushed
    assert git(checkout, "show", f"HEAD:{PAGE}") == "# Edition\n"


def test_a_conflict_in_the_operators_own_commits_is_left_to_them(
    tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    (checkout / "notes.txt").unlink()
    git(checkout, "commit", "-q", "-am", "Mine")
    elsewhere(tmp_path, git, "notes.txt", "theirs\n")
    ours = archive(checkout, environment, push=True)
    with pytest.raises(ArchiveError, match=r"is kept in .* does not rebase"):
        ours.keep(PAGES, "Papers")
    assert git(checkout, "log", "--format=%s").splitlines() == ["Papers", "Mine", "Notes"]
    assert status(git, checkout) == ""
    assert git(checkout, "worktree", "list").count("\n") == 1


def test_uncommitted_changes_in_the_way_of_theirs_are_not_touched(
    tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    elsewhere(tmp_path, git, "notes.txt", "theirs\n")
    (checkout / "notes.txt").write_text("mine\n")
    ours = archive(checkout, environment, push=True)
    with pytest.raises(ArchiveError, match="uncommitted changes are in the way"):
        ours.keep(PAGES, "Papers")
    assert (checkout / "notes.txt").read_text() == "mine\n"
    assert git(checkout, "log", "-1", "--format=%s").strip() == "Papers"
    git(checkout, "checkout", "-q", "notes.txt")
    assert ours.keep(PAGES, "Papers") == Outcome(None, pushed=True)


def test_a_branch_that_is_not_ours_is_not_joined(
    tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    ours = archive(tmp_path / "own", environment, push=True)
    git(tmp_path, "init", "-q", "-b", "main", "own")
    git(tmp_path / "own", "remote", "add", "origin", str(tmp_path / "remote.git"))
    with pytest.raises(ArchiveError, match="no commit in common"):
        ours.keep(PAGES, "Papers")
    assert git(tmp_path / "own", "log", "--format=%s").strip() == "Papers"


def test_a_push_that_is_refused_keeps_the_commit_for_the_next(
    tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    hook = tmp_path / "remote.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho closed on Sundays >&2\nexit 1\n")
    hook.chmod(0o755)
    ours = archive(checkout, environment, push=True)
    with pytest.raises(ArchiveError, match=r"is kept in .* closed on Sundays"):
        ours.keep(PAGES, "Papers")
    hook.unlink()
    assert ours.keep(PAGES, "Papers") == Outcome(None, pushed=True)


def test_a_remote_that_is_away_is_named_without_its_password(
    checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    git(checkout, "config", "branch.main.remote", "file://me:secret@127.0.0.1/nowhere")
    with pytest.raises(ArchiveError, match=r"file://\*\*\*@127.0.0.1/nowhere") as caught:
        archive(checkout, environment, push=True).keep(PAGES, "Papers")
    assert "secret" not in str(caught.value)


def test_who_is_always_overtaken_gives_up_after_growing_pauses(
    tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]
) -> None:
    pauses: list[float] = []

    def overtake(seconds: float) -> None:
        pauses.append(seconds)
        elsewhere(tmp_path, git, "theirs.txt", f"{len(pauses)}\n")

    elsewhere(tmp_path, git, "theirs.txt", "0\n")
    with pytest.raises(ArchiveError, match="others were faster 5 times"):
        archive(checkout, environment, push=True, sleep=overtake).keep(PAGES, "Papers")
    assert pauses == [1.0, 2.0, 4.0, 8.0]
    assert git(checkout, "log", "-1", "--format=%s").strip() == "Papers"
    assert archive(checkout, environment, push=True).keep(PAGES, "Papers") == Outcome(None, pushed=True)


def test_a_shallow_clone_works(tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]) -> None:
    elsewhere(tmp_path, git, "theirs.txt", "")
    git(tmp_path, "clone", "-q", "--depth=1", f"file://{tmp_path}/remote.git", "shallow")
    elsewhere(tmp_path, git, "theirs.txt", "more\n")
    assert archive(tmp_path / "shallow", environment, push=True).keep(PAGES, "Papers").pushed
    assert git(tmp_path / "remote.git", "log", "-2", "main", "--format=%s").splitlines() == [
        "Papers",
        "Theirs: theirs.txt",
    ]


def test_a_submodule_works(tmp_path: Path, checkout: Path, git: Git, environment: dict[str, str]) -> None:
    git(tmp_path, "init", "-q", "-b", "main", "outer")
    outer = tmp_path / "outer"
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "remote.git"), "papers")
    elsewhere(tmp_path, git, "theirs.txt", "")
    assert archive(outer / "papers", environment, push=True).keep(PAGES, "Papers").pushed
    assert git(outer / "papers", "log", "--format=%s").splitlines() == ["Papers", "Theirs: theirs.txt", "Notes"]
    assert status(git, outer / "papers") == ""

"""What is broken around a newsletter is said in one line that names it; mended, the same command finishes."""

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from adversity import Newsletter, Said
from adversity import newsletter as newsletter  # the fixture
from house import crowd

Change = Callable[[Newsletter], object]


@dataclass(frozen=True)
class Trouble:
    """Something broken: how that comes, what is said of it, how it is mended, and what came out all the same."""

    breaks: Change
    said: str
    mends: Change
    came: str = ""


def mode(path: str, bits: int) -> Change:
    return lambda newsletter: (newsletter.folder / path).chmod(bits)


def make_folder(path: str, bits: int) -> Change:
    def change(newsletter: Newsletter) -> None:
        (newsletter.folder / path).mkdir(parents=True)
        (newsletter.folder / path).chmod(bits)

    return change


def both(*changes: Change) -> Change:
    return lambda newsletter: [change(newsletter) for change in changes]


def write(path: str, content: str | bytes) -> Change:
    def change(newsletter: Newsletter) -> None:
        place = newsletter.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def remove(path: str) -> Change:
    def change(newsletter: Newsletter) -> None:
        place = newsletter.folder / path
        shutil.rmtree(place) if place.is_dir() and not place.is_symlink() else place.unlink()

    return change


def spoil(newsletter: Newsletter, begin: int) -> None:
    """Keep the database, and overwrite it from a place on."""
    database = newsletter.folder / "subscribers.db"
    shutil.copy(database, newsletter.folder / "kept.db")
    with database.open("r+b") as file:
        file.seek(begin)
        file.write(b"garbage!" * ((database.stat().st_size - begin) // 8))


def restore(newsletter: Newsletter) -> None:
    (newsletter.folder / "kept.db").replace(newsletter.folder / "subscribers.db")


def repository(newsletter: Newsletter) -> None:
    subprocess.run(["git", "init", "-q", "archive"], cwd=newsletter.folder, check=True)


def link(path: str, target: str) -> Change:
    return lambda newsletter: (newsletter.folder / path).symlink_to(newsletter.folder / target)


TEMPLATES = '[digest]\ntemplates = "ours"'
DATA = 'database = "data/subscribers.db"'


def in_data(newsletter: Newsletter) -> None:
    """Put the database into a folder of its own."""
    (newsletter.folder / "data").mkdir()
    newsletter.configure(newsletter=DATA)
    newsletter.subscribe()


def template(name: str, content: str | bytes) -> Change:
    return both(lambda newsletter: newsletter.configure(TEMPLATES), write(f"ours/{name}", content))


MAIL, ARCHIVE = "Mail: 3 sent.", "Archive: commit"
#: Root must be bound by permissions for these, so they run in a process of their own.
FORBIDDEN = {
    "database read-only": Trouble(
        mode("subscribers.db", 0o444),
        r"subscribers\.db: cannot be opened: Permission denied",
        mode("subscribers.db", 0o600),
    ),
    "database in a folder without execute permission": Trouble(
        both(in_data, mode("data", 0o600)), r"data/subscribers\.db.*: Permission denied", mode("data", 0o700)
    ),
    "database in a read-only folder": Trouble(
        both(in_data, mode("data", 0o500)), r"data/subscribers\.db.*: Permission denied", mode("data", 0o700)
    ),
    "outbox read-only": Trouble(
        make_folder("outbox", 0o555), r"outbox: cannot be written: Permission denied", mode("outbox", 0o755), ARCHIVE
    ),
    "archive read-only": Trouble(
        both(repository, mode("archive", 0o555)),
        r"archive/\S+ cannot be written: Permission denied",
        mode("archive", 0o755),
        MAIL,
    ),
    "archive empty and read-only": Trouble(
        make_folder("archive", 0o555),
        r"git init failed in \S+/archive: .*Permission denied",
        mode("archive", 0o755),
        MAIL,
    ),
    "archive without execute permission": Trouble(
        make_folder("archive", 0o600),
        r"archive/README\.md cannot be read: Permission denied",
        mode("archive", 0o755),
        MAIL,
    ),
    "repository read-only": Trouble(
        both(repository, mode("archive/.git", 0o555), mode("archive/.git/objects", 0o555)),
        r"git hash-object failed in \S+/archive: .*insufficient permission",
        both(mode("archive/.git", 0o755), mode("archive/.git/objects", 0o755)),
        MAIL,
    ),
    "sender's lock read-only": Trouble(
        both(write("subscribers.db.sender", ""), mode("subscribers.db.sender", 0o444)),
        r"subscribers\.db\.sender: the lock cannot be taken: Permission denied",
        mode("subscribers.db.sender", 0o600),
        ARCHIVE,
    ),
    "templates without execute permission": Trouble(
        both(template("digest/subject.txt", "Ours"), mode("ours", 0o600)),
        r"ours/digest/\S+: cannot be read: Permission denied",
        mode("ours", 0o755),
        "no edition",
    ),
    "template unreadable": Trouble(
        both(template("digest/digest.css", ""), mode("ours/digest/digest.css", 0o000)),
        r"ours/digest/digest\.css: cannot be read: Permission denied",
        mode("ours/digest/digest.css", 0o644),
        "no edition",
    ),
    "state folder read-only": Trouble(
        both(lambda newsletter: newsletter.configure(arxiv=""), make_folder("state", 0o555)),
        r"nothing was fetched: .*state/daily-papers/gate: the gate cannot be opened .*; \[arxiv\] gate names another",
        mode("state", 0o755),
        "no edition",
    ),
}
BROKEN = {
    "database garbage": Trouble(
        lambda newsletter: spoil(newsletter, 0), r"subscribers\.db: it is not a database", restore
    ),
    "database damaged": Trouble(
        lambda newsletter: spoil(newsletter, 4096), r"subscribers\.db: it is damaged; restore a backup", restore
    ),
    "outbox a file": Trouble(
        write("outbox", ""), r"outbox: cannot be written: Not a directory", remove("outbox"), ARCHIVE
    ),
    "archive a file": Trouble(
        write("archive", ""), r"archive/README\.md cannot be read: Not a directory", remove("archive"), MAIL
    ),
    "archive led into a file": Trouble(
        both(write("file", ""), link("archive", "file/deeper")),
        r"file/deeper/README\.md cannot be read",
        remove("archive"),
        MAIL,
    ),
    "gate a folder": Trouble(
        make_folder("gate", 0o755),
        r"nothing was fetched: .*/gate: the gate cannot be opened",
        remove("gate"),
        "no edition",
    ),
    "template does not parse": Trouble(
        template("digest/body.html", "<p>\n{% if %}"),
        r"ours/digest/body\.html, line 2: Expected",
        remove("ours/digest"),
        "no edition",
    ),
    "template names what there is not": Trouble(
        template("digest/subject.txt", "News\n{{ nobody }}"),
        r"ours/digest/subject\.txt, line 2: 'nobody' is undefined",
        remove("ours/digest"),
        "no edition",
    ),
    "template takes in what there is not": Trouble(
        template("digest/body.txt", '{% include "gone.txt" %}'),
        r"gone\.txt: there is no such template \(needed for digest/body\.txt\)",
        remove("ours/digest"),
        "no edition",
    ),
    "template takes in itself": Trouble(
        template("digest/body.html", '<p>\n{% include "digest/body.html" %}'),
        r"ours/digest/body\.html, line 2: maximum recursion depth",
        remove("ours/digest"),
        "no edition",
    ),
    "template empty": Trouble(
        template("digest/body.html", ""),
        r"ours/digest/body\.html: .* must stand once",
        remove("ours/digest"),
        "no edition",
    ),
    "template in another encoding": Trouble(
        template("digest/body.txt", b"caf\xe9"), r"digest/body\.txt: .*not UTF-8", remove("ours/digest"), "no edition"
    ),
    "templates missing": Trouble(
        lambda newsletter: newsletter.configure(TEMPLATES),
        r"ours is not a folder of templates",
        make_folder("ours", 0o755),
        "no edition",
    ),
}


def check(newsletter: Newsletter, trouble: Trouble, failed: Said) -> None:
    """It was told in one line, came as far as it could, and is brought to its end by the same command."""
    assert failed.status == 1
    assert len(failed.lines) == 1
    assert re.search(trouble.said, failed.lines[0])
    assert "Traceback" not in failed.errors
    assert trouble.came in failed.output
    assert bool(failed.output) == bool(trouble.came)
    trouble.mends(newsletter)
    assert newsletter.run("publish").status == 0
    newsletter.assert_whole()


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_may_not_be_written(newsletter: Newsletter, name: str) -> None:
    trouble = FORBIDDEN[name]
    trouble.breaks(newsletter)
    failed = newsletter.run_powerless("publish", XDG_STATE_HOME=str(newsletter.folder / "state"))
    check(newsletter, trouble, failed)


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken(newsletter: Newsletter, name: str) -> None:
    trouble = BROKEN[name]
    trouble.breaks(newsletter)
    check(newsletter, trouble, newsletter.run("publish"))


def test_git_missing(newsletter: Newsletter) -> None:
    failed = newsletter.run("publish", PATH=str(newsletter.folder))
    nothing = lambda _newsletter: None  # noqa: E731
    check(
        newsletter, Trouble(nothing, "git cannot be started .*; the archive needs it installed", nothing, MAIL), failed
    )


def test_a_link_that_leads_to_itself(newsletter: Newsletter) -> None:
    link("archive", "archive")(newsletter)
    failed = newsletter.run("publish")
    assert failed.status == 2
    assert re.search(r"config\.toml: archive\.path: \S+ leads nowhere: ", failed.lines[0])


def test_an_archive_behind_a_link_that_leads_nowhere_is_made_there(newsletter: Newsletter) -> None:
    link("archive", "far/away")(newsletter)
    assert newsletter.run("publish").status == 0
    newsletter.assert_whole(archive=newsletter.folder / "far" / "away")


def test_damage_that_is_met_on_the_way_is_said_too(newsletter: Newsletter) -> None:
    """Rows are read one by one, and the first may be sound."""
    app = newsletter.app()
    crowd(app, 3_000)
    app.close()
    spoil(newsletter, (newsletter.folder / "subscribers.db").stat().st_size // 2)
    failed = newsletter.run("subscribers", "export")
    assert failed.status == 1
    assert failed.lines == [f"newsletter: {newsletter.folder}/subscribers.db: it is damaged; restore a backup"]
    assert "email" in failed.output
    restore(newsletter)
    assert newsletter.run("subscribers", "export").output.count("@") == 3_003

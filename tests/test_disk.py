"""A disk that is full, or cannot be written: publish says so, and finishes when there is room; nothing comes twice."""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from adversity import Newsletter, Said
from adversity import newsletter as newsletter  # the fixture
from disks import Disk, mounted

from newsletter.publish import publishing
from newsletter.sending import deliver

FULL = re.compile(
    "the disk is full|No space left on device|Out of diskspace|Read-only file system|(couldn't|failed to) write"
)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with mounted(tmp_path / "disk", 4) as disk:
        yield disk


@dataclass(frozen=True)
class Place:
    """What is put on the small disk, how many kilobytes are left there each time, and how many mails go out then."""

    config: dict[str, str]
    kilobytes: Sequence[int]
    sent: set[int]
    outbox: str = "outbox"
    archive: str = "archive"


#: From a disk that is full to one with just enough room, so that each step meets the wall once.
PLACES = {
    "database": Place(
        {"newsletter": 'database = "disk/subscribers.db"'}, (0, 24, 120, 400, *range(1216, 1500, 24)), {0, 1, 3}
    ),
    "outbox": Place({"more": '[delivery]\nmaildir = "disk/outbox"'}, range(0, 180, 20), {0, 1, 2, 3}, "disk/outbox"),
    "archive": Place(
        {"more": '[archive]\npath = "disk/archive"'}, (0, 24, 72, 84, 96, 120, 150), {3}, archive="disk/archive"
    ),
}


def settle_in(newsletter: Newsletter, disk: Disk, place: Place) -> None:
    """Begin anew, with one thing on the small disk and the rest elsewhere."""
    for left in (*newsletter.folder.iterdir(), *disk.path.iterdir()):
        if left != disk.path:
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    newsletter.configure(**place.config)
    newsletter.subscribe()
    app = newsletter.app()
    deliver(app)  # as yesterday: the lock files are there
    with publishing(app):
        pass
    app.close()


def check_told(said: Said, disk: Disk) -> None:
    """Each line says what is wrong, and where."""
    assert said.status == 1
    assert said.lines
    assert all(str(disk.path) in line and FULL.search(line) for line in said.lines)
    assert "Traceback" not in said.errors


def filed(newsletter: Newsletter, place: Place) -> int:
    """How many mails went out; half a one is none, and takes no room."""
    outbox = newsletter.folder / place.outbox
    assert not list(outbox.glob("tmp/*"))
    return len(list(outbox.glob("new/*")))


@pytest.mark.parametrize("name", PLACES)
def test_a_full_disk(newsletter: Newsletter, disk: Disk, name: str) -> None:
    place = PLACES[name]
    ends = []
    for kilobytes in place.kilobytes:
        settle_in(newsletter, disk, place)
        disk.leave(kilobytes)
        said = newsletter.run("publish")
        ends.append((said.status, filed(newsletter, place)))
        if said.status:
            check_told(said, disk)
        disk.make_room()
        assert newsletter.run("publish").status == 0
        newsletter.assert_whole(outbox=newsletter.folder / place.outbox, archive=newsletter.folder / place.archive)
    assert ends[0][0] == 1
    assert ends[-1] == (0, 3)  # with a little more room it goes well
    assert {sent for _, sent in ends} >= place.sent


@pytest.mark.parametrize("what", ["gate", "lock files"])
def test_what_is_small_on_a_full_disk(newsletter: Newsletter, disk: Disk, what: str) -> None:
    """The gate must be written; the lock files hold without what stands in them."""
    if what == "gate":
        newsletter.configure(arxiv='gate = "disk/gate"')
    else:
        for name in ("publish", "sender"):
            (disk.path / name).touch()
            (newsletter.folder / f"subscribers.db.{name}").symlink_to(disk.path / name)
    disk.leave(0)
    said = newsletter.run("publish")
    if what == "gate":
        check_told(said, disk)
        disk.make_room()
        said = newsletter.run("publish")
    assert said.status == 0
    newsletter.assert_whole()


@pytest.mark.parametrize("name", PLACES)
def test_a_disk_that_is_read_only(newsletter: Newsletter, disk: Disk, name: str) -> None:
    place = PLACES[name]
    settle_in(newsletter, disk, place)
    disk.remount("ro")
    check_told(newsletter.run("publish"), disk)
    disk.remount("rw")
    assert newsletter.run("publish").status == 0
    newsletter.assert_whole(outbox=newsletter.folder / place.outbox, archive=newsletter.folder / place.archive)


def test_a_full_folder_for_temporary_files(newsletter: Newsletter, disk: Disk) -> None:
    disk.leave(4)  # with less, another folder is taken
    check_told(newsletter.run_powerless("publish", TMPDIR=str(disk.path)), disk)
    disk.make_room()
    assert newsletter.run("publish").status == 0
    newsletter.assert_whole()

"""Where readers find our pages, and that their addresses stand in a mail as they are, whatever their length."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from house import make_app, queue

from newsletter.errors import ConfigError
from newsletter.places import Places
from newsletter.preview import preview

DAY, LATER = date(2026, 1, 6), date(2026, 1, 9)
WEB, ARCHIVE = "https://papers.example.org/front", "https://git.example.org/papers/blob/main/{path}"


def test_the_web_front_comes_first() -> None:
    places = Places(WEB, ARCHIVE)
    assert places.unsubscribe("TOKEN") == f"{WEB}/u/TOKEN"
    assert places.editions() == f"{WEB}/editions"
    assert places.edition(DAY, DAY) == f"{WEB}/editions/2026-01-06"
    assert places.edition(DAY, LATER) == f"{WEB}/editions/2026-01-06/2026-01-09"
    assert (
        places.search('ti:"a & b" OR cat:cs.*/?') == f"{WEB}/search?q=ti%3A%22a%20%26%20b%22%20OR%20cat%3Acs.%2A%2F%3F"
    )


def test_else_there_is_the_archive() -> None:
    places = Places(archive=ARCHIVE)
    assert places.editions() == "https://git.example.org/papers/blob/main/README.md"
    assert places.edition(DAY, DAY) == "https://git.example.org/papers/blob/main/editions/2026/01/06.md"
    assert places.edition(DAY, LATER) == places.editions()
    assert places.unsubscribe("TOKEN") == places.search("x") == ""


def test_an_archive_of_one_page() -> None:
    places = Places(archive="https://papers.example.org")
    assert places.editions() == places.edition(DAY, DAY) == "https://papers.example.org"


def test_nowhere() -> None:
    places = Places()
    found = (places.unsubscribe("x"), places.editions(), places.edition(DAY, DAY), places.edition(DAY, LATER))
    assert (*found, places.search("x")) == ("",) * 5


def mailed(folder: Path, base_url: str = "", url: str = "") -> dict[str, str]:
    """The headers of a mail, on the lines as they are."""
    app = make_app(folder, newsletter={"base_url": base_url}, archive={"url": url})
    try:
        queue(app, "reader@example.org")
        raw = preview(app, "reader@example.org", None).message
    finally:
        app.close()
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii")
    assert max(map(len, head.split("\r\n"))) <= 998
    return dict(line.split(":", 1) for line in re.split(r"\r\n(?! )", head))


def test_a_mail_names_them(tmp_path: Path) -> None:
    headers = mailed(tmp_path, WEB, ARCHIVE)
    assert headers["List-Archive"] == f" <{WEB}/editions>"
    assert re.fullmatch(rf" <{WEB}/u/[\w-]+>,\r\n <mailto:[!-~]+>", headers["List-Unsubscribe"])
    assert headers["List-Unsubscribe-Post"] == " List-Unsubscribe=One-Click"


def test_a_mail_of_an_archive_alone(tmp_path: Path) -> None:
    headers = mailed(tmp_path, "", ARCHIVE)
    assert headers["List-Archive"] == " <https://git.example.org/papers/blob/main/README.md>"
    assert re.fullmatch(r"(?:\r\n)? <mailto:[!-~]+>", headers["List-Unsubscribe"])
    assert "List-Unsubscribe-Post" not in headers


def test_a_mail_of_nothing_on_the_web(tmp_path: Path) -> None:
    headers = mailed(tmp_path)
    assert "List-Archive" not in headers
    assert "List-Unsubscribe-Post" not in headers


@pytest.mark.parametrize("length", [27, 40, 48, 49, 60, 76, 77, 200, 900])
def test_they_stay_whole_whatever_their_length(tmp_path: Path, length: int) -> None:
    base_url = "https://papers.example.org/".ljust(length, "x")
    headers = mailed(tmp_path, base_url)
    whole = base_url.rstrip("/")
    assert re.fullmatch(rf"(?:\r\n)? <{whole}/u/[\w-]+>,\r\n <mailto:[!-~]+>", headers["List-Unsubscribe"])
    assert re.fullmatch(rf"(?:\r\n)? <{whole}/editions>", headers["List-Archive"])


@pytest.mark.parametrize(
    ("section", "key", "address"),
    [
        ("newsletter", "base_url", "https://papers.example.org/" + "x" * 874),
        ("newsletter", "base_url", "https://papers.example.org/" + "é" * 146),  # which is longer as it is written
        ("newsletter", "base_url", "https://pa\u202epers.example.org"),
        ("archive", "url", "https://papers.example.org/" + "x" * 874),
        ("archive", "url", "https://papers.example.org/{path}/{other}"),
    ],
)
def test_what_no_header_can_hold_is_refused(tmp_path: Path, section: str, key: str, address: str) -> None:
    sections: dict[str, Any] = {section: {key: address}}
    with pytest.raises(ConfigError, match=rf"{section}\.{key}"):
        make_app(tmp_path, **sections)


def test_addresses_beyond_ascii_are_written_in_ascii(tmp_path: Path) -> None:
    headers = mailed(tmp_path, "https://bücher.example:8443/käse/<x>", "")
    ours = "https://xn--bcher-kva.example:8443/k%C3%A4se/%3Cx%3E"
    assert headers["List-Archive"] == f"\r\n <{ours}/editions>"
    app = make_app(tmp_path, archive={"url": "https://bücher.example/é/{path}"})
    assert app.places.edition(DAY, DAY) == "https://xn--bcher-kva.example/%C3%A9/editions/2026/01/06.md"

"""``[bounces]``: what it may say, and what is refused with the key named."""

from pathlib import Path

import pytest

from newsletter.config import load, parse_table
from newsletter.config.bounces import LONGEST_LOCAL_PART
from newsletter.errors import ConfigError

IMAP = {"imap": "imaps://mail.example.org", "username": "bounces", "password": {"env": "IMAP_PASSWORD"}}
ADDRESS = {"address": "bounces@example.org"}


@pytest.fixture(autouse=True)
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAP_PASSWORD", "hunter2")


def refusal(**bounces: object) -> str:
    table = {"newsletter": {"sender": "papers@example.org"}, "bounces": bounces}
    with pytest.raises(ConfigError) as caught:
        parse_table(table, Path("/x/config.toml"))
    return str(caught.value).removeprefix("/x/config.toml: ")


def test_without_it_nothing_is_read() -> None:
    config = parse_table({"newsletter": {"sender": "papers@example.org"}}, Path("/x/config.toml"))
    assert (config.bounces.address, config.bounces.suspend_at) == ("", 3.0)


def test_a_maildir_and_an_imap_account(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    head = '[newsletter]\nsender = "papers@example.org"\n[bounces]\naddress = "bounces@bücher.local"\n'
    file.write_text(f'{head}maildir = "box"\nsuspend_at = 5', encoding="utf-8")
    assert (load(file).bounces.maildir, load(file).bounces.suspend_at) == (tmp_path / "box", 5.0)
    file.write_text(
        f'{head}imap = "imaps://mail.example.org"\nusername = "b"\npassword = {{ env = "IMAP_PASSWORD" }}',
        encoding="utf-8",
    )
    bounces = load(file).bounces
    assert bounces.secret is not None
    assert bounces.secret.get_secret_value() == "hunter2"
    assert bounces.folder == "INBOX"
    assert "hunter2" not in repr(bounces)


@pytest.mark.parametrize(
    ("bounces", "says"),
    [
        (ADDRESS, "bounces.address: somebody has to read what comes there (needed with it: maildir or imap)"),
        ({"maildir": "box"}, "bounces.address: needed with maildir"),
        (IMAP, "bounces.address: needed with imap"),
        ({**ADDRESS, **IMAP, "maildir": "box"}, "bounces.imap: maildir is set, too"),
        ({**ADDRESS, **IMAP, "username": ""}, "bounces.username: needed with imap"),
        ({**ADDRESS, "imap": "imaps://x.example", "username": "b"}, "bounces.password: needed with imap"),
        ({**ADDRESS, **IMAP, "password": "hunter2"}, "bounces.password: a secret is not written here"),
        ({**ADDRESS, **IMAP, "password": {"env": "NONE_SET"}}, "bounces.password: the environment variable NONE_SET"),
        ({**ADDRESS, **IMAP, "folder": ""}, "bounces.folder: expected some text"),
        ({**ADDRESS, **IMAP, "folder": "Zurückgekommen"}, "bounces.folder: 'Zurückgekommen' is not in ASCII"),
        ({**ADDRESS, "maildir": "box", "suspend_at": 0}, "bounces.suspend_at: expected 0.5 or more"),
        ({**ADDRESS, "maildir": "box", "suspend_at": "3"}, "bounces.suspend_at: expected a number"),
        ({**ADDRESS, "maildir": "box", "user": "x"}, "bounces.user: unknown key; did you mean username?"),
        *(
            ({"address": address, "maildir": "box"}, "bounces.address: ")
            for address in (
                "bounces",
                "@example.org",
                "bounces@",
                "bounces@-.example",
                "Bounces <bounces@example.org>",
                "jürgen@example.org",
                "a b@example.org",
                f"{'b' * (LONGEST_LOCAL_PART + 1)}@example.org",
            )
        ),
        *(
            ({**ADDRESS, **IMAP, "imap": address}, "bounces.imap: it is not an address")
            for address in (
                "mail.example.org",
                "https://mail.example.org",
                "imaps://",
                "imaps://u:hunter2@mail.example.org",
                "imaps://mail.example.org:99999",
                "imaps://mail.example.org/INBOX",
                "imaps://mail.example.org?x",
                "imaps://[::1",
            )
        ),
    ],
)
def test_what_is_refused(bounces: dict[str, object], says: str) -> None:
    said = refusal(**bounces)
    assert said.startswith(says)
    assert "hunter2" not in said


def test_the_longest_address() -> None:
    table = {
        "newsletter": {"sender": "papers@example.org"},
        "bounces": {"address": f"{'b' * LONGEST_LOCAL_PART}@example.org", "maildir": "box"},
    }
    assert parse_table(table, Path("/x/config.toml")).bounces.address.startswith("bbb")

"""No file is given out but ours, and those that we make harm nobody who opens them in something else."""

import csv
import io
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks import FORMULAS, PATHS, converse, join, post, ripe, token
from click.testing import CliRunner
from house import subscribe
from hypothesis import given, settings
from hypothesis import strategies as st
from webfront import WebFront, served, web_front

from newsletter.cli import newsletter
from newsletter.csvfile import csv_line

SECRETS = (b"[newsletter]", b"SQLite format", b"root:", b"{% extends", b"ref: refs", b"ann@example.org")
#: What a spreadsheet takes for a formula, or hides it behind (OWASP, "CSV Injection").
BEGINS_A_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
#: Addresses may begin so.
ADDRESSES = ("=1+1@example.org", "+1@example.org", "-1+1@example.org", "=cmd|'/c'!A1@example.org", "'=1@example.org")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebFront]:
    folder = tmp_path_factory.mktemp("front")
    (folder / "config.toml").write_text('[newsletter]\nsender = "papers@example.org"\n')
    with web_front(folder) as made:
        subscribe(made.app, "ann@example.org")
        yield made


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize("path", PATHS)
def test_no_path_leads_out(front: WebFront, path: str) -> None:
    """As it is written, over the wire and past it."""
    answers = [front.get(path).data, front.client.open("/", environ_overrides={"PATH_INFO": path}).data]
    with served(front) as url:
        answers.append(converse(url, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()))
    for answer in answers:
        assert not any(secret in answer for secret in SECRETS)
        assert str(front.app.config.path.parent).encode() not in answer


def test_files_are_those_we_name(front: WebFront) -> None:
    """There is no rule by which a file's name is a part of its address."""
    assert front.site.static_folder is None
    assert front.site.template_folder is None
    places = {rule.rule for rule in front.site.url_map.iter_rules() if "." in rule.rule and "<" not in rule.rule}
    assert places == {
        "/style.css",
        "/live.js",
        "/favicon.ico",
        "/robots.txt",
        "/feeds/editions.atom",
        "/feeds/search.atom",
    }
    assert not [rule for rule in front.site.url_map.iter_rules() if "path:" in rule.rule]


@given(
    st.lists(
        st.sampled_from(
            (
                "..",
                ".",
                "%2e%2e",
                "%2f",
                "\\",
                "/",
                "//",
                "\0",
                "~",
                "config.toml",
                "subscribers.db",
                "style.css",
                "etc",
                "passwd",
            )
        ),
        max_size=8,
    ).map("/".join)
)
@settings(max_examples=100)
def test_no_way_leads_out(front: WebFront, path: str) -> None:
    answer = front.client.open("/", environ_overrides={"PATH_INFO": f"/{path}"})
    assert answer.status_code in (200, 404, 405)
    assert not any(secret in answer.data for secret in SECRETS)


def test_what_holds_readers_is_nobody_elses(front: WebFront, tmp_path: Path) -> None:
    """Neither the database, nor what lies beside it, nor an export or a backup."""
    old = os.umask(0)
    try:
        config = str(front.app.config.path)
        for command in (
            ["subscribers", "export", str(tmp_path / "export.csv")],
            ["backup", str(tmp_path / "backup.db")],
        ):
            result = CliRunner().invoke(newsletter, ["--config", config, *command], standalone_mode=False)
            assert result.exception is None, result.exception
    finally:
        os.umask(old)
    folder = front.app.config.path.parent
    for file in (*folder.glob("subscribers.db*"), *tmp_path.iterdir()):
        assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file


# ---------------------------------------------------------------- tables


def test_an_export_holds_no_formula(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        for number, email in enumerate(ADDRESSES):
            queries = [f'ti:"{text}"' for text in FORMULAS[:6] if '"' not in text]
            join(front, email, which="some", queries="\n".join([*queries, f"ti:{number}"]))
        text = "".join(front.app.subscriptions.export_csv())
        for delimiter in ",;\t":
            for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
                assert not [cell for cell in row if cell.startswith(BEGINS_A_FORMULA)]
        (tmp_path / "again").mkdir()
        with web_front(tmp_path / "again") as again:
            moment = again.app.now()
            steps = list(
                again.app.subscriptions.import_csv(
                    io.StringIO(text, newline=""), confirmed=False, today=again.app.today(), now=moment
                )
            )
            assert not [step.bad for step in steps if step.bad]
            assert "".join(again.app.subscriptions.export_csv()) == text


@given(st.lists(st.sampled_from(FORMULAS) | st.text(st.characters(codec="utf-8"), max_size=20), min_size=1, max_size=5))
def test_no_cell_begins_a_formula(cells: list[str]) -> None:
    line = csv_line(cells)
    for delimiter in ",;":
        for row in csv.reader(io.StringIO(line, newline=""), delimiter=delimiter):
            assert not [cell for cell in row if cell.startswith(BEGINS_A_FORMULA)]


# ---------------------------------------------------------------- what is taken along


def test_an_export_of_ones_own_is_a_file_and_no_page(front: WebFront) -> None:
    answer = front.get(f"/p/{token(front, 'manage', 1)}/export")
    assert answer.content_type == "application/json; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="subscription.json"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert json.loads(answer.text)["subscriber"]["email"] == "ann@example.org"


def test_an_export_of_ones_own_holds_nothing_of_others(tmp_path: Path) -> None:
    """Neither of who asked for mail to this address, nor keys, nor what would prove whose an address is."""
    with web_front(tmp_path) as front:
        subscribe(front.app, "bob@example.org", queries=["ti:theirs"])
        number = join(front, "ann@example.org", which="some", queries="ti:own")
        for place in range(3):
            answer = post(
                front,
                "/subscribe",
                f"10.0.{place}.1",
                email="ann@example.org",
                opened=ripe(front),
                queries="ti:strange",
            )
            assert answer.status_code == 200
        reader = token(front, "manage", number)
        post(front, f"/p/{reader}", do="move", email="moved@example.org")
        text = front.page(f"/p/{reader}/export")
        keys = front.app.storage.keys
        for secret in (
            "bob@",
            "theirs",
            "strange",
            keys.addresses.hex(),
            *(key.hex() for key in keys.tokens().values()),
            "/c/",
            "/u/",
            "/p/",
        ):
            assert secret not in text
        assert "ti:own" in text

"""`newsletter preview`: the mail as files and in the browser, made from the templates as they are now."""

import email
import json
import os
import pty
import quopri
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.policy import default
from functools import partial
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pytest
import requests
from adversity import Newsletter
from adversity import newsletter as newsletter  # the fixture
from house import START, Time, bring, day, make_app, make_paper
from hypothesis import given
from hypothesis import strategies as st
from processes import until
from test_cli import process
from test_looking import published as published
from test_looking import sealed

from newsletter.app import App
from newsletter.cli.preview import can_show
from newsletter.errors import RunError, UsageError
from newsletter.preview import preview
from newsletter.preview.pages import Pages
from newsletter.preview.viewer import Viewer
from newsletter.preview.views import View, shown
from newsletter.settling import settle

ROOT = Path(__file__).parents[1]
CHECKERS = Path(__file__).parent / "checkers"
TITLE = "On <script>alert(1)</script> & Graph Neural Networks"
WAIT = 10.0  # seconds for an answer


# ---------------------------------------------------------------- as files


def parts(message: bytes) -> tuple[bytes, bytes]:
    """Text and HTML, as they are encoded."""
    boundary = re.search(rb'boundary="([^"]+)"', message)
    assert boundary is not None
    _, text, html, _ = message.split(b"--" + boundary[1])
    return text.partition(b"\r\n\r\n")[2], html.partition(b"\r\n\r\n")[2]


def test_two_files_and_what_they_hold(published: Newsletter) -> None:
    done = process(published.folder, "preview")
    assert (done.returncode, done.stderr) == (0, "")
    raw, html = ((published.folder / f"preview.{kind}").read_bytes() for kind in ("eml", "html"))
    mail = email.message_from_bytes(raw, policy=default)
    size = len(parts(raw)[1]) / 1000
    assert done.stdout == (
        f"{mail['Subject']}\n3 papers; the HTML part has {size:.1f} KB of at most 90.\n"
        "Wrote preview.eml and preview.html.\n"
    )
    assert quopri.decodestring(parts(raw)[1]) == html
    assert mail["To"] == "papers@example.org"
    again = process(published.folder, "preview", "--subscriber", "ada@example.org")
    assert again.returncode == 0
    assert b"\r\nTo: ada@example.org\r\n" in (published.folder / "preview.eml").read_bytes()


def test_a_mail_of_text_alone_is_a_file_of_text(published: Newsletter) -> None:
    app = published.app()
    with app.storage.write():
        app.storage.database.execute("UPDATE subscribers SET format = 'text' WHERE email LIKE 'ada@%'")
    app.close()
    done = process(published.folder, "preview", "--subscriber", "ada@example.org")
    said = done.stdout.splitlines()
    assert said[1:] == ["3 papers; plain text alone.", "Wrote preview.eml and preview.txt."]
    assert (published.folder / "preview.txt").read_bytes().startswith(b"Daily Papers\r\n")
    assert not (published.folder / "preview.html").exists()


def test_another_language_and_the_greeting(published: Newsletter) -> None:
    done = process(published.folder, "preview", "--language", "de", "--welcome")
    assert (done.returncode, done.stdout.partition("\n")[0]) == (
        0,
        "Willkommen bei Daily Papers: 6. Jan., 3 neu in 1 Thema",
    )
    assert b"Sie haben Daily Papers abonniert" in (published.folder / "preview.html").read_bytes()
    refused = process(published.folder, "preview", "--language", "fr")
    assert refused.returncode == 2
    assert "'en', 'de'" in refused.stderr


@pytest.mark.parametrize("suffix", ["html", "txt", "eml"])
def test_one_file_or_standard_output(published: Newsletter, suffix: str) -> None:
    path = published.folder / f"mail.{suffix}"
    path.write_bytes(b"older" * 100_000)
    said = published.run("preview", "--output", str(path))
    assert (said.status, said.output.splitlines()[2]) == (0, f"Wrote {path}.")
    begins = {"html": b"<!DOCTYPE html>", "txt": b"Daily Papers\r\n", "eml": b"From: Daily Papers <papers@example.org>"}
    assert path.read_bytes().startswith(begins[suffix])
    assert not list(published.folder.glob("preview.*"))
    out = published.run("preview", "--output", "-")
    assert out.output.startswith("<!DOCTYPE html>")
    assert "3 papers; " in out.errors


def test_nobody_else_reads_it(published: Newsletter) -> None:
    """With --subscriber it holds that reader's own link to leave."""
    (published.folder / "preview.eml").touch(0o644)
    process(published.folder, "preview")
    assert {(published.folder / name).stat().st_mode & 0o777 for name in ("preview.eml", "preview.html")} == {0o600}


def test_what_is_no_file_is_left_alone(published: Newsletter) -> None:
    (published.folder / "preview.html").mkdir()
    os.mkfifo(published.folder / "pipe")
    done = process(published.folder, "preview")
    left = "this is not a file of ours, and is left as it is"
    assert (done.returncode, done.stderr) == (1, f"newsletter: preview.html: {left}\n")
    assert not (published.folder / "preview.eml").exists()
    done = process(published.folder, "preview", "--output", "pipe")
    assert (done.returncode, done.stderr) == (1, f"newsletter: pipe: {left}\n")
    (published.folder / "notes").touch()
    done = process(published.folder, "preview", "--output", "notes")
    assert (done.returncode, done.stderr) == (1, f"newsletter: notes: {left}\n")
    done = process(published.folder, "preview", "--output", "subscribers.db")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "Error: --output: a mail is no .db (allowed: .eml, .html, .txt, or -)",
    )
    assert process(published.folder, "preview", "--output", ".").returncode == 2


def test_where_nothing_can_be_written(published: Newsletter) -> None:
    said = published.run("preview", "--output", str(published.folder / "none" / "mail.html"))
    assert (said.status, said.lines) == (
        1,
        [f"newsletter: {published.folder}/none/mail.html: cannot be written: No such file or directory"],
    )
    with sealed(published.folder):
        said = published.run_powerless("preview")
        assert (said.status, said.lines) == (1, ["newsletter: preview.eml: cannot be written: Permission denied"])


@pytest.mark.parametrize(
    "options",
    [
        ("--subscriber", "ada@example.org", "--topic", "Graph Neural Networks"),
        ("--output", "mail.html", "--web"),
        ("--port", "8000"),
        ("--web", "--port", "0"),
        ("--date", "yesterday"),
        ("--subscriber", "nobody@example.org"),
        ("--topic", "No Such Topic"),
    ],
    ids=" ".join,
)
def test_wrong_use(published: Newsletter, options: tuple[str, ...]) -> None:
    said = published.run("preview", *options)
    assert (said.status, said.output) == (2, "")
    assert said.errors
    assert not list(published.folder.glob("mail.*"))


@pytest.mark.parametrize("options", [(), ("--web",), ("--output", "-"), ("--date", "2026-01-06")], ids=" ".join)
def test_before_the_first_edition(newsletter: Newsletter, options: tuple[str, ...]) -> None:
    said = newsletter.run("preview", *options)
    assert (said.status, said.output) == (1, "")
    assert said.lines == ["newsletter: there is no edition yet; `newsletter publish` makes one"]


# ---------------------------------------------------------------- which edition


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    """A newsletter with editions of three dates, and a folder of templates."""
    (tmp_path / "own" / "digest").mkdir(parents=True)
    app = make_app(tmp_path, time=time, topics=("Graph Neural Networks", "Moths"), digest={"templates": "own"})
    for number, offset in enumerate((0, 1, 5), 1):
        time.now = START + timedelta(days=offset)
        bring(app, make_paper(number, f"Graph Neural Networks, Part {number}"), make_paper(9 * number, TITLE))
        settle(app, day(offset))
    yield app
    app.close()


@pytest.mark.parametrize(("offset", "part"), [(0, 1), (1, 2), (5, 3), (None, 3)])
def test_an_edition_holds_what_is_its_own(app: App, offset: int | None, part: int) -> None:
    mail = preview(app, None, None, None if offset is None else day(offset))
    told = re.findall(r"Part (\d)", mail.text.decode())
    assert set(told) == {str(part)}
    assert (mail.edition, mail.papers) == (day(5 if offset is None else offset), 2)
    assert mail.size == len(parts(mail.message)[1])


@pytest.mark.parametrize(
    ("offset", "nearest"),
    [
        (-3, "the nearest is that of 2026-01-06"),
        (2, "the nearest are those of 2026-01-07 and 2026-01-11"),
        (4, "the nearest are those of 2026-01-07 and 2026-01-11"),
        (6, "the nearest is that of 2026-01-11"),
    ],
)
def test_a_date_without_an_edition(app: App, offset: int, nearest: str) -> None:
    with pytest.raises(UsageError) as error:
        preview(app, None, None, day(offset))
    assert str(error.value) == f"{day(offset)} has no edition; {nearest}"


def test_an_edition_with_nothing_for_a_topic(app: App) -> None:
    with pytest.raises(RunError, match="the edition of 2026-01-11 holds nothing for Moths"):
        preview(app, None, "Moths")


def test_templates_count_as_they_are_now(app: App, tmp_path: Path) -> None:
    """An edition keeps its cards as they were made; whoever looks wants to see what they have just changed."""
    (tmp_path / "own/digest/body.html").write_text(
        '{% extends "original/digest/body.html" %}{% block card %}<tr><td>A card of mine</td></tr>\n{% endblock %}'
    )
    assert b"A card of mine" in preview(app, None, None).html


# ---------------------------------------------------------------- whether it is opened


@pytest.mark.parametrize(
    ("environment", "platform", "terminal", "shows"),
    [
        ({"DISPLAY": ":0"}, "linux", True, True),
        ({"WAYLAND_DISPLAY": "wayland-0"}, "linux", True, True),
        ({}, "linux", True, False),
        ({"SSH_CONNECTION": "a b c d"}, "linux", True, False),
        ({"SSH_CONNECTION": "a b c d", "DISPLAY": "localhost:10.0"}, "linux", True, True),
        ({"DISPLAY": ":0"}, "linux", False, False),
        ({"DISPLAY": ":0", "CI": "true"}, "linux", True, False),
        ({}, "darwin", True, True),
        ({"SSH_CONNECTION": "a b c d"}, "darwin", True, False),
        ({}, "darwin", False, False),
    ],
)
def test_who_can_be_shown_something(environment: dict[str, str], platform: str, terminal: bool, shows: bool) -> None:
    assert can_show(environment, platform, terminal=terminal) is shows


def on_a_terminal(folder: Path, *arguments: str, **environment: str) -> None:
    """Run the program at a terminal, to its end."""
    ours, theirs = pty.openpty()
    outside = {name: value for name, value in os.environ.items() if name not in ("CI", "DISPLAY", "WAYLAND_DISPLAY")}
    command = [sys.executable, "-m", "newsletter", *arguments]
    try:
        outside |= {"PYTHONPATH": str(ROOT), **environment}
        subprocess.run(command, cwd=folder, env=outside, stdout=theirs, check=True, timeout=WAIT)
    finally:
        os.close(theirs)
        os.close(ours)


@pytest.mark.skipif(sys.platform == "darwin", reason="macOS opens files by another program")
def test_on_a_desktop_it_is_opened(published: Newsletter) -> None:
    opened = published.folder / "opened"
    opener = published.folder / "xdg-open"
    opener.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    opener.chmod(0o755)
    search = f"{published.folder}:{os.environ['PATH']}"
    on_a_terminal(published.folder, "preview", PATH=search)
    on_a_terminal(published.folder, "preview", "--output", "other.html", PATH=search, DISPLAY=":0")
    on_a_terminal(published.folder, "preview", PATH=search, DISPLAY=":0")
    until(lambda: opened.exists() and opened.read_text().endswith("\n"))
    assert opened.read_text() == f"{published.folder / 'preview.html'}\n"


# ---------------------------------------------------------------- what the views make of a mail


MAIL = """<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>t</title><style>
:root { color-scheme: light dark; }
@media (prefers-color-scheme: dark) { .a { color: #fff } }
@media ( prefers-color-scheme:LIGHT ) { .b { color: #000 } }
@media screen and (prefers-color-scheme: dark) and (max-width: 600px) { .c { color: #eee } }
@media (max-width: 600px) { .d { color: #111 } }
</style></head><body><p>@media (prefers-color-scheme: dark) { is what they ask.</p></body></html>"""


def test_light_and_dark_do_not_ask_the_browser() -> None:
    dark, light = shown(MAIL, View.DARK), shown(MAIL, View.LIGHT)
    assert "@media all { .a" in dark
    assert "@media not all { .b" in dark
    assert "@media screen and (min-width: 0px) and (max-width: 600px) { .c" in dark
    assert "@media not all { .a" in light
    assert "@media all { .b" in light
    assert "@media screen and (max-width: -1px) and (max-width: 600px) { .c" in light
    for page, scheme in ((dark, "dark"), (light, "light")):
        assert "@media (max-width: 600px) { .d" in page
        assert f":root {{ color-scheme: {scheme} !important; }}" in page
        assert "<p>@media (prefers-color-scheme: dark) { is what they ask.</p>" in page
        assert page.count("prefers-color-scheme") == 1


def test_bare_is_without_the_stylesheet() -> None:
    bare = shown(MAIL, View.BARE)
    assert re.findall(r"<style\b.*?</style>", bare, re.S) == [
        "<style>:root { color-scheme: light !important; }</style>"
    ]
    assert bare.endswith(MAIL.partition("</style>")[2])


@given(st.text() | st.text(st.sampled_from("<style>/ @media(prefers-color-scheme:dark){}\n")), st.sampled_from(View))
def test_no_text_is_changed(text: str, view: View) -> None:
    body = text.replace("<", "&lt;")
    assert shown(f"<html><head></head><body>{body}", view).endswith(f"</head><body>{body}")


# ---------------------------------------------------------------- in the browser


@pytest.fixture
def viewer(app: App) -> Iterator[Viewer]:
    with Viewer(Pages(app, None, None, None)) as viewer:
        yield viewer


def get(viewer: Viewer, path: str = "", method: str = "GET", **headers: str) -> requests.Response:
    return requests.request(method, viewer.url + path, headers=headers, timeout=WAIT)


class Reader(HTMLParser):
    """What a page consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def pages(viewer: Viewer) -> Iterator[tuple[str, Reader, requests.Response]]:
    """Every page that a link leads to, without the mails in their frames."""
    waiting, seen = ["/"], {"/"}
    while waiting:
        path = waiting.pop()
        answer = get(viewer, path[1:])
        reader = Reader(answer.text)
        yield path, reader, answer
        for link in reader.all("a"):
            if link["href"] not in seen:
                seen.add(link["href"])
                waiting.append(link["href"])


def test_every_page_that_links_lead_to(viewer: Viewer) -> None:
    found = 0
    for path, reader, answer in pages(viewer):
        found += 1
        assert answer.status_code == 200, path
        assert reader.all("html") == [{"lang": "en"}]
        assert len(reader.all("title")) == len(reader.all("h1")) == len(reader.all("main")) == 1
        assert not reader.all("script")
        assert not [name for _, attributes in reader.elements for name in attributes if name.startswith("on")]
        loads = [attributes.get("src") or attributes.get("href", "") for _, attributes in reader.elements]
        assert all(address.startswith("/") and not address.startswith("//") for address in filter(None, loads))
        for frame in reader.all("iframe"):
            assert "allow-scripts" not in frame["sandbox"]
            assert "allow-same-origin" not in frame["sandbox"]
            assert frame["title"]
            assert get(viewer, frame["src"][1:]).status_code == 200
        assert reader.all("iframe") or "<pre>" in answer.text
        assert [link for link in reader.all("a") if "aria-current" in link]
        assert "2 papers" in answer.text
    assert found == 1 + 4 * 8  # "/"; the newest and three dates, each in 8 ways


def test_the_size_is_told(app: App, viewer: Viewer) -> None:
    size = preview(app, None, None).size / 1000
    assert f"{size:.1f} KB of at most 90 KB" in get(viewer).text


def test_a_mail_may_load_and_run_nothing(viewer: Viewer) -> None:
    page, mail = get(viewer), get(viewer, "newest/light/mail")
    assert page.headers["Content-Security-Policy"] == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'self'; frame-src 'self';"
        " frame-ancestors 'none'"
    )
    assert mail.headers["Content-Security-Policy"] == (
        "default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'unsafe-inline'; img-src data:;"
        " frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
    )
    for answer in (page, mail, get(viewer, "preview.css"), get(viewer, "none")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def preformatted(page: str) -> str:
    return unescape(page.partition("<pre>\n")[2].rpartition("</pre>")[0])


def test_the_views(app: App, viewer: Viewer) -> None:
    mail = preview(app, None, None)
    html = mail.html.decode()
    for view in (View.LIGHT, View.DARK, View.BARE):
        assert get(viewer, f"newest/{view}/mail").content == shown(html, view).encode()
    assert "&lt;script&gt;alert(1)" in get(viewer, "newest/light/mail").text
    text, headers = (preformatted(get(viewer, f"newest/{view}").text) for view in (View.TEXT, View.HEADERS))
    assert text == mail.text.decode().replace("\r\n", "\n")
    names = re.findall(r"^([\w-]+):", headers, re.M)
    wanted = re.findall(rb"^([\w-]+):", mail.message.partition(b"\r\n\r\n")[0], re.M)
    assert [name.encode() for name in names] == wanted
    assert "alert(1)" in text


def test_a_change_is_seen_on_the_next_load(viewer: Viewer, tmp_path: Path) -> None:
    sheet = tmp_path / "own/digest/digest.css"
    assert "#123456" not in get(viewer, "newest/light/mail").text
    sheet.write_text("/* kept */ .mine { color: #123456; }")
    assert "#123456" in get(viewer, "newest/light/mail").text
    sheet.unlink()
    assert "#123456" not in get(viewer, "newest/light/mail").text


def test_a_broken_template_is_told_and_outlived(viewer: Viewer, tmp_path: Path) -> None:
    body = tmp_path / "own/digest/body.html"
    for broken, line in (("\n\n{% if %}", 3), ("{{ nobody.knows }}", 1), ("{{ 1 / 0 }}", 1)):
        body.write_text(broken)
        for path in ("", "newest/text", "newest/dark/mail"):
            answer = get(viewer, path)
            assert answer.status_code == 500
            assert f"{body}, line {line}: " in answer.text
            assert "Traceback" not in answer.text
            assert Reader(answer.text).all("html") == [{"lang": "en"}]
    body.unlink()
    assert get(viewer).status_code == 200


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("none", "There is nothing at /none."),
        ("newest/light/mail/more", "There is nothing at /newest/light/mail/more."),
        ("newest/text/phone", "There is nothing at "),
        ("../config.toml", "There is nothing at "),
        ("%2e%2e/config.toml", "There is nothing at "),
        ("newest/<script>", "There is nothing at /newest/%3Cscript%3E."),
        ("2026-01-08/light", "2026-01-08 has no edition; the nearest are those of 2026-01-07 and 2026-01-11"),
        ("2026-13-45/light", "2026-13-45 is not a date"),
    ],
)
def test_what_is_not_there(viewer: Viewer, path: str, reason: str) -> None:
    answer = get(viewer, path)
    assert answer.status_code == 404
    assert reason in answer.text
    assert Reader(answer.text).all("h1")


def test_a_question_mark_changes_nothing(viewer: Viewer) -> None:
    assert get(viewer, "newest/text?from=here").status_code == 200


def raw(viewer: Viewer, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", viewer.port), WAIT) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


STRANGE = (
    "evil.example",
    "evil.example:{port}",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "",
    "[::1]:{port}",
)


@pytest.mark.parametrize("host", STRANGE)
def test_it_goes_by_its_own_name_only(viewer: Viewer, host: str) -> None:
    for path in ("", "newest/light/mail", "preview.css"):
        answer = get(viewer, path, Host=host.format(port=viewer.port))
        assert (answer.status_code, answer.text) == (403, "This is 127.0.0.1, and goes by no other name.\n")


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "LOCALHOST:{port}", "localhost", "127.0.0.1:8000"])
def test_it_may_be_reached_by_a_tunnel(viewer: Viewer, host: str) -> None:
    assert get(viewer, Host=host.format(port=viewer.port)).status_code == 200


def test_who_names_no_host_is_refused(viewer: Viewer) -> None:
    assert raw(viewer, b"GET / HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.0 403 ")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_it_only_shows(viewer: Viewer, method: str) -> None:
    answer = get(viewer, method=method)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert get(viewer, method="BREW").status_code == 501


def test_head_is_get_without_the_page(viewer: Viewer) -> None:
    whole, head = get(viewer, "newest/text"), get(viewer, "newest/text", method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.content))


def test_it_listens_on_this_machine_only(viewer: Viewer) -> None:
    """Another address of this machine's own, as good as one from outside."""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", viewer.port), WAIT).close()


def test_many_at_once_and_one_who_says_nothing(viewer: Viewer) -> None:
    with socket.create_connection(("127.0.0.1", viewer.port)), ThreadPoolExecutor(8) as pool:
        paths = ["newest/light/mail", "newest/text", "2026-01-06/dark/mail"] * 8
        answers = list(pool.map(partial(get, viewer), paths))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 3


def test_rubbish_does_not_end_it(viewer: Viewer) -> None:
    for request in (
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"GET\r\n\r\n",
        b"\0" * 9000 + b"\r\n\r\n",
    ):
        with suppress(ConnectionError):
            raw(viewer, request)
    assert get(viewer).status_code == 200


def test_a_mail_of_one_reader_or_one_topic(app: App) -> None:
    with Viewer(Pages(app, None, "Moths", None)) as viewer:
        answer = get(viewer)
        assert answer.status_code == 404
        assert "the edition of 2026-01-11 holds nothing for Moths" in answer.text
    with Viewer(Pages(app, None, "graph neural networks", day(1))) as viewer:
        assert "Part 2" in get(viewer, "2026-01-07/text").text
        assert "/2026-01-07/light/mail" in get(viewer).text


def test_looking_changes_nothing(app: App, viewer: Viewer) -> None:
    before = list(app.storage.database.tables.conn.iterdump())
    for _ in pages(viewer):
        pass
    assert list(app.storage.database.tables.conn.iterdump()) == before


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not there")
@pytest.mark.skipif(not (CHECKERS / "node_modules").exists(), reason="npm ci was not run in tests/checkers")
def test_pages_are_valid_html(viewer: Viewer, tmp_path: Path) -> None:
    found = {path: answer.text for path, _, answer in pages(viewer)} | {"/none": get(viewer, "none").text}
    (tmp_path / "own/digest/body.html").write_text("{% if %}")
    found["broken"] = get(viewer).text
    command = ["node", str(CHECKERS / "check.mjs")]
    done = subprocess.run(command, input=json.dumps(found), capture_output=True, text=True, check=True)
    errors = {
        (path, problem["rule"], problem["message"])
        for path, answer in json.loads(done.stdout).items()
        for problem in answer["validity"]
        if problem["rule"] != "require-sri"  # it is our own stylesheet, from where the page is from
    }
    assert not errors


# ---------------------------------------------------------------- from the command line


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The program, and the port it says it listens at."""
    # Where the tests run in the background, SIGINT is ignored, and a child would ignore it too.
    hear = partial(signal.signal, signal.SIGINT, signal.default_int_handler)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NEWSLETTER_CONFIG": str(folder / "config.toml")}
    with subprocess.Popen(
        [sys.executable, "-m", "newsletter", "preview", "--web"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=hear,
    ) as program:
        try:
            assert program.stdout is not None
            found = re.fullmatch(r"http://127\.0\.0\.1:(\d+)/ shows it until Ctrl-C\.\n", program.stdout.readline())
            assert found is not None
            yield program, int(found[1])
        finally:
            program.kill()


def status(port: int, path: str) -> int:
    return requests.get(f"http://127.0.0.1:{port}/{path}", timeout=WAIT).status_code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_is_served_until_ctrl_c(published: Newsletter, number: int) -> None:
    with serving(published.folder) as (program, port):
        assert status(port, "newest/light/mail") == 200
        program.send_signal(number)
        assert program.wait(WAIT) == 0
        assert program.stdout is not None
        assert program.stdout.read() == ""
    assert not list(published.folder.glob("preview.*"))


def test_a_port_that_is_taken(published: Newsletter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = published.run("preview", "--web", "--port", str(port))
    assert said.lines == [f"newsletter: 127.0.0.1:{port}: cannot be listened at: Address already in use"]
    assert (said.status, said.output) == (1, "")


def test_a_broken_template_is_looked_at_too(published: Newsletter) -> None:
    published.configure("[digest]\ntemplates = 'own'\n")
    folder = published.folder / "own" / "digest"
    folder.mkdir(parents=True)
    (folder / "body.html").write_text("{% if %}")
    with serving(published.folder) as (_, port):
        assert status(port, "") == 500
        (folder / "body.html").unlink()
        assert status(port, "") == 200

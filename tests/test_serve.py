"""The server of the web front on real sockets, with clients that misbehave; and `newsletter serve`."""

import http.client
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Response, request
from house import day, make_paper
from processes import WAITS, lives, until
from webfront import WebFront, served, serving, web_front

from newsletter.app import App
from newsletter.config.web import WebSection
from newsletter.errors import RunError
from newsletter.web.answering import HEADERS, LARGEST_BODY
from newsletter.web.listening import Patience, listen
from newsletter.web.serving import serve


@pytest.fixture
def front(tmp_path: Path) -> Iterator[WebFront]:
    with web_front(tmp_path) as made:
        made.bring_out(make_paper(1))
        yield made


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Message
    body: bytes


def ask(url: str, method: str = "GET", path: str = "/", **options: Any) -> Answer:
    with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=WAITS)) as connection:
        connection.request(method, path, **options)
        answer = connection.getresponse()
        return Answer(answer.status, answer.headers, answer.read())


def connected(url: str) -> socket.socket:
    return socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=WAITS)


def rest(raw: socket.socket) -> bytes:
    """What comes until the other side closes, or breaks off since it does not want to hear the rest."""
    found = b""
    with suppress(ConnectionResetError, BrokenPipeError):
        while more := raw.recv(65536):
            found += more
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port: int = found.getsockname()[1]
        return port


# ---------------------------------------------------------------- over real HTTP


def test_pages_over_real_http(front: WebFront) -> None:
    with served(front) as url:
        for path in ("/", "/editions", f"/editions/{day()}", "/style.css", "/nowhere"):
            answer = ask(url, path=path)
            assert answer.status == (404 if path == "/nowhere" else 200)
            assert answer.headers["Content-Length"] == str(len(answer.body))
            assert {name: answer.headers[name] for name in HEADERS} == HEADERS
            assert not {"Server", "Set-Cookie"} & set(answer.headers)
        head = ask(url, "HEAD", "/editions")
        assert (head.status, head.body) == (200, b"")


LARGE_CHUNK = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + 3 * LARGE_CHUNK, 413),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: nonsense\r\n\r\n", 501),
    ],
)
def test_what_never_gets_to_a_page_is_guarded_too(front: WebFront, said: bytes, status: int) -> None:
    with served(front) as url, connected(url) as raw:
        with suppress(OSError):  # it may not want to hear all of it
            raw.sendall(said)
        answer = rest(raw).decode()
        assert re.match(rf"HTTP/1\.[01] {status} ", answer)
        for name, value in HEADERS.items():
            assert f"\r\n{name}: {value}\r\n".lower() in answer.lower()
        assert "waitress" not in answer


def test_a_body_that_is_too_large_is_refused_in_our_words(front: WebFront) -> None:
    with served(front) as url:
        answer = ask(url, "POST", "/editions", body=b"x" * (LARGEST_BODY + 1))
        assert answer.status == 413
        assert b"larger than anything we expect" in answer.body


@pytest.mark.parametrize("host", ["", "evil.example", "a b", "[", "x" * 1000, "\xff"])
def test_hosts_of_all_kinds(front: WebFront, host: str) -> None:
    with served(front) as url, connected(url) as raw:
        raw.sendall(f"GET /editions HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        answer = rest(raw)
        assert re.match(rb"HTTP/1\.1 (200|400) ", answer)
        assert b"evil" not in answer


# ---------------------------------------------------------------- proxies


def tell_who_asks(front: WebFront) -> None:
    """A page that tells who asks, as the application sees it."""

    @front.site.get("/who")
    def who() -> Response:
        return Response(f"{request.remote_addr} {request.scheme} {request.host}")


FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}


def test_nobody_is_believed_for_whom_they_ask(front: WebFront) -> None:
    tell_who_asks(front)
    with served(front) as url:
        said = ask(url, path="/who", headers=FORWARDED | {"Forwarded": "for=203.0.113.8"}).body.decode()
        assert said == f"127.0.0.1 http {urlsplit(url).netloc}"


def test_but_the_one_proxy(front: WebFront) -> None:
    tell_who_asks(front)
    with served(front, proxy="127.0.0.1") as url:
        assert ask(url, path="/who", headers=FORWARDED).body.startswith(b"203.0.113.7 https 127.0.0.1")
        several = {**FORWARDED, "X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
        assert ask(url, path="/who", headers=several).body.startswith(b"203.0.113.7 ")
        wrong = ask(url, path="/who", headers={"X-Forwarded-For": "x", "X-Forwarded-Proto": "gopher"})
        assert wrong.status == 400
        assert wrong.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]
    with served(front, proxy="192.0.2.1") as url:
        assert ask(url, path="/who", headers=FORWARDED).body.startswith(b"127.0.0.1 http ")


def test_behind_a_prefix_that_the_proxy_keeps_or_cuts(front: WebFront) -> None:
    with served(front, prefix="/papers") as url:
        for path in ("/papers/editions", "/editions"):
            assert b'href="/papers/topics"' in ask(url, path=path).body


# ---------------------------------------------------------------- clients that misbehave

SHORT = Patience(idle=0.2, asking=0.4, taking=0.4, look=0.05)


@pytest.mark.parametrize("begun", [b"", b"GET / HTT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nslow"])
def test_who_says_nothing_more_is_sent_away(front: WebFront, begun: bytes) -> None:
    with served(front, patience=SHORT) as url, connected(url) as raw:
        raw.sendall(begun)
        assert rest(raw) == b""


def test_who_drips_is_sent_away(front: WebFront) -> None:
    """A byte now and then is no sign of life."""
    patience = Patience(idle=WAITS, asking=0.4, taking=WAITS, look=0.05)
    with served(front, patience=patience) as url, connected(url) as raw:
        over = threading.Event()

        def drip() -> None:
            while not over.wait(0.05):
                try:
                    raw.sendall(b"x")
                except OSError:
                    return

        raw.sendall(b"GET / HTTP/1.1\r\nX: ")
        thread = threading.Thread(target=drip)
        thread.start()
        try:
            assert rest(raw) == b""
        finally:
            over.set()
            thread.join()


def test_who_does_not_take_the_answer_is_sent_away(front: WebFront) -> None:
    @front.site.get("/large")
    def large() -> Response:
        return Response(b"x" * 8_000_000)

    patience = Patience(idle=WAITS, asking=WAITS, taking=0.3, look=0.05)
    with served(front, patience=patience) as url, connected(url) as raw:
        raw.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: not is_up(urlsplit(url).port or 0, raw.getsockname()[1]))
        assert len(rest(raw)) < 8_000_000


def is_up(port: int, other: int) -> bool:
    """Whether a connection is established, as this machine sees it at the end that has the first port."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = f":{port:04X}", f":{other:04X}"
    return any(row[1].endswith(ends[0]) and row[2].endswith(ends[1]) and row[3] == "01" for row in rows)


def test_slow_clients_hold_nobody_up(front: WebFront) -> None:
    with served(front, threads=2) as url:
        slow = [connected(url) for _ in range(50)]
        for raw in slow:
            raw.sendall(b"POST /editions HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nx")
        assert ask(url, path="/editions").status == 200
        for raw in slow:
            raw.close()


def test_who_leaves_in_the_middle_leaves_no_token_in_the_log(front: WebFront, caplog: Any) -> None:
    begun, go_on = threading.Event(), threading.Event()

    @front.site.get("/t/<token>")
    def of_a_token(token: str) -> Any:
        begun.set()
        go_on.wait(WAITS)
        return (b"x" * 100_000 for _ in range(1000))

    caplog.set_level(logging.DEBUG)
    with served(front) as url:
        with connected(url) as raw:
            raw.sendall(b"GET /t/SECRET HTTP/1.1\r\nHost: x\r\n\r\n")
            begun.wait(WAITS)
        go_on.set()
        until(lambda: "Client disconnected" in caplog.text)
    assert "SECRET" not in caplog.text


# ---------------------------------------------------------------- listening and ending


def test_an_address_that_is_taken_or_none() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=rf"\[web\] 127.0.0.1:{port}: cannot be listened at: Address already in use"):
            listen("127.0.0.1", port)
    for host in ("192.0.2.1", "no-such-host.invalid", "x" * 100, "a..b"):
        with pytest.raises(RunError, match="cannot be listened at"):
            listen(host, 0)


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_all_addresses_are_those_of_ipv4_too(front: WebFront) -> None:
    with served(front, host="::") as url:
        port = urlsplit(url).port
        for host in ("127.0.0.1", "[::1]"):
            assert ask(f"http://{host}:{port}", path="/editions").status == 200


def test_answers_under_way_are_given_at_the_end(front: WebFront) -> None:
    begun, go_on, got = threading.Event(), threading.Event(), []

    @front.site.get("/slow")
    def slow() -> Response:
        begun.set()
        go_on.wait(WAITS)
        return Response("done " * 100_000)

    with served(front) as url:
        asking = threading.Thread(target=lambda: got.append(ask(url, path="/slow").body))
        asking.start()
        begun.wait(WAITS)
        ending = threading.Timer(0.2, go_on.set)
        ending.start()
    asking.join()
    assert got == [b"done " * 100_000]
    with pytest.raises(OSError):
        connected(url)


def test_whether_it_answers(front: WebFront) -> None:
    go_on = threading.Event()

    @front.site.get("/hangs")
    def hangs() -> Response:
        go_on.wait(WAITS)
        return Response("")

    with serving(front, threads=1) as server:
        assert server.answers(WAITS)
        with connected(f"http://127.0.0.1:{server.port}") as raw:
            raw.sendall(b"GET /hangs HTTP/1.1\r\nHost: x\r\n\r\n")
            until(lambda: not server.answers(0.1))
            go_on.set()
            assert server.answers(WAITS)
    with pytest.raises(RunError, match="broke off"):
        server.answers(0.1)


# ---------------------------------------------------------------- the command

CONFIG = """
[newsletter]
sender = "Daily Papers <papers@example.org>"
base_url = "https://papers.example.org"

[[topics]]
name = "Graph Neural Networks"

[web]
{web}
"""


class Served:
    """A folder, and `newsletter serve` in it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port, self.log = folder, free_port(), folder / "log"
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def configure(self, web: str = "") -> None:
        (self.folder / "config.toml").write_text(CONFIG.format(web=web or f"port = {self.port}"))

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "newsletter", "--config", str(self.folder / "config.toml"), *arguments]

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[bytes]":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command("serve", *arguments), stderr=log, **options)
        until(lambda: "serves host=" in self.log.read_text())
        return self.process

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=WAITS, check=False)

    def job(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask("status", "--json").stdout)["jobs"]["serve"]
        return found


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path)
    made.configure()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait(WAITS)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_until_told_to_stop(command: Served, number: signal.Signals) -> None:
    process = command.start(preexec_fn=partial(signal.signal, signal.SIGINT, signal.default_int_handler))
    answer = ask(command.url, path="/editions")
    assert answer.status == 200
    assert b"<h1>Editions</h1>" in answer.body
    assert command.job()["ended"] is None
    process.send_signal(number)
    assert process.wait(10) == 0
    assert command.job()["ended"] is not None
    assert command.job()["failure"] == ""
    log = command.log.read_text()
    assert "answered method=GET path=/editions status=200" in log
    assert not re.search(r"Traceback|WARNING|ERROR", log), log
    with pytest.raises(OSError):
        connected(command.url)


def test_signs_of_life_are_written_down_while_it_answers(front: WebFront) -> None:
    section = WebSection(port=free_port())
    app = App(front.app.config.model_copy(update={"web": section}), front.app.outside)
    seen: list[datetime] = []

    def told_to_stop_within(_seconds: float) -> bool:
        seen.append(front.app.storage.jobs.all()["serve"].seen)
        front.time.now += timedelta(minutes=1)
        return len(seen) == 4

    with closing(app):
        serve(app, told_to_stop_within)
    assert [(moment - seen[0]).total_seconds() for moment in seen] == [0, 60, 120, 180]
    job = front.app.storage.jobs.all()["serve"]
    assert job.ended == seen[-1] + timedelta(minutes=1)


def test_it_ends_with_who_holds_it(command: Served) -> None:
    process = command.start("--tied", stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(10) == 0


def test_an_address_that_is_taken_ends_it(command: Served) -> None:
    with socket.create_server(("127.0.0.1", command.port)):
        done = command.ask("serve")
    assert done.returncode == 1
    assert f"[web] 127.0.0.1:{command.port}: cannot be listened at: Address already in use" in done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot be listened at" in command.job()["failure"]


def test_without_an_address_of_its_own_it_says_so(command: Served) -> None:
    path = command.folder / "config.toml"
    path.write_text(path.read_text().replace('base_url = "https://papers.example.org"', ""))
    command.start()
    assert "base_url is empty" in command.log.read_text()


@pytest.mark.parametrize(
    ("web", "said"),
    [
        ("port = 0", "web.port: expected 1 or more"),
        ("port = 65536", "web.port: expected 65535 or less"),
        ('host = ""', "web.host: expected some text"),
        ("threads = 0", "web.threads: expected 1 or more"),
        ('proxy = "proxy.example.org"', "web.proxy: 'proxy.example.org' is not the address of one host"),
        ('proxy = "*"', "web.proxy: '*' is not the address of one host"),
        ('proxies = ""', "web.proxies: unknown key; did you mean proxy? (allowed: host, port, threads, proxy)"),
    ],
)
def test_a_configuration_that_is_wrong(command: Served, web: str, said: str) -> None:
    command.configure(web)
    done = command.ask("serve")
    assert done.returncode == 2
    assert said in done.stderr


def test_run_serves_it_too(command: Served) -> None:
    with command.log.open("ab") as log:
        command.process = subprocess.Popen(command.command("run"), stderr=log)
    until(lambda: "serves host=" in command.log.read_text())
    assert ask(command.url, path="/health").status == 200
    (first,) = re.findall(r"child started name=serve pid=(\d+)", command.log.read_text())
    assert command.job()["pid"] == int(first)
    os.kill(int(first), signal.SIGKILL)
    until(lambda: command.log.read_text().count("serves host=") == 2)
    assert ask(command.url, path="/editions").status == 200
    command.process.send_signal(signal.SIGTERM)
    assert command.process.wait(WAITS) == 0
    assert not any(lives(int(pid)) for pid in re.findall(r"child started name=\w+ pid=(\d+)", command.log.read_text()))


def test_only_serve_loads_what_serves() -> None:
    program = "import sys, newsletter.cli, newsletter.cli.serving; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"flask", "waitress", "werkzeug", "prometheus_client"} & set(done.stdout.split())

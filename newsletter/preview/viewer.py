"""The viewer: a web server for who sits at this machine. It shows, and changes nothing."""

import re
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any, Self

from newsletter.errors import RunError
from newsletter.preview.pages import Pages

HOST = "127.0.0.1"
# A page elsewhere whose name is made to point here names itself in Host (DNS rebinding); a tunnel has its own port.
_OUR_NAMES = re.compile(r"(?:127\.0\.0\.1|localhost)(?::\d{1,5})?", re.I | re.A)
_PATIENCE = 10.0  # seconds for a request; browsers open connections in advance
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Viewer:
    """Serves pages, from `with` to its end, at `url`."""

    def __init__(self, pages: Pages, port: int = 0) -> None:
        """Listen at a port of 127.0.0.1, by default at any that is free. Raises `RunError`."""
        try:
            self._server = _Server(pages, port)
        except OSError as error:
            raise RunError(f"{HOST}:{port}: cannot be listened at: {error.strerror}") from error
        self.port = self._server.server_port
        self.url = f"http://{HOST}:{self.port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="viewer")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    def __init__(self, pages: Pages, port: int) -> None:
        self.pages = pages
        super().__init__((HOST, port), _Handler)

    def server_bind(self) -> None:
        """Bind without asking DNS for the name of this machine."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.socket.getsockname()[:2]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a browser may leave in the middle of an answer."""


class _Handler(BaseHTTPRequestHandler):
    timeout = _PATIENCE
    server: _Server

    def do_GET(self) -> None:
        if not _OUR_NAMES.fullmatch(self.headers.get("Host", "")):
            self._say(HTTPStatus.FORBIDDEN, f"This is {HOST}, and goes by no other name.\n")
            return
        page = self.server.pages.answer(self.path.partition("?")[0])
        self._send(page.status, page.type, page.body, {"Content-Security-Policy": page.policy})

    do_HEAD = do_GET  # noqa: N815 - the base class's name

    def _refuse(self) -> None:
        self._say(HTTPStatus.METHOD_NOT_ALLOWED, "This only shows.\n", {"Allow": "GET, HEAD"})

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = do_CONNECT = _refuse  # noqa: N815

    def _say(self, status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> None:
        policy = {"Content-Security-Policy": "default-src 'none'"}
        self._send(status, "text/plain; charset=utf-8", text.encode(), policy | (headers or {}))

    def _send(self, status: HTTPStatus, kind: str, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {**_HEADERS, **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def version_string(self) -> str:
        """What is told of the program: nothing that ages."""
        return "newsletter"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: whoever looks sees what comes."""

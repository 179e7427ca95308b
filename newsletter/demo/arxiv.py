"""arXiv's query API on this machine: a real HTTP server over an invented library, with faults by script."""

import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

from newsletter.demo.atom import Form, Page, error_feed, feed
from newsletter.demo.faults import Fault, Reply, Request, Script
from newsletter.demo.library import Library, Question, parse_search_query
from newsletter.model import Paper, Version

_PATH = "/api/query"
_IDENTIFIER = re.compile(r"(?:(\d{4}\.\d{4,5})|([a-z]+(?:-[a-z]+)?)(?:\.[A-Za-z-]{2,})?(/\d{7}))(?:v([1-9]\d*))?")
_LARGEST_PAGE = 2_000
_DEEPEST = 10_000  # entries; what lies behind answers 500
_LARGEST_MAX_RESULTS = 30_000
_SORTS = ("relevance", "lastUpdatedDate", "submittedDate")
_ORDERS = ("ascending", "descending")


class ArxivStandIn:
    """The server, from `with` to its end; `url` is what belongs in the configuration, `requests` the log."""

    def __init__(
        self,
        library: Library,
        *,
        clock: Callable[[], float] = time.monotonic,
        faults: Script = (),
        form: Form = "today",
        port: int = 0,
    ) -> None:
        """Prepare it: `clock` times the log, `faults` is the script, `form` the service imitated, port 0 any."""
        self.requests: list[Request] = []
        self.library, self.form = library, form
        self._clock, self._port = clock, port
        self._lock = threading.Lock()
        self._under_way = 0
        self.stopping = threading.Event()
        self.script(faults)

    def script(self, faults: Script) -> None:
        """Put another script in place of what is left of the present one."""
        if callable(faults):
            self._next_fault = faults
        else:
            rest: Iterator[Fault | None] = iter(faults)
            self._next_fault = lambda _: next(rest, None)

    @property
    def url(self) -> str:
        """The address of the query API."""
        return f"http://127.0.0.1:{self._server.server_port}{_PATH}"

    def __enter__(self) -> Self:
        self._server = _Server(self, self._port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="arxiv-stand-in")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()

    def arrived(self, method: str, target: str, form: str, headers: dict[str, str], connection: int) -> Request:
        """Log a request and count it as under way."""
        parts = urlsplit(target)
        params = dict(parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(form, keep_blank_values=True))
        with self._lock:
            self._under_way += 1
            request = Request(self._clock(), method, parts.path, params, headers, self._under_way, connection)
            self.requests.append(request)
        return request

    def left(self) -> None:
        """Count a request as done."""
        with self._lock:
            self._under_way -= 1

    def fault(self, request: Request) -> Fault:
        """What the script wants for this request."""
        with self._lock:
            return self._next_fault(request) or Fault()

    def reply(self, request: Request, fault: Fault) -> Reply:
        """Answer as arXiv does, but for the fault."""
        if request.path != _PATH:
            return Reply(404, b"Not Found", {"Content-Type": "text/plain"})
        try:
            page = self._page(request.params, fault)
        except _Refused as refusal:
            return Reply(refusal.status, error_feed(str(refusal), self.library.now()))
        return Reply(200, feed(page, self.form))

    def _page(self, params: Mapping[str, str], fault: Fault) -> Page:
        start, size = _number(params, "start", 0), _number(params, "max_results", 10)
        if size > _LARGEST_MAX_RESULTS:
            raise _Refused("max_results must be at most 30000")
        if size == 0 or start + size > _DEEPEST:
            raise _Refused("internal server error", HTTPStatus.INTERNAL_SERVER_ERROR)
        question = _question(params)
        if params.get("search_query") and question.tree is None:
            if self.form == "today":
                raise _Refused(f"Invalid query string: '{params['search_query']}'")
            found: Sequence[Paper] = ()  # the service before took it for a query that nothing answers
        else:
            found = self.library.search(fault.question(question))
        papers = tuple(found[start : start + min(size, _LARGEST_PAGE)])
        texts = params.get("search_query", ""), params.get("id_list", "")
        return fault.page(Page(*texts, start, size, len(found), papers, self.library.now()))


class _Refused(Exception):  # noqa: N818 - it is an answer, not an error of ours
    def __init__(self, message: str, status: int = HTTPStatus.BAD_REQUEST) -> None:
        self.status = status
        super().__init__(message)


def _number(params: Mapping[str, str], name: str, default: int) -> int:
    text = params.get(name) or str(default)
    try:
        number = int(text)
    except ValueError:
        raise _Refused(f"{name} must be an integer") from None
    if number < 0:
        raise _Refused(f"{name} must be non-negative")
    return number


def _question(params: Mapping[str, str]) -> Question:
    sort_by, order = params.get("sortBy") or _SORTS[0], params.get("sortOrder") or _ORDERS[1]
    for name, value, known in (("sortBy", sort_by, _SORTS), ("sortOrder", order, _ORDERS)):
        if value not in known:
            raise _Refused(f"{name} must be in: {', '.join(known)}")
    query, ids = params.get("search_query", ""), params.get("id_list", "")
    if not query and not ids:
        raise _Refused("Either a search_query or id_list must be specified for the classic API.")
    tree = parse_search_query(query) if query else None
    versions = tuple(_version(text.strip()) for text in ids.split(",")) if ids else ()
    return Question(tree, versions, sort_by, order == "descending")


def _version(text: str) -> Version:
    match = _IDENTIFIER.fullmatch(text)
    if match is None:
        raise _Refused(f"incorrect id format for {text}")
    new, archive, number, version = match.groups()
    return Version(new or archive + number, int(version) if version else None)


# ---------------------------------------------------------------- the wire


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # joined at the end, so that no socket outlives the stand-in

    def __init__(self, stand_in: ArxivStandIn, port: int) -> None:
        self.stand_in = stand_in
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def server_bind(self) -> None:
        # The base class asks DNS for the name of this host, which takes long where there is no network.
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().close_request(request)

    def hang_up(self) -> None:
        """End the connections that clients keep open."""
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it ended by itself

    def handle_error(self, request: Any, client_address: Any) -> None:
        # Clients may leave in the middle of an answer.
        del request, client_address


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self._answer(self.rfile.read(length).decode("utf-8", "replace"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing: `requests` is the log."""

    def _answer(self, form: str) -> None:
        stand_in = self.server.stand_in
        headers = {name.title(): value for name, value in self.headers.items()}
        request = stand_in.arrived(self.command, self.path, form, headers, self.client_address[1])
        with ExitStack() as under_way:
            under_way.callback(stand_in.left)
            fault = stand_in.fault(request)
            if fault.reset:
                under_way.close()
                self._reset()
            else:
                self._send(fault.reply(stand_in.reply(request, fault)), fault.drip, under_way.close)

    def _send(self, reply: Reply, drip: tuple[int, float] | None, done: Callable[[], None]) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        size, pause = drip or (len(reply.body) or 1, 0.0)
        pieces = [reply.body[start : start + size] for start in range(0, len(reply.body), size)]
        if not pieces:
            done()
        self.end_headers()
        for number, piece in enumerate(pieces):
            if number and self.server.stand_in.stopping.wait(pause):
                self.close_connection = True
                return
            if number == len(pieces) - 1:
                done()  # before the last byte: whoever has read it may ask again at once
            self.wfile.write(piece)

    def _reset(self) -> None:
        # With no time to linger, closing sends RST; the reader holds the socket open until it is closed too.
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()

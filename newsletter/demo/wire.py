"""The stand-in's HTTP: answers go out whole, in drips, cut off, or not at all."""

import select
import socket
import ssl
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from threading import Event
from typing import Any, Protocol

from newsletter.demo.exchange import Fault, Reply, Request

_LOOK = 0.02  # seconds between two looks whether the client has left


class Answering(Protocol):
    """What answers the requests."""

    stopping: Event

    def arrived(self, method: str, target: str, form: str, headers: dict[str, str], connection: int) -> Request:
        """Log a request and count it as under way."""

    def left(self) -> None:
        """Count a request as done."""

    def fault(self, request: Request) -> Fault:
        """What is to go wrong with this request."""

    def reply(self, request: Request, fault: Fault) -> Reply:
        """Answer."""


class Server(ThreadingHTTPServer):
    """An HTTP server on this machine, each connection in a thread."""

    daemon_threads = False  # joined at the end, so that no socket outlives the stand-in

    def __init__(self, stand_in: Answering, port: int, tls: ssl.SSLContext | None) -> None:
        """Listen at a port (0: any), in TLS if there is a context for it."""
        self.stand_in = stand_in
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def server_bind(self) -> None:
        """Bind without asking DNS for the name of this host, which takes long where there is no network."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = "localhost", self.socket.getsockname()[1]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin a connection."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        """End a connection."""
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
        """Say nothing: clients may leave in the middle of an answer."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

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
            if fault.silent:
                self._is_over(None)
                self.close_connection = True
            elif fault.reset:
                under_way.close()
                self._reset()
            else:
                self._send(fault.reply(stand_in.reply(request, fault)), fault, under_way.close)

    def _send(self, reply: Reply, fault: Fault, done: Callable[[], None]) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(reply.length))
        left = int(reply.length * fault.sent)
        if not left:
            done()
        self.end_headers()
        for piece in _pieces(reply, left, fault.drip[0] if fault.drip else None):
            left -= len(piece)
            if not left:
                done()  # before the last byte: whoever has read it may ask again at once
            self.wfile.write(piece)
            if left and fault.drip and self._is_over(fault.drip[1]):
                self.close_connection = True
                return
        if fault.sent < 1:
            self._reset()

    def _is_over(self, seconds: float | None) -> bool:
        """Wait, and tell whether the client or the stand-in ended meanwhile; None: until one does."""
        while seconds is None or seconds > 0:
            step = _LOOK if seconds is None else min(_LOOK, seconds)
            if self.server.stand_in.stopping.wait(step) or self._has_left():
                return True
            seconds = None if seconds is None else seconds - step
        return False

    def _has_left(self) -> bool:
        if not select.select([self.connection], [], [], 0)[0]:
            return False
        if isinstance(self.connection, ssl.SSLSocket):
            return True  # what comes in the middle of an answer is its end
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _reset(self) -> None:
        # With no time to linger, closing sends RST; the reader holds the socket open until it is closed too.
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()


def _pieces(reply: Reply, length: int, size: int | None) -> Iterator[bytes]:
    for _ in range(reply.repeat):
        step = size or len(reply.body) or 1
        for start in range(0, min(len(reply.body), length), step):
            yield reply.body[start : min(start + step, length)]
        length -= min(len(reply.body), length)

"""waitress, held to limits: one socket, a few threads, requests that are small and come at once."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask

from newsletter.config.web import WebSection
from newsletter.errors import RunError
from newsletter.web.answering import HEADERS, LARGEST_BODY
from newsletter.web.lanes import Lanes

_CONNECTIONS = 500
_LARGEST_HEAD = 16 * 2**10  # bytes of a request before its body
_IN_A_ROW = 4  # requests of a connection that wait for the first of them to be answered
_TICK = 0.5  # seconds
_LAST_ANSWERS = 8.0  # seconds, once told to stop

Application = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Patience:
    """With connections, in seconds: without a byte; until a request has come and until its answer is taken, bytes or
    not; and between two looks."""

    idle: float = 20
    asking: float = 30
    taking: float = 180
    look: float = 5


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens at an address; ``::`` is for IPv4 too. Raises `RunError`."""
    try:
        family, _kind, _protocol, _name, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        both = host == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address[:2], family=family, backlog=1024, dualstack_ipv6=both)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise RunError(f"[web] {host}:{port}: cannot be listened at: {reason}") from error


class _Log(logging.LoggerAdapter[logging.Logger]):
    """waitress would name the path of a request that broke off, which may hold a token."""

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        return str(msg).partition(" while serving ")[0], kwargs


class _Guarded:
    """An answer with the headers of all, also where no page of ours was asked."""

    response_headers: list[tuple[str, str]]

    def build_response_header(self) -> bytes:
        there = {name.lower() for name, _value in self.response_headers}
        missing = {**HEADERS, "Cache-Control": "no-store"}
        self.response_headers += [(name, value) for name, value in missing.items() if name.lower() not in there]
        header: bytes = super().build_response_header()  # type: ignore[misc]
        return header


class _Task(_Guarded, WSGITask):  # type: ignore[misc]
    pass


class _ErrorTask(_Guarded, ErrorTask):  # type: ignore[misc]
    pass


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """A request. One that somebody before us could take for two is refused (RFC 9112 §6.1, §6.3)."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("two ways to tell where it ends")


class _Channel(HTTPChannel):  # type: ignore[misc]
    """A connection; one on which a request or an answer takes too long is closed, however busy it looks."""

    parser_class, task_class, error_task_class = _Parser, _Task, _ErrorTask
    logger = _Log(logging.getLogger("newsletter.web.connections"))
    began = 0.0  # when the first byte of the request came

    def received(self, data: bytes) -> Any:
        if self.request is None:
            data = data.lstrip(b"\r\n")  # which may stand before a request (RFC 9112 §2.2)
            if not data:
                self.last_activity = self.began or self.creation_time  # and is as good as silence
                return False
            self.began = time.time()
        taken = super().received(data)
        if len(self.requests) > _IN_A_ROW:
            self.handle_close()  # lest answers that nobody takes fill the memory, and threads wait to write more
        return taken

    def is_too_slow(self, now: float, patience: Patience) -> bool:
        asks = self.request is not None and not self.requests
        takes = self.total_outbufs_len > 0
        return (asks and now - self.began > patience.asking) or (takes and now - self.began > patience.taking)


class _Server(TcpWSGIServer):  # type: ignore[misc]
    channel_class = _Channel

    def part_with_the_slow(self, patience: Patience) -> None:
        # At once: told to close, a channel waits until it can write, and who takes nothing never lets it.
        for channel in list(self.active_channels.values()):
            if channel.will_close or channel.is_too_slow(time.time(), patience):
                channel.handle_close()

    def is_busy(self) -> bool:
        return any(channel.requests or channel.total_outbufs_len for channel in self.active_channels.values())


class _Knock:
    """A task that shows that tasks are done."""

    def __init__(self) -> None:
        self.heard = threading.Event()

    def service(self) -> None:
        self.heard.set()

    def cancel(self) -> None:
        pass


class Server:
    """Serves an application on a socket, from `with` to its end. `at_the_end` is called in each thread that ends."""

    def __init__(
        self,
        application: Application,
        listener: socket.socket,
        web: WebSection,
        *,
        prefix: str = "",
        at_the_end: Callable[[], None] = lambda: None,
        patience: Patience | None = None,
    ) -> None:
        """`prefix` is the part of our addresses before each path; the application is asked without it."""
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # that requests wait a moment is no news
        self._map: dict[int, Any] = {}
        self._patience = patience or Patience()
        self._lanes = Lanes(web.threads, at_the_end)
        self._server = _Server(
            application,
            self._map,
            _sock=listener,
            dispatcher=self._lanes,
            adj=_adjustments(web, prefix, self._patience),
            sockinfo=(listener.family, listener.type, listener.proto, listener.getsockname()),
            bind_socket=False,
        )
        self.port: int = listener.getsockname()[1]
        self._stopping = False
        self._loop = threading.Thread(target=self._serve, name="web")

    def __enter__(self) -> "Server":
        self._loop.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stopping = True
        self._server.pull_trigger()
        self._loop.join()

    def answers(self, within: float) -> bool:
        """Whether requests are taken up and answered: by the thread that reads them, and by one that answers.

        Raises:
            RunError: they never will be.

        """
        if not self._loop.is_alive():
            raise RunError("the server broke off")
        knock = _Knock()
        self._server.trigger.pull_trigger(lambda: self._lanes.add_task(knock))
        return knock.heard.wait(within)

    def _serve(self) -> None:
        look_at = 0.0
        try:
            while not self._stopping:
                wasyncore.loop(_TICK, use_poll=True, map=self._map, count=1)
                if (now := time.monotonic()) >= look_at:
                    look_at = now + self._patience.look
                    self._server.part_with_the_slow(self._patience)
            wasyncore.dispatcher.close(self._server)  # nobody new
            until = time.monotonic() + _LAST_ANSWERS
            while self._server.is_busy() and time.monotonic() < until:
                wasyncore.loop(_TICK / 10, use_poll=True, map=self._map, count=1)
        finally:
            self._lanes.shutdown(timeout=2)
            wasyncore.close_all(self._map)


def _adjustments(web: WebSection, prefix: str, patience: Patience) -> Any:
    believed = {"trusted_proxy": web.proxy, "trusted_proxy_headers": {"x-forwarded-for", "x-forwarded-proto"}}
    adjustments = Adjustments(
        threads=web.threads,
        url_prefix=prefix,
        ident=None,
        connection_limit=_CONNECTIONS,
        max_request_header_size=_LARGEST_HEAD,
        max_request_body_size=2 * LARGEST_BODY,  # beyond which not even our own refusal is worth it
        clear_untrusted_proxy_headers=True,
        log_socket_errors=False,
        **(believed if web.proxy else {}),
    )
    adjustments.cleanup_interval, adjustments.channel_timeout = patience.look, patience.idle  # it would make them whole
    return adjustments

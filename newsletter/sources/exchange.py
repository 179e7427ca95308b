"""A limit for a whole HTTP exchange: sockets time the pause between two bytes only, and a line may drip for ever."""

import socket
from contextlib import suppress
from contextvars import ContextVar
from http.client import HTTPException
from threading import Lock, Timer
from types import TracebackType
from typing import Any, Self

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse


class Exchange:
    """While its `with` runs, what is sent through a `CuttingAdapter` is cut off `limit` seconds after it began.

    The reader of a line that was cut finds an end, or an error; `over` says what it was. In real time, as all that
    sockets wait.
    """

    def __init__(self, limit: float) -> None:
        self.over = False
        self._socket: socket.socket | None = None
        self._lock = Lock()
        self._timer = Timer(limit, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._token = _current.set(self)
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()  # or it might cut what the line is used for next
        _current.reset(self._token)

    def watch(self, line: socket.socket | None) -> None:
        """Use a connected socket. Raises `HTTPException` if the time is over."""
        with self._lock:
            self._socket = line
            if self.over:
                raise HTTPException("connected too late")

    def _cut(self) -> None:
        with self._lock:
            self.over = True
            if self._socket is not None:
                with suppress(OSError):  # it may have ended by itself
                    # Not SSLSocket's, which takes the reader's session away while it reads.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_current: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


def _watch(line: socket.socket | None) -> None:
    if (exchange := _current.get()) is not None:
        exchange.watch(line)


class _Plain(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        _watch(self.sock)
        return super().getresponse()


class _Secure(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 has it
        _watch(self.sock)
        return super().getresponse()


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


class CuttingAdapter(HTTPAdapter):
    """Sends requests over lines that an `Exchange` can cut, through an HTTP proxy as well."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **others: Any) -> None:
        """Make the connections ours; see `HTTPAdapter.init_poolmanager`."""
        super().init_poolmanager(connections, maxsize, block, **others)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}

    def proxy_manager_for(self, proxy: str, **others: Any) -> Any:
        """Make those through a proxy ours; see `HTTPAdapter.proxy_manager_for`."""
        manager = super().proxy_manager_for(proxy, **others)
        if isinstance(manager, ProxyManager):  # SOCKS has connections of its own
            manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}
        return manager

"""A link that takes its time: a proxy, in a process of its own, that holds back what comes, each way, and loses none.

Bandwidth is as it was: what is on its way is not counted. A connection is made at once, and only what is said on it is
late.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

from benchmarks.measure import SPAWN


@contextmanager
def delayed(port: int, round_trip: float) -> Iterator[int]:
    """The port at which a server of this machine is as far away as a round trip of so many seconds makes it."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve, args=(theirs, port, round_trip / 2))
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join()


class _End(asyncio.Protocol):
    """One end of a connection through the proxy: what is read here is written at the other end, later."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._held: deque[bytes | None] = deque()  # in its order; None: the end
        self.here: asyncio.Transport | None = None
        self.there: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.here = transport

    def data_received(self, data: bytes) -> None:
        self._hold(data)

    def eof_received(self) -> bool:
        self._hold(None)
        return True  # the other direction stays open

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        self._hold(None)

    def _hold(self, data: bytes | None) -> None:
        self._held.append(data)
        asyncio.get_running_loop().call_later(self._delay, self._release)

    def _release(self) -> None:
        data, there = self._held.popleft(), self.there
        if there is None or there.is_closing():
            return
        if data is not None:
            there.write(data)
        elif there.can_write_eof():
            with suppress(OSError):
                there.write_eof()


class _Accepted(_End):
    """The end of whoever connected to the proxy, which asks the server for the other one."""

    def __init__(self, delay: float, port: int) -> None:
        super().__init__(delay)
        self._port = port

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._joining = asyncio.get_running_loop().create_task(self._join())

    async def _join(self) -> None:
        assert self.here is not None
        self.here.pause_reading()
        other = _End(self._delay)
        other.there = self.here
        try:
            await asyncio.get_running_loop().create_connection(lambda: other, "127.0.0.1", self._port)
        except OSError:
            self.here.abort()
        else:
            self.there = other.here
            self.here.resume_reading()


def _serve(parent: Connection, port: int, delay: float) -> None:
    with suppress(KeyboardInterrupt):
        asyncio.run(_proxy(parent, port, delay))


async def _proxy(parent: Connection, port: int, delay: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Accepted(delay, port), "127.0.0.1", 0, backlog=200)
    parent.send(server.sockets[0].getsockname()[1])
    hung_up = asyncio.Event()
    loop.add_reader(parent.fileno(), hung_up.set)
    await hung_up.wait()
    server.close()

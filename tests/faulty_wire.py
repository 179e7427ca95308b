"""A connection as a faulty server uses it: lines, bodies, replies in groups, and all ways to break it."""

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable
from typing import NoReturn

_END = b"\r\n.\r\n"
_CHUNK = 1 << 18  # bytes read at once
_AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: a close resets the connection


class GoneError(Exception):
    """The connection is over, by a fault or by its client."""


class Wire:
    """One connection. `grouped` replies are written when nothing more is there to read."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, replies: str) -> None:
        self._reader, self._writer, self._replies = reader, writer, replies
        self._come = bytearray()  # and was not taken yet
        self._said = bytearray()  # and was not written yet
        self._told: list[Callable[[], None]] = []

    @property
    def early(self) -> int:
        """How many bytes have come that nobody asked for yet."""
        return len(self._come)

    def throw_away(self) -> None:
        """Forget what has come."""
        self._come.clear()

    async def line(self) -> bytes:
        """The next line, without its end."""
        while (end := self._come.find(b"\n")) < 0:
            await self._more()
        line = bytes(self._come[: end + 1])
        del self._come[: end + 1]
        return line.removesuffix(b"\n").removesuffix(b"\r")

    async def some(self) -> None:
        """Wait until there is anything."""
        await self.flush()
        if not self._come:
            await self._more()

    async def body(self, size: int = _CHUNK, pause: float = 0.0) -> bytes:
        """What stands before a line with nothing but a dot, transparency undone (RFC 5321 §4.5.2)."""
        self._come[:0] = b"\r\n"  # the end of the line with DATA, so that the first line is like the others
        start = 0
        while (end := self._come.find(_END, start)) < 0:
            start = max(len(self._come) - len(_END) + 1, 0)
            await asyncio.sleep(pause)
            await self._more(size)
        content = bytes(self._come[: end + 2])
        del self._come[: end + len(_END)]
        return content.replace(b"\r\n..", b"\r\n.")[2:]

    async def say(self, data: bytes, told: Callable[[], None] | None = None) -> None:
        """Say something; `told` is called once it is written."""
        self._said += data
        if told is not None:
            self._told.append(told)
        if self._replies != "grouped":
            await self.flush(drip=self._replies == "bytes")

    async def flush(self, *, drip: bool = False) -> None:
        """Write what was said, in one piece, or in as many as it has bytes."""
        if not self._said:
            return
        data, self._said = bytes(self._said), bytearray()
        for piece in (data[number : number + 1] for number in range(len(data))) if drip else (data,):
            self._writer.write(piece)
            await self._writer.drain()
            if drip:
                await asyncio.sleep(0)
        for told in self._told:
            told()
        self._told.clear()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Go on in TLS."""
        await self.flush()
        self._come.clear()
        await self._writer.start_tls(context)

    # ---------------------------------------------------------------- ways to break it

    async def cut(self, how: str) -> NoReturn:
        """Say what was said, and close or reset the connection."""
        await self.flush()
        if how == "rst":
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            self._writer.transport.abort()
        raise GoneError

    async def hold(self) -> None:
        """Read on, saying nothing, until the client hangs up."""
        await self.flush()
        while await self._reader.read(_CHUNK):
            pass

    async def flood(self, data: bytes, pause: float) -> NoReturn:
        """Say something for as long as somebody is there."""
        await self.flush()
        block = data if pause else data * (1 + 4_096 // len(data))
        while not self._reader.at_eof():
            self._writer.write(block)
            await self._writer.drain()
            await asyncio.sleep(pause)
        raise GoneError

    async def half_close(self) -> NoReturn:
        """Say what was said and that this was all, and read on."""
        await self.flush()
        if self._writer.can_write_eof():  # TLS cannot
            self._writer.write_eof()
            await self.hold()
        raise GoneError

    def close(self) -> None:
        """Close it, if that was not done yet."""
        self._writer.close()

    def abort(self) -> None:
        """Close it, and wait for nobody."""
        self._writer.transport.abort()

    async def _more(self, size: int = _CHUNK) -> None:
        await self.flush()
        data = await self._reader.read(size)
        if not data:
            raise GoneError
        self._come += data

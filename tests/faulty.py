"""A mail server that lies, stalls and drops connections by script, and takes thousands of mails a second otherwise."""

import asyncio
import threading
from types import TracebackType
from typing import Self

from faulty_records import Heard
from faulty_script import Act, Fault, Manners, Script, Stage
from faulty_session import Session

HOST = "127.0.0.1"
HONEST = Manners()


class FaultyServer:
    """The server, from `with` to its end; `heard` is what came. `script` may be replaced while no client is there."""

    def __init__(self, *faults: Fault, manners: Manners = HONEST, port: int = 0) -> None:
        self.host, self.port = HOST, port
        self.heard = Heard()
        self.open: set[Session] = set()
        self.script = Script(manners, faults)
        self._ready = threading.Event()
        self._failure: Exception | None = None

    @property
    def script(self) -> Script:
        """What is to go wrong; setting it begins it anew."""
        return self._script

    @script.setter
    def script(self, script: Script) -> None:
        self._script = script
        self._left = [fault.times for fault in script.faults]

    @property
    def left(self) -> int:
        """How many times something is still to go wrong."""
        return sum(self._left)

    def be_honest(self) -> None:
        """Let nothing go wrong any more; the manners stay."""
        self.script = Script(self.script.manners)

    def act_at(self, stage: Stage, connection: int, message: int, recipient: str) -> Act | None:
        """What is to go wrong here, if anything; that uses it up once."""
        for number, fault in enumerate(self._script.faults):
            here = (
                fault.stage is stage
                and fault.connection in (None, connection)
                and fault.message in (None, message)
                and fault.recipient in ("", recipient)
            )
            if here and self._left[number]:
                self._left[number] -= 1
                return fault.act
        return None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="faulty-server")
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        if self._failure is not None and error is None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits for us
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._attend, self.host, self.port, backlog=128)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._end.wait()
        server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One session, from its greeting to its end."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.heard.connections += 1
        session = Session(self, self.heard.connections, reader, writer)
        self.open.add(session)
        self.heard.most_at_once = max(self.heard.most_at_once, len(self.open))
        try:
            await session.converse()
        except Exception as error:  # noqa: BLE001 - raised again at the end: a test must not pass by our own error
            self._failure = error
        finally:
            self.open.discard(session)
            self._tasks.discard(task)

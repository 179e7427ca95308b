"""Send: the real ledger and the real transport, to Postfix's smtp-sink, beside Postfix's own source of mail."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from benchmarks import house, material
from benchmarks.measure import aside, measure, seconds
from benchmarks.table import Row
from newsletter.model import DeliveryStatus
from newsletter.sending import deliver

MISSING = "not measured: smtp-sink, smtp-source are missing (Debian's postfix)"

_MOST = 10_000  # mails of the reference; what it takes for more is reckoned
#: Where programs are looked for: Postfix's are in no user's path.
SEARCHED = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))
_SINK, _SOURCE = (shutil.which(name, path=SEARCHED) for name in ("smtp-sink", "smtp-source"))


def there() -> bool:
    """Whether Postfix's programs are."""
    return _SINK is not None and _SOURCE is not None


def sending(mails: int) -> Row:
    """Send an edition's digests, every one through the ledger."""
    step = f"send {mails:,} digests, {house.CONNECTIONS} connections, ledger and all"
    if not there():
        return Row(step, mails, "mails", None, None, MISSING)
    with house.temporary() as folder, sink() as port:
        length = aside(house.fill_queue, folder, house.few_topics, mails, material.NEWS)
        with Reference(port, mails, length) as reference, house.opened(folder, smtp_port=port) as app:
            cost, tally = measure(lambda: deliver(app))
    assert tally[DeliveryStatus.SENT] == mails
    return Row(step, mails, "mails", cost, reference.seconds, str(reference))


class Reference:
    """What smtp-source takes for as many mails as long, measured before and after; the better counts."""

    def __init__(self, port: int, mails: int, length: int) -> None:
        self._port, self._mails, self._length = port, mails, length

    def __enter__(self) -> Self:
        self.seconds = self._measured()
        return self

    def __exit__(self, *exc: object) -> None:
        self.seconds = min(self.seconds, self._measured())

    def __str__(self) -> str:
        return f"smtp-source -d -s {house.CONNECTIONS}, {self._length / 1000:.0f} KB each"

    def _measured(self) -> float:
        mails = min(self._mails, _MOST)
        return seconds(lambda: source(self._port, mails, self._length), times=1) * self._mails / mails


def source(port: int, mails: int, length: int, connections: int = house.CONNECTIONS) -> None:
    """Send mails with Postfix's own program, over connections that stay open."""
    sessions, sizes = ("-d", "-s", str(connections)), ("-m", str(mails), "-l", str(length))
    envelope = ("-f", "papers@example.org", "-t", "reader@example.org")
    subprocess.run([str(_SOURCE), *sessions, *sizes, *envelope, f"127.0.0.1:{port}"], check=True)


@contextmanager
def sink() -> Iterator[int]:
    """Postfix's server that takes mail and forgets it; the port."""
    port = free_port()
    user = ("-u", "postfix") if os.geteuid() == 0 else ()  # it refuses to stay root
    process = subprocess.Popen([str(_SINK), *user, f"127.0.0.1:{port}", "100"])
    try:
        await_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int) -> None:
    """Wait for a server to listen. Raises `TimeoutError`."""
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            time.sleep(0.02)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}")

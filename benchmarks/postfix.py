"""A real Postfix (Debian's), which queues on disk what it takes, and then throws it away."""

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import house
from benchmarks.sending import SEARCHED, await_port, free_port

_POSTFIX = shutil.which("postfix", path=SEARCHED)
MISSING = (
    "not measured: Postfix is missing"
    if _POSTFIX is None
    else "not measured: Postfix is started by root only"
    if os.geteuid() != 0
    else ""
)
_OWNER = "postfix"
_PATIENCE = 120.0  # seconds until a queue is empty

_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/spool
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
myhostname = mail.example.org
mydestination =
inet_protocols = ipv4
alias_maps =
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
default_transport = discard
"""
_MASTER = """
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """One that runs: its port, and the folder of its queue."""

    port: int
    spool: Path

    def settle(self) -> None:
        """Wait until all that it took is thrown away. Raises `TimeoutError`."""
        limit = time.monotonic() + _PATIENCE
        while any(file.is_file() for name in ("maildrop", "incoming", "active") for file in self._in(name)):
            if time.monotonic() > limit:
                raise TimeoutError("Postfix does not get rid of its queue")
            time.sleep(0.2)

    def _in(self, name: str) -> Iterator[Path]:
        return (self.spool / name).rglob("*")


@contextmanager
def postfix() -> Iterator[Postfix]:
    """Run one in a folder that is gone afterwards."""
    with house.temporary() as folder:
        folder.chmod(0o755)  # its parts run as another user
        etc, port = folder / "etc", free_port()
        for name in ("etc", "spool", "data"):
            (folder / name).mkdir()
        os.chown(folder / "data", pwd.getpwnam(_OWNER).pw_uid, -1)
        (etc / "main.cf").write_text(_MAIN.format(folder=folder))
        (etc / "master.cf").write_text(_MASTER.format(port=port))
        subprocess.run([str(_POSTFIX), "-c", str(etc), "start"], check=True, capture_output=True)
        try:
            await_port(port)
            yield Postfix(port, folder / "spool")
        finally:
            subprocess.run([str(_POSTFIX), "-c", str(etc), "stop"], check=True, capture_output=True)

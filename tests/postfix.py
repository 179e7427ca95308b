"""A real Postfix (Debian's) on a port of its own: it knows few users at example.org, and files their mail."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.sending import await_port, free_port

MISSING = (
    "Postfix is not installed"
    if shutil.which("postfix") is None
    else "Postfix is started by root only"
    if os.geteuid() != 0
    else ""
)

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
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


@contextmanager
def postfix(folder: Path, users: Sequence[str], certificate: Path) -> Iterator[int]:
    """Run it; yields the port. Mail to USER@example.org lands in FOLDER/mail/USER/."""
    etc, port = folder / "etc", free_port()
    for name in ("etc", "spool", "data", "mail"):
        (folder / name).mkdir(parents=True)
    owner = pwd.getpwnam("postfix")
    for name in ("data", "mail"):
        os.chown(folder / name, owner.pw_uid, owner.pw_gid)
    for parent in (folder, *folder.parents):
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)  # pytest's folders are closed to Postfix's user
    (etc / "users").write_text("".join(f"{user}@example.org {user}/\n" for user in users))
    (etc / "master.cf").write_text(_MASTER.format(port=port))
    (etc / "main.cf").write_text(
        "\n".join(
            (
                "compatibility_level = 3.6",
                f"queue_directory = {folder / 'spool'}",
                f"data_directory = {folder / 'data'}",
                f"maillog_file = {folder / 'log'}",
                f"maillog_file_prefixes = {folder}",
                "myhostname = mail.example.org",
                "mydestination =",
                "inet_protocols = ipv4",
                "alias_maps =",
                "local_recipient_maps =",
                "smtpd_relay_restrictions = permit_mynetworks, reject",
                "virtual_mailbox_domains = example.org",
                f"virtual_mailbox_maps = texthash:{etc / 'users'}",
                f"virtual_mailbox_base = {folder / 'mail'}",
                f"virtual_uid_maps = static:{owner.pw_uid}",
                f"virtual_gid_maps = static:{owner.pw_gid}",
                "virtual_minimum_uid = 1",
                "virtual_transport = virtual",
                f"smtpd_tls_chain_files = {certificate}",
                "smtpd_tls_security_level = may",
                "",
            )
        )
    )
    subprocess.run(["postfix", "-c", str(etc), "start"], check=True, capture_output=True)
    try:
        await_port(port)
        yield port
    finally:
        subprocess.run(["postfix", "-c", str(etc), "stop"], check=True, capture_output=True)

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
OWNER = "postfix"  # the system's user that filed mail belongs to

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
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
"""


@contextmanager
def postfix(
    folder: Path,
    users: Sequence[str],
    certificate: Path | None = None,
    *,
    mailboxes: Path | None = None,
    lmtp: int | None = None,
) -> Iterator[int]:
    """Run it; yields the port. Mail to USER@example.org lands in FOLDER/mail/USER/, or in a folder in `mailboxes`.

    With the port of an `lmtp` server, mail goes there, but for that to local parts beyond ASCII: Dovecot 2.3 takes none
    (SMTPUTF8). With a certificate, it offers TLS.
    """
    etc, port = folder / "etc", free_port()
    for name in ("etc", "spool", "data", "mail"):
        (folder / name).mkdir(parents=True)
    owner = pwd.getpwnam(OWNER)
    for name in ("data", "mail"):
        os.chown(folder / name, owner.pw_uid, owner.pw_gid)
    for parent in (folder, *folder.parents):
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)  # pytest's folders are closed to Postfix's user
    (etc / "users").write_text("".join(f"{user}@example.org {user}/\n" for user in users))
    filed = [user for user in users if lmtp is None or not user.isascii()]
    (etc / "transport").write_text("".join(f"{user}@example.org virtual:\n" for user in filed))
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
                f"virtual_mailbox_base = {mailboxes or folder / 'mail'}",
                f"virtual_uid_maps = static:{owner.pw_uid}",
                f"virtual_gid_maps = static:{owner.pw_gid}",
                "virtual_minimum_uid = 1",
                f"virtual_transport = lmtp:inet:127.0.0.1:{lmtp}" if lmtp else "virtual_transport = virtual",
                f"transport_maps = texthash:{etc / 'transport'}",
                f"smtpd_tls_chain_files = {certificate or ''}",
                f"smtpd_tls_security_level = {'may' if certificate else 'none'}",
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

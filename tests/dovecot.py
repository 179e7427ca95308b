"""A real Dovecot (Debian's) on ports of its own: takes mail by LMTP, keeps it in Maildirs, and serves it by IMAP."""

import os
import pwd
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from imaplib import IMAP4
from pathlib import Path

from benchmarks.sending import await_port, free_port

MISSING = (
    "Dovecot is not installed, or not its imapd or lmtpd"
    if not all(map(os.path.exists, ("/usr/sbin/dovecot", "/usr/lib/dovecot/imap", "/usr/lib/dovecot/lmtp")))
    else "Dovecot is started by root only"
    if os.geteuid() != 0
    else ""
)
PASSWORD = "swordfish"
_PATIENCE = 20.0  # seconds that mail may take from one server to the other

_SETTINGS = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols = imap lmtp
{tls}
disable_plaintext_auth = no
auth_username_chars =
first_valid_uid = 1
mail_location = maildir:{folder}/mail/%n
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%n allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    address = 127.0.0.1
    port = {imap}
  }}
  inet_listener imaps {{
    address = 127.0.0.1
    port = {imaps}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = 127.0.0.1
    port = {lmtp}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Dovecot:
    """A server that runs: its ports, and the folder with a Maildir for each user. Every local part is one."""

    imap: int
    lmtp: int
    mailboxes: Path
    imaps: int = 0  # with a certificate

    def mails(self, user: str, number: int) -> list[bytes]:
        """What lies in the inbox, byte for byte, once so many mails are there. Raises `TimeoutError`."""
        with IMAP4("127.0.0.1", self.imap) as session:
            session.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())
            until = time.monotonic() + _PATIENCE
            while int(session.select("INBOX", readonly=True)[1][0] or 0) < number:
                if time.monotonic() > until:
                    raise TimeoutError(f"not {number} mails for {user}")
                time.sleep(0.02)
            found = session.fetch("1:*", "(BODY.PEEK[])")[1]
            return [part[1] for part in found if isinstance(part, tuple)]


@contextmanager
def dovecot(folder: Path, owner: str, certificate: Path | None = None) -> Iterator[Dovecot]:
    """Run it. Its mail belongs to the system's user `owner`, so that others may file there too.

    With a certificate, it offers TLS.
    """
    server = Dovecot(free_port(), free_port(), folder / "mail", free_port() if certificate else 0)
    account = pwd.getpwnam(owner)
    for name in ("run", "state", "mail"):
        (folder / name).mkdir(parents=True)
    os.chown(folder / "mail", account.pw_uid, account.pw_gid)
    for parent in (folder, *folder.parents):
        if parent.stat().st_mode & 0o001 == 0:
            parent.chmod(parent.stat().st_mode | 0o011)  # pytest's folders are closed to Dovecot's users
    settings = folder / "dovecot.conf"
    values = {"folder": folder, "uid": account.pw_uid, "gid": account.pw_gid, "password": PASSWORD}
    tls = f"ssl = yes\nssl_cert = <{certificate}\nssl_key = <{certificate}" if certificate else "ssl = no"
    ports = {"imap": server.imap, "imaps": server.imaps, "lmtp": server.lmtp}
    settings.write_text(_SETTINGS.format(tls=tls, **ports, **values))
    process = subprocess.Popen(["dovecot", "-F", "-c", str(settings)])
    try:
        await_port(server.imap)
        await_port(server.lmtp)
        yield server
    finally:
        process.terminate()
        process.wait()

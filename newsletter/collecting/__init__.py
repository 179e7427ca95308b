"""Take in what comes back: refusals, reports from the bounce mailbox, complaints, wishes to leave; and ask again.

What a mail says is recorded in one transaction with the mail's name in its mailbox, and only then is it removed there.
So each counts once, wherever a pass is cut off.
"""

import logging
from collections import Counter
from datetime import datetime, timedelta

from newsletter.app import App
from newsletter.collecting.probing import RESUME_WITHIN, queue_probes, resume_mail
from newsletter.collecting.taking import hear_refusals, take
from newsletter.errors import BusyError, NewsletterError, UsageError, describe
from newsletter.journal import Journal
from newsletter.locks import hold
from newsletter.mail.mailboxes import Mailbox
from newsletter.mail.reports import Report, Sort, read_report
from newsletter.model import Job

__all__ = ["RESUME_WITHIN", "collect", "hear_refusals", "poll", "queue_probes", "resume_mail"]

log = logging.getLogger(__name__)

BOUNCES = "bounces"  # the job's name in the journal
INTERVAL, LONGEST_INTERVAL = timedelta(minutes=5), timedelta(hours=1)  # between two looks of the daemon
_BATCH = 100  # mails that are removed at once


def poll(app: App) -> None:
    """Do what is due about mail that comes back, for the daemon; a few seconds at a time.

    Whatever the matter is with the mailbox, the journal has it, and the daemon's other work is not kept from.
    """
    queue_probes(app)
    if not app.config.bounces.address:
        return
    job = app.storage.jobs.of(BOUNCES)
    if not is_due(job, app.now()):
        return
    try:
        collect(app, timeout=5.0, patience=20.0)
    except BusyError as error:
        log.info("%s", error)
    except NewsletterError as error:
        known = job is not None and job.failure == describe(error)
        log.log(logging.DEBUG if known else logging.WARNING, "the bounce mailbox cannot be read: %s", error)
    except Exception:
        log.exception("the bounce mailbox cannot be read")


def is_due(job: Job | None, now: datetime) -> bool:
    """Whether the daemon is to look again: every five minutes, and more seldom after each failure."""
    if job is None:
        return True
    pause = min(INTERVAL * (1 << min(job.failures, 10)), LONGEST_INTERVAL)
    return abs(now - job.began) >= pause  # also after the clock was set back


def collect(app: App, *, timeout: float = 30.0, patience: float = 3600.0) -> Counter[str]:
    """Read the bounce mailbox; returns how many mails were of which kind.

    The server may take `timeout` seconds for an answer; after `patience` seconds the rest is left for the next time.

    Raises:
        UsageError: there is none.
        BusyError: another process is reading it.
        MailboxError: it cannot be read; what was read before is recorded.
        StorageError: it cannot be recorded, or this is a copy of the database.

    """
    if not app.config.bounces.address:
        raise UsageError(f"{app.config.path}: [bounces] is not set, so there is no mailbox to read")
    with hold(app.lock_file(BOUNCES), "reading the bounce mailbox"), Journal(app, BOUNCES) as journal:
        app.storage.instance.check()
        queue_probes(app)
        with open_mailbox(app, timeout, patience) as mailbox:
            return _Pass(app, mailbox, journal, app.outside.monotonic() + patience).go()


def open_mailbox(app: App, timeout: float, patience: float) -> Mailbox:
    """The mailbox of ``[bounces]``. Raises `MailboxError`."""
    bounces = app.config.bounces
    if bounces.maildir is not None:
        from newsletter.mail.mailboxes.maildir import MaildirMailbox

        return MaildirMailbox(bounces.maildir)
    from newsletter.mail.mailboxes.imap import ImapAccount, ImapMailbox

    host, port, security = bounces.server
    password = bounces.secret.get_secret_value() if bounces.secret else ""
    account = ImapAccount(host, port, security, bounces.username, password, bounces.folder)
    return ImapMailbox(account, timeout, patience, app.outside.tls)


class _Pass:
    """One look at the mailbox."""

    def __init__(self, app: App, mailbox: Mailbox, journal: Journal, until: float) -> None:
        self._app, self._mailbox, self._journal, self._until = app, mailbox, journal, until

    def go(self) -> Counter[str]:
        storage, mailbox = self._app.storage, self._mailbox
        box, names, known = mailbox.name, mailbox.names(), storage.collected.all(mailbox.name)
        counts = Counter[str]()
        read = [name for name in names if known.get(name) is False]  # and not removed: it was cut off
        for name in names:
            if name in known or self._app.outside.monotonic() > self._until:
                continue
            if (raw := mailbox.read(name)) is None:
                continue
            report = _read(raw)
            with storage.write():
                came_to, kept = take(self._app, report)
                storage.collected.add(box, name, kept=kept)
            counts[came_to] += 1
            if not kept:
                read.append(name)
            if len(read) >= _BATCH:
                mailbox.remove(read)
                read.clear()
            self._journal.pulse()
        mailbox.remove(read)
        with storage.write():
            storage.collected.forget(box, known.keys() - set(names))
            storage.bounces.tidy(self._app.today(), self._app.now())
        return counts


def _read(raw: bytes) -> Report:
    try:
        return read_report(raw)
    except Exception:  # a mail that breaks the reader must not keep the others from being read
        log.exception("a mail cannot be read; it stays in the mailbox")
        return Report(Sort.UNKNOWN)

"""Serve the web front until told to stop."""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

from newsletter.app import App
from newsletter.config.web import WebSection
from newsletter.journal import SERVE, Journal
from newsletter.web import Pool, make_site
from newsletter.web.inbox import Inbox
from newsletter.web.listening import Server, listen

log = logging.getLogger(__name__)

_PATIENCE = 60.0  # seconds that another writer is waited for: an edition for many readers is one long transaction
_TURN = 0.001  # seconds that a thread waits for one that computes; by default five times as long
_GLANCE = 5.0  # seconds between two looks whether it answers, and until it has to


def serve(app: App, told_to_stop_within: Callable[[float], bool]) -> None:
    """Serve until told to stop. `told_to_stop_within` waits for some seconds or less, and says whether we are.

    Raises:
        RunError: the address of ``[web]`` cannot be listened at.
        StorageError: the database cannot be used.

    """
    config = app.config
    web, pool = config.web or WebSection(), Pool(config, replace(app.outside, patience=_PATIENCE))
    with _on_one_core(), Journal(app, SERVE) as journal, listen(web.host, web.port) as listener:
        prefix = urlsplit(config.newsletter.base_url).path
        site = make_site(pool)
        with Inbox(site, pool), Server(site, listener, web, prefix=prefix, at_the_end=pool.close) as server:
            log.info("serves host=%s port=%d base_url=%s", web.host, server.port, config.newsletter.base_url or "-")
            if not config.newsletter.base_url:
                log.warning("[newsletter] base_url is empty: no mail leads to these pages")
            journal.well()
            while not told_to_stop_within(_GLANCE):
                if server.answers(_GLANCE):
                    journal.pulse()
    log.info("stopped")


@contextmanager
def _on_one_core() -> Iterator[None]:
    """Have this thread, and those it starts, share a core, where the system can do that and allows it (Linux).

    Python computes in one thread at a time, and each look at the database is a chance for the others. On several cores
    they take it, and waking one another costs more than what they compute: half as much is answered. Where they cannot
    share one, to wait less for a turn helps a little.
    """
    sys.setswitchinterval(_TURN)
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    with suppress(PermissionError):
        os.sched_setaffinity(0, {sorted(cores)[os.getpid() % len(cores)]})
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.sched_setaffinity(0, cores)

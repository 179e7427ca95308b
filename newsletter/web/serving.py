"""Serve the web front until told to stop."""

import logging
import sys
from collections.abc import Callable
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
# Seconds that a thread waits for one that computes. Each look at the database lets others in; with Python's 5 ms, eight
# threads on two free cores answer half as many requests.
_TURN = 0.001
_GLANCE = 5.0  # seconds between two looks whether it answers, and until it has to


def serve(app: App, told_to_stop_within: Callable[[float], bool]) -> None:
    """Serve until told to stop. `told_to_stop_within` waits for some seconds or less, and says whether we are.

    Raises:
        RunError: the address of ``[web]`` cannot be listened at.
        StorageError: the database cannot be used.

    """
    sys.setswitchinterval(_TURN)
    config = app.config
    web, pool = config.web or WebSection(), Pool(config, replace(app.outside, patience=_PATIENCE))
    with Journal(app, SERVE) as journal, listen(web.host, web.port) as listener:
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

"""Where the time of sending goes: `deliver` under cProfile."""

import cProfile
import io
import pstats
from pathlib import Path

from benchmarks import house
from benchmarks.measure import alone
from benchmarks.queues import furnish
from benchmarks.sending import MISSING, sink, there
from newsletter.sending import deliver

_LINES = 25


def profiling(mails: int) -> str:
    """Send so many digests to smtp-sink; the functions that took the most time of their own.

    Seconds that went by, waiting included, in the thread that keeps the ledger. What is called often seems to take up
    to three times what it does.
    """
    if not there():
        return MISSING
    with house.temporary() as folder, sink() as port:
        furnish(folder, mails)
        return alone(_profile, folder, port)


def _profile(folder: Path, port: int) -> str:
    profile, told = cProfile.Profile(), io.StringIO()
    with house.opened(folder, smtp_port=port) as app:
        profile.runcall(deliver, app)
    pstats.Stats(profile, stream=told).strip_dirs().sort_stats("tottime").print_stats(_LINES)
    return told.getvalue()

"""Drain the queue: claim, send, record, again.

A message goes out only after *sending* was committed, and every answer is committed before anything else is written or
read. So at most one message a connection is ever without a recorded answer, and one whose answer was recorded is never
sent twice.
"""

from newsletter.delivery.judging import LONGEST_PAUSE, MAX_UNKNOWNS
from newsletter.delivery.pacing import Limits
from newsletter.delivery.recording import RECORD_PAUSES
from newsletter.delivery.run import Run
from newsletter.delivery.work import Stop, Tally, Work

__all__ = ["LONGEST_PAUSE", "MAX_UNKNOWNS", "RECORD_PAUSES", "Limits", "Run", "Stop", "Tally", "Work"]

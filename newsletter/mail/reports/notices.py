"""Reports that were made to be read by programs: of delivery (RFC 3464, RFC 6533), and of spam (RFC 5965)."""

from collections.abc import Iterator
from email.message import Message

from newsletter.bouncing import code_in, status_in, weigh
from newsletter.mail.reports.parsing import blocks, header, headers, parts
from newsletter.mail.reports.report import Report, Sort

_STATUS_TYPES = ("message/delivery-status", "message/global-delivery-status")
_SPAM = ("abuse", "fraud", "opt-out", "opt-out-list")  # "not-spam" is the contrary, others are about something else
_FAILED = ("failed", "fail", "error")  # the latter are OpenSMTPD's, and others'
_DELIVERED = ("delivered", "relayed", "expanded")


def read_delivery_status(message: Message) -> Report | None:
    """What a report of delivery says; None if this is none that says anything.

    A mail of ours has one recipient: of several groups the worst counts.
    """
    groups = [group for part in parts(message, *_STATUS_TYPES) for group in blocks(part)]
    found = [report for group in groups if (report := _of_recipient(group)) is not None]
    worst = (Sort.FAILED, Sort.DELAYED, Sort.DELIVERED)
    return min(found, key=lambda report: worst.index(report.sort), default=None)


def _of_recipient(group: Message) -> Report | None:
    diagnosis = header(group, "Diagnostic-Code").partition(";")[2].strip() or header(group, "Diagnostic-Code")
    said, status = status_in(diagnosis), status_in(header(group, "Status"))
    sort = _sort_of(header(group, "Action").lower(), status)
    if sort is None:
        return None
    if not status or (status.endswith(".0.0") and said):
        status = said or status
    kind = weigh(code_in(diagnosis), status, diagnosis) if sort is Sort.FAILED else None
    return Report(sort, kind=kind, status=status, text=diagnosis, addresses=tuple(_recipients(group)))


def _sort_of(action: str, status: str) -> Sort | None:
    word = action.partition(" ")[0].strip("();,")
    if word in _FAILED:
        return Sort.FAILED
    if word.startswith("delay"):
        return Sort.DELAYED
    if word in _DELIVERED:
        return Sort.DELIVERED
    if word or not status:
        return None
    return Sort.FAILED if status.startswith("5") else Sort.DELAYED


def _recipients(group: Message) -> Iterator[str]:
    for value in headers(group, "Original-Recipient", "Final-Recipient", "X-Actual-Recipient"):
        kind, _, address = value.partition(";")
        found = (address if kind.strip().lower() in ("rfc822", "utf-8") else value).strip().strip("<>")
        if "@" in found:
            yield found


def read_complaint(message: Message) -> Report | None:
    """What a report of spam says; None if this is none, or says something else."""
    for part in parts(message, "message/feedback-report"):
        for group in blocks(part):
            kind = header(group, "Feedback-Type").lower()
            if kind in _SPAM:
                return Report(Sort.COMPLAINT, text=kind, addresses=tuple(headers(group, "Original-Rcpt-To")))
    return None


def envelope_ids(message: Message) -> Iterator[str]:
    """The identifiers of envelopes that a report names."""
    for part in parts(message, *_STATUS_TYPES, "message/feedback-report"):
        for group in blocks(part):
            yield from headers(group, "Original-Envelope-Id")

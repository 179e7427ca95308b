"""What comes back: reports of mail servers and mailbox providers, automatic answers, wishes to leave.

Reading is pure and believes nothing; whether a report is about a mail of ours is looked up by whoever asked.
"""

import logging
import re
from collections.abc import Iterator
from email.message import Message

from newsletter.bouncing import Kind, says_full, status_in, weigh
from newsletter.mail.reports.notices import envelope_ids, read_complaint, read_delivery_status
from newsletter.mail.reports.parsing import enclosed, header, headers, parse, tame, undo_encoding
from newsletter.mail.reports.replies import first_lines, is_auto_reply, is_automatic, tokens_in_links, wants_to_leave
from newsletter.mail.reports.report import Report, Sort
from newsletter.mail.verp import token_alone, tokens_in

__all__ = ["Report", "Sort", "read_report"]

# Where servers write down for whom a mail came.
_RECIPIENTS = (
    *("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Delivered-To", "X-Rcpt-To"),
    *("Original-Recipient", "To", "Cc", "Resent-To"),
)
_MESSAGE_ID = re.compile(r"<([^<>\s@]{1,64}@[A-Za-z0-9.-]{1,255})>")
_IN_TEXT = re.compile(rf"(?im)^[> \t]{{0,20}}Message-ID:[ \t]{{0,20}}{_MESSAGE_ID.pattern}")
_MOST = 20  # Message-IDs and addresses that are looked at


def read_report(raw: bytes) -> Report:
    """Read a mail, or as much of it as is read of any. One that is nested so deep that nobody can have meant it is not
    understood."""
    try:
        return _whole(parse(raw), raw)
    except RecursionError:
        return Report(Sort.UNKNOWN)


def _whole(message: Message, raw: bytes) -> Report:
    texts = [tame(raw).decode("utf-8", "replace"), *undo_encoding(message)]
    read = _read(message)
    leave = read.leave if read.sort is not Sort.COMPLAINT else tokens_in_links("\n".join(texts))
    return Report(
        read.sort,
        read.kind,
        read.status,
        read.text,
        read.addresses[:_MOST],
        tuple(dict.fromkeys(_tokens(message, texts))),
        tuple(dict.fromkeys(_message_ids(message, texts)))[:_MOST],
        leave,
    )


def _read(message: Message) -> Report:
    if report := read_delivery_status(message) or read_complaint(message):
        return report
    leave = wants_to_leave(message)
    if leave is not None:
        return Report(Sort.LEAVE, leave=leave)
    if is_auto_reply(message):
        return Report(Sort.AUTO_REPLY)
    return _guess(message) or Report(Sort.AUTO_REPLY if is_automatic(message) else Sort.UNKNOWN)


def _guess(message: Message) -> Report | None:
    """What flufl.bounce makes of a mail that no standard was followed in; None if nothing."""
    from flufl.bounce import all_failures

    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL + 1)  # what it stumbles on may hold an address
    try:
        delayed, failed = all_failures(message)
    except Exception:  # noqa: BLE001 - it is full of guesses, and the mail may be anything
        return None
    names = tuple(address.decode("ascii", "replace") for address in sorted(failed or delayed))
    if not names:
        return None
    subject = header(message, "Subject")
    if not failed:
        return Report(Sort.DELAYED, text=subject, addresses=names)
    begin = first_lines(message)
    status = status_in(begin)
    kind = weigh(0, status, "") if status[:1] in ("4", "5") else Kind.SOFT if says_full(begin) else Kind.HARD
    return Report(Sort.FAILED, kind, status, subject, names)


def _tokens(message: Message, texts: list[str]) -> Iterator[str]:
    yield from tokens_in(headers(message, *_RECIPIENTS))
    yield from filter(None, map(token_alone, envelope_ids(message)))
    yield from tokens_in(texts)


def _message_ids(message: Message, texts: list[str]) -> Iterator[str]:
    for returned in enclosed(message):
        yield from _MESSAGE_ID.findall(header(returned, "Message-ID"))
    for value in headers(message, "In-Reply-To", "References"):
        yield from _MESSAGE_ID.findall(value)
    for text in texts:
        yield from _IN_TEXT.findall(text)

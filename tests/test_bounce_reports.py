"""Reading what comes to the return path: reports, complaints, wishes to leave, answers of programs, and rubbish."""

import email
import os
import time
from pathlib import Path

import pytest
from flufl.bounce import all_failures
from hypothesis import given
from hypothesis import strategies as st
from returning import by_qmail, complaint, failed, plain

from newsletter.bouncing import Kind
from newsletter.mail.reports import Report, Sort, read_report
from newsletter.mail.reports.parsing import MOST_BYTES, tame
from newsletter.mail.tokens import Keyring
from newsletter.mail.verp import ReturnPath

PATH = ReturnPath("bounces@example.org", Keyring({1: b"k" * 32}))
TO, TOKEN = PATH.of(7), PATH.token(7)
LEAVE = Keyring({1: b"k" * 32}).make("unsubscribe", 7)

# ---------------------------------------------------------------- reports of delivery


def test_a_failure() -> None:
    assert read_report(failed(TO)) == Report(
        Sort.FAILED,
        Kind.HARD,
        "5.1.1",
        "550 5.1.1 no such user",
        ("ada@example.org",),
        (TOKEN,),
        ("other@elsewhere.example",),
    )


@pytest.mark.parametrize(
    ("action", "status", "sort"),
    [
        ("failed", "5.1.1", Sort.FAILED),
        ("Failed (undeliverable)", "5.1.1", Sort.FAILED),
        ("error", "5.1.1", Sort.FAILED),
        ("failed", "4.4.7", Sort.FAILED),
        ("delayed", "4.4.1", Sort.DELAYED),
        ("delivered", "2.0.0", Sort.DELIVERED),
        ("relayed", "2.0.0", Sort.DELIVERED),
        ("expanded", "2.0.0", Sort.DELIVERED),
        ("", "5.1.1", Sort.FAILED),
        ("", "4.1.1", Sort.DELAYED),
    ],
)
def test_what_became_of_it(action: str, status: str, sort: Sort) -> None:
    assert read_report(failed(TO, status, action=action)).sort is sort


@pytest.mark.parametrize(
    ("status", "diagnosis", "kind", "found"),
    [
        ("5.1.1", "smtp; 550 5.1.1 unknown", Kind.HARD, "5.1.1"),
        ("5.2.2", "smtp; 552 5.2.2 full", Kind.SOFT, "5.2.2"),
        ("4.4.7", "smtp; 451 timeout", Kind.SOFT, "4.4.7"),
        ("5.7.1", "smtp; 550 5.7.1 blocked", Kind.POLICY, "5.7.1"),
        ("5.0.0", "smtp; 550 5.2.2 full", Kind.SOFT, "5.2.2"),  # the server says more than its reporter
        ("5.0.0", "smtp; 554 blocked for spam", Kind.POLICY, "5.0.0"),
        ("5.0.0", "x-unix; unknown user", Kind.HARD, "5.0.0"),
        ("nonsense", "550 no such user", Kind.HARD, ""),
        ("5.1.1 (bad address)", "", Kind.HARD, "5.1.1"),
    ],
)
def test_what_a_failure_is(status: str, diagnosis: str, kind: Kind, found: str) -> None:
    report = read_report(failed(TO, status, diagnosis))
    assert (report.sort, report.kind, report.status) == (Sort.FAILED, kind, found)


def test_of_several_recipients_the_worst_counts() -> None:
    more = "Final-Recipient: rfc822; b@example.org\nAction: failed\nStatus: 5.1.1\n\n--B\nContent-Type: text/rfc822"
    raw = failed(TO, "4.4.1", action="delayed").replace(b"--B\nContent-Type: text/rfc822", more.encode())
    report = read_report(raw)
    assert (report.sort, report.addresses) == (Sort.FAILED, ("b@example.org",))


def test_a_report_about_addresses_beyond_ascii() -> None:
    raw = failed(TO, recipient="x").replace(b"message/delivery-status", b"message/global-delivery-status")
    raw = raw.replace(b"rfc822; x", "utf-8; jürgen@example.org".encode()).replace(b"Diagnostic", b"x")
    report = read_report(raw)
    assert (report.sort, report.kind) == (Sort.FAILED, Kind.HARD)
    assert report.addresses


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_whatever_its_lines_end_with(ends: bytes) -> None:
    assert read_report(failed(TO).replace(b"\n", ends)) == read_report(failed(TO))


# ---------------------------------------------------------------- which mail of ours


@pytest.mark.parametrize("name", ["Delivered-To", "X-Original-To", "Envelope-To", "To", "Cc", "X-Envelope-To"])
def test_the_return_path_is_read_where_servers_write_it(name: str) -> None:
    raw = failed("somebody@elsewhere.example", more=f"{name}: <{TO.upper()}>\n")
    assert read_report(raw).tokens == (TOKEN,)


def test_an_envelope_identifier() -> None:
    assert read_report(failed("bounces@example.org", envelope_id=TOKEN)).tokens == (TOKEN,)
    assert read_report(failed("bounces@example.org", envelope_id="QQ123")).tokens == ()


def test_the_own_return_path_goes_first() -> None:
    raw = failed(TO, envelope_id=PATH.token(8), more=f"X-Note: {PATH.of(9)}\n")
    assert read_report(raw).tokens == (TOKEN, PATH.token(8), PATH.token(9))


@pytest.mark.parametrize("kind", ["text/rfc822-headers", "message/rfc822", "message/global", "message/global-headers"])
def test_the_message_id_of_what_is_returned(kind: str) -> None:
    raw = failed("bounces@example.org", message_id="20260106.t1@example.org")
    raw = raw.replace(b"text/rfc822-headers", kind.encode())
    assert read_report(raw).message_ids == ("20260106.t1@example.org",)


def test_message_ids_elsewhere() -> None:
    raw = plain(
        "b@example.org", "Hello", more="In-Reply-To: <a@x.example>\nReferences: <b@x.example>\n <c@x.example>\n"
    )
    assert read_report(raw).message_ids == ("a@x.example", "b@x.example", "c@x.example")
    assert read_report(plain("b@example.org", "Hello", "> Message-Id:  <d@x.example>\n")).message_ids == (
        "d@x.example",
    )


def test_a_text_that_was_encoded_is_searched_too() -> None:
    message = email.message.EmailMessage()
    message["From"], message["To"] = "MAILER-DAEMON@x.example", "b@example.org"
    message.set_content(by_qmail(TO).decode().partition("\n\n")[2], cte="base64")
    report = read_report(bytes(message))
    assert (report.sort, report.tokens) == (Sort.FAILED, (TOKEN,))


# ---------------------------------------------------------------- all else


@pytest.mark.parametrize("kind", ["abuse", "Abuse", "fraud", "opt-out"])
def test_a_complaint(kind: str) -> None:
    report = read_report(complaint(kind=kind, mail_from=TO, leave=LEAVE, message_id="1@example.org"))
    assert (report.sort, report.tokens, report.message_ids) == (Sort.COMPLAINT, (TOKEN,), ("1@example.org",))
    assert report.leave == (LEAVE,)


@pytest.mark.parametrize("kind", ["not-spam", "auth-failure", "virus", "other", ""])
def test_a_report_that_is_no_complaint(kind: str) -> None:
    assert read_report(complaint(kind=kind, mail_from=TO)).sort is Sort.UNKNOWN


@pytest.mark.parametrize(
    ("subject", "text", "leave"),
    [
        (f"unsubscribe {LEAVE}", "", (LEAVE,)),
        (f"Re: Unsubscribe {LEAVE}", "", (LEAVE,)),
        (f"unsubscribe\n {LEAVE}", "", (LEAVE,)),
        ("no subject", f"\n\nunsubscribe {LEAVE}\n-- \nAda\n", (LEAVE,)),
        ("unsubscribe", "", ()),
        ("", "Unsubscribe.\n", ()),
    ],
)
def test_a_wish_to_leave(subject: str, text: str, leave: tuple[str, ...]) -> None:
    report = read_report(plain("bounces@example.org", subject, text))
    assert (report.sort, report.leave) == (Sort.LEAVE, leave)


@pytest.mark.parametrize(
    ("subject", "text"),
    [("How do I unsubscribe?", ""), ("unsubscribe me from the other list", ""), ("x", f"Hello\nunsubscribe {LEAVE}\n")],
)
def test_what_only_speaks_of_leaving(subject: str, text: str) -> None:
    assert read_report(plain("bounces@example.org", subject, text)).sort is Sort.UNKNOWN


@pytest.mark.parametrize(
    ("subject", "more"),
    [
        ("Papers", "Auto-Submitted: auto-replied\n"),
        ("Papers", "Auto-Submitted: auto-replied (vacation)\n"),
        ("Papers", "Auto-Submitted: auto-generated\n"),
        ("Papers", "X-Autoreply: yes\n"),
        ("Papers", "X-Autorespond: \n"),
        ("Papers", "Precedence: auto_reply\n"),
        ("Automatic reply: Papers", ""),
        ("Out of office: Papers", ""),
        ("=?utf-8?q?R=C3=A9ponse_automatique_=3A_Papers?=", ""),
        ("Abwesenheitsnotiz", ""),
        (
            "Papers",
            "Content-Type: multipart/report; boundary=B\n\n--B\nContent-Type: message/disposition-notification\n",
        ),
    ],
)
def test_an_automatic_answer(subject: str, more: str) -> None:
    assert read_report(plain(TO, subject, more=more)).sort is Sort.AUTO_REPLY


def test_an_answer_of_a_person_is_not_understood() -> None:
    assert read_report(plain(TO, "Re: Papers", more="Auto-Submitted: no\n")).sort is Sort.UNKNOWN


def test_what_only_guesses_understand() -> None:
    report = read_report(by_qmail(TO))
    assert (report.sort, report.kind) == (Sort.FAILED, Kind.HARD)
    assert report.addresses == ("ada@example.org",)
    assert report.tokens == (TOKEN,)
    full = by_qmail(TO).replace(b"Sorry, no mailbox here by that name.", b"The mailbox is full. (#5.2.2)")
    assert read_report(full).kind is Kind.SOFT


# ---------------------------------------------------------------- rubbish

_PIECES = [
    b"\n",
    b"\r\n",
    b"--B\n",
    b"--B--\n",
    b"Content-Type: multipart/report; boundary=B\n",
    b"Content-Type: multipart/mixed; boundary=B\n",
    b"Content-Type: message/delivery-status\n",
    b"Content-Type: message/global-delivery-status\n",
    b"Content-Type: message/feedback-report\n",
    b"Content-Type: message/rfc822\n",
    b"Content-Type: text/rfc822-headers\n",
    b"Content-Type: message/disposition-notification\n",
    b"Content-Type: text/plain; charset=\xff\n",
    b"Content-Type: ;;=\n",
    b"Content-Transfer-Encoding: base64\n",
    b"Content-Transfer-Encoding: quoted-printable\n",
    b"Content-Transfer-Encoding: x-uuencode\n",
    b"begin 644 a\n",
    b"Action: failed\n",
    b"Action: \xfc\n",
    b"Status: 5.1.1\n",
    b"Status: 999999999999999999999.5.5\n",
    b"Final-Recipient: rfc822;\n",
    b"Final-Recipient: ;;;@\n",
    b"Diagnostic-Code: smtp; 550 5.1.1 x\n",
    b"Feedback-Type: abuse\n",
    b"Original-Envelope-Id: x\n",
    b"X-Failed-Recipients: \xff@,<(,\n",
    b"Subject: =?utf-8?b?////?= =?x?q?=FF?=\n",
    b"Subject: unsubscribe x\n",
    b"From: =?\xff?=\n",
    b"From: MAILER-DAEMON@aol.com\n",
    b"To: \xc3\xbc@\n",
    b"Hi. This is the qmail-send\n",
    b"<\xff@x>:\n",
    b"The following addresses had permanent fatal errors\n",
    b"<>\n",
    b": \n",
    b" \t\n",
    b"=ZZ=\n",
    b"\x00\n",
]


@given(st.binary(max_size=2_000))
def test_any_bytes_are_read(raw: bytes) -> None:
    assert read_report(raw).sort in Sort


@given(st.lists(st.sampled_from(_PIECES) | st.binary(max_size=20), max_size=60))
def test_any_broken_report_is_read(pieces: list[bytes]) -> None:
    report = read_report(b"".join(pieces))
    assert (report.kind is not None) == (report.sort is Sort.FAILED)
    for text in (report.status, report.text, *report.addresses, *report.tokens, *report.message_ids, *report.leave):
        assert text.encode().decode() == text  # so that a database takes it


@given(st.lists(st.integers(0, 2_000), max_size=5), st.binary(min_size=1, max_size=3))
def test_any_damaged_report_is_read(places: list[int], damage: bytes) -> None:
    raw = bytearray(failed(TO, envelope_id=TOKEN) + complaint(mail_from=TO))
    for place in places:
        raw[place : place + len(damage)] = damage
    assert read_report(bytes(raw)).sort in Sort


_BOMBS = {
    "parts": b"Content-Type: multipart/mixed; boundary=x\n\n" + b"--x\n\n" * 60_000,
    "levels": b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(5_000)),
    "messages": b"Content-Type: message/rfc822\n\n" * 9_000,
    "groups": b"Content-Type: message/delivery-status\n\n" + b"a:b\n\n" * 60_000,
    "headers": b"a:b\n" * 60_000,
    "parameters": b'Content-Type: multipart/mixed; x="' + b";\n " * 90_000,
    "continued": b"Content-Type: multipart/mixed; " + b"".join(b"\n boundary*%d*=x%%ff;" % n for n in range(9_000)),
    "comments": b"From: " + b"\n (((((((((((((((((((((((((((((((" * 8_000,
    "comments in a line": b"From: " + b"(" * 250_000,
    "failed": b"X-Failed-Recipients: " + b'\n (((((,,,,"""@<>' * 12_000,
    "words": b"Subject: " + b"\n =?utf-8?q?a?=" * 12_000,
    "a long line": b"From: x\n\n" + b"a" * MOST_BYTES,
    "addresses": b"From: x\n\n" + b"a@" * (MOST_BYTES // 2),
    "brackets": b"References: " + b"<" * MOST_BYTES,
    "blanks": b"From: x\n\nUser's mailbox is full: " + b" \t" * MOST_BYTES,
    "quotas": b"Content-Type: message/delivery-status\n\nAction: failed\nDiagnostic-Code: x; " + b"\n mailbox" * 20_000,
    "large": bytes(range(256)) * 40_000,
}
_BOUND = 5.0  # seconds; on an idle machine the worst takes 0.4


@pytest.mark.parametrize("name", _BOMBS)
def test_a_bomb_costs_little(name: str) -> None:
    began = time.process_time()
    assert read_report(_BOMBS[name]).sort in (Sort.UNKNOWN, Sort.FAILED, Sort.AUTO_REPLY)
    assert time.process_time() - began < _BOUND


def test_no_more_is_read_than_a_report_needs() -> None:
    assert len(tame(b"a" * 10_000_000)) < 1_000
    assert len(tame(b"a\n" * 10_000_000).splitlines()) == 4_000
    assert tame(failed(TO)) == failed(TO)
    late = failed(TO).replace(b"--B\nContent-Type: text/plain", b"\n" * MOST_BYTES + b"--B\nContent-Type: text/plain")
    assert read_report(late).sort is not Sort.FAILED


# ---------------------------------------------------------------- flufl.bounce's collection

SAMPLES = "FLUFL_BOUNCE_SAMPLES"
_FOLDER = os.environ.get(SAMPLES, "")


@pytest.mark.skipif(
    not _FOLDER, reason=f"{SAMPLES} names no folder: tests/data of flufl.bounce's source distribution is not installed"
)
def test_all_samples_are_read_as_flufl_reads_them() -> None:
    paths = sorted(Path(_FOLDER).glob("*.txt"))
    assert len(paths) > 90
    otherwise = {}
    for path in paths:
        raw = path.read_bytes()
        delayed, gone = all_failures(email.message_from_bytes(raw))
        report = read_report(raw)
        expected = {Sort.FAILED} if gone else {Sort.DELAYED} if delayed else set(Sort) - {Sort.FAILED, Sort.DELAYED}
        named = {address.decode().lower() for address in gone or delayed}
        found = {address.lower() for address in report.addresses}
        if report.sort not in expected or (named and not named & found):
            otherwise[path.name] = report, named
    assert otherwise == {}

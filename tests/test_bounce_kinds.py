"""Whose fault it is that a mail came back, and what that adds up to."""

from datetime import date, timedelta
from itertools import groupby
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from newsletter.bouncing import QUIET_DAYS, Kind, Score, code_in, count, remembered, status_in, weigh

HARD, SOFT, POLICY, OURS = Kind.HARD, Kind.SOFT, Kind.POLICY, Kind.OURS
DAY = date(2026, 1, 6)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        # the address
        ("550 5.1.1 no such user", HARD),
        ("550 5.1.0 address rejected", HARD),
        ("550 5.1.2 host unknown", HARD),
        ("501 5.1.3 bad syntax", HARD),
        ("551 5.1.6 they have moved", HARD),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound", HARD),
        ("556 5.1.10 null MX", HARD),
        ("550 no such user", HARD),
        ("551 user not local", HARD),
        ("553 mailbox name not allowed", HARD),
        ("554 delivery error: this user doesn't have an account here", HARD),
        ("550 5.0.0 unknown", HARD),
        ("550 5.5.0 Requested action not taken: mailbox unavailable", HARD),
        ("553 5.3.0 <x@y>... User unknown", HARD),
        ("550 5.2.1 the account is disabled", HARD),
        ("550 5.4.1 Recipient address rejected: Access denied. AS(201806281)", HARD),
        ("550 5.4.4 Host not found", HARD),
        ("550 5.4.310 DNS domain does not exist", HARD),
        ("521 does not accept mail", HARD),
        ("550 5.7.17 the mailbox owner has changed", HARD),
        ("550 5.6.7 non-ASCII addresses are not permitted", HARD),
        # takes none just now
        ("552 5.2.2 over quota", SOFT),
        ("550 5.2.2 over quota", SOFT),
        ("452 4.2.2 over quota", SOFT),
        ("552 too much", SOFT),
        ("552 5.3.4 message too big", SOFT),
        ("550 5.2.3 too long for this mailbox", SOFT),
        ("550 mailbox is full", SOFT),
        ("554 5.0.0 user quota exceeded", SOFT),
        ("550 5.3.1 mail system full", SOFT),
        ("450 4.1.1 unverified", SOFT),
        ("451 try again", SOFT),
        ("421 4.4.2 timeout", SOFT),
        ("450 4.2.0 greylisted", SOFT),
        ("554 5.4.6 it goes in circles", SOFT),
        ("550 5.4.7 expired", SOFT),
        # about us
        ("554 5.7.1 you are on a list", POLICY),
        ("550 5.7.26 unauthenticated", POLICY),
        ("550 5.7.515 Access denied, sending domain does not meet the required level", POLICY),
        ("552 5.7.0 this content is a security issue", POLICY),
        ("451 4.7.1 too much from you", POLICY),
        ("550 5.1.8 sender's domain not found", POLICY),
        ("553 5.1.7 bad sender", POLICY),
        ("550 5.4.5 daily user sending limit exceeded", POLICY),
        ("550 blocked using zen.spamhaus.org", POLICY),
        ("554 Reject due to policy restrictions", POLICY),
        ("550 5.0.0 SPF check failed", POLICY),
        ("535 authentication failed", POLICY),
        ("554 5.6.0 we do not like it", OURS),
        ("550 5.5.1 what was that", OURS),
        ("555 parameters not recognized", OURS),
        ("500 what", OURS),
    ],
)
def test_whose_fault(answer: str, kind: Kind) -> None:
    assert weigh(int(answer[:3]), status_in(answer), answer) is kind


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        ("5.1.1", "", HARD),
        ("5.0.0", "", HARD),
        ("4.4.7", "", SOFT),
        ("4.2.2", "", SOFT),
        ("5.7.1", "", POLICY),
        ("4.7.0", "", POLICY),
        ("", "", HARD),
        ("", "the mailbox of Ada is full", SOFT),
        ("nonsense", "blocked", POLICY),
    ],
)
def test_a_report_without_a_reply_code(status: str, text: str, kind: Kind) -> None:
    assert weigh(0, status, text) is kind


@given(
    st.sampled_from([*range(400, 600), 0]), st.from_regex(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}|", fullmatch=True), st.text()
)
def test_every_answer_has_a_kind_and_nothing_temporary_is_hard(code: int, status: str, text: str) -> None:
    kind = weigh(code, status, text)
    assert kind in (HARD, SOFT, POLICY, OURS)
    if code in range(400, 500) or (not code and status.startswith("4")):
        assert kind is not HARD


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        ("550 5.1.1 no", "5.1.1", 550),
        ("550-5.1.1 no\n550 5.1.1 at all.", "5.1.1", 550),
        ("(#5.1.1)", "5.1.1", 0),
        ("It failed: 5.1.1.", "5.1.1", 0),
        ("host 5.6.7.8 said no", "", 0),
        ("host 1.5.6.7 said 554", "", 554),
        ("version 15.1.1", "", 0),
        ("5.1.1.2", "", 0),
        ("", "", 0),
    ],
)
def test_codes_in_texts(text: str, status: str, code: int) -> None:
    assert (status_in(text), code_in(text)) == (status, code)


# ---------------------------------------------------------------- the score


def after(*events: tuple[int, Kind]) -> Score | None:
    score = None
    for day, kind in events:
        score = count(score, kind, DAY + timedelta(days=day))
    return score


@pytest.mark.parametrize(
    ("events", "points"),
    [
        ([(0, HARD)], 1.0),
        ([(0, SOFT)], 0.5),
        ([(0, HARD), (0, HARD)], 1.0),
        ([(0, SOFT), (0, HARD)], 1.0),
        ([(0, HARD), (0, SOFT)], 1.0),
        ([(0, HARD), (1, HARD), (2, HARD)], 3.0),
        ([(0, HARD), (1, SOFT), (2, SOFT)], 2.0),
        ([(0, HARD), (7, HARD)], 2.0),  # six quiet days: readers of weekly digests
        ([(0, HARD), (8, HARD)], 1.0),  # seven
        ([(0, HARD), (1, POLICY), (2, OURS), (3, Kind.COMPLAINT)], 1.0),
        ([(0, HARD), (3, POLICY), (8, HARD)], 1.0),  # what is about us keeps no memory awake
        ([(2, HARD), (0, HARD)], 1.0),  # the clock was set back
    ],
)
def test_what_it_adds_up_to(events: list[tuple[int, Kind]], points: float) -> None:
    score = after(*events)
    assert score is not None
    assert score.points == points


def test_what_is_about_us_begins_no_score() -> None:
    assert after((0, POLICY), (0, OURS), (0, Kind.COMPLAINT)) is None


def test_it_is_forgotten_after_seven_quiet_days() -> None:
    score = after((0, HARD))
    assert remembered(score, DAY + timedelta(days=7)) == score
    assert remembered(score, DAY + timedelta(days=8)) is None


class Scoring(RuleBasedStateMachine):
    """The score beside a list of all that came back, added up from scratch."""

    def __init__(self) -> None:
        super().__init__()
        self.today, self.score = DAY, cast("Score | None", None)
        self.events: list[tuple[date, Kind]] = []

    @rule(days=st.integers(0, 10))
    def days_pass(self, days: int) -> None:
        self.today += timedelta(days=days)

    @rule(kind=st.sampled_from(Kind))
    def comes_back(self, kind: Kind) -> None:
        self.score = count(self.score, kind, self.today)
        self.events.append((self.today, kind))

    @invariant()
    def it_is_the_worst_of_each_day_since_the_last_quiet_week(self) -> None:
        counting = ((day, kind.points) for day, kind in self.events if kind.points)
        days = {day: max(points for _, points in found) for day, found in groupby(counting, lambda event: event[0])}
        total, following = 0.0, self.today
        for day in sorted(days, reverse=True):
            if (following - day).days > QUIET_DAYS:
                break
            total, following = total + days[day], day
        score = remembered(self.score, self.today)
        assert (score.points if score else 0.0) == total


TestScoring = Scoring.TestCase
TestScoring.settings = settings(max_examples=200, stateful_step_count=40)

"""How fast mail goes: limits over all and by domain, slowing down when asked to, resting where none is wanted."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.delivery.pacing import Limits, Pacer
from newsletter.delivery.pacing_answers import LOOKED_BACK, ROW, SHARE, Meaning, meaning
from newsletter.delivery.pacing_limits import DAY, HOUR, SECOND, Rates, Scope, Window, from_micros, to_micros
from newsletter.errors import StorageError
from newsletter.mail.transports import Answer, Stage, Verdict
from newsletter.storage import Storage
from newsletter.storage.pace import Cause, Pause

START = datetime(2026, 1, 6, 7, tzinfo=UTC)
GMAIL, UNI = "gmail.com", "uni.example"
OK = Answer(Verdict.ACCEPTED, 250, "2.0.0 OK", Stage.DOT)
SLOWER = Answer(Verdict.DEFERRED, 421, "4.7.0 Try again later, closing connection.", Stage.RCPT)
UNWANTED = Answer(Verdict.DEFERRED, 550, "5.7.1 reader@gmail.com: our policy forbids it", Stage.DOT)
NOBODY = Answer(Verdict.REFUSED, 550, "5.1.1 no such user", Stage.RCPT)
LOST = Answer(Verdict.UNKNOWN, text="no answer after the message")


def after(**span: float) -> datetime:
    return START + timedelta(**span)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    with closing(Storage(tmp_path / "subscribers.db")) as storage:
        yield storage


Begin = Callable[..., Pacer]


@pytest.fixture
def begin(storage: Storage) -> Begin:
    """Begins a run, at a time and with limits: over all, and by domain."""

    def begin(
        now: datetime = START, chance: float = 0.5, domains: dict[str, Rates] | None = None, **rates: float
    ) -> Pacer:
        pacer = Pacer(storage, Limits(Rates(**rates), domains or {}), lambda: chance)  # type: ignore[arg-type]
        pacer.begin(now)
        return pacer

    return begin


def write(storage: Storage, pacer: Pacer, now: datetime) -> None:
    with storage.write():
        pacer.write(now)


def send(pacer: Pacer, now: datetime, number: int = 1, domain: str = UNI, kind: str = "digest") -> int:
    """Send what may go, up to a number; how many that is."""
    sent = 0
    while sent < number and pacer.room(kind, now) and pacer.allows(kind, domain, now):
        pacer.claim(kind, domain, now)
        pacer.hear(domain, OK, now)
        sent += 1
    return sent


def hear(pacer: Pacer, now: datetime, answer: Answer, domain: str = GMAIL, number: int = 1) -> list[Pause]:
    """Mails that go out, limits or none, and get this answer; the pauses they cause."""
    found = []
    for _ in range(number):
        pacer.claim("digest", domain, now)
        found.append(pacer.hear(domain, answer, now))
    return [pause for pause in found if pause is not None]


# ---------------------------------------------------------------- limits over all


def test_without_limits_there_is_room_and_nothing_is_written(storage: Storage, begin: Begin) -> None:
    pacer = begin()
    for number in range(5_000):
        pacer.claim("digest", f"d{number}.example", START)
    for number in range(5_000):
        pacer.hear(f"d{number}.example", OK, START)
    assert pacer.room("digest", START) >= 100_000
    assert pacer.closed("digest", START) == frozenset()
    assert (pacer.held_back(START), pacer.opens(START)) == ("", None)
    before = storage.database.value("SELECT total_changes()")
    write(storage, pacer, START)
    assert storage.database.value("SELECT total_changes()") == before
    assert list(storage.pace.counts()) == []


@pytest.mark.parametrize(
    ("rates", "first", "span"),
    [
        ({"per_hour": 5}, 5, timedelta(hours=1)),
        ({"per_day": 7}, 7, timedelta(days=1)),
        ({"per_hour": 5, "per_day": 5}, 5, timedelta(days=1)),
        ({"per_second": 4.0}, 1, timedelta(seconds=0.25)),
        ({"per_second": 0.1}, 1, timedelta(seconds=10)),
        ({"per_second": 100.0}, 5, timedelta(seconds=0.05)),
    ],
)
def test_a_limit_opens_when_its_time_is_over(
    storage: Storage, begin: Begin, rates: dict[str, float], first: int, span: timedelta
) -> None:
    pacer = begin(**rates)
    assert send(pacer, START, 100) == first
    opens = pacer.opens(START)
    assert opens == START + span
    assert send(pacer, opens - timedelta(microseconds=1), 100) == 0
    assert send(pacer, opens, 100) == first


def test_seconds_are_kept_evenly_and_in_every_second(begin: Begin) -> None:
    pacer = begin(per_second=25.0)
    now, sent = START, []
    while now < after(seconds=10):
        sent += [now] * send(pacer, now, 3)
        now += timedelta(milliseconds=7)
    assert max(sum(1 for other in sent if moment <= other < moment + timedelta(seconds=1)) for moment in sent) <= 25
    assert len(sent) >= 230


def test_why_nothing_may_go(begin: Begin) -> None:
    pacer = begin(per_hour=2, per_day=3)
    assert pacer.held_back(START) == ""
    send(pacer, START, 9)
    assert pacer.held_back(START) == "[smtp] per_hour is reached"
    send(pacer, after(hours=1), 9)
    assert pacer.held_back(after(hours=1)) == "[smtp] per_day is reached"
    assert pacer.opens(after(hours=1)) == after(days=1)


@pytest.mark.parametrize(("limit", "kept"), [(19, 0), (20, 1), (100, 5), (119, 5)])
@pytest.mark.parametrize("name", ["per_hour", "per_day"])
def test_digests_leave_a_twentieth_to_singles(begin: Begin, name: str, limit: int, kept: int) -> None:
    pacer = begin(**{name: limit})
    assert send(pacer, START, 999, kind="repeat") == limit - kept
    assert pacer.room("digest", START) == 0
    assert pacer.room("single", START) == kept
    assert send(pacer, START, 999, kind="single") == kept
    assert pacer.opens(START) == after(**{"hours" if name == "per_hour" else "days": 1})


def test_what_was_not_handed_over_does_not_count(storage: Storage, begin: Begin) -> None:
    pacer = begin(per_hour=3)
    for _ in range(3):
        pacer.claim("digest", UNI, START)
    pacer.give_back("digest", UNI, after(minutes=1))
    pacer.hear(UNI, Answer(Verdict.RETURNED, text="we were told to stop"), after(minutes=1))
    assert pacer.room("digest", after(minutes=1)) == 2
    pacer.give_back("digest", "elsewhere.example", after(minutes=1))  # which nothing went to
    assert pacer.room("digest", after(minutes=1)) == 2
    write(storage, pacer, after(minutes=1))
    assert begin(after(minutes=2), per_hour=3).room("digest", after(minutes=2)) == 2


def test_which_was_given_back_is_not_known_and_no_limit_is_passed(begin: Begin) -> None:
    pacer = begin(per_hour=2)
    pacer.claim("digest", UNI, START)
    pacer.claim("digest", UNI, after(minutes=30))
    pacer.give_back("digest", UNI, after(minutes=31))  # it may be the first or the second
    assert send(pacer, after(minutes=31), 9) == 1
    assert send(pacer, after(minutes=61), 9) == 0


# ---------------------------------------------------------------- across restarts


@pytest.mark.parametrize("rates", [{"per_hour": 5}, {"per_day": 5}, {"per_hour": 5, "per_day": 5}])
def test_hours_and_days_survive_a_restart(storage: Storage, begin: Begin, rates: dict[str, float]) -> None:
    pacer = begin(**rates)
    assert send(pacer, START, 3) == 3
    write(storage, pacer, START)
    now = after(minutes=10)
    pacer = begin(now, **rates)
    assert send(pacer, now, 9) == 2
    write(storage, pacer, now)
    opens = after(days=1) if "per_day" in rates else after(hours=1)
    pacer = begin(opens, **rates)
    assert send(pacer, opens, 9) == 3


def test_who_is_restarted_each_moment_is_not_faster(storage: Storage, begin: Begin) -> None:
    now, sent = after(milliseconds=1), []
    while now < after(seconds=20):
        pacer = begin(now, per_second=3.0)
        sent += [now] * send(pacer, now, 9)
        write(storage, pacer, now)
        now += timedelta(milliseconds=170)
    for moment in sent:
        assert sum(1 for other in sent if moment <= other < moment + timedelta(seconds=1)) <= 3
    assert len(sent) >= 15
    assert storage.database.value("SELECT count(*) FROM pace_counts") <= 4


@pytest.mark.parametrize("back", [timedelta(minutes=10), timedelta(days=400)])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_clock_set_back_shuts_a_limit_for_no_longer_than_its_span(
    storage: Storage, begin: Begin, back: timedelta, restarted: bool
) -> None:
    pacer = begin(per_hour=5)
    send(pacer, START, 5)
    write(storage, pacer, START)
    now = START - back
    for minutes in range(0, 60, 5):  # also if it is started again and again
        then = now + timedelta(minutes=minutes)
        if restarted:
            pacer = begin(then, per_hour=5)
        assert pacer.room("digest", then) == 0
    assert pacer.opens(then) == now + timedelta(hours=1)
    assert send(pacer, now + timedelta(hours=1), 9) == 5


def test_beginning_twice_counts_once(storage: Storage, begin: Begin) -> None:
    pacer = begin(per_hour=5)
    send(pacer, START, 2)
    write(storage, pacer, START)
    pacer.begin(after(seconds=1))
    assert pacer.room("digest", after(seconds=1)) == 3


def test_numbers_are_bounded_and_old_ones_forgotten(storage: Storage, begin: Begin) -> None:
    pacer = begin(domains={"*": Rates(per_hour=1_000_000)}, per_hour=1_000_000)
    for minute in range(180):
        now = after(minutes=minute)
        send(pacer, now, 3, UNI if minute < 60 else GMAIL)
        write(storage, pacer, now)
    counts = list(storage.pace.counts())
    assert sum(1 for scope, _, _ in counts if scope == "") == 60
    assert sum(1 for scope, _, _ in counts if scope == GMAIL) == 60
    begin(after(days=2), per_hour=5)
    assert list(storage.pace.counts()) == []


def test_a_day_of_sending_takes_a_number_a_second_at_most() -> None:
    window = Window("per_day", 10**9, DAY, SECOND)
    for second in range(0, 3 * DAY, SECOND * 7):
        window.add(second)
        window.add(second + 1)
        window.room(second, single=True)
    assert len(window._moments) <= 86_400
    assert window.room(3 * DAY, single=True) < 10**9


# ---------------------------------------------------------------- domains


def test_a_domain_is_limited_by_itself(begin: Begin) -> None:
    domains = {GMAIL: Rates(per_hour=2), "*": Rates(per_hour=4), UNI: Rates()}
    pacer = begin(domains=domains)
    assert [send(pacer, START, 9, domain) for domain in (GMAIL, "a.example", "b.example", UNI)] == [2, 4, 4, 9]
    assert pacer.closed("digest", START) == {GMAIL, "a.example", "b.example"}
    assert pacer.held_back(START) == "[smtp.per_domain] per_hour of a.example is reached (and 2 more)"
    assert pacer.opens(START) == after(hours=1)
    assert pacer.closed("digest", after(hours=1)) == frozenset()
    assert pacer.held_back(after(hours=1)) == ""


def test_a_domains_digests_leave_room_for_singles(begin: Begin) -> None:
    pacer = begin(domains={GMAIL: Rates(per_day=40)})
    assert send(pacer, START, 99, GMAIL) == 38
    assert pacer.closed("digest", START) == {GMAIL}
    assert pacer.closed("single", START) == frozenset()
    assert send(pacer, START, 99, GMAIL, "single") == 2
    assert pacer.closed("single", START) == {GMAIL}


def test_so_many_are_under_way_to_a_domain_at_once(begin: Begin) -> None:
    pacer = begin(domains={GMAIL: Rates(connections=2)})
    pacer.claim("digest", GMAIL, START)
    assert pacer.closed("digest", START) == frozenset()
    pacer.claim("digest", GMAIL, START)
    assert pacer.closed("digest", START) == pacer.closed("single", START) == {GMAIL}
    assert (pacer.held_back(START), pacer.opens(START)) == ("", None)  # the next answer opens it
    pacer.hear(GMAIL, LOST, START)
    assert pacer.closed("digest", START) == frozenset()
    pacer.claim("digest", GMAIL, START)
    pacer.give_back("digest", GMAIL, START)
    assert pacer.allows("digest", GMAIL, START)


def test_domains_survive_a_restart(storage: Storage, begin: Begin) -> None:
    domains = {"*": Rates(per_hour=2)}
    pacer = begin(domains=domains)
    send(pacer, START, 2, GMAIL)
    send(pacer, START, 1, UNI)
    write(storage, pacer, START)
    pacer = begin(after(minutes=5), domains=domains)
    assert pacer.closed("digest", after(minutes=5)) == {GMAIL}


# ---------------------------------------------------------------- what answers mean

ANSWERS = {
    Meaning.SLOWER: [
        (421, "4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address."),
        (421, "4.7.0 Try again later, closing connection. - gsmtp"),
        (450, "4.7.28 Our system has detected an unusual rate of mail. It has been temporarily rate limited."),
        (451, "4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77)"),
        (451, "4.7.650 The mail server has been temporarily rate limited due to IP reputation"),
        (421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume"),
        (421, "4.16.55 [TSS09] All messages from 192.0.2.1 will be deferred due to excessive traffic"),
        (421, "Requested action not taken: too many connections, try again later"),
        (450, "Requested mail action not taken: mailbox unavailable. Rate limit exceeded"),
        (450, "4.7.0 Too many messages, slow down."),
        (421, "4.3.2 The maximum number of concurrent connections has exceeded a limit"),
        (452, "4.3.1 Insufficient system resources, please try again later"),
        (451, "4.7.1 You are sending too fast"),
        (454, "Throttling failure: Maximum sending rate exceeded."),
        (454, "Throttling failure: Daily message quota exceeded."),
    ],
    Meaning.UNWANTED: [
        (550, "5.7.1 Our system has detected that this message is likely unsolicited mail."),
        (554, "5.7.9 Message not accepted for policy reasons."),
        (550, "5.7.606 Access denied, banned sending IP"),
        (550, "5.7.26 This mail has been blocked because the sender is unauthenticated."),
        (554, "Message rejected: listed at zen.example DNSBL"),
        (450, "4.7.25 Client host rejected: cannot find your hostname"),
    ],
    Meaning.NOTHING: [
        (450, "4.2.0 <reader@uni.example>: Recipient address rejected: Greylisted, try again later"),
        (451, "4.7.1 Greylisting in action, please come back in 00:05:00"),
        (450, "4.7.1 Postgrey: temporarily rejected"),
    ],
    Meaning.OTHER: [
        (550, "5.1.1 no such user"),
        (452, "4.2.2 The recipient's inbox is out of storage space; try again later"),
        (450, "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents it"),
        (451, "4.3.0 later"),
        (450, "4.1.2 Domain not found"),
        (552, "5.2.2 mailbox full"),
    ],
}


@pytest.mark.parametrize(("said", "code", "text"), [(said, *reply) for said in ANSWERS for reply in ANSWERS[said]])
def test_what_an_answer_says(said: Meaning, code: int, text: str) -> None:
    verdict = Verdict.DEFERRED if code < 500 else Verdict.REFUSED
    assert meaning(Answer(verdict, code, text, Stage.RCPT)) is said
    assert meaning(Answer(verdict, code, text, Stage.DOT)) is said
    assert meaning(Answer(verdict, code, text, Stage.MAIL)) is Meaning.NOTHING


@pytest.mark.parametrize("answer", [LOST, Answer(Verdict.DEFERRED, text="connection lost"), Answer(Verdict.REFUSED)])
def test_what_says_nothing(answer: Answer) -> None:
    assert meaning(answer) is Meaning.NOTHING


# ---------------------------------------------------------------- too fast


def test_a_domain_that_asks_for_it_rests_longer_and_longer(begin: Begin) -> None:
    pacer, now, lengths = begin(), START, []
    for _ in range(9):
        (pause,) = hear(pacer, now, SLOWER)
        lengths.append(pause.length)
        assert pacer.closed("digest", now) == pacer.closed("single", now) == {GMAIL}
        assert pacer.opens(now) == pause.until
        assert not pacer.allows("single", GMAIL, pause.until - timedelta(microseconds=1))
        assert pacer.allows("digest", UNI, now)
        now = pause.until
        assert pacer.allows("digest", GMAIL, now)
    minutes = [length / timedelta(minutes=1) for length in lengths]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert pause.since == START


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 45), (0.5, 60), (1.0, 75)])
def test_pauses_are_spread(begin: Begin, chance: float, seconds: int) -> None:
    (pause,) = hear(begin(chance=chance), START, SLOWER)
    assert pause.until - START == timedelta(seconds=seconds)


def test_what_was_under_way_when_a_pause_began_makes_it_no_longer(begin: Begin) -> None:
    pacer = begin()
    assert len(hear(pacer, START, SLOWER, number=30)) == 1
    assert pacer.opens(START) == after(seconds=60)


def test_why_a_domain_is_left_alone(begin: Begin) -> None:
    pacer = begin(chance=0.5)
    hear(pacer, after(minutes=2), Answer(Verdict.DEFERRED, 421, "4.7.0 <ada@gmail.com> Try again later", Stage.RCPT))
    reason = "mail to gmail.com is slowed down until 07:03 UTC: 421 4.7.0 … Try again later"
    assert pacer.held_back(after(minutes=2)) == reason
    assert pacer.held_back(after(minutes=9)) == ""


def widths(pacer: Pacer, now: datetime, number: int) -> list[int]:
    """How many may be under way to a domain at once, as so many batches are accepted."""
    found = []
    for _ in range(number):
        batch = 0
        while batch < 100 and pacer.allows("digest", GMAIL, now):
            pacer.claim("digest", GMAIL, now)
            batch += 1
        for _ in range(batch):
            pacer.hear(GMAIL, OK, now)
        found.append(batch)
    return found


def test_after_a_pause_it_goes_slowly_and_then_as_before(storage: Storage, begin: Begin) -> None:
    pacer = begin()
    hear(pacer, START, SLOWER)
    write(storage, pacer, START)
    now = after(minutes=2)
    assert widths(pacer, now, 3) == [1, 2, 4]
    write(storage, pacer, now)
    pacer = begin(now)
    assert widths(pacer, now, 4) == [8, 16, 32, 100]
    write(storage, pacer, now)
    assert storage.pace.pauses() == []
    (pause,) = hear(pacer, now, SLOWER)
    assert pause.steps == 1  # the one before is forgotten


def test_one_that_is_asked_again_while_it_goes_slowly_begins_anew(begin: Begin) -> None:
    pacer = begin()
    hear(pacer, START, SLOWER)
    widths(pacer, after(minutes=2), 3)
    (pause,) = hear(pacer, after(minutes=2), SLOWER)
    assert pause.steps == 2
    assert widths(pacer, pause.until, 2) == [1, 2]


@pytest.mark.parametrize("answer", [NOBODY, LOST])
def test_only_what_is_accepted_makes_it_faster(begin: Begin, answer: Answer) -> None:
    pacer = begin()
    hear(pacer, START, SLOWER)
    hear(pacer, after(minutes=2), answer, number=50)
    assert widths(pacer, after(minutes=2), 1) == [1]


def test_a_pause_survives_a_restart_and_a_clock_set_back(storage: Storage, begin: Begin) -> None:
    pacer = begin()
    hear(pacer, START, SLOWER)
    write(storage, pacer, START)
    assert begin(after(seconds=59)).closed("single", after(seconds=59)) == {GMAIL}
    assert begin(after(seconds=60)).closed("single", after(seconds=60)) == frozenset()
    back = START - timedelta(days=30)
    assert begin(back).opens(back) == back + timedelta(seconds=60)
    again = back + timedelta(seconds=30)  # nor longer for being started again and again
    assert begin(again).opens(again) == back + timedelta(seconds=60)


def test_a_pause_that_nobody_hears_of_again_is_forgotten(storage: Storage, begin: Begin) -> None:
    pacer = begin()
    hear(pacer, START, SLOWER)
    write(storage, pacer, START)
    begin(after(hours=23))
    assert len(storage.pace.pauses()) == 1
    begin(after(hours=25))
    assert storage.pace.pauses() == []


def test_a_server_that_finds_everything_too_fast_is_not_asked_domain_by_domain(storage: Storage, begin: Begin) -> None:
    pacer = begin()
    assert [hear(pacer, START, SLOWER, domain)[0].domain for domain in ("a.example", "b.example")] == [
        "a.example",
        "b.example",
    ]
    (pause,) = hear(pacer, START, SLOWER, "c.example")
    assert (pause.domain, pause.cause, pacer.stopped) == ("", Cause.RATE, None)
    assert (pacer.room("digest", START), pacer.room("single", START)) == (0, 0)
    assert pacer.held_back(START).startswith("mail to all domains is slowed down until 07:01 UTC: 421 4.7.0 Try again")
    hear(pacer, START, OK, "d.example")  # which was under way
    assert pacer.opens(START) == after(minutes=1)
    write(storage, pacer, START)
    assert begin(after(seconds=30)).room("single", after(seconds=30)) == 0
    assert pacer.room("digest", after(minutes=1)) > 0
    hear(pacer, after(minutes=1), OK, "d.example")
    write(storage, pacer, after(minutes=1))
    assert {pause.domain for pause in storage.pace.pauses()} == {"a.example", "b.example", "c.example"}


def test_domains_that_ask_one_by_one_do_not_slow_down_all(begin: Begin) -> None:
    pacer = begin()
    for number in range(20):
        (pause,) = hear(pacer, START, SLOWER, f"d{number}.example")
        assert pause.domain == f"d{number}.example"
        hear(pacer, START, OK, UNI)
    assert pacer.room("digest", START) > 0


# ---------------------------------------------------------------- not wanted


def test_a_row_of_refusals_for_policy_lets_a_domains_digests_rest(storage: Storage, begin: Begin) -> None:
    pacer = begin()
    assert hear(pacer, START, UNWANTED, number=ROW - 1) == []
    (pause,) = hear(pacer, START, UNWANTED)
    assert (pause.domain, pause.cause, pause.length) == (GMAIL, Cause.POLICY, timedelta(hours=1))
    assert pause.reply == "550 5.7.1 … our policy forbids it"
    assert pacer.closed("digest", START) == pacer.closed("repeat", START) == {GMAIL}
    assert pacer.closed("single", START) == frozenset()
    assert pacer.stopped is None
    reason = "mail to gmail.com is refused and rests until 08:00 UTC: 550 5.7.1 … our policy forbids it"
    assert pacer.held_back(START) == reason
    write(storage, pacer, START)
    assert begin(after(minutes=59)).closed("digest", after(minutes=59)) == {GMAIL}


@pytest.mark.parametrize("between", [OK, NOBODY])
def test_an_answer_of_another_kind_ends_the_row(begin: Begin, between: Answer) -> None:
    pacer = begin()
    hear(pacer, START, UNWANTED, number=ROW - 1)
    hear(pacer, START, between)
    assert hear(pacer, START, UNWANTED, number=ROW - 1) == []


@pytest.mark.parametrize("between", [LOST, SLOWER, Answer(Verdict.DEFERRED, 450, "4.7.1 greylisted", Stage.RCPT)])
def test_an_answer_that_tells_nothing_does_not(begin: Begin, between: Answer) -> None:
    pacer = begin()
    hear(pacer, START, UNWANTED, number=ROW - 1)
    hear(pacer, START, between)
    assert [pause.cause for pause in hear(pacer, START, UNWANTED)] == [Cause.POLICY]


def test_a_row_goes_on_across_restarts(storage: Storage, begin: Begin) -> None:
    """A domain of few readers refuses a few a day."""
    for number in range(ROW):
        now = after(hours=4 * number)
        pacer = begin(now)
        pauses = hear(pacer, now, UNWANTED)
        write(storage, pacer, now)
    assert [pause.domain for pause in pauses] == [GMAIL]


def test_who_goes_on_refusing_rests_twice_as_long_each_time(begin: Begin) -> None:
    pacer, now = begin(), START
    hear(pacer, now, UNWANTED, number=ROW - 1)
    lengths = []
    for _ in range(7):
        (pause,) = hear(pacer, now, UNWANTED)  # one is enough
        lengths.append(pause.length / timedelta(hours=1))
        now = pause.until
        pacer.claim("digest", GMAIL, now)
        assert not pacer.allows("digest", GMAIL, now)  # and one is tried
        pacer.give_back("digest", GMAIL, now)
    assert lengths == [1, 2, 4, 8, 16, 24, 24]
    assert pause.since == START


def share(pacer: Pacer, number: int, refused: int, domains: Sequence[str] = (GMAIL,)) -> list[Pause]:
    """Answers, so many in a thousand of them refusals."""
    found = []
    for at in range(number):
        unwanted = at * refused % 1_000 < refused
        found += hear(pacer, START, UNWANTED if unwanted else OK, domains[at * refused // 1_000 % len(domains)])
    return found


def test_a_share_of_refusals_lets_a_domain_rest_once_it_is_known(begin: Begin) -> None:
    assert share(begin(), 999, 50) == []
    assert [pause.domain for pause in share(begin(), 1_001, 50)] == [GMAIL]
    assert share(begin(), 10_000, 49) == []


def test_an_answer_of_long_ago_counts_for_nothing(storage: Storage, begin: Begin) -> None:
    pacer = begin()
    for _ in range(SHARE - 1):
        hear(pacer, START, UNWANTED)
        hear(pacer, START, OK)
    hear(pacer, START, OK, number=LOOKED_BACK)
    assert hear(pacer, START, UNWANTED) == []
    write(storage, pacer, START)
    assert {domain: watched.row for domain, watched in storage.pace.watches().items()} == {GMAIL: 1, "": 1}
    hear(pacer, START, OK, number=LOOKED_BACK)
    write(storage, pacer, START)
    assert storage.pace.watches() == {}


def test_several_domains_that_refuse_stop_the_run(storage: Storage, begin: Begin) -> None:
    pacer = begin()
    for number in range(ROW - 1):
        assert hear(pacer, START, UNWANTED, f"d{number % 2}.example") == []
    (pause,) = hear(pacer, START, UNWANTED)
    assert (pause.domain, pause.cause) == ("", Cause.POLICY)
    assert "several domains refuse our mail" in str(pacer.stopped)
    assert (pacer.room("digest", START), pacer.room("repeat", START)) == (0, 0)
    assert pacer.room("single", START) > 0
    assert pacer.held_back(START) == str(pacer.stopped)
    write(storage, pacer, START)
    later = after(minutes=59)
    pacer = begin(later)
    assert pacer.stopped is None  # singles go on
    assert pacer.room("digest", later) == 0
    assert pacer.opens(later) == pause.until
    (pause,) = hear(pacer, pause.until, UNWANTED)
    assert pause.length == timedelta(hours=2)
    assert pacer.stopped is not None


def test_one_domain_alone_does_not_stop_the_run(begin: Begin) -> None:
    pacer = begin()
    hear(pacer, START, UNWANTED, number=300)
    assert pacer.room("digest", START) > 0
    assert pacer.stopped is None
    assert [pause.domain for pause in share(begin(), 1_001, 60)] == [GMAIL]


def test_a_share_over_several_domains_stops_the_run(begin: Begin) -> None:
    domains = [f"d{number}.example" for number in range(7)]
    pacer = begin()
    assert [pause.domain for pause in share(pacer, 1_001, 50, domains)] == [""]
    assert pacer.stopped is not None


def test_a_policy_is_over_once_mail_was_accepted_for_as_long_again(storage: Storage, begin: Begin) -> None:
    pacer = begin()
    (pause,) = hear(pacer, START, UNWANTED, number=ROW)
    hear(pacer, pause.until, OK, number=200)
    write(storage, pacer, pause.until)
    assert storage.pace.pauses() != []  # a server that refuses some now and then is not ill each time anew
    assert widths(pacer, pause.until, 1) == [100]
    hear(pacer, pause.until + pause.length, OK)
    write(storage, pacer, pause.until + pause.length)
    assert storage.pace.pauses() == []


def test_a_policy_over_all_is_over_by_mail_to_anybody(storage: Storage, begin: Begin) -> None:
    pacer = begin()
    for number in range(ROW):
        pauses = hear(pacer, START, UNWANTED, f"d{number % 4}.example")
    hear(pacer, pauses[0].until + pauses[0].length, OK, "elsewhere.example")
    write(storage, pacer, after(hours=3))
    assert storage.pace.pauses() == []


def test_mail_without_a_domain_is_let_go(begin: Begin) -> None:
    pacer = begin(domains={"*": Rates(per_hour=1)})
    assert send(pacer, START, 9, "") == 9
    assert hear(pacer, START, SLOWER, "") == []


# ---------------------------------------------------------------- counting


@given(st.lists(st.tuples(st.integers(0, 5 * SECOND), st.integers(1, 3)), max_size=50), st.integers(1, 6))
def test_a_window_is_never_passed_and_opens_when_it_says(steps: list[tuple[int, int]], limit: int) -> None:
    window, moment, came = Window("", limit, 10 * SECOND, SECOND), 0, []
    for step, number in steps:
        moment += step
        for _ in range(number):
            if window.room(moment, single=True):
                window.add(moment)
                came.append(moment)
            opens = window.opens(moment, single=True)
            assert (opens == moment) == (window.room(moment, single=True) > 0)
        assert sum(1 for other in came if other > moment - 10 * SECOND) <= limit
    opens = window.opens(moment, single=True)
    assert window.room(opens, single=True) > 0
    assert opens == moment or opens <= came[-1] + 11 * SECOND


def test_moments_are_exact() -> None:
    moment = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)
    assert from_micros(to_micros(moment)) == moment


def test_a_scope_without_limits_keeps_nothing() -> None:
    scope = Scope(Rates(connections=3))
    scope.add(HOUR)
    assert scope.changes(HOUR) is None
    assert scope.is_empty(HOUR)


def test_what_a_failed_transaction_was_to_write_is_written_by_the_next(tmp_path: Path) -> None:
    storage, now = Storage(tmp_path / "subscribers.db"), START
    pacer = Pacer(storage, Limits(Rates(per_hour=100)), lambda: 0.5)
    pacer.begin(now)
    for _ in range(20):
        pacer.claim("digest", "a.example", now)
        pacer.hear("a.example", Answer(Verdict.DEFERRED, 554, "5.7.1 refused", Stage.RCPT), now)

    def fail() -> None:
        with storage.write():
            pacer.write(now)
            raise StorageError("the disk is full")

    with pytest.raises(StorageError):
        fail()
    pacer.write_again()
    with storage.write():
        pacer.write(now)
    assert sum(number for _, _, number in storage.pace.counts()) == 20
    assert [pause.domain for pause in storage.pace.pauses()] == ["a.example"]
    storage.close()

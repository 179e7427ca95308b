"""The operator is told what is ill: when, how often, in which words; and the mail goes the way of all mail."""

import email
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date, datetime, timedelta
from datetime import time as clock
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from house import Time, day, make_app, queue, statuses, subscribe
from hypothesis import given
from hypothesis import strategies as st

from newsletter.app import App
from newsletter.demo.smtp import SmtpStandIn, drop_at
from newsletter.errors import TransportError
from newsletter.journal import ARCHIVE, DELIVER, SELECT
from newsletter.model import DeliveryStatus, HarvestState, Suppression
from newsletter.sending import deliver
from newsletter.status import report
from newsletter.storage.database import to_text
from newsletter.storage.pace import ALL, Cause, Pause
from newsletter.storage.warnings import Told
from newsletter.timetable import Hours
from newsletter.warning import AGAIN, Day, Health, Rounds, Step, decide, source_health, warn

OPERATOR = "Olga Perator <olga@example.net>"
OLGA = "olga@example.net"
FAILED, PARTIAL, STALE, SAME = HarvestState.FAILED, HarvestState.PARTIAL, HarvestState.STALE, HarvestState.SAME
FRESH, QUIET, NO_MATCH = HarvestState.FRESH, HarvestState.QUIET, HarvestState.NO_MATCH
BAD = {FAILED, PARTIAL, STALE, SAME}
SENT, DEFERRED = DeliveryStatus.SENT, DeliveryStatus.DEFERRED
SLOW = "every topic: HTTP 429: Rate exceeded."


def house(folder: Path, time: Time, outside: dict[str, Any] | None = None, **newsletter: object) -> App:
    return make_app(folder, time=time, newsletter={"operator": OPERATOR, **newsletter}, outside=outside)


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    with closing(house(tmp_path, time)) as app:
        yield app


def fetched(app: App, day: date, *states: HarvestState, reason: str = SLOW) -> None:
    """Fetches of a date as they are recorded."""
    now = to_text(app.now())
    with app.storage.write():
        app.storage.database.executemany(
            "INSERT INTO harvests (date, started, ended, source, state, reason, requests, matched, received, outside,"
            " dropped, due) VALUES (?, ?, ?, 'api', ?, ?, 1, 0, 0, 0, 0, ?)",
            ((day.isoformat(), now, now, state, reason, int(state is SAME)) for state in states),
        )


def evening(time: Time, offset: int) -> None:
    """Put the clock to the end of a date's hours."""
    time.now = time.now.replace(hour=20, minute=0) + timedelta(days=(day(offset) - time.now.date()).days)


def live_through(app: App, time: Time, *days: Sequence[HarvestState], reason: str = SLOW) -> None:
    """The dates from `day()` on, each fetched in these states, with a look at each evening."""
    for offset, states in enumerate(days):
        evening(time, offset)
        fetched(app, day(offset), *states, reason=reason)
        warn(app)


def fail(app: App, time: Time, job: str, failure: str, *, days: int = 2) -> None:
    """Let a job fail every day; the first time now."""
    for number in range(days + 1):
        time.now += timedelta(days=1) if number else timedelta()
        with app.storage.write():
            app.storage.jobs.end(job, 1, app.now(), failure)
        warn(app)


def delivered(app: App) -> list[EmailMessage]:
    """What has been filed since the last time, in the order it was sent."""
    deliver(app)
    new = app.config.delivery.maildir / "new"
    files = sorted(new.iterdir(), key=lambda path: path.stat().st_mtime_ns) if new.exists() else []
    mails = [email.message_from_bytes(file.read_bytes(), policy=default) for file in files]
    for file in files:
        file.unlink()
    return mails


def subjects(app: App) -> list[str]:
    return [mail["Subject"] for mail in delivered(app)]


def words(mail: EmailMessage) -> str:
    return " ".join(mail.get_content().split())


# ---------------------------------------------------------------- what counts


@pytest.mark.parametrize(
    ("states", "good"),
    [
        ([], None),
        ([FAILED], False),
        ([FAILED, PARTIAL], False),
        ([STALE], False),
        ([SAME, FAILED], False),
        ([FAILED, FRESH], True),
        ([QUIET], True),
        ([PARTIAL, NO_MATCH, FAILED], True),
    ],
)
def test_what_a_date_counts_for(states: list[HarvestState], good: bool | None) -> None:
    assert Day(day(), states, due=True, over=True).good is good
    assert Day(day(), states, due=True, over=False).good is (good or None)


def test_a_date_on_which_nothing_was_to_come_is_not_bad() -> None:
    assert Day(day(), [FAILED, PARTIAL], due=False, over=True).good is None
    assert Day(day(), [FAILED, SAME], due=False, over=True).good is False  # who saw that knew that it was due


# ---------------------------------------------------------------- when


HOURS = Hours(ZoneInfo("UTC"), clock(7), clock(20))
dates = st.lists(st.tuples(st.lists(st.sampled_from(HarvestState), max_size=3), st.booleans()), max_size=60)


@given(dates, st.integers(1, 4))
def test_told_in_time_and_not_too_often(past: list[tuple[list[HarvestState], bool]], least: int) -> None:
    """At every evening: what was told, against what there was to tell."""
    days: list[Day] = []
    told: Told | None = None
    last: Step | None = None
    counted: list[bool] = []
    for offset, (states, due) in enumerate(past):
        now = HOURS.of(day(offset))[1]
        days.insert(0, Day(day(offset), states, due, over=True))
        if days[0].good is not None:
            counted.append(days[0].good)
        health = source_health(days, HOURS, least)
        step = decide(health, told, now) if health is not None else Step.NOTHING
        if step is Step.TELL:
            assert len(counted) >= least
            assert not any(counted[-least:])
            assert told is None or now - told.told >= timedelta(days=7)
            assert health is not None
            assert health.since is not None
            told = Told(health.since, now)
        elif step is Step.WELL:
            assert counted[-1]
            assert last is Step.TELL
            told = None
        elif len(counted) >= least and not any(counted[-least:]):
            assert told is not None  # nobody is left untold
        elif counted and counted[-1]:
            assert told is None  # nor left worrying
        last = step if step is not Step.NOTHING else last


@given(st.integers(-20 * 24, 20 * 24))
def test_a_clock_that_was_set_back_silences_nothing(hours: int) -> None:
    now = Time().now
    health = Health("source", now, grave=True)
    ago = timedelta(hours=hours)
    again = decide(health, Told(now, now - ago), now) is Step.TELL
    assert again is (ago >= AGAIN or ago <= timedelta(days=-1))


def test_told_after_two_bad_dates_again_after_a_week_and_when_it_is_over(app: App, time: Time) -> None:
    told = []
    for offset in range(11):  # Tuesday to the Friday of the week after
        live_through_one(app, time, offset, FAILED)
        told += [(offset, subject) for subject in subjects(app)]
    fetched(app, day(13), FRESH)
    time.now = time.now.replace(hour=7) + timedelta(days=3)
    warn(app)  # in the morning: a good fetch ends it at once
    told += [(13, subject) for subject in subjects(app)]
    fetched(app, day(14), FRESH)
    warn(app)
    ill = "Daily Papers: nothing could be fetched since Tuesday, 6 January 2026"
    assert told == [(1, ill), (8, ill), (13, "Daily Papers: the fetch from arXiv works again")]
    assert subjects(app) == []
    assert app.storage.warnings.all() == {}


def live_through_one(app: App, time: Time, offset: int, *states: HarvestState) -> None:
    evening(time, offset)
    fetched(app, day(offset), *states)
    warn(app)


def test_told_once_whoever_looks_and_whatever_is_started_again(app: App, tmp_path: Path, time: Time) -> None:
    live_through(app, time, [FAILED])
    evening(time, 1)
    fetched(app, day(1), FAILED, FAILED)
    with closing(house(tmp_path, time)) as other:
        both = [Rounds(app), Rounds(other)]  # two processes look at once
        for rounds in both:
            rounds.go()
        warn(other)
    with closing(house(tmp_path, time)) as restarted:
        warn(restarted)
        assert len(subjects(restarted)) == 1
        assert restarted.storage.warnings.all().keys() == {"source"}


def test_a_date_counts_when_its_hours_are_over(app: App, time: Time) -> None:
    live_through(app, time, [FAILED])
    time.now += timedelta(hours=23, minutes=59)
    fetched(app, day(1), FAILED)
    warn(app)
    assert subjects(app) == []
    time.now += timedelta(minutes=1)
    warn(app)
    assert len(subjects(app)) == 1


def test_a_good_date_begins_the_count_anew(app: App, time: Time) -> None:
    live_through(app, time, [FAILED], [FAILED, FRESH], [FAILED], [QUIET], [PARTIAL])
    assert subjects(app) == []


def test_weekends_and_days_off_count_for_nothing(app: App, time: Time) -> None:
    friday = 3
    live_through(app, time, [FRESH], [FRESH], [FRESH], [FAILED], [FAILED], [], [])
    assert subjects(app) == []  # Saturday's failed too, when nothing was to come; on Sunday the machine was off
    live_through_one(app, time, friday + 3, FAILED)
    assert subjects(app) == ["Daily Papers: nothing could be fetched since Friday, 9 January 2026"]


def test_as_many_days_as_the_operator_wants(tmp_path: Path, time: Time) -> None:
    with closing(house(tmp_path, time, bad_days=3)) as app:
        live_through(app, time, [FAILED], [FAILED])
        fail(app, time, ARCHIVE, "the disk is full", days=2)
        assert subjects(app) == []
        time.now += timedelta(days=1)
        warn(app)
        assert subjects(app) == ["Daily Papers: the archive has failed since Wednesday, 7 January 2026"]


def test_what_lasts_longer_than_we_look_back_keeps_its_beginning(app: App, time: Time) -> None:
    live_through(app, time, *([FAILED] for _ in range(40)))
    assert set(subjects(app)) == {"Daily Papers: nothing could be fetched since Tuesday, 6 January 2026"}


def test_a_job_that_fails_is_told_and_when_it_works_again(app: App, time: Time) -> None:
    fail(app, time, ARCHIVE, "the disk is full", days=1)
    assert subjects(app) == []
    time.now += timedelta(days=1)
    warn(app)
    warn(app)
    assert subjects(app) == ["Daily Papers: the archive has failed since Tuesday, 6 January 2026"]
    with app.storage.write():
        app.storage.jobs.end(ARCHIVE, 1, app.now())
    warn(app)
    warn(app)
    assert subjects(app) == ["Daily Papers: works again: archive"]


def test_without_an_operator_it_is_logged_once(tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture) -> None:
    with closing(make_app(tmp_path, time=time)) as app, caplog.at_level(logging.INFO, "newsletter.warning"):
        live_through(app, time, [FAILED], [FAILED], [FAILED])
        (record,) = caplog.records
        assert record.levelno == logging.WARNING
        assert "[newsletter] operator is not set: illness=source since=2026-01-06" in record.getMessage()
        assert app.storage.deliveries.counts() == {}


def test_what_was_told_and_its_mail_are_one_transaction(
    tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(house(tmp_path, time, outside={"token": lambda: "always the same"}, bad_days=1)) as app:
        fail(app, time, ARCHIVE, "the disk is full", days=0)
        live_through(app, time, [], [FAILED])  # two mails at once, and the second cannot be queued
        assert "UNIQUE constraint failed: deliveries.message_id" in caplog.text
        assert app.storage.warnings.all() == {}
        assert app.storage.deliveries.counts() == {}


# ---------------------------------------------------------------- in which words


CASES = {
    "throttled": (
        [[FAILED], [FAILED]],
        "every topic: export.arxiv.org is left alone until 09:00:00 UTC (HTTP 429)",
        [
            "Nothing could be fetched from arXiv since Tuesday, 6 January 2026.",
            "* Wednesday, 7 January 2026: nothing came. every topic: export.arxiv.org is left alone",
            "It is tried again every day from 07:00 to 20:00 (UTC); nothing is lost",
            "comes in the next edition, marked as late.",
            "* arXiv asks this machine to slow down (HTTP 429, 403 or 406). Is something else on this network",
            "[arxiv] contact should tell arXiv whom to write to.",
        ],
    ),
    "network": (
        [[FAILED], [FAILED]],
        "every topic: no connection: https://export.arxiv.org/api/query",
        ["Nothing could be fetched", "* arXiv cannot be reached", "(DNS)"],
    ),
    "upstream": (
        [[FAILED], [FAILED]],
        "every topic: HTTP 503: Service Unavailable",
        ["The trouble is arXiv's own: see https://status.arxiv.org."],
    ),
    "gate": (
        [[FAILED], [FAILED]],
        "every topic: /state/gate: the gate cannot be written (Permission denied)",
        ["* The file that keeps the pause between requests cannot be used."],
    ),
    "unknown": (
        [[FAILED], [FAILED]],
        "every topic: the answer is not in UTF-8",
        ["* The reasons above are all that is known."],
    ),
    "same": (
        [[SAME], [SAME]],
        "arXiv still shows the batch of Monday",
        [
            "arXiv answers, but has shown nothing new since Tuesday, 6 January 2026, though it was to announce papers.",
            "Wednesday, 7 January 2026: arXiv still showed the batch before.",
            "The trouble is arXiv's own",
        ],
    ),
    "stale": (
        [[STALE], [STALE]],
        "cs.LG is still that of Monday",
        [
            "arXiv has not brought all its categories up to date since Tuesday, 6 January 2026.",
            "Editions are made of what comes. It is tried again",
        ],
    ),
    "partial": (
        [[FAILED, PARTIAL], [PARTIAL]],
        "Speech Models: HTTP 400: Bad Request; a reader's query: HTTP 400 (3 received)",
        [
            "Not all topics could be fetched from arXiv since Tuesday, 6 January 2026.",
            "not all came. Speech Models: HTTP 400",
            "* The topics that did not come are named above.",
            "newsletter topics try QUERY",
        ],
    ),
    "mixed": (
        [[PARTIAL], [FAILED]],
        SLOW,
        [
            "arXiv could not be read in full on any day since Tuesday, 6 January 2026.",
            "Editions are made of what comes.",
            "Tuesday, 6 January 2026: not all came.",
            "Wednesday, 7 January 2026: nothing came.",
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_words_of_an_illness_of_the_source(app: App, time: Time, name: str) -> None:
    days, reason, sentences = CASES[name]
    live_through(app, time, *days, reason=reason)
    (mail,) = delivered(app)
    said = words(mail)
    for sentence in sentences:
        assert sentence in said
    assert f"To look, in {app.config.path.parent}: newsletter status newsletter editions list" in said
    assert "You get this as the operator of Daily Papers" in said
    assert all(len(line) <= 72 for line in mail.get_content().splitlines() if str(app.config.path.parent) not in line)


JOBS = {
    ARCHIVE: ("The archive could not be written since", "Then: newsletter archive"),
    DELIVER: ("No mail could be handed over since", "Then: newsletter deliver"),
    SELECT: ("No edition could be made of what was fetched since", "Then: newsletter publish"),
    "heartbeat": ("The daemon could not do what was due since", "the daemon's log says more."),
    "run": ("Something has failed since", "the daemon's log says more."),
}


@pytest.mark.parametrize("job", JOBS)
def test_the_words_of_a_failing_job(app: App, time: Time, job: str) -> None:
    live_through(app, time, [FAILED])  # which is no concern of the job's
    fail(app, time, job, "550: reader@example.org has no room")
    (mail,) = delivered(app)
    said = words(mail)
    opening, advice = JOBS[job]
    assert f"{opening} Tuesday, 6 January 2026, 20:00 (UTC)" in said
    assert "* 550: … has no room It failed 3 times in a row." in said
    assert advice in said
    assert "arXiv" not in said
    assert "newsletter status newsletter editions list" in said


def refuse(
    app: App, domain: str, *, hours: int = 1, since: datetime | None = None, cause: Cause = Cause.POLICY
) -> None:
    """Let mail to a domain rest from now on."""
    now = app.now()
    pause = Pause(domain, cause, since or now, now, now + timedelta(hours=hours), 1, "550 5.7.1 … is on our blocklist")
    with app.storage.write():
        app.storage.pace.keep(pause)


def accept(app: App, domain: str) -> None:
    with app.storage.write():
        app.storage.pace.forget(domain, Cause.POLICY)


def test_a_domain_that_refuses_us_is_told_at_once_and_when_it_takes_our_mail_again(app: App, time: Time) -> None:
    told, began = [], app.now()
    for hours in (1, 2, 4, 8):
        refuse(app, "gmail.com", hours=hours, since=began)
        warn(app)
        warn(app)
        told += subjects(app)
        time.now += timedelta(hours=hours)
    assert told == ["Daily Papers: gmail.com refuses our digests since Tuesday, 6 January 2026"]
    refuse(app, "gmail.com", hours=24, since=began)
    time.now += timedelta(days=8)
    warn(app)
    assert subjects(app) == told  # it lasts
    accept(app, "gmail.com")
    warn(app)
    warn(app)
    assert subjects(app) == ["Daily Papers: gmail.com takes our digests again"]
    assert app.storage.warnings.all() == {}


def test_each_who_refuses_is_an_illness_of_its_own(app: App) -> None:
    for domain in ("gmail.com", "bücher.example", ALL):
        refuse(app, domain)
        warn(app)
    assert app.storage.warnings.all().keys() == {"policy", "policy:gmail.com", "policy:bücher.example"}
    accept(app, ALL)
    warn(app)
    assert app.storage.warnings.all().keys() == {"policy:gmail.com", "policy:bücher.example"}
    assert len(subjects(app)) == 4


def test_a_domain_that_only_slows_us_down_is_no_illness(app: App) -> None:
    refuse(app, "gmail.com", cause=Cause.RATE)
    warn(app)
    assert subjects(app) == []


REFUSERS = {
    "gmail.com": (
        "gmail.com refuses our digests on grounds of policy since Tuesday, 6 January 2026, 08:00 (Europe/Berlin).",
        "Digests to gmail.com rest until Tuesday, 6 January 2026, 10:00 (Europe/Berlin); all other mail goes on.",
        "Daily Papers: gmail.com refuses our digests since Tuesday, 6 January 2026",
    ),
    ALL: (
        "Several domains refuse our digests on grounds of policy since Tuesday, 6 January 2026, 08:00 (Europe/Berlin).",
        "All digests rest until Tuesday, 6 January 2026, 10:00 (Europe/Berlin). Confirmations, and what else readers",
        "Daily Papers: several domains refuse our digests since Tuesday, 6 January 2026",
    ),
}


@pytest.mark.parametrize("domain", REFUSERS)
def test_the_words_of_a_refusal(tmp_path: Path, time: Time, domain: str) -> None:
    with closing(house(tmp_path, time, timezone="Europe/Berlin", language="de")) as app:
        refuse(app, domain, hours=2)
        warn(app)
        (mail,) = delivered(app)
        said, (opening, meanwhile, subject) = words(mail), REFUSERS[domain]
        assert mail["Subject"] == subject
        assert f"{opening} The last reasons * 550 5.7.1 … is on our blocklist What goes on by itself" in said
        assert f"What goes on by itself {meanwhile}" in said
        assert "if they are refused again, they rest twice as long, a day at most." in said
        assert "Do SPF, DKIM and DMARC pass" in said
        assert "newsletter deliveries list --status deferred" in said
        assert "What failed" not in said
        assert "It failed" not in said
        assert all(len(line) <= 72 for line in mail.get_content().splitlines() if str(tmp_path) not in line)


@pytest.mark.parametrize(
    ("domain", "opening"),
    [
        ("gmail.com", "gmail.com takes our digests again."),
        (ALL, "Our digests are taken again. Several domains refused"),
    ],
)
def test_the_words_of_the_end_of_a_refusal(app: App, domain: str, opening: str) -> None:
    refuse(app, domain)
    warn(app)
    accept(app, domain)
    warn(app)
    _, mail = delivered(app)
    assert words(mail).startswith(opening)
    assert "refused" in words(mail)
    assert "since Tuesday, 6 January 2026, 07:00 (UTC). Who missed one gets what it held in their next one." in words(
        mail
    )
    assert "What to do" not in words(mail)


def test_the_guide_has_the_page_that_the_mail_names() -> None:
    guide = (Path(__file__).parents[1] / "docs" / "operating.md").read_text(encoding="utf-8")
    assert "\n### When our mail is refused\n" in guide


def test_the_words_of_the_end(app: App, time: Time) -> None:
    live_through(app, time, [FAILED], [FAILED], [NO_MATCH])
    _, mail = delivered(app)
    assert "arXiv is read again as it should be. It was not since Tuesday, 6 January 2026." in words(mail)
    assert "There is nothing to do." in words(mail)
    assert "What to do" not in words(mail)


def test_only_the_last_reasons_are_told_and_none_at_length(app: App, time: Time) -> None:
    live_through(app, time, *([FAILED] for _ in range(16)), reason="HTTP 429: " + "very slow " * 100)
    said = words(delivered(app)[-1])
    assert said.count("nothing came") == 7
    assert "Tuesday, 6 January 2026: nothing came" not in said
    assert len(said) < 6_000


def test_addresses_are_left_out(app: App, time: Time) -> None:
    live_through(app, time, [FAILED], [FAILED], reason="HTTP 403: ask help@arxiv.example, or reader@example.org")
    said = words(delivered(app)[0])
    assert "HTTP 403: ask …, or …" in said
    assert "@" not in said


def test_the_newsletters_own_hours_and_zone(tmp_path: Path, time: Time) -> None:
    with closing(
        house(tmp_path, time, timezone="Asia/Tokyo", publish_at="09:30", publish_until="21:00", name="論文")
    ) as app:
        live_through(app, time, [FAILED], [FAILED])
        (mail,) = delivered(app)
        assert mail["Subject"] == "論文: nothing could be fetched since Tuesday, 6 January 2026"
        assert "every day from 09:30 to 21:00 (Asia/Tokyo)" in words(mail)


def test_the_headers_are_no_lists(app: App, time: Time) -> None:
    live_through(app, time, [FAILED], [FAILED])
    (mail,) = delivered(app)
    names = [name for name in mail if name not in ("Return-Path", "Delivered-To")]
    assert names == [
        "From", "Reply-To", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Auto-Response-Suppress",
        "Feedback-ID", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
    ]  # fmt: skip
    assert (mail["From"], mail["To"]) == ("Daily Papers <papers@example.org>", OLGA)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "text/plain"
    assert mail["Message-ID"].startswith("<20260107.t")
    assert mail["Message-ID"].endswith("@example.org>")


# ---------------------------------------------------------------- on its way


@pytest.fixture
def server() -> Iterator[SmtpStandIn]:
    with SmtpStandIn() as server:
        yield server


@pytest.fixture
def posting(tmp_path: Path, time: Time, server: SmtpStandIn) -> Iterator[App]:
    """A newsletter that sends by SMTP, with two readers and a mail for the operator waiting."""
    with closing(posting_app(tmp_path, time, server)) as app:
        yield app


def posting_app(folder: Path, time: Time, server: SmtpStandIn) -> App:
    smtp = {"host": server.host, "port": server.port, "connections": 1}
    newsletter = {"operator": OPERATOR}
    app = make_app(folder, time=time, newsletter=newsletter, delivery={"transport": "smtp"}, smtp=smtp)
    live_through(app, time, [FAILED])
    time.now += timedelta(days=1)
    queue(app, "ada@example.org", "ben@example.org")
    with app.storage.write():
        app.storage.database.execute("UPDATE harvests SET state = 'failed'")
    warn(app)
    return app


def recipients(server: SmtpStandIn) -> list[str]:
    return [recipient for received in server.received for recipient in received.envelope.recipients]


def test_it_goes_before_all_digests(posting: App, server: SmtpStandIn) -> None:
    assert {delivery.email for delivery in posting.storage.deliveries.all(DeliveryStatus.QUEUED, 9)} == {
        OLGA,
        "ada@example.org",
        "ben@example.org",
    }
    assert deliver(posting).counts == {SENT: 3}
    assert recipients(server) == [OLGA, "ada@example.org", "ben@example.org"]
    assert server.received[0].envelope.sender == "papers@example.org"
    assert statuses(posting)[OLGA] is SENT


@pytest.mark.parametrize(
    ("reply", "status"), [("550 5.1.1 no such user", DeliveryStatus.BOUNCED), ("451 4.3.0 later", DEFERRED)]
)
def test_an_answer_is_recorded(tmp_path: Path, time: Time, reply: str, status: DeliveryStatus) -> None:
    with SmtpStandIn(refusals={OLGA: reply}) as server, closing(posting_app(tmp_path, time, server)) as app:
        deliver(app)
        (notice,) = [delivery for delivery in app.storage.deliveries.all(None, 9) if delivery.email == OLGA]
        assert (notice.status, notice.reply, notice.attempts) == (status, reply, 1)
        assert recipients(server) == ["ada@example.org", "ben@example.org"]


def test_a_lost_answer_is_sent_again_with_the_same_message_id(posting: App, server: SmtpStandIn) -> None:
    server.script = drop_at("filed")
    deliver(posting)
    first, second, *_ = (email.message_from_bytes(content, policy=default) for _, content in server.received)
    assert first["To"] == second["To"] == OLGA
    assert first["Message-ID"] == second["Message-ID"]
    assert first.get_content() == second.get_content()
    assert statuses(posting)[OLGA] is SENT


def test_a_killed_sender_sends_it_again_with_the_same_message_id(posting: App, server: SmtpStandIn) -> None:
    with posting.storage.write():
        (claim,), _ = posting.storage.deliveries.claim(posting.now(), 1)
    assert claim.delivery.email == OLGA
    deliver(posting)
    mail = email.message_from_bytes(server.received[0].content, policy=default)
    assert mail["To"] == OLGA
    assert mail["Message-ID"] == f"<{claim.delivery.message_id}>"


def test_it_waits_for_a_week_while_mail_cannot_be_delivered(tmp_path: Path, time: Time) -> None:
    with SmtpStandIn() as server:
        app = posting_app(tmp_path, time, server)
    for _ in range(6):
        time.now += timedelta(days=1)
        with pytest.raises(TransportError):
            deliver(app)
    assert statuses(app)[OLGA] in (DeliveryStatus.QUEUED, DEFERRED)
    time.now += timedelta(days=1)
    assert deliver(app).counts[DeliveryStatus.EXPIRED] >= 1
    (notice,) = [delivery for delivery in app.storage.deliveries.all(None, 9) if delivery.email == OLGA]
    assert notice.status is DeliveryStatus.EXPIRED
    assert notice.reply.startswith("too old: ")
    app.close()


def test_a_suppressed_operator_is_not_mailed(posting: App, server: SmtpStandIn) -> None:
    with posting.storage.write():
        posting.storage.subscribers.suppress("Olga@Example.net", Suppression.BOUNCE, "", posting.now())
    assert deliver(posting).counts == {SENT: 2, DeliveryStatus.SUPPRESSED: 1}
    assert OLGA not in recipients(server)


def test_an_operator_who_reads_nothing_is_mailed(posting: App, server: SmtpStandIn) -> None:
    subscribe(posting, OLGA)
    posting.subscriptions.unsubscribe(OLGA, today=posting.today(), now=posting.now())
    deliver(posting)
    assert recipients(server).count(OLGA) == 1


def test_it_counts_as_no_digest(tmp_path: Path, time: Time) -> None:
    refusals = {f"{name}@example.org": "451 4.3.0 later" for name in ("ada", "ben")}
    with SmtpStandIn(refusals=refusals) as server, closing(posting_app(tmp_path, time, server)) as app:
        deliver(app)
        time.now += timedelta(hours=2)
        deliveries = app.storage.deliveries
        assert statuses(app)[OLGA] is SENT
        assert deliveries.overlapping() == []
        assert deliveries.of_edition(day(1)) == {DEFERRED: 2}
        batch = deliveries.newest_digests()
        assert batch is not None
        assert (batch.upto, batch.tried, batch.sent, batch.reply) == (day(1), True, False, "451 4.3.0 later")
        (overdue,) = [text for text in report(app).overdue if "digest" in text]
        assert overdue.startswith("no digest of 2026-01-07 was sent")


def test_a_template_of_theirs_that_is_broken_is_passed_over(tmp_path: Path, time: Time) -> None:
    folder = tmp_path / "templates"
    (folder / "operator").mkdir(parents=True)
    with closing(make_app(tmp_path, time=time, newsletter={"operator": OPERATOR}, digest={"templates": folder})) as app:
        (folder / "operator" / "subject.txt").write_text("{{ newsletter }} sulks: {{ illness }}")
        live_through(app, time, [FAILED], [FAILED])
        assert subjects(app) == ["Daily Papers sulks: source"]
        (folder / "operator" / "subject.txt").write_text("{{ oh }}")
        fetched(app, day(2), FRESH)
        warn(app)
        assert subjects(app) == ["Daily Papers: the fetch from arXiv works again"]
    with closing(make_app(tmp_path, time=time, newsletter={"operator": OPERATOR}, digest={"templates": "gone"})) as app:
        fail(app, time, SELECT, "gone is not a folder of templates")
        assert len(subjects(app)) == 1

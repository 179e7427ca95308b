"""`newsletter editions resend`: an edition again, by hand, beside the ledger's own account."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path

import pytest
from house import Time, day, make_app, statuses, subscribe
from ledger_house import ANN, BOB, CID, Said, attempt, bring_out, covered, edition, entries, say

from newsletter.app import App
from newsletter.cli.editions import editions
from newsletter.errors import UsageError
from newsletter.model import DeliveryStatus, Status, Suppression
from newsletter.resending import AGAIN, LeftOut, Resent, Whom, is_failed, resend, why_not
from newsletter.sending import deliver
from newsletter.storage.listing import Entry
from newsletter.storage.repeats import Candidate, Earlier

QUEUED, SENDING, SENT, DEFERRED, BOUNCED, EXPIRED, SUPPRESSED = (
    DeliveryStatus.QUEUED,
    DeliveryStatus.SENDING,
    DeliveryStatus.SENT,
    DeliveryStatus.DEFERRED,
    DeliveryStatus.BOUNCED,
    DeliveryStatus.EXPIRED,
    DeliveryStatus.SUPPRESSED,
)
OK = (SENT, "250 ok")
TOPICS = ("Graph Neural Networks", "Time Series")


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    """Three editions, a day apart; the second is in Ann's and Cid's digests of its own, in Bob's with the third's."""
    app = make_app(tmp_path, time=time, topics=TOPICS)
    subscribe(app, ANN, BOB, CID)
    for number in (1, 2, 3):
        bring_out(app, number)
        later = (DEFERRED, "451 later")
        attempt(app, {ANN: OK, CID: OK, BOB: later if number == 2 else OK})
        time.now += timedelta(days=1)
    yield app
    app.close()


def repeats(app: App) -> list[Entry]:
    return entries(app, kind="repeat")


def holds(folder: Path, message_id: str) -> set[str]:
    """The papers of the mail that was filed with this Message-ID."""
    mails = [message_from_bytes(path.read_bytes(), policy=policy.default) for path in (folder / "outbox/new").iterdir()]
    (mail,) = (mail for mail in mails if mail["Message-ID"] == f"<{message_id}>")
    body = mail.get_body(("plain",))
    assert body is not None
    return set(re.findall(r"abs/0001\.0000(\d)v1", body.get_content()))


def again(app: App, *arguments: str) -> Said:
    return say(app, editions, "resend", *arguments)


# ---------------------------------------------------------------- what a repeat is


def test_a_repeat_holds_what_the_digest_held_and_is_a_mail_of_its_own(app: App, tmp_path: Path) -> None:
    before = {(one.email, one.upto): one for one in entries(app, kind="digest", status=SENT)}
    assert resend(app, day(1), Whom.ALL).queued == 3
    deliver(app)
    by_reader = {one.email: one for one in repeats(app)}
    for email, upto, papers in ((ANN, day(1), {"2"}), (BOB, day(2), {"2", "3"}), (CID, day(1), {"2"})):
        digest, repeat = before[email, upto], by_reader[email]
        assert (repeat.after, repeat.upto, repeat.status) == (digest.after, digest.upto, SENT)
        assert holds(tmp_path, repeat.message_id) == papers
    ids = [one.message_id for one in entries(app)]
    assert len(set(ids)) == len(ids)


def test_a_repeat_changes_nothing_of_the_ledgers_account(app: App, time: Time) -> None:
    digests, before = entries(app, kind="digest"), covered(app)
    resend(app, day(1), Whom.ALL)
    attempt(app, {ANN: OK, BOB: (DEFERRED, "451 later"), CID: (BOUNCED, "550 nobody")})
    assert (entries(app, kind="digest"), covered(app)) == (digests, before)
    bring_out(app, 4)
    assert [one.after for one in entries(app, edition=app.today())] == [day(2)] * 3  # as if there had been no repeat
    assert {one.email: one.status for one in repeats(app)} == {ANN: SENT, BOB: DEFERRED, CID: BOUNCED}
    time.now += timedelta(days=2)
    attempt(app, {})
    assert {one.email: one.reply for one in repeats(app) if one.status is EXPIRED} == {BOB: "too old: 451 later"}
    assert not app.storage.deliveries.overlapping()
    assert not app.storage.auditing.doubled()


def test_a_repeat_for_the_newest_edition_expires_without_moving_what_a_reader_has(app: App, time: Time) -> None:
    """Its window ends at `covered`, as that of a digest does which is taken back."""
    resend(app, day(2), [ANN])
    time.now += timedelta(hours=24)
    attempt(app, {})
    assert [(one.status, one.ended) for one in repeats(app)] == [(EXPIRED, time.now)]
    assert covered(app) == {ANN: edition(2), BOB: edition(2), CID: edition(2)}


def test_the_next_digest_does_not_take_a_repeat_back(app: App) -> None:
    resend(app, day(2), [ANN])
    bring_out(app, 4)
    assert [one.status for one in repeats(app)] == [QUEUED]
    assert [one.after for one in entries(app, edition=app.today())] == [day(2)] * 3


@pytest.mark.parametrize(("frequency", "days"), [("daily", 1), ("weekly", 7)])
def test_a_repeat_is_worth_sending_for_as_long_as_a_digest(app: App, time: Time, frequency: str, days: int) -> None:
    subscribe(app, "dan@example.org", frequency=frequency)
    with app.storage.write():
        app.storage.database.execute("UPDATE subscribers SET covered = ? WHERE id = 4", (edition(2),))
    resend(app, day(2), ["dan@example.org"])
    (repeat,) = repeats(app)
    assert (repeat.queued, repeat.due, repeat.expires) == (time.now, time.now, time.now + timedelta(days=days))
    assert repeat.domain == "example.org"


def test_who_leaves_meanwhile_gets_no_repeat(app: App) -> None:
    resend(app, day(2), [ANN, BOB])
    app.subscriptions.unsubscribe(ANN, today=app.today(), now=app.now())
    with app.storage.write():
        app.storage.subscribers.suppress(BOB, Suppression.MANUAL, "", app.now())
    attempt(app, {ANN: OK, BOB: OK})
    assert [one.status for one in repeats(app)] == [SUPPRESSED, SUPPRESSED]


# ---------------------------------------------------------------- what it holds


def test_what_was_chosen_then_counts_for_who_had_a_digest(tmp_path: Path) -> None:
    app = make_app(tmp_path, topics=TOPICS)
    subscribe(app, ANN, topics=TOPICS[:1])
    bring_out(app, 1)
    attempt(app, {ANN: OK})
    app.subscriptions.change(ANN, topics=TOPICS[1:], today=app.today(), now=app.now())
    subscribe(app, BOB, topics=TOPICS[:1])  # who joined later, and had none of it
    subscribe(app, CID, topics=TOPICS[1:])
    found = resend(app, day(), Whom.ALL)
    assert (found.queued, found.left_out) == (2, {"it holds nothing for them": LeftOut(1, [CID])})
    deliver(app)
    assert [(one.email, holds(tmp_path, one.message_id)) for one in repeats(app)] == [(ANN, {"1"}), (BOB, {"1"})]
    app.close()


def test_the_edition_alone_is_for_who_had_no_digest_of_it(app: App, tmp_path: Path) -> None:
    subscribe(app, "new@example.org")
    resend(app, day(1), ["new@example.org"])
    deliver(app)
    (repeat,) = repeats(app)
    assert (repeat.after, repeat.upto) == (day(), day(1))
    assert holds(tmp_path, repeat.message_id) == {"2"}


def test_a_query_that_nobody_has_any_more_is_not_repeated(tmp_path: Path) -> None:
    app = make_app(tmp_path, topics=TOPICS)
    subscribe(app, ANN, queries=["ti:secret"])
    subscribe(app, BOB, topics=TOPICS[:1], queries=["ti:secret"])
    bring_out(app, 1, title="Secret Graph Neural Networks")
    attempt(app, {ANN: OK, BOB: OK})
    for email in (ANN, BOB):
        app.subscriptions.change(email, queries=[], topics=TOPICS[1:], today=app.today(), now=app.now())
    subscribe(app, CID)
    app.subscriptions.remove(CID, now=app.now())  # with whom all queries go that nobody has
    found = resend(app, day(), Whom.ALL)
    assert (found.queued, found.left_out["it holds nothing for them"].named) == (1, [ANN])
    deliver(app)
    assert [(one.email, one.status) for one in repeats(app)] == [(BOB, SENT)]
    app.close()


# ---------------------------------------------------------------- to whom

HAD = Candidate(
    id=1,
    email=ANN,
    status=Status.CONFIRMED,
    suppressed=None,
    covered=day(2),
    weekly=False,
    revised=True,
    after=edition(),
    upto=day(1),
    chosen="",
    digest=Earlier(SENT, Time().now),
    repeat=None,
)


def earlier(status: DeliveryStatus, minutes: int = 600) -> Earlier:
    return Earlier(status, Time().now - timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (HAD, ""),
        (replace(HAD, digest=None), ""),
        *((replace(HAD, digest=earlier(status)), "") for status in (BOUNCED, EXPIRED, SUPPRESSED)),
        (replace(HAD, status=Status.PENDING), "pending"),
        (replace(HAD, status=Status.PAUSED), "paused"),
        (replace(HAD, status=Status.UNSUBSCRIBED), "unsubscribed"),
        (replace(HAD, suppressed=Suppression.BOUNCE), "suppressed (bounce)"),
        *(
            (replace(HAD, digest=earlier(status)), f"their digest of it is {status}, and will come")
            for status in (QUEUED, SENDING, DEFERRED)
        ),
        (replace(HAD, covered=day(1)), ""),
        (replace(HAD, covered=day(0)), "their next digest will hold it"),
        (replace(HAD, covered=None), "their next digest will hold it"),
        *(
            (replace(HAD, repeat=earlier(status)), f"a repeat of it is {status} already")
            for status in (QUEUED, SENDING, DEFERRED)
        ),
        *((replace(HAD, repeat=earlier(status, 1)), "") for status in (BOUNCED, EXPIRED, SUPPRESSED)),
        (replace(HAD, repeat=earlier(SENT, 9)), "a repeat of it was sent to them within 10 minutes"),
        (replace(HAD, repeat=earlier(SENT, 10)), ""),
        (
            replace(HAD, repeat=earlier(SENT, -9)),
            "a repeat of it was sent to them within 10 minutes",
        ),  # a clock set back
    ],
)
def test_why_somebody_gets_none(one: Candidate, reason: str) -> None:
    assert why_not(one, day(1), Time().now) == reason


@pytest.mark.parametrize(
    ("digest", "repeat", "failed"),
    [
        (None, None, False),
        (earlier(SENT), None, False),
        (earlier(DEFERRED), None, False),
        (earlier(BOUNCED), None, True),
        (earlier(EXPIRED), None, True),
        (earlier(SUPPRESSED), None, False),
        (earlier(BOUNCED), earlier(SENT), False),
        (earlier(BOUNCED), earlier(BOUNCED), True),
    ],
)
def test_who_did_not_get_it(digest: Earlier | None, repeat: Earlier | None, failed: bool) -> None:
    assert is_failed(replace(HAD, digest=digest, repeat=repeat)) is failed


def test_those_it_did_not_reach(tmp_path: Path, time: Time) -> None:
    app = make_app(tmp_path, time=time)
    people = [f"{name}@example.org" for name in ("sent", "gone", "late", "taken", "left", "wall")]
    sent, gone, late, taken, left, wall = people
    subscribe(app, *people)
    bring_out(app, 1)
    refused, later = (BOUNCED, "550 5.7.1 not allowed"), (DEFERRED, "451 later")
    attempt(app, {sent: OK, gone: refused, late: later, taken: later, left: refused, wall: refused})
    app.subscriptions.unsubscribe(left, today=app.today(), now=app.now())
    with app.storage.write():
        app.storage.subscribers.suppress(wall, Suppression.BOUNCE, "", app.now())
    time.now += timedelta(days=1)
    bring_out(app, 2)
    attempt(app, dict.fromkeys(people, OK))
    assert statuses(app)[taken] is EXPIRED  # the first, of which the second digest holds all
    found = resend(app, day(), Whom.FAILED)
    assert [one.email for one in repeats(app)] == [gone]
    assert found.left_out == {"unsubscribed": LeftOut(1, [left]), "suppressed (bounce)": LeftOut(1, [wall])}
    attempt(app, {gone: OK})
    assert resend(app, day(), Whom.FAILED).queued == 0
    app.close()


def test_a_digest_that_expired_is_left_to_the_next_one(tmp_path: Path, time: Time) -> None:
    app = make_app(tmp_path, time=time)
    subscribe(app, ANN)
    bring_out(app, 1)
    attempt(app, {ANN: (DEFERRED, "451 later")})
    assert resend(app, day(), [ANN]).left_out == {"their digest of it is deferred, and will come": LeftOut(1, [ANN])}
    time.now += timedelta(days=2)
    attempt(app, {})
    assert resend(app, day(), Whom.FAILED).left_out == {"their next digest will hold it": LeftOut(1, [ANN])}
    app.subscriptions.pause(ANN, today=app.today(), now=time.now)
    app.subscriptions.resume(ANN, today=app.today(), now=time.now)  # what passed was skipped
    assert resend(app, day(), Whom.FAILED).queued == 1
    app.close()


# ---------------------------------------------------------------- the command


def test_enter_pressed_twice_mails_once(app: App, time: Time) -> None:
    assert again(app, edition(2), "--subscriber", ANN).output == (
        "2026-01-08: repeat for 1 reader queued; `newsletter deliver` sends them.\n"
    )
    said = again(app, edition(2), "--subscriber", ANN)
    assert (said.status, said.output.split(" queued")[0]) == (1, "2026-01-08: repeats for 0 readers")
    assert said.errors == f"Not to 1 reader, a repeat of it is queued already: {ANN}\n"
    attempt(app, {ANN: OK})
    assert "was sent to them within 10 minutes" in again(app, edition(2), "--subscriber", ANN).errors
    time.now += AGAIN
    assert again(app, edition(2), "--subscriber", ANN).status == 0
    assert len(repeats(app)) == 2


def test_a_repeat_of_one_edition_does_not_stand_in_the_way_of_another(app: App) -> None:
    assert again(app, edition(1), "--subscriber", ANN).status == 0
    assert again(app, edition(2), "--subscriber", ANN).status == 0
    # Bob's digest held both.
    assert again(app, edition(1), "--subscriber", BOB).status == 0
    assert again(app, edition(2), "--subscriber", BOB).status == 1
    assert [(one.email, one.upto) for one in repeats(app)] == [(ANN, day(1)), (ANN, day(2)), (BOB, day(2))]


def test_some_are_named_and_the_others_done(app: App) -> None:
    app.subscriptions.pause(CID, today=app.today(), now=app.now())
    said = again(app, edition(1), "--subscriber", ANN, "--subscriber", CID, "--subscriber", "ANN@EXAMPLE.ORG")
    assert (said.status, said.errors) == (1, f"Not to 1 reader, paused: {CID}\n")
    assert [one.email for one in repeats(app)] == [ANN]
    said = again(app, edition(1), "--all", "--yes")
    assert said.status == 0
    assert "Not to 1 reader, a repeat of it is queued already: ann@example.org" in said.errors
    assert [one.email for one in repeats(app)] == [ANN, BOB]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            (edition(1), "--subscriber", ANN, "--subscriber", "eve@example.org"),
            "there is no subscriber eve@example.org",
        ),
        (("2026-02-01", "--all", "--yes"), "2026-02-01 has no edition"),
        (("first", "--all"), "'first' is not a date"),
        ((edition(1),), "one of --all, --failed and --subscriber EMAIL"),
        ((edition(1), "--all", "--failed"), "one of --all, --failed and --subscriber EMAIL"),
        ((edition(1), "--all"), "a mail that went out cannot be taken back: say --yes"),
    ],
)
def test_what_is_not_clear_queues_nothing(app: App, arguments: tuple[str, ...], says: str) -> None:
    said = again(app, *arguments)
    assert (said.status, said.output, says in said.errors) == (2, "", True)
    assert repeats(app) == []


@pytest.mark.parametrize(("typed", "status", "number"), [("y", 0, 3), ("n", 130, 0), ("", 130, 0)])
def test_a_terminal_is_asked_before_all_are_mailed(
    app: App, tmp_path: Path, typed: str, status: int, number: int
) -> None:
    topics = "".join(f'[[topics]]\nname = "{name}"\n' for name in TOPICS)
    (tmp_path / "config.toml").write_text(f'[newsletter]\nsender = "papers@example.org"\n{topics}')
    ours, theirs = os.openpty()
    program = [sys.executable, "-m", "newsletter", "--config", "config.toml", "editions", "resend", edition(1), "--all"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(program, cwd=tmp_path, env=environment, stdin=theirs, stderr=subprocess.PIPE) as process:
        os.write(ours, f"{typed}\n".encode())
        _, errors = process.communicate()
    os.close(ours)
    os.close(theirs)
    assert (process.returncode, len(repeats(app))) == (status, number)
    assert b"Send the edition of 2026-01-07 again to 3 readers? [y/N]" in errors


def test_a_dry_run_says_how_many_and_changes_nothing(app: App, tmp_path: Path) -> None:
    before = app.storage.database.rows("SELECT * FROM deliveries")
    said = again(app, edition(1), "--all", "--dry-run")
    assert (said.status, said.output) == (0, "2026-01-07: repeats for 3 readers would be queued. Nothing was.\n")
    assert app.storage.database.rows("SELECT * FROM deliveries") == before


def test_many_are_counted_and_the_first_named() -> None:
    found = Resent()
    for number in range(30):
        found.leave_out(f"r{number}@example.org", "paused")
    assert (found.left_out["paused"].number, len(found.left_out["paused"].named)) == (30, 20)


def test_all_of_it_is_queued_or_nothing(app: App) -> None:
    """Who says it again after an error does not mail a part of the readers twice."""
    broken = make_app(app.config.path.parent, topics=TOPICS, outside={"token": ["one", "two"].pop})
    with pytest.raises(IndexError):  # at the third
        resend(broken, day(1), Whom.ALL)
    broken.close()
    assert repeats(app) == []


def test_readers_are_looked_up_by_index(app: App) -> None:
    statements: list[str] = []
    connection = app.storage.database.tables.conn
    connection.set_trace_callback(statements.append)
    assert resend(app, day(), Whom.ALL, dry_run=True).queued == 3
    connection.set_trace_callback(None)
    (query, *_) = (statement for statement in statements if "digest_status" in statement)
    plan = [row["detail"] for row in app.storage.database.rows(f"EXPLAIN QUERY PLAN {query}")]
    assert [step for step in plan if step.startswith("SCAN") and "subquery" not in step] == []


def test_no_edition_no_repeat(app: App) -> None:
    with pytest.raises(UsageError, match="has no edition"):
        resend(app, day(20), Whom.ALL, dry_run=True)

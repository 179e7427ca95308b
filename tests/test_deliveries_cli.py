"""`newsletter deliveries`: finding what is in the ledger, one delivery's story, and trying again."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from house import Time, day, make_app, subscribe
from ledger_house import ANN, BOB, CID, Said, attempt, bring_out, edition, entries, say

from newsletter.app import App
from newsletter.bouncing import Bounce, Kind, Proof
from newsletter.cli.deliveries import deliveries
from newsletter.model import DeliveryStatus
from newsletter.retrying import retry
from newsletter.sending import deliver
from newsletter.storage.listing import Which, listing_query
from newsletter.storage.pace import Cause, Pause, Watched
from newsletter.storage.singles import Single

SENT, DEFERRED, BOUNCED, EXPIRED = (
    DeliveryStatus.SENT,
    DeliveryStatus.DEFERRED,
    DeliveryStatus.BOUNCED,
    DeliveryStatus.EXPIRED,
)
SENDING, SUPPRESSED = DeliveryStatus.SENDING, DeliveryStatus.SUPPRESSED


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    """Two editions: on the first Ann's digest was sent, Bob's and Cid's deferred; Bob's waits on, with the second's."""
    app = make_app(tmp_path, time=time, topics=("Graph Neural Networks", "Time Series"))
    subscribe(app, ANN, CID)
    subscribe(app, BOB, topics=["Graph Neural Networks"], queries=["ti:graph"])
    bring_out(app, 1)
    attempt(app, {ANN: (SENT, "250 ok"), BOB: (DEFERRED, "451 later"), CID: (BOUNCED, "550 5.1.1 nobody")})
    time.now += timedelta(hours=23)
    with app.storage.write():
        app.storage.deliveries.queue_single(
            Single("operator", {}, "boss@example.com"),
            "single@example.org",
            day=app.today(),
            expires=time.now + timedelta(days=7),
            now=time.now,
        )
    time.now += timedelta(hours=1)
    bring_out(app, 2)
    yield app
    app.close()


def listed(app: App, *arguments: str) -> list[tuple[int, str, str]]:
    return [(one["id"], one["status"], one["email"]) for one in say(app, deliveries, "list", "--json", *arguments).json]


# ---------------------------------------------------------------- list


@pytest.mark.parametrize(
    ("filters", "ids"),
    [
        ((), [7, 6, 5, 4, 3, 2, 1]),
        (("--limit", "2"), [7, 6]),
        (("--status", "queued"), [7, 6, 5, 4]),
        (("--status", "expired"), [3]),
        (("--kind", "single"), [4]),
        (("--edition", edition()), [7, 3, 2, 1]),
        (("--edition", edition(1)), [7, 6, 5]),
        (("--subscriber", "ANN@example.org"), [5, 1]),
        (("--domain", "example.org"), [6, 5, 2, 1]),
        (("--domain", "@Mail.Example.NET"), [7, 3]),
        (("--domain", "example.org", "--status", "queued"), [6, 5]),
        (("--domain", "example.org", "--status", "sent"), [1]),
        (("--subscriber", BOB, "--status", "queued", "--kind", "digest"), [7]),
        (("--edition", edition(1), "--subscriber", CID, "--limit", "1"), [6]),
        (("--edition", edition(), "--kind", "single"), []),
    ],
    ids=str,
)
def test_a_list_holds_what_all_its_filters_leave_newest_first(
    app: App, filters: tuple[str, ...], ids: list[int]
) -> None:
    assert [found[0] for found in listed(app, *filters)] == ids


def test_a_list_says_all_that_the_ledger_holds(app: App) -> None:
    (found,) = say(app, deliveries, "list", "--status", "expired", "--json").json
    assert found == {
        "id": 3,
        "kind": "digest",
        "status": "expired",
        "subscriber_id": 3,
        "email": BOB,
        "domain": "mail.example.net",
        "message_id": entries(app, ids=(3,))[0].message_id,
        "after": None,
        "upto": "2026-01-06",
        "attempts": 1,
        "unknowns": 0,
        "queued": "2026-01-06 07:00:00+00:00",
        "due": "2026-01-06 08:00:00+00:00",
        "expires": "2026-01-07 07:00:00+00:00",
        "tried": "2026-01-06 07:00:00+00:00",
        "ended": "2026-01-07 07:00:00+00:00",
        "reply": "the next digest holds it",
    }


def test_a_table_shows_what_is_due_and_what_was_answered(app: App) -> None:
    header, queued, bounced = say(app, deliveries, "list", "--subscriber", CID).output.splitlines()
    assert header.split() == ["ID", "KIND", "STATUS", "EMAIL", "UP", "TO", "ATTEMPTS", "TRIED", "DUE", "ANSWER"]
    assert queued.split() == ["6", "digest", "queued", CID, "2026-01-07", "0", "2026-01-07", "07:00"]
    assert bounced.split()[:8] == ["2", "digest", "bounced", CID, "2026-01-06", "1", "2026-01-06", "07:00"]
    assert bounced.endswith("550 5.1.1 nobody")


@pytest.mark.parametrize("command", ["list", "retry"])
@pytest.mark.parametrize(
    ("filters", "says"),
    [
        (("--subscriber", "eve@example.org"), "there is no subscriber eve@example.org"),
        (("--edition", "2026-02-01"), "2026-02-01 has no edition; `newsletter editions list` shows"),
        (("--edition", "yesterday"), "'yesterday' is not a date (allowed: YYYY-MM-DD)"),
        (("--status", "lost"), "Invalid value for '--status'"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(app: App, command: str, filters: tuple[str, ...], says: str) -> None:
    said = say(app, deliveries, command, *filters)
    assert (said.status, said.output) == (2, "")
    assert says in said.errors


@pytest.mark.parametrize(
    ("which", "found_by"),
    [
        (Which(), "SCAN d"),
        (Which(edition=day()), "SCAN d"),
        (Which(ids=(1, 2)), "SEARCH d USING INTEGER PRIMARY KEY (rowid=?)"),
        (Which(status=SENT), "SEARCH d USING INDEX deliveries_status (status=?)"),
        (Which(status=SENT, edition=day(), domain="example.org"), "SEARCH d USING INDEX deliveries_status (status=?)"),
        (Which(subscriber_id=1), "SEARCH d USING INDEX deliveries_subscriber (subscriber_id=?)"),
        (Which(subscriber_id=1, status=SENT), "SEARCH d USING INDEX deliveries_subscriber (subscriber_id=?)"),
        (Which(status=DEFERRED, domain="a.example"), "SEARCH d USING INDEX deliveries_domain (domain=?)"),
    ],
)
def test_a_list_is_found_by_an_index_or_from_its_end(app: App, which: Which, found_by: str) -> None:
    """What is read in the order of the list ends with its limit; what is sorted was found by an index that leaves
    little."""
    sql, values = listing_query(which)
    plan = [row["detail"] for row in app.storage.database.rows(f"EXPLAIN QUERY PLAN {sql}", {**values, "limit": 30})]
    assert plan[0] == found_by
    few = which.ids or which.subscriber_id or (which.domain and not which.edition)
    assert bool(few) or not [step for step in plan if "ORDER BY" in step]


# ---------------------------------------------------------------- show


def shown(app: App, number: int) -> dict[str, str]:
    """What is shown of a delivery: by the name of the line, of several the last."""
    lines = say(app, deliveries, "show", str(number)).output.splitlines()
    return {line[:12].strip(): line[13:] for line in lines}


def test_the_story_of_a_digest_that_did_not_arrive(app: App) -> None:
    found = shown(app, 3)
    assert found == {
        "delivery": "3, digest, expired",
        "to": f"{BOB} (subscriber 3; mail.example.net)",
        "message id": f"<{entries(app, ids=(3,))[0].message_id}>",
        "holds": "2026-01-06",
        "chosen": "Graph Neural Networks; ti:graph",
        "queued": "2026-01-06 07:00:00 UTC, expires 2026-01-07 07:00:00 UTC",
        "attempts": "1; the last 2026-01-06 07:00:00 UTC",
        "ended": "2026-01-07 07:00:00 UTC",
        "answer": "the next digest holds it",
        "see also": "7, digest, queued, up to 2026-01-07",
        "next": "nothing; what it held comes in their next digest, or has come",
    }
    assert shown(app, 7)["holds"] == "2026-01-06, 2026-01-07"
    story = say(app, deliveries, "show", "3", "--json").json
    assert (story["entry"]["id"], story["editions"], [one["id"] for one in story["others"]]) == (3, ["2026-01-06"], [7])


def test_a_story_tells_what_came_back(app: App, time: Time) -> None:
    sent = app.storage.bounces.sent(1, time.now - timedelta(days=2))
    assert sent is not None
    with app.storage.write():
        bounce = Bounce(Kind.SOFT, Proof.KEYED, "4.2.2", "mailbox \x1b[31mfull")
        app.storage.bounces.hear(sent, bounce, today=app.today(), now=time.now, suspend_at=5.0)
    assert shown(app, 1)["came back"].startswith("2026-01-07 07:00:00 UTC, soft (")
    assert "\x1b" not in shown(app, 1)["came back"]


@pytest.mark.parametrize(
    ("status", "waited", "says"),
    [
        (SENT, 0, f"nothing; `newsletter editions resend 2026-01-07 --subscriber {ANN}` sends it again"),
        (BOUNCED, 0, f"nothing; `newsletter editions resend 2026-01-07 --subscriber {ANN}` sends it again"),
        (DEFERRED, 0, "due 2026-01-07 08:00:00 UTC; `newsletter deliveries retry 5`"),
        (DEFERRED, 2, "due now"),
        (DEFERRED, 30, "too old; the next run of the sender says what becomes of it"),
        (SENDING, 0, "a sender has it; if that was killed, it is sent again with the same Message-ID"),
    ],
)
def test_a_story_ends_with_what_comes_next(
    app: App, time: Time, status: DeliveryStatus, waited: int, says: str
) -> None:
    attempt(app, {ANN: (status, "said")})
    time.now += timedelta(hours=waited)
    assert shown(app, 5)["next"] == says


def test_the_story_of_other_mail(app: App) -> None:
    found = shown(app, 4)
    assert (found["says"], found["to"]) == ("operator", "boss@example.com (no subscriber; example.com)")
    assert "holds" not in found
    app.subscriptions.remove(BOB, now=app.now())
    assert shown(app, 3)["to"] == "somebody who was removed"
    assert "see also" not in shown(app, 3)  # nobody knows whose it was
    said = say(app, deliveries, "show", "99")
    assert (said.status, "there is no delivery 99" in said.errors) == (2, True)


# ---------------------------------------------------------------- retry


@pytest.fixture
def tried(app: App, time: Time) -> App:
    """All of the second edition was tried: Ann's and Bob's are deferred, Cid's is being sent; the single waits for a
    moment that a clock of before had set. Half an hour ago."""
    attempt(app, {ANN: (DEFERRED, "451 a"), BOB: (DEFERRED, "451 b"), CID: (SENDING, "")})
    with app.storage.write():
        app.storage.database.execute("UPDATE deliveries SET due = '2026-01-08T00:00:00Z' WHERE id = 4")
    time.now += timedelta(minutes=30)
    return app


def dues(app: App) -> dict[int, str]:
    return {entry.id: f"{entry.due:%d %H:%M}" for entry in entries(app) if entry.ended is None}


def test_a_retry_makes_due_all_that_waits_and_moves_nothing_else(tried: App) -> None:
    before = {entry.id: entry for entry in entries(tried)}
    assert dues(tried) == {4: "08 00:00", 5: "07 08:00", 6: "07 07:00", 7: "07 08:00"}
    said = say(tried, deliveries, "retry")
    assert (said.status, said.output) == (0, "3 deliveries are due again; `newsletter deliver` sends them.\n")
    assert dues(tried) == {4: "07 07:30", 5: "07 07:30", 6: "07 07:00", 7: "07 07:30"}
    columns = [name for name in before[1].__slots__ if name != "due"]
    assert [[getattr(entry, name) for name in columns] for entry in entries(tried)] == [
        [getattr(entry, name) for name in columns] for entry in before.values()
    ]
    assert say(tried, deliveries, "retry").output.splitlines() == [
        "0 deliveries are due again; `newsletter deliver` sends them.",
        "3 deliveries are due already.",
    ]


@pytest.mark.parametrize(
    ("filters", "moved", "left"),
    [
        (("--status", "deferred"), {5, 7}, ""),
        (("--status", "queued"), {4}, ""),
        (("--kind", "single"), {4}, ""),
        (("--domain", "mail.example.net"), {7}, "1 expired"),
        (("--subscriber", ANN), {5}, "1 sent"),
        (("--edition", edition(1)), {5, 7}, "1 sending"),
        (("--edition", edition(1), "--domain", "example.org"), {5}, "1 sending"),
        (("--subscriber", CID), set(), "1 bounced, 1 sending"),
    ],
    ids=str,
)
def test_a_retry_keeps_to_what_is_meant(tried: App, filters: tuple[str, ...], moved: set[int], left: str) -> None:
    said = say(tried, deliveries, "retry", *filters)
    assert said.status == 0
    assert {number for number, due in dues(tried).items() if due == "07 07:30"} == moved
    assert (f"Left as they are: {left}. `newsletter editions resend`" in said.output) == bool(left)


def test_what_cannot_be_tried_again_is_told_with_the_reason(tried: App) -> None:
    tried.subscriptions.pause(ANN, today=tried.today(), now=tried.now())
    said = say(tried, deliveries, "retry", "7", "1", "2", "3", "5", "6", "4", "99", "7")
    assert (said.status, said.output.splitlines()[0]) == (
        1, "2 deliveries are due again; `newsletter deliver` sends them."
    )  # fmt: skip
    resend = "`newsletter editions resend 2026-01-0{} --subscriber {}` sends the edition again"
    assert said.errors.splitlines() == [
        f"delivery 1 is not tried again: it is sent; {resend.format(6, ANN)}",
        f"delivery 2 is not tried again: it is bounced (550 5.1.1 nobody); {resend.format(6, CID)}",
        f"delivery 3 is not tried again: it is expired (the next digest holds it); {resend.format(6, BOB)}",
        f"delivery 5 is not tried again: it is suppressed (paused); {resend.format(7, ANN)}",
        "delivery 6 is not tried again: it is being sent; the sender goes on with it by itself",
        "delivery 99 is not tried again: there is no such delivery",
    ]
    assert dues(tried)[7] == "07 07:30"


@pytest.mark.parametrize("status", ["sent", "bounced", "expired", "suppressed", "sending"])
def test_an_end_is_no_status_to_retry(tried: App, status: str) -> None:
    said = say(tried, deliveries, "retry", "--status", status)
    assert (said.status, said.output) == (2, "")
    assert ("left to the sender" if status == "sending" else "`newsletter editions resend DATE`") in said.errors


def test_numbers_and_filters_are_not_mixed(tried: App) -> None:
    said: Said = say(tried, deliveries, "retry", "5", "--domain", "example.org")
    assert (said.status, "by numbers, or by filters" in said.errors) == (2, True)
    assert dues(tried)[5] == "07 08:00"


def test_what_has_expired_meanwhile_is_told(tried: App, time: Time) -> None:
    time.now += timedelta(days=1)
    assert "2 of them expired by now" in say(tried, deliveries, "retry", "--status", "deferred").output


def test_what_is_tried_again_is_the_same_mail(tried: App, time: Time, tmp_path: Path) -> None:
    (before,) = entries(tried, ids=(7,))
    retry(tried, Which(ids=(7,)))
    time.now += timedelta(seconds=1)
    deliver(tried)
    (after,) = entries(tried, ids=(7,))
    assert (after.status, after.message_id, after.attempts) == (SENT, before.message_id, before.attempts + 1)
    mails = [path.read_text() for path in (tmp_path / "outbox" / "new").iterdir()]
    assert [before.message_id in mail for mail in mails if BOB in mail] == [True]


@pytest.mark.parametrize(
    ("arguments", "lifted"),
    [
        ((), {"", "example.org", "elsewhere.example"}),
        (("5",), {"example.org"}),
        (("--status", "deferred"), {"example.org"}),
        (("--domain", "elsewhere.example"), {"elsewhere.example"}),
        (("--domain", "mail.example.net"), set()),
    ],
    ids=["all", "one", "status", "domain", "none"],
)
def test_a_retry_lifts_the_pauses_of_its_domains(tried: App, arguments: tuple[str, ...], lifted: set[str]) -> None:
    now, names = tried.now(), ("", "example.org", "elsewhere.example")
    pauses = [Pause(name, Cause.POLICY, now, now, now + timedelta(hours=1), 1, "550 5.7.1 \x1bno") for name in names]
    over = Pause("example.org", Cause.RATE, now, now, now, 1, "421 slow")  # it goes slowly now
    with tried.storage.write():
        for pause in (*pauses, over):
            tried.storage.pace.keep(pause)
            tried.storage.pace.watch(pause.domain, Watched(now, 20, 20, ()))
    assert shown(tried, 5)["waits"] == "mail to example.org rests until 2026-01-07 08:30:00 UTC: 550 5.7.1 no"
    said = say(tried, deliveries, "retry", *arguments)
    assert said.output.count("Lifted: mail to ") == len(lifted)
    assert ("Lifted: mail to all domains rests until 2026-01-07 08:30:00 UTC: 550 5.7.1 no" in said.output) == (
        "" in lifted
    )
    assert {pause.domain for pause in tried.storage.pace.pauses() if pause.until > now} == set(names) - lifted
    assert over in tried.storage.pace.pauses()
    assert tried.storage.pace.watches().keys() == set(names) - lifted


def test_a_retry_finds_what_waits_by_an_index(app: App) -> None:
    """However many were sent."""
    statements: list[str] = []
    connection = app.storage.database.tables.conn
    connection.set_trace_callback(statements.append)
    for which in (Which(), Which(domain="example.org"), Which(kind="digest"), Which(status=DEFERRED), Which(ids=(3,))):
        retry(app, which)
    connection.set_trace_callback(None)
    updates = [statement for statement in statements if statement.startswith("UPDATE deliveries")]
    plans = [app.storage.database.rows(f"EXPLAIN QUERY PLAN {update}")[0]["detail"] for update in updates]
    assert [plan.split(" (")[0] for plan in plans] == [
        "SCAN d USING INDEX deliveries_due",
        "SEARCH d USING INDEX deliveries_domain",
        "SEARCH d USING INDEX deliveries_due",
        "SEARCH d USING INDEX deliveries_status",
        "SEARCH d USING INTEGER PRIMARY KEY",
    ]

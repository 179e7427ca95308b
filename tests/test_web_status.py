"""How the newsletter stands, for readers, load balancers and Prometheus; and why a date has no edition."""

import json
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from house import START, day, make_paper, queue, subscribe
from prometheus_client.parser import text_string_to_metric_families
from webfront import WebFront, web_front

from newsletter.locks import hold
from newsletter.model import DeliveryStatus, HarvestState, Suppression
from newsletter.sources.calendar import Calendar
from newsletter.storage.database import to_text
from newsletter.storage.harvests import HarvestRecord
from newsletter.storage.pace import Cause, Pause
from newsletter.storage.singles import Single
from newsletter.storage.standing import Standing
from newsletter.timetable import Hours
from newsletter.web import reasons
from newsletter.web.reasons import Days, Reason

HOURS = Hours(ZoneInfo("UTC"), time(7), time(20))
READER = "reader@example.org"


def known(now: datetime, **options: object) -> Days:
    return replace(Days(now, HOURS, Calendar(), date(2025, 11, 3)), **options)  # type: ignore[arg-type]


def fetched(state: HarvestState, at: datetime, *, due: bool = False, settled: bool = True) -> HarvestRecord:
    told = "http://arxiv.internal/ ti:secret"
    return HarvestRecord(1, at.date(), at, "api", state, told, 1, 1, 1, 0, 0, settled=settled, due=due)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# ---------------------------------------------------------------- reasons


@pytest.mark.parametrize(
    ("now", "asked", "reason"),
    [
        ("2026-01-06T12:00", "2026-01-07", reasons.TO_COME),
        ("2026-01-06T12:00", "2025-11-02", reasons.BEFORE),
        ("2026-01-06T05:00", "2026-01-06", reasons.NOT_YET),
        ("2026-01-06T12:00", "2026-01-05", reasons.NOTHING),
        ("2026-01-10T05:00", "2026-01-10", reasons.WEEKEND),
        ("2026-01-11T05:00", "2026-01-11", reasons.WEEKEND),
        ("2026-01-12T12:00", "2026-01-10", reasons.WEEKEND),
        ("2026-01-12T12:00", "2026-01-12", reasons.NOT_YET),
        ("2025-12-26T12:00", "2025-12-26", reasons.HOLIDAY),
    ],
)
def test_why_a_date_has_none_where_nothing_was_fetched(now: str, asked: str, reason: Reason) -> None:
    assert known(at(now)).why_none(date.fromisoformat(asked), None) is reason


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (fetched(HarvestState.FRESH, START, settled=False), reasons.UNFINISHED),
        (fetched(HarvestState.FRESH, START), reasons.NO_MATCH),
        (fetched(HarvestState.NO_MATCH, START), reasons.NO_MATCH),
        (fetched(HarvestState.FAILED, START, settled=False), reasons.FAILED),
        (fetched(HarvestState.PARTIAL, START), reasons.PARTIAL),
        (fetched(HarvestState.STALE, START), reasons.PARTIAL),
        (fetched(HarvestState.SAME, START, due=True), reasons.LATE),
        (fetched(HarvestState.QUIET, START, due=True), reasons.LATE),
        (fetched(HarvestState.SAME, START), reasons.SILENT),
        (fetched(HarvestState.QUIET, at("2026-01-10T07:00")), reasons.WEEKEND),
        (fetched(HarvestState.SAME, at("2026-01-11T07:00")), reasons.WEEKEND),
        (fetched(HarvestState.QUIET, at("2025-12-26T07:00")), reasons.HOLIDAY),
    ],
)
def test_why_a_date_has_none_that_was_fetched_for(record: HarvestRecord, reason: Reason) -> None:
    assert known(at("2026-01-12T12:00")).why_none(record.date, record) is reason


@pytest.mark.parametrize(
    ("now", "newest", "coming"),
    [
        ("2026-01-06T05:00", "2026-01-05", "2026-01-06T07:00"),  # this morning
        ("2026-01-06T12:00", "2026-01-05", "2026-01-06T07:00"),  # late, and looked for
        ("2026-01-06T21:00", "2026-01-05", "2026-01-07T07:00"),  # today's hours are over
        ("2026-01-06T12:00", "2026-01-06", "2026-01-07T07:00"),
        ("2026-01-09T12:00", "2026-01-09", "2026-01-12T07:00"),  # Friday
        ("2026-01-10T12:00", "2026-01-09", "2026-01-12T07:00"),  # Saturday
        ("2025-12-25T12:00", "2025-12-25", "2025-12-29T07:00"),  # Christmas, and a weekend behind it
        ("2026-01-06T05:00", None, "2026-01-06T07:00"),
        ("2026-01-06T05:00", "2026-01-08", "2026-01-09T07:00"),  # the newest lies ahead
    ],
)
def test_when_the_next_one_comes(now: str, newest: str | None, coming: str) -> None:
    last = date.fromisoformat(newest) if newest else None
    assert known(at(now)).next_edition(last) == at(coming)


def test_when_arxiv_is_silent_for_long_nothing_is_promised() -> None:
    holidays = frozenset(date(2026, 1, 1) + timedelta(days=number) for number in range(40))
    assert known(START, calendar=Calendar(holidays)).next_edition(day()) is None


# ---------------------------------------------------------------- the page


def test_a_saturday(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        front.bring_out(make_paper(1))
        front.time.now = at("2026-01-10T09:00")
        for path in ("/", "/status"):
            html = front.page(path)
            assert "Saturday: arXiv announces nothing on Friday and Saturday evenings." in html
            assert "The next edition is expected on Monday, 12 January 2026 at 07:00 (UTC)." in html


def test_an_edition_that_is_late(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        front.bring_out(make_paper(1))
        front.time.now = at("2026-01-07T09:00")
        assert "It is looked for until 20:00 (UTC)." in front.page("/status")


def test_what_becomes_of_mail(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        assert "No mail has been sent yet." in front.page("/status")
        queue(front.app, READER, "other@example.org")
        front.pass_days()
        assert "Mail is waiting to go out." in front.page("/status")
        change(front, DeliveryStatus.SENT)
        front.time.now += timedelta(minutes=2)
        assert "All mail has gone out." in front.page("/status")
        change(front, DeliveryStatus.DEFERRED)
        front.time.now += timedelta(minutes=2)
        assert "what was not taken is tried again" in front.page("/status")


def sending(front: WebFront, **numbers: Any) -> AbstractContextManager[None]:
    """A sender at work, as it has written down how it stands."""
    with front.app.storage.write():
        front.app.storage.standing.write(Standing(4711, START, front.app.now(), **numbers))
    return hold(front.app.lock_file("sender"), "sending")


def test_how_far_mail_is(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        queue(front.app, READER, "other@example.org", "third@example.org")
        with sending(front, connections=2, under_way=1, sent=11, digests=9, left=2):
            assert "Mail is going out just now; 75\N{NO-BREAK SPACE}% of it is out." in front.page("/status")
            german = front.page("/status", headers={"Accept-Language": "de"})
            assert "Gerade werden E-Mails verschickt; 75\N{NO-BREAK SPACE}% davon sind hinaus." in german
            assert front.get("/health").json == {"status": "ok", "overdue": 0, "part_sent": 0.75}
        front.time.now += timedelta(minutes=2)
        assert "Mail is waiting to go out." in front.page("/status")  # it waits; nobody is there
        assert front.get("/health").json == {"status": "ok", "overdue": 0}


def test_almost_is_not_all(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        queue(front.app, READER)
        with sending(front, sent=99_999, digests=99_999, left=1):
            assert "; 99\N{NO-BREAK SPACE}% of it is out." in front.page("/status")


def test_of_mail_to_one_reader_alone_nothing_is_said(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        before = {path: front.page(path) for path in ("/status", "/health")} | numbers(front)
        now, storage = front.app.now(), front.app.storage
        with storage.write():
            single = Single("confirm", {}, to=READER)
            storage.deliveries.queue_single(single, "<1@example.org>", day=day(), expires=now, now=now)
            storage.database.execute("UPDATE deliveries SET status = 'sending'")
        front.time.now += timedelta(minutes=2)
        with sending(front, connections=1, under_way=1, sent=3, deferred=1, rate=1.5, left=1):
            after = {path: front.page(path) for path in ("/status", "/health")} | numbers(front)
        ours = {key: value for key, value in after.items() if "http" not in key[0] and "process" not in key[0]}
        assert {key for key in ours if before[key] != ours[key]} == {("newsletter_sender_running", "")}


def change(front: WebFront, status: DeliveryStatus) -> None:
    with front.app.storage.write():
        front.app.storage.database.execute("UPDATE deliveries SET status = ?", (status,))


def fail(front: WebFront) -> None:
    """A fetch that failed, on a day whose hours are over."""
    record = replace(fetched(HarvestState.FAILED, START), reason="https://arxiv.internal/?q=ti:secret does not answer")
    with front.app.storage.write():
        front.app.storage.harvests.add(record, START, {}, {}, ())
    front.time.now = START + timedelta(days=1, hours=14)


def test_what_is_overdue_is_said_in_general(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        assert "All is in order." in front.page("/status")
        fail(front)
        html = front.page("/status")
        assert "Something is late, and needs the operator." in html
        for path in ("/status", "/editions", f"/editions/{day()}", "/health", "/metrics", "/"):
            assert "internal" not in front.get(path).text
        assert "arXiv did not answer" in front.page(f"/editions/{day()}", 404)


# ---------------------------------------------------------------- for programs


def test_health(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        answer = front.get("/health")
        assert (answer.status_code, answer.content_type) == (200, "application/json")
        assert answer.json == {"status": "ok", "overdue": 0}
        assert answer.headers["Cache-Control"] == "no-store"
        fail(front)
        answer = front.get("/health")
        assert (answer.status_code, json.loads(answer.text)) == (503, {"status": "overdue", "overdue": 1})


def test_health_where_the_database_is_gone(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        (tmp_path / "subscribers.db").rename(tmp_path / "elsewhere.db")
        answer = front.get("/health")
        assert (answer.status_code, answer.json) == (503, {"status": "unreadable"})
        assert front.get("/metrics").status_code == 503
        (tmp_path / "elsewhere.db").rename(tmp_path / "subscribers.db")
        assert front.get("/health").status_code == 200


def numbers(front: WebFront) -> dict[tuple[str, str], float]:
    """Each number by its name and its labels, in words."""
    text = front.page("/metrics")
    return {
        (sample.name, " ".join(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        queue(front.app, READER, "other@example.org")
        subscribe(front.app, "third@example.org", queries=["ti:secret"])
        front.app.subscriptions.suppress("gone@example.org", Suppression.MANUAL, now=front.app.now())
        front.get("/editions")
        front.get("/nowhere/at/all")
        front.client.open("/editions", method="BREW")
        front.pass_days()
        found = numbers(front)
        assert found["newsletter_subscribers", "confirmed"] == 3
        assert found["newsletter_deliveries", "queued"] == 2
        assert found["newsletter_suppressed", ""] == 1
        assert found["newsletter_queue_age_seconds", ""] == 86_400
        assert found["newsletter_queue_length", ""] == 2
        assert found["newsletter_sender_running", ""] == 0
        assert found["newsletter_edition_age_days", ""] == 1
        assert found["newsletter_fetch_age_seconds", ""] == 86_400
        assert found["newsletter_overdue", ""] == 1
        assert found["newsletter_http_requests_total", "/editions 200 GET"] == 1
        assert found["newsletter_http_requests_total", "- 404 GET"] == 1
        assert found["newsletter_http_requests_total", "- 405 other"] == 1
        assert found["newsletter_http_request_seconds_count", "/editions"] == 1
        text = front.page("/metrics")
        assert "@" not in text
        assert "secret" not in text
        assert "nowhere" not in text


def test_metrics_of_a_run(tmp_path: Path) -> None:
    with web_front(tmp_path) as front:
        queue(front.app, *(f"reader{number}@example.org" for number in range(6)))
        later = front.app.now() + timedelta(minutes=5)
        endings = {"sent": 2, "bounced": 1, "deferred": 1, "sending": 1}
        storage = front.app.storage
        with storage.write():
            ids = iter(row["id"] for row in storage.database.rows("SELECT id FROM deliveries"))
            for status, number in endings.items():
                for _ in range(number):
                    change = "UPDATE deliveries SET status = ?, due = ? WHERE id = ?"
                    storage.database.execute(change, (status, to_text(later), next(ids)))
            for domain in ("gmail.com", "example.com"):
                storage.pace.keep(Pause(domain, Cause.RATE, START, START, later, 1, "421 4.7.28 too fast"))
        with sending(front, connections=4, under_way=3, sent=2, bounced=1, rate=12.5, left=1, deferrals=7):
            found = numbers(front)
        statuses = {"queued": 1, "suppressed": 0, "expired": 0, **endings}
        assert {status: found["newsletter_deliveries", status] for status in statuses} == statuses
        assert [found["newsletter_digests_total", answer] for answer in ("sent", "deferred", "bounced")] == [2, 7, 1]
        assert [found[f"newsletter_sender_{name}", ""] for name in ("running", "connections", "under_way", "rate")] == [
            1, 4, 3, 12.5,
        ]  # fmt: skip
        assert found["newsletter_queue_length", ""] == 1
        assert [found["newsletter_pauses", cause] for cause in ("rate", "policy")] == [2, 0]
        assert "gmail" not in front.page("/metrics")  # there may be one reader alone at a domain
        gone = numbers(front)  # the sender was killed
        assert [gone[f"newsletter_sender_{name}", ""] for name in ("running", "connections", "under_way", "rate")] == [
            0
        ] * 4
        assert gone["newsletter_digests_total", "sent"] == 2

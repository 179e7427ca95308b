"""A date's edition from end to end: real HTTP, a real database, a Maildir, a real repository."""

import email
import mailbox
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest
from house import Library, Time, day, make_app, make_paper, subscribe

from newsletter.accounts import days
from newsletter.app import App
from newsletter.demo import faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.world import TOPICS, World
from newsletter.errors import UsageError
from newsletter.locks import hold
from newsletter.model import DeliveryStatus, HarvestState, Kind
from newsletter.publish import Report, publish, rehearse
from newsletter.status import report
from newsletter.storage import Storage

GRAPHS = "Graph Neural Networks"
VIDEO = "Video Anomaly Detection"


@pytest.fixture
def arxiv(library: Library) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(library) as server:
        yield server


@pytest.fixture
def app(tmp_path: Path, arxiv: ArxivStandIn, time: Time) -> Iterator[App]:
    app = make_app(tmp_path, api_url=arxiv.url, topics=(GRAPHS, VIDEO), time=time)
    yield app
    app.close()


def mails(folder: Path) -> list[EmailMessage]:
    """What was filed, oldest first."""
    box = mailbox.Maildir(folder / "outbox", create=True)
    found = [email.message_from_bytes(box.get_bytes(key), policy=default) for key in box.iterkeys()]
    return sorted(found, key=lambda message: (message["Date"].datetime, str(message["To"])))


def commits(folder: Path) -> list[str]:
    log = subprocess.run(
        ["git", "log", "--format=%s"], cwd=folder / "archive", capture_output=True, text=True, check=True
    )
    return log.stdout.splitlines()


def html(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def dump(storage: Storage) -> list[tuple[object, ...]]:
    """Everything in the database that a reader or operator could notice."""
    tables = ("papers", "announcements", "editions", "deliveries", "subscribers", "topics")
    return [tuple(row) for table in tables for row in storage.database.rows(f"SELECT * FROM {table}")]


def test_two_days_of_the_world(tmp_path: Path, time: Time) -> None:
    world = World(day(), clock=time.clock)
    time.now = world.day_one + timedelta(hours=12)
    with ArxivStandIn(world) as arxiv:
        app = make_app(tmp_path, api_url=arxiv.url, topics=TOPICS, time=time, arxiv={"categories": ["cs.*", "stat.*"]})
        subscribe(app, "all@example.org")
        subscribe(app, "video@example.org", topics=[TOPICS[0]])
        first = publish(app, app.today())
        time.now = world.day_two + timedelta(hours=12)
        second = publish(app, app.today())
    assert first.tally[DeliveryStatus.SENT] == 2
    assert second.decision.counts == {Kind.NEW: 8, Kind.REVISED: 1, Kind.WITHDRAWN: 1}
    assert len(mails(tmp_path)) == 4
    assert len(commits(tmp_path)) == 2
    newest = html(mails(tmp_path)[2])
    assert "https://arxiv.org/abs/0001.00007v2" in newest
    assert "https://arxiv.org/abs/0001.00001v1" not in newest


def test_the_same_command_twice_does_nothing_twice(
    app: App, library: Library, arxiv: ArxivStandIn, tmp_path: Path
) -> None:
    library.answers = {GRAPHS: [make_paper(2), make_paper(1)]}
    subscribe(app, "reader@example.org")
    publish(app, app.today())
    before, asked = dump(app.storage), len(arxiv.requests)
    again = publish(app, app.today())
    assert again.harvest is None
    assert again.tally.counts == {}
    assert len(arxiv.requests) == asked
    assert dump(app.storage) == before
    assert len(mails(tmp_path)) == len(commits(tmp_path)) == 1


def test_nothing_new_makes_no_edition_and_says_so(app: App, library: Library, time: Time, tmp_path: Path) -> None:
    library.answers = {GRAPHS: [make_paper(1)]}
    subscribe(app, "reader@example.org")
    publish(app, app.today())
    time.now += timedelta(days=1)
    second = publish(app, app.today())
    assert second.decision.edition is None
    assert second.harvest is not None
    assert second.harvest.state is HarvestState.SAME
    assert len(mails(tmp_path)) == len(commits(tmp_path)) == 1
    newest, oldest = days(app, 10)
    assert (newest.date, newest.counts) == (app.today(), {})
    assert newest.reason.startswith("same batch again: arXiv still shows the batch before")
    assert oldest.counts == {Kind.NEW: 1}
    assert report(app).overdue == ()


def test_a_failed_fetch_makes_no_edition_and_loses_nothing(
    app: App, library: Library, arxiv: ArxivStandIn, time: Time, tmp_path: Path
) -> None:
    library.answers = {GRAPHS: [make_paper(1)]}
    subscribe(app, "reader@example.org")
    arxiv.script(lambda _request: faults.web_page())
    failed = publish(app, app.today())
    assert failed.decision.edition is None
    assert "nothing was fetched" in str(failed.failures[0])
    assert mails(tmp_path) == []
    assert "the fetch failed" in days(app, 1)[0].reason
    arxiv.script(())
    good = publish(app, app.today())
    assert good.decision.counts == {Kind.NEW: 1}
    assert len(mails(tmp_path)) == 1


def test_one_topic_that_fails_does_not_stop_the_others(
    app: App, library: Library, arxiv: ArxivStandIn, time: Time
) -> None:
    library.answers = {
        GRAPHS: [make_paper(1)],
        VIDEO: [make_paper(n, "Video Anomaly Detection") for n in range(40, 10, -1)],
    }
    arxiv.script(lambda request: faults.unavailable() if "video" in request.params["search_query"].lower() else None)
    first = publish(app, app.today())
    assert first.harvest is not None
    assert first.harvest.state is HarvestState.PARTIAL
    assert "Video Anomaly Detection: HTTP 503" in first.harvest.reason
    assert first.decision.counts == {Kind.NEW: 1}
    arxiv.script(())
    time.now += timedelta(days=1)
    second = publish(app, app.today())
    # Its first edition comes when it was fetched for the first time: a backlog of 20, the rest passed over.
    assert second.decision.counts == {Kind.NEW: 20}
    assert len(second.decision.announcements) == 30


def test_first_edition_announces_the_newest_and_passes_over_the_rest(app: App, library: Library) -> None:
    library.answers = {GRAPHS: [make_paper(number) for number in range(50, 0, -1)]}
    decision = publish(app, app.today()).decision
    told = [announcement.paper.id for announcement in decision.told]
    assert told == [f"0001.{number:05}" for number in range(50, 30, -1)]
    assert len(decision.announcements) == 50


def test_the_archive_lists_what_was_passed_over_too(app: App, library: Library, tmp_path: Path) -> None:
    library.answers = {GRAPHS: [make_paper(number) for number in range(50, 0, -1)]}
    publish(app, app.today())
    assert (tmp_path / "archive/README.md").read_text().count("| **[") == 50


def test_kinds(app: App, library: Library, time: Time) -> None:
    library.answers = {GRAPHS: [make_paper(1)]}
    publish(app, app.today())
    time.now += timedelta(days=1)
    old = time.now - timedelta(days=100)
    library.answers = {
        GRAPHS: [
            make_paper(2),
            make_paper(1, version=2, abstract="We look at graphs again.", comment="Accepted at a conference"),
            make_paper(3, submitted=old, updated=old),  # arXiv remembered an old paper
            make_paper(4, version=3, submitted=old),  # revised, though never told of before
            make_paper(5, version=2),  # new: it came to us late, but it is young
            make_paper(6, version=2, comment="This paper has been withdrawn by the authors"),
        ]
    }
    decision = publish(app, app.today()).decision
    kinds = {announcement.paper.id[-1]: announcement.kind for announcement in decision.announcements}
    assert kinds == {
        "1": Kind.REVISED,
        "2": Kind.NEW,
        "3": Kind.PASSED_OVER,
        "4": Kind.REVISED,
        "5": Kind.NEW,
        "6": Kind.WITHDRAWN,
    }
    changes = {announcement.paper.id[-1]: announcement.changes for announcement in decision.announcements}
    assert changes["1"] == ("abstract", "comment")
    assert changes["4"] == ()


def test_what_does_not_match_here_is_dropped_and_counted(app: App, library: Library) -> None:
    library.answers = {
        GRAPHS: [make_paper(1), make_paper(2, "On something else", abstract="Neural networks, and graphs.")]
    }
    outcome = publish(app, app.today())
    assert outcome.harvest is not None
    assert (outcome.harvest.received, outcome.harvest.dropped) == (2, 1)
    assert [announcement.paper.id for announcement in outcome.decision.told] == ["0001.00001"]


def test_papers_outside_the_categories_are_no_candidates(tmp_path: Path, arxiv: ArxivStandIn, library: Library) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, arxiv={"categories": ["cs.*"]})
    library.answers = {GRAPHS: [make_paper(1), make_paper(2, categories=("physics.optics",))]}
    outcome = publish(app, app.today())
    assert outcome.harvest is not None
    assert (outcome.harvest.outside, outcome.harvest.dropped) == (1, 0)
    assert len(outcome.decision.told) == 1


def test_a_paper_under_two_topics_stands_once_with_both_names(app: App, library: Library, tmp_path: Path) -> None:
    both = make_paper(1, "Graph Neural Networks for Video Anomaly Detection")
    library.answers = {GRAPHS: [both], VIDEO: [both]}
    subscribe(app, "both@example.org")
    subscribe(app, "one@example.org", topics=[VIDEO])
    publish(app, app.today())
    for_both, for_one = sorted(map(html, mails(tmp_path)), key=len, reverse=True)
    assert for_both.count("abs/0001.00001v1") == for_one.count("abs/0001.00001v1")
    assert f"Why: {GRAPHS} (“{GRAPHS}”), {VIDEO} (“{VIDEO}”)" in for_both
    assert GRAPHS not in for_one.replace(both.title, "")


def test_a_version_is_told_once_whatever_the_topic(
    tmp_path: Path, arxiv: ArxivStandIn, library: Library, time: Time
) -> None:
    """A topic that is added later finds papers that its readers know already from another one."""
    paper = make_paper(1, "Graph Neural Networks for Video Anomaly Detection")
    library.answers = {GRAPHS: [paper], VIDEO: [paper, make_paper(2, VIDEO)]}
    app = make_app(tmp_path, api_url=arxiv.url, topics=(GRAPHS,), time=time)
    subscribe(app, "all@example.org")
    publish(app, app.today())
    app.close()
    time.now += timedelta(days=1)
    app = make_app(tmp_path, api_url=arxiv.url, topics=(GRAPHS, VIDEO), time=time)
    subscribe(app, "video@example.org", topics=[VIDEO])  # knows neither
    publish(app, app.today())
    by_reader = {str(message["To"]): html(message) for message in mails(tmp_path)[1:]}
    assert "abs/0001.00001v1" not in by_reader["all@example.org"]
    assert "abs/0001.00002v1" in by_reader["all@example.org"]
    assert "abs/0001.00001v1" in by_reader["video@example.org"]


def test_nothing_told_before_means_no_mail(tmp_path: Path, arxiv: ArxivStandIn, library: Library, time: Time) -> None:
    paper = make_paper(1, "Graph Neural Networks for Video Anomaly Detection")
    library.answers = {GRAPHS: [paper], VIDEO: [paper]}
    app = make_app(tmp_path, api_url=arxiv.url, topics=(GRAPHS,), time=time)
    subscribe(app, "all@example.org")
    publish(app, app.today())
    app.close()
    time.now += timedelta(days=1)
    app = make_app(tmp_path, api_url=arxiv.url, topics=(GRAPHS, VIDEO), time=time)
    second = publish(app, app.today())
    assert second.decision.edition == app.today()
    assert second.decision.queued == 0
    assert app.storage.subscribers.find("all@example.org").covered == app.today()  # type: ignore[union-attr]


def test_a_new_subscriber_starts_with_the_next_edition(app: App, library: Library, time: Time, tmp_path: Path) -> None:
    library.answers = {GRAPHS: [make_paper(1)]}
    publish(app, app.today())
    subscribe(app, "late@example.org")
    publish(app, app.today())
    assert mails(tmp_path) == []
    time.now += timedelta(days=1)
    library.answers = {GRAPHS: [make_paper(2), make_paper(1)]}
    publish(app, app.today())
    (message,) = mails(tmp_path)
    assert "0001.00002v1" in html(message)
    assert "0001.00001v1" not in html(message)


def test_weekly_readers_get_the_week_in_one_mail(app: App, library: Library, time: Time, tmp_path: Path) -> None:
    subscribe(app, "weekly@example.org", frequency="weekly")
    time.now += timedelta(days=1)  # START is a Tuesday
    for number in range(1, 8):
        library.answers = {GRAPHS: [make_paper(n) for n in range(number, 0, -1)]}
        publish(app, app.today())
        time.now += timedelta(days=1)
    (message,) = mails(tmp_path)
    assert message["Date"].datetime.weekday() == 0
    assert [number for number in range(1, 8) if f"0001.0000{number}v1" in html(message)] == [1, 2, 3, 4, 5, 6]


def test_weekly_readers_have_their_turn_though_nothing_was_fetched(
    app: App, library: Library, arxiv: ArxivStandIn, time: Time, tmp_path: Path
) -> None:
    subscribe(app, "weekly@example.org", frequency="weekly")
    library.answers = {GRAPHS: [make_paper(1)]}
    publish(app, app.today())
    time.now += timedelta(days=6)  # Monday
    arxiv.script(lambda _request: faults.unavailable())
    assert publish(app, app.today()).failures != ()
    (message,) = mails(tmp_path)
    assert "0001.00001v1" in html(message)


def test_beside_a_sender_that_stays_the_digests_are_left_to_it(app: App, library: Library, tmp_path: Path) -> None:
    library.answers = {GRAPHS: [make_paper(1)]}
    subscribe(app, "reader@example.org")
    with hold(tmp_path / "subscribers.db.sender", "sending"):
        outcome = publish(app, app.today())
    assert outcome.failures == ()
    assert "is sending just now" in outcome.tally.held_back
    assert app.storage.deliveries.counts() == {DeliveryStatus.QUEUED: 1}
    assert outcome.archived is not None
    assert outcome.archived.commit is not None


def test_a_rehearsal_of_a_failed_fetch_tells_it(app: App, arxiv: ArxivStandIn) -> None:
    arxiv.script(lambda _request: faults.unavailable())
    rehearsal = rehearse(app.config, app.outside, app.today())
    assert "nothing was fetched" in str(rehearsal.failures[0])


@pytest.mark.parametrize("when", [date(1, 1, 1), date(1990, 1, 1), date(9999, 12, 31)])
def test_dates_that_are_none(app: App, when: date) -> None:
    with pytest.raises(UsageError, match="allowed"):
        publish(app, when)


def test_a_pause_skips_what_passed(app: App, library: Library, time: Time, tmp_path: Path) -> None:
    subscribe(app, "reader@example.org")
    app.subscriptions.pause("reader@example.org", today=app.today(), now=app.now())
    library.answers = {GRAPHS: [make_paper(1)]}
    publish(app, app.today())
    app.subscriptions.resume("reader@example.org", today=app.today(), now=app.now())
    time.now += timedelta(days=1)
    library.answers = {GRAPHS: [make_paper(2), make_paper(1)]}
    publish(app, app.today())
    (message,) = mails(tmp_path)
    assert "0001.00001v1" not in html(message)


def test_a_date_before_the_newest_edition_is_refused(app: App, library: Library) -> None:
    library.answers = {GRAPHS: [make_paper(1)]}
    publish(app, day())
    library.answers = {GRAPHS: [make_paper(2), make_paper(1)]}
    publish(app, day(2))
    with pytest.raises(UsageError, match="2026-01-08"):
        publish(app, day(1))
    assert publish(app, day()).harvest is None  # one that exists may be finished


def test_a_rehearsal_writes_nothing(app: App, library: Library, tmp_path: Path) -> None:
    library.answers = {GRAPHS: [make_paper(1)]}
    subscribe(app, "reader@example.org")
    before = dump(app.storage)
    rehearsal = rehearse(app.config, app.outside, app.today())
    assert rehearsal.decision.counts == {Kind.NEW: 1}
    assert rehearsal.decision.queued == 1
    assert dump(app.storage) == before
    assert app.storage.harvests.newest() is None
    assert not (tmp_path / "outbox").exists()
    assert not (tmp_path / "archive").exists()


def test_a_readers_query_is_nobody_elses_business(app: App, library: Library, tmp_path: Path) -> None:
    query = 'ti:"secret interest"'
    library.answers = {GRAPHS: [make_paper(1)], query: [make_paper(2, "A Secret Interest in Graphs")]}
    subscribe(app, "curious@example.org", queries=[query])
    subscribe(app, "other@example.org")
    publish(app, app.today())
    by_reader = {str(message["To"]): html(message) for message in mails(tmp_path)}
    assert "0001.00002v1" in by_reader["curious@example.org"]
    assert "0001.00002v1" not in by_reader["other@example.org"]
    committed = subprocess.run(
        ["git", "log", "-p"], cwd=tmp_path / "archive", capture_output=True, text=True, check=True
    )
    assert "0001.00001v1" in committed.stdout
    assert "0001.00002" not in committed.stdout
    assert "secret" not in committed.stdout.lower()
    assert "@example.org" not in committed.stdout.replace("papers@example.org", "")


def test_revisions_can_be_left_out(tmp_path: Path, arxiv: ArxivStandIn, library: Library, time: Time) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, time=time, digest={"revised": False})
    library.answers = {GRAPHS: [make_paper(1)]}
    publish(app, app.today())
    time.now += timedelta(days=1)
    library.answers = {GRAPHS: [make_paper(1, version=2)]}
    second = publish(app, app.today())
    assert second.decision.edition is None
    assert "v2" in (tmp_path / "archive/README.md").read_text()  # the archive follows all the same


def test_a_changed_query_keeps_history_and_subscribers(
    tmp_path: Path, arxiv: ArxivStandIn, library: Library, time: Time
) -> None:
    library.answers = {GRAPHS: [make_paper(1)], "ti:graph": [make_paper(2, "A Graph"), make_paper(1)]}
    app = make_app(tmp_path, api_url=arxiv.url, topics=[GRAPHS], time=time)
    subscribe(app, "reader@example.org", topics=[GRAPHS])
    publish(app, app.today())
    app.close()
    time.now += timedelta(days=1)
    app = make_app(tmp_path, api_url=arxiv.url, topics=[{"name": GRAPHS.lower(), "query": "ti:graph"}], time=time)
    second = publish(app, app.today())
    assert [announcement.paper.id for announcement in second.decision.told] == ["0001.00002"]
    assert second.tally[DeliveryStatus.SENT] == 1


def test_a_topic_gone_from_the_file_sleeps(tmp_path: Path, arxiv: ArxivStandIn, library: Library, time: Time) -> None:
    library.answers = {GRAPHS: [make_paper(1)], VIDEO: [make_paper(2, VIDEO)]}
    app = make_app(tmp_path, api_url=arxiv.url, topics=[GRAPHS, VIDEO], time=time)
    subscribe(app, "reader@example.org", topics=[VIDEO])
    publish(app, app.today())
    app.close()
    time.now += timedelta(days=1)
    app = make_app(tmp_path, api_url=arxiv.url, topics=[GRAPHS], time=time)
    asked = len(arxiv.requests)
    publish(app, app.today())
    assert "graph" in arxiv.requests[asked].target.lower()
    assert not any("video" in request.target.lower() for request in arxiv.requests[asked:])
    assert any(VIDEO in remark for remark in report(app).remarks)
    assert app.storage.subscribers.find("reader@example.org").topics == (VIDEO,)  # type: ignore[union-attr]


def test_a_broken_template_writes_nothing_and_loses_nothing(
    tmp_path: Path, arxiv: ArxivStandIn, library: Library, time: Time
) -> None:
    broken = tmp_path / "templates/digest/body.html"
    broken.parent.mkdir(parents=True)
    broken.write_text("{% if %}")
    library.answers = {GRAPHS: [make_paper(1)]}
    app = make_app(tmp_path, api_url=arxiv.url, time=time, digest={"templates": str(tmp_path / "templates")})
    subscribe(app, "reader@example.org")
    failed = publish(app, app.today())
    assert "digest/body.html" in str(failed.failures[0])
    assert app.storage.editions.newest() is None
    assert "nothing decided yet" in days(app, 1)[0].reason  # and not: nothing to announce
    assert any("not decided on yet" in remark for remark in report(app).remarks)
    assert not (tmp_path / "archive").exists()
    app.close()
    broken.unlink()
    app = make_app(tmp_path, api_url=arxiv.url, time=time)
    assert publish(app, app.today()).tally[DeliveryStatus.SENT] == 1


def accounted(outcome: Report) -> int:
    assert outcome.harvest is not None
    return outcome.harvest.received


def test_fetch_alone_waits_for_the_next_edition(app: App, library: Library, arxiv: ArxivStandIn) -> None:
    from newsletter.fetching import fetch

    library.answers = {GRAPHS: [make_paper(1)]}
    fetch(app, app.today())
    library.answers = {GRAPHS: []}  # gone from the answers, not from us
    outcome = publish(app, app.today())
    assert accounted(outcome) == 0
    assert [announcement.paper.id for announcement in outcome.decision.told] == ["0001.00001"]


def test_editions_know_their_date_in_the_newsletters_zone(tmp_path: Path, arxiv: ArxivStandIn) -> None:
    app = make_app(tmp_path, api_url=arxiv.url, newsletter={"timezone": "Pacific/Kiritimati"}, time=Time())
    assert app.today() == date(2026, 1, 6)
    app.close()
    late = Time()
    late.now += timedelta(hours=5)
    assert make_app(tmp_path, newsletter={"timezone": "Pacific/Kiritimati"}, time=late).today() == date(2026, 1, 7)


def test_arxiv_can_reach_a_sender_of_any_domain(tmp_path: Path, arxiv: ArxivStandIn, time: Time) -> None:
    """A User-Agent is ASCII."""
    sender = {"sender": "Papers <blätter@例え.example>"}
    app = make_app(tmp_path, api_url=arxiv.url, topics=(GRAPHS,), time=time, newsletter=sender)
    publish(app, app.today())
    assert "%" in arxiv.requests[0].headers["User-Agent"]
    app.close()

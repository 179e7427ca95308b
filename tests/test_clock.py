"""The clock goes back, or forward and back: nobody waits for it, nothing is lost, nothing comes twice."""

import mailbox
import re
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from house import Library, Time, day, make_app, make_paper, queue, subscribe

from newsletter.app import App
from newsletter.delivery import LONGEST_PAUSE
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.smtp import SmtpStandIn
from newsletter.errors import UsageError
from newsletter.locks import hold
from newsletter.model import DeliveryStatus
from newsletter.publish import publish
from newsletter.sending import deliver

SENT, DEFERRED, QUEUED = DeliveryStatus.SENT, DeliveryStatus.DEFERRED, DeliveryStatus.QUEUED
TOPIC = "Graph Neural Networks"
HOUR = timedelta(hours=1)
WARNING = "the clock was set back"


@pytest.fixture
def app(tmp_path: Path, library: Library, time: Time) -> Iterator[App]:
    with ArxivStandIn(library) as arxiv:
        app = make_app(tmp_path, api_url=arxiv.url, topics=(TOPIC,), time=time)
        yield app
        app.close()


def told(folder: Path) -> Counter[str]:
    """How often the reader was told of each paper."""
    mails = (bytes(mail) for mail in mailbox.Maildir(folder / "outbox", create=True))
    return Counter(paper.decode() for mail in mails for paper in set(re.findall(rb"abs/0001\.0000\dv1", mail)))


# ---------------------------------------------------------------- the queue


def test_what_was_queued_before_the_clock_went_back_is_sent_at_once(
    app: App, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    queue(app, "a@example.org", "b@example.org")
    time.now -= HOUR
    assert deliver(app)[SENT] == 2
    assert caplog.text.count(WARNING) == 1
    assert "deliveries=2" in caplog.text


def test_clocks_are_corrected_by_seconds_all_the_time(app: App, time: Time, caplog: pytest.LogCaptureFixture) -> None:
    queue(app, "a@example.org")
    time.now -= timedelta(seconds=30)
    deliver(app)
    assert WARNING not in caplog.text
    time.now += timedelta(seconds=30)
    assert deliver(app)[SENT] == 1


@pytest.mark.parametrize(("back", "sent"), [(HOUR, 0), (LONGEST_PAUSE * 1.25 + HOUR, 1)])
def test_what_was_deferred_waits_no_longer_than_any_pause(
    tmp_path: Path, time: Time, back: timedelta, sent: int, caplog: pytest.LogCaptureFixture
) -> None:
    with SmtpStandIn(refusals={"later@example.org": "451 4.3.0 later"}) as server:
        smtp = {"host": server.host, "port": server.port}
        app = make_app(tmp_path, time=time, delivery={"transport": "smtp"}, smtp=smtp)
        queue(app, "later@example.org")
        assert deliver(app)[DEFERRED] == 1
        server.settings = replace(server.settings, refusals={})
        time.now -= back
        assert deliver(app)[SENT] == sent
        assert (WARNING in caplog.text) == bool(sent)
        time.now += back + HOUR
        deliver(app)
        assert app.storage.deliveries.counts() == {SENT: 1}
        app.close()


def test_a_sender_that_stays_notices_it(tmp_path: Path, app: App, time: Time) -> None:
    """The digest is queued and the clock set back while it sleeps."""
    other = make_app(tmp_path, topics=(TOPIC,), time=time)
    stop = threading.Event()
    slept = iter(range(100))

    def sleep(_seconds: float) -> None:
        match next(slept):
            case 0:
                queue(other, "reader@example.org")
                time.now -= HOUR
            case 99:
                stop.set()

    deliver(app, stay=True, work=lambda work: replace(work, sleep=sleep, stop=stop))
    assert app.storage.deliveries.counts() == {SENT: 1}
    other.close()


# ---------------------------------------------------------------- editions


def test_back_an_hour_nothing_is_done_twice(app: App, library: Library, time: Time, tmp_path: Path) -> None:
    subscribe(app, "reader@example.org")
    library.answers = {TOPIC: [make_paper(1)]}
    publish(app, day())
    time.now -= HOUR
    again = publish(app, app.today())
    assert (again.harvest, again.tally.counts, again.failures) == (None, {}, ())
    library.answers = {TOPIC: [make_paper(2), make_paper(1)]}
    time.now += timedelta(days=1)
    assert publish(app, app.today()).tally[SENT] == 1
    assert told(tmp_path) == {"abs/0001.00001v1": 1, "abs/0001.00002v1": 1}
    assert app.storage.deliveries.overlapping() == []


def test_back_over_midnight_it_waits_for_the_date_of_its_newest_edition(
    app: App, library: Library, time: Time, tmp_path: Path
) -> None:
    time.now = time.now.replace(hour=0, minute=10)
    subscribe(app, "reader@example.org")
    library.answers = {TOPIC: [make_paper(1)]}
    with hold(app.lock_file("sender"), "sending"):  # so that the digest waits
        publish(app, day())
    time.now -= HOUR
    with pytest.raises(
        UsageError, match=r"2026-01-05 is before the newest edition.*the clock went back.*--date 2026-01-06"
    ):
        publish(app, app.today())
    assert app.storage.editions.dates() == [day()]
    assert deliver(app)[SENT] == 1
    time.now += timedelta(days=1)
    library.answers = {TOPIC: [make_paper(2), make_paper(1)]}
    publish(app, app.today())
    time.now += timedelta(days=1)
    publish(app, app.today())
    assert told(tmp_path) == {"abs/0001.00001v1": 1, "abs/0001.00002v1": 1}


def test_forward_a_day_and_back(app: App, library: Library, time: Time, tmp_path: Path) -> None:
    """A digest that waits expires before its time, and goes into the next; the date has its edition already then."""
    queue(app, "reader@example.org")
    time.now += timedelta(days=1, hours=1)
    library.answers = {TOPIC: [make_paper(2), make_paper(1)]}
    publish(app, app.today())
    time.now -= timedelta(days=1)
    for paper in (3, 4):
        library.answers[TOPIC].insert(0, make_paper(paper))
        assert publish(app, app.today()).failures == ()
        time.now += timedelta(days=1)
    assert publish(app, app.today()).failures == ()
    assert told(tmp_path) == {f"abs/0001.0000{number}v1": 1 for number in (1, 2, 3, 4)}
    assert app.storage.deliveries.overlapping() == []

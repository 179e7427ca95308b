"""Print, as SQL, a database in which something stands in every table; see README.md in this folder."""

import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from carrying import ACCEPTED, Courier
from house import Time, bring, make_app, make_paper, subscribe

from newsletter.app import App
from newsletter.backfilling import fill, plan
from newsletter.delivery import Work
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.library import FixedAnswers
from newsletter.fetching import fetch
from newsletter.joining import ask_to_subscribe
from newsletter.journal import ARCHIVE
from newsletter.mail.transports import Answer, Parcel, Stage, Verdict
from newsletter.model import Choice, DeliveryStatus, Paper, Suppression
from newsletter.publish import publish
from newsletter.storage.consents import Consent
from newsletter.storage.deliveries import Ending
from newsletter.storage.pace import ALL, Cause, Pause, Watched
from newsletter.warning import warn

GRAPHS, VIDEO, GONE = "Graph Neural Networks", "Video Anomaly Detection", "Speech Models"
PAUSE = timedelta(minutes=5)


def answer(parcel: Parcel) -> Answer:
    """Accept everything, but for those whose address says otherwise."""
    if parcel.recipient.startswith("bounced"):
        return Answer(Verdict.REFUSED, 550, "5.1.1 no such user", Stage.RCPT)
    if parcel.recipient.startswith(("deferred", "left")):
        return Answer(Verdict.DEFERRED, 451, "4.3.0 later", Stage.RCPT)
    return ACCEPTED


def post() -> Courier:
    """Where mail goes."""
    return Courier(answer)


def first_morning(app: App) -> None:
    """An edition that is more than a topic's first may hold, and one answer of each kind."""
    today: Any = {"today": app.today(), "now": app.now()}
    names = ("sent", "deferred", "third", "bounced", "left")
    subscribe(app, *(f"{name}@example.org" for name in names))
    app.subscriptions.subscribe("new@example.org", Choice(topics=(VIDEO,)), confirmed=False, **today)
    subscribe(app, "weekly@example.org", topics=[GRAPHS, GONE], queries=["au:example", "ti:other"], frequency="weekly")
    publish(app, app.today(), work=lambda work: replace(work, connect=post))
    app.subscriptions.unsubscribe("left@example.org", **today)
    app.subscriptions.suppress("bounced@example.org", Suppression.BOUNCE, now=app.now())
    app.subscriptions.suppress("never@example.org", Suppression.COMPLAINT, now=app.now())
    on_the_web(app)
    with app.storage.write():
        refused = Pause("example.org", Cause.POLICY, app.now(), app.now(), app.now() + 12 * PAUSE, 1, "554 5.7.1 no")
        app.storage.pace.keep(refused)
        app.storage.pace.watch("example.org", Watched(app.now(), 30, 2, ((29, "example.org"), (30, "example.org"))))


def on_the_web(app: App) -> None:
    """One has chosen all there is to choose, and rests; one asked for our mail, one has yet to say yes, one did."""
    wishes = {"weekday": "friday", "hour": "7", "zone": "Europe/Berlin", "late": "go", "revised": "no"}
    looks = {"detail": "brief", "format": "text", "language": "de"}
    subscribe(app, "chooser@example.org", topics=[VIDEO], frequency="weekly", **wishes, **looks)
    until = app.today() + timedelta(days=10_000)
    app.subscriptions.pause("chooser@example.org", until=until, today=app.today(), now=app.now())
    ask_to_subscribe(app, "asked@example.org", Choice(topics=(VIDEO,)), language="en", network="192.0.2.1")
    with app.storage.write():
        for email in ("new@example.org", "weekly@example.org"):
            subscriber = app.subscriptions.find(email)
            assert subscriber is not None
            if email.startswith("new"):
                app.storage.requests.expect(subscriber.id, app.now() + timedelta(days=7))
            else:
                app.storage.consents.add(subscriber.id, Consent(app.now(), "web", "Yes, mail me.", "en"))
        app.storage.collected.add("/var/mail/bounces", "1767682800.1.example", kept=True)


def second_morning(app: App) -> None:
    """The sender is told to stop at once; one delivery is deferred, one was under way, and papers lie undecided."""
    publish(app, app.today(), work=_stopped)
    with app.storage.write():
        (first, _), _ = app.storage.deliveries.claim(app.now(), 2)
        later = Ending(first.delivery.id, DeliveryStatus.DEFERRED, app.now() + PAUSE, "451 4.3.0 later")
        app.storage.deliveries.record([later], app.now())
    bring(app, make_paper(4), make_paper(5))


def third_morning(app: App) -> None:
    """arXiv is looked at and shows nothing; history is filled in; and the operator is told that the archive fails."""
    fetch(app, app.today())
    topic, course = plan(app, app.today() - timedelta(days=60), [GRAPHS])[0]
    fill(app, topic, course)
    with app.storage.write():
        app.storage.papers.add([replace(make_paper(3), journal_ref="Journal of Graphs 1")], app.now())
        app.storage.jobs.end(ARCHIVE, 1, app.now() - timedelta(days=3), "it cannot be written")
    with app.storage.write():
        app.storage.pace.count(ALL, [(app.now(), 3)], app.now() - timedelta(days=1), app.now())
    warn(app)


def _stopped(work: Work) -> Work:
    stop = threading.Event()
    stop.set()
    return replace(work, connect=post, stop=stop)


def live(folder: Path) -> None:
    """Three mornings of a newsletter in a folder."""
    time, both = Time(), make_paper(2, f"{GRAPHS} for {VIDEO}")
    revised = make_paper(1, version=2)
    mornings: list[tuple[tuple[str, ...], dict[str, list[Paper]], Callable[[App], None]]] = [
        ((GRAPHS, VIDEO, GONE), {GRAPHS: [make_paper(1), both, make_paper(9)], VIDEO: [both]}, first_morning),
        ((GRAPHS, VIDEO), {GRAPHS: [make_paper(3), revised, both], VIDEO: [both]}, second_morning),
        ((GRAPHS, VIDEO), {GRAPHS: [make_paper(3), revised, both], VIDEO: [both]}, third_morning),
    ]
    for topics, answers, morning in mornings:
        with ArxivStandIn(FixedAnswers(answers)) as arxiv:
            app = make_app(folder, api_url=arxiv.url, topics=topics, time=time, digest={"backlog": 2})
            morning(app)
            app.close()
        time.now += timedelta(days=1)


def main() -> None:
    """Live, and print."""
    with tempfile.TemporaryDirectory() as folder:
        live(Path(folder))
        app = make_app(Path(folder), topics=(GRAPHS, VIDEO))
        held_elsewhere = ('INSERT INTO "search_texts" ', 'INSERT INTO "search_names" ')  # virtual tables
        for line in app.storage.database.tables.conn.iterdump():
            if not line.startswith(held_elsewhere):
                print(line)  # noqa: T201 - what it is for
        app.close()


if __name__ == "__main__":
    main()

"""The ledger under random days: what must always be true of it, checked after every step."""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from carrying import Courier
from house import Time, bring, crowd, day, make_app, make_paper, queue, subscribe

from newsletter.app import App
from newsletter.config import TopicSection
from newsletter.delivery import Work
from newsletter.mail.transports import Answer, Parcel, Verdict
from newsletter.model import (
    Choice,
    DeliveryStatus,
    Frequency,
    Paper,
    Preferences,
    Rhythm,
    Status,
    Suppression,
)
from newsletter.sending import deliver
from newsletter.settling import settle
from newsletter.storage.singles import Single

TOPICS = ["Graph Neural Networks", "Video Anomaly Detection", "Speech Models"]
QUERIES = ["ti:alpha", "ti:beta"]
CHOICES = [([], []), (TOPICS[:1], []), (TOPICS[:2], QUERIES[:1]), (TOPICS[1:], []), ([], QUERIES)]
PEOPLE = [f"reader{number}@example.org" for number in range(len(CHOICES))]
PAUSES = [timedelta(minutes=10), timedelta(hours=5), timedelta(hours=26), timedelta(days=2), timedelta(days=9)]


class Post(Courier):
    """Answers by chance, and remembers whom it told what."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(self.send)
        self.chance, self.accepts = chance, 1.0
        self.verdicts = [Verdict.DEFERRED, Verdict.DEFERRED, Verdict.UNKNOWN]
        self.told: dict[str, dict[str, set[str]]] = defaultdict(dict)  # by reader, by Message-ID
        self.during: Callable[[], object] = lambda: None

    def send(self, parcel: Parcel) -> Answer:
        self.during()
        message = parcel.message
        if self.chance.random() > self.accepts:
            return Answer(self.chance.choice(self.verdicts), 450, "not now")
        (message_id,) = re.findall(r"Message-ID: <(.*?)>", message.decode())
        versions = set(re.findall(r"abs/(0001\.\d{5}v\d+)", message.decode().replace("=\r\n", "")))
        self.told[parcel.recipient][message_id] = versions
        return Answer(Verdict.ACCEPTED, 250, "ok")


NOTICE = {"newsletter": "Daily Papers", "illness": "archive", "well": True, "since": "2026-01-06", "at": "07:00"}


def notify(app: App, subscriber_id: int | None, to: str = "", template: str = "operator") -> None:
    """Queue a mail that is no digest."""
    now, single = app.now(), Single(template, {**NOTICE, "zone": "UTC"}, to)
    message_id = f"single.{app.outside.token()}@example.org"
    expires = now + timedelta(days=7)
    with app.storage.write():
        app.storage.deliveries.queue_single(
            single, message_id, day=app.today(), expires=expires, now=now, subscriber_id=subscriber_id
        )


class Story:
    """A newsletter to which things happen."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance, self.time = random.Random(seed), Time()
        self.app = make_app(folder, time=self.time, topics=TOPICS)
        self.post = Post(self.chance)
        self.papers: list[Paper] = []
        for email, (topics, queries) in zip(PEOPLE, CHOICES, strict=True):
            frequency = self.chance.choice(list(Frequency))
            subscribe(self.app, email, topics=topics, queries=queries, frequency=frequency)

    def publish(self) -> None:
        """New papers and new versions, under one topic, several or none; a version may come again with other words."""
        batch: dict[tuple[str, int], Paper] = {}
        for _ in range(self.chance.randrange(4)):
            known = self.papers and self.chance.random() < 0.4
            old = self.chance.choice(self.papers) if known else None
            words = self.chance.sample([*TOPICS, "alpha", "beta"], self.chance.randrange(1, 4))
            number = int(old.id[-5:]) if old else len(self.papers) + 1
            version = old.version + self.chance.randrange(2) if old else 1
            title = old.title if old and version == old.version else " and ".join(words)
            submitted, updated = self.time.now - timedelta(days=1), self.time.now - timedelta(hours=1)
            paper = make_paper(number, title, version=version, submitted=submitted, updated=updated)
            batch[paper.key] = paper
        self.papers += batch.values()
        bring(self.app, *batch.values())
        settle(self.app, self.app.today())

    def deliver(self, accepts: float | None = None) -> None:
        self.post.accepts = self.chance.choice([0.2, 0.6, 1.0]) if accepts is None else accepts
        deliver(self.app, work=lambda work: replace(work, connect=lambda: self.post))

    def die(self) -> None:
        """What a sender that was killed leaves behind."""
        with self.app.storage.write():
            self.app.storage.deliveries.claim(self.app.now(), self.chance.randrange(1, 4))

    def notify(self) -> None:
        """A mail that is no digest, to a reader or to somebody else."""
        reader = self.app.subscriptions.find(self.chance.choice(PEOPLE))
        assert reader is not None
        notify(self.app, *self.chance.choice([(reader.id, ""), (None, "olga@example.net")]))

    def wait(self) -> None:
        self.time.now += self.chance.choice(PAUSES)

    def bounce(self) -> None:
        self.post.verdicts = [Verdict.DEFERRED, Verdict.REFUSED]

    def change_choice(self) -> None:
        topics, queries = self.chance.choice(CHOICES)
        when = {"today": self.app.today(), "now": self.app.now()}
        self.app.subscriptions.change(self.chance.choice(PEOPLE), topics=topics, queries=queries, **when)  # type: ignore[arg-type]

    def change_frequency(self) -> None:
        wishes = Preferences(Rhythm(self.chance.choice(list(Frequency))))
        when = {"today": self.app.today(), "now": self.app.now()}
        self.app.subscriptions.change(self.chance.choice(PEOPLE), preferences=wishes, **when)  # type: ignore[arg-type]

    def pause_or_go_on(self) -> None:
        email, when = self.chance.choice(PEOPLE), {"today": self.app.today(), "now": self.app.now()}
        reader = self.app.subscriptions.find(email)
        assert reader is not None
        if reader.status is Status.CONFIRMED:
            leave = self.chance.choice([self.app.subscriptions.pause, self.app.subscriptions.unsubscribe])
            leave(email, **when)  # type: ignore[arg-type]
        else:
            self.app.subscriptions.confirm(email, **when)  # type: ignore[arg-type]

    def change_topics(self) -> None:
        awake = self.chance.sample(TOPICS, self.chance.randrange(1, len(TOPICS) + 1))
        self.app.storage.topics.follow([(name, TopicSection(name=name).written) for name in awake])

    def check(self) -> None:
        """An edition lies in one delivery of a reader, and a version is told once."""
        assert self.app.storage.deliveries.overlapping() == []
        for email, mails in self.post.told.items():
            told = [version for versions in mails.values() for version in versions]
            assert len(told) == len(set(told)), f"{email} was told twice"

    def finish(self) -> None:
        """Two weeks in which all goes well, and something new every day."""
        for number in range(15):
            self.time.now += timedelta(days=1)
            self.papers.append(make_paper(90_000 + number, " and ".join([*TOPICS, "alpha", "beta"])))
            bring(self.app, self.papers[-1])
            settle(self.app, self.app.today())
            self.deliver(accepts=1.0)

    def lost(self) -> Iterator[str]:
        """What was announced to a reader who stayed as they were, and never told, in that version or a later one."""
        for email in PEOPLE:
            subscriber = self.app.subscriptions.find(email)
            assert subscriber is not None
            reader = self.app.storage.readers.one(subscriber.id, None)
            told = {version for versions in self.post.told[email].values() for version in versions}
            newest = {version.partition("v")[0]: 0 for version in told}
            for version in told:
                paper, _, number = version.partition("v")
                newest[paper] = max(newest[paper], int(number))
            operators = {topic.id for topic in self.app.storage.topics.all() if not topic.personal}
            assert subscriber.covered is not None
            for announcement in self.app.storage.editions.announced(None, subscriber.covered):
                theirs = announcement.topic_id in (reader.chosen or operators)
                if theirs and announcement.paper.version > newest.get(announcement.paper.id, 0):
                    yield f"{email}: {announcement.paper.id}v{announcement.paper.version}"


def play(folder: Path, seed: int, *happenings: Callable[[Story], None], steps: int = 40) -> Story:
    story = Story(folder, seed)
    usual = [Story.publish] * 4 + [Story.deliver] * 4 + [Story.wait] * 3
    for _ in range(steps):
        story.chance.choice([*usual, *happenings])(story)
        story.check()
    return story


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_lost_and_nothing_told_twice(tmp_path: Path, seed: int) -> None:
    story = play(tmp_path, seed, Story.die, Story.change_frequency)
    story.finish()
    story.check()
    assert list(story.lost()) == []
    assert sum(len(mails) for mails in story.post.told.values()) >= 10
    story.app.close()


@pytest.mark.parametrize("seed", range(12))
def test_whatever_readers_and_operators_do(tmp_path: Path, seed: int) -> None:
    happenings = (Story.die, Story.bounce, Story.change_choice, Story.change_frequency, Story.pause_or_go_on)
    story = play(tmp_path, seed, *happenings, Story.notify, Story.change_topics, steps=60)
    story.finish()
    story.check()
    story.app.close()


# ---------------------------------------------------------------- what once went wrong


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    app = make_app(tmp_path, time=time)
    yield app
    app.close()


@pytest.fixture
def post() -> Post:
    return Post(random.Random(1))


def send(app: App, post: Post) -> dict[DeliveryStatus, int]:
    def through_post(work: Work) -> Work:
        return replace(work, connect=lambda: post)

    return deliver(app, work=through_post).counts


def test_claiming_does_not_sort_the_queue(app: App) -> None:
    crowd(app, 100)
    queue(app)
    statements: list[str] = []
    connection = app.storage.database.tables.conn
    connection.set_trace_callback(statements.append)
    with app.storage.write():
        app.storage.deliveries.claim(app.now(), 2)
    app.storage.deliveries.is_due(app.now())
    connection.set_trace_callback(None)
    selects = [statement for statement in statements if statement.lstrip().startswith("SELECT")]
    assert len(selects) >= 3
    for statement in selects:
        plan = [row["detail"] for row in app.storage.database.rows(f"EXPLAIN QUERY PLAN {statement}")]
        assert not any("TEMP B-TREE" in step or "SCAN d" in step for step in plan), plan


def test_what_is_undecided_is_found_without_reading_all_that_was_asked(app: App, time: Time) -> None:
    for number in range(3):
        bring(app, make_paper(number))
        settle(app, app.today())
        time.now += timedelta(days=1)
    assert app.storage.database.value("SELECT count(*) FROM asked") == 0
    bring(app, make_paper(9))
    statements: list[str] = []
    connection = app.storage.database.tables.conn
    connection.set_trace_callback(statements.append)
    assert app.storage.harvests.undecided().answered
    assert app.storage.harvests.has_undecided()
    assert not app.storage.harvests.is_provisional()
    connection.set_trace_callback(None)
    selects = [statement for statement in statements if statement.lstrip().startswith("SELECT")]
    assert len(selects) == 5
    for statement in selects:
        plan = [row["detail"] for row in app.storage.database.rows(f"EXPLAIN QUERY PLAN {statement}")]
        scans = [step for step in plan if step.startswith("SCAN") and step != "SCAN CONSTANT ROW"]
        assert all(step.startswith("SCAN harvests USING") and "harvests_undecided" in step for step in scans), plan


def test_what_failed_is_remembered_after_the_decision(app: App) -> None:
    bring(app, make_paper(1))
    with app.storage.write():
        app.storage.database.execute("UPDATE asked SET error = 'cut' WHERE topic_id = 1")
    settle(app, app.today())
    assert app.storage.harvests.failures(1) == {1: "cut"}


def test_whether_anything_is_undecided_and_lacks_details(app: App) -> None:
    harvests = app.storage.harvests
    assert (harvests.has_undecided(), harvests.is_provisional()) == (False, False)
    bring(app, make_paper(1), make_paper(2, provisional=True))
    assert (harvests.has_undecided(), harvests.is_provisional()) == (True, True)
    settle(app, app.today())
    assert (harvests.has_undecided(), harvests.is_provisional()) == (False, False)


def test_details_are_asked_for_in_turn_and_not_given_up_at_once(app: App, time: Time) -> None:
    papers = app.storage.papers
    old, young = make_paper(1, provisional=True), make_paper(2, provisional=True)
    for paper in (old, young):
        with app.storage.write():
            papers.add([paper], time.now)
        time.now += timedelta(days=1)

    def asks() -> str:
        (paper,) = papers.provisional(1)
        with app.storage.write():
            papers.asked_in_vain([paper.key], time.now)
        return paper.id

    rounds = []
    for _ in range(14):
        rounds.append(asks())
        time.now += timedelta(days=1)
        if not papers.provisional(1):
            break
    assert rounds[:6] == [young.id, old.id] * 3
    # Each once more after eight days.
    assert rounds[6:] == [young.id, old.id, young.id]


def test_what_was_asked_for_first_long_after_it_was_seen_is_asked_for_twice(app: App, time: Time) -> None:
    """A README brings thousands at once."""
    with app.storage.write():
        app.storage.papers.add([make_paper(1, provisional=True)], time.now)
    time.now += timedelta(days=30)
    for left in (1, 0):
        with app.storage.write():
            app.storage.papers.asked_in_vain([make_paper(1).key], time.now)
        assert len(app.storage.papers.provisional(9)) == left


def test_a_digest_is_not_taken_back_past_one_that_was_sent(app: App, time: Time, post: Post) -> None:
    queue(app, "reader@example.org")
    with app.storage.write():
        app.storage.deliveries.claim(app.now(), 1)  # and the sender dies
    time.now += timedelta(days=1)
    bring(app, make_paper(2))
    settle(app, app.today())
    post.during = lambda: setattr(post, "accepts", 0.0 if post.accepts else 1.0)
    assert send(app, post) == {DeliveryStatus.DEFERRED: 1, DeliveryStatus.SENT: 1}
    post.during = lambda: setattr(post, "accepts", 1.0)
    time.now += timedelta(days=1)
    bring(app, make_paper(3))
    settle(app, app.today())
    send(app, post)
    mails = post.told["reader@example.org"].values()
    assert sorted(map(sorted, mails)) == [["0001.00001v1"], ["0001.00002v1"], ["0001.00003v1"]]


def test_what_waits_when_a_pause_begins_is_skipped_too(app: App, time: Time, post: Post) -> None:
    queue(app, "reader@example.org")
    app.subscriptions.pause("reader@example.org", today=app.today(), now=app.now())
    assert app.storage.deliveries.counts() == {DeliveryStatus.SUPPRESSED: 1}
    app.subscriptions.resume("reader@example.org", today=app.today(), now=app.now())
    time.now += timedelta(days=1)
    bring(app, make_paper(2))
    settle(app, app.today())
    send(app, post)
    assert list(post.told["reader@example.org"].values()) == [{"0001.00002v1"}]


def test_a_reader_removed_while_their_mail_is_under_way(app: App, tmp_path: Path, post: Post) -> None:
    def remove() -> None:
        other = make_app(tmp_path)  # as another process would: with a connection of its own
        other.subscriptions.remove("reader@example.org", now=app.now())
        other.close()

    queue(app, "reader@example.org")
    post.accepts, post.during = 0.0, remove
    assert send(app, post) == {DeliveryStatus.DEFERRED: 1}
    assert app.storage.deliveries.counts() == {DeliveryStatus.SUPPRESSED: 1}
    assert not app.storage.deliveries.is_due(app.now() + timedelta(days=9))
    (left,) = app.storage.deliveries.all(None, 10)
    assert (left.email, left.reply) == ("", "")


def test_readers_of_all_topics_get_what_was_queued_before_a_topic_slept(app: App, post: Post) -> None:
    queue(app, "reader@example.org")
    app.storage.topics.follow([])
    assert send(app, post) == {DeliveryStatus.SENT: 1}


@pytest.mark.parametrize("before", [[], ["Graph Neural Networks"]])
@pytest.mark.parametrize("after", [[], ["Speech Models"], ["Graph Neural Networks", "Speech Models"]])
def test_choosing_anew_repeats_nothing(app: App, time: Time, post: Post, before: list[str], after: list[str]) -> None:
    subscribe(app, "reader@example.org", topics=before)
    bring(app, make_paper(1))
    settle(app, app.today())
    send(app, post)
    time.now += timedelta(days=1)
    app.storage.topics.follow([("Graph Neural Networks", 'ti:"graph neural networks"'), ("Speech Models", "ti:graph")])
    app.subscriptions.change("reader@example.org", topics=after, queries=[], today=app.today(), now=app.now())
    bring(app, make_paper(1), make_paper(2, "Graph Speech"))
    assert {announcement.paper.id for announcement in settle(app, app.today()).told} == {"0001.00001", "0001.00002"}
    send(app, post)
    assert list(post.told["reader@example.org"].values()) == [{"0001.00001v1"}, {"0001.00002v1"}]


def test_a_topic_whose_query_changed_floods_nobody(app: App, time: Time, post: Post) -> None:
    queue(app, "reader@example.org")
    send(app, post)
    old = time.now - timedelta(days=400)
    papers = [make_paper(100 + n, "On Trees", version=3, submitted=old, updated=old) for n in range(50)]
    papers += [make_paper(200 + n, "On Trees") for n in range(50)]
    app.storage.topics.follow([("Graph Neural Networks", "ti:trees")])
    time.now += timedelta(days=1)
    bring(app, *papers)
    decision = settle(app, app.today())
    assert len(decision.told) == 20
    assert {announcement.paper.title for announcement in decision.told} == {"On Trees"}
    time.now += timedelta(days=1)
    bring(app, make_paper(999, "On Trees", version=2, submitted=old, updated=old))
    assert settle(app, app.today()).told == ()  # neither new nor young


def test_a_query_taken_up_during_a_fetch_begins_with_the_next(app: App) -> None:
    bring(app, make_paper(1, "A Secret Thing"))
    subscribe(app, "reader@example.org", queries=["ti:secret"])
    settle(app, day())
    (query,) = [topic for topic in app.storage.topics.all() if topic.personal]
    assert not query.begun
    bring(app, make_paper(1, "A Secret Thing"))
    assert [announcement.topic_id for announcement in settle(app, day()).told] == [query.id]


# ---------------------------------------------------------------- mails that are no digest


def reader_id(app: App, email: str = "reader@example.org") -> int:
    reader = app.subscriptions.find(email)
    assert reader is not None
    return reader.id


def test_singles_go_first_though_they_were_queued_last(app: App, time: Time) -> None:
    queue(app, "reader@example.org", "other@example.org")
    time.now += timedelta(minutes=5)
    notify(app, None, "olga@example.net")
    notify(app, reader_id(app))
    with app.storage.write():
        claims, _ = app.storage.deliveries.claim(app.now(), 3)
    assert [claim.delivery.email for claim in claims[:2]] == ["olga@example.net", "reader@example.org"]
    assert [isinstance(claim.made_from, Single) for claim in claims] == [True, True, False]


def test_a_single_goes_to_its_reader_or_to_the_address_it_names(app: App, post: Post) -> None:
    subscribe(app, "reader@example.org")
    notify(app, reader_id(app))
    notify(app, reader_id(app), "new@example.org")
    notify(app, None, "olga@example.net")
    assert {delivery.email for delivery in app.storage.deliveries.all(DeliveryStatus.QUEUED, 9)} == {
        "reader@example.org",
        "new@example.org",
        "olga@example.net",
    }
    assert send(app, post) == {DeliveryStatus.SENT: 3}
    assert post.told.keys() == {"reader@example.org", "new@example.org", "olga@example.net"}


def test_who_has_not_confirmed_yet_is_sent_singles(app: App, post: Post) -> None:
    app.subscriptions.subscribe("reader@example.org", Choice(), confirmed=False, today=app.today(), now=app.now())
    notify(app, reader_id(app))
    assert send(app, post) == {DeliveryStatus.SENT: 1}


@pytest.mark.parametrize("address", ["reader@example.org", "new@example.org"])
def test_a_suppressed_address_is_sent_no_single(app: App, post: Post, address: str) -> None:
    subscribe(app, "reader@example.org")
    with app.storage.write():
        app.storage.subscribers.suppress(address, Suppression.COMPLAINT, "", app.now())
    notify(app, reader_id(app), "" if address == "reader@example.org" else address)
    assert send(app, post) == {DeliveryStatus.SUPPRESSED: 1}
    assert post.told == {}


def test_a_paused_reader_is_sent_no_single(app: App, post: Post) -> None:
    subscribe(app, "reader@example.org")
    app.subscriptions.pause("reader@example.org", today=app.today(), now=app.now())
    notify(app, reader_id(app))
    assert send(app, post) == {DeliveryStatus.SUPPRESSED: 1}


@pytest.mark.parametrize("to", ["", "new@example.org"])
def test_what_a_single_held_is_forgotten_with_its_reader(app: App, post: Post, to: str) -> None:
    queue(app, "reader@example.org")
    notify(app, reader_id(app), to)
    with app.storage.write():
        app.storage.deliveries.claim(app.now(), 2)  # both, and the sender dies
    app.subscriptions.remove("reader@example.org", now=app.now())
    assert send(app, post) == {DeliveryStatus.SUPPRESSED: 2}
    assert not app.storage.deliveries.is_due(app.now() + timedelta(days=9))
    assert app.storage.database.rows("SELECT 1 FROM deliveries WHERE payload IS NOT NULL OR reply <> ''") == []


def test_a_single_that_cannot_be_composed_keeps_nobody_waiting(app: App, time: Time, post: Post) -> None:
    queue(app, "reader@example.org")
    notify(app, None, "olga@example.net", template="unheard-of")
    assert send(app, post) == {DeliveryStatus.DEFERRED: 1, DeliveryStatus.SENT: 1}
    (put_off,) = app.storage.deliveries.all(DeliveryStatus.DEFERRED, 9)
    assert put_off.reply.startswith("could not be composed: unheard-of/subject.txt: there is no such template")
    assert put_off.due > app.now()
    time.now += timedelta(days=7)
    assert send(app, post) == {DeliveryStatus.EXPIRED: 1}


def test_a_deferred_single_is_tried_again_until_it_expires(app: App, time: Time, post: Post) -> None:
    notify(app, None, "olga@example.net")
    post.accepts, post.verdicts = 0.0, [Verdict.DEFERRED]
    for _ in range(6):
        assert send(app, post) == {DeliveryStatus.DEFERRED: 1}
        time.now += timedelta(days=1)
    time.now += timedelta(days=1)
    assert send(app, post) == {DeliveryStatus.EXPIRED: 1}
    (ended,) = app.storage.deliveries.all(None, 9)
    assert (ended.email, ended.reply) == ("olga@example.net", "too old: 450 not now")

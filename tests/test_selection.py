"""What changed, what is withdrawn, what a line says enough of, and what is remarked: decided, kept, and read."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from house import SHARED, START, Time, bring, day, make_app, make_paper, subscribe
from hypothesis import given
from hypothesis import strategies as st

from newsletter.app import App
from newsletter.digests import Digests
from newsletter.model import Announcement, Item, Kind, Paper, Remark, RemarkKind, Topic
from newsletter.preview import preview
from newsletter.selection import announce, changes_between, make_digest
from newsletter.settling import settle
from newsletter.storage.readers import Reader
from newsletter.withdrawal import is_withdrawn

GRAPHS = "Graph Neural Networks"
PAPER = make_paper(1, categories=("cs.LG", "stat.ML"), authors=("Zoë Żak", "Ada Example"), comment="9 pages")


# ---------------------------------------------------------------- what changed


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({}, ()),
        ({"title": "On Graph  Neural-Networks"}, ()),
        ({"title": "On Graphs"}, ("title",)),
        ({"abstract": "We look at $\\alpha$."}, ("abstract",)),
        ({"comment": "9 pages. Accepted"}, ("comment",)),
        ({"comment": ""}, ("comment",)),
        ({"authors": (r"Zo\"e \.Zak", "Ada Example")}, ()),
        ({"authors": (r"Zo\"{e} \.{Z}ak", "ADA EXAMPLE")}, ()),
        ({"authors": ("Zoë Żak",)}, ("authors",)),
        ({"authors": ("Ada Example", "Zoë Żak")}, ("authors",)),
        ({"categories": ("cs.lg", "Stat.ml")}, ()),
        ({"categories": ("stat.ML", "cs.LG")}, ("categories",)),
        ({"categories": ("cs.LG",)}, ("categories",)),
        ({"journal_ref": "J. Graphs 1 (2026) 1", "doi": "10.1000/1", "report_no": "R-1"}, ()),
        ({"title": "On Trees", "comment": "8 pages", "categories": ()}, ("title", "comment", "categories")),
    ],
)
def test_what_changed(fields: dict[str, Any], changes: tuple[str, ...]) -> None:
    assert changes_between(PAPER, replace(PAPER, version=2, **fields)) == changes


def test_the_order_of_other_categories_is_nobodys() -> None:
    one, other = (replace(PAPER, categories=("cs.LG", *others)) for others in (("cs.AI", "cs.CL"), ("cs.CL", "cs.AI")))
    assert changes_between(one, other) == ()


def test_what_a_feed_does_not_tell_has_not_changed() -> None:
    feed = replace(PAPER, version=2, title="Anew", comment="", provisional=True)
    assert changes_between(PAPER, feed) == changes_between(feed, PAPER) == ("title",)


# ---------------------------------------------------------------- withdrawn


@pytest.mark.parametrize(
    "comment",
    [
        "Withdrawn",
        "WITHDRAWN.",
        "Withdrawn: the bound was off by one",
        "Temporarily withdrawn",
        "Withdrawn from arXiv",
        "Withdrawn; superseded by arXiv:0001.00002",
        "v2: withdrawn, replaced by arXiv:0001.00002",
        "8 pages; withdrawn because of a gap in the second proof",
        "8 pages, 2 figures, withdrawn",
        "8 pages (withdrawn)",
        "8 pages, withdrawn by the author",
        "This paper has been withdrawn",
        "This paper as been withdrawn by the author(s) for lack of lamps",
        "The manuscript is temporarily withdrawn. 8 pages",
        "This version of the paper has been withdrawn by its authors",
        "This draft contains a wrong lemma and has been withdrawn",
        "There is a gap in Theorem 1, so this paper is withdrawn",
        "The proof does not hold and is therefore withdrawn",
        "The former version had a gap; this paper has been withdrawn entirely.",
        "It continues arXiv:0001.00002; this paper has been withdrawn",
        "This paper's second data set turned out to be invented and has to be withdrawn",
        "Paper withdrawn by the authors",
        "This article has been withdrawn at the request of its authors",
        "This paper has been retracted",
        "Retracted. See arXiv:0001.00002 for what is true.",
        "This manuscript was withdrawn from publication by the authors",
        "The authors withdraw this submission and will rewrite it",
        "We would like to withdraw the paper, since the moths were not ours",
        "For reasons of consent I have to withdraw this paper",
        "The author has decided to withdraw this version to check whose pictures these are",
        "The authors have agreed to withdraw.",
        "The authors request the withdrawal of this paper",
        "The authors request withdrawal because the code was wrong",
        "Withdrew the paper; a rewritten one will follow",
        "arXiv admin note: this submission has been withdrawn by arXiv administrators",
        "arXiv admin note: removed by arXiv administrators",
    ],
)
def test_a_comment_that_withdraws(comment: str) -> None:
    assert is_withdrawn(replace(PAPER, comment=comment))


@pytest.mark.parametrize(
    "comment",
    [
        "",
        "9 pages",
        "This paper has been replaced by arXiv:0001.00002",
        "Superseded by arXiv:0001.00002",
        "Withdrawn from MOTH 2025",
        "Submitted to MOTH 2025, withdrawn",
        "Submitted to MOTH 2025 (withdrawn)",
        "MOTH 2025 withdrawn submission",
        "9 pages; paper withdrawn from Annals of Lamps and submitted elsewhere",
        "This paper was withdrawn from MOTH 2025",
        "We withdrew this paper from MOTH 2025",
        "The previous version was withdrawn because of a gap; this one has none",
        "Earlier version withdrawn. This revision corrects Theorem 3.",
        "The previous version of this paper has been withdrawn",
        "Version 1 has been withdrawn due to a gap; here it is mended",
        "It takes in arXiv:0001.00002, which has been withdrawn",
        "It takes in arXiv:0001.00002, which has been withdrawn by its authors",
        "text overlap with arXiv:0001.00002 withdrawn by the authors",
        "Withdrawn arXiv:0001.00002 is part of this",
        "Extends our earlier (withdrawn) work",
        "Section 5 of this paper has been withdrawn",
        "We withdraw the claim of Theorem 2",
        "The claim in Section 4 was withdrawn because of a gap",
        "This paper has not been withdrawn",
        "9 pages, on the withdrawal of lamps from sale",
        "A retract of the full paper",
    ],
)
def test_a_comment_that_does_not(comment: str) -> None:
    assert not is_withdrawn(replace(PAPER, comment=comment))


@pytest.mark.parametrize(
    "abstract",
    [
        "Withdrawn.",
        "this paper has been withdrawn",
        "[This paper has been withdrawn by the author] Lamps attract moths, it was thought.",
        "The following paper has been withdrawn from consideration for publication, since the lamps were off.",
        "arXiv admin note: This paper has been withdrawn by arXiv, as nobody knows its authors.",
        "- Paper withdrawn by the author - We look at lamps.",
        "The authors have withdrawn this paper.",
        "We look at lamps. This paper has been withdrawn by the authors.",
    ],
)
def test_an_abstract_that_withdraws(abstract: str) -> None:
    assert is_withdrawn(replace(PAPER, abstract=abstract))


@pytest.mark.parametrize(
    "abstract",
    [
        "This paper asks how lamps were withdrawn from the market.",
        "Many lamps have been withdrawn because they attract moths.",
        "We ask whether a paper has been withdrawn from a journal. This matters.",
        "We analyse papers that were retracted by their authors.",
        "A plate is withdrawn from a bath of wax. We retract it slowly.",
        "The circle is no retract of the disc; this paper has been replaced by a longer one.",
        "Withdrawn lamps are collected and counted.",
        "In this work, money is withdrawn by the authors of unwanted mail.",
    ],
)
def test_an_abstract_that_does_not(abstract: str) -> None:
    assert not is_withdrawn(replace(PAPER, abstract=abstract))


@given(st.lists(st.sampled_from(["this", "paper", "withdrawn", "the authors", "12 pages,", "we", "and", ".", "("])))
def test_no_text_is_too_much(words: list[str]) -> None:
    """Whatever stands after it, a notice in a sentence of its own is read."""
    assert is_withdrawn(replace(PAPER, comment=f"This paper has been withdrawn. {' '.join(words)}"))


WITHDRAWN = {
    "bulk/papers.jsonl": {"2510.04781v2", "2510.07681v2", "2510.08567v3", "2510.23594v4"},
    "odd/odd_records.jsonl": {
        "0704.0213", "0704.1409", "0705.1442", "0708.0598", "1007.3934", "1104.4657", "1410.5192", "1411.0825",
    },
    "replay/papers.jsonl": set(),
}  # fmt: skip


@pytest.mark.parametrize("name", WITHDRAWN)
def test_recorded_papers(name: str) -> None:
    """Every record that says withdraw or retract was read: these are withdrawn, and no others."""
    path = SHARED / "data" / "arxiv" / name
    if not path.exists():
        pytest.skip(f"{path} is not here")
    assert {record for record, paper in recorded(path) if is_withdrawn(paper)} == WITHDRAWN[name]


def recorded(path: Path) -> Iterator[tuple[str, Paper]]:
    for line in path.read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        record = record.get("record", record)
        comment = record.get("comment") or record.get("comments") or ""
        abstract = record.get("summary") or record.get("abstract") or ""
        yield record.get("arxiv_id") or record["id"], replace(PAPER, comment=comment, abstract=abstract)


# ---------------------------------------------------------------- told in a line

TOPIC = Topic(1, GRAPHS, GRAPHS, begun=True)
REVISED = replace(PAPER, version=6, title="On Graphs")


def settled(paper: Paper, held: dict[int, Kind], told: dict[str, int], topic: Topic = TOPIC) -> Announcement:
    withdrawn = {paper.key} if is_withdrawn(paper) else set()
    (announcement,) = announce(
        topic, [paper], {paper.id: held}, {}, told, withdrawn, day=day(), now=START, backlog=20, revised=True
    )
    return announcement


@pytest.mark.parametrize(
    ("version", "held", "told", "minor"),
    [
        (6, {1: Kind.NEW}, {}, True),
        (6, {5: Kind.REVISED}, {}, True),
        (9, {1: Kind.NEW, 8: Kind.PASSED_OVER}, {}, True),
        (5, {1: Kind.NEW}, {PAPER.id: 1}, False),
        (6, {5: Kind.PASSED_OVER}, {}, False),
        (6, {5: Kind.PASSED_OVER}, {PAPER.id: 2}, True),
        (6, {5: Kind.PASSED_OVER}, {PAPER.id: 6}, False),
        (6, {5: Kind.PASSED_OVER}, {"0001.00002": 1}, False),
    ],
)
def test_a_late_version_of_what_was_told_gets_a_line(
    version: int, held: dict[int, Kind], told: dict[str, int], minor: bool
) -> None:
    old = replace(REVISED, version=version, submitted=START - timedelta(days=400))
    announcement = settled(old, held, told)
    assert (announcement.kind, announcement.minor) == (Kind.REVISED, minor)


def test_what_is_new_or_withdrawn_gets_a_card() -> None:
    assert settled(REVISED, {}, {PAPER.id: 1}).kind is Kind.NEW
    assert not settled(REVISED, {}, {PAPER.id: 1}).minor
    gone = replace(REVISED, comment="Withdrawn")
    assert settled(gone, {1: Kind.NEW}, {PAPER.id: 1}) == Announcement(1, gone, Kind.WITHDRAWN, (), day())


def test_who_reads_of_a_paper_for_the_first_time_gets_a_card() -> None:
    """A weekly digest may hold the version that was told first, and another."""
    first = Announcement(1, replace(PAPER, version=5), Kind.REVISED, (), day(), minor=False)
    later = [
        Announcement(1, replace(PAPER, version=version), Kind.REVISED, (), day(1), minor=True) for version in (6, 7)
    ]
    (whole,) = make_digest([first, *later], [1], (), upto=day(1)).items
    assert whole == Item(later[1].paper, Kind.REVISED, (), (1,), minor=False, words=((),))
    (line,) = make_digest(later, [1], (), upto=day(1)).items
    assert line.minor


# ---------------------------------------------------------------- through the database


@pytest.fixture
def app(tmp_path: Path, time: Time) -> Iterator[App]:
    app = make_app(tmp_path, topics=(GRAPHS, "Moths"), time=time)
    yield app
    app.close()


def announced(app: App, on: date) -> list[tuple[int, tuple[str, int], tuple[str, ...], bool]]:
    return [(a.topic_id, a.paper.key, a.changes, a.minor) for a in app.storage.editions.of(on)]


def test_a_line_is_kept_and_read(app: App, time: Time) -> None:
    subscribe(app, "reader@example.org")
    bring(app, make_paper(1))
    settle(app, day())
    for number, version in enumerate((2, 6), 1):
        time.now += timedelta(days=1)
        bring(app, make_paper(1, "Moths and Graph Neural Networks", version=version, comment=f"Version {version}"))
        settle(app, day(number))
    assert announced(app, day(1)) == [
        (1, ("0001.00001", 2), ("title", "comment"), False),
        (2, ("0001.00001", 2), (), False),
    ]
    assert announced(app, day(2)) == [
        (1, ("0001.00001", 6), ("comment",), True),
        (2, ("0001.00001", 6), ("comment",), True),
    ]
    stored = app.storage.fragments.get("card/0001.00001v6/revised/line", "en")
    assert stored is not None
    assert b"We look at graphs" not in stored.text
    text = preview(app, None, None).text.decode()
    assert "/abs/0001.00001v6\r\nRevised, version 6 · comment: Version 6\r\n" in text
    assert "We look at graphs" not in text


def test_who_asked_for_a_paper_is_not_shown_by_a_line(app: App, time: Time) -> None:
    subscribe(app, "curious@example.org", queries=["au:example"])
    bring(app, make_paper(1, "A Secret", version=5))
    settle(app, day())
    query = next(topic.id for topic in app.storage.topics.all() if topic.personal)
    assert [(topic, minor) for topic, _, _, minor in announced(app, day())] == [(query, False)]
    time.now += timedelta(days=61)
    bring(app, make_paper(1, "A Secret of Moths", version=6, updated=time.now))
    settle(app, day(61))
    assert [(topic, minor) for topic, _, _, minor in announced(app, day(61))] == [(2, False), (query, True)]
    digests = Digests(app.storage)
    both = Reader(id=0, covered=day(), chosen=frozenset({2, query}))
    assert [item.minor for item in digests.of(both, day(61)).items] == [False]


def test_what_changes_without_a_version_is_recorded_and_not_told(app: App, time: Time) -> None:
    bring(app, make_paper(1))
    settle(app, day())
    time.now += timedelta(days=1)
    bring(app, make_paper(1, journal_ref="J. Graphs 1 (2026) 1", doi="10.1000/1"))
    assert settle(app, day(1)).edition is None
    (held,) = app.storage.papers.newest(1, 10)
    assert (held.version, held.journal_ref, held.doi) == (1, "J. Graphs 1 (2026) 1", "10.1000/1")
    bring(app, make_paper(1, version=2))
    (announcement,) = settle(app, day(1)).told
    assert announcement.changes == ("text",), "it is a version, and nothing else of it has changed"


# ---------------------------------------------------------------- remarks

LATE = Remark(RemarkKind.LATE, since=day(1))
OUTAGE = Remark(RemarkKind.OUTAGE, since=day(1), until=day(3))
STALE = Remark(RemarkKind.STALE)


def test_remarks_are_kept_with_their_edition(app: App, time: Time) -> None:
    told = (OUTAGE, Remark(RemarkKind.PARTIAL, topics=(1, 2)))
    for number, remarks in enumerate((told, (), (STALE,))):
        bring(app, make_paper(number))
        settle(app, day(number), remarks)
        time.now += timedelta(days=1)
    editions = app.storage.editions
    assert editions.remarks(None, day(2)) == {day(): told, day(2): (STALE,)}
    assert editions.remarks(day(), day(2)) == {day(2): (STALE,)}
    assert [record.remarks for record in editions.records(3)] == [(STALE,), (), told]


def test_without_an_edition_nothing_is_remarked(app: App) -> None:
    settle(app, day(), (STALE,))
    assert app.storage.editions.remarks(None, day()) == {}
    bring(app, make_paper(1))
    settle(app, day())
    bring(app, make_paper(2))
    settle(app, day(), (STALE,))  # the date has its edition
    assert app.storage.editions.remarks(None, day()) == {}


def test_a_reader_is_told_of_their_own_topics() -> None:
    remarks = [STALE, Remark(RemarkKind.PARTIAL, topics=(1, 2, 3)), Remark(RemarkKind.PARTIAL, topics=(4,)), STALE]
    digest = make_digest([], [3, 1], (), remarks, upto=day())
    assert digest.remarks == (STALE, Remark(RemarkKind.PARTIAL, topics=(3, 1)))


def unwrapped(text: bytes) -> str:
    return " ".join(text.decode().split())


def test_a_topic_that_is_partial_is_named_though_nothing_stands_under_it(app: App) -> None:
    bring(app, make_paper(1))
    settle(app, day(), (Remark(RemarkKind.PARTIAL, topics=(2,)),))
    sentence = "arXiv could not be asked in full for Moths; what is missing follows in a later edition."
    assert sentence in unwrapped(preview(app, None, None).text)
    assert sentence not in unwrapped(preview(app, None, GRAPHS).text)


def test_after_two_weeks_there_is_one_edition_that_says_so(app: App, time: Time) -> None:
    subscribe(app, "reader@example.org")
    bring(app, make_paper(1))
    settle(app, day())
    time.now += timedelta(days=14)
    since = [make_paper(number, updated=START + timedelta(days=number)) for number in (7, 2, 13, 9)]
    moths = [make_paper(number, "On Moths", updated=START + timedelta(days=number)) for number in (3, 11)]
    bring(app, *since, *moths)
    decision = settle(app, day(14), (LATE,))
    assert decision.queued == 1
    assert app.storage.editions.dates() == [day(), day(14)]
    mail = preview(app, "reader@example.org", None)
    text, html = unwrapped(mail.text), mail.html.decode()
    sentence = "What was announced since 7 Jan 2026 is in here too: it could not be had before."
    assert text.index(sentence) < text.index("On Graph Neural Networks")
    assert html.index(sentence) < html.index("On Graph Neural Networks")
    numbers = (13, 9, 7, 2, 11, 3)  # by topic, and there the newest first
    places = [text.index(f"/abs/0001.{number:05}v1") for number in numbers]
    assert places == sorted(places)
    assert "0001.00001" not in text
    assert mail.subject == "Daily Papers, 7–20 Jan: 6 new in 2 topics"

"""arXiv's feeds, as they are read and as they misbehave."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asking import make_client
from gathering import WANTS, WINDOW, Sieve, announce, differences, library, make
from house import START, Time
from hypothesis import given
from hypothesis import strategies as st
from standins import RECORDINGS, needs_recordings

from newsletter.demo import faults
from newsletter.demo.announcements import Release
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.atom import error_feed
from newsletter.demo.listing import AnnounceType, Item
from newsletter.demo.rss import Kind, channel, failed_channel, written
from newsletter.errors import SourceError
from newsletter.model import Harvest
from newsletter.sources import details, feed
from newsletter.sources.client import RefusedError
from newsletter.sources.feed import FeedSource
from newsletter.sources.rss import parse_feed

# ---------------------------------------------------------------- what feeds say


def written_feed(kind: Kind, *items: tuple[int, AnnounceType, int], built: datetime = START) -> bytes:
    """A feed of papers by number, type and version."""
    releases = [
        Item(Release(make(number, version=version, doi="10.1/x", journal_ref="J. 1"), built), announce)
        for number, announce, version in items
    ]
    return written(kind, channel(["cs.LG"], built), releases)


@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_what_a_feed_tells(kind: Kind) -> None:
    found = parse_feed(written_feed(kind, (1, "new", 1), (2, "replace-cross", 3)))
    day = datetime(2026, 1, 6, 5, tzinfo=UTC)  # midnight in New York
    assert (found.published, found.items, found.unreadable) == (day, 2, ())
    first, second = found.entries
    assert [first.announce, second.announce] == ["new", "replace-cross"]
    expected = make(1, doi="10.1/x", journal_ref="J. 1", comment="", submitted=day, updated=day, provisional=True)
    assert first.paper == expected
    assert second.paper.key == ("2601.00002", 3)
    assert (second.paper.submitted, second.paper.updated) == (datetime(2026, 1, 1, tzinfo=UTC), day)


def test_when_an_old_paper_was_submitted() -> None:
    """Its only version is in the feed when it is listed in another category: that does not make it new."""
    body = written_feed("rss", (1, "cross", 1)).replace(b"2601.00001", b"math/0309136")
    (entry,) = parse_feed(body).entries
    assert entry.paper.submitted == datetime(2003, 9, 1, tzinfo=UTC)
    body = written_feed("rss", (1, "replace", 2)).replace(b"2601.00001", b"hep-th/9901001")
    assert parse_feed(body).entries[0].paper.submitted == datetime(1999, 1, 1, tzinfo=UTC)
    body = written_feed("rss", (1, "new", 1), built=datetime(2026, 2, 1, 12, tzinfo=UTC))
    assert parse_feed(body).entries[0].paper.submitted == datetime(2026, 2, 1, 5, tzinfo=UTC)


def test_the_version_may_stand_in_the_text_only() -> None:
    body = written_feed("rss", (1, "new", 2))
    assert parse_feed(re.sub(b"<guid.*?</guid>", b"", body)).entries[0].paper.key == ("2601.00001", 2)
    without = re.sub(b"(2601.00001)v2", rb"\1", body)
    found = parse_feed(without)
    assert (found.entries, found.items) == ((), 1)
    assert "oai:arXiv.org:2601.00001: nothing says which version" in found.unreadable[0]


def test_the_kind_may_stand_in_the_text_only() -> None:
    body = re.sub(b"<arxiv:announce_type>.*?</arxiv:announce_type>", b"", written_feed("rss", (1, "replace-cross", 2)))
    (entry,) = parse_feed(body).entries
    assert (entry.announce, entry.paper.abstract) == ("replace-cross", "We look.")


def test_a_feed_without_items_is_in_order() -> None:
    assert parse_feed(written_feed("rss")).items == 0
    assert parse_feed(written_feed("atom")).published is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "no feed of arXiv: it begins ''"),
        (b"upstream connect error", "no feed of arXiv: it begins 'upstream"),
        (b"<!DOCTYPE html><html><title>arXiv</title></html>", "no feed of arXiv"),
        (b"/etc/hostname", "no feed of arXiv: it begins '/etc/hostname'"),
        (b"<rss version='2.0'><channel><title>Cooking</title></channel></rss>", "no feed of arXiv"),
        (error_feed("nonsense", START), "no feed of arXiv"),
        (b"<?xml version='1.0' encoding='\xcb'?><rss version='2.0'/>", "the answer is damaged"),
        (written_feed("rss", (1, "new", 1), (2, "new", 1))[:1500], "the answer is damaged"),
        (written_feed("atom", (1, "new", 1), (2, "new", 1))[:1500], "the answer is damaged"),
    ],
    ids=repr,
)
def test_what_is_no_feed(body: bytes, reason: str) -> None:
    with pytest.raises(SourceError, match=re.escape(reason)):
        parse_feed(body)


@pytest.mark.parametrize("kind", ["rss", "atom"])
def test_a_feed_that_tells_of_an_error(kind: Kind) -> None:
    with pytest.raises(RefusedError, match=re.escape("arXiv says: Bad archive 'x'.")):
        parse_feed(written(kind, failed_channel("x", "Bad archive 'x'.", kind, START)))


@needs_recordings
def test_recordings() -> None:
    found = {path.name: parse_feed(path.read_bytes()) for path in (RECORDINGS / "rss").iterdir()}
    assert sorted(feed.items for feed in found.values()) == [0, 3, 4, 86]
    assert all(not feed.unreadable for feed in found.values())
    for recording in found.values():
        for entry in recording.entries:
            paper = entry.paper
            assert all((paper.title, paper.authors, paper.categories)), paper
            assert re.match("(?!arXiv:).{100}", paper.abstract), paper
            assert not any("\\" in name or "(" in name or "," in name for name in paper.authors), paper
            assert paper.updated == recording.published
            assert entry.announce in ("new", "cross", "replace", "replace-cross")


# ---------------------------------------------------------------- the source


@pytest.fixture
def releases() -> list[Release]:
    return announce(make(1, "cs.LG"), make(2, "cs.CV", "cs.LG"), make(3, "cs.CV"), make(4, "math.GT"))


@pytest.fixture
def arxiv(releases: list[Release], time: Time) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(library(releases, time), strict=True) as server:
        yield server


@pytest.fixture
def sieve() -> Sieve:
    return Sieve()


def source(arxiv: ArxivStandIn, time: Time, folder: Path, *categories: str, interval: float = 0) -> FeedSource:
    return FeedSource(make_client(folder, time, interval), arxiv.feed_url, arxiv.url, categories or ("cs.LG", "cs.CV"))


def asked(arxiv: ArxivStandIn) -> list[str]:
    return [request.path.removeprefix("/rss/") for request in arxiv.requests if request.path.startswith("/rss")]


def in_order(harvest: Harvest) -> None:
    assert not any(differences(harvest))
    assert not harvest.failures


def test_one_request_a_category_and_one_for_details(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve, releases: list[Release]
) -> None:
    done: list[int] = []
    harvest = source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, sieve, done.append)
    in_order(harvest)
    assert list(sieve.held.values()) == [release.paper for release in releases[:3]]  # in full
    assert asked(arxiv) == ["cs.LG", "cs.CV"]
    learning, vision = harvest.accounts
    assert (learning.source, learning.asked, learning.matched, learning.received) == ("feed", "cs.LG", 2, 2)
    assert (learning.news, learning.repeated, vision.received, vision.news, vision.repeated) == (2, 0, 2, 1, 1)
    assert [learning.requests, vision.requests] == [2, 2]
    assert harvest.requests == len(arxiv.requests)
    assert (done, set(done)) == (sorted(done), {0, 1, 2})
    again = Sieve(dict(sieve.held))
    second = source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, again)
    assert [account.known for account in second.accounts] == [2, 1]
    assert second.requests == 2  # what is held in full is not asked for


def test_what_was_shown_is_known_again(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, releases: list[Release]
) -> None:
    feeds = source(arxiv, time, tmp_path)
    first = feeds.fetch(WANTS, WINDOW, Sieve()).sights
    assert [(sight.name, sight.entries) for sight in first] == [("cs.LG", 2), ("cs.CV", 2)]
    releases.reverse()
    time.now += timedelta(hours=1)
    assert feeds.fetch(WANTS, WINDOW, Sieve()).sights == first
    releases += announce(make(5, "cs.CV"))
    later = feeds.fetch(WANTS, WINDOW, Sieve()).sights
    assert [now == then for now, then in zip(later, first, strict=True)] == [True, False]


def test_an_evening_without_an_announcement(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve) -> None:
    time.now = datetime(2026, 1, 10, 12, tzinfo=UTC)  # a Saturday
    harvest = source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, sieve)
    in_order(harvest)
    assert [sight.entries for sight in harvest.sights] == [0, 0]


def test_nothing_is_asked_for_nobody(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve) -> None:
    assert source(arxiv, time, tmp_path).fetch((), WINDOW, sieve) == Harvest()
    assert not arxiv.requests


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.web_page(), "no feed of arXiv"),
        (faults.plain_text(), "no feed of arXiv"),
        (faults.empty_body(), "no feed of arXiv"),
        (faults.truncated(), "the answer is damaged"),
        (faults.unavailable(), "HTTP 503"),
        (faults.internal_error(), "HTTP 500"),
        (faults.connection_reset(), "no connection"),
        (faults.reset_within(), "no connection"),
    ],
    ids=["page", "text", "nothing", "truncated", "503", "500", "reset", "reset within"],
)
def test_weather(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve, fault: faults.Fault, reason: str
) -> None:
    """What passes is asked again; a category that stays away fails all topics, and the others are read."""
    arxiv.script(faults.at_path("/rss/cs.LG", [fault, fault]))
    in_order(source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, sieve))
    assert len(sieve.held) == 3
    sieve.held.clear()
    arxiv.script(faults.at_path("/rss/cs.LG", lambda _: fault))
    harvest = source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, sieve)
    assert sieve.names == ["2601.00002v1", "2601.00003v1"]
    assert not any(differences(harvest))
    assert reason in harvest.accounts[0].error
    assert harvest.accounts[1].error == ""
    assert set(harvest.failures) == {1, 2}
    assert all(text.startswith("cs.LG: ") and reason in text for text in harvest.failures.values())
    assert [sight.name for sight in harvest.sights] == ["cs.CV"]


def test_a_category_that_does_not_exist(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve) -> None:
    harvest = source(arxiv, time, tmp_path, "cs.XX", "cs.CV").fetch(WANTS, WINDOW, sieve)
    assert harvest.accounts[0].error.startswith("HTTP 400: arXiv says: Bad subject class 'XX'")
    assert harvest.accounts[0].requests == 1  # asking again would not help
    assert len(sieve.held) == 2


def test_a_host_that_is_ill_is_let_alone(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve) -> None:
    arxiv.script(lambda _: faults.unavailable())
    categories = ("cs.LG", "cs.CV", "cs.AI", "math.GT", "stat.ML", "hep-th")
    harvest = source(arxiv, time, tmp_path, *categories).fetch(WANTS, WINDOW, sieve)
    assert len(asked(arxiv)) == 2 * 4
    assert [bool(account.error) for account in harvest.accounts] == [True] * 6
    assert harvest.failures[1].endswith("; and 3 more")


def test_a_host_that_wants_a_pause_is_asked_once(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve) -> None:
    arxiv.script(lambda _: faults.rate_exceeded("3600"))
    harvest = source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, sieve)
    assert len(arxiv.requests) == 1
    learning, vision = (account.error for account in harvest.accounts)
    assert "left alone until 2026-01-06 08:00:00 UTC" in learning
    assert vision == "not asked any more"
    assert harvest.failures == dict.fromkeys((1, 2), f"cs.LG: {learning}; cs.CV: {vision}")


def test_what_cannot_be_read_is_counted(arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve) -> None:
    spoiled = faults.rewritten(lambda body: body.replace(b"2601.00003v1", b"2601.00003"))
    arxiv.script(faults.at_path("/rss/cs.CV", [spoiled]))
    harvest = source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, sieve)
    in_order(harvest)
    assert (harvest.accounts[1].received, harvest.accounts[1].unreadable) == (2, 1)
    assert harvest.remarks[0].startswith("1 unreadable in the feed of cs.CV: oai:arXiv.org:2601.00003: ")


# ---------------------------------------------------------------- cut feeds


@pytest.fixture
def crowd(releases: list[Release]) -> None:
    """More than a feed holds, most of it in one category."""
    releases += announce(*(make(number, "cs.AI") for number in range(100, feed.LIMIT - 1)))


@pytest.mark.usefixtures("crowd")
def test_a_cut_archive_is_asked_for_by_category(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, releases: list[Release]
) -> None:
    late = make(9_000, "cs.RO")
    releases += announce(late, *(make(5_000 + number, "cs.SE") for number in range(200)))
    sieve = Sieve(outside=("cs.AI", "cs.SE"))
    harvest = source(arxiv, time, tmp_path, "cs.*").fetch(WANTS, WINDOW, sieve)
    in_order(harvest)
    assert asked(arxiv)[:3] == ["cs", "cs.AI", "cs.AR"]
    assert len(asked(arxiv)) == 41
    assert harvest.accounts[0].received == feed.LIMIT
    assert sieve.names == ["2601.00001v1", "2601.00002v1", "2601.00003v1", "2601.09000v1"]
    assert "the feed of cs is cut at 2,000 items" in harvest.remarks[0]
    assert "cs" not in {sight.name for sight in harvest.sights}
    assert sieve.largest <= feed.LIMIT


@pytest.mark.usefixtures("crowd")
def test_a_cut_category_fails(arxiv: ArxivStandIn, time: Time, tmp_path: Path, releases: list[Release]) -> None:
    sieve = Sieve(outside=("cs.AI",))
    whole = source(arxiv, time, tmp_path, "cs.AI").fetch(WANTS, WINDOW, sieve)
    in_order(whole)
    releases += announce(*(make(5_000 + number, "cs.AI") for number in range(200)))
    harvest = source(arxiv, time, tmp_path, "cs.AI", "cs.LG").fetch(WANTS, WINDOW, sieve)
    assert harvest.failures == {1: "cs.AI: cut at 2,000 items", 2: "cs.AI: cut at 2,000 items"}
    assert [account.error for account in harvest.accounts] == ["cut at 2,000 items", ""]
    assert not any(differences(harvest))


# ---------------------------------------------------------------- details


def test_details_are_asked_for_by_the_hundred(time: Time, tmp_path: Path) -> None:
    papers = [make(number) for number in range(1, 251)]
    with ArxivStandIn(library(announce(*papers), time)) as arxiv:
        provisional = [replace(paper, comment="", provisional=True) for paper in papers]
        filled, reason = details.fill_in(make_client(tmp_path, time), arxiv.url, provisional)
        assert (filled, reason) == (papers, "")
        lists = [request.params["id_list"].split(",") for request in arxiv.requests]
        assert [len(names) for names in lists] == [100, 100, 50]
        assert lists[0][0] == "2601.00001v1"
        assert [request.params["max_results"] for request in arxiv.requests] == ["100", "100", "50"]


def test_only_what_is_provisional_and_well_formed_is_asked_for(time: Time, tmp_path: Path, arxiv: ArxivStandIn) -> None:
    papers = [make(1, provisional=True), make(2), replace(make(3, provisional=True), id="2613.00003")]
    filled, reason = details.fill_in(make_client(tmp_path, time), arxiv.url, papers)
    assert ([paper.provisional for paper in filled], reason) == ([False, False, True], "")
    assert [request.params["id_list"] for request in arxiv.requests] == ["2601.00001v1"]


def test_a_version_that_the_api_does_not_know_stays_provisional(
    time: Time, tmp_path: Path, arxiv: ArxivStandIn
) -> None:
    papers = [make(1, provisional=True), make(1, version=2, provisional=True)]
    filled, reason = details.fill_in(make_client(tmp_path, time), arxiv.url, papers)
    assert ([paper.provisional for paper in filled], reason) == ([False, True], "")


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.answered(400, error_feed("incorrect id format", START)), "HTTP 400: arXiv says: incorrect id format"),
        (faults.unavailable(), "HTTP 503"),
        (faults.empty_page(), "0 of 2 papers"),
        (faults.truncated(), "damaged"),
    ],
    ids=["400", "503", "empty", "truncated"],
)
def test_without_details_the_feed_must_do(
    arxiv: ArxivStandIn, time: Time, tmp_path: Path, sieve: Sieve, fault: faults.Fault, reason: str
) -> None:
    arxiv.script(faults.at_path("/api", lambda _: fault))
    harvest = source(arxiv, time, tmp_path).fetch(WANTS, WINDOW, sieve)
    in_order(harvest)
    assert len(sieve.held) == 3
    assert all(paper.provisional for paper in sieve.held.values())
    (remark,) = harvest.remarks
    assert remark.startswith("papers are as the feed has them, without details: ")
    assert reason in remark
    refused = len(arxiv.requests) - len(asked(arxiv))
    assert refused == (1 if "400" in reason else 4)  # for the first feed, and for no other


# ---------------------------------------------------------------- accounting


@given(
    papers=st.lists(
        st.tuples(st.integers(1, 6), st.sampled_from(["cs.LG", "cs.CV", "math.GT"]), st.booleans()), max_size=12
    ),
    spoiled=st.sets(st.integers(1, 6)),
    known=st.sets(st.integers(1, 6)),
)
def test_whatever_comes_is_accounted_for(
    papers: list[tuple[int, str, bool]], spoiled: set[int], known: set[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Items that repeat, lie outside, are known, cannot be read, in any mixture."""
    time = Time()
    items = [Item(Release(make(number, category), START), "new") for number, category, _ in papers]
    body = written("rss", channel(["cs.LG"], START), items)
    for number in spoiled:
        body = body.replace(b"2601.%05dv1" % number, b"2601.%05d" % number)
    sieve = Sieve({make(number).key: make(number) for number in known}, outside=("math.GT",))
    with ArxivStandIn(library([], time)) as arxiv:
        arxiv.script(faults.at_path("/rss", lambda _: faults.answered(200, body)))
        harvest = source(arxiv, time, tmp_path_factory.mktemp("gate")).fetch(WANTS, WINDOW, sieve)
    in_order(harvest)
    first, second = harvest.accounts
    assert (first.received, second.received) == (len(items), len(items))
    assert first.unreadable == second.unreadable == sum(number in spoiled for number, _, _ in papers)
    assert second.news == second.known == second.outside == 0

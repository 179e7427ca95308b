"""The query API as a source: pages, joined queries, slices by date, and what stands in the accounts."""

import gc
import logging
import tracemalloc
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from asking import Keeper, make_client
from house import SHARED, START, Time, make_app, make_paper
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.demo import bodies, faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.atom import error_feed
from newsletter.demo.library import FixedAnswers, Question
from newsletter.demo.library import search as answer
from newsletter.errors import SourceError
from newsletter.fetching import gather
from newsletter.model import Account, Harvest, Paper
from newsletter.query import parse, write_search_query
from newsletter.sieve import Basket
from newsletter.sources import Sifted, Want, Window
from newsletter.sources.api import MAX_FIRST, MAX_JOINED, MAX_UNORDERED, ApiSource
from newsletter.sources.atom import parse_answer
from newsletter.sources.paging import BEGINNING, halves, submitted_in

NAME = "Graph Neural Networks"
OTHERS = ("Video Anomaly Detection", "Protein Language Models", "Causal Inference")
RECORDINGS = SHARED / "data/arxiv/atom"
needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings of arXiv at {RECORDINGS}")
DAY = timedelta(days=1)
NOTHING = faults.Fault(found=lambda _: [])


def query(name: str = NAME) -> str:
    return write_search_query(parse(name))


def want(topic_id: int = 1, name: str = NAME, **fields: object) -> Want:
    return Want(topic_id, query(name), **fields)  # type: ignore[arg-type]


def since(moment: datetime = START - 8 * DAY) -> Window:
    return Window(START, moment, START - DAY)


def titled(name: str, number: int) -> Paper:
    return make_paper(number, f"On {name}")


@pytest.fixture
def papers() -> list[Paper]:
    return [make_paper(number) for number in range(45, 0, -1)]


@pytest.fixture
def arxiv(papers: list[Paper], time: Time) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(FixedAnswers({NAME: papers}, clock=time.clock)) as server:
        yield server


@pytest.fixture
def source(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> ApiSource:
    return make_source(arxiv, time, tmp_path)


def make_source(arxiv: ArxivStandIn, time: Time, folder: Path, page: int = 10, depth: int = 10_000) -> ApiSource:
    return ApiSource(make_client(folder, time, 0), arxiv.url, page, depth=depth)


def fetch(source: ApiSource, keeper: Keeper, *wants: Want, window: Window | None = None) -> Harvest:
    harvest = source.fetch(wants or [want()], window or since(), keeper)
    assert [account.difference for account in harvest.accounts] == [0] * len(harvest.accounts)
    return harvest


def starts(arxiv: ArxivStandIn) -> list[int]:
    return [int(request.params["start"]) for request in arxiv.requests]


def queries(arxiv: ArxivStandIn) -> list[str]:
    return [request.params["search_query"] for request in arxiv.requests]


# ---------------------------------------------------------------- pages


def test_pages_until_all_is_there(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    keeper = Keeper()
    harvest = fetch(source, keeper)
    assert keeper.papers == papers
    assert keeper.listed == {1: [paper.key for paper in papers]}
    assert starts(arxiv) == [0, 10, 20, 30, 40]
    assert harvest.accounts == (Account("api", "", (1,), matched=45, received=45, news=45, requests=5),)
    request = arxiv.requests[0].params
    assert (request["sortBy"], request["sortOrder"], request["max_results"]) == ("lastUpdatedDate", "descending", "10")


def test_pages_until_a_page_is_known_and_the_overlap_is_covered(
    source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]
) -> None:
    newest_20 = {paper.key for paper in papers[:20]}
    later = papers[0].updated + DAY
    fetch(source, Keeper(lambda paper: paper.key not in newest_20), window=since(later))
    assert starts(arxiv) == [0, 10, 20]  # two with news, one without
    arxiv.requests.clear()
    fetch(source, Keeper(lambda _: True), window=since(papers[24].updated))
    # All known, but what was announced late stands further down; and a look at the index.
    assert starts(arxiv) == [0, 10, 20, 0]


def test_a_topic_that_begins_reads_enough(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    new = want(begun=False, enough=25)
    fetch(source, Keeper(lambda _: True), new, window=since(papers[0].updated + DAY))
    assert starts(arxiv)[:3] == [0, 10, 20]
    assert len(starts(arxiv)) == 4  # a look at the index
    arxiv.requests.clear()
    fetch(source, Keeper(), replace(new, enough=0), window=since(papers[24].updated))
    assert starts(arxiv) == [0, 10, 20]  # all of the days of the overlap


class Picky(Keeper):
    """Keeps one paper in a hundred."""

    def take(self, papers: Sequence[Paper], topic_ids: Collection[int] = ()) -> Sifted:
        ours = [paper for paper in papers if paper.id.endswith("00")]
        return replace(super().take(ours, topic_ids), dropped=len(papers) - len(ours))


@pytest.mark.parametrize(("depth", "overlap"), [(10_000, 500), (10_000, 2_400), (1_000, 1_500)])
def test_a_topic_that_begins_is_not_read_for_ever(time: Time, tmp_path: Path, depth: int, overlap: int) -> None:
    """If hardly anything of what arXiv finds matches here, there never is enough."""
    papers = spread(6_000, timedelta(minutes=7))
    end = START - timedelta(minutes=7) * overlap
    with ArxivStandIn(Deep(papers, time)) as arxiv:
        keeper, source = Picky(), make_source(arxiv, time, tmp_path, page=500, depth=depth)
        harvest = fetch(source, keeper, want(begun=False, enough=500), window=since(end))
    (account,) = harvest.accounts
    assert (account.error, account.matched) == ("", 6_000)
    assert account.received <= 4_500
    late = {paper.key for paper in papers if paper.updated >= end and paper.id.endswith("00")}
    assert late <= {paper.key for paper in keeper.papers}
    assert len(late) >= 7


def test_where_more_is_wanted_more_is_read(time: Time, tmp_path: Path) -> None:
    with ArxivStandIn(Deep(spread(3_000, timedelta(minutes=7)), time)) as arxiv:
        source = make_source(arxiv, time, tmp_path, page=500)
        harvest = fetch(source, Keeper(), want(begun=False, enough=MAX_FIRST + 400), window=since(START - DAY))
    assert harvest.accounts[0].received == MAX_FIRST + 500


def test_what_was_not_read_for_a_topic_that_begins_is_history_to_it(time: Time, tmp_path: Path) -> None:
    papers = [
        replace(one, title="On Nothing") if number % 100 else one
        for number, one in enumerate(spread(3_000, timedelta(minutes=7)))
    ]
    with ArxivStandIn(Given(sorted(papers, key=lambda one: one.updated, reverse=True), time)) as arxiv:
        app = make_app(tmp_path, api_url=arxiv.url, topics=[NAME], time=time, arxiv={"max_results": 500})
        gathered = gather(app, app.today())
        assert MAX_FIRST <= gathered.record.received < len(papers)
        oldest = min(paper.updated for paper in gathered.papers)
        assert gathered.horizons == {1: min(oldest, START - 8 * DAY)}
        app.close()


def test_short_pages_lose_nothing(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    arxiv.script(lambda _: faults.short_page(7))
    keeper = Keeper()
    fetch(source, keeper)
    assert keeper.papers == papers
    assert starts(arxiv) == [0, 7, 14, 21, 28, 35, 42]


def test_an_index_that_grows_between_pages_repeats_and_loses_nothing(
    time: Time, tmp_path: Path, papers: list[Paper]
) -> None:
    class Growing(FixedAnswers):
        def search(self, question: Question) -> Sequence[Paper]:
            papers.insert(0, make_paper(100 + len(papers)))
            return tuple(papers)

    before = list(papers)
    with ArxivStandIn(Growing({}, clock=time.clock)) as server:
        keeper = Keeper()
        harvest = fetch(make_source(server, time, tmp_path), keeper)
    assert len({paper.key for paper in keeper.papers}) == len(keeper.papers)
    assert set(before) <= set(keeper.papers)
    assert harvest.accounts[0].repeated == len(server.requests) - 1


def test_the_same_page_again_and_again_is_an_error(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    arxiv.script(lambda _: faults.Fault(entries=lambda _found: papers[:10]))
    assert fetch(source, Keeper()).failures == {1: "the page at 10 repeats those before"}


def test_a_size_that_fails_is_changed(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    def ill(request: faults.Request) -> faults.Fault | None:
        unlucky = (request.params["start"], request.params["max_results"]) == ("20", "10")
        return faults.internal_error() if unlucky else None

    arxiv.script(ill)
    keeper = Keeper()
    assert not fetch(source, keeper).failures
    assert keeper.papers == papers


@pytest.mark.parametrize("where", [0, 20])
def test_an_empty_page_is_an_error(source: ApiSource, arxiv: ArxivStandIn, where: int) -> None:
    """Never "nothing new"."""

    def empty(request: faults.Request) -> faults.Fault | None:
        return faults.empty_page() if request.params["start"] == str(where) else None

    arxiv.script(empty)
    keeper = Keeper()
    harvest = fetch(source, keeper)
    assert harvest.failures == {1: f"an empty page at {where}, though 45 match"}
    assert len(keeper.papers) == where  # what came before is kept
    assert harvest.sights == ()


KNOWN = frozenset(["0001.00001", "0001.00002"])


def test_that_nothing_matches_is_believed_if_it_is_said_again(time: Time, tmp_path: Path) -> None:
    """What was known to answer may have another title by now."""
    with ArxivStandIn(FixedAnswers({NAME: []}, clock=time.clock)) as arxiv:
        source = ApiSource(make_client(tmp_path, time), arxiv.url, 10)
        assert fetch(source, Keeper()).failures == {}
        assert len(arxiv.requests) == 2  # a look at the index
        time.slept.clear()
        harvest = fetch(source, Keeper(), want(expected=KNOWN))
    assert harvest.failures == {}
    assert [(account.matched, account.requests) for account in harvest.accounts] == [(0, 3)]
    assert [pause for pause in time.slept if pause > 3] == [12, 36]


def test_an_index_that_is_empty_for_a_minute_is_asked_until_it_is_not(
    source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]
) -> None:
    arxiv.script([NOTHING, NOTHING])
    keeper = Keeper()
    assert fetch(source, keeper, want(expected=KNOWN)).failures == {}
    assert keeper.papers == papers


@pytest.mark.parametrize("others", [[faults.empty_page(), NOTHING], [NOTHING, faults.empty_page()]])
def test_that_nothing_matches_is_not_believed_of_who_said_otherwise(
    source: ApiSource, arxiv: ArxivStandIn, others: list[faults.Fault]
) -> None:
    answers = iter(others)
    arxiv.script(lambda _: next(answers, NOTHING))
    assert fetch(source, Keeper(), want(expected=KNOWN)).failures == {1: "an empty page at 0, though 45 match"}


def test_nothing_for_some_is_no_reason_not_to_ask_for_the_rest(
    several: ArxivStandIn, time: Time, tmp_path: Path
) -> None:
    """Not even when the time for pauses has gone."""
    nothing = [Want(number, f'ti:"nothing {number}"', expected=KNOWN, begun=False) for number in range(10, 30)]
    source = ApiSource(make_client(tmp_path, time), several.url, 10)
    harvest = fetch(source, Keeper(), *nothing, want())
    assert harvest.accounts[-1].received == 5
    assert set(harvest.failures.values()) <= {"nothing matches, though 2 did"}
    assert 1 not in harvest.failures


def test_pdf_links_first_change_nothing(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    arxiv.script(lambda _: bodies.pdf_first())
    keeper = Keeper()
    fetch(source, keeper)
    assert keeper.papers == papers


def test_what_came_before_a_failure_is_kept(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    arxiv.script(lambda request: faults.unavailable() if request.params["start"] == "20" else None)
    keeper = Keeper()
    harvest = fetch(source, keeper)
    assert keeper.papers == papers[:20]
    assert harvest.failures[1].startswith("HTTP 503")
    assert harvest.accounts[0].error == harvest.failures[1]


# ---------------------------------------------------------------- order


def test_the_wrong_order_is_read_to_the_end_if_it_is_short(
    source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]
) -> None:
    arxiv.script(lambda _: faults.Fault(found=lambda found: found[::-1]))
    keeper = Keeper(lambda _: True)
    assert not fetch(source, keeper, window=since(START)).failures
    assert sorted(keeper.papers, key=lambda paper: paper.updated, reverse=True) == papers


def test_a_page_of_the_wrong_order_does_not_end_it(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    arxiv.script([faults.wrong_order()])
    keeper = Keeper(lambda _: True)
    fetch(source, keeper, window=since(START))
    assert set(keeper.papers) == set(papers)


def test_a_long_answer_in_the_wrong_order_is_an_error(time: Time, tmp_path: Path) -> None:
    many = [make_paper(number) for number in range(MAX_UNORDERED + 500)]
    with ArxivStandIn(FixedAnswers({NAME: many}, clock=time.clock)) as arxiv:
        keeper = Keeper()
        harvest = fetch(make_source(arxiv, time, tmp_path, page=1_000), keeper)
    assert harvest.failures == {1: "the answers are not in the order asked for"}
    assert len(keeper.papers) == MAX_UNORDERED


def test_a_sort_that_is_ignored(time: Time, tmp_path: Path, papers: list[Paper]) -> None:
    class Sorting(FixedAnswers):
        def search(self, question: Question) -> Sequence[Paper]:
            return answer(question, papers, papers)

    papers = [replace(paper, abstract=" ".join([f"{NAME}."] * (number % 7))) for number, paper in enumerate(papers)]
    with ArxivStandIn(Sorting({}, clock=time.clock), faults=lambda _: faults.sort_ignored()) as arxiv:
        keeper = Keeper(lambda _: True)
        assert not fetch(make_source(arxiv, time, tmp_path), keeper, window=since(START)).failures
    assert set(keeper.papers) == set(papers)


# ---------------------------------------------------------------- joined queries


@pytest.fixture
def several(time: Time) -> Iterator[ArxivStandIn]:
    """An arXiv that has something for four topics."""
    found = {
        name: [titled(name, 100 * topic + number) for number in range(5, 0, -1)]
        for topic, name in enumerate((NAME, *OTHERS), 1)
    }
    with ArxivStandIn(FixedAnswers(found, clock=time.clock)) as server:
        yield server


def all_wants(**fields: object) -> list[Want]:
    return [
        want(topic, name, expected=frozenset([f"0001.{100 * topic + 1:05}"]), **fields)
        for topic, name in enumerate((NAME, *OTHERS), 1)
    ]


def test_topics_that_have_begun_are_asked_in_one_request(several: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    wants = all_wants()
    new = replace(wants[2], begun=False)
    keeper = Keeper()
    harvest = fetch(make_source(several, time, tmp_path, page=100), keeper, *wants[:2], new, wants[3])
    assert queries(several) == [
        query(OTHERS[1]),
        f"({query(NAME)}) OR ({query(OTHERS[0])}) OR ({query(OTHERS[2])})",
    ]
    assert [account.topic_ids for account in harvest.accounts] == [(3,), (1, 2, 4)]
    assert [account.received for account in harvest.accounts] == [5, 15]
    assert len(keeper.papers) == 20
    assert all(account.asked == "" for account in harvest.accounts)


def test_a_joined_query_has_an_end(time: Time, tmp_path: Path) -> None:
    long = [Want(number, f'ti:"{"word " * 40}{number}"', expected=KNOWN) for number in range(40)]
    with ArxivStandIn(FixedAnswers({NAME: []}, clock=time.clock)) as arxiv:
        harvest = fetch(make_source(arxiv, time, tmp_path), Keeper(), *long)
        assert max(len(text) for text in queries(arxiv) if "submittedDate" not in text) <= MAX_JOINED
    joined = [account.topic_ids for account in harvest.accounts if len(account.topic_ids) > 1]
    assert 5 <= len(joined) < 10
    assert sorted(topic for group in joined for topic in group) == list(range(40))
    too_long = Want(1, f'ti:"{"word " * 400}"')
    with ArxivStandIn(FixedAnswers({NAME: []}, clock=time.clock)) as arxiv:
        fetch(make_source(arxiv, time, tmp_path), Keeper(), too_long, want(2))
        assert queries(arxiv)[:2] == [too_long.search_query, query()]


def test_an_or_that_is_ignored_in_part_is_found_out(several: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    def only_the_first(request: faults.Request) -> faults.Fault | None:
        if " OR (" not in request.params["search_query"].partition(query(NAME))[2]:
            return None
        return faults.Fault(found=lambda found: [paper for paper in found if NAME in paper.title])

    several.script(only_the_first)
    keeper = Keeper()
    harvest = fetch(make_source(several, time, tmp_path, page=100), keeper, *all_wants())
    assert harvest.failures == {}
    assert [account.topic_ids for account in harvest.accounts] == [(1, 2, 3, 4), (2,), (3,), (4,)]
    assert len({paper.key for paper in keeper.papers}) == 20
    assert keeper.listed[4][-5:] == [(f"0001.{400 + number:05}", 1) for number in range(5, 0, -1)]


def test_one_bad_query_does_not_take_the_others_down(several: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    def refused(request: faults.Request) -> faults.Fault | None:
        text = request.params["search_query"]
        if OTHERS[1].lower() not in text.lower():
            return None
        return faults.answered(400, error_feed(f"Invalid query string: '{text}'", START))

    several.script(refused)
    keeper = Keeper()
    harvest = fetch(make_source(several, time, tmp_path, page=100), keeper, *all_wants())
    assert harvest.failures == {3: "HTTP 400: arXiv says: Invalid query string"}
    assert len({paper.key for paper in keeper.papers}) == 15
    assert len(several.requests) == 5


def test_a_joined_query_that_fails_is_asked_in_parts(several: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    several.script(lambda request: faults.internal_error() if len(request.params["search_query"]) > 200 else None)
    keeper = Keeper()
    assert fetch(make_source(several, time, tmp_path, page=100), keeper, *all_wants()).failures == {}
    assert len(keeper.papers) == 20


# ---------------------------------------------------------------- giving up


def alone(number: int) -> list[Want]:
    return [replace(want(topic), begun=False) for topic in range(1, number + 1)]


def test_after_two_questions_without_an_answer_no_more_are_asked(source: ApiSource, arxiv: ArxivStandIn) -> None:
    arxiv.script(lambda _: faults.internal_error())
    harvest = fetch(source, Keeper(), *alone(50))
    assert len(arxiv.requests) == 2 * 4
    assert len(harvest.failures) == 50
    assert all(reason.startswith("HTTP 500") for reason in harvest.failures.values())
    assert [account.requests for account in harvest.accounts] == [4, 4] + [0] * 48


def test_two_that_are_not_in_a_row_do_not_count(source: ApiSource, arxiv: ArxivStandIn) -> None:
    refused = Want(7, 'ti:"bad"', begun=False)
    arxiv.script(lambda request: faults.internal_error() if "bad" in request.params["search_query"] else None)
    harvest = fetch(source, Keeper(), refused, *alone(1), replace(refused, topic_id=8), *alone(1))
    assert sorted(harvest.failures) == [7, 8]
    assert harvest.accounts[3].received == 45


def test_a_host_that_wants_to_be_left_alone_ends_it_at_once(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    arxiv.script(lambda _: faults.rate_exceeded("3600"))
    harvest = fetch(make_source(arxiv, time, tmp_path), Keeper(), *alone(50))
    assert len(arxiv.requests) == 1
    assert time.slept == []
    assert {reason[:44] for reason in harvest.failures.values()} == {"127.0.0.1 is left alone until 2026-01-06 08:"}


def test_even_if_it_would_be_a_short_while(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    arxiv.script(lambda _: faults.rate_exceeded("10"))
    fetch(make_source(arxiv, time, tmp_path), Keeper(), *alone(50))
    assert len(arxiv.requests) == 4


def test_so_does_a_gate_that_cannot_be_used(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    (tmp_path / "gate").mkdir()
    harvest = fetch(make_source(arxiv, time, tmp_path), Keeper(), *alone(3))
    assert arxiv.requests == []
    assert all("[arxiv] gate" in reason for reason in harvest.failures.values())


def test_refusals_do_not_count(source: ApiSource, arxiv: ArxivStandIn) -> None:
    arxiv.script(lambda request: faults.answered(400) if "bad" in request.params["search_query"] else None)
    bad = [Want(topic, 'ti:"bad"', begun=False) for topic in range(2, 7)]
    harvest = fetch(source, Keeper(), *bad, want())
    assert sorted(harvest.failures) == [2, 3, 4, 5, 6]
    assert harvest.accounts[-1].received == 45


# ---------------------------------------------------------------- more than can be paged


class Given(FixedAnswers):
    """What is given, whatever is asked."""

    def __init__(self, papers: Sequence[Paper], time: Time) -> None:
        super().__init__({}, clock=time.clock)
        self.all = papers

    def search(self, question: Question) -> Sequence[Paper]:
        return self.all


class Deep(FixedAnswers):
    """Papers that answer every query, in the order and from the dates asked for."""

    def __init__(self, papers: Sequence[Paper], time: Time) -> None:
        super().__init__({}, clock=time.clock)
        self.all = papers

    def search(self, question: Question) -> Sequence[Paper]:
        return answer(question, self.all, self.all)


def spread(number: int, step: timedelta) -> list[Paper]:
    """Papers submitted one after the other, every third of them revised later on."""
    return [
        make_paper(
            index,
            version=1 + (index % 3 == 0),
            submitted=START - step * index,
            updated=START - step * (index // 2 if index % 3 == 0 else index),
        )
        for index in range(1, number + 1)
    ]


@pytest.mark.parametrize("step", [timedelta(minutes=1), timedelta(seconds=20), timedelta(hours=5)])
def test_what_is_deeper_than_the_service_goes_is_asked_by_dates(time: Time, tmp_path: Path, step: timedelta) -> None:
    papers = spread(150, step)
    overlap = papers[-1].submitted
    with ArxivStandIn(Deep(papers, time)) as arxiv:
        keeper = Keeper()
        source = make_source(arxiv, time, tmp_path, page=20, depth=60)
        harvest = fetch(source, keeper, window=since(overlap))
        assert max(int(r.params["start"]) + int(r.params["max_results"]) for r in arxiv.requests) <= 60
    assert harvest.failures == {}
    assert set(keeper.papers) == set(papers)
    assert len(keeper.papers) == len(papers)
    assert harvest.accounts[0].repeated > 0


def test_a_range_too_short_to_be_halved_is_an_error(time: Time, tmp_path: Path) -> None:
    papers = [make_paper(number, submitted=START, updated=START) for number in range(150)]
    with ArxivStandIn(Deep(papers, time)) as arxiv:
        harvest = fetch(make_source(arxiv, time, tmp_path, page=60, depth=60), Keeper(), window=since(START - DAY))
        assert "more papers match in 0:10:00 than any query lists" in harvest.failures[1]
        assert len(arxiv.requests) < 50


def test_dates_that_are_ignored_are_an_error(time: Time, tmp_path: Path) -> None:
    """It would be halved again and again."""
    papers = spread(150, timedelta(hours=5))
    with ArxivStandIn(FixedAnswers({NAME: papers}, clock=time.clock)) as arxiv:
        arxiv.script(lambda _: faults.Fault(found=lambda _: sorted(papers, key=lambda p: p.updated, reverse=True)))
        source = make_source(arxiv, time, tmp_path, page=60, depth=60)
        harvest = fetch(source, Keeper(), window=since(papers[-1].submitted))
        assert harvest.failures == {1: "the dates asked for are ignored"}
        account = source.history(query(), START - 100 * DAY, START - 50 * DAY, lambda _: None)
        assert account.error
    assert len(arxiv.requests) < 20


MOMENTS = st.datetimes(datetime(1991, 8, 14), datetime(2027, 1, 1), timezones=st.just(UTC))


@given(MOMENTS, MOMENTS, MOMENTS)
def test_halves_leave_nothing_between_them(one: datetime, other: datetime, within: datetime) -> None:
    first, last = min(one, other), max(one, other)
    if last - first < timedelta(minutes=10):
        with pytest.raises(SourceError):
            halves((first, last))
        return
    parts = halves((first, last))
    assert (parts[0][0], parts[-1][1]) == (first, last)
    assert max(end - start for start, end in parts) < last - first
    if first <= within <= last:
        texts = [submitted_in(part)[len("submittedDate:[") : -1].split(" TO ") for part in parts]
        moment = f"{within:%Y%m%d%H%M%S}"
        assert any(start + "00" <= moment <= end + "00" for start, end in texts)


def test_history_is_complete_and_oldest_first(time: Time, tmp_path: Path) -> None:
    papers = spread(200, timedelta(minutes=7))
    first, last = papers[150].submitted, papers[20].submitted
    with ArxivStandIn(Deep(papers, time)) as arxiv:
        pages: list[Paper] = []
        account = make_source(arxiv, time, tmp_path, page=20, depth=60).history(query(), first, last, pages.extend)
    wanted = {paper.key for paper in papers[20:151]}
    assert wanted <= {paper.key for paper in pages}
    assert {paper.submitted < first - DAY / 1440 or paper.submitted > last + DAY / 1440 for paper in pages} == {False}
    assert len(pages) == len({paper.key for paper in pages})
    assert all(one.submitted <= other.submitted for one, other in pairwise(pages))
    assert (account.error, account.difference, account.news) == ("", 0, len(pages))


def test_history_says_what_failed(time: Time, tmp_path: Path) -> None:
    papers = spread(50, timedelta(minutes=7))
    with ArxivStandIn(Deep(papers, time)) as arxiv:
        arxiv.script(lambda request: faults.internal_error() if request.params["start"] == "20" else None)
        pages: list[Paper] = []
        account = make_source(arxiv, time, tmp_path, page=20).history(query(), BEGINNING, START, pages.extend)
    assert len(pages) == 20
    assert account.error.startswith("HTTP 500")
    assert account.difference == 0


def test_history_holds_one_page_at_a_time(time: Time, tmp_path: Path) -> None:
    papers = [replace(paper, abstract="word " * 800) for paper in spread(150, timedelta(minutes=7))]
    peaks = []
    with ArxivStandIn(Deep(papers, time)) as arxiv:
        source = make_source(arxiv, time, tmp_path, page=10, depth=50)
        for number in (30, 150):
            gc.collect()
            tracemalloc.start()
            account = source.history("cat:cs.LG", papers[number - 1].submitted, START, lambda _: None)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
            assert account.received >= number
    assert peaks[1] < peaks[0] + 250_000  # the papers are 600,000 bytes and more; the rest is keys


# ---------------------------------------------------------------- a look at the index


def test_where_nothing_is_new_the_index_is_looked_at(source: ApiSource, arxiv: ArxivStandIn) -> None:
    harvest = fetch(source, Keeper(lambda _: True))
    (sight,) = harvest.sights
    assert arxiv.requests[-1].params["search_query"] == "submittedDate:[202512290700 TO 202601070700]"
    assert (sight.name, sight.entries, sight.newest) == ("", 10, make_paper(45).updated)
    assert fetch(source, Keeper()).sights == ()
    arxiv.script(lambda request: faults.internal_error() if "Date:" in request.params["search_query"] else None)
    harvest = fetch(source, Keeper(lambda _: True))
    assert (harvest.sights, harvest.failures) == ((), {})


def test_how_many_were_submitted(source: ApiSource, arxiv: ArxivStandIn) -> None:
    assert source.number_submitted(START - 8 * DAY, START) == 45
    arxiv.script(lambda _: faults.internal_error())
    assert source.number_submitted(START - 8 * DAY, START) is None


# ---------------------------------------------------------------- accounts


@st.composite
def compositions(draw: st.DrawFn) -> list[Paper]:
    """What an answer may hold: for us, for nobody, of other categories, held already, and some of it twice."""
    kinds = draw(st.lists(st.sampled_from(["ours", "dropped", "outside", "known", "unreadable"]), max_size=60))
    papers = []
    for number, kind in enumerate(kinds, 1):
        title = "Something else" if kind == "dropped" else f"On {NAME}"
        categories = ("math.AG",) if kind == "outside" else ("cs.LG",)
        version = 2 if kind == "known" else 1
        identifier = {"id": "no identifier"} if kind == "unreadable" else {}
        papers.append(make_paper(number, title, categories=categories, version=version, **identifier))
    repeats = draw(st.lists(st.sampled_from(papers), max_size=10)) if papers else []
    return sorted([*papers, *repeats], key=lambda paper: paper.updated, reverse=True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(found=compositions(), page=st.integers(1, 30), short=st.integers(1, 30), dead=st.integers(1, 20))
def test_all_that_is_received_is_accounted_for(
    tmp_path_factory: pytest.TempPathFactory, found: list[Paper], page: int, short: int, dead: int
) -> None:
    folder, time = tmp_path_factory.mktemp("accounts"), Time()
    app = make_app(folder, topics=[NAME, OTHERS[0]], time=time)
    known = [paper for paper in found if paper.version == 2]
    with app.storage.write():
        app.storage.papers.add(known, START)
    topics = app.storage.topics.asked()
    basket = Basket(app.storage, topics, ["cs.*"], START - 8 * DAY)
    wants = [Want(topic.id, write_search_query(parse(topic.query))) for topic in topics]

    def weather(_: object) -> faults.Fault:
        return faults.internal_error() if len(server.requests) >= dead else faults.short_page(short)

    with ArxivStandIn(Given(found, time), faults=weather) as server:
        harvest = make_source(server, time, folder, page).fetch(wants, since(), basket)
    app.close()
    assert [account.difference for account in harvest.accounts] == [0] * len(harvest.accounts)
    news = sum(account.news for account in harvest.accounts)
    assert news == basket.news == len(basket.papers)
    if not harvest.failures:
        total = harvest.accounts[0]
        assert (total.received, total.matched) == (len(found), len(found))
        assert total.unreadable == sum(paper.id == "no identifier" for paper in found)
        assert total.outside == len({p.key for p in found if p.categories == ("math.AG",) and p.id[0] == "0"})


def test_phrases_taken_for_loose_words_are_dropped_here_and_counted(time: Time, tmp_path: Path) -> None:
    good = [make_paper(number) for number in range(10)]
    loose = [make_paper(number, "Networks of Neural Tissue in a Graph") for number in range(10, 30)]

    app = make_app(tmp_path, topics=[NAME], time=time)
    topics = app.storage.topics.asked()
    basket = Basket(app.storage, topics, [], START)
    with ArxivStandIn(Deep([*good, *loose], time), faults=lambda _: faults.quotes_ignored()) as arxiv:
        harvest = make_source(arxiv, time, tmp_path).fetch([want(topics[0].id)], since(), basket)
    (account,) = harvest.accounts
    assert (account.received, account.dropped, account.news, account.difference) == (30, 20, 10, 0)
    assert set(basket.papers) == {paper.key for paper in good}
    app.close()


def test_a_readers_query_stands_nowhere(
    several: ArxivStandIn, time: Time, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    wants = [*all_wants(), want(9, 'au:"Zyxwell" AND ti:"quibbling"')]

    def echo(request: faults.Request) -> faults.Fault:
        text = f"Invalid query string: '{request.params['search_query']}'"
        return next(answers)(text)

    answers: Iterator[Callable[[str], faults.Fault]] = iter(
        [
            lambda text: faults.answered(400, error_feed(text, START)),
            *[lambda text: faults.answered(200, error_feed(text, START))] * 4,
            *[lambda text: faults.answered(500, text)] * 400,
        ]
    )
    several.script(echo)
    harvest = fetch(make_source(several, time, tmp_path), Keeper(), *wants)
    assert len(harvest.failures) == 5
    said = f"{caplog.text} {harvest.failures} {harvest.accounts} {harvest.remarks}".lower()
    assert "asked again in parts" in said
    assert not any(word in said for word in ("zyxwell", "quibbling"))
    assert "anomaly" not in said


# ---------------------------------------------------------------- reading answers


def test_an_entry_that_cannot_be_read_costs_only_itself() -> None:
    entry = (
        "<entry><id>http://arxiv.org/abs/{}</id><title>T</title><published>{}</published><updated>{}</updated></entry>"
    )
    good = entry.format("0001.00001v1", *["2026-01-01T00:00:00Z"] * 2)
    bad = entry.format("0001.00002", *["2026-01-01T00:00:00Z"] * 2) + entry.format("0001.00003v1", "yesterday", "")
    body = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">'
        f"<opensearch:totalResults>3</opensearch:totalResults>{bad}{good}</feed>"
    )
    found = parse_answer(body.encode())
    assert [paper.id for paper in found.papers] == ["0001.00001"]
    assert len(found.unreadable) == 2
    assert found.entries == 3


@needs_recordings
def test_recorded_answers_of_today() -> None:
    answer = parse_answer(next(RECORDINGS.glob("q_testing_s0_m100*")).read_bytes())
    assert (answer.total, len(answer.papers), answer.unreadable) == (214881, 100, ())
    first = answer.papers[0]
    assert (first.key, first.categories) == (("2202.12139", 1), ("cs.SE", "cs.LG"))
    assert first.submitted == datetime(2022, 2, 24, 15, 5, 19, tzinfo=UTC)
    assert first.doi == "10.1109/ICSTW55395.2022.00035"
    (zero,) = parse_answer(next(RECORDINGS.glob("id_2104.12255v1*")).read_bytes()).papers
    assert zero.title == "0"
    (old,) = parse_answer(next(RECORDINGS.glob("id_astro-ph*")).read_bytes()).papers
    assert old.key == ("astro-ph/0601001", 1)
    unknown = parse_answer(next(RECORDINGS.glob("id_0000.0000*")).read_bytes())
    assert (unknown.total, unknown.papers) == (0, ())
    with pytest.raises(SourceError, match="incorrect id format for abc"):
        parse_answer(next(RECORDINGS.glob("id_abc*")).read_bytes())


@needs_recordings
def test_recorded_answer_of_the_old_service() -> None:
    answer = parse_answer((RECORDINGS / "old-service_2025-10-17.xml").read_bytes())
    assert answer.total == 5619
    first = answer.papers[0]
    assert first.title == "RDD: Retrieval-Based Demonstration Decomposer for Planner Alignment in Long-Horizon Tasks"
    assert first.link == "https://arxiv.org/abs/2510.14968v1"
    assert "\n" not in first.abstract + first.comment
    assert all("." in name and " " not in name for paper in answer.papers for name in paper.categories)

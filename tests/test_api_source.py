"""The query API, as it answers and as it misbehaves."""

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from house import SHARED, START, Time, make_paper

from newsletter.demo import faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.atom import error_feed
from newsletter.demo.library import FixedAnswers
from newsletter.errors import SourceError
from newsletter.model import Harvest, Paper
from newsletter.sources import Want
from newsletter.sources.api import ApiSource
from newsletter.sources.atom import parse_answer
from newsletter.sources.gate import Gate

QUERY = 'ti:"Graph Neural Networks" OR abs:"Graph Neural Networks"'
RECORDINGS = SHARED / "data/arxiv/atom"
needs_recordings = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings of arXiv at {RECORDINGS}")


@pytest.fixture
def papers() -> list[Paper]:
    return [make_paper(number) for number in range(45, 0, -1)]


@pytest.fixture
def arxiv(papers: list[Paper], time: Time) -> Iterator[ArxivStandIn]:
    with ArxivStandIn(FixedAnswers({"Graph Neural Networks": papers}, clock=time.clock)) as server:
        yield server


@pytest.fixture
def source(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> ApiSource:
    gate = Gate(tmp_path / "gate", 0, lambda: time.now.timestamp(), time.sleep)
    return ApiSource(arxiv.url, gate, "DailyPapers/1 (+mailto:papers@example.org)", 10, time.sleep)


def ask(
    source: ApiSource,
    known: Callable[[Paper], bool] = lambda _paper: False,
    since: datetime = START - timedelta(days=8),
    **want: object,
) -> Harvest:
    def news(page: Sequence[Paper]) -> int:
        return sum(not known(paper) for paper in page)

    return source.fetch([Want(1, QUERY, news, **want)], since)  # type: ignore[arg-type]


def test_pages_until_all_is_there(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    harvest = ask(source)
    assert harvest.papers == tuple(papers)
    assert harvest.listed[1] == tuple(paper.key for paper in papers)
    assert [request.params["start"] for request in arxiv.requests] == ["0", "10", "20", "30", "40"]
    account = harvest.accounts[1]
    assert (account.matched, account.received, account.requests, account.error) == (45, 45, 5, "")


def test_pages_until_all_on_a_page_is_known_and_the_overlap_is_covered(
    source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]
) -> None:
    newest_20 = {paper.key for paper in papers[:20]}
    later = papers[0].updated + timedelta(days=1)
    ask(source, known=lambda paper: paper.key not in newest_20, since=later)
    assert len(arxiv.requests) == 3  # two with news, one without
    arxiv.requests.clear()
    ask(source, known=lambda _paper: True, since=papers[24].updated)
    assert len(arxiv.requests) == 3  # all known, but papers that were announced late stand further down


def test_a_topic_that_begins_reads_enough(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    ask(source, since=papers[0].updated + timedelta(days=1), begun=False, enough=25)
    assert len(arxiv.requests) == 3


def test_how_arxiv_is_asked(source: ApiSource, arxiv: ArxivStandIn) -> None:
    ask(source, known=lambda _paper: True, since=START + timedelta(days=9))
    (request,) = arxiv.requests
    assert request.params["search_query"] == QUERY
    assert request.params["sortBy"] == "lastUpdatedDate"
    assert request.params["sortOrder"] == "descending"
    assert request.headers["User-Agent"] == "DailyPapers/1 (+mailto:papers@example.org)"
    assert request.headers["Accept"] == "application/atom+xml"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (faults.web_page(), "no answer of the API: it begins '<!DOCTYPE html>"),
        (faults.empty_body(), "no answer of the API"),
        (faults.rate_exceeded(), "HTTP 429: Rate exceeded."),
        (faults.unavailable(), "HTTP 503"),
        (faults.answered(406, b"", {}), "HTTP 406"),
        (faults.connection_reset(), "no connection"),
        (faults.truncated(0.5), "damaged"),
        (faults.empty_page(), "an empty page at 0, though 45 match"),
        (
            faults.answered(200, error_feed("start must be non-negative", START), {}),
            "arXiv says: start must be non-negative",
        ),
        (faults.answered(400, error_feed("Invalid query", START), {}), "HTTP 400: arXiv says: Invalid query"),
        (faults.answered(200, b"<feed xmlns='http://www.w3.org/2005/Atom'></feed>", {}), "no answer of the API"),
    ],
    ids=str,
)
def test_weather(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper], fault: faults.Fault, reason: str) -> None:
    """What passes is asked again; what stays is an error of the topic with its reason, and never "nothing new"."""
    arxiv.script([fault, fault])
    assert ask(source).papers == tuple(papers)
    arxiv.script(lambda _request: fault)
    harvest = ask(source)
    assert harvest.papers == ()
    assert reason in harvest.failures[1]


def test_what_came_before_a_failure_is_kept(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    arxiv.script(lambda request: faults.unavailable() if request.params["start"] == "20" else None)
    harvest = ask(source)
    assert harvest.papers == tuple(papers[:20])
    assert "HTTP 503" in harvest.failures[1]


def test_short_pages_lose_nothing(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    arxiv.script(lambda _request: faults.short_page(7))
    assert ask(source).papers == tuple(papers)


def test_pages_that_overlap_repeat_nothing(source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]) -> None:
    late = make_paper(99)

    def arrives_between_pages(request: object) -> None:
        if len(arxiv.requests) == 1:
            papers.insert(0, late)

    with ArxivStandIn(FixedAnswers({"Graph Neural Networks": papers})) as moving:
        moving.script(arrives_between_pages)
        harvest = source.fetch([Want(1, QUERY, len)], START - timedelta(days=8))
    assert len({paper.key for paper in harvest.papers}) == len(harvest.papers)


def test_one_want_that_fails_does_not_stop_the_next(
    source: ApiSource, arxiv: ArxivStandIn, papers: list[Paper]
) -> None:
    arxiv.script(lambda request: faults.unavailable() if "bad" in request.params["search_query"] else None)
    harvest = source.fetch([Want(1, 'ti:"bad"', len), Want(2, QUERY, len)], START - timedelta(days=8))
    assert list(harvest.failures) == [1]
    assert harvest.papers == tuple(papers)


def test_retries_wait_longer_each_time(arxiv: ArxivStandIn, time: Time, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate", 3, lambda: time.now.timestamp(), time.sleep)
    arxiv.script(lambda _request: faults.unavailable())
    ask(ApiSource(arxiv.url, gate, "Test", 10, time.sleep))
    assert time.slept == [6, 12]  # the gate's three seconds have passed by then


# ---------------------------------------------------------------- politeness


def test_the_gate_keeps_the_interval(tmp_path: Path, time: Time) -> None:
    gate = Gate(tmp_path / "state/gate", 3, lambda: time.now.timestamp(), time.sleep)
    with gate.turn():
        pass
    time.now += timedelta(seconds=1)
    with gate.turn():
        time.now += timedelta(seconds=20)  # a slow answer: the next request waits from its end
    with gate.turn():
        pass
    assert time.slept == pytest.approx([2, 3])


def test_a_clock_set_back_does_not_stop_us(tmp_path: Path, time: Time) -> None:
    gate = Gate(tmp_path / "gate", 3, lambda: time.now.timestamp(), time.sleep)
    with gate.turn():
        pass
    time.now -= timedelta(hours=1)
    with gate.turn():
        pass
    assert time.slept == [3]


def test_a_gate_that_cannot_be_opened_is_an_error_of_the_source(tmp_path: Path, time: Time) -> None:
    (tmp_path / "file").write_text("")
    gate = Gate(tmp_path / "file/gate", 3, lambda: 0, time.sleep)
    with pytest.raises(SourceError, match="gate"), gate.turn():
        pass


def test_the_interval_holds_across_processes(arxiv: ArxivStandIn, tmp_path: Path) -> None:
    program = textwrap.dedent(
        """
        import sys, time
        from datetime import UTC, datetime
        from pathlib import Path
        from newsletter.sources import Want
        from newsletter.sources.api import ApiSource
        from newsletter.sources.gate import Gate
        url, gate = sys.argv[1:]
        source = ApiSource(url, Gate(Path(gate), 0.2, time.time, time.sleep), "Test", 20, time.sleep)
        source.fetch([Want(1, 'ti:"Graph Neural Networks"', len)], datetime(2000, 1, 1, tzinfo=UTC))
        """
    )
    command = [sys.executable, "-c", program, arxiv.url, str(tmp_path / "gate")]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(timeout=60) for process in processes] == [0, 0, 0]
    times = sorted(request.time for request in arxiv.requests)
    assert len(times) == 9
    assert min(later - earlier for earlier, later in pairwise(times)) >= 0.19
    assert max(request.concurrent for request in arxiv.requests) == 1


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
    answer = parse_answer(body.encode())
    assert [paper.id for paper in answer.papers] == ["0001.00001"]
    assert len(answer.unreadable) == 2
    assert answer.entries == 3


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

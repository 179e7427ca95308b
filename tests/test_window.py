"""How far back a fetch reaches."""

from datetime import timedelta
from pathlib import Path

from house import Library, Time, make_app, make_paper

from newsletter.demo import faults
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.exchange import Fault, Request
from newsletter.fetching import OVERLAP
from newsletter.model import HarvestState
from newsletter.publish import publish

GRAPHS, NEVER = "Graph Neural Networks", "Never Answered"


def test_a_topic_that_cannot_begin_does_not_hold_back_the_others(tmp_path: Path, time: Time, library: Library) -> None:
    def ill(request: Request) -> Fault | None:
        return faults.internal_error() if "never" in request.target.lower() else None

    library.answers = {GRAPHS: [make_paper(number) for number in range(9, 0, -1)]}
    with ArxivStandIn(library, faults=ill) as arxiv:
        app = make_app(tmp_path, api_url=arxiv.url, topics=[GRAPHS, NEVER], time=time)
        for number in range(12):
            began, asked = time.now, len(arxiv.requests)
            publish(app, app.today())
            harvest = app.storage.harvests.newest()
            assert harvest is not None
            assert harvest.overlap is not None
            assert harvest.state is HarvestState.PARTIAL
            reach = began - harvest.overlap
            assert reach <= OVERLAP + timedelta(days=1, hours=1) or number == 7  # the weekly pass
            assert len(arxiv.requests) - asked <= 11
            time.now = began + timedelta(days=1)
        app.close()

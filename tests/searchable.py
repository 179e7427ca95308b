"""Ten editions to search in: a paper under each of two topics and under both, one that only a reader asked for, and in
the end a revised one."""

from dataclasses import replace
from datetime import timedelta

from house import START, make_paper, subscribe
from webfront import WebFront

from newsletter.model import Paper

DAYS = 10


def tell_of_ten_days(front: WebFront) -> None:
    """Bring out the editions; the clock stands on the eleventh day then, which has the revised paper."""
    subscribe(front.app, "reader@example.org", queries=["ti:secret"])
    for number in range(DAYS):
        papers = (replace(paper, submitted=front.time.now, updated=front.time.now) for paper in _papers(10 * number))
        front.bring_out(*papers)
        front.pass_days()
    first = replace(_papers(0)[0], version=2, abstract="We look at other graphs.", submitted=START)
    front.bring_out(replace(first, updated=START + timedelta(days=DAYS)))


def _papers(first: int) -> list[Paper]:
    return [
        make_paper(first + 1, "On Graph Neural Networks"),
        make_paper(first + 2, "Moths in Graph Neural Networks", abstract="A lamp is a graph."),
        make_paper(first + 3, "Moths <script>alert(1)</script> & $\\ell_1$", abstract="Under a lamp."),
        make_paper(first + 4, "A Secret of Graphs", abstract="Nothing else."),
    ]

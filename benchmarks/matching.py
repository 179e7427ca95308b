"""Match papers to queries."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from benchmarks import material
from benchmarks.measure import measure, seconds
from benchmarks.table import Row
from newsletter.model import Paper
from newsletter.query import parse
from newsletter.query.tree import terms
from newsletter.storage.matching import Matcher

_SHARE = 50  # of the queries, the reference is asked one in so many: it would take minutes


def indexing(number: int) -> Row:
    """Make a day's papers ready to be asked for."""
    papers = material.papers(number)
    cost, _ = measure(lambda: Matcher(papers).close(), times=3)
    reference = seconds(lambda: _index_plainly(papers))
    return Row(f"make {number:,} papers ready for queries", number, "papers", cost, reference, "FTS5 with raw texts")


def matching(papers: int, number: int) -> Row:
    """Ask for so many distinct queries, reading them included."""
    candidates, queries = material.papers(papers), material.queries(number)
    with closing(Matcher(candidates)) as matcher:  # it remembers its answers, and so is asked once
        cost, _ = measure(lambda: [matcher.matching(parse(query)) for query in queries])
    asked = queries[::_SHARE]
    reference = seconds(lambda: _look_everywhere(candidates, asked)) * number / len(asked)
    step = f"match {papers:,} papers to {number:,} queries"
    return Row(step, number, "queries", cost, reference, "each phrase `in` each text")


def _index_plainly(papers: Sequence[Paper]) -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE VIRTUAL TABLE texts USING fts5(title, abstract, tokenize = 'porter unicode61')")
        database.executemany("INSERT INTO texts VALUES (?, ?)", ((paper.title, paper.abstract) for paper in papers))


def _look_everywhere(papers: Sequence[Paper], queries: Sequence[str]) -> None:
    texts = [f"{paper.title} {paper.abstract}".lower() for paper in papers]
    for query in queries:
        for term in terms(parse(query)):
            [term.words in text for text in texts]

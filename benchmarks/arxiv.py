"""An invented arXiv, in a process of its own: what it costs is not ours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing.connection import Connection

from benchmarks import material
from benchmarks.measure import SPAWN
from newsletter.demo.arxiv import ArxivStandIn
from newsletter.demo.library import FixedAnswers, Question
from newsletter.model import Paper


@contextmanager
def arxiv(papers: int, topics: Sequence[str]) -> Iterator[str]:
    """The address at which each paper is found under one of the topics."""
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=_serve, args=(theirs, papers, topics))
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join()


class _Remembering(FixedAnswers):
    """Looks for what answers a question once, however many of its pages are asked for."""

    def search(self, question: Question) -> Sequence[Paper]:
        """Give what answers."""
        return self._found(question)

    @cache  # noqa: B019 - there is one library a process
    def _found(self, question: Question) -> Sequence[Paper]:
        return super().search(question)


def _serve(parent: Connection, papers: int, topics: Sequence[str]) -> None:
    library = _Remembering(material.answers(topics, material.papers(papers)), lambda: material.NOW)
    with ArxivStandIn(library) as stand_in:
        parent.send(stand_in.url)
        with suppress(EOFError):
            parent.recv()  # until the parent hangs up

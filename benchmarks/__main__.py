"""Print what a day costs."""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from benchmarks import (
    composing,
    fetching,
    goals,
    growth,
    history,
    house,
    load,
    mailing,
    matching,
    memory,
    parsing,
    plot,
    profiling,
    publishing,
    sending,
    serving,
    signing,
    table,
)
from benchmarks.material import NEWS
from benchmarks.measure import alone
from benchmarks.table import Row

_QUICK = {"papers": 100, "paged": 200, "history": 30_000, "queries": 100, "mails": 50, "readers": 50, "seconds": 1}
_Record = Row | load.Load | growth.Point | goals.Goal | memory.Held
_MILLION = 1_000_000
_Result = TypeVar("_Result", Row, load.Load, growth.Point, goals.Goal, memory.Held)


def _main() -> None:
    arguments = _parse()
    if arguments.profile:
        print(profiling.profiling(arguments.mails))
        return
    results: list[_Record] = []
    if arguments.plot:
        points = _print(growth.growing())
        arguments.plot.write_text(plot.draw(points), encoding="utf-8")
        results += points
    elif arguments.million:
        results += _of_a_million()
    else:
        results += _tables(arguments)
    if arguments.json:
        records = [result.record() for result in results]
        arguments.json.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


def _tables(arguments: argparse.Namespace) -> Iterator[_Record]:
    """Print all tables, or the one that was asked for."""
    if not (arguments.web or arguments.mail):
        print(table.heading(), flush=True)
        yield from _print(_rows(arguments))
    if not arguments.web:
        print(goals.heading(), flush=True)
        size = mailing.QUICK if arguments.quick else mailing.Size(mails=arguments.mails)
        yield from _print(mailing.mailing(size, with_peers=not arguments.quick))
        print(memory.heading(), flush=True)
        yield from _print(memory.holding((arguments.mails, arguments.readers)))
    if not arguments.mail:
        print(load.heading(), flush=True)
        yield from _print(serving.serving(arguments.readers, arguments.seconds))


def _of_a_million() -> Iterator[_Record]:
    print(table.heading(), flush=True)
    yield from _print([alone(publishing.preparing, _MILLION, 10_000)])
    print(memory.heading(), flush=True)
    yield from _print(memory.holding((10_000, 100_000, _MILLION)))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--papers", type=int, default=2_000, help="fetched and matched (%(default)s)")
    parser.add_argument("--paged", type=int, default=10_000, help="paged through, and twice as many (%(default)s)")
    parser.add_argument("--history", type=int, default=3_000_000, help="held; also a tenth, a hundredth (%(default)s)")
    parser.add_argument("--queries", type=int, default=10_000, help="matched; also a tenth of them (%(default)s)")
    parser.add_argument("--mails", type=int, default=10_000, help="joined, and sent (%(default)s)")
    parser.add_argument("--readers", type=int, default=100_000, help="to publish for, and really send to (%(default)s)")
    parser.add_argument("--seconds", type=int, default=10, help="that the web front is asked, each time (%(default)s)")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--web", action="store_true", help="measure the web front only")
    only.add_argument("--mail", action="store_true", help="measure only how fast mail goes out, and what it holds")
    only.add_argument("--million", action="store_true", help="prepare for, and send to, a million readers instead")
    only.add_argument("--profile", action="store_true", help="print instead where the time of sending goes")
    only.add_argument("--plot", type=Path, metavar="FILE", help="measure how it all grows instead, and draw it (SVG)")
    parser.add_argument("--quick", action="store_true", help="small numbers, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write down what is printed")
    arguments = parser.parse_args()
    if arguments.quick:
        vars(arguments).update(_QUICK)
    return arguments


def _rows(arguments: argparse.Namespace) -> Iterator[Row]:
    """Measure one step after the other, each in a process of its own."""
    papers, queries, mails, readers = arguments.papers, arguments.queries, arguments.mails, arguments.readers
    yield from _taking_in(papers, arguments.paged, arguments.history)
    yield alone(matching.indexing, papers)
    yield alone(matching.matching, papers, queries // 10)
    yield alone(matching.matching, papers, queries)
    yield alone(composing.cards)
    yield alone(composing.digests, "one choice", house.one_choice, mails, NEWS)
    yield alone(composing.digests, "1 to 3 of 8 topics", house.few_topics, mails, NEWS)
    yield alone(composing.digests, "a query each", house.own_queries, mails, papers)
    yield from alone(signing.signing, "rsa", min(mails, 2_000))
    yield from alone(signing.signing, "ed25519", min(mails, 2_000))
    yield alone(sending.sending, mails)
    yield alone(publishing.queueing, readers)
    yield alone(publishing.preparing, readers, queries)
    yield alone(publishing.publishing, papers, readers)


def _taking_in(papers: int, paged: int, held: int) -> Iterator[Row]:
    yield alone(fetching.fetching, papers)
    yield alone(fetching.fetching_held, papers)
    yield alone(fetching.fetching_held, paged)
    yield alone(fetching.reading_history, papers)
    yield alone(fetching.reading_history, 2 * paged)
    yield alone(parsing.page, 100)
    yield alone(parsing.page, papers)
    yield alone(parsing.feed, papers)
    yield alone(parsing.records, papers * 5 // 4)
    yield alone(history.comparing, held // 100, papers)[0]
    yield alone(history.comparing, held // 10, papers)[0]
    yield from alone(history.comparing, held, papers)


def _print(results: Iterable[_Result]) -> list[_Result]:
    """Print results as they come."""
    printed = []
    for result in results:
        print(result, flush=True)
        printed.append(result)
    return printed


if __name__ == "__main__":
    _main()

"""How fast mail goes out, beside Postfix's own source of mail, and beside others that do the like."""

import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import house
from benchmarks.delaying import delayed
from benchmarks.goals import Goal, in_turn
from benchmarks.peers import Peers, peers
from benchmarks.peers.entries import by_rss2email
from benchmarks.plainly import by_smtplib, letters
from benchmarks.postfix import MISSING as NO_POSTFIX
from benchmarks.postfix import Postfix, postfix
from benchmarks.queues import Queue, queue
from benchmarks.sending import MISSING, sink, source, there

_TEN = house.CONNECTIONS
_FAR, _MANY = 0.020, 20  # seconds of a round trip, and the connections that go with it
_OURS, _IN_MEMORY = "ours", "ours, without a disk"
_SOURCE = f"smtp-source -d -s {_TEN}"


@dataclass(frozen=True, slots=True)
class Size:
    """How many rounds, mails each time, entries of rss2email's feed and members of Mailman's list."""

    rounds: int = 5
    mails: int = 10_000
    entries: int = 500
    members: int = 2_000


QUICK = Size(rounds=1, mails=50, entries=20, members=10)


def mailing(size: Size, *, with_peers: bool = True) -> Iterator[Goal]:
    """Every goal beside what it is measured against; `with_peers`, others are installed to be measured, too."""
    if not there():
        yield Goal("send digests", 1.0, MISSING)
        return
    with peers(wanted=with_peers) as others:
        with queue(size.mails) as ours, letters(ours) as folder:
            yield from _to_a_sink(size, ours, folder, others)
            yield _signed(size, ours)
            yield _beside_mailman(size, ours, folder, others)
        with queue(max(size.mails // 4, _MANY)) as ours, letters(ours) as folder:
            yield _to_postfix(size, ours)
            yield _far_away(size, ours, folder)
        yield _beside_rss2email(size, others)


def _to_a_sink(size: Size, ours: Queue, letters: Path, others: Peers) -> Iterator[Goal]:
    few = max(size.mails // 4, _TEN)
    goals = {_SOURCE: 1.0, "aiosmtplib": 3.0}
    with sink() as port:
        contenders = {
            _OURS: lambda: ours.sent(port),
            _IN_MEMORY: lambda: ours.sent(port, place=house.MEMORY if house.MEMORY.is_dir() else None),
            _SOURCE: lambda: _by_source(port, ours.mails, ours.length),
            f"smtplib, {_TEN} threads": lambda: by_smtplib(letters, port, few, _TEN),
            "smtplib, 1 connection": lambda: by_smtplib(letters, port, few, 1),
        }
        if not others.missing:
            contenders["aiosmtplib"] = lambda: others.tell("aiosmtplib_loop.py", letters, port, few, _TEN)
        rates = in_turn(size.rounds, contenders)
    step, mine, in_memory = _step("send to smtp-sink", ours), rates.pop(_OURS), rates.pop(_IN_MEMORY)
    yield from (Goal(step, goals.get(name), name, mine, theirs) for name, theirs in rates.items())
    yield Goal(step, None, f"{_SOURCE}, our ledger in memory", in_memory, rates[_SOURCE])
    if others.missing:
        yield Goal(step, goals["aiosmtplib"], f"aiosmtplib {others.missing}")


def _signed(size: Size, ours: Queue) -> Goal:
    with sink() as port:
        rates = in_turn(size.rounds, {"with": lambda: ours.sent(port, signed=True), "without": lambda: ours.sent(port)})
    return Goal(_step("send signed, ed25519", ours), 0.7, "the same, unsigned", rates["with"], rates["without"])


def _to_postfix(size: Size, ours: Queue) -> Goal:
    step = _step("send to Postfix, queued on disk", ours)
    if NO_POSTFIX:
        return Goal(step, 0.9, NO_POSTFIX)
    with postfix() as server:
        rates = in_turn(
            size.rounds,
            {
                "ours": lambda: _settled(server, lambda: ours.sent(server.port)),
                "source": lambda: _settled(server, lambda: _by_source(server.port, ours.mails, ours.length)),
            },
        )
    return Goal(step, 0.9, _SOURCE, rates["ours"], rates["source"])


def _far_away(size: Size, ours: Queue, letters: Path) -> Goal:
    with sink() as near, delayed(near, _FAR) as port:
        rates = in_turn(
            min(size.rounds, 3),
            {
                "ours": lambda: ours.sent(port, _MANY),
                "smtplib": lambda: by_smtplib(letters, port, max(ours.mails // 2, _MANY), _MANY),
            },
        )
    step = _step(f"send over {_FAR * 1000:.0f} ms of latency", ours, _MANY)
    return Goal(step, 3.5, f"smtplib, {_MANY} threads", rates["ours"], rates["smtplib"])


def _beside_rss2email(size: Size, others: Peers) -> Goal:
    with queue(size.entries, small=True) as ours, sink() as port:
        step = _step("send small digests", ours)
        if others.missing:
            return Goal(step, 7.0, f"rss2email {others.missing}")
        contenders = {"ours": lambda: ours.sent(port), "theirs": lambda: by_rss2email(others, port, size.entries)}
        rates = in_turn(size.rounds, contenders)
    return Goal(step, 7.0, f"rss2email, {size.entries} entries of a feed", rates["ours"], rates["theirs"])


def _beside_mailman(size: Size, ours: Queue, letters: Path, others: Peers) -> Goal:
    step = _step("send to smtp-sink", ours)
    if others.missing:
        return Goal(step, 50.0, f"Mailman {others.missing}")
    mail = min(letters.iterdir(), key=lambda file: abs(file.stat().st_size - ours.length))
    with sink() as port, house.temporary() as folder:
        before = ours.sent(port)
        theirs = others.tell("mailman_list.py", folder, mail, port, size.members)
        mine = statistics.mean((before, ours.sent(port)))
    return Goal(step, 50.0, f"Mailman 3, a list of {size.members:,}, personalised", [mine], [theirs])


def _step(what: str, ours: Queue, connections: int = _TEN) -> str:
    return f"{what}, {ours.length / 1000:.0f} KB, {connections} connections"


def _by_source(port: int, mails: int, length: int) -> float:
    """Mails a second that Postfix's own source sends."""
    start = time.perf_counter()
    source(port, mails, length)
    return mails / (time.perf_counter() - start)


def _settled(server: Postfix, work: Callable[[], float]) -> float:
    """What a sender reaches while the server has nothing else to do."""
    server.settle()
    return work()

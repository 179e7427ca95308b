"""The web front under load: alone, beside an edition that is settled, and beside a digest run.

All that serves, sends, takes mail and asks is a process of its own. The reference is waitress over an application that
does nothing, and answers with as many bytes.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace

from benchmarks import house, material
from benchmarks.front import Front, plain
from benchmarks.load import LEAVING, MISSING, READING, Load, Question, answered, there
from benchmarks.sending import sink
from benchmarks.sending import there as sink_is_there

_LEAVE, _READ = "leave with one click", f"read an edition of {material.NEWS} papers"
_AT_ONCE = f"{LEAVING} leave a second, while ...", f"... {READING} read an edition"
_NO_SINK = "not measured: smtp-sink is missing (Debian's postfix)"
_PAGE = Question(f"/editions/{material.TODAY}")
_PARTS = 4  # of the readers: each time others leave
_PAUSE, _LONG = 2, 600  # seconds


def serving(readers: int, duration: int) -> Iterator[Load]:
    """Ask for so many seconds a row: as fast as it is answered, at last at the pace of the goals."""
    if not there():
        yield from (Load(step, beside=MISSING) for step in (_LEAVE, _LEAVE, _READ, _LEAVE, _READ, *_AT_ONCE))
        return
    with house.temporary() as folder, sink() if sink_is_there() else nullcontext(9) as smtp:
        front = Front(folder, readers, smtp)
        with front.served():
            yield _row(_LEAVE, front, front.leaving(0, _PARTS), duration)
            yield _beside_settling(front)
            yield _row(_READ, front, _PAGE, duration)
            if sink_is_there():
                yield from _beside_a_run(front, readers, duration)
            else:
                yield from (Load(step, beside=_NO_SINK) for step in (_LEAVE, _READ, *_AT_ONCE))


def _beside_settling(front: Front) -> Load:
    """Readers leave while everybody's digest is queued, which is one long transaction."""
    question = front.leaving(1, _PARTS)
    left, reference = front.left(), _reference(front, question, 1)
    wrk = question.begin(front.port, _LONG)
    time.sleep(_PAUSE)
    queued, seconds = front.settle()
    time.sleep(_PAUSE)
    wrk.send_signal(signal.SIGINT)
    row = answered(_LEAVE, wrk, reference, f"{queued:,} digests queued in one transaction, {seconds:.1f} s")
    return _checked(row, question, front.left() - left)


def _beside_a_run(front: Front, readers: int, duration: int) -> Iterator[Load]:
    with front.sending():
        speed = _speed(front)
        time.sleep(duration)
        alone = speed()

        def beside() -> str:
            return f"a run of {readers:,}: {speed():,.0f} mails/s, {alone:,.0f} alone"

        yield _row(_LEAVE, front, front.leaving(2, _PARTS), duration, beside)
        yield _row(_READ, front, _PAGE, duration, beside)
        yield from _at_the_pace_of_the_goals(front, duration, beside)


def _at_the_pace_of_the_goals(front: Front, duration: int, beside: Callable[[], str]) -> Iterator[Load]:
    leaving, left = front.leaving(3, _PARTS, LEAVING), front.left()
    beside()
    wrks = [question.begin(front.port, duration) for question in (leaving, replace(_PAGE, pace=READING))]
    leave, read = (answered(step, wrk) for step, wrk in zip(_AT_ONCE, wrks, strict=True))
    said = beside()
    yield _checked(replace(leave, beside=said), leaving, front.left() - left)
    yield replace(read, beside=said)


def _row(
    step: str, front: Front, question: Question, duration: int, beside: Callable[[], str] = lambda: "nothing"
) -> Load:
    left, reference = front.left(), _reference(front, question, duration // 2)
    beside()
    row = answered(step, question.begin(front.port, duration), reference)
    return _checked(replace(row, beside=beside()), question, front.left() - left)


def _reference(front: Front, question: Question, duration: int) -> float:
    """Answers a second."""
    with plain(question.length(front.port)) as port:
        return answered("", question.begin(port, max(1, duration))).rate or 0.0


def _checked(row: Load, question: Question, left: int) -> Load:
    """The row, in which it counts as failed if somebody was told that they had left, and had not."""
    lost = min(row.answers - row.failed, question.number) - left if question.paths else 0
    return replace(row, failed=row.failed + max(0, lost))


def _speed(front: Front) -> Callable[[], float]:
    """What tells how many mails a second were sent since it was last asked."""
    sent, since = front.sent(), time.monotonic()

    def speed() -> float:
        nonlocal sent, since
        now_sent, now = front.sent(), time.monotonic()
        found = (now_sent - sent) / (now - since)
        sent, since = now_sent, now
        return found

    return speed

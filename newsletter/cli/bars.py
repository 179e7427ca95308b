"""Progress bars, and how a run of the sender is told in a line. rich is loaded only where a bar is drawn."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from newsletter.storage.standing import Standing

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


@contextmanager
def counting(label: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar for what is counted; call what it yields with (done, total)."""
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TextColumn(unit), TimeElapsedColumn())
    with _drawn(*columns) as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def sending() -> Iterator[Callable[[Standing], None]]:
    """A bar for mail that goes out; it is drawn whenever what it yields is called, which takes a millisecond."""
    from rich.progress import BarColumn, TextColumn
    from rich.table import Column

    told = Column(no_wrap=True, overflow="ellipsis")
    columns = (TextColumn("Sending"), BarColumn(20), TextColumn("{task.description}", table_column=told))
    with _drawn(*columns, by_itself=False) as bar:
        task = bar.add_task("", total=None)

        def show(standing: Standing) -> None:
            total = standing.done + (standing.left or 0)
            bar.update(
                task,
                completed=standing.done,
                total=total or None,
                description=standing.held_back or in_words(standing),
                refresh=True,
            )

        yield show


@contextmanager
def _drawn(*columns: "ProgressColumn", by_itself: bool = True) -> Iterator["Progress"]:
    """Columns in the last line of the terminal, drawn ten times a second or when asked for; what is logged meanwhile
    goes above them."""
    from rich.console import Console
    from rich.progress import Progress

    handlers = [handler for handler in logging.getLogger().handlers if isinstance(handler, logging.StreamHandler)]
    theirs = [(handler, handler.stream) for handler in handlers if handler.stream is sys.stderr]
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=by_itself) as bar:
        for handler, _ in theirs:
            handler.setStream(sys.stderr)  # which rich has put its own in place of
        try:
            yield bar
        finally:
            for handler, stream in theirs:
                handler.setStream(stream)


def in_words(standing: Standing) -> str:
    """How a run stands: ``12,345 of 100,000 sent, 3 deferred; 1,234/s, 71 s left; 10 connections``."""
    total = standing.done + (standing.left or 0)
    others = ("deferred", "bounced", "expired", "suppressed")
    numbers = [f"{number:,} {status}" for status in others if (number := getattr(standing, status))]
    words = [", ".join([f"{standing.sent:,} of {total:,} sent", *numbers])]
    if standing.rate > 0:
        left = standing.time_left
        rest = f", {duration(left.total_seconds())} left" if left is not None else ""
        words += [f"{standing.rate:,.{1 if standing.rate < 10 else 0}f}/s{rest}"]
    return "; ".join([*words, f"{standing.connections} connection{'' if standing.connections == 1 else 's'}"])


def duration(seconds: float) -> str:
    """Rounded as far as it matters: seconds, minutes, or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"

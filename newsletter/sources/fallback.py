"""A source with another one behind it: what the first does not answer, the second is asked for."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

from newsletter.model import Harvest
from newsletter.sources import Progress, Sieve, Source, Upward, Want, Window
from newsletter.sources.calendar import Calendar, visible

_A_DAY = timedelta(days=1)
_SHOWN = timedelta(hours=22)  # that a feed shows a batch at least: a day, less margins and an hour of summer time


class Fallback:
    """Asks `first`, and `second` for the wants that failed there."""

    def __init__(self, first: Source, second: Source) -> None:
        self._first, self._second = first, second
        self.name = first.name

    def fetch(
        self, wants: Sequence[Want], window: Window, sieve: Sieve, progress: Progress = lambda _done: None
    ) -> Harvest:
        """Ask for every want; see `Source.fetch`."""
        progress = Upward(progress)
        harvest = self._first.fetch(wants, window, sieve, progress)
        failed = [want for want in wants if want.topic_id in harvest.failures]
        return _besides(harvest, self._first.name, self._second, failed, window, sieve, progress)


class FeedFirst:
    """The feed, with what it cannot do left to the others.

    It holds one batch: days that were missed come from `second`, which reaches back. It shows nothing of a topic's
    past: topics that begin, and the pass over many weeks, are asked of `search`; where that does not answer they begin
    with the feed.
    """

    name = "feed"

    def __init__(self, feed: Source, search: Source, second: Source, calendar: Calendar) -> None:
        self._feed, self._search, self._second, self._calendar = feed, search, second, calendar

    def fetch(
        self, wants: Sequence[Want], window: Window, sieve: Sieve, progress: Progress = lambda _done: None
    ) -> Harvest:
        """Ask for every want; see `Source.fetch`."""
        progress = Upward(progress)
        harvest = self._feed.fetch(wants, window, sieve, progress)
        gone = f"the days since {window.announced:%Y-%m-%d} are no longer in it" if self._has_missed(window) else ""
        missed = {want.topic_id: gone for want in wants if want.begun and gone}
        harvest = Harvest(harvest.accounts, harvest.sights, harvest.remarks, {**missed, **harvest.failures})
        reaching = [want for want in wants if want.search_query and (window.deep or not want.begun)]
        harvest = _besides(harvest, self.name, self._search, reaching, window, sieve, progress)
        failed = [want for want in wants if want.topic_id in harvest.failures]
        return _besides(harvest, self.name, self._second, failed, window, sieve, progress)

    def _has_missed(self, window: Window) -> bool:
        """Whether a batch came into the feed, and went out of it again, while nobody looked."""
        batches = self._calendar.between(window.announced - _A_DAY, window.now)
        shown = (visible(batch, "feed") for batch in batches)
        return any(window.announced < moment <= window.now - _SHOWN for moment in shown)


def _besides(
    harvest: Harvest,
    name: str,
    second: Source,
    wants: Sequence[Want],
    window: Window,
    sieve: Sieve,
    progress: Progress,
) -> Harvest:
    """A harvest, and what another source brings for some wants.

    What that answers has not failed any more. That it stepped in is worth a remark, and so is what it did not answer
    that had not failed.
    """
    if not wants:
        return harvest
    other = second.fetch(wants, window, sieve, progress)
    answered = {want.topic_id for want in wants} - other.failures.keys()
    cured = [reason for topic, reason in harvest.failures.items() if topic in answered]
    spared = [reason for topic, reason in other.failures.items() if topic not in harvest.failures]
    remarks = [*harvest.remarks, *other.remarks]
    if cured:
        remarks.append(f"{name} did not bring all for {_topics(cured)}, {second.name} did: {_reasons(cured)}")
    if spared:
        remarks.append(f"{second.name} did not bring all for {_topics(spared)}: {_reasons(spared)}")
    failures = {
        topic: f"{reason}; {second.name}: {other.failures[topic]}" if topic in other.failures else reason
        for topic, reason in harvest.failures.items()
        if topic not in answered
    }
    return Harvest((*harvest.accounts, *other.accounts), harvest.sights, tuple(remarks), failures)


def _topics(failures: Sequence[str]) -> str:
    return f"{len(failures)} topic{'s' if len(failures) > 1 else ''}"


def _reasons(failures: Sequence[str]) -> str:
    return "; ".join(reason for reason, _ in Counter(failures).most_common(3))

"""Why nothing came: from what arXiv showed, what it showed before, and its calendar. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from newsletter.model import Harvest, HarvestState, Sight
from newsletter.sources.calendar import Batch, Calendar, Quiet, visible

Interface = Literal["api", "feed"]

_OF_NO_INTEREST = "arXiv has announced, and nothing of it matches"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a place showed when it was last looked at, and since when it has shown just that."""

    sight: Sight
    since: datetime


@dataclass(frozen=True, slots=True)
class Verdict:
    """A harvest's state, and why in words for an operator. `due`: a batch should have come and did not."""

    state: HarvestState
    why: str
    due: bool = False


def judge(
    harvest: Harvest,
    asked: int,
    *,
    interface: Interface,
    calendar: Calendar,
    last: datetime | None,
    before: Mapping[str, Seen],
    now: datetime,
) -> Verdict:
    """What became of a fetch of so many topics; `last` is when the last one ended that was complete."""
    if harvest.failures:
        nothing = len(harvest.failures) == asked and all(account.error for account in harvest.accounts)
        return Verdict(HarvestState.FAILED if nothing else HarvestState.PARTIAL, "")
    if not asked:
        return Verdict(HarvestState.NO_MATCH, "no topic is fetched")
    news = any(account.news for account in harvest.accounts)
    batch = _newest_visible(calendar, interface, now)
    listed = visible(batch, "oai") <= now and any(account.source == "oai" for account in harvest.accounts)
    if interface == "feed" and not listed and (stale := _stale(harvest.sights, before, batch)):
        some = len(stale) < sum(sight.entries > 0 for sight in harvest.sights)
        names = f" for {', '.join(sight.name for sight in stale)}" if some else ""
        state = HarvestState.STALE if some or news else HarvestState.SAME
        return Verdict(state, f"arXiv still shows the batch before{names}; {_expected(batch)}", due=True)
    if news:
        return Verdict(HarvestState.FRESH, "")
    if last is not None and visible(batch, interface) <= last:
        return _nothing_due(interface, calendar, last, now)
    if listed:
        return Verdict(HarvestState.NO_MATCH, "nothing that arXiv has announced since matches")
    if interface == "feed":
        return _by_feeds(harvest.sights, batch, calendar, last, now)
    return _by_index(harvest.sights, batch)


def _nothing_due(interface: Interface, calendar: Calendar, last: datetime, now: datetime) -> Verdict:
    """Nothing has become visible since the last complete fetch."""
    silence = calendar.silence(last, now)
    if silence is not None and silence.kind is not Quiet.EARLY:
        return Verdict(HarvestState.QUIET, silence.words())
    coming = calendar.latest(now)
    if visible(coming, interface) <= now:
        coming = calendar.next(now)
    return Verdict(HarvestState.SAME, f"the same batch as before; the next is due {_utc(visible(coming, interface))}")


def _by_feeds(
    sights: Sequence[Sight], batch: Batch, calendar: Calendar, last: datetime | None, now: datetime
) -> Verdict:
    """A batch was due in the feeds, and nothing of them is new."""
    if any(sight.entries for sight in sights):
        return Verdict(HarvestState.NO_MATCH, _OF_NO_INTEREST)
    silence = calendar.silence(batch.announced, now)
    if last is None and silence is not None and silence.kind is not Quiet.EARLY:
        return Verdict(HarvestState.QUIET, silence.words())
    return Verdict(HarvestState.QUIET, f"arXiv's feeds are empty; {_expected(batch)}", due=True)


def _by_index(sights: Sequence[Sight], batch: Batch) -> Verdict:
    """A batch was due in the search, and nothing that it answers is new."""
    newest = next((sight.newest for sight in sights), None)
    if newest is not None and newest >= batch.opens:
        return Verdict(HarvestState.NO_MATCH, _OF_NO_INTEREST)
    shown = "nothing is new, and arXiv does not show how far its search is"
    if newest is not None:
        shown = f"arXiv still shows the batch before: its newest paper was submitted {_utc(newest)}"
    return Verdict(HarvestState.SAME, f"{shown}; {_expected(batch)}", due=True)


def _stale(sights: Sequence[Sight], before: Mapping[str, Seen], batch: Batch) -> list[Sight]:
    """The feeds that hold what they held before the newest batch should have been in them."""
    renewed = visible(batch, "feed")
    return [
        sight
        for sight in sights
        if sight.entries
        and (seen := before.get(sight.name)) is not None
        and seen.sight.signature == sight.signature
        and seen.since < renewed
    ]


def _newest_visible(calendar: Calendar, interface: Interface, now: datetime) -> Batch:
    batch = calendar.latest(now)
    while visible(batch, interface) > now:
        batch = calendar.latest(batch.opens)
    return batch


def _expected(batch: Batch) -> str:
    return f"by its calendar it announced {_utc(batch.announced)}"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%A %Y-%m-%d %H:%M} UTC"

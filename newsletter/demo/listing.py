"""What arXiv's feeds hold on a day: which papers, called what, in which order, and what is cut off."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from newsletter.demo.announcements import NEW_YORK, Release, feed_day
from newsletter.demo.taxonomy import with_aliases
from newsletter.model import Paper

AnnounceType = Literal["new", "cross", "replace", "replace-cross"]

LIMIT = 2_000  # items
_LAST_REPLACED = 5  # replacements by later versions are not listed
_ACTIONS = ("new", "cross", "replace")  # what was done to a paper on one evening: the first of these counts
_ORDER = ("replace-cross", "replace", "cross", "new")


@dataclass(frozen=True, slots=True)
class Item:
    """A paper in a feed, and what the feed calls it."""

    release: Release
    announce_type: AnnounceType

    @property
    def paper(self) -> Paper:
        """The paper as it stood that evening."""
        return self.release.paper


def listing(
    releases: Sequence[Release],
    categories: Collection[str],
    moment_of: Callable[[str], datetime],
    change: Callable[[Sequence[Item]], Sequence[Item]] = lambda items: items,
) -> list[Item]:
    """The items of a feed: new ones first. Beyond the limit it is the new ones that are missing, as at arXiv.

    `moment_of` tells for each category at which moment it was last renewed; `change` is put before the limit.
    """
    wanted = with_aliases(categories)
    moments: dict[datetime, set[str]] = {}
    for name in categories:
        moments.setdefault(moment_of(name), set()).add(name)
    items: dict[str, Item] = {}
    for moment, names in sorted(moments.items()):  # the freshest wins
        items |= {item.paper.id: item for item in _items(releases, with_aliases(names), wanted, moment)}
    found = sorted(items.values(), key=lambda item: item.paper.id, reverse=True)
    found.sort(key=lambda item: _ORDER.index(item.announce_type))
    return list(change(found))[:LIMIT][::-1]


def _items(
    releases: Sequence[Release], names: frozenset[str], wanted: frozenset[str], moment: datetime
) -> Iterator[Item]:
    day = moment.astimezone(NEW_YORK).date()
    states: dict[str, Release] = {}
    actions: dict[str, str] = {}
    for release in releases:
        if release.moment > moment or feed_day(release.moment) > day:
            continue
        name = release.paper.id
        if feed_day(release.moment) == day:
            done = {action for action, where in _rows(release, states.get(name)) if names & where}
            if name in actions:
                done.add(actions[name])
            if done:
                actions[name] = min(done, key=_ACTIONS.index)
        states[name] = release
    for name, action in actions.items():
        if states[name].action != "deleted":
            yield Item(states[name], _called(action, states[name].paper.categories[0] in wanted))


def _rows(release: Release, before: Release | None) -> Iterator[tuple[str, frozenset[str]]]:
    # What was done, and in which categories it is told.
    present = frozenset(release.paper.categories)
    if release.action in ("absonly", "deleted"):
        return
    if release.action == "version" and release.paper.version == 1:
        yield "new", present
        return
    if release.action == "version" and release.paper.version <= _LAST_REPLACED:
        yield "replace", present
    if before is not None:
        yield "cross", present - frozenset(before.paper.categories)
    elif release.action == "cross":
        yield "cross", present - {release.paper.categories[0]}


def _called(action: str, at_home: bool) -> AnnounceType:
    # At home: among the categories asked for is the paper's primary one.
    if action == "replace":
        return "replace" if at_home else "replace-cross"
    return "new" if action == "new" and at_home else "cross"

"""What an invented arXiv announces and when, and the library that follows from it.

arXiv announces on the evenings of Sunday to Thursday at 20:00 America/New_York. From then on a version is in the query
API, from the next midnight (New York) in the feeds; OAI-PMH has it under the day (UTC) of its announcement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal, Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from newsletter.demo.library import Clock, Question, newest, search
from newsletter.model import Paper

NEW_YORK = ZoneInfo("America/New_York")
LICENSE = "http://arxiv.org/licenses/nonexclusive-distrib/1.0/"

#: What is done to a paper: a version comes; it is listed in further categories; its comment, journal reference or DOI
#: changes and nothing else; it is gone. Only a "version" has a paper of a version not seen before.
Action = Literal["version", "cross", "absonly", "deleted"]


@dataclass(frozen=True, slots=True)
class Release:
    """A paper as it stands from a moment on. `affiliations` are by the author's name."""

    paper: Paper
    moment: datetime
    action: Action = "version"
    license: str = LICENSE
    affiliations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@runtime_checkable
class Announcing(Protocol):
    """A library that also tells when it announced what: what feeds and OAI-PMH need."""

    def now(self) -> datetime:
        """The moment that the answers are of."""

    def search(self, question: Question) -> Sequence[Paper]:
        """All papers that answer, in the order asked for."""

    def releases(self) -> Sequence[Release]:
        """All there is, in the order of the moments, the future too."""


class Announced:
    """A library of given releases, in any order, read at the moment its clock tells.

    The sequence is kept, not copied: what is put into it later is announced too.
    """

    def __init__(self, releases: Sequence[Release], clock: Clock) -> None:
        self.now = clock
        self._releases = releases

    def releases(self) -> Sequence[Release]:
        """All there is, in the order of the moments, the future too."""
        return sorted(self._releases, key=lambda release: release.moment)

    def visible(self, moment: datetime | None = None) -> list[Paper]:
        """The newest visible version of each paper, at a moment or now, in the order of their identifiers."""
        return sorted(newest(self.versions(moment)), key=lambda paper: paper.id)

    def versions(self, moment: datetime | None = None) -> list[Paper]:
        """All versions visible at a moment or now, each as it stands then."""
        states: dict[str, dict[int, Paper]] = {}
        for release in until(self.releases(), moment or self.now()):
            versions = states.setdefault(release.paper.id, {})
            versions[release.paper.version] = release.paper
            if release.action == "deleted":
                versions.clear()
        return [paper for versions in states.values() for paper in versions.values()]

    def search(self, question: Question) -> Sequence[Paper]:
        """Answer as of now."""
        return search(question, self.visible(), self.versions())


def evening(day: date, clock: time = time(20)) -> datetime:
    """The moment of a date's announcement, in UTC; `clock` is in New York, for one that is late."""
    return datetime.combine(day, clock, NEW_YORK).astimezone(UTC)


def feed_day(announced: datetime) -> date:
    """The day whose feeds hold what was announced at a moment: from noon to noon in New York, for some are late."""
    return (announced + timedelta(hours=12)).astimezone(NEW_YORK).date()


def until(releases: Sequence[Release], moment: datetime) -> list[Release]:
    """What had been announced at a moment."""
    return [release for release in releases if release.moment <= moment]

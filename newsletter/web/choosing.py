"""What readers may choose, as the pages offer it; and a choice in words, which is what somebody says yes to."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from typing import Any
from zoneinfo import available_timezones

from newsletter.app import App
from newsletter.model import WEEKDAYS, Detail, Format, Frequency, Late, Rhythm, Subscriber, Topic
from newsletter.rendering.words import LANGUAGES, _
from newsletter.web.pages import say

# tzdata's older names, and those of places by no region, are understood but not offered.
_REGIONS = (
    "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific",
)  # fmt: skip

_WEEKDAYS = (
    _("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"),
)  # fmt: skip
_FREQUENCIES = {Frequency.DAILY: _("Daily"), Frequency.WEEKLY: _("Weekly: all editions of a week in one mail")}
_LATE = {
    Late.WAIT: _("It waits for my next hour"),
    Late.GO: _("It is sent as soon as it is out"),
}
_DETAILS = {
    Detail.FULL: _("In full: with abstracts, as far as a mail has room"),
    Detail.BRIEF: _("In brief: without abstracts"),
}
_FORMATS = {Format.HTML: _("HTML, with a plain text part"), Format.TEXT: _("Plain text only")}

Choices = Sequence[tuple[str, str]]  # values, and what they are called


def frequencies() -> Choices:
    """How often."""
    return _said(_FREQUENCIES)


def weekdays(app: App) -> Choices:
    """On which day a weekly mail comes; the first is the newsletter's own."""
    own = say(_("The newsletter’s day: {day}"), day=say(_WEEKDAYS[app.weekday]))
    return [("", own), *((value, say(name)) for value, name in zip(WEEKDAYS, _WEEKDAYS, strict=True))]


def hours() -> Choices:
    """At what time."""
    return [("", say(_("As soon as the edition is out"))), *((str(hour), f"{hour:02}:00") for hour in range(24))]


def zones(app: App, chosen: str) -> Sequence[tuple[str, Choices]]:
    """Time zones by region; the newsletter's own first, and what was chosen even if it is not offered."""
    own = say(_("The newsletter’s: {zone}"), zone=str(app.config.newsletter.timezone))
    offered = {name for _region, names in _zones() for name, _said in names}
    others = dict.fromkeys(("UTC", chosen) if chosen and chosen not in offered else ("UTC",))
    return [("", [("", own), *((name, name) for name in others)]), *_zones()]


def late() -> Choices:
    """What becomes of an edition that is brought out after a reader's hour."""
    return _said(_LATE)


def revised() -> Choices:
    """Whether one is told of revised papers."""
    return [("yes", say(_("Tell me of new ones and of revised ones"))), ("no", say(_("Only of new ones")))]


def details() -> Choices:
    """How much is said of each paper."""
    return _said(_DETAILS)


def formats() -> Choices:
    """Which parts a mail has."""
    return _said(_FORMATS)


def languages(app: App) -> Choices:
    """In which language our own words are."""
    own = LANGUAGES[app.config.newsletter.language]
    return [("", say(_("The newsletter’s: {language}"), language=own)), *LANGUAGES.items()]


def offered_topics(app: App, subscriber: Subscriber | None = None) -> list[Topic]:
    """The topics there are to choose from, and those that a subscriber has which sleep."""
    theirs = subscriber.topics if subscriber else ()
    topics = [topic for topic in app.storage.topics.all() if not topic.personal]
    return [topic for topic in topics if not topic.sleeping or topic.name in theirs]


# ---------------------------------------------------------------- in words


def in_words(app: App, subscriber: Subscriber) -> list[tuple[str, list[str]]]:
    """What a subscriber gets: names of what it is about, and what it is."""
    everything = not subscriber.topics and not subscriber.queries
    topics = [say(_("All topics, future ones too"))] if everything else list(subscriber.topics)
    parts = [
        (say(_("Topics")), topics),
        (say(_("Your queries")), list(subscriber.queries)),
        (say(_("When")), [_rhythm(app, subscriber.preferences.rhythm)]),
    ]
    return [(name, found) for name, found in parts if found]


def statement(app: App) -> str:
    """The sentence that somebody says yes to."""
    words = _("Send me {newsletter} by mail, as it stands here. I can change this or leave at any time.")
    return say(words, newsletter=app.config.newsletter.name)


def consent(app: App, subscriber: Subscriber) -> str:
    """All that a subscriber is shown who is asked for a yes: it is kept as they saw it."""
    lines = [f"{name}: {'; '.join(found)}" for name, found in in_words(app, subscriber)]
    return "\n".join((statement(app), *lines))


def _rhythm(app: App, rhythm: Rhythm) -> str:
    day = say(_WEEKDAYS[app.weekday if rhythm.weekday is None else rhythm.weekday])
    clock = {"hour": f"{rhythm.hour or 0:02}:00", "zone": rhythm.zone or str(app.config.newsletter.timezone)}
    if rhythm.frequency is Frequency.WEEKLY:
        if rhythm.hour is None:
            return say(_("Weekly, on {day}"), day=day)
        return say(_("Weekly, on {day} at {hour} ({zone})"), day=day, **clock)
    if rhythm.hour is None:
        return say(_("Daily, as soon as the edition is out"))
    return say(_("Daily at {hour} ({zone})"), **clock)


def _said(choices: Mapping[Any, str]) -> Choices:
    return [(str(value), say(name)) for value, name in choices.items()]


@cache
def _zones() -> Sequence[tuple[str, Choices]]:
    names = sorted(name for name in available_timezones() if name.partition("/")[0] in _REGIONS)
    return [
        (region, [(name, name.partition("/")[2].replace("_", " ").replace("/", " – ")) for name in found])
        for region, found in groupby(names, lambda name: name.partition("/")[0])
    ]

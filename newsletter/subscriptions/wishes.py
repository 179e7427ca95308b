"""What a subscriber prefers, as text: on the command line, in CSV files and in forms; read in one place."""

import difflib
from collections.abc import Callable, Collection, Mapping
from enum import StrEnum
from functools import cache
from typing import TypeVar
from zoneinfo import available_timezones

from newsletter.errors import UsageError
from newsletter.model import WEEKDAYS, Detail, Format, Frequency, Late, Look, Preferences, Rhythm
from newsletter.rendering.words import LANGUAGES

#: The names of preferences, in the order of columns.
NAMES = ("frequency", "weekday", "hour", "zone", "late", "revised", "detail", "format", "language")

_Value = TypeVar("_Value")
_Kind = TypeVar("_Kind", bound=StrEnum)
_DEFAULT = Preferences()
_TRUTHS = {"yes": True, "true": True, "1": True, "on": True, "no": False, "false": False, "0": False, "off": False}


def read_preferences(texts: Mapping[str, str], before: Preferences = _DEFAULT) -> Preferences:
    """What these texts, by name, make of what was preferred before. A blank one stands for the newsletter's own; a name
    that is not there changes nothing, and one that is no preference's is left alone.

    Raises:
        UsageError: one is not allowed; says which, and what is.

    """

    def read(name: str, reader: Callable[[str, str], _Value], now: _Value, blank: _Value) -> _Value:
        if name not in texts:
            return now
        text = texts[name].strip()
        return reader(name, text) if text else blank

    rhythm, look = before.rhythm, before.look
    return Preferences(
        Rhythm(
            read("frequency", _one_of(Frequency), rhythm.frequency, Frequency.DAILY),
            read("weekday", _weekday, rhythm.weekday, None),
            read("hour", _hour, rhythm.hour, None),
            read("zone", _zone, rhythm.zone, ""),
            read("late", _one_of(Late), rhythm.late, Late.WAIT),
        ),
        Look(
            read("detail", _one_of(Detail), look.detail, Detail.FULL),
            read("format", _one_of(Format), look.format, Format.HTML),
            read("language", _language, look.language, ""),
        ),
        read("revised", _truth, before.revised, True),
    )


def write_preferences(preferences: Preferences) -> dict[str, str]:
    """The texts that `read_preferences` makes these of, by name; blank where the newsletter's own counts."""
    rhythm, look = preferences.rhythm, preferences.look
    return {
        "frequency": rhythm.frequency,
        "weekday": "" if rhythm.weekday is None else WEEKDAYS[rhythm.weekday],
        "hour": "" if rhythm.hour is None else str(rhythm.hour),
        "zone": rhythm.zone,
        "late": rhythm.late,
        "revised": "yes" if preferences.revised else "no",
        "detail": look.detail,
        "format": look.format,
        "language": look.language,
    }


def _one_of(kind: type[_Kind]) -> Callable[[str, str], _Kind]:
    def read(name: str, text: str) -> _Kind:
        try:
            return kind(text.casefold())
        except ValueError as error:
            raise _refusal(name, text, [*kind]) from error

    return read


def _weekday(name: str, text: str) -> int:
    if text.casefold() not in WEEKDAYS:
        raise _refusal(name, text, WEEKDAYS)
    return WEEKDAYS.index(text.casefold())


def _hour(name: str, text: str) -> int:
    hour = text.removesuffix(":00")
    if not (hour.isascii() and hour.isdigit() and len(hour) <= 2 and int(hour) <= 23):
        raise UsageError(f"{name}: {text!r} is not allowed (allowed: 0 to 23, a full hour)")
    return int(hour)


def _zone(name: str, text: str) -> str:
    zones = _zones()
    if found := zones.get(text.casefold()):
        return found
    near = difflib.get_close_matches(text.casefold(), zones, 1)
    hint = f"; did you mean {zones[near[0]]}?" if near else ""
    raise UsageError(f"{name}: there is no time zone {text!r}{hint} (allowed: names such as UTC, Europe/Berlin)")


@cache
def _zones() -> dict[str, str]:
    """The names of time zones by what they are in small letters: read from the disk, which takes a while."""
    return {zone.casefold(): zone for zone in available_timezones()}


def _truth(name: str, text: str) -> bool:
    if text.casefold() not in _TRUTHS:
        raise _refusal(name, text, ("yes", "no"))
    return _TRUTHS[text.casefold()]


def _language(name: str, text: str) -> str:
    if text.casefold() not in LANGUAGES:
        raise _refusal(name, text, LANGUAGES)
    return text.casefold()


def _refusal(name: str, text: str, allowed: Collection[str]) -> UsageError:
    return UsageError(f"{name}: {text!r} is not allowed (allowed: {', '.join(allowed)})")

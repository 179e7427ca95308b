"""What a subscriber can choose, as options of commands and as words for a person."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from newsletter.model import WEEKDAYS, Detail, Format, Frequency, Late, Preferences, Rhythm, Subscriber
from newsletter.rendering.words import LANGUAGES
from newsletter.subscriptions.wishes import NAMES

_NONE = "none"  # for what the newsletter's own counts
_Command = TypeVar("_Command", bound=Callable[..., Any])
_OPTIONS = (
    click.option("--topic", "topics", multiple=True, metavar="NAME", help="A topic of config.toml; again for more."),
    click.option("--query", "queries", multiple=True, metavar="QUERY", help="A query of their own; again for more."),
    click.option("--frequency", type=click.Choice([*map(str, Frequency)]), help="How often. [default: daily]"),
    click.option("--weekday", metavar="DAY", help="Of weekly digests: monday … sunday, or none: the newsletter's."),
    click.option("--hour", metavar="H", help="0 to 23, on their clock, or none: as soon as an edition is out."),
    click.option("--zone", metavar="ZONE", help="Of that clock, such as Europe/Berlin, or none: the newsletter's."),
    click.option(
        "--late",
        type=click.Choice([*map(str, Late)]),
        help="An edition that comes after their hour waits for the next, or goes at once. [default: wait]",
    ),
    click.option("--revised/--no-revised", default=None, help="Whether they are told of revised papers."),
    click.option(
        "--detail", type=click.Choice([*map(str, Detail)]), help="With abstracts, or without. [default: full]"
    ),
    click.option(
        "--format", type=click.Choice([*map(str, Format)]), help="HTML and text, or text alone. [default: html]"
    ),
    click.option("--language", metavar="LANG", help=f"{', '.join(LANGUAGES)}, or none: the newsletter's."),
)


def choice_options(command: _Command) -> _Command:
    """Give a command the options of what can be chosen; it gets `topics`, `queries`, and a keyword for each of `NAMES`,
    None where nothing was said."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def texts(options: Mapping[str, Any]) -> dict[str, str]:
    """Options that were given, as `read_preferences` reads them."""
    given = {name: options[name] for name in NAMES if options[name] is not None}
    if "revised" in given:
        given["revised"] = "yes" if given["revised"] else "no"
    return {name: "" if text.casefold() == _NONE else text for name, text in given.items()}


def rhythm_in_words(rhythm: Rhythm) -> str:
    """When somebody's digests come: ``weekly, friday, 07:00 Europe/Berlin, late ones at once``."""
    day = "" if rhythm.weekday is None or rhythm.frequency is not Frequency.WEEKLY else WEEKDAYS[rhythm.weekday]
    hour = "" if rhythm.hour is None else f"{rhythm.hour:02}:00 {rhythm.zone}".rstrip()
    late = "late ones at once" if hour and rhythm.late is Late.GO else ""
    return ", ".join(filter(None, (rhythm.frequency, day, hour, late)))


def look_in_words(preferences: Preferences) -> str:
    """What is in somebody's mail and what it looks like: ``brief, text, de, no revised``."""
    look = preferences.look
    return ", ".join(
        filter(None, (look.detail, look.format, look.language, "" if preferences.revised else "no revised"))
    )


def status_in_words(subscriber: Subscriber) -> str:
    """How it stands with somebody: ``paused until 2026-02-01``, ``confirmed, but suppressed: bounce``."""
    until = f" until {subscriber.paused_until}" if subscriber.paused_until else ""
    suppressed = f", but suppressed: {subscriber.suppressed}" if subscriber.suppressed else ""
    return f"{subscriber.status}{until}{suppressed}"

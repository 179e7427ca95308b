"""In which language a page is shown: as asked for, else as the browser prefers, else the newsletter's."""

from dataclasses import dataclass
from datetime import date

from babel.dates import format_date
from flask import Request

from newsletter.rendering.words import LANGUAGES


@dataclass(frozen=True, slots=True)
class Choice:
    """A language; `asked` if the address itself names it, which links then do too."""

    language: str
    asked: bool


def choose(request: Request, default: str) -> Choice:
    """The language of a request: ``?language=``, else the best of Accept-Language that there is, else `default`."""
    if (asked := request.args.get("language", "")) in LANGUAGES:
        return Choice(asked, asked=True)
    # By the primary subtag (RFC 4647, 3.4): who prefers de-AT to en reads German rather than English.
    accepted = (tag.partition("-")[0].lower() for tag, quality in request.accept_languages if quality)
    return Choice(next((language for language in accepted if language in LANGUAGES), default), asked=False)


def weekday(day: date, language: str) -> str:
    """``Friday``."""
    return format_date(day, "EEEE", locale=language)


def short_weekday(day: date, language: str) -> str:
    """``Fri``."""
    return format_date(day, "EEE", locale=language)


def month(day: date, language: str) -> str:
    """``February 2025``."""
    return format_date(day, "LLLL y", locale=language)

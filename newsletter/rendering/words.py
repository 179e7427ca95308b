"""Our words for dates, counts and names: through gettext, and the same whatever locale the machine has."""

import io
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from gettext import GNUTranslations, NullTranslations

from newsletter.errors import UsageError
from newsletter.model import Kind, Remark, RemarkKind
from newsletter.resources import resource

#: The languages there are words of, each by its own name. English ones stand in code and templates; of each other
#: language there is a catalogue in ``translations/``, which ``make messages`` brings up to date.
LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch"}


def _(text: str) -> str:
    """Mark a text for the translators; it is translated where it is used."""
    return text


_DAYS = (_("Monday"), _("Tuesday"), _("Wednesday"), _("Thursday"), _("Friday"), _("Saturday"), _("Sunday"))
_MONTHS = (
    _("January"), _("February"), _("March"), _("April"), _("May"), _("June"),
    _("July"), _("August"), _("September"), _("October"), _("November"), _("December"),
)  # fmt: skip
_SHORT_MONTHS = (
    _("Jan"), _("Feb"), _("Mar"), _("Apr"), _("May"), _("Jun"),
    _("Jul"), _("Aug"), _("Sep"), _("Oct"), _("Nov"), _("Dec"),
)  # fmt: skip
_CHANGES = {
    "title": _("title"), "abstract": _("abstract"), "authors": _("authors"), "comment": _("comment"),
    "categories": _("categories"), "text": _("text"),
}  # fmt: skip
_KINDS = {Kind.NEW: _("{} new"), Kind.REVISED: _("{} revised"), Kind.WITHDRAWN: _("{} withdrawn")}
# A sentence for one date, and one for a span.
_OUTAGE = (
    _("arXiv did not answer on {since}; what was announced then is in here."),
    _("arXiv did not answer from {since} to {until}; what was announced then is in here."),
)
_SHOWN_NAMES = 5
_SHOWN_TOPIC = 100  # characters: a reader's query is its own name
_REMARKS = {
    RemarkKind.LATE: _("What was announced since {since} is in here too: it could not be had before."),
    RemarkKind.PARTIAL: _("arXiv could not be asked in full for {topics}; what is missing follows in a later edition."),
    RemarkKind.STALE: _("arXiv had not brought all of its categories up to date; what is missing follows later."),
    RemarkKind.FEED_ONLY: _("Details such as comments are missing, as arXiv's search refused; they follow later."),
}


class Words:
    """The words of one language."""

    def __init__(self, translations: NullTranslations) -> None:
        self.translations = translations
        self._say = translations.gettext

    def short_date(self, day: date) -> str:
        """``28 Feb``, for a subject line."""
        return self._say(_("{day} {month}")).format(day=day.day, month=self._say(_SHORT_MONTHS[day.month - 1]))

    def dated(self, day: date) -> str:
        """``28 Feb 2025``, for a paper."""
        return self._say(_("{date} {year}")).format(date=self.short_date(day), year=day.year)

    def long_date(self, day: date) -> str:
        """``Friday, 28 February 2025``, for a heading."""
        words = {"weekday": self._say(_DAYS[day.weekday()]), "month": self._say(_MONTHS[day.month - 1])}
        return self._say(_("{weekday}, {day} {month} {year}")).format(day=day.day, year=day.year, **words)

    def short_span(self, first: date, last: date) -> str:
        """``24–28 Feb``, or ``28 Feb`` if it is one day; the years only where they differ."""
        if first == last:
            return self.short_date(last)
        if first.year != last.year:
            return f"{self.dated(first)} – {self.dated(last)}"
        if first.month != last.month:
            return f"{self.short_date(first)} – {self.short_date(last)}"
        return self._say(_("{day}–{date}")).format(day=first.day, date=self.short_date(last))

    def long_span(self, first: date, last: date) -> str:
        """``Monday, 24 February 2025 – Friday, 28 February 2025``, or the one day."""
        return self.long_date(last) if first == last else f"{self.long_date(first)} – {self.long_date(last)}"

    def counts(self, numbers: Mapping[Kind, int]) -> str:
        """``12 new, 1 revised``; kinds of which there are none are left out."""
        told = [self._say(words).format(numbers[kind]) for kind, words in _KINDS.items() if numbers.get(kind)]
        return ", ".join(told) or self._say(_("nothing new"))

    def summary(self, numbers: Mapping[Kind, int], topics: int) -> str:
        """``12 new in 4 topics``."""
        if not topics:
            return self.counts(numbers)
        words = self.translations.ngettext("{papers} in {n} topic", "{papers} in {n} topics", topics)
        return words.format(papers=self.counts(numbers), n=topics)

    def changes(self, names: Iterable[str]) -> str:
        """``title, abstract``: what a revision changed."""
        return ", ".join(self._say(_CHANGES.get(name, name)) for name in names)

    def people(self, names: Sequence[str], most: int = 4) -> str:
        """``A, B, C, D and 12 more``; one more than `most` is named rather than counted."""
        if len(names) <= most + 1:
            return ", ".join(names)
        more = len(names) - most
        words = self.translations.ngettext("{names} and {n} more", "{names} and {n} more", more)
        return words.format(names=", ".join(names[:most]), n=more)

    def remark(self, remark: Remark, topics: Mapping[int, str]) -> str:
        """What is to be said of an edition, in a sentence; empty if it is about other topics than these."""
        named = [topics[topic] for topic in remark.topics if topic in topics]
        if remark.kind is RemarkKind.PARTIAL and not named:
            return ""
        sentence = _OUTAGE[remark.since != remark.until] if remark.kind is RemarkKind.OUTAGE else _REMARKS[remark.kind]
        since, until = (self.dated(day) if day else "" for day in (remark.since, remark.until))
        return self._say(sentence).format(since=since, until=until, topics=self.listed(named))

    def listed(self, names: Iterable[str]) -> str:
        """Some names in a row, and how many more."""
        return self.people([self.topic(name) for name in names], _SHOWN_NAMES)

    def topic(self, name: str) -> str:
        """A topic's name, which may be a query as long as people write them."""
        return name if len(name) <= _SHOWN_TOPIC else f"{name[: _SHOWN_TOPIC - 1].rstrip()}…"

    def why(self, topics: Sequence[tuple[str, Sequence[str]]]) -> str:
        """``Night Vision (“lamp”, “moths”), Lamps``: topics, each with the words of a paper that answered it."""
        shown = [self._answered(self.topic(name), words) for name, words in topics]
        return self.people(shown, _SHOWN_NAMES)

    def _answered(self, topic: str, words: Sequence[str]) -> str:
        quoted = ", ".join(self._say(_("“{word}”")).format(word=word) for word in words)
        return self._say(_("{topic} ({words})")).format(topic=topic, words=quoted) if words else topic

    def cut(self, papers: int) -> str:
        """What is said of papers that a mail has no room for, in its head."""
        words = self.translations.ngettext(
            "{n} of these papers has no room in this mail.", "{n} of these papers have no room in this mail.", papers
        )
        return words.format(n=papers)

    def more(self, papers: int, topic: str) -> str:
        """``and 12 more in Night Vision``: what a mail has no room for."""
        words = self.translations.ngettext("and {n} more in {topic}", "and {n} more in {topic}", papers)
        return words.format(n=papers, topic=self.topic(topic))

    def rest(self, papers: int, topics: int) -> str:
        """``and 812 more in 640 other topics``."""
        words = self.translations.ngettext(
            "and {papers} more in {n} other topic", "and {papers} more in {n} other topics", topics
        )
        return words.format(papers=papers, n=topics)


@cache
def words_of(language: str) -> Words:
    """The words of a language. Raises `UsageError` for one that is not in `LANGUAGES`."""
    if language not in LANGUAGES:
        raise UsageError(f"{language!r} is no language there are words of (there are: {', '.join(LANGUAGES)})")
    return Words(NullTranslations() if language == "en" else _catalogue(language))


def _catalogue(language: str) -> GNUTranslations:
    from babel.messages.mofile import write_mo  # late: a sender of English mail does without
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with (resource("translations") / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)

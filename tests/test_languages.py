"""Languages: catalogues that are whole, words outside of none, dates and plurals, and what a mail costs in English."""

import io
import re
import string
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st
from mailing import BRAND, PREFERENCES, REMARKS, SAMPLE, TOPICS, WEB, decoded, mail, paper, tree

from newsletter.config.sections import NewsletterSection
from newsletter.errors import UsageError
from newsletter.model import Item, Kind, Remark, RemarkKind
from newsletter.rendering.digest import Body, Brand
from newsletter.rendering.environment import make_environment
from newsletter.rendering.notice import Notices
from newsletter.rendering.words import LANGUAGES, words_of
from newsletter.storage.singles import Single, to_single

ROOT = Path(__file__).parents[1]
TRANSLATIONS = ROOT / "newsletter" / "translations"
OTHERS = sorted(set(LANGUAGES) - {"en"})
THANKS = "Thank you to arXiv for use of its open access interoperability."  # arXiv asks for this very sentence


# ---------------------------------------------------------------- catalogues


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """All messages there are, as `make messages` finds them."""
    path = tmp_path_factory.mktemp("messages") / "messages.pot"
    command = [
        sys.executable,
        "-m",
        "babel.messages.frontend",
        "-q",
        "extract",
        "-F",
        "pyproject.toml",
        "-o",
        str(path),
    ]
    subprocess.run([*command, "newsletter", "templates"], cwd=ROOT, check=True)
    with path.open("rb") as file:
        return read_po(file)


def catalogue(language: str) -> Catalog:
    with (TRANSLATIONS / language / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale=language, abort_invalid=True)


def messages(found: Catalog) -> Iterator[Message]:
    """All but the header."""
    return (message for message in found if message.id)


def forms(text: object) -> list[str]:
    """The forms of a message, or of its translation."""
    return [text] if isinstance(text, str) else [str(form) for form in text]  # type: ignore[attr-defined]


def placeholders(text: str) -> set[str]:
    """What is filled in: ``%(name)s`` in templates, ``{name}`` in Python."""
    named = re.findall(r"%\((\w+)\)[a-z]", text)
    return {*named, *(f"{{{name}}}" for _, name, _, _ in string.Formatter().parse(text) if name is not None)}


def faults(template: Catalog, theirs: Catalog) -> Iterator[str]:
    """What a catalogue lacks, and what it should not have."""
    for message in messages(template):
        if theirs.get(message.id, message.context) is None:
            yield f"missing: {message.id}"
    for message in messages(theirs):
        originals, translations = forms(message.id), forms(message.string)
        if template.get(message.id, message.context) is None:
            yield f"said nowhere any more: {message.id}"
        if message.fuzzy:
            yield f"fuzzy: {message.id}"
        if not all(translations):
            yield f"not translated: {message.id}"
            continue
        yield from (f"{error}: {message.id}" for error in message.check(theirs))
        if any(placeholders(form) not in map(placeholders, originals) for form in translations):
            yield f"other placeholders: {message.id}"
        if any(form.strip() != form for form in translations) != any(form.strip() != form for form in originals):
            yield f"other blanks around it: {message.id}"
    yield from (f"said nowhere any more: {message.id}" for message in theirs.obsolete.values())


def test_every_language_has_a_catalogue_and_can_be_configured() -> None:
    assert {folder.name for folder in TRANSLATIONS.iterdir()} == set(OTHERS)
    assert set(get_args(NewsletterSection.model_fields["language"].annotation)) == set(LANGUAGES)


@pytest.mark.parametrize("language", OTHERS)
def test_a_catalogue_is_whole(template: Catalog, language: str) -> None:
    """`make messages` adds what is missing and drops what is not said any more; then it has to be translated."""
    found = "\n".join(faults(template, catalogue(language)))
    assert not found, found


@pytest.mark.parametrize("file", ["digest/body.html", "digest/body.txt", "digest/subject.txt", "rendering/words.py"])
def test_all_places_are_looked_through(template: Catalog, file: str) -> None:
    assert any(place.endswith(file) for message in messages(template) for place, _ in message.locations)


def test_what_operators_and_the_archive_read_is_english(template: Catalog) -> None:
    places = {place for message in messages(template) for place, _ in message.locations}
    assert not [place for place in places if re.search("operator/|archive/|preview/|readme", place)]


_WHOLE = """
msgid "changed: %(names)s"
msgstr "geändert: %(names)s"

msgid "{n} topic"
msgid_plural "{n} topics"
msgstr[0] "{n} Thema"
msgstr[1] "{n} Themen"
"""


@pytest.mark.parametrize(
    ("before", "after", "fault"),
    [
        ("", "", ""),
        ('msgid "changed: %(names)s"\nmsgstr "geändert: %(names)s"', "", "missing: changed"),
        ('"geändert: %(names)s"', '""', "not translated: changed"),
        ('"{n} Themen"', '""', "not translated: ('{n} topic"),
        ('msgid "changed', '#, fuzzy\nmsgid "changed', "fuzzy: changed"),
        ("geändert: %(names)s", "geändert: %(name)s", "other placeholders: changed"),
        ("geändert: %(names)s", "geändert", "other placeholders: changed"),
        ("geändert: %(names)s", "geändert: %s", "the format strings are of different kinds: changed"),
        ("{n} Themen", "{m} Themen", "other placeholders: ('{n} topic"),
        ("{n} Themen", "{} Themen", "other placeholders: ('{n} topic"),
        ("geändert: %(names)s", "geändert: %(names)s ", "other blanks around it: changed"),
        ('msgid "{n} topic"', 'msgid "old"\nmsgstr "alt"\n\nmsgid "{n} topic"', "said nowhere any more: old"),
        ('msgid "{n} topic"', '#~ msgid "old"\n#~ msgstr "alt"\n\nmsgid "{n} topic"', "said nowhere any more: old"),
    ],
)
def test_a_catalogue_that_is_not_whole_is_found_out(before: str, after: str, fault: str) -> None:
    whole, theirs = (
        read_po(io.BytesIO(text.encode()), locale="de") for text in (_WHOLE, _WHOLE.replace(before, after))
    )
    found = list(faults(whole, theirs))
    assert any(one.startswith(fault) for one in found) if fault else not found, found


def test_german_is_polite_and_quotes_as_germans_do() -> None:
    said = [form for message in messages(catalogue("de")) for form in forms(message.string)]
    assert not [form for form in said if re.search(r"\b(du|dich|dir|dein\w*|euch|eure?\w*)\b", form, re.I)]
    assert not [form for form in said if re.search("[\"”]|“(?=\\w)|(?<!\\w)'", re.sub("„[^“]*“", "", form))]


# ---------------------------------------------------------------- templates

TEMPLATES = [
    path
    for path in sorted((ROOT / "templates").rglob("*.*"))
    if path.suffix in (".html", ".txt") and path.parent.name not in ("archive", "operator", "preview")
]
_SAME_EVERYWHERE = {"PDF", "HTML", "Atom", "JSON", "CSV", "UTC", "arXiv"}
_ATTRIBUTE = re.compile(r"([\w-]+)=\"([^\"]*)\"")
_READ = ("alt", "title", "aria-label", "placeholder", "label")


class _Spoken(HTMLParser):
    """What is read in a page: text, and attributes that are read aloud."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._style = tag in ("style", "script")
        self.texts += [value for name, value in attrs if name in _READ and value]

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if not self._style:
            self.texts.append(data)


def untranslated(source: str, *, html: bool) -> list[str]:
    """The words that stand in a template itself, outside of all that is translated or filled in."""
    literal, depth, last = [], 0, ""
    for _, kind, value in make_environment().lex(source):
        if last == "block_begin" and kind == "name":
            depth += {"trans": 1, "endtrans": -1}.get(value, 0)
        if kind == "data" and not depth:
            literal.append(value)
        elif kind in ("variable_begin", "block_begin"):
            literal.append(" ")
        last = kind if kind != "whitespace" else last
    text = "".join(literal).replace(THANKS, "")
    if html:
        spoken = _Spoken()
        spoken.feed(text)
        spoken.close()
        # Attributes that a macro writes into another's element look like text here.
        text = _ATTRIBUTE.sub(lambda found: found[2] if found[1] in _READ else "", "\n".join(spoken.texts))
    found = re.findall(r"[^\W\d_]{2,}", re.sub(r"&\w+;", " ", text))
    return [word for word in found if word not in _SAME_EVERYWHERE]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_no_words_stand_outside_of_the_catalogues(path: Path) -> None:
    assert not untranslated(path.read_text(encoding="utf-8"), html=path.suffix == ".html")


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("{# Moths #}<p>{{ _('Moths') }} {% trans %}Moths{% endtrans %} PDF &nbsp; {{ moths }}</p>", []),
        ('<a href="{{ moths }}/moths" class="moth">{{ x }}</a><style>.moth {}</style>', []),
        ("<p>Moths {{ x }}</p>", ["Moths"]),
        ("{% trans %}Moths{% endtrans %} fly", ["fly"]),
        ('<a href="x" aria-label="Moths">1</a>', ["Moths"]),
        ('{% if x %}<p title="{{ x }} moths">{% endif %}', ["moths"]),
        ('{% macro x() %} aria-hidden="true" title="Moths"{% endmacro %}<p{{ x() }}></p>', ["Moths"]),
    ],
)
def test_words_outside_of_the_catalogues_are_found(source: str, found: list[str]) -> None:
    assert untranslated(source, html=True) == found
    assert untranslated("{{ _('Moths') }}: x\n{{ x }} Fly\n", html=False) == ["Fly"]


# ---------------------------------------------------------------- words


def test_languages_by_their_own_names() -> None:
    assert dict(LANGUAGES) == {"en": "English", "de": "Deutsch"}


@pytest.mark.parametrize("language", ["", "fr", "EN", "de/../de", "de_DE"])
def test_there_are_no_other_words(language: str) -> None:
    with pytest.raises(UsageError, match=r"is no language there are words of \(there are: en, de\)"):
        words_of(language)


DAY = date(2025, 2, 28)


@pytest.mark.parametrize(
    ("language", "short", "dated", "long", "month", "year", "week"),
    [
        ("en", "28 Feb", "28 Feb 2025", "Friday, 28 February 2025", "21 Jan – 28 Feb", "29 Dec 2024", "24–28 Feb"),
        (
            "de",
            "28. Feb.",
            "28. Feb. 2025",
            "Freitag, 28. Februar 2025",
            "21. Jan. – 28. Feb.",
            "29. Dez. 2024",
            "24.–28. Feb.",
        ),
    ],
)
def test_dates(language: str, short: str, dated: str, long: str, month: str, year: str, week: str) -> None:
    words = words_of(language)
    assert (words.short_date(DAY), words.dated(DAY), words.long_date(DAY)) == (short, dated, long)
    assert words.short_span(date(2025, 1, 21), DAY) == month
    assert words.short_span(date(2024, 12, 29), DAY) == f"{year} – {dated}"
    assert words.short_span(date(2025, 2, 24), DAY) == week
    assert words.long_span(DAY, DAY) == long


@pytest.mark.parametrize("language", LANGUAGES)
@given(st.dates(), st.dates())
def test_any_date_can_be_said(language: str, one: date, other: date) -> None:
    words = words_of(language)
    said = words.long_span(min(one, other), max(one, other))
    assert said.endswith(words.long_date(max(one, other)))
    assert len({words.long_date(day) for day in (one, other)}) == len({one, other})


@pytest.mark.parametrize(
    ("kinds", "topics", "english", "german"),
    [
        ({Kind.NEW: 12, Kind.REVISED: 1}, 4, "12 new, 1 revised in 4 topics", "12 neu, 1 überarbeitet in 4 Themen"),
        ({Kind.WITHDRAWN: 1}, 1, "1 withdrawn in 1 topic", "1 zurückgezogen in 1 Thema"),
        ({}, 0, "nothing new", "nichts Neues"),
    ],
)
def test_counts(kinds: dict[Kind, int], topics: int, english: str, german: str) -> None:
    assert [words_of(language).summary(kinds, topics) for language in ("en", "de")] == [english, german]


def test_what_is_left_out_is_counted_in_german() -> None:
    words = words_of("de")
    assert [words.more(number, "Night Vision") for number in (1, 12)] == [
        "und 1 weiteres in Night Vision",
        "und 12 weitere in Night Vision",
    ]
    assert [words.rest(5, number) for number in (1, 2)] == ["dazu 5 in 1 weiterem Thema", "dazu 5 in 2 weiteren Themen"]
    assert words.cut(2) == "Für 2 dieser Paper ist in dieser E-Mail kein Platz."
    assert words.people(list("ABCDEF")) == "A, B, C, D und 2 weitere"
    assert words.why([("Lamps", ["lamp", "bulb"]), ("Moths", [])]) == "Lamps („lamp“, „bulb“), Moths"
    assert words.changes(["title", "comment", "text"]) == "Titel, Kommentar, Text"


def test_a_change_that_has_no_word_is_told_as_it_is() -> None:
    assert words_of("de").changes(["doi"]) == "doi"


def test_remarks_in_german() -> None:
    first, last = date(2025, 12, 30), date(2026, 1, 2)
    said = [
        words_of("de").remark(Remark(RemarkKind.OUTAGE, first, until), {}).partition(" nicht ")[0]
        for until in (first, last)
    ]
    assert said == ["arXiv hat am 30. Dez. 2025", "arXiv hat vom 30. Dez. 2025 bis zum 2. Jan. 2026"]


# ---------------------------------------------------------------- mails

GERMAN = Brand(BRAND.name, BRAND.postal_address, "de", WEB)


def german(items: tuple[Item, ...] = SAMPLE, *, welcome: bool = False, brand: Brand = GERMAN) -> Body:
    return mail(make_environment(None, "de"), items, TOPICS, brand, REMARKS, welcome=welcome)


def test_a_german_mail() -> None:
    body = german(welcome=True)
    html, text = tree(decoded(body.html)), decoded(body.text)
    assert body.subject == (
        "Willkommen bei Daily Papers: 14.–28. Feb., 3 neu, 2 überarbeitet, 1 zurückgezogen in 2 Themen"
    )
    assert german().subject.startswith("Daily Papers, 14.–28. Feb.: 3 neu")
    for told in (
        "Freitag, 14. Februar 2025 – Freitag, 28. Februar 2025",
        "Willkommen! Sie haben Daily Papers abonniert",
        "Auch was seit dem 14. Feb. 2025 angekündigt wurde, steht hier",
        "Neu · 27. Feb. 2025 · cs.CV, cs.LG",
        "Überarbeitet, Version 3 · ICML 2026 · geändert: Titel, Abstract · Kommentar: Accepted",
        "Grund: Night Vision („Night“, „lamp“), Moths & Lamps („Moths“, „Lamps“)",
        "hat Daily Papers abonniert; deshalb erhalten Sie diese E-Mail.",
        THANKS,
    ):
        assert told in " ".join(text.split())
        assert told in " ".join(html.text_content().split()).replace("\xa0", "")
    assert f"Einstellungen ändern: {PREFERENCES}\n" in text
    assert max(map(len, text.splitlines())) <= 72 or "https://" in max(text.splitlines(), key=len)


def test_each_part_says_in_which_language_it_is() -> None:
    """A program that reads aloud needs it: our words, and those of papers (WCAG 2.2, 3.1.2)."""
    long = Item(paper(9, "A Title", abstract="A sentence that ends. " * 90), Kind.NEW, (), (1,))
    persian = Item(paper(8, "شبکه‌های GNN برای تشخیص"), Kind.NEW, (), (1,))
    page = tree(decoded(german((*SAMPLE, long, persian)).html))
    assert (page.get("lang"), page.find("body")[0].get("lang")) == ("de", "de")
    titles = page.xpath("//h3 | //td[@class='line']/a")
    assert {title.get("lang") for title in titles if title.get("dir") is None} == {"en"}
    assert [title.get("lang") for title in titles if title.get("dir") == "rtl"] == [None]
    assert {abstract.get("lang") for abstract in page.xpath("//p[@class='abstract']")} == {"en"}
    (more,) = page.xpath("//p[@class='abstract']/a")
    assert (more.text, more.get("lang")) == ("Weiterlesen in 0001.00009v1", "de")
    (thanks,) = page.xpath("//span[@lang='en']")
    assert thanks.text == THANKS
    spoken = {element.get("lang") for element in tree(decoded(mail(make_environment(), SAMPLE).html)).iter()}
    assert spoken == {"en", None}


def letters(body: Body) -> set[str]:
    """All words of a mail but for those of addresses."""
    shown = f"{body.subject} {tree(decoded(body.html)).find('body').text_content()} {decoded(body.text)}"
    return set(re.findall(r"[^\W\d_]{2,}", re.sub(r"https://\S+|\S+@\S+", "", shown.replace(THANKS, ""))))


@pytest.mark.parametrize("number", [1, 600])
def test_no_word_of_ours_is_said_in_english(number: int) -> None:
    """What stands in mails of both languages alike was never translated; of papers there are digits alone."""
    some: dict[str, Any] = {"authors": ("1", "2", "3", "4", "5", "6", "7"), "categories": ("3",), "comment": "4"}
    items = [
        Item(paper(10 * place + row, f"{place}", abstract="5. " * 600, version=row, **some), kind, changes, (1, 2))
        for place in range(number)
        for row, (kind, changes) in enumerate(
            [
                (Kind.NEW, ()),
                (Kind.REVISED, ("title", "abstract", "authors", "categories", "text")),
                (Kind.REVISED, ("comment",)),
                (Kind.WITHDRAWN, ()),
            ],
            1,
        )
    ]
    remarks = tuple(Remark(kind, DAY, DAY, (1,)) for kind in RemarkKind)
    english, translated = (
        letters(
            mail(
                make_environment(None, language),
                items,
                {1: "7", 2: "8"},
                Brand("9", "10", language, WEB),
                remarks,
                welcome=True,
            )
        )
        for language in ("en", "de")
    )
    assert english & translated <= {"arXiv", "PDF", "Version", "Abstract", "Feb", "in", "an", "was"}
    assert len(english) > 60


# ---------------------------------------------------------------- single mails


@pytest.fixture
def notices(tmp_path: Path) -> Notices:
    """Of a German newsletter, with a template of its own."""
    (tmp_path / "hello").mkdir()
    (tmp_path / "hello" / "subject.txt").write_text('{{ _("Unsubscribe") }}', encoding="utf-8")
    (tmp_path / "hello" / "body.txt").write_text('{{ "2025-02-28"|day|long_date }}', encoding="utf-8")
    return Notices(tmp_path, "de")


@pytest.mark.parametrize(
    ("language", "subject", "body"),
    [
        ("", "Abbestellen", b"Freitag, 28. Februar 2025\r\n"),
        ("de", "Abbestellen", b"Freitag, 28. Februar 2025\r\n"),
        ("en", "Unsubscribe", b"Friday, 28 February 2025\r\n"),
        ("tlh", "Abbestellen", b"Freitag, 28. Februar 2025\r\n"),
    ],
)
def test_a_single_mail_is_in_its_language(notices: Notices, language: str, subject: str, body: bytes) -> None:
    assert notices.render("hello", {}, language) == (subject, body)


def test_operators_are_written_to_in_english(notices: Notices) -> None:
    values = {"newsletter": "Daily Papers", "illness": "archive", "well": True, "since": "2025-02-28"}
    values |= {"at": "07:00", "zone": "UTC", "kind": "", "opens": "", "closes": "", "folder": ""}
    subject, body = notices.render("operator", values, "de")
    assert (subject, b"Friday, 28 February 2025" in body) == ("Daily Papers: works again: archive", True)


@pytest.mark.parametrize(
    ("single", "payload"),
    [
        (Single("hello", {"a": 1}), '{"template": "hello", "values": {"a": 1}}'),
        (Single("hello", {}, "a@example.org"), '{"template": "hello", "values": {}, "to": "a@example.org"}'),
        (Single("hello", {}, language="de"), '{"template": "hello", "values": {}, "language": "de"}'),
        (Single("hello", {}, even_suppressed=True), '{"template": "hello", "values": {}, "even_suppressed": true}'),
    ],
)
def test_payloads(single: Single, payload: str) -> None:
    """Those of older programs, which had neither of the last two, are read as they were meant."""
    assert single.payload == payload
    assert to_single(payload) == single


def test_what_was_forgotten_is_empty() -> None:
    assert to_single(None) == Single("", {})


# ---------------------------------------------------------------- at sending time


@pytest.mark.parametrize(("language", "loaded"), [("en", False), ("de", True)])
def test_english_needs_no_babel(language: str, loaded: bool) -> None:
    program = (
        "import sys, newsletter.app\n"
        "from newsletter.rendering.words import words_of\n"
        f"words_of({language!r}).counts({{}})\n"
        "print(any(name.partition('.')[0] == 'babel' for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(loaded)

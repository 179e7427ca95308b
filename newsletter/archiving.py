"""The archive of all editions: what is announced becomes a README and a page for each, in one commit."""

from datetime import date, timedelta
from pathlib import PurePosixPath

from newsletter.app import App
from newsletter.archive import Outcome
from newsletter.journal import ARCHIVE, Journal
from newsletter.model import Announcement
from newsletter.rendering.readme import (
    README,
    EditionPage,
    EditionSection,
    Section,
    only_date_differs,
    render_archive,
    render_edition,
)

_PAGES_CHECKED = 10  # newest edition pages that are written again, lest one was written and never committed


def archive(app: App) -> Outcome:
    """Write README and edition pages and commit them, if more than the date changed. Raises `ArchiveError`."""
    with Journal(app, ARCHIVE):
        return _archive(app)


def _archive(app: App) -> Outcome:
    config = app.config
    repository = app.archive
    pages: dict[PurePosixPath, str] = {}
    sections = [
        Section(topic.name, tuple(app.storage.papers.newest(topic.id, config.archive.max_papers)))
        for topic in app.storage.topics.operators()
    ]
    dates = app.storage.editions.dates()
    for number, day in enumerate(reversed(dates)):
        page = EditionPage(day, ())
        if number < _PAGES_CHECKED or repository.read(page.path) is None:
            page = _edition_page(app, day)
            if page.sections:  # an edition may announce something under readers' own queries alone
                pages[page.path] = render_edition(config.newsletter.name, page)
    day = dates[-1] if dates else app.today()
    pages |= render_archive(repository.read(README), config.newsletter.name, day, sections, config.archive.max_papers)
    return repository.keep(pages, f"Papers of {day}", only_date_differs)


def _edition_page(app: App, day: date) -> EditionPage:
    by_topic: dict[int, list[Announcement]] = {}
    for announcement in app.storage.editions.of(day):
        by_topic.setdefault(announcement.topic_id, []).append(announcement)
    names = {topic.id: topic.name for topic in app.storage.topics.all() if not topic.personal}
    sections = (EditionSection(name, tuple(by_topic[topic])) for topic, name in names.items() if topic in by_topic)
    remarked = app.storage.editions.remarks(day - timedelta(days=1), day)
    return EditionPage(day, tuple(sections), remarked.get(day, ()), names)

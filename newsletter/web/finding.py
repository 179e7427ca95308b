"""What pages and feeds that search have in common: how long that may take, and what of a paper answered."""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from newsletter.model import Announcement
from newsletter.query import Node
from newsletter.rendering.cards import Card
from newsletter.rendering.fragments import Form
from newsletter.selection import brief_words
from newsletter.storage.matching import Matcher
from newsletter.web.pages import front, looking

_PATIENCE = 2.0  # seconds; some queries of thousands of characters would take minutes


@dataclass(frozen=True, slots=True)
class Hit:
    """A paper that was found: its card, the edition it stands in, its title in pieces, each marked or not, and what
    else of it was asked for."""

    card: Card
    edition: date | None
    title: tuple[tuple[str, bool], ...]
    words: tuple[str, ...]


def patience() -> Callable[[], bool]:
    """Tells whether it takes too long, counted from now."""
    monotonic = front().pool.outside.monotonic
    end = monotonic() + _PATIENCE
    return lambda: monotonic() > end


def hits(places: Sequence[int], tree: Node) -> list[Hit]:
    """What stands in some places, with what of it answers a query."""
    announcements = looking().storage.search.announcements(places)
    with closing(Matcher([announcement.paper for announcement in announcements])) as matcher:
        return [_hit(told, matcher, number, tree) for number, told in enumerate(announcements)]


def _hit(told: Announcement, matcher: Matcher, number: int, tree: Node) -> Hit:
    card = Card(told.paper, told.kind, told.changes, Form.BRIEF)
    marks = matcher.marked(number, tree)
    whole = "".join(piece for piece, _ in marks.title)
    # A title that is cut in a card, or is none, is shown as the card has it.
    title = marks.title if whole == card.title else ((card.title, False),)
    others = [word for word in marks.words if (word, True) not in title]
    return Hit(card, told.edition, title, brief_words(others))

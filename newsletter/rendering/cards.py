"""Cards and frame, made once an edition from the templates, so that sending only joins.

The templates ``digest/body.html`` and ``digest/body.txt`` are whole mails, with a ``{{ cut }}`` before each piece but
the first: opening, remark, section, any number of cards, also, closing. They are rendered with many cards at once,
inlined as a page, and cut.
"""

import itertools
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from newsletter.errors import TemplateError
from newsletter.model import Announcement, Item, Kind, Paper
from newsletter.rendering.digest import Brand
from newsletter.rendering.environment import render
from newsletter.rendering.fragments import Fragment, Slot, card_name, encode, printable
from newsletter.rendering.inlining import inline
from newsletter.text import readable

__all__ = ["FRAME", "Brand", "Fragment", "card_name", "make_cards", "make_frame"]

#: The fragments of the frame, by name.
FRAME = ("frame/subject", "frame/opening", "frame/remark", "frame/section", "frame/also", "frame/closing")

_BEFORE, _BEHIND = 3, 2  # the pieces before the cards, and behind them
_PAGE = 500  # cards inlined at once: enough to make the frame's share small, and memory stays small
_NOBODY = Brand("")  # a card does not show whose newsletter it is in
_SLOTS = ("newsletter", "postal", "date", "summary", "remark", "topic", "count", "also", "email", "unsubscribe")


@dataclass(frozen=True, slots=True)
class Card:
    """What the templates know of a paper: itself, what is announced of it, and what a revision changed.

    A new `comment` stands beside what else changed, and is not told again.
    """

    paper: Paper
    kind: Kind
    changes: tuple[str, ...] = ()
    brief: bool = False

    @property
    def comment(self) -> str:
        """The comment, if it is what changed; empty if it did not, and if it is gone."""
        return self.paper.comment if "comment" in self.changes and printable(readable(self.paper.comment)) else ""

    @property
    def changed(self) -> tuple[str, ...]:
        """What changed, but for a comment that is told."""
        return tuple(name for name in self.changes if name != "comment" or not self.comment)


def make_cards(environment: jinja2.Environment, items: Iterable[Announcement | Item]) -> Iterator[Fragment]:
    """Make the card of each paper as it is announced, ready for the wire.

    Raises:
        TemplateError: a template is missing or broken.

    """
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, _PAGE)):
        cards = [Card(item.paper, item.kind, item.changes, item.brief) for item in batch]
        html = _pieces(environment, "digest/body.html", cards)[_BEFORE:-_BEHIND]
        text = _pieces(environment, "digest/body.txt", cards)[_BEFORE:-_BEHIND]
        for item, *parts in zip(batch, html, text, strict=True):
            yield Fragment(card_name(item), *map(encode, parts))


def make_frame(environment: jinja2.Environment, brand: Brand) -> tuple[Fragment, ...]:
    """Make what stands around the cards; inlined, with slots where the values of a digest or a reader go.

    Raises:
        TemplateError: a template is missing or broken.

    """
    html = _pieces(environment, "digest/body.html", (), brand)
    text = _pieces(environment, "digest/body.txt", (), brand)
    subject = render(environment, "digest/subject.txt", **_slots(brand))
    pieces = zip(FRAME[1:], html, text, strict=True)
    return (
        Fragment(FRAME[0], b"", subject.strip().encode()),
        *(Fragment(name, *(part.encode() for part in parts)) for name, *parts in pieces),
    )


def _pieces(environment: jinja2.Environment, name: str, cards: Sequence[Card], brand: Brand = _NOBODY) -> list[str]:
    """Render a whole mail, inline it, and cut it; nothing arXiv sends can guess the mark it is cut at."""
    cut = Markup(f"<!-- {secrets.token_hex(16)} -->")  # noqa: S704 - hexadecimal digits
    page = render(environment, name, cards=cards, cut=cut, **_slots(brand))
    # One that is not whole is refused below, whatever premailer would make of it.
    if name.endswith(".html") and page.count(cut) == len(cards) + _BEFORE + _BEHIND - 1:
        page = inline(page)
    pieces = page.replace(f"{cut}\n", cut).split(cut)
    if len(pieces) != len(cards) + _BEFORE + _BEHIND:
        path = environment.get_template(name).filename
        names = "remark, section, card, also, closing"
        raise TemplateError(f"{path}: {{{{ cut }}}} must stand once before each piece: {names}")
    return pieces


def _slots(brand: Brand) -> dict[str, str]:
    """The values a template gets that are not known yet, as slots; the language, and no postal address, are known."""
    slots = {name: Slot(name).token for name in _SLOTS}
    return slots | {"language": brand.language, "postal": brand.postal_address and slots["postal"]}

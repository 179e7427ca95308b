"""Cards and frame, made once an edition from the templates, so that sending only joins.

The templates ``digest/body.html`` and ``digest/body.txt`` are whole mails, with a ``{{ cut }}`` before each piece but
the first: opening, section, any number of cards, also, closing. They are rendered with many cards at once, inlined as a
page, and cut.
"""

import itertools
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import jinja2
from markupsafe import Markup

from newsletter.errors import TemplateError
from newsletter.model import Kind, Paper
from newsletter.rendering.digest import Brand
from newsletter.rendering.environment import render
from newsletter.rendering.fragments import Fragment, Slot, card_name, encode
from newsletter.rendering.inlining import inline

__all__ = ["FRAME", "Brand", "Fragment", "card_name", "make_cards", "make_frame"]

#: The fragments of the frame, by name.
FRAME = ("frame/subject", "frame/opening", "frame/section", "frame/also", "frame/closing")

_PAGE = 500  # cards inlined at once: enough to make the frame's share small, and memory stays small
_NOBODY = Brand("")  # a card does not show whose newsletter it is in
_SLOTS = ("newsletter", "postal", "date", "summary", "topic", "count", "also", "email", "unsubscribe")
#: What a revision changed: such as title, abstract.
Changes = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """What the templates know of a paper: itself, what is announced of it, and what a revision changed."""

    paper: Paper
    kind: Kind
    changes: Changes


def make_cards(environment: jinja2.Environment, items: Iterable[tuple[Paper, Kind, Changes]]) -> Iterator[Fragment]:
    """Make the card of each paper under each kind, ready for the wire.

    Raises:
        TemplateError: a template is missing or broken.

    """
    remaining = iter(items)
    while batch := [Card(*item) for item in itertools.islice(remaining, _PAGE)]:
        _, _, *html, _, _ = _pieces(environment, "digest/body.html", batch)
        _, _, *text, _, _ = _pieces(environment, "digest/body.txt", batch)
        for card, *parts in zip(batch, html, text, strict=True):
            yield Fragment(card_name(card.paper, card.kind), *map(encode, parts))


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
    if name.endswith(".html") and page.count(cut) == len(cards) + 3:
        page = inline(page)
    pieces = page.replace(f"{cut}\n", cut).split(cut)
    if len(pieces) != len(cards) + 4:
        path = environment.get_template(name).filename
        raise TemplateError(f"{path}: {{{{ cut }}}} must stand once before each piece: section, card, also, closing")
    return pieces


def _slots(brand: Brand) -> dict[str, str]:
    """The values a template gets that are not known yet, as slots; the language, and no postal address, are known."""
    slots = {name: Slot(name).token for name in _SLOTS}
    return slots | {"language": brand.language, "postal": brand.postal_address and slots["postal"]}

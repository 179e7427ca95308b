"""The pieces of mail in one language: those that publishing stored, and those that are made on the spot."""

from collections.abc import Collection, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from newsletter.model import Announcement, Item, Kind
from newsletter.rendering.digest import Brand
from newsletter.rendering.fragments import Form, Fragment, card_name, forms_of
from newsletter.storage.fragments import Fragments

if TYPE_CHECKING:
    import jinja2

_KEPT_CARDS = 2_500
_KEPT_SIZES = 100_000

_Told = tuple[tuple[str, int], Kind, bool]


def _told(item: Announcement | Item) -> _Told:
    """What all items have in common that share their cards."""
    return item.paper.key, item.kind, item.minor


class Stock:
    """What `rendering.digest.Stock` is, in the language of `brand`.

    Pieces come from `fragments`, where publishing put them; one that is missing is made, and all of them if there is no
    such place. `templates` is an operator's folder of them.
    """

    def __init__(self, brand: Brand, templates: Path | None, fragments: Fragments | None) -> None:
        self._brand, self._templates, self._fragments = brand, templates, fragments
        self._frame: dict[str, Fragment] = {}
        self._cards: dict[str, Fragment] = {}
        self._sizes: dict[_Told, Sequence[int]] = {}  # of the HTML of cards, whether they are held or not

    def make(self, announcements: Iterable[Announcement]) -> list[Fragment]:
        """Make the pieces of an edition from the templates as they are now. Raises `TemplateError`."""
        cards = {_told(announcement): announcement for announcement in announcements}
        return [*self._make_frame(), *self._make_cards(cards.values())]

    def frame(self, name: str) -> Fragment:
        """A piece of the frame. Raises `TemplateError` if it has to be made and cannot be."""
        if name not in self._frame:
            found = self._stored(name)
            made = self._make_frame() if found is None else (found,)
            self._frame |= {fragment.name: fragment for fragment in made}
        return self._frame[name]

    def card(self, item: Item, form: Form) -> Fragment:
        """The card of a paper in one of its forms. Raises `TemplateError` if it has to be made and cannot be."""
        name = card_name(item, form)
        if name not in self._cards:
            found = self._stored(name)
            if found is None:
                self._hold(self._make_cards([item]), {})
            else:
                self._cards[name] = found
        return self._cards[name]

    def sizes(self, item: Item) -> Sequence[int]:
        """How many bytes of HTML a paper's card has in each of its forms; it must have been measured."""
        return self._sizes[_told(item)]

    def measure(self, items: Sequence[Item]) -> None:
        """See to it that the sizes of these papers' cards are known; cards that are not stored are made."""
        if len(self._cards) > _KEPT_CARDS or len(self._sizes) > _KEPT_SIZES:
            self._cards, self._sizes = {}, {}
        unknown = {_told(item): item for item in items if _told(item) not in self._sizes}
        names = {card_name(item, form): told for told, item in unknown.items() for form in forms_of(item)}
        found = self._fragments.sizes(names, self._brand.language) if self._fragments else {}
        lost = {told for name, told in names.items() if name not in found}
        self._hold(self._make_cards([unknown[told] for told in sorted(lost)]), found)
        for told, item in unknown.items():
            self._sizes[told] = tuple(found[card_name(item, form)] for form in forms_of(item))

    def forget(self) -> None:
        """Read again what is stored, when it is wanted next."""
        self._frame, self._cards, self._sizes = {}, {}, {}

    def _stored(self, name: str) -> Fragment | None:
        found = self._fragments.get(name, self._brand.language) if self._fragments else None
        return None if found is None else Fragment(*found)

    def _hold(self, cards: Iterable[Fragment], sizes: dict[str, int]) -> None:
        for card in cards:
            self._cards[card.name], sizes[card.name] = card, len(card.html)

    # Jinja, premailer and lxml are heavy, and a sender whose cards are stored never needs them.

    @cached_property
    def _environment(self) -> "jinja2.Environment":
        from newsletter.rendering.environment import make_environment

        return make_environment(self._templates, self._brand.language)

    def _make_cards(self, items: Collection[Announcement | Item]) -> list[Fragment]:
        if not items:
            return []
        from newsletter.rendering.cards import make_cards

        return list(make_cards(self._environment, items))

    def _make_frame(self) -> tuple[Fragment, ...]:
        from newsletter.rendering.cards import make_frame

        return make_frame(self._environment, self._brand)

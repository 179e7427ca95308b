"""From a reader's digest to the bytes of their mail: fragments found or made, joined, and put under headers."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

import jinja2

from newsletter.addresses import mailto
from newsletter.mail.message import Address, Letterhead, compose
from newsletter.mail.tokens import make_token
from newsletter.model import Announcement, Digest, Item, Kind, Topic
from newsletter.rendering.digest import Assembler, Body, Brand, Links, Shared
from newsletter.rendering.environment import make_environment
from newsletter.rendering.fragments import Form, Fragment, card_name, forms_of
from newsletter.storage import Storage

_KEPT_CARDS = 5_000
_KEPT_SIZES = 100_000
_LARGEST_NUMBER = (1 << 63) - 1  # SQLite's
_LONGEST_ADDRESS = "&" * 254  # characters (RFC 5321, erratum 1690), each of those that take the most room
_KEPT_BYTES = 32 * 2**20  # of joined mails that readers share


_Told = tuple[tuple[str, int], Kind, bool]


def _told(item: Announcement | Item) -> _Told:
    """What all items have in common that share their cards."""
    return item.paper.key, item.kind, item.minor


class Composer:
    """Makes mails. Cards come from storage, where publishing put them; one that is missing is made on the spot, and all
    of them if `stored` is false.

    Without a page of ours one leaves by mail. `key` makes the tokens in the links.
    """

    def __init__(
        self,
        storage: Storage,
        brand: Brand,
        letterhead: Letterhead,
        *,
        key: bytes,
        templates: Path | None,
        clock: Callable[[], datetime],
        stored: bool = True,
    ) -> None:
        self._storage, self._brand, self._letterhead = storage, brand, letterhead
        self._key, self._templates, self._clock, self._stored = key, templates, clock, stored
        self._frame: dict[str, Fragment] = {}
        self._cards: dict[str, Fragment] = {}
        self._sizes: dict[_Told, Sequence[int]] = {}  # of the HTML of cards, whether they are held or not
        self._shared: OrderedDict[tuple[int, tuple[str, ...]], tuple[Digest, Shared]] = OrderedDict()
        self._kept_bytes = 0

    def prepare(self, announcements: Iterable[Announcement]) -> list[Fragment]:
        """Make the fragments of an edition from the templates as they are now. Raises `TemplateError`."""
        told = (announcement for announcement in announcements if announcement.kind is not Kind.PASSED_OVER)
        cards = {_told(announcement): announcement for announcement in told}
        return [*self._make_frame(), *self._make_cards(cards.values())]

    def store(self, fragments: Iterable[Fragment], edition: date) -> None:
        """Keep an edition's fragments for the sender; inside a write transaction."""
        ready = [(fragment.name, fragment.html, fragment.text) for fragment in fragments]
        self._storage.fragments.put(ready, self._brand.language, edition)

    def body(self, digest: Digest, topics: Mapping[int, Topic], subscriber_id: int, email: str) -> Body:
        """Subject and both parts of one reader's mail; `topics` are theirs in order, by id."""
        return self._shared_mail(digest, topics).body(Links(self.unsubscribe_uris(subscriber_id)[0], email))

    def message(
        self, digest: Digest, topics: Mapping[int, Topic], subscriber_id: int, email: str, message_id: str
    ) -> bytes:
        """One reader's mail, ready for the wire."""
        uris = self.unsubscribe_uris(subscriber_id)
        body = self._shared_mail(digest, topics).body(Links(uris[0], email))
        address = Address(email, message_id, self._clock(), uris, digest.upto)
        return compose(self._letterhead, address, body.subject, body.text, body.html)

    def unsubscribe_uris(self, subscriber_id: int) -> tuple[str, ...]:
        """How this reader leaves, the best way first; the token in it does nothing else."""
        token = make_token(self._key, "unsubscribe", subscriber_id)
        by_mail = mailto(self._letterhead.sender_address, f"unsubscribe {token}")
        on_the_web = self._brand.places.unsubscribe(token)
        return (on_the_web, by_mail) if on_the_web else (by_mail,)

    # What `rendering.digest.Stock` is.

    def frame(self, name: str) -> Fragment:
        """A piece of the frame. Raises `TemplateError` if it has to be made and cannot be."""
        if name not in self._frame:
            found = self._storage.fragments.get(name, self._brand.language) if self._stored else None
            made = self._make_frame() if found is None else (Fragment(*found),)
            self._frame |= {fragment.name: fragment for fragment in made}
        return self._frame[name]

    def card(self, item: Item, form: Form) -> Fragment:
        """The card of a paper in one of its forms. Raises `TemplateError` if it has to be made and cannot be."""
        name = card_name(item, form)
        if name not in self._cards:
            found = self._storage.fragments.get(name, self._brand.language) if self._stored else None
            if found is None:
                self._hold(self._make_cards([item]), {})
            else:
                self._cards[name] = Fragment(*found)
        return self._cards[name]

    def sizes(self, item: Item) -> Sequence[int]:
        """How many bytes of HTML a paper's card has in each of its forms."""
        return self._sizes[_told(item)]

    def forget(self) -> None:
        """Read again what is stored, when it is wanted next: another process may have made it anew."""
        self._frame, self._cards, self._sizes = {}, {}, {}
        self._shared.clear()
        self._kept_bytes = 0
        self.__dict__.pop("_assembler", None)

    def _shared_mail(self, digest: Digest, topics: Mapping[int, Topic]) -> Shared:
        key = (id(digest), tuple(topic.label for topic in topics.values()))
        if key not in self._shared:
            self._measure(digest.items)
            # The digest is kept along, lest another one get its id.
            self._shared[key] = digest, self._assembler.shared(digest, topics)
            self._kept_bytes += self._shared[key][1].size
            while self._kept_bytes > _KEPT_BYTES and len(self._shared) > 1:
                _, (_, dropped) = self._shared.popitem(last=False)
                self._kept_bytes -= dropped.size
        return self._shared[key][1]

    @cached_property
    def _assembler(self) -> Assembler:
        longest = Links(self.unsubscribe_uris(_LARGEST_NUMBER)[0], _LONGEST_ADDRESS)
        return Assembler(self._brand, self, longest)

    @cached_property
    def _environment(self) -> jinja2.Environment:
        return make_environment(self._templates, self._brand.language)

    def _measure(self, items: Sequence[Item]) -> None:
        """See to it that the sizes of these papers' cards are known; cards that are not stored are made."""
        if len(self._cards) > _KEPT_CARDS or len(self._sizes) > _KEPT_SIZES:
            self._cards, self._sizes = {}, {}
        unknown = {_told(item): item for item in items if _told(item) not in self._sizes}
        names = {card_name(item, form): told for told, item in unknown.items() for form in forms_of(item)}
        found = self._storage.fragments.sizes(names, self._brand.language) if self._stored else {}
        lost = {told for name, told in names.items() if name not in found}
        self._hold(self._make_cards([unknown[told] for told in sorted(lost)]), found)
        for told, item in unknown.items():
            self._sizes[told] = tuple(found[card_name(item, form)] for form in forms_of(item))

    def _hold(self, cards: Iterable[Fragment], sizes: dict[str, int]) -> None:
        for card in cards:
            self._cards[card.name], sizes[card.name] = card, len(card.html)

    # premailer and lxml are heavy, and a sender whose cards are stored never needs them.

    def _make_cards(self, items: Collection[Announcement | Item]) -> list[Fragment]:
        if not items:
            return []
        from newsletter.rendering.cards import make_cards

        return list(make_cards(self._environment, items))

    def _make_frame(self) -> tuple[Fragment, ...]:
        from newsletter.rendering.cards import make_frame

        return make_frame(self._environment, self._brand)

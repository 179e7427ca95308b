"""From a reader's digest to the bytes of their mail: fragments found or made, joined, and put under headers."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import jinja2

from newsletter.errors import TemplateError
from newsletter.mail.message import Address, Letterhead, compose
from newsletter.mail.tokens import make_token
from newsletter.model import Announcement, Digest, Item, Kind
from newsletter.rendering.digest import Assembler, Body, Brand, Links, Shared
from newsletter.rendering.environment import make_environment
from newsletter.rendering.fragments import Fragment, card_name
from newsletter.storage import Storage

_KEPT_CARDS = 5_000
_KEPT_BYTES = 32 * 2**20  # of joined mails that readers share


class Composer:
    """Makes mails. Cards come from storage, where publishing put them; one that is missing is made on the spot.

    `base_url` decides the https links; without it one leaves by mail. `key` makes the tokens in them.
    """

    def __init__(
        self,
        storage: Storage,
        brand: Brand,
        letterhead: Letterhead,
        *,
        base_url: str,
        key: bytes,
        templates: Path | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._storage, self._brand, self._letterhead = storage, brand, letterhead
        self._base_url, self._key, self._templates, self._clock = base_url, key, templates, clock
        self._fragments: dict[str, Fragment] = {}
        self._shared: OrderedDict[tuple[int, tuple[str, ...]], tuple[Digest, Shared]] = OrderedDict()
        self._kept_bytes = 0

    def prepare(self, announcements: Iterable[Announcement]) -> list[Fragment]:
        """Make the fragments of an edition from the templates as they are now. Raises `TemplateError`."""
        told = (announcement for announcement in announcements if announcement.kind is not Kind.PASSED_OVER)
        cards = {card_name(announcement): announcement for announcement in told}
        return [*self._make_frame(), *self._make_cards(cards.values())]

    def store(self, fragments: Iterable[Fragment], edition: date) -> None:
        """Keep an edition's fragments for the sender; inside a write transaction."""
        ready = [(fragment.name, fragment.html, fragment.text) for fragment in fragments]
        self._storage.fragments.put(ready, self._brand.language, edition)

    def body(self, digest: Digest, names: Mapping[int, str], subscriber_id: int, email: str) -> Body:
        """Subject and both parts of one reader's mail; `names` are their topics in order, by id."""
        return self._shared_mail(digest, names).body(Links(self.unsubscribe_uris(subscriber_id)[0], email))

    def message(
        self, digest: Digest, names: Mapping[int, str], subscriber_id: int, email: str, message_id: str
    ) -> bytes:
        """One reader's mail, ready for the wire."""
        uris = self.unsubscribe_uris(subscriber_id)
        body = self._shared_mail(digest, names).body(Links(uris[0], email))
        address = Address(email, message_id, self._clock(), uris)
        return compose(self._letterhead, address, body.subject, body.text, body.html)

    def unsubscribe_uris(self, subscriber_id: int) -> tuple[str, ...]:
        """How this reader leaves, the best way first; the token in it does nothing else."""
        token = make_token(self._key, "unsubscribe", subscriber_id)
        by_mail = f"mailto:{quote(self._letterhead.sender_address, safe='@+')}?subject=unsubscribe%20{token}"
        return (f"{self._base_url}/u/{token}", by_mail) if self._base_url else (by_mail,)

    def _shared_mail(self, digest: Digest, names: Mapping[int, str]) -> Shared:
        key = (id(digest), tuple(names.values()))
        if key not in self._shared:
            self._find_cards(digest.items)
            # The digest is kept along, lest another one get its id.
            self._shared[key] = digest, self._assembler.shared(digest, names)
            self._kept_bytes += self._shared[key][1].size
            while self._kept_bytes > _KEPT_BYTES and len(self._shared) > 1:
                _, (_, dropped) = self._shared.popitem(last=False)
                self._kept_bytes -= dropped.size
        return self._shared[key][1]

    @cached_property
    def _assembler(self) -> Assembler:
        return Assembler(self._brand, self._fragment)

    @cached_property
    def _environment(self) -> jinja2.Environment:
        return make_environment(self._templates, self._brand.language)

    def _fragment(self, name: str) -> Fragment:
        if name not in self._fragments:
            found = self._storage.fragments.get([name], self._brand.language).get(name)
            if found is not None:
                self._fragments[name] = Fragment(*found)
            elif name.startswith("frame/"):
                self._fragments.update((fragment.name, fragment) for fragment in self._make_frame())
        try:
            return self._fragments[name]
        except KeyError:
            raise TemplateError(f"there is no fragment {name}") from None

    def _find_cards(self, items: Iterable[Item]) -> None:
        if len(self._fragments) > _KEPT_CARDS:
            self._fragments = {name: found for name, found in self._fragments.items() if name.startswith("frame/")}
        wanted = {card_name(item): item for item in items}
        missing = wanted.keys() - self._fragments.keys()
        for stored in self._storage.fragments.get(missing, self._brand.language).values():
            self._fragments[stored.name] = Fragment(*stored)
        lost = [wanted[name] for name in sorted(missing - self._fragments.keys())]
        for fragment in self._make_cards(lost):
            self._fragments[fragment.name] = fragment

    # premailer and lxml are heavy, and a sender whose cards are stored never needs them.

    def _make_cards(self, items: Collection[Announcement | Item]) -> list[Fragment]:
        if not items:
            return []
        from newsletter.rendering.cards import make_cards

        return list(make_cards(self._environment, items))

    def _make_frame(self) -> tuple[Fragment, ...]:
        from newsletter.rendering.cards import make_frame

        return make_frame(self._environment, self._brand)

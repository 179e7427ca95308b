"""From a reader's digest to the bytes of their mail: pieces found or made, joined, and put under headers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path

from newsletter.addresses import mailto
from newsletter.composition.printing import Print
from newsletter.composition.shelf import Shelf
from newsletter.composition.stock import Stock
from newsletter.mail.draft import Draft
from newsletter.mail.message import Address, Letterhead
from newsletter.mail.tokens import Keyring
from newsletter.model import Announcement, Detail, Digest, Format, Kind, Look, Topic
from newsletter.rendering.digest import Assembler, Body, Brand, Links
from newsletter.rendering.fragments import Fragment
from newsletter.rendering.words import LANGUAGES
from newsletter.storage import Storage

_LARGEST_NUMBER = (1 << 63) - 1  # SQLite's
_LONGEST_ADDRESS = "&" * 254  # characters (RFC 5321, erratum 1690), each of those that take the most room
_OURS = Look()


class Composer:
    """Makes mails. Cards come from storage, where publishing put them; one that is missing is made on the spot, and all
    of them if `stored` is false.

    Without a page of ours one leaves by mail. `keyring` makes the tokens in the links.
    """

    def __init__(
        self,
        storage: Storage,
        brand: Brand,
        letterhead: Letterhead,
        *,
        keyring: Keyring,
        templates: Path | None,
        clock: Callable[[], datetime],
        stored: bool = True,
    ) -> None:
        self._storage, self._brand, self._letterhead = storage, brand, letterhead
        self._keyring, self._templates, self._clock, self._stored = keyring, templates, clock, stored
        self._stocks: dict[str, Stock] = {}  # by language
        self._assemblers: dict[tuple[str, Detail], Assembler] = {}
        self._shelf = Shelf()

    def prepare(
        self, announcements: Iterable[Announcement], languages: Iterable[str] = ()
    ) -> dict[str, list[Fragment]]:
        """Make the pieces of an edition from the templates as they are now, by language: the newsletter's, and those of
        `languages` that there are. Raises `TemplateError`."""
        told = [announcement for announcement in announcements if announcement.kind is not Kind.PASSED_OVER]
        wanted = dict.fromkeys((self._brand.language, *map(self._language, languages)))
        return {language: self._stock(language).make(told) for language in wanted}

    def store(self, fragments: Mapping[str, Iterable[Fragment]], edition: date) -> None:
        """Keep an edition's pieces for the sender; inside a write transaction."""
        for language, made in fragments.items():
            ready = [(fragment.name, fragment.html, fragment.text) for fragment in made]
            self._storage.fragments.put(ready, language, edition)

    def body(
        self,
        digest: Digest,
        topics: Mapping[int, Topic],
        subscriber_id: int,
        email: str,
        look: Look = _OURS,
        *,
        welcome: bool = False,
    ) -> Body:
        """Subject and parts of one reader's mail; `topics` are theirs in order, by id. Of a mail of text alone the HTML
        is empty."""
        shared = self._print(digest, topics, look, welcome=welcome).shared
        return shared.body(Links(self.unsubscribe_uris(subscriber_id)[0], email), html=look.format is Format.HTML)

    def message(
        self,
        digest: Digest,
        topics: Mapping[int, Topic],
        subscriber_id: int,
        email: str,
        message_id: str,
        look: Look = _OURS,
        *,
        welcome: bool = False,
    ) -> Draft:
        """One reader's mail, ready to be signed; with `welcome` it greets somebody who has just subscribed."""
        uris = self.unsubscribe_uris(subscriber_id)
        address = Address(email, message_id, self._clock(), uris)
        found = self._print(digest, topics, look, welcome=welcome)
        return found.to(address, Links(uris[0], email), html=look.format is Format.HTML)

    def unsubscribe_uris(self, subscriber_id: int) -> tuple[str, ...]:
        """How this reader leaves, the best way first; the token in it does nothing else."""
        token = self._keyring.make("unsubscribe", subscriber_id)
        by_mail, on_the_web = f"{self._leave_by_mail}{token}", self._brand.places.unsubscribe(token)
        return (on_the_web, by_mail) if on_the_web else (by_mail,)

    @cached_property
    def _leave_by_mail(self) -> str:
        """An address that only lacks the token, which needs no encoding."""
        return mailto(self._letterhead.leave or self._letterhead.sender_address, "unsubscribe ")

    def forget(self) -> None:
        """Read again what is stored, when it is wanted next: another process may have made it anew."""
        for stock in self._stocks.values():
            stock.forget()
        self._assemblers = {}
        self._shelf = Shelf()

    def _print(self, digest: Digest, topics: Mapping[int, Topic], look: Look, *, welcome: bool) -> Print:
        language, detail = self._language(look.language), look.detail
        key = id(digest), language, detail, welcome
        found = self._shelf.get(key, topics)
        if found is None:
            self._stock(language).measure(digest.items)
            shared = self._assembler(language, detail).shared(digest, topics, welcome=welcome)
            found = Print(shared, self._letterhead, digest.upto)
            self._shelf.put(key, digest, topics, found)
        return found

    def _language(self, chosen: str) -> str:
        """The language of a choice; the newsletter's where none was made, and where the one chosen is no more."""
        return chosen if chosen in LANGUAGES else self._brand.language

    def _stock(self, language: str) -> Stock:
        if language not in self._stocks:
            fragments = self._storage.fragments if self._stored else None
            self._stocks[language] = Stock(replace(self._brand, language=language), self._templates, fragments)
        return self._stocks[language]

    def _assembler(self, language: str, detail: Detail) -> Assembler:
        if (language, detail) not in self._assemblers:
            longest = Links(self.unsubscribe_uris(_LARGEST_NUMBER)[0], _LONGEST_ADDRESS)
            brand = replace(self._brand, language=language)
            self._assemblers[language, detail] = Assembler(brand, self._stock(language), longest, detail)
        return self._assemblers[language, detail]

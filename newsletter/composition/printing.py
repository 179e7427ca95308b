"""What many readers get alike, ready for each one's own lines."""

from collections.abc import Sequence
from datetime import date
from functools import cached_property

from newsletter.mail.draft import Draft
from newsletter.mail.message import Address, Letter, Letterhead, make_letter
from newsletter.rendering.digest import Links, Shared


class Print:
    """The mail of a digest but for a reader's own lines: where they come from, and the letters they go into."""

    def __init__(self, shared: Shared, letterhead: Letterhead, edition: date) -> None:
        self.shared, self._letterhead, self._edition = shared, letterhead, edition

    def to(self, address: Address, links: Links, *, html: bool) -> Draft:
        """One reader's mail, with both parts or of text alone."""
        letter = self._with_html if html else self._of_text
        return letter.to(address, self.shared.own(links, html=html))

    @cached_property
    def _with_html(self) -> Letter:
        return self._letter(*self.shared.ready)

    @cached_property
    def _of_text(self) -> Letter:
        return self._letter(self.shared.ready[0])

    def _letter(self, *parts: Sequence[bytes]) -> Letter:
        return make_letter(self._letterhead, self._edition, self.shared.subject, *parts)

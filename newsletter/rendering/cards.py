"""Cards and frame, made once an edition from the templates, so that sending only joins.

The templates ``digest/body.html`` and ``digest/body.txt`` are whole mails, with a ``{{ cut }}`` before each piece but
the first: opening, welcome, tally, remark, section, any number of cards, why, more, left, closing. They are rendered
with many cards at once, inlined as a page, and cut.
"""

import itertools
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import jinja2
from markupsafe import Markup

from newsletter import gleaning
from newsletter.errors import TemplateError
from newsletter.model import Announcement, Item, Kind, Paper
from newsletter.rendering.digest import Brand
from newsletter.rendering.environment import render
from newsletter.rendering.fitting import LIMIT
from newsletter.rendering.fragments import NUMBER, Form, Fragment, Slot, card_name, encode, forms_of, printable
from newsletter.rendering.inlining import inline
from newsletter.text import readable

__all__ = ["FRAME", "Brand", "Card", "Fragment", "card_name", "make_cards", "make_frame"]

_BEFORE, _BEHIND = ("opening", "welcome", "tally", "remark", "section"), ("why", "more", "left", "closing")

#: The fragments of the frame, by name.
FRAME = tuple(f"frame/{name}" for name in ("subject", "greeting", *_BEFORE, *_BEHIND))

_ABSTRACT = 1_200  # characters of an abstract; half of arXiv's are shorter
_COMMENT = 240
_TITLE = 300  # arXiv's are shorter; what is not arXiv's may be anything
_LARGEST_FRAME = LIMIT // 2  # bytes, encoded; the rest is for papers
_PAGE = 500  # cards inlined at once: enough to make the frame's share small, and memory stays small
_HTML_SINCE = "2312"  # year and month from which on arXiv makes HTML of papers
_NOBODY = Brand("")  # a card does not show whose newsletter it is in
_SLOTS = (
    *("newsletter", "postal", "date", "summary", "online", "remark", "topic", "count", "why", "more", "where"),
    *("preferences", "email", "unsubscribe", "number"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """What the templates know of a paper: itself, what is announced of it, and what a revision changed.

    `form` says how much is to be told. Texts are readable; a new `comment` stands beside what else changed, and is not
    told again.
    """

    paper: Paper
    kind: Kind
    changes: tuple[str, ...] = ()
    form: Form = Form.FULL

    @property
    def title(self) -> str:
        """The title, or the identifier of a paper that has none."""
        return _cut(self.paper.title, _TITLE)[0] or self.paper.id

    @property
    def abstract(self) -> str:
        """The abstract, ending at a sentence if it is long."""
        return _cut(self.paper.abstract, _ABSTRACT)[0]

    @property
    def shortened(self) -> bool:
        """Whether the abstract goes on."""
        return _cut(self.paper.abstract, _ABSTRACT)[1]

    @property
    def remark(self) -> str:
        """The comment, if there is one."""
        return _cut(self.paper.comment, _COMMENT)[0]

    @property
    def comment(self) -> str:
        """The comment, if it is what changed; empty if it did not, and if it is gone."""
        return self.remark if "comment" in self.changes else ""

    @property
    def changed(self) -> tuple[str, ...]:
        """What changed, but for a comment that is told."""
        return tuple(name for name in self.changes if name != "comment" or not self.comment)

    @property
    def venue(self) -> str:
        """Where it was accepted or appeared, in a word or two."""
        return _gleaned(self.paper)[0]

    @property
    def code(self) -> str:
        """The address of its code."""
        return _gleaned(self.paper)[1]

    @property
    def code_name(self) -> str:
        """What that address opens, in short."""
        return gleaning.code_name(self.code)

    @property
    def name(self) -> str:
        """Identifier and version: what tells its links from those of other papers."""
        return f"{self.paper.id}v{self.paper.version}"

    @property
    def pdf(self) -> str:
        """The address of the PDF; a version that was withdrawn has none."""
        return "" if self.kind is Kind.WITHDRAWN else f"https://arxiv.org/pdf/{self.name}"

    @property
    def html(self) -> str:
        """The address of the paper as a web page; arXiv makes these of most papers since December 2023."""
        has_one = "/" not in self.paper.id and self.paper.id >= _HTML_SINCE
        return f"https://arxiv.org/html/{self.name}" if has_one and self.pdf else ""


def make_cards(environment: jinja2.Environment, items: Iterable[Announcement | Item]) -> Iterator[Fragment]:
    """Make the cards of each paper as it is announced, in all its forms, ready for the wire.

    Raises:
        TemplateError: a template is missing or broken.

    """
    remaining = ((item, form) for item in items for form in forms_of(item))
    while batch := list(itertools.islice(remaining, _PAGE)):
        cards = [Card(item.paper, item.kind, item.changes, form) for item, form in batch]
        html = _pieces(environment, "digest/body.html", cards)[len(_BEFORE) : -len(_BEHIND)]
        text = _numbered(environment, cards)
        for (item, form), *parts in zip(batch, html, text, strict=True):
            yield Fragment(card_name(item, form), *map(encode, parts))


def _numbered(environment: jinja2.Environment, cards: Sequence[Card]) -> list[str]:
    """The texts of cards, each with one place for its number; no paper can hold the mark that stands for it."""
    mark = "".join(chr(0xE000 + secrets.randbelow(0x1900)) for _ in range(3))  # as wide as a number is
    pieces = _pieces(environment, "digest/body.txt", cards, number=mark)[len(_BEFORE) : -len(_BEHIND)]
    if any(piece.count(mark) > 1 for piece in pieces):
        path = environment.get_template("digest/body.txt").filename
        raise TemplateError(f"{path}: {{{{ number }}}} may stand once in a card")
    return [piece.replace(mark, NUMBER.decode()) for piece in pieces]


def make_frame(environment: jinja2.Environment, brand: Brand) -> tuple[Fragment, ...]:
    """Make what stands around the cards; inlined, with slots where the values of a digest or a reader go.

    Raises:
        TemplateError: a template is missing or broken.

    """
    html = _pieces(environment, "digest/body.html", (), brand)
    text = _pieces(environment, "digest/body.txt", (), brand)
    subjects = [render(environment, "digest/subject.txt", welcome=new, **_slots(brand)) for new in (False, True)]
    pieces = zip(FRAME[2:], html, text, strict=True)
    if (size := len(encode(html[0] + html[-1]))) > _LARGEST_FRAME:
        path = environment.get_template("digest/body.html").filename
        raise TemplateError(f"{path}: opening and closing take {size:,} bytes, and may take {_LARGEST_FRAME:,}")
    return (
        *(Fragment(name, b"", subject.strip().encode()) for name, subject in zip(FRAME[:2], subjects, strict=True)),
        *(Fragment(name, *(part.encode() for part in parts)) for name, *parts in pieces),
    )


# Reading TeX costs more than all the rest of a card, and each text stands in two parts and several forms.


@lru_cache(4 * _PAGE)
def _cut(text: str, most: int) -> tuple[str, bool]:
    return gleaning.shorten(printable(readable(text)), most)


@lru_cache(_PAGE)
def _gleaned(paper: Paper) -> tuple[str, str]:
    return printable(gleaning.venue(paper)), gleaning.code_link(paper)


def _pieces(
    environment: jinja2.Environment, name: str, cards: Sequence[Card], brand: Brand = _NOBODY, **values: str
) -> list[str]:
    """Render a whole mail, inline it, and cut it; nothing arXiv sends can guess the mark it is cut at."""
    cut = Markup(f"<!-- {secrets.token_hex(16)} -->")  # noqa: S704 - hexadecimal digits
    page = render(environment, name, cards=cards, cut=cut, **_slots(brand) | values)
    wanted = len(_BEFORE) + len(cards) + len(_BEHIND)
    # One that is not whole is refused below, whatever premailer would make of it.
    if name.endswith(".html") and page.count(cut) == wanted - 1:
        page = inline(page)
    pieces = page.replace(f"{cut}\n", cut).split(cut)
    if len(pieces) != wanted:
        path = environment.get_template(name).filename
        names = ", ".join((*_BEFORE[1:], "card", *_BEHIND))
        raise TemplateError(f"{path}: {{{{ cut }}}} must stand once before each piece: {names}")
    return pieces


def _slots(brand: Brand) -> dict[str, str]:
    """The values a template gets that are not known yet, as slots; what is the same in all mails is known."""
    slots = {name: Slot(name).token for name in _SLOTS}
    places = brand.places
    absent = {"postal": brand.postal_address, "online": places.editions(), "preferences": places.preferences()}
    return slots | {"language": brand.language} | {name: value and slots[name] for name, value in absent.items()}

"""A mail to look at in tests: invented papers of every kind, joined as a sender joins them."""

import itertools
import json
import quopri
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import lxml.html
from jinja2 import Environment

from newsletter.model import Detail, Digest, Item, Kind, Paper, Remark, RemarkKind, Topic
from newsletter.places import Places
from newsletter.rendering.cards import Card, make_cards, make_frame
from newsletter.rendering.digest import Assembler, Body, Brand, Links
from newsletter.rendering.fragments import Form, Fragment, card_name, forms_of

PAPERS = Path(__file__).parents[2] / "shared" / "data" / "arxiv" / "bulk" / "papers.jsonl"
WEB = Places("https://papers.example.org")
BRAND = Brand("Daily Papers", "Daily Papers, 1 Example Street, 00000 Nowhere", places=WEB)
LINKS = Links("https://papers.example.org/u/AbCdEfGhIjKlMnOpQrStUv?a=1&b=2", "reader@example.org")
TOPICS = {1: "Night Vision", 2: "Moths & Lamps"}
ONLINE = "https://papers.example.org/editions/2025-02-28"
PREFERENCES = "https://papers.example.org/p"

LAMPS = (
    "We ask whether a lamp left on at night changes what the moths of a small town do, and find that it hardly does. "
    "Over three summers we counted 4,112 moths under lamps of four colours. A model with two parameters, "
    r"$\alpha$ and $\beta$, explains 92% of the variance; a third one explains nothing more. "
    "We give the counts, the code, and the lamps to whoever asks for them."
)
COUNTING = (
    "Animals that move are counted twice, or not at all. We describe an estimator that needs neither marks nor "
    "cameras, prove that it is unbiased if the animals are not told of it, and show on invented data that it does "
    "better than counting. Its cost is linear in the number of animals."
)
SEVENTH = "An erratum to the sixth version, which was an erratum to the fifth. We thank whoever wrote to us."
AGAIN = (
    "We repeat an earlier study of lamps with more lamps. The effect is smaller than reported, has the opposite sign, "
    "and disappears when the door is closed."
)
FLIGHT = (
    r"Let $k$ moths fly from $n$ lamps. We show that some two of them meet almost surely, and bound the time they "
    r"take by $O(n \log k)$. The proof is short, and uses nothing but the second moment method and patience."
)


def paper(number: int, title: str = "A Title", *, day: int = 27, **fields: Any) -> Paper:
    when = datetime(2025, 2, day, 10, tzinfo=UTC)
    values: dict[str, Any] = {
        "version": 1,
        "abstract": LAMPS,
        "authors": ("Ada Invented", "Bruno Example", "Chiara Nobody"),
        "categories": ("cs.CV", "cs.LG"),
        "submitted": when,
        "updated": when,
    }
    return Paper(id=f"0001.{number:05}", title=title, **(values | fields))


SEVEN = ("Żaneta Przykład", "Björn Påhitt", "Inès Fictive", "Dara Made-Up", "E. Five", "F. Six", "G. Seven")
SAMPLE = (
    Item(
        paper(
            1, r"Moths, Lamps and the $\alpha$-Law: A Field Study of Attention at Night", comment="12 pages, 4 figures"
        ),
        Kind.NEW,
        (),
        (1, 2),
        words=(("Night", "lamp"), ("Moths", "Lamps")),
    ),
    Item(
        paper(2, "Counting What Does Not Hold Still", day=26, abstract=COUNTING, authors=SEVEN),
        Kind.NEW,
        (),
        (1,),
    ),
    Item(
        paper(
            3,
            "A Second Look at Lamps",
            version=3,
            abstract=AGAIN,
            comment="Accepted at ICML 2026; code at https://github.com/example/a-second-look",
        ),
        Kind.REVISED,
        ("title", "abstract", "comment"),
        (1,),
    ),
    Item(
        paper(6, "How Many Lamps? A Census", version=7, abstract=SEVENTH, comment="Told before"),
        Kind.REVISED,
        ("abstract", "authors"),
        (1,),
        minor=True,
    ),
    Item(
        paper(4, "On Bounds for the Flight of $k$ Moths", abstract=FLIGHT, categories=("math.PR", "stat.ML")),
        Kind.NEW,
        (),
        (2,),
    ),
    Item(
        paper(5, "Lamps Considered Harmful", version=2, comment="Withdrawn: no lamp was on"), Kind.WITHDRAWN, (), (2,)
    ),
)
REMARKS = (Remark(RemarkKind.LATE, since=date(2025, 2, 14)), Remark(RemarkKind.PARTIAL, topics=(2, 3)))
LATE = "What was announced since 14 Feb 2025 is in here too: it could not be had before."
PARTIAL = "arXiv could not be asked in full for Moths & Lamps; what is missing follows in a later edition."


def digest_of(items: Iterable[Item], remarks: tuple[Remark, ...] = ()) -> Digest:
    return Digest(date(2025, 2, 28), date(2025, 2, 28), tuple(items), remarks)


class Stock(dict[str, Fragment]):
    """Fragments, held."""

    def frame(self, name: str) -> Fragment:
        return self[name]

    def card(self, item: Item, form: Form) -> Fragment:
        return self[card_name(item, form)]

    def sizes(self, item: Item) -> list[int]:
        return [len(self[card_name(item, form)].html) for form in forms_of(item)]


def assembler(
    environment: Environment, items: Iterable[Item], brand: Brand = BRAND, detail: Detail = Detail.FULL
) -> Assembler:
    fragments = (*make_frame(environment, brand), *make_cards(environment, items))
    widest = Links(f"{brand.places.web or WEB.web}/u/{'x' * 32}", "&" * 254)
    return Assembler(brand, Stock({fragment.name: fragment for fragment in fragments}), widest, detail)


def named(topics: Mapping[int, str]) -> dict[int, Topic]:
    return {number: Topic(number, name, name) for number, name in topics.items()}


def mail(
    environment: Environment,
    items: Sequence[Item],
    topics: Mapping[int, str] = TOPICS,
    brand: Brand = BRAND,
    remarks: tuple[Remark, ...] = (),
    *,
    detail: Detail = Detail.FULL,
    welcome: bool = False,
) -> Body:
    joining = assembler(environment, items, brand, detail)
    return joining.shared(digest_of(items, remarks), named(topics), welcome=welcome).body(LINKS)


def decoded(part: bytes) -> str:
    return quopri.decodestring(part).decode().replace("\r\n", "\n")


def tree(html: str) -> Any:
    return lxml.html.document_fromstring(html.encode(), parser=lxml.html.HTMLParser(encoding="utf-8"))


def links(html: str) -> list[str]:
    return [element.get("href") for element in tree(html).iter() if element.get("href") or element.get("src")]


def expected_links(items: Iterable[Item], form: Form = Form.FULL) -> list[str]:
    """All addresses of a mail, in order; of cards in their richest form, or the one given."""
    cards = (Card(item.paper, item.kind, item.changes, Form.LINE if item.minor else form) for item in items)
    told = itertools.chain.from_iterable(map(_card_links, cards))
    return [ONLINE, LINKS.unsubscribe, *told, PREFERENCES, LINKS.unsubscribe]


def _card_links(card: Card) -> list[str]:
    if card.form is not Form.FULL:
        return [card.paper.link, *([card.pdf] if card.pdf and card.form is Form.BRIEF else [])]
    on = [card.paper.link] * (3 if card.shortened else 2)
    return [*on, *(link for link in (card.pdf, card.html, card.code) if link)]


def collapsed(text: str) -> str:
    return " ".join(text.split())


def recorded(line: str) -> Paper:
    """A line of the recorded papers."""
    record = json.loads(line)
    identifier, _, version = record["arxiv_id"].rpartition("v")
    return Paper(
        id=identifier,
        version=int(version),
        title=record["title"],
        abstract=record["summary"],
        authors=tuple(record["authors"]),
        categories=tuple(record["categories"]),
        submitted=datetime.fromisoformat(record["published"]).replace(tzinfo=UTC),
        updated=datetime.fromisoformat(record["updated"]).replace(tzinfo=UTC),
        comment=record["comment"],
        journal_ref=record["journal_ref"],
        doi=record["doi"],
    )

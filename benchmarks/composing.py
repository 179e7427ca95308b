"""Make an edition's cards, and join digests from them."""

from collections.abc import Iterator, Sequence

from benchmarks import house, material
from benchmarks.measure import aside, measure, seconds
from benchmarks.table import Row
from newsletter.digests import Digests
from newsletter.model import Announcement, Kind
from newsletter.rendering.cards import Card
from newsletter.rendering.environment import make_environment, render
from newsletter.rendering.fragments import forms_of

_EDITIONS = 5  # each of other papers, for what was read of TeX is remembered
_SLOTS = (
    *("newsletter", "postal", "date", "summary", "online", "topic", "count", "why", "more", "where", "remark"),
    *("preferences", "email", "unsubscribe", "number", "language", "cut"),
)


def cards() -> Row:
    """An edition's cards, from templates to the bytes of the wire."""
    with house.temporary() as folder, house.opened(folder) as app:
        ours = _editions()
        app.composer.prepare(next(ours))  # loads the templates and what inlines
        cost, _ = measure(lambda: app.composer.prepare(next(ours)), times=_EDITIONS)
    environment, plain = make_environment(), _editions()

    def render_plainly() -> None:
        told = next(plain)
        cards = [Card(each.paper, each.kind, (), form) for each in told for form in forms_of(each)]
        for name in ("digest/body.html", "digest/body.txt"):
            render(environment, name, cards=cards, **dict.fromkeys(_SLOTS, ""))

    render_plainly()
    reference = seconds(render_plainly, times=_EDITIONS)
    step = f"make the cards of {material.NEWS} papers in three forms, inlined, wire-ready"
    return Row(step, material.NEWS, "papers", cost, reference, "jinja2 alone")


def digests(whose: str, crowd: house.Crowd, readers: int, papers: int) -> Row:
    """Every mail that an edition of so many papers has for its readers, as the sender makes it."""
    with house.temporary() as folder:
        aside(house.fill_queue, folder, crowd, readers, papers)
        with house.opened(folder) as app:
            claims, digests = house.claims(app), Digests(app.storage)
            cost, lengths = measure(lambda: [len(app.compose(claim, digests) or b"") for claim in claims])
    reference, kilobytes = seconds(lambda: _copy(lengths)), sum(lengths) / len(lengths) / 1000
    step = f"join {len(claims):,} digests, {whose}"
    return Row(step, len(claims), "mails", cost, reference, f"copying the bytes, {kilobytes:.0f} KB each")


def _editions() -> Iterator[list[Announcement]]:
    papers = material.papers(material.NEWS * (_EDITIONS + 1))
    for start in range(0, len(papers), material.NEWS):
        yield [Announcement(1, paper, Kind.NEW) for paper in papers[start : start + material.NEWS]]


def _copy(lengths: Sequence[int]) -> None:
    text = memoryview(bytes(max(lengths)))
    for length in lengths:
        bytes(text[:length])

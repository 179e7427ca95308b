"""How much is said of each paper, so that a mail stays under its limit: the richest that fits, evenly over sections.

Mailbox programs clip longer mail, Gmail at about 102 KB, and with its end goes the link to leave at.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: Bytes the HTML part may have, encoded.
LIMIT = 90_000

#: In the place of a level: the paper is left out.
OUT = -1


@dataclass(frozen=True, slots=True)
class Room:
    """What a section takes, in bytes: its heading, the words for what is left out, and each card by level.

    Levels go from the poorest form to the richest; each takes at least as much as the one before.
    """

    heading: int
    more: int
    cards: Sequence[Sequence[int]]


def fit(sections: Sequence[Room], room: int, rest: int = 0) -> list[list[int]]:
    """The level of each card, by section; `OUT` for those that there is no room for.

    `rest` is what the words for sections that are left out as a whole take. The first cards of all sections come before
    the second ones; no card is richer than one that stands before it in its section, but for those with fewer levels;
    and none is richer than the next poorer level while another has not reached that.
    """
    if sum(_total(section, -1) for section in sections) <= room:
        return [[len(card) - 1 for card in section.cards] for section in sections]
    spare = room - least(sections)
    if spare < 0:
        return _poorest(sections, room - rest)
    levels = [[0] * len(section.cards) for section in sections]
    level, everywhere = 1, True
    while everywhere and any(len(card) > level for section in sections for card in section.cards):
        spare, everywhere = _raise(sections, levels, level, spare)
        level += 1
    return levels


def least(sections: Sequence[Room]) -> int:
    """What they take if everything is told in its poorest form."""
    return sum(_total(section, 0) for section in sections)


def _total(section: Room, level: int) -> int:
    return section.heading + sum(card[level] for card in section.cards)


def _raise(sections: Sequence[Room], levels: list[list[int]], level: int, spare: int) -> tuple[int, bool]:
    """Bring cards to a level, as far as there is room; whether all of them are there, and what room is left."""
    full: set[int] = set()
    for place, rank in _in_turn(sections):
        card = sections[place].cards[rank]
        if len(card) <= level or place in full:
            continue
        if (cost := card[level] - card[level - 1]) <= spare:
            levels[place][rank] = level
            spare -= cost
        else:
            full.add(place)
    return spare, not full


def _poorest(sections: Sequence[Room], spare: int) -> list[list[int]]:
    levels = [[OUT] * len(section.cards) for section in sections]
    full: set[int] = set()
    for place, rank in _in_turn(sections):
        section = sections[place]
        cost = section.cards[rank][0] + (section.heading + section.more if rank == 0 else 0)
        if place in full or cost > spare:
            full.add(place)
            continue
        levels[place][rank] = 0
        spare -= cost
        if rank == len(section.cards) - 1:
            spare += section.more
    return levels


def _in_turn(sections: Sequence[Room]) -> Iterator[tuple[int, int]]:
    """Place and rank of each card: the first of every section, then the second."""
    rank, open_ones = 0, [place for place, section in enumerate(sections) if section.cards]
    while open_ones:
        yield from ((place, rank) for place in open_ones)
        rank += 1
        open_ones = [place for place in open_ones if rank < len(sections[place].cards)]

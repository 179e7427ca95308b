"""Mails that readers share, kept as long as there is room for them (2Q: Johnson and Shasha, VLDB 1994).

Most digests that are asked for once are one reader's own, and soon make room. What is wanted again after that stays,
until it is what has not been wanted for longest.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from newsletter.composition.printing import Print
from newsletter.model import Detail, Digest, Topic

MOST = 6 * 2**20  # bytes of mails, besides those that are new
NEW = 5 * 2**20  # bytes: the digests of an edition with a hundred different choices
_GONE = 500  # digests whose mails made room

#: What readers have in common who share a mail: the identity of the digest, language, detail, welcome.
Key = tuple[int, str, Detail, bool]


@dataclass(frozen=True, slots=True)
class _Kept:
    digest: Digest  # as long as it is there no other one gets its identity
    topics: Mapping[int, Topic]
    print: Print
    size: int


class Shelf:
    """Mails by what their readers have in common. `most` is how many bytes of those that are wanted again are kept,
    `new` how many of those that were wanted once."""

    def __init__(self, most: int = MOST, new: int = NEW) -> None:
        self._most, self._room = most, new
        self._new: OrderedDict[Key, _Kept] = OrderedDict()
        self._wanted: OrderedDict[Key, _Kept] = OrderedDict()
        self._gone: OrderedDict[Key, Digest] = OrderedDict()

    def get(self, key: Key, topics: Mapping[int, Topic]) -> Print | None:
        """The mail of a digest, if it is there under these topics."""
        kept = self._wanted.get(key)
        if kept is not None:
            self._wanted.move_to_end(key)
        else:
            kept = self._new.get(key)
        return kept.print if kept is not None and kept.topics == topics else None

    def put(self, key: Key, digest: Digest, topics: Mapping[int, Topic], made: Print) -> None:
        """Keep a mail, for a short while if it is the first time."""
        kept = _Kept(digest, topics, made, made.shared.size)
        if key in self._wanted or self._gone.pop(key, None) is not None:
            self._wanted[key] = kept
            _make_room(self._wanted, self._most)
            return
        self._new[key] = kept
        self._gone |= {gone: dropped.digest for gone, dropped in _make_room(self._new, self._room)}
        while len(self._gone) > _GONE:
            self._gone.popitem(last=False)


def _make_room(row: OrderedDict[Key, _Kept], most: int) -> list[tuple[Key, _Kept]]:
    """Drop what came first, but for the last one; what that was."""
    size, dropped = sum(kept.size for kept in row.values()), []
    while size > most and len(row) > 1:
        dropped.append(row.popitem(last=False))
        size -= dropped[-1][1].size
    return dropped

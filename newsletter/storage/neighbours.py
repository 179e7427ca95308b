"""Which two words stand side by side somewhere: most phrases stand nowhere, and need not be asked for."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from newsletter.storage.stems import Stems


class Neighbours:
    """The pairs of stems in the columns of some texts; the texts are words parted by single blanks."""

    def __init__(self, rows: Iterable[Sequence[str]], stems: Stems) -> None:
        texts = [[column.split() for column in row] for row in rows]
        stems.learn(word for row in texts for words in row for word in words)
        self._stems = stems
        self._pairs: list[set[tuple[str, str]]] = [set() for _ in texts[0]] if texts else []
        for row in texts:
            for pairs, words in zip(self._pairs, row, strict=True):
                pairs.update(pairwise(map(stems.__getitem__, words)))

    def may_hold(self, column: int, words: Sequence[str]) -> bool:
        """Whether a phrase may stand in a column; words that stand nowhere as they are may do so by their stems."""
        stems = [self._stems.get(word) for word in words]
        return None in stems or self._pairs[column].issuperset(pairwise(stems))

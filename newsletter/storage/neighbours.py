"""Which two words stand side by side somewhere: most phrases stand nowhere, and need not be asked for."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from itertools import pairwise


class Neighbours:
    """The pairs of stems in the columns of some texts; the texts are words parted by single blanks."""

    def __init__(self, rows: Iterable[Sequence[str]]) -> None:
        texts = [[column.split() for column in row] for row in rows]
        self._stems = _stems({word for row in texts for words in row for word in words})
        self._pairs: list[set[tuple[str, str]]] = [set() for _ in texts[0]] if texts else []
        for row in texts:
            for pairs, words in zip(self._pairs, row, strict=True):
                pairs.update(pairwise(map(self._stems.__getitem__, words)))

    def may_hold(self, column: int, words: Sequence[str]) -> bool:
        """Whether a phrase may stand in a column; words that stand nowhere as they are may do so by their stems."""
        stems = [self._stems.get(word) for word in words]
        return None in stems or self._pairs[column].issuperset(pairwise(stems))


def _stems(words: Iterable[str]) -> dict[str, str]:
    """The stems of words, as FTS5 forms them; what it takes for several words keeps the last one's."""
    numbered = list(words)
    with closing(sqlite3.connect(":memory:")) as database:
        database.execute("CREATE VIRTUAL TABLE words USING fts5(word, tokenize = 'porter unicode61')")
        database.executemany("INSERT INTO words(rowid, word) VALUES (?, ?)", enumerate(numbered))
        database.execute("CREATE VIRTUAL TABLE stems USING fts5vocab(words, instance)")
        stems = {numbered[number]: stem for stem, number in database.execute("SELECT term, doc FROM stems")}
    return {word: stems.get(word, word) for word in numbered}

"""The stems of words, as FTS5 forms them: "anomaly" and "anomalies" have one."""

import sqlite3
from collections.abc import Iterable

from newsletter.query import as_words


class Stems(dict[str, str]):
    """By a word, however it is written, its stem; what is several words to the normaliser ("½") has several."""

    def __init__(self, database: sqlite3.Connection) -> None:
        """Two tables are made in the database: `words`, which is empty in between, and `stems`."""
        super().__init__()
        self._db = database
        database.execute("CREATE VIRTUAL TABLE words USING fts5(word, content = '', tokenize = 'porter unicode61')")
        database.execute("CREATE VIRTUAL TABLE stems USING fts5vocab(words, instance)")

    def of(self, words: Iterable[str]) -> list[str]:
        """The stem of each of some words."""
        words = list(words)
        try:
            return [self[word] for word in words]
        except KeyError:
            self.learn(words)
        return [self[word] for word in words]

    def learn(self, words: Iterable[str]) -> None:
        """Ask for the stems of many words at once; each is asked for once."""
        new = {word: as_words(word) for word in words if word not in self}
        if not new:
            return
        self._db.executemany("INSERT INTO words(rowid, word) VALUES (?, ?)", enumerate(new.values()))
        stems: list[list[str]] = [[] for _ in new]
        for number, stem in self._db.execute("SELECT doc, term FROM stems ORDER BY doc, offset"):
            stems[number].append(stem)
        self._db.execute("INSERT INTO words(words) VALUES ('delete-all')")
        # FTS5 takes some letters for none, such as are newer than itself.
        self.update((word, " ".join(found) or new[word]) for word, found in zip(new, stems, strict=True))

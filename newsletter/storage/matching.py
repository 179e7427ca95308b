"""Which papers answer which queries: FTS5 answers single terms over candidates in memory, integers do the rest.

Text and query pass `text.normalise` first. Titles, abstracts, comments and journal references are stemmed (porter),
authors are not; categories, identifiers and report numbers are compared directly.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, lru_cache

from newsletter.model import Paper
from newsletter.query import Node, Term, as_words, category_matches, evaluate, possible
from newsletter.storage.marking import STEMMED, Marks, called, indexed_names, indexed_text
from newsletter.storage.neighbours import Neighbours
from newsletter.storage.stems import Stems
from newsletter.storage.words import Words, answering, identities

_COLUMNS = tuple(STEMMED.values())
_FEW_PHRASES = 1_000  # as long as no more are asked for, it does not pay to know all neighbours
_REMEMBERED = 20_000  # answers to terms; one more takes the place of the one that was longest not asked for


def in_categories(categories: Iterable[str], patterns: Sequence[str]) -> bool:
    """Whether a paper of these categories is wanted; no patterns want all."""
    return not patterns or any(category_matches(name, pattern) for name in categories for pattern in patterns)


class Matcher:
    """The candidates of one day, ready to be asked; equal terms are asked once, as long as they are remembered."""

    def __init__(self, papers: Sequence[Paper]) -> None:
        self.papers = tuple(papers)
        self._everything = (1 << len(self.papers)) - 1
        self._answer = lru_cache(_REMEMBERED)(self._ask)
        self._phrases = 0
        self._db = sqlite3.connect(":memory:")
        self._db.execute(
            f"CREATE VIRTUAL TABLE stemmed USING fts5({', '.join(_COLUMNS)}, tokenize = 'porter unicode61')"
        )
        self._db.execute("CREATE VIRTUAL TABLE unstemmed USING fts5(authors, tokenize = 'unicode61')")
        self._db.executemany(
            "INSERT INTO stemmed(rowid, title, abstract, comment, journal_ref) VALUES (?, ?, ?, ?, ?)",
            ((number, *map(indexed_text, _texts(paper))) for number, paper in enumerate(self.papers)),
        )
        self._db.executemany(
            "INSERT INTO unstemmed(rowid, authors) VALUES (?, ?)",
            ((number, indexed_names(paper.authors)) for number, paper in enumerate(self.papers)),
        )
        self._stems = Stems(self._db)
        self._words = Words(self.papers, self._stems)

    def close(self) -> None:
        """Give the memory back."""
        self._answer.cache_clear()
        self._words.forget()
        self._db.close()

    def matching(self, tree: Node) -> list[Paper]:
        """The papers that answer a query, in the order they were given."""
        return [self.papers[position] for position in positions(self.bitmap(tree))]

    def bitmap(self, tree: Node) -> int:
        """The papers that answer a query: bit n stands for paper n."""
        return evaluate(tree, self._answer, self._everything)

    def possible(self, tree: Node, unknown_fields: frozenset[str]) -> int:
        """The papers that answer a query, or may once the fields named (`co`, `jr`, `rn`, …) are known."""
        return possible(tree, self._answer, self._everything, unknown_fields)

    def marked(self, position: int, tree: Node) -> Marks:
        """What of a paper answers a query: the words that were asked for, as they stand in it."""
        return self._words.marks(position, self._answering(tree, [position]))

    def words(self, tree: Node, papers: Iterable[Paper]) -> list[tuple[str, ...]]:
        """The words of each of some candidates that answer a query: see `Words.of`."""
        wanted = [self._positions[paper.key] for paper in papers]
        return self._words.of(wanted, self._answering(tree, wanted))

    def _answering(self, tree: Node, wanted: Iterable[int]) -> list[tuple[Term, int]]:
        return list(answering(tree, self._bitmap(wanted), self.bitmap))

    @cached_property
    def _positions(self) -> dict[tuple[str, int], int]:
        return {paper.key: position for position, paper in enumerate(self.papers)}

    def _ask(self, term: Term) -> int:
        words = term.words
        match term.field:
            case "cat":
                return self._compare(lambda paper: any(category_matches(name, words) for name in paper.categories))
            case "id":
                return self._compare(lambda paper: words in (paper.id, f"{paper.id}v{paper.version}"))
            case "rn":
                return self._compare(lambda paper: f" {words} " in f" {as_words(paper.report_no)} ")
            case "au":
                return self._search("unstemmed", _name_match(term))
            case "all":
                exact = self._compare(lambda paper: words in map(as_words, identities(paper)))
                return exact | self._search("stemmed", _text_match(term)) | self._search("unstemmed", _name_match(term))
            case _:
                return self._ask_for_phrase(term)

    def _ask_for_phrase(self, term: Term) -> int:
        self._phrases += 1
        words = term.words.split()
        if len(words) > 1 and self._phrases > _FEW_PHRASES:
            column = _COLUMNS.index(STEMMED[term.field])
            if not self._neighbours.may_hold(column, words):
                return 0
        return self._search("stemmed", _text_match(term))

    @cached_property
    def _neighbours(self) -> Neighbours:
        return Neighbours(self._db.execute(f"SELECT {', '.join(_COLUMNS)} FROM stemmed ORDER BY rowid"), self._stems)

    def _search(self, table: str, match: str) -> int:
        rows = self._db.execute(f"SELECT rowid FROM {table} WHERE {table} MATCH ?", (match,))
        return self._bitmap(rowid for (rowid,) in rows)

    def _compare(self, wanted: Callable[[Paper], bool]) -> int:
        return self._bitmap(number for number, paper in enumerate(self.papers) if wanted(paper))

    def _bitmap(self, positions: Iterable[int]) -> int:
        bits = bytearray(len(self.papers) // 8 + 1)
        for position in positions:
            bits[position >> 3] |= 1 << (position & 7)
        return int.from_bytes(bits, "little")


def positions(bitmap: int) -> Iterator[int]:
    """The numbers of the papers in a bitmap, ascending."""
    bits = f"{bitmap:b}"[::-1]
    at = bits.find("1")
    while at >= 0:
        yield at
        at = bits.find("1", at + 1)


def _texts(paper: Paper) -> tuple[str, ...]:
    return paper.title, paper.abstract, paper.comment, paper.journal_ref


def _text_match(term: Term) -> str:
    """What FTS5 is asked of titles, abstracts, comments and journal references."""
    return f'"{term.words}"' if term.field == "all" else f'{STEMMED[term.field]} : "{term.words}"'


def _name_match(term: Term) -> str:
    """What FTS5 is asked of authors."""
    return " OR ".join(f'"{name}" *' if begins else f'"{name}"' for name, begins in called(term.words))

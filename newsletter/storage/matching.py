"""Which papers answer which queries: FTS5 answers single terms over candidates in memory, integers do the rest.

Text and query pass `text.normalise` first. Titles, abstracts, comments and journal references are stemmed (porter),
authors are not; categories, identifiers and report numbers are compared directly.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence

from newsletter.model import Paper
from newsletter.query import Node, Term, as_words, evaluate
from newsletter.text import normalise

_STEMMED = {"ti": "title", "abs": "abstract", "co": "comment", "jr": "journal_ref"}
# A token of its own between two names (U+E000 counts as a letter to FTS5), so that no phrase reaches across.
_BETWEEN_NAMES = " \ue000 "
#: Categories under two names; arXiv lists a paper under both (category taxonomy).
ALIASES = (
    ("math-ph", "math.mp"),
    ("math.st", "stat.th"),
    ("cs.it", "math.it"),
    ("econ.gn", "q-fin.ec"),
    ("eess.sy", "cs.sy"),
    ("math.na", "cs.na"),
)
_ALIAS = {one: other for pair in ALIASES for one, other in (pair, pair[::-1])}


def in_categories(categories: Iterable[str], patterns: Sequence[str]) -> bool:
    """Whether a paper of these categories is wanted; no patterns want all."""
    return not patterns or any(_category_matches(name, pattern.lower()) for name in categories for pattern in patterns)


class Matcher:
    """The candidates of one day, ready to be asked; equal terms are asked once."""

    def __init__(self, papers: Sequence[Paper]) -> None:
        self.papers = tuple(papers)
        self._everything = (1 << len(self.papers)) - 1
        self._answers: dict[Term, int] = {}
        self._db = sqlite3.connect(":memory:")
        self._db.execute(
            f"CREATE VIRTUAL TABLE stemmed USING fts5({', '.join(_STEMMED.values())}, tokenize = 'porter unicode61')"
        )
        self._db.execute("CREATE VIRTUAL TABLE unstemmed USING fts5(authors, tokenize = 'unicode61')")
        self._db.executemany(
            "INSERT INTO stemmed(rowid, title, abstract, comment, journal_ref) VALUES (?, ?, ?, ?, ?)", self._texts()
        )
        self._db.executemany(
            "INSERT INTO unstemmed(rowid, authors) VALUES (?, ?)",
            ((number, _author_text(paper.authors)) for number, paper in enumerate(self.papers)),
        )

    def close(self) -> None:
        """Give the memory back."""
        self._db.close()

    def matching(self, tree: Node) -> list[Paper]:
        """The papers that answer a query, in the order they were given."""
        return [self.papers[position] for position in positions(self.bitmap(tree))]

    def bitmap(self, tree: Node) -> int:
        """The papers that answer a query: bit n stands for paper n."""
        return evaluate(tree, self._answer, self._everything)

    def _texts(self) -> Iterator[tuple[int, str, str, str, str]]:
        for number, paper in enumerate(self.papers):
            fields = (paper.title, paper.abstract, paper.comment, paper.journal_ref)
            title, abstract, comment, journal_ref = map(normalise, fields)
            yield number, title, abstract, comment, journal_ref

    def _answer(self, term: Term) -> int:
        if term not in self._answers:
            self._answers[term] = self._ask(term)
        return self._answers[term]

    def _ask(self, term: Term) -> int:
        words = term.words
        match term.field:
            case "cat":
                return self._compare(lambda paper: any(_category_matches(name, words) for name in paper.categories))
            case "id":
                return self._compare(lambda paper: words in (paper.id, f"{paper.id}v{paper.version}"))
            case "rn":
                return self._compare(lambda paper: f" {words} " in f" {as_words(paper.report_no)} ")
            case "au":
                return self._search("unstemmed", _author_match(words))
            case "all":
                exact = self._compare(lambda paper: words in _identities(paper))
                return exact | self._search("stemmed", f'"{words}"') | self._search("unstemmed", _author_match(words))
            case name:
                return self._search("stemmed", f'{_STEMMED[name]} : "{words}"')

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


def _category_matches(name: str, pattern: str) -> bool:
    lower = name.lower()
    return any(_one_category_matches(spelling, pattern) for spelling in (lower, _ALIAS.get(lower, lower)))


def _one_category_matches(name: str, pattern: str) -> bool:
    if pattern.endswith(".*"):
        return name == pattern[:-2] or name.startswith(pattern[:-1])
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def _identities(paper: Paper) -> set[str]:
    # What `all:` finds that is no text.
    spelled = (paper.id, f"{paper.id}v{paper.version}", *paper.report_no.split(), *paper.categories)
    return {as_words(one) for one in spelled}


def _author_text(authors: Iterable[str]) -> str:
    # Each name goes round once, so that it is found from any of its words on: "Vincent van Gogh van" holds
    # "van Gogh Vincent", as catalogues write it.
    names = (as_words(author).split() for author in authors)
    return _BETWEEN_NAMES.join(" ".join([*name, *name[:-1]]) for name in names)


def _author_match(words: str) -> str:
    # An initial at either end ("J Smith", "Smith J") stands for every name that begins with it. FTS5 takes a prefix
    # at the end only; names go round, so a first initial may stand there too. It may be no initial: "d Alembert".
    first, *others = words.split()
    if others and len(others[-1]) == 1:
        return f'"{words}" *'
    if others and len(first) == 1:
        return f'"{words}" OR "{" ".join([*others, first])}" *'
    return f'"{words}"'

"""Which words of a paper answered a query, as they stand in it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from sys import intern
from typing import NamedTuple

from newsletter.model import Paper
from newsletter.query import And, Node, Not, Or, Term, as_words, category_matches
from newsletter.storage.marking import (
    STEMMED,
    Marks,
    Text,
    called,
    cut,
    distinct,
    merged,
    names_text,
    plain_text,
    stemmed_text,
)
from newsletter.storage.stems import Stems

_TEXTS = (*STEMMED, "au")  # what `all:` looks into
_FIELDS = (*_TEXTS, "rn")  # in this order words are told
_ENOUGH = 12  # words found in a paper; a query may have hundreds of terms
_KEPT = 30_000  # texts that words were looked for in

#: Terms, each with the papers that it made answer: bit n stands for paper n.
Answering = Iterable[tuple[Term, int]]


class _Asked(NamedTuple):
    """What terms ask for: phrases to look for, by field, and what is compared; each with the papers that answered."""

    phrases: list[tuple[str, list[tuple[str, int]]]]
    exact: list[tuple[Term, int]]


class Words:
    """The words of a day's candidates; of each, a text is read once."""

    def __init__(self, papers: Sequence[Paper], stems: Stems) -> None:
        self._papers, self._stems = papers, stems
        self._text = lru_cache(_KEPT)(self._read)

    def forget(self) -> None:
        """Give the memory of the texts back."""
        self._text.cache_clear()

    def of(self, positions: Iterable[int], terms: Answering) -> list[tuple[str, ...]]:
        """The words of each of some papers that answered.

        Each phrase once, endings aside, and none that is part of another one: from the title first, then abstract,
        comment, journal reference, names, report numbers, and at last categories and identifiers; a dozen at most.
        """
        asked = self._ask(terms)
        return [self._words(position, asked) for position in positions]

    def marks(self, position: int, terms: Answering) -> Marks:
        """The words of one paper, and where its title holds them."""
        asked = self._ask(terms)
        title = self._text("ti", position)
        phrases = dict(asked.phrases).get("ti", ())
        spans = (span for phrase, _ in phrases for span in title.everywhere(phrase))
        return Marks(cut(title.shown, spans), self._words(position, asked))

    def _ask(self, terms: Answering) -> _Asked:
        terms = list(terms)
        phrases: dict[str, list[tuple[str, int]]] = {}
        for field in _FIELDS:
            for term, papers in terms:
                if term.field == field or (term.field == "all" and field in _TEXTS):
                    found = ((phrase, papers) for phrase in self._phrases(field, term.words))
                    phrases.setdefault(field, []).extend(found)
        exact = [(term, papers) for term, papers in terms if term.field in ("cat", "id", "all")]
        return _Asked(list(phrases.items()), exact)

    def _phrases(self, field: str, words: str) -> list[str]:
        if field in STEMMED:
            return [f" {' '.join(self._stems.of(words.split()))} "]
        if field == "au":
            return [f" {name}" if begins else f" {name} " for name, begins in called(words)]
        return [f" {words} "]

    def _words(self, position: int, asked: _Asked) -> tuple[str, ...]:
        found = list(islice(self._found(position, asked), _ENOUGH))
        return tuple(map(intern, distinct(found, self._stems) if len(found) > 1 else found))

    def _found(self, position: int, asked: _Asked) -> Iterator[str]:
        for field, phrases in asked.phrases:
            if answered := [phrase for phrase, papers in phrases if papers >> position & 1]:
                text = self._text(field, position)
                spans = [span for phrase in answered[:_ENOUGH] if (span := text.first(phrase))]
                for start, end in merged(spans) if len(spans) > 1 else spans:
                    yield text.shown[start:end]
        for term, papers in asked.exact:
            if papers >> position & 1:
                yield from _exact_matches(self._papers[position], term)

    def _read(self, field: str, position: int) -> Text:
        paper = self._papers[position]
        if field in STEMMED:
            return stemmed_text(getattr(paper, STEMMED[field]), self._stems)
        return names_text(paper.authors) if field == "au" else plain_text(paper.report_no)


def identities(paper: Paper) -> tuple[str, ...]:
    """What `all:` finds that is no text."""
    return (*paper.categories, paper.id, f"{paper.id}v{paper.version}", *paper.report_no.split())


def _exact_matches(paper: Paper, term: Term) -> Iterator[str]:
    """The categories and identifiers that answer a term."""
    if term.field == "cat":
        yield from (name for name in paper.categories if category_matches(name, term.words))
    else:
        names = identities(paper) if term.field == "all" else (paper.id, f"{paper.id}v{paper.version}")
        yield from (name for name in names if term.words in (name, as_words(name)))


def answering(
    tree: Node, papers: int, truth: Callable[[Node], int], *, wanted: bool = True
) -> Iterator[tuple[Term, int]]:
    """The terms that make some papers answer a query, each with those papers.

    Not what keeps papers out, and nothing of a branch that does not hold.
    """
    if papers:
        papers &= truth(tree) if wanted else ~truth(tree)
    match tree:
        case _ if not papers:
            return
        case Term():
            if wanted:
                yield tree, papers
        case Not(item):
            yield from answering(item, papers, truth, wanted=not wanted)
        case And(items) | Or(items):
            for item in items:
                yield from answering(item, papers, truth, wanted=wanted)

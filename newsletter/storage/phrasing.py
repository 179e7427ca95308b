"""How a query is put to the index of all that was announced: as much of it at once as FTS5 understands.

FTS5 goes from one paper of a rare word to the next, where otherwise all papers of a frequent one are read. But it can
neither leave out something where nothing is wanted, nor look into two tables at once, nor nest as deep as queries may.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from newsletter.query import And, Node, Not, Or, Term, as_words, category_matches
from newsletter.storage.indexing import GAP
from newsletter.storage.marking import STEMMED, called

#: The tables, as fields of terms. Categories stand in both.
TEXTS, NAMES, EITHER = "search_texts", "search_names", "search_names, search_texts"
_ALL_TEXTS = f"{{{' '.join(STEMMED.values())}}}"
_DEEPEST = 10  # parentheses in parentheses; FTS5 takes some more


@dataclass(frozen=True, slots=True)
class Asked(Term):
    """A part of a query in the words of FTS5; its field is the table that is asked."""

    depth: int = dataclasses.field(default=1, compare=False)


class Phrasing:
    """Puts queries into the words of FTS5; `categories` are all there are, with their numbers in the index."""

    def __init__(self, categories: Iterable[tuple[str, int]]) -> None:
        self._categories = tuple(categories)

    def of(self, tree: Node) -> Node:
        """A query whose terms are `Asked`, but for identifiers."""
        match tree:
            case Term():
                return self._term(tree)
            case Not(item):
                return Not(self.of(item))
            case And(items):
                return _all(list(map(self.of, items)))
            case Or(items):
                return _any(list(map(self.of, items)))

    def _term(self, term: Term) -> Node:
        words = term.words
        match term.field:
            case "id":
                return term
            case "cat":
                return self._filed(lambda name: category_matches(name, words))
            case "rn":
                return Asked(NAMES, f'report_no : "{words}"')
            case "au":
                return _named(words)
            case "all":
                filed = self._filed(lambda name: as_words(name) == words)
                report = Asked(NAMES, f'report_no : "{GAP} {words} {GAP}"')
                texts = Asked(TEXTS, f'{_ALL_TEXTS} : "{words}"')
                return _any([texts, _named(words), report, filed, Term("id", _identifier(words))])
            case _:
                return Asked(TEXTS, f'{STEMMED[term.field]} : "{words}"')

    def _filed(self, is_wanted: Callable[[str], bool]) -> Node:
        numbers = [f'"{number}"' for name, number in self._categories if is_wanted(name)]
        return Asked(EITHER, f"categories : ({' OR '.join(numbers)})") if numbers else Or(())


def _named(words: str) -> Asked:
    names = (f'"{name}" *' if begins else f'"{name}"' for name, begins in called(words))
    return Asked(NAMES, f"authors : ({' OR '.join(names)})")


def _identifier(words: str) -> str:
    """The identifier of which these are the words: "2502 18863v1" is 2502.18863v1, "hep th 9901001" hep-th/9901001."""
    before, _, last = words.rpartition(" ")
    return f"{before}.{last}" if before.isdigit() else f"{before.replace(' ', '-')}/{last}"


# ---------------------------------------------------------------- joining


def _any(items: Sequence[Node]) -> Node:
    """What answers any of some: of what can be asked of one table, one question."""
    questions: list[Node] = []
    for table in (TEXTS, NAMES):
        asked, items = _parted(items, table)
        if asked:
            questions.append(_question(" OR ", asked))
    nodes = (*questions, *items)
    return nodes[0] if len(nodes) == 1 else Or(nodes)


def _all(items: Sequence[Node]) -> Node:
    """What answers all of some, and nothing of what is not wanted."""
    questions: list[Node] = []
    for table in (TEXTS, NAMES):
        wanted, items = _parted(items, table)
        if not wanted:
            continue
        question = _question(" AND ", wanted)
        unwanted, rest = _parted([item.item for item in items if isinstance(item, Not)], table)
        if unwanted:
            question = _question(" NOT ", [question, _question(" OR ", unwanted)])
            items = [*(item for item in items if not isinstance(item, Not)), *map(Not, rest)]
        questions.append(question)
    nodes = (*questions, *items)
    return nodes[0] if len(nodes) == 1 else And(nodes)


def _parted(items: Sequence[Node], table: str) -> tuple[list[Asked], list[Node]]:
    """What is asked of a table, and the rest. What either table knows goes with the first of which more is asked."""
    tables = {item.field for item in items if isinstance(item, Asked)}
    own = {table, EITHER} if table in tables or table == NAMES else set()
    asked: list[Asked] = []
    others: list[Node] = []
    for item in items:
        if isinstance(item, Asked) and item.field in own and item.depth < _DEEPEST:
            asked.append(item)
        else:
            others.append(item)
    return asked, others


def _question(sign: str, asked: Sequence[Asked]) -> Asked:
    if len(asked) == 1:
        return asked[0]
    table = next((one.field for one in asked if one.field != EITHER), EITHER)
    words = [f"({one.words})" for one in asked]
    return Asked(table, sign.join(words), depth=1 + max(one.depth for one in asked))

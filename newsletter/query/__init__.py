"""The query language: arXiv's fields and operators, parsed once, written for arXiv and planned for here.

::

    query   := name | level                  a name: words with no field, quote or operator; one phrase
    level   := [ANDNOT] operand ((AND | ANDNOT) operand)*  |  operand (OR operand)*
    operand := [field:] ( word | "phrase" | (level) )  |  word word…

Fields are those of the arXiv API User's Manual, §5.1: ti au abs co jr cat rn id all. A phrase with no field is looked
for in title or abstract. AND and OR beside each other at one level are refused: arXiv declares no precedence.
"""

from newsletter.query.asking import excludes_here_only, write_search_query
from newsletter.query.categories import category_matches, read_category
from newsletter.query.reading import MAX_LENGTH, MAX_NESTING, name_query, parse, tidy
from newsletter.query.scanning import FIELDS
from newsletter.query.tree import And, Node, Not, Or, Term, evaluate, positive_terms, possible, terms
from newsletter.query.words import as_words
from newsletter.query.writing import normal_form, write

__all__ = [
    "FIELDS",
    "MAX_LENGTH",
    "MAX_NESTING",
    "And",
    "Node",
    "Not",
    "Or",
    "Term",
    "as_words",
    "category_matches",
    "evaluate",
    "excludes_here_only",
    "name_query",
    "normal_form",
    "parse",
    "positive_terms",
    "possible",
    "read_category",
    "terms",
    "tidy",
    "write",
    "write_search_query",
]

"""Authors where arXiv gives all of them in one string: in feeds (dc:creator) and in OAI-PMH's arXivRaw.

Names come out as the query API has them, so that a paper's authors do not differ by the way it came: as Unicode, and
with a blank after each dot (arXiv makes "H.-P." into "H. -P.").
"""

import re
from collections.abc import Iterator

from newsletter.text import readable

_PARENTHESIS = re.compile(r"[()]")
# Commas, and colons behind a collaboration; not TeX's thin space. "Last,  First" is two authors to arXiv, too.
_BETWEEN = re.compile(r"(?<!\\)[,:]|(?:(?<=\s)|^)(?:and|\\?&)(?=\s)")
_SUFFIX = re.compile(r"(?:[JS]r\.?|I{2,3}|IV)$")
_AND_OTHERS = re.compile(r"(?:^|\s)et\.?\s+al\b.*$")
_TIE = re.compile(r"(?<!\\)~")
_TIGHT_DOT = re.compile(r"(?<!\\)\.(?=[^\s.])")


def split_authors(text: str) -> tuple[str, ...]:
    """The names in a list of authors, without affiliations; those of collaborations count. Empty if there are none."""
    names: list[str] = []
    for part in _BETWEEN.split(_without_affiliations(" ".join(text.split()))):
        name = _tidied(part)
        if names and _SUFFIX.match(name):
            names[-1] = f"{names[-1]} {name}"
        elif any(map(str.isalnum, name)):
            names.append(name)
    return tuple(names)


def _without_affiliations(text: str) -> str:
    return "".join(_outside(text))


def _outside(text: str) -> Iterator[str]:
    # Parentheses may be nested; one that is never closed goes to the end.
    depth = start = 0
    for match in _PARENTHESIS.finditer(text):
        if depth == 0:
            yield text[start : match.start()]
        depth = max(0, depth + (1 if match[0] == "(" else -1))
        start = match.end()
    if depth == 0:
        yield text[start:]


def _tidied(part: str) -> str:
    return readable(_TIGHT_DOT.sub(". ", _AND_OTHERS.sub("", _TIE.sub(" ", part.strip()))))

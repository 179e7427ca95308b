"""Names of authors as arXiv holds them: in TeX, one string, and cut into key name, forenames and suffix."""

import re
from collections.abc import Iterator, Mapping
from functools import cache

from pylatexenc.latexencode import UnicodeToLatexEncoder

from newsletter.model import Paper

Affiliations = Mapping[str, tuple[str, ...]]

_PREFIX = re.compile(r"van|von|der|den|de|la|del|della|da|di|ter|dem|mac")
_SUFFIX = re.compile(r"[JS]r\.?|I{1,3}|IV|V")
_COLLABORATION = re.compile(r"collaboration|consortium|team", re.I)


@cache
def tex(name: str) -> str:
    r"""Write accents as TeX commands: Andr\'e, S{\o}gaard."""
    return str(_ENCODER.unicode_to_latex(name.replace("’", "'")))


_ENCODER = UnicodeToLatexEncoder(non_ascii_only=True, unknown_char_policy="keep", unknown_char_warning=False)


def cut(name: str) -> tuple[str, str, str]:
    """Key name, forenames and suffix; what cannot be cut is all key name."""
    words = name.split()
    if len(words) < 2 or _COLLABORATION.search(name):
        return name, "", ""
    suffix = words.pop() if len(words) > 2 and _SUFFIX.fullmatch(words[-1]) else ""
    first = len(words) - 1
    while first > 1 and _PREFIX.fullmatch(words[first - 1]):
        first -= 1
    return " ".join(words[first:]), " ".join(words[:first]), suffix


def creators(paper: Paper, affiliations: Affiliations) -> str:
    """All authors as the feeds write them: a name without forenames begins with a blank."""
    return ", ".join(_creators(paper, affiliations))


def _creators(paper: Paper, affiliations: Affiliations) -> Iterator[str]:
    for author in paper.authors:
        key, forenames, suffix = cut(tex(author))
        yield f"{forenames} {key}" + (f" {suffix}" if suffix else "") + _affiliation(affiliations.get(author, ()))


def raw(paper: Paper, affiliations: Affiliations) -> str:
    """All authors as a submitter types them."""
    names = [tex(author) + _affiliation(affiliations.get(author, ())) for author in paper.authors]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)


def _affiliation(names: tuple[str, ...]) -> str:
    return f" ({', '.join(names)})" if names else ""

"""Categories: how arXiv writes them, which of them are one, and what a pattern such as ``cs.*`` takes in."""

import re
from functools import lru_cache

#: Categories under two names (category taxonomy). A paper may be listed under one of them or under both.
ALIASES = (
    ("math-ph", "math.MP"),
    ("math.ST", "stat.TH"),
    ("cs.IT", "math.IT"),
    ("econ.GN", "q-fin.EC"),
    ("eess.SY", "cs.SY"),
    ("math.NA", "cs.NA"),
)
_OTHER_NAME = {one: other for pair in ALIASES for one, other in (pair, pair[::-1])}
_LOWER = {one.lower(): other.lower() for one, other in _OTHER_NAME.items()}
_CATEGORY = re.compile(r"([a-z]+(?:-[a-z]+)?)(?:\.([a-z]+(?:-[a-z]+)*))?([.-]?\*)?", re.IGNORECASE | re.ASCII)
# Archives whose papers all stand in one of their subject classes: alone, these match nothing (category taxonomy).
_DIVIDED = frozenset(("cs", "econ", "eess", "math", "nlin", "physics", "q-bio", "q-fin", "stat"))


def read_category(text: str) -> str:
    """Read a category such as ``cs.CV``, or a pattern such as ``cs.*``, whatever its case, as arXiv writes it.

    Raises:
        ValueError: it can be none; says what is expected.

    """
    match = _CATEGORY.fullmatch(text)
    if match is None:
        raise ValueError("expected a category such as cs.CV, or cs.* for all of an archive")
    archive, subject, wildcard = match.groups()
    archive = archive.lower()
    if archive in _DIVIDED and not subject and not wildcard:
        raise ValueError(f"no paper is in {archive} alone; expected {archive}.* for all of it")
    subject = subject and (subject.upper() if len(subject) <= 2 else subject.lower())
    return archive + (f".{subject}" if subject else "") + (wildcard or "")


@lru_cache(maxsize=1 << 16)
def category_matches(name: str, pattern: str) -> bool:
    """Whether a pattern takes in a category, under either of its names; case does not matter."""
    lower, wanted = name.lower(), pattern.lower()
    return _one_matches(lower, wanted) or (lower in _LOWER and _one_matches(_LOWER[lower], wanted))


def other_names(pattern: str) -> list[str]:
    """Categories that a pattern takes in by their other name only: ``cs.SY`` for ``eess.*``."""
    wanted = pattern.lower()
    names = (name for name in _OTHER_NAME if not _one_matches(name.lower(), wanted))
    return [name for name in names if _one_matches(_LOWER[name.lower()], wanted)]


def _one_matches(name: str, pattern: str) -> bool:
    if pattern.endswith(".*"):
        return name == pattern[:-2] or name.startswith(pattern[:-1])
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern

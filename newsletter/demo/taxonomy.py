"""arXiv's categories, and how its feeds and sets call them."""

from collections.abc import Iterable, Iterator
from functools import cache

#: The archives of each group ("physics" alone has several) and their subject classes.
_CLASSES = {
    "astro-ph": "CO EP GA HE IM SR",
    "cond-mat": "dis-nn mes-hall mtrl-sci other quant-gas soft stat-mech str-el supr-con",
    "cs": "AI AR CC CE CG CL CR CV CY DB DC DL DM DS ET FL GL GR GT HC IR IT LG LO MA MM MS NA NE NI OH OS PF PL RO SC "
    "SD SE SI SY",
    "econ": "EM GN TH",
    "eess": "AS IV SP SY",
    "gr-qc": "",
    "hep-ex": "",
    "hep-lat": "",
    "hep-ph": "",
    "hep-th": "",
    "math": "AC AG AP AT CA CO CT CV DG DS FA GM GN GR GT HO IT KT LO MG MP NA NT OA OC PR QA RA RT SG SP ST",
    "math-ph": "",
    "nlin": "AO CD CG PS SI",
    "nucl-ex": "",
    "nucl-th": "",
    "physics": "acc-ph ao-ph app-ph atm-clus atom-ph bio-ph chem-ph class-ph comp-ph data-an ed-ph flu-dyn gen-ph "
    "geo-ph hist-ph ins-det med-ph optics plasm-ph pop-ph soc-ph space-ph",
    "q-bio": "BM CB GN MN NC OT PE QM SC TO",
    "q-fin": "CP EC GN MF PM PR RM ST TR",
    "quant-ph": "",
    "stat": "AP CO ME ML OT TH",
}
_OWN_GROUPS = ("cs", "econ", "eess", "math", "q-bio", "q-fin", "stat")
_ALIASES = {
    "math.MP": "math-ph",
    "stat.TH": "math.ST",
    "math.IT": "cs.IT",
    "q-fin.EC": "econ.GN",
    "cs.SY": "eess.SY",
    "cs.NA": "math.NA",
}
_BOTH_WAYS = _ALIASES | {other: name for name, other in _ALIASES.items()}


class UnknownName(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """A name that is no archive and no category, in the words of arXiv's feeds."""


def archives() -> tuple[str, ...]:
    """The names of all archives."""
    return tuple(_CLASSES)


def categories(archive: str) -> tuple[str, ...]:
    """All categories of an archive."""
    return tuple(f"{archive}.{name}" for name in _CLASSES[archive].split()) or (archive,)


def with_aliases(names: Iterable[str]) -> frozenset[str]:
    """The categories, and those that are the same under another name."""
    kept = frozenset(names)
    return kept | {_BOTH_WAYS[name] for name in kept if name in _BOTH_WAYS}


def set_spec(category: str) -> str:
    """What OAI-PMH calls a category: ``cs:cs:CV``, ``physics:hep-th``."""
    archive, _, name = category.partition(".")
    spec = f"{_group(archive)}:{archive}"
    return f"{spec}:{name}" if name else spec


@cache
def sets() -> tuple[str, ...]:
    """All sets: groups, archives, categories."""
    classes = (set_spec(name) for archive, names in _CLASSES.items() if names for name in categories(archive))
    return (*_OWN_GROUPS, "physics", *(f"{_group(archive)}:{archive}" for archive in _CLASSES), *classes)


def _group(archive: str) -> str:
    return archive if archive in _OWN_GROUPS else "physics"


def read_names(query: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """Read what a feed is asked for, such as ``cs.ai+q-bio``: names as arXiv writes them (archives first), categories.

    Raises:
        UnknownName: it is not understood.

    """
    names = query.split("+")
    if not all(name.strip() for name in names):
        raise UnknownName(f"Invalid archive specification '{query}'. It is one or more names delimited by '+'.")
    pairs = [_read_name(name) for name in names]
    whole = [archive for archive, category in pairs if not category]
    single = [category for _, category in pairs if category]
    return (*whole, *single), frozenset((*single, *_categories(whole)))


def _categories(names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield from categories(name)


def _read_name(text: str) -> tuple[str, str]:
    archive, *rest = text.split(".")
    if len(rest) > 1:
        raise UnknownName(f"Bad archive/subject class structure '{text}'.")
    archive = archive.lower()
    if archive not in _CLASSES:
        raise UnknownName(f"Bad archive '{archive}'. Valid archive names are: {', '.join(_CLASSES)}.")
    if not rest:
        return archive, ""
    for name in (rest[0].upper(), rest[0].lower()):
        if name in _CLASSES[archive].split():
            return archive, f"{archive}.{name}"
    known = ", ".join(categories(archive))
    raise UnknownName(f"Bad subject class '{rest[0]}'. Valid subject classes for the archive '{archive}' are: {known}.")

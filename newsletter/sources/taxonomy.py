"""arXiv's archives and categories, and what they are called by the feed and by OAI-PMH.

Patterns are those of the configuration, as `newsletter.query.read_category` writes them: ``cs.CV``, ``cs.*``,
``hep-*``. What arXiv has made since (new categories, new archives) passes through under its own name.
"""

from collections.abc import Iterator, Sequence

# The active ones, by group and archive; an archive without subjects is a category itself. (arxiv-base, taxonomy)
_GROUPS = {
    "cs": {
        "cs": "AI AR CC CE CG CL CR CV CY DB DC DL DM DS ET FL GL GR GT HC IR IT LG LO MA MM MS NA NE NI OH OS PF PL "
        "RO SC SD SE SI SY"
    },
    "econ": {"econ": "EM GN TH"},
    "eess": {"eess": "AS IV SP SY"},
    "math": {"math": "AC AG AP AT CA CO CT CV DG DS FA GM GN GR GT HO IT KT LO MG MP NA NT OA OC PR QA RA RT SG SP ST"},
    "q-bio": {"q-bio": "BM CB GN MN NC OT PE QM SC TO"},
    "q-fin": {"q-fin": "CP EC GN MF PM PR RM ST TR"},
    "stat": {"stat": "AP CO ME ML OT TH"},
    "physics": {
        "astro-ph": "CO EP GA HE IM SR",
        "cond-mat": "dis-nn mes-hall mtrl-sci other quant-gas soft stat-mech str-el supr-con",
        "gr-qc": "",
        "hep-ex": "",
        "hep-lat": "",
        "hep-ph": "",
        "hep-th": "",
        "math-ph": "",
        "nlin": "AO CD CG PS SI",
        "nucl-ex": "",
        "nucl-th": "",
        "physics": "acc-ph ao-ph app-ph atm-clus atom-ph bio-ph chem-ph class-ph comp-ph data-an ed-ph flu-dyn gen-ph "
        "geo-ph hist-ph ins-det med-ph optics plasm-ph pop-ph soc-ph space-ph",
        "quant-ph": "",
    },
}
_GROUP = {archive: group for group, archives in _GROUPS.items() for archive in archives}
_DIVIDED = {
    archive: tuple(f"{archive}.{subject}" for subject in subjects.split())
    for archives in _GROUPS.values()
    for archive, subjects in archives.items()
}

ARCHIVES = tuple(_DIVIDED)
CATEGORIES = tuple(name for archive, names in _DIVIDED.items() for name in names or (archive,))


def feed_names(patterns: Sequence[str]) -> tuple[str, ...]:
    """What the feed is to be asked for, so that whatever matches a pattern is in it: archives and categories.

    Nothing is asked for twice, also not as a part of its archive. Without patterns: every archive.
    """
    if not patterns:
        return ARCHIVES
    names = dict.fromkeys(name for pattern in patterns for name in _named_by(pattern))
    return tuple(name for name in names if "." not in name or name.partition(".")[0] not in names)


def subdivide(name: str) -> tuple[str, ...]:
    """The categories of an archive; none for what cannot be divided, or is not known."""
    return _DIVIDED.get(name, ())


def oai_sets(patterns: Sequence[str]) -> tuple[str, ...]:
    """The OAI-PMH sets that hold whatever matches a pattern. None at all without patterns: then ask without a set.

    A set is ``group:archive:subject``, as long as it need be; a group of one archive stands for that archive.
    """
    return tuple(_set_of(name) for name in feed_names(patterns)) if patterns else ()


def _named_by(pattern: str) -> Iterator[str]:
    if not pattern.endswith("*"):
        yield pattern
        return
    stem = pattern[:-1].lower()  # "physics.a*" is written "physics.A*"
    known = False
    for archive, names in _DIVIDED.items():
        wanted = [archive] if f"{archive}.".startswith(stem) else [one for one in names if one.lower().startswith(stem)]
        known = known or bool(wanted)
        yield from wanted
    if not known:  # its archive holds it, should arXiv have made it; without one, arXiv's refusal will tell
        archive, dot, _ = stem.partition(".")
        yield archive if dot else pattern


def _set_of(name: str) -> str:
    archive, dot, subject = name.partition(".")
    group = _GROUP.get(archive, archive)
    if dot:
        return f"{group}:{archive}:{subject}"
    alone = len(_GROUPS.get(group, ())) <= 1
    return group if alone else f"{group}:{archive}"

"""arXiv's categories, and what is asked of the feed and of OAI-PMH for the configured patterns."""

import re
from itertools import chain

import pytest
from house import SHARED
from hypothesis import given
from hypothesis import strategies as st

from newsletter.query import read_category
from newsletter.sources.taxonomy import ARCHIVES, CATEGORIES, feed_names, oai_sets, subdivide

HARVEST = SHARED / "data/arxiv/oai/ListRecords_arXiv_physics.plasm-ph_2026-01-05.xml"
STEMS = sorted({name[:end] for name in CATEGORIES for end in range(1, len(name) + 1)})
PATTERNS = st.sampled_from([f"{stem}*" for stem in STEMS] + [f"{archive}.*" for archive in ARCHIVES]) | st.sampled_from(
    CATEGORIES
)


def holds(name: str, category: str) -> bool:
    """What arXiv's feed does for a name: an archive brings all of its categories."""
    return category == name or category.startswith(f"{name}.")


def matches(category: str, patterns: list[str]) -> bool:
    """Whether a pattern covers a category under this name, not that of its twin (math.MP is math-ph)."""
    stems = [pattern.lower() for pattern in patterns]
    lower = category.lower()
    return not patterns or any(f"{lower}.".startswith(one[:-1]) if one[-1] == "*" else lower == one for one in stems)


def test_there_are_155_categories_in_20_archives() -> None:
    assert len(set(CATEGORIES)) == len(CATEGORIES) == 155
    assert len(set(ARCHIVES)) == len(ARCHIVES) == 20
    sizes = {archive: len(subdivide(archive)) for archive in ARCHIVES}
    assert {name: size for name, size in sizes.items() if size} == {
        "cs": 40, "econ": 3, "eess": 4, "math": 32, "nlin": 5, "physics": 22, "q-bio": 10, "q-fin": 9, "stat": 6,
        "astro-ph": 6, "cond-mat": 9,
    }  # fmt: skip


def test_categories_are_spelled_as_in_the_configuration() -> None:
    assert [read_category(name) for name in CATEGORIES] == list(CATEGORIES)


@pytest.mark.parametrize(
    ("patterns", "names", "sets"),
    [
        ("cs.*", "cs", "cs"),
        ("cs*", "cs", "cs"),
        ("cs.* stat.*", "cs stat", "cs stat"),
        ("cs.CV", "cs.CV", "cs:cs:CV"),
        ("stat.ML", "stat.ML", "stat:stat:ML"),
        ("cs.C*", "cs.CC cs.CE cs.CG cs.CL cs.CR cs.CV cs.CY", None),
        ("cs.CV cs.*", "cs", "cs"),
        ("cs.* cs.CV cs.C* cs.*", "cs", "cs"),
        ("cs.CV cs.CV", "cs.CV", "cs:cs:CV"),
        ("hep-*", "hep-ex hep-lat hep-ph hep-th", "physics:hep-ex physics:hep-lat physics:hep-ph physics:hep-th"),
        ("hep-th", "hep-th", "physics:hep-th"),
        ("hep-th.*", "hep-th", "physics:hep-th"),
        ("math*", "math math-ph", "math physics:math-ph"),
        ("math-*", "math-ph", "physics:math-ph"),
        ("math.*", "math", "math"),
        ("math-ph", "math-ph", "physics:math-ph"),
        ("q-*", "q-bio q-fin", "q-bio q-fin"),
        ("astro-ph.*", "astro-ph", "physics:astro-ph"),
        ("astro-ph.EP", "astro-ph.EP", "physics:astro-ph:EP"),
        ("nlin.CD", "nlin.CD", "physics:nlin:CD"),
        ("physics.*", "physics", "physics:physics"),
        ("physics.optics", "physics.optics", "physics:physics:optics"),
        ("physics.A*", "physics.acc-ph physics.ao-ph physics.app-ph physics.atm-clus physics.atom-ph", None),
        ("cond-mat.str-*", "cond-mat.str-el", "physics:cond-mat:str-el"),
    ],
)
def test_what_is_asked_for(patterns: str, names: str, sets: str | None) -> None:
    assert feed_names(patterns.split()) == tuple(names.split())
    if sets is not None:
        assert oai_sets(patterns.split()) == tuple(sets.split())


@pytest.mark.parametrize(
    ("pattern", "name", "oai_set"),
    [
        ("cs.ZZ", "cs.ZZ", "cs:cs:ZZ"),  # a category made since
        ("cs.Z*", "cs", "cs"),
        ("physics.new-ph", "physics.new-ph", "physics:physics:new-ph"),
        ("bio-eng", "bio-eng", "bio-eng"),
        ("bio-eng.*", "bio-eng", "bio-eng"),
        ("bio-eng.XY", "bio-eng.XY", "bio-eng:bio-eng:XY"),
        ("bio-*", "bio-*", "bio-*"),  # refused by arXiv, in its words
    ],
)
def test_what_is_not_known_passes_through(pattern: str, name: str, oai_set: str) -> None:
    assert feed_names([pattern]) == (name,)
    assert oai_sets([pattern]) == (oai_set,)


def test_without_patterns_everything_is_asked_for() -> None:
    assert feed_names([]) == ARCHIVES
    assert oai_sets([]) == ()


def test_an_archive_can_be_divided_and_nothing_else() -> None:
    assert subdivide("cs")[:2] == ("cs.AI", "cs.AR")
    assert subdivide("stat") == ("stat.AP", "stat.CO", "stat.ME", "stat.ML", "stat.OT", "stat.TH")
    assert [subdivide(name) for name in ("hep-th", "cs.AI", "bio-eng", "bio-*")] == [()] * 4
    assert sorted(chain.from_iterable(subdivide(name) or (name,) for name in ARCHIVES)) == sorted(CATEGORIES)


@given(st.lists(PATTERNS, max_size=6))
def test_whatever_matches_is_asked_for_once_and_nothing_in_vain(written: list[str]) -> None:
    patterns = [read_category(pattern) for pattern in written]
    names = feed_names(patterns)
    for category in CATEGORIES:
        asked = [name for name in names if holds(name, category)]
        assert len(asked) == 1 or not (asked or matches(category, patterns))
    assert all(any(matches(category, patterns) for category in CATEGORIES if holds(name, category)) for name in names)
    assert len(set(oai_sets(patterns))) == (len(names) if patterns else 0)


def test_sets_are_those_of_recorded_records() -> None:
    if not HARVEST.exists():
        pytest.skip(f"recorded answers of arXiv are not there: {HARVEST}")
    text = HARVEST.read_text(encoding="utf-8")
    checked = 0
    for record in re.findall(r"<record>.*?</record>", text, re.S):
        sets = re.findall(r"<setSpec>([^<]+)", record)
        categories = re.search(r"<categories>([^<]+)", record)
        if sets and categories:
            assert set(oai_sets(categories[1].split())) == set(sets)
            checked += 1
    assert checked

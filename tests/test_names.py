"""Authors out of one string."""

import re

import pytest
from gathering import make
from house import START
from hypothesis import given
from hypothesis import strategies as st

from newsletter.demo.atom import Page, feed
from newsletter.sources.atom import parse_answer
from newsletter.sources.names import split_authors

SIMPLE = st.from_regex(
    re.compile(r"[A-Z][a-z]{1,9} (?:[A-Z]\. ){0,2}[A-Z][a-z]{3,12}(?: Jr\.| III)?", re.A), fullmatch=True
)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        (" , ,and", ("and",)),
        ("Michael Cooper, Samuel Cooper", ("Michael Cooper", "Samuel Cooper")),
        ("Raphael Chetrite, Izaak Neri and Ada Example", ("Raphael Chetrite", "Izaak Neri", "Ada Example")),
        ("A. First, B. Second, and C. Third", ("A. First", "B. Second", "C. Third")),
        ("A. First & B. Second", ("A. First", "B. Second")),
        (r"A. First \& B. Second", ("A. First", "B. Second")),
        ("A. First,\n  B. Second", ("A. First", "B. Second")),
        # What looks like a separator and is none.
        ("Anders Andersen, R&D Group, Sandy Land", ("Anders Andersen", "R&D Group", "Sandy Land")),
        (r"A.\,First, B. Second", ("A. First", "B. Second")),
        # Affiliations.
        ("Ada Example (Affil A, Affil B), Bo Example (C)", ("Ada Example", "Bo Example")),
        ("A. First (1), B. Second (2 and 3) ((1) Here, (2) There, (3) and (so) on)", ("A. First", "B. Second")),
        ("A. First (Here) and B. Second (There)", ("A. First", "B. Second")),
        ("Youjian (Eugene) Liu, Brian Rider", ("Youjian Liu", "Brian Rider")),
        ("A. First (never closed, B. Second", ("A. First",)),
        ("A. First), B. Second", ("A. First", "B. Second")),
        # One name only: arXiv writes forenames, blank, key name, and there are none.
        ("Kandala,  Deepti", ("Kandala", "Deepti")),
        (" H1 Collaboration", ("H1 Collaboration",)),
        # Collaborations.
        (
            "LIGO Scientific Collaboration: A. First, B. Second",
            ("LIGO Scientific Collaboration", "A. First", "B. Second"),
        ),
        ("NVIDIA, :, A. First", ("NVIDIA", "A. First")),
        (
            "Javier G. Gonzalez, for the Pierre Auger Collaboration",
            ("Javier G. Gonzalez", "for the Pierre Auger Collaboration"),
        ),
        ("A. First et al.", ("A. First",)),
        ("A. First, et al", ("A. First",)),
        # Suffixes.
        ("Robert W. Heath, Jr., Ada Example", ("Robert W. Heath Jr.", "Ada Example")),
        ("Jonathan A. Karr Jr., Ting Hua", ("Jonathan A. Karr Jr.", "Ting Hua")),
        ("Henry Ford, III and Sam Snead, Sr", ("Henry Ford III", "Sam Snead Sr")),
        ("Jr., A. First", ("Jr.", "A. First")),
        # TeX, and arXiv's blank behind dots.
        (r"Nikola Pi\v{z}urica, Anders S{\o}gaard", ("Nikola Pižurica", "Anders Søgaard")),
        (r"Ra\'ul Rojas, Hendrik Kra{\ss}, Mari\'an", ("Raúl Rojas", "Hendrik Kraß", "Marián")),
        (r"{\.I}. Ak\c{c}a, P{\'e}rez", ("İ. Akça", "Pérez")),
        ("H.-P. Bretz, D.E.Knuth, G.~'t Hooft", ("H. -P. Bretz", "D. E. Knuth", "G. 't Hooft")),
        ("Émile Borel, 王小云", ("Émile Borel", "王小云")),
    ],
    ids=repr,
)
def test_names(text: str, names: tuple[str, ...]) -> None:
    assert split_authors(text) == names


@given(st.lists(SIMPLE, max_size=8), st.sampled_from([", ", ",", " and ", " & ", ", and ", ",\n "]))
def test_simple_names_come_back(names: list[str], last: str) -> None:
    text = last.join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
    assert split_authors(text) == tuple(names)


@given(st.text(alphabet=r"""ab .,:;&()and{}\'"~$%Jr-é""", max_size=60) | st.text(max_size=60))
def test_any_text_has_names_or_none(text: str) -> None:
    for name in split_authors(text):
        assert name == " ".join(name.split())
        assert name


def test_the_query_api_gives_a_colon_for_an_author() -> None:
    paper = make(1, authors=("NVIDIA", ":", "Ada Example"))
    (read,) = parse_answer(feed(Page("", "", 0, 1, 1, (paper,), START), "today")).papers
    assert read.authors == split_authors("NVIDIA: Ada Example") == ("NVIDIA", "Ada Example")

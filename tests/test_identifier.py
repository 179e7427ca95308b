"""Identifiers: one canonical form, whatever the form they come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.model import Version, parse_identifier

FORMS = (
    "{}",
    "arXiv:{}",
    "oai:arXiv.org:{}",
    "http://arxiv.org/abs/{}",
    "https://arxiv.org/abs/{}",
    "https://www.arxiv.org/pdf/{}",
    "https://arxiv.org/pdf/{}.pdf",
    "https://export.arxiv.org/html/{}",
    "  {}\n",
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("written", "version"),
    [
        ("0704.0001", Version("0704.0001", None)),
        ("1412.9999v12", Version("1412.9999", 12)),
        ("2502.18863v1", Version("2502.18863", 1)),
        ("math/0309136", Version("math/0309136", None)),
        ("math.GT/0309136v3", Version("math/0309136", 3)),
        ("solv-int/9901001v1", Version("solv-int/9901001", 1)),
        ("cond-mat.stat-mech/0101001", Version("cond-mat/0101001", None)),
    ],
)
def test_every_form_of_an_identifier_is_read(form: str, written: str, version: Version) -> None:
    assert parse_identifier(form.format(written)) == version


@pytest.mark.parametrize(
    "text",
    ["", "2502.188", "2513.18863", "2502.188634", "2502.18863v0", "2502.18863v", "math/030913", "math/0313136",
     "v2", "https://arxiv.org/list/cs.LG/new", "http://arxiv.org/api/errors#incorrect_id", "doi.org/10.1000/1"],
)  # fmt: skip
def test_what_is_none_is_refused(text: str) -> None:
    assert parse_identifier(text) is None


@given(st.text())
def test_whatever_is_read_is_canonical(text: str) -> None:
    version = parse_identifier(text)
    if version is not None:
        again = parse_identifier(version.id)
        assert again is not None
        assert again.id == version.id


@given(st.integers(7, 99), st.integers(1, 12), st.integers(1, 99_999), st.integers(1, 99), st.sampled_from(FORMS))
def test_writing_and_reading_give_the_same(year: int, month: int, number: int, version: int, form: str) -> None:
    identifier = f"{year:02}{month:02}.{number:05}"
    assert parse_identifier(form.format(f"{identifier}v{version}")) == Version(identifier, version)

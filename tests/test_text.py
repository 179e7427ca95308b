"""TeX to readable text, and the normaliser: nothing is lost, nothing raises, and what is alike becomes equal."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.text import INVISIBLE, fold, normalise, readable

SHARED = Path(__file__).parents[2] / "shared" / "data" / "arxiv"
#: What TeX reads and does not say: names of commands, of colours and of characters, and the braces.
NOT_SAID = re.compile(r"\\(?:textcolor|color|unicode|begin|end|label)\{[^}]*\}|\\[a-zA-Z]+|[${}]")
TEX = st.text(st.sampled_from("ab $\\{}[]%&#^_~\"'`-\n\u0301é") | st.characters(), max_size=60)


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"$\alpha$-stable", "α-stable"),
        (r"Erd\H{o}s--R\'enyi", "Erdős–Rényi"),
        (r"M\"obius and {\O}rsted", "Möbius and Ørsted"),
        (r"Sk\l odowska", "Skłodowska"),
        (r"\textbf{M}ulti", "Multi"),
        (r"\texttt{a_b}", "a_b"),
        (r"{\it foo bar} baz", "foo bar baz"),
        (r"50\% of all & 5% more, #1 of \$9", "50% of all & 5% more, #1 of $9"),
        ("from $5 and $10 to $1,000", "from $5 and $10 to $1,000"),
        ("$5 for $k$-means", "$5 for k-means"),
        ("H$_2$O, $k$-means, $O(n^2)$", "H_2O, k-means, O(n^2)"),
        (r"at https://example.org \href{https://example.org/a}{our page}", "at https://example.org our page <https://example.org/a>"),
        (r"\href{https://example.org/a_b}{https://example.org/a_b}.", "https://example.org/a_b."),
        (r"\url{https://example.org/a_b}", "https://example.org/a_b"),
        (r"see \cite{doe} in \section{Loss}", "see [doe] in Loss"),
        (r"\ours is good, \ours{} too", "ours is good, ours too"),
        (r"\unheardof{word} stays", "word stays"),
        (r"scratch$\unicode{x2013}$a", "scratch–a"),
        (r"\LaTeX and \verb|x|", "LaTeX and x"),
    ],
)  # fmt: skip
def test_tex_becomes_what_it_means(tex: str, text: str) -> None:
    assert readable(tex) == text


@pytest.mark.parametrize("text", ["5% of", "a~b", "A & B #1", "<SEG> and <b>x</b>", "{Deep} x_1^2", "C++ C# 100%", ""])
def test_text_without_tex_is_left_alone(text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize(
    "broken",
    ["a $x + word", r"\textit{word", r"word} x$", r"\begin{x word", r"\href{word} b", r"\unicode{word}", r"\frac{word"],
)
def test_broken_tex_keeps_its_words(broken: str) -> None:
    assert "word" in readable(broken)


@pytest.mark.parametrize("tex", ["$" * 3000, "\\" * 3000, "{" * 2000 + "$", r"\a{" * 400, "$x " * 2000])
def test_long_nonsense_is_survived(tex: str) -> None:
    assert len(readable(tex)) <= len(tex)


@given(TEX)
def test_readable_never_raises_and_gives_one_clean_line(text: str) -> None:
    result = readable(text)
    assert result == " ".join(result.split())
    assert not INVISIBLE.search(result)


@given(st.text(st.characters(exclude_characters="\\$", exclude_categories=["C"]), max_size=60))
def test_readable_of_plain_text_only_tidies_blanks(text: str) -> None:
    assert readable(text) == " ".join(text.split())


@given(TEX)
def test_normalise_is_idempotent(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Erdős–Rényi", "erdos renyi"),
        ("STRASSE", "straße"),
        ("Łódź Ørsted", "lodz orsted"),
        ("ﬁne-tuning", "fine tuning"),
        (r"Schr\"odinger", "schrödinger"),
        ("Schro\u0308dinger", "schrödinger"),
        ("trans\u00adformer", "transformer"),
        ("a\u00a0b\u2011c", "a b c"),
        ("O(n²)", "o(n2)"),
        ("\\$x\\$", "x"),
    ],
)
def test_spellings_of_one_word_become_equal(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


def test_fold_keeps_the_case() -> None:
    assert fold("Gödel-Löb") == "Godel Lob"


def recorded() -> list[str]:
    lines = (SHARED / "odd" / "odd_records.jsonl").read_text(encoding="utf-8").splitlines()
    odd = [json.loads(line)["record"] for line in lines]
    bulk = [json.loads(line) for line in (SHARED / "bulk" / "papers.jsonl").read_text(encoding="utf-8").splitlines()]
    names = ("title", "abstract", "summary", "comment", "comments")
    return [record[name] for record in odd + bulk for name in names if record.get(name)]


@pytest.mark.skipif(not SHARED.exists(), reason=f"the recordings are not in {SHARED}")
def test_no_word_of_real_records_is_lost() -> None:
    for text in recorded():
        words = set(letters(NOT_SAID.sub(" ", text)))
        together = "".join(letters(readable(text)))  # where groups and formulas touch, TeX joins words
        assert not [word for word in words if word not in together], text


def letters(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", normalise(text))

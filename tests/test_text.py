"""TeX to readable text, and the normaliser: nothing is lost, nothing raises, and what is alike becomes equal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.text import INVISIBLE, fold, normalise, readable, scripts_apart, scripts_joined

TEX = st.text(st.sampled_from("ab $\\{}[]%&#^_~\"'`-\n\u0301é") | st.characters(), max_size=60)
NO_TIES = "~5%, ~ 35B, 10~20, p~N(0,1), a~b, (~1 s), cs.x.edu/~ada"
WORDS = ("moth", "lamp", "fern", "heron", "brook")
#: What may stand before a word that is not a part of it, and takes no letter of it.
BEFORE_WORDS = (
    "$", "$$", r"\(", r"\)", r"\[", r"\]", "{", "}", "{,", "[", "]", "(", "_{", "^{", "&", "~", "%", "#", "--", "``",
    "''", '"', "5", "$5", "$x_i^2$", "\\", r"\\", r"\,", r"\ ", r"\{", r"\}", r"\$", r"\%", r"\|", r"\'", r"\"", r"\v",
    r"\hat", r"\not", r"\alpha", r"\leq", r"\log", r"\ours", r"\ours{}", r"\left.", r"\right)", r"\it", r"\small",
    r"\quad", r"\item", r"\item[", r"\textbf", r"\textbf{", r"\emph{", r"\mathbf{", r"\text{", r"\unheardof{",
    r"\footnote{", r"\frac{", r"\sqrt{", r"\sqrt[3]{", r"\hat{", r"\cite{", r"\cite[", r"\ref{", r"\url{", r"\href{",
    r"\textcolor{red}{", r"\begin{equation}", r"\end{equation}", r"\begin{itemize}", r"\end{itemize}",
    r"\unicode{x2014}", r"\mkern1mu",
)  # fmt: skip


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"Erd\H{o}s--R\'enyi", "Erdős–Rényi"),
        (r"M\"obius and {\O}rsted", "Möbius and Ørsted"),
        (r"Sk\l odowska, \AA ngstr{\"o}m, Gr{\"o}{\ss}e", "Skłodowska, Ångström, Größe"),
        (r"Mart\'{\i}nez, Mart{\'\i}nez, na\"{\i}ve, na\"ive", "Martínez, Martínez, naïve, naïve"),
        (r"Pi\v{z}urica, Dvo\v r\'ak, Fran\c{c}ois", "Pižurica, Dvořák, François"),
        (r"\.Ist, \k{a}, \r{u}, \=a, \u{g}, \d{t}, \`a, \^o, \~n", "İst, ą, ů, ā, ğ, ṭ, à, ô, ñ"),
        (r"Nguy\~{\^e}n, l\'od\'z, {\oe}uvre", "Nguyễn, lódź, œuvre"),
        (r"\"quoted\" words and \^{} and \~{}", "\"quoted\" words and ^ and ~"),
        (r"a \b{eta}-VAE with a {\mu}m at 360{\deg}", "a β-VAE with a μm at 360°"),  # as arXiv turns Unicode into TeX
    ],
)  # fmt: skip
def test_accents_and_letters(tex: str, text: str) -> None:
    assert readable(tex) == text


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"\textbf{M}ulti and {\it foo bar} baz", "Multi and foo bar baz"),
        (r"\emph{a} \textit{b} \textsc{c} \underline{d} \texttt{a_b} \mbox{e}", "a b c d a_b e"),
        (r"{\bf f} \textcolor{red}{g} {\color{blue} h} i\label{j}", "f g h i"),
        (r"50\% of all & 5% more, #1 of \$9, Q\&A, snake\_case", "50% of all & 5% more, #1 of $9, Q&A, snake_case"),
        (r"99\\% of \\textbf{words}", "99% of words"),
        (r"see \cite{doe}, \citep[p.~5]{roe} in Fig.~\ref{a}", "see [doe], [roe, p. 5] in Fig. [a]"),
        (r"\section{Loss} \paragraph{Results.} We", "Loss Results. We"),
        (r"words\footnote{A note.} go on", "words (A note.) go on"),
        (r"\begin{itemize} \item one \item[x] two\end{itemize} three", "• one • x two three"),
        (r"one\\two \newline three\,four~five", "one two three four five"),
        (r"\ours is good, \ours{} too, \ours\ as well, pre\ours", "ours is good, ours too, ours as well, pre ours"),
        (r"\unheardof{word} stays, \two{words}{too}", "word stays, words too"),
        (r"\eg, this \ie that", "e.g., this i.e. that"),
        (r"\alpha word, \alpha-helix", "α word, α-helix"),
        (r"scratch$\unicode{x2013}$a", "scratch–a"),
        (r"\LaTeX and \verb|\x_1|", "LaTeX and \\x_1"),
    ],
)  # fmt: skip
def test_commands_in_words(tex: str, text: str) -> None:
    assert readable(tex) == text


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"at https://x.org/a_b~c--d, \url{https://x.org/a\_b%20c~d}", "at https://x.org/a_b~c--d, https://x.org/a_b%20c~d"),
        (r"\href{https://example.org/a}{our \emph{page}}", "our page <https://example.org/a>"),
        (r"\href{https://example.org/a_b}{https://example.org/a_b}.", "https://example.org/a_b."),
        (r"http://x.edu/$\sim$ada and http://x.edu/\~{}ada", "http://x.edu/~ada and http://x.edu/~ada"),
        ("from $5 and $10 to $1,000", "from $5 and $10 to $1,000"),
        ("US$5 million and US$10 million, ($3) and ($4)", "US$5 million and US$10 million, ($3) and ($4)"),
        ("$5 for $k$-means, 90$ for the rest", "$5 for k-means, 90$ for the rest"),
        (r"the $ sign \emph{itself}", "the $ sign itself"),
        (r"only $5 \emph{each}", "only $5 each"),
        (r"only $50$ of $3 $ items in $1.5\times 10^3$", "only 50 of 3 items in 1.5 × 10³"),
        (r"/usr/lib/foo_bar my_var_name $x$ {0,1} C++", "/usr/lib/foo_bar my_var_name x {0,1} C++"),
    ],
)  # fmt: skip
def test_addresses_money_and_code_beside_tex(tex: str, text: str) -> None:
    assert readable(tex) == text


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"$\ell_1$, $x^2$, H$_2$O, $10^{-3}$, $x_{i+1}$, $A_{ij}$, $x^{(t)}$", "ℓ₁, x², H₂O, 10⁻³, xᵢ₊₁, Aᵢⱼ, x⁽ᵗ⁾"),
        (r"$\mathbb{R}^d$, $5^{th}$, $A^\top$, $x^\mathrm{T}$, $^{12}$C, SO$_4^{2-}$", "ℝᵈ, 5ᵗʰ, Aᵀ, xᵀ, ¹²C, SO₄²⁻"),
        (r"$90^\circ$, $x^*$, $f^\prime$, $f''$, $a^\dagger$, $K^{*0}$", "90°, x*, f′, f″, a†, K*⁰"),
        (r"$x_{max}$, $L_{\text{train}}$", "x_max, L_train"),  # small letters of words are hard to read
        (r"$T_c$, $n^\epsilon$, $x_{i,j}$, $10^{-3.5}$", "T_c, n^ϵ, x_(i,j), 10^(-3.5)"),  # not all have small forms
        (r"$2^{k^2}$, $n^{1/2-\delta}$, $1^{+0.3}_{-0.2}$", "2^(k²), n^(1/2-δ), 1^(+0.3)_(-0.2)"),
        (r"x_1 of theta_{13} and 2^{k} and x^2 with no dollars", "x_1 of theta₁₃ and 2ᵏ and x^2 with no dollars"),
        (r"PM\textsuperscript{4}Bench", "PM⁴Bench"),
        (r"$x_{max}y$ and $n^\alpha words$", "x_max y and n^α words"),
    ],
)  # fmt: skip
def test_indices_and_exponents(tex: str, text: str) -> None:
    assert readable(tex) == text


@pytest.mark.parametrize(
    ("tex", "text"),
    [
        (r"$\alpha$-stable, $\Lambda$CDM, $\mu$m, $\alpha \beta$", "α-stable, ΛCDM, μm, αβ"),
        (r"$\mathcal{O}(n \log n)$, $O(n\log n)$", "O(n log n), O(n log n)"),
        (r"$\log_2n$, $\sin^22\theta$, $\log\log n$", "log₂ n, sin² 2θ, log log n"),
        (r"$\operatorname{argmin}_x f$, $\arg\max_\theta L$, $\Rank(x)$", "argminₓ f, arg max_θ L, Rank(x)"),
        (r"$n\geq 3$, $x \leq y$, $\sim 5$, $224\times224$", "n ≥ 3, x ≤ y, ∼5, 224×224"),
        (r"$x = \pm 1$, $\alpha = 1$, $\lambda=1$", "x = ±1, α = 1, λ=1"),
        (r"$k\to\infty$, $x\in X$, $a\cdot b$, $x \approx y$, $1,\ldots,n$", "k→∞, x ∈ X, a · b, x ≈ y, 1,…,n"),
        (r"$\frac{1}{2}$, $\frac12$, $\frac{a+b}{c}$", "1/2, 1/2, (a+b)/c"),
        (r"$\frac{n(n+1)}{2}$, $\frac{1}{2\pi}$, $\frac{dx}{dt}$", "n(n+1)/2, 1/(2π), dx/dt"),
        (r"$\sqrt{n}$, $\sqrt2$, $\sqrt{n+1}$, $\sqrt[3]{n}$", "√n, √2, √(n+1), ³√n"),
        (r"$\tilde{O}(n)$, $\bar x$, $\hat{\theta}_n$, $\vec{v}$", "Õ(n), x̄, θ̂ₙ, v⃗"),
        (r"$\overline{MS}$, $\not=$", "MS, ≠"),
        (r"$\left\langle x, y \right\rangle$, $\|x\|_2$", "⟨x, y⟩, ‖x‖₂"),
        (r"$\{x \mid x>0\}$, $\left.a\right|_0$", "{x | x>0}, a|₀"),
        (r"$\mathsf{P}$, ${\cal N}=4$, $\mathbf x$, $\boldsymbol\theta$, $\mathbb{E}[x]$", "P, N=4, x, θ, E[x]"),
        (r"$\text{if } x_1$, $a\;\text{and}\;b$", "if x₁, a and b"),
        (r"$\binom{n}{k}$, $a \bmod n$, $a \pmod n$", "(n choose k), a bmod n, a (mod n)"),
        (r"half $\alpha of one, alpha$ of another", "half α of one, alpha of another"),
        (r"\(y\) \[x^2\] $$z$$ \begin{equation}x_1\end{equation} $ x $", "y x² z x₁ x"),
        (r"$\sum_{i=1}^n x_i$, $\int_0^\infty f$, $\lim_{n\to\infty} a$", "∑ᵢ₌₁ⁿ xᵢ, ∫₀^∞ f, lim_(n→∞) a"),
        (r"$\O(n)$, $\L$, $\d x$", "O(n), L, d x"),  # authors' own, not the letters that LaTeX calls so
    ],
)  # fmt: skip
def test_formulas(tex: str, text: str) -> None:
    assert readable(tex) == text


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("``TeX'' and ''this'' and ``that\" and \"plain\"", "“TeX” and “this” and “that” and \"plain\""),
        ("5'' wide, `so', O'Neil", "5'' wide, `so', O'Neil"),
        ("3--5, a---b, so -- yes", "3–5, a—b, so – yes"),
        ("--flag, x-->y, <--, C-- and a----b", "--flag, x-->y, <--, C-- and a----b"),
        ("models~(MLLMs), Fig.~3, 5~km, at~https://x.org/~ada", "models (MLLMs), Fig. 3, 5 km, at https://x.org/~ada"),
        (NO_TIES, NO_TIES),
    ],
)  # fmt: skip
def test_quotes_dashes_and_ties(typed: str, text: str) -> None:
    assert readable(typed) == text


@pytest.mark.parametrize("text", ["5% of", "a~b", "A & B #1", "<SEG> and <b>x</b>", "{Deep} x_1^2", "C++ C# 100%", ""])
def test_text_without_tex_is_left_alone(text: str) -> None:
    assert readable(text) == text


@pytest.mark.parametrize(
    "broken",
    [
        "a $x + word", r"\textit{word", r"word} x$", r"\begin{x word", r"\href{word} b", r"\unicode{word}",
        r"\frac{word", r"\label{x word", r"\color{x word", r"\cite{x word", r"\url{x word", r"\verb|word",
        r"\sqrt[3 word", r"\(x word", r"$$x word", r"\left( word", r"\unicode{xD800} word", "{" * 99 + "word",
        r"\hat" * 99 + " word", r"$_{" * 99 + "word",
    ],
)  # fmt: skip
def test_broken_tex_keeps_its_words(broken: str) -> None:
    assert "word" in normalise(broken)


@given(st.lists(st.tuples(st.sampled_from(BEFORE_WORDS), st.sampled_from(WORDS)), max_size=12))
def test_no_word_is_lost_between_commands(pieces: list[tuple[str, str]]) -> None:
    tex = " ".join(part for piece in pieces for part in piece)
    result = normalise(tex).replace(" ", "")
    for word in WORDS:
        assert result.count(word) >= sum(said == word for _, said in pieces), tex


@pytest.mark.parametrize("tex", ["$" * 3000, "\\" * 3000, "{" * 2000 + "$", r"\a{" * 400, "$x " * 2000])
def test_long_nonsense_is_survived(tex: str) -> None:
    assert len(readable(tex)) <= len(tex)


@given(TEX)
def test_readable_never_raises_and_gives_one_clean_line(text: str) -> None:
    result = readable(text)
    assert result == " ".join(result.split())
    assert not INVISIBLE.search(result)


@given(st.text(st.characters(exclude_characters="\\$~`'_^", exclude_categories=["C"]), max_size=60))
def test_readable_of_plain_text_only_tidies_blanks(text: str) -> None:
    assert readable(text.replace("--", "-")) == " ".join(text.replace("--", "-").split())


def test_indices_are_words_apart_or_one_with_their_base() -> None:
    text = readable(r"$\ell_1$, $x_{max}$, $10^{-3}$, H$_2$O")
    assert normalise(scripts_joined(text)) == "l1, xmax, 10 3, h2o"
    assert normalise(scripts_apart(text)) == "l 1, x max, 10 3, h 2o"


def test_what_is_small_folds_to_what_it_stands_for() -> None:
    # Texts are folded before they are matched: what did not come back would be found by nobody.
    for sign, letters in (
        ("_", "0123456789aehijklmnoprstuvxβγρχ"),
        ("^", "0123456789abcdefghijklmnoprstuvwxyzABTVβγδ"),
    ):
        for letter in letters:
            shown = readable(f"$x{sign}{letter}$")
            assert shown != f"x{sign}{letter}"
            assert unicodedata.normalize("NFKC", shown) == f"x{letter}"


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

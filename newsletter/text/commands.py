"""What TeX's commands stand for, as tables: signs, accents, and what is written around the words they are given.

Most signs come from pylatexenc, which knows the names of LaTeX and its usual packages.
"""

from functools import cache


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: The accents of words, by the sign or letter that writes them, and those of formulas.
ACCENTS = {
    "'": "\u0301", "`": "\u0300", "^": "\u0302", '"': "\u0308", "~": "\u0303", "=": "\u0304", ".": "\u0307",
    "u": "\u0306", "v": "\u030c", "H": "\u030b", "r": "\u030a", "c": "\u0327", "k": "\u0328", "d": "\u0323",
    "b": "\u0331", "t": "\u0361",
}  # fmt: skip
FORMULA_ACCENTS = {
    "hat": "\u0302", "widehat": "\u0302", "tilde": "\u0303", "widetilde": "\u0303", "bar": "\u0304",
    "overline": "\u0304", "vec": "\u20d7", "overrightarrow": "\u20d7", "dot": "\u0307", "ddot": "\u0308",
    "check": "\u030c", "breve": "\u0306", "acute": "\u0301", "grave": "\u0300", "mathring": "\u030a",
    "underline": "", "underbar": "", "overbrace": "", "underbrace": "",
}  # fmt: skip

#: Letters of names: the blank behind such a command ends it, and parts no words.
LETTERS = _names("o O l L i j aa AA ae AE oe OE ss SS dh DH th TH dj DJ ng NG")
#: What these mean in words; in formulas they are a function, and authors' own.
IN_WORDS = {"deg": "°", "S": "§", "P": "¶"}
#: Not all fonts have other double-struck letters than these.
DOUBLE_STRUCK = str.maketrans("CHNPQRZ", "ℂℍℕℙℚℝℤ")

#: Commands that stand for something around what they are given.
AROUND = {
    "abs": "|{}|", "norm": "‖{}‖", "ceil": "⌈{}⌉", "floor": "⌊{}⌋", "set": "{{{}}}", "pmod": " (mod {})",
    "bra": "⟨{}|", "ket": "|{}⟩", "ketbra": "|{}⟩⟨{}|", "expval": "⟨{}⟩",
    **dict.fromkeys(("binom", "dbinom", "tbinom"), "({} choose {})"),
    **dict.fromkeys(("footnote", "footnotetext", "thanks"), " ({})"),
    **dict.fromkeys(("ref", "autoref", "cref", "Cref", "eqref"), "[{}]"),
}  # fmt: skip
#: Commands that are given something first that is no text, and how many: colours, lengths, names of files.
GIVEN_NO_TEXT = {
    **dict.fromkeys(("color", "label", "hspace", "vspace", "includegraphics", "phantom", "hphantom", "vphantom"), 1),
    **dict.fromkeys(("textcolor", "colorbox", "texorpdfstring", "scalebox", "raisebox", "hyperlink", "fontsize"), 1),
    **dict.fromkeys(("fcolorbox", "multicolumn", "resizebox"), 2),
}

#: Commands that say how something looks, and nothing.
SILENT = _names(
    """tt it bf em rm sc sl sf cal frak itshape bfseries ttfamily scshape rmfamily sffamily mdseries upshape slshape
    normalfont displaystyle textstyle scriptstyle tiny scriptsize footnotesize small normalsize large Large LARGE huge
    Huge big Big bigg Bigg bigl bigr bigm Bigl Bigr Bigm biggl biggr Biggl Biggr limits nolimits nonumber notag
    noindent centering raggedright protect relax mathstrut strut allowbreak nobreak nolinebreak boldmath unboldmath
    hfill null bgroup egroup sloppy textcompwordmark"""
)
BLANKS = _names("quad qquad enspace enskip thinspace medspace thickspace space par newline linebreak xspace")
#: Commands that say how what they are given looks; so do all that begin with "math" and "text".
STYLES = _names("bm pmb boldsymbol bold roman mbox hbox fbox emph intertext")
#: Of these, the ones that are given words, also within a formula; so are all that begin with "text".
OF_WORDS = _names("mbox hbox fbox emph intertext")

# Names of functions that pylatexenc does not know.
_FUNCTIONS = """arg argmax argmin bmod choose conv cot coth csc deg det diag dim dist div erf exp gcd grad hom id ker lg
    mod poly polylog Pr rank sec sgn sign sinc span supp Tr tr Var Cov vol"""
# Signs that pylatexenc does not know, or knows otherwise than abstracts mean them.
_SIGNS = """
    ne ≠ neg ¬ lnot ¬ land ∧ lor ∨ iff ⇔ implies ⇒ impliedby ⇐ gets ← owns ∋ bot ⊥ models ⊨ vDash ⊨ rhd ▷ lhd ◁ unlhd ⊴
    leadsto ⇝ Box □ Diamond ◇ triangle △ bigstar ★ clubsuit ♣ heartsuit ♥ spadesuit ♠ diamondsuit ♦ checkmark ✓ cmark ✓
    xmark ✗ lll ⋘ ggg ⋙ nsim ≁ ncong ≇ thickapprox ≈ thicksim ∼ coloneqq ≔ coloneq ≔ defeq ≔ eqqcolon ≕ vcentcolon :
    colon : mid ∣ prime ′ ast * cdotp · bullet • bigsqcup ⨆ biguplus ⨄ varpropto ∝ ddagger ‡ ddag ‡ Re Re Im Im imath i
    jmath j Bbbk k lambdabar ƛ hbar ℏ angstrom Å AA Å aa å micro µ micron µm ohm Ω degree ° degrees ° celsius °C eps ε
    percent % lbrack [ rbrack ] backslash ∖ textbackslash ∖ slash / textbar | textless < textgreater > textunderscore _
    textbraceleft { textbraceright } textasciicircum ^ textperiodcentered · textquotedbl " flqq « frqq » glqq „ grqq “
    lq ‘ rq ’ copyright © pounds £ euro € EUR € SS ẞ eth ð sun ⊙ earth ⊕ arcsec ″ arcmin ′ farcs ″. farcm ′. fdg °.
    eg e.g. ie i.e.
"""
# Ordinary words, which authors take for names of their own.
_WORDS = _names(
    """today id image original estimates between recorder male Equal Angle Ident aries taurus gemini cancer leo virgo
    libra scorpio sagittarius capricornus aquarius pisces input include title author date"""
)


@cache
def symbols() -> dict[str, str]:
    """What is written for commands that are given nothing: "alpha" is "α", "log" is "log"."""
    from pylatexenc.latex2text import get_default_latex_context_db  # slow to import, and most texts hold no TeX

    known = {spec.macroname: spec.simplify_repl for spec in get_default_latex_context_db().iter_macro_specs()}
    signs = {
        name: sign
        for name, sign in known.items()
        if name.isalpha() and name not in _WORDS and isinstance(sign, str) and sign.strip() and "%" not in sign
    }
    ours = iter(_SIGNS.split())
    return signs | {name: name for name in _FUNCTIONS.split()} | dict(zip(ours, ours, strict=True)) | {"etal": "et al."}

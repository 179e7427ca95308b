"""How the parts of a formula are written on one line: indices and exponents, fractions, roots, and the room between."""

import re
import unicodedata

#: These become a blank or nothing once both their neighbours are known: where letters or digits would touch, and the
#: blank that only ended a command. Texts hold no control characters, so these are ours.
GAP, LOOSE = "\x1e", "\x1f"

_LOW = "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓᵦᵧᵨᵩᵩᵪ"
_HIGH = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻᴬᴮᴰᴱᴳᴴᴵᴶᴷᴸᴹᴺᴼᴾᴿᵀᵁⱽᵂᵝᵞᵟᶿᵠᵠᵡᵀᵀ"
_ALREADY_HIGH = "*'′″°†‡⋆%"
_SCRIPTS = {
    "_": str.maketrans("0123456789+-−=()aehijklmnoprstuvxβγρφϕχ", _LOW),
    "^": str.maketrans(
        f"0123456789+-−=()abcdefghijklmnoprstuvwxyzABDEGHIJKLMNOPRTUVWβγδθφϕχ⊤⊺{_ALREADY_HIGH}∘",
        f"{_HIGH}{_ALREADY_HIGH}°",
    ),
}
_WORD = re.compile(r"[A-Za-z]{3}")  # small letters of so many are hard to read: L_train
_MARKS = "\u0300-\u036f\u20d0-\u20ff"
_ONE_THING = re.compile(rf"[^\W{_LOW}{_HIGH}]+(?:\.\d+)?|\([^()]*\)|.")
#: Small letters and digits that stand below the line, or above.
SMALL = re.compile(f"[{_LOW}]+|[{_HIGH}]+")

# What needs parentheses in a fraction: sums and words above the bar, also products below it.
_PARENTHESES = re.compile(r"\([^()]*\)")
_SEVERAL = re.compile(r"[^\w√∂∇.,!*'′″°(){_MARKS}-]|(?<=.)-")
_ONE_FACTOR = re.compile(rf"\d+(?:\.\d+)?|[∂d√]?[^\W\d_][{_LOW}{_HIGH}{_MARKS}*'′]*|\([^()]*\)")

# Which room there is between signs: the blanks of the source, but as many before a relation as behind.
_TOUCHING = re.compile(rf"(?<=[\w)\]}}⟩⌉⌋!′″°∞⊙±∅%…{_MARKS}])\x1e(?=[^\W_]|[√∑∏∫∞∂∇])")
_BLANKS = re.compile("[ \x1f]+")
_INSIDE = re.compile(r"(?<=[(\[⟨⌈⌊]) | (?=[)\]⟩⌉⌋])")
_BEFORE_WORD = re.compile("\x1f(?=[A-Za-z]{2})")
_BEFORE_PLAIN_RELATION = re.compile(r"\x1f(?=[-=<>+/]+ )|(?<=[\w)])(?== )")
_RELATION = re.compile(
    rf"([\w)\]}}⟩|‖⌉⌋!*'′″°%…∞∅{_MARKS}\x1e]?)([ \x1f]?)"
    r"([×÷±∓·∗∘•←-⇿∈-∍∖∣∥∧-∪∶-⊣⊨⊲-⋟⟵-⟿⩽-⪺≔≕]+)([ \x1f]*)(?=[^ \x1f])"
)


def even(text: str) -> str:
    """Give a formula's signs as much room before them as behind: a blank behind a command only says where it ends."""
    text = _BLANKS.sub(lambda blanks: " " if " " in blanks[0] else LOOSE, text)
    text = _BEFORE_PLAIN_RELATION.sub(" ", _RELATION.sub(_even, text))
    text = _BEFORE_WORD.sub(" ", _INSIDE.sub("", text))
    return text.replace(LOOSE, "").replace("∣", "|")


def _even(match: re.Match[str]) -> str:
    left, before, sign, behind = match.groups()
    if not left:  # "≤ 5", or "= ±1": it belongs to what follows
        return f"{before.strip(LOOSE)}{sign}"
    return f"{left} {sign} " if before or behind else f"{left}{sign}"


def settle(text: str) -> str:
    """Make blanks of the gaps between what must not touch."""
    return _TOUCHING.sub(" ", re.sub("\x1e+", GAP, text)).replace(GAP, "")


def script(sign: str, text: str) -> str:
    """Write an index ("_") or an exponent ("^"): x² and xᵢ₊₁ where Unicode has all of it, else x_max and x^(a/b)."""
    text = re.sub(r"(?<!\w) | (?!\w)", "", settle(even(text)).strip())
    letters = text.replace(" ", "")
    if _SCRIPTS[sign].keys() >= set(map(ord, letters)) and not _WORD.search(text):
        return letters.translate(_SCRIPTS[sign])
    return f"{sign}{text}{GAP}" if _ONE_THING.fullmatch(text) else f"{sign}({text})"


def without_gap(base: str) -> tuple[str, str]:
    """Part a base from what comes behind its index or exponent, if it has one: the gap of "log", but no blank."""
    bare = base.rstrip(f" {GAP}{LOOSE}")
    return bare, GAP if GAP in base[len(bare) :] else ""


def fraction(upper: str, lower: str) -> str:
    """Write a fraction: 1/2, n(n+1)/2, (a+b)/c, 1/(2π)."""
    upper, lower = (settle(even(part)).strip() for part in (upper, lower))
    if _SEVERAL.search(_PARENTHESES.sub("", upper)):
        upper = f"({upper})"
    return f"{GAP}{upper}/{lower if _ONE_FACTOR.fullmatch(lower) else f'({lower})'}{GAP}"


def root(index: str, text: str) -> str:
    """Write a root: √n, √(n+1), ³√n."""
    text = settle(even(text)).strip()
    whole = re.fullmatch(r"[\w.]*", text) or _PARENTHESES.fullmatch(text)
    return f"{script('^', index)}√{text if whole else f'({text})'}{GAP}"


def accented(text: str, mark: str) -> str:
    """Put a mark on a letter: "x̄". What is longer stays as it is."""
    text = text.strip(f" {GAP}{LOOSE}")
    return unicodedata.normalize("NFC", text + mark) if len(text) == 1 else text

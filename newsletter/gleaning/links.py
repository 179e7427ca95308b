"""Where a paper's code is. What is not certain is not told."""

import re
from urllib.parse import quote

from newsletter.model import Paper
from newsletter.text import INVISIBLE, LINE_ENDS

_LONGEST_LINK, _LONGEST_NAME = 300, 45  # characters
_READ = 5_000  # characters; arXiv's form takes fewer
_CONTEXT = 120  # characters before a link that tell what it is
_HOSTS = re.compile(
    r"(?:gist\.)?github\.com|(?:[\w-]+\.)*gitlab\.[\w.-]+|[\w-]+\.gitlab\.io|bitbucket\.org|codeberg\.org"
    r"|anonymous\.4open\.science|[\w-]+\.sourceforge\.(?:net|io)|sourceforge\.net|huggingface\.co|zenodo\.org|osf\.io"
    r"|colab\.research\.google\.com|kaggle\.com|doi\.org|(?P<page>[\w-]+\.github\.io)"
)
_FORGES = re.compile(r"git|4open|bitbucket|codeberg|sourceforge")
_TEX_SIGNS = (
    (re.compile(r"\{\\([_%&#~$])\}|\\([_%&#$])"), r"\1\2"),
    (re.compile(r"\$\s*\\sim\s*\$|\{\\sim\}|\\sim\b\s?|\\textasciitilde(?:\{\})?\s?|\\~(?:\{\})?"), "~"),
    (re.compile(r"\\textunderscore(?:\{\})?\s?"), "_"),
    (re.compile(r"\\(?:allowbreak|linebreak)\b\s?|\\-"), ""),
    (re.compile(r"\\[a-zA-Z]+\*?\s*(?=\{)"), " "),
    # Breaks within an address, where it cannot end.
    (re.compile(r"(https?:)\s*(//)\s*"), r"\1\2"),
    (re.compile(r"\b(github|gitlab)\.\s+(com/)"), r"\1.\2"),
    (re.compile(r"\b(git(?:hub|lab)\.com/)\s+(?=[\w.-]+/[\w.-]+)"), r"\1"),
    (re.compile(r"\b(git(?:hub|lab)\.com/[\w./-]+-)\s+(?=\w)"), r"\1"),
)
_LINK = re.compile(
    r"(?<![\w.@/-])(?:https?://)?(?:www\.)?(?P<host>(?:[a-z\d-]{1,63}\.){1,6}[a-z]{2,20})(?::(?:443|80))?"
    r"(?P<rest>/[^\s<>\"{}|\\^`\[\]]*)?(?![\w@:])",
    re.IGNORECASE | re.ASCII,
)
_CODE = re.compile(
    r"\b(?:codes?|codebase|implementations?|software|source|repo(?:sitory|s)?|packages?|librar(?:y|ies)|toolkit|github)\b",
    re.IGNORECASE,
)
_PAGE = re.compile(r"\bproject|\b(?:home|web) ?page|\bweb ?site", re.IGNORECASE)
# The code of others, that ours is made with.
_OTHERS = re.compile(
    r"\b(?:based (?:up)?on|buil[dt]s? (?:up)?on|fork(?:ed)? (?:of|from)|adapted from|using|we used?|such as|e\.g\."
    r"|compar(?:e[ds]?|ing|ison) (?:it |them )?(?:with|to|against)|evaluat(?:e[ds]?|ing) (?:it |them )?on"
    r"|extend(?:s|ed|ing)? the)"
    r"(?:,?\s[\w-]+){0,6}\s?\(?$",
    re.IGNORECASE,
)
_NO_CODE = re.compile(r"huggingface\.co/datasets/|doi\.org/(?!10\.5281/zenodo)")
_TRACKER = re.compile(r"(?:utm_\w+|fbclid|gclid|usp|tab|ref|source|authuser)(?:=.*)?")


def code_link(paper: Paper) -> str:
    """An https address of the paper's own code, from comment or abstract; empty if there is none.

    ASCII that may stand in an attribute, at most 300 characters, on a host of code and with a path. A project page on
    github.io counts where the words before it call it that, or speak of code.
    """
    best, link = 0, ""
    for text in (_without_tex(text[:_READ]) for text in (paper.comment, paper.abstract)):
        last = 0
        for match in _LINK.finditer(text):
            weight = _weight(match, text[max(last, match.start() - _CONTEXT) : match.start()])
            last = match.end()
            if weight > best and (address := _address(match)):
                best, link = weight, address
    return link


def _without_tex(text: str) -> str:
    text = INVISIBLE.sub("", LINE_ENDS.sub(" ", text))
    for sign, meant in _TEX_SIGNS:
        text = sign.sub(meant, text)
    return text


def _weight(match: re.Match[str], before: str) -> int:
    """How likely a link is the paper's code; 0 if it is not."""
    host = _HOSTS.fullmatch(match["host"].lower())
    before = re.split(r"[.!?]\s+(?=[A-Z])", before)[-1]
    if not host or _OTHERS.search(before) or _NO_CODE.match(host[0] + (match["rest"] or "")):
        return 0
    says_code = bool(_CODE.search(before))
    if host["page"]:
        return 2 + says_code if says_code or _PAGE.search(before) else 0
    return (4 if _FORGES.search(host[0]) else 1) + 4 * says_code


def _address(match: re.Match[str]) -> str:
    """The link in one form, or empty: with characters that no such address has, with no path, or too long."""
    host, rest = match["host"].lower(), (match["rest"] or "").partition("#")[0]
    if len(rest) > _LONGEST_LINK:
        return ""
    ascii_only = re.match(r"[!-~]*", rest)[0]  # type: ignore[index]  # it matches always
    if rest[len(ascii_only) :][:1].isalnum():
        return ""
    path, _, query = _without_punctuation(ascii_only).partition("?")
    query = "&".join(part for part in query.split("&") if part and not _TRACKER.fullmatch(part))
    rest = _without_punctuation(f"{path}?{query}" if query else path)
    rest = re.sub(r"%(?![\da-fA-F]{2})", "%25", quote(rest, safe="/?=&%~+,:;@!$*()-._"))
    address = f"https://{host}{rest}"
    has_path = rest.strip("/") or host.endswith(".github.io")
    return address if has_path and len(address) <= _LONGEST_LINK else ""


def _without_punctuation(address: str) -> str:
    closed = re.compile(r"[.,;:!?'*$]+$")
    address = closed.sub("", address)
    while address.endswith(")") and address.count(")") > address.count("("):
        address = closed.sub("", address[:-1])
    return address


def code_name(link: str) -> str:
    """What a link opens, for its text: ``github.com/user/repo``; from 46 characters on it ends with …."""
    name = re.sub(r"^https?://(?:www\.)?", "", link).partition("?")[0].rstrip("/").removesuffix(".git")
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1].rstrip("-._/") + "…"

"""Whether a paper was withdrawn. arXiv has no sign for it but words, in the comment or in place of the abstract.

What counts is that its authors, or arXiv, took this paper back from arXiv (info.arxiv.org/help/withdraw): not that
another paper or an earlier version was withdrawn, nor this one from a conference, nor that another takes its place.
"""

import re
from collections.abc import Iterator

from newsletter.model import Paper

_SENTENCE_ENDS = re.compile(r"(?<=[.;!?])\s+|\s[-–—]+\s")
_BEGINS_WITH = re.compile(r"^(?:\W|(?:arxiv admin note|note|update|comments?|v\d+) ?:)+", re.IGNORECASE)

_WORK = r"(?:e-?print|pre-?print|paper|article|submissions?|manuscript|work|draft|version|note|report|thesis|survey)\b"
_QUALITY = r"(?:(?:present|current|following|above|whole|entire|submitted|arxiv|research) )?"
_PAPER = rf"(?:this|the|our|my) {_QUALITY}{_WORK}(?! ?\d)"  # not `the version 1`
_THIS = rf"(?<!of )(?<!in )(?<!from )\b{_PAPER}"
_IS = r"(?: (?:has|have|had|as|is|was|been|being|be|now|hereby|temporarily|currently|already))*"
_HERE = r"(?! from (?!(?:the |this )?(?:arxiv|archive|consideration|publication|public)\b))"
_GONE = rf"\b(?:withdrawn|retracted)\b{_HERE}"
_BY = r"by (?:the |all )?(?:\w+ )?(?:authors?|arxiv|submitters?|admin\w*|moderators?|us|me)\b"
_WHY = rf"(?:{_BY}|(?:due to|because|owing to)\b)"
_AND = r"(?:as|since|for|until|pending|temporarily|in favou?r|from|to|and)\b"
_TAKE_BACK = r"\b(?:withdraws?|withdrew|withdrawn|withdrawing|retract(?:s|ed|ing)?|(?:withdrawal|retraction) of)"
_OTHER = (
    r"\b(?:previous|earlier|prior|old|older|original|first|initial|preliminary|another|companion|which|not|never"
    r"|section|theorem|lemma|claim|figure|table|v\d+|versions? \d+|arxiv:\S+|\d{4}\.\d{4,5})\b"
)

# How a sentence begins that stands in place of an abstract.
_NOTICES = (
    rf"(?:temporarily )?{_GONE}(?:$|[.,;:!]|,? (?:{_WHY}|{_AND}))",
    rf"(?:{_THIS}|{_WORK}(?! ?\d)|this|it)(?: of (?:the|this) {_WORK})?(?:,[^,]*,)?{_IS} {_GONE}",
    rf"(?:(?:the )?authors?|we|i) .{{0,80}}?{_TAKE_BACK} (?:{_PAPER}(?!['’])|it\b){_HERE}",
    rf"(?:{_THIS}|{_WORK})?{_IS} ?removed by arxiv\b",
)
# What is clear in a comment wherever it stands, and in an abstract would as often be about drugs or money.
_REMARKS = (
    rf".*{_THIS}{_IS} {_GONE}",
    rf".*{_THIS}.*(?:,|\b(?:and|so|thus|hence|therefore)\b)(?: it| this)?{_IS} {_GONE}",
    rf".*\b(?:thus|hence|therefore)(?: it| this)?{_IS} {_GONE}",
    rf".*{_THIS}.*\b(?:to|should|must|will|shall) be {_GONE}",
    rf"(?:(?!{_OTHER}).)*{_GONE},? {_WHY}",
    rf"(?:\d+ [a-z]+,? )+\(?{_GONE}\W*$",  # 12 pages, 3 figures, withdrawn
    rf".*{_TAKE_BACK} (?:{_PAPER}(?!['’])|it\b){_HERE}",
    rf".*\b(?:authors?|we) .{{0,60}}\b(?:withdraw|withdrew|ha(?:s|ve) withdrawn)(?:\W*$|[.,;]| {_WHY})",
    r".*\brequest\w* (?:\w+ )?(?:withdrawal|retraction)\b(?! of\b)",
)
_IN_ABSTRACT = re.compile("|".join(_NOTICES), re.IGNORECASE)
_LATER_IN_ABSTRACT = re.compile(rf"{_THIS}{_IS} {_GONE} {_BY}", re.IGNORECASE)
_IN_COMMENT = re.compile("|".join(_NOTICES + _REMARKS), re.IGNORECASE)


def is_withdrawn(paper: Paper) -> bool:
    """Whether a version says of itself that it was withdrawn."""
    if any(_IN_COMMENT.match(sentence) for sentence in _sentences(paper.comment)):
        return True
    first, *others = [*_sentences(paper.abstract), ""]
    return bool(_IN_ABSTRACT.match(first)) or any(_LATER_IN_ABSTRACT.match(sentence) for sentence in others)


def _sentences(text: str) -> Iterator[str]:
    if not re.search(r"withdr|retract|removed", text, re.IGNORECASE):
        return  # as nearly all papers
    for sentence in _SENTENCE_ENDS.split(" ".join(text.split())):
        if words := _BEGINS_WITH.sub("", sentence):
            yield words

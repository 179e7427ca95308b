"""Where a paper was accepted or appeared. What is not certain is not told: a wrong badge is worse than none."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import NamedTuple

from newsletter.gleaning.sentences import is_abbreviated
from newsletter.gleaning.venue_names import AMBIGUOUS, CANONICAL, CONFERENCES, FORMS, JOURNALS, OF_IEEE, key
from newsletter.model import Paper
from newsletter.text import readable


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _any(text: str) -> str:
    return "|".join(text.split())


_LONGEST_BADGE = 40  # characters
_COMMENT_READ = 2000  # characters: arXiv's form takes less
_MOST_MENTIONS = 20  # of a clause are looked at
_DD = "[0-9][0-9]"
_YEAR = rf"(?:(?:19|20){_DD}|'{_DD})(?!\d)"
# A name that nobody has told us: with two capitals, as most have.
_ACRONYM = r"(?=\w*[A-Z]\w*-?[A-Z])[A-Za-z][\w&]{1,14}(?:-[A-Z][\w&]{0,9})?"
_ACRONYMS = rf"(?:(?!IEEE|ACM|CVF|RSJ|SIG)[A-Z]{{3,}} )?{_ACRONYM}"
_IN_PARENTHESES = re.compile(
    r"\b(?:Conference|Conf\.|Symposium|Workshops?|Congress|Meeting|Colloquium)(?!\w)"
    r"(?:(?!Conference|Symposium|Workshop)[^();]){0,160}"
    rf"\((?:IEEE |ACM )?(?P<name>{_ACRONYMS}|[A-Z]\w+(?=\)[ ,]+{_YEAR}))[\s,-]{{0,2}}(?P<year>{_YEAR})?[^()]{{0,40}}\)"
)
_WITH_YEAR = re.compile(
    rf"(?<![\w@/.-])(?P<name>{_ACRONYMS}?)(?: Conference| Summit)?[\s,-]{{0,2}}(?P<year>{_YEAR})(?![\w-])"
)
# Words in capitals as in the name of a journal, and enumerations of them.
_TITLE_WORD = r"[A-Z][\w&.'-]*"
_TITLE = (
    rf"(?>{_TITLE_WORD}(?:(?:, (?={_TITLE_WORD}(?:,| and | & ))|,? (?:and|&) | (?:(?:of|for|in|on|the|to|de) ){{0,2}})"
    rf"{_TITLE_WORD}){{0,7}})"
)
_ACCEPTED = r"acc[ep]{2,3}t\w*"  # "accpeted" is common
_OBJECT = re.compile(
    rf"(?i:\b{_ACCEPTED}|\bpublished|\bappear(?:s|ed|ing)?|\bin press|(?P<presented>\bpresented))"
    r"(?i: and published| for (?:publication|presentation)| online| soon)?,? (?i:in|by|at|to|for) (?i:the )?"
    rf"(?i:journal )?[\"']?(?P<name>{_TITLE})(?P<journal>(?i: journal))?,?"
    rf"(?=\s*(?:[.,;:()\"']|$|(?:in )?(?P<year>{_YEAR})|as\b|vol))"
)
_NOT_OF_NAMES = _any(r"""
    arXiv Proc(?:eedings)? Conf(?:erence)?(?!\.\sSer) Symposium Workshops? Congress Meeting Springer Elsevier Wiley
    MDPI Press University Institute Department School Special Issue Main Session Track Lectures? Notes LNCS LNAI EPTCS
    CEUR Thesis Chapter Book Editors? Edited Eds? Findings Oral Poster Spotlight IEEE$ ACM$ USA UK AI$ Ph Part Full
    Short Long Open Copyright January February March April May June July August September October November December
    English French German Russian Spanish Chinese
""")
_NO_NAME = re.compile(rf"\b(?:{_NOT_OF_NAMES})\b")
_ONE_WORD = _words("""
    Algorithmica Automatica Bernoulli Biometrics Biometrika Cell Chaos Combinatorica Econometrica Entropy EPL Galaxies
    Icarus Nature Neurocomputing NeuroImage Neuron Nonlinearity Optica Patterns Quantum Science Sensors SIGMA Symmetry
    Universe
""")

_SETTLED = re.compile(
    rf"\b(?:{_ACCEPTED}|published|(?:to|will) (?:be )?appear|appear(?:s|ed|ing)?|presented|presentation at|forthcoming"
    r"|in press|camera[- ]ready|proceedings of|proc\. of|in proceedings?|in proc\.)",
    re.IGNORECASE,
)
# What comes after these is not settled, unless one of the former comes between.
_UNSETTLED = re.compile(
    r"\b(?:(?:re-?)?submi\w+(?: (?:to be|to|for|and|in)(?: \w+)?)?|(?:under|in|for|peer)[ -]review\w*"
    r"|(?:not|if|once|until|upon|when|yet|un)[ -]?(?:yet )?(?:been )?(?:accept\w*|publish\w*)|prepar(?:ed|ation)"
    r"|intend\w*|review(?:ed|ers?|ing|s)?\b|revis\w+|under \w+|plan(?:ned|s)?\b|target(?:ed|ing|s)?\b"
    r"|consider(?:ed|ation)|instead|challenge|competition|contest|us(?:es|ing)|template|style|format|based on|overlap"
    r"|admin note|code (?:to|for|of)|pending)",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"\bnot (?:\w+ )?(?:accepted|included|presented|published)"
    r"|\b(?:withdr|retract|reject|declin|conditional|provisional)",
    re.IGNORECASE,
)
_OTHER_VERSION = (
    r"\b(?:extended|expanded|full|fuller|long|longer|short|shorter|shortened|journal|conference|preliminary|early|earlier"
    r"|previous|prior|initial|abridged|condensed|improved|different|older?|workshop|v\d+)(?: and \w+)?"
    r" (?:version|draft|edition|variant|manuscript|extension)s?\b"
)
_ANOTHER = re.compile(
    rf"{_OTHER_VERSION}|\b(?:(?:version|parts?|portions?|subset|extract|summary|chapter) of"
    r" (?:an?|my|our|that|the|this)\b(?! accepted)|(?:extends|extending|extension)\b|builds? (?:up)?on|supersedes?"
    r"|(?:supplement\w*|appendix) (?:to|for|of)|reply to|response to|erratum|previously|preliminary|sequel|proposal)",
    re.IGNORECASE,
)
_OTHER_VERSION_OF = re.compile(rf"{_OTHER_VERSION} of\b", re.IGNORECASE)
# "at MIV at CVPR 2025": at a workshop that does not call itself one.
_WITHIN = re.compile(
    rf"\b(?:at|to|by|in|for) (?:the )?(?!IEEE|ACM|CVF|AAAI|SIG){_ACRONYM}(?:[ -]{_YEAR})? (?:at|of) (?:the )?$"
)
# All that may stand before and after a venue that nothing but its year speaks for.
_BEFORE = _any(r"""
    in at the of on for to a an as proceedings? proc published camera[-\s]ready version oral spotlight poster
    highlights? conference conf int paper symposium international annual european joint acm ieee cvf rsj sig\w+ aaai
    findings (?:19|20)\d\d \d+(?:st|nd|rd|th|pp) (?:\w+[-\s])?(?:first|second|third|\w{2,8}th)
""")
_AFTER = _any(r"""
    main conference track papers? full long short oral spotlight poster highlights? camera[-\s]ready final version
    findings datasets? and benchmarks? d b db proceedings industry research resource project codes? home\s?page
    web(?:site|page)? github video data models? demo\w* pages? \d+ journal as an? the in with has have been
    presentation on to at for from by this late breaking work press published session regular technical program first
    two three equal authors? jan\w* feb\w* mar\w* apr\w* may june? july? aug\w* sep\w* oct\w* nov\w* dec\w*
""")
_LEADS_IN = re.compile(rf"(?>\W|\b(?:{_BEFORE})\b)*+", re.IGNORECASE)
_LEADS_OUT = re.compile(rf"(?>[\s&*'\"]|\b(?:{_ACCEPTED}|{_AFTER})\b)*+", re.IGNORECASE)
_WORKSHOP = "workshop"
_KINDS = {
    kind: re.compile(sign, re.IGNORECASE)
    for kind, sign in (
        (_WORKSHOP, r"workshops?\b|@|\b(?:SemEval|BioNLP|SRW)\b"),
        ("shared task", r"\bshared task\b"),
        ("tutorial", r"\btutorial\b"),
        ("companion", r"\bcompanion\b"),
        ("late-breaking", r"\blate[- ]breaking\b|\bLB[RW]\b"),
        ("doctoral consortium", r"\bdoctoral (?:consortium|symposium)\b"),
        ("demo", r"\bdemo(?:nstration)?s? (?:track|papers?|session)\b|\bsystem demonstrations?\b"),
        ("findings", r"\bfindings\b"),
        ("oral", r"\boral\b"),
        ("spotlight", r"\bspotlight\b"),
        ("highlight", r"\bhighlights?\b(?! of| the| that)"),
    )
}
_SHORTER = (
    (re.compile(r"\bInternational Journal (?:of|on|for) "), "Int. J. "),
    (re.compile(r"\bJournal (?:of|on|for) (?:the )?"), "J. "),
    (re.compile(r"\bTransactions (?:of|on) (?:the )?"), "Trans. "),
    (re.compile(r" Journal$"), " J."),
    (re.compile(r",? and "), " & "),
    # As ISO 4 has them.
    (
        re.compile(
            r"\b(Appl(?=ied|ications)|Commun(?=ications)|Comput(?=ational|ers?|ing)|Eng(?=ineering)|Inf(?=ormati)"
            r"|Instrum(?=entation)|Int(?=ernational)|Math(?=ematic)|Meas(?=urement)|Phys(?=ic)|Res(?=earch)|Sci(?=ence)"
            r"|Syst(?=ems?)|Technol(?=og))[a-z]+"
        ),
        r"\1.",
    ),
)
_ADDRESS = re.compile(r"https?:\S+|\bwww\.\S+", re.IGNORECASE)
_NUMBER = re.compile(r"\b(?:arxiv|doi):\S+", re.IGNORECASE)
_CLAUSE_ENDS = re.compile(r"(?<![.!?])[.!?]++[)\]\"']*+(?=\s|$)|[;|]")
_PLAIN_YEAR = re.compile(r"(?:(?<![\w.:/–-])|(?<=\b\d\d/))(?:19|20)[0-9]{2}(?![\w/–-])")
_YEARS_BEHIND = re.compile(rf"\W{{0,3}}(?:{_YEAR}|{_DD})W?(?!\w)")
_LONG_YEAR_BEHIND = re.compile(rf"[\s,:(-]{{0,3}}({_YEAR})")
_SHORT_YEAR_BEHIND = re.compile(rf"-?({_DD})(?=W?(?!\w))| ({_DD})(?=\s*(?:$|[.,;:()\]]))")
_WORKSHOP_BEHIND = re.compile(rf"[\s'-]?(?:{_YEAR}|{_DD})-?[Ww](?!\w)")


@cache
def _known() -> re.Pattern[str]:
    spelled = "|".join(re.escape(form).replace("and", "(?:and|&)") for form in FORMS)
    journals = "|".join(map(re.escape, (*JOURNALS, *OF_IEEE)))
    return re.compile(
        rf"(?<![\w/.-])(?:(?ai:{spelled})(?! (?:and|&) [A-Z]| Theory| Techn)"
        rf"|(?P<conference>(?ai:{'|'.join(CONFERENCES)}))"
        rf"|{journals}|(?:{'|'.join(AMBIGUOUS)})(?=W?[\s,-]{{0,2}}{_YEAR}))(?P<workshop>-?[Ww]s?)?(?!\d?[A-Za-z])"
    )


class _Mention(NamedTuple):
    """A venue named in a clause, from `start` to `end`; `year` as it is written, if it is written there."""

    name: str
    start: int
    end: int
    year: str
    workshop: bool = False


class _Badge(NamedTuple):
    name: str
    year: str
    kind: str = ""

    def __str__(self) -> str:
        return " ".join(filter(None, (self.name, self.year, self.kind)))


def venue(paper: Paper) -> str:
    """Where a paper was accepted or published, as comment or journal reference tell: ``CVPR 2025 highlight``.

    At most 40 characters in one line; empty if they do not tell, or only of a submission or of another paper.
    """
    newest = paper.updated.year + 2
    badges = []
    for clause in _clauses(paper.comment):
        badges += _in_clause(clause, newest)
        if _OTHER_VERSION_OF.search(clause):
            break  # what follows tells of the other
    badges += _in_reference(_plain(paper.journal_ref), newest)
    fitting = [badge for badge in badges if len(str(badge)) <= _LONGEST_BADGE]
    return str(min(fitting, key=lambda badge: (badge.kind == _WORKSHOP, not badge.year), default=""))


def _plain(text: str) -> str:
    return re.sub("[’`‘]", "'", readable(text[:_COMMENT_READ]))


def _clauses(comment: str) -> Iterator[str]:
    start = 0
    text = _NUMBER.sub(" ", _ADDRESS.sub("; ", _plain(comment)))
    for end in _CLAUSE_ENDS.finditer(text):
        if end[0][0] != "." or not is_abbreviated(text, end.start()):
            yield text[start : end.start()]
            start = end.end()
    yield text[start:]


def _in_clause(clause: str, newest: int, *, settled: bool = False) -> list[_Badge]:
    """The venues that a clause says the paper is in; `settled` where that is sure of all that it names."""
    for mentions in (_known_mentions(clause), _other_mentions(clause)):
        if badges := _badges(clause, mentions, newest, settled=settled):
            return badges
    return list(_object(clause, newest))


def _known_mentions(clause: str) -> list[_Mention]:
    return [
        _Mention(
            CANONICAL[key(match[0].removesuffix(match["workshop"] or ""))],
            *match.span(),
            _year_behind(match, clause),
            bool(match["workshop"] or _WORKSHOP_BEHIND.match(clause, match.end()))
            or clause[match.start() - 1 : match.start()] == "@",
        )
        for match in islice(_known().finditer(clause), _MOST_MENTIONS)
    ]


def _other_mentions(clause: str) -> list[_Mention]:
    return [
        _Mention(match["name"], *match.span(), match["year"] or "")
        for pattern in (_IN_PARENTHESES, _WITH_YEAR)
        for match in pattern.finditer(clause)
        if not _NO_NAME.search(match["name"]) and not _known().match(clause, match.start("name"))
    ]


def _year_behind(match: re.Match[str], clause: str) -> str:
    long = _LONG_YEAR_BEHIND.match(clause, match.end())
    short = _SHORT_YEAR_BEHIND.match(clause, match.end()) if match["conference"] and not long else None
    return long[1] if long else short[1] or short[2] if short else ""


def _badges(clause: str, mentions: list[_Mention], newest: int, *, settled: bool) -> list[_Badge]:
    told: dict[str, _Badge] = {}
    ends = [0, *(mention.end for mention in mentions)]
    starts = [*(mention.start for mention in mentions[1:]), len(clause)]
    for mention, last_end, next_start in zip(mentions, ends, starts, strict=False):
        kind = (
            _WORKSHOP if mention.workshop else _kind(clause[last_end : mention.start], clause[mention.end : next_start])
        )
        year = _year(mention.year, clause, newest)
        if settled or _is_settled(clause[: mention.start], clause[mention.end :], kind, dated=bool(year)):
            badge = told.get(mention.name, _Badge(mention.name, year, kind))
            kind = _WORKSHOP if kind == _WORKSHOP else badge.kind or kind
            told[mention.name] = badge._replace(year=badge.year or year, kind=kind)
    return list(told.values())


def _is_settled(before: str, after: str, kind: str, *, dated: bool) -> bool:
    """Whether what stands around a venue says that the paper is in it, and the paper itself."""
    if _ANOTHER.search(before) or _DENIED.search(before + after) or (not kind and _WITHIN.search(before)):
        return False
    settled = max((match.end() for match in _SETTLED.finditer(before)), default=0)
    unsettled = max((match.end() for match in _UNSETTLED.finditer(before)), default=0)
    if unsettled >= settled > 0 or unsettled > settled:
        return False
    tail = re.split(r"[,.;:()\[\]]", _YEARS_BEHIND.sub("", after, count=1) if _YEARS_BEHIND.match(after) else after)[0]
    if settled:
        return bool(kind or _LEADS_OUT.fullmatch(tail)) or not re.match(r"\s+(?:[A-Z]|\w+[A-Z])", tail)
    if _UNSETTLED.search(after) or _ANOTHER.search(after) or not (dated or _SETTLED.search(after)):
        return False
    lead = re.split(r"[,:]", re.sub(r"\([^)]*\)", "", before))[-1]
    return bool((kind == _WORKSHOP or _LEADS_IN.fullmatch(lead)) and (kind or _LEADS_OUT.fullmatch(tail)))


def _kind(before: str, after: str) -> str:
    near = 200  # characters
    return next((kind for kind, sign in _KINDS.items() if sign.search(after[:near]) or sign.search(before[-near:])), "")


def _year(written: str, text: str, newest: int) -> str:
    """The year in full: what is written behind a venue, else the only one in the text. Empty if it cannot be."""
    if not written and not re.search(r"submit|receiv|revis", text, re.IGNORECASE):
        years = set(_PLAIN_YEAR.findall(text))
        written = years.pop() if len(years) == 1 else ""
    digits = written.strip("'")
    if len(digits) == 2:
        digits = f"20{digits}" if 2000 + int(digits) <= newest else f"19{digits}"
    return digits if digits and 1950 <= int(digits) <= newest else ""


def _object(clause: str, newest: int) -> Iterator[_Badge]:
    """The name behind "accepted in", which need not be known."""
    match = _OBJECT.search(clause)
    if not match or _DENIED.search(clause) or _ANOTHER.search(clause[: match.start()]):
        return
    if "," in match["name"] and re.match(",? (?:and|&) ", clause[match.end("name") :]):
        return  # the name goes on
    name = match["name"] if is_abbreviated(match["name"], len(match["name"]) - 1) else match["name"].rstrip(".,'")
    sure = match["year"] or (not match["presented"] and (match["journal"] or " " in name or name in _ONE_WORD))
    if sure and not (
        _NO_NAME.search(name) or _known().search(name) or _UNSETTLED.search(clause[: match.start("name")])
    ):
        yield _shortened(name, _year(match["year"] or "", clause, newest))


def _shortened(name: str, year: str) -> _Badge:
    for long, short in _SHORTER:
        if len(f"{name} {year}") > _LONGEST_BADGE:
            name = long.sub(short, name)
    return _Badge(name, year)


_BEHIND_NAME = re.compile(r",?\s*(?:\b(?:[Vv]ol(?:ume)?|[Nn]o|[Ii]ssue|pp?|[Aa]rt(?:icle)?)\b\.?\s*)?[(\d:\[].*$")


def _in_reference(text: str, newest: int) -> list[_Badge]:
    """What a journal reference tells, which is always of something published: ``Phys. Rev. D 105, 043501 (2022)``."""
    text = re.sub(r"(?<=\w)\.:?\s*(?=[A-Z&])", ". ", text).removeprefix("The ")
    if known := _in_clause(text, newest, settled=True):
        return known[:1]
    name = _BEHIND_NAME.sub("", re.sub(r"^(?:19|20)\d\d,? ", "", text)).rstrip(", ")
    if not re.fullmatch(_TITLE, name) or _NO_NAME.search(name) or name == text:
        return []
    in_parentheses = re.findall(r"\((?:[A-Za-z]+\.? )?((?:19|20)[0-9]{2})\)", text)
    year = (in_parentheses or _PLAIN_YEAR.findall(text) or [""])[-1]
    return [_shortened(name, _year(year, "", newest))]

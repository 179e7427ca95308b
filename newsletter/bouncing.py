"""What it means that mail comes back: whose fault it is, and when an address is to be left in peace. Pure."""

import re
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

QUIET_DAYS = 7  # in a row, after which what came back before is forgotten


class Kind(StrEnum):
    """What came back, by what it says of an address."""

    HARD = "hard"  # there is no such mailbox, for good
    SOFT = "soft"  # there is, and it takes no mail just now
    POLICY = "policy"  # they take no mail of ours; about us
    OURS = "ours"  # the mail itself was not understood; about us
    COMPLAINT = "complaint"  # its reader called our mail spam

    @property
    def points(self) -> float:
        """What it counts."""
        return _POINTS.get(self, 0.0)


class Proof(StrEnum):
    """How we know which of our mails came back. Whoever knows an address can write that it bounced."""

    ANSWER = "answer"  # the server that we handed it to said so
    KEYED = "keyed"  # it came to that mail's own return path, or names its envelope
    MESSAGE_ID = "message id"  # it names the mail, as all who have read it can
    NONE = "none"  # an address, and nothing else


@dataclass(frozen=True, slots=True)
class Bounce:
    """One report that a mail came back. `status` is its enhanced status code, as far as it has one (RFC 3463)."""

    kind: Kind
    proof: Proof
    status: str = ""
    text: str = ""


_POINTS = {Kind.HARD: 1.0, Kind.SOFT: 0.5}


# ---------------------------------------------------------------- whose fault

# As RFC 3463 and the IANA registry have them, but where large servers mean something else.
_BY_SUBJECT = {
    1: Kind.HARD,  # the address
    2: Kind.HARD,  # the mailbox
    3: Kind.SOFT,  # their system
    4: Kind.SOFT,  # the way there
    5: Kind.OURS,  # the protocol
    6: Kind.OURS,  # the content
    7: Kind.POLICY,
}
_BY_DETAIL = {
    (1, 7): Kind.POLICY,  # our address
    (1, 8): Kind.POLICY,  # our domain
    (2, 0): Kind.SOFT,
    (2, 2): Kind.SOFT,  # full
    (2, 3): Kind.SOFT,  # too large for this mailbox
    (2, 4): Kind.SOFT,  # a list that could not be expanded
    (4, 1): Kind.HARD,  # Exchange Online's word for: no such recipient
    (4, 4): Kind.HARD,  # the domain is not there
    (4, 5): Kind.POLICY,  # Gmail's word for: you have sent enough for today
    (4, 310): Kind.HARD,  # Exchange Online's: the domain is not there
    (6, 7): Kind.HARD,  # an address beyond ASCII, for a server that takes none (RFC 6531)
    (7, 17): Kind.HARD,  # the mailbox has another owner now (RFC 7293)
    (7, 18): Kind.HARD,  # the domain has
}
_UNSPECIFIC = {(0, 0), (3, 0), (5, 0)}  # which many servers say whatever is the matter
_BY_CODE = {
    **dict.fromkeys((500, 501, 502, 503, 504, 555), Kind.OURS),
    **dict.fromkeys((523, 530, 534, 535, 538), Kind.POLICY),
    552: Kind.SOFT,
}
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?!\d|\.\d)")
_CODE = re.compile(r"(?<![\d.])([45]\d\d)(?![\d.])")
_FULL = re.compile(r"quota|mailbox\s(?:\S+\s){0,3}?full|(?:disk|storage)\s(?:space\s)?(?:is\s)?(?:full|exceeded)", re.I)
_UNWANTED = re.compile(
    r"\b(?:spam\w*|junk|block(?:ed|list\w*|ing)?|black-?\s?list\w*|deny-?list\w*|dnsbl|rbl|reputation|polic(?:y|ies)"
    r"|spf|dkim|dmarc|authenticat\w*|virus\w*|banned|too many|frequency|(?:rate|sending) ?limit\w*|relay\w*"
    r"|reverse dns|content (?:denied|rejected))\b",
    re.I,
)


def status_in(text: str) -> str:
    """The enhanced status code that a text holds, such as "5.1.1"; empty if none."""
    match = _STATUS.search(text)
    return match[0] if match else ""


def code_in(text: str) -> int:
    """The reply code of SMTP that a text holds, such as 550; 0 if none."""
    match = _CODE.search(text)
    return int(match[0]) if match else 0


def weigh(code: int, status: str, text: str) -> Kind:
    """Whose fault a refusal is, by its reply code (0: unknown), enhanced status code (empty: none) and words.

    Where the codes say nothing in particular, a full mailbox and a blocklist are known by the words.
    """
    parts = tuple(map(int, status.split("."))) if _STATUS.fullmatch(status) else ()
    permanent = code >= 500 or (not code and (not parts or parts[0] == 5))
    kind = _by_status(parts[1:]) or _by_words(text) or _BY_CODE.get(code, Kind.HARD)
    if permanent:
        return Kind.SOFT if code == 552 and kind is not Kind.POLICY else kind
    return kind if kind in (Kind.POLICY, Kind.OURS) else Kind.SOFT


def _by_status(parts: tuple[int, ...]) -> Kind | None:
    if len(parts) != 2 or parts in _UNSPECIFIC:
        return None
    return _BY_DETAIL.get((parts[0], parts[1])) or _BY_SUBJECT.get(parts[0])


def says_full(text: str) -> bool:
    """Whether a text says that a mailbox is full."""
    return _FULL.search(text) is not None


def _by_words(text: str) -> Kind | None:
    if says_full(text):
        return Kind.SOFT
    return Kind.POLICY if _UNWANTED.search(text) else None


# ---------------------------------------------------------------- when it is enough


@dataclass(frozen=True, slots=True)
class Score:
    """What has come back from an address, summed up: the points, the last day that counted, and what it counted."""

    points: float
    day: date
    of_day: float


def remembered(score: Score | None, today: date) -> Score | None:
    """A score as it stands today: None after seven days in a row on which nothing came back."""
    if score is None or (today - score.day).days > QUIET_DAYS:
        return None
    return score


def count(score: Score | None, kind: Kind, today: date) -> Score | None:
    """The score after something came back today; of several things on one day the worst counts, once.

    A reader of weekly digests, of whom something comes back every seventh day, is not forgotten in between.
    """
    before = remembered(score, today)
    if not kind.points:
        return before
    if before is None:
        return Score(kind.points, today, kind.points)
    if today <= before.day:  # also when the clock was set back
        more = max(0.0, kind.points - before.of_day)
        return Score(before.points + more, before.day, before.of_day + more)
    return Score(before.points + kind.points, today, kind.points)

"""What an answer says about us and our pace: too fast, not wanted, or neither. Pure."""

import re
from collections import Counter, deque
from collections.abc import Iterable
from datetime import datetime
from enum import Enum

from newsletter.bouncing import Kind, status_in, weigh
from newsletter.mail.transports import Answer, Verdict
from newsletter.storage.pace import Watched

ROW = 20  # refusals in a row
LOOKED_BACK, SHARE = 1_000, 50  # answers, and refusals among them

# What large servers say: Gmail "4.7.28 … an unusual rate of mail", "4.7.0 Try again later"; Outlook "4.7.500 Server
# busy. Please try again later", "4.7.650 … temporarily rate limited"; Yahoo "4.7.0 [TSS04] … temporarily deferred due
# to unexpected volume"; GMX and web.de "Requested action aborted … try again later", "rate limit exceeded"; iCloud
# "4.7.1 … too many messages"; QQ "frequency limited"; Exchange "4.3.2 … too many concurrent connections"; Amazon SES
# "454 Throttling failure: Maximum sending rate exceeded".
_SLOWER = re.compile(
    r"\brates?\b|\brate-?limit|throttl|slow(?:ing)? (?:it )?down|\btoo (?:many|much|fast|quick|busy)|\bbusy\b|overload"
    r"|\bdeferred\b|temporar(?:y|ily)|(?:unexpected|unusual|high|excessive) (?:volume|number|traffic|load)"
    r"|frequen(?:cy|tly)|\b(?:try|retry|again|back)\b[^.]{0,40}\blater\b|(?:limit|connections|messages) exceeded"
    r"|\bexceed(?:s|ed|ing)?\b[^.]{0,40}\blimit",
    re.I,
)
_GREYLISTING = re.compile(r"gr[ae]y-?\s?list|postgrey", re.I)
_LATER = (421, 450, 451, 452, 454)
_THEIR_OWN = ("4.1.", "4.2.")  # about one mailbox, such as Gmail's 4.2.1 of one that gets mail too fast


class Meaning(Enum):
    """What an answer says."""

    WELCOME = "welcome"  # the mail was accepted
    SLOWER = "slower"
    UNWANTED = "unwanted"  # for policy
    OTHER = "other"  # it is about the recipient: who says that takes mail of ours
    NOTHING = "nothing"  # none, or one that tells nothing: greylisting (RFC 6647) is asked of every stranger


def meaning(answer: Answer) -> Meaning:
    """What an answer says about us and our pace."""
    if answer.verdict is Verdict.ACCEPTED:
        return Meaning.WELCOME
    if not answer.personal or answer.code < 400:
        return Meaning.NOTHING
    code, text, status = answer.code, answer.text, status_in(answer.text)
    if code < 500 and _GREYLISTING.search(text):
        return Meaning.NOTHING
    asks = code in _LATER or (code < 500 and status.startswith("4.7."))
    if asks and not status.startswith(_THEIR_OWN) and _SLOWER.search(text):
        return Meaning.SLOWER
    return Meaning.UNWANTED if weigh(code, status, text) is Kind.POLICY else Meaning.OTHER


class Watch:
    """The answers of a domain, or of all together, since one refused us for policy.

    Who never refuses costs nothing: one is watched from the first refusal on, until of the last thousand answers none
    was a refusal. What share they are is known once there were as many answers.
    """

    def __init__(self, heard: datetime, *, several: bool, watched: Watched | None = None) -> None:
        """Over all (`several`) no domain alone makes it ill: it takes two for a row, and for the share each counts for
        half of it at most."""
        self._several, self._heard = several, heard
        self._seen, self._row = (watched.seen, watched.row) if watched is not None else (0, 0)
        self._refused: deque[tuple[int, str]] = deque(watched.refused if watched is not None else ())

    @property
    def heard(self) -> datetime:
        """When the last refusal came."""
        return self._heard

    def refuse(self, domain: str, now: datetime) -> None:
        """A refusal came."""
        self._heard = now
        self._seen += 1
        self._row += 1
        self._refused.append((self._seen, domain))
        self._drop()

    def answer(self) -> bool:
        """Something else came. Returns whether that changes more than how many there were."""
        changed, self._row = self._row > 0, 0
        self._seen += 1
        return self._drop() or changed or self._seen % (LOOKED_BACK // 10) == 0

    def _drop(self) -> bool:
        before = len(self._refused)
        while self._refused and self._refused[0][0] <= self._seen - LOOKED_BACK:
            self._refused.popleft()
        return len(self._refused) < before

    @property
    def over(self) -> bool:
        """Whether there is nothing left to watch."""
        return not self._refused

    @property
    def ill(self) -> bool:
        """Whether it is enough: twenty in a row, or 5 % of the last thousand."""
        return self._in_a_row() or self._too_many()

    def _in_a_row(self) -> bool:
        last = {domain for _, domain in list(self._refused)[-ROW:]}
        return self._row >= ROW and len(last) > int(self._several)

    def _too_many(self) -> bool:
        return self._seen >= LOOKED_BACK and self._weight(domain for _, domain in self._refused) >= SHARE

    def _weight(self, domains: Iterable[str]) -> int:
        most = SHARE // 2 if self._several else SHARE
        return sum(min(number, most) for number in Counter(domains).values())

    def begin_anew(self) -> None:
        """After a pause only a row goes on; a share has to come about again."""
        kept = list(self._refused)[-min(self._row, ROW) :] if self._row else []
        self._refused = deque((number, domain) for number, (_, domain) in enumerate(kept, 1))
        self._seen = len(kept)

    def written(self) -> Watched:
        """As it is written down."""
        return Watched(self._heard, self._seen, self._row, tuple(self._refused))

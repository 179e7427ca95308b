"""Counting what came of each question of a fetch, whatever the interface, so that all that was received is accounted
for."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from newsletter.errors import SourceError
from newsletter.model import Account, Paper
from newsletter.sources import Sieve, Sifted, Want
from newsletter.sources.client import Client, RefusedError
from newsletter.sources.gate import CoolingError, GateError

Keys = set[tuple[str, int]]

MAX_FAILURES = 2  # questions in a row without an answer, and the rest is not asked any more
_NAMED = 3  # failures that are told one by one


class NothingError(SourceError):
    """Nothing is said to match, though some papers are known to: perhaps they do not any more, or the index is ill."""


class Tally:
    """The account of one question, in the making. `seen` holds what came before, and grows."""

    def __init__(self, source: str, asked: str, client: Client, seen: Keys, topic_ids: tuple[int, ...] = ()) -> None:
        self._source, self._asked, self._client, self._topic_ids = source, asked, client, topic_ids
        self._requests = client.requests
        self._counts: Counter[str] = Counter()
        self.seen = seen
        self.matched: int | None = None  # arXiv's own count, where it tells

    @property
    def received(self) -> int:
        """How many entries came, whatever they were."""
        return self._counts["received"]

    @property
    def missing(self) -> int:
        """How many of those that arXiv counts did not come, when it listed all."""
        return (self.matched or 0) - self.received + self._counts["repeated"]

    @property
    def kept(self) -> int:
        """How many of them match, known ones too."""
        return self._counts["known"] + self._counts["news"]

    def receive(self, papers: Sequence[Paper], unreadable: int) -> list[Paper]:
        """Count what came, and hand back what did not come before."""
        fresh = []
        for paper in papers:
            if paper.key not in self.seen:
                self.seen.add(paper.key)
                fresh.append(paper)
        repeated = len(papers) - len(fresh)
        self._counts.update(received=len(papers) + unreadable, unreadable=unreadable, repeated=repeated)
        return fresh

    def sift(self, papers: Sequence[Paper], sieve: Sieve) -> Sifted:
        """Let the sieve have them, and count what it did."""
        sifted = sieve.take(papers, self._topic_ids)
        self._counts.update(asdict(sifted))
        return sifted

    def hand_on(self, papers: Sequence[Paper]) -> Sequence[Paper]:
        """Count papers that no sieve is to have."""
        self._counts.update(news=len(papers))
        return papers

    def account(self, error: str = "") -> Account:
        """What it came to."""
        counts = self._counts
        return Account(
            self._source,
            self._asked,
            self._topic_ids,
            matched=counts["received"] if self.matched is None else self.matched,
            received=counts["received"],
            unreadable=counts["unreadable"],
            repeated=counts["repeated"],
            outside=counts["outside"],
            dropped=counts["dropped"],
            known=counts["known"],
            news=counts["news"],
            requests=self._client.requests - self._requests,
            error=error,
        )


class Books:
    """The accounts of one fetch. Of papers it keeps the keys only."""

    def __init__(self, source: str, client: Client) -> None:
        self._source, self._client = source, client
        self._seen: Keys = set()
        self._in_a_row = 0  # failures
        self.accounts: list[Account] = []

    @property
    def given_up(self) -> bool:
        """Whether so much failed that the rest need not be asked."""
        return self._in_a_row >= MAX_FAILURES

    def open(self, asked: str) -> Tally:
        """Begin the account of a question."""
        return Tally(self._source, asked, self._client, self._seen)

    def close(self, tally: Tally, error: str = "") -> None:
        """End it with an answer; `error` if that is not all."""
        self._in_a_row = 0
        self.accounts.append(tally.account(error))

    def fail(self, tally: Tally, error: SourceError) -> None:
        """End it without an answer."""
        answered = isinstance(error, RefusedError | NothingError)
        if isinstance(error, CoolingError | GateError) or (self._client.spent and not answered):
            self._in_a_row = MAX_FAILURES
        elif not answered:
            self._in_a_row += 1
        self.accounts.append(tally.account(str(error)))

    def failures(self, wants: Sequence[Want]) -> dict[int, str]:
        """Every want with what failed, if anything did: all draw on all questions."""
        failed = [f"{account.asked or 'everything'}: {account.error}" for account in self.accounts if account.error]
        if not failed:
            return {}
        more = [f"and {len(failed) - _NAMED} more"] if len(failed) > _NAMED else []
        reason = "; ".join([*failed[:_NAMED], *more])
        return {want.topic_id: reason for want in wants}


def signature(papers: Iterable[Paper]) -> str:
    """What stands for these versions, whatever their order."""
    lines = sorted(f"{identifier}v{version}" for identifier, version in {paper.key for paper in papers})
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()

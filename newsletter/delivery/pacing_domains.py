"""The domains that mail goes to: what each can take now, by its limits, its pauses and what is under way. Pure."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import partial
from heapq import heappop, heappush

from newsletter.delivery.pacing_limits import Limits, Scope, to_micros
from newsletter.delivery.pacing_pauses import Pauses, why


class Closed:
    """The domains that take nothing now. Only those are looked at that something happened to, or whose time has come:
    there may be thousands."""

    def __init__(self, shut: Callable[[str], bool], opening: Callable[[str], int | None]) -> None:
        """`shut` tells whether a domain takes nothing, `opening` from when on it does by itself."""
        self._shut, self._opening = shut, opening
        self._found: set[str] = set()
        self._frozen: frozenset[str] = frozenset()
        self._to_see: set[str] = set()
        self._openings: list[tuple[int, str]] = []  # a heap; some are out of date

    def look_at(self, domains: Iterable[str]) -> None:
        """Something happened to them."""
        self._to_see.update(domains)

    def now(self, moment: int) -> frozenset[str]:
        """Those that are."""
        while self._openings and self._openings[0][0] <= moment:
            self._to_see.add(heappop(self._openings)[1])
        news = [self._see(domain) for domain in self._to_see]
        if any(news):
            self._frozen = frozenset(self._found)
        self._to_see.clear()
        return self._frozen

    def opens(self, moment: int) -> int | None:
        """When the first of them opens by itself."""
        found = self.now(moment)
        while self._openings:
            opening, domain = self._openings[0]
            if domain in found and self._opening(domain) == opening:
                return opening
            heappop(self._openings)
        return None

    def _see(self, domain: str) -> bool:
        """Look whether it is shut; returns whether that is new."""
        was, shut = domain in self._found, self._shut(domain)
        if shut:
            self._found.add(domain)
            opening = self._opening(domain)
            if opening is not None:
                heappush(self._openings, (opening, domain))
        else:
            self._found.discard(domain)
        return was is not shut


class Domains:
    """All of them, at the moment that was seen last."""

    def __init__(self, limits: Limits, pauses: Pauses) -> None:
        self._limits, self._pauses = limits, pauses
        self._scopes: dict[str, Scope] = {}  # of those that are limited in time and were sent anything lately
        self._under_way: dict[str, list[int]] = {}  # when each was claimed
        self._closed = {
            single: Closed(partial(self._is_shut, single=single), partial(self._opening, single=single))
            for single in (False, True)
        }
        self._moment = 0
        self._now: datetime

    def see(self, moment: int, now: datetime) -> None:
        """It is now so late."""
        if moment < self._moment:
            for scope in self._scopes.values():
                scope.set_back(moment)
            for moments in self._under_way.values():
                moments[:] = [min(claimed, moment) for claimed in moments]
        self._moment, self._now = moment, now

    def look_at(self, domain: str) -> None:
        """Something happened to a domain, or (empty) to many."""
        for closed in self._closed.values():
            closed.look_at((domain,) if domain else {*self._scopes, *self._under_way, *self._pauses.domains()})

    def scopes(self) -> Iterable[str]:
        """Those of which is counted what they are sent."""
        return self._scopes.keys()

    def scope(self, domain: str) -> Scope | None:
        """What is counted of a domain; None if it has no limits in time."""
        scope = self._scopes.get(domain)
        if scope is None:
            rates = self._limits.of_domain(domain)
            if rates is not None and rates.timed:
                scope = self._scopes[domain] = Scope(rates)
        return scope

    def forget_old(self) -> None:
        """Forget those that were sent nothing lately."""
        self._scopes = {name: scope for name, scope in self._scopes.items() if not scope.is_empty(self._moment)}

    # ---------------------------------------------------------------- mail

    def claim(self, domain: str) -> None:
        """One more is under way."""
        self._under_way.setdefault(domain, []).append(self._moment)
        scope = self.scope(domain)
        if scope is not None:
            scope.add(self._moment)
        self._changed(domain)

    def answer(self, domain: str) -> None:
        """One is under way no more.

        Nobody says when it was claimed. It is taken for the last of its domain, and what is given back for the first:
        so no limit is passed, whichever it was.
        """
        self._land(domain, -1)

    def give_back(self, domain: str) -> int | None:
        """One was not handed over and does not count; returns when it was claimed, if any was."""
        moment = self._land(domain, 0)
        if moment is not None and domain in self._scopes:
            self._scopes[domain].take_back(moment)
        return moment

    def _land(self, domain: str, which: int) -> int | None:
        moments = self._under_way.get(domain)
        if not moments:
            return None
        moment = moments.pop(which)
        if not moments:
            del self._under_way[domain]
        self._changed(domain)
        return moment

    def _changed(self, domain: str) -> None:
        if self._pauses.any_of(domain) or self._limits.of_domain(domain) is not None:
            self.look_at(domain)

    # ---------------------------------------------------------------- what they take

    def allows(self, domain: str, *, single: bool) -> bool:
        """Whether it takes one more."""
        return not self._is_shut(domain, single=single)

    def closed(self, *, single: bool) -> frozenset[str]:
        """Those that take nothing now."""
        return self._closed[single].now(self._moment)

    def opens(self) -> int | None:
        """When the first of those opens by itself that take no digest."""
        return self._closed[False].opens(self._moment)

    def reasons(self) -> Iterator[tuple[int, str]]:
        """Why domains take no digest, and until when; not of those that the next answer opens."""
        for domain in self.closed(single=False):
            opening = self._opening(domain, single=False)
            if opening is None:
                continue
            if pause := self._pauses.resting(domain, self._now, single=False):
                yield opening, why(pause, self._now)
            else:
                name = self._scopes[domain].reached(self._moment, single=False)
                yield opening, f"[smtp.per_domain] {name} of {domain} is reached"

    def _is_full(self, domain: str) -> bool:
        """Whether as many are under way as may be: then only an answer opens it."""
        under_way = len(self._under_way.get(domain, ()))
        rates, width = self._limits.of_domain(domain), self._pauses.width(domain)
        allowed = rates.connections if rates is not None else None
        return (allowed is not None and under_way >= allowed) or (width > 0 and under_way >= width)

    def _is_shut(self, domain: str, *, single: bool) -> bool:
        if self._is_full(domain) or self._pauses.resting(domain, self._now, single=single):
            return True
        scope = self._scopes.get(domain)
        return scope is not None and not scope.room(self._moment, single=single)

    def _opening(self, domain: str, *, single: bool) -> int | None:
        if self._is_full(domain):
            return None
        pause, scope = self._pauses.resting(domain, self._now, single=single), self._scopes.get(domain)
        found = [to_micros(pause.until)] if pause is not None else []
        found += filter(None, [scope.opens(self._moment, single=single) if scope is not None else None])
        return max(found, default=None)

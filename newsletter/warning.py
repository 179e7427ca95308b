"""Tell the operator what is ill, since when and what to do: once, every week while it lasts, and when it is over.

An illness is of the source (too many bad dates in a row), of a job of the journal (failing for as many days), or of
those who are to take our mail and will have none of it (told at once). What was told lies in the table of warnings,
written with the mail in one transaction.
"""

import logging
import re
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from itertools import takewhile
from typing import Any

from newsletter.addresses import split_mailbox
from newsletter.app import App
from newsletter.errors import StorageError
from newsletter.model import HarvestState, Job
from newsletter.sources.calendar import visible
from newsletter.storage.pace import ALL, Cause, Pause
from newsletter.storage.singles import Single
from newsletter.storage.warnings import Told
from newsletter.text import without_addresses
from newsletter.timetable import Hours

log = logging.getLogger(__name__)

SOURCE, POLICY = "source", "policy"  # illnesses of that name; those of jobs are "job:NAME", of domains "policy:DOMAIN"
TEMPLATE = "operator"
AGAIN = timedelta(days=7)  # between two mails of an illness that lasts
LIFETIME = timedelta(days=7)  # of a mail that cannot be delivered
_DAY = timedelta(days=1)
_LOOKED_BACK = 14  # dates, besides those that make an illness: over holidays nothing counts
_SHOWN, _LONGEST = 7, 400  # dates whose reasons are told, and characters of each

_GOOD = {HarvestState.FRESH, HarvestState.NO_MATCH, HarvestState.QUIET}
# Of a bad date's fetches the one that brought most says what kind of a day it was.
_BY_WORTH = (HarvestState.PARTIAL, HarvestState.STALE, HarvestState.SAME, HarvestState.FAILED)
_CAUSES = {
    "throttled": re.compile(r"HTTP (?:403|406|429)\b|is left alone until"),
    "network": re.compile(r"no connection|no answer in time"),
    "upstream": re.compile(r"HTTP 5\d\d\b"),
    "gate": re.compile(r"the gate cannot be"),
}


# ---------------------------------------------------------------- decide


@dataclass(frozen=True, slots=True)
class Day:
    """A date with what became of its fetches. `due`: arXiv had a batch to show; `over`: so are the date's hours."""

    date: date
    states: Sequence[HarvestState]
    due: bool
    over: bool

    @property
    def good(self) -> bool | None:
        """Whether arXiv was read in full once. False: it was not, though there was something to read; None: neither."""
        if not _GOOD.isdisjoint(self.states):
            return True
        missed = self.due or HarvestState.SAME in self.states or HarvestState.STALE in self.states
        return False if self.states and self.over and missed else None

    @property
    def kind(self) -> HarvestState:
        """What kind of a bad date it was."""
        return next(state for state in _BY_WORTH if state in self.states)


@dataclass(frozen=True, slots=True)
class Health:
    """How something fares: ill since when (None: well), and whether for so long that the operator is to know."""

    name: str
    since: datetime | None
    grave: bool = False


class Step(Enum):
    """What is to be done."""

    NOTHING = "nothing"
    TELL = "tell"
    WELL = "well again"


def bad_days(days: Iterable[Day]) -> list[Day] | None:
    """The bad dates since the last good one; none if the newest that counts is good. None: nothing counts yet.

    `days` and what is returned are newest first.
    """
    counted = [day for day in days if day.good is not None]
    return list(takewhile(lambda day: not day.good, counted)) if counted else None


def source_health(days: Iterable[Day], hours: Hours, least: int) -> Health | None:
    """How the source fares; `least` bad dates in a row are grave. None: nothing counts yet."""
    bad = bad_days(days)
    if bad is None:
        return None
    return Health(SOURCE, hours.of(bad[-1].date)[0] if bad else None, len(bad) >= least)


def job_health(job: Job, now: datetime, least: int) -> Health:
    """How a job fares; to fail for `least` days is grave."""
    return Health(f"job:{job.name}", job.ill_since, job.ill_since is not None and now - job.ill_since >= least * _DAY)


def policy_health(name: str, pause: Pause | None) -> Health:
    """How our mail is taken; to let digests rest is grave."""
    return Health(name, pause.since if pause is not None else None, grave=True)


def decide(health: Health, told: Told | None, now: datetime) -> Step:
    """What is to be done about it, with what was told before."""
    if health.since is None:
        return Step.WELL if told is not None else Step.NOTHING
    # Told at a time to come: the clock was set back since.
    recently = told is not None and -_DAY < now - told.told < AGAIN
    return Step.TELL if health.grave and not recently else Step.NOTHING


# ---------------------------------------------------------------- look, and tell


def warn(app: App) -> None:
    """Look whether the operator is to be told of anything, and queue the mail. Not to be called in a transaction.

    What cannot be looked at or written is logged: no work may fail for its warning.
    """
    try:
        Rounds(app).go()
    except StorageError as error:
        log.warning("whether the operator is to be warned is not known: %s", error)


class Rounds:
    """One look at everything; `go` does what is to be done."""

    def __init__(self, app: App) -> None:
        self._app, self._now, self._least = app, app.now(), app.config.newsletter.bad_days
        self._jobs = {f"job:{job.name}": job for job in app.storage.jobs.all().values()}
        self._days = self._look_at_days()
        pauses = (pause for pause in app.storage.pace.pauses() if pause.cause is Cause.POLICY)
        self._pauses = {POLICY if pause.domain == ALL else f"{POLICY}:{pause.domain}": pause for pause in pauses}

    def go(self) -> None:
        """Decide twice: the second time in the transaction, for another process may look just now."""
        if not any(self._steps()):
            return
        with self._app.storage.write():
            steps = list(self._steps())
            for health, step, told in steps:
                self._write(health, step, told)
        for health, step, _ in steps:
            self._log(health, step)

    def _look_at_days(self) -> list[Day]:
        app = self._app
        states = app.storage.harvests.states(2 * self._least + _LOOKED_BACK)
        return [
            Day(day, found, _was_due(app, day), over=app.hours.of(day)[1] <= self._now) for day, found in states.items()
        ]

    def _healths(self, told: Iterable[str]) -> Iterable[Health]:
        policies = {name for name in told if name.partition(":")[0] == POLICY}
        yield from (policy_health(name, self._pauses.get(name)) for name in sorted(policies | self._pauses.keys()))
        yield from (job_health(job, self._now, self._least) for job in self._jobs.values())
        source = source_health(self._days, self._app.hours, self._least)
        yield from (source,) if source is not None else ()

    def _steps(self) -> Iterable[tuple[Health, Step, Told | None]]:
        told = self._app.storage.warnings.all()
        for health in self._healths(told):
            step = decide(health, told.get(health.name), self._now)
            if step is not Step.NOTHING:
                yield health, step, told.get(health.name)

    def _write(self, health: Health, step: Step, told: Told | None) -> None:
        storage = self._app.storage
        # We do not look back for ever: what was told already may have begun before.
        since = min(filter(None, (health.since, told.since if told is not None else None)))
        if step is Step.WELL:
            storage.warnings.forget(health.name)
        else:
            storage.warnings.tell(health.name, since, self._now)
        if operator := self._app.config.newsletter.operator:
            self._queue(operator, self._values(health, step, since))

    def _queue(self, operator: str, values: dict[str, Any]) -> None:
        app = self._app
        newsletter, today = app.config.newsletter, app.today()
        _, address = split_mailbox(operator, newsletter.local_domains)
        app.storage.deliveries.queue_single(
            Single(TEMPLATE, values, address),
            f"{today:%Y%m%d}.{app.outside.token()}@{newsletter.domain}",
            day=today,
            expires=self._now + LIFETIME,
            now=self._now,
        )

    def _log(self, health: Health, step: Step) -> None:
        if self._app.config.newsletter.operator:
            log.info("the operator is told: illness=%s since=%s step=%s", health.name, health.since, step.value)
        else:
            why = "nobody is told, as [newsletter] operator is not set"
            log.warning("%s: illness=%s since=%s step=%s", why, health.name, health.since, step.value)

    # ---------------------------------------------------------------- what the mail holds

    def _values(self, health: Health, step: Step, since: datetime) -> dict[str, Any]:
        """What the templates are given; see templates/operator/body.txt."""
        newsletter, job = self._app.config.newsletter, self._jobs.get(health.name)
        kind, _, name = health.name.partition(":")
        local = since.astimezone(newsletter.timezone)
        return {
            "newsletter": newsletter.name,
            "illness": job.name if job is not None else kind,
            "well": step is Step.WELL,
            "since": local.date().isoformat(),
            "at": f"{local:%H:%M}",
            "opens": f"{newsletter.publish_at:%H:%M}",
            "closes": f"{newsletter.publish_until:%H:%M}",
            "zone": str(newsletter.timezone),
            "folder": str(self._app.config.path.parent),
            "failure": _shown(job.failure) if job is not None else "",
            "failures": job.failures if job is not None else 0,
            "domain": name if kind == POLICY else "",
            **self._of_policy(self._pauses.get(health.name)),
            **self._of_source(bad_days(self._days) or () if kind == SOURCE else ()),
        }

    def _of_policy(self, pause: Pause | None) -> dict[str, Any]:
        if pause is None:
            return {"answer": "", "until": "", "until_at": ""}
        until = pause.until.astimezone(self._app.config.newsletter.timezone)
        return {"answer": _shown(pause.reply), "until": until.date().isoformat(), "until_at": f"{until:%H:%M}"}

    def _of_source(self, days: Iterable[Day]) -> dict[str, Any]:
        bad = {day.date: day for day in days}
        records = [record for record in self._app.storage.harvests.by_date(len(self._days)) if record.date in bad]
        reasons = [
            {"date": record.date.isoformat(), "state": str(record.state), "reason": _shown(record.reason)}
            for record in reversed(records[:_SHOWN])
        ]
        kinds = {day.kind for day in bad.values()}
        kind = str(kinds.pop()) if len(kinds) == 1 else "mixed"
        return {"kind": kind, "reasons": reasons, "causes": causes(bad.values(), [r["reason"] for r in reasons])}


def causes(days: Iterable[Day], reasons: Iterable[str]) -> list[str]:
    """What may be the matter, by what is known: names that the templates have advice for."""
    said = "\n".join(reasons)
    found = [name for name, sign in _CAUSES.items() if sign.search(said)]
    kinds = {day.kind for day in days}
    if kinds & {HarvestState.SAME, HarvestState.STALE} and "upstream" not in found:
        found.append("upstream")
    return found + (["partial"] if HarvestState.PARTIAL in kinds else [])


def _was_due(app: App, day: date) -> bool:
    """Whether arXiv was to show a batch between the end of the hours before and the end of this date's."""
    before, until = (app.hours.of(other)[1] for other in (day - _DAY, day))
    return any(before < visible(batch, "api") <= until for batch in app.calendar.between(before - _DAY, until))


def _shown(reason: str) -> str:
    return textwrap.shorten(without_addresses(reason), _LONGEST, placeholder=" …")
